# SPDX-License-Identifier: MIT
# Bash completion for nbd-attach (bash 4.3 or later). Pressing Tab runs no program.
#
# The table of options is not in this file: `nbd-attach --completion` prints it as a function,
# _nbd_attach_table, and the build puts that behind what is here.

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
            [[ $key == NAME && $value ]] && printf '%s\n' "$value"
        done <"$file"
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
    local verbs=''
    local -A value choices long options words
    _nbd_attach_table

    local cur=${COMP_WORDS[COMP_CWORD]} line=() word glue='' i
    local verb=attach given=' ' expect='' n=0 prefix='' what
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

    # what the words so far say: the verb, the options given, the number of other words
    for word in "${line[@]}"; do
        if [[ $expect ]]; then
            expect=
            continue
        fi
        case $word in
        --*=*) given+="${word%%=*} " ;;
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
        *) ((n += 1)) ;;
        esac
    done
    if [[ $prefix ]]; then
        # the value in --option=value; anything else with a colon is a server
        [[ $prefix == --*= ]] || return 0
        expect=${prefix%=}
    fi

    if [[ $expect ]]; then
        case ${value[$expect]} in
        choice) mapfile -t COMPREPLY < <(compgen -W "${choices[$expect]}" -- "$cur") ;;
        interface) mapfile -t COMPREPLY < <(compgen -W "$(_nbd_attach_interfaces)" -- "$cur") ;;
        file)
            mapfile -t COMPREPLY < <(compgen -f -- "$cur")
            compopt -o filenames 2>/dev/null
            ;;
        esac
        return 0
    fi

    if [[ $cur == -* ]]; then
        local list=${options[$verb]}
        [[ $verb == attach ]] && list+=$verbs
        for word in $given; do
            [[ $word == --verbose ]] || list=${list// $word / }
        done
        mapfile -t COMPREPLY < <(compgen -W "$list" -- "$cur")
        return 0
    fi

    local kinds
    read -ra kinds <<<"${words[$verb]}"
    what=${kinds[n]}
    if [[ $what == device ]]; then
        local state=any dir=/dev/ list=''
        [[ $cur && $cur != /* ]] && dir=
        case $verb in
        attach) state=no list="auto $(_nbd_attach_configs)" ;;
        --detach | --status | --reconnect | --resize) state=yes ;;&
        *) list=$(_nbd_attach_names) ;;
        esac
        list+=" $(_nbd_attach_devices $state $dir)"
        mapfile -t COMPREPLY < <(compgen -W "$list" -- "$cur")
    elif [[ $what == file ]]; then
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
        compopt -o filenames 2>/dev/null
    elif [[ $what == host && $given != *' --unix '* ]]; then
        mapfile -t COMPREPLY < <(compgen -A hostname -- "$cur")
    fi
}

complete -F _nbd_attach nbd-attach
