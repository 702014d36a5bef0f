#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""usage: impostor.py SOCKET garbage|closes|silent|tarpit

Listens where an NBD server should, and is none. Only for a client that reconnects.
"""
import os
import socket
import sys
import threading
import time


def garbage(c):
    c.sendall(os.urandom(4096))


def closes(c):
    pass


def silent(c):
    time.sleep(3600)


def tarpit(c):
    for byte in b"NBDMAGICIHAVEOPT\0\3" + bytes(100000):
        c.sendall(bytes([byte]))
        time.sleep(0.5)


def serve(c, mode):
    try:
        mode(c)
    except OSError:
        pass
    c.close()


MODES = {f.__name__: f for f in (garbage, closes, silent, tarpit)}
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen(64)
while True:
    client, _ = listener.accept()
    threading.Thread(target=serve, args=(client, MODES[sys.argv[2]]), daemon=True).start()
