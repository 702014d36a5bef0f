# SPDX-License-Identifier: MIT
# Fish completion for nbd-attach. Pressing Tab runs a program in one case only: for EXPORT, it runs
# nbd-attach, which asks the server for its exports, for at most two seconds.
#
# The options are not in this file: `nbd-attach --completion fish` prints it with a line for each.

# Only plain words are offered, and none that nbd-attach would read as an option: names of exports,
# interfaces and configurations are chosen by others.
function __nbd_attach_plain
    string match -r -- '^[A-Za-z0-9_./:@+,=][A-Za-z0-9_./:@+,=-]*$' $argv
end

function __nbd_attach_interfaces
    for dir in /sys/class/net/*
        test -d $dir; and __nbd_attach_plain (string replace -r '.*/' '' -- $dir)
    end
end

# The devices that are attached ($argv[1] = yes), are not (no), or all (any).
function __nbd_attach_devices
    for dir in /sys/block/nbd*
        set -l name (string replace -r '.*/' '' -- $dir)
        string match -qr '^nbd[0-9]+$' -- $name; or continue
        test $argv[1] = yes; and not test -e $dir/pid; and continue
        test $argv[1] = no; and test -e $dir/pid; and continue
        echo /dev/$name
        # without /dev once it is begun
        string match -q 'n*' -- (commandline -ct); and echo $name
    end
end

function __nbd_attach_configs
    for file in /etc/nbd-attach/*.conf
        set -l name (string replace -r '.*/(.*)[.]conf$' '$1' -- $file)
        string match -qr '^nbd[0-9]' -- $name; or echo $name
    end
end

function __nbd_attach_names
    for file in /run/nbd-attach/nbd*.state
        string match -rg '^(?:NAME|CONFIG)=(.+)$' <$file | string match -vr '^nbd[0-9]'
    end
end

# The words so far: sets the caller's verb, given (the options) and positional (the other words).
function __nbd_attach_read -S
    set verb attach
    set given
    set positional
    set -l expect
    for word in (commandline -opc)[2..]
        if test -n "$expect"
            set expect
            continue
        end
        switch $word
            case '--*=*'
                set -a given (string replace -r '=.*' '' -- $word)
            case '--*'
                set -a given $word
                contains -- $word $__nbd_attach_verbs; and set verb (string sub -s 3 -- $word)
                contains -- $word $__nbd_attach_valued; and set expect $word
            case '-?*'
                set -l rest (string split '' -- (string sub -s 2 -- $word))
                for i in (seq (count $rest))
                    set -l long (string match -rg "^$rest[$i]=(.*)" -- $__nbd_attach_letters)
                    test -n "$long"; or break
                    set -a given $long
                    contains -- $long $__nbd_attach_verbs; and set verb (string sub -s 3 -- $long)
                    if contains -- $long $__nbd_attach_valued
                        test $i -eq (count $rest); and set expect $long
                        break
                    end
                end
            case '*'
                set -a positional $word
        end
    end
end

# True if the verb so far is one of the words, and a server command has not begun.
function __nbd_attach_is
    set -l verb
    set -l given
    set -l positional
    __nbd_attach_read
    not contains -- '[' $positional; and contains -- $verb $argv
end

function __nbd_attach_in_command
    contains -- '[' (commandline -opc)
end

# True if what takes an option back is begun: there is one for each option.
function __nbd_attach_takes_back
    string match -q -- '--no-*' (commandline -ct); and __nbd_attach_is attach
end

# The exports of the server that the line names, if their names need no escapes in JSON.
function __nbd_attach_exports
    nbd-attach --quiet --list --json --connect-timeout 2 $argv 2>/dev/null |
        string match -arg '"name": *"([A-Za-z0-9_./:@+,=-]+)"'
end

function __nbd_attach_device
    switch $argv[1]
        case attach
            echo auto
            __nbd_attach_configs
            __nbd_attach_devices no
        case check
            __nbd_attach_names
            __nbd_attach_devices any
        case '*'
            __nbd_attach_names
            __nbd_attach_devices yes
    end
end

# What can stand at the place of the cursor if it is no option.
function __nbd_attach_words
    set -l verb
    set -l given
    set -l positional
    __nbd_attach_read
    contains -- '[' $positional; and return
    set -l kinds (string split -n ' ' -- (string replace -r "^$verb=" '' -- (string match -- "$verb=*" $__nbd_attach_kinds)))
    contains -- --unix $given; or contains -- --image $given; and set kinds (string match -v host -- $kinds)
    contains -- --image $given; and set kinds (string match -v export -- $kinds)
    contains -- --all $given; and set kinds (string match -vr 'devices|export' -- $kinds)
    set -l kind $kinds[(math (count $positional) + 1)]
    test "$kinds[1]" = devices; and set kind devices
    set -l found
    switch "$kind"
        case device devices
            set found (__nbd_attach_device $verb)
        case file
            test $verb = check-config; and set found defaults (__nbd_attach_configs)
        case host
            __fish_print_hostnames
            return
        case export
            set -l server
            for option in --unix --port
                set -l value (__nbd_attach_value $option)
                test -n "$value"; and set -a server $option=$value
            end
            contains -- --unix $given; or set -a server $positional[-1]
            set found (__nbd_attach_exports $server)
    end
    for word in (__nbd_attach_plain $found)
        contains -- $word $positional; or echo $word
    end
end

# The value of a long option on the line.
function __nbd_attach_value
    set -l words (commandline -opc)
    set -l letter (string match -rg "^(.)=$argv[1]\$" -- $__nbd_attach_letters)
    for i in (seq (count $words))
        if test "$words[$i]" = $argv[1]; or test "$words[$i]" = -$letter
            echo $words[(math $i + 1)]
            return
        end
        string match -rg -- "^$argv[1]=(.*)" $words[$i]; and return
    end
end

complete -c nbd-attach -e
complete -c nbd-attach -f
complete -c nbd-attach -f -a '(__nbd_attach_words)'
complete -c nbd-attach -n '__nbd_attach_is check-config import-nbdtab' -F
complete -c nbd-attach -n __nbd_attach_in_command -F
