# SPDX-License-Identifier: MIT
# Prints what fish offers for each line of standard input: the line, and then a word on each line.
# usage: completion.fish SCRIPT
source $argv[1]

function __nbd_attach_devices
    set -l found
    test $argv[1] != no; and set -a found nbd0
    test $argv[1] != yes; and set -a found nbd1
    for name in $found
        echo /dev/$name
        string match -q 'n*' -- (commandline -ct); and echo $name
    end
end
function __nbd_attach_configs
    echo data
end
function __nbd_attach_names
    echo disk
end
function nbd-attach
    echo '{"exports": [{"name": "boot"}, {"name": "$(>ran)"}]}'
end

while read -l line
    echo $line
    complete -C "$line" | string replace -r '\t.*' ''
    echo
end
