#!/bin/bash
# SPDX-License-Identifier: MIT
# nbdkit at SIGTERM answers requests with NBD_ESHUTDOWN, one in each of its 16 threads, and then ends:
# the errors are counted and shown, in the status and in the log. With the new connection nobody leaves
# any more. Without the kernel's log the errors are unknown.
# shellcheck source=tests/stub/lib.bash disable=SC2016,SC2119,SC2317
. "$(dirname "$0")/../lib.bash"

status_has() { # REGEX
	nbd_attach --status nbd0 >"$N/status"
	cat "$N/status"
	grep -qE -- "$1" "$N/status"
}

serve
check "it attaches" attach
check "no error" json_is error-replies 0
check "nobody leaves" json_is server-leaving False
kill -TERM "$server"
load -e -b 4 -d 1 -r 1
check "requests fail" within 10 told_at_least failed 1
check "the status says who leaves" within 10 state_has SERVER_LEAVING yes
check "and how many failed" within 10 status_has 'errors +[0-9]+, the last ESHUTDOWN at 20'
check "the log says it" logged 'says that it is shutting down'
check "the connection stays" state_is attached
kill_now "$server"
check "the loss is noticed" within 5 state_is lost
serve_again
check "it heals" within 15 state_is attached
check "nobody leaves any more" within 5 state_has SERVER_LEAVING no
check "the count stays" eval '(($(state_value ERRORS) >= 1))'
check "the load gets on" loading 3 10
check "nothing is lost" unload
check "it detaches" detach

touch "$N/stub/no-kmsg"
check "it attaches without the log" attach
check "unknown" status_has 'errors +unknown'
check "unknown to programs" json_is error-replies None
check "it detaches" detach
finish
