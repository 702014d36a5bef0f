#!/bin/zsh -f
# SPDX-License-Identifier: MIT
# Prints what zsh offers for each line of standard input, as "LINE" and then a word on each line, all
# after a zsh that is really interactive has read the script.
# usage: completion.zsh SCRIPT SCRATCH-DIRECTORY
zmodload zsh/zpty

# The inner shell writes what it would offer to a file instead of showing it.
setup='
PS1= PS2= RPS1=; unsetopt zle_bracketed_paste 2>/dev/null; unset zle_bracketed_paste
autoload -Uz compinit; compinit -u -D
zstyle ":completion:*" verbose no
source '${(q)1}'
_nbd_attach_devices() {
    reply=()
    [[ $1 == no ]] || reply+=(/dev/nbd0 nbd0)
    [[ $1 == yes ]] || reply+=(/dev/nbd1 nbd1)
}
_nbd_attach_configs() { reply=(data) }
_nbd_attach_names() { reply=(disk) }
nbd-attach() { print -r -- "{\"exports\": [{\"name\": \"boot\"}, {\"name\": \"\$(>ran)\"}]} $*" }
compadd() {
    local -a hits
    [[ ${@[1,(i)(-|--)]} == *-(O|A|D)\ * ]] && { builtin compadd "$@"; return }
    builtin compadd -O hits "$@"
    print -rl -- $hits >>'${(q)2}'/offered
    builtin compadd "$@"
}
ask() { : >'${(q)2}'/offered; zle complete-word; zle kill-whole-line; : >'${(q)2}'/answered }
zle -N ask; bindkey "^I" ask
setopt no_list_beep no_beep no_auto_list no_auto_menu
: >'${(q)2}'/ready
'
print -r -- $setup >$2/setup
zpty inner zsh -f -i
zpty -w inner "source ${(q)2}/setup"

wait_for() {
    local i
    for i in {1..400}; do
        [[ -e $1 ]] && return
        zpty -r -t inner discarded # or it would wait for a reader
        sleep 0.05
    done
    print -r "zsh does not answer" >&2
    exit 1
}
wait_for $2/ready
while IFS= read -r line; do
    rm -f $2/answered
    zpty -w -n inner "$line"$'\t'
    wait_for $2/answered
    print -r -- "$line"
    sort -u $2/offered
    print
done
zpty -d inner
