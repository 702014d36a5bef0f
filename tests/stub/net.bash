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

# Makes a shared key of the user `me`.
make_key() { # FILE
	(umask 077 && echo "me:0123456789abcdef0123456789abcdef" >"$1")
}

# Serves $image with TLS at port 10809, for those who have the key in $N/psk.
secure() {
	nbdkit -f -i 127.0.0.1 --tls=require --tls-psk="$N/psk" file "$image" >>"$N/server.said" 2>&1 </dev/null &
	server=$!
	started+=("$server")
	wait_for 10 listening 10809
}
