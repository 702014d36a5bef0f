#!/bin/bash
# SPDX-License-Identifier: MIT
# What the program says where its surroundings are not complete: a user namespace, /dev without null,
# no sysfs. No device is attached, so any kernel will do.
# shellcheck source=tests/lib.sh disable=SC2016,SC2317 # check() calls functions
. "$(dirname "$0")/../lib.sh"
begin 11

# In a mount namespace in which an empty directory lies over DIRECTORY.
without() { # DIRECTORY ARGUMENT...
	unshare --mount -- sh -c 'mount -t tmpfs none "$0" && exec "$@"' "$1" "${nbd_attach[@]}" "${@:2}"
}

# As an ordinary user who is root of a user namespace of his own.
rootless() { # ARGUMENT...
	unshare --user --map-root-user -- "$scratch/nbd-attach" "$@"
}

said() { # STATUS TEXT COMMAND...: on standard output
	local out status
	out=$("${@:3}")
	status=$?
	echo "$out" "$status"
	[[ $status = "$1" && $out = "$2" ]]
}

# Another user may not be able to read the directory of the build.
cp "${nbd_attach[0]}" "$scratch/nbd-attach"
chmod 755 "$scratch"
if rootless --version >/dev/null 2>&1; then
	namespace='^nbd-attach: nbd-attach runs in a user namespace, .*: run it as root outside'
	check "a user namespace: attaching names it" expect_status 6 "$namespace" rootless nbd0 localhost
else
	skip "a user namespace" "this machine does not allow it"
fi
user=(setpriv --reuid=65534 --regid=65534 --clear-groups)
if "${user[@]}" true 2>/dev/null; then
	for words in 'nbd0 localhost' '--exec true nbd0 localhost' 'nbd0 --image raw:x'; do
		read -ra word <<<"$words"
		check "without root: $words" expect_status 6 \
			'this takes root .*: .* nbd-attach --info .*, nbdfuse .*, and guestmount' \
			"${user[@]}" "$scratch/nbd-attach" "${word[@]}"
	done
else
	skip "without root" "it takes root"
fi
if unshare --mount true 2>/dev/null; then
	check "no /dev/null: attaching asks for it" expect_status 6 \
		'there is no /dev/null, .*: mount devtmpfs on /dev' without /dev -l 127.0.0.1:1
	sysfs='^nbd-attach: there is no /sys/block, .*: mount sysfs on /sys$'
	for words in 'nbd0 127.0.0.1:1' '--detach nbd0' '--detach --all' '--check nbd0' '--status nbd0' \
		--status '--reconnect nbd0'; do
		read -ra word <<<"$words"
		check "no sysfs: $words" expect_status 6 "$sysfs" without /sys "${word[@]}"
	done
	check "no sysfs: asking a server takes none" expect_status 4 'refuses connections' \
		without /sys -l 127.0.0.1:1
	check "root without CAP_SYS_ADMIN is told so" expect_status 6 \
		'needs CAP_SYS_ADMIN, which root does not have here' \
		setpriv --bounding-set=-sys_admin --inh-caps=-sys_admin "${nbd_attach[@]}" nbd0 localhost
else
	skip "/dev without null, no sysfs" "they take root"
fi
finish
