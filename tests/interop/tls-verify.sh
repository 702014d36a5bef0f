#!/bin/bash
# SPDX-License-Identifier: MIT
# Which certificates and revocation lists are accepted. There is no device and no guest: --info
# verifies the server with the same code as every connection of a device.
# shellcheck source=tests/lib.sh disable=SC2016,SC2317 # check() calls functions, and eval
. "$(dirname "$0")/../lib.sh"
begin 2
# shellcheck source=tests/interop/tls-certs.bash
. "$(dirname "$0")/tls-certs.bash"
umask 022

d=$scratch/pki
ca "$d"
ca "$scratch/other" "Another Authority"
trust=(--tls --tls-ca "$d/ca-cert.pem")
any_name=("${names[@]}" "$valid" signing_key encryption_key)

# The server's certificate: by default from the authority in $d, with an elliptic-curve key.
issue() { # LINE...; the variables by, key and hash change what is made
	rm -rf "$scratch/server"
	mkdir "$scratch/server"
	cp "$d/ca-cert.pem" "$scratch/server"
	(umask 077 && certtool_quietly --generate-privkey "${key[@]}" \
		--outfile "$scratch/server/server-key.pem")
	printf '%s\n' "$@" >"$scratch/server/template"
	certtool_quietly --generate-certificate "${hash[@]}" \
		--load-privkey "$scratch/server/server-key.pem" --load-ca-certificate "$by/ca-cert.pem" \
		--load-ca-privkey "$by/ca-key.pem" --template "$scratch/server/template" \
		--outfile "$scratch/server/server-cert.pem"
}

usual() {
	by=$d key=(--key-type=ecdsa) hash=()
}

port=10790
serve() { # LINE...: a server with such a certificate
	issue "$@"
	usual
	serve_again
}

serve_again() {
	[[ -z $pid ]] || stop "$pid"
	((port++))
	start_server "$port" nbdkit -f -i 127.0.0.1 -p "$port" --tls=require \
		--tls-certificates="$scratch/server" memory 1M
}

info() { # ARGUMENT...
	nbd_attach --info "127.0.0.1:$port" "$@"
}
by_name=(--tls-hostname localhost)
believed() { # NAME ARGUMENT...
	check "believed: $1" expect_status 0 '' info "${@:2}"
}
refused() { # STATUS NAME REGEX ARGUMENT...
	check "$1: $2" expect_status "$1" "$3" info "${@:4}"
}

usual
#
# The certificate's purpose and its owner
#
serve 'cn = "S"' tls_www_server "${any_name[@]}"
believed "a certificate for servers" "${trust[@]}" "${by_name[@]}"
believed "... by its address" "${trust[@]}"
refused 5 "another address" 'for another name than 127.0.0.2' "${trust[@]}" --tls-hostname 127.0.0.2
refused 5 "another authority" 'not signed by a trusted authority' --tls \
	--tls-ca "$scratch/other/ca-cert.pem"
for ((i = 0; i < 60; i++)); do
	cat "$scratch/other/ca-cert.pem"
done >"$scratch/bundle.pem"
refused 5 "a large bundle without the authority" 'not signed by a trusted authority' --tls \
	--tls-ca "$scratch/bundle.pem"
cat "$d/ca-cert.pem" >>"$scratch/bundle.pem"
check "the bundle has more than 32 KiB" eval '(($(stat -c %s "$scratch/bundle.pem") > 32768))'
believed "the last authority of a large bundle" --tls --tls-ca "$scratch/bundle.pem"
serve 'cn = "S"' "${any_name[@]}"
believed "a certificate without a purpose" "${trust[@]}"
serve 'cn = "S"' tls_www_server tls_www_client "${any_name[@]}"
believed "a certificate for servers and clients" "${trust[@]}"
serve 'cn = "S"' 'dns_name = "*.example.com"' "$valid"
believed "a name with an asterisk" "${trust[@]}" --tls-hostname nbd.example.com
refused 5 "... which stands for one label" 'another name' "${trust[@]}" \
	--tls-hostname a.nbd.example.com
