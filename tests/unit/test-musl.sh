#!/bin/bash
# SPDX-License-Identifier: MIT
# Where the C library is musl: a worker gets memory under its system call filter, but none that could
# hold code. Debian has no libraries for musl, so that the program itself cannot run.
# shellcheck source=tests/lib.sh disable=SC2317 # check() calls functions
. "$(dirname "$0")/../lib.sh"
begin 5
cd "$top" || exit 1
if ! command -v musl-gcc >/dev/null; then
	for what in "it builds" "a relay" "a handshake" "a bundle of certificates" "code"; do
		skip "musl: $what" "musl-gcc is not installed (musl-tools)"
	done
	finish
fi

# The kernel's headers are those of this machine; what is generated does not depend on the C library.
mkdir "$scratch/include"
for d in linux asm-generic; do
	ln -s "/usr/include/$d" "$scratch/include/$d"
done
ln -s "/usr/include/$(gcc -print-multiarch)/asm" "$scratch/include/asm"
built all
builds() {
	musl-gcc -static -std=gnu17 -Wall -Wextra -Werror -O2 -D_GNU_SOURCE -Isrc -Ibuild/generated \
		-isystem "$scratch/include" -o "$scratch/musl-heap" tests/unit/musl-heap.c src/worker/seccomp-filter.c
}

is_killed() { # by SIGSYS
	"$scratch/musl-heap" "$1"
	(($? == 128 + 31))
}

check "musl: it builds" builds
check "musl: a relay gets its buffers" "$scratch/musl-heap" relay
check "musl: a handshake gets its memory" "$scratch/musl-heap" pieces
check "musl: a bundle of certificates fits" "$scratch/musl-heap" bundle
check "musl: memory for code is out of reach" is_killed code
finish
