#!/bin/bash
# SPDX-License-Identifier: MIT
# A smaller export is accepted for one outage, or always with --accept at the attachment.
# Slow: it is started first.
# shellcheck source=tests/stub/lib.bash
. "$(dirname "$0")/../lib.bash"
# shellcheck source=tests/stub/accept.bash
. "$(dirname "$0")/../accept.bash"

truncate -s 512K "$N/half"
truncate -s 256K "$N/quarter"
change smaller read-only "file $image" "file $N/half" "file $N/quarter"

kit file "$image"
check "always: attaches" attach --accept smaller
for size in half quarter; do
	crash
	kit file "$N/$size"
	check "always: heals with a $size" within 5 state_is attached
	# Otherwise the next outage would begin before the device has the size.
	check "always: takes its size" within 8 told_is size "$(stat -c %s "$N/$size")"
done
check "always: detaches" detach
finish
