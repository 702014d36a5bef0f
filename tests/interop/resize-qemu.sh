#!/bin/bash
# SPDX-License-Identifier: MIT
# --resize with a real qemu-nbd whose disk is slow: it ends a connection before the requests of that
# connection are carried out. A qemu-nbd tells every client the size that the image had when it
# started itself. So a second qemu-nbd with the same listening socket has the larger size, while the
# first one still has the old connection and its requests in flight.
# shellcheck source=tests/lib.sh disable=SC2016,SC2317 # check() calls functions, and eval
. "$(dirname "$0")/../lib.sh"
in_guest 180
begin 12
TEST_LIMIT=60

image=$scratch/image port=10995
truncate -s 32M "$image"

# Both servers have the same listening socket. The first one accepts only one client, so the next
# connection goes to the second one.
cat >"$scratch/serve.py" <<-'END'
	import os, socket, subprocess, sys, time
	port, image, scratch = int(sys.argv[1]), sys.argv[2], sys.argv[3]
	listener = socket.socket()
	listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
	listener.bind(("127.0.0.1", port))
	listener.listen(8)

	def serve(clients, writes):
	    options = f"driver=throttle,throttle-group=t,file.driver=file,file.locking=off,file.filename={image}"
	    command = ["qemu-nbd", "--persistent", f"--shared={clients}",
	               "--object", f"throttle-group,id=t,x-iops-write={writes}", "--image-opts", options]
	    return subprocess.Popen(
	        ["sh", "-c", 'exec 3<&"$0"; LISTEN_FDS=1 LISTEN_PID=$$ exec "$@"', str(listener.fileno())] + command,
	        pass_fds=[listener.fileno()])

	slow = serve(1, 1)
	while not os.path.exists(f"{scratch}/second"):
	    time.sleep(0.05)
	fast = serve(4, 1000)
	while not os.path.exists(f"{scratch}/end"):
	    time.sleep(0.05)
	slow.terminate()
	slow.wait()
	open(f"{scratch}/ended", "w").close()
	fast.wait()
	END
block() { # WORD: 4 KiB that begin with it
	head -c 4096 <(printf %s "$1" && yes "$1")
}
put() { # WORD BLOCK
	block "$1" | dd of=/dev/nbd0 bs=4k seek="$2" count=1 iflag=fullblock oflag=direct status=none
}
first() { # WORD BLOCK
	is "$(dd if=/dev/nbd0 bs=4k skip="$2" count=1 iflag=direct status=none | head -c 3)" "$1"
}

start_server "$port" python3 "$scratch/serve.py" "$port" "$image" "$scratch"
check "attaches" nbd_attach -q nbd0 nbd://127.0.0.1:$port
truncate -s 64M "$image"
touch "$scratch/second"

# Sixteen writes that take a second each are in flight to the slow server, and reads complete all
# the time.
reads() {
	while dd if=/dev/nbd0 of=/dev/null bs=4k skip=1024 count=16 iflag=direct status=none; do :; done
	echo "reading failed" >>"$scratch/errors"
}
: >"$scratch/errors"
reads &
reader=$!
started+=("$reader")
writers=()
for ((i = 0; i < 16; i++)); do
	put "O$((i + 10))" "$i" &
	writers+=("$!")
	started+=("$!")
done
under_way() {
	local columns
	read -ra columns </sys/block/nbd0/stat
	((columns[8] > 10))
}
check "writes are under way" wait_for 10 under_way
check "it does not grow while writes are under way" expect_status 4 'never without requests' \
	nbd_attach --resize nbd0
check "the connection was not replaced" status_is nbd0 reconnects 0
all_succeed() {
	local p
	for p in "${writers[@]}"; do
		wait "$p" || return
	done
}
check "the writes succeed" all_succeed
kill_now "$reader"
for ((i = 0; i < 16; i++)); do
	put "N$((i + 10))" "$i" &
	writers[i]=$!
	started+=("$!")
done
check "newer writes succeed" all_succeed
check "it grows when no request is under way" expect_status 0 'to 64 MiB' nbd_attach --resize nbd0
check "the connection was replaced" status_is nbd0 reconnects 1
touch "$scratch/end"
check "the slow server ends when it has carried everything out" wait_for 30 test -e "$scratch/ended"
newest() {
	local i
	for ((i = 0; i < 16; i++)); do
		first "N$((i + 10))" "$i" || return
	done
}
check "the last writes are on the disk" newest
check "the device writes and verifies" writes_and_verifies /dev/nbd0
check "no I/O failed" eval '[[ ! -s $scratch/errors ]] && ! dmesg | grep -i "i/o error"'
check "detaches" nbd_attach -q --detach nbd0
finish
