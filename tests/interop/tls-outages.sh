#!/bin/bash
# SPDX-License-Identifier: MIT
# TLS in the kernel: outages, a server that does what the kernel cannot handle, and a search for
# secrets that can be seen.
# shellcheck source=tests/lib.sh disable=SC2016,SC2317 # check() calls functions, and eval
. "$(dirname "$0")/../lib.sh"
in_guest 400
begin 44
# shellcheck source=tests/interop/tls-certs.bash
. "$(dirname "$0")/tls-certs.bash"

d=$scratch/pki
pki "$d"
pki "$scratch/other"
self_signed "$scratch/self"
(
	umask 077
	echo "me:0123456789abcdef0123456789abcdef" >"$scratch/keys.psk"
)
psk=$scratch/keys.psk
mutual=(--tls --tls-certificates "$d")
shared=(--tls --tls-psk "$psk")
truncate -s 16M "$scratch/image"
port=10950

#
# Outages
#
nbdkit_file() {
	start_server $port nbdkit -f -p $port --tls=require --tls-verify-peer --tls-certificates="$1" file \
		"$scratch/image"
	server=$pid
}
load() { # in the background; sets $load
	fio --name=load --filename=/dev/nbd0 --size=1M --rw=randwrite --bs=4k --direct=1 \
		--ioengine=libaio --iodepth=4 --rate_iops=150 --verify=crc32c --verify_fatal=1 --time_based \
		--runtime=12 --output="$scratch/fio" &
	load=$!
	started+=("$load")
}
((port++))
nbdkit_file "$d"
check "outage: attaches" nbd_attach nbd0 localhost:$port "${mutual[@]}"
load
pause 3
kill_now "$server"
pause 1
nbdkit_file "$d"
wait_for 20 status_is nbd0 state attached >"$scratch/log"
check "outage: heals" status_is nbd0 outages 1
check "outage: the new connection is encrypted" encrypted
check "the status: the version" status_is nbd0 tls-version TLS1.3
check "the status: the cipher" status_is nbd0 tls-cipher CHACHA20-POLY1305
by=kernel relay=False
[[ $kernel_tls = yes ]] || by=relay relay=True
check "the status: whether a relay encrypts" status_is nbd0 relay $relay
check "the status: the server" status_is nbd0 tls-peer 'CN=Test Server'
nbd_attach --status nbd0 >"$scratch/status"
shown() { # REGEX
	cat "$scratch/status"
	grep -qE "$1" "$scratch/status"
}
check "the status: all in one line" shown \
	"TLS +TLS1\.3, CHACHA20-POLY1305, by (the|a) $by"
check "the status: the end of validity" shown \
	'certificate +CN=Test Server, until 20[0-9]{2}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}'
