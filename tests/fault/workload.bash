# shellcheck shell=bash disable=SC2154
# SPDX-License-Identifier: MIT
# What the workload-*.sh share: a server that dies every few seconds, and what must not be in the
# kernel's log. Sourced after tests/lib.sh, begin() and lib.bash.

enough=$scratch/enough deaths=$scratch/deaths over=$scratch/over
export DM_DISABLE_UDEV=1 MDADM_NO_UDEV=1 # there is none in this guest

needs() { # NAME CHECKS COMMAND...: skips NAME, which has so many checks, if a command is missing
	local name=$1 checks=$2 command
	shift 2
	for command; do
		type -P "$command" >/dev/null && continue
		skip "$name" "$command is missing: tests/deps long installs it" "$checks"
		return 1
	done
}

# An image of MIB, its server, and the device.
attach_image() { # NAME MIB
	rm -f "$image"
	truncate -s "$2M" "$image"
	check "$1: server" serve nbdkit "$scratch/sock" && check "$1: attaches" attach
}

# Kills the server 3 to 5 s after it has come back, and starts it again a second later. The process that
# does it stays: nbdkit 1.32 asks for SIGTERM at the end of its parent, with -f, and then answers the
# requests of its last moment with an error.
dies_often() {
	rm -f "$enough" "$deaths" "$over"
	echo "$server" >"$deaths"
	(
		RANDOM=1
		until [[ -e $enough ]]; do
			pause $((3 + RANDOM % 3))
			"$fault" kill 9 "$server" >/dev/null
			pause 1
			serve_again || exit
			echo "$server" >>"$deaths"
		done
		touch "$over"
		while :; do
			pause 3600
		done
	) >"$scratch/dying" 2>&1 </dev/null &
	dying=$!
	started+=("$dying")
}

# Sets $died to the number of deaths.
lives() {
	touch "$enough"
	wait_for 60 test -e "$over" || { cat "$scratch/dying" && return 1; }
	server=$(tail -n 1 "$deaths")
	died=$(($(wc -l <"$deaths") - 1))
	started+=("$server")
}

attached_again() {
	wait_for 90 state_is attached && return
	cat "/run/nbd-attach/$device.state" "$scratch/dying" "$scratch/log"
	ps -o pid,ppid,stat,args
	dmesg | tail -n 20
	return 1
}

survived() { # NAME AT-LEAST
	check "$1: the server lives again" lives
	check "$1: it had died $2 times or more ($died)" test "$died" -ge "$2"
	check "$1: attached" attached_again
}

bad='I/O error|EXT4-fs (error|warning)|XFS .*(error|orrupt|[Ss]hut)|BTRFS (error|critical)|BUG|Oops'
bad+='|WARNING|Call Trace|blocked for more|md/raid1.*(Disk failure|rescheduling)|device-mapper: .*(error|nvalid)'
no_complaint() {
	! dmesg | grep -E "$bad"
}

ends_clean() { # NAME
	check "$1: no I/O error in the kernel's log" no_complaint
	dmesg --clear
	check "$1: detaches" release
}
