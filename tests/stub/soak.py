#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# Long: one program: the faults, what must hold after each, and the report.
"""Runs supervisors, drivers and servers, and injects faults in a random order.

  soak.py BUILD SECONDS SEED
  soak.py BUILD SEEDS                    a file with one seed a line, each for one round

Each round attaches a device with random options and starts a load that verifies itself. Then it
does one random thing after another (STEPS). The invariants (the check_* methods) must hold after
each step, and in the calm phase after several steps. JOBS rounds run at a time (4). The seed
decides everything except durations. A failing round prints its own seed; with that seed and 1
second the program repeats this round alone. With TELL=1 in the environment it prints the steps of
each round and their durations.
"""

import functools
import json
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

MIB = 1 << 20
CALM_S = 40  # allows for a machine that is busy with other tests
FDS_MORE = 4  # a helper that is being replaced, and one that reads identifiers
BLOCKS = 16  # of the load, if identifiers follow them
KEPT = (1, 3, 4)  # exit statuses of a supervisor that does not get the device of another one


class Broken(Exception):
    """An invariant does not hold."""


class Stuck(Exception):
    """
    I/O waits until the dead timeout, and nothing can prevent that, so the round ends. Either a
    connection was ended for --resize just when a request entered, and nothing proves that the
    server has finished it. Or a server died while the kernel changed the size (6.9 and later):
    then the command waits for requests, which wait for another command.
    """


