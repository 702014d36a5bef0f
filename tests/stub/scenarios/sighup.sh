#!/bin/bash
# SPDX-License-Identifier: MIT
# SIGHUP and --reconnect: the server is dialled at once, although the next attempt is not due yet.
# shellcheck source=tests/stub/lib.bash disable=SC2119,SC2120,SC2317
. "$(dirname "$0")/../lib.bash"

# Over TCP, because the program watches the directory of a Unix socket.
serve_tcp
check "it attaches" attach -v --retry-delay 600 -- "127.0.0.1:$port"
check "the driver has it" told_is alive 1
for way in SIGHUP --reconnect; do
	taken=$(told taken)
	crash
	check "the loss is noticed ($way)" within 5 state_is lost
	# The pauses are random, below a bound that doubles. Waits until they are long.
	pause 2
	# Logged in any case; after it an attempt may find the server before the next signal.
	[[ $way != SIGHUP ]] || kill -HUP "$(supervisor_pid 0)"
	serve_tcp "$port"
	if [[ $way = SIGHUP ]]; then
		kill -HUP "$(supervisor_pid 0)"
	else
		check "--reconnect succeeds" nbd_attach --reconnect nbd0
	fi
	check "it heals ($way)" within 3 state_is attached
	check "one socket was taken ($way)" told_is taken $((taken + 1))
done
check "the log names the signal" logged 'SIGHUP: trying at once'
check "it detaches" detach
finish
