#!/bin/bash
# SPDX-License-Identifier: MIT
# A signal that asks for a reload comes before the device is attached, even before the kernel's
# interface is open: the supervisor says that it reads nothing again, and attaches.
# shellcheck source=tests/stub/lib.bash disable=SC2119,SC2154,SC2317
. "$(dirname "$0")/../lib.bash"

# The signal is pending when the program begins.
cat >"$N/signalled.py" <<-'EOP'
	import os, signal, sys
	signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
	os.kill(os.getpid(), signal.SIGUSR1)
	os.execv(sys.argv[1], sys.argv[1:])
EOP
serve
export WATCHDOG_USEC=30000000
start python3 "$top/tests/stub/manager.py" "$N" \
	python3 "$N/signalled.py" "${nbd_attach[0]}" -v -n nbd0 -u "$sock" 2>"$N/stub/log"
check "the manager listens" wait_for 10 test -p "$N/start"
echo >"$N/start"
check "it attaches" within 10 state_is attached
check "it says that nothing is read again" \
	logged 'warning: the configuration is not read again: no device is attached yet'
check "it detaches" detach
finish
