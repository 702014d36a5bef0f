#!/bin/bash
# SPDX-License-Identifier: MIT
# An export that grows: --resize and --watch-size, under I/O, with servers that report the new size
# and servers that do not.
# shellcheck source=tests/lib.sh disable=SC2016,SC2317 # check() calls functions, and eval
. "$(dirname "$0")/../lib.sh"
in_guest 330
begin 68

sock=$scratch/sock
image=$scratch/image
mnt=$scratch/mnt
mkdir -p "$mnt"

serve_file() { # sets $server
	rm -f "$sock"
	start_server "$sock" nbdkit -f -U "$sock" file "$image"
	server=$pid
}

device_size() { # nbd0: bytes
	echo $(($(cat "/sys/block/$1/size") * 512))
}

size_is() { # nbd0 BYTES
	is "$(device_size "$1")" "$2"
}

state_value() { # nbd0 KEY
	state_of "$1" "$2"
}

reads_at() { # DEVICE OFFSET
	dd if="$1" of=/dev/null bs=4k count=1 skip="$2" iflag=direct,skip_bytes
}

# A mounted file system is grown while it is written to
truncate -s 64M "$image"
serve_file
check "attaches" nbd_attach nbd0 -u "$sock"
mkfs.ext4 -q /dev/nbd0 && mount /dev/nbd0 "$mnt"
check "the same size: nothing to do" expect_status 0 'nbd0 has the export.s size, 64 MiB' \
	nbd_attach --resize nbd0
# The load pauses for 200 ms between two requests: connections are replaced only without requests.
start fio --name=load --directory="$mnt" --size=24M --rw=randwrite --bs=4k --direct=1 \
	--ioengine=psync --thinktime=200000 --time_based --runtime=15 --verify=crc32c --randrepeat=0 \
	--verify_fatal=1 --fallocate=none
load=$pid
under_way() {
	local done_before done_now
	read -r _ _ _ _ done_before _ <"/sys/block/nbd0/stat"
	pause 0.5
	read -r _ _ _ _ done_now _ <"/sys/block/nbd0/stat"
	((done_now > done_before))
}
wait_for 10 under_way
truncate -s 192M "$image"
check "grows under I/O" expect_status 0 'has grown from 64 MiB to 192 MiB' nbd_attach --resize /dev/nbd0
check "the kernel knows the new size" size_is nbd0 $((192 << 20))
check "the load goes on" wait_for 10 under_way
check "the file system grows" resize2fs /dev/nbd0
check "the file system has the space" eval '(($(stat -f -c "%b * %S" "$mnt") > 150 << 20))'
wait_for 40 gone "$load"
wait "$load"
check "no request of the load failed, and its data is right" is $? 0
check "the new space can be written" dd if=/dev/urandom of="$mnt/big" bs=1M count=100 conv=fsync
check "--status prints the new size" status_is nbd0 size-bytes $((192 << 20))
check "one connection was replaced" status_is nbd0 reconnects 1
check "the old connection ended soon" eval '(($(state_value nbd0 LAST_OUTAGE_MS) < 5000))'
umount "$mnt"
check "the file system is sound" e2fsck -fn /dev/nbd0

# A smaller export
truncate -s 100M "$image"
check "smaller: is refused" expect_status 5 'smaller now, 104857600 bytes.*keeps its size' \
	nbd_attach --resize nbd0
check "smaller: the device keeps its size" size_is nbd0 $((192 << 20))
check "smaller: the remaining blocks can be read" reads_at /dev/nbd0 0
truncate -s 192M "$image"

# A device that is lost or has no supervisor
kill_now "$server"
wait_for 10 status_is nbd0 state lost >/dev/null
check "lost: says so" expect_status 4 'is lost.*connected again' nbd_attach --resize nbd0
truncate -s 200M "$image"
serve_file
check "lost: heals" wait_for 15 status_is nbd0 state attached
check "lost: has grown by itself" wait_for 15 size_is nbd0 $((200 << 20))
held=$(supervisor nbd0)
kill_now "$held"
wait_for 5 no_supervisor nbd0
check "no supervisor: says so" expect_status 1 'has no supervisor' nbd_attach --resize nbd0
truncate -s 208M "$image"
check "taken over" nbd_attach -q nbd0 -u "$sock"
check "taken over: says why it does not grow" \
	expect_status 1 'supervisor that has died' nbd_attach --resize nbd0
