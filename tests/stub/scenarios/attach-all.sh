#!/bin/bash
# SPDX-License-Identifier: MIT
# --attach-all leaves as it is what is attached, read-only or not, and a signal ends what it waits
# for: no device is attached afterwards.
# shellcheck source=tests/stub/lib.bash disable=SC2016,SC2119,SC2154,SC2317
. "$(dirname "$0")/../lib.bash"

own_attach() { "${own_etc[@]}" "${nbd_attach[@]}" "$@"; }

config() { # NAME LINE...
	printf '%s\n' "unix = $sock" "${@:2}" >"$N/etc/$1.conf"
}

prints() { # TEXT COMMAND...
	local said
	said=$("${@:2}") || return
	echo "$said"
	[[ $said = "$1" ]]
}

count_is() { # COUNT TEXT: so many commands have said that
	cat "$log"
	(($(grep -c "$2" "$log") == $1))
}

# Starts it as another program does: with the signals' own actions.
begins() { # COUNT COMMAND...; so many devices wait for their server
	"${own_etc[@]}" python3 -c 'import os, signal, sys
for number in signal.SIGINT, signal.SIGTERM, signal.SIGHUP:
    signal.signal(number, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])' "${@:2}" >"$log" 2>&1 </dev/null &
	pid=$!
	started+=("$pid")
	within 10 count_is "$1" "trying again"
}

says_nothing_attached() { # STATUS
	local status
	wait_for 10 gone "$pid" || return
	wait "$pid"
	status=$?
	cat "$log"
	echo "status $status, wanted $1"
	((status == $1)) && grep -q 'interrupted: nothing is attached' "$log"
}

need_mount_namespace /etc attach-all
export N
# A command after these words has an /etc of its own, with what is in $N/etc.
own_etc=(unshare "${namespace[@]}" bash -c 'mount -t tmpfs tmpfs /etc && cp -r "$N/etc" /etc/nbd-attach &&
	exec "$@"' -)
log=$N/command.said
mkdir "$N/etc"
serve

config roo 'read-only = yes'
check "a read-only one is attached" prints /dev/nbd0 own_attach roo
check "again: its name is printed" prints /dev/nbd0 own_attach roo
check "every one" expect_status 0 '^nbd-attach: /dev/nbd0 is already attached' own_attach --attach-all
check "something differs: it is refused" expect_status 3 'named roo is attached already' \
	own_attach --dead-timeout 5 roo
rm "$N/etc/roo.conf"
config 'my disk' 'read-only = yes'
check "a file whose name is not that of a configuration" expect_status 2 \
	'^nbd-attach: /etc/nbd-attach/my disk.conf is not attached: .* letters' own_attach --attach-all
check "... was not attached" told_is configured 0 1
check "... and the other one is as it was" told_is configured 1
config 'my disk'
check "a writable one" expect_status 2 'my disk.conf is not attached' own_attach --attach-all
check "... was not attached, either" told_is configured 0 1
rm "$N/etc/"*
config nbd3 'read-only = yes'
check "the name of a device" own_attach -q --attach-all
check "... is attached" told_is configured 1 3
check "all detach" nbd_attach -q --detach --all

rm "$N/etc/"*
crash
rm -f "$sock"
config roo 'wait = yes' 'device = nbd0'
config two 'wait = yes' 'device = nbd1' 'read-only = yes'
for signal in TERM INT HUP; do
	check "it waits for the server" begins 2 "${nbd_attach[0]}" --attach-all
	kill -"$signal" "$pid"
	check "SIG$signal: it says that nothing is attached" says_nothing_attached 1
	check "... of each" count_is 2 interrupted
done
check "it waits for the server" begins 2 "${nbd_attach[0]}" --attach-all
kill_now "$pid"
check "SIGKILL: each says that nothing is attached" within 10 count_is 2 interrupted
check "one alone waits for the server" begins 1 "${nbd_attach[0]}" roo
kill -HUP "$pid"
check "SIGHUP: it says that nothing is attached" says_nothing_attached 1
serve_again
pause 2.5 # longer than until the next attempt
check "no device is attached when the server is there" told_is configured 0
check "... nor the other one" told_is configured 0 1
finish
