#!/bin/bash
# SPDX-License-Identifier: MIT
# The server of a Unix socket must stay one of the same user, also for a supervisor that takes the
# device over, and for the second connection of a new device.
# shellcheck source=tests/stub/lib.bash disable=SC2119,SC2120,SC2317
. "$(dirname "$0")/../lib.bash"

if (($(id -u))); then
	echo "skipped: only root can serve as two users"
	check "not root" true
	finish
fi
chmod 711 "$N"
mkdir -m 777 "$N/s"
sock=$N/s/sock
chmod 666 "$image"
other=(setpriv --reuid 65534 --regid 65534 --clear-groups)

as=("${other[@]}")
serve_with
check "it attaches" attach
kill_supervisor
crash
as=()
serve_with
chmod 777 "$sock"
check "it is taken over" attach
check "root's server is refused" within 15 state_has LAST_ERROR 'another user serves the socket now, uid 0'
check "the state is refused" within 5 state_is refused
# The takeover itself probes with a socket that leads nowhere.
check "only the probe's socket was taken" told_is taken 1
crash
as=("${other[@]}")
serve_with
check "the same user's server heals it" within 15 state_is attached
check "its socket was taken" told_is taken 2
check "it detaches" detach
crash

# The first connection finds one user's server, and the next one finds root's at the same path.
cat >"$N/s/first.py" <<'EOF'
import os, select, socket, sys
here, link, real = sys.argv[1:]
os.setgroups([])
os.setresgid(65534, 65534, 65534)
os.setresuid(65534, 65534, 65534)
s = socket.socket(socket.AF_UNIX)
s.bind(here)
s.listen()
client, _ = s.accept()
os.symlink(real, link + ".new")
os.rename(link + ".new", link)
server = socket.socket(socket.AF_UNIX)
server.connect(real)
other = {client: server, server: client}
while True:
    for ready in select.select([client, server], [], [])[0]:
        data = ready.recv(65536)
        if not data:
            sys.exit()
        other[ready].sendall(data)
EOF
as=()
sock=$N/s/real
serve_with
chmod 777 "$sock"
sock=$N/s/sock
two_users() {
	start python3 "$N/s/first.py" "$N/s/first" "$sock" "$N/s/real"
	wait_for 10 listening "$N/s/first" || {
		cat "$scratch/log"
		return 1
	}
}
check "two users serve" two_users
ln -sfn "$N/s/first" "$sock"
check "several connections: refused" \
	expect_status 5 'another user.s server answers on the same socket: uid 0, not 65534' \
	attach --connections 2
check "it is not attached" told_is configured 0
check "root's server alone: attaches" attach --connections 2
check "two connections live" told_is alive 2
check "it detaches" detach
finish
