#!/bin/bash
# SPDX-License-Identifier: MIT
# --failover: a fence that fails is not run again at once. No server is dialled while the fence
# runs, and no socket of another server is used before it succeeds. A takeover with other servers is
# refused.
# shellcheck source=tests/stub/lib.bash disable=SC2119,SC2120,SC2317
. "$(dirname "$0")/../lib.bash"

other=$N/other.sock
serve
first=$server
nbdkit -f -U "$other" file "$image" >/dev/null 2>&1 &
started+=("$!")
wait_for 10 listening "$other"
cat >"$N/fence" <<-EOF
	#!/bin/sh
	echo "\$NBD_FAILED_URI \$NBD_NEXT_URI" >>$N/fenced
	while [ -e $N/hang ]; do sleep 0.05; done
	[ -e $N/fence-works ]
EOF
chmod +x "$N/fence"
fences() {
	local n=0
	[[ ! -e $N/fenced ]] || n=$(wc -l <"$N/fenced")
	echo "$n fences, wanted $1"
	((n == $1))
}
options=(--failover "nbd+unix:///?socket=$other" --fence "$N/fence")

check "it attaches" attach "${options[@]}"
load -i "$image"
check "the load gets on" loading 20 5
kill_now "$first"
check "the fence runs" within 10 fences 1
check "it fails" within 10 state_has FENCE 'failed'
pause 2
check "it is not run again at once" fences 1
check "no socket was offered" told_is offered 0
touch "$N/hang"
check "it is run again later" within 10 fences 2
pause 1
check "the fence runs, so no server is dialled" state_has FENCE 'running'
check "no socket was offered meanwhile" told_is offered 0
touch "$N/fence-works"
rm "$N/hang"
check "the other server is used" within 10 state_is attached
check "the state file names it" state_has SERVING "other.sock"
check "the load gets on" loading 20 10
kill_supervisor
check "other servers are refused" expect_status 2 'not one of the servers given' \
	attach --failover "nbd+unix:///?socket=$N/third" --fence "$N/fence"
check "nothing was changed" told_is alive 1
check "the same servers are accepted" attach "${options[@]}"
check "the new supervisor knows which one serves" state_has SERVING "other.sock"
check "nothing failed, nothing is lost" unload
check "it detaches" detach
finish
