#!/bin/bash
# SPDX-License-Identifier: MIT
# PostgreSQL and SQLite on a server that dies every few seconds. No transaction may fail, none that
# was confirmed may be missing, and each database checks itself.
# shellcheck source=tests/lib.sh disable=SC2154,SC2317 # check() calls functions
. "$(dirname "$0")/../lib.sh"
in_guest 900 "$@"
begin 39
# shellcheck source=tests/fault/lib.bash
. "$top/tests/fault/lib.bash"
# shellcheck source=tests/fault/workload.bash
. "$top/tests/fault/workload.bash"

mnt=$scratch/mnt
mkdir -p "$mnt"
chmod 755 "$scratch"

mount_new() { # NAME MIB
	attach_image "$1" "$2" && check "$1: mkfs" mkfs.ext4 -q -F "/dev/$device" &&
		check "$1: mounts" mount "/dev/$device" "$mnt"
}

#
# SQLite. A line of "confirmed" is written after each commit.
#

transactions() { # MODE of the journal
	echo "PRAGMA journal_mode=$1; PRAGMA synchronous=FULL;"
	until [[ -e $scratch/sqlite.enough ]]; do
		echo "BEGIN IMMEDIATE; INSERT INTO entries (data) VALUES (randomblob(2000));" \
			"UPDATE total SET n = n + 1; COMMIT; SELECT 'confirmed';"
		pause 0.02
	done
}

writes_rows() { # MODE
	rm -f "$scratch/sqlite.enough"
	transactions "$1" | sqlite3 -bail "$mnt/$1.db" >"$scratch/$1.said" 2>"$scratch/$1.errors" &
	writer=$!
	started+=("$writer")
}

rows_ended() { # no error; sqlite3 ends at the end of its input
	touch "$scratch/sqlite.enough"
	wait_for 60 gone "$writer" || return
	wait "$writer"
	local status=$?
	cat "$scratch/$1.errors"
	((status == 0)) && [[ ! -s $scratch/$1.errors ]]
}

sound_database() { # MODE
	local said confirmed
	confirmed=$(grep -c confirmed "$scratch/$1.said")
	said=$(sqlite3 "$mnt/$1.db" \
		"PRAGMA integrity_check; SELECT (SELECT count(*) FROM entries) = n, n >= $confirmed FROM total")
	echo "$said, $confirmed confirmed"
	[[ $confirmed -ge 20 && $said = $'ok\n1|1' ]]
}

if needs "sqlite" 17 sqlite3 && mount_new sqlite 128; then
	for mode in wal delete; do
		sqlite3 "$mnt/$mode.db" 'CREATE TABLE entries (id INTEGER PRIMARY KEY, data);
			CREATE TABLE total (n); INSERT INTO total VALUES (0);'
		writes_rows "$mode"
		dies_often
		pause 22
		survived "sqlite, $mode" 2
		check "sqlite, $mode: no transaction failed" rows_ended "$mode"
		check "sqlite, $mode: integrity_check, and every confirmed transaction" sound_database "$mode"
	done
	umount "$mnt"
	check "sqlite: e2fsck" e2fsck -fn "/dev/$device"
	ends_clean sqlite
fi

#
# PostgreSQL. Its programs are not in PATH on Debian, and it refuses to run as root.
#

bin=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
data=$mnt/data socket=$scratch/postgres

pg() { # PROGRAM ARGUMENT...
	local program=$1
	shift
	setpriv --reuid=postgres --regid=postgres --clear-groups \
		env -i PATH="$bin:/usr/bin:/bin" HOME="$socket" PGHOST="$socket" LC_ALL=C \
		timeout -k 5 240 "$bin/$program" "$@" 8>&- 9>&-
}

starts() {
	pg pg_ctl -D "$data" -w -t 100 -l "$socket/log" -o "-c listen_addresses= -c jit=off \
		-c unix_socket_directories=$socket -c shared_buffers=16MB -c max_wal_size=48MB \
		-c checkpoint_timeout=30s -c autovacuum_naptime=5s" start
}

benches() { # SECONDS: no transaction fails
	pg pgbench -n -c 3 -j 1 -T "$1" | tee "$scratch/pgbench"
	((PIPESTATUS[0] == 0)) && grep -q 'number of failed transactions: 0 ' "$scratch/pgbench"
}

# pgbench adds the same number to each of three sums, and to the history.
balanced() {
	local said
	said=$(pg psql -AtX -c "SELECT (SELECT sum(abalance) FROM pgbench_accounts) = sum(tbalance),
		(SELECT sum(bbalance) FROM pgbench_branches) = sum(tbalance),
		(SELECT sum(delta) FROM pgbench_history) = sum(tbalance) FROM pgbench_tellers")
	echo "$said"
	[[ $said = 't|t|t' ]]
}

no_panic() {
	! grep -E 'PANIC|FATAL|could not|Input/output|invalid page|checksum' "$socket/log"
}

if [[ ! -x $bin/postgres ]] || ! id -u postgres >/dev/null 2>&1; then
	skip "postgres" "it is missing: tests/deps long installs it" 22
elif mount_new postgres 320; then
	mkdir -p "$socket" "$data"
	chown postgres: "$socket" "$data"
	chmod 700 "$data"
	check "postgres: initdb" pg initdb -D "$data" --data-checksums -A trust --no-instructions
	check "postgres: starts" starts
	check "postgres: pgbench's tables" pg pgbench -i -q -s 1
	dies_often
	check "postgres: pgbench, no transaction failed" benches 40
	check "postgres: amcheck while the server dies" pg pg_amcheck --install-missing --heapallindexed postgres
	survived postgres 4
	check "postgres: the sums agree" balanced
	check "postgres: stops" pg pg_ctl -D "$data" -w -t 100 stop
	check "postgres: no error in its log" no_panic
	check "postgres: checksums of every page" pg pg_checksums --check -D "$data"
	check "postgres: starts again" starts
	check "postgres: amcheck" pg pg_amcheck --heapallindexed postgres
	check "postgres: stops again" pg pg_ctl -D "$data" -w -t 100 stop
	echo "  postgres: $(grep -E '^(tps|latency average)' "$scratch/pgbench" | tr '\n' ' ')"
	umount "$mnt"
	check "postgres: e2fsck" e2fsck -fn "/dev/$device"
	ends_clean postgres
fi
finish
