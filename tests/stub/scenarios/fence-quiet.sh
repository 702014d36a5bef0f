#!/bin/bash
# SPDX-License-Identifier: MIT
# The command of --fence: no server is dialled while it runs. After a failure it is not run again
# within five seconds.
# shellcheck source=tests/stub/lib.bash disable=SC2016,SC2317
. "$(dirname "$0")/../lib.bash"

a=$N/a b=$N/b
mkfifo "$N/go"
cat >"$N/fence" <<END
#!/bin/sh
date +%s%N >>"$N/fenced"
read -r status <"$N/go"
exit "\$status"
END
chmod +x "$N/fence"

serve_at() { # SOCKET; sets $server. SOCKET.log counts the connections
	sock=$1 serve nbdkit -f -U "$1" --filter=log file "$image" logfile="$1.log"
}

connects() { # SOCKET
	grep -c ' Connect ' "$1.log" || true
}

runs() { # COUNT
	local n
	n=$(wc -l <"$N/fenced")
	echo "$n runs of the fence, wanted $1"
	((n == $1))
}

fence_says() { # REGEX
	local said
	said=$(json fence)
	echo "$said"
	[[ $said =~ $1 ]]
}

apart() { # SECONDS: at least this time lies between the last two runs
	tail -n 2 "$N/fenced" | awk -v s="$1" '{ t[NR] = $1 } END { print (t[2] - t[1]) / 1e9
		exit !((t[2] - t[1]) / 1e9 >= s) }'
}

: >"$N/fenced"
serve_at "$a"
first=$server
serve_at "$b"
sock=$a
check "it attaches" attach --failover "nbd+unix:///?socket=$b" --fence "$N/fence"
load
check "the load gets on" loading 20 5
kill_now "$first"
check "the fence runs" within 10 runs 1
check "--status says so" fence_says '^running'

# Both servers run, and no client comes.
serve_at "$a"
before="$(connects "$a") $(connects "$b")"
pause 2 # several times the longest pause between two attempts
check "no server is dialled meanwhile" is "$(connects "$a") $(connects "$b")" "$before"
check "the fence still runs" runs 1

# Then the fence fails while the lost server is down again: the other one answers each time.
kill_now "$server"
echo 7 >"$N/go"
since=$SECONDS
check "--status shows its failure" within 5 fence_says 'failed.*status 7'
check "the servers have their turns" within 5 eval '(($(connects "$b") > ${before#* } + 1))'
check "I/O waits" told_at_least pending 1
check "no socket is used" told_is taken 0
((SECONDS - since >= 4)) || pause "$((since + 4 - SECONDS))"
check "the fence is not run again at once" runs 1
check "the fence is run again later" within 8 runs 2
check "after five seconds" apart 5
echo 0 >"$N/go"
check "the other server is used" within 10 state_is attached
check "one socket was used" told_is taken 1
check "the fence ran only twice" runs 2
check "nothing failed, nothing is lost" unload
check "it detaches" detach
finish
