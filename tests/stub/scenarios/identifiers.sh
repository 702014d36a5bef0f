#!/bin/bash
# SPDX-License-Identifier: MIT
# The identifiers that --same-content=ids finds over the network are those that blkid finds in the
# image, for each format that a tool of this machine can make.
# shellcheck source=tests/stub/lib.bash disable=SC2119,SC2120,SC2317
. "$(dirname "$0")/../lib.bash"

tags() { blkid -p -o value -s "$2" "$1"; }

# TOOL NAME TAG COMMAND...: makes the image with the command
found() {
	local what
	command -v "$1" >/dev/null || {
		skip "$2" "there is no $1"
		return
	}
	rm -f "$N/image"
	truncate -s 400M "$N/image"
	"${@:4}" "$N/image" >"$N/made" 2>&1 || {
		not_ok "$2: the image is made" <"$N/made"
		return
	}
	what=$(tags "$N/image" "$3")
	serve "${server_words[@]}" file "$N/image"
	check "$2 attaches" attach -r --same-content=ids
	check "$2 has the identifier of blkid, $what" state_has CONTENT "(^| )$2:${what//-/-?}( |\$)"
	check "$2 detaches" detach
	crash
}

labelled() { printf 'label: %s\nsize=1M\n' "$1" | sfdisk -q "$2"; }

server_words=(nbdkit -f -U "$sock")
found mkfs.ext4 ext UUID mkfs.ext4 -q -F
found mkfs.xfs xfs UUID mkfs.xfs -q
found mkfs.btrfs btrfs UUID mkfs.btrfs -q
found mkfs.f2fs f2fs UUID mkfs.f2fs -q
found mkswap swap UUID mkswap
found sfdisk gpt PTUUID labelled gpt
found sfdisk mbr PTUUID labelled dos
# A server that wants whole blocks of 4 KiB, and one that answers only small requests.
server_words=(nbdkit -f -U "$sock" --filter=blocksize-policy)
image_server() { serve "${server_words[@]}" file "$N/image" "$@"; }
rm -f "$N/image"
truncate -s 64M "$N/image"
mkfs.ext4 -q -F "$N/image"
uuid=$(tags "$N/image" UUID)
for policy in "blocksize-minimum=4096 blocksize-preferred=4096" "blocksize-maximum=4096"; do
	# shellcheck disable=SC2086 # words
	image_server $policy blocksize-error-policy=error
	check "$policy: it attaches" attach -r --same-content=ids
	check "$policy: it has the identifier" state_has CONTENT "ext:$uuid"
	check "$policy: it detaches" detach
	crash
done
finish
