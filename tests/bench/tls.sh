#!/bin/bash
# SPDX-License-Identifier: MIT
# One server, one cipher (TLS 1.3, ChaCha20-Poly1305), and three clients, in turns: the kernel's TLS,
# the relay, and nbd-client's proxy. Measures throughput and latency, and, for each request of 4 KiB
# at depth 1, the machine's context switches (beyond those of an idle one) and the processor time of
# the client's own processes. Only the ratios count, on an otherwise idle machine: an emulated guest
# encrypts so slowly that this hides everything else.
# shellcheck source=tests/lib.sh disable=SC2317 # timed() and must() call functions
. "$(dirname "$0")/../lib.sh"
in_guest 1800 "$@"
begin 1
usual_rounds=6
# shellcheck source=tests/bench/lib.bash
. "$top/tests/bench/lib.bash"
# shellcheck source=tests/interop/tls-certs.bash
. "$top/tests/interop/tls-certs.bash"

requests=${TEST_REQUESTS:-1500}
d=$scratch/pki
pki "$d"
# nbd-client uses the cipher that the server prefers.
printf '[overrides]\n%s\n' 'tls-disabled-cipher = aes-256-gcm' \
	'tls-disabled-cipher = aes-128-gcm' 'tls-disabled-cipher = aes-128-ccm' >"$scratch/gnutls"
GNUTLS_SYSTEM_PRIORITY_FILE=$scratch/gnutls start_server 10890 nbdkit -f -p 10890 \
	--tls=require --tls-certificates="$d" memory 64M || exit 1
write_jobs "$requests" "${TEST_MIB:-32}"

attach_with_tls() { # TOOL
	case $1 in
	kernel-tls) nbd_attach -q nbd0 localhost:10890 --tls --tls-ca "$d/ca-cert.pem" ;;
	tls-relay) nbd_attach -q nbd0 localhost:10890 --tls --tls-ca "$d/ca-cert.pem" --relay ;;
	proxy) nbd-client localhost 10890 /dev/nbd0 -name '' -x -certfile "$d/client-cert.pem" \
		-keyfile "$d/client-key.pem" -cacertfile "$d/ca-cert.pem" \
		-tlshostname localhost ;;
	esac && wait_for 10 sized nbd0
}

between() { # the client's processes: supervisor, spare worker, relay; or the proxy
	mapfile -t members < <(pgrep -x 'nbd-(attach|handshake|relay|client)')
}

cpu() { # sets $cpu: nanoseconds of ${members[@]} in user and kernel mode
	local pid t
	cpu=0
	for pid in "${members[@]}"; do
		read -r t _ <"$pid/schedstat"
		((cpu += t))
	done
}

switches() { # sets $switches
	local key value
	while read -r key value; do
		[[ $key != ctxt ]] || switches=$value
	done </proc/stat
}

# With a fio of its own, because the switches are those of the whole machine.
costs() { # TOOL
	local before idle begin earlier
	between
	switches
	before=$switches
	pause 1
	switches
	idle=$((switches - before)) # a second
	begin=${EPOCHREALTIME/[.,]/}
	before=$switches
	cpu
	earlier=$cpu
	must fio --name=x --filename=/dev/nbd0 --direct=1 --ioengine=libaio --thread=1 \
		--randrepeat=0 --rw=randread --bs=4k --number_ios="$requests"
	switches
	cpu
	emit tls.switches "$1" "/request" "$(awk -v a=$((switches - before)) -v i="$idle" -v n="$requests" \
		-v t=$((${EPOCHREALTIME/[.,]/} - begin)) 'BEGIN {printf "%.3f", (a - i * t / 1e6) / n}')"
	emit tls.processor "$1" us/request "$(awk -v t=$((cpu - earlier)) -v n="$requests" \
		'BEGIN {printf "%.3f", t / 1000 / n}')"
}

# PSS of all processes of a client.
memory() { # TOOL
	between
	emit tls.pss "$1" KiB "$(awk '/^Pss:/ {pss += $2} END {print pss}' \
		"${members[@]/%//smaps_rollup}")"
}

cd /proc || exit 1
tools=(tls-relay proxy)
[[ $kernel_tls = no ]] || tools=(kernel-tls "${tools[@]}")
for ((round = 0; round <= rounds; round++)); do
	in_turn "${tools[@]}"
	for tool in "${turn[@]}"; do
		timed attach_with_tls "$tool"
		emit tls.attach "$tool" ms "$(ms "$took")"
		pause 1
		memory "$tool"
		costs "$tool"
		fio_by tls "$tool" nbd0
		must detach_by "${tool/*tls*/nbd-attach}" nbd0
	done
done
ok "$rounds rounds"
finish
