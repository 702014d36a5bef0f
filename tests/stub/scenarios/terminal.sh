#!/bin/bash
# SPDX-License-Identifier: MIT
# On a terminal: states in colour, and what a command waits for once that takes more than two
# seconds. A file or a pipe has neither.
# shellcheck source=tests/stub/lib.bash disable=SC2016,SC2119,SC2317
. "$(dirname "$0")/../lib.bash"

esc=$'\033'
export TERM=xterm
unset NO_COLOR

# After the command, no process may keep the terminal open; but a helper of a build with sanitizers
# does, for their reports.
kept=no
! grep -q __asan_init "${nbd_attach[0]}" || kept=yes
cat >"$N/terminal.py" <<'EOF'
import os, pty, select, sys
pid, fd = pty.fork()
if pid == 0:
    os.execvp("env", ["env"] + sys.argv[2:])
kept, ended, closed = sys.argv.pop(1) == "yes", None, False
while True:
    if select.select([fd], [], [], 0.1 if kept or ended is None else 10)[0]:
        try:
            data = os.read(fd, 4096)
        except OSError:
            closed = True
            break
        os.write(1, data)
    elif ended is not None:
        break
    if ended is None:
        process, status = os.waitpid(pid, os.WNOHANG)
        ended = status if process else None
if ended is None:
    ended = os.waitpid(pid, 0)[1]
if not (closed or kept):
    sys.exit("the terminal is still open")
sys.exit(os.waitstatus_to_exitcode(ended))
EOF

# Runs a command at a terminal of its own; what it shows goes to $N/screen.
at_terminal() { # [NAME=VALUE...] COMMAND...
	python3 "$N/terminal.py" "$kept" "$@" </dev/null >"$N/screen"
}

shows() { # TEXT
	cat -v "$N/screen"
	[[ $(<"$N/screen") = *"$1"* ]]
}

shows_no_escape() {
	cat -v "$N/screen"
	[[ $(<"$N/screen") != *"$esc"* ]]
}

# The command waits for the server at a terminal until it has shown that; then the server comes.
waits_at_terminal() { # [NAME=VALUE...] COMMAND...
	at_terminal "$@" &
	local waiting=$!
	started+=("$waiting")
	within 20 shows 'waiting for the server, '
	local seen=$?
	serve
	wait "$waiting" && ((seen == 0))
}

attach=("${nbd_attach[@]}" --wait nbd0 -u "$sock")
check "attach --wait: the wait is shown" waits_at_terminal "${attach[@]}"
check "... and erased before the line that says so" shows "${esc}[Knbd-attach: /dev/nbd0: attached to"
check "the table: the state is green" at_terminal "${nbd_attach[@]}" --status
check "... and nothing else" shows "  ${esc}[32mattached${esc}[0m  "
check "one device: at a terminal" at_terminal "${nbd_attach[@]}" --status nbd0
check "... its state is green" shows "/dev/nbd0: ${esc}[32mattached${esc}[0m since"
check "NO_COLOR" at_terminal NO_COLOR=1 "${nbd_attach[@]}" --status
check "... leaves it plain" shows_no_escape
check "TERM=dumb" at_terminal TERM=dumb "${nbd_attach[@]}" --status
check "... leaves it plain" shows_no_escape
check "JSON at a terminal" at_terminal "${nbd_attach[@]}" --status --json
check "... is plain" shows_no_escape
nbd_attach --status >"$N/screen"
check "a pipe or a file is plain" shows_no_escape
crash
check "the loss is noticed" within 10 state_is lost
check "lost: at a terminal" at_terminal "${nbd_attach[@]}" --status
check "... the state is red" shows "${esc}[1;31mlost${esc}[0m"

# A flush that takes long.
serve_again
check "it heals" within 10 state_is attached
check "it detaches" detach
crash
slow=(nbdkit -f -U "$sock" eval get_size='echo 1048576' can_flush='exit 0' flush='sleep 4'
	pread='dd if=/dev/zero count=$3 iflag=count_bytes status=none'
	pwrite='cat >/dev/null')
serve "${slow[@]}"
check "a server with slow flushes: it attaches" attach
check "detach: at a terminal" at_terminal "${nbd_attach[@]}" --detach nbd0
check "... the wait is shown" shows 'detaching, '
check "it attaches again" attach
nbd_attach --detach nbd0 2>"$N/screen"
check "detach into a file: nothing of the wait" shows_no_escape

crash
"${attach[@]}" 2>"$N/screen" &
waiting=$!
started+=("$waiting")
wait_for 4 false
serve
wait "$waiting"
check "attach --wait into a file: nothing of the wait" shows_no_escape
check "it detaches" detach
crash
check "-q at a terminal" eval 'at_terminal timeout 4 "${attach[@]}" -q; :'
check "... shows nothing of the wait" shows_no_escape

# A job in the background would write over what the user types meanwhile.
check "in the background of a terminal" at_terminal bash -c 'set -m
	"$@" & sleep 5; kill $!; wait $!; is=$?; echo "ended with $is"' - "${attach[@]}"
check "... the command has waited" shows 'ended with '
check "... and shows nothing of the wait" eval '! shows "waiting for the server, "'

# What was never shown is not erased. (A busy machine may show it.)
serve
erases_what_it_shows() {
	cat -v "$N/screen"
	[[ $(<"$N/screen") != *"${esc}[K"* || $(<"$N/screen") = *' s'$'\r'* ]]
}
check "a short command at a terminal" at_terminal "${nbd_attach[@]}" --info -u "$sock"
check "... erases nothing" erases_what_it_shows
finish
