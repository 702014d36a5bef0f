#!/bin/bash
# SPDX-License-Identifier: MIT
# Reaches each exit status. Each comes with a sentence that tells the user what to do.
# shellcheck source=tests/lib.sh disable=SC2016,SC2317 # check() calls functions, and eval
. "$(dirname "$0")/../lib.sh"
in_guest 170
begin 72

sock=$scratch/sock
chmod 755 "$scratch"

# A user without any privilege who may reach the server.
nobody() {
	timeout -k 2 20 setpriv --reuid=65534 --regid=65534 --clear-groups "${nbd_attach[@]}" "$@"
}

json_has() { # PYTHON-EXPRESSION about j, of the JSON in $scratch/stdout
	python3 -c 'import json, sys; j = json.load(open(sys.argv[1])); print(j); assert '"$1" \
		"$scratch/stdout"
}

start_server "$sock" nbdkit -f -U "$sock" memory 16M
server=$pid
chmod 666 "$sock"

# 0
check "0: --version" eval 'expect_status 0 "" nbd_attach --version && grep -q "[0-9]" "$scratch/stdout"'
check "0: --help" eval 'expect_status 0 "" nbd_attach --help && grep -q -- --detach "$scratch/stdout"'
check "0: --help all" expect_status 0 "" nbd_attach --help all
check "0: --help all is complete" is "$(for o in export port unix connections read-only block-size \
	timeout foreground identifier connect-timeout wait backend source detach force check status \
	list info json verbose quiet help version; do
	grep -q -- "--$o" "$scratch/stdout" || echo "$o"
done)" ''
check "0: --info" expect_status 0 '' nbd_attach --info -u "$sock"
check "0: --info without privilege" expect_status 0 '' nobody --info -u "$sock"
check "0: --info without privilege, JSON" expect_status 0 '' nobody --info --json -u "$sock"
check "0: the JSON has the size" json_has 'j["size"] == 16 << 20'
check "0: --list without privilege" expect_status 0 '' nobody --list -u "$sock"
check "0: --list --json" expect_status 0 '' nobody --list --json -u "$sock"
check "0: the JSON has the default export" json_has '[e["name"] for e in j["exports"]] == [""]'
check "0: --status, nothing attached" expect_status 0 '' nbd_attach --status
check "0: --status --json, nothing attached" expect_status 0 '' nbd_attach --status --json
check "0: the output is JSON" json_has 'True'

# 1
check "1: --check, not attached" expect_status 1 '' nbd_attach --check nbd0 2>&1
check "1: --check without privilege" refuses nobody --check nbd0
check "0: --detach, not attached" expect_status 0 'nbd0.*not attached' nbd_attach --detach nbd0

# 2: the message names the error
usage() { # REGEX ARGUMENT...
	check "2: ${*:2}" expect_status 2 "$1" nbd_attach "${@:2}"
}
usage 'help|DEVICE'
usage 'frobnicate' --frobnicate nbd0 host
usage 'server|host|HOST' nbd0
usage 'sda' sda localhost
usage 'nbd|/etc/passwd' /etc/passwd localhost
usage 'frob' nbd0 'frob://host/'
usage 'socket' nbd0 nbd+unix:///
usage 'colour' nbd0 'nbd://host/?colour=red'
usage 'port|70000' nbd0 host:70000
usage 'port|0' nbd0 host -p 0
usage 'connections' nbd0 host -C 0
usage 'connections' nbd0 host -C 17
usage 'block-size' nbd0 host -b 1000
usage 'block-size' nbd0 host -b 131072
usage 'timeout' nbd0 host -t -1
usage 'timeout' nbd0 host -t soon
usage 'connect-timeout' nbd0 host --connect-timeout 0
usage 'backend|netlink' nbd0 host --backend magic
usage 'force' nbd0 host --force
usage 'one' nbd0 host one two three
usage 'extra|one|HOST' nbd0 -u "$sock" one two
usage 'export|too long|4096' nbd0 host "$(printf 'x%.0s' {1..4097})"
usage 'UTF-8' nbd0 host $'\xff'
usage 'tls-ca' nbd0 nbds://host/
usage 'tls-hostname' nbd0 -u "$sock" --tls --tls-ca /etc/hostname
usage 'tls-ca needs TLS' nbd0 host --tls-ca /etc/hostname
usage 'check|detach|verb|one' --check --detach nbd0

