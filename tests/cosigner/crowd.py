# SPDX-License-Identifier: MIT
"""Co-signers for tests that know one address at most."""
import json
import select
import shutil
import subprocess
import tempfile
import time

from pair import PATIENCE, PROGRAM, check, cosigner, run_tests


class Crowd:
    """Co-signers that know one address at most."""

    open = []

    def __init__(self):
        Crowd.open.append(self)
        self.dir = tempfile.mkdtemp()
        self.running = {}
        self.made = 0

    def gather(self, *names):
        """A hub, and signers who begin with it and advertise; until each lists the others."""
        hub = self.make("hub")
        self.run("hub", "--auto-connect")
        for name in names:
            self.make(name, hub, nickname=name)
            self.run(name, "--auto-connect", "--advertise")
        for name in names:
            self.until(lambda: self.listed(name) == sorted(set(names) - {name}), f"{name} to find the others")

    def make(self, name, bootstrap=None, **settings):
        self.made += 1
        made = cosigner("init", f"{self.dir}/{name}", "--listen", f"/ip4/127.{self.made}.0.1/tcp/0", "--json")
        check(made.returncode == 0, made.stdout)
        if bootstrap:
            settings["bootstrap"] = bootstrap
        for key, content in settings.items():
            done = cosigner("settings", "set", f"{self.dir}/{name}", key.replace("_", "-"), content)
            check(done.returncode == 0, done.stderr)
        return json.loads(made.stdout)["hand_over"].split("=", 1)[1]

    def begin(self, name, *options):
        log = open(f"{self.dir}/{name}.log", "w")
        self.running[name] = subprocess.Popen([PROGRAM, "run", f"{self.dir}/{name}", "--json", "--approve", "all", *options],
                                              stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        log.close()

    def run(self, name, *options):
        self.begin(name, *options)
        self.until(lambda: self.said(name, "listening"), f"{name} to listen")

    def stop(self, name, signal=15):
        process = self.running.pop(name)
        process.send_signal(signal)
        process.wait()

    def lines(self, name):
        with open(f"{self.dir}/{name}.log") as log:
            return [json.loads(line) for line in log.read().split("\n")[:-1]]

    def said(self, name, event):
        return [line for line in self.lines(name) if line["event"] == event]

    def until(self, holds, what):
        end = time.monotonic() + PATIENCE
        while not holds():
            check(time.monotonic() < end, f"waited in vain for {what}")
            select.select([], [], [], 0.1)

    def ask(self, name, command, *rest):
        return json.loads(cosigner(*command.split(), f"{self.dir}/{name}", *rest, "--json").stdout)

    def signers(self, name, *filters):
        return self.ask(name, "signers", *filters)["signers"]

    def listed(self, name):
        return sorted(s["nickname"] for s in self.signers(name))

    def key(self, name):
        return self.ask(name, "status")["signer"]

    def close(self):
        Crowd.open.remove(self)
        for name in list(self.running):
            self.stop(name)
        shutil.rmtree(self.dir)


def run_crowd_tests(names):
    """Runs what begins with `test_`, and ends what it has left."""
    try:
        run_tests([f for name, f in list(names.items()) if name.startswith("test_")])
    finally:
        for crowd in list(Crowd.open):
            crowd.close()
