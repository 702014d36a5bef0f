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
#
# The kernel's command line is trusted. The root-path of DHCP, which dracut hands over in the same way as
# root= and netroot=, is not: it may name a server and an export, how to mount, and few options; nothing
# that starts a program, reads a file or weakens TLS.

nbd_no_server="nothing is attached: that is not a server; DHCP can name a host, an address, or a URI that begins with nbd:// or nbds://"

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

# True for nbd0, nbd1 and so on.
nbd_is_device() { # TEXT
	case $1 in
	nbd | nbd*[!0-9]*) return 1 ;;
	nbd*) return 0 ;;
	esac
	return 1
}

# True for what the kernel's command line says; the rest is of DHCP.
nbd_is_trusted() ( # TEXT
	set -f
	for word in $(getargs root=) $(getargs netroot=); do
		[ "$word" != "$1" ] || exit 0
	done
	exit 1
)

# Moves the first field of $nbd_rest into $nbd_field.
nbd_next_field() {
	nbd_field=${nbd_rest%%:*}
	case $nbd_rest in
	*:*) nbd_rest=${nbd_rest#*:} ;;
	*) nbd_rest='' ;;
	esac
}

# Sets $nbd_server, $nbd_export, $nbd_fstype, $nbd_flags and $nbd_words.
nbd_take_apart() { # TEXT
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

# Notes what DHCP says in vain. The text itself comes from the network, and the console does not get it.
nbd_leave_out() { # TEXT
	nbd_left_out=${nbd_left_out:+$nbd_left_out, }$1
}

# Leaves out what DHCP must not say, and what the kernel's command line says in another way. False if the
# server is not one that DHCP can name: a host, an address, or a URI of one that is reached by TCP.
nbd_distrust() {
	case $nbd_server in
	*://*\?*)
		# They could switch off TLS's checks, or name files.
		nbd_leave_out 'the parameters of the URI'
		nbd_server=${nbd_server%%\?*}
		;;
	esac
	[ -z "$(getarg rootfstype=)" ] || nbd_fstype=''
	[ -z "$(getarg rootflags=)" ] || nbd_flags=''
	case $nbd_fstype in
	*[!A-Za-z0-9_]*) # mount starts the program X for fuse.X
		nbd_leave_out 'the type of the file system'
		nbd_fstype=''
		;;
	esac
	case $nbd_flags in
	*[!A-Za-z0-9,=._/-]*)
		nbd_leave_out 'the flags for mounting'
		nbd_flags=''
		;;
	esac
	case $nbd_server in
	*[!][A-Za-z0-9._~:/@+,=%-]*) return 1 ;;
	nbd://?* | nbds://?*) return 0 ;;
	*[/@+,=~]*) return 1 ;;
	esac
}

# True for an option that DHCP may name: it can slow the device down, or make it safer.
nbd_is_harmless() { # OPTION[=VALUE]
	case $1 in
	read-only | tls) return 0 ;;
	connections=*[!0-9]* | block-size=*[!0-9]*) return 1 ;;
	connections=?* | block-size=?*) return 0 ;;
	esac
	return 1
}

# True if the options have this one, or take it back.
nbd_is_given() { # OPTION OPTIONS
	case " $2 " in
	*" --$1 "* | *" --$1="* | *" --no-$1 "*) return 0 ;;
	esac
	return 1
}

# Sets $nbd_old: the options of $nbd_words, OPTION[=VALUE],... of nbd-client or nbd-attach, as words for
# nbd-attach. One that the kernel's command line names as well is left to it.
nbd_read_old() {
	nbd_old='' nbd_given=$(nbd_attach_options) nbd_rest=$nbd_words,
	while [ -n "$nbd_rest" ]; do
		nbd_field=${nbd_rest%%[,:]*}
		nbd_field=${nbd_field#-}
		nbd_rest=${nbd_rest#*[,:]}
		case $nbd_field in
		# It does these always, or in another way.
		'' | p | persist | s | swap | m | systemd-mark | bs=* | timeout=*) continue ;;
		R | readonly) nbd_field=read-only ;;
		esac
		if [ "$nbd_of_dhcp" = yes ] && ! nbd_is_harmless "$nbd_field"; then
			case ${nbd_field%%=*} in
			*[!a-z-]*) nbd_leave_out 'an option' ;;
			*) nbd_leave_out "the option ${nbd_field%%=*}" ;;
			esac
		elif ! nbd_is_given "${nbd_field%%=*}" "$nbd_given"; then
			nbd_old="$nbd_old $(nbd_option "$nbd_field")"
		fi
	done
}

# Sets what nbd_take_apart() and nbd_read_old() say, and $nbd_left_out. False if it names no server.
nbd_read() { # TEXT
	nbd_left_out='' nbd_of_dhcp=no
	nbd_take_apart "$1"
	if ! nbd_is_trusted "$1"; then
		nbd_of_dhcp=yes
		nbd_distrust || return 1
	fi
	case $nbd_server in
	'' | -* | \[) return 1 ;; # an option, or what begins a command
	esac
	nbd_read_old
}

# Prints the type of the file system: $nbd_fstype, or rootfstype=.
nbd_mount_type() {
	nbd_type=${nbd_fstype:-$(getarg rootfstype=)}
	echo "${nbd_type:-auto}"
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

# Prints all words of the form nbd-attach.OPTION[=VALUE], in one line.
nbd_attach_options() (
	set -f
	for nbd_word in $(getcmdline); do
		case $nbd_word in
		nbd-attach.?*) printf '%s ' "$(nbd_option "${nbd_word#nbd-attach.}")" ;;
		esac
	done
)
