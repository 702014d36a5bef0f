#!/bin/bash
# SPDX-License-Identifier: MIT
# A supervisor that has offered its device keeps it unless the other one says that it is ready: what
# comes meanwhile waits, and is then carried out.
# shellcheck source=tests/stub/lib.bash disable=SC2016,SC2119,SC2154,SC2317
. "$(dirname "$0")/../lib.bash"

# asker WORD: asks for the device as WORD says, and tells what came back.
cat >"$N/asker.py" <<'EOP'
import socket, sys, time
how, path = sys.argv[1:]
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.connect(path)
s.settimeout(20)
s.send({"version": b"give 2", "no-number": b"give"}.get(how, b"give 1"))
data, fds, _, _ = socket.recv_fds(s, 8192, 64)
print(len(fds), data[:4].decode("latin-1"), data.decode("latin-1") if not fds else "", flush=True)
ready = bytes.fromhex("4e424467 0001 0002 00000010 0000 0000")
if how == "other-word":
    s.send(ready[:7] + b"\x03" + ready[8:])
elif how == "other-version":
    s.send(ready[:5] + b"\x02" + ready[6:])
elif how == "short":
    s.send(ready[:12])
elif how == "nonsense":
    s.send(b"detach force")
elif how == "late-ready":
    time.sleep(2)
    s.send(ready)
if how != "gone" and fds:
    print("then", s.recv(100), flush=True)
EOP
asker() { timeout 30 python3 "$N/asker.py" "$1" "$N/nbd0.control"; }

prints() { # REGEX COMMAND...
	"${@:2}" >"$N/printed" 2>&1
	cat "$N/printed"
	grep -qE -- "$1" "$N/printed"
}

same() { # PID
	local p
	p=$(supervisor_pid 0)
	echo "the lock names $p, wanted $1"
	[[ $p = "$1" ]] && ! gone "$1" && ! flock -n "$N/nbd0.lock" true && state_is attached
}

serve
check "it attaches" attach
load
old=$(supervisor_pid 0)
check "another version is refused" prints 'another version, and keeps' asker version
check "a request without a version is refused" prints 'does not know that request' asker no-number
for how in gone other-word other-version short nonsense; do
	check "$how: it offers the device" prints '^4 NBDg' asker "$how"
	check "$how: it keeps the device" within 10 same "$old"
	check "$how: the load gets on" loading 10 10
done
# The new supervisor checks everything that could fail before the old one may end.
refused() { # STATUS REGEX [OPTION...]
	expect_status "$1" "$2" "${nbd_attach[@]}" -n "${@:3}"
}
lock=$(echo "$N"/id-*.lock)
mv "$lock" "$N/aside"
check "the lock of its identifier was replaced: refused" \
	refused 3 'not hold the lock of its identifier' nbd0 -u "$sock"
mv "$N/aside" "$lock"
check "its server is not among those given: refused" \
	refused 2 'not one of the servers given' -i "nbd+unix:///?socket=$sock" --fence none \
	--failover "nbd+unix:///?socket=$N/third" nbd0 -u "$N/other"
# The supervisor may be writing it at this moment.
wait_for 5 mkdir "$N/nbd0.state.new"
check "its state file is out of date, because it cannot be written: refused" \
	refused 3 'cannot write the state file' nbd0 -u "$sock"
rmdir "$N/nbd0.state.new"
check "it keeps the device again" within 10 same "$old"

check "no device was handed over" bash -c '! grep "handed over to" "$1"' - "$N/stub/log"

# An outage that begins after the offer is dealt with as soon as that is over.
start asker late
asking=$pid
check "it has offered the device" within 10 grep -q NBDg "$scratch/log"
check "other commands are refused" expect_status 3 'another command' nbd_attach --reconnect nbd0
crash
serve_again
check "the offer expires" wait_for 20 gone "$asking"
check "it heals" within 15 state_has RECONNECTS '^1$'
check "it is in charge" within 10 same "$old"
check "the load gets on" loading 20 10

# The same for a signal: the new supervisor is ready, but gets no commit.
rm -f "$scratch/log" # which has the earlier offer until the new one's shell has begun
start asker late-ready
check "it has offered the device again" within 10 grep -q NBDg "$scratch/log"
kill -TERM "$old"
check "it ends" wait_for 20 gone "$old"
check "it leaves the device in use" told_is configured 1
check "it has not handed it over" logged 'not handed over: something else happened meanwhile'
check "it is taken over" attach
check "nothing failed, nothing is lost" unload
check "it detaches" detach
finish
