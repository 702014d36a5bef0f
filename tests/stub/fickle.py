#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# Passes the connections to PATH, or to a TCP port, on to a server's socket. While FILE exists, each
# new one ends with the last reply of its handshake. Prints a line for each one that it ends so.
# Usage: fickle.py PATH|PORT SOCKET FILE
import os
import socket
import sys
import threading

where, server, flag = sys.argv[1:4]
GO_IS_DONE = bytes.fromhex("00000007" "00000001" "00000000")  # NBD_OPT_GO, NBD_REP_ACK, no payload


def end(*sockets):
    for s in sockets:
        try:
            s.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def passes(a, b, fickle=False):
    try:
        while data := a.recv(65536):
            if fickle and data.endswith(GO_IS_DONE):
                b.send(data, socket.MSG_MORE)  # over TCP, the end comes with it
                print("ended", flush=True)
                break
            b.sendall(data)
    except OSError:
        pass
    end(b, a)


def serve(client):
    up = socket.socket(socket.AF_UNIX)
    up.connect(server)
    threading.Thread(target=passes, args=(client, up), daemon=True).start()
    threading.Thread(target=passes, args=(up, client, os.path.exists(flag)), daemon=True).start()


s = socket.socket(socket.AF_INET if where.isdigit() else socket.AF_UNIX)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("127.0.0.1", int(where)) if where.isdigit() else where)
s.listen(16)
while True:
    threading.Thread(target=serve, args=(s.accept()[0],), daemon=True).start()
