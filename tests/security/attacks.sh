#!/bin/bash
# SPDX-License-Identifier: MIT
# Attacks from inside every kind of helper after it has confined itself. Each attack has a control:
# outside the sandbox it succeeds. Runs twice: with Landlock, and like a kernel without it.
# attacks.c has the list of attacks; hook.c puts it into the program.
# shellcheck source=tests/lib.sh disable=SC1010,SC2013,SC2016,SC2154,SC2317 # set by lib.sh; check() calls functions
. "$(dirname "$0")/../lib.sh"
in_guest 300 "$@"
begin 91
# The test compares memory layouts, but the guest boots without address randomization.
echo 2 >/proc/sys/kernel/randomize_va_space

evil=$top/build/tests/security/nbd-attach
[[ -x $evil ]] || {
	echo "$evil is missing: make security" >&2
	exit 1
}
user=12345
user_home=$scratch/user
device=nbd0

set_up() {
	chmod 755 "$scratch"
	cp "$evil" "$scratch/nbd-attach" # a program in memory starts faster
	evil=$scratch/nbd-attach
	mkdir -m 700 "$user_home" /run/nbd-security
	chmod 755 /run/nbd-security
	truncate -s 256K /run/nbd-security/board
	chmod 666 /run/nbd-security/board
	echo "me:0123456789abcdef0123456789abcdef" >"$scratch/psk"
	chmod 600 "$scratch/psk"
	cp "$scratch/psk" "$user_home/psk"
	echo secret >"$scratch/secret"
	echo secret >"$user_home/secret"
	chmod 600 "$scratch/secret" "$user_home/secret"
	chown -R $user "$user_home"
	echo 1 >/proc/sys/kernel/printk # a log line for each killed attacker takes longer than the attack
	# Allows the controls what some kernels deny to every process.
	echo 0 >/proc/sys/kernel/yama/ptrace_scope
	[[ ! -e /proc/sys/dev/tty/legacy_tiocsti ]] || echo 1 >/proc/sys/dev/tty/legacy_tiocsti
}

