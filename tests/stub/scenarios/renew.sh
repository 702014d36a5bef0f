#!/bin/bash
# SPDX-License-Identifier: MIT
# A reload makes a supervisor under a service manager start another one, which reads the configuration
# and takes the device over with every socket: after an upgrade, from the new program.
# shellcheck source=tests/stub/lib.bash disable=SC2119,SC2154,SC2317
. "$(dirname "$0")/../lib.bash"

# A package manager renames the new file over the old one.
install_program() { # FILE
	cp "$1" "$N/new" && mv "$N/new" "$N/nbd-attach"
}

reload() {
	old=$(<"$N/main")
	kill -USR1 "$old"
}

# The manager's main process is another one, which is in charge of the device.
renewed() {
	local main holder
	main=$(<"$N/main") holder=$(supervisor_pid 0)
	echo "main process $main, was $old; $holder is in charge"
	((main != old && main == holder)) && gone "$old" && ! flock -n "$N/nbd0.lock" true
}

in_charge() { # PID
	echo "main process $(<"$N/main"), in charge $(supervisor_pid 0), wanted $1"
	[[ $(<"$N/main") = "$1" && $(supervisor_pid 0) = "$1" ]] && ! gone "$1"
}

keeps_one() {
	cat "$N/stored"
	(($(wc -l <"$N/stored") == 1))
}

heals() {
	local before
	before=$(told taken)
	crash
	serve_again
	within 20 told_at_least taken $((before + 1)) && within 10 state_is attached &&
		loading 20 10 && within 5 keeps_one
}

configure() { # LINE...
	printf '%s\n' "unix = $sock" "$@" >"$N/conf"
}

# A process that strace holds cannot be searched for leaks.
export ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0
install_program "${nbd_attach[0]}"
configure
start env WATCHDOG_USEC=30000000 python3 "$top/tests/stub/manager.py" "$N" "$N/nbd-attach" -v -n --io-timeout 1s --config "$N/conf" nbd0
check "the manager listens" wait_for 10 test -p "$N/start"
serve
echo >"$N/start"
check "it attaches" within 10 state_is attached
check "the manager keeps its socket" within 5 keeps_one
load
check "the load gets on" loading 20 5

# The configuration is read again.
configure "on-change = touch $N/changed" 'connections = 2'
reload
check "a reload: another process of the program is in charge" within 15 renewed
check "it says what cannot be changed" logged 'what was given for connections applies when'
reload
check "another reload: the other process is in charge" within 15 renewed
check "... and says it again, because it is not in force" is "$(grep -c 'given for connections applies' "$N/stub/log")" 2
configure "on-change = touch $N/changed"
reload
check "a reload with what is in force" within 15 renewed
check "... has nothing to say" is "$(grep -c 'given for connections applies' "$N/stub/log")" 2
configure "on-change = touch $N/changed" 'connections = 2'
old=$(<"$N/main")
check "--reload returns when another process is in charge" \
	expect_status 0 'reloaded: process [0-9]* is its supervisor' nbd_attach --reload nbd0
check "... which is the manager's main process; the other one ends" within 5 renewed
check "the load gets on" loading 20 10
check "the manager keeps one socket" within 5 keeps_one
check "it heals" heals
check "what can be changed has changed" within 5 test -e "$N/changed"
configure 'dead-timeout = soon'
reload
check "a wrong file: the reason is logged" within 10 logged 'dead-timeout.*soon'
check "the old one stays in charge" in_charge "$old"
check "--reload: a wrong file is a failure" \
	expect_status 1 'not reloaded.*earlier configuration stays' nbd_attach --reload nbd0
check "the old one stays in charge" in_charge "$old"
echo 'target = nbd://localhost' >"$N/conf"
reload
check "another server: the reason is logged" within 10 logged 'keeps its server, export'
check "the old one stays in charge" in_charge "$old"
check "--reload: another server is a failure" \
	expect_status 1 'not reloaded.*process [0-9]*, which should' nbd_attach --reload nbd0
check "the old one stays in charge" in_charge "$old"
configure

for i in first second; do
	name=$(<"$N/stored") offered=$(told offered)
	install_program "${nbd_attach[0]}"
	reload
	check "$i replacement: the new program is in charge" within 15 renewed
	check "it is attached" within 5 state_is attached
	check "the manager has kept the socket all the time" is "$(<"$N/stored")" "$name"
	check "the kernel was not asked for dead connections" told_is offered "$offered"
	check "the load gets on" loading 20 10
	check "it heals" heals
done
kill_supervisor
echo >"$N/start"
check "killed, it is taken over" within 10 logged 'an earlier supervisor has left 1 of its sockets'
check "it heals" heals

# Holds the supervisor in charge for a moment after each of its messages, until another process is the
# manager's main process.
reload_slowly() {
	install_program "${nbd_attach[0]}"
	old=$(<"$N/main")
	start strace -f -o "$N/trace" -e trace=sendmsg -e inject=sendmsg:delay_exit=2000000 -p "$old"
	wait_for 10 grep -q 'TracerPid:.[1-9]' "/proc/$old/status" || return
	kill -USR1 "$old"
	within 20 main_is_new
}

main_is_new() { [[ $(<"$N/main") != "$old" ]]; }

both_ended() { gone "$old" && gone "$(<"$N/main")"; }

in_charge_again() { in_charge "$(<"$N/main")" && state_is attached; }

# Whichever one is killed between the message to the manager and the commit: the manager sees that its
# main process has ended, and starts another one.
for victim in old new; do
	type -P strace >/dev/null || {
		echo "skipped - the $victim one is killed before the commit: there is no strace"
		continue
	}
	check "the manager knows the new one, before the commit" reload_slowly
	case $victim in
	old) kill -KILL "$old" ;;
	new) kill -KILL "$(<"$N/main")" ;;
	esac
	check "the $victim one is killed: the other one ends as well" within 10 both_ended
	echo >"$N/start"
	check "the next one is in charge" within 10 in_charge_again
	check "it heals" heals
done

# Whatever is wrong with the new program, the old one goes on.
install_program "$(type -P false)"
reload
pause 1
check "a program that fails: the old one stays in charge" in_charge "$old"
check "it says so" logged 'not reloaded: the earlier configuration stays in use'
check "it heals" heals
install_program "${nbd_attach[0]}"
crash
check "the loss is noticed" within 10 state_is lost
reload
pause 1
check "in an outage the old one stays in charge" in_charge "$old"
check "--reload: an outage is a failure that may pass" \
	expect_status 4 'not every connection is alive: try again' nbd_attach --reload nbd0
check "it says why" logged 'goes on: not every connection is alive|not read again: not every connection is alive'
serve_again
check "it heals" within 20 state_is attached
check "no other process gets the device" \
	expect_status 3 'is attached already, by the nbd-attach process' timeout -s KILL 20 "${nbd_attach[@]}" -n nbd0 -u "$sock"
reload
check "the next reload replaces it" within 15 renewed
check "the load gets on" loading 20 10
check "it heals" heals
check "nothing failed, nothing is lost" unload
check "it detaches" detach
check "the manager keeps nothing" within 5 refuses test -s "$N/stored"
finish
