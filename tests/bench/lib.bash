# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# What the measuring scripts share; source it after tests/lib.sh and begin(). A script measures in
# rounds, in each of which every tool has its turn, so that disturbances affect all of them.
# Round 0 is a warm-up: it fills the page cache, and its figures are thrown away.
#
#   for ((round = 0; round <= rounds; round++)); do
#           for tool in $(in_turn nbd-attach nbd-client); do
#                   emit attach "$tool" ms "$value"
#
# Figures go to standard output and, if tests/bench/run started the script, to /out/figures.tsv:
# round, figure, tool, unit, value. Other files in /out are read by tests/bench/figures.py.

out=$scratch
[[ ! -d /out ]] || out=/out
rounds=${TEST_ROUNDS:-${usual_rounds:-5}}
round=0
usual_outages
# Where the figures were made.
printf 'kernel\t%s\nprocessors\t%s\nrounds\t%s\n' "$(</proc/sys/kernel/osrelease)" "$(nproc)" \
	"$rounds" >"$out/about.tsv"

emit() { # FIGURE TOOL UNIT VALUE
	local line
	printf -v line '%s\t%s\t%s\t%s\t%s' "$round" "$@"
	echo "$line"
	echo "$line" >>"$out/figures.tsv"
}

# Stops the measurement: figures of some tools without the others are worth nothing.
must() { # COMMAND...
	"$@" >>"$scratch/must" 2>&1 </dev/null && return
	not_ok "round $round: $*" <"$scratch/must"
	finish
}

# Sets ${turn[@]} to the words, rotated by the number of the round.
in_turn() { # WORD...
	local by=$((round % $#))
	turn=("${@:by+1}" "${@:1:by}")
}

# Sets $took, microseconds. Starts no process itself.
timed() { # COMMAND...
	local begin=$EPOCHREALTIME end
	must "$@"
	end=$EPOCHREALTIME
	took=$((${end/[.,]/} - ${begin/[.,]/}))
}

# A qemu-nbd that ends removes its socket by its path, which would be that of the next one.
no_qemu_nbd() {
	! pgrep -x qemu-nbd >/dev/null
}

# Waits until no process but this one has run for a while: what the tools have started is ready.
settled() {
	local end=$((SECONDS + 10)) idle=0 running
	while ((idle < 6 && SECONDS < end)); do
		pause 0.05
		read -r _ _ _ running _ </proc/loadavg
		[[ $running = 1/* ]] && ((++idle)) || idle=0
	done
}

ms() { # MICROSECONDS
	printf '%d.%03d' $(($1 / 1000)) $(($1 % 1000))
}

#
# The tools: nbd-attach, with --relay (relay); nbd-client, which leaves no process, or (ioctl) one
# in the kernel; qemu-nbd
#

# Each device has an export of its own, because nbd-attach refuses to attach one twice.
attach_by() { # TOOL DEVICE PATH or PORT [CONNECTIONS]
	local at
	case $1,$3 in
	*attach,/* | relay,/*) at=(-u "$3") ;;
	*attach,* | relay,*) at=("127.0.0.1:$3") ;;
	qemu-nbd,/*) at=("server.type=unix,server.path=$3") ;;
	qemu-nbd,*) at=("server.type=inet,server.host=127.0.0.1,server.port=$3") ;;
	*,/*) at=(-unix "$3") ;;
	*) at=(127.0.0.1 "$3") ;;
	esac
	case $1 in
	nbd-attach) "${nbd_attach[@]}" -q "$2" "${at[@]}" "$2" -C "${4:-1}" ;;
	relay) "${nbd_attach[@]}" -q "$2" "${at[@]}" "$2" -C 1 --relay ;;
	nbd-client) nbd-client "${at[@]}" "/dev/$2" -N "$2" -C "${4:-1}" ;;
	ioctl) nbd-client "${at[@]}" "/dev/$2" -N "$2" -nonetlink ;;
	qemu-nbd) qemu-nbd -c "/dev/$2" --cache=none \
		--image-opts "driver=nbd,${at[0]},export=$2,reconnect-delay=600" ;;
	esac || return
	until sized "$2"; do
		pause 0.001
	done
	return 0 # not the status of pause
}

sized() { # DEVICE
	local size=0
	read -r size <"/sys/block/$1/size"
	((size > 0))
}

# Asks the tool to detach. The device may be in use for a moment after that.
release_by() { # TOOL DEVICE
	case $1 in
	nbd-attach | relay) "${nbd_attach[@]}" -q --detach "$2" ;;
	nbd-client | proxy) nbd-client -d "/dev/$2" ;;
	ioctl) nbd-client -nonetlink -d "/dev/$2" ;;
	qemu-nbd) qemu-nbd -d "/dev/$2" ;;
	esac
}

detach_by() { # TOOL DEVICE
	local end=$((SECONDS + 20))
	release_by "$@" || return
	until detached "$2"; do
		((SECONDS < end)) || return
		pause 0.001
	done
	return 0 # not the status of pause
}

# qemu-nbd fails without a message if the directory is missing.
mkdir -p /run/lock

#
# fio
#

# Four jobs, one after the other: the latency of one request, small writes, and large requests.
# REQUESTS of 4 KiB at depth 1, twice as many at depth 16, and MIB.
write_jobs() { # REQUESTS MIB
	cat >"$scratch/jobs" <<-END
		[global]
		direct=1
		ioengine=libaio
		thread=1
		stonewall=1
		randrepeat=0
		norandommap=1
		group_reporting=1
		percentile_list=1:5:10:20:30:40:50:60:70:80:90:95:98:99:99.5:99.9
		[read4k]
		rw=randread
		bs=4k
		number_ios=$1
		[write4k]
		new_group=1
		rw=randwrite
		bs=4k
		numjobs=2
		iodepth=8
		number_ios=$1
		[read1m]
		new_group=1
		rw=read
		bs=1M
		iodepth=4
		io_size=${2}M
		[write1m]
		new_group=1
		rw=write
		bs=1M
		iodepth=4
		io_size=${2}M
	END
}

# Its results stay in a file that tests/bench/figures.py reads; on standard output is a summary.
fio_by() { # FIGURE TOOL DEVICE
	must fio --output-format=json --output="$out/fio.$round.$1.$2.json" --filename="/dev/$3" \
		"$scratch/jobs"
	echo "$round $1 $2: fio has run"
}
