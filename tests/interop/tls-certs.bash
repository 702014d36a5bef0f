# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# Makes certificates and keys for the tests of TLS when they are needed. Source it after lib.sh.

certtool_quietly() {
	certtool "$@" >>"$scratch/certtool.log" 2>&1 ||
		{ echo "certtool $*" && cat "$scratch/certtool.log"; } >&2
}

ca() { # DIRECTORY [NAME]: an authority
	mkdir -p "$1"
	(umask 077 && certtool_quietly --generate-privkey --key-type=ecdsa --outfile "$1/ca-key.pem")
	printf '%s\n' "cn = \"${2:-Test Authority}\"" ca cert_signing_key crl_signing_key \
		'expiration_days = 30' >"$1/ca.template"
	certtool_quietly --generate-self-signed --load-privkey "$1/ca-key.pem" \
		--template "$1/ca.template" --outfile "$1/ca-cert.pem"
}

# Puts the files where nbdkit, qemu and libnbd look. Each LINE is added to the template, such as
# `expiration_date = "2020-01-01"`. $purpose replaces the purpose of a server's certificate.
cert() { # DIRECTORY, server or client, LINE...
	(umask 077 && certtool_quietly --generate-privkey --key-type=ecdsa --outfile "$1/$2-key.pem")
	{
		if [[ $2 = server ]]; then
			printf 'cn = "Test Server"\n%s\n' "${purpose:-tls_www_server}"
		else
			printf 'cn = "Test Client"\ntls_www_client\n'
		fi
		printf '%s\n' 'signing_key' 'encryption_key' "${@:3}"
	} >"$1/$2.template"
	certtool_quietly --generate-certificate --load-privkey "$1/$2-key.pem" \
		--load-ca-certificate "$1/ca-cert.pem" --load-ca-privkey "$1/ca-key.pem" \
		--template "$1/$2.template" --outfile "$1/$2-cert.pem"
}

names=('dns_name = "localhost"' 'ip_address = "127.0.0.1"' 'ip_address = "::1"')
valid='expiration_days = 20'

pki() { # DIRECTORY: an authority, and a certificate of it for a server and for a client
	ca "$1"
	cert "$1" server "${names[@]}" "$valid"
	cert "$1" client "$valid"
}

self_signed() { # DIRECTORY: a server's certificate; nbdkit wants the authority's, too
	mkdir -p "$1"
	(umask 077 && certtool_quietly --generate-privkey --key-type=ecdsa \
		--outfile "$1/server-key.pem")
	printf '%s\n' 'cn = "Self"' "$valid" tls_www_server "${names[@]}" >"$1/server.template"
	certtool_quietly --generate-self-signed --load-privkey "$1/server-key.pem" \
		--template "$1/server.template" --outfile "$1/server-cert.pem"
	cp "$d/ca-cert.pem" "$1"
}

# Debian's kernel 5.10 has no TLS: a relay encrypts there, and the program says so on a line of its
# own, which --quiet leaves out.
kernel_tls=no quiet=(-q)
if modinfo tls >/dev/null 2>&1; then
	kernel_tls=yes quiet=()
fi

# The kernel's TLS, or a relay where the kernel has none, encrypts one of our connections in both
# directions.
encrypted() {
	local said name count sent=0 received=0
	if [[ $kernel_tls = no ]]; then
		status_is nbd0 relay True
		return
	fi
	said=$(</proc/net/tls_stat)
	echo "$said"
	while read -r name count; do
		case $name in
		TlsCurrTxSw) sent=$count ;;
		TlsCurrRxSw) received=$count ;;
		esac
	done <<<"$said"
	((sent >= 1 && received >= 1))
}

suite() { # VERSION CIPHER: for --tls-priority
	echo "NORMAL:-VERS-ALL:+VERS-TLS$1:-CIPHER-ALL:+$2:-MAC-ALL:+AEAD"
}

nbdkit_tls() { # NBDKIT-ARGUMENT...: starts a server on the next port
	((port++))
	start_server "$port" nbdkit -f -p "$port" --tls=require "$@" memory 16M
}