serve 'cn = "S"' tls_www_client "${any_name[@]}"
refused 5 "a certificate for clients" 'another purpose' "${trust[@]}"
believed "... unless nothing is verified" --tls --tls-verify-peer 0
serve 'cn = "S"' code_signing_key "${any_name[@]}"
refused 5 "a certificate for signing code" 'another purpose' "${trust[@]}"
serve 'cn = "localhost"' tls_www_server "$valid"
refused 5 "a name that is only a common name" 'only as its common name.*subjectAltName' \
	"${trust[@]}" "${by_name[@]}"
serve 'cn = "127.0.0.1"' 'dns_name = "127.0.0.1"' "$valid"
refused 5 "an address in the place of a name" 'another name than 127.0.0.1' "${trust[@]}"

#
# The certificate's strength
#
key=(--key-type=rsa --bits=1024)
serve 'cn = "S"' "${any_name[@]}"
refused 5 "RSA with 1024 bits" 'too weak.*2048' "${trust[@]}"
refused 5 "RSA with 1024 bits, whatever the priority" 'too weak' "${trust[@]}" \
	--tls-priority NORMAL:%PROFILE_VERY_WEAK
hash=(--hash SHA1)
serve 'cn = "S"' "${any_name[@]}"
refused 5 "signed with SHA-1" 'too weak' "${trust[@]}"
key=(--key-type=rsa --bits=2048)
serve 'cn = "S"' "${any_name[@]}"
believed "RSA with 2048 bits" "${trust[@]}"
refused 5 "RSA with 2048 bits, where the priority asks for more" 'too weak' "${trust[@]}" \
	--tls-priority NORMAL:%PROFILE_HIGH
mkdir "$scratch/weak"
certtool_quietly --generate-privkey --key-type=rsa --bits=1024 --outfile "$scratch/weak/ca-key.pem"
certtool_quietly --generate-self-signed --load-privkey "$scratch/weak/ca-key.pem" \
	--template "$d/ca.template" --outfile "$scratch/weak/ca-cert.pem"
by=$scratch/weak
serve 'cn = "S"' "${any_name[@]}"
refused 5 "an authority with RSA of 1024 bits" 'too weak' --tls --tls-ca "$scratch/weak/ca-cert.pem"
self_signed "$scratch/server"
serve_again
believed "a self-signed certificate that is trusted itself" --tls \
	--tls-ca "$scratch/server/server-cert.pem"

#
# Lists of revoked certificates
#
revoke() { # AUTHORITY LIST CERTIFICATES LINE...
	printf '%s\n' 'crl_number = 1' "${@:4}" >"$scratch/crl.template"
	certtool_quietly --generate-crl --load-ca-privkey "$1/ca-key.pem" \
		--load-ca-certificate "$1/ca-cert.pem" --load-certificate "$3" \
		--template "$scratch/crl.template" --outfile "$2"
}
current='crl_next_update = 30'
cp "$scratch/server/server-cert.pem" "$scratch/stranger.pem"
serve 'cn = "S"' "${any_name[@]}"
server=$scratch/server/server-cert.pem
crl=$scratch/crl.pem
with_list=("${trust[@]}" --tls-crl "$crl")
revoke "$d" "$crl" "$scratch/stranger.pem" "$current"
believed "a certificate that is not in the list" "${with_list[@]}"
for ((i = 0; i < 500; i++)); do
	cat "$scratch/stranger.pem"
done >"$scratch/many.pem"
revoke "$d" "$crl" "$scratch/many.pem" "$current"
check "the list has more than 16 KiB" eval '(($(stat -c %s "$crl") > 16384))'
believed "a certificate that is not in a large list" "${with_list[@]}"
cat "$server" >>"$scratch/many.pem"
revoke "$d" "$crl" "$scratch/many.pem" "$current"
refused 5 "the last of a large list" 'has been revoked' "${with_list[@]}"
size=$(stat -c %s "$crl")
head -c $((size / 2)) "$crl" >"$scratch/half.pem"
refused 2 "half a list" 'half.pem contains no list.*fetch it again' "${trust[@]}" \
	--tls-crl "$scratch/half.pem"
revoke "$d" "$crl" "$scratch/stranger.pem" "$current"
cat "$crl" "$scratch/half.pem" >"$scratch/both.pem"
refused 2 "a list, and half of another" 'both.pem contains no list' "${trust[@]}" \
	--tls-crl "$scratch/both.pem"
