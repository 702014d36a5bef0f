#!/bin/bash
# SPDX-License-Identifier: MIT
# Lines in systemd's journal have the device and its state as fields. The journal is a process of the
# test, and a stream to it is the supervisor's standard error.
# shellcheck source=tests/stub/lib.bash disable=SC2016,SC2119,SC2154,SC2317
. "$(dirname "$0")/../lib.bash"

need_mount_namespace /run "the journal"

cat >"$N/journal.py" <<'END'
import os, select, socket, subprocess, sys
os.makedirs("/run/systemd/journal")
journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
journal.bind("/run/systemd/journal/socket")
ours, its = socket.socketpair()
st = os.fstat(its.fileno())
os.environ["JOURNAL_STREAM"] = "%d:%d" % (st.st_dev, st.st_ino)
p = subprocess.Popen(sys.argv[2:], stderr=its)
print(p.pid, file=open(sys.argv[1] + "/pid.new", "w"))
os.rename(sys.argv[1] + "/pid.new", sys.argv[1] + "/pid")
its.close()
lines, plain = (open(sys.argv[1] + name, "ab", 0) for name in ("/lines", "/plain"))
while True:
    ready = select.select([journal, ours], [], [])[0]
    if journal in ready:
        fields = dict(line.split(b"=", 1) for line in journal.recv(9000).splitlines())
        lines.write(b" ".join(fields[b"NBD_" + name] for name in (b"DEVICE", b"STATE")) + b" " +
                    fields[b"PRIORITY"] + b" " + fields[b"MESSAGE"] + b"\n")
    elif ours in ready:
        data = ours.recv(9000)
        if not data:
            break
        plain.write(data)
END

mkdir "$N/journal"
said() { # REGEX: a line with fields, as DEVICE STATE PRIORITY MESSAGE
	cat "$N/journal/lines"
	grep -qE -- "$1" "$N/journal/lines"
}

serve
start unshare "${namespace[@]}" bash -c 'mount -t tmpfs tmpfs /run && exec python3 "$@"' - \
	"$N/journal.py" "$N/journal" "${nbd_attach[@]}" -n --name data --io-timeout 1 nbd0 -u "$sock"
journal=$pid
check "it attaches" within 10 state_is attached
check "the line that says so has fields" within 5 said '^/dev/nbd0 attached 5 /dev/nbd0: attached to nbd'
crash
check "the loss has its state" within 10 said '^/dev/nbd0 lost 4 .*lost'
serve_again
check "it heals" within 10 state_is attached
check "... and the line has its state" within 5 said '^/dev/nbd0 attached 5 .*(again|reconnected|healed|after)'
check "it detaches" detach
check "the last line has fields" wait_for 10 gone "$journal"
check "... the state is the last one" said '^/dev/nbd0 ended . /dev/nbd0: detached'
check "no line came twice, or without fields" refuses grep . "$N/journal/plain"
finish
