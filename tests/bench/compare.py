#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""compare.py [-g] [--write] FIGURES.json RATIOS.tsv: fails where a ratio has become worse

A line of RATIOS.tsv is figure, tool, peer, better (less or more), ratio, margin in percent, goal.
The ratio of the same tools in FIGURES.json may be worse than that by the margin. A figure that is
missing fails, too. With "-" as the peer, the ratio is a limit for the median itself. A ratio "-" was
never measured, and fails until it is. A goal may be "-"; -g only prints which goals are met.

--write puts the ratios of FIGURES.json into RATIOS.tsv, with margins that follow from the spread of
the rounds: twice the distance from the median to the worse quartile (of three rounds, the worst one),
but at least 10 percent for memory and 40 for times: the ratio of attach was 1.61 and 2.26 in two runs
in emulated guests on a busy machine. Limits stay.
"""

import collections
import math
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import figures as bench  # noqa: E402

LEAST, LEAST_MEMORY = 40, 10  # percent

Line = collections.namedtuple("Line", "figure tool peer better ratio margin goal")


class Row(Line):
    def name(self):
        peer = "" if self.peer == "-" else f" / {self.peer}"
        return f"{self.figure}: {self.tool}{peer}"

    def measured(self):
        return self.ratio != "-"

    def limit(self):
        by = 1 + float(self.margin) / 100
        return float(self.ratio) * by if self.better == "less" else float(self.ratio) / by

    def found(self, figures):
        """None: it was not measured."""
        if self.peer == "-":
            return figures.median(self.figure, self.tool) if figures.series(self.figure, self.tool) else None
        return bench.median_ratio(figures.ratios(self.figure, self.tool, self.peer))

    def spread(self, figures):
        """A margin for the ratio that was found."""
        found = self.found(figures)
        low, high = bench.quartiles(figures.ratios(self.figure, self.tool, self.peer))
        ends = (high, found) if self.better == "less" else (found, low)
        if not ends[1] or math.isinf(ends[0]):
            return self.margin
        least = LEAST_MEMORY if figures.unit[self.figure] == "KiB" else LEAST
        return str(max(least, math.ceil(round(200 * (ends[0] / ends[1] - 1), 6))))

    def worse(self, found, limit):
        return found > limit if self.better == "less" else found < limit


def rows(text):
    """The lines of RATIOS.tsv; one that cannot be used is an error, so that none is left out."""
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        row = Row(*line.split("\t"))
        if row.better not in ("less", "more"):
            raise ValueError(f"{row.name()}: better is less or more, not {row.better}")
        float(row.margin)
        if row.measured():
            row.limit()
        yield row


def compare(figures, wanted):
    """The number of rows that passed and that failed."""
    passed = failed = 0
    for row in wanted:
        found = row.found(figures)
        if found is None or not row.measured():
            print(f"not ok - {row.name()} is missing{' in the committed ratios' if found is not None else ''}")
            failed += 1
            continue
        limit = row.limit()
        bad = row.worse(found, limit)
        print(f"{'not ok' if bad else 'ok'} - {row.name()}: {found:.3f}, committed {float(row.ratio):.3f}, "
              f"{'at most' if row.better == 'less' else 'at least'} {limit:.3f} ({row.margin} %)")
        failed += bad
        passed += not bad
    return passed, failed


def goals(figures, wanted):
    for row in wanted:
        found = row.found(figures)
        if row.goal != "-":
            met = found is not None and not row.worse(found, float(row.goal))
            print(f"{'met    ' if met else 'not met'}  {row.name()}: "
                  f"{'missing' if found is None else f'{found:.3f}'}, the goal is "
                  f"{'at most' if row.better == 'less' else 'at least'} {row.goal}")


def written(text, figures):
    """RATIOS.tsv with the ratios of the figures. Limits, and what was not measured, stay."""
    lines = []
    for line in text.splitlines():
        if line.startswith("# measured: "):
            line = "# measured: " + "; ".join(sorted(
                {f"kernel {a.get('kernel', '?')}, {a.get('machine', '?')}, commit {a.get('commit', '?')}"
                 for a in figures.about.values()}))
        elif line and not line.startswith("#"):
            row = Row(*line.split("\t"))
            found = row.found(figures)
            if found is not None and row.peer != "-":
                line = "\t".join(row._replace(ratio=f"{found:.4g}", margin=row.spread(figures)))
        lines.append(line + "\n")
    return "".join(lines)


def main(arguments):
    options = {a for a in arguments if a.startswith("-")}
    measured, path = [a for a in arguments if not a.startswith("-")]
    figures = bench.from_json(measured)
    with open(path) as f:
        text = f.read()
    wanted = list(rows(text))
    if "# measured: not yet" in text.splitlines() and not options:
        print(f"{path} has no measured ratios: `make bench`, then --write puts them there")
        return 1
    if "--write" in options:
        with open(path, "w") as f:
            f.write(written(text, figures))
    elif "-g" in options:
        goals(figures, wanted)
    else:
        passed, failed = compare(figures, wanted)
        print(f"{passed} passed, {failed} failed")
        return failed != 0 or passed == 0
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
