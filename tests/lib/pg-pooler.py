#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A pooler before a PostgreSQL server.

pg-pooler.py DIRECTORY SERVER transaction|session

Listens on DIRECTORY/.s.PGSQL.5432 and goes on to SERVER/.s.PGSQL.5432, as user
"upshift" to database "postgres". All its clients share one session, each for a
transaction; or each has one for as long as it is there. Prints "ready", and ends
when it is killed.
"""
import os
import select
import socket
import struct
import sys
import threading

PARAMETERS = b"user\0upshift\0database\0postgres\0\0"


def exactly(sock, n):
    data = b""
    while len(data) < n:
        more = sock.recv(n - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def message(sock):
    head = exactly(sock, 5)
    return head[:1], head + exactly(sock, struct.unpack(">I", head[1:])[0] - 4)


class Session:
    """One of the server; whoever has the lock may speak."""

    def __init__(self, path):
        self.lock = threading.Lock()
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(path)
        self.sock.sendall(struct.pack(">II", 8 + len(PARAMETERS), 196608) +
                          PARAMETERS)
        self.greeting = []
        kind = b""
        while kind != b"Z":
            kind, text = message(self.sock)
            if kind == b"S":
                self.greeting.append(text)

    def transaction(self, client, text):
        """From a client's first message to the end of its transaction."""
        while True:
            self.sock.sendall(text)
            while True:
                ready = select.select([client, self.sock], [], [])[0]
                if self.sock in ready:
                    kind, answer = message(self.sock)
                    client.sendall(answer)
                    if kind == b"Z" and answer[5:6] == b"I":
                        return
                elif client in ready:
                    break
            text = message(client)[1]
            if text[:1] == b"X":
                raise EOFError


def serve(client, number, session):
    size = struct.unpack(">I", exactly(client, 4))[0]
    exactly(client, size - 4)
    client.sendall(struct.pack(">cII", b"R", 8, 0) +
                   b"".join(session.greeting) +
                   struct.pack(">cIII", b"K", 12, 900000 + number, number) +
                   struct.pack(">cIc", b"Z", 5, b"I"))
    try:
        while True:
            kind, text = message(client)
            if kind == b"X":
                break
            with session.lock:
                session.transaction(client, text)
    except (EOFError, OSError):
        pass
    client.close()


def main():
    directory, server, mode = sys.argv[1:]
    name = os.path.join(directory, ".s.PGSQL.5432")
    if os.path.exists(name):
        os.unlink(name)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(name)
    listener.listen(16)
    # a session for each client that is there, or one for them all
    path = os.path.join(server, ".s.PGSQL.5432")
    shared = Session(path) if mode == "transaction" else None
    print("ready", flush=True)
    number = 0
    while True:
        client = listener.accept()[0]
        number += 1
        threading.Thread(target=serve, daemon=True, args=(
            client, number, shared or Session(path))).start()


main()
