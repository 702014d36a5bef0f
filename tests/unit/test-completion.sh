#!/bin/bash
# SPDX-License-Identifier: MIT
# Checks what the bash completion offers, in a few situations.
# usage: test-completion.sh PROGRAM
here=$(cd "$(dirname "$0")" && pwd)
script=$("$1" --completion bash) || exit 1
passed=0
failed=0

eval "$script"

if [[ ${2:-} == hostile ]]; then
    # shellcheck source=tests/unit/completion-hostile.sh
    . "$here/completion-hostile.sh"
    # shellcheck disable=SC2317 # it ends the script
    exit 1
fi

# Replaces the machine's devices and interfaces.
# shellcheck disable=SC2317 # _nbd_attach calls them
_nbd_attach_devices()
{
    local state=$1 dir=$2
    [[ $state == no ]] || printf '%s\n' "${dir}nbd0"
    [[ $state == yes ]] || printf '%s\n' "${dir}nbd1"
}
# shellcheck disable=SC2317
_nbd_attach_configs()
{
    echo data
}
# shellcheck disable=SC2317
_nbd_attach_names()
{
    echo disk
}
# shellcheck disable=SC2317
_nbd_attach_interfaces()
{
    printf '%s\n' eth0 lo
}

# shellcheck disable=SC2317
_nbd_attach_exports()
{
    case "$*" in
    host | host:10810 | '--port=1 host' | '--unix=s') printf '%s\n' boot data ;;
    esac
}

# offers 'WORDS SO FAR|' 'EXPECTED': the bar is the cursor; bash splits the words.
# If EXPECTED begins with + or -, the offer must contain, or not contain, that word.
offers()
{
    local want=$2 got word bad=
    read -ra COMP_WORDS <<<"nbd-attach ${1%|}"
    [[ $1 == *' |' || $1 == '|' ]] && COMP_WORDS+=('')
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    COMPREPLY=()
    _nbd_attach
    got=" ${COMPREPLY[*]} "
    case $want in
    '+ '*) for word in ${want:2}; do [[ $got == *" $word "* ]] || bad=$word; done ;;
    '- '*) for word in ${want:2}; do [[ $got != *" $word "* ]] || bad=$word; done ;;
    *) [[ $got == " $want " ]] || bad=${want:-nothing} ;;
    esac
    if [[ $bad ]]; then
        echo "after '$1': offers '$got', expected '$want'"
        ((failed += 1))
    else
        ((passed += 1))
    fi
}

# the options of a verb
offers '--|' '+ --export --connections --wait --backend --detach --status --help --version'
offers '--|' '- --force --json'
offers '--det|' '--detach'
offers '--rea|' '--read-only'
offers '--re|' '--read-only --relay --retry-delay --reconnect --resize --reload --report'
offers '--resize |' 'disk /dev/nbd0'
offers '--wat|' '--watch-size'
offers '--accept |' 'smaller read-only features name content'
offers '-d --|' '--backend --force --all --verbose --quiet'
offers '-d --all |' ''
offers '--detach --f|' '--force'
offers 'nbd0 -d --f|' '--force'
offers '-qd --|' '- --quiet --unix --check'
offers '-c --|' '--verbose --quiet'
offers '-s --|' '--wait --all --follow --openmetrics --json --verbose --quiet'
offers '-l --|' '+ --json --port --unix'
offers '-l --|' '- --export --connections --list --attach'
offers '-I --e|' '--export'
offers '--help --|' ''
offers 'nbd0 host -C 4 --conne|' '--connect-timeout'
offers 'nbd0 host -rC4 --|' '- --connections --read-only'
offers 'nbd0 host --unix = s --|' '- --unix'
offers '-v --ver|' '--verbose --version'

