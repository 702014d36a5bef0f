#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Runs a client against every case of hostile.py and judges how it ends.

  hostile_check.py [--goals info,list] [--only PATTERN] [--deadline SECONDS] [--ratio N]
                   [--jobs N] COMMAND...

Whatever the server does, the client must end with one of the expected exit statuses, within its
deadline, with one line of harmless text, and leave no process and no file. With the goal
`attach` (as root, with the nbd module and sixteen free devices) a refused device must be free,
and an attached device must detach.
"""

import argparse
import concurrent.futures
import ctypes
import fnmatch
import os
import queue
import signal
import subprocess
import sys
import tempfile
import time

import hostile

LINE_MAX = 1100        # bytes of one message
OUTPUT_MAX = 64 << 20  # bytes of a list; an endless one must not fill a disk
# Line separators, and characters that change the direction of text: they can disguise a name.
REORDERING = "\u061c\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
RUNDIR = os.environ.get("NBD_ATTACH_RUNDIR", "/run/nbd-attach")


def start_server(directory):
    server = subprocess.Popen([os.path.join(os.path.dirname(__file__), "hostile.py"),
                               "--serve", directory],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    if server.stdout.readline() != b"ready\n":
        sys.exit("hostile.py did not start")
    return server


def harmless(text, allowed):
    """None, or what is wrong with bytes that a terminal will print."""
    try:
        decoded = text.decode()
    except UnicodeDecodeError as e:
        return f"not UTF-8: {e}"
    bad = {c for c in decoded if c not in allowed and
           (ord(c) < 32 or 127 <= ord(c) < 160 or c in REORDERING)}
    return f"control characters {sorted(map(hex, map(ord, bad)))}" if bad else None


class Checker:
    def __init__(self, command, directory, deadline, ratio):
        self.command = command
        self.directory = directory
        self.deadline = deadline
        self.limit = deadline * ratio
        self.devices = queue.Queue()
        for i in range(16):
            self.devices.put(f"nbd{i}")
        self.slowest = (0, "")

    def run(self, *arguments):
        """Exit status or None, seconds, stdout, stderr."""
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            begin = time.monotonic()
            process = subprocess.Popen([*self.command, *arguments], stdin=subprocess.DEVNULL,
                                       stdout=out, stderr=err)
            try:
                status = process.wait(self.limit + 10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                status = None
            seconds = time.monotonic() - begin
            out.seek(0)
            err.seek(0)
            return status, seconds, out.read(OUTPUT_MAX), err.read(1 << 20)

    def target(self, case):
        if not case.tcp:
            return ["-u", os.path.join(self.directory, case.name + ".sock")], []
        with open(os.path.join(self.directory, case.name + ".port"), encoding="ascii") as f:
            return [], [f"127.0.0.1:{f.read().strip()}"]

    def judge(self, case, goal, device):
        """A list of sentences that say what is wrong."""
        option, positional = self.target(case)
        verb = [] if device else [f"--{goal}"]
        if goal == "tls":
            verb = ["-q", "--info", "--tls", "--tls-verify-peer=0"]
        name = [f"/dev/{device}"] if device else []
        status, seconds, out, err = self.run(*verb, f"--connect-timeout={self.deadline}", *option,
                                             *name, *positional)
        wrong = []
        if status not in case.expect[goal]:
            wrong.append(f"exit status {status}, wanted {sorted(case.expect[goal])}")
        # If the server answers no read, attach returns after 10 s without the partition table.
        if seconds > self.limit + (12 if device else 0):
            wrong.append(f"took {seconds:.1f} s")
        self.slowest = max(self.slowest, (seconds, f"{goal} {case.name}"))
        if status and (err.count(b"\n") != 1 or not err.endswith(b"\n")):
            wrong.append("not one line on standard error")
        if any(len(line) > LINE_MAX for line in err.split(b"\n")):
            wrong.append("a line without end")
        if len(out) == OUTPUT_MAX:
            wrong.append("output without end")
        # --list has a tab between a name and its description; one in either is escaped.
        for where, harm in (("stdout", harmless(out, "\n\t")), ("stderr", harmless(err, "\n"))):
            if harm:
                wrong.append(f"{where}: {harm}")
        if device:
            wrong += self.judge_device(device, status)
        return wrong and wrong + [err.decode(errors="backslashreplace")[:3000]]

    def judge_device(self, device, status):
        wrong = []
        check = self.run("--check", device)[0]
        if check != (1 if status else 0):
            wrong.append(f"attach ended with {status}, --check with {check}")
        if status == 0:
            for _ in range(5):
                left, seconds, _, err = self.run("--detach", "--force", device)
                # A busy machine's kernel may be slow.
                if b"try again" not in err and b"has not yet finished" not in err:
                    break
                time.sleep(0.5)
            if left != 0 or seconds > self.limit + 5:
                wrong.append(f"--detach --force: {left}, {seconds:.1f} s, {err!r}")
        if os.path.exists(f"/sys/block/{device}/pid"):
            wrong.append(f"{device} is attached")
        return wrong

    def one(self, case, goal):
        device = self.devices.get() if goal == "attach" else None
        try:
            wrong = self.judge(case, goal, device)
        finally:
            if device:
                self.devices.put(device)
        if wrong:
            print(f"not ok - {goal} {case.name}")
            print("".join(f"    {line}\n" for line in "\n".join(wrong).splitlines()), end="",
                  flush=True)
        return not wrong

    def all(self, work, jobs):
        with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
            return list(pool.map(lambda item: self.one(*item), work))


def left_behind():
    """Our descendants that still run, and files that are left. Locks may stay."""
    end = time.monotonic() + 5
    while True:
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            break
        if time.monotonic() > end:
            with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as f:
                for pid in f.read().split():
                    with open(f"/proc/{pid}/cmdline", encoding="utf-8") as line:
                        yield f"process {pid}: " + line.read().replace("\0", " ")
                    os.kill(int(pid), signal.SIGKILL)
            break
        time.sleep(0.05)
    if os.path.isdir(RUNDIR):
        yield from (f"file {name}" for name in sorted(os.listdir(RUNDIR))
                    if not name.endswith(".lock") and name != "secret")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--goals", default="info,list,tls")
    parser.add_argument("--only", default="*", help="cases, as a shell pattern")
    parser.add_argument("--deadline", type=float, default=2, help="--connect-timeout, seconds")
    parser.add_argument("--ratio", type=float, default=2, help="deadlines that a case may take")
    parser.add_argument("--jobs", type=int, default=2 * (os.cpu_count() or 1))
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args()

    # A process that detaches itself from its parent becomes our child, so that we find it.
    PR_SET_CHILD_SUBREAPER = 36
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    with tempfile.TemporaryDirectory() as directory:
        server = start_server(directory)
        checker = Checker(options.command, directory, options.deadline,
                          options.ratio)
        work = [(case, goal) for case in hostile.CASES.values() for goal in case.expect
                if goal in options.goals.split(",") and fnmatch.fnmatch(case.name, options.only)]
        begin = time.monotonic()
        results = checker.all([w for w in work if not w[0].waits], options.jobs)
        results += checker.all([w for w in work if w[0].waits], 4 * (os.cpu_count() or 1))
        server.stdin.close()
        server.wait()
    stray = list(left_behind())
    results.append(not stray)
    if stray:
        print("not ok - nothing is left")
        print("".join(f"    {line}\n" for line in stray), end="")
    seconds, name = checker.slowest
    print(f"# {time.monotonic() - begin:.0f} s in all; the slowest: {name}, {seconds:.1f} s")
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
