#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Stands between two supervisors, one of which hands its device over to the other.

  between.py SOCKET PHASE VICTIM-PID|-FILE

Moves the control socket SOCKET away, listens in its place, and passes one conversation on, with its
descriptors. Kills the victim as soon as the message of PHASE has come (asked, offer, ready,
commit), before it passes that on. The victim is a process, or -FILE: the number is in that file.
With PHASE `none` nobody is killed. Ends then, as one of the two is dead; with PHASE+ the victim is
another process, and the conversation goes on. Says what passed.
"""

import os
import select
import signal
import socket
import sys
import time

path, phase, victim = sys.argv[1:]
goes_on = phase.endswith("+")
phase = phase.rstrip("+")
real = path + ".real"
os.rename(path, real)
listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
listener.bind(path)
listener.listen()
print("listening", flush=True)
taker, _ = listener.accept()
giver = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
giver.connect(real)
other = {taker: giver, giver: taker}


def phase_of(data):
    if data.startswith(b"give"):
        return "asked"
    if data.startswith(b"NBDg"):
        return {1: "offer", 2: "ready", 3: "commit"}[int.from_bytes(data[6:8], "big")]
    return "answer"


def kill():
    pid = int(open(victim[1:]).read() if victim[0] == "-" else victim)
    os.kill(pid, signal.SIGKILL)
    for _ in range(500):
        try:
            with open(f"/proc/{pid}/stat") as f:
                if f.read().rsplit(")", 1)[1].split()[0] == "Z":
                    return
        except OSError:
            return
        time.sleep(0.01)


def send(to, data, fds):
    try:
        socket.send_fds(to, [data], fds)
    except OSError as e:
        print("cannot pass it on:", e, flush=True)


while True:
    for source in select.select([taker, giver], [], [], 30)[0]:
        try:
            data, fds, _, _ = socket.recv_fds(source, 8192, 64)
        except OSError:
            data, fds = b"", []
        if not data:
            print("the end", flush=True)
            sys.exit()
        here = phase_of(data)
        print(here, len(data), len(fds), data.decode("latin-1") if here == "answer" else "",
              flush=True)
        if here == phase:
            kill()
        if here == phase and not goes_on:
            other[source].shutdown(socket.SHUT_RD)  # nothing gets to the dead one any more
        send(other[source], data, fds)
        for fd in fds:
            os.close(fd)
        if here == phase and not goes_on:
            sys.exit()  # which ends both connections, as the death of one of them does
