#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""plot.py TITLE RATE LOG FROM TO: completed writes over time, as text

LOG is that of `fault load`, with RATE requests a second; the server was away between FROM and TO,
ns. A column is a quarter of a second. An x marks one with failed requests.
"""

import struct
import sys

RECORD = struct.Struct("=QQQii")
COLUMN = 250_000_000  # ns
BEFORE, COLUMNS, ROWS = 8, 56, 4


def main():
    title, rate, log, began, back = sys.argv[1], *sys.argv[2:]
    rate, began, back = float(rate), int(began), int(back)
    start = began - BEFORE * COLUMN
    done, failed = [0] * COLUMNS, [0] * COLUMNS
    with open(log, "rb") as f:
        data = f.read()
    for _, completed, _, error, _ in RECORD.iter_unpack(data[:len(data) // RECORD.size * RECORD.size]):
        column = (completed - start) // COLUMN
        if 0 <= column < COLUMNS:
            (failed if error else done)[column] += 1
    full = rate * COLUMN / 1e9
    print(f"{title}: {sum(done) + sum(failed)} requests, {sum(failed)} failed")
    for row in range(ROWS, 0, -1):
        line = "".join("#" if n >= full * (row - 0.5) / ROWS else " " for n in done)
        print(f"{int(rate * row / ROWS):5d} |{line.rstrip()}")
    print("      +" + "".join("x" if n else "-" for n in failed))
    axis = [" "] * COLUMNS
    for mark, at in (("^ server dies", began), ("^ is back", back)):
        column = (at - start) // COLUMN
        axis[column:column + len(mark)] = mark
    print("       " + "".join(axis).rstrip())


main()
