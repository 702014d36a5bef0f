#!/bin/bash
# SPDX-License-Identifier: MIT
# An export that has become read-only, has lost features, or has another name is accepted for one
# outage.
# Slow: it is started first.
# shellcheck source=tests/stub/lib.bash
. "$(dirname "$0")/../lib.bash"
# shellcheck source=tests/stub/accept.bash
. "$(dirname "$0")/../accept.bash"

# Such an export lacks trim and write-zeroes, too.
change read-only,features smaller "file $image" "-r file $image" "-r file $image"
change features read-only "file $image" "--filter=nozero file $image" "--filter=nozero file $image"
named="--filter=exportname file $image default-export"
change name features "$named=one" "$named=two" "$named=two"

finish
