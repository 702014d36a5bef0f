#!/bin/bash
# SPDX-License-Identifier: MIT
# The supervisor of the root file system with TLS: when the files of the initramfs are gone, the keys
# are those that were read before.
# shellcheck source=tests/stub/net.bash disable=SC2016,SC2317
. "$(dirname "$0")/../net.bash"
# shellcheck source=tests/stub/lib.bash
. "$(dirname "$0")/../lib.bash"

mkdir "$N/stub/empty-root"
make_key "$N/psk"
secure
# A sanitizer's search for leaks reads /proc, which is not there: it would never end.
ASAN_OPTIONS+=:detect_leaks=0
check "it attaches" attach --root --tls --tls-psk "$N/psk" --tls-username me -- 127.0.0.1
load
for n in 1 2; do
	check "outage $n: I/O goes on before" loading 20 10
	crash
	check "outage $n: it is noticed" within 10 state_is lost
	secure
	check "outage $n: it heals" within 20 state_is attached
	check "outage $n: I/O goes on" loading 20 10
done
check "no file was missed" bash -c '! grep -E "read before|cannot read|cannot open" "$1"' - "$N/stub/log"
check "nothing failed, nothing is lost" unload
check "it detaches" detach
finish
