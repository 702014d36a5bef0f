#!/bin/bash
# SPDX-License-Identifier: MIT
# A device that was on hold is lost again, because a detach was given up while no server was there. The
# dead timeout does not count in this outage, and the unit's status names no time; in a shutdown of the
# machine, it names the end of the grace period.
# shellcheck source=tests/stub/lib.bash disable=SC2119,SC2317
. "$(dirname "$0")/../lib.bash"
# shellcheck source=tests/stub/two-disks.bash
. "$(dirname "$0")/../two-disks.bash"

names_no_time() { # REGEX: the last status of the unit
	local last
	last=$(grep ^STATUS= "$N/told" | tail -n 1)
	echo "$last"
	[[ $last =~ $1 && $last != *,\ until\ * ]]
}

# Seconds from now until the time that the status names.
names_time_within() { # LEAST MOST
	local last left
	last=$(grep ^STATUS= "$N/told" | tail -n 1)
	echo "$last, at $(date +%T)"
	[[ $last =~ ,\ until\ ([0-9:]+) ]] || return
	left=$(($(date -d "${BASH_REMATCH[1]}" +%s) - $(date +%s)))
	((left < 0)) && ((left += 86400))
	((left >= $1 && left <= $2))
}

serve nbdkit -f -U "$sock" file "$image"
own=("${serving[@]}")
start python3 "$top/tests/stub/manager.py" "$N" "${nbd_attach[@]}" -v -n --wait=20 --io-timeout 1s \
	--same-content=ids --dead-timeout 4 nbd0 -u "$sock"
check "the manager listens" wait_for 10 test -p "$N/start"
echo >"$N/start"
check "it attaches" within 10 state_is attached
load -e -b 16
check "the load gets on" loading 20 5
crash
check "the loss is noticed" within 5 state_is lost
check "the status names the time when I/O fails" within 5 names_time_within 1 5
check "the log says how long" logged 'I/O waits, for at most 4 s'
serve nbdkit -f -U "$sock" file "$N/other"
check "another disk puts it on hold" within 4 state_is held
check "the status names no time" within 5 names_no_time 'The server has another disk, I/O waits'
crash
ctl block
check "a detach is given up" expect_status 1 'try again' detach --force
ctl unblock
check "it is lost again" within 5 state_is lost
pause 4
check "the dead timeout does not count" state_is lost
check "nothing has failed" told_is failed 0
check "the status names no time" within 5 names_no_time 'The server is lost, I/O waits'
check "the machine shuts down" nbd_attach --shutdown --grace 30
check "the status names the end of the grace period" within 5 names_time_within 20 31
check "a shorter grace" nbd_attach --shutdown --grace 1
check "then I/O fails" within 5 state_is expired
serve "${own[@]}"
check "its own disk ends that" within 20 state_is attached
check "the machine still shuts down" nbd_attach --shutdown --grace 2
crash
check "the next loss" within 5 state_is lost
check "has the limit of the shutdown" logged 'I/O waits, for at most 2 s'
check "no shutdown" nbd_attach --shutdown --grace infinity
serve "${own[@]}"
check "it heals" within 20 state_is attached
check "nothing is lost" unload
check "it detaches" detach
finish
