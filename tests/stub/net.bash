# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# For scenarios over TCP: a network namespace with nothing but a loopback interface, so that every
# port is free, and cut() ends all connections without a word. Source it before lib.bash.

if [[ -z ${STUB_NETWORK-} ]]; then
	if ! unshare -n true 2>/dev/null; then
		echo "skipped - $(basename "$0" .sh): it needs root"
		echo "0 passed, 0 failed, 1 skipped"
		exit
	fi
	STUB_NETWORK=own exec unshare -n "$BASH" "$0" "$@"
fi
ip link set lo up

# Nothing arrives any more, and nobody is told.
cut_network() { ip link set lo down; }

mend_network() { ip link set lo up; }
