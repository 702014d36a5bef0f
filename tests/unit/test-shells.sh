#!/bin/bash
# SPDX-License-Identifier: MIT
# Checks what zsh and fish offer, each in a real shell; test-completion.sh does that for bash.
# shellcheck source=tests/lib.sh disable=SC2317 # check() calls functions
. "$(dirname "$0")/../lib.sh"
cd "$top" || exit 1

# LINE|WORDS: all that is offered after this line; with - none of these words.
lines=(
	'--det|--detach'
	'--rea|--read-only'
	'--wat|--watch-size'
	'-s --|--all --follow --json --openmetrics --quiet --verbose --wait'
	'-d --|--all --backend --force --quiet --verbose'
	'-c --|--quiet --verbose'
	'-qd --f|--force'
	'--no-rel|--no-relay'
	'--backend |auto ioctl netlink'
	'--backend n|netlink'
	'--completion |bash fish zsh'
	'--accept |content features name read-only smaller'
	'--image q|qcow2:'
	'|auto data /dev/nbd1'
	'd|data'
	'nb|nbd1'
	'-C 2 -r |auto data /dev/nbd1'
	'-d |/dev/nbd0 disk'
	'-d n|nbd0'
	'-d disk |/dev/nbd0'
	'-c |/dev/nbd0 /dev/nbd1 disk'
	'-s d|disk'
	'--resize |/dev/nbd0 disk'
	'nbd1 host |boot'
	'nbd1 -p 1 host |boot'
	'-I host |boot'
	'-I --all host |- boot'
	'-u s nbd1 |boot'
	'--unix=s nbd1 |boot'
	'nbd1 host data |- boot data'
	'-N |'
)
begin $((2 * (${#lines[@]} + 2)))

words() { # of a list, sorted
	tr ' ' '\n' | LC_ALL=C sort -u | tr '\n' ' ' | sed 's/^ *//; s/ *$//'
}

# What a shell answers: "nbd-attach LINE", a word on each line, an empty line.
answers() { # SHELL
	local line
	for line in "${lines[@]}"; do
		echo "nbd-attach ${line%%|*}"
	done >"$scratch/questions"
	case $1 in
	zsh) timeout 120 zsh -f tests/unit/completion.zsh "$scratch/script.zsh" "$scratch" ;;
	fish) HOME=$scratch timeout 120 fish --no-config tests/unit/completion.fish "$scratch/script.fish" ;;
	esac <"$scratch/questions" >"$scratch/answers.$1"
}

offered() { # SHELL LINE
	awk -v line="nbd-attach $2" '$0 == line && !inside { inside = 1; next }
		inside && $0 == "nbd-attach " { exit } inside && /^nbd-attach / { exit }
		inside && NF { print $1 }' "$scratch/answers.$1" | words
}

offers() { # OFFERED WANTED
	local word
	[[ $2 = '- '* ]] || {
		is "$1" "$(words <<<"$2")"
		return
	}
	for word in ${2#- }; do
		[[ " $1 " != *" $word "* ]] || return 1
	done
}

for shell in zsh fish; do
	if ! command -v "$shell" >/dev/null; then
		skip "completion in $shell" "$shell is not installed"
		continue
	fi
	"${nbd_attach[@]}" --completion "$shell" >"$scratch/script.$shell"
	check "$shell: accepts the script" "$shell" -n "$scratch/script.$shell"
	check "$shell: answers" answers "$shell"
	for line in "${lines[@]}"; do
		check "$shell: after '${line%%|*}'" offers "$(offered "$shell" "${line%%|*}")" "${line#*|}"
	done
done
finish
