#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# Long: a list of cases of what a server can do wrong.
"""A scripted NBD server that misbehaves in many ways.

  hostile.py --list-cases   name, and the exit status each kind of client should end with
  hostile.py --serve DIR    every case at once, each on DIR/NAME.sock, and those about TCP on a
                            port of 127.0.0.1 that DIR/NAME.port names; prints "ready", then
                            serves until its standard input ends

A case is a function that gets a connected Peer. The family functions below make many cases
that differ in one number. An expectation holds a set of exit statuses for each goal of a client:
`attach` (OPT_GO), `info` (OPT_INFO), `list` (OPT_LIST) and `tls` (OPT_STARTTLS, then OPT_INFO); a
goal that cannot meet the misbehaviour is missing. None of these servers supports TLS, so a client
that requires TLS must refuse each of them. Where the protocol allows several readings, several
statuses are allowed. 0 marks what a client should tolerate.
"""

import argparse
import os
import random
import resource
import socket
import struct
import sys
import threading
import time

NBDMAGIC = 0x4E42444D41474943
IHAVEOPT = 0x49484156454F5054
OLDMAGIC = 0x0000420281861253
REPMAGIC = 0x0003E889045565A9
REQUEST, SIMPLE_REPLY = 0x25609513, 0x67446698

EXPORT_NAME, ABORT, LIST, PEEK, STARTTLS, INFO, GO, STRUCTURED = range(1, 9)
ACK, SERVER, INFO_REPLY, META = 1, 2, 3, 4
ERRORS = ("unsup policy invalid platform tls-reqd unknown shutdown block-size-reqd too-big "
          "ext-header-reqd").split()
I_EXPORT, I_NAME, I_DESCRIPTION, I_BLOCK_SIZE = range(4)

FIXED, NO_ZEROES = 1, 2
HAS_FLAGS, FLUSH, MULTI = 1, 4, 256
SIZE = 1 << 20
BIG = 1 << 31
MAX32 = (1 << 32) - 1
STRING_MAX = 4096  # proto.md, "String values"

GONE, REFUSED, EITHER, DONE = {4}, {5}, {4, 5}, {0}
ALL, EXPORTS, LISTS = ("attach", "info", "list"), ("attach", "info"), ("list",)
CASES = {}


class Case:
    """One behaviour: what to do with a peer, and what a client should make of it."""

    def __init__(self, name, function, expect, tcp, waits):
        self.name = name
        self.function = function
        self.expect = expect  # {goal: set of exit statuses}
        self.tcp = tcp        # only TCP can do this
        self.waits = waits    # the client's deadline ends it


class Hangup(Exception):
    """The client has closed the connection."""


def add(name, function, statuses=EITHER, goals=ALL, tcp=False, waits=False, **other):
    """Adds a case; `other` replaces the statuses of single goals; None removes a goal."""
    expect = {goal: set(statuses) for goal in goals}
    expect.setdefault("tls", EITHER)
    expect.update({goal: s and set(s) for goal, s in other.items()})
    assert name not in CASES, name
    CASES[name] = Case(name, function, {g: s for g, s in expect.items() if s}, tcp, waits)


def case(name, statuses=EITHER, goals=ALL, **more):
    """Like add(), as a decorator."""
    return lambda function: add(name, function, statuses, goals, **more) or function


# Bytes

def u16(n):
    return struct.pack(">H", n & 0xFFFF)


def u32(n):
    return struct.pack(">I", n & MAX32)


def u64(n):
    return struct.pack(">Q", n & (1 << 64) - 1)


def greeting(flags=FIXED | NO_ZEROES):
    return u64(NBDMAGIC) + u64(IHAVEOPT) + u16(flags)


def reply(option, kind, data=b"", length=None):
    return (u64(REPMAGIC) + u32(option) + u32(kind)
            + u32(len(data) if length is None else length) + data)


def export(size=SIZE, flags=HAS_FLAGS | FLUSH):
    return u16(I_EXPORT) + u64(size) + u16(flags)


def blocks(least=1, preferred=4096, most=1 << 25):
    return u16(I_BLOCK_SIZE) + u32(least) + u32(preferred) + u32(most)


def server(name, text=b"", inner=None):
    return u32(len(name) if inner is None else inner) + name + text


def error(number):
    return BIG + number


def whole(option):
    """A faultless answer to GO or INFO."""
    return (reply(option, INFO_REPLY, export()) + reply(option, INFO_REPLY, blocks())
            + reply(option, ACK))


