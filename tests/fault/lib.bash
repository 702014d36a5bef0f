# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# What the fault scripts share; sourced after tests/lib.sh and begin().
#
#   serve nbdkit "$scratch/sock"        # or a port; also nbd-server and qemu-nbd
#   nbd_attach nbd0 -u "$scratch/sock"
#   load                                # writes that verify themselves, until unload
#   crash                               # kill -9, and the time in $began
#   serve_again                         # the same server, and in $listening since when
#   unload                              # nothing failed, nothing lost, on both sides
#
# Times are those of `fault now`: ns of CLOCK_MONOTONIC.

fault=$top/build/tests/fault/fault
image=$scratch/image
server='' server_kind='' server_where='' began='' listening='' loader='' in_server_net=()

server_options=()

#
# Servers: the kind that was started last is the one that crash and serve_again mean
#

new_image() { # [SIZE]; zeroed
	rm -f "$image"
	truncate -s "${1:-64M}" "$image"
}

server_command() { # into ${command[@]}; server_kind, server_where and $image say which
	local unix='' port='' word options=() settings=()
	for word in "${server_options[@]}"; do
		[[ $word = -* ]] && options+=("$word") || settings+=("$word")
	done
	[[ $server_where = /* ]] && unix=$server_where || port=$server_where
	case $server_kind in
	nbdkit)
		command=(nbdkit -f ${unix:+-U "$unix"} ${port:+-p "$port"} "${options[@]}"
			file "$image" "${settings[@]}")
		;;
	qemu-nbd)
		command=(qemu-nbd -t -f raw --cache=writeback ${unix:+-k "$unix"} ${port:+-p "$port"}
			"${options[@]}" "$image")
		;;
	nbd-server)
		# Only in the background it serves more than one client; see serve_again.
		{
			printf '[generic]\n\tallowlist = true\n'
			[[ ! $unix ]] || printf '\tunixsock = %s\n' "$unix"
			[[ ! $port ]] || printf '\tport = %s\n' "$port"
			# The first export is what the name "" means to it, too.
			printf '[disk]\n\texportname = %s\n\tflush = true\n\tfua = true\n' "$image"
			printf '\t%s\n' "${settings[@]}"
		} >"$scratch/nbd-server.conf"
		command=(nbd-server -C "$scratch/nbd-server.conf" -p "$scratch/nbd-server.pid")
		;;
	*)
		echo "no such server: $server_kind" >&2
		return 1
		;;
	esac
}

serve() { # KIND WHERE [OPTION...]: WHERE is a path or a port; sets $server, a process group
	server_kind=$1 server_where=$2
	shift 2
	server_options=("$@")
	serve_again
}

serve_again() { # with ${server_options[@]} and $image as they are now; sets $server, $listening
	local command=()
	server_command || return
	[[ $server_where != /* ]] || rm -f "$server_where"
	rm -f "$scratch/listening" "$scratch/nbd-server.pid"
	"${in_server_net[@]}" "$fault" serve "$server_where" "$scratch/listening" "${command[@]}" \
		>>"$scratch/log" 2>&1 </dev/null 8>&- 9>&- &
	server=$!
	started+=("$server")
	if ! wait_for 20 test -s "$scratch/listening"; then
		echo "${command[*]} does not listen at $server_where" && cat "$scratch/log"
		return 1
	fi
	listening=$(<"$scratch/listening")
	# It is another process now, in a session of its own: so the group can still be killed.
	[[ $server_kind != nbd-server ]] || {
		wait_for 5 test -s "$scratch/nbd-server.pid" || return
		server=$(<"$scratch/nbd-server.pid")
		started+=("$server")
	}
}

crash() { # kill -9: with whatever it forked, as nbd-server does for each client
	began=$("$fault" now)
	kill -KILL -- "-$server"
	wait "$server" 2>/dev/null || true
}

#
# The load: requests that verify themselves. See fault.c
#

load() { # [OPTION...] of fault load
	mkdir -p "$scratch/load"
	rm -f "$scratch"/load/*
	"$fault" load "$@" /dev/nbd0 "$scratch/load" >"$scratch/load/said" 2>&1 </dev/null \
		8>&- 9>&- &
	loader=$!
	started+=("$loader")
	wait_for 10 moving
}

moving() { # the log grows
	local size
	size=$(stat -c %s "$scratch/load/log" 2>/dev/null) || return
	((size > 0))
}

load_ended() { # [SECONDS]: asks it to end and waits; its status says whether anything failed
	local status
	kill -TERM "$loader"
	if ! wait_for "${1:-30}" gone "$loader"; then
		echo "the load hangs: $(cat "$scratch/load/said")"
		return 1
	fi
	wait "$loader"
	status=$?
	cat "$scratch/load/said"
	return "$status"
}

figures() { # of the latest outage
	"$fault" times "$scratch/load/log" "$began" "$listening"
}

figure() { # NAME
	figures | tr ' ' '\n' | grep -A 1 -x "$1" | tail -n 1
}
