#!/bin/bash
# SPDX-License-Identifier: MIT
# --resize of a device in use: no write of the old connection overwrites newer data, no I/O fails,
# and a device whose requests are not counted is not taken for idle.
# shellcheck source=tests/lib.sh disable=SC2016,SC2317 # check() calls functions, and eval
. "$(dirname "$0")/../lib.sh"
in_guest 240
begin 30
TEST_LIMIT=60 # --resize waits for a moment without requests

slow() { # WHERE FILE DELAY [early]
	/usr/bin/python3 -B "$top/tests/interop/slow.py" "$@" >"$2.said" 2>&1 </dev/null &
	started+=("$!")
}

block() { # WORD: 4 KiB that begin with it
	head -c 4096 <(printf %s "$1" && yes "$1")
}

put() { # DEVICE WORD
	block "$2" | dd of="$1" bs=4k count=1 iflag=fullblock oflag=direct status=none
}

first() { # DEVICE WORD
	is "$(dd if="$1" bs=4k count=1 iflag=direct status=none | head -c 4)" "$2"
}

# Requests complete all the time.
reads() { # DEVICE BLOCK
	while dd if="$1" of=/dev/null bs=4k skip="$2" count=16 iflag=direct status=none; do :; done
	echo "reading $1 failed" >>"$scratch/errors"
}

: >"$scratch/errors"
for name in tcp unix several; do
	truncate -s 16M "$scratch/$name"
done
slow 10991 "$scratch/tcp" 0.1 early
slow "$scratch/sock.unix" "$scratch/unix" 0.1
slow "$scratch/sock.several" "$scratch/several" 3
wait_for 10 listening 10991
wait_for 10 listening "$scratch/sock.unix"
wait_for 10 listening "$scratch/sock.several"
check "TCP: attaches" nbd_attach -q nbd0 nbd://127.0.0.1:10991
check "Unix: attaches" nbd_attach -q --dead-timeout 5 nbd1 -u "$scratch/sock.unix"
check "several: attaches" nbd_attach -q -C 2 nbd2 -u "$scratch/sock.several"

readers=() writers=()
for device in /dev/nbd0 /dev/nbd1; do
	reads "$device" 1024 &
	readers+=("$!")
	started+=("$!")
	put "$device" HOLD & # the server holds this request back
	started+=("$!")
	writers+=("$!")
done
requests() { # DEVICE: some requests are sent and not answered
	local columns
	read -ra columns <"/sys/block/$1/stat"
	((columns[8] > 0))
}
check "TCP: requests are under way" wait_for 5 requests nbd0
check "Unix: requests are under way" wait_for 5 requests nbd1
pause 0.5
truncate -s 32M "$scratch/tcp" "$scratch/unix" "$scratch/several"
nbd_attach --resize nbd0 2>"$scratch/tcp.answer" &
tcp=$!
nbd_attach --resize nbd1 2>"$scratch/unix.answer" &
unix=$!

# Meanwhile: a device whose requests are not counted
echo 0 >/sys/block/nbd2/queue/iostats
dd if=/dev/nbd2 of=/dev/null bs=4k count=1 iflag=direct status=none &
reader=$!
started+=("$reader")
began=$SECONDS
check "not counted: --resize says so" expect_status 4 'queue/iostats is 0' nbd_attach --resize nbd2
check "not counted: the request succeeds" wait "$reader"
check "not counted: the request ends when the server answers" test $((SECONDS - began)) -lt 28
check "not counted: no connection was replaced" status_is nbd2 reconnects 0
check "not counted: --status says so" wait_for 10 status_is nbd2 uncounted True
echo 1 >/sys/block/nbd2/queue/iostats
check "counted again: --status says so" wait_for 10 status_is nbd2 uncounted False
check "counted again: grows" expect_status 0 'to 32 MiB' nbd_attach --resize nbd2
check "counted again: detaches" nbd_attach --detach nbd2

wait "$tcp"
check "TCP: there was no moment without requests" is $? 4
check "TCP: --resize says so" grep -q 'never without requests' "$scratch/tcp.answer"
wait "$unix"
check "Unix: there was no moment without requests" is $? 4

# The held write is answered. A later write must stay, whatever the server still has to do.
touch "$scratch/tcp.release" "$scratch/unix.release"
for name in tcp unix; do
	check "$name: the held write is carried out" wait_for 20 grep -q held "$scratch/$name.said"
done
for p in "${writers[@]}"; do
	check "the held write succeeds" wait "$p"
done
check "TCP: a newer write" put /dev/nbd0 NEWB
check "Unix: a newer write" put /dev/nbd1 NEWB
pause 1
check "TCP: the newer write stays" first /dev/nbd0 NEWB
check "Unix: the newer write stays" first /dev/nbd1 NEWB
check "TCP: no connection was replaced" status_is nbd0 reconnects 0
check "Unix: no connection was replaced" status_is nbd1 reconnects 0
check "no I/O failed" test ! -s "$scratch/errors"
for p in "${readers[@]}"; do
	kill_now "$p"
done
check "TCP: idle, it grows" expect_status 0 'to 32 MiB' nbd_attach --resize nbd0
check "TCP: what was written is there" first /dev/nbd0 NEWB
check "Unix: idle, it grows" expect_status 0 'to 32 MiB' nbd_attach --resize nbd1
check "Unix: growing failed no I/O" test ! -s "$scratch/errors"
check "TCP: detaches" wait_for 10 nbd_attach -q --detach nbd0
check "Unix: detaches" wait_for 10 nbd_attach -q --detach nbd1
finish