class Peer:
    """The server's end of one connection."""

    def __init__(self, sock):
        self.sock = sock

    def send(self, *data):
        try:
            self.sock.sendall(b"".join(data))
        except OSError as e:
            raise Hangup from e

    def recv(self, length):
        data = b""
        while len(data) < length:
            try:
                part = self.sock.recv(length - len(data))
            except OSError as e:
                raise Hangup from e
            if not part:
                raise Hangup
            data += part
        return data

    def hold(self):
        """Silence until the client leaves."""
        while True:
            self.recv(1)

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise Hangup

    def greet(self, flags=FIXED | NO_ZEROES):
        self.send(greeting(flags))
        self.recv(4)

    def option(self):
        """The number of the client's next option."""
        magic, number, length = struct.unpack(">QII", self.recv(16))
        if magic != IHAVEOPT:
            raise Hangup
        self.recv(length)
        return number

    def start(self, *wanted):
        """Greets, and answers UNSUP to every other option; without an option, returns the first."""
        self.greet()
        return self.until(*wanted)

    def until(self, *wanted):
        while True:
            number = self.option()
            if not wanted or number in wanted:
                return number
            if number == ABORT:
                self.send(reply(ABORT, ACK))
                raise Hangup
            self.send(reply(number, error(1)))

    def goodbye(self):
        """Answers what may follow: ABORT after INFO and LIST, requests after GO."""
        while True:
            head = self.recv(1)
            if head == u64(IHAVEOPT)[:1]:
                rest = self.recv(15)
                self.recv(struct.unpack(">I", rest[11:])[0])
                self.send(reply(struct.unpack(">I", rest[7:11])[0], ACK))
            elif head == u32(REQUEST)[:1]:
                rest = self.recv(27)
                kind, cookie = struct.unpack(">H", rest[5:7])[0], rest[7:15]
                length = struct.unpack(">I", rest[23:])[0]
                if kind == 2:
                    raise Hangup
                if kind == 1:
                    self.recv(length)
                self.send(u32(SIMPLE_REPLY), u32(0), cookie, bytes(length if kind == 0 else 0))
            else:
                raise Hangup


def says(*data, then="close"):
    """A case that sends this as soon as it is connected, then closes, holds ..."""
    def run(p):
        p.send(*data)
        getattr(p, then, lambda: None)()
    return run


def answers(data, *wanted, then="goodbye"):
    """A case that greets correctly and answers the wanted option with data(option)."""
    def run(p):
        p.send(data(p.start(*wanted)))
        getattr(p, then, lambda: None)()
    return run


def refuses_to_info(name, data, statuses=REFUSED, then="goodbye", **other):
    """A case that answers GO or INFO with data(option), one or more replies."""
    add(name, answers(data, GO, INFO, then=then), statuses, EXPORTS, **other)


def refuses_to_list(name, data, statuses=REFUSED, then="goodbye", **other):
    add(name, answers(data, LIST, then=then), statuses, LISTS, **other)


# Magics

def wrong_magics(place, magic, build, length=8, then="hold", **more):
    """A magic number that is zero, in the wrong byte order, wrong by one bit, or another one."""
    good = magic.to_bytes(length, "big")
    other = REQUEST.to_bytes(length, "big")
    for kind, bad in (("zero", bytes(length)), ("ones", b"\xff" * length),
                      ("little-endian", good[::-1]), ("request", other),
                      ("first-bit", bytes([good[0] ^ 128]) + good[1:]),
                      ("last-bit", good[:-1] + bytes([good[-1] ^ 1]))):
        add(f"{place}-{kind}", build(bad, then), REFUSED, **more)


wrong_magics("magic", NBDMAGIC, lambda bad, then: says(bad, greeting()[8:], then=then))
wrong_magics("option-magic", IHAVEOPT,
             lambda bad, then: says(u64(NBDMAGIC), bad, greeting()[16:], bytes(134), then=then))
wrong_magics("reply-magic", REPMAGIC,
             lambda bad, then: answers(lambda o: bad + reply(o, ACK)[8:], then=then))
add("magic-swapped-pair", says(u64(IHAVEOPT), u64(NBDMAGIC), u16(3), then="hold"), REFUSED)
add("reply-magic-is-option-magic",
    answers(lambda o: u64(IHAVEOPT) + reply(o, ACK)[8:]), REFUSED)
refuses_to_info("second-reply-magic-zero", lambda o: reply(o, INFO_REPLY, export()) + bytes(20))

# Another protocol

