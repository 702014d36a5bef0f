# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# What the fault scripts share; sourced after tests/lib.sh and begin().
#
#   new_image
#   serve nbdkit "$scratch/sock"        # or a port; also nbd-server and qemu-nbd
#   attach                              # its export as /dev/$device
#   load                                # writes that verify themselves
#   outage 3                            # kill -9, and the same server again after 3 s
#   healed                              # the state is attached, by a new connection
#   unload                              # nothing failed, nothing lost, on both sides
#   release                             # detached by a plain --detach; the server is stopped
#
# Times are those of `fault now`: ns of CLOCK_MONOTONIC. Names of states and keys are those of
# src/runtime/state.c; what is not there yet stands in one place, below.

fault=$top/build/tests/fault/fault
image=$scratch/image
[[ -x $fault ]] || {
	echo "$fault is missing: make fault" >&2
	exit 1
}
device=nbd0
json_reconnects=reconnects # how often a connection was replaced
json_stalled=stalled       # true: requests in flight, but none completes
json_reason=last-error     # why it is refused or lost
server='' server_kind='' server_where='' began='' earlier=(0 0) reconnects=(0 0) listening='' loader='' fio='' in_server_net=()
server_host=127.0.0.1

server_options=()

#
# Servers: the kind that was started last is the one that crash and serve_again mean
#

new_image() { # zeroed. Small, because it is read as a whole
	rm -f "$image" "$scratch/load/ledger"
	truncate -s 16M "$image"
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
		command=(qemu-nbd -t -x disk -f raw --cache=writeback ${unix:+-k "$unix"} ${port:+-p "$port"}
			"${options[@]}" "$image")
		;;
	nbd-server)
		# Only in the background it serves more than one client; see serve_again.
		{
			printf '[generic]\n\tallowlist = true\n'
			[[ ! $unix ]] || printf '\tunixsock = %s\n' "$unix"
			[[ ! $port ]] || printf '\tport = %s\n' "$port"
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
		# It listens, looks for a prime, and only then serves.
		wait_for 30 asleep "$server"
		listening=$("$fault" now)
	}
}

stop_server() { # it answers nothing any more, its sockets stay
	began=$("$fault" kill 19 "$server")
}

cont_server() {
	listening=$("$fault" kill 18 "$server")
}

shut_server() { # in peace
	kill -TERM -- "-$server" 2>/dev/null
	wait_for 5 gone "$server" || kill -KILL -- "-$server"
	wait "$server" 2>/dev/null || true
}

reconnects() { # sets $reconnects: the supervisor, and how many connections it has replaced
	local pid count value
	read_state "$device" PID
	pid=$value
	read_state "$device" RECONNECTS
	count=$value
	reconnects=("${pid:-0}" "${count:-0}")
}

crash() { # kill -9: with whatever it forked, as nbd-server does for each client
	reconnects
	earlier=("${reconnects[@]}")
	began=$("$fault" kill 9 "$server")
	wait "$server" 2>/dev/null || true
}

outage() { # SECONDS
	crash
	pause "$1"
	serve_again
}

# Takes connections in the server's place and closes them; a line for each.
refuser() { # PORT
	exec python3 -u - "$1" >"$scratch/refused" <<-'END'
		import socket, sys
		s = socket.socket()
		s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
		s.bind(("127.0.0.1", int(sys.argv[1])))
		s.listen(8)
		while True:
		    s.accept()[0].close()
		    print("x")
	END
}

refused() { # at least NUMBER connections
	wc -l "$scratch/refused"
	(($(wc -l <"$scratch/refused") >= $1))
}

#
# The device
#

