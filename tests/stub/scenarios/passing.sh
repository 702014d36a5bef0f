#!/bin/bash
# SPDX-License-Identifier: MIT
# --info and --list of an image or of a server command: nothing is attached, and no privilege is
# needed. The server ends with the command, and nothing stays behind.
# shellcheck source=tests/stub/lib.bash disable=SC2016,SC2119,SC2154,SC2317
. "$(dirname "$0")/../lib.bash"

# As an ordinary user, with a private directory for sockets.
chmod 711 "$N"
mkdir -m 700 "$N/runtime" "$N/home"
chown nobody "$N/runtime" "$N/home"
program=$N/nbd-attach
cp "${nbd_attach[0]}" "$program"
asking=(setpriv --reuid=nobody --regid=nogroup --clear-groups
	env "XDG_RUNTIME_DIR=$N/runtime" "$program")
asks() { # ARGUMENT...
	"${asking[@]}" "$@"
}

# The command has ended, and with it the server; no socket is left.
nothing_is_left() {
	local left
	# The exit status does not count: some process or other ends while grep looks.
	left=$(ls -A "$N/runtime"; grep -alsz "^XDG_RUNTIME_DIR=$N/runtime$" /proc/[0-9]*/environ)
	[[ -z $left ]] || { echo "$left" && return 1; }
}

qemu-img create -q -f qcow2 "$N/disk.qcow2" 10M
chmod 644 "$N/disk.qcow2" "$image"
sha256sum "$N/disk.qcow2" >"$N/sums"
check "an image" eval 'asks --info --image qcow2:"$N/disk.qcow2" | grep -q "^size  *10 MiB"'
check "... nothing is left" nothing_is_left
check "... it was not written to" sha256sum --quiet -c "$N/sums"
check "an image that only root can write" eval 'asks --info --image raw:"$image" |
	grep -q "^flags  *read-only"'
check "its URI ends with the server, so it is not shown" eval '
	! asks --info --json --image raw:"$image" | grep "\"uri\""'
check "the program is shown as the server, and not its socket" eval '
	asks --info --json --image raw:"$image" | grep "\"server\": \"qemu-nbd\"" &&
	asks --list --json --image raw:"$image" | grep "\"server\": \"qemu-nbd\"" &&
	asks --info --image raw:"$image" | grep "^server  *qemu-nbd$"'
check "--list of an image" eval 'asks --list --json --image raw:"$image" | grep -q "\"name\": \"\""'
check "a server command" eval 'asks --info -- [ nbdkit -f memory 3M ] | grep -q "^size  *3 MiB"'
check "... each of its exports" eval '
	asks --info --all -- [ nbdkit -f memory 3M ] | grep -q "^size  *3 MiB"'
check "... one of them" eval '
	asks --info one -- [ nbdkit -f info exportname ] | grep -q "^size  *3 bytes"'
