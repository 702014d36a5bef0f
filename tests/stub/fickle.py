#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# Passes the connections to PATH on to a server's socket, and ends each one right after its handshake
# while FILE exists. Prints a line for each one that it ends so.
# Usage: fickle.py PATH SOCKET FILE
import os
import socket
import sys
import threading
import time

path, server, flag = sys.argv[1:4]
END_OF_INFO = bytes.fromhex("0000000100000000")  # NBD_REP_ACK, and no payload


def end(*sockets):
    for s in sockets:
        try:
            s.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def passes(a, b, seen=None):
    try:
        while data := a.recv(65536):
            if seen:
                seen[0] = data
            b.sendall(data)
    except OSError:
        pass
    end(a, b)


def serve(client):
    up = socket.socket(socket.AF_UNIX)
    up.connect(server)
    seen = [b"-"]
    fickle = os.path.exists(flag)
    threading.Thread(target=passes, args=(client, up), daemon=True).start()
    threading.Thread(target=passes, args=(up, client, seen), daemon=True).start()
    if fickle:
        while not seen[0].endswith(END_OF_INFO):
            time.sleep(0.0001)
        print("ended", flush=True)
        end(client, up)


s = socket.socket(socket.AF_UNIX)
s.bind(path)
s.listen(16)
while True:
    threading.Thread(target=serve, args=(s.accept()[0],), daemon=True).start()
