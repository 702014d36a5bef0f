# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2120 # functions whose arguments are optional
# What the scenarios share. Each scenario has its own directory, its own driver that replaces
# nbd.ko, and real servers on Unix sockets, so scenarios cannot disturb each other. One looks like
# this:
#
#   . "$(dirname "$0")/../lib.bash"
#   serve                                  # nbdkit with $image, at $sock
#   check "it attaches" attach             # as /dev/nbd0
#   load                                   # writes and reads that verify themselves
#   crash; serve_again                     # kill -9, and the same server again
#   check "it heals" within 5 state_is attached
#   check "nothing is lost" unload
#   check "it detaches" detach
#   finish
#
# $N is the scenario's directory, $N/stub/log the supervisor's log; `ctl` sends commands to the
# driver (control.c), `told KEY` prints one of its figures.

. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

BUILD=${BUILD:-build}
[[ $BUILD = /* ]] || BUILD=$top/$BUILD
stub=$BUILD/stub/nbd-stub
nbd_attach=("$BUILD/stub/nbd-attach")
begin
N=$scratch
export NBD_ATTACH_RUNDIR=$N
export ASAN_OPTIONS=log_path=$N/san UBSAN_OPTIONS=log_path=$N/san:print_stacktrace=1
mkdir "$N/stub"
image=$N/image
sock=$N/sock
supervisors=()
as=() port='' loader='' server=''
truncate -s 1M "$image"

# A supervisor is not our child, so it must be found by its lock before the directory is removed.
# shellcheck disable=SC2317
leave() {
	local p
	[[ $BASHPID = "$$" ]] || return
	for p in "$N"/nbd*.lock; do
		[[ -s $p ]] && supervisors+=("$(<"$p")")
	done
	for p in "${supervisors[@]}"; do
		grep -qz "^NBD_ATTACH_RUNDIR=$N\$" "/proc/$p/environ" && kill -KILL "$p"
	done 2>/dev/null
	tidy_up 2>/dev/null
}
trap leave EXIT

start_driver() {
	"$stub" driver "$N/stub" >"$N/driver.said" 2>&1 </dev/null &
	started+=("$!")
	wait_for 10 test -S "$N/stub/driver" || {
		cat "$N/driver.said" >&2
		exit 1
	}
}

ctl() { "$stub" ctl "$@"; }

# One process asks for all figures of a scenario.
start_asking() {
	mkfifo "$N/questions" "$N/answers"
	"$stub" ctl - <"$N/questions" >"$N/answers" 2>&1 &
	started+=("$!")
	exec {questions}>"$N/questions" {answers}<"$N/answers"
}

# Sets $value to one of the driver's figures. Starts no process.
ask() { # KEY [N]
	echo "show ${2:-0}" >&"$questions"
	read -rd '' value <&"$answers"
	value=$'\n'$value
	[[ $value =~ $'\n'"$1"=([^$'\n']*) ]]
	value=${BASH_REMATCH[1]-}
}

told() { # KEY [N]
	local value
	ask "$@"
	echo "$value"
}

told_is() { # KEY VALUE [N]
	local value
	ask "$1" "${3:-0}"
	echo "$1=$value, wanted $2"
	[[ $value = "$2" ]]
}

told_at_least() { # KEY VALUE [N]
	local value
	ask "$1" "${3:-0}"
	echo "$1=$value, wanted $2 or more"
	((value >= $2))
}

offered_at_most() { # MOST [N]
	local value
	ask offered "${2:-0}"
	echo "offered $value times, wanted $1 at most"
	((value <= $1))
}

# Like wait_for, but prints the command's last output when it gives up. The command runs in this
# shell, because starting processes would take most of the time.
within() { # SECONDS COMMAND...
	local end=$((SECONDS + $1)) looks=0
	shift
	until "$@" >"$N/within" 2>&1; do
		((SECONDS < end)) || {
			cat "$N/within"
			return 1
		}
		pause "0.0$((++looks < 10 ? 2 : 5))"
	done
	return 0
}

#
# Servers
#

serve() { # [COMMAND...]; nbdkit with the image unless another is given; sets $server
	((${#@})) || set -- nbdkit -f -U "$sock" -P "$N/nbdkit.pid" file "$image"
	serving=("$@")
	rm -f "$sock"
	"$@" >>"$N/server.said" 2>&1 </dev/null &
	server=$!
	started+=("$server")
	# A server whose socket was moved away is still listed as listening at this path.
	wait_for 10 test -S "$sock" && wait_for 10 listening "$sock" && return
	not_ok "a server starts" < <(echo "$*" && cat "$N/server.said")
	return 1
}

# Starts nbdkit with options and, after --, arguments for the file plugin or a filter. $as runs it
# as another user.
serve_with() { # [OPTION...] [-- WORD...]
	local options=()
	while (($#)) && [[ $1 != -- ]]; do
		options+=("$1")
		shift
	done
	serve "${as[@]}" nbdkit -f -U "$sock" "${options[@]}" file "$image" "${@:2}"
}

# The same at a TCP port, by default a free one. Sets $port.
serve_tcp() { # [PORT [ADDRESS]]
	rm -f "$N/port"
	python3 - "$image" "${1:-0}" "${2:-127.0.0.1}" "${as[@]}" >"$N/port" 2>>"$N/server.said" <<-'EOP' &
		import os, socket, sys
		s = socket.socket(socket.AF_INET6 if ":" in sys.argv[3] else socket.AF_INET)
		s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
		s.bind((sys.argv[3], int(sys.argv[2])))
		s.listen(16)
		print(s.getsockname()[1], flush=True)
		os.dup2(s.fileno(), 3)
		os.set_inheritable(3, True)
		os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
		words = sys.argv[4:] + ["nbdkit", "-f", "file", sys.argv[1]]
		os.execvp(words[0], words)
	EOP
	server=$!
	started+=("$server")
	# shellcheck disable=SC2034 # for the scenario
	wait_for 10 test -s "$N/port" && port=$(<"$N/port")
}

serve_again() { serve "${serving[@]}"; }

crash() { kill_now "$server"; }

#
# The device
#

# Outages end soon: most scenarios have several.
attach() { # [OPTION...]; the words after -- replace `-u $sock`
	local where=(-u "$sock") options=()
	[[ " $* " = *" --io-timeout "* ]] || options+=(--io-timeout 1)
	while (($#)) && [[ $1 != -- ]]; do
		options+=("$1")
		shift
	done
	(($# > 1)) && where=("${@:2}")
	nbd_attach "${options[@]}" nbd0 "${where[@]}" 2>"$N/attach.said"
	local status=$?
	cat "$N/attach.said" >>"$N/stub/log"
	cat "$N/attach.said" >&2
	return "$status"
}

detach() { nbd_attach --detach "$@" nbd0; }

# In a loop, reading the state file is much faster than `nbd-attach --status`.
read_state() { # KEY; sets $value
	value=''
	read -rd '' value <"$N/nbd0.state"
	[[ $'\n'$value =~ $'\n'"$1"=([^$'\n']*) ]]
	value=${BASH_REMATCH[1]-}
}

state_value() { # KEY
	local value
	read_state "$1"
	echo "$value"
}

state_has() { # KEY REGEX
	local value
	read_state "$1"
	echo "$1=$value"
	[[ $value =~ $2 ]]
}

kill_supervisor() { # [SIGNAL]
	local p
	p=$(supervisor_pid 0)
	kill -"${1:-KILL}" "$p"
	wait_for 10 gone "$p"
}

supervisor_pid() { # N
	echo "$(<"$N/nbd$1.lock")"
}

json() { # KEY [N]: of --status --json
	nbd_attach --status --json "nbd${2:-0}" | python3 -c '
import json, sys
d = json.load(sys.stdin)
d = d.get("devices", [d])[0] if isinstance(d, dict) else d[0]
print(d.get(sys.argv[1], "none"))' "$1"
}

json_is() { # KEY VALUE [N]
	local value
	value=$(json "$1" "${3:-0}")
	echo "$1 is $value, wanted $2"
	[[ $value = "$2" ]]
}

state_is() { # NAME
	state_has STATE "^$1$"
}

logged() { # REGEX
	cat "$N/stub/log"
	grep -qE -- "$1" "$N/stub/log"
}

kernel_logged() { # REGEX
	cat "$N/stub/kmsg"
	grep -qE -- "$1" "$N/stub/kmsg"
}

#
# The load
#

load() { # [OPTION of nbd-stub load...]
	"$stub" load nbd0 -s "$RANDOM" "$@" >"$N/load.said" 2>&1 </dev/null &
	loader=$!
	started+=("$loader")
}

has_closed() { # PID: the process has ended, and the driver knows it
	! compgen -G "$N/stub/proc/$1/fd/*" >/dev/null
}

# Ends the load: no error, no lost or stale block on the device or in the image. A request that began
# when io_timeout was the driver's own is sent again 30 s later.
unload() { # [SECONDS]
	local status
	kill -TERM "$loader" 2>/dev/null
	wait_for "${1:-50}" gone "$loader" || {
		echo "the load hangs: $(cat "$N/load.said")"
		ctl show 0
		return 1
	}
	wait "$loader"
	status=$?
	wait_for 10 has_closed "$loader"
	cat "$N/load.said"
	return "$status"
}

# The server crashes and is back: the kernel gets a new connection, and the load gets on within SECONDS.
# By the driver's count: a new supervisor counts from 0, and the state file can be the old one's.
heals() { # SECONDS
	local before
	before=$(told taken)
	crash
	serve_again
	within 20 told_at_least taken $((before + 1)) && within 10 state_is attached && loading 20 "$1"
}

loading() { # COUNT SECONDS: COUNT more requests are answered
	local value before
	ask 'done'
	before=$value
	within "$2" told_at_least 'done' $((before + $1))
}

# Also fails if a process of a build with sanitizers has left a report.
finish() {
	local report
	for report in "$N"/san.*; do
		[[ -s $report ]] && not_ok "no sanitizer reports an error" <"$report"
	done
	all_made
	echo "$passed passed, $failed failed$( ((skipped == 0)) || echo ", $skipped skipped")"
	((failed == 0))
	exit
}

start_driver
start_asking

# Sets ${namespace[@]}, the words for unshare(1) with which a file system can be mounted at DIRECTORY;
# or skips NAME and ends.
need_mount_namespace() { # DIRECTORY NAME
	local way
	for way in -m -Urm; do
		unshare "$way" mount -t tmpfs tmpfs "$1" 2>/dev/null || continue
		namespace=("$way")
		return
	done
	skip "$2" "no mount namespace can be made"
	finish
}
