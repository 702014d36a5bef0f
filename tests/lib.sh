# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# Functions that the test scripts share; source it from bash. A script looks like this:
#
#   . "$(dirname "$0")/../lib.sh"
#   in_guest 120                # only if it needs a kernel of its own: see tests/vm/run
#   begin 2                     # a scratch directory, the trap that cleans up, and the minimum number of
#                               # checks: a script that ends early has failed
#   start nbdkit -f -U "$scratch/sock" memory 16M
#   wait_for 10 listening "$scratch/sock"
#   check "the export is described" nbd_attach --info -u "$scratch/sock"
#   check "a dead server is worth retrying" \
#           expect_status 4 'cannot reach' nbd_attach --info -u "$scratch/none"
#   kernel_is 5.14 || skip "the kernel keeps an identifier" "before 5.14 it does not"
#   finish                      # "N passed, N failed, N skipped", and the exit status
#
# Variables a caller may set: NBD_ATTACH, the command under test (build/nbd-attach; several
# words are fine), TEST_KERNEL, the guest's kernel, and TEST_LIMIT, the seconds that any single
# nbd-attach may take (20).

set -u

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
# shellcheck source=tests/usage.sh
. "$top/tests/usage.sh"
read -ra nbd_attach <<<"${NBD_ATTACH:-$top/build/nbd-attach}"
passed=0 failed=0 skipped=0 absent=0 planned=0 pid='' scratch='' started=()

# A descriptor that never has data to read: `read -t` on it pauses without starting a process.
exec {never}<> <(:)

in_guest() { # SECONDS [ARGUMENT...]: starts the script again in a guest, unless this is one
	[[ -d /run/nbd-vm ]] && return
	exec "$top/tests/vm/run" ${TEST_KERNEL:+-k "$TEST_KERNEL"} -t "$1" "$(readlink -f "$0")" "${@:2}"
}

# Before in_guest(): builds what the script runs. Scripts that run side by side take turns, because two
# makes could replace the same file at the same time.
built() { # TARGET...
	[[ -d /run/nbd-vm ]] && return
	mkdir -p "$top/build"
	flock "$top/build" make -s -C "$top" "$@" && return
	echo "# make $* failed"
	exit 1
}

# Most suites have several outages, so in a guest --io-timeout is short unless a script says
# otherwise.
short_outages() { # [ROOT]
	mkdir -p "${1:-}/etc/nbd-attach"
	echo "io-timeout = 1" >"${1:-}/etc/nbd-attach/defaults.conf"
}

# The program's own default instead.
usual_outages() {
	rm -f /etc/nbd-attach/defaults.conf
}

# Without CHECKS the minimum is the number of lines that begin with "check ", unless one is skipped.
begin() { # [CHECKS]
	planned=${1:-0}
	scratch=$(mktemp -d) || exit 1
	[[ ! -d /run/nbd-vm || -e /etc/nbd-attach/defaults.conf ]] || short_outages
	trap tidy_up EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
}

# shellcheck disable=SC2317 # called by the trap
tidy_up() {
	local p
	# A signal that reaches a child before its exec would run our trap in the child.
	[[ $BASHPID = "$$" ]] || return
	for p in "${started[@]}"; do
		kill -KILL "$p"
		kill -CONT "$p"
	done 2>/dev/null
	wait
	rm -rf "$scratch"
}

all_made() {
	local made=$((passed + failed + skipped + absent))
	((planned || skipped)) || planned=$(grep -c '^check ' "$0")
	((made >= planned)) || not_ok "all checks are made" <<<"$made of $planned"
}

finish() {
	all_made
	echo "$passed passed, $failed failed$( ((skipped == 0)) || echo ", $skipped skipped")"
	((failed == 0))
	exit
}

#
# Checks
#

ok() { # NAME
	echo "ok - $1"
	((passed++)) || true
}

not_ok() { # NAME, the reason on stdin
	echo "not ok - $1"
	sed 's/^/    /'
	((failed++)) || true
}

# A check that cannot run here: it is counted and printed. A group of checks counts as one, but for
# the plan, which is told how many checks it has.
skip() { # NAME REASON [CHECKS]
	echo "skipped - $1: $2"
	((skipped++)) || true
	((absent += ${3:-1} - 1)) || true
}

# The command runs in this shell, so that a function may set variables. Output is shown on failure.
check() { # NAME COMMAND...
	local name=$1 status
	shift
	"$@" >"$scratch/check" 2>&1 </dev/null
	status=$?
	if ((status == 0)); then
		ok "$name"
	else
		not_ok "$name" < <(echo "$* -> $status" && cat "$scratch/check")
	fi
	return "$status"
}

