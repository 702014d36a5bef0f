#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""make mutants SEED=n COUNT=n: are faults noticed by the unit tests and the stub?

  mutants.py [--seed N] [--count N] [--folders supervise,kernel,transport,cli]
             [--results FILE] [--minutes N] [--report]

Each mutant is one small change of one place in src, drawn by the seed. It is built in a copy of the
tree (build/mutants), and tried with the unit test of its file, then with all unit tests, then with
the scenarios of the stub, until something fails. A failure counts when it happens twice, and the
unchanged program passes the same test in between; so does a test that does not end in time.

A mutant that does not build, or whose object code is that of the original, is none, and another is
drawn. Each result is one line of JSON in FILE; the same call again goes on where it stopped, and
--report only adds up. A mutant may send any signal to any process: each test has a namespace of
processes of its own, which takes root.
"""

import argparse
import collections
import concurrent.futures
import difflib
import glob
import json
import os
import random
import re
import subprocess
import sys
import time

TOP = os.path.realpath(os.path.join(os.path.dirname(__file__), ".."))
WORK = os.path.join(TOP, "build/mutants")
TREE, BASE = os.path.join(WORK, "tree"), os.path.join(WORK, "base")
ALONE = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child=KILL"]
LIMIT = 90  # seconds for one test: unhindered, all take less than a third of that
JOBS = 4 * (os.cpu_count() or 1)

SWAPS = [(r" == ", " != "), (r" != ", " == "), (r" < ", " <= "), (r" <= ", " < "),
         (r" > ", " >= "), (r" >= ", " > "), (r" && ", " || "), (r" \|\| ", " && "),
         (r" \+ ", " - "), (r" - ", " + "), (r" \| ", " & "), (r" \|= ", " &= "),
         (r" \+= ", " -= "), (r" -= ", " += "), (r"\+\+", "--"), (r"\btrue\b", "false"),
         (r"\bfalse\b", "true"), (r"\breturn 0;", "return -EIO;"), (r"\breturn -[^;]+;", "return 0;"),
         (r"\breturn NULL;", "return (void *)1;")]
CONSTANT = re.compile(r"(?<![\w.])(\d+)(?![\w.])")
CONDITION = re.compile(r"^(\s*(?:\} else )?(?:if|while) \()(.+)(\)(?: \{)?)$")
STATEMENT = re.compile(r"^(\s+)(?!return\b|goto\b|case\b)(?:[\w\->.\[\]*()]+ (?:[-+|&]?=) .*|"
                       r"[\w\->.]+\(.*\)|[\w\->.\[\]]+(?:\+\+|--)|break|continue);$")
DECLARATION = re.compile(r"^\s+(?:const |static |struct |enum |unsigned |u?int\w* |bool |char |size_t )")


def bodies(lines):
    """Numbers of the lines that lie in functions."""
    inside = False
    for number, line in enumerate(lines):
        if line == "{":
            inside = True
        elif line.startswith("}"):
            inside = False
        elif inside and not re.match(r"\s*(/?\*|//|#)", line):
            yield number


def masked(line):
    """The line with what stands in quotes and comments made blank, as long as before."""
    return re.sub(r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'|/\*.*?(?:\*/|$)',
                  lambda m: "\x01" * len(m.group()), line)


def mutations(line):
    """What can be made of a line: pairs of a kind and the new line."""
    plain = masked(line)
    for pattern, new in SWAPS:
        for match in re.finditer(pattern, plain):
            yield f"{match.group().strip()} -> {new.strip()}", \
                line[:match.start()] + new + line[match.end():]
    for match in CONSTANT.finditer(plain):
        yield "constant + 1", line[:match.start()] + str(int(match.group()) + 1) + line[match.end():]
    match = CONDITION.match(line)
    if match and plain.count("(") == plain.count(")"):
        yield "condition negated", f"{match[1]}!({match[2]}){match[3]}"
    if STATEMENT.match(plain) and not DECLARATION.match(plain):
        yield "statement removed", re.match(r"\s*", line).group() + "(void)0;"


def places(folder):
    """All that can be done to the files of a folder of src."""
    for path in sorted(glob.glob(f"src/{folder}/**/*.c", recursive=True, root_dir=TOP)):
        with open(os.path.join(TOP, path), encoding="utf-8") as file:
            lines = file.read().split("\n")
        for number in bodies(lines):
            for kind, new in mutations(lines[number]):
                yield path, number, kind, new


def draw(folders, seed):
    """Mutants without end, the folders in turn, none twice."""
    chance = random.Random(seed)
    piles = {}
    for folder in folders:
        piles[folder] = list(places(folder))
        chance.shuffle(piles[folder])
    while any(piles.values()):
        for folder in folders:
            if piles[folder]:
                yield folder, *piles[folder].pop()


def run(command, tree, limit=LIMIT):
    """Whether it passes, alone with its processes."""
    environment = dict(os.environ, BUILD="build")
    try:
        done = subprocess.run([*ALONE, *command], cwd=tree, env=environment, timeout=limit,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, start_new_session=True, check=False)
    except subprocess.TimeoutExpired:
        return False
    if command[0] == "bash":  # a scenario that ends early has failed, too
        return done.returncode == 0 and b" passed, 0 failed" in done.stdout
    return done.returncode == 0


def make(tree, *goals):
    return subprocess.run(["make", "-s", "-k", f"-j{os.cpu_count()}", *goals], cwd=tree, check=False,
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def unit_of(path):
    """The unit tests of a file: its own, or all of its directory."""
    directory, name = os.path.split(path.removeprefix("src/"))
    for pattern in (f"test-{name}", f"test-{name[:-2]}-*.c", "test-*.c"):
        found = glob.glob(f"tests/unit/{directory}/{pattern}", root_dir=TOP)
        if found:
            return sorted(found)
    return []


def tests_for(path):
    """Three stages, each a list of commands."""
    own = unit_of(path)
    every = sorted(glob.glob("tests/unit/**/test-*.c", recursive=True, root_dir=TOP))
    scenarios = sorted(glob.glob("tests/stub/scenarios/*.sh", root_dir=TOP))
    words = set(re.split(r"[/.-]", path.removeprefix("src/")))
    scenarios.sort(key=lambda name: -len(words & set(re.split(r"[/.-]", name))))
    program = lambda source: ["build/" + source[:-2]]
    return [[program(s) for s in own], [program(s) for s in every if s not in own],
            [["bash", s] for s in scenarios]]


class Trial:
    """Tests of one mutant; noticed holds what failed."""

    def __init__(self, excluded):
        self.noticed = None
        self.excluded = excluded

    def one(self, command):
        if self.noticed or command[-1] in self.excluded or run(command, TREE):
            return
        if run(command, BASE) and not run(command, TREE):
            self.noticed = command[-1].removeprefix("build/")

    def stages(self, stages):
        for stage in stages:
            with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
                list(pool.map(self.one, stage))
            if self.noticed:
                break
        return self.noticed


def text_of(tree, path):
    """The object code without its debugging information, which has the numbers of lines."""
    made = os.path.join(tree, "build", path[:-2] + ".o")
    bare = os.path.join(WORK, "bare.o")
    if subprocess.run(["strip", "-g", "-o", bare, made], check=False).returncode:
        return None
    with open(bare, "rb") as file:
        return file.read()


def attempt(folder, path, number, kind, new, excluded):
    """The result of a mutant; the copy is as before afterwards."""
    name = os.path.join(TREE, path)
    with open(name, encoding="utf-8") as file:
        before = file.read()
    lines = before.split("\n")
    old, lines[number] = lines[number], new
    with open(name, "w", encoding="utf-8") as file:
        file.write("\n".join(lines))
    result = {"folder": folder, "place": f"{path}:{number + 1}", "kind": kind, "old": old.strip(),
              "new": new.strip()}
    try:
        begin = time.monotonic()
        if make(TREE, "build/" + path[:-2] + ".o").returncode:
            return dict(result, verdict="does not build")
        if text_of(TREE, path) == text_of(BASE, path):
            return dict(result, verdict="the same code")
        stages = tests_for(path)
        make(TREE, *[command[0] for command in stages[0]])
        by = Trial(excluded).stages(stages[:1])
        if not by:
            make(TREE, "all", "unit-build", "stub-build")
            by = Trial(excluded).stages(stages[1:])
        return dict(result, verdict="noticed" if by else "survived", by=by,
                    seconds=round(time.monotonic() - begin))
    finally:
        with open(name, "w", encoding="utf-8") as file:
            file.write(before)


def prepare():
    """Two copies of the tree, built; and which tests fail without a mutant, and say nothing."""
    for tree in (TREE, BASE):
        os.makedirs(tree, exist_ok=True)
        listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "Makefile", "src", "tests",
                                 "systemd", "udev"], cwd=TOP, stdout=subprocess.PIPE, check=True)
        packed = subprocess.run(["tar", "-c", "-T", "-"], cwd=TOP, input=listed.stdout,
                                stdout=subprocess.PIPE, check=True)
        subprocess.run(["tar", "-x", "--keep-newer-files"], cwd=tree, input=packed.stdout, check=True,
                       stderr=subprocess.DEVNULL)
        done = make(tree, "all", "unit-build", "stub-build")
        if done.returncode:
            sys.exit("mutants: the tree does not build\n" + done.stderr.decode())
    everything = [command for stage in tests_for("src/none.c") for command in stage]
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        passed = list(pool.map(lambda c: run(c, BASE) or run(c, BASE), everything))
    excluded = {c[-1] for c, good in zip(everything, passed) if not good}
    if excluded:
        print("mutants: left out, for it fails by itself:", " ".join(sorted(excluded)))
    return excluded


def report(results):
    counts = collections.defaultdict(collections.Counter)
    for one in results:
        counts[one["folder"]][one["verdict"]] += 1
        if one["verdict"] == "survived":
            print(f"survived: {one['place']}: {one['kind']}")
            print("".join(f"    {line}\n" for line in difflib.ndiff([one["old"]], [one["new"]])
                          if line[0] in "-+"), end="")
    noticed = survived = 0
    for folder, count in sorted(counts.items()):
        tried = count["noticed"] + count["survived"]
        share = f", {100 * count['noticed'] // tried} %" if tried else ""
        print(f"{folder:10} {count['noticed']:3} of {tried:3} noticed{share}")
        noticed += count["noticed"]
        survived += count["survived"]
    print(f"mutants: {noticed} of {noticed + survived} noticed")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--folders", default="supervise,kernel,transport,cli")
    parser.add_argument("--results")
    parser.add_argument("--minutes", type=float, default=24 * 60, help="no new mutant after that")
    parser.add_argument("--report", action="store_true")
    options = parser.parse_args()
    results = options.results or os.path.join(TOP, f"build/mutants-{options.seed}.json")
    known = []
    if os.path.exists(results):
        with open(results, encoding="utf-8") as file:
            known = [json.loads(line) for line in file]
    if not options.report:
        if os.geteuid():
            sys.exit("mutants: it takes root: a mutant may send signals to any process")
        print(f"mutants: again: make mutants SEED={options.seed} COUNT={options.count}")
        commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=TOP, check=False,
                                stdout=subprocess.PIPE).stdout.decode().strip()
        end = time.monotonic() + options.minutes * 60
        excluded = prepare()
        done = {(one["place"], one["new"]): one for one in known}
        tried = 0
        for folder, path, number, kind, new in draw(options.folders.split(","), options.seed):
            if tried >= options.count or time.monotonic() > end:
                break
            one = done.get((f"{path}:{number + 1}", new.strip()))
            if not one:
                one = dict(attempt(folder, path, number, kind, new, excluded),
                           seed=options.seed, commit=commit)
                known.append(one)
                with open(results, "a", encoding="utf-8") as file:
                    file.write(json.dumps(one) + "\n")
                by = f", by {one['by']}" if one.get("by") else ""
                print(f"{one['verdict']}: {one['place']}: {kind}{by}", flush=True)
            tried += one["verdict"] in ("noticed", "survived")
    report(known)


main()
