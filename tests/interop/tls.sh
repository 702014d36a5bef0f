#!/bin/bash
# SPDX-License-Identifier: MIT
# TLS with every server: what is allowed works through the kernel's TLS, or through a relay on a
# kernel that has none; the rest is refused.
# shellcheck source=tests/lib.sh disable=SC2016,SC2317 # check() calls functions, and eval
. "$(dirname "$0")/../lib.sh"
in_guest 700
begin 200
# shellcheck source=tests/interop/tls-certs.bash
. "$(dirname "$0")/tls-certs.bash"

d=$scratch/pki
pki "$d"
pki "$scratch/other"
# To generate its prime takes qemu-nbd from a second to a minute.
certtool_quietly --get-dh-params --sec-param=medium --outfile "$d/dh-params.pem"
mkdir "$scratch/nothing"
(
	umask 077
	echo "me:0123456789abcdef0123456789abcdef" >"$scratch/keys.psk"
	echo "me:1123456789abcdef0123456789abcdef" >"$scratch/wrong.psk"
	echo "you:0123456789abcdef0123456789abcdef" >"$scratch/stranger.psk"
	cat "$scratch/keys.psk" "$scratch/stranger.psk" >"$scratch/both.psk"
)
psk=$scratch/keys.psk
trust=(--tls --tls-ca "$d/ca-cert.pem")
mutual=(--tls --tls-certificates "$d")
shared=(--tls --tls-psk "$psk")

serves() { # NAME ATTACH-ARGUMENT...
	check "$1: attaches" nbd_attach nbd0 "${@:2}" || return
	check "$1: it is encrypted" encrypted
	check "$1: writes and verifies" writes_and_verifies /dev/nbd0
	check "$1: detaches" nbd_attach --detach nbd0
	check "$1: nbd0 is free" detached nbd0
}

refused() { # NAME REGEX ATTACH-ARGUMENT...
	check "5: $1" expect_status 5 "$2" nbd_attach "${quiet[@]}" nbd0 "${@:3}"
	check "5: $1: nothing is attached" detached nbd0
}

port=10850

#
# nbdkit
#
nbdkit_tls --tls-certificates="$d"
serves "nbdkit, x509" localhost:$port "${trust[@]}"
serves "nbdkit, x509, by address" "127.0.0.1:$port" "${trust[@]}"
serves "nbdkit, x509, by URI" "nbds://localhost:$port/?tls-type=x509&tls-certificates=$d"
serves "nbdkit, x509, unverified when asked for" localhost:$port --tls --tls-verify-peer 0
serves "nbdkit, x509, four connections" localhost:$port "${trust[@]}" -C 4
for version in 1.2 1.3; do
	for cipher in AES-128-GCM AES-256-GCM CHACHA20-POLY1305 AES-128-CCM; do
		serves "nbdkit, x509, TLS $version, $cipher" localhost:$port "${trust[@]}" \
			--tls-priority "$(suite $version $cipher)"
	done
done
check "nbdkit: --info" expect_status 0 '' nbd_attach --info localhost:$port "${trust[@]}"
check "nbdkit: --list" expect_status 0 '' nbd_attach --list localhost:$port "${trust[@]}"
refused "wrong authority" 'not signed by a trusted authority' localhost:$port \
	--tls --tls-ca "$scratch/other/ca-cert.pem"
refused "wrong name" 'for another name than other.example' localhost:$port "${trust[@]}" \
	--tls-hostname other.example
refused "a key in place of certificates" 'shared key' localhost:$port "${shared[@]}"
refused "an old version" 'at least TLS 1.2' localhost:$port "${trust[@]}" \
	--tls-priority NORMAL:-VERS-ALL:+VERS-TLS1.1
check "5: --info refuses, too" expect_status 5 'other.example' nbd_attach --info \
	localhost:$port "${trust[@]}" --tls-hostname other.example
check "5: --list refuses, too" expect_status 5 'authority' nbd_attach --list \
	localhost:$port --tls --tls-ca "$scratch/other/ca-cert.pem"
check "2: an invalid priority" expect_status 2 'tls-priority' nbd_attach "${quiet[@]}" nbd0 \
	localhost:$port "${trust[@]}" --tls-priority NONSENSE
check "2: no such file" expect_status 2 "$scratch/none" \
	nbd_attach "${quiet[@]}" nbd0 localhost:$port \
	--tls --tls-ca "$scratch/none"