put() { # NAME VALUE...
	while (($#)); do
		"$evil" attack set "$1" "$2" || return
		shift 2
	done
}

# A process that a helper of that user must not touch.
victim() { # UID
	start setpriv --reuid "$1" --regid "$1" --clear-groups sleep 600
	put victim "$pid"
}

modules() {
	cut -d ' ' -f 1 /proc/modules | sort
}

in_terminal() { # COMMAND...: as root in a terminal
	timeout -k 2 60 "${before[@]}" "$evil" attack terminal "$@"
}

run_info() { # OPTION...: runs as the round's user
	in_terminal "$evil" --info "$@"
}

finished() { # KIND
	wait_for 60 "$evil" attack done "$1"
}

# Checks the current round. The check's output has a line for each attack that went wrong.
judged() { # NAME KIND
	finished "$2"
	check "$1: ${2}" "$evil" attack report "$round" "$2"
}

begin_round() { # NAME NUMBER BY-USER
	round=$2
	put round "$round" by-user "$3"
}

helpers() { # NAME PSK: runs a resolver, a worker, a worker with TLS, and a reader of keys
	check "$1: --info" run_info localhost:10809
	check "$1: --info with TLS" run_info localhost:10810 --tls --tls-psk "$2"
	judged "$1" resolver
	judged "$1" worker
	judged "$1" tls
	judged "$1" relay
	judged "$1" keys
}

start_server 10809 nbdkit -f -p 10809 memory 16M
set_up
start_server 10810 nbdkit -f -p 10810 --tls=require --tls-psk="$scratch/psk" memory 16M
put port 10809 secret "$scratch/secret" control /run/nbd-attach/nbd0.control \
	lock /run/nbd-attach/nbd0.lock round 99 helper 0
# The supervisor loads this module when it asks about its connections. A helper must load none.
modprobe -q tcp_diag || :
loaded=$(modules)

as_root=(env) as_user=(setpriv --reuid "$user" --regid "$user" --clear-groups)
no_landlock=("$evil" attack without-landlock)
before=("${as_root[@]}")

# A device of root. Attackers attack its helpers and files. Its workers are copies of a zygote.
victim 65534
begin_round zygote 0 0
check "attaches" in_terminal "$evil" $device localhost:10809 --swap
judged "root" zygote
held=$(supervisor $device)
spare() { # a spare worker has confined itself
	for helper in $(cat "/proc/$held"/task/*/children); do
		[[ $(<"/proc/$helper/comm") = nbd-handshake && $(<"/proc/$helper/oom_score_adj") = 0 ]] &&
			grep -q '^Seccomp:.2' "/proc/$helper/status" && return
	done
	false
}
check "a spare worker is ready" wait_for 10 spare
put helper "$helper"

begin_round root 1 0
helpers "root" "$scratch/psk"
before=("${no_landlock[@]}")
begin_round root 2 0
helpers "root, no Landlock" "$scratch/psk"
# A zygote with root's real uid (src/worker/zygote.h).
check "root, no Landlock: attaches" in_terminal "$evil" nbd1 127.0.0.1:10809 --root
check "root, no Landlock: the zygote's real uid is root's, and its others are not" eval '
	for child in $(cat /proc/$(supervisor nbd1)/task/*/children); do
		[[ $(<"/proc/$child/comm") != nbd-zygote ]] || grep -qP "^Uid:\t0\t(?!0\t)(\d+)\t\1\t" "/proc/$child/status" && found=yes
	done
	[[ ${found:-} = yes ]]'
judged "root, no Landlock" zygote
check "detaches" nbd_attach --detach nbd1

victim $user
put secret "$user_home/secret"
before=("${as_user[@]}")
begin_round user 3 1
helpers "a user" "$user_home/psk"
before=("${no_landlock[@]}" "${as_user[@]}")
begin_round user 4 1
helpers "a user, no Landlock" "$user_home/psk"

# Attackers without a sandbox: root's processes and files must be safe from other users.
put secret "$scratch/secret" caller "$held"
begin_round others 5 0
before=("${as_user[@]}")
check "a user attacks" "${as_user[@]}" "$evil" attack as user
judged "a user" user
before=("${as_root[@]}")
captive() { # the server ends at once, so nothing is attached
	expect_status 4 '' in_terminal "$evil" nbd1 --user daemon -- [ "$evil" attack as server ]
}
check "a captive server attacks" captive
judged "a captive server" server

check "no module was loaded" is "$(modules)" "$loaded"
check "no two processes have the same memory layout" "$evil" attack layouts 20

victim $user
put secret "$user_home/secret"
begin_round control 6 1
before=("${as_user[@]}")
check "control: a user" in_terminal "$evil" attack as control
judged "control, a user" control
victim 65534
put secret "$scratch/secret"
begin_round control 7 0
before=("${as_root[@]}")
check "control: root" in_terminal "$evil" attack as control
judged "control, root" control
check "control: modules were loaded" eval '[[ $(modules) != "$loaded" ]]'

# A helper lies to the process that started it. That process must fail in time with a sentence.
put round 99
lied() { # ARGUMENT...: the command fails without a crash or a time-out
	local status
	timeout -k 2 30 "$evil" --info "$@" >"$scratch/told" 2>&1
	status=$?
	cat "$scratch/told"
	((status >= 4 && status <= 6)) && [[ $(wc -l <"$scratch/told") = 1 ]]
}
for n in {1..12}; do # the cases of answers.c
	put answer "$n"
	((n == 7)) || check "a worker lies, $n" lied 127.0.0.1:10809
	((n == 8)) || check "a resolver lies, $n" lied localhost:10809
	((n == 7 || n == 8)) ||
		check "a reader lies, $n" lied 127.0.0.1:10810 --tls --tls-psk "$scratch/psk"
done
put answer 0
check "control: no lie" run_info localhost:10810 --tls --tls-psk "$scratch/psk"
check "detaches" nbd_attach --detach $device

# Attacks in real relays, with the sockets of a device. Each attack ends one relay.
put relays 1
check "relays: attaches" in_terminal "$evil" $device localhost:10809 --relay
check "relays: each attack was made, and none succeeded" wait_for 60 "$evil" attack relays
put relays 0
check "relays: the device heals" wait_for 20 status_is $device state attached
check "relays: I/O goes on" timeout 20 dd if=/dev/$device of=/dev/null bs=64K count=4 iflag=direct
check "relays: detaches" nbd_attach --detach $device

# A user takes the port of a server that is down.
serve() { # COMMAND...
	start_server 10811 "$@" nbdkit -f -i 127.0.0.1 -p 10811 memory 16M
}
status_has() { # TEXT
	nbd_attach --status nbd1 >"$scratch/status" 2>&1
	grep -F "$1" "$scratch/status"
}
serve
check "--peer-uid: attaches" nbd_attach nbd1 127.0.0.1:10811 --peer-uid root
stop "$pid"
serve "${as_user[@]}"
check "--peer-uid: a user's server is refused" wait_for 20 status_has "it is uid $user"
stop "$pid"
serve
check "--peer-uid: root's server is accepted" wait_for 20 status_has attached
check "--peer-uid: I/O goes on" timeout 20 dd if=/dev/nbd1 of=/dev/null bs=64K count=4 iflag=direct
check "--peer-uid: detaches" nbd_attach --detach nbd1
check "--peer-uid: root's server is refused for another user" expect_status 5 'it is uid 0' \
	nbd_attach nbd1 127.0.0.1:10811 --peer-uid $user
finish