: >"$scratch/empty.pem"
refused 2 "an empty list" 'empty.pem.*is empty' "${trust[@]}" --tls-crl "$scratch/empty.pem"
refused 2 "a certificate in place of a list" 'contains no list' "${trust[@]}" --tls-crl "$server"
revoke "$d" "$crl" "$scratch/stranger.pem" 'crl_this_update_date = "2020-01-01 00:00:00"' \
	'crl_next_update_date = "2021-01-01 00:00:00"'
refused 2 "a list that is too old" 'crl.pem.*Test Authority.*too old.*2021-01-01.*fetch' \
	"${with_list[@]}"
revoke "$d" "$crl" "$scratch/stranger.pem" 'crl_this_update_date = "2090-01-01 00:00:00"' \
	'crl_next_update_date = "2091-01-01 00:00:00"'
refused 4 "a list from the future" 'from the future.*clock' "${with_list[@]}"
revoke "$scratch/other" "$crl" "$scratch/stranger.pem" "$current"
refused 5 "another authority's list" 'no list.*signed by CN=Test Authority' "${with_list[@]}"
ca "$scratch/impostor" # has the authority's name, but not its key
revoke "$scratch/impostor" "$crl" "$scratch/stranger.pem" "$current"
refused 5 "a list with the authority's name and another signature" 'no list' "${with_list[@]}"
revoke "$d" "$scratch/more.pem" "$scratch/stranger.pem" "$current"
cat "$scratch/more.pem" >>"$crl"
believed "... beside the right one" "${with_list[@]}"

# An intermediate authority, which the server sends.
mkdir "$scratch/between"
certtool_quietly --generate-privkey --key-type=ecdsa --outfile "$scratch/between/ca-key.pem"
printf '%s\n' 'cn = "Between"' ca cert_signing_key crl_signing_key "$valid" >"$scratch/between/template"
certtool_quietly --generate-certificate --load-privkey "$scratch/between/ca-key.pem" \
	--load-ca-certificate "$d/ca-cert.pem" --load-ca-privkey "$d/ca-key.pem" \
	--template "$scratch/between/template" --outfile "$scratch/between/ca-cert.pem"
by=$scratch/between
issue 'cn = "S"' "${any_name[@]}"
usual
cat "$scratch/between/ca-cert.pem" >>"$server"
serve_again
believed "an authority between" "${trust[@]}"
refused 5 "an authority between, without a list of its own" 'no list.*signed by CN=Between' \
	"${trust[@]}" --tls-crl "$scratch/more.pem"
revoke "$scratch/between" "$scratch/between.pem" "$scratch/stranger.pem" "$current"
refused 5 "an authority between, of which no list tells" 'no list.*signed by CN=Test Authority' \
	"${trust[@]}" --tls-crl "$scratch/between.pem"
cat "$scratch/between.pem" "$scratch/more.pem" >"$crl"
believed "an authority between, with a list from each" "${with_list[@]}"
revoke "$d" "$scratch/more.pem" "$scratch/between/ca-cert.pem" "$current"
cat "$scratch/between.pem" "$scratch/more.pem" >"$crl"
refused 5 "an intermediate authority that was revoked" 'has been revoked: CN=Between' "${with_list[@]}"
revoke "$d" "$scratch/more.pem" "$scratch/stranger.pem" "$current"
revoke "$scratch/between" "$scratch/between.pem" "$server" "$current"
cat "$scratch/between.pem" "$scratch/more.pem" >"$crl"
refused 5 "a server that the authority between has revoked" 'has been revoked: CN=S' \
	"${with_list[@]}"
stop "$pid"

# Shared keys: one of 128 bits is accepted. A shorter one is refused, even if the server accepts it.
shared() { # HEXADECIMAL: the server has it
	(umask 077 && echo "me:$1" >"$scratch/psk")
	((port++))
	start_server "$port" nbdkit -f -i 127.0.0.1 -p "$port" --tls=require \
		--tls-psk="$scratch/psk" memory 1M
}
shared 0123456789abcdef0123456789abcdef
believed "a shared key of 16 bytes" --tls --tls-psk "$scratch/psk"
stop "$pid"
shared 0123456789abcdef0123456789abcd
refused 2 "a shared key of 15 bytes" 'shorter than 16 bytes' --tls --tls-psk "$scratch/psk"
stop "$pid"

finish