for _name, _text in {
        "http": b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        "ssh": b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u7\r\n",
        "smtp": b"220 mail.example ESMTP ready\r\n",
        "redis": b"-ERR unknown command 'NBDMAGIC'\r\n",
        "tls-hello": bytes.fromhex("160303007a020000760303") + bytes(range(118)),
        "tls-alert": bytes.fromhex("15030300020246"),
        "newlines": b"\n" * 64,
        "random": random.Random(2).randbytes(4096),
        "escapes": b"\x1b[2J\x1b]0;owned\a" * 64}.items():
    add(f"speaks-{_name}", says(_text, then="hold"), EITHER if len(_text) < 18 else REFUSED)
    add(f"speaks-{_name}-and-closes", says(_text), EITHER)


def flood(data):
    def run(p):
        while True:
            p.send(data)
    return run


add("flood-zero", flood(bytes(65536)), REFUSED)
add("flood-random", flood(random.Random(3).randbytes(65536)), REFUSED)
add("flood-greetings", flood(greeting() * 1000), REFUSED)
add("flood-after-greeting", says(greeting(), bytes(1 << 22)), REFUSED)

# Oldstyle: no options, so nothing can be listed


def oldstyle(size, flags=HAS_FLAGS | FLUSH, handshake=0):
    return u64(NBDMAGIC) + u64(OLDMAGIC) + u64(size) + u16(handshake) + u16(flags) + bytes(124)


add("oldstyle", says(oldstyle(SIZE), then="goodbye"), DONE, list=REFUSED)
add("oldstyle-flags-without-has-flags", says(oldstyle(SIZE, 2), then="goodbye"), DONE,
    list=REFUSED)
add("oldstyle-size-0", says(oldstyle(0), then="goodbye"), REFUSED, info={0, 5})
add("oldstyle-size-minus-1", says(oldstyle(-1), then="hold"), REFUSED)
add("oldstyle-size-2^63", says(oldstyle(1 << 63), then="hold"), REFUSED)
add("oldstyle-garbage", says(u64(NBDMAGIC), u64(OLDMAGIC), b"\xff" * 136, then="hold"), REFUSED)
for _n in (16, 17, 24, 28, 29, 151):
    add(f"oldstyle-closes-after-{_n}", says(oldstyle(SIZE)[:_n]), GONE, list=EITHER)
for _n in (16, 28, 151):
    add(f"oldstyle-silent-after-{_n}", says(oldstyle(SIZE)[:_n], then="hold"), GONE,
        waits=True, list=EITHER)

# Newstyle without the fixed flag: EXPORT_NAME is the only option


def plain(data, flags=0):
    def run(p):
        p.greet(flags)
        p.option()
        p.send(data)
        p.goodbye()
    return run


def named(size=SIZE, flags=HAS_FLAGS | FLUSH, zeroes=124):
    return u64(size) + u16(flags) + bytes(zeroes)


add("newstyle", plain(named()), DONE, list=REFUSED)
add("newstyle-size-minus-1", plain(named(-1)), REFUSED, EXPORTS)
add("newstyle-size-2^63", plain(named(1 << 63)), REFUSED, EXPORTS)
add("newstyle-closes", lambda p: (p.greet(0), p.option()), EITHER)
add("newstyle-silent", lambda p: (p.greet(0), p.hold()), GONE, waits=True, list=EITHER)
add("greeting-unknown-flags", lambda p: (p.greet(0xFFFF), p.send(whole(p.until(GO, INFO))),
                                         p.goodbye()), DONE, EXPORTS)


def fallback(data, then="goodbye"):
    """GO and INFO are unknown, EXPORT_NAME gets this. --info may not need it."""
    def run(p):
        p.start(EXPORT_NAME)
        p.send(data)
        getattr(p, then, lambda: None)()
    return run


for _name, _data, _statuses, _then in (
        ("works", named(zeroes=0), DONE, "goodbye"), ("closes", b"", EITHER, "close"),
        ("silent", b"", GONE, "hold"), ("half", named()[:5], EITHER, "close"),
        ("size-0", named(0, zeroes=0), REFUSED, "goodbye"),
        ("size-minus-1", named(-1, zeroes=0), REFUSED, "goodbye"),
        ("size-2^63", named(1 << 63, zeroes=0), REFUSED, "goodbye"),
        ("reply", reply(EXPORT_NAME, error(6)), {0, 4, 5}, "goodbye")):
    add(f"export-name-{_name}", fallback(_data, _then), _statuses, EXPORTS, info={0, 4, 5},
        waits=_then == "hold")

# Endings


def byte_for_byte(option=None):
    """Everything that a faultless server sends up to the end of the handshake."""
    return greeting() + whole(option or GO)


def closes_after(count, ending="close"):
    """Sends `count` bytes of a faultless handshake, then ends the connection."""
    def run(p):
        p.send(greeting()[:count])
        if count > 18:
            p.recv(4)
            p.send(whole(p.until(GO, INFO))[:count - 18])
        getattr(p, ending, lambda: None)()
    return run


