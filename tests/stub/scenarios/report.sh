#!/bin/bash
# SPDX-License-Identifier: MIT
# --report: what a bug report needs, in every state, and without names.
# shellcheck source=tests/stub/lib.bash disable=SC2016,SC2119,SC2317
. "$(dirname "$0")/../lib.bash"

reports() { # REGEX
	nbd_attach --report nbd0 >"$N/report" || return
	cat "$N/report"
	grep -qE -- "$1" "$N/report"
}

tells_nothing() { # STRING: it is not in the last report
	! grep -F -- "$1" "$N/report"
}

check "before it is attached" reports 'no supervisor of nbd-attach'
serve nbdkit -f -U "$sock" -e secretexport file "$image"
check "it attaches" attach --name secretname -- -u "$sock" secretexport
check "the state" reports '^.dev.nbd0: attached since'
check "the options that are not the defaults are named" eval '
	reports . && is "$(sed -n "/^== options/,/^$/p" "$N/report" | tr "\n" " ")" \
		"== options that are not the defaults name, io-timeout  "'
check "a mark for the name" reports '<name 1>'
check "one for the socket" reports '<path 1>'
check "no name" tells_nothing secretname
check "no export" tells_nothing secretexport
check "no path" tells_nothing "$sock"
check "no machine" tells_nothing "$(uname -n)"
crash
check "the loss is noticed" within 5 state_is lost
check "the history has it" reports '20..-..-.. ..:..:.. UTC  lost'
check "the error has no path" tells_nothing "$sock"
serve_again
check "it heals" within 15 state_is attached
check "so does the history" eval 'reports "UTC  attached" && (($(grep -c "UTC  attached" "$N/report") >= 2))'
check "it detaches" detach

check "with nothing but a server it attaches" nbd_attach -q nbd0 -u "$sock" secretexport
check "... and there are none" eval 'reports . && grep -A 1 "^== options" "$N/report" | grep -x none'
check "... it detaches" detach
check "with several it attaches" nbd_attach -q -r --identifier i --dead-timeout 60 --no-trim --on-change : nbd0 -u "$sock" secretexport
check "... and they are named" reports '^identifier, read-only, dead-timeout, on-change, no-trim$'
check "... it detaches" detach
crash

# Encoded in the URI, escaped in messages, and cut off in them.
odd='secret "disk" \x'
serve nbdkit -f -U "$sock" -e "$odd" file "$image"
check "an odd name: attaches" attach -- -u "$sock" "$odd"
check "an odd name: a mark in the URI" reports '/<export 1>\?socket='
check "an odd name: it is not told" tells_nothing secret
check "an odd name: detaches" detach
crash
long=secretly$(printf '0123456789%.0s' {1..15})
serve nbdkit -f -U "$sock" -e "$long" file "$image"
check "a long name: attaches" attach -- -u "$sock" "$long"
crash
serve nbdkit -f -U "$sock" --filter=exportname file "$image" exportname-list=explicit exportname-strict=true exportname=other
check "a long name: the server does not have it any more" within 15 reports 'no export "<export 1>'
check "a long name: it is not told" tells_nothing secretly
check "a long name: detaches" nbd_attach -q --detach --force nbd0
crash

# An image: the server's messages have its path as it is, the identifier has it encoded.
if command -v qemu-nbd >/dev/null; then
	mkdir "$N/secret dir"
	truncate -s 1M "$N/secret dir/secretfile.img"
	check "an image is attached" attach -- --image "raw:$N/secret dir/secretfile.img"
	check "an image: its own identifier is not named as an option" reports '^io-timeout$'
	mv "$N/secret dir/secretfile.img" "$N/elsewhere"
	kill -KILL "$(json captive-pid)"
	check "an image: the error has a mark for the path" within 10 reports "Could not open '<path 2>'"
	check "an image: no path" tells_nothing secret
	reports . >"$N/log"
	check "an image: its socket has a mark" grep -qE 'unix:<path 1>' "$N/log"
	mv "$N/elsewhere" "$N/secret dir/secretfile.img"
	check "an image: it heals" within 20 state_is attached
	check "an image: it detaches" detach
else
	skip "an image" "it needs qemu-nbd (package qemu-utils)" 7
fi
check "a command is attached" attach -- -- [ nbdkit memory 1M ]
check "a command: its own identifier is not named as an option" reports '^io-timeout$'
check "a command: it detaches" detach
check "a device that does not exist" expect_status 2 'nbd4000' nbd_attach --report nbd4000
check "a name that nobody has" expect_status 1 'nobody' nbd_attach --report nobody
finish
