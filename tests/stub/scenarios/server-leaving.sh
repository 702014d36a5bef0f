#!/bin/bash
# SPDX-License-Identifier: MIT
# nbdkit at SIGTERM answers requests with NBD_ESHUTDOWN: the errors are counted and shown, in the
# status and in the log. At the next moment without requests its connections are ended, so that it can
# end. With the new connection nobody leaves any more. A device that never comes to rest keeps its
# connection. Without the kernel's log the errors are unknown.
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
check "the log says who leaves" within 10 logged 'says that it is shutting down and answers'
check "its connection is ended" within 20 logged 'its server says that it is shutting down'
check "no request was in flight" eval '! logged "a request was sent .* at the moment"'
check "the server ends by itself" wait_for 10 gone "$server"
check "the status says how many failed" within 10 status_has 'errors +[0-9]+, the last ESHUTDOWN at 20'
check "before each of its threads has refused a request" eval '(($(state_value ERRORS) < 16))'
check "it is an outage" within 5 state_is lost
serve_again
check "it heals" within 15 state_is attached
check "nobody leaves any more" within 5 state_has SERVER_LEAVING no
check "the count stays" eval '(($(state_value ERRORS) >= 1))'
check "the load gets on" loading 3 10
# The next supervisor keeps the pause to the next end.
ended=$(state_value FAREWELL_AT)
check "the state file says when connections were ended" eval '((ended > 0))'
kill_supervisor
check "another supervisor takes the device over" attach
check "it knows when connections were ended" within 5 state_has FAREWELL_AT "^$ended\$"
check "nothing is lost" unload
check "it detaches" detach

touch "$N/stub/no-kmsg"
check "it attaches without the log" attach
check "unknown" status_has 'errors +unknown'
check "unknown to programs" json_is error-replies None
check "it detaches" detach
finish
