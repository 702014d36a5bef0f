#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Tests of figures.py and compare.py; the last line counts."""

import contextlib
import io
import json
import math
import os
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True
import compare  # noqa: E402
import figures as bench  # noqa: E402

ATTACH = "attach\tnbd-attach\tnbd-client\tless\t0.800\t10\t0.85"
RATE = "tls.read1m.rate\ttls-relay\tproxy\tmore\t1.200\t10\t1.3"
FAILED = "outage.failed\tnbd-attach\t-\tless\t0\t10\t-"


def made(**series):
    """attach__tool=[values of rounds 1, 2, ...]"""
    figures = bench.Figures()
    for name, values in series.items():
        figure, tool = (word.replace("_", "-") for word in name.split("__"))
        for n, value in enumerate(values, 1):
            figures.add(n, figure, tool, "ms", value)
    return figures


def outcome(figures, *lines):
    with contextlib.redirect_stdout(io.StringIO()) as said:
        result = compare.compare(figures, list(compare.rows("\n".join(lines))))
    return result, said.getvalue()


class Statistics(unittest.TestCase):
    def test_ratio_is_the_median_of_pairs(self):
        # The machine was ten times slower in the second round.
        f = made(attach__a=[1, 10, 1], attach__b=[2, 20, 4])
        self.assertEqual(bench.median_ratio(f.ratios("attach", "a", "b")), 0.5)

    def test_only_rounds_of_both_count(self):
        f = made(attach__a=[1, 1, 1], attach__b=[2])
        self.assertEqual(f.ratios("attach", "a", "b"), [0.5])

    def test_warm_up_is_thrown_away(self):
        f = made(attach__a=[3])
        f.add(0, "attach", "a", "ms", 99)
        self.assertEqual((f.median("attach", "a"), f.thrown_away), (3, 1))

    def test_never(self):
        f = made(new__a=[-1, 5, -1], new__b=[10, 10, 10])
        self.assertEqual(f.median("new", "a"), math.inf)
        self.assertEqual(bench.median_ratio(f.ratios("new", "a", "b")), math.inf)
        self.assertEqual(bench.median_ratio(f.ratios("new", "b", "a")), 0)

    def test_never_by_never_is_no_ratio(self):
        f = made(new__a=[-1], new__b=[-1])
        self.assertIsNone(bench.median_ratio(f.ratios("new", "a", "b")))

    def test_quartiles(self):
        self.assertEqual(bench.quartiles([4, 1, 3, 2, 5]), (2, 4))
        self.assertEqual(bench.quartiles([7]), (7, 7))


class Compare(unittest.TestCase):
    def test_the_same(self):
        self.assertEqual(outcome(made(attach__nbd_attach=[8], attach__nbd_client=[10]), ATTACH)[0], (1, 0))

    def test_within_the_margin(self):
        self.assertEqual(outcome(made(attach__nbd_attach=[8.7], attach__nbd_client=[10]), ATTACH)[0], (1, 0))

    def test_beyond_the_margin_fails_and_says_which(self):
        result, said = outcome(made(attach__nbd_attach=[8.9], attach__nbd_client=[10]), ATTACH)
        self.assertEqual(result, (0, 1))
        self.assertIn("not ok - attach: nbd-attach / nbd-client: 0.890", said)

    def test_more_is_better(self):
        def rate(ours):
            f = bench.Figures()
            f.add(1, "tls.read1m.rate", "tls-relay", "MiB/s", ours)
            f.add(1, "tls.read1m.rate", "proxy", "MiB/s", 10)
            return outcome(f, RATE)[0]
        self.assertEqual([rate(20), rate(11), rate(10.8)], [(1, 0), (1, 0), (0, 1)])

    def test_missing_fails(self):
        for f in (bench.Figures(), made(attach__nbd_attach=[8]), made(attach__nbd_client=[8])):
            result, said = outcome(f, ATTACH, FAILED)
            self.assertEqual(result, (0, 2))
            self.assertIn("attach: nbd-attach / nbd-client is missing", said)

    def test_a_ratio_that_was_never_measured_fails(self):
        result, said = outcome(made(attach__nbd_attach=[1], attach__nbd_client=[10]),
                               ATTACH.replace("0.800", "-"))
        self.assertEqual(result, (0, 1))
        self.assertIn("missing in the committed ratios", said)

    def test_a_count_of_zero(self):
        def failed(*values):
            f = bench.Figures()
            for n, value in enumerate(values, 1):
                f.add(n, "outage.failed", "nbd-attach", "requests", value)
            return outcome(f, FAILED)[0]
        self.assertEqual([failed(0, 0, 0), failed(1, 1, 0)], [(1, 0), (0, 1)])

    def test_a_line_that_cannot_be_used(self):
        for line in ("attach\tnbd-attach", ATTACH.replace("less", "fewer"), ATTACH.replace("0.800", "x")):
            with self.assertRaises((ValueError, TypeError)):
                list(compare.rows(line))

    def test_written(self):
        f = made(attach__nbd_attach=[7], attach__nbd_client=[10])
        f.add(1, "outage.failed", "nbd-attach", "requests", 3)
        text = compare.written(f"# measured: before\n{ATTACH}\n{RATE}\n{FAILED}\n", f)
        self.assertIn("\tless\t0.7\t40\t0.85\n", text)
        self.assertIn(RATE, text)
        self.assertIn(FAILED, text)

    def test_the_margin_follows_from_the_spread(self):
        f = made(attach__nbd_attach=[5, 2, 10], attach__nbd_client=[5, 5, 5])
        self.assertIn("\tless\t1\t100\t0.85\n", compare.written(ATTACH, f))
        f = bench.Figures()
        for n, rate in enumerate((10, 5, 40), 1):
            f.add(n, "tls.read1m.rate", "tls-relay", "MiB/s", rate)
            f.add(n, "tls.read1m.rate", "proxy", "MiB/s", 10)
        self.assertIn("\tmore\t1\t67\t1.3\n", compare.written(RATE, f))
        self.assertIn(ATTACH, compare.written(ATTACH, f))
        f = bench.Figures()
        f.add(1, "attach", "nbd-attach", "KiB", 5)
        f.add(1, "attach", "nbd-client", "KiB", 5)
        self.assertIn("\tless\t1\t10\t0.85\n", compare.written(ATTACH, f))

    def test_what_never_came_has_no_spread(self):
        f = made(attach__nbd_attach=[-1, 5, 5], attach__nbd_client=[5, 5, 5])
        self.assertIn("\tless\t1\t10\t0.85\n", compare.written(ATTACH, f))


