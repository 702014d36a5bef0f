# shellcheck shell=sh
# SPDX-License-Identifier: MIT
# For scripts that people call: with -h or --help as its first argument, the script that sources this
# prints the comment at its head, and ends with 0. lib.sh and guests.bash source it, too.
case ${1:-} in
-h | --help)
	sed -n '3,${/^#/!q; /^# shellcheck /d; s/^# \{0,1\}//; p}' "$0"
	exit 0
	;;
esac
