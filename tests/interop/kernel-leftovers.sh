#!/bin/bash
# SPDX-License-Identifier: MIT
# Settings of an earlier server or user must not affect the next one (src/kernel/tune.h).
# shellcheck source=tests/lib.sh disable=SC2016,SC2034,SC2317
. "$(dirname "$0")/../lib.sh"
built kernel-try
in_guest 240
begin 21
# shellcheck source=tests/interop/kernel-lib.bash
. "$top/tests/interop/kernel-lib.bash"
rich=$scratch/rich poor=$scratch/poor

echo "# kernel $(uname -r)"
cat >"$scratch/rich.sh" <<-'EOF2'
	case $1 in
	get_size) echo 16M ;;
	pread) head -c "$3" /dev/zero ;;
	pwrite) cat >/dev/null ;;
	can_fua) echo native ;;
	can_write | can_trim | is_rotational | can_flush | can_zero | zero | trim | flush) ;;
	*) exit 2 ;;
	esac
EOF2
cat >"$scratch/poor.sh" <<-'EOF2'
	case $1 in
	get_size) echo 16M ;;
	pread) head -c "$3" /dev/zero ;;
	pwrite) cat >/dev/null ;;
	can_write | can_flush | flush) ;;
	*) exit 2 ;;
	esac
EOF2
chmod +x "$scratch"/*.sh

requests() { # NAME: how many requests of this kind the poor server has seen
	grep -cE "connection=[0-9]+ $1 id=" "$scratch/log.poor"
}

server "$rich" --filter=log sh "$scratch/rich.sh" logfile="$scratch/log.rich"
server "$poor" --filter=log --filter=nozero sh "$scratch/poor.sh" logfile="$scratch/log.poor"

check "a rich server" attach_with nbd0 "$rich"
check "a rich server: rotational" is "$(queue rotational)" 1
check "a rich server: trims" eval 'blkdiscard -l 1M /dev/nbd0 && grep -q Trim "$scratch/log.rich"'
if kernel_is 6.12; then
	check "a rich server: writes zeroes" eval 'blkdiscard -z -l 1M /dev/nbd0 &&
		grep -q Zero "$scratch/log.rich"'
else
	skip "a rich server: writes zeroes" "nbd.ko sends none before 6.12"
fi
tell detach >/dev/null
if kernel_is 6.12; then
	check "WRITE_ZEROES stays after the detach" eval '(($(queue write_zeroes_max_bytes)))'
else
	skip "WRITE_ZEROES stays after the detach" "nbd.ko has none before 6.12"
fi
ended

check "a poor server" attach_with nbd0 "$poor"
check "a poor server: no WRITE_ZEROES" is "$(queue write_zeroes_max_bytes)" 0
check "a poor server: not rotational" is "$(queue rotational)" 0
check "a poor server: the kernel writes zeroes as data" blkdiscard -z -l 1M /dev/nbd0
check "a poor server: WRITE_ZEROES never reaches it" is "$(requests Zero)" 0
check "a poor server: no TRIM" eval '! blkdiscard -l 1M /dev/nbd0; is "$(requests Trim)" 0'
check "a poor server: flushes" eval 'dd if=/dev/zero of=/dev/nbd0 bs=4k count=1 conv=fsync &&
	(($(requests Flush) > 0))'
# An earlier user's settings
echo "write through" >/sys/block/nbd0/queue/write_cache
echo 1 >/sys/block/nbd0/queue/rotational
echo 5000 >/sys/block/nbd0/queue/io_timeout
tell detach >/dev/null && ended

flushes=$(requests Flush)
check "after a user's settings" attach_with nbd0 "$poor"
check "after a user's settings: write back" is "$(queue write_cache)" "write back"
check "after a user's settings: not rotational" is "$(queue rotational)" 0
check "after a user's settings: the usual io_timeout" is "$(queue io_timeout)" 30000
check "after a user's settings: fsync sends a flush" eval '
	dd if=/dev/zero of=/dev/nbd0 bs=4k count=1 conv=fsync && (($(requests Flush) > flushes))'
tell detach >/dev/null && ended
attach_with nbd0 "$rich" >/dev/null
echo 0 >/sys/block/nbd0/queue/discard_max_bytes
tell detach >/dev/null && ended
check "discards switched off" attach_with nbd0 "$rich"
check "discards switched off: are on again" blkdiscard -l 1M /dev/nbd0
blockdev --setro /dev/nbd0
tell detach >/dev/null && ended
check "made read-only: attaches" attach_with nbd0 "$rich"
check "made read-only: is writable again" is "$(</sys/block/nbd0/ro)" 0
tell detach >/dev/null && ended

if kernel_is 6.12; then
	check "the device is open: attach reports it as busy" eval '
		exec 5</dev/nbd0; "$try" nbd0 "$poor" </dev/null; s=$?; exec 5<&-; is "$s" 3'
	check "ioctl cannot undo it: refused" eval '
		"$try" -o backend=ioctl nbd0 "$poor" 2>"$scratch/err" </dev/null; is "$?" 6 &&
		grep WRITE_ZEROES "$scratch/err"'
	check "the device is detached again" wait_for 2 detached nbd0
else
	skip "WRITE_ZEROES of an earlier server" "nbd.ko has none before 6.12"
fi
# Faster servers, for many rounds
stop "$server"
rm -f "$rich" "$poor"
server "$rich" memory 16M
server "$poor" --filter=nozero memory 16M
in_turn() {
	local i
	for i in {1..20}; do
		echo "round $i"
		attach_with nbd0 "$rich" || return
		tell detach && ended
		attach_with nbd0 "$poor" || return
		is "$(queue write_zeroes_max_bytes)" 0 || return
		tell detach && ended
	done
}
check "twenty times in turn" in_turn
check "no oops" eval '! dmesg | grep -E "BUG|Oops|WARNING|hung_task|blocked for more"'
exec 2>/dev/null # hides bash's message for every server that tidy_up() ends
finish
