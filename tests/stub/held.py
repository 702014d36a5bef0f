#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""An NBD server whose writes can be held.

usage: held.py IMAGE HELD [linger]

It listens at a free port of 127.0.0.1, which it prints first.

While the file HELD exists, a write waits for the seconds that it names. Each request has a thread
of its own, as in qemu-nbd: after the client's end the writes are carried out all the same. The
connection is closed at once, or, with `linger`, when all are done. "late" is printed for each write
after the end.
"""
import os
import socket
import struct
import sys
import threading
import time

IMAGE, HELD = sys.argv[1:3]
LINGERS = sys.argv[3:] == ["linger"]
FD = os.open(IMAGE, os.O_RDWR)
SIZE = os.fstat(FD).st_size
READ, WRITE, DISC, FLUSH = range(4)
OPT_ABORT, OPT_INFO, OPT_GO = 2, 6, 7
REP_ACK, REP_INFO, REP_ERR_UNSUP = 1, 3, 0x80000001
HAS_FLAGS, SEND_FLUSH, MULTI_CONN = 1, 4, 256


class Connection:
    def __init__(self, conn):
        self.conn = conn
        self.lock = threading.Lock()
        self.under_way = 0
        self.ended = False

    def take(self, n):
        data = b""
        while len(data) < n:
            more = self.conn.recv(n - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def reply(self, option, kind, data=b""):
        self.conn.sendall(struct.pack(">QIII", 0x3E889045565A9, option, kind, len(data)) + data)

    def handshake(self):
        """True if the client wants to go on."""
        self.conn.sendall(b"NBDMAGICIHAVEOPT" + struct.pack(">H", 3))
        self.take(4)
        while True:
            _, option, length = struct.unpack(">8sII", self.take(16))
            self.take(length)
            if option in (OPT_INFO, OPT_GO):
                flags = HAS_FLAGS | SEND_FLUSH | MULTI_CONN
                self.reply(option, REP_INFO, struct.pack(">HQH", 0, SIZE, flags))
                self.reply(option, REP_ACK)
                if option == OPT_GO:
                    return True
            elif option == OPT_ABORT:
                self.reply(option, REP_ACK)
                return False
            else:
                self.reply(option, REP_ERR_UNSUP)

    def carry_out(self, kind, cookie, offset, length, data):
        result = b""
        if kind == WRITE:
            try:
                with open(HELD, encoding="ascii") as held:
                    time.sleep(float(held.read() or 0))
            except FileNotFoundError:
                pass
            os.pwrite(FD, data, offset)
            if self.ended:
                print("late", flush=True)
        elif kind == READ:
            result = os.pread(FD, length, offset)
        with self.lock:
            self.under_way -= 1
            try:
                self.conn.sendall(struct.pack(">IIQ", 0x67446698, 0, cookie) + result)
            except OSError:
                pass

    def requests(self):
        while True:
            _, _, kind, cookie, offset, length = struct.unpack(">IHHQQI", self.take(28))
            data = self.take(length) if kind == WRITE else b""
            if kind == DISC:
                return
            with self.lock:
                self.under_way += 1
            words = (kind, cookie, offset, length, data)
            threading.Thread(target=self.carry_out, args=words, daemon=True).start()

    def serve(self):
        try:
            if self.handshake():
                self.requests()
        except (EOFError, OSError):
            pass
        self.ended = True
        while LINGERS and self.under_way:
            time.sleep(0.05)
        try:
            self.conn.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.conn.close()


def main():
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(16)
    print(listener.getsockname()[1], flush=True)
    while True:
        conn, _ = listener.accept()
        threading.Thread(target=Connection(conn).serve, daemon=True).start()


main()
