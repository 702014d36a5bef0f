#!/bin/bash
# SPDX-License-Identifier: MIT
# --failover between two servers of one image, under I/O: read-only and writable; with a fence that
# works, fails or hangs; with wrong replicas; with supervisors that die meanwhile.
# shellcheck source=tests/lib.sh disable=SC2016,SC2317 # check() calls functions, and eval
. "$(dirname "$0")/../lib.sh"
in_guest 300
begin 57

image=$scratch/image
fenced=$scratch/fenced
mode=$scratch/mode
server=()
a=$scratch/a.sock b=$scratch/b.sock
uri_a="nbd+unix:///?socket=$a" uri_b="nbd+unix:///?socket=$b"

number() { # SOCKET
	[[ $1 != "$a" ]] && echo 1 || echo 0
}
serve() { # SOCKET [IMAGE [OPTION...]]
	local sock=$1 file=${2:-$image}
	rm -f "$sock"
	start_server "$sock" nbdkit -f -U "$sock" "${@:3}" file "$file" || return
	server[$(number "$sock")]=$pid
}
lose() { # SOCKET
	kill_now "${server[$(number "$1")]}"
}

state_value() { # KEY
	state_of nbd0 "$1"
}
state_has() { # KEY REGEX
	local value
	read_state nbd0 "$1"
	[[ $value =~ $2 ]]
}
served_by() { # URI
	local value
	read_state nbd0 STATE
	[[ $value = attached ]] && read_state nbd0 SERVING && [[ $value = "$1" ]]
}
load() { # OPTION... of fio: repeats until load_ended; sets $loader
	rm -f "$scratch/enough"
	start passes "$@"
	loader=$pid
	wait_for 15 under_way
}
passes() {
	until [[ -e $scratch/enough ]]; do
		fio --name=load --filename=/dev/nbd0 --bs=4k --direct=1 --ioengine=libaio --iodepth=8 \
			--randrepeat=0 --rate_iops=300 "$@" || return
	done
}
answered() { # sets $answered: the number of completed reads and writes
	local reads writes
	read -r reads _ _ _ writes _ </sys/block/nbd0/stat
	answered=$((reads + writes))
}
under_way() {
	local before answered
	answered
	before=$answered
	pause 0.2
	answered
	((answered > before))
}
load_ended() {
	touch "$scratch/enough"
	wait_for 60 gone "$loader" && wait "$loader"
}
still_waits() { # SECONDS: no request completes, and none fails
	local before answered
	answered
	before=$answered
	pause "$1"
	answered
	((answered == before)) && running "$loader"
}

cat >"$scratch/fence" <<EOF
#!/bin/sh
while [ "\$(cat $mode)" = hang ]; do sleep 0.1; done
[ "\$(cat $mode)" = ok ] || exit 7
echo "\$NBD_DEVICE \$NBD_FAILED_URI \$NBD_NEXT_URI" >>$fenced
EOF
chmod +x "$scratch/fence"
fences() {
	[[ -e $fenced ]] || return 0
	cat "$fenced"
}

# Refused at attach
dd if=/dev/urandom of="$image" bs=1M count=16 status=none
serve "$a"
serve "$b"
check "writable: needs a fence" expect_status 5 'needs --fence COMMAND' \
	nbd_attach nbd0 -u "$a" --failover "$uri_b"
check "writable: compares no content" expect_status 5 'for read-only devices' \
	nbd_attach nbd0 -u "$a" --same-content
check "nothing is attached" detached nbd0

# Read-only
read_only=(nbd0 -u "$a" -r --failover "$uri_b" --same-content)
check "read-only: attaches" nbd_attach "${read_only[@]}"
check "read-only: the first server serves" served_by "$uri_a"
load --rw=randread --size=4M
lose "$a"
check "read-only: fails over to the other server" wait_for 10 served_by "$uri_b"
check "read-only: within 5 s" eval '(($(state_value LAST_OUTAGE_MS) < 5000))'
check "read-only: the load goes on" wait_for 10 under_way
check "read-only: --status names the server" status_is nbd0 serving "$uri_b"
check "read-only: --status counts the failover" status_is nbd0 failovers 1
if kernel_is 5.14; then
	check "read-only: the identifier stays" is "$(cat /sys/block/nbd0/backend)" "$uri_a"
else
	skip "read-only: the identifier stays" "the kernel has no identifiers before 5.14"
fi

# Wrong replicas
cp "$image" "$scratch/other"
printf x | dd of="$scratch/other" bs=1 seek=$(((16 << 20) - 100)) conv=notrunc status=none
truncate -s 8M "$scratch/small"
serve "$a" "$scratch/other"
lose "$b"
check "other content: is refused" wait_for 10 state_has LAST_ERROR 'content has changed since'
check "other content: the state is refused" wait_for 5 eval '[[ $(state_value STATE) = refused ]]'
check "other content: I/O waits" still_waits 1
lose "$a"
serve "$a" "$scratch/small"
check "other size: is refused" wait_for 15 state_has LAST_ERROR 'smaller export'
check "other size: I/O waits" still_waits 1
serve "$b"
check "the right server: is used" wait_for 15 served_by "$uri_b"
check "the right server: the load goes on" wait_for 10 under_way
check "read-only: no request of the load failed" load_ended
check "read-only: detaches" nbd_attach --detach nbd0
lose "$a"

