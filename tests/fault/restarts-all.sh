#!/bin/bash
# SPDX-License-Identifier: MIT
# restarts.sh with every combination.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
in_guest 900
exec "$(dirname "$0")/restarts.sh" all
