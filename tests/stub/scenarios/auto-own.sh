#!/bin/bash
# SPDX-License-Identifier: MIT
# auto takes over the device that the same attachment has left: the one with its name, and read-only
# if that was asked for. Any other device of the export keeps its name and its mode.
# shellcheck source=tests/stub/lib.bash disable=SC2016,SC2119,SC2154,SC2317
. "$(dirname "$0")/../lib.bash"

auto() { # OPTION...
	nbd_attach --io-timeout 1 "$@" auto -u "$sock"
}

gives() { # N OPTION...: auto prints this device
	local said
	said=$(auto "${@:2}") || return
	echo "$said"
	[[ $said = "/dev/nbd$1" ]]
}

adopts() { # N OPTION...: auto takes this device over, and says so
	auto "${@:2}" >"$N/adopts.said" 2>&1
	local status=$?
	cat "$N/adopts.said"
	((status == 0)) && grep -q "^nbd-attach: /dev/nbd$1: taken over" "$N/adopts.said"
}

value_is() { # N KEY VALUE
	grep "^$2=" "$N/nbd$1.state"
	grep -qx "$2=$3" "$N/nbd$1.state"
}

named() { # N NAME: to udev, too
	cat "$N/nbd$1".*.udev
	value_is "$1" NAME "$2" && grep -qx "NBD_ATTACH_NAME=$2" "$N/nbd$1".*.udev
}

killed() { # N...: their supervisors
	local n p
	for n; do
		p=$(supervisor_pid "$n")
		kill -KILL "$p"
		wait_for 10 gone "$p" || return
	done
}

serve
check "a reader" gives 0 -r --name a
check "another one" gives 1 -r --name b
check "both supervisors die" killed 0 1
check "the second one gets its own device back" adopts 1 -r --name b
check "... with its name" named 1 b
check "the first one keeps its name" named 0 a
check "... and is taken over by its own" adopts 0 -r --name a
check "... as which it is named" named 0 a
check "a third one dies with the second" eval 'gives 2 -r --dead-timeout 9 && killed 1 2'
check "one without a name gets the one without a name" adopts 2 -r --dead-timeout 9
check "a new name gets a free device" gives 3 -r --name c
check "a name that is not there any more: its device is as it was" named 1 b
check "a name is given once" expect_status 3 'nbd1 is attached already with the name b, but read-only' \
	auto --name b
check "they are taken over again" adopts 1 -r --name b
check "all detach" nbd_attach -q --detach --all

# The mode.
check "a writer" gives 0 --name w
check "its supervisor dies" killed 0
check "a reader gets a free device" gives 1 -r --name r
check "... which is read-only" value_is 1 READ_ONLY yes
check "the same without a name" gives 2 -r
check "the reader's supervisors die" killed 1 2
check "another writer is refused, and why is said" expect_status 3 \
	'nbd0 is attached for writing already, with the name w instead of the name v: attach it as nbd0' \
	auto --name v
check "... one without a name, too" expect_status 3 'with the name w instead of none: ' auto
check "... the name as a reader's" expect_status 3 'nbd0 is attached already with the name w, but for writing' \
	auto -r --name w
check "in the foreground, too" expect_status 3 'with the name w instead of the name v: ' auto -n --name v
check "the writer is taken over" adopts 0 --name w
check "the reader is taken over" adopts 1 -r --name r
check "the one without a name is taken over" adopts 2 -r
check "all detach" nbd_attach -q --detach --all
check "a reader" gives 0 -r --name r
check "its supervisor dies" killed 0
check "a writer gets a free device" gives 1 --name w
check "... which is writable" value_is 1 READ_ONLY no
check "the reader is taken over" adopts 0 -r --name r
check "all detach" nbd_attach -q --detach --all

# Whether read-only was asked for does not follow from the device.
crash
serve_with -r
check "a device that its server makes read-only" gives 0 --name s
check "it is" value_is 0 READ_ONLY yes
check "its supervisor dies" killed 0
check "asked for read-only, the name is in use" expect_status 3 'nbd0 is attached already with the name s, but without --read-only' \
	auto -r --name s
check "it is taken over" adopts 0 --name s
check "its supervisor dies, and the key of its options is lost" eval 'killed 0 && rm "$N/secret"'
check "by its name it is recognised all the same" adopts 0 --name s
check "all detach" nbd_attach -q --detach --all
crash

# Without a state file only the kernel says what the device is.
serve_with
check "a writer" gives 0 --name w
check "it leaves no state file" eval 'killed 0 && rm "$N/nbd0.state"'
check "a reader gets a free device" gives 1 -r --name r
check "only one device can be the writer's" adopts 0 --name w
check "the readers leave none" eval 'gives 2 -r --name q && killed 1 2 && rm "$N/nbd2.state"'
check "the one that is described is certain" adopts 1 -r --name r
check "the other one is the only one left" adopts 2 -r --name q
check "... and has its name again" named 2 q
check "the writer and a reader leave none" eval 'killed 0 2 && rm "$N/nbd0.state" "$N/nbd2.state"'
check "a writer does not get the reader's" adopts 0 --name w
check "the reader is detached" nbd_attach -q --detach nbd2
check "all detach" nbd_attach -q --detach --all

# A supervisor in the foreground gets the device of one that lives, if that is its own.
check "a reader" gives 0 -r --name a
check "another one" gives 1 -r --name b
start "${nbd_attach[@]}" -n -r --name b auto -u "$sock"
check "the successor takes over its own device" within 10 value_is 1 PID "$pid"
check "... and keeps the name" named 1 b
check "the other one keeps its supervisor" eval 'nbd_attach --check nbd0 && named 0 a'
start "${nbd_attach[@]}" -n -r --name c auto -u "$sock"
check "a new name gets a free device" within 10 value_is 2 PID "$pid"
check "the others are as before" eval 'named 0 a && named 1 b'
check "all detach" nbd_attach -q --detach --all
finish