for _n in range(len(byte_for_byte())):
    add(f"closes-after-{_n:03}", closes_after(_n), GONE, EXPORTS + (LISTS if _n < 19 else ()))
for _n in (0, 8, 17, 18, 38, 51, len(byte_for_byte()) - 1):
    _goals = EXPORTS + (LISTS if _n < 19 else ())
    add(f"resets-after-{_n:03}", closes_after(_n, "reset"), GONE, _goals, tcp=True)
    add(f"silent-after-{_n:03}", closes_after(_n, "hold"), GONE, _goals, waits=True)
for _n in (0, 1, 4, 20, 23, 24, 29):
    for _ending in ("close", "hold"):
        refuses_to_list(f"list-{'ends' if _ending == 'close' else 'silent'}-after-{_n}",
                        lambda o, n=_n: reply(o, SERVER, server(b"export"))[:n], GONE, _ending,
                        waits=_ending == "hold")


def trickle(pause):
    def run(p):
        for byte in greeting() + bytes(300):
            p.send(bytes([byte]))
            time.sleep(pause)
    return run


add("one-byte-a-second", trickle(1), GONE, waits=True)
add("ten-bytes-a-second", trickle(0.1), EITHER, waits=True)


@case("one-reply-a-second", GONE, waits=True)
def one_reply_a_second(p):
    number = p.start()
    for i in range(60):
        p.send(reply(number, SERVER, server(b"e%d" % i)) if number == LIST
               else reply(number, INFO_REPLY, u16(1000 + i)))
        time.sleep(1)


@case("half-closed-after-greeting", GONE)
def half_closed(p):
    p.send(greeting())
    p.sock.shutdown(socket.SHUT_WR)
    p.hold()


@case("does-not-read-any-more", GONE)
def does_not_read_any_more(p):
    # The client's next write fails with a broken pipe; it raises SIGPIPE unless that is ignored.
    p.send(greeting())
    p.sock.shutdown(socket.SHUT_RD)
    p.sock.close()
    raise Hangup


@case("never-reads", GONE, waits=True)
def never_reads(p):
    p.send(greeting())
    time.sleep(30)


# Options and types of replies

for _name, _option in (("0", 0), ("export-name", EXPORT_NAME), ("abort", ABORT), ("peek", PEEK),
                       ("starttls", STARTTLS), ("structured", STRUCTURED), ("max", MAX32)):
    add(f"replies-to-option-{_name}", answers(lambda o, n=_option: reply(n, ACK)), REFUSED)
    add(f"fails-option-{_name}", answers(lambda o, n=_option: reply(n, error(1))), REFUSED)
add("replies-to-go-for-info", answers(lambda o: whole({GO: INFO, INFO: GO}.get(o, GO))), REFUSED)
for _name, _kind in (("0", 0), ("5", 5), ("2^31-1", BIG - 1), ("meta-context", META)):
    add(f"reply-type-{_name}", answers(lambda o, k=_kind: reply(o, k)), REFUSED)
refuses_to_info("server-reply-to-info", lambda o: reply(o, SERVER, server(b"x")) + whole(o))
refuses_to_list("info-reply-to-list",
                lambda o: reply(o, INFO_REPLY, export()) + reply(o, ACK))
add("tls-first", lambda p: (p.greet(), [p.send(reply(p.option(), error(5))) for _ in range(99)]),
    REFUSED)
add("starttls-ack-unasked", answers(lambda o: reply(STARTTLS, ACK) + b"\x16\x03\x01\0\0"), REFUSED)

# Errors, with and without a text

for _n, _name in enumerate(ERRORS, 1):
    for _text in (b"", b"because I say so"):
        add(f"error-{_name}{'-text' if _text else ''}",
            answers(lambda o, n=_n, t=_text: reply(o, error(n), t)),
            {"shutdown": GONE, "policy": EITHER}.get(_name, REFUSED))
for _n in (0, 11, 1000, BIG - 1):
    add(f"error-number-{_n}", answers(lambda o, n=_n: reply(o, error(n))), REFUSED)


def after_info(number):
    return lambda o: reply(o, INFO_REPLY, export()) + reply(o, error(number))


refuses_to_info("error-after-info", after_info(6))
refuses_to_info("unsup-after-info", after_info(1), EITHER, "close")
add("error-forever", lambda p: (p.greet(), flood(reply(GO, error(1)))(p)), REFUSED)


@case("unsup-to-everything", EITHER)
def unsup_to_everything(p):
    p.greet()
    for _ in range(1000):
        p.send(reply(p.option(), error(1)))


# Lengths of replies

