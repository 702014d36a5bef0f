#!/bin/bash
# SPDX-License-Identifier: MIT
# Every connection of a device must lead to a server of the same user. Here another user's server
# answers the second one, so the device is not attached.
# shellcheck source=tests/stub/lib.bash disable=SC2317
. "$(dirname "$0")/../lib.bash"

if (($(id -u))); then
	skip "another user's server" "it needs root"
	finish
fi
chmod 711 "$N"
mkdir -m 777 "$N/s"
chmod 666 "$image"
sock=$N/s/sock
real=$N/s/real
nbdkit -f -U "$real" file "$image" >"$N/server.said" 2>&1 </dev/null &
started+=("$!")
wait_for 10 listening "$real"
chmod 666 "$real"

# Passes each connection on to the real server. After the first connection another process, of user
# UID, owns the socket's path.
cat >"$N/passes.py" <<'EOP'
import ctypes, os, signal, socket, sys, threading
name, real, uid = sys.argv[1], sys.argv[2], int(sys.argv[3])
def pump(a, b):
    while data := a.recv(65536):
        b.sendall(data)
    b.shutdown(socket.SHUT_WR)
def serve(listener, first):
    while True:
        c, _ = listener.accept()
        first()
        s = socket.socket(socket.AF_UNIX)
        s.connect(real)
        threading.Thread(target=pump, args=(c, s), daemon=True).start()
        threading.Thread(target=pump, args=(s, c), daemon=True).start()
def listen(path):
    l = socket.socket(socket.AF_UNIX)
    l.bind(path)
    os.chmod(path, 0o666)
    l.listen()
    return l
r, w = os.pipe()
if os.fork() == 0:
    os.setresuid(uid, uid, uid)
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    l = listen(name + ".other")
    os.write(w, b"x")
    serve(l, lambda: None)
os.read(r, 1)
l = listen(name)
serve(l, lambda: os.path.exists(name + ".other") and os.rename(name + ".other", name))
EOP

passes() { # UID
	rm -f "$sock" "$sock.other"
	python3 "$N/passes.py" "$sock" "$real" "$1" >>"$N/server.said" 2>&1 </dev/null &
	passer=$!
	started+=("$passer")
	wait_for 10 listening "$sock"
}

passes 0
check "the same user: attaches with two" attach -C 2
check "the same user: both live" told_is alive 2
check "the same user: detaches" detach
kill_now "$passer"
passes 65534
check "another user: refused" expect_status 5 'another user.s server answers on the same socket: uid 65534, not 0' \
	attach -C 2
check "another user: nothing is attached" told_is configured 0
finish
