#!/bin/bash
# SPDX-License-Identifier: MIT
# Helpers do not inherit the caller's environment: because of it, libraries would write keys, read
# settings, use other name servers, or reveal secrets.
# shellcheck source=tests/stub/lib.bash disable=SC2016,SC2119,SC2120,SC2317
. "$(dirname "$0")/../lib.bash"

(umask 077 && echo 'me:0123456789abcdef0123456789abcdef' >"$N/keys.psk")
# GnuTLS reads this file when it is loaded; with it, GnuTLS would refuse every version of TLS.
printf '[overrides]\ndisabled-version = tls1.2\ndisabled-version = tls1.3\n' >"$N/priorities"
chmod 777 "$N/stub"
variables=(
	SSLKEYLOGFILE="$N/stub/keylog" GNUTLS_DEBUG_LEVEL=9 GNUTLS_SYSTEM_PRIORITY_FILE="$N/priorities"
	GNUTLS_SYSTEM_PRIORITY_FAIL_ON_INVALID=1 GNUTLS_FORCE_FIPS_MODE=1
	LOCALDOMAIN=example.org RES_OPTIONS=debug HOSTALIASES="$N/keys.psk" MALLOC_CHECK_=3
	GCONV_PATH="$N" LD_BIND_NOW=1 TMPDIR="$N/stub" SECRET=of-root
)
export "${variables[@]}"
as=(env -i "PATH=$PATH") # not the server

helpers() { # the processes that the supervisor has started
	local stat name=$1
	for stat in /proc/[0-9]*/stat; do
		[[ $(sed 's/.*) . \([0-9]*\) .*/\1/' "$stat" 2>/dev/null) = "$name" ]] || continue
		stat=${stat%/stat}
		echo "${stat##*/}"
	done
}

# Prints each helper's variables, except those that it needs.
strange() {
	local p
	for p in $(helpers "$(supervisor_pid 0)"); do
		tr '\0' '\n' <"/proc/$p/environ" | grep -vE '^(PATH|LC_ALL|[AU]?[BA]?SAN_OPTIONS)=' |
			sed "s/^/$(<"/proc/$p/comm"): /"
	done
}

serve_with --tls=require --tls-psk="$N/keys.psk"
check "TLS: attaches" attach --tls --tls-psk "$N/keys.psk" --tls-username me
two_run() {
	(($(helpers "$(supervisor_pid 0)" | wc -l) >= 2))
}
check "a relay and a spare worker run" within 15 two_run
check "no helper has a variable of the caller" is "$(strange)" ''
load
crash
serve_again
check "it heals" within 10 state_is attached
check "nothing is lost" unload
check "the new helpers have none, either" is "$(strange)" ''
check "no keys are written" refuses test -e "$N/stub/keylog"
check "GnuTLS logs nothing" is "$(grep -ciE 'gnutls|<[0-9]>' "$N/stub/log")" 0
check "it detaches" detach
check "--info" nbd_attach --info -u "$sock" --tls --tls-psk "$N/keys.psk" --tls-username me
check "--info: a host name" expect_status 4 'nbd.invalid' nbd_attach --info nbd.invalid
check "--info: no keys are written" refuses test -e "$N/stub/keylog"
finish