attach() { # [OPTION...]
	case $server_where in
	/*) nbd_attach "$device" -u "$server_where" disk "$@" ;;
	*) nbd_attach "$device" "$server_host:$server_where" disk "$@" ;;
	esac
}

state_value() { # KEY, as the state file has it
	state_of "$device" "$1"
}

state_is() { # STATE; from the file, because that costs nothing
	local value
	read_state "$device" STATE
	[[ $value = "$1" ]]
}

# Attached, with a connection that it had not before the outage. A supervisor that took the device
# over since then counts from 0.
replaced() {
	reconnects
	[[ ${reconnects[0]} = "${earlier[0]}" ]] || earlier=("${reconnects[0]}" 0)
	((reconnects[1] > earlier[1])) && state_is attached
}

healed() { # at last: how soon is for the figures to say
	wait_for 20 replaced && return
	echo "replaced before the outage: ${earlier[*]}"
	cat "/run/nbd-attach/$device.state" "$scratch/log"
	return 1
}

adopted() { # or attached all the time
	wait_for 20 state_is attached && return
	cat "/run/nbd-attach/$device.state" "$scratch/log"
	return 1
}

says() { # KEY REGEX: what --status --json has for it
	local value
	read_status "$device" "$1" || return
	echo "$1 is $value, wanted $2"
	[[ $value =~ $2 ]]
}

# Detaches it as anybody would, and stops the server. With an outage to the end it takes --force.
release() { # [--force]
	local status=0
	let_go "$@" || status=1
	shut_server
	return "$status"
}

# What --detach refuses is detached in other ways, so that the next case can begin, but it has
# failed. A device that cannot be detached at all is left behind, and the next case takes another.
let_go() { # [--force]: and keep the server
	local p status=0
	for p in $loader $fio; do
		running "$p" || continue
		disown "$p" 2>/dev/null # it may hang for ever
		kill -KILL "$p" 2>/dev/null
		wait_for 5 gone "$p"
	done
	loader='' fio=''
	if attached "$device"; then
		if ! nbd_attach -q --detach "$@" "$device"; then
			echo "--detach $* $device failed"
			status=1
			nbd_attach -q --detach --force "$device" || timeout -k 1 5 nbd-client -d "/dev/$device"
		fi
	fi
	wait_for 10 detached "$device" && return "$status"
	echo "$device cannot be detached"
	device=nbd$((${device#nbd} + 1))
	return 1
}

#
# The load: requests that verify themselves. See fault.c
#

load() { # [OPTION...] of fault load
	mkdir -p "$scratch/load"
	rm -f "$scratch/load/log" # the ledger goes with the image
	"$fault" load "$@" "/dev/$device" "$scratch/load" >"$scratch/load/said" 2>&1 </dev/null \
		8>&- 9>&- &
	loader=$!
	started+=("$loader")
	wait_for 10 moving
}

moving() { # the log grows
	[[ -s $scratch/load/log ]]
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

unload() { # [SECONDS]
	load_ended "${1:-30}" && verified
}

verified() { # with the device, and with the server's image beneath it
	echo 3 >/proc/sys/vm/drop_caches
	timeout -k 1 60 "$fault" verify "$scratch/load/ledger" "/dev/$device" || return
	"$fault" verify "$scratch/load/ledger" "$image"
}

# fio writes every block of the image's second half once and reads them all; leave it to it by
# `load -b 2048`.
fio_load() { # DEPTH RATE [MIB]
	fio --name=verify --filename="/dev/$device" --offset=8M --size="${3:-8}M" --rw=randwrite \
		--bs=4k --direct=1 --ioengine=libaio --iodepth="$1" --rate_iops="$2" --verify=crc32c \
		--verify_fatal=1 --do_verify=1 --randrepeat=0 --output="$scratch/fio" \
		>"$scratch/fio.said" 2>&1 </dev/null 8>&- 9>&- &
	fio=$!
	started+=("$fio")
}

fio_ended() { # [SECONDS]: it wrote everything, and read it back
	if ! wait_for "${1:-60}" gone "$fio"; then
		echo "fio hangs"
		return 1
	fi
	wait "$fio"
	local status=$?
	grep -E 'err=' "$scratch/fio"
	cat "$scratch/fio.said"
	((status == 0)) && grep -q 'err= 0' "$scratch/fio"
}

#
# Files: ext4 on the device, records with fsync
#

files_load() { # [MOUNT-OPTION]
	mkdir -p "$scratch/mnt" "$scratch/files"
	mkfs.ext4 -q -F "/dev/$device" && mount "/dev/$device" "$scratch/mnt" || return
	"$fault" files "$scratch/mnt" "$scratch/files" >"$scratch/files/said" 2>&1 </dev/null \
		8>&- 9>&- &
	filer=$!
	started+=("$filer")
}

files_unload() { # every confirmed record is there: in a copy of the server's image, and here
	local status=0
	kill -TERM "$filer"
	wait_for 30 gone "$filer" || return
	wait "$filer" || status=1
	cat "$scratch/files/said"
	# As it is now, before anything but fsync made the file system write; no write into the copy.
	kill -STOP -- "-$server"
	cp "$image" "$scratch/copy"
	kill -CONT -- "-$server"
	umount "$scratch/mnt" || status=1
	e2fsck -fn "/dev/$device" || status=1
	mount -o ro "/dev/$device" "$scratch/mnt" &&
		"$fault" verify-files "$scratch/files/ledger" "$scratch/mnt" || status=1
	umount "$scratch/mnt"
	modprobe loop
	mount -o loop "$scratch/copy" "$scratch/mnt" &&
		"$fault" verify-files "$scratch/files/ledger" "$scratch/mnt" || status=1
	umount "$scratch/mnt"
	rm -f "$scratch/copy"
	return "$status"
}