kill_now "$server"
wait_for 10 status_is nbd0 state lost >/dev/null
serve_file
check "taken over, reconnected: grows by itself" wait_for 15 size_is nbd0 $((208 << 20))
truncate -s 216M "$image"
check "taken over, reconnected: grows" expect_status 0 'to 216 MiB' nbd_attach --resize nbd0
check "taken over: the end of the device can be read" reads_at /dev/nbd0 $(((216 << 20) - 4096))
check "detaches" nbd_attach --detach nbd0
check "not attached: says so" expect_status 1 'not attached' nbd_attach --resize nbd0
check "ioctl: attaches" nbd_attach -q nbd1 -u "$sock" --backend ioctl
check "ioctl: is refused" expect_status 6 'ioctl' nbd_attach --resize nbd1
check "ioctl: detaches" nbd_attach --detach nbd1

# Several connections
stop "$server"
truncate -s 32M "$image"
serve_file
check "two connections: attaches" nbd_attach -q nbd0 -u "$sock" -C 2
truncate -s 33M "$image"
check "two connections: grows" expect_status 0 'to 33 MiB' nbd_attach --resize nbd0
check "two connections: are alive" status_is nbd0 connections-alive 2
check "two connections: the end of the device can be read" reads_at /dev/nbd0 $(((33 << 20) - 4096))
check "two connections: detaches" nbd_attach --detach nbd0
stop "$server"