check "2: no authority in the directory" expect_status 2 'ca-cert.pem' nbd_attach "${quiet[@]}" nbd0 \
	localhost:$port --tls --tls-certificates "$scratch/nothing"
check "2: no certificate in the file" expect_status 2 'no certificate' nbd_attach "${quiet[@]}" nbd0 \
	localhost:$port --tls --tls-ca "$d/ca.template"
check "2: certificate and key do not match" expect_status 2 'certificate and its key' \
	nbd_attach "${quiet[@]}" nbd0 localhost:$port "${trust[@]}" --tls-cert "$d/client-cert.pem" \
	--tls-key "$scratch/other/client-key.pem"
chmod 644 "$d/client-key.pem"
check "2: a key that others can read" expect_status 2 'can be read by other users' \
	nbd_attach "${quiet[@]}" nbd0 localhost:$port "${mutual[@]}"
chmod 600 "$d/client-key.pem"
chown 1000 "$d/client-key.pem"
check "2: a key that belongs to another user" expect_status 2 'uid 1000' \
	nbd_attach "${quiet[@]}" nbd0 localhost:$port "${mutual[@]}"
chown 0 "$d/client-key.pem"
stop "$pid"

# A device over a Unix socket needs a relay: see relay.sh.
start_server "$scratch/tls.sock" nbdkit -f -U "$scratch/tls.sock" --tls=require \
	--tls-certificates="$d" memory 16M
check "Unix socket: --info" expect_status 0 '' nbd_attach --info -u "$scratch/tls.sock" \
	"${trust[@]}" --tls-hostname localhost
check "Unix socket: --list by URI" expect_status 0 '' nbd_attach --list \
	"nbds+unix:///?socket=$scratch/tls.sock&tls-hostname=localhost&tls-type=x509&tls-certificates=$d"
stop "$pid"

nbdkit_tls --tls-certificates="$d" --tls-verify-peer
serves "nbdkit, client certificates" localhost:$port "${mutual[@]}"
refused "no client certificate" 'client certificate' localhost:$port "${trust[@]}"
refused "no client certificate, TLS 1.2" 'client certificate' localhost:$port "${trust[@]}" \
	--tls-priority "$(suite 1.2 AES-256-GCM)"
refused "a client certificate of somebody else's" 'certificate' localhost:$port "${trust[@]}" \
	--tls-cert "$scratch/other/client-cert.pem" --tls-key "$scratch/other/client-key.pem"
stop "$pid"

nbdkit_tls --tls-psk="$psk"
serves "nbdkit, PSK" localhost:$port "${shared[@]}"
serves "nbdkit, PSK, by URI" "nbds://me@localhost:$port/?tls-psk-file=$scratch/both.psk"
for cipher in AES-128-GCM AES-256-GCM CHACHA20-POLY1305; do
	serves "nbdkit, PSK, TLS 1.2, $cipher" localhost:$port "${shared[@]}" \
		--tls-priority "$(suite 1.2 $cipher)"
done
refused "wrong key" 'another key' localhost:$port --tls --tls-psk "$scratch/wrong.psk"
refused "unknown user" 'know this user' localhost:$port --tls --tls-psk "$scratch/stranger.psk"
check "2: the key's user name is missing" \
	expect_status 2 'tls-username' nbd_attach "${quiet[@]}" nbd0 localhost:$port --tls \
	--tls-psk "$scratch/both.psk"
check "2: the file has no key of that user" \
	expect_status 2 'nobody' nbd_attach "${quiet[@]}" nbd0 localhost:$port --tls \
	--tls-psk "$psk" --tls-username nobody
chmod 604 "$psk"
check "2: shared keys that others can read" expect_status 2 'can be read by other users' \
	nbd_attach "${quiet[@]}" nbd0 localhost:$port "${shared[@]}"
chmod 600 "$psk"
stop "$pid"

#
# Bad certificates
#
bad_server() { # NAME, REGEX, LINE...: of the certificate
	mkdir "$scratch/bad"
	cp "$d"/ca-* "$scratch/bad/"
	cert "$scratch/bad" server "${@:3}"
	nbdkit_tls --tls-certificates="$scratch/bad"
	refused "$1" "$2" localhost:$port "${trust[@]}" ${crl:+--tls-crl "$crl"}
	stop "$pid"
}
bad_server "expired" 'has expired' "${names[@]}" 'activation_date = "2020-01-01"' \
	'expiration_date = "2021-01-01"'
