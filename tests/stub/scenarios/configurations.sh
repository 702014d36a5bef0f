#!/bin/bash
# SPDX-License-Identifier: MIT
# How configuration files and the command line combine: the machine's defaults, a configuration, its
# drop-ins, and the options that take back an option.
# shellcheck source=tests/stub/lib.bash disable=SC2016,SC2119,SC2317
. "$(dirname "$0")/../lib.bash"

# Runs SCRIPT in a mount namespace with its own /etc.
own_etc() { # SCRIPT
	unshare "${namespace[@]}" bash -c 'exec 2>&1; mount -t tmpfs tmpfs /etc && mkdir /etc/nbd-attach &&
		cd /etc/nbd-attach && {
		echo "target = nbd://server/data"; echo "dead-timeout = 60"; echo "connections = 2"
		echo "read-only = yes"; } >data.conf && mkdir data.conf.d &&
		printf "%s\n" "connections = 4" "read-only = no" >data.conf.d/20-site.conf &&
		printf "%s\n" "connections = 3" "swap = yes" >data.conf.d/10-vendor.conf &&
		printf "%s\n" "dead-timeout = 30" "peer-timeout = 20s" "read-only = yes" \
			"swap = no" >defaults.conf
		'"$1" - "${nbd_attach[@]}"
}

shows() { # WORDS LINES: what --show-config prints, without the comments, sorted
	local said
	said=$(own_etc '"$@" --show-config '"$1" | grep -v '^#' | sort)
	echo "$said"
	[[ $said = "$2" ]]
}

says() { # REGEX SCRIPT
	local said
	said=$(own_etc "$2; echo \"status \$?\"")
	echo "$said"
	[[ $said =~ $1 ]]
}

for namespace in -m -Urm; do
	unshare "$namespace" mount -t tmpfs tmpfs /etc 2>/dev/null && break
	namespace=''
done
if [[ ! $namespace ]]; then
	skip "configurations" "no mount namespace can be made"
	finish
fi
namespace=("$namespace")

data='connections = 4
dead-timeout = 60
device = auto
peer-timeout = 20s
swap = yes
target = nbd://server/data'
check "the last drop-in overrides the others, and all override the defaults" shows data "$data"
check "the command line overrides files" \
	shows '-C 1 --dead-timeout 5 --no-swap data' 'connections = 1
dead-timeout = 5
device = auto
peer-timeout = 20s
target = nbd://server/data'
check "the defaults hold without a configuration" shows 'nbd3 host' 'dead-timeout = 30
device = nbd3
peer-timeout = 20s
read-only = yes
target = nbd://host/'
check "--no-OPTION takes back a default" shows '--no-read-only --no-peer-timeout nbd3 host' \
	'dead-timeout = 30
device = nbd3
target = nbd://host/'
check "each line names its file" says 'from /etc/nbd-attach/data.conf.d/20-site.conf
connections = 4
.*from /etc/nbd-attach/defaults.conf
peer-timeout = 20s' '"$@" --show-config data'
check "the output is a valid configuration" says 'status 0$' \
	'"$@" --show-config data >/etc/shown.conf; "$@" --check-config /etc/shown.conf'
check "--check-config accepts the files" says '^status 0$' '"$@" --check-config data'
check "--check-config checks drop-ins" says '20-site.conf:1: there is no option "swop".*status 2$' \
	'echo swop = yes >data.conf.d/20-site.conf; "$@" --check-config data'
check "attach checks drop-ins" says '20-site.conf:1: there is no option "swop".*status 2$' \
	'echo swop = yes >data.conf.d/20-site.conf; "$@" data'
check "a drop-in must not name a server" says '"target" belongs to one configuration.*status 2$' \
	'echo target = x >data.conf.d/20-site.conf; "$@" data'
check "the defaults must not name an export" \
	says 'defaults.conf:1: "export" belongs to one.*status 2$' \
	'echo export = x >defaults.conf; "$@" --check-config defaults; "$@" nbd3 host'
check "the defaults are not a configuration" \
	says 'defaults.conf: this file names no server.*status 2$' \
	'"$@" defaults'
check "a file that others can write is refused" says 'can write this file.*status 2$' \
	'chmod 666 defaults.conf; "$@" nbd3 host'
check "--no-OPTION and the option" says 'swap and --no-swap cannot be combined.*status 2$' \
	'"$@" --swap --no-swap data'
check "--no-OPTION of a verb" says 'no-swap cannot be combined with --detach.*status 2$' \
	'"$@" -d --no-swap nbd0'
check "--no-OPTION of an option that files cannot set" \
	says 'there is no option "--no-config".*status 2$' \
	'"$@" --no-config data'
finish