# 3: tests/interop/detach.sh has more cases
check "3: attaches" nbd_attach nbd0 -u "$sock"
check "0: the same is attached already" expect_status 0 'nbd0 is already attached to nbd' \
	nbd_attach nbd0 -u "$sock"
check "3: already attached" expect_status 3 'nbd0 is attached already.*options differ: dead-timeout$' \
	nbd_attach nbd0 --dead-timeout 7 -u "$sock"
exec 5</dev/nbd0
check "3: in use" expect_status 3 "$$" nbd_attach --detach nbd0
exec 5<&-
check "0: --check, attached" expect_status 0 '' nbd_attach --check nbd0
check "0: --status" expect_status 0 '' nbd_attach --status nbd0
check "0: --status without privilege" expect_status 0 '' nobody --status --json nbd0
check "3: detaches" nbd_attach --detach nbd0
exec 5</dev/nbd1
check "3: open, not attached" expect_status 3 "nbd1.*$$" nbd_attach nbd1 -u "$sock"
exec 5<&-

# 4
check "4: nobody listens" expect_status 4 '127.0.0.1:1.*refuse' nbd_attach nbd0 127.0.0.1:1
check "4: nobody listens on IPv6" expect_status 4 '\[::1\]:1.*refuse' nbd_attach nbd0 '[::1]:1'
check "4: no socket" expect_status 4 "$scratch/none" nbd_attach nbd0 -u "$scratch/none"
check "4: no such host" expect_status 4 'nosuch.invalid' nbd_attach nbd0 nosuch.invalid
check "4: --info, no socket" expect_status 4 "$scratch/none" nobody --info -u "$scratch/none"
start_server 10809 nbdkit -f -p 10809 memory 16M
check "4: --source with an address of another machine" expect_status 4 '192.0.2.1' \
	nbd_attach nbd0 127.0.0.1:10809 --source 192.0.2.1
check "4: --source with an address of this machine attaches" \
	nbd_attach nbd0 127.0.0.1:10809 --source 127.0.0.1
check "4: the device detaches" nbd_attach --detach nbd0
stop "$pid"
kill -STOP "$server"
check "4: the server is silent" \
	expect_status 4 'sock' nbd_attach nbd0 -u "$sock" --connect-timeout 1
kill -CONT "$server"
check "4: leaves nothing attached" detached nbd0

# 5
truncate -s 4M "$scratch/img"
start_server "$scratch/qemu.sock" qemu-nbd -t -k "$scratch/qemu.sock" -x disk -f raw "$scratch/img"
check "5: no such export" expect_status 5 'other' nbd_attach nbd0 -u "$scratch/qemu.sock" other
check "5: --info, no such export" expect_status 5 'other' \
	nbd_attach --info -u "$scratch/qemu.sock" other
stop "$pid"
echo "me:0123456789abcdef0123456789abcdef" >"$scratch/psk"
start_server "$scratch/tls.sock" nbdkit -f -U "$scratch/tls.sock" --tls=require \
	--tls-psk="$scratch/psk" memory 4M
check "5: the server wants TLS" expect_status 5 'TLS' nbd_attach nbd0 -u "$scratch/tls.sock"
check "5: --list, the server wants TLS" expect_status 5 'TLS' nbd_attach --list -u "$scratch/tls.sock"
stop "$pid"
check "5: leaves nothing attached" detached nbd0

# 6
check "6: no privilege" expect_status 6 'root|privilege|CAP_SYS_ADMIN' nobody nbd0 -u "$sock"
check "6: --detach without privilege" eval 'nbd_attach nbd0 -u "$sock" &&
	expect_status 6 "root|privilege|CAP_SYS_ADMIN" nobody --detach nbd0'
check "6: still attached" nbd_attach --check nbd0
check "6: detaches" nbd_attach --detach nbd0
start_server "$scratch/large.sock" nbdkit -f -U "$scratch/large.sock" memory 4M \
	--filter=blocksize-policy blocksize-minimum=65536 blocksize-preferred=65536
if ! kernel_is 6.15; then
	check "5: blocks that this kernel does not support" expect_status 5 65536 \
		nbd_attach nbd0 -u "$scratch/large.sock"
else
	check "0: blocks of 64 KiB" eval 'nbd_attach nbd0 -u "$scratch/large.sock" &&
		is "$(cat /sys/block/nbd0/queue/logical_block_size)" 65536 &&
		nbd_attach --detach nbd0'
fi
stop "$pid"
stop "$server"

finish
