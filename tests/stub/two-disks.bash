# shellcheck shell=bash disable=SC2154 # $image and $N are of lib.bash
# SPDX-License-Identifier: MIT
# For scenarios with --same-content=ids: $image and $N/other are disks with different identifiers, $a
# and $b. Source it after lib.bash.

a=aaaaaaaa-0000-4000-8000-000000000001
b=bbbbbbbb-0000-4000-8000-000000000002

# Writes a btrfs superblock. Its place comes after the blocks of `load -b 16`.
mark() { # IMAGE UUID
	python3 - "$1" "$2" <<-'EOP'
		import struct, sys, uuid
		with open(sys.argv[1], "r+b") as f:
		    f.seek(65536 + 32)
		    f.write(uuid.UUID(sys.argv[2]).bytes)
		    f.write(struct.pack("<Q", 65536))
		    f.seek(65536 + 64)
		    f.write(b"_BHRfS_M")
	EOP
}

mark "$image" "$a"
cp "$image" "$N/other"
mark "$N/other" "$b"
