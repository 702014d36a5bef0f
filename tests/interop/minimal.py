#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A minimal NBD server, like those that other programs embed, as a fixture.

  minimal.py SOCKET FILE [SIZE]

Serves FILE on a Unix socket; if SIZE is given, FILE is made or cut to SIZE bytes. The server knows
EXPORT_NAME, INFO, GO and ABORT, answers UNSUP to every other option, offers only HAS_FLAGS and
SEND_FLUSH, declares no block sizes, and ignores the export's name. It serves one client after the
other until it is killed.
"""

import os
import socket
import struct
import sys

NBDMAGIC, IHAVEOPT, REPMAGIC = b"NBDMAGIC", b"IHAVEOPT", 0x0003E889045565A9
FIXED, NO_ZEROES = 1, 2
EXPORT_NAME, ABORT, INFO, GO = 1, 2, 6, 7
ACK, INFO_REPLY, ERR_UNSUP = 1, 3, (1 << 31) + 1
HAS_FLAGS, SEND_FLUSH = 1, 4
READ, WRITE, DISC, FLUSH = range(4)
EIO, EINVAL = 5, 22
REQUEST = struct.Struct(">IHHQQI")
REQUEST_MAGIC, REPLY_MAGIC = 0x25609513, 0x67446698


class Gone(Exception):
    """The client closed the connection, or broke the protocol."""


class Connection:
    def __init__(self, sock, file, size):
        self.sock = sock
        self.file = file
        self.size = size
        self.buffer = memoryview(bytearray(1 << 25))

    def recv(self, length):
        """Reads into the single buffer: the result is valid until the next call."""
        view, got = self.buffer[:length], 0
        while got < length:
            n = self.sock.recv_into(view[got:])
            if n == 0:
                raise Gone
            got += n
        return view

    def reply(self, option, kind, data=b""):
        self.sock.sendall(struct.pack(">QIII", REPMAGIC, option, kind, len(data)) + data)

    def handshake(self):
        """True if the client wants the transmission phase."""
        self.sock.sendall(NBDMAGIC + IHAVEOPT + struct.pack(">H", FIXED | NO_ZEROES))
        no_zeroes = struct.unpack(">I", self.recv(4))[0] & NO_ZEROES
        export = struct.pack(">QH", self.size, HAS_FLAGS | SEND_FLUSH)
        while True:
            magic, option, length = struct.unpack(">8sII", self.recv(16))
            if magic != IHAVEOPT or length > len(self.buffer):
                raise Gone
            self.recv(length)
            if option == EXPORT_NAME:
                self.sock.sendall(export + bytes(0 if no_zeroes else 124))
                return True
            if option in (INFO, GO):
                self.reply(option, INFO_REPLY, b"\0\0" + export)
                self.reply(option, ACK)
                if option == GO:
                    return True
            elif option == ABORT:
                self.reply(option, ACK)
                return False
            else:
                self.reply(option, ERR_UNSUP)

    def answer(self, cookie, error=0, data=b""):
        self.sock.sendall(struct.pack(">IIQ", REPLY_MAGIC, error, cookie) + data)

    def serve(self):
        while True:
            magic, _, kind, cookie, offset, length = REQUEST.unpack(self.recv(REQUEST.size))
            if magic != REQUEST_MAGIC or length > len(self.buffer):
                raise Gone
            if kind == DISC:
                return
            data = self.recv(length) if kind == WRITE else None
            inside = offset + length <= self.size
            try:
                if kind == READ and inside:
                    self.answer(cookie, 0, os.pread(self.file, length, offset))
                elif kind == WRITE and inside:
                    os.pwrite(self.file, data, offset)
                    self.answer(cookie)
                elif kind == FLUSH:
                    os.fsync(self.file)
                    self.answer(cookie)
                else:
                    self.answer(cookie, EINVAL)
            except ConnectionError as e:
                raise Gone from e
            except OSError:
                self.answer(cookie, EIO)


def main():
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    path, name = sys.argv[1:3]
    file = os.open(name, os.O_RDWR | os.O_CREAT, 0o600)
    if len(sys.argv) == 4:
        os.ftruncate(file, int(sys.argv[3]))
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(4)
    while True:
        sock, _ = listener.accept()
        with sock:
            try:
                connection = Connection(sock, file, os.fstat(file).st_size)
                if connection.handshake():
                    connection.serve()
            except (Gone, ConnectionError):
                pass


if __name__ == "__main__":
    main()
