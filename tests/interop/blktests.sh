#!/bin/bash
# SPDX-License-Identifier: MIT
# blktests' tests of nbd, with nbd-attach instead of nbd-client: BLKTESTS=DIR names a checkout of
# blktests. Each test runs with nbd-client as well: one that fails with both says nothing about us.
# shellcheck source=tests/lib.sh disable=SC2016,SC2317 # check() calls functions, and eval
. "$(dirname "$0")/../lib.sh"

work=$top/build/blktests # a copy, because the tests write beside themselves

prepare() { # DIRECTORY: copies it and compiles the programs of these tests
	local program
	rm -rf "$work"
	mkdir -p "$work"
	cp -r "$1"/{check,common,src,tests} "$work/" || return
	for program in nbdsetsize mount_clear_sock; do
		${CC:-cc} -O2 -o "$work/src/$program" "$work/src/$program.c" -lpthread || return
	done
}

if [[ ! -d /run/nbd-vm ]]; then
	if [[ ! ${BLKTESTS:-} ]]; then
		begin
		skip "blktests' tests of nbd" "BLKTESTS=DIR does not name a checkout of blktests"
		finish
	fi
	prepare "$BLKTESTS" || exit 1
	set -- run
fi
in_guest 580 "$@"
begin 4

theirs=$scratch/theirs ours=$scratch/ours
mkdir "$theirs" "$ours"
cp -L /usr/sbin/nbd-client "$theirs/nbd-client"
ln -s "$(readlink -f "${nbd_attach[0]}")" "$ours/nbd-client"

# udev opens the device, which makes the kernel read the partitions.
mkdir -p /run/udev
rm -rf /etc/udev/rules.d
/lib/systemd/systemd-udevd --daemon
udevadm trigger --subsystem-match=block
udevadm settle --timeout=60

run_group() { # DIRECTORY of nbd-client; sets ${result[@]}, and leaves output in $scratch/results
	local test status
	rm -rf "$scratch/results"
	dmesg --clear
	(cd "$work" && PATH="$1:$PATH" timeout -k 5 250 ./check -o "$scratch/results" nbd) \
		>"$scratch/said" 2>&1 </dev/null
	for test in "${tests[@]}"; do
		status=$(sed -n 's/^status\t//p' "$scratch/results/nodev/nbd/$test" 2>/dev/null)
		result[$test]=${status:-has not ended}
	done
}

why_not() { # TEST
	sed -n 's/^reason\t//p' "$scratch/results/nodev/nbd/$1"
	cat "$scratch/results/nodev/nbd/$1".{out.bad,dmesg} 2>/dev/null | head -n 30
	grep -A 4 "nbd/$1 " "$scratch/said"
	tail -n 20 "$scratch/results/nodev/nbd/$1.full"
}

leave_nothing() { # for the next one
	for _ in 1 2 3; do
		detached nbd0 && break
		"$theirs/nbd-client" -d /dev/nbd0
		pause 1
	done >/dev/null 2>&1
	modprobe nbd
	udevadm settle --timeout=30
}

tests=()
for file in "$work"/tests/nbd/[0-9][0-9][0-9]; do
	tests+=("${file##*/}")
done
declare -A result=() with_theirs=()
run_group "$theirs"
for test in "${tests[@]}"; do
	with_theirs[$test]=${result[$test]}
	echo "# nbd/$test with nbd-client: ${result[$test]}"
done
leave_nothing
run_group "$ours"
for test in "${tests[@]}"; do
	name="nbd/$test: $(sed -n 's/^DESCRIPTION="\(.*\)"/\1/p' "$work/tests/nbd/$test")"
	case ${result[$test]}:${with_theirs[$test]} in
	pass:*) ok "$name" ;;
	'not run':*)
		skip "$name" "$(grep -A 3 "nbd/$test" "$scratch/said" | tail -n +2 | head -n 1 | sed 's/^ *//')"
		;;
	fail:fail) skip "$name" "it fails with nbd-client, too, on this kernel" ;;
	*) not_ok "$name" < <(echo "${result[$test]}" && why_not "$test") ;;
	esac
done
check "the kernel does not complain" eval '! dmesg | grep -E "BUG|Oops|WARNING|hung_task|blocked for more"'
finish