class Files(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.top = scratch.name
        self.part = os.path.join(self.top, "part")
        os.mkdir(self.part)
        self.put("about.tsv", "kernel\t6.1\ncommit\tabc\n")
        self.put("figures.tsv", "0\tattach\tnbd-client\tms\t99\n1\tattach\tnbd-client\tms\t10\n"
                                "1\tattach\tnbd-attach\tms\t8\n1\toutage.new\tnbd-client\tms\t-1\n")
        latency = {"percentile": {"50.000000": 2000, "99.000000": 9000, "99.900000": 11000}}
        job = {"jobname": "read4k", "read": {"total_ios": 5, "bw_bytes": 2 << 20, "clat_ns": latency},
               "write": {"total_ios": 0}}
        self.put("fio.1.unix-1.relay.json", "fio: a note\n" + json.dumps({"jobs": [job]}))

    def put(self, name, text):
        with open(os.path.join(self.part, name), "w") as f:
            f.write(text)

    def run_script(self, name, *arguments):
        return subprocess.run([sys.executable, "-B", os.path.join(HERE, name), *arguments],
                              stdout=subprocess.PIPE, text=True)

    def test_from_the_files_to_the_verdict(self):
        done = self.run_script("figures.py", self.top)
        self.assertEqual(done.returncode, 0)
        self.assertIn("0.8 x nbd-client", done.stdout)
        measured = os.path.join(self.top, "figures.json")
        f = bench.from_json(measured)
        self.assertEqual(f.median("unix-1.read4k.p99", "relay"), 9)
        self.assertEqual(f.median("unix-1.read4k.rate", "relay"), 2)
        self.assertEqual(f.median("outage.new", "nbd-client"), math.inf)
        self.assertEqual(f.thrown_away, 1)
        wanted = os.path.join(self.top, "ratios.tsv")
        for lines, status in ((ATTACH, 0), (ATTACH.replace("0.800", "0.700"), 1), (RATE, 1), ("", 1)):
            with open(wanted, "w") as file:
                file.write(lines + "\n")
            self.assertEqual(self.run_script("compare.py", measured, wanted).returncode, status, lines)

    def test_the_committed_ratios_can_be_used(self):
        with open(os.path.join(HERE, "ratios.tsv")) as f:
            found = list(compare.rows(f.read()))
        self.assertGreater(len(found), 20)
        self.assertEqual(len(found), len({row[:3] for row in found}))


if __name__ == "__main__":
    result = unittest.main(exit=False, verbosity=0).result
    bad = len(result.failures) + len(result.errors)
    print(f"{result.testsRun - bad} passed, {bad} failed")
    sys.exit(bad != 0)
