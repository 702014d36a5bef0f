#!/bin/bash
# SPDX-License-Identifier: MIT
# TLS through a relay: a revocation list that becomes too old or disappears while the device is
# attached; a certificate for another purpose; a server that is not verified.
# shellcheck source=tests/stub/lib.bash disable=SC2016,SC2119,SC2120,SC2317
. "$(dirname "$0")/../lib.bash"
# shellcheck source=tests/interop/tls-certs.bash
. "$top/tests/interop/tls-certs.bash"

d=$N/pki
pki "$d"
mkdir "$N/served"
cp "$d"/{ca-cert,server-key,server-cert}.pem "$N/served"
list_until() { # DATE: replaces the list in one step
	printf '%s\n' 'crl_number = 1' "crl_next_update_date = \"$1\"" >"$N/crl.template"
	certtool_quietly --generate-crl --load-ca-privkey "$d/ca-key.pem" \
		--load-ca-certificate "$d/ca-cert.pem" --load-certificate "$d/client-cert.pem" \
		--template "$N/crl.template" --outfile "$d/crl.new"
	mv "$d/crl.new" "$d/ca-crl.pem"
}
tomorrow=$(date -u -d '1 day' '+%Y-%m-%d %H:%M:%S')
list_until "$tomorrow"
secured() {
	serve nbdkit -f -U "$sock" --tls=require --tls-certificates="$N/served" file "$image"
}
tls=(--tls --tls-hostname localhost --tls-certificates "$d")

secured
check "it attaches" attach "${tls[@]}"
check "the server is verified" json_is tls-unverified False
load -i "$image"
check "the load gets on" loading 20 5
rm "$d/ca-crl.pem"
crash
secured
check "a list that has disappeared: it heals" within 10 told_is taken 1
check "... with the old contents" \
	logged 'ca-crl.pem.*has disappeared: using the contents that were read before'
check "... and is attached" within 10 state_is attached
list_until "2021-01-01 00:00:00"
crash
secured
too_old() {
	nbd_attach --status nbd0 | grep 'ca-crl.pem.*is too old'
}
check "a list that is too old: no new connection" within 10 too_old
check "... and the device waits" state_is lost
check "... and no socket was handed over" told_is taken 1
list_until "$tomorrow"
check "it heals with a new list" within 10 state_is attached
check "the load gets on" loading 20 10
check "nothing failed, nothing is lost" unload
check "it detaches" detach

crash
purpose=tls_www_client
cert "$d" server "${names[@]}" "$valid"
cp "$d"/server-{key,cert}.pem "$N/served"
secured
check "a certificate for clients is refused" expect_status 5 'another purpose' attach "${tls[@]}"
check "without verification it attaches with a warning" eval '
	attach --tls --tls-verify-peer 0 2>"$N/said"; cat "$N/said"; cat "$N/stub/log"
	grep -q "certificate is not verified" "$N/said" "$N/stub/log"'
check "... and the status says so" json_is tls-unverified True
check "... also in the text" eval 'nbd_attach --status nbd0 | grep "NOT VERIFIED"'
check "it detaches" detach
finish