for _n in (1, STRING_MAX, STRING_MAX + 1, 65536):
    add(f"ack-length-{_n}", answers(lambda o, n=_n: reply(o, ACK, bytes(n))), REFUSED)
for _name, _n in (("2^31", BIG), ("2^32-1", MAX32)):
    for _kind, _type in (("ack", ACK), ("info", INFO_REPLY), ("server", SERVER),
                         ("error", error(6))):
        add(f"{_kind}-length-{_name}",
            answers(lambda o, t=_type, n=_n: reply(o, t, bytes(4096), n), then="hold"),
            EITHER if _kind == "error" else REFUSED, waits=_kind == "error")
        add(f"{_kind}-length-{_name}-and-closes",
            answers(lambda o, t=_type, n=_n: reply(o, t, bytes(4096), n), then="close"), EITHER)
for _n in (1, STRING_MAX, STRING_MAX + 1, 65536):
    add(f"error-length-{_n}", answers(lambda o, n=_n: reply(o, error(6), b"x" * n)), REFUSED)
add("error-length-2^31-flood",
    lambda p: (p.send(reply(p.start(), error(6), b"", BIG)), flood(b"x" * 65536)(p)), EITHER)

for _n in (0, 1):
    refuses_to_info(f"info-length-{_n}", lambda o, n=_n: reply(o, INFO_REPLY, bytes(n)) + whole(o))
for _name, _good in (("export", export()), ("block-size", blocks())):
    for _n in (2, 3, len(_good) - 1, len(_good) + 1, STRING_MAX, STRING_MAX + 3, 65536):
        refuses_to_info(f"{_name}-length-{_n}",
                        lambda o, g=_good, n=_n:
                        reply(o, INFO_REPLY, (g + bytes(n))[:n]) + whole(o))
    for _tag, _n in (("2^31", BIG), ("2^32-1", MAX32)):
        refuses_to_info(f"{_name}-length-{_tag}",
                        lambda o, g=_good, n=_n: reply(o, INFO_REPLY, g, n) + whole(o),
                        REFUSED, "hold")
for _name, _kind in (("name", I_NAME), ("description", I_DESCRIPTION)):
    for _n in (0, 1, STRING_MAX, STRING_MAX + 1, 65536):
        refuses_to_info(f"{_name}-length-{_n}",
                        lambda o, k=_kind, n=_n: reply(o, INFO_REPLY, u16(k) + b"x" * n) + whole(o),
                        DONE if _n <= STRING_MAX else REFUSED)
    for _tag, _n in (("2^31", BIG), ("2^32-1", MAX32)):
        refuses_to_info(f"{_name}-length-{_tag}",
                        lambda o, k=_kind, n=_n: reply(o, INFO_REPLY, u16(k) + b"x" * 9, n),
                        REFUSED, "hold")


def listed(*entries):
    """A list of these, each given as the data of one reply."""
    return lambda o: b"".join(reply(o, SERVER, e) for e in entries) + reply(o, ACK)


for _n in range(4):
    refuses_to_list(f"list-entry-length-{_n}", listed(bytes(_n)))
refuses_to_list("list-empty", listed(), DONE)
refuses_to_list("list-empty-name", listed(server(b"")), DONE)
for _name, _length, _statuses in (
        ("limit", STRING_MAX, DONE), ("limit+1", STRING_MAX + 1, REFUSED), ("64k", 65536, REFUSED)):
    refuses_to_list(f"list-name-{_name}", listed(server(b"n" * _length)), _statuses)
    refuses_to_list(f"list-description-{_name}", listed(server(b"n", b"d" * _length)), _statuses)
for _name, _inner in (("outer-3", 9), ("outer", 12), ("outer+1", 13), ("limit", STRING_MAX),
                      ("2^31", BIG), ("2^32-4", MAX32 - 3), ("2^32-1", MAX32)):
    refuses_to_list(f"list-inner-length-{_name}", listed(server(b"12345678", inner=_inner)))
refuses_to_list("list-ends-with-server-after-ack",
                lambda o: reply(o, ACK) + reply(o, SERVER, server(b"late")), DONE)
refuses_to_list("list-error-after-entry",
                lambda o: reply(o, SERVER, server(b"one")) + reply(o, error(7)), GONE)
refuses_to_list("list-10000", lambda o: listed(*[server(b"e%d" % i) for i in range(10000)])(o),
                {0, 5})
refuses_to_list("list-same-name-twice", listed(server(b"one"), server(b"one")), {0, 5})
add("list-endless", lambda p: flood(reply(p.start(LIST), SERVER, server(b"again")) * 999)(p),
    EITHER, LISTS)