refuses() { # COMMAND...: it must fail, but not by a time-out or a signal
	local status
	"$@"
	status=$?
	((status > 0 && status < 124))
}

is() { # ACTUAL WANTED
	echo "$1, wanted $2"
	[[ $1 = "$2" ]]
}

# Compares the exit status. Unless REGEX (extended) is empty, standard error must be one line that
# matches it. Leaves the output in $scratch/stdout and $scratch/stderr.
expect_status() { # STATUS REGEX COMMAND...
	local want=$1 sentence=$2 status lines=()
	shift 2
	"$@" >"$scratch/stdout" 2>"$scratch/stderr"
	status=$?
	if ((status != want)); then
		unexpected "exit status $status, wanted $want"
		return
	fi
	[[ $sentence ]] || return 0
	mapfile lines <"$scratch/stderr"
	if [[ ${#lines[@]} != 1 || ${lines[0]} != *$'\n' ]]; then
		unexpected "${#lines[@]} lines on standard error, wanted one"
		return
	fi
	[[ ${lines[0]%$'\n'} =~ $sentence ]] || unexpected "standard error does not fit: $sentence"
}

unexpected() { # REASON: prints it after the command's output
	cat "$scratch/stdout" "$scratch/stderr"
	echo "$1"
	return 1
}

nbd_attach() {
	timeout -k 2 "${TEST_LIMIT:-20}" "${nbd_attach[@]}" "$@"
}

#
# Waiting: until a condition is true, never for a fixed time. A condition that is tested repeatedly
# starts no process: in an emulated guest, starting processes would take most of the time.
#

pause() { # SECONDS
	read -rt "$1" -u "$never"
}

wait_for() { # SECONDS COMMAND...
	local end=$((SECONDS + $1)) looks=0
	shift
	until "$@"; do
		((SECONDS < end)) || return 1
		pause "0.$((++looks < 10 ? 0 : 1))5"
	done
	return 0 # not the status of pause
}

listening() { # PATH or PORT; looks at the kernel's tables, because some servers count clients
	local table six=() line port
	if [[ $1 = /* ]]; then
		mapfile -t table </proc/net/unix
		for line in "${table[@]}"; do
			[[ $line != *" 00010000 0001 "*" $1" ]] || return 0
		done
		return 1
	fi
	mapfile -t table </proc/net/tcp
	[[ ! -e /proc/net/tcp6 ]] || mapfile -t six </proc/net/tcp6
	printf -v port %04X "$1"
	for line in "${table[@]}" "${six[@]}"; do
		[[ ! $line =~ :$port\ 0+:0000\ 0A ]] || return 0
	done
	return 1
}

process_state() { # PID: sets $process_state to the letter of proc(5); starts no process
	process_state=''
	[[ $1 ]] || return # /proc/stat is another file
	read -rd '' process_state 2>/dev/null <"/proc/$1/stat"
	process_state=${process_state##*) }
	process_state=${process_state%% *}
} 2>/dev/null

running() { # PID; a zombie is not
	process_state "$1"
	[[ $process_state && $process_state != Z ]]
}

asleep() { # PID: it waits for something to happen
	process_state "$1"
	[[ $process_state = S ]]
}

# PID: it is asleep, and its processor time stands still for half a second. nbd-server listens, then
# generates a prime for TLS (gnutls_dh_params_generate2), and only then accepts clients. That takes
# less than a second or more than ten, and it may sleep for a moment meanwhile.
idles() {
	local before
	asleep "$1" || return
	processor_time "$1"
	before=$processor_time
	sleep 0.5
	processor_time "$1"
	[[ $before && $processor_time = "$before" ]] && asleep "$1"
}

processor_time() { # PID: sets $processor_time to its clock ticks in user and in kernel mode
	local line='' fields=()
	{ read -rd '' line <"/proc/$1/stat"; } 2>/dev/null
	read -ra fields <<<"${line##*) }"
	processor_time=${fields[*]:11:2}
}

gone() { # PID
	! running "$1"
}

#
# Servers and other processes; each is ended by its process ID
#

start() { # COMMAND...; sets $pid
	"$@" >"$scratch/log" 2>&1 </dev/null &
	pid=$!
	started+=("$pid")
}

start_server() { # PATH or PORT, COMMAND...; sets $pid
	local where=$1
	shift
	start "$@"
	wait_for 15 listening "$where" && return
	not_ok "a server starts" < <(echo "$* does not listen at $where" && cat "$scratch/log")
	return 1
}

kill_now() { # PID; suppresses the shell's "Killed" message
	kill -KILL "$1"
	wait "$1" 2>/dev/null || true
}

stop() { # PID [SIGNAL]
	kill -"${2:-TERM}" "$1" 2>/dev/null || return 0
	wait_for 5 gone "$1" || kill -KILL "$1"
	wait "$1" 2>/dev/null || true
}

#
# Devices
#

kernel_is() { # MAJOR.MINOR: at least
	local major=${1%%.*} minor=${1#*.} release
	release=$(</proc/sys/kernel/osrelease)
	[[ $release =~ ^([0-9]+)\.([0-9]+) ]] &&
		((BASH_REMATCH[1] > major || (BASH_REMATCH[1] == major && BASH_REMATCH[2] >= minor)))
}

receive() { # [COUNT]: the kernel has at least so many receivers, one for a connection; sets $receivers
	local file stack
	receivers=0
	for file in /proc/[0-9]*/stack; do
		read -rd '' stack <"$file"
		[[ $stack = *recv_work* ]] && ((receivers++))
	done 2>/dev/null
	((receivers >= ${1:-0}))
}

# A kernel that is too busy to start threads receives for one of several connections alone: see
# tests/fault/receivers.sh. The next attempt finds the threads that were started meanwhile.
attach_several() { # DEVICE CONNECTIONS COMMAND... that attaches it
	local device=$1 wanted try
	receive
	wanted=$((receivers + $2))
	for try in {1..8}; do
		"${@:3}" || return
		[[ -r /proc/self/stack ]] && ! wait_for 2 receive "$wanted" || return 0
		echo "attempt $try: the kernel has $receivers receivers instead of $wanted"
		nbd_attach --detach --force "$device" || return
	done
	return 1
}

attached() { # nbd0
	[[ -e /sys/block/$1/pid ]]
}

detached() { # nbd0; the kernel may have removed it altogether
	local size=0
	[[ ! -e /sys/block/$1/pid ]] || return
	{ read -r size <"/sys/block/$1/size"; } 2>/dev/null
	[[ $size = 0 ]]
}

supervisor() { # nbd0: the process that holds the device's lock
	cat "/run/nbd-attach/$1.lock"
}

# Sets $value to a value of the state file. The program replaces that file as a whole.
read_state() { # DEVICE KEY
	local line lines=()
	value=
	{ mapfile -t lines <"/run/nbd-attach/$1.state"; } 2>/dev/null
	for line in "${lines[@]}"; do
		[[ $line != "$2="* ]] || value=${line#*=}
	done
}

state_of() { # DEVICE KEY
	local value
	read_state "$1" "$2"
	[[ ! $value ]] || echo "$value"
}

# Sets $value to the JSON value of a key in --status --json, which prints each key on its own line.
read_status() { # DEVICE KEY
	local json pattern=$'\n {4,6}"'$2$'": ([^\n]*)'
	value=
	nbd_attach --status --json "$1" >"$scratch/json" || return
	json=$(<"$scratch/json")
	[[ $json =~ $pattern ]] && value=${BASH_REMATCH[1]%,}
}

status_is() { # DEVICE KEY VALUE: true is True, and false is False
	local value
	read_status "$1" "$2" || return
	case $value in
	true) value=True ;;
	false) value=False ;;
	null) value=None ;;
	\"*\") value=${value:1:-1} value=${value//\\\"/\"} value=${value//\\\\/\\} ;;
	esac
	is "$value" "$3"
}

supervised() { # nbd0
	local pid=''
	{ read -r pid <"/run/nbd-attach/$1.lock"; } 2>/dev/null
	running "$pid"
}

no_supervisor() { # nbd0
	! supervised "$1"
}

# A qcow2 image without errors. Status 3 means leaked clusters, which a killed server may leave.
sound() { # FILE
	local status
	qemu-img check -q "$1"
	status=$?
	((status == 0 || status == 3))
}

# Writes blocks in random order and reads them back, both without the page cache. Uses the small
# program that `make kernel-try` builds; uses fio if it is missing or options are given.
writes_and_verifies() { # DEVICE [SIZE [OPTION... of fio]]
	if (($# <= 2)) && [[ -x $top/build/tests/interop/verify ]]; then
		local mib=${2:-1M}
		"$top/build/tests/interop/verify" "$1" $((${mib%M} << 20))
		return
	fi
	fio --name=verify --filename="$1" --size="${2:-1M}" --rw=randwrite --bs=4k --direct=1 \
		--ioengine=libaio --iodepth=8 --verify=crc32c --verify_fatal=1 --randrepeat=0 \
		--output-format=normal --end_fsync=1 "${@:3}"
}
