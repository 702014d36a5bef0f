#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""plot.py DIRECTORY: plots of what figures.py reads, as SVG, where gnuplot is installed

outage.svg: requests a second through an outage, one curve a tool. latency.svg: the distribution of
the latency of a request of 4 KiB. memory.svg: memory by the number of devices. The data of each
plot is beside it, as .dat.
"""

import glob
import os
import re
import shutil
import struct
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import figures as bench  # noqa: E402

RECORD = struct.Struct("=QQQii")  # tests/fault/record.h
BIN = 0.25  # s
BEFORE, AFTER = 2, 16  # s from the death of the server that are shown
TERMINAL = 'set terminal svg size 900,{height} background "white" font "sans,13"\n' \
           'set output "{out}"\nset datafile missing "-"\nset grid lc rgb "#dddddd"\nset border 3\n' \
           'set xtics nomirror\nset ytics nomirror\n'
COLOURS = ("#0060a8", "#5aa9e6", "#c23b22", "#e8a33d", "#555555", "#7b4b94")


def gnuplot(directory, name, height, commands, series):
    """series: [(title, [(x, y)])], one curve or group of bars each."""
    data = os.path.join(directory, f"{name}.dat")
    with open(data, "w") as f:
        for title, points in series:
            f.write(f'"{title}"\n' + "".join(f"{x} {y}\n" for x, y in points) + "\n\n")
    out = os.path.join(directory, f"{name}.svg")
    script = TERMINAL.format(height=height, out=out) + commands.replace("DATA", f'"{data}"')
    done = subprocess.run(["gnuplot"], input=script, text=True)
    print(out if done.returncode == 0 else f"gnuplot could not make {out}")


def curves(series, style):
    return "plot " + ", ".join(
        f'DATA index {i} using 1:2 with {style} lw 2 lc rgb "{COLOURS[i % len(COLOURS)]}" title columnheader(1)'
        for i in range(len(series))) + "\n"


def outage(directory):
    """Completed requests a second; a curve at zero is one where all wait or fail."""
    series, failed, back = [], [], 3.0
    for path in sorted(glob.glob(os.path.join(glob.escape(directory), "outages/outage.*.log"))):
        with open(path.removesuffix("log") + "times") as f:
            died, listening, _ = map(int, f.read().split())
        back = (listening - died) / 1e9
        done, bad = {}, {}
        with open(path, "rb") as f:
            data = f.read()
        for _, completed, _, error, _ in RECORD.iter_unpack(data[:len(data) // RECORD.size * RECORD.size]):
            at = int((completed - died) / 1e9 // BIN)
            chosen = bad if error else done
            chosen[at] = chosen.get(at, 0) + 1
        tool = os.path.basename(path).split(".")[1]
        bins = range(int(-BEFORE / BIN), int(AFTER / BIN))
        series.append((tool, [(at * BIN, done.get(at, 0) / BIN) for at in bins]))
        failed.append((f"{tool}: failed", [(at * BIN, bad.get(at, 0) / BIN) for at in bins]))
    if not series:
        return
    n = len(series)
    commands = f'set multiplot layout {n},1\nset xrange [{-BEFORE}:{AFTER}]\nset yrange [0:*]\n' \
               'set key at graph 0.99,0.95 right\n' \
               f'set arrow from 0, graph 0 to 0, graph 1 nohead lc rgb "#c23b22" dt 2\n' \
               f'set arrow from {back:.2f}, graph 0 to {back:.2f}, graph 1 nohead lc rgb "#3a7d44" dt 2\n' \
               'set ylabel "requests/s"\n'
    for i in range(n):
        if i == n - 1:
            commands += 'set xlabel "seconds since the server died (red); green: it is back"\n'
        commands += f'plot DATA index {i} using 1:2 with steps lw 2 lc rgb "{COLOURS[0]}" title columnheader(1), ' \
                    f'DATA index {n + i} using 1:2 with steps lw 2 lc rgb "{COLOURS[2]}" title columnheader(1)\n'
    gnuplot(directory, "outage", 180 * n, commands + "unset multiplot\n", series + failed)


def latency(directory, figures):
    shown = [key for key in figures.curves if key[0] in ("unix-1.read4k", "tls.read4k")]
    series = [(f"{tool}, {'TLS' if figure.startswith('tls') else 'Unix'}", points)
              for (figure, tool), points in figures.curves.items() if (figure, tool) in shown]
    if series:
        gnuplot(directory, "latency", 500,
                'set xlabel "percentile of the requests"\nset ylabel "latency of a read of 4 KiB, us"\n'
                'set logscale y\nset key top left\nset xrange [0:100]\n' + curves(series, "linespoints"), series)


def memory(directory, figures):
    series = []
    for tool in ("nbd-attach", "spare", "ioctl", "qemu-nbd"):
        points = sorted((int(m[1]), figures.median(figure, t)) for figure, t in figures.values
                        if t == tool and (m := re.fullmatch(r"memory-(\d+)\.pss", figure)))
        if points:
            series.append((tool, points))
    if series:
        gnuplot(directory, "memory", 450,
                'set xlabel "devices"\nset ylabel "PSS of each, KiB"\nset yrange [0:*]\nset logscale x 2\nset key bottom right\n'
                + curves(series, "linespoints"), series)


def main():
    directory = sys.argv[1]
    if not shutil.which("gnuplot"):
        print("no plots: gnuplot is missing (package gnuplot-nox)")
        return
    figures = bench.read(directory)
    outage(directory)
    latency(directory, figures)
    memory(directory, figures)


main()