rm -r "$scratch/bad"
bad_server "not valid yet" 'not valid yet' "${names[@]}" 'activation_date = "2090-01-01"' \
	'expiration_date = "2091-01-01"'
rm -r "$scratch/bad"
mkdir "$scratch/soon"
cp "$d"/ca-* "$scratch/soon/"
cert "$scratch/soon" server "${names[@]}" 'expiration_days = 5'
nbdkit_tls --tls-certificates="$scratch/soon"
# Whether that is less than five days depends on certtool's rounding.
check "a certificate that expires soon: a warning" eval '
	nbd_attach nbd0 localhost:$port "${trust[@]}" 2>"$scratch/stderr"; cat "$scratch/stderr"
	grep -qE "the server.s certificate expires in [45] days" "$scratch/stderr"'
check "... and in the status" eval '
	nbd_attach --status nbd0 >"$scratch/status"; cat "$scratch/status"
	grep -q "EXPIRES SOON" "$scratch/status"'
check "... and the device was attached" nbd_attach --detach nbd0
stop "$pid"
bad_server "a certificate without the name" 'another name than localhost' "$valid"
rm -r "$scratch/bad"
# The connections of a device and of a relay are verified like those of --info (see tls-verify.sh).
purpose=tls_www_client
bad_server "a certificate for clients" 'another purpose' "${names[@]}" "$valid"
purpose=
nbdkit_tls --tls-certificates="$scratch/bad"
refused "a certificate for clients, with a relay" 'another purpose' localhost:$port "${trust[@]}" \
	--relay
check "not verified: attaches with a warning" eval '
	nbd_attach nbd0 localhost:$port --tls --tls-verify-peer 0 2>"$scratch/stderr"
	cat "$scratch/stderr"; grep -q "is not verified" "$scratch/stderr"'
check "... and the status says so" eval '
	status_is nbd0 tls-unverified True && nbd_attach --status nbd0 >"$scratch/status"
	cat "$scratch/status"; grep -q "NOT VERIFIED" "$scratch/status"'
check "... and --info" eval '
	nbd_attach --info localhost:$port --tls --tls-verify-peer 0 >"$scratch/info" 2>"$scratch/stderr"
	cat "$scratch/info" "$scratch/stderr"
	grep -q "^tls .*not verified" "$scratch/info" && grep -q "is not verified" "$scratch/stderr"'
check "... and it detaches" nbd_attach --detach nbd0
stop "$pid"
# Revoked: the list names the certificate that was valid before.
printf 'crl_next_update = 30\ncrl_number = 1\n' >"$scratch/crl.template"
certtool_quietly --generate-crl --load-ca-privkey "$d/ca-key.pem" \
	--load-ca-certificate "$d/ca-cert.pem" --load-certificate "$d/server-cert.pem" \
	--template "$scratch/crl.template" --outfile "$scratch/crl.pem"
nbdkit_tls --tls-certificates="$d"
refused "revoked" 'revoked' localhost:$port "${trust[@]}" --tls-crl "$scratch/crl.pem"
mkdir "$scratch/with-crl"
cp "$d/ca-cert.pem" "$scratch/with-crl"
cp "$scratch/crl.pem" "$scratch/with-crl/ca-crl.pem"
refused "revoked, from the directory" 'revoked' localhost:$port --tls \
	--tls-certificates "$scratch/with-crl"
stop "$pid"
self_signed "$scratch/self"
nbdkit_tls --tls-certificates="$scratch/self"
refused "self-signed" 'self-signed' localhost:$port "${trust[@]}"
stop "$pid"

#
# Servers without TLS, or with optional TLS
#
((port++))
start_server $port nbdkit -f -p $port --tls=off memory 16M
refused "a server without TLS" 'does not offer TLS' localhost:$port "${trust[@]}"
stop "$pid"
((port++))
start_server $port nbdkit -f -o -p $port memory 16M
refused "an oldstyle server" 'cannot do TLS' localhost:$port "${trust[@]}"
stop "$pid"
((port++))
start_server $port nbdkit -f -p $port --tls=on --tls-certificates="$d" memory 16M
serves "nbdkit --tls=on" localhost:$port "${trust[@]}"
check "nbdkit --tls=on, without TLS" nbd_attach nbd0 localhost:$port
check "nbdkit --tls=on, detaches" nbd_attach --detach nbd0
stop "$pid"

