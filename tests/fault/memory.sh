#!/bin/bash
# SPDX-License-Identifier: MIT
# The manual's MEMORY: the supervisor is locked in memory, and a swap device survives an outage.
# swap.sh is the long form of the latter.
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

locked() { # PID: all its memory is locked, except what the kernel shares with every process
	grep -E '^Vm(Lck|RSS|Swap)' "/proc/$1/status"
	awk '/^[0-9a-f]+-/ { name = $6 }
		/^Rss:/ { resident = $2 }
		/^VmFlags:/ && resident && !/ lo/ && name !~ /^\[v/ {
			print resident " KiB of " (name ? name : "memory") " are not locked"
			open = 1
		}
		END { exit open || !NR }' "/proc/$1/smaps"
}

hidden() { # PID: from the OOM killer
	is "$(<"/proc/$1/oom_score_adj")" -1000
}

children() { # PID
	cat "/proc/$1"/task/*/children
}

# --on-change starts an ordinary process.
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
check "memory: the supervisor is locked in memory" locked "$held"
check "memory: the OOM killer spares the supervisor" hidden "$held"
check "memory: the supervisor allocates without writing to a device" io_flusher "$held"
check "memory: a spare process is ready" wait_for 10 eval '[[ $(children "$held") ]]'
for child in $(children "$held"); do
	# It parses a server's data, so the OOM killer must not spare it.
	check "memory: the OOM killer treats the spare process as ordinary" \
		is "$(<"/proc/$child/oom_score_adj")" 0
	check "memory: the spare process allocates without writing to a device" io_flusher "$child"
done
crash
check "memory: --on-change is called for the outage" wait_for 10 test -s "$scratch/told.oom"
check "memory: the OOM killer can kill that command" is "$(<"$scratch/told.oom")" 0
check "memory: the server is back" serve_again
check "memory: heals" healed
check "memory: the supervisor is still locked" locked "$held"
check "memory: detaches" release

# Swap. The server is on the same machine, so its memory must not need the swap: the server is
# locked, the image is in ramfs, and only one control group is short of memory.
group=/sys/fs/cgroup/hog

rounds() { # more than N rounds are complete
	(($(grep -c ^rounds "$scratch/hog") > $1))
}

goes_on() { # at least two more rounds complete; one of them begins after now
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
check "swap: is in use" goes_on
check "swap: pages were written to it" eval '(($(swapped_out) - before > 2000))'
check "swap: killed, and back after 2 s" outage 2
check "swap: attached again" healed
check "swap: the process goes on" goes_on
kill -TERM "$hog"
check "swap: the process ends" wait_for 30 gone "$hog"
check "swap: nothing was lost" is "$(tail -n 1 "$scratch/hog" | sed 's/.* wrong/wrong/')" 'wrong 0'
check "swap: swapoff" timeout 60 swapoff "/dev/$device"
check "swap: detaches" release
umount "$scratch/ram"
finish
