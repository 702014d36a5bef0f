#!/bin/bash
# SPDX-License-Identifier: MIT
# luks.sh with an initramfs of dracut.
exec "$(dirname "$(readlink -f "$0")")/luks.sh" dracut
