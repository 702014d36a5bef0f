#!/bin/bash
# SPDX-License-Identifier: MIT
# usage: tests/interop/hostile.sh [--here] [ARGUMENT... of hostile_check.py]
#
# Runs the client against every behaviour of hostile.py. In a guest the client attaches; with --here
# it only runs --info and --list, on this machine, and needs no privilege. For example
#
#   NBD_ATTACH=build/san/nbd-attach tests/interop/hostile.sh --here
#
# and `make hostile-valgrind`.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

if [[ ${1:-} = --here ]]; then
	shift
	NBD_ATTACH_RUNDIR=$(mktemp -d) || exit 1
	export NBD_ATTACH_RUNDIR
	"$top/tests/interop/hostile_check.py" --goals info,list,tls "$@" "${nbd_attach[@]}"
	status=$?
	rm -rf "$NBD_ATTACH_RUNDIR"
	exit $status
fi
in_guest 580 "$@" # an instrumented build takes several times as long
# Emulation is slow, and many clients at once are slower. The limit must catch hangs, not slowness.
exec "$top/tests/interop/hostile_check.py" --goals attach --ratio 4 "$@" "${nbd_attach[@]}"