add("list-endless-long",
    lambda p: flood(reply(p.start(LIST), SERVER, server(b"a" * 4096, b"b" * 4096)) * 9)(p),
    EITHER, LISTS)

# Information

refuses_to_info("export-missing", lambda o: reply(o, ACK))
refuses_to_info("export-missing-others-there",
                lambda o: reply(o, INFO_REPLY, blocks()) + reply(o, ACK))
refuses_to_info("export-twice", lambda o: reply(o, INFO_REPLY, export()) + whole(o))
refuses_to_info("export-twice-differs", lambda o: reply(o, INFO_REPLY, export(1 << 30)) + whole(o))
refuses_to_info("block-size-twice", lambda o: reply(o, INFO_REPLY, blocks()) + whole(o), {0, 5})
refuses_to_info("name-twice", lambda o: reply(o, INFO_REPLY, u16(I_NAME) + b"a")
                + reply(o, INFO_REPLY, u16(I_NAME) + b"b") + whole(o), {0, 5})
refuses_to_info("info-other-order", lambda o: reply(o, INFO_REPLY, blocks(1, 512, 4096))
                + reply(o, INFO_REPLY, u16(I_DESCRIPTION) + b"d") + reply(o, INFO_REPLY, export())
                + reply(o, ACK), DONE)
for _n in (0, 1, STRING_MAX):
    refuses_to_info(f"unknown-info-length-{_n}",
                    lambda o, n=_n: reply(o, INFO_REPLY, u16(4711) + bytes(n)) + whole(o), DONE)
refuses_to_info("unknown-info-length-64k",
                lambda o: reply(o, INFO_REPLY, u16(4711) + bytes(65536)) + whole(o), {0, 5})
refuses_to_info("unknown-info-max", lambda o: reply(o, INFO_REPLY, u16(0xFFFF)) + whole(o), DONE)
for _name, _data in (("export", export()), ("unknown", u16(9)), ("name", u16(I_NAME) + b"x" * 4096),
                     ("unknown-64k", u16(9) + bytes(65536))):
    add(f"info-endless-{_name}",
        lambda p, d=_data: flood(reply(p.start(GO, INFO), INFO_REPLY, d) * 9)(p), REFUSED, EXPORTS)

# Impossible facts


def described(*infos):
    return lambda o: b"".join(reply(o, INFO_REPLY, i) for i in infos) + reply(o, ACK)


refuses_to_info("size-0", described(export(0)), REFUSED, info={0, 5})
refuses_to_info("size-511", described(export(511)), REFUSED, info={0, 5})
refuses_to_info("size-minus-1", described(export(-1)))
refuses_to_info("size-minus-512", described(export(-512)))
refuses_to_info("size-2^63", described(export(1 << 63)))
refuses_to_info("size-2^63-1", described(export((1 << 63) - 1)), {0, 5, 6}, info=DONE)
for _name, _b in {
        "min-0": blocks(0), "min-3": blocks(3), "min-2^17": blocks(1 << 17, 1 << 17),
        "min-2^31": blocks(BIG, BIG, BIG), "min-2^32-1": blocks(MAX32, MAX32, MAX32),
        "max-0": blocks(1, 4096, 0), "max-below-min": blocks(4096, 4096, 512), "all-0": blocks(0, 0, 0)}.items():
    refuses_to_info(f"block-{_name}", described(export(), _b))
for _name, _b in {
        "preferred-0": blocks(1, 0), "preferred-3": blocks(1, 3),
        "preferred-256": blocks(1, 256), "preferred-below-min": blocks(4096, 512),
        "preferred-max32": blocks(1, MAX32, MAX32)}.items():
    refuses_to_info(f"block-{_name}", described(export(), _b), DONE)
# 6: the kernel cannot be limited to such small requests.
refuses_to_info("block-max-below-preferred", described(export(), blocks(1, 4096, 2048)), {0, 5, 6},
                info=DONE)
refuses_to_info("block-max-unlimited", described(export(), blocks(1, 4096, MAX32)), DONE)
refuses_to_info("block-min-64k", described(export(), blocks(65536, 65536, 1 << 25)), {0, 5},
                info=DONE)
refuses_to_info("block-max-uneven", described(export(), blocks(512, 4096, 5000)), {0, 5})
refuses_to_info("flags-without-has-flags", described(export(flags=2 | 32)), {0, 5})
refuses_to_info("flags-0", described(export(flags=0)), {0, 5})
refuses_to_info("flags-all", described(export(flags=0xFFFF)), DONE)

# Text that is harmful to a terminal, a log or a careless printf

