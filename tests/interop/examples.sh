#!/bin/bash
# SPDX-License-Identifier: MIT
# Runs the manual's EXAMPLES, each block as it stands there. `server` is this machine; what a
# block leaves attached is detached before the next.
. "$(dirname "$0")/../lib.sh"
in_guest 120
begin

PATH=$(dirname "${nbd_attach[0]}"):$PATH
page=$top/nbd-attach.8
examples() {
	sed -n '/^\.Sh EXAMPLES/,/^\.Sh SEE/p' "$page"
}

# Block N: the lines between the N-th .Bd and its .Ed, roff's \e being a backslash.
block() {
	examples | awk -v n="$1" '/^\.Bd/ { i++; inside = 1; next } /^\.Ed/ { inside = 0 }
		inside && i == n' | sed 's/\\e/\\/g'
}

echo '127.0.0.1 server' >>/etc/hosts
cd "$scratch" || exit 1
qemu-img create -q -f qcow2 disk.qcow2 64M
truncate -s 16M disk.img
mkfs.ext4 -q disk.img
xz disk.img
start_server 10809 nbdkit -f memory 64M

count=$(examples | grep -c '^\.Bd')
for ((n = 1; n <= count; n++)); do
	block "$n" >example
	check "example $n: $(head -n 1 example)" timeout 60 bash -eu example
	for device in nbd0 nbd1; do
		if attached "$device"; then
			check "example $n: $device is detached again" nbd_attach -q --detach "$device"
		fi
	done
done
finish
