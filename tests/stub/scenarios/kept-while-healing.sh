#!/bin/bash
# SPDX-License-Identifier: MIT
# A detach is given up while the kernel delays a hand-over. The result of the hand-over still
# counts.
# shellcheck source=tests/stub/lib.bash disable=SC2119,SC2120,SC2317
. "$(dirname "$0")/../lib.bash"

gives_up() { # [STATE]: the server is back, but the kernel does not answer the hand-over
	crash
	within 10 state_is "${1:-lost}" || return
	if [[ ${1:-lost} = expired ]]; then
		within 5 told_is dead-timeout 0 || return
		pause 1.5 # two other sockets come first: they make waiting requests fail
	fi
	ctl block
	serve_again
	within 10 state_is healing || return
	expect_status 1 'try again' detach --force
}

descriptors() {
	local all=("/proc/$(supervisor_pid 0)/fd"/*)
	echo "${#all[@]}"
}

spare_runs() {
	local p children
	read -ra children -d '' < <(cat "/proc/$(supervisor_pid 0)"/task/*/children)
	for p in "${children[@]}"; do
		[[ $(<"/proc/$p/comm") = nbd-handshake ]] && return
	done 2>/dev/null
	return 1
}

steady_descriptors() { # prints the number of descriptors when no process is being prepared
	local now before=0
	within 15 spare_runs >/dev/null || echo 'no spare'
	for _ in {1..50}; do
		now=$(descriptors)
		((now == before)) && break
		before=$now
		pause 0.2
	done
	echo "$now"
}

descriptors_are() {
	local now
	now=$(descriptors)
	echo "$now descriptors, wanted $1"
	((now == $1))
}

serve
check "it attaches" attach
load -i "$image"
check "the load gets on" loading 20 5
check "the detach is given up" gives_up
check "nothing is connected" told_is alive 0
ctl unblock
check "the hand-over counts" within 5 state_is attached
check "the outage is over" json_is outage-since-unix-seconds None
crash
check "the next loss is noticed" within 5 state_is lost
serve_again
check "the next outage heals" within 10 state_is attached
check "nothing failed, nothing is lost" unload
check "it detaches" detach

check "two connections: attaches" attach -C 2 --dead-timeout 2
before=$(steady_descriptors)
check "two connections: the detach is given up" gives_up
pause 2.5 # the dead timeout passes, but the hand-over is decisive
check "two connections: I/O does not fail meanwhile" state_is lost
ctl unblock
check "two connections: the hand-over counts" within 10 state_is attached
check "two connections: both live" within 5 told_is alive 2
# The driver's count includes the earlier device, whose connection was replaced twice.
check "two connections: none was offered twice" told_is offered 4
check "two connections: the kernel waits" told_is dead-timeout 2
check "two connections: no descriptor is left over" within 5 descriptors_are "$before"
load -c -i "$image"
check "two connections: the load gets on" loading 20 5
check "two connections: nothing fails" unload
check "two connections: detaches" detach

# I/O fails already, and --detach makes it fail again during the hand-over of a new connection.
check "expired: attaches" attach --dead-timeout 1
before=$(steady_descriptors)
check "expired: the detach is given up" gives_up expired
check "expired: I/O still fails" state_is expired
repeated=$(told repeated)
ctl unblock
check "expired: the hand-over counts" within 10 state_is attached
check "expired: the connection lives" told_is alive 1
check "expired: its socket was offered once" told_is repeated "$repeated"
check "expired: the kernel waits again" told_is dead-timeout 1
check "expired: no request times out" told_is timeout 0
check "expired: no descriptor is left over" within 5 descriptors_are "$before"
load -c -i "$image"
check "expired: the load gets on" loading 20 5
check "expired: nothing fails" unload
check "expired: detaches" detach
finish
