# shellcheck shell=bash disable=SC2154 # $image is of lib.bash
# SPDX-License-Identifier: MIT
# --resize of a device that always has requests under way while the server completes others: no
# connection is ended, and the answer says why. For scenarios with different options.

under_way() { # [OPTION...]
	serve_with --filter=delay -- rdelay=10ms wdelay=1500ms
	check "it attaches" attach "$@"
	load -d 8 -b 64 -r 4000 -i "$image"
	check "the load gets on" loading 12 20
	truncate -s 2M "$image"
	check "--resize says why it does not grow" expect_status 4 'never without requests' \
		nbd_attach --resize nbd0
	check "no connection has ended" told_is dead-told 0
	check "no socket was offered" told_is offered 0
	check "the size has not changed" told_is sizes 0
	check "nothing failed, nothing is lost" unload 30
	check "it grows when it is idle" expect_status 0 'has grown from' nbd_attach --resize nbd0
	check "it detaches" detach
	finish
}