# values
offers '--backend |' 'auto netlink ioctl'
offers '--completion |' 'bash zsh fish'
offers '--completion = z|' 'zsh'
offers '--backend n|' 'netlink'
offers '--backend = n|' 'netlink'
offers '--backend =|' 'auto netlink ioctl'
offers '--source |' 'eth0 lo'
offers '--source = l|' 'lo'
offers '-C |' ''
offers '-N |' ''
dir=$(mktemp -d)
touch "$dir/a.sock" "$dir/b.sock"
offers "-u $dir/a|" "$dir/a.sock"
offers "--unix $dir/|" "+ $dir/a.sock $dir/b.sock"
offers "--unix = $dir/b|" "$dir/b.sock"
offers "--image q|" 'qcow2:'
offers "--image = |" 'qcow2: raw:'
offers "--image qcow2 : $dir/a|" "$dir/a.sock"
offers "--image = raw : $dir/b|" "$dir/b.sock"
offers "nbd0 -- [ cat $dir/b|" "$dir/b.sock"
offers 'nbd0 -- [ mkte|' '+ mktemp'
offers "--config $dir/a|" "$dir/a.sock"
offers "--check-config $dir/a|" "$dir/a.sock"
offers "--import-nbdtab $dir/b|" "$dir/b.sock"
offers "--import-nbdtab --output $dir/b|" "$dir/b.sock"
offers '--import-nbdtab --|' '--force --output --verbose --quiet'
rm -rf "$dir"

# words
offers '|' 'auto data /dev/nbd1'
offers '/dev/|' '/dev/nbd1'
offers 'nb|' 'nbd1'
offers 'a|' 'auto'
offers 'd|' 'data'
offers '-d d|' 'disk'
offers '-d |' 'disk /dev/nbd0'
offers '-d n|' 'nbd0'
offers '-C 2 -r |' 'auto data /dev/nbd1'
offers '--wait |' 'auto data /dev/nbd1'
offers '-u s |' 'auto data /dev/nbd1'
offers '-c |' 'disk /dev/nbd0 /dev/nbd1'
offers '-s |' 'disk /dev/nbd0'
offers '--reconnect |' 'disk /dev/nbd0'
offers '-d nbd0 |' 'disk'
offers '-d disk |' '/dev/nbd0'
offers '-s disk n|' 'nbd0'
offers '-c disk /dev/nbd0 /dev/|' '/dev/nbd1'
offers '--check-config da|' 'data'
offers '--check-config de|' 'defaults'
offers '--no-re|' '--no-reconnect --no-read-only --no-relay --no-retry-delay'
offers '--no-ver|' '--no-verbose'
offers '-d --no-|' ''
offers 'nbd0 host |' 'boot data'
offers 'nbd0 host d|' 'data'
offers 'nbd0 -p 1 host |' 'boot data'
offers '-I host |' 'boot data'
offers '-I --all host |' ''
offers '-I host : 10810 b|' 'boot'
offers '-I -u s |' 'boot data'
offers '-l host |' ''
offers 'nbd0 elsewhere |' ''
offers 'nbd0 host data |' ''
offers 'nbd0 nbd : //h|' ''
offers 'nbd0 nbd :|' ''
offers '-u s nbd0 |' 'boot data'
offers '--unix = s nbd0 |' 'boot data'
if [[ $(compgen -A hostname -- localh) == *localhost* ]]; then
    offers 'nbd0 localh|' '+ localhost'
    offers '-l localh|' '+ localhost'
    offers '-u s nbd0 localh|' ''
    offers '--image raw : f nbd0 localh|' ''
fi
# Names that an attacker chooses, in separate namespaces, with the real functions.
if unshare -mn true 2>/dev/null; then
    hostile=(unshare -mn)
elif unshare -Urmn true 2>/dev/null; then
    hostile=(unshare -Urmn)
else
    hostile=(echo "hostile names: not tried, there are no namespaces to be had; not run:")
fi
if "${hostile[@]}" "${BASH_SOURCE[0]}" "$1" hostile; then
    ((passed += 1))
else
    ((failed += 1))
fi

echo "completion: $passed passed, $failed failed"
[[ $failed -eq 0 ]]
