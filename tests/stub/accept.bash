# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# `--reconnect --accept` accepts only the change that it names, and only for the current outage.
# Source it after lib.bash.

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
	pause 0.7 # the pause between two attempts
	check "$1: --accept $3 is not enough" state_is refused
	check "$1: --accept $2" nbd_attach --reconnect --accept "$2" nbd0
	check "$1: heals" within 5 state_is attached
	check "$1: a new socket was used" told_is taken $((++taken))
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
	# The original export counts again.
	back "$name, again" "${third[@]}"
	crash
	kit "${first[@]}"
	check "$name: the first server heals it" within 5 state_is attached
	check "$name: detaches" detach
	crash
}
