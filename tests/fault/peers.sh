#!/bin/bash
# SPDX-License-Identifier: MIT
# Compares nbd-attach with other clients in one guest: the same outages under the same loads. Prints
# failed requests, lost blocks and the lag of each. Only nbd-attach can fail a check, and only with
# --ours.
# Alone: it measures times, which another guest would spoil.
# shellcheck source=tests/lib.sh disable=SC2016,SC2317 # check() calls functions, and eval
. "$(dirname "$0")/../lib.sh"
in_guest 590 "$@"
begin
# shellcheck source=tests/fault/lib.bash
. "$top/tests/fault/lib.bash"
# shellcheck source=tests/fault/peers.bash
. "$top/tests/fault/peers.bash"

strict='' only=.
[[ ${1:-} != --ours ]] || { strict=1 && shift; }
(($# == 0)) || only=$1 # a regular expression that selects peers

clear_up() {
	for p in $loader $fio $helper; do
		disown "$p" 2>/dev/null # suppresses the shell's message
		kill -KILL "$p" 2>/dev/null
	done
	timeout -k 1 5 nbd-client -d "/dev/$device" >/dev/null 2>&1
	helper=''
	release >/dev/null && return
	echo "  (its device stays stuck)"
}

said_of() { # the last line of fault verify: prints "nothing lost" or the errors
	if [[ $1 = *lost\ 0\ stale\ 0\ torn\ 0\ foreign\ 0 ]]; then
		echo "nothing lost"
	else
		echo "${1#*written }"
	fi
}

row() { # NAME LOAD TEXT
	printf '  %-34s %-8s %s\n' "$@"
}

# With fault load: failures, lags, and lost blocks.
outage_of() { # NAME SECONDS FUNCTION ARGUMENT...
	local name=$1 seconds=$2 wrong text
	[[ $name =~ $only ]] || return 0
	shift 2
	new_image
	serve nbdkit "$sock"
	if ! "$@" >>"$scratch/log" 2>&1; then
		row "$name" ledger "does not attach"
		clear_up
		return
	fi
	load -r 500 || row "$name" ledger "the load does not start"
	pause 2
	outage "$seconds"
	pause 35 # the kernel's own period is 30 s
	kill -TERM "$loader"
	if wait_for 5 gone "$loader"; then
		text=''
	else
		text='HANGS 40 s after the server is back; '
	fi
	text+=$(figures)
	wrong=$("$fault" verify "$scratch/load/ledger" "$image" | tail -n 1)
	row "$name" ledger "${text/ writes*/}; $(said_of "$wrong")"
	clear_up
}

fio_of() { # NAME SECONDS FUNCTION ARGUMENT...
	local name=$1 seconds=$2 text='every write verified'
	[[ $name =~ $only ]] || return 0
	shift 2
	new_image
	serve nbdkit "$sock"
	if ! "$@" >>"$scratch/log" 2>&1; then
		row "$name" fio "does not attach"
		clear_up
		return
	fi
	fio_load 16 200
	pause 3
	outage "$seconds"
	fio_ended 35 >"$scratch/fio.text" || text=$(grep -oE 'hangs|err=.*' "$scratch/fio.text" | head -n 1)
	row "$name" fio "$text"
	clear_up
}

peer() { # NAME FUNCTION ARGUMENT...
	local name=$1
	shift
	fio_of "$name" 3 "$@"
	outage_of "$name" 3 "$@"
}

echo "kernel $(uname -r), nbdkit on a Unix socket killed and started again 3 s later; 16 in flight"
peer "nbd-attach" by_nbd_attach
if [[ $strict ]]; then
	check "nbd-attach: no request failed" is "$(figure failed)" 0
fi
peer "nbd-client -persist" by_nbd_client
outage_of "nbd-client -persist -timeout 5" 3 by_nbd_client -timeout 5
peer "nbd-client -persist -nonetlink" by_nbd_client_ioctl
peer "qemu-nbd -c, reconnect-delay" by_qemu_nbd
((passed)) || ok "the table above"
finish
