# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# What the kernel-*.sh scripts share: they run kernel-try, which reads one command a line.
# Sourced after tests/lib.sh and begin().

trap "" PIPE # kernel-try may have ended

try=$top/build/tests/interop/kernel-try

server() { # SOCKET ARGUMENT... of nbdkit; sets $server
	local socket=$1
	shift
	start_server "$socket" nbdkit -f -U "$socket" "$@"
	server=$pid
}

# Starts kernel-try. $said is its first answer; descriptor 8 is its standard input.
attach_with() { # ARGUMENT...
	rm -f "$scratch/orders" "$scratch/answers"
	mkfifo "$scratch/orders" "$scratch/answers"
	"$try" "$@" <"$scratch/orders" >"$scratch/answers" 2>"$scratch/try" &
	tryer=$!
	started+=("$tryer")
	exec 8>"$scratch/orders" 9<"$scratch/answers"
	said=
	read -rt 20 -u 9 said
	echo "$said" && cat "$scratch/try"
	[[ $said = attach* ]]
}

tell() { # WORD [NUMBER]; sets $said
	echo "$*" >&8
	said=
	read -rt 30 -u 9 said
	echo "$said"
}

answers() { # REGEX WORD [NUMBER]
	local regex=$1
	shift
	tell "$@"
	[[ $said =~ ^$1 && $said =~ $regex ]]
}

within() { # MS WORD [NUMBER]: the answer's last number is at most MS
	local ms=$1
	shift
	tell "$@"
	[[ $said =~ ^$1\ .*[^0-9]([0-9]+)$ || $said =~ ^$1\ ([0-9]+)$ ]] && ((BASH_REMATCH[1] <= ms))
}

ended() { # ends kernel-try
	exec 8>&-
	wait "$tryer"
	local status=$?
	exec 9<&-
	return "$status"
}

queue() { # ATTRIBUTE of nbd0
	cat "/sys/block/nbd0/queue/$1"
}
