# SPDX-License-Identifier: MIT
"""Two co-signers for tests: alice runs unattended, carol on a terminal of her own or unattended as well."""
import json
import os
import pty
import re
import select
import shutil
import subprocess
import sys
import tempfile
import termios
import time

PROGRAM = sys.argv[1]
PATIENCE = 60  # seconds until a test fails; nothing waits for as long as that when all is well


class Failure(Exception):
    pass


def check(holds, what):
    if not holds:
        raise Failure(what)


def cosigner(*arguments):
    """Runs a command to its end."""
    return subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, errors="replace",
                          stdin=subprocess.DEVNULL, timeout=PATIENCE)


class Terminal:
    """A co-signer on a pseudo-terminal."""

    def __init__(self, *arguments):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execv(PROGRAM, [PROGRAM, *arguments])
        self.seen = b""
        self.mark = 0  # what was seen up to here is not looked at again

    def wait(self, pattern):
        """Reads until a match comes after everything that was matched before."""
        end = time.monotonic() + PATIENCE
        while True:
            found = re.search(pattern, self.seen[self.mark:])
            if found:
                self.mark += found.end()
                return found
            check(time.monotonic() < end, f"no {pattern} in {self.seen[self.mark:]!r}")
            if select.select([self.fd], [], [], 0.1)[0]:
                try:
                    self.seen += os.read(self.fd, 65536)
                except OSError:
                    raise Failure(f"it ended before {pattern}: {self.seen[self.mark:]!r}")

    def type(self, text):
        os.write(self.fd, text)

    def echoes(self):
        return termios.tcgetattr(self.fd)[3] & termios.ECHO

    def stop(self):
        try:
            os.kill(self.pid, 15)
        except ProcessLookupError:
            pass
        while True:  # it may have something to say before it ends
            try:
                if not os.read(self.fd, 65536):
                    break
            except OSError:
                break
        _, status = os.waitpid(self.pid, 0)
        os.close(self.fd)
        return status


class Pair:
    open = []  # those that a test which failed has left

    def __init__(self, on_terminal=True):
        Pair.open.append(self)
        self.alice = self.carol = None
        self.dir = tempfile.mkdtemp()
        line = {}
        for name in ("alice", "carol"):
            made = cosigner("init", f"{self.dir}/{name}", "--json")
            line[name] = json.loads(made.stdout)["hand_over"]
        self.hand_over = line
        for name, other in (("alice", "carol"), ("carol", "alice")):
            check(cosigner("peer", "add", f"{self.dir}/{name}", line[other]).returncode == 0, "peer add")
        for name in ("a", "b"):
            with open(f"{self.dir}/{name}.txt", "w") as f:
                f.write(name)
        self.log = {}
        self.alice = self.run("alice")
        self.carol = Terminal("run", f"{self.dir}/carol") if on_terminal else self.run("carol")
        if on_terminal:
            self.carol.wait(rb"alice is here")
        else:
            self.wait_line("carol", "peer_identified")
        self.wait_line("alice", "peer_identified")

    def run(self, name, *options):
        self.log[name] = f"{self.dir}/{name}.log"
        with open(self.log[name], "w") as log:
            return subprocess.Popen([PROGRAM, "run", f"{self.dir}/{name}", "--json", *options],
                                    stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)

    def lines(self, name):
        with open(self.log[name]) as log:
            return [json.loads(line) for line in log.read().split("\n")[:-1]]

    def wait_line(self, who, event, /, **members):
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            for line in self.lines(who):
                if line["event"] == event and all(line.get(k) == v for k, v in members.items()):
                    return line
            select.select([], [], [], 0.05)
        raise Failure(f"{who} never said {event} {members}")

    def propose(self, file, *options):
        """Has alice propose a file; gives the process and the session's id."""
        process = subprocess.Popen([PROGRAM, "propose", f"{self.dir}/alice", "--json", "--with", "carol",
                                    f"{self.dir}/{file}", *options], stdout=subprocess.PIPE, text=True)
        first = json.loads(process.stdout.readline())
        check(first["event"] == "proposed", first)
        self.proposed = first
        return process, first["session"]

    def state(self, name, session):
        return json.loads(cosigner("show", f"{self.dir}/{name}", session, "--json").stdout)["state"]

    def close(self):
        Pair.open.remove(self)
        for p in (self.alice, self.carol):
            if p is None:
                continue
            if isinstance(p, Terminal):
                p.stop()
            else:
                p.terminate()
                p.wait()
        shutil.rmtree(self.dir)


def run_tests(tests):
    failed = 0
    for test in tests:
        try:
            test()
            print(f"ok      {test.__name__}", flush=True)
        except Exception as why:  # whatever it is, no process is left behind
            failed += 1
            print(f"FAILED  {test.__name__}: {why!r}", flush=True)
        finally:
            for pair in list(Pair.open):
                pair.close()
    sys.exit(failed != 0)
