#!/bin/bash
# SPDX-License-Identifier: MIT
# Compares --list and --info with nbdinfo's output for the same server and with the manual.
# shellcheck source=tests/lib.sh disable=SC2016,SC2317 # check() calls functions, and eval
. "$(dirname "$0")/../lib.sh"
begin 13

# The members in the manual's JSON section, and their types; a line may name several.
sed -n '/^\.Sh JSON/,/^\.Sh SIGNALS/s/^\.It Cm \([a-z, -]*\) No (\([a-z]*\))$/\2 \1/p' \
	"$top/nbd-attach.8" | tr -d , >"$scratch/schema"

cat >"$scratch/compare.py" <<'EOF'
import json, sys
schema = {name: line.split()[0].rstrip("s") for line in open(sys.argv[1])
          for name in line.split()[1:]}
ours = json.load(open(sys.argv[2]))
theirs = {e["export-name"]: e for e in json.load(open(sys.argv[3]))["exports"]}
types = {"string": str, "number": int, "boolean": bool, "array": list}
flags = {"is_rotational": "rotational", "is_read_only": "read-only", "can_cache": "cache",
         "can_fast_zero": "fast-zero", "can_flush": "flush", "can_fua": "fua",
         "can_multi_conn": "multi-conn", "can_trim": "trim", "can_zero": "write-zeroes"}
sizes = {"block_size_minimum": "minimum-block-size", "block_size_preferred": "preferred-block-size",
         "block_size_maximum": "maximum-payload"}
assert len(schema) == 18, schema
assert set(ours) == {"version", "server", "exports"}, ours.keys()
exports = {e["export"]: e for e in ours["exports"]}
assert set(exports) == set(theirs), (exports.keys(), theirs.keys())
for name, e in exports.items():
    t = theirs[name]
    for key, value in e.items():
        # What the server does not say is null.
        nothing = value is None and key.startswith("tls-")
        assert nothing or type(value) is types[schema[key]], (key, value)
    optional = {"description", *sizes.values()}
    assert not set(schema) - set(e) - optional, set(schema) - set(e)
    assert e["size"] == t["export-size"], (e, t)
    assert e.get("description") == t.get("description"), (e, t)
    assert e["uri"].replace("///", "//") == t["uri"].replace("///", "//"), (e["uri"], t["uri"])
    assert e["protocol"] == "newstyle-fixed" and e["tls"] is False
    assert e["read-only"] == t["is_read_only"] == ("read-only" in e["flags"])
    for key, flag in flags.items():
        # A read-only export need not offer these; a client may emulate them.
        assert t["is_read_only"] or t[key] == (flag in e["flags"]), (key, e, t)
    for key, size in sizes.items():
        assert e.get(size) == t.get(key), (size, e, t)
EOF

compares() { # URI
	nbd_attach --info --all --json "$1" >"$scratch/ours" || return
	nbdinfo --list --json --no-content "$1" >"$scratch/theirs" || return
	cat "$scratch/ours" "$scratch/theirs"
	python3 "$scratch/compare.py" "$scratch/schema" "$scratch/ours" "$scratch/theirs"
}

members() { # ARGUMENT...: the names of the first object's members
	nbd_attach "$@" --json | python3 -c 'import json, sys; print(*json.load(sys.stdin))'
}


sock=$scratch/sock
uri="nbd+unix:///?socket=$sock"
mkdir "$scratch/files"
truncate -s 3M "$scratch/files/one"
truncate -s 5M "$scratch/files/two \"2\""
start_server "$sock" nbdkit -f -U "$sock" --filter=exportname --filter=blocksize-policy file \
	dir="$scratch/files" exportdesc=fixed:'a test' blocksize-minimum=512 \
	blocksize-preferred=4096 blocksize-maximum=1M
check "nbdkit: every export is as nbdinfo says" compares "$uri"
check "nbdkit: --info of one has the same members" \
	eval 'members --info -u "$sock" one | grep -w "uri protocol tls tls-unverified size"'
check "nbdkit: --list" is "$(members --list "$uri")" "version exports server protocol tls tls-unverified"
check "nbdkit: text, one paragraph for each export" \
	is "$(nbd_attach --info --all -u "$sock" | grep -c '^size  ')" 2
check "nbdkit: text of one export" \
	is "$(nbd_attach --info -u "$sock" one | grep -cE '^(tls +no|description +a test|minimum block +512|uri +nbd.unix:///one)')" 4
check "no escape sequence in a pipe" eval '! nbd_attach --info -u "$sock" one | grep -q "$(printf "\033")"'
# Without what it waits for, which a slow machine shows (-q).
terminal() { script -qec "${nbd_attach[0]} --info -q -u $sock one" /dev/null </dev/null | cat -v; }
check "bold on a terminal" eval 'TERM=xterm NO_COLOR= terminal | grep -F "^[[1mexport"'
check "NO_COLOR: no escape sequence" eval '! TERM=xterm NO_COLOR=1 terminal | grep -F "^["'
check "TERM=dumb: no escape sequence" eval '! TERM=dumb NO_COLOR= terminal | grep -F "^["'
check "an unknown export" expect_status 5 'none' nbd_attach --info -u "$sock" none
stop "$pid"

rm -f "$sock"
truncate -s 8M "$scratch/image"
start_server "$sock" qemu-nbd -t -e 5 -r -f raw -x disk -D 'a disk' -k "$sock" "$scratch/image"
check "qemu-nbd, read-only: is as nbdinfo says" compares "$uri"
stop "$pid"
rm -f "$sock"
start_server "$sock" nbdkit -f -U "$sock" memory 1M
check "nbdkit, the default export: is as nbdinfo says" compares "$uri"
stop "$pid"
rm -f "$sock"
check "no server" expect_status 4 '' nbd_attach --info --all -u "$sock"
finish
