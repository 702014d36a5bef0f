# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# For scenarios over TCP: a network namespace that has only a loopback interface. Every port is
# free, and cut() ends all connections silently. Source it before lib.bash.

if [[ -z ${STUB_NETWORK-} ]]; then
	if ! unshare -n true 2>/dev/null; then
		echo "skipped - $(basename "$0" .sh): it needs root"
		echo "0 passed, 0 failed, 1 skipped"
		exit
	fi
	STUB_NETWORK=own exec unshare -n "$BASH" "$0" "$@"
fi
ip link set lo up

# No packet arrives any more, and no process is notified.
cut_network() { ip link set lo down; }

mend_network() { ip link set lo up; }
