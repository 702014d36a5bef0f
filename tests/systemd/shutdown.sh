#!/bin/bash
# SPDX-License-Identifier: MIT
# Powers off: with both servers alive, with one that is dead, and with one that dies meanwhile. Runs
# on the host, which has the servers. Each case has its own guest with two mounted devices, `data`
# and `well`. The server of `well` is always alive.
# shellcheck source=tests/lib.sh disable=SC2016,SC2317 # check() calls functions, and eval
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/lib.bash"

took=0
grace=10

prepare() { # DIR
	local name
	network "$1"
	mkdir -p "$1/etc/systemd/journald.conf.d"
	printf '[Journal]\nForwardToConsole=yes\nTTYPath=/dev/ttyS0\nMaxLevelConsole=info\n' \
		>"$1/etc/systemd/journald.conf.d/console.conf"
	configure "$1" data "device = nbd3" "target = 10.0.2.2:$TEST_PORT"
	configure "$1" well "device = nbd4" "target = 10.0.2.2:$TEST_WELL_PORT"
	for name in data well; do
		echo "/dev/disk/by-nbd/$name /$name ext4 _netdev 0 0" >>"$1/etc/fstab"
		mkdir -p "$1/$name"
	done
	# Stops between the hook and the unmounting: after nbd-attach-shutdown.
	cat >"$1/etc/systemd/system/late.service" <<-'END'
		[Unit]
		DefaultDependencies=no
		After=data.mount well.mount
		Before=nbd-attach-shutdown.service
		Conflicts=shutdown.target
		[Service]
		Type=oneshot
		RemainAfterExit=yes
		ExecStop=/bin/bash -c 'echo "end the server" >/run/nbd-vm/out; until grep -q STATE=lost /run/nbd-attach/nbd3.state; do sleep 0.1; done; dd if=/dev/urandom of=/data/late bs=1M count=1'
	END
}

# Writes data that is only in the page cache; then powers off.
guest() { # CASE
	wait_for 150 mounted /data && wait_for 30 mounted /well || exit 1
	wait_for 30 unit_is remote-fs.target active
	[[ $1 != late ]] || systemctl start late.service
	yes data 2>/dev/null | head -c 1M >/data/file
	yes well 2>/dev/null | head -c 1M >/well/file
	if [[ $1 = dead ]]; then
		echo "end the server"
		wait_for 20 state_is nbd3 lost || exit 1
		# A read waits in the kernel; only the end of the grace period ends it.
		echo 3 >/proc/sys/vm/drop_caches
		dd if=/dev/zero of=/data/more bs=1M count=1 &
	fi
	echo poweroff
	systemctl start --no-block --job-mode=replace-irreversibly poweroff.target
	sleep 1000
}

case ${1:-host} in
prepare)
	prepare "$2"
	exit
	;;
alive | dead | late)
	guest "$1"
	exit
	;;
esac

disk_server() { # NAME PORT; sets $pid
	truncate -s 64M "$scratch/$1.img"
	mkfs.ext4 -qF "$scratch/$1.img" && : >"$scratch/$1.log" || return
	start_server "$2" nbdkit -f -i 127.0.0.1 -p "$2" --filter=log file "$scratch/$1.img" \
		logfile="$scratch/$1.log"
}

# Sets $took, the milliseconds from the command to the end, and writes $scratch/console.
power_off() { # CASE
	local good data well
	rm -f "$scratch"/*.img
	TEST_PORT=$(free_port) TEST_WELL_PORT=$(free_port)
	export TEST_PORT TEST_WELL_PORT NBD_VM_NET=1 NBD_VM_POWEROFF=1
	export NBD_VM_CONSOLE=$scratch/console
	disk_server data "$TEST_PORT" && data=$pid || return
	disk_server well "$TEST_WELL_PORT" && well=$pid || return
	powers_off 200 "$1" "$data"
	good=$?
	kill -TERM "$well" 2>/dev/null
	[[ $1 != alive ]] || kill -TERM "$data"
	wait_for 5 gone "$well"
	((good == 0))
}

# The console has these lines in this order.
in_order() { # REGEX...
	local regex line=0 next
	for regex; do
		next=$(grep -nE "$regex" "$scratch/console" | tail -n 1 | cut -d : -f 1)
		echo "$regex: line ${next:-none}"
		((${next:-0} > line)) || return 1
		line=$next
	done
}

clean() { # NAME: the file system needs no repair, and the file is complete
	e2fsck -fn "$scratch/$1.img" || return
	debugfs -R "dump /file $scratch/file" "$scratch/$1.img" && cmp "$scratch/file" <(yes "$1" | head -c 1M)
}

# The last request is the disconnect, and a flush came before it.
said_goodbye() { # NAME
	tail -n 5 "$scratch/$1.log"
	tail -n 1 "$scratch/$1.log" | grep -q Disconnect &&
		grep -E ' (Write|Flush) ' "$scratch/$1.log" | tail -n 1 | grep -qE 'Flush|fua=1'
}

within() { # MS
	echo "$took ms, at most $1"
	((took > 0 && took <= $1))
}

begin 10
check "power-off with both servers alive" power_off alive
check "... within 30 s" within 30000
echo "    $took ms"
# The time of a power-off without an error is added to the limit of the other cases.
healthy=$took
for name in data well; do
	check "... $name: unmounted, detached, and only then the network ends" in_order \
		"Unmounted $name.mount" "/dev/nbd[34]: detached" "Stopped systemd-networkd.service"
	check "... $name: the server got a flush and then the disconnect" said_goodbye "$name"
	check "... $name: nothing was lost" clean "$name"
done

check "power-off with a dead server" power_off dead
check "... within the grace and 5 s more than with both" within $(((grace + 5) * 1000 + healthy))
echo "    $took ms"
check "... well: nothing was lost" clean well
check "... well: the server got the disconnect" said_goodbye well

check "power-off with a server that dies meanwhile" power_off late
check "... within the grace and 5 s more than with both" within $(((grace + 5) * 1000 + healthy))
echo "    $took ms"
check "... well: nothing was lost" clean well
check "... well: the server got the disconnect, too" said_goodbye well
finish
