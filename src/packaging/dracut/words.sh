# shellcheck shell=sh disable=SC2034 # the scripts that source this file use the variables
# SPDX-License-Identifier: MIT
# The words of the kernel's command line that say what to attach. Sourced by the scripts of this
# module, together with dracut-lib.sh:
#
#   root=nbd://HOST/EXPORT      any NBD URI; the file system is on the device
#   netroot=nbd://HOST/EXPORT   the same, but root= says what to mount: /dev/nbd0p1, LABEL=...
#   root=nbd:HOST:EXPORT[:FSTYPE[:FLAGS[:OPTIONS]]], netroot=nbd:...
#                               as for dracut's module nbd
#   nbddev=DEVICE               instead of /dev/nbd0
#   nbd-attach.OPTION[=VALUE]   an option of nbd-attach; the value yes may be left out

nbd_is_root() { # TEXT
	case $1 in
	nbd:?* | nbds://?* | nbd+*://?* | nbds+*://?*) return 0 ;;
	esac
	return 1
}

# True for a server that is not reached by the network that dracut sets up.
nbd_is_local() { # TEXT
	case $1 in
	nbd+vsock://* | nbds+vsock://* | nbd+unix://* | nbds+unix://*) return 0 ;;
	esac
	return 1
}

# Moves the first field of $nbd_rest into $nbd_field.
nbd_next_field() {
	nbd_field=${nbd_rest%%:*}
	case $nbd_rest in
	*:*) nbd_rest=${nbd_rest#*:} ;;
	*) nbd_rest='' ;;
	esac
}

# Sets $nbd_server, $nbd_export, $nbd_fstype, $nbd_flags and $nbd_words.
nbd_read() { # TEXT
	nbd_server=$1 nbd_export='' nbd_fstype='' nbd_flags='' nbd_words=''
	case $1 in
	*://*) return 0 ;;
	esac
	nbd_rest=${1#nbd:}
	case $nbd_rest in
	\[*\]:*)
		nbd_server=${nbd_rest%%\]:*}]
		nbd_rest=${nbd_rest#*\]:}
		;;
	*)
		nbd_next_field
		nbd_server=$nbd_field
		;;
	esac
	nbd_next_field
	nbd_export=$nbd_field
	nbd_next_field
	nbd_fstype=$nbd_field
	nbd_next_field
	nbd_flags=$nbd_field
	nbd_words=$nbd_rest
	# Old servers have a port for each export.
	nbd_port=${nbd_export%%/*}
	case $nbd_port in
	'' | *[!0-9]*) return 0 ;;
	esac
	nbd_server=$nbd_server:$nbd_port
	nbd_export=${nbd_export#"$nbd_port"}
	nbd_export=${nbd_export#/}
}

# Prints the option as a word of the command line.
nbd_option() { # OPTION[=VALUE]
	case $1 in
	*=yes) echo "--${1%=yes}" ;;
	*) echo "--$1" ;;
	esac
}

# Prints options of nbd-client as those of nbd-attach: OPTION[=VALUE],...
nbd_old_options() { # TEXT
	nbd_rest=$(echo "$1" | sed 's/,/:/g')
	while [ -n "$nbd_rest" ]; do
		nbd_next_field
		case ${nbd_field#-} in
		# It does these always, or in another way.
		'' | p | persist | s | swap | m | systemd-mark | bs=* | timeout=*) ;;
		R | readonly) echo --read-only ;;
		*) nbd_option "${nbd_field#-}" ;;
		esac
	done
}

# Prints the options for mounting: $nbd_flags or rootflags=, then ro or rw.
nbd_mount_options() {
	nbd_options=${nbd_flags:-$(getarg rootflags=)}
	if getarg rw >/dev/null; then
		nbd_options=${nbd_options:+$nbd_options,}rw
	elif getarg ro >/dev/null; then
		nbd_options=${nbd_options:+$nbd_options,}ro
	fi
	echo "$nbd_options"
}

# Prints the name of the device.
nbd_device() {
	nbd_name=$(getarg nbddev=)
	if [ -z "$nbd_name" ]; then
		nbd_name=$(getarg root=)
		case $nbd_name in
		/dev/nbd[0-9]*) nbd_name=${nbd_name%%p[0-9]*} ;;
		*) nbd_name=nbd0 ;;
		esac
	fi
	echo "${nbd_name#/dev/}"
}

# Prints all words of the form nbd-attach.OPTION[=VALUE].
nbd_attach_options() {
	for nbd_word in $(getcmdline); do
		case $nbd_word in
		nbd-attach.?*) nbd_option "${nbd_word#nbd-attach.}" ;;
		esac
	done
}
