# SPDX-License-Identifier: MIT
# Bash completion for nbd-attach (bash 4.3 or later). Pressing Tab runs a program in one case only:
# for EXPORT, it runs nbd-attach, which asks the server for its exports, for at most two seconds.
#
# The table of options is not in this file: `nbd-attach --completion bash` prints it as the function
# _nbd_attach_table after this file.

# Offers those of the words after $1 that begin with $1. The names of a server's exports, of an
# interface or of a configuration are chosen by others, and bash runs `$(...)` in such a name: in
# compgen -W, or on the command line that the word becomes a part of. So only plain words are offered,
# and none that nbd-attach would read as an option.
_nbd_attach_offer()
{
    local LC_ALL=C word begin=$1
    shift
    for word; do
        [[ $word == "$begin"* && $word =~ ^[A-Za-z0-9_./:@+,=][A-Za-z0-9_./:@+,=-]*$ ]] &&
            COMPREPLY+=("$word")
    done
}

# The devices that are attached ($1 = yes), are not ($1 = no), or all ($1 = any).
_nbd_attach_devices()
{
    local dir name
    for dir in /sys/block/nbd*; do
        name=${dir##*/}
        [[ -d $dir && $name =~ ^nbd[0-9]+$ ]] || continue
        case $1 in
        yes) [[ -e $dir/pid ]] || continue ;;
        no) [[ ! -e $dir/pid ]] || continue ;;
        esac
        printf '%s\n' "$2$name"
    done
}

# The names of configurations.
_nbd_attach_configs()
{
    local file name
    for file in /etc/nbd-attach/*.conf; do
        name=${file##*/}
        [[ -e $file && ! $name =~ ^nbd[0-9] ]] && printf '%s\n' "${name%.conf}"
    done
}

# The names that devices were given.
_nbd_attach_names()
{
    local file key value
    for file in /run/nbd-attach/nbd*.state; do
        [[ -e $file ]] || continue
        while IFS='=' read -r key value; do
            [[ ($key == NAME || $key == CONFIG) && $value && ! $value =~ ^nbd[0-9] ]] && printf '%s\n' "$value"
        done <"$file"
    done
}

