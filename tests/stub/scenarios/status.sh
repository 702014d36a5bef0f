#!/bin/bash
# SPDX-License-Identifier: MIT
# --status: a table, details, JSON, JSON lines, OpenMetrics; several devices in one call.
# shellcheck source=tests/stub/lib.bash disable=SC2016,SC2119,SC2154,SC2317
. "$(dirname "$0")/../lib.bash"

says() { # STATUS REGEX COMMAND...: the regex is for all that it prints
	local status said
	said=$(nbd_attach "${@:3}" 2>&1)
	status=$?
	echo "$said"
	[[ $status -eq $1 && $said =~ $2 ]]
}

valid() { # PYTHON-EXPRESSION ARGUMENT...: true for the JSON d that --status prints
	nbd_attach --status --json "${@:2}" >"$N/json" 2>&1
	cat "$N/json"
	python3 -c 'import json, sys
d = json.load(open(sys.argv[1]))
sys.exit(not (d["version"] == 1 and eval("(" + sys.argv[2] + ")")))' "$N/json" "$1"
}

check "nothing is attached" says 0 'no device is attached' --status
check "nothing, as JSON" valid 'd == {"version": 1, "devices": []}'
serve
check "it attaches" attach --dead-timeout infinity
check "another one, with a name" nbd_attach nbd1 -q -r --name data -u "$sock"

# A table with one line for each device.
table=$'^DEVICE  NAME  STATE +SIZE  RO   SERVER +SINCE +OUTAGES\n'
table+=$'nbd0    -     attached +1.0 MB  no   unix:[^ ]*/sock  [-0-9]+ [:0-9]+ +0\n'
table+='nbd1    data  attached +1.0 MB  yes  unix:[^ ]*/sock  [-0-9]+ [:0-9]+ +0$'
check "a table" says 0 "$table" --status
check "details of each" says 0 $'^/dev/nbd0: attached.*\n/dev/nbd1: attached.*\n  name +data\n' -s -v
check "of two devices" says 0 '^/dev/nbd1: attached.*/dev/nbd0: attached' -s data nbd0
check "of one that is not attached" says 1 '^/dev/nbd0: att.*/dev/nbd2: not attached$' -s nbd0 nbd2
check "of one that does not exist" says 2 'there is no device /dev/nbd77' -s nbd0 nbd77

# JSON: null for unknown values, arrays, units in the names.
check "JSON" valid '[(v["device"], v["name"], v["size-bytes"], v["read-only"], v["last-error"],
	v["dead-timeout-seconds"], v["outage-since-unix-seconds"]) for v in d["devices"]] == [
	("/dev/nbd0", None, 1048576, False, None, None, None),
	("/dev/nbd1", "data", 1048576, True, None, 600, None)]'
check "JSON: arrays" valid '{"flush", "trim"} <= set(d["devices"][0]["flags"]) and
	d["devices"][0]["addresses"] == [] and len(d["devices"][0]["links"]) == 1' nbd0
check "JSON: errors" valid 'd["devices"][1:] == [
	{"device": "/dev/nbd2", "error": "/dev/nbd2: not attached", "exit-status": 1},
	{"device": "/dev/nbd77", "error": "there is no device /dev/nbd77", "exit-status": 2},
	{"device": "nosuch", "error": "nosuch: not attached", "exit-status": 1}]' nbd0 nbd2 nbd77 nosuch
check "JSON: --list fails" says 4 '"error": ".* does not exist.*"exit-status": 4' \
	--list --json -u "$N/none"

# --check distinguishes a device that is not attached from one that does not exist.
check "--check: both are attached" says 0 '^$' -c nbd0 data
check "--check: one is not attached" says 1 '^$' -c nbd0 nbd2
check "--check: one does not exist" says 2 'there is no device /dev/nbd77' -c nbd77 nbd2

# Monitoring
metrics() {
	nbd_attach --status --openmetrics >"$N/metrics"
	cat "$N/metrics"
	python3 - "$N/metrics" <<-'EOP'
		import re, sys
		lines = open(sys.argv[1]).read().split("\n")
		assert lines[-2:] == ["# EOF", ""], lines[-2:]
		families, family, kind, seen = set(), None, None, {}
		for line in lines[:-2]:
		    if line.startswith("# "):
		        word, name, rest = line[2:].split(" ", 2)
		        if word == "TYPE":
		            assert name not in families, line
		            families.add(name)
		            family, kind = name, rest
		        assert name == family, line
		        assert word != "UNIT" or name.endswith("_" + rest), line
		        continue
		    m = re.fullmatch(r'(\w+)\{((?:\w+="(?:[^"\\]|\\.)*",?)+)\} ([0-9.e+-]+)', line)
		    assert m, line
		    suffix = {"counter": "_total", "info": "_info"}.get(kind, "")
		    assert m[1] == family + suffix, line
		    seen[m[1], m[2]] = float(m[3])
		assert seen['nbd_attach_size_bytes', 'device="nbd1"'] == 1048576
		assert seen['nbd_attach_state', 'device="nbd0",nbd_attach_state="attached"'] == 1
		assert seen['nbd_attach_state', 'device="nbd0",nbd_attach_state="lost"'] == 0
		assert seen['nbd_attach_outages_total', 'device="nbd0"'] == 0
	EOP
}
check "OpenMetrics" metrics
once() {
	nbd_attach --status nbd1 data nbd1 --openmetrics >"$N/metrics1" || return
	grep -F 'nbd_attach_size_bytes{' "$N/metrics1"
	! grep -v '^#' "$N/metrics1" | cut -d ' ' -f 1 | sort | uniq -d | grep . &&
		is "$(nbd_attach --status nbd1 data | grep -c '^/dev/nbd')" 1 &&
		is "$(nbd_attach --status --json data nbd1 | grep -c '"device"')" 1
}
check "a device with two names is shown once" once
# The rules and the collector of the manual's section MONITORING.
names_exist() {
	local name
	while read -r name; do
		echo "$name"
		grep -qE "^$name(\{| )" "$N/metrics" || return
	done < <(sed -n '/^\.Sh MONITORING/,/^\.Sh SIGNALS/p' "$top/nbd-attach.8" |
		grep -oE 'nbd_attach_[a-z_]+' | sort -u)
}
check "OpenMetrics: the figures in the manual's rules exist" names_exist
check "OpenMetrics: ... and so does the state" grep -q 'nbd_attach_state="held"} 0' "$N/metrics"

