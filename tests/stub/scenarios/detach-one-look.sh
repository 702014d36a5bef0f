#!/bin/bash
# SPDX-License-Identifier: MIT
# --detach of many devices: one process looks for the users of all, and no device gets another's answer.
# shellcheck source=tests/stub/lib.bash disable=SC2119,SC2120,SC2154,SC2317
. "$(dirname "$0")/../lib.bash"

devices=4
attach_all() {
	local n
	for ((n = 0; n < devices; n++)); do
		nbd_attach -q "nbd$n" -u "$sock" --identifier "disk $n" || return
	done
}
looks() {
	[[ ! -e $N/stub/looks ]] || wc -l <"$N/stub/looks"
}
few_looks() {
	echo "$(looks) looks"
	(($(looks) >= 2 && $(looks) <= 5))
}

serve
check "$devices devices are attached" attach_all
touch "$N/stub/long-looks"
check "all are detached" nbd_attach -q --detach --all
for ((n = 0; n < devices; n++)); do
	check "nbd$n is free" told_is configured 0 "$n"
done
check "they are two looks a device, and not eight in all" few_looks

check "they are attached again" attach_all
holders=$N/stub/sys/block/nbd2/holders
mkdir -p "$holders/dm-7"
check "one is in use: the command fails, and names it" expect_status 3 \
	'/dev/nbd2 is part of dm-7' nbd_attach -q --detach --all
check "that one is attached" told_is configured 1 2
check "the one before is free" told_is configured 0 1
check "the one behind is free" told_is configured 0 3
rmdir "$holders/dm-7"
check "it is detached then" nbd_attach -q --detach nbd2

# Nobody else answers when the process that looks has been killed.
looker() {
	local p
	looker=''
	for p in $(pgrep -f "^${nbd_attach[0]} -q --detach nbd0 nbd1"); do
		[[ $(<"/proc/$p/comm") != nbd-users ]] || looker=$p
	done 2>/dev/null
	[[ $looker ]]
}
check "they are attached once more" attach_all
touch "$N/stub/slow-look"
start "${nbd_attach[@]}" -q --detach nbd0 nbd1
command=$pid
check "a process looks" within 5 looker
rm -f "$N/stub/slow-look" "$N/stub/long-looks"
kill -KILL "$looker"
check "without it each one looks itself" wait_for 20 gone "$command"
wait "$command"
check "and both are detached" is $? 0
check "they are free" told_is configured 0 0
check "they are free" told_is configured 0 1
finish
