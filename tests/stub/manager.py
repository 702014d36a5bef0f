#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A service manager for the scenarios: starts a supervisor, and keeps its descriptors.

usage: manager.py DIRECTORY COMMAND...

It listens at DIRECTORY/notify, keeps descriptors as systemd does (FDSTORE=1 with FDNAME= and FDPOLL=0,
FDSTOREREMOVE=1), and runs COMMAND with them for each line that is written to DIRECTORY/start. A
descriptor without FDPOLL=0 is dropped when it hangs up, and one that is kept already is ignored.
Only the main process is heard; MAINPID= names another one. DIRECTORY/stored has the names of those
that are kept, DIRECTORY/told all messages, DIRECTORY/main the main process.
"""

import array
import os
import select
import signal
import socket
import struct
import sys

FIRST_FD = 3
directory, command = sys.argv[1], sys.argv[2:]
kept = []  # (name, descriptor, dropped at its hang-up)
main_pid = 0


def same(a, b):
    a, b = os.fstat(a), os.fstat(b)
    return (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino)


def publish():
    with open(directory + "/stored.new", "w", encoding="ascii") as f:
        f.writelines(name + "\n" for name, _, _ in kept)
    os.rename(directory + "/stored.new", directory + "/stored")


def set_main(pid):
    global main_pid
    main_pid = pid
    with open(directory + "/main.new", "w", encoding="ascii") as f:
        f.write(str(pid))
    os.rename(directory + "/main.new", directory + "/main")


def keep(name, fd, polled):
    if any(same(fd, other) for _, other, _ in kept):
        os.close(fd)
    else:
        kept.append((name, fd, polled))


def drop(wanted):
    for item in [item for item in kept if wanted(item)]:
        os.close(item[1])
        kept.remove(item)


def hung_up(fd):
    p = select.poll()
    p.register(fd, 0)
    return bool(p.poll(0))


def receive(notify):
    text, ancillary, _, _ = notify.recvmsg(4096, socket.CMSG_SPACE(4 * 16) + socket.CMSG_SPACE(12))
    fds = array.array("i")
    sender = 0
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            fds.frombytes(data)
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS):
            sender = struct.unpack("iII", data)[0]
    if sender != main_pid:
        for fd in fds:
            os.close(fd)
        return
    words = dict(line.split("=", 1) for line in text.decode().splitlines())
    with open(directory + "/told", "a", encoding="utf-8") as f:
        f.write(" ".join(text.decode().splitlines()) + "\n")
    for fd in fds:
        if words.get("FDSTORE") == "1":
            keep(words.get("FDNAME", "stored"), fd, words.get("FDPOLL") != "0")
        else:
            os.close(fd)
    if words.get("FDSTOREREMOVE") == "1":
        drop(lambda item: item[0] == words.get("FDNAME"))
    if "MAINPID" in words:
        set_main(int(words["MAINPID"]))
    publish()


def start():
    pid = os.fork()
    if pid:
        set_main(pid)
        return
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    log = os.open(directory + "/stub/log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.dup2(log, 2)
    high = [os.dup2(fd, 200 + i) for i, (_, fd, _) in enumerate(kept)]
    for i, fd in enumerate(high):
        os.dup2(fd, FIRST_FD + i)
    os.closerange(FIRST_FD + len(kept), 1000)
    environment = dict(os.environ, NOTIFY_SOCKET=directory + "/notify")
    if kept:
        environment["LISTEN_PID"] = str(os.getpid())
        environment["LISTEN_FDS"] = str(len(kept))
        environment["LISTEN_FDNAMES"] = ":".join(name for name, _, _ in kept)
    os.execvpe(command[0], command, environment)


def main():
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notify.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    notify.bind(directory + "/notify")
    os.mkfifo(directory + "/start")
    # Open for writing as well, so that it never reports an end.
    requests = os.open(directory + "/start", os.O_RDWR)
    publish()
    while True:
        ready, _, _ = select.select([notify, requests], [], [], 0.05)
        if notify in ready:
            receive(notify)  # before a start, as systemd does
        elif requests in ready:
            for _ in os.read(requests, 100).splitlines():
                start()
        drop(lambda item: item[2] and hung_up(item[1]))
        publish()


main()
