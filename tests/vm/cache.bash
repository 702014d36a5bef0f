# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# Where the tests keep what they download or take long to make: kernels, libraries of other
# machines, chroots. The caller has say(), which prints a sentence on standard error.

# Sets $cache. NBD_ATTACH_CACHE names another directory; nothing is made yet.
cache_for() { # NAME
	local base=${NBD_ATTACH_CACHE:-}
	[[ $base ]] || base=${XDG_CACHE_HOME:+$XDG_CACHE_HOME/nbd-attach}
	[[ $base ]] || base=${HOME:+$HOME/.cache/nbd-attach}
	if [[ ! $base ]]; then
		say "HOME is not set: name a directory for the cache in NBD_ATTACH_CACHE"
		return 1
	fi
	# shellcheck disable=SC2034 # the caller's
	cache=$base/$1
}

# The directory can be written and has room; it is made if it is missing.
has_room() { # DIRECTORY MIB [VARIABLE], which names another directory
	local reason free other="name another directory in ${3:-}"
	[[ ${3:-} ]] || other="the tests need one that can"
	if ! reason=$(mkdir -p "$1" 2>&1 && mktemp -d "$1/.room.XXXXXX" 2>&1); then
		say "$1 cannot be written (${reason##*: }): $other"
		return 1
	fi
	rmdir "$reason"
	free=$(df -m --output=avail "$1" 2>/dev/null | tail -n 1) || return 0
	if ((free < $2)); then
		say "$1 needs $2 MiB of free space and has $((free)): make room${3:+, or $other}"
		return 1
	fi
}
