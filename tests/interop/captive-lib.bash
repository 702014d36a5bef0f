# shellcheck shell=bash disable=SC2154 # lib.sh's
# SPDX-License-Identifier: MIT
# What the captive*.sh scripts share. Sourced after tests/lib.sh.

server_of() { # DEVICE: prints the process ID of its current server
	nbd_attach --status "$1" >/dev/null
	state_of "$1" CAPTIVE_PID
}

keeper_of() { # DEVICE
	cat "/run/nbd-attach/captive-$(state_of "$1" CAPTIVE).lock"
}

another_server() { # DEVICE PID
	local now
	now=$(server_of "$1")
	((now > 0 && now != $2))
}

# No process and no file of a captive server is left.
nothing_left() {
	local p words status=0
	for p in /proc/[0-9]*; do
		mapfile -d '' -t words 2>/dev/null <"$p/cmdline"
		case ${words[*]} in
		*--keep-captive* | qemu-nbd* | nbdkit* | sleep\ 1000* | yes* | *hostile-*)
			running "${p#/proc/}" && echo "${words[*]}" && status=1
			;;
		esac
	done
	! compgen -G '/run/nbd-attach/captive-*' && return "$status"
}

ends() { # NAME DEVICE: detaches and checks that nothing is left
	check "$1: detaches" nbd_attach --detach "$2"
	check "$1: nothing is left" nothing_left
}
