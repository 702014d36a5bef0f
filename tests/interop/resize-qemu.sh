#!/bin/bash
# SPDX-License-Identifier: MIT
# --resize with a real qemu-nbd whose disk is slow: it ends a connection before the requests of that
# connection are carried out. A qemu-nbd tells every client the size that it had at its own start,
# so the larger size comes from a second one at the same socket, while the first one still has the
# old connection, and what is in flight there.
# shellcheck source=tests/lib.sh disable=SC2016,SC2317 # check() calls functions, and eval
. "$(dirname "$0")/../lib.sh"
in_guest 120
begin 13
TEST_LIMIT=60

image=$scratch/image sock=$scratch/sock
truncate -s 32M "$image"

serve() { # WRITES-A-SECOND: at the socket, in the place of the server before
	rm -f "$sock"
	start_server "$sock" qemu-nbd --persistent --shared=4 -k "$sock" \
		--object "throttle-group,id=slow,x-iops-write=$1" --image-opts \
		"driver=throttle,throttle-group=slow,file.driver=file,file.locking=off,file.filename=$image"
}
block() { # WORD: 4 KiB that begin with it
	head -c 4096 <(printf %s "$1" && yes "$1")
}
put() { # WORD BLOCK
	block "$1" | dd of=/dev/nbd0 bs=4k seek="$2" count=1 iflag=fullblock oflag=direct status=none
}
first() { # WORD BLOCK
	is "$(dd if=/dev/nbd0 bs=4k skip="$2" count=1 iflag=direct status=none | head -c 4)" "$1"
}

newest() {
	local i
	for i in 0 1 2 3 4 5; do
		first "NEW$i" "$i" || return
	done
}

serve 2
old=$pid
check "attaches" nbd_attach -q nbd0 -u "$sock"
truncate -s 64M "$image"
serve 1000

# Six writes of half a second each are on their way to the slow server.
writers=()
for i in 0 1 2 3 4 5; do
	put OLD$i "$i" &
	writers+=("$!")
	started+=("$!")
done
check "requests are under way" wait_for 5 eval 'read -ra columns </sys/block/nbd0/stat; ((columns[8] > 0))'
nbd_attach --resize nbd0 2>"$scratch/answer" &
resize=$!
for p in "${writers[@]}"; do
	check "a write to the slow server succeeds" wait "$p"
done
wait "$resize"
check "it grows once they are carried out" is $? 0
check "it says so" grep -q 'to 64 MiB' "$scratch/answer"
check "the connection was replaced" status_is nbd0 reconnects 1
for i in 0 1 2 3 4 5; do
	put NEW$i "$i"
done
stop "$old"
check "what was written last is there" newest
check "it writes and verifies" writes_and_verifies /dev/nbd0
check "no I/O failed" eval '! dmesg | grep -i "i/o error"'
check "detaches" nbd_attach -q --detach nbd0
finish