def gone(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


def end(process):
    if process.poll() is None:
        process.kill()
    process.wait()


def mark(image, uuid):
    """Writes what identifies a Btrfs file system."""
    with open(image, "r+b") as f:
        f.seek(65536 + 32)
        f.write(uuid)
        f.write((65536).to_bytes(8, "little"))
        f.seek(65536 + 64)
        f.write(b"_BHRfS_M")


def content(path):
    with open(path, "rb") as f:
        return f.read()


class Round:
    def __init__(self, build, seed):
        self.chance = random.Random(seed)
        # Steps that came later: the earlier ones of a seed stay as they were.
        self.more = random.Random(seed + 1)
        self.later = self.more.random() < 0.5
        self.seed = seed
        self.dir = tempfile.mkdtemp(prefix="soak.")
        self.stub = f"{build}/stub/nbd-stub"
        self.program = f"{build}/stub/nbd-attach"
        self.image = f"{self.dir}/image"
        self.sock = f"{self.dir}/sock"
        self.size = MIB
        self.history = []
        self.server = self.attaching = self.load = None
        self.succeeding = None  # a supervisor that asks another one for the device
        self.foreground = []
        self.askers = []
        self.stopped = self.blocked = self.odd = False
        self.lethal = True  # a step has ended connections
        self.told = 0  # deaths that the driver had counted at the last check
        self.fds = self.taken = None  # sockets that were accepted before the last takeover
        self.looks = 0  # hand-overs and probes that rumours may still cause
        self.replaced = False  # an earlier supervisor left a replaced connection unsettled
        self.env = dict(os.environ, NBD_ATTACH_RUNDIR=self.dir)
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS"):
            self.env[name] = f"log_path={self.dir}/san:print_stacktrace=1"
        os.mkdir(f"{self.dir}/stub")
        with open(self.image, "wb") as f:
            f.truncate(self.size)
        self.connections = self.chance.choice([1, 1, 1, 2, 3])
        self.options = ["-C", str(self.connections), "--dead-timeout", "600"]
        if self.chance.random() < 0.15:
            self.options.append("--relay")
        self.ids = self.later and self.more.random() < 0.5
        if self.ids:
            self.options.append("--same-content=ids")
            self.other = f"{self.dir}/other"
            shutil.copy(self.image, self.other)
            mark(self.image, b"a" * 16)
            mark(self.other, b"b" * 16)
            self.other_was = content(self.other)

    # Programs

    def log(self, name):
        return open(f"{self.dir}/{name}", "ab")

    def spawn(self, name, *words):
        with self.log(name) as out:
            return subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=self.env
            )

    def run(self, *words, limit=60):
        """Returns the exit status, or None if the command hangs."""
        with self.log("said") as out:
            try:
                return subprocess.run(
                    words, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=self.env,
                    timeout=limit,
                ).returncode
            except subprocess.TimeoutExpired:
                return None

    def ctl(self, *words):
        out = subprocess.run(
            [self.stub, "ctl", *map(str, words)], capture_output=True, text=True, env=self.env,
            timeout=30,
        )
        if out.returncode:
            raise Broken(f"ctl {words}: {out.stderr}")
        return out.stdout

    def figures(self):
        return dict(line.split("=", 1) for line in self.ctl("show", 0).splitlines())

    def state(self):
        try:
            with open(f"{self.dir}/nbd0.state") as f:
                return dict(line.rstrip("\n").split("=", 1) for line in f if "=" in line)
        except OSError:
            return {}

    def wait(self, seconds, what, condition):
        limit = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > limit:
                raise Broken(f"{what}: not within {seconds} s")
            time.sleep(0.02)

    def supervisor(self):
        try:
            with open(f"{self.dir}/nbd0.lock") as f:
                pid = int(f.read() or 0)
        except (OSError, ValueError):
            return 0
        return 0 if pid == 0 or gone(pid) else pid

    def serve(self, image=None, slow=0):
        if os.path.exists(self.sock):
            os.unlink(self.sock)
        words = ["nbdkit", "-f", "-U", self.sock]
        words += ["--filter=delay"] if slow else []
        words += ["file", image or self.image]
        words += [f"rdelay={slow}ms", f"wdelay={slow}ms"] if slow else []
        self.server = self.spawn("server", *words)

    def attach(self):
        self.attaching = self.spawn(
            "stub/log", self.program, "-v", *self.options, "nbd0", "-u", self.sock
        )

    # Steps

    def kill(self):
        if self.server:
            self.lethal = True
            end(self.server)
            self.server = None
            self.stopped = self.odd = False

    def give_back(self):
        if not self.server:
            self.serve()

    def give_back_slow(self):
        if not self.server:
            self.serve(slow=self.chance.choice([5, 50]))

    def give_back_smaller(self):
        if not self.server:
            self.odd = True
            self.serve(image=f"{self.dir}/small")

    def give_back_other(self):
        if not self.server and self.ids:
            self.odd = True
            self.serve(image=self.other)

    def stop(self):
        # With several connections the driver cuts one whose request takes 30 s.
        if self.server and self.connections == 1:
            self.stopped = True
            self.server.send_signal(signal.SIGSTOP)

    def go_on(self):
        if self.server and self.stopped:
            self.stopped = False
            self.server.send_signal(signal.SIGCONT)

    def block(self):
        if any(words[0] == "--resize" for words, _ in self.askers):
            return
        self.blocked = True
        self.ctl("block")

    def unblock(self):
        self.blocked = False
        self.ctl("unblock")

    def notice_late(self):
        # Until the driver has noticed the end, it drops new sockets, as the kernel does.
        self.ctl("notice", 0, self.chance.choice([0, 60, 400]))

    def lose_events(self):
        # The kernel sends no event if it has no memory for the message. A supervisor that learns of the
        # end of a connection only by events probes when nothing is completed for 20 s.
        self.ctl("silent", 0, self.chance.choice(["on", "off", "off"]))

    def false_event(self):
        # A hand-over refutes it; after that, a probe does if the connection cannot be examined.
        self.looks += 2
        self.ctl("event", self.chance.choice([0, 0, 1]))

    def overflow(self):
        self.looks += 1
        self.ctl("overflow")

    def hurry(self):
        pid = self.supervisor()
        if pid and not self.attaching:
            os.kill(pid, signal.SIGHUP)

    def ask(self, *words):
        self.askers.append((words, self.spawn("said", self.program, *words)))

    def reconnect(self):
        self.looks += 1
        self.ask("--reconnect", "nbd0")

    def status(self):
        self.ask("--status", "--json", "nbd0")

    def detach_in_use(self):
        self.ask("--detach", "nbd0")

    def resize(self):
        if self.server and not self.odd and not self.blocked:
            self.size += self.chance.choice([0, 65536])
            os.truncate(self.image, self.size)
            self.lethal = True
            self.ask("--resize", "nbd0")

    def succeed(self):
        """Another supervisor asks for the device, and gets it or not."""
        if self.attaching or self.succeeding or not self.supervisor():
            return
        self.succeeding = self.spawn(
            "stub/log", self.program, "-v", "-n", *self.options, "nbd0", "-u", self.sock
        )

    def end_supervisor(self, how):
        pid = self.supervisor()
        if self.attaching or self.succeeding or not pid:
            return
        os.kill(pid, how)
        self.wait(30, "the supervisor ends", lambda: gone(pid))
        self.replaced = self.is_replaced(self.state())
        if self.chance.random() < 0.3 and self.connections == 1 and not self.ids:
            try:
                os.unlink(f"{self.dir}/nbd0.state")
            except OSError:
                pass
        self.fds = None
        self.taken = int(self.figures()["taken"])
        self.ctl("silent", 0, "off")
        self.attach()

    def kill_supervisor(self):
        self.end_supervisor(signal.SIGKILL)

    def leave(self):
        self.end_supervisor(signal.SIGTERM)

    STEPS = [
        (kill, 6), (give_back, 8), (give_back_slow, 3), (give_back_smaller, 2), (stop, 3),
        (go_on, 4), (block, 2), (unblock, 5), (notice_late, 2), (lose_events, 2),
        (false_event, 2), (overflow, 2), (hurry, 2), (reconnect, 2), (status, 1),
        (detach_in_use, 2), (resize, 2), (kill_supervisor, 2), (leave, 1),
    ]

    LATER = [(succeed, 3), (give_back_other, 4)]

    # Invariants

    def check_succeeding(self):
        p = self.succeeding
        if p and self.supervisor() == p.pid:
            self.foreground.append(p)
            self.succeeding = self.fds = None
        elif p and p.poll() is not None:
            if p.returncode not in KEPT:
                raise Broken(f"a supervisor that asks for the device ends with {p.returncode}")
            self.succeeding = None
            if not self.supervisor():
                raise Broken("the device has no supervisor after another one has asked for it")

    def check_attaching(self):
        if not self.attaching or self.attaching.poll() is None:
            return
        status = self.attaching.returncode
        self.attaching = None
        if status == 3 and not self.supervisor():
            self.attach()  # a helper of the killed supervisor held its lock a moment longer
        elif status:
            raise Broken(f"the takeover ends with {status}")

    def check_askers(self):
        for words, process in self.askers[:]:
            if process.poll() is None:
                continue
            self.askers.remove((words, process))
            if words[0] == "--detach" and process.returncode == 0:
                raise Broken("a device that is in use was detached")
            if process.returncode < 0:
                raise Broken(f"{words} ends by signal {-process.returncode}")

    def check_load(self):
        if self.load and self.load.poll() is not None:
            with open(f"{self.dir}/load") as f:
                raise Broken(f"the load ends: {f.read()}")

    def check_driver(self):
        f = self.figures()
        if f["overlapping"] != "0":
            raise Broken("two commands at a time")
        if f["failed"] != "0":
            raise Broken("a request failed before the dead timeout")
        if f["configured"] != "1" or f["disconnected"] != "0":
            raise Broken("the device was disconnected")
        ended = int(f["dead-told"])
        if not self.lethal and ended > self.told and f["silent"] == "0":
            raise Broken("a living connection was cut")
        self.told = ended
        return f

    def check_sanitizers(self):
        for name in os.listdir(self.dir):
            if name.startswith("san."):
                with open(f"{self.dir}/{name}") as f:
                    raise Broken(f.read())

    def check(self):
        self.check_attaching()
        self.check_succeeding()
        self.check_askers()
        self.check_load()
        self.check_sanitizers()
        if self.ids and content(self.other) != self.other_was:
            raise Broken("something was written to another disk")
        return self.check_driver()

    def is_replaced(self, state):
        """A connection was ended for --resize, and it is not proved that the server has finished it."""
        return state.get("UNSETTLED") == "yes" and (
            self.replaced or "is replaced" in state["LAST_OUTAGE_CAUSE"]
        )

    def is_well(self):
        self.check_attaching()
        self.check_succeeding()
        self.check_load()
        s, f = self.state(), self.figures()
        if (self.is_replaced(s) or f["frozen"] == "1") and time.monotonic() > self.calm_since + 15:
            self.check()
            raise Stuck("the kernel changes the size" if f["frozen"] == "1" else "unsettled")
        if self.attaching or self.succeeding or not self.supervisor():
            return False
        return s.get("STATE") == "attached" and int(f["alive"]) == self.connections

    def open_descriptors(self):
        """Without those of connections: a supervisor has none for connections of an earlier one."""
        own = self.taken is None or int(self.figures()["taken"]) > self.taken
        n = len(os.listdir(f"/proc/{self.supervisor()}/fd"))
        each = 2 if "--relay" in self.options else 1  # the relay's process
        return n - (self.connections * each if own else 0)

    def calm(self):
        """Ends all faults. Then the device must heal and stay healthy."""
        self.calm_since = time.monotonic()
        self.ctl("unblock")
        self.blocked = False
        for words in (("notice", 0, 0), ("silent", 0, "off")):
            self.ctl(*words)
        if self.odd:
            self.kill()
        self.go_on()
        self.give_back()
        self.wait(CALM_S, "it heals", self.is_well)
        self.wait(CALM_S, "commands are answered", self.no_askers)
        self.wait(CALM_S, "it stays well", self.is_well)
        before = self.check()
        self.wait(
            CALM_S, "the load gets on",
            lambda: int(self.figures()["done"]) > int(before["done"]) + 20,
        )
        self.check_peace()

    def agrees(self):
        s, f = self.state(), self.figures()
        return (s["CONNECTIONS_ALIVE"], s["SIZE"]) == (f["alive"], f["size"])

    def clients(self):
        """Connections of the server, including those of handshakes."""
        return self.sockets(5).count("03")

    def sockets(self, column):
        """Lines of the server's path in /proc/net/unix."""
        with open("/proc/net/unix") as f:
            rows = [line.split() for line in f]
        return [row[column] for row in rows if row[-1] == self.sock]

    def no_askers(self):
        self.check_askers()
        return not self.askers

    def check_peace(self):
        """A rumour just before the calm phase is examined once; nothing else happens."""
        self.lethal = False
        while True:
            before = self.figures()
            self.told = int(before["dead-told"])
            fds = self.open_descriptors()
            time.sleep(0.6)
            f = self.check()
            changed = [key for key in ("offered", "taken", "alive") if f[key] != before[key]]
            if changed == ["offered"] and self.looks:
                self.looks -= 1
                self.wait(CALM_S, "it is well after a rumour", self.is_well)
            elif changed:
                key = changed[0]
                raise Broken(f"in peace, {key} is {f[key]} after {before[key]}")
            else:
                break
        self.looks = 0
        self.wait(5, "the state file agrees with the driver", self.agrees)
        self.wait(5, "nothing is dialled", lambda: self.clients() == self.connections)
        dead_timeout = str(0x7FFFFFFF if self.ids else 600)
        if f["timeout"] != "0" or f["dead-timeout"] != dead_timeout:
            raise Broken(f"time limits {f['timeout']} and {f['dead-timeout']}")
        fds = min(fds, self.open_descriptors())
        if self.fds is not None and fds > self.fds + FDS_MORE:
            raise Broken(f"{fds} descriptors are open, {self.fds} were")
        self.fds = fds if self.fds is None else min(fds, self.fds)

    # The round

    def begin(self):
        self.driver = self.spawn("driver", self.stub, "driver", f"{self.dir}/stub")
        self.wait(20, "the driver", lambda: os.path.exists(f"{self.dir}/stub/driver"))
        with open(f"{self.dir}/small", "wb") as f:
            f.truncate(MIB // 2)
        # SIGTERM leaves a device attached when it may be in use.
        open(f"{self.dir}/stub/unsure", "w").close()
        self.serve()
        self.wait(20, "the server", lambda: "00010000" in self.sockets(3))
        self.attach()
        self.calm_since = time.monotonic()
        self.wait(CALM_S, "it attaches", self.is_well)
        if self.connections > 1:
            # Servers of such devices are never stopped, so this cuts no live connection.
            with open(f"{self.dir}/stub/sys/block/nbd0/queue/io_timeout", "w") as f:
                f.write("4000\n")
        self.load = self.spawn(
            "load", self.stub, "load", "nbd0", "-i", self.image, "-d", str(self.chance.choice([1, 4, 16])),
            "-r", "300", "-p", "-s", str(self.chance.randrange(1 << 30)),
            *(["-b", str(BLOCKS)] if self.ids else []),
        )
        # A step that detaches a device in use must not come before the use.
        self.wait(CALM_S, "the load begins", lambda: self.figures()["done"] != "0")

    def step(self):
        names, weights = zip(*self.STEPS)
        action = self.chance.choices(names, weights)[0]
        if self.later and self.more.random() < 0.2:
            names, weights = zip(*self.LATER)
            action = self.more.choices(names, weights)[0]
        self.history.append(action.__name__)
        action(self)
        time.sleep(self.chance.choice([0, 0.02, 0.1, 0.3, 0.8]))
        self.check()

    def finish(self):
        self.load.send_signal(signal.SIGTERM)
        try:
            status = self.load.wait(CALM_S)
        except subprocess.TimeoutExpired:
            raise Broken("the load hangs") from None
        if status:
            with open(f"{self.dir}/load") as f:
                raise Broken(f"the load: {f.read()}")
        # The driver notices the end of a process a moment later; until then the process is a user.
        self.wait(CALM_S, "the load has closed the device", lambda: self.figures()["openers"] == "0")
        pid = self.supervisor()
        status = self.run(self.program, "--detach", "nbd0")
        if status != 0:
            raise Broken(f"--detach ends with {status}")
        self.wait(10, "the supervisor ends", lambda: gone(pid))
        if self.figures()["configured"] != "0":
            raise Broken("the device is still there")
        self.check_sanitizers()

    def run_all(self):
        self.begin()
        for _ in range(self.chance.randrange(2, 4)):
            for _ in range(self.chance.randrange(4, 16)):
                self.step()
            self.calm()
        self.finish()

    def tell(self, why):
        print(f"soak-stub: broken: {why}")
        print(f"  options {' '.join(self.options)}")
        print(f"  steps {' '.join(self.history)}")
        print(f"  state {json.dumps(self.state())}")
        try:
            print(f"  driver {json.dumps(self.figures())}")
        except (Broken, OSError, subprocess.TimeoutExpired):
            print("  the driver does not answer")
        for name in ("stub/log", "said", "load", "stub/kmsg", "driver"):
            try:
                with open(f"{self.dir}/{name}", errors="replace") as f:
                    lines = f.readlines()[-40:]
            except OSError:
                continue
            print(f"  {name}:")
            print("".join(f"    {line}" for line in lines), end="")

    def tidy(self):
        pid = self.supervisor()
        if pid:
            os.kill(pid, signal.SIGKILL)
        rest = [self.server, self.load, self.attaching, self.succeeding, *self.foreground]
        rest.append(getattr(self, "driver", None))
        for process in rest + [p for _, p in self.askers]:
            if process:
                end(process)
        shutil.rmtree(self.dir, ignore_errors=True)


def work(build, seeds, first):
    """Runs one round for each seed. Returns their number, and whether all passed."""
    rounds = 0
    for seed in seeds:
        r = Round(build, seed)
        begun = time.monotonic()
        try:
            r.run_all()
        except Stuck as e:
            print(f"soak-stub: seed {r.seed} is stuck after --resize: {e}", flush=True)
        except Exception as e:  # in any case, the round must be reported and its processes ended
            with first:
                r.tell(e if isinstance(e, Broken) else traceback.format_exc())
                print(f"soak-stub: again: make soak-stub SECONDS=1 SEED={r.seed}", flush=True)
            return rounds, False
        finally:
            r.tidy()
        if os.environ.get("TELL"):
            print(
                f"soak-stub: seed {seed} {time.monotonic() - begun:.1f} s {' '.join(r.options)}: "
                f"{' '.join(r.history)}", flush=True,
            )
        rounds += 1
    return rounds, True


def until(limit, seed):
    """Yields at least one seed, and more until the time is over."""
    yield seed
    while time.monotonic() < limit:
        seed += 1
        yield seed


def listed(seeds):
    """Yields seeds from a queue that all workers share."""
    while (seed := seeds.get()) is not None:
        yield seed


def worker(results, build, seeds, first):
    results.put(work(build, seeds(), first))


def chosen(arguments, jobs):
    """Returns a function for each worker that returns its seeds."""
    if len(arguments) == 2:
        seconds, seed = float(arguments[0]), int(arguments[1])
        limit = time.monotonic() + seconds
        print(f"soak-stub: seed {seed}", flush=True)
        jobs = 1 if seconds <= 1 else jobs
        return [functools.partial(until, limit, seed + 1000000 * n) for n in range(jobs)]
    queue = multiprocessing.Queue()
    with open(arguments[0]) as f:
        for line in f:
            if line.strip() and not line.startswith("#"):
                queue.put(int(line))
    for _ in range(jobs):
        queue.put(None)
    return [functools.partial(listed, queue)] * jobs


def main():
    build = os.path.abspath(sys.argv[1])
    results, first = multiprocessing.Queue(), multiprocessing.Lock()
    workers = [
        multiprocessing.Process(target=worker, args=(results, build, seeds, first))
        for seeds in chosen(sys.argv[2:], int(os.environ.get("JOBS", 4)))
    ]
    for w in workers:
        w.start()
    told = [results.get() for _ in workers]
    for w in workers:
        w.join()
    failed = sum(not well for _, well in told)
    print(f"soak-stub: {sum(n for n, _ in told)} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
