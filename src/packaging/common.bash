# shellcheck shell=bash disable=SC2034 # the variables are the caller's
# SPDX-License-Identifier: MIT
# What the scripts that make packages share. Packages do not depend on the umask, on the date, or on
# who makes them where: a date in them is that of the source.
umask 022
export LC_ALL=C
maintainer="${DEBFULLNAME:-The nbd-attach authors} <${DEBEMAIL:-nbd-attach@lists.invalid}>"

# git in the tree, which may be another user's.
tree_git() { # ARGUMENT...
	git -c safe.directory="$PWD" "$@"
}

if [[ ! ${SOURCE_DATE_EPOCH:-} ]]; then
	SOURCE_DATE_EPOCH=
	[[ ! -e .git ]] || SOURCE_DATE_EPOCH=$(tree_git log -1 --format=%ct 2>/dev/null) || true
	# `make dist` gives every file of the archive that date.
	: "${SOURCE_DATE_EPOCH:=$(stat -c %Y Makefile)}"
fi
export SOURCE_DATE_EPOCH

# For a file `triggers` of a Debian package.
initramfs_trigger='activate-noawait update-initramfs'

# The size as Debian counts it, which is the same on every file system: each file in whole KiB, and 1
# for all else.
installed_size() { # DIRECTORY
	find "$1" -path "$1/DEBIAN" -prune -o -type f -printf '%s\n' -o -printf '1\n' |
		awk '{ size += int(($1 + 1023) / 1024) } END { print size }'
}

build_deb() { # DIRECTORY FILE
	find "$1" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
	dpkg-deb --root-owner-group --build "$1" "$2" >/dev/null
	echo "$2"
}
