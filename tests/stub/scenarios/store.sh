#!/bin/bash
# SPDX-License-Identifier: MIT
# The service manager keeps the sockets of a supervisor. Whenever that is killed, the next one gets
# them back, heals the device, and has the manager drop what is not used any more.
# shellcheck source=tests/stub/lib.bash disable=SC2119,SC2154,SC2317
. "$(dirname "$0")/../lib.bash"

start python3 "$top/tests/stub/manager.py" "$N" "${nbd_attach[@]}" -v -n --wait=20 --io-timeout 1s nbd0 -u "$sock"
begin_supervisor() { echo >"$N/start"; }

keeps() { # COUNT [ATTACHMENT]: sockets, and the attachment that their names have
	cat "$N/stored" "$N/told"
	(($(wc -l <"$N/stored") == $1)) && (($(grep -c "^link-${2:-[1-9][0-9]*}-" "$N/stored") == $1))
}

# A supervisor has taken the device over, with so many sockets of the one that was killed.
takes_over() { # SOCKETS
	local log=$N/said-since
	tail -c +"$((said + 1))" "$N/stub/log" >"$log"
	cat "$log"
	grep -q 'taken over, attached to' "$log" || return
	if (($1)); then
		grep -q "an earlier supervisor has left $1 of its sockets" "$log"
	else
		! grep -q 'an earlier supervisor has left' "$log"
	fi
}

kill_it() {
	kill_supervisor
	said=$(wc -c <"$N/stub/log")
}

# A request that began when io_timeout was the driver's own is sent again 30 s later.
heals_kept() {
	heals 40 && within 5 keeps 1
}

check "the manager listens" wait_for 10 test -p "$N/start"
serve
begin_supervisor
check "it attaches" within 10 state_is attached
check "the manager keeps its socket, named after the attachment" within 5 keeps 1
check "it got the socket before there was an attachment" grep -q 'FDSTORE=1 FDPOLL=0 FDNAME=link-0-1' "$N/told"
load
check "the load gets on" loading 20 5

kill_it
check "the manager still keeps the socket" keeps 1
name=$(<"$N/stored")
begin_supervisor
check "the next supervisor has it" within 10 takes_over 1
check "it is attached" within 5 state_is attached
check "the manager has kept it all the time" is "$(<"$N/stored")" "$name"
check "it heals" heals_kept

# The server ends while no supervisor runs: the socket in the store is dead.
kill_it
crash
pause 0.3
check "the manager keeps the dead socket" keeps 1
serve_again
begin_supervisor
check "the next supervisor has the dead one" within 10 takes_over 1
check "it heals" within 20 state_is attached
check "the load gets on" loading 20 40
check "the manager keeps the new socket alone" within 5 keeps 1

# In an outage nothing is kept.
crash
check "the loss is noticed" within 10 state_is lost
check "the manager drops the socket" within 5 keeps 0
kill_it
begin_supervisor
check "the next supervisor gets nothing" within 10 takes_over 0
serve_again
check "it heals" within 20 state_is attached
check "the load gets on" loading 20 40

# The kernel gets a new socket, and the supervisor is killed before it knows that.
ctl mute 0 on
before=$(told taken)
crash
serve_again
check "the kernel has the new socket" within 10 told_is taken $((before + 1))
check "the supervisor does not know it" state_is healing
kill_it
ctl mute 0 off
check "the manager keeps the new socket" keeps 1
begin_supervisor
check "the next supervisor knows that the kernel uses it" within 10 takes_over 1
check "it is attached" within 20 state_is attached
check "no other socket was needed" told_is taken $((before + 1))
check "the manager still keeps it" within 5 keeps 1
check "it heals" heals_kept

# The supervisor is killed while the kernel has not accepted the new socket yet.
ctl block
crash
serve_again
check "it is healing" within 10 state_is healing
check "the manager keeps the new socket already" within 5 keeps 1
kill_it
ctl unblock
begin_supervisor
check "the next supervisor attaches it" within 20 state_is attached
check "the load gets on" loading 20 40
check "the manager keeps one socket" within 5 keeps 1
check "it heals" heals_kept

# Two in a row.
kill_it
begin_supervisor
check "it takes over" within 10 takes_over 1
kill_it
begin_supervisor
check "and once more" within 10 takes_over 1
check "it heals" heals_kept
check "nothing failed, nothing is lost" unload
check "it detaches" detach
check "the manager keeps nothing" within 5 keeps 0

# The supervisor is killed while the kernel attaches the device: nothing tells the next one which
# attachment the socket belongs to.
ctl block
begin_supervisor
check "the manager keeps the socket before the device is attached" within 10 keeps 1 0
kill_it
ctl unblock
check "the device is attached" within 5 told_is alive 1
begin_supervisor
check "the next one takes it over without a descriptor" within 10 takes_over 0
check "the manager drops the socket" within 5 keeps 0
taken=$(told taken)
crash
serve_again
check "it heals" within 20 told_at_least taken $((taken + 1))
check "the manager keeps the new socket" within 10 keeps 1
check "it detaches again" detach
check "the manager keeps nothing again" within 5 keeps 0

# The device is not attached: sockets that were left are closed before the server is dialled.
serve_with --filter=limit -- limit=1
begin_supervisor
check "it attaches to a server of one client" within 10 state_is attached
check "the manager keeps its socket" within 5 keeps 1
kill_it
ctl detach 0
begin_supervisor
check "the next one attaches" within 20 told_is alive 1
check "the manager keeps its socket alone" within 5 keeps 1
check "it detaches" detach
check "the manager keeps nothing in the end" within 5 keeps 0
finish