check "... nothing is left" nothing_is_left
check "root does not use the runtime directory of another user" eval '
	XDG_RUNTIME_DIR=$N/runtime nbd_attach --info -- [ sh -c "ls -A \"$N/runtime\" >\"$N/files\"
		exec nbdkit -f memory 3M" ] | grep "^size  *3 MiB" && is "$(<"$N/files")" ""'
check "the wrong format: 5, with the reason" eval '
	asks --info --image qcow2:"$image" 2>"$N/said"
	is $? 5 && grep -q "not in qcow2 format" "$N/said" &&
		grep -q "^nbd-attach: the server qemu-nbd ended with exit status 1$" "$N/said"'
check "... in JSON" eval 'asks --info --json --image qcow2:"$image" 2>/dev/null |
	grep -q "\"exit-status\": 5"'
check "a command that ends at once, but refuses nothing: 4" \
	expect_status 4 '^nbd-attach: the server true ended with exit status 0$' \
	asks --info -- [ true ]
check "a command that refuses to start: 5" \
	expect_status 5 '^nbd-attach: the server false ended with exit status 1$' \
	asks --list -- [ false ]
check "a command that a signal ends: 4" \
	expect_status 4 '^nbd-attach: the server sh was ended by signal 9 \(Killed\)$' \
	asks --list -- [ sh -c 'kill -9 $$' ]
check "a command that ends and leaves a process with the socket: 5" \
	expect_status 5 '^nbd-attach: the server sh ended with exit status 1$' \
	asks --info --connect-timeout 1 -- [ sh -c 'sleep 303 & exit 1' ]
check "... it is ended, too" nothing_is_left
check "a server with a process that ignores SIGTERM, and one in another session" eval '
	asks --info -- [ sh -c "sh -c \"trap \\\"\\\" TERM; sleep 303\" & setsid sleep 303 &
		exec nbdkit -f memory 3M" ] | grep -q "^size  *3 MiB"'
check "... they are ended, too" nothing_is_left
check "a command that is missing: 6" \
	expect_status 6 'cannot run nosuchcommand' asks --info -- [ nosuchcommand ]
for verb in --info --list; do
	check "... $verb --json says so, too" eval 'asks "$verb" --json -- [ nosuchcommand ] 2>/dev/null |
		tr "\n" " " | grep "\"error\": \"cannot run nosuchcommand.*\"exit-status\": 6"'
done
check "a command that never answers: 4, with its name" \
	expect_status 4 '^nbd-attach: no answer from the server sleep within 1 s: ' \
	asks --info --connect-timeout 1 -- [ sleep 60 ]
check "... nothing is left" nothing_is_left
printf '#!/bin/bash\nexec python3 -c "import socket; socket.socket(fileno=3).accept()[0].send(bytes(99)); input()" <>/dev/zero' >"$N/babbler"
chmod 755 "$N/babbler"
check "a command that does not speak NBD: 5, with its name" \
	expect_status 5 '^nbd-attach: the server babbler: this is not an NBD server' asks --info -- [ "$N/babbler" ]
# Magic, magic and flags; then an error, NBD_REP_ERR_INVALID, for the option INFO.
cat >"$N/refuser" <<'END'
#!/usr/bin/env python3
import socket, struct, time
client = socket.socket(fileno=3).accept()[0]
client.send(b"NBDMAGICIHAVEOPT\0\3")
client.recv(4096)
client.send(struct.pack(">QIII", 0x3e889045565a9, 6, 0x80000003, 8) + b"bad name")
client.close()
time.sleep(60)
END
chmod 755 "$N/refuser"
check "a server that refuses and closes the connection: 5, with its reason" \
	expect_status 5 'the request for export "x" is invalid \(it says "bad name"\)$' \
	asks --info x -- [ "$N/refuser" ]
# Describes its export with these flags, blocks of 512 and this preferred size.
cat >"$N/odd" <<'END'
#!/usr/bin/env python3
import socket, struct, sys
client = socket.socket(fileno=3).accept()[0]
client.send(b"NBDMAGICIHAVEOPT\0\3")
client.recv(4, socket.MSG_WAITALL)
_, option, length = struct.unpack(">QII", client.recv(16, socket.MSG_WAITALL))
client.recv(length, socket.MSG_WAITALL)
for kind, data in ((3, struct.pack(">HQH", 0, 4 << 20, int(sys.argv[1], 0))),
                   (3, struct.pack(">HIII", 3, 512, int(sys.argv[2]), 65536)), (1, b"")):
    client.send(struct.pack(">QIII", 0x3e889045565a9, option, kind, len(data)) + data)
client.recv(1)
END
chmod 755 "$N/odd"
check "an impossible preferred block size is named" eval '
	asks --info -- [ "$N/odd" 5 256 ] | grep "^preferred block  *impossible, and therefore ignored$" &&
	asks --info --json -- [ "$N/odd" 5 256 ] | grep "\"preferred-block-size\": null"'
check "without HAS_FLAGS, read-only and flush count, and nothing else does" eval '
	asks --info -- [ "$N/odd" 0xfffe 4096 ] | grep "^flags  *read-only flush$"'
# Lists three exports, and does not answer for any.
cat >"$N/lister" <<'END'
#!/usr/bin/env python3
import socket, struct
def option(client):
    _, number, length = struct.unpack(">QII", client.recv(16, socket.MSG_WAITALL))
    client.recv(length, socket.MSG_WAITALL)
    return number
clients, listener = [], socket.socket(fileno=3)
while True:
    client = listener.accept()[0]
    client.send(b"NBDMAGICIHAVEOPT\0\3")
    client.recv(4, socket.MSG_WAITALL)
    if option(client) == 3:
        for name in (b"first", b"second", b"third"):
            client.send(struct.pack(">QIIII", 0x3e889045565a9, 3, 2, 4 + len(name), len(name)) + name)
        client.send(struct.pack(">QIII", 0x3e889045565a9, 3, 1, 0))
    clients.append(client)
END
chmod 755 "$N/lister"
check "exports without an answer: 4" expect_status 4 'no answer from the server lister within 1 s' \
	asks --info --all --connect-timeout 1 -- [ "$N/lister" ]
check "... the first is named" grep -q '^export  *first$' "$scratch/stdout"
check "... and no other one is asked for" is "$(grep -c '^export ' "$scratch/stdout")" 1
# More than fits into a pipe, for a reader that goes away, and for one that takes its time.
mkdir "$N/many"
seq -f "$N/many/an-export-with-a-long-name-%04g" 4000 | xargs touch
check "a reader that ends after the first line" eval '
	asks --list -- [ nbdkit -f file "dir=$N/many" ] | head -n 1 | grep "^an-export-"'
check "... nothing is left" nothing_is_left
check "a pager is read more slowly than the server may answer" eval '
	asks --list --connect-timeout 1 -- [ nbdkit -f file "dir=$N/many" ] | { sleep 3; grep -c . >"$N/count"; }
	is "$(<"$N/count")" 4000'
start "${asking[@]}" --info --connect-timeout 60 -- [ sh -c 'sleep 303 & setsid sleep 303 & sleep 60' ]
waiting=$pid
check "it waits" wait_for 10 compgen -G "$N/runtime/*/socket"
kill -TERM "$waiting"
check "SIGTERM ends it" wait_for 10 gone "$waiting"
check "... nothing is left" within 10 nothing_is_left

# What nohup(1) has set holds for the server as well.
start bash -c 'trap "" HUP; exec "$@"' - "${asking[@]}" --info --connect-timeout 60 \
	-- [ sh -c 'sleep 1; exec nbdkit -f memory 3M' ]
waiting=$pid
check "under nohup it waits" wait_for 10 compgen -G "$N/runtime/*/socket"
kill -HUP "$waiting"
check "SIGHUP does not end it" wait "$waiting"
check "... nothing is left" within 10 nothing_is_left
finish