# The exports of a server ($@ names it) whose names need no escapes in JSON.
_nbd_attach_exports()
{
    local line
    nbd-attach --quiet --list --json --connect-timeout 2 "$@" 2>/dev/null | while read -r line; do
        while [[ $line =~ \"name\":\ *\"([A-Za-z0-9_./:@+,=-]+)\" ]]; do
            printf '%s\n' "${BASH_REMATCH[1]}"
            line=${line#*"${BASH_REMATCH[0]}"}
        done
    done
}

_nbd_attach_interfaces()
{
    local dir
    for dir in /sys/class/net/*; do
        [[ -d $dir ]] && printf '%s\n' "${dir##*/}"
    done
}

_nbd_attach()
{
    # the table: set by the function at the end
    local verbs='' negations=''
    local -A value choices long options words
    _nbd_attach_table

    local cur=${COMP_WORDS[COMP_CWORD]} line=() word glue='' i
    local verb=attach given=' ' expect='' prefix='' what
    local positional=() server=() found=()
    COMPREPLY=()

    # bash has split words at = and : (COMP_WORDBREAKS): put them together again
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if [[ ${#line[@]} -gt 0 && ( $glue || $word == [:=]* ) ]]; then
            line[-1]+=$word
        else
            line+=("$word")
        fi
        glue=
        [[ $word == *[:=] ]] && glue=yes
    done
    if [[ $cur == = || $cur == : ]]; then
        glue=yes
        [[ ${#line[@]} -gt 0 ]] && line[-1]+=$cur
        cur=
    fi
    if [[ $glue && ${#line[@]} -gt 0 ]]; then
        prefix=${line[-1]}
        unset 'line[-1]'
    fi

    # what the words so far contain: the verb, the options given, the number of other words
    for word in "${line[@]}"; do
        if [[ $expect ]]; then
            [[ $expect == --unix || $expect == --port ]] && server+=("$expect=$word")
            expect=
            continue
        fi
        case $word in
        --*=*)
            given+="${word%%=*} "
            [[ $word == --unix=* || $word == --port=* ]] && server+=("$word")
            ;;
        --*)
            given+="$word "
            [[ $verbs == *" $word "* ]] && verb=$word
            [[ ${value[$word]:-optional} != optional ]] && expect=$word
            ;;
        -?*)
            for ((i = 1; i < ${#word}; i++)); do
                what=${long[${word:i:1}]}
                [[ $what ]] || break
                given+="$what "
                [[ $verbs == *" $what "* ]] && verb=$what
                if [[ ${value[$what]} ]]; then
                    ((i + 1 == ${#word})) && expect=$what
                    break
                fi
            done
            ;;
        *) positional+=("$word") ;;
        esac
    done
    if [[ $prefix == --image=*: || ( $expect == --image && $prefix == *: ) ]]; then
        expect=--image # FORMAT: is behind us
    elif [[ $prefix ]]; then
        # the value in --option=value; anything else with a colon is a server
        [[ $prefix == --*= ]] || return 0
        expect=${prefix%=}
    fi

    # after [ a command, and its words
    if [[ ' '${line[*]}' ' == *' [ '* ]]; then
        if [[ ${line[-1]} == '[' ]]; then
            mapfile -t found < <(compgen -c -- "$cur")
            _nbd_attach_offer "$cur" "${found[@]}"
        else
            mapfile -t COMPREPLY < <(compgen -f -- "$cur")
            compopt -o filenames 2>/dev/null
        fi
        return 0
    fi

    if [[ $expect ]]; then
        case ${value[$expect]} in
        choice) mapfile -t COMPREPLY < <(compgen -W "${choices[$expect]}" -- "$cur") ;;
        interface)
            mapfile -t found < <(_nbd_attach_interfaces)
            _nbd_attach_offer "$cur" "${found[@]}"
            ;;
        image)
            if [[ $prefix != *: ]]; then
                mapfile -t COMPREPLY < <(compgen -W 'qcow2: raw:' -- "$cur")
                compopt -o nospace 2>/dev/null
                return 0
            fi
            ;;&
        file | image)
            mapfile -t COMPREPLY < <(compgen -f -- "$cur")
            compopt -o filenames 2>/dev/null
            ;;
        esac
        return 0
    fi

    if [[ $cur == -* ]]; then
        local list=${options[$verb]}
        [[ $verb == attach ]] && list+=$verbs
        # what takes an option back is offered when it is begun, since there is one for each option
        [[ $verb == attach && $cur == --no-* ]] && list+=$negations
        for word in $given; do
            [[ $word == --verbose ]] || list=${list// $word / }
        done
        mapfile -t COMPREPLY < <(compgen -W "$list" -- "$cur")
        return 0
    fi

    local kinds=${words[$verb]}
    [[ $given == *' --unix '* ]] && kinds=${kinds/ host/}
    [[ $given == *' --image '* ]] && kinds=${kinds/ host/} kinds=${kinds/ export/}
    [[ $given == *' --all '* ]] && kinds=${kinds/ devices/} kinds=${kinds/ export/}
    read -ra kinds <<<"$kinds"
    what=${kinds[${#positional[@]}]}
    [[ ${kinds[0]} == devices ]] && what=device # any number of them
    if [[ $what == device ]]; then
        local state=any dir=/dev/
        [[ $cur && $cur != /* ]] && dir=
        case $verb in
        attach)
            state=no
            mapfile -t found < <(echo auto && _nbd_attach_configs)
            ;;
        --detach | --status | --reconnect | --resize | --fail-now | --reload) state=yes ;;&
        *) mapfile -t found < <(_nbd_attach_names) ;;
        esac
        mapfile -t -O "${#found[@]}" found < <(_nbd_attach_devices $state $dir)
        for word in "${found[@]}"; do
            [[ " ${positional[*]} " == *" $word "* || " ${positional[*]} " == *" ${word#/dev/} "* ]] ||
                _nbd_attach_offer "$cur" "$word"
        done
    elif [[ $what == file ]]; then
        if [[ $verb == --check-config && $cur != */* ]]; then
            mapfile -t found < <(echo defaults && _nbd_attach_configs)
            _nbd_attach_offer "$cur" "${found[@]}"
        fi
        mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$cur")
        compopt -o filenames 2>/dev/null
    elif [[ $what == host ]]; then
        mapfile -t found < <(compgen -A hostname -- "$cur")
        _nbd_attach_offer "$cur" "${found[@]}"
    elif [[ $what == export ]]; then
        [[ $given == *' --unix '* ]] || server+=("${positional[-1]}")
        mapfile -t found < <(_nbd_attach_exports "${server[@]}")
        _nbd_attach_offer "$cur" "${found[@]}"
    fi
}

complete -F _nbd_attach nbd-attach
