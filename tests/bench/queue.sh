#!/bin/bash
# SPDX-License-Identifier: MIT
# Tries settings of the device's queue: each is compared with what nbd-attach leaves in place
# ("default"). The server answers after a millisecond, as one in a network does, and works on 16
# requests at a time. Each measurement shows what the setting is for:
#
#   random    writes of 4 KiB, 32 at a time: scheduler, nr_requests
#   large     writes of 8 MiB, 2 at a time: max_sectors_kb
#   stream    a file read through the page cache from the start to the end: read_ahead_kb
#   mixed     a read of 4 KiB now and then, while the page cache is written out: wbt_lat_usec
# shellcheck source=tests/lib.sh disable=SC2317 # must() calls functions
. "$(dirname "$0")/../lib.sh"
in_guest 1800 "$@"
begin 1
usual_rounds=3
# shellcheck source=tests/bench/lib.bash
. "$top/tests/bench/lib.bash"

# Without a declared maximum, requests would stay as small as the driver makes them.
start_server 10809 nbdkit -f -p 10809 --filter=delay --filter=blocksize-policy memory 96M \
	rdelay=1ms wdelay=1ms blocksize-maximum=32M || exit 1
must attach_by nbd-attach nbd0 10809
queue=/sys/block/nbd0/queue
declare -A default=()
for name in scheduler nr_requests max_sectors_kb read_ahead_kb wbt_lat_usec; do
	[[ -e $queue/$name ]] || continue
	{ read -r value <"$queue/$name"; } 2>/dev/null || continue
	[[ $value != *\[* ]] || value=${value#*\[} value=${value%%\]*}
	default[$name]=$value
	printf 'default %s\t%s\n' "$name" "$value" >>"$out/about.tsv"
done
must fio --name=x --filename=/dev/nbd0 --rw=write --bs=1M --direct=1

fio_options() { # KIND; sets ${options[@]}
	options=(--name="$1" --filename=/dev/nbd0 --ioengine=libaio --thread=1 --randrepeat=0
		--percentile_list=50:99:99.9)
	case $1 in
	random) options+=(--direct=1 --rw=randwrite --bs=4k --iodepth=32 --norandommap
		--number_ios="${TEST_REQUESTS:-3000}") ;;
	large) options+=(--direct=1 --rw=write --bs=8M --iodepth=2 --io_size=64M) ;;
	stream) options+=(--ioengine=psync --rw=read --bs=128k --size=48M --invalidate=1) ;;
	mixed) options+=(--offset=64M --size=32M --direct=1 --rw=randread --bs=4k --thinktime=5000
		--number_ios=200) ;;
	esac
}

set_queue() { # NAME VALUE
	echo "$2" >"$queue/$1"
}

write_all_the_time() {
	while [[ -e $scratch/write ]]; do
		dd if=/dev/zero of=/dev/nbd0 bs=1M count=48 conv=fsync
	done >/dev/null 2>&1
}

measure() { # KIND SETTING VALUE, or KIND default
	local options writer name=$2${3:+=$3}
	fio_options "$1"
	if [[ ${3:-} ]]; then
		[[ ${default[$2]:-} ]] || return 0
		must set_queue "$2" "$3"
	fi
	echo 3 >/proc/sys/vm/drop_caches
	if [[ $1 = mixed ]]; then
		: >"$scratch/write"
		write_all_the_time &
		writer=$!
		started+=("$writer")
		pause 0.5
	fi
	must fio --output-format=json --output="$out/fio.$round.queue.$name.$1.json" "${options[@]}"
	echo "$round queue.$1 $name: fio has run"
	if [[ $1 = mixed ]]; then
		rm "$scratch/write"
		wait "$writer"
	fi
	[[ ! ${3:-} ]] || must set_queue "$2" "${default[$2]}"
}

# The order is another one in each round, because a measurement depends on the one before it. Some
# settings repeat the default: how much they differ from it is noise.
for ((round = 1; round <= rounds; round++)); do
	in_turn random large stream mixed
	for kind in "${turn[@]}"; do
		case $kind in
		random) settings=(scheduler=none scheduler=mq-deadline nr_requests=32 nr_requests=128) ;;
		large) settings=(max_sectors_kb={128,512,1024,4096,32768}) ;;
		stream) settings=(read_ahead_kb={128,512,2048,4096}) ;;
		mixed) settings=(wbt_lat_usec={0,2000,75000}) ;;
		esac
		in_turn default "${settings[@]}"
		for setting in "${turn[@]}"; do
			if [[ $setting = default ]]; then
				measure "$kind" default
			else
				measure "$kind" "${setting%%=*}" "${setting#*=}"
			fi
		done
	done
done
must detach_by nbd-attach nbd0
ok "$rounds rounds"
finish
