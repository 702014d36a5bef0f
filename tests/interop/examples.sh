#!/bin/bash
# SPDX-License-Identifier: MIT
# Runs the manual's EXAMPLES, each block as it stands there. In a guest: tests/vm/run tests/interop/examples.sh
# `server` is this machine; what a block leaves attached is detached before the next.
set -u
cd "$(dirname "$0")/../.." || exit 1
top=$PWD
PATH=${NBD_ATTACH_DIR:-$top/build}:$PATH
page=$top/nbd-attach.8
passed=0
failed=0

echo '127.0.0.1 server' >>/etc/hosts
cd "$(mktemp -d)" || exit 1
qemu-img create -q -f qcow2 disk.qcow2 64M
nbdkit -f -P nbdkit.pid memory 64M &
for _ in {1..200}; do
    [ -s nbdkit.pid ] && break
    sleep 0.05
done

# Block N of EXAMPLES: the lines between the N-th .Bd and its .Ed, roff's \e being a backslash.
block() {
    sed -n '/^\.Sh EXAMPLES/,/^\.Sh SEE/p' "$page" | awk -v n="$1" '
        /^\.Bd/ { i++; next } /^\.Ed/ { next } /^\./ { inside = 0 } i == n' |
        awk '/^\.Pp|^\.Sh/ { exit } { print }' | sed 's/\\e/\\/g'
}

count=$(sed -n '/^\.Sh EXAMPLES/,/^\.Sh SEE/p' "$page" | grep -c '^\.Bd')
for ((n = 1; n <= count; n++)); do
    block "$n" | sed '/^[A-Z][^=]*[:.]$/d' >example
    if timeout 60 bash -eu example >out 2>&1; then
        echo "ok - example $n: $(head -n 1 example)"
        passed=$((passed + 1))
    else
        echo "not ok - example $n"
        sed 's/^/    /' example out
        failed=$((failed + 1))
    fi
    for i in 0 1; do
        nbd-attach --check nbd$i && nbd-attach --quiet --detach nbd$i
    done
done
echo "examples: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
