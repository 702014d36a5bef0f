# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# The part of test-completion.sh that runs in its own mount and network namespace: an attacker has
# chosen the names of interfaces, configurations, devices, exports, commands and files. Each name
# creates the file "ran" if it is executed as code. Ends with 0 if none was.

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
mount --make-rprivate / && mount -t tmpfs none /etc && mount -t tmpfs none /run &&
    mount -t sysfs none /sys || exit 1
mkdir /etc/nbd-attach /run/nbd-attach "$work/bin" "$work/files" && cd "$work/files" || exit 1

# shellcheck disable=SC2016 # nothing here is to be expanded
evil='$(>ran)' ticks='`>ran`' split='a;>ran'
ip link set lo name "$evil" || exit 1
plain=
for name in "$evil" "$ticks" "$split" good0; do
    # Not every kernel has these; the one above always exists.
    ip link add "$name" type bridge 2>/dev/null || ip link add "$name" type dummy 2>/dev/null
    : >"/etc/nbd-attach/$name.conf"
    printf 'NAME=%s\n' "$name" >"/run/nbd-attach/nbd${#name}.state"
    : >"$work/files/$name"
    printf '#!/bin/sh\n' >"$work/bin/zz$name"
done
: >/etc/nbd-attach/--force.conf
[[ ! -e /sys/class/net/good0 ]] || plain=good0
cat >"$work/bin/nbd-attach" <<'EOF'
#!/bin/sh
printf '{"exports": [{"name": "good0"}, {"name": "$(>ran)"}, {"name": "`>ran`"},'
printf ' {"name": "a;>ran"}, {"name": "--fence=ran"}, {"name": "\\u0024(>ran)"}]}\n'
EOF
chmod +x "$work"/bin/*
PATH=$work/bin:$PATH

bad=0
# Compares what bash offers after these words, and then runs it, as a user would.
safe() { # 'WORDS SO FAR|' EXPECTED
    local word
    read -ra COMP_WORDS <<<"nbd-attach ${1%|}"
    [[ $1 == *' |' || $1 == '|' ]] && COMP_WORDS+=('')
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    COMPREPLY=()
    _nbd_attach
    for word in "${COMPREPLY[@]}"; do
        [[ $1 == *'-u |' ]] || eval ": $word" 2>/dev/null
    done
    if [[ -e ran || ${COMPREPLY[*]} != "$2" ]]; then
        echo "after '$1': offers '${COMPREPLY[*]}', expected '$2'$([[ -e ran ]] && echo ', and ran it')"
        bad=1
    fi
    rm -f ran
}
safe '--source |' "$plain"
safe '--source = |' "$plain"
safe '|' 'auto good0'
safe '-d |' 'good0'
safe 'nbd0 host |' good0
safe '-I host |' good0
safe 'nbd0 -- [ zz|' zzgood0
safe '-u |' "$(compgen -f | paste -sd ' ')" # readline quotes file names
exit $bad
