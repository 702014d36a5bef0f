#!/bin/bash
# SPDX-License-Identifier: MIT
# Runs the EXAMPLES of each page of the manual, each block unchanged. `server` is this machine. Devices that a block
# leaves attached are detached before the next block.
. "$(dirname "$0")/../lib.sh"
in_guest 180
begin 25
# shellcheck source=tests/interop/tls-certs.bash
. "$(dirname "$0")/tls-certs.bash"

PATH=$(dirname "${nbd_attach[0]}"):$PATH
examples() {
	local page
	for page in "$top/nbd-attach.8" "$top"/src/man/*.[1-8]; do
		sed -n '/^\.Sh EXAMPLES/,/^\.Sh SEE/p' "$page"
	done
}

# Block N: the lines between the N-th .Bd and its .Ed, with roff's \e replaced by a backslash.
block() {
	examples | awk -v n="$1" '/^\.Bd/ { i++; inside = 1; next } /^\.Ed/ { inside = 0 }
		inside && i == n' | sed 's/\\e/\\/g'
}

echo '127.0.0.1 server' >>/etc/hosts
cd "$scratch" || exit 1
mkdir images
qemu-img create -q -f qcow2 images/disk.qcow2 64M
truncate -s 16M images/disk.img
mkfs.ext4 -q images/disk.img
xz images/disk.img
truncate -s 64M data.img
mkfs.ext4 -q data.img 32M
mkdir -p /etc/pki
ca /etc/pki/nbd
cert /etc/pki/nbd server 'dns_name = "server"' "$valid"
cert /etc/pki/nbd client "$valid"
# Clients may use TLS; one that does needs a certificate.
start_server 10809 nbdkit -f --tls=on --tls-certificates=/etc/pki/nbd --tls-verify-peer \
	file "$scratch/data.img"

count=$(examples | grep -c '^\.Bd')
for ((n = 1; n <= count; n++)); do
	# Each block has its own images: a server of an earlier block may still use the old ones.
	cp -r "$scratch/images" "$scratch/$n"
	cd "$scratch/$n" || exit 1
	block "$n" >example
	check "example $n: $(head -n 1 example)" timeout 60 bash -eu example
	for device in nbd0 nbd1; do
		if attached "$device"; then
			check "example $n: $device is detached again" nbd_attach -q --detach "$device"
		fi
	done
done
finish
