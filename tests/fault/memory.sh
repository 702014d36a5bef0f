#!/bin/bash
# SPDX-License-Identifier: MIT
# The manual's MEMORY: the supervisor is in memory and stays there, and a device that the machine
# swaps to survives an outage. swap.sh is the long form of the latter.
# shellcheck source=tests/lib.sh disable=SC2016,SC2317 # check() calls functions, and eval
. "$(dirname "$0")/../lib.sh"
in_guest 120 "$@"
begin 24
# shellcheck source=tests/fault/lib.bash
. "$top/tests/fault/lib.bash"

# PF_MEMALLOC_NOIO and PF_LOCAL_THROTTLE, which PR_SET_IO_FLUSHER sets: the ninth field of stat.
io_flusher() { # PID
	local flags
	flags=$(cut -d ' ' -f 9 "/proc/$1/stat")
	printf 'flags of %s: %x\n' "$1" "$flags"
	(((flags & 0x180000) == 0x180000))
}

locked() { # PID: all that it has, but for what is only reserved
	grep -E '^Vm(Lck|RSS|Swap)' "/proc/$1/status"
	(($(awk '/^VmLck/ { print $2 }' "/proc/$1/status") >= \
		$(awk '/^VmRSS/ { print $2 }' "/proc/$1/status")))
}

hidden() { # PID: from the OOM killer
	is "$(<"/proc/$1/oom_score_adj")" -1000
}

children() { # PID
	cat "/proc/$1"/task/*/children
}

# What --on-change starts is an ordinary process.
cat >"$scratch/told" <<END
#!/bin/sh
cut -d ' ' -f 9 /proc/self/stat >"$scratch/told.flags"
cat /proc/self/oom_score_adj >"$scratch/told.oom"
END
chmod +x "$scratch/told"

new_image
serve nbdkit "$scratch/sock"
check "memory: attaches" attach --on-change "$scratch/told"
held=$(supervisor "$device")
check "memory: the supervisor is locked" locked "$held"
check "memory: the OOM killer does not see it" hidden "$held"
check "memory: it gets memory without writing to a device" io_flusher "$held"
check "memory: a spare process stands by" wait_for 10 eval '[[ $(children "$held") ]]'
for child in $(children "$held"); do
	# It reads what a server says: it may not claim to be worth more than others.
	check "memory: the spare process is an ordinary one to the OOM killer" \
		is "$(<"/proc/$child/oom_score_adj")" 0
	check "memory: nor does the spare write to a device for memory" io_flusher "$child"
done
crash
check "memory: --on-change is told of the outage" wait_for 10 test -s "$scratch/told.oom"
check "memory: its command can be killed" is "$(<"$scratch/told.oom")" 0
check "memory: and the server again" serve_again
check "memory: heals" healed
check "memory: the supervisor is locked still" locked "$held"
check "memory: detaches" release

# Swap. The server is in the same machine, so its memory must not need the swap: a locked server, an
# image in ramfs, and pressure in a control group of its own.
group=/sys/fs/cgroup/hog

rounds() { # more than N
	(($(grep -c ^rounds "$scratch/hog") > $1))
}

goes_on() { # at least two more rounds, one of which began after now
	local n
	n=$(grep -c ^rounds "$scratch/hog")
	wait_for 30 rounds $((n + 1))
}

swapped_out() {
	awk '$1 == "pswpout" { print $2 }' /proc/vmstat
}

mkdir -p "$scratch/ram"
mount -t ramfs ramfs "$scratch/ram"
image=$scratch/ram/image
truncate -s 64M "$image"
mountpoint -q /sys/fs/cgroup || mount -t cgroup2 cgroup2 /sys/fs/cgroup
echo +memory >/sys/fs/cgroup/cgroup.subtree_control
mkdir -p "$group"
echo 16M >"$group/memory.max"
serve nbdkit 10809 --swap
check "swap: attaches" attach --swap
mkswap "/dev/$device" >/dev/null
check "swap: swapon" swapon "/dev/$device"
# shellcheck disable=SC2034 # for the check
before=$(swapped_out)
start eval 'echo $BASHPID >"$group/cgroup.procs"; exec "$fault" hog 32 >"$scratch/hog" 2>&1'
hog=$pid
check "swap: in use" goes_on
check "swap: really" eval '(($(swapped_out) - before > 2000))'
check "swap: killed, and back after 2 s" outage 2
check "swap: attached again" healed
check "swap: it goes on" goes_on
kill -TERM "$hog"
check "swap: it ends" wait_for 30 gone "$hog"
check "swap: nothing was lost" is "$(tail -n 1 "$scratch/hog" | sed 's/.* wrong/wrong/')" 'wrong 0'
check "swap: swapoff" timeout 60 swapoff "/dev/$device"
check "swap: detaches" release
umount "$scratch/ram"
finish