TEXTS = {
    "controls": bytes(range(1, 32)) + b"\x7f",
    "ansi": b"\x1b[2J\x1b[31;1mPWNED\x1b]0;title\x07\x1bc",
    "newlines": b"one\nnbd-attach: all is well\r\nthree\n",
    "format": b"%n%n%n%n%s%s%s%s%p%1000000d%*.*f%",
    "latin-1": "Größe".encode("latin-1"),
    "overlong": b"\xc0\xaf\xe0\x80\xaf\xf8\x88\x80\x80\x80",
    "surrogates": b"\xed\xa0\x80\xed\xbf\xbf",
    "cut": b"x\xe2\x82",
    "c1": "\u0085\u009b31m\u0090".encode(),
    "above": b"\xf4\x90\x80\x80\xff\xfe",
    "nul": b"one\0two\0",
    "nuls": bytes(64),
    "quotes": b"\"; rm -rf '$(HOME)' `id` \\",
    "utf-8": "größer als 3 €, 日本".encode(),
    "bidi": "\u202etxet\u2066".encode(),
    "4096": b"\x1b[1m" * 1024,
}
for _name, _text in TEXTS.items():
    _fine = DONE if _name in ("quotes", "utf-8", "format", "bidi") else {0, 5}
    add(f"text-{_name}-in-error", answers(lambda o, t=_text: reply(o, error(2), t)), EITHER)
    refuses_to_info(f"text-{_name}-in-name", described(export(), u16(I_NAME) + _text), _fine)
    refuses_to_info(f"text-{_name}-in-description",
                    described(export(), u16(I_DESCRIPTION) + _text), _fine)
    refuses_to_list(f"text-{_name}-in-list", listed(server(_text, b"d"), server(b"n", _text)),
                    _fine)
add("text-64k-in-error", answers(lambda o: reply(o, error(2), b"\x1b[1m%n" * 10922)), EITHER)

# Data sent too early: bytes after the handshake belong to the next owner of the socket


# STARTTLS. Any plain text after the agreement is an attack.

def starttls(*data, then="close"):
    """A case that agrees to TLS and sends this in the same write."""
    def run(p):
        p.start(STARTTLS)
        p.send(reply(STARTTLS, ACK), *data)
        getattr(p, then, lambda: None)()
    return run


def record(kind, data, version=b"\3\3", length=None):
    return bytes([kind]) + version + u16(len(data) if length is None else length) + data


def after_hello(*data, then="close"):
    """A case that waits for the client's first record, then sends this."""
    def run(p):
        p.start(STARTTLS)
        p.send(reply(STARTTLS, ACK))
        p.recv(struct.unpack(">H", p.recv(5)[3:])[0])
        p.send(*data)
        getattr(p, then, lambda: None)()
    return run


TLS = ("tls",)
SERVER_HELLO = (b"\2\0\0\x28\3\3" + bytes(range(32)) + b"\0" + b"\xcc\xa8" + b"\0")
for number, text in enumerate(ERRORS, 1):
    add(f"tls-refused-{text}", answers(lambda o, n=number: reply(o, error(n)), STARTTLS),
        GONE if text == "shutdown" else REFUSED, TLS)
for name, data in (("ack", reply(INFO, ACK)), ("export", whole(INFO)), ("greeting", greeting()),
                   ("alert", record(21, b"\2\x28")), ("hello", record(22, SERVER_HELLO)),
                   ("data", record(23, whole(INFO))), ("zeroes", bytes(70000)), ("byte", b"x")):
    add(f"tls-then-{name}", starttls(data), REFUSED, TLS)
    add(f"tls-then-{name}-hold", starttls(data, then="hold"), REFUSED, TLS)
add("tls-ack-with-data", answers(lambda o: reply(o, ACK, b"more"), STARTTLS), REFUSED, TLS)
add("tls-ack-twice", starttls(reply(STARTTLS, ACK)), REFUSED, TLS)
add("tls-then-silence", starttls(then="hold"), GONE, TLS, waits=True)
add("tls-then-close", starttls(), EITHER, TLS)
add("tls-then-reset", starttls(then="reset"), EITHER, TLS)
for name, data in (("plain-export", whole(INFO)), ("garbage", bytes(range(256)) * 64),
                   ("empty-record", record(22, b"")), ("huge-record", record(22, b"", length=65535)),
                   ("old-version", record(22, SERVER_HELLO, version=b"\3\0")),
                   ("half-hello", record(22, SERVER_HELLO[:20])),
                   ("hello-twice", record(22, SERVER_HELLO) * 2),
                   ("no-cipher", record(22, SERVER_HELLO[:-3] + b"\0\0\0")),
                   ("finished", record(20, b"\1") + record(22, bytes(40))),
                   ("data", record(23, whole(INFO))), ("ticket", record(22, b"\4" + bytes(60))),
                   ("key-update", record(22, b"\x18\0\0\1\1")),
                   ("close-notify", record(21, b"\1\0")), ("warnings", record(21, b"\1\x5a") * 2000)):
    add(f"tls-hello-{name}", after_hello(data), EITHER, TLS)
    add(f"tls-hello-{name}-hold", after_hello(data, then="hold"), EITHER, TLS,
        waits=name in ("half-hello", "huge-record", "warnings", "empty-record", "hello-twice",
                       "garbage", "ticket"))
