#!/bin/bash
# SPDX-License-Identifier: MIT
# A server that nbd-attach started for the device dies, is started again, and ends with the device.
# shellcheck source=tests/stub/lib.bash disable=SC2119,SC2154,SC2317 # check() calls functions; lib.sh sets the time
. "$(dirname "$0")/../lib.bash"

check "it attaches" attach -- -- [ nbdkit -f -P "$N/pid" file "$image" ]
load -i "$image"
check "the load gets on" loading 20 5
for round in 1 2; do
	kill -KILL "$(<"$N/pid")"
	check "another server is started ($round)" within 10 told_is taken "$round"
	check "it heals ($round)" within 10 state_is attached
	check "the load gets on ($round)" loading 20 10
done
check "nothing failed, nothing is lost" unload
pid=$(<"$N/pid")
check "it detaches" detach
check "the server ends" wait_for 5 gone "$pid"

# A keeper that cannot accept a client, for want of a descriptor, does not turn without a pause.
rests() { # PID
	local before after
	processor_time "$1"
	before=$processor_time
	pause 2
	processor_time "$1"
	after=$processor_time
	echo "processor time in user and kernel mode: $before, then $after ticks"
	((${after% *} + ${after#* } - ${before% *} - ${before#* } < 10))
}

mkdir "$N/removed"
in_removed() { # WORD...
	(cd "$N/removed" && rmdir "$N/removed" && nbd_attach "$@")
	local status=$?
	mkdir "$N/removed"
	return "$status"
}
gone='cannot find the working directory: No such file or directory$'
check "in a directory that was removed" expect_status 1 "$gone" in_removed nbd0 -- [ nbdkit -f file "$image" ]
check "... with an identifier" expect_status 1 "$gone" in_removed --identifier x nbd0 -- [ nbdkit -f file "$image" ]
check "... and a relative image" expect_status 1 "$gone" in_removed --image raw:x nbd0

check "--command: it attaches" attach -- --command [ nbdkit -s -P "$N/pid" file "$image" ]
keeper=$(cat "$N"/captive-*.lock)
check "--command: the keeper is known" running "$keeper"
prlimit --nofile=0:1024 --pid "$keeper"
kill -KILL "$(<"$N/pid")"
check "--command: the loss is noticed" within 10 eval '! state_is attached'
check "--command: the keeper rests" rests "$keeper"
prlimit --nofile=1024:1024 --pid "$keeper"
check "--command: it heals" within 20 state_is attached
check "--command: it detaches" detach

# A server whose image does not exist yet ends at once; --wait waits for it as for any other.
check "without --wait: 5" expect_status 5 'ended with exit status' \
	attach -- -- [ nbdkit -f file "$N/late" ]
rm "$N/attach.said"
attach --wait=60 -- -- [ nbdkit -f file "$N/late" ] &
waiting=$!
started+=("$waiting")
check "it has made an attempt" within 10 grep 'nbdkit.*trying again' "$N/attach.said"
check "it waits" kill -0 "$waiting"
truncate -s 1M "$N/late"
check "it attaches when the image exists" wait_for 30 gone "$waiting"
check "it is attached" within 5 state_is attached
check "it detaches again" detach

# The server may signal processes of its own user, and nbd-attach's helpers must not be among them.
if (($(id -u))); then
	echo "skipped - as another user: only root can start it"
	finish
fi
chmod 711 "$N"
chmod 666 "$image"
helpers=nobody
getent passwd nbd-attach >/dev/null && helpers=nbd-attach
check "as the helpers' user: attaches" attach --user $helpers -- -- [ nbdkit -f file "$image" ]
check "as the helpers' user: attach warns" \
	grep -q "runs as $helpers, as do the helper" "$N/attach.said"
check "as the helpers' user: detaches" detach
check "as another user: attaches" attach --user daemon -- -- [ nbdkit -f file "$image" ]
check "as another user: attach does not warn" refuses grep "as do the helper" "$N/attach.said"
check "as another user: detaches" detach
finish
