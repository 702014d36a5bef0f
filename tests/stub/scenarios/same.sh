#!/bin/bash
# SPDX-License-Identifier: MIT
# The same attachment asked for again is success, and only that.
# shellcheck source=tests/stub/lib.bash disable=SC2119,SC2317
. "$(dirname "$0")/../lib.bash"

differs() { # NAMES OPTION...
	expect_status 3 "^nbd-attach: /dev/nbd0 is attached already.*these options differ: $1$" attach "${@:2}"
}

serve
check "it attaches" attach --name data --dead-timeout 60 --on-change true
check "the same again" expect_status 0 '^nbd-attach: /dev/nbd0 is already attached to nbd.unix:' \
	attach --name data --dead-timeout 1m --on-change true
check "it says nothing else" is "$(<"$scratch/stdout")" ''
check "auto finds it, too" expect_status 0 'nbd0 is already attached' \
	nbd_attach auto --io-timeout 1 --name data --dead-timeout 60 --on-change true -u "$sock"
check "auto, and something differs" expect_status 3 \
	'^nbd-attach: /dev/nbd0 is attached already.*these options differ: dead-timeout, on-change$' \
	nbd_attach auto --io-timeout 1 --name data -u "$sock"
check "auto finds it again" expect_status 0 'nbd0 is already attached' \
	nbd_attach auto --io-timeout 1 --name data --dead-timeout 60 --on-change true -u "$sock"
check "auto prints it" is "$(<"$scratch/stdout")" /dev/nbd0
check "the pauses make no difference" expect_status 0 'already' \
	attach --name data --dead-timeout 60 --on-change true --retry-delay 1 --wait=3 --connect-timeout 2
check "read-only" differs read-only --name data --dead-timeout 60 --on-change true -r
check "another dead timeout, no command" differs 'dead-timeout, on-change' --name data
check "another name" differs name --name other --dead-timeout 60 --on-change true
check "another server" differs 'server, identifier' --name data --dead-timeout 60 --on-change true -- \
	-u "$N/other"
check "another identifier" differs identifier --name data --dead-timeout 60 --on-change true -i x
check "TLS" differs 'server, identifier, tls-ca' --name data --dead-timeout 60 --on-change true \
	--tls --tls-ca "$N/ca.pem" --tls-hostname x
while read -ra option; do
	check "${option[*]}" differs "${option[0]#--}" --name data --dead-timeout 60 --on-change true \
		"${option[@]}"
done <<-'EOF'
	--block-size 4096
	--connections 2
	--timeout 9
	--backend ioctl
	--relay
	--no-scan
	--no-trim
	--no-write-zeroes
	--watch-size 5
	--peer-timeout 20
	--accept smaller
	--peer-uid 0
EOF
check "other servers" differs 'failover, fence' --name data --dead-timeout 60 --on-change true \
	--failover nbd://h/ --fence true
check "another device" expect_status 3 'already' nbd_attach nbd1 --name data --dead-timeout 60 \
	--on-change true -u "$sock"
check "no value is published" refuses grep -q 'on-change=true' "$N/nbd0.state"
check "no digest can be guessed: its key is root's" is "$(stat -c %a "$N/secret")" 600
digests=$(state_value OPTIONS)
check "the device is as before" told_is configured 1

# While it has no connection, the command waits as for a first attachment.
crash
check "it is lost" within 10 state_is lost
check "the same, and no server" expect_status 4 'nbd0 is attached already, in the state lost' \
	attach --name data --dead-timeout 60 --on-change true --connect-timeout 0.5
attach --wait=60 --name data --dead-timeout 60 --on-change true &
waiting=$!
started+=("$waiting")
pause 0.5
check "it waits" kill -0 "$waiting"
serve_again
check "it ends when the server is back" wait_for 30 gone "$waiting"
check "it is attached" state_is attached

# Without a supervisor that can say which options it has, attaching decides.
kill_supervisor
check "it is taken over" attach --name data --dead-timeout 60 --no-trim
check "... with a word on what the kernel keeps" grep -q \
	'nbd0: what was given for no-trim applies when the device is attached again' "$N/attach.said"
check "the options in force count" differs no-trim --name data --dead-timeout 60 --no-trim
check "... and without it, it is the same" expect_status 0 'already' attach --name data --dead-timeout 60
kill_supervisor
check "another mode and block size" attach --name data --dead-timeout 60 -r -b 4096
check "... are not in force, and that is said" grep -q 'given for read-only, block-size applies' \
	"$N/attach.said"
check "... so asking again says so, too" differs 'read-only, block-size' --name data --dead-timeout 60 -r -b 4096
kill_supervisor
check "it is taken over again" attach --name data --dead-timeout 60
check "... and nothing is said of what is in force" refuses grep applies "$N/attach.said"
check "the new options count" expect_status 0 'already' attach --name data --dead-timeout 60
check "the old ones do not" differs on-change --name data --dead-timeout 60 --on-change true
check "it detaches" detach

rm "$N/secret"
check "it attaches with another key" attach --name data --dead-timeout 60 --on-change true
check "the same options have other digests" refuses is "$(state_value OPTIONS)" "$digests"
check "the same again" expect_status 0 'already' attach --name data --dead-timeout 60 --on-change true
check "it detaches" detach
finish
