#!/bin/bash
# SPDX-License-Identifier: MIT
# The caller ignores SIGCHLD, which execve(2) keeps: the kernel would reap each child at once, and tell
# nobody how it ended.
# shellcheck source=tests/stub/lib.bash disable=SC2016,SC2119,SC2317 # check() calls functions
. "$(dirname "$0")/../lib.bash"

# bash sets it back for its children: it needs it.
cat >"$N/ignoring" <<'END'
#!/usr/bin/env python3
import os, signal, sys
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
os.execv(sys.argv[1], sys.argv[1:])
END
chmod 755 "$N/ignoring"
nbd_attach=("$N/ignoring" "${nbd_attach[@]}")

is_ignored() { # SIGNAL PID
	(($(sed -n 's/^SigIgn:\s*/0x/p' "/proc/$2/status") >> ($1 - 1) & 1))
}

ignored_by_programs() { "$N/ignoring" "$(type -P grep)" 'SigIgn:.*[13579bdf]....$' /proc/self/status; }

check "what the caller starts ignores it" ignored_by_programs
serve
check "--info" nbd_attach --info -u "$sock"
check "--list" nbd_attach --list -u "$sock"
check "--info: a host name" expect_status 4 'nbd.invalid' nbd_attach --info nbd.invalid
check "--info of a command" nbd_attach --info -- [ nbdkit -f memory 1M ]
check "--info of a command that fails" expect_status 5 'ended with exit status 1' \
	nbd_attach --info -- [ false ]
check "it attaches" attach
check "the supervisor does not ignore it" refuses is_ignored 17 "$(supervisor_pid 0)"
load
check "it heals" heals 10
check "nothing is lost" unload
check "one device of two cannot be detached: the exit status says so" \
	eval 'nbd_attach --detach nbd999 nbd0 2>"$N/said"; is $? 2 && grep nbd999 "$N/said"'
check "--exec: the exit status is the command's" expect_status 7 '' nbd_attach --exec 'exit 7' nbd0 -u "$sock"
check "--exec: the device is detached" refuses test -e "$N/nbd0.state"
finish
