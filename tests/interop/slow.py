#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A server whose disk is slow, as a fixture: each request has a thread of its own.

  slow.py PORT|SOCKET FILE DELAY [early|late]

Offers several connections. Each connection is told the size that FILE has when the connection
begins. Reads take DELAY seconds. The first write whose data begins with HOLD is carried out when
FILE.release exists. When a client ends, the server carries out everything it sent, then closes the
connection; with `early`, it shuts down its own side at once, while requests still run, as qemu-nbd
does; with `late`, it closes the connection when FILE.release exists.
Prints `held` when the held write has been carried out. Runs until it is killed.
"""

import os
import socket
import struct
import sys
import threading
import time

import minimal
from minimal import DISC, FLUSH, READ, REQUEST, WRITE, Connection, Gone

minimal.SEND_FLUSH |= 1 << 8  # CAN_MULTI_CONN


class Slow(Connection):
    held = threading.Lock()

    def __init__(self, sock, name, file, delay, end):
        super().__init__(sock, file, os.fstat(file).st_size)
        self.release, self.delay, self.end = name + ".release", delay, end
        self.lock = threading.Lock()

    def carry_out(self, kind, cookie, offset, length, data):
        found = b""
        if kind == READ:
            time.sleep(self.delay)
            found = os.pread(self.file, length, offset)
        elif kind == WRITE:
            slow = data.startswith(b"HOLD") and self.held.acquire(blocking=False)
            if slow:
                self.wait()
            os.pwrite(self.file, data, offset)
            if slow:
                print("held", flush=True)
        elif kind == FLUSH:
            os.fsync(self.file)
        try:
            with self.lock:
                self.answer(cookie, 0, found)
        except OSError:
            pass

    def wait(self):
        for _ in range(2400):
            if os.path.exists(self.release):
                return
            time.sleep(0.05)

    def serve(self):
        threads = []
        try:
            while True:
                _, _, kind, cookie, offset, length = REQUEST.unpack(self.recv(REQUEST.size))
                if kind == DISC:
                    break
                data = bytes(self.recv(length)) if kind == WRITE else b""
                thread = threading.Thread(
                    target=self.carry_out, args=(kind, cookie, offset, length, data), daemon=True
                )
                thread.start()
                threads = [t for t in threads if t.is_alive()] + [thread]
        except Gone:
            pass
        if self.end == "early":
            self.sock.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join()
        if self.end == "late":
            self.wait()


def attend(sock, *how):
    with sock:
        try:
            connection = Slow(sock, *how)
            if connection.handshake():
                connection.serve()
        except (Gone, OSError, struct.error):
            pass


def main():
    if len(sys.argv) not in (4, 5):
        sys.exit(__doc__)
    where, name, delay = sys.argv[1:4]
    file = os.open(name, os.O_RDWR)
    if where.startswith("/"):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(where)
    else:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", int(where)))
    listener.listen(16)
    how = (name, file, float(delay), "".join(sys.argv[4:]))
    while True:
        sock, _ = listener.accept()
        if sock.family == socket.AF_INET:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=attend, args=(sock, *how), daemon=True).start()


if __name__ == "__main__":
    main()
