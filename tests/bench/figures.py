#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""figures.py DIRECTORY: makes figures.json of what the measuring scripts have left, and a table

DIRECTORY has a directory for each part: about.tsv (where it was measured), figures.tsv (lines of
round, figure, tool, unit, value), and fio.ROUND.FIGURE.TOOL.json, what fio says. Round 0 is a
warm-up and is thrown away. A value of -1 is one that never came: it counts as infinite.

A ratio is that of two tools in one round, so that a disturbance, which affects both, matters little.
Of several rounds, the median counts; the spread is from the first to the third quartile.
"""

import collections
import glob
import json
import math
import os
import statistics
import sys

# What the others are compared with, where it has the figure.
BASES = ("nbdinfo", "nbd-client", "proxy", "ioctl", "default")
PERCENTILES = (("p50", "50.000000"), ("p99", "99.000000"), ("p99.9", "99.900000"))


class Figures:
    def __init__(self):
        self.about = {}
        self.unit = {}
        self.thrown_away = 0
        self.values = collections.defaultdict(dict)  # (figure, tool) -> {round: value}
        self.curves = collections.defaultdict(list)  # (figure, tool) -> [(percentile, us)]

    def add(self, number, figure, tool, unit, value):
        if number == 0:
            self.thrown_away += 1
            return
        self.unit[figure] = unit
        self.values[figure, tool][number] = math.inf if value == -1 else value

    def series(self, figure, tool):
        return self.values.get((figure, tool), {})

    def median(self, figure, tool):
        return statistics.median(self.series(figure, tool).values())

    def tools(self, figure):
        return [tool for name, tool in self.values if name == figure]

    def ratios(self, figure, tool, peer):
        """One for each round that both have."""
        ours, theirs = self.series(figure, tool), self.series(figure, peer)
        return [ratio(ours[n], theirs[n]) for n in sorted(ours.keys() & theirs.keys())]


def ratio(ours, theirs):
    if math.isinf(theirs):
        return math.nan if math.isinf(ours) else 0.0
    if theirs == 0:
        return 1.0 if ours == 0 else math.inf
    return ours / theirs


def median_ratio(ratios):
    """None without one. One that cannot be told (never / never) makes the median so, too."""
    if not ratios or any(math.isnan(r) for r in ratios):
        return None
    return statistics.median(ratios)


def quartiles(values):
    values = sorted(values)
    if len(values) < 2 or math.isinf(values[-1]):
        return values[0], values[-1]
    first, _, third = statistics.quantiles(values, n=4, method="inclusive")
    return first, third


def read_lines(figures, path):
    with open(path) as f:
        for line in f:
            number, figure, tool, unit, value = line.rstrip("\n").split("\t")
            figures.add(int(number), figure, tool, unit, float(value))


def read_fio(figures, path):
    _, number, figure, tool, *_ = os.path.basename(path).split(".")
    with open(path) as f:
        text = f.read()
    for job in json.loads(text[text.index("{"):])["jobs"]:
        name = f"{figure}.{job['jobname']}"
        kind = "read" if job["read"]["total_ios"] else "write"
        found = job[kind]
        figures.add(int(number), f"{name}.rate", tool, "MiB/s", found["bw_bytes"] / 2**20)
        percentile = found["clat_ns"].get("percentile", {})
        if job["jobname"] not in ("read1m", "write1m", "large", "stream"):
            for short, key in PERCENTILES:
                if key in percentile:
                    figures.add(int(number), f"{name}.{short}", tool, "us", percentile[key] / 1000)
        if int(number) == 1:
            figures.curves[name, tool] = [(float(p), ns / 1000) for p, ns in percentile.items()]


def read(directory):
    figures = Figures()
    for part in sorted(glob.glob(os.path.join(directory, "*/about.tsv"))):
        folder = os.path.dirname(part)
        with open(part) as f:
            about = dict(line.rstrip("\n").split("\t", 1) for line in f)
        figures.about[os.path.basename(folder)] = about
        lines = os.path.join(folder, "figures.tsv")
        if os.path.exists(lines):
            read_lines(figures, lines)
        for path in sorted(glob.glob(os.path.join(glob.escape(folder), "fio.*.json"))):
            read_fio(figures, path)
    return figures


def number(value):
    """As JSON has it, which knows nothing infinite."""
    return None if math.isinf(value) or math.isnan(value) else round(value, 4)


def as_json(figures):
    listed = []
    for (figure, tool), rounds in figures.values.items():
        low, high = quartiles(rounds.values())
        listed.append({
            "figure": figure, "tool": tool, "unit": figures.unit[figure], "rounds": len(rounds),
            "median": number(figures.median(figure, tool)), "quartiles": [number(low), number(high)],
            "least": number(min(rounds.values())), "most": number(max(rounds.values())),
            "values": {str(n): number(v) for n, v in rounds.items()}})
    return {"about": figures.about, "thrown_away": figures.thrown_away, "figures": listed}


def from_json(path):
    with open(path) as f:
        data = json.load(f)
    figures = Figures()
    figures.about, figures.thrown_away = data["about"], data["thrown_away"]
    for f in data["figures"]:
        for n, value in f["values"].items():
            figures.add(int(n), f["figure"], f["tool"], f["unit"], -1 if value is None else value)
    return figures


def short(value):
    return "never" if math.isinf(value) else f"{value:.4g}" if value < 1000 else f"{value:.0f}"


def table(figures):
    for part, about in figures.about.items():
        print(f"# {part}: " + ", ".join(f"{k} {v}" for k, v in about.items()))
    print(f"# medians (quartiles; rounds); {figures.thrown_away} values of warm-ups thrown away")
    names = list(dict.fromkeys(figure for figure, _ in figures.values))
    for figure in names:
        tools = figures.tools(figure)
        base = next((b for b in BASES if b in tools), None)
        print(f"{figure}, {figures.unit[figure]}")
        for tool in tools:
            values = figures.series(figure, tool).values()
            low, high = quartiles(values)
            line = f"  {tool:24} {short(figures.median(figure, tool)):>9} " \
                   f"({short(low)} to {short(high)}; {len(values)})"
            found = median_ratio(figures.ratios(figure, tool, base)) if base and base != tool else None
            print(line if found is None else f"{line:64} {short(found):>6} x {base}")


def main():
    directory = sys.argv[1]
    figures = read(directory)
    if not figures.values:
        sys.exit(f"{directory} has no figures")
    with open(os.path.join(directory, "figures.json"), "w") as f:
        json.dump(as_json(figures), f, indent=1)
        f.write("\n")
    table(figures)


if __name__ == "__main__":
    main()
