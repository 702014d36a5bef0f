#!/bin/bash
# SPDX-License-Identifier: MIT
# Prints the two figures of the README, each after a line `== NAME`: an outage as nbd-attach shows
# it, and writes over time through the same outage with nbd-attach and with nbd-client -persist.
# `make readme-figures` puts them into the README.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
in_guest 240 "$@"
begin
usual_outages
# shellcheck source=tests/fault/lib.bash
. "$top/tests/fault/lib.bash"

rate=100 # writes a second
away=4   # seconds without a server
PATH=$(dirname "${nbd_attach[0]}"):$PATH
transcript=$scratch/transcript

say() { # TEXT...: a line of the transcript
	echo "$*" >>"$transcript"
}

run() { # COMMAND...: the line as typed, and what it prints
	say "\$ $*"
	"$@" >>"$transcript" 2>&1
}

# COMMAND runs in the middle of the outage.
through_an_outage() { # COMMAND...
	load -r "$rate" || exit 1
	pause 4
	crash
	pause $((away / 2))
	"$@"
	pause $((away / 2))
	serve_again
	pause 6
	load_ended 10 >/dev/null || true # of nbd-client, requests may hang for ever
}

plot() { # TITLE
	python3 "$top/tests/readme/plot.py" "$1" "$rate" "$scratch/load/log" "$began" "$listening"
}

during() {
	# shellcheck disable=SC2016 # as typed
	say '$ kill -9 "$nbdkit"            # the server dies; 100 writes a second go on'
	run nbd-attach --status
}

new_image
serve nbdkit 10809
run nbd-attach nbd0 localhost
through_an_outage during
say "\$ nbdkit file disk.img       # $away seconds later"
run nbd-attach --status
say "# $(figure writes) writes, $(figure failed) failed, the longest took $(figure longest_ms) ms"
plot "nbd-attach" >"$scratch/plot"
release >/dev/null

new_image
serve nbdkit 10809
if nbd-client localhost 10809 /dev/nbd0 -N disk -persist >>"$scratch/log" 2>&1; then
	through_an_outage true
	plot "nbd-client -persist" >>"$scratch/plot"
	# A request that hangs would keep the load, and with it this script, from its end.
	timeout -k 1 5 nbd-client -d /dev/nbd0 >>"$scratch/log" 2>&1
fi
echo "== transcript"
cat "$transcript"
echo "== plot"
cat "$scratch/plot"
echo "== end"
