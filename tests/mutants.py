#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""make mutants SEED=n COUNT=n: do the unit tests and the stub notice faults?

  mutants.py [--seed N] [--count N] [--folders supervise,kernel,transport,cli]
             [--results FILE] [--minutes N] [--units] [--report]

Each mutant is one small change of one place in src, drawn by the seed. It is built in a copy of the
tree (build/mutants), and tried with the unit tests and the stub scenarios that run its line, until
one fails: a build with counters says which tests those are. A mutant that no test runs survives at
once. A failure, or a test that does not end in time, counts if it happens twice and the unchanged
program passes the same test in between.

A mutant that does not build, or whose object code is that of the original, does not count, and
another one is drawn. Each result is one line of JSON in FILE; the same call goes on where it
stopped, and --report only prints the totals. A mutant may send any signal to any process, so each
test has its own PID namespace, which needs root.
"""

import argparse
import collections
import concurrent.futures
import difflib
import filecmp
import glob
import json
import os
import random
import re
import shutil
import subprocess
import sys
import time

TOP = os.path.realpath(os.path.join(os.path.dirname(__file__), ".."))
WORK = os.path.join(TOP, "build/mutants")
TREE, BASE = os.path.join(WORK, "tree"), os.path.join(WORK, "base")
# With a shell as process 1, which reaps orphans.
ALONE = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child=KILL",
         "sh", "-c", '"$@"; exit $?', "sh"]
LIMIT = 90  # seconds for one test: on an idle machine, all take less than a third of that
JOBS = int(os.environ.get("JOBS", 4 * (os.cpu_count() or 1)))

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
    """Numbers of the lines in functions."""
    inside = False
    for number, line in enumerate(lines):
        if line == "{":
            inside = True
        elif line.startswith("}"):
            inside = False
        elif inside and not re.match(r"\s*(/?\*|//|#)", line):
            yield number


def masked(line):
    """The line with blanks instead of quoted text and comments; its length is the same."""
    return re.sub(r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'|/\*.*?(?:\*/|$)',
                  lambda m: "\x01" * len(m.group()), line)


def mutations(line):
    """The possible mutants of a line: pairs of a kind and the new line."""
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
    """All possible mutants of the files of a folder of src."""
    for path in sorted(glob.glob(f"src/{folder}/**/*.c", recursive=True, root_dir=TOP)):
        with open(os.path.join(TOP, path), encoding="utf-8") as file:
            lines = file.read().split("\n")
        for number in bodies(lines):
            for kind, new in mutations(lines[number]):
                yield path, number, kind, new


def draw(folders, seed):
    """Yields mutants without end, from the folders in turn, none twice."""
    chance = random.Random(seed)
    piles = {}
    for folder in folders:
        piles[folder] = list(places(folder))
        chance.shuffle(piles[folder])
    while any(piles.values()):
        for folder in folders:
            if piles[folder]:
                yield folder, *piles[folder].pop()


def run(command, tree, limit=LIMIT, **environment):
    """Whether the test passes, in its own PID namespace."""
    environment = dict(os.environ, **{"BUILD": "build", **environment})
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


def all_tests():
    """A command for each unit test and for each scenario."""
    units = sorted(glob.glob("tests/unit/**/test-*.c", recursive=True, root_dir=TOP))
    scenarios = sorted(glob.glob("tests/stub/scenarios/*.sh", root_dir=TOP))
    return [("build/" + name[:-2],) for name in units] + [("bash", name) for name in scenarios]


class Tests:
    """The tests that run each line, and the time of each test."""

    COUNTING = "build/cov"

    def __init__(self, units_only):
        self.of_line = collections.defaultdict(set)
        self.seconds = {}
        self.excluded = set()
        self.every = [c for c in all_tests() if c[0] != "bash" or not units_only]
        os.makedirs(os.path.join(BASE, self.COUNTING, "raw"), exist_ok=True)
        os.chmod(os.path.join(BASE, self.COUNTING, "raw"), 0o1777)
        if make(BASE, "COV=1", "CC=clang", "unit-build", "stub-build").returncode:
            sys.exit("mutants: the build with counters does not build")
        with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
            list(pool.map(self.learn, self.every))
        if not any(place.startswith("src/") for place in self.of_line):
            sys.exit("mutants: no test runs a line of src: the counters cannot be read")

    def learn(self, command):
        """One test, with the counting build and the normal one."""
        raw = os.path.join(BASE, self.COUNTING, "one", command[-1].replace("/", "-"))
        os.makedirs(raw, exist_ok=True)
        os.chmod(raw, 0o1777)
        counting = [word.replace("build/", self.COUNTING + "/", 1) for word in command]
        begin = time.monotonic()
        run(counting, BASE, BUILD=self.COUNTING, LLVM_PROFILE_FILE=f"{raw}/%m%c.profraw")
        self.seconds[command] = time.monotonic() - begin
        if not (run(command, BASE) or run(command, BASE)):
            self.excluded.add(command)
        program = counting[0] if len(counting) == 1 else self.COUNTING + "/stub/nbd-attach"
        for place in self.lines(raw, os.path.join(BASE, program)):
            self.of_line[place].add(command)

    @staticmethod
    def lines(raw, program):
        """The lines that have run."""
        merged = raw + "/all.profdata"
        found = glob.glob(raw + "/*.profraw")
        if not found or subprocess.run(["llvm-profdata", "merge", "-sparse", "-o", merged, *found],
                                       stderr=subprocess.DEVNULL, check=False).returncode:
            return
        done = subprocess.run(["llvm-cov", "export", "-format=lcov", f"-instr-profile={merged}",
                               program], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              check=False, text=True)
        name = ""
        for line in done.stdout.splitlines():
            key, _, value = line.partition(":")
            if key == "SF":
                name = os.path.normpath(value.removeprefix(BASE + "/"))
            elif key == "DA":
                number, count = value.split(",")[:2]
                if int(count):
                    yield f"{name}:{number}"

    def stages(self, path, number):
        """The unit tests of the file, the others, and the scenarios, the shortest first."""
        own = {("build/" + name[:-2],) for name in unit_of(path)}
        found = sorted(self.of_line[f"{path}:{number + 1}"] - self.excluded,
                       key=lambda command: self.seconds[command])
        return [[c for c in found if c in own],
                [c for c in found if c not in own and c[0] != "bash"],
                [c for c in found if c[0] == "bash"]]


class Trial:
    """Runs the tests of one mutant; `noticed` is the test that failed."""

    def __init__(self):
        self.noticed = None

    def one(self, command):
        if self.noticed or run(command, TREE):
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


def attempt(folder, path, number, kind, new, tests):
    """Returns the result of a mutant; restores the copy afterwards."""
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
        trial, stages = Trial(), tests.stages(path, number)
        for stage in stages:
            if stage and not trial.noticed:
                make(TREE, *[c[0] for c in stage if c[0] != "bash"] or ["stub-build"])
                trial.stages([stage])
        return dict(result, verdict="noticed" if trial.noticed else "survived", by=trial.noticed,
                    tests=sum(map(len, stages)), seconds=round(time.monotonic() - begin))
    finally:
        with open(name, "w", encoding="utf-8") as file:
            file.write(before)


def copy_to(tree):
    """Copies files that differ, and removes files that no longer exist."""
    os.makedirs(tree, exist_ok=True)
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "Makefile", "src", "tests",
                             "systemd", "udev"], cwd=TOP, stdout=subprocess.PIPE, text=True, check=True)
    names = {name for name in listed.stdout.splitlines() if os.path.exists(os.path.join(TOP, name))}
    for name in names:
        source, copy = os.path.join(TOP, name), os.path.join(tree, name)
        if not os.path.exists(copy) or not filecmp.cmp(source, copy, shallow=False):
            os.makedirs(os.path.dirname(copy), exist_ok=True)
            shutil.copy(source, copy)
    for directory in ("src", "tests"):
        for name in glob.glob(directory + "/**/*.[ch]", recursive=True, root_dir=tree):
            if name not in names:
                os.unlink(os.path.join(tree, name))


def prepare(units_only):
    """Builds two copies of the tree, and finds what the tests run."""
    for tree in (TREE, BASE):
        copy_to(tree)
        done = make(tree, "all", "unit-build", "stub-build")
        if done.returncode:
            sys.exit("mutants: the tree does not build\n" + done.stderr.decode())
    tests = Tests(units_only)
    if tests.excluded:
        print("mutants: left out, because it fails without a mutant:",
              " ".join(sorted(command[-1] for command in tests.excluded)))
    return tests


def report(results):
    counts = collections.defaultdict(collections.Counter)
    for one in results:
        counts[one["folder"]][one["verdict"]] += 1
        if one["verdict"] == "survived":
            print(f"survived: {one['place']}: {one['kind']}{'' if one.get('tests') else ', run by no test'}")
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
    parser.add_argument("--units", action="store_true", help="without the stub: seconds a mutant")
    parser.add_argument("--report", action="store_true")
    options = parser.parse_args()
    results = options.results or os.path.join(TOP, f"build/mutants-{options.seed}.json")
    known = []
    if os.path.exists(results):
        with open(results, encoding="utf-8") as file:
            known = [json.loads(line) for line in file]
    if not options.report:
        if os.geteuid():
            sys.exit("mutants: needs root, because a mutant may send signals to any process")
        print(f"mutants: again: make mutants SEED={options.seed} COUNT={options.count}")
        commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=TOP, check=False,
                                stdout=subprocess.PIPE).stdout.decode().strip()
        end = time.monotonic() + options.minutes * 60
        tests = prepare(options.units)
        done = {(one["place"], one["new"]): one for one in known}
        tried = 0
        for folder, path, number, kind, new in draw(options.folders.split(","), options.seed):
            if tried >= options.count or time.monotonic() > end:
                break
            one = done.get((f"{path}:{number + 1}", new.strip()))
            if not one:
                one = dict(attempt(folder, path, number, kind, new, tests),
                           seed=options.seed, commit=commit)
                known.append(one)
                with open(results, "a", encoding="utf-8") as file:
                    file.write(json.dumps(one) + "\n")
                by = f", by {one['by']}" if one.get("by") else ""
                print(f"{one['verdict']}: {one['place']}: {kind}{by}", flush=True)
            tried += one["verdict"] in ("noticed", "survived")
    report(known)


main()