check "the status: the end of validity of the client's certificate" shown 'ours +until 20'
kill -KILL "$(supervisor nbd0)"
check "outage: the supervisor has ended" wait_for 5 no_supervisor nbd0
check "outage: no request failed, with and without supervisor" wait "$load"
check "outage: the device is taken over" nbd_attach nbd0 localhost:$port "${mutual[@]}"
# A new authority and new certificates replace the old ones.
kill_now "$server"
cp "$scratch/other"/*.pem "$d/"
nbdkit_file "$d"
check "outage: renewed certificates are used" wait_for 20 status_is nbd0 reconnects 1
check "outage: the device writes and verifies" writes_and_verifies /dev/nbd0
# A revocation list becomes too old while the device is attached: no new connection is accepted, the
# device waits, and a new list ends that.
list_until() { # DATE: of the authority in $d, put into place in one step
	printf '%s\n' 'crl_number = 1' "crl_next_update_date = \"$1\"" >"$scratch/crl.template"
	certtool_quietly --generate-crl --load-ca-privkey "$d/ca-key.pem" \
		--load-ca-certificate "$d/ca-cert.pem" --load-certificate "$scratch/self/server-cert.pem" \
		--template "$scratch/crl.template" --outfile "$d/crl.new"
	mv "$d/crl.new" "$d/ca-crl.pem"
}
list_until "$(date -u -d '1 day' '+%Y-%m-%d %H:%M:%S')"
kill_now "$server"
nbdkit_file "$d"
check "outage: a revocation list is used" wait_for 20 status_is nbd0 reconnects 2
list_until "2021-01-01 00:00:00"
kill_now "$server"
nbdkit_file "$d"
says_too_old() {
	nbd_attach --status nbd0 >"$scratch/status"
	cat "$scratch/status"
	grep -q 'ca-crl.pem.*is too old' "$scratch/status"
}
check "outage: a revocation list that is too old is an error" wait_for 20 says_too_old
check "outage: ... the device stays attached" eval 'attached nbd0 && status_is nbd0 state lost'
list_until "$(date -u -d '1 day' '+%Y-%m-%d %H:%M:%S')"
check "outage: ... heals with a new list" wait_for 20 status_is nbd0 state attached
check "outage: ... I/O goes on" writes_and_verifies /dev/nbd0
rm "$d/ca-crl.pem"
# A server with another certificate is refused.
kill_now "$server"
nbdkit_file "$scratch/self"
check "outage: an impostor is refused" wait_for 20 status_is nbd0 state refused
kill_now "$server"
nbdkit_file "$d"
check "outage: the right server is accepted" wait_for 20 status_is nbd0 state attached
check "outage: detaches" nbd_attach --detach nbd0
stop "$server"

#
# A server that does what the kernel's TLS cannot handle: an outage that heals, but none for a relay
#
${CC:-cc} -shared -fPIC -D_GNU_SOURCE -o "$scratch/preload.so" "$top/tests/interop/tls-preload.c" -ldl
# One thread, because GnuTLS needs that here.
unruly() { # WHAT VERSION CIPHER ATTACH-ARGUMENT...; sets $outages
	local what=$1
	((port++))
	LD_PRELOAD=$scratch/preload.so TLS_DOES=$what TLS_EVERY=400 \
		start_server "$port" nbdkit -f -t 1 -p "$port" --tls=require --tls-certificates="$d" \
		file "$scratch/image"
	server=$pid
	nbd_attach nbd0 localhost:"$port" "${mutual[@]}" --tls-priority "$(suite "$2" "$3")" \
		--dead-timeout 60 "${@:4}" || return
	writes_and_verifies /dev/nbd0 2M || return
	nbd_attach --status --json nbd0 >"$scratch/json"
	outages=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["devices"][0]["outages"])' \
		"$scratch/json")
	echo "$outages outages"
}
calm() { # detaches the device, if it is attached, and ends the server
	! attached nbd0 || nbd_attach -q --detach --force nbd0
	stop "$server"
}
if [[ $kernel_tls = yes ]]; then
	check "new keys during I/O: heals" eval '
		unruly key-update 1.3 CHACHA20-POLY1305 && ((outages > 0))'
	calm
	check "another handshake during I/O: heals" eval '
		unruly handshake 1.2 AES-256-GCM && ((outages > 0))'
	calm
else
	skip "new keys during I/O: heals" "the kernel has no TLS"
	skip "another handshake during I/O: heals" "the kernel has no TLS"
fi
check "TLS ends during I/O: heals" eval 'unruly bye 1.3 CHACHA20-POLY1305 && ((outages > 0))'
calm
check "new keys during I/O, with a relay: goes on" eval '
	unruly key-update 1.3 AES-256-GCM --relay && ((outages == 0))'
calm
check "another handshake during I/O, with a relay: goes on" eval '
	unruly handshake 1.2 AES-256-GCM --relay && ((outages == 0))'
calm

#
# Secrets
#
nbdkit_tls --tls-psk="$psk"
check "secrets: attaches" nbd_attach -vv nbd0 localhost:$port "${shared[@]}" --on-change \
	"env >>$scratch/env"
has_secret() { # FILE...
	grep -aE '0123456789abcdef0123456789abcdef' "$@"
}
# Searches the memory that a core dump would contain for the key, as text and as bytes; with
# `present` for the server's name, to prove that the search works.
in_memory() { # absent or present
	python3 - "$(supervisor nbd0)" "$1" <<-'EOF'
		import re, sys
		pid, wanted = sys.argv[1:]
		text = b"0123456789abcdef0123456789abcdef"
		keys = [text, bytes.fromhex(text.decode())] if wanted == "absent" else [b"localhost"]
		found, memory, areas = 0, open(f"/proc/{pid}/mem", "rb"), []
		for line in open(f"/proc/{pid}/smaps"):
		    if re.match("[0-9a-f]+-[0-9a-f]+ ", line):
		        area = line.split()
		    elif line.startswith("VmFlags:") and " dd" not in line and "r" in area[1]:
		        areas.append(area[0])
		for area in areas:
		    begin, end = (int(x, 16) for x in area.split("-"))
		    try:
		        memory.seek(begin)
		        data = memory.read(end - begin)
		    except (OSError, OverflowError, ValueError):
		        continue  # [vvar] and the like
		    found += sum(data.count(key) for key in keys)
		print(len(areas), "areas,", found, "found")
		sys.exit((found > 0) != (wanted == "present"))
	EOF
}
check "secrets: none in the state file" refuses has_secret /run/nbd-attach/nbd0.state
check "secrets: none in the kernel's identifier" refuses has_secret /sys/block/nbd0/backend
check "secrets: none on the command line" refuses has_secret \
	"/proc/$(supervisor nbd0)/cmdline" "/proc/$(supervisor nbd0)/environ"
check "secrets: none in the environment of --on-change" refuses has_secret "$scratch/env"
check "secrets: the search finds the key in its file" has_secret "$psk"
check "secrets: none in a core dump of the supervisor" in_memory absent
check "secrets: the search finds the server's name" in_memory present
holder=$(supervisor nbd0)
check "secrets: detaches" nbd_attach --detach nbd0
wait_for 5 gone "$holder"
check "secrets, --swap: attaches" nbd_attach nbd0 localhost:$port "${shared[@]}" --swap
check "secrets, --swap: none in a core dump" in_memory absent
check "secrets, --swap: detaches" nbd_attach --detach nbd0
server=$pid
start "${nbd_attach[@]}" -n -vv nbd0 localhost:$port "${shared[@]}"
foreground=$pid
check "secrets, the log: attaches" wait_for 10 status_is nbd0 state attached
cp "$scratch/log" "$scratch/logged"
check "secrets, the log: it exists" grep -q attached "$scratch/logged"
check "secrets, the log: it has none" refuses has_secret "$scratch/logged"
check "secrets, the log: detaches" nbd_attach --detach nbd0
wait_for 5 gone "$foreground"
pid=$server
stop "$pid"

finish
