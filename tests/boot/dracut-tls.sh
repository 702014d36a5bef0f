#!/bin/bash
# SPDX-License-Identifier: MIT
# tls.sh with an initramfs of dracut.
exec "$(dirname "$(readlink -f "$0")")/tls.sh" dracut
