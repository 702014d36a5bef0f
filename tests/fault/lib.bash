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
# src/runtime/state.c; the keys of --status --json are below.

fault=$top/build/tests/fault/fault
image=$scratch/image
[[ -x $fault ]] || {
	echo "$fault is missing: make fault" >&2
	exit 1
}
device=nbd0
json_reconnects=reconnects # how often a connection was replaced
json_stalled=stalled       # true: requests in flight, but none completes
json_reason=last-error     # the reason why the device is refused or lost
server='' server_kind='' server_where='' began='' earlier=(0 0) reconnects=(0 0) listening='' loader='' fio='' in_server_net=()
load_limit=10 # s: until a load moves
server_host=127.0.0.1

server_options=()

#
# Servers: crash and serve_again use the kind that was started last
#

new_image() { # makes a zeroed image; it is small because it is read as a whole
	rm -f "$image" "$scratch/load/ledger"
	truncate -s 16M "$image"
}

server_command() { # sets ${command[@]} for $server_kind, $server_where and $image
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
		# It serves more than one client only in the background; see serve_again.
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
	# The process has changed and has its own session, so its group can still be killed.
	[[ $server_kind != nbd-server ]] || nbd_server_serves
}

nbd_server_serves() { # it has written its process ID, and accepts clients; sets $server, $listening
	wait_for 20 test -s "$scratch/nbd-server.pid" || return
	server=$(<"$scratch/nbd-server.pid")
	started+=("$server")
	wait_for 120 idles "$server" || return
	listening=$("$fault" now)
}

stop_server() { # the server stops answering; its sockets stay open
	began=$("$fault" kill 19 "$server")
}

cont_server() {
	listening=$("$fault" kill 18 "$server")
}

shut_server() { # ends the server in an orderly way
	kill -TERM -- "-$server" 2>/dev/null
	wait_for 5 gone "$server" || kill -KILL -- "-$server"
	wait "$server" 2>/dev/null || true
}

reconnects() { # sets $reconnects: the supervisor, and the number of connections it has replaced
	local pid count value
	read_state "$device" PID
	pid=$value
	read_state "$device" RECONNECTS
	count=$value
	reconnects=("${pid:-0}" "${count:-0}")
}

crash() { # kill -9 of the server and its children: nbd-server has one for each client
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

# Listens instead of the server, closes every connection, and prints a line for each.
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
	if [[ "$* " =~ -C\ ([2-9]|1[0-9])\  ]] && ! attached "$device"; then
		attach_several "$device" "${BASH_REMATCH[1]}" attach_once "$@"
	else
		attach_once "$@"
	fi
}

attach_once() { # [OPTION...]
	case $server_where in
	/*) nbd_attach "$device" -u "$server_where" disk "$@" ;;
	*) nbd_attach "$device" "$server_host:$server_where" disk "$@" ;;
	esac
}

state_value() { # KEY of the state file
	state_of "$device" "$1"
}

state_is() { # STATE; reads the file, because that starts no process
	local value
	read_state "$device" STATE
	[[ $value = "$1" ]]
}

# The device is attached by a connection that it did not have before the outage. A supervisor that
# has taken the device over since then counts from 0.
replaced() {
	reconnects
	[[ ${reconnects[0]} = "${earlier[0]}" ]] || earlier=("${reconnects[0]}" 0)
	((reconnects[1] > earlier[1])) && state_is attached
}

healed() { # within a generous time; figures.sh measures the lag
	wait_for 20 replaced && return
	echo "replaced before the outage: ${earlier[*]}"
	cat "/run/nbd-attach/$device.state" "$scratch/log"
	return 1
}

adopted() { # the device is attached, or was attached all the time
	wait_for 20 state_is attached && return
	cat "/run/nbd-attach/$device.state" "$scratch/log"
	return 1
}

says() { # KEY REGEX: compares the value in --status --json
	local value
	read_status "$device" "$1" || return
	echo "$1 is $value, wanted $2"
	[[ $value =~ $2 ]]
}

# Detaches the device with a plain --detach and stops the server. In an outage it needs --force.
release() { # [--force]
	local status=0
	let_go "$@" || status=1
	shut_server
	return "$status"
}

# Detaches the device and keeps the server. If --detach refuses, this fails, but detaches in other
# ways so that the next case can begin. If nothing detaches the device, the next case uses another
# one.
let_go() { # [--force]
	local p status=0
	for p in $loader $fio; do
		running "$p" || continue
		disown "$p" 2>/dev/null # it may hang forever
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
	rm -f "$scratch/load/log" # the ledger stays, as it belongs to the image
	"$fault" load "$@" "/dev/$device" "$scratch/load" >"$scratch/load/said" 2>&1 </dev/null \
		8>&- 9>&- &
	loader=$!
	started+=("$loader")
	wait_for "$load_limit" moving
}

moving() { # the log grows
	[[ -s $scratch/load/log ]]
}

load_ended() { # [SECONDS]: ends the load and waits; its status says whether anything failed
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

figures() { # prints the figures of the latest outage
	"$fault" times "$scratch/load/log" "$began" "$listening"
}

figure() { # NAME
	figures | tr ' ' '\n' | grep -A 1 -x "$1" | tail -n 1
}

unload() { # [SECONDS]
	load_ended "${1:-30}" && verified
}

verified() { # compares the ledger with the device and with the server's image
	echo 3 >/proc/sys/vm/drop_caches
	timeout -k 1 60 "$fault" verify "$scratch/load/ledger" "/dev/$device" || return
	"$fault" verify "$scratch/load/ledger" "$image"
}

# fio writes every block of the image's second half once and reads them all. `load -b 2048` leaves
# that half to fio.
fio_load() { # DEPTH RATE [MIB]
	fio --name=verify --filename="/dev/$device" --offset=8M --size="${3:-8}M" --rw=randwrite \
		--bs=4k --direct=1 --ioengine=libaio --iodepth="$1" --rate_iops="$2" --verify=crc32c \
		--verify_fatal=1 --do_verify=1 --randrepeat=0 --output="$scratch/fio" \
		>"$scratch/fio.said" 2>&1 </dev/null 8>&- 9>&- &
	fio=$!
	started+=("$fio")
}

fio_ended() { # [SECONDS]: fio wrote everything and read it back
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

files_unload() { # checks every confirmed record, in a copy of the server's image and on the device
	local status=0
	kill -TERM "$filer"
	wait_for 30 gone "$filer" || return
	wait "$filer" || status=1
	cat "$scratch/files/said"
	# Copies the image now, while only fsync has made the file system write. The copy is not
	# written to.
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
