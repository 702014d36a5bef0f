#!/bin/bash
# SPDX-License-Identifier: MIT
# What --info and --list say of TLS: the version, the cipher, both certificates and their ends, and a
# warning of a certificate that ends soon and of a server that is not verified.
# shellcheck source=tests/stub/lib.bash disable=SC2016,SC2119,SC2120,SC2317
. "$(dirname "$0")/../lib.bash"
# shellcheck source=tests/interop/tls-certs.bash
. "$top/tests/interop/tls-certs.bash"

d=$N/pki
pki "$d"
mkdir "$N/served"
secured() { # serves with the certificates that are in $d now
	cp "$d"/{ca-cert,server-key,server-cert}.pem "$N/served"
	serve nbdkit -f -U "$sock" --tls=require --tls-verify-peer --tls-certificates="$N/served" \
		file "$image"
}
tls=(--tls --tls-hostname localhost --tls-certificates "$d")

asks() { # [OPTION...]: leaves the answer in $N/info and $N/said
	nbd_attach "$@" -u "$sock" >"$N/info" 2>"$N/said" || cat "$N/said"
}

# TEXT... must be in the answer.
tells() {
	local text
	cat "$N/info" "$N/said"
	for text; do
		grep -qE -- "$text" "$N/info" || return
	done
}

says_only() { # REGEX: standard error is one line like this; with '' it is empty
	cat "$N/said"
	[[ ! $1 && ! -s $N/said ]] || [[ $1 && $(<"$N/said") =~ ^nbd-attach:\ warning:\ $1$ ]]
}

secured
for priority in @SYSTEM @SYSTEM,NORMAL BOGUS; do
	check "--tls-priority $priority, which is not known" expect_status 2 \
		'GnuTLS does not understand --tls-priority' \
		nbd_attach --info "${tls[@]}" --tls-priority "$priority" -u "$sock"
done
asks --info "${tls[@]}"
check "the session and both certificates are told" tells '^tls +TLS1\.[23], [A-Z0-9-]+$' \
	'^certificate +CN=Test Server, until 20[0-9: -]+$' '^our certificate +until 20[0-9: -]+$'
check "--tls-hostname may be an IPv6 address" nbd_attach --info --tls --tls-certificates "$d" \
	--tls-hostname ::1 -u "$sock"
check "... and another one is refused" expect_status 5 'certificate' \
	nbd_attach --info --tls --tls-certificates "$d" --tls-hostname ::2 -u "$sock"
check "a dot at the end, of an absolute name, is not looked for in the certificate" nbd_attach --info \
	--tls --tls-certificates "$d" --tls-hostname localhost. -u "$sock"
check "there is nothing to warn of" says_only ''
asks --info --json "${tls[@]}"
check "JSON tells the same" tells '"tls-version": "TLS1' '"tls-cipher": "[A-Z]' \
	'"tls-peer": "CN=Test Server"' '"tls-peer-expires-unix-seconds": [0-9]{10}' \
	'"tls-own-expires-unix-seconds": [0-9]{10}'
asks --info --tls --tls-verify-peer 0 --tls-cert "$d/client-cert.pem" --tls-key "$d/client-key.pem"
check "a server that is not verified: a warning" says_only '.*is not verified.*'
check "... and in the answer" tells '^tls .*, but the server is not verified$'

crash
cert "$d" server "${names[@]}" 'expiration_days = 5'
secured
soon="the server's certificate expires in [45] days: renew it"
asks --info "${tls[@]}"
check "a certificate that ends soon: a warning" says_only "$soon"
check "... and in the answer" tells '^certificate .*, EXPIRES SOON$'
asks --list "${tls[@]}"
check "--list warns, too" says_only "$soon"

crash
cert "$d" client 'expiration_days = 5'
cert "$d" server "${names[@]}" "$valid"
secured
asks --info "${tls[@]}"
check "our certificate: a warning" says_only 'our certificate expires in [45] days: renew it'
check "... and in the answer" tells '^our certificate .*, EXPIRES SOON$'
finish
