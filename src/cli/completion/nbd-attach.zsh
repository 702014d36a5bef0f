#compdef nbd-attach
# SPDX-License-Identifier: MIT
# Zsh completion for nbd-attach. Pressing Tab runs a program in one case only: for EXPORT, it runs
# nbd-attach, which asks the server for its exports, for at most two seconds.
#
# The table of options is not in this file: `nbd-attach --completion zsh` prints it as the function
# _nbd_attach_table after this file.

# Offers words that others have chosen: names of exports, interfaces and configurations. Only plain
# ones are offered, and none that nbd-attach would read as an option.
_nbd_attach_offer()
{
    local word
    local -a plain
    for word; do
        [[ $word =~ '^[A-Za-z0-9_./:@+,=][A-Za-z0-9_./:@+,=-]*$' ]] && plain+=($word)
    done
    compadd -a plain
}

_nbd_attach_interfaces()
{
    local dir
    local -a found
    for dir in /sys/class/net/*(N); do
        [[ -d $dir ]] && found+=(${dir##*/})
    done
    _nbd_attach_offer $found
}

_nbd_attach_image()
{
    if compset -P '*:'; then
        _files
    else
        compadd -S '' qcow2: raw:
    fi
}

# The devices that are attached ($1 = yes), are not ($1 = no), or all ($1 = any), in $reply.
_nbd_attach_devices()
{
    local dir name
    reply=()
    for dir in /sys/block/nbd*(N); do
        name=${dir##*/}
        [[ -d $dir && $name =~ '^nbd[0-9]+$' ]] || continue
        [[ $1 == yes && ! -e $dir/pid ]] && continue
        [[ $1 == no && -e $dir/pid ]] && continue
        reply+=(/dev/$name $name)
    done
}

# The names of configurations, in $reply.
_nbd_attach_configs()
{
    local file name
    reply=()
    for file in /etc/nbd-attach/*.conf(N); do
        name=${${file##*/}%.conf}
        [[ $name =~ '^nbd[0-9]' ]] || reply+=($name)
    done
}

# The names that devices were given, in $reply.
_nbd_attach_names()
{
    local file key value
    reply=()
    for file in /run/nbd-attach/nbd*.state(N); do
        while IFS='=' read -r key value; do
            [[ ($key == NAME || $key == CONFIG) && -n $value && ! $value =~ '^nbd[0-9]' ]] &&
                reply+=($value)
        done <$file
    done
}

# Whatever stands for a device after the verb $1. Names without /dev are offered once they are begun.
_nbd_attach_device()
{
    local -a found reply
    case $1 in
    attach)
        _nbd_attach_configs
        found=(auto $reply)
        _nbd_attach_devices no
        ;;
    check)
        _nbd_attach_names
        found=($reply)
        _nbd_attach_devices any
        ;;
    *)
        _nbd_attach_names
        found=($reply)
        _nbd_attach_devices yes
        ;;
    esac
    [[ -n $PREFIX && $PREFIX != /* ]] || reply=(${reply:#nbd*})
    found+=($reply)
    _nbd_attach_offer ${found:|line}
}

_nbd_attach_config_file()
{
    local -a reply
    _nbd_attach_configs
    _nbd_attach_offer defaults $reply
    _files
}

# The exports of the server that the line names, if their names need no escapes in JSON.
_nbd_attach_export()
{
    local said
    local -a server found
    if [[ -n ${opt_args[--unix]}${opt_args[-u]} ]]; then
        server=(--unix=${opt_args[--unix]:-${opt_args[-u]}})
    else
        server=(${line[$1]})
        [[ -n ${opt_args[--port]}${opt_args[-p]} ]] &&
            server+=(--port=${opt_args[--port]:-${opt_args[-p]}})
    fi
    said=$(nbd-attach --quiet --list --json --connect-timeout 2 ${(Q)server} 2>/dev/null)
    while [[ $said =~ '"name": *"([A-Za-z0-9_./:@+,=-]+)"' ]]; do
        found+=($match[1])
        said=${said#*$MATCH}
    done
    _nbd_attach_offer $found
}

_nbd_attach()
{
    local curcontext=$curcontext context state verb=attach word letters kind place=0
    local -a line args given
    local -A opt_args specs options words_after verb_letters
    local negations
    _nbd_attach_table

    # after [ a command, and its words
    if ((${words[(I)\[]} && ${words[(I)\[]} < CURRENT)); then
        place=${words[(I)\[]}
        shift $place words
        ((CURRENT -= place))
        _normal
        return
    fi

    for word in ${words[2,CURRENT-1]}; do
        if [[ $word == --* && -n ${words_after[${word#--}]+set} ]]; then
            verb=${word#--}
        elif [[ $word == -[a-zA-Z]* ]]; then
            for letters in ${(s::)word#-}; do
                [[ -n $verb_letters[$letters] ]] && verb=$verb_letters[$letters]
            done
        fi
        given+=(${word%%=*})
    done

    # the verb itself, so that it does not count as another word
    [[ $verb == attach ]] || args+=(${(f)specs[--$verb]})
    for word in ${=options[$verb]}; do
        args+=(${(f)specs[$word]})
    done
    # what takes an option back is offered when it is begun, since there is one for each option
    [[ $verb == attach && $PREFIX == --no-* ]] && args+=(${=negations})
    for kind in ${=words_after[$verb]}; do
        ((place += 1))
        case $kind in
        device) args+=("${place}:device: _nbd_attach_device $verb") ;;
        devices)
            ((${given[(I)--all]})) || args+=("*:device: _nbd_attach_device $verb")
            ;;
        host)
            if ((${given[(I)(--unix|-u|--image)]})); then
                ((place -= 1))
            else
                args+=("${place}:host:_hosts")
            fi
            ;;
        export)
            ((${given[(I)(--image|--all)]})) ||
                args+=("${place}:export: _nbd_attach_export $((place - 1))")
            ;;
        file)
            if [[ $verb == check-config ]]; then
                args+=("${place}:file: _nbd_attach_config_file")
            else
                args+=("${place}:file:_files")
            fi
            ;;
        esac
    done
    _arguments -s : $args
}