for seed in range(48):
    noise = random.Random(seed)
    head = record(22, b"", length=noise.randrange(1, 16385)) if seed % 2 else b""
    body = bytearray(record(22, SERVER_HELLO + bytes(64)) if seed % 3 else b"")
    for _ in range(noise.randrange(8)):
        if body:
            body[noise.randrange(len(body))] = noise.randrange(256)
    add(f"tls-noise-{seed}",
        after_hello(head + bytes(body) + noise.randbytes(noise.randrange(20000))), EITHER, TLS)


def ahead(data):
    return lambda o: whole(o) + data


AFTERWARDS = {"attach": {0, 4, 5}, "info": DONE}
refuses_to_info("ahead-reply", ahead(u32(SIMPLE_REPLY) + u32(0) + bytes(8)), **AFTERWARDS)
refuses_to_info("ahead-error", ahead(u32(SIMPLE_REPLY) + u32(5) + b"\xff" * 8), **AFTERWARDS)
refuses_to_info("ahead-ack", ahead(reply(GO, ACK)), **AFTERWARDS)
refuses_to_info("ahead-garbage", ahead(random.Random(4).randbytes(4096)), **AFTERWARDS)
refuses_to_info("ahead-close", ahead(b""), then="close", **AFTERWARDS)
add("ahead-everything", says(byte_for_byte(), then="hold"), {0, 4, 5}, ("attach",))
refuses_to_info("abort-unanswered", whole, DONE, "hold", attach=None)
add("abort-flood", lambda p: (p.send(whole(p.start(INFO))), flood(bytes(65536))(p)),
    DONE, ("info",))
add("abort-garbage", lambda p: (p.send(whole(p.start(INFO))), p.send(b"\x1b" * 999), p.hold()),
    DONE, ("info",))
add("abort-reset", lambda p: (p.send(whole(p.start(INFO))), p.reset()), DONE, ("info",), tcp=True)

# Sockets that no thread serves: see listen()

add("nobody-accepts", None, GONE, waits=True)
add("backlog-full", None, GONE, waits=True)
add("not-listening", None, GONE)


def serve_connection(function, connection):
    with connection:
        try:
            function(Peer(connection))
        except Hangup:
            pass


def serve_socket(function, listener):
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=serve_connection, args=(function, connection), daemon=True).start()


def listen(one, directory):
    """The listening sockets of one case; a reference to them keeps them open."""
    path = os.path.join(directory, one.name + ".sock")
    if one.tcp:
        listener = socket.create_server(("127.0.0.1", 0))
        with open(os.path.join(directory, one.name + ".port"), "w", encoding="ascii") as f:
            f.write(f"{listener.getsockname()[1]}\n")
    else:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        os.chmod(path, 0o666)  # the client under test may be another user
        if one.name != "not-listening":
            listener.listen(0 if one.name == "backlog-full" else 16)
    if one.function:
        threading.Thread(target=serve_socket, args=(one.function, listener), daemon=True).start()
        return [listener]
    if one.name != "backlog-full":
        return [listener]
    blockers = []
    while True:
        blocker = socket.socket(socket.AF_UNIX)
        blocker.setblocking(False)
        try:
            blocker.connect(path)
        except BlockingIOError:
            return [listener, *blockers]
        blockers.append(blocker)


def serve(directory):
    threading.stack_size(256 * 1024)
    # One descriptor for each case's socket, and those of the clients.
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    keep = [listen(one, directory) for one in CASES.values()]
    print("ready", flush=True)
    sys.stdin.read()
    del keep


def list_cases():
    for one in CASES.values():
        expect = " ".join(f"{goal}={','.join(map(str, sorted(statuses)))}"
                          for goal, statuses in sorted(one.expect.items()))
        print(f"{one.name}\t{expect}{' (tcp)' * one.tcp}{' (waits)' * one.waits}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--list-cases", action="store_true")
    what.add_argument("--serve", metavar="DIR")
    options = parser.parse_args()
    if options.list_cases:
        list_cases()
    else:
        serve(options.serve)


if __name__ == "__main__":
    main()
