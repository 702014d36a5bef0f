#!/bin/bash
# SPDX-License-Identifier: MIT
# The supervisor of the root file system with a second server that wants TLS: when the files of the
# initramfs are gone, its keys are known, although it was never dialled before.
# shellcheck source=tests/stub/net.bash disable=SC2016,SC2317
. "$(dirname "$0")/../net.bash"
# shellcheck source=tests/stub/lib.bash
. "$(dirname "$0")/../lib.bash"

mkdir "$N/stub/empty-root"
make_key "$N/psk"
serve_tcp
# A sanitizer's search for leaks reads /proc, which is not there: it would never end.
ASAN_OPTIONS+=:detect_leaks=0
check "it attaches" attach --root --failover "nbds://me@127.0.0.1/?tls-psk-file=$N/psk" --fence none \
	-- 127.0.0.1 -p "$port"
load
check "I/O goes on before" loading 20 10
crash
check "an outage is noticed" within 10 state_is lost
secure
check "it heals, by the other server" within 20 state_is attached
check "I/O goes on" loading 20 10
check "no file was missed" bash -c '! grep -E "read before|cannot read|cannot open" "$1"' - "$N/stub/log"
check "nothing failed, nothing is lost" unload
check "it detaches" detach
finish