#
# qemu-nbd
#
truncate -s 16M "$scratch/image"
qemu_nbd() { # CREDENTIALS...
	((port++))
	start_server $port qemu-nbd -t -f raw -p $port --object "$1" --tls-creds tls0 "${@:2}" \
		"$scratch/image"
}
qemu_nbd "tls-creds-x509,id=tls0,dir=$d,endpoint=server,verify-peer=off"
serves "qemu-nbd, x509" localhost:$port "${trust[@]}"
for version in 1.2 1.3; do
	for cipher in AES-256-GCM CHACHA20-POLY1305; do
		[[ $version-$cipher != 1.2-CHACHA20-POLY1305 ]] || continue # Debian's qemu lacks it
		serves "qemu-nbd, x509, TLS $version, $cipher" localhost:$port "${trust[@]}" \
			--tls-priority "$(suite $version $cipher)"
	done
done
stop "$pid"
qemu_nbd "tls-creds-x509,id=tls0,dir=$d,endpoint=server,verify-peer=on"
serves "qemu-nbd, client certificates" localhost:$port "${mutual[@]}"
refused "qemu-nbd: no client certificate" 'client certificate' localhost:$port "${trust[@]}"
stop "$pid"
mkdir "$scratch/psk-dir"
cp -p "$psk" "$scratch/psk-dir/keys.psk"
cp "$d/dh-params.pem" "$scratch/psk-dir/"
qemu_nbd "tls-creds-psk,id=tls0,dir=$scratch/psk-dir,endpoint=server"
serves "qemu-nbd, PSK" localhost:$port "${shared[@]}"
refused "qemu-nbd: wrong key" 'another key' localhost:$port --tls --tls-psk "$scratch/wrong.psk"
stop "$pid"
# In TLS 1.3 it insists on AES, whose keys it would renew. So this uses TLS 1.2.
aes13=NORMAL:-CIPHER-ALL:+AES-256-GCM
qemu_nbd "tls-creds-x509,id=tls0,dir=$d,endpoint=server,verify-peer=off,priority=$aes13"
serves "qemu-nbd with AES only: TLS 1.2" localhost:$port "${trust[@]}"
stop "$pid"
qemu_nbd "tls-creds-x509,id=tls0,dir=$d,endpoint=server,verify-peer=off,priority=$aes13:-VERS-ALL:+VERS-TLS1.3"
if [[ $kernel_tls = yes ]]; then
	refused "qemu-nbd with AES in TLS 1.3 only" 'may renew' localhost:$port "${trust[@]}"
else
	skip "5: qemu-nbd with AES in TLS 1.3 only" "the kernel has no TLS, and a relay can renew keys"
fi
serves "qemu-nbd with AES in TLS 1.3 only, when asked for" localhost:$port "${trust[@]}" \
	--tls-priority NORMAL
stop "$pid"

#
# nbd-server
#
((port++))
truncate -s 16M "$scratch/export"
cat >"$scratch/nbd-server.conf" <<EOF
[generic]
	port = $port
	cacertfile = $d/ca-cert.pem
	certfile = $d/server-cert.pem
	keyfile = $d/server-key.pem
	force_tls = true
[disk]
	exportname = $scratch/export
	flush = true
EOF
nbd-server -C "$scratch/nbd-server.conf" -p "$scratch/nbd-server.pid"
wait_for 10 test -s "$scratch/nbd-server.pid"
pid=$(cat "$scratch/nbd-server.pid")
started+=("$pid")
wait_for 10 listening $port
wait_for 120 idles "$pid"
serves "nbd-server, client certificate" localhost:$port "${mutual[@]}" disk
refused "nbd-server: no such export" 'nothing' localhost:$port "${mutual[@]}" nothing
stop "$pid"

#
# The module
#
check "the kernel has no TLS" eval 'rmmod tls
	! grep -w tls /proc/sys/net/ipv4/tcp_available_ulp'
nbdkit_tls --tls-certificates="$d"
check "--info works without it" expect_status 0 '' nbd_attach --info localhost:$port "${trust[@]}"
serves "the module is loaded, if there is one" localhost:$port "${trust[@]}"
stop "$pid"

finish