# Failback, and a new supervisor that still knows the digest of the content
serve "$a"
check "failback: attaches" nbd_attach "${read_only[@]}" --failback at-loss
lose "$a"
check "failback: fails over to the other server" wait_for 10 served_by "$uri_b"
serve "$a"
pause 1
check "failback: a live server is kept" served_by "$uri_b"
lose "$b"
serve "$b"
check "failback: the next loss returns to the first server" wait_for 10 served_by "$uri_a"
if kernel_is 5.14; then
	kill_now "$(supervisor nbd0)"
	wait_for 5 no_supervisor nbd0
	lose "$a"
	lose "$b"
	serve "$b" "$scratch/other"
	check "taken over: with all servers lost" nbd_attach "${read_only[@]}"
	check "taken over: knows the content" wait_for 15 state_has LAST_ERROR 'content has changed since'
	lose "$b"
	serve "$b"
	check "taken over: heals" wait_for 15 served_by "$uri_b"
else
	skip "taken over" "a device is not taken over before 5.14" 3
fi
check "failback: detaches" nbd_attach --detach nbd0

# Writable
writable=(nbd0 -u "$a" --failover "$uri_b" --fence "$scratch/fence")
serve "$a"
echo fail >"$mode"
check "writable: attaches" nbd_attach "${writable[@]}"
load --rw=randwrite --size=4M --verify=crc32c --verify_fatal=1
lose "$a"
check "a fence that fails: the state file says so" wait_for 10 state_has FENCE 'failed.*status 7'
# The fence may be running again at this moment.
check "a fence that fails: --status says so" wait_for 10 eval \
	'nbd_attach -s nbd0 >"$scratch/status" && grep -q "fence .*status 7" "$scratch/status"'
check "a fence that fails: I/O waits" still_waits 1
check "a fence that fails: the first server is still in use" state_has SERVING "/a.sock"
echo hang >"$mode"
check "a fence that hangs: the state file says so" \
	wait_for 15 state_has FENCE 'running against .*/a.sock'
check "a fence that hangs: I/O waits" still_waits 2
echo ok >"$mode"
check "a fence that works: fails over to the other server" wait_for 10 served_by "$uri_b"
check "a fence that works: got the device and both URIs" is "$(fences)" "/dev/nbd0 $uri_a $uri_b"
check "writable: the load goes on" wait_for 10 under_way
lose "$b"
serve "$b"
check "the same server again" wait_for 15 served_by "$uri_b"
check "the same server again: no fence was run" is "$(fences | wc -l)" 1
check "writable: no request failed, and the data is right" load_ended

# Supervisors that die
if kernel_is 5.14; then
	serve "$a"
	echo hang >"$mode"
	lose "$b"
	check "dies while fencing: the fence runs" \
		wait_for 10 state_has FENCE 'running against .*/b.sock'
	kill_now "$(supervisor nbd0)"
	wait_for 5 no_supervisor nbd0
	echo ok >"$mode"
	wait_for 5 eval '(($(fences | wc -l) == 2))'
	check "dies while fencing: taken over" nbd_attach "${writable[@]}"
	check "dies while fencing: fences again and fails over" wait_for 15 served_by "$uri_a"
	check "dies while fencing: fences the right server" \
		is "$(fences | tail -n 1)" "/dev/nbd0 $uri_b $uri_a"
	check "dies while fencing: the fence ran three times" is "$(fences | wc -l)" 3
	lose "$a"
	serve "$b"
	check "fails over to the other server" wait_for 15 served_by "$uri_b"
	kill_now "$(supervisor nbd0)"
	wait_for 5 no_supervisor nbd0
	check "dies later: refused without the server in use" expect_status 2 \
		'is connected to .*/b.sock, which is not one of the servers given' nbd_attach nbd0 -u "$a"
	check "dies later: taken over" nbd_attach "${writable[@]}"
	check "dies later: knows which server serves" wait_for 5 served_by "$uri_b"
	kill_now "$(supervisor nbd0)"
	wait_for 5 no_supervisor nbd0
	rm -f /run/nbd-attach/nbd0.state "$fenced"
	check "without a state file: taken over" nbd_attach "${writable[@]}"
	check "without a state file: does not guess" wait_for 5 state_has SERVING unknown
	lose "$b"
	serve "$a"
	check "without a state file: finds a server" wait_for 20 served_by "$uri_a"
	check "without a state file: every other server is fenced" \
		is "$(fences)" "/dev/nbd0 $uri_b $uri_a"
else
	skip "supervisors that die" "a device is not taken over before 5.14" 12
fi
check "the data is right" writes_and_verifies /dev/nbd0
check "is supervised, and refuses another command" expect_status 3 'already' nbd_attach nbd0 -u "$a"
check "detaches" nbd_attach --detach nbd0
check "no fence is left running" eval '! pgrep -f "$scratch/fence"'
finish
