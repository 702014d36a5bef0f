# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# `--reconnect --accept` takes the change that it names, no other one, and for the present outage
# only. Source it after lib.bash.

kit() { serve nbdkit -f -U "$sock" "$@"; } # ARGUMENT...

back() { # NAME ARGUMENT...: the server dies and comes back as another one
	crash
	within 5 state_is lost >/dev/null
	kit "${@:2}"
	check "$1: is refused" within 5 state_is refused
	check "$1: no socket was offered" told_is taken "$taken"
}

accept() { # NAME CHANGE OTHER
	nbd_attach --reconnect --accept "$3" nbd0
	pause 0.7 # as long as the pauses between two tries are
	check "$1: --accept $3 does not do" state_is refused
	check "$1: --accept $2" nbd_attach --reconnect --accept "$2" nbd0
	check "$1: heals" within 5 state_is attached
	check "$1: by a new socket" told_is taken $((++taken))
}

change() { # CHANGE[,CHANGE] OTHER FIRST SECOND THIRD: words for nbdkit; OTHER is another change
	local name=${1%,*} first second third
	read -ra first <<<"$3"
	read -ra second <<<"$4"
	read -ra third <<<"$5"
	kit "${first[@]}"
	check "$name: attaches" attach
	taken=$(told taken)
	back "$name" "${second[@]}"
	accept "$name" "$1" "$2"
	# What was attached is what counts again.
	back "$name, again" "${third[@]}"
	crash
	kit "${first[@]}"
	check "$name: the first one heals" within 5 state_is attached
	check "$name: detaches" detach
	crash
}
