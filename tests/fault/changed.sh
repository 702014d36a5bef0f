#!/bin/bash
# SPDX-License-Identifier: MIT
# The server comes back with another export: I/O waits, --status says why, the right server heals.
# shellcheck source=tests/lib.sh disable=SC2016,SC2317 # check() calls functions, and eval
. "$(dirname "$0")/../lib.sh"
in_guest 400 "$@"
begin 82
# shellcheck source=tests/fault/lib.bash
. "$top/tests/fault/lib.bash"

sock=$scratch/sock

under_load() { # NAME: attaches to a server that then dies
	new_image
	serve nbdkit "$sock"
	check "$1: attaches" attach --connect-timeout 4 || return
	check "$1: load" load -r 500
	pause 1
	crash
}

# The wrong server starts and is refused; then the right one is back.
refused() { # NAME REASON COMMAND...: COMMAND starts the wrong server
	local name=$1 reason=$2
	shift 2
	under_load "$name" || return
	cp "$image" "$scratch/right"
	rm -f "$scratch/reference"
	check "$name: the other server starts" "$@" || return
	check "$name: is refused" wait_for 10 state_is refused
	check "$name: says why" says "$json_reason" "$reason"
	pause 2
	check "$name: I/O waits" eval '! grep -q failed "$scratch/load/said"'
	check "$name: nothing reached the wrong server" untouched
	image=$scratch/image
	cp "$scratch/right" "$image"
	crash
	server_options=()
	server_kind=nbdkit
	serve_again
	check "$name: the right server heals it" healed # retries are slower after a refusal
	pause 3
	check "$name: nothing failed, nothing lost" unload
	check "$name: detaches" release
}

untouched() {
	[[ ! -e $scratch/reference ]] || cmp "$image" "$scratch/reference"
}

wrong() { # FILE: serves this file instead
	rm -f "$scratch/reference"
	cp "$1" "$scratch/reference"
	image=$1
	serve_again
}

smaller() {
	cp "$image" "$scratch/smaller"
	truncate -s 8M "$scratch/smaller"
	wrong "$scratch/smaller"
}

read_only() {
	server_options=(-r)
	wrong "$image"
}

without_flush() { # and without FUA: the client cannot control a write-back cache of the server
	rm -f "$sock" "$scratch/listening"
	"$fault" serve "$sock" "$scratch/listening" nbdkit -f -U "$sock" \
		sh "$scratch/noflush.sh" >>"$scratch/log" 2>&1 </dev/null &
	server=$!
	started+=("$server")
	wait_for 20 test -s "$scratch/listening"
}

# The same server process with another disk: the export no longer exists.
no_such_export() {
	server_kind=nbd-server
	printf '[generic]\n\tallowlist = true\n\tunixsock = %s\n[other]\n\texportname = %s\n' \
		"$sock" "$image" >"$scratch/other.conf"
	rm -f "$sock" "$scratch/listening" "$scratch/nbd-server.pid"
	"$fault" serve "$sock" "$scratch/listening" nbd-server -C "$scratch/other.conf" \
		-p "$scratch/nbd-server.pid" >>"$scratch/log" 2>&1 </dev/null &
	wait_for 20 test -s "$scratch/listening" && nbd_server_serves
}

# Not an NBD server: MODE says what it does with a connection. See hostile.py in tests/interop.
impostor() { # MODE
	rm -f "$sock" "$scratch/listening"
	"$fault" serve "$sock" "$scratch/listening" python3 "$top/tests/fault/impostor.py" \
		"$sock" "$1" >>"$scratch/log" 2>&1 </dev/null &
	server=$!
	started+=("$server")
	wait_for 20 test -s "$scratch/listening"
}

cat >"$scratch/noflush.sh" <<'END'
#!/bin/sh
case $1 in
get_size) echo 16M ;;
pread) head -c "$3" /dev/zero ;;
can_write) exit 0 ;;
pwrite) cat >/dev/null ;;
can_flush) exit 3 ;;
can_fua) echo none ;;
*) exit 2 ;;
esac
END
chmod +x "$scratch/noflush.sh"

refused "back smaller" '[Ss]ize|small|shrunk' smaller
refused "back read-only" 'read-only' read_only
refused "back without flush" 'flush|FUA' without_flush

# Cases that look like a server that is not ready yet: I/O waits in each of these states.
waits() { # NAME STATE REASON COMMAND...
	local name=$1 state=$2 reason=$3
	shift 3
	under_load "$name" || return
	check "$name: the other server starts" "$@" || return
	check "$name: says why" wait_for 15 says "$json_reason" "$reason"
	check "$name: is $state" state_is "$state"
	check "$name: I/O waits" eval '! grep -q failed "$scratch/load/said"'
	crash
	server_kind=nbdkit
	serve_again
	check "$name: the right server heals it" healed
	pause 3
	check "$name: nothing failed, nothing lost" unload
	echo "  $name: $(figures)"
	check "$name: detaches" release
}

waits "another export" refused "no export" no_such_export
waits "garbage" refused "not an NBD server" impostor garbage
waits "closes at once" lost "closed the connection without an answer" impostor closes
waits "says nothing" lost "within 4" impostor silent
waits "a tarpit" lost "within 4" impostor tarpit

# A larger export is accepted, and the device grows when it has healed
new_image
serve nbdkit "$sock"
check "back larger: attaches" attach
check "back larger: load" load -r 500 
pause 1
crash
truncate -s 32M "$image"
serve_again
check "back larger: attached again" healed
check "back larger: the device has grown" wait_for 10 eval \
	'is "$(cat /sys/block/$device/size)" 65536'
check "back larger: the status has the new size" says size-bytes '^33554432$'
pause 2
check "back larger: nothing failed, nothing lost" unload
check "back larger: detaches" release
finish