# Each connection is told another size: the device takes the smallest one
cat >"$scratch/growing" <<-'END'
	#!/bin/bash
	case $1 in
	get_size)
	    echo >>"${0%/*}/asked"
	    asked=$(wc -l <"${0%/*}/asked")
	    [[ -e ${0%/*}/larger ]] || asked=0
	    echo $((32 + asked))M
	    ;;
	pread) exec head -c "$3" /dev/zero ;;
	can_multi_conn) exit 0 ;;
	*) exit 2 ;;
	esac
END
chmod 755 "$scratch/growing"
rm -f "$sock"
start_server "$sock" nbdkit -f -U "$sock" sh "$scratch/growing"
check "two sizes: attaches" nbd_attach -q nbd0 -r -u "$sock" -C 2
rm "$scratch/asked"
touch "$scratch/larger"
check "two sizes: grows to the smallest" expect_status 0 'to 33 MiB' nbd_attach --resize nbd0
check "two sizes: detaches" nbd_attach --detach nbd0
stop "$pid"
truncate -s 32M "$image"
printf '%s\n' '[generic]' 'allowlist = true' "unixsock = $scratch/nbd-server.sock" '[disk]' \
	"exportname = $image" >"$scratch/conf"
# nbd-server serves only one client unless it goes to the background.
nbd-server -C "$scratch/conf" -p "$scratch/nbd-server.pid"
wait_for 10 test -s "$scratch/nbd-server.pid"
server=$(<"$scratch/nbd-server.pid")
started+=("$server")
wait_for 120 idles "$server"
check "one of two lost: attaches" attach_several nbd0 2 nbd_attach -q nbd0 -u "$scratch/nbd-server.sock" -C 2 disk
check "one of two lost: two connections are alive" status_is nbd0 connections-alive 2
truncate -s 36M "$image"
read -ra children <"/proc/$server/task/$server/children"
kill -KILL "${children[0]}" # each connection has its own child
check "one of two lost: is reconnected" wait_for 10 status_is nbd0 reconnects 1
pause 4 # within this time a device would grow
check "one of two lost: the size stays, as the other connection knows the old one" \
	size_is nbd0 $((32 << 20))
check "one of two lost: grows by --resize" expect_status 0 'to 36 MiB' nbd_attach --resize nbd0
check "one of two lost: detaches" nbd_attach --detach nbd0
stop "$server"
serve_file

# A server that does not answer, and another program that detaches meanwhile
check "detached meanwhile: attaches" nbd_attach -q nbd0 -u "$sock"
held=$(supervisor nbd0)
kill -STOP "$server"
start "${nbd_attach[@]}" --resize nbd0
asking=$pid
pause 0.5
nbd-client -d /dev/nbd0 >/dev/null 2>&1
wait_for 10 gone "$asking"
kill -CONT "$server"
wait "$asking"
check "detached meanwhile: it has not grown" is $? 1
check "detached meanwhile: the supervisor ends" wait_for 10 gone "$held"

# The device grows by itself
check "--watch-size: attaches" nbd_attach -v nbd0 -u "$sock" --watch-size 1
truncate -s 40M "$image"
check "--watch-size: grows" wait_for 10 size_is nbd0 $((40 << 20))
truncate -s 36M "$image"
pause 2.5
truncate -s 48M "$image"
check "--watch-size: grows after the export was smaller in between" \
	wait_for 10 size_is nbd0 $((48 << 20))
start fio --name=load --filename=/dev/nbd0 --size=32M --rw=randwrite --bs=4k --direct=1 \
	--ioengine=psync --thinktime=30000 --time_based --runtime=8 --verify=crc32c --verify_fatal=1
load=$pid
wait_for 10 under_way
truncate -s 56M "$image"
check "--watch-size: grows under I/O" wait_for 10 size_is nbd0 $((56 << 20))
wait_for 30 gone "$load"
wait "$load"
check "--watch-size: no request failed" is $? 0
check "--watch-size: the end of the device can be read" reads_at /dev/nbd0 $(((56 << 20) - 4096))
kill_now "$server"
wait_for 10 status_is nbd0 state lost >/dev/null
serve_file
check "--watch-size: heals" wait_for 15 status_is nbd0 state attached
truncate -s 64M "$image"
check "--watch-size: grows again" wait_for 10 size_is nbd0 $((64 << 20))
check "--watch-size: detaches" nbd_attach --detach nbd0
stop "$server"

# A server that accepts one client
rm -f "$sock"
start_server "$sock" qemu-nbd -t -f raw -k "$sock" -e 1 "$image"
server=$pid
check "one client: attaches" nbd_attach nbd0 -u "$sock" --connect-timeout 2
asked_at=$SECONDS
check "one client: --resize says so" expect_status 4 'only one client' nbd_attach --resize nbd0
check "one client: within the connect timeout" \
	test $((SECONDS - asked_at)) -le 4
check "one client: the device works" writes_and_verifies /dev/nbd0
start "${nbd_attach[@]}" --resize nbd0
asking=$pid
pause 0.5
check "one client: a second --resize is refused meanwhile" \
	expect_status 3 'another command' nbd_attach --detach nbd0
wait_for 10 gone "$asking"
check "one client: was never reconnected" status_is nbd0 reconnects 0
check "one client: detaches" nbd_attach --detach nbd0
start "${nbd_attach[@]}" -n nbd0 -u "$sock" --connect-timeout 0.5 --watch-size 1
attachment=$pid
wait_for 10 status_is nbd0 state attached >/dev/null
check "one client, --watch-size: works" writes_and_verifies /dev/nbd0 1M --rate_iops=150 --time_based --runtime=5
check "one client, --watch-size: nothing is logged about it" \
	eval '! grep -i "client\|answer" "$scratch/log"'
check "one client, --watch-size: was never reconnected" status_is nbd0 reconnects 0
stop "$attachment"
wait_for 10 detached nbd0
check "one client, --watch-size: the server takes the next client" \
	wait_for 10 nbd_attach -q nbd0 -u "$sock"
check "one client, --watch-size: detaches" nbd_attach --detach nbd0
stop "$server"
finish
