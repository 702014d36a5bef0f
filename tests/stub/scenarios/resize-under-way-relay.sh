#!/bin/bash
# SPDX-License-Identifier: MIT
# --resize of a device that always has requests under way, with a relay.
# shellcheck source=tests/stub/lib.bash
. "$(dirname "$0")/../lib.bash"
# shellcheck source=tests/stub/under-way.bash
. "$(dirname "$0")/../under-way.bash"

under_way --relay
