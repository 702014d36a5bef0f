# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# Code of the guest suites: their scripts run side by side, because a guest waits most of the time.
# Sourced by interop/run and systemd/run, which define
#
#   one NAME       runs a script; it prints "N passed, N failed[, N skipped]"
#   $here          where $here/NAME.sh is
#
# The output of a script is kept until it ends, and is then shown as a whole.
#
#   GUESTS=N       the number of scripts at a time: by default three for two processors, at most four
#   RESULTS=FILE   a line for each script that has ended is added there. Those that have a line of this
#                  commit, kernel and suite are not run again (with RETRY=1 those that failed are), so
#                  that a long run can be made in parts
#   UNTIL=SECONDS  of the clock (date +%s): nothing begins after that; what is left is printed, and the
#                  exit status is 75
#
# A script that measures times can request to run alone. Its head gives the reason:
#
#   # Alone: REASON

: "${here:?}"
# shellcheck source=tests/usage.sh
. "${BASH_SOURCE[0]%/*}/usage.sh"
guests=${GUESTS:-$((($(nproc) * 3 + 1) / 2))}
[[ ${GUESTS:-} ]] || ((guests <= 4)) || guests=4
declare -A name_of=() begun=()

commit() {
	local id
	id=$(git -C "$here" rev-parse --short=12 HEAD 2>/dev/null) || id=none
	git -C "$here" diff --quiet HEAD 2>/dev/null || id+=+
	echo "$id"
}

part_of() { # NAME: the beginning of its line
	printf '%s\t%s\t%s\t%s\t' "$(commit)" "${TEST_KERNEL:-default}" "${here##*/}" "$1"
}

record() { # NAME STATUS "PASSED FAILED SKIPPED", or nothing if it died
	[[ ${RESULTS:-} ]] || return 0
	mkdir -p "$(dirname "$RESULTS")"
	printf '%s%s\t%s\t%s s\n' "$(part_of "$1")" "$([[ $2 -eq 0 ]] && echo ok || echo failed)" \
		"${3:-died}" $((SECONDS - begun[$1])) >>"$RESULTS"
}

has_run() { # NAME
	local found
	[[ ${RESULTS:-} && -e $RESULTS ]] || return 1
	found=$(grep -F "$(part_of "$1")" "$RESULTS" | tail -n 1 | cut -f 5)
	[[ $found = ok || ($found = failed && ! ${RETRY:-}) ]]
}

may_begin() { # NAME
	! has_run "$1" || return 1
	[[ ${UNTIL:-} ]] && (($(date +%s) >= UNTIL)) || return 0
	left+=("$1")
	return 1
}

launch() { # NAME
	local log=$logs/$1
	echo "-- $1 begins"
	begun[$1]=$SECONDS
	(
		TIMEFORMAT='%U %S'
		{ time one "$1" >"$log" 2>&1; } 2>"$log.cpu"
	) &
	name_of[$!]=$1
}

did_not_end_well() { # NAME STATUS: keeps what it printed last, for the end of the output
	broken+=("$1 (exit status $2)")
	ends+="the last lines of $1:"$'\n'
	ends+=$(tail -n 25 "$logs/$1" | sed 's/^/  | /')$'\n'
}

reap() { # one that has ended; the totals go to passed, failed, skipped and broken
	local process status name counts p f s cpu=0
	wait -n -p process
	status=$?
	[[ ${process:-} ]] || return
	name=${name_of[$process]}
	unset "name_of[$process]"
	echo "== $name"
	cat "$logs/$name"
	# After the count, the shell may still print a message about a server that was ended.
	counts=$(grep -E '^[0-9]+ passed, [0-9]+ failed(, [0-9]+ skipped)?$' "$logs/$name" | tail -n 1)
	if [[ $counts ]]; then
		read -r p _ f _ s _ <<<"${counts//,/} 0"
		((passed += p, failed += f, skipped += s)) || true
		# It counted no failure, but it ended with an error.
		((status == 0 || f > 0)) || did_not_end_well "$name" "$status"
	else # it died or was ended: its results so far do not count
		did_not_end_well "$name" "$status"
	fi
	record "$name" "$status" "${counts:+$p $f $s}"
	cpu=$(tail -n 1 "$logs/$name.cpu" | awk '{ printf "%.0f", $1 + $2 }')
	echo "== $name: $((SECONDS - begun[$name])) s, of which a processor worked $cpu s"
}

room_for() { # COUNT: waits until less than COUNT scripts run, or with 0 until none runs
	while ((${#name_of[@]} > 0 && ${#name_of[@]} >= $1)); do
		reap
	done
}

run_guests() { # NAME...
	local name alone=()
	logs=$(mktemp -d) || exit 1
	trap 'rm -rf "$logs"' EXIT
	passed=0 failed=0 skipped=0 broken=() left=() ends=
	for name; do
		if grep -qs '^# Alone: ' "$here/$name.sh"; then
			alone+=("$name")
			continue
		fi
		room_for "$guests"
		! may_begin "$name" || launch "$name"
	done
	for name in "${alone[@]}"; do
		room_for 1
		! may_begin "$name" || launch "$name"
	done
	room_for 0
	((skipped == 0)) && skipped='' || skipped=", $skipped skipped"
	((${#left[@]} == 0)) || echo "not run, no time was left: ${left[*]}"
	printf %s "$ends"
	echo "$passed passed, $((failed + ${#broken[@]})) failed$skipped${broken[*]:+; did not end well: ${broken[*]}}"
	((failed == 0 && ${#broken[@]} == 0)) || return 1
	((${#left[@]} == 0)) || return 75
}
