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

# --show-config prints a configuration with the same meaning, independent of the directory.
same() { # WORD...
	local said
	said=$(cd "$N" && unshare "${namespace[@]}" bash -c 'mount -t tmpfs tmpfs /etc && mkdir /etc/nbd-attach && cd "$1" &&
		"${@:2}" >/etc/first && (cd / && "$2" --config /etc/first --show-config) >/etc/second || exit
		"$2" --check-config /etc/first 2>&1 | grep -v "there is no" >&2
		diff <(grep -v "^#" /etc/first | sort) <(grep -Ev "^#|^name = first" /etc/second | sort)' - "$N" "${nbd_attach[@]}" --show-config "$@" 2>&1)
	[[ ! $said ]] && return
	echo "$* : $said"
	return 1
}

need_mount_namespace /etc configurations

data='connections = 4
dead-timeout = 60
device = auto
name = data
peer-timeout = 20s
swap = yes
target = nbd://server/data'
check "the last drop-in overrides the others, and all override the defaults" shows data "$data"
check "the command line overrides files" \
	shows '-C 1 --dead-timeout 5 --no-swap data' 'connections = 1
dead-timeout = 5
device = auto
name = data
peer-timeout = 20s
target = nbd://server/data'
check "the defaults hold without a configuration" shows 'nbd3 host' 'dead-timeout = 30
device = nbd3
peer-timeout = 20s
read-only = yes
target = nbd://host/'
check "a file that is read for another device does not give it a name" \
	shows '--config /etc/nbd-attach/data.conf auto' "${data/name = data$'\n'/}"
check "... and does without one" shows '--config /etc/nbd-attach/data.conf' "$data"
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

# A default that does not fit is left out: a valid configuration stays valid.
check "a default needs TLS" says 'left out, from /etc/nbd-attach/defaults.conf:1: tls-ca: --tls-ca needs TLS.*status 0$' \
	'echo tls-ca = /ca >defaults.conf; "$@" --show-config data'
check "it counts where there is TLS" says 'tls-ca = /ca.status 0$' \
	'echo tls-ca = /ca >defaults.conf; "$@" --show-config nbd3 nbds://h'
check "defaults that need each other" says 'connect-timeout = 3.tls-ca = /ca.tls-cert = /c.tls-key = /k.status 0$' \
	'printf "%s\n" "connect-timeout = 3" "tls-ca = /ca" "tls-cert = /c" "tls-key = /k" >defaults.conf
	"$@" --show-config nbd3 nbds://h'
check "an interface that a link-local address needs" says 'source = lo.status 0$' \
	'echo source = lo >defaults.conf; "$@" --show-config nbd3 fe80::1'
check "... or a configuration" says '^status 0$' \
	'echo source = lo >defaults.conf; echo target = fe80::1 >data.conf; rm -r data.conf.d; "$@" --check-config data'
check "certificates, where a key is used" says 'nbd3.# from the command line.tls-psk = /p.# from [^ ]*.connect-timeout = 3.# left out.*:1: tls-ca: .*:2: tls-cert: .*:3: tls-key: .*status 0$' \
	'printf "%s\n" "tls-ca = /ca" "tls-cert = /c" "tls-key = /k" "connect-timeout = 3" >defaults.conf
	"$@" --show-config --tls-psk /p nbd3 nbds://h'
check "TLS, and a captive server" says 'left out, from [^ ]*:1: tls: a server on this machine.*:2: tls-ca: .*status 0$' \
	'printf "%s\n" "tls = yes" "tls-ca = /ca" >defaults.conf; "$@" --show-config nbd3 -- [ true ]'
check "TLS, and a Unix socket" says 'left out, from [^ ]*:1: tls: a server on this machine.*:2: tls-ca: .*status 0$' \
	'printf "%s\n" "tls = yes" "tls-ca = /ca" >defaults.conf; "$@" --show-config nbd3 -u /s'
check "TLS, and a server on the network" says 'target = nbds://h/.*tls = yes.tls-ca = /ca.status 0$' \
	'printf "%s\n" "tls = yes" "tls-ca = /ca" >defaults.conf; "$@" --show-config nbd3 h'
check "TLS is never dropped on the network" says 'defaults.conf:1: tls = yes demands TLS of this server as well: TLS needs something to verify.*status 2$' \
	'echo tls = yes >defaults.conf; "$@" nbd3 h'
check "... unless it is taken back" says 'target = nbd://h/.device = nbd3.status 0$' \
	'echo tls = yes >defaults.conf; "$@" --show-config --no-tls nbd3 h'
check "options of reconnecting, and no-reconnect" says 'no-reconnect = yes.# from [^ ]*.peer-timeout = 9.# left out, from [^ ]*:1: watch-size: .*:3: dead-timeout: .*status 0$' \
	'printf "%s\n" "watch-size = 5" "peer-timeout = 9" "dead-timeout = 7" >defaults.conf
	"$@" --show-config --no-reconnect nbd3 h'
check "no-reconnect, and options of reconnecting" says 'left out, from [^ ]*:1: no-reconnect: --no-reconnect and --dead-timeout cannot.*status 0$' \
	'echo no-reconnect = yes >defaults.conf; "$@" --show-config data'
check "-v says so" says 'defaults.conf:1: tls-ca is left out: --tls-ca needs TLS.*status 4$' \
	'echo tls-ca = /ca >defaults.conf; "$@" -v nbd3 -u /none'
check "other servers must not be a default" says 'defaults.conf:1: "failover" belongs to one.*status 2$' \
	'echo failover = nbd://x >defaults.conf; "$@" nbd3 h'

# --check-config reads what attaching would read.
check "--check-config: a drop-in against the file" \
	says '^nbd-attach: --no-reconnect and --dead-timeout cannot be combined: [^;]*; --no-reconnect is from /etc/nbd-attach/data.conf.d/20-site.conf:1; --dead-timeout is from /etc/nbd-attach/data.conf:2.status 2$' \
	'echo no-reconnect = yes >data.conf.d/20-site.conf; "$@" --check-config data'
check "--check-config: a directory has the name of the configuration" says '^status 0$' \
	'mkdir data; "$@" --check-config data'
check "--check-config: no such configuration, but a directory" \
	says '^nbd-attach: /etc/nbd-attach/other.conf: this file cannot be read: No such file or directory.status 2$' \
	'mkdir other; "$@" --check-config other'
check "attaching says the same" \
	says 'is from /etc/nbd-attach/data.conf.d/20-site.conf:1; --dead-timeout is from /etc/nbd-attach/data.conf:2.status 2$' \
	'echo no-reconnect = yes >data.conf.d/20-site.conf; "$@" data'
check "the other way round, too" \
	says '; --dead-timeout is from /etc/nbd-attach/data.conf.d/20-site.conf:1; --no-reconnect is from /etc/nbd-attach/data.conf:2.status 2$' \
	'printf "%s\n" "target = h" "no-reconnect = yes" >data.conf
	echo dead-timeout = 5 >data.conf.d/20-site.conf; "$@" --check-config data'
check "a drop-in that takes back" says '^status 0$' \
	'printf "%s\n" "target = h" "no-reconnect = yes" >data.conf
	printf "%s\n" "no-reconnect = no" "dead-timeout = 5" >data.conf.d/20-site.conf
	"$@" --check-config data'
check "--check-config: a drop-in that does not fit the target" \
	says '^nbd-attach: --tls-ca needs TLS: [^;]*; --tls-ca is from [^ ]*/20-site.conf:1.status 2$' \
	'echo tls-ca = /etc/hosts >data.conf.d/20-site.conf; "$@" --check-config data'
check "--check-config: a file that a drop-in names" says '20-site.conf:1: tls-ca: there is no /none.status 2$' \
	'echo tls-ca = /none >data.conf.d/20-site.conf; echo target = nbds://h >data.conf
	"$@" --check-config data'
check "--check-config: the quotes of a server command" says '^status 0$' \
	'cp /bin/true "my server"
	for server in "[ \"$PWD/my server\" -x ]" "[ '"'/bin/true'"' -x ]" "[ \"true\" ]"; do
		echo "target = $server" >data.conf; rm -rf data.conf.d defaults.conf
		"$@" --check-config data || exit
	done'
check "--check-config: a command in quotes that is missing" \
	says 'data.conf:1: target: there is no command /no/such server.status 2$' \
	'echo "target = [ \"/no/such server\" -x ]" >data.conf; rm -r data.conf.d defaults.conf; "$@" --check-config data'
check "--check-config: a directory is not a command" \
	says 'data.conf:1: target: /etc is not a program that can be run.status 2$' \
	'echo "target = [ /etc ]" >data.conf; rm -r data.conf.d defaults.conf; "$@" --check-config data'
check "--check-config: the defaults" says '^nbd-attach: /etc/nbd-attach/defaults.conf:1: there is no option "x".status 2$' \
	'echo x = y >defaults.conf; "$@" --check-config data'
check "--check-config -v: what is left out" says 'defaults.conf:1: tls-ca is left out: .*status 0$' \
	'echo tls-ca = /none >defaults.conf; "$@" -v --check-config data'
check "a conflict with the command line" \
	says '^nbd-attach: --swap and --on-change cannot [^;]*; --on-change is from /etc/nbd-attach/data.conf:5.status 2$' \
	'echo on-change = /bin/true >>data.conf; rm -r data.conf.d; "$@" --swap data'

# Options for the server of a file are not used for another server.
for line in 'identifier = x' 'failover = nbd://y' 'fence = none'; do
	option=${line%% *}
	need=''
	[[ $option = fence ]] && need=';echo failover = nbd://y >>data.conf'
	check "$option, and another server" \
		says "data.conf:5: $option belongs to the server of this file.*status 2\$" \
		"echo $line >>data.conf $need"'; rm -r data.conf.d; "$@" --config data.conf nbd3 nbd://other'
done
check "identifier, and another export" says 'data.conf:2: identifier belongs.*status 2$' \
	'rm -r data.conf.d; printf "%s\n" "unix = /s" "identifier = x" >data.conf; "$@" -N other data'
check "... taken back" says 'target = nbd://other/.*status 0$' \
	'echo identifier = x >>data.conf; rm defaults.conf; "$@" --show-config --no-identifier --config data.conf nbd3 nbd://other'
check "... given" says 'identifier = y.*status 0$' \
	'echo identifier = x >>data.conf; "$@" --show-config -i y --config data.conf nbd3 nbd://other'

# A configuration that is not attached.
check "--detach: its device is not attached" says '^nbd-attach: data: /dev/nbd3 is not attached.status 0$' \
	'echo device = nbd3 >>data.conf; "$@" --detach data'
check "--detach: its device is not known" says 'no attached device is called data, and the configuration of that name.*status 1$' \
	'"$@" --detach data'
check "--detach: no configuration has that name" says 'no attached device is called other: nbd-attach --status lists those that are attached.status 1$' \
	'"$@" --detach other'
serve
check "another one is attached" nbd_attach -q nbd3 -u "$sock"
check "--detach: its device is attached to something else" \
	says 'nbd3, the device of the configuration data, is attached to something else.*status 1$' \
	'echo device = nbd3 >>data.conf; "$@" --detach data'
check "the other one detaches" nbd_attach -q --detach nbd3

# Every configuration.
check "--attach-all: none" says '^nbd-attach: there is no configuration in /etc/nbd-attach.status 0$' \
	'rm *.conf; "$@" --attach-all'
each() {
	rm -r /etc/nbd-attach/*
	echo "unix = $2" >one.conf
	printf '%s\n' "unix = $2" 'device = nbd2' 'read-only = yes' >two.conf
	echo 'unix = /nosuch' >three.conf
	echo 'connections = 3' >defaults.conf
	# Instrumented workers keep standard error, so no pipe would end here.
	"${@:3}" --attach-all >"$2.said" 2>&1
	set -- "$?" "$2"
	cat "$2.said"
	return "$1"
}
export -f each
export sock
check "--attach-all: each, and the worst status counts" \
	says '/etc/nbd-attach/three.conf is not attached: exit status 4.*status 4$' \
	'each - "$sock" "$@"'
check "--attach-all: one is attached" eval 'nbd_attach --check one && json_is connections 3'
check "--attach-all: the other is, too" eval 'nbd_attach --check two && nbd_attach --check nbd2'
check "--attach-all: again" says 'nbd0 is already attached.*status 0$' \
	'each - "$sock" true; rm three.conf; "$@" --attach-all'
check "--attach-all: nothing follows" says 'one word too many.*status 2$' '"$@" --attach-all data'
check "all detach" nbd_attach -q --detach one two

check "--no-OPTION and the option" says 'swap and --no-swap cannot be combined.*status 2$' \
	'"$@" --swap --no-swap data'
check "--no-OPTION of a verb" says 'no-swap cannot be combined with --detach.*status 2$' \
	'"$@" -d --no-swap nbd0'
check "--no-OPTION of an option that files cannot set" \
	says 'there is no option "--no-config".*status 2$' \
	'"$@" --no-config data'

round_trips() {
	same nbd0 host && same nbd0 HOST:5 'an export' && same nbd0 '[::1]:7' x &&
		same auto 'nbd://[fe80::1%25lo]/a%20b%23' && same nbd7 -u sock && same nbd7 -u sock -N '#x y' &&
		same nbd0 'nbd+unix:///e%2Fx?socket=s%20p' && same nbd0 'nbd+vsock://3:9/x' &&
		same nbd0 'nbds://al%20ice@host:5/x?tls-psk-file=k%20ey' && same nbd0 --tls-psk k nbds://bob@h/ &&
		same nbd0 --tls-username bob --tls-psk k nbds://h/ && same nbd0 --tls --tls-ca ca h &&
		same nbd0 'nbds://h/?tls-type=anon' && same nbd0 'nbds+unix:///?socket=s&tls-type=anon' &&
		same nbd0 'nbds://h/?tls-verify-peer=0' && same nbd0 --tls-verify-peer 0 nbds://h &&
		same nbd0 'nbds://h/?tls-certificates=pki%20x&tls-hostname=other' &&
		same nbd0 --tls-certificates pki --tls-hostname other --tls-crl c nbds://h/ &&
		same nbd0 'nbds+unix:///?socket=s&tls-certificates=pki&tls-hostname=other' &&
		same nbd0 --tls --tls-ca ca --tls-cert c --tls-key k --tls-priority NORMAL:-VERS-ALL:+VERS-TLS1.3 h &&
		same nbd0 -r -b 4096 -t 5 -C 4 --wait h && same nbd0 --wait=3 --dead-timeout infinity h &&
		same nbd0 --failover 'nbd+unix:///?socket=s' --failover nbd://b --failback at-loss --fence 'a; b "c d"' h &&
		same nbd0 --failover 'nbds://x@b/?tls-psk-file=k' --tls --tls-psk p --fence none h &&
		same nbd0 --accept smaller --accept name,features --retry-delay 0.2,9 h &&
		same nbd0 --same-content -r h && same nbd0 --same-content=2M -r h && same nbd0 --same-content=ids h && same nbd0 --no-reconnect h &&
		same nbd0 -i 'an id;x' --name n.1 --relay --follow-dns --watch-size 3 h && same nbd0 -vv h && same nbd0 -q h &&
		same nbd0 --on-change 'logger "$NBD_STATE"; true' h && same nbd0 --image 'raw:a b' -r &&
		same nbd0 --image qcow2:/x --user 65534 && same nbd0 -- [ nbdkit -f file 'a b' ] &&
		same nbd0 ex -- [ sh -c 'x "y" # z ; w' '' "it's" "'q" '"r' 'b\s' '] [' ] &&
		same nbd0 --command --user 65534 -- [ nbdkit -s memory 1M ] &&
		same nbd0 -N e --connect-timeout 3 --peer-timeout 6s -- [ x ] && same nbd0 --source lo h &&
		same nbd0 --peer-uid 0 --swap --backend netlink h && same nbd0 --no-swap --port 7 h
}
check "the output has the same meaning" round_trips
shown() { # REGEX STATUS WORD...
	local said
	said=$(nbd_attach --show-config "${@:3}" 2>&1)
	[[ $? -eq $2 && $said =~ $1 ]] && return
	echo "$said"
	return 1
}
check "a URI keeps its user and its key" shown 'target = nbds://al%20ice@host:5/x\?tls-psk-file=/k%20ey' 0 \
	nbd0 'nbds://al%20ice@host:5/x?tls-psk-file=/k%20ey'
check "another server's, too" shown 'failover = nbds://x@b/\?tls-psk-file=/k' 0 \
	nbd0 --failover 'nbds://x@b/?tls-psk-file=/k' --fence none 'nbds://x@h/?tls-psk-file=/k'
check "blanks at the end cannot be shown" shown 'does not keep blanks at the ends' 1 --on-change 'a ' nbd0 h
check "nor can a new line" shown 'a configuration file cannot say this' 1 --on-change $'a\nb' nbd0 h
finish