# --follow
nbd_attach --status --follow --json data >"$N/data.lines" &
data=$!
nbd_attach --status --follow --wait nbd2 >"$N/nbd2.lines" &
waiting=$!
nbd_attach --status --follow >"$N/all.lines" &
started+=("$data" "$waiting" "$!")
check "--follow begins with the current state" within 10 eval '
	grep -q attached "$N/data.lines" && grep -q nbd1 "$N/all.lines"'
check "--follow of a device that is not attached" says 1 '/dev/nbd2: not attached' --status --follow nbd2
check "--detach of several, one with both its names" says 0 \
	'(nbd1: detached.*nbd3 is not attached|nbd3 is not attached.*nbd1: detached)' --detach data nbd3 nbd1
module=$N/stub/sys/module/nbd
mkdir -p "$module"
echo coming >"$module/initstate"
start "${nbd_attach[@]}" --check nbd7
pause 1
check "the module is being loaded: a device that is not there yet is waited for" running "$pid"
mkdir "$N/stub/sys/block/nbd7"
echo live >"$module/initstate"
check "... and found" wait_for 5 gone "$pid"
wait "$pid"
check "... not attached" is $? 1
rmdir "$N/stub/sys/block/nbd7"
check "--detach of one that does not exist" says 2 'there is no device /dev/nbd77' --detach nbd77
check "--follow ends when its device is detached" wait_for 10 gone "$data"
lines() {
	cat "$N/data.lines"
	python3 - "$N/data.lines" <<-'EOP'
		import json, sys
		lines = [json.loads(line) for line in open(sys.argv[1])]
		states = [line["state"] for line in lines]
		assert states[0] == "attached" and states[-1] == "ended", lines # detaching is short
		assert all(line["version"] == 1 and line["device"] == "/dev/nbd1" and
		           line["name"] == "data" and line["reason"] is None for line in lines), lines
	EOP
}
check "its lines are JSON" lines
# Device numbers are as large as the kernel's: this one has the state and the lock of another device.
check "a device for it" nbd_attach nbd2 -q -r -u "$sock"
ln "$N/nbd2.lock" "$N/nbd5000.lock"
sed 's/nbd2/nbd5000/' "$N/nbd2.state" >"$N/state.new" && mv "$N/state.new" "$N/nbd5000.state"
start "${nbd_attach[@]}" --status --follow nbd5000
check "--follow of a device with a large number" within 10 grep -q 'nbd5000: attached' "$scratch/log"
check "... with all devices, too" within 10 grep -q 'nbd5000: attached' "$N/all.lines"
rm "$N/nbd5000.state" "$N/nbd5000.lock"
check "... it ends with the device" wait_for 10 gone "$pid"
check "the other one is detached" nbd_attach -q --detach nbd2
check "a device appears" nbd_attach nbd2 -q -r -u "$sock"
check "--follow --wait has waited for it" within 10 grep -q 'nbd2: attached' "$N/nbd2.lines"
check "it detaches" detach
check "the other one, too" nbd_attach -q --detach nbd2
check "--follow --wait ends, too" wait_for 10 gone "$waiting"

# A killed supervisor leaves a state file with the last state.
check "it attaches again" attach --name left
nbd_attach --status --follow left >"$N/left.lines" &
started+=("$!")
left=$!
check "--follow begins" within 10 grep -q 'nbd0: attached' "$N/left.lines"
# The state file of a device without a server is written several times a second.
changes() {
	while :; do
		: >"$N/change.new"
		mv "$N/change.new" "$N/change"
		pause 0.2
	done
}
start changes
changing=$pid
check "the supervisor is killed" kill_supervisor
check "--follow notices, whatever else changes" within 5 grep -q 'nbd0: unsupervised' "$N/left.lines"
kill_now "$changing"
mkfifo "$N/pipe"
read_and_leave() { # WORD... of --status: ends soon after its reader
	nbd_attach --status "$@" >"$N/pipe" &
	started+=("$!")
	head -n "$lines" <"$N/pipe" && wait_for 5 gone "$!"
}
lines=1
check "--follow ends when nobody reads it" read_and_leave --follow
lines=0
check "so does --follow --wait" read_and_leave --follow --wait nbd2
check "JSON: null for values that only a supervisor knows" valid '[(v["state"], v["size-bytes"], v["outages"],
	v["connections"], v["stalled"], v["flags"], v["downtime-ms"], v["pid"]) for v in d["devices"]] ==
	[("unsupervised", 1048576, None, None, None, None, None, None)]' nbd0
absent() {
	nbd_attach --status --openmetrics >"$N/metrics"
	cat "$N/metrics"
	grep -q '^nbd_attach_size_bytes{device="nbd0"} 1048576' "$N/metrics" &&
		! grep -E '^nbd_attach_(outage|downtime|connections|reconnects|failovers|stalled).*nbd0' "$N/metrics"
}
check "OpenMetrics: no figures for it" absent
check "it detaches" detach
check "--follow ends" wait_for 10 gone "$left"
finish
