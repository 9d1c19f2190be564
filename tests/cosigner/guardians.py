# SPDX-License-Identifier: MIT
"""Guardians, from outside: an owner and five guardians in processes of their own. Usage: guardians.py COSIGNER"""
import json
import os
import re
import select
import shutil
import subprocess
import sys
import tempfile
import time

from pair import PATIENCE, PROGRAM, Failure, check, cosigner, run_tests

GUARDIANS = ["ann", "ben", "cem", "dora", "eva"]


def documented():
    """Members by event, as the document has them."""
    members, events = {}, []
    with open(sys.argv[2]) as document:
        for line in document:
            if line.startswith("#"):
                events = re.findall(r"`(\w+)`", line) if line.startswith("### ") else []
            row = re.match(r"\| `(\w+)` \| (?:muster|cosigner|sometimes) \|", line)
            for event in events if row else []:
                members.setdefault(event, set()).add(row.group(1))
    return members


DOCUMENTED = documented()


def check_documented(line):
    event = line["event"]
    check(event in DOCUMENTED, f"{event} is not documented")
    unknown = set(line) - {"final", "exit"} - DOCUMENTED[event]
    check(not unknown, f"{event}: not documented {unknown}")


class Village:
    """An owner, olga, whose peers are five others; each under a passphrase, on a drill that shortens the delay."""

    def __init__(self, drill=("--drill", "short-delay")):
        from pair import Pair
        Pair.open.append(self)
        self.top = tempfile.mkdtemp()
        self.drill = drill
        self.running, self.log = {}, {}
        self.words = f"{self.top}/words"
        with open(self.words, "w") as f:
            f.write("seven words that nobody guesses\n")
        self.made = {name: self.init(name) for name in ["olga", *GUARDIANS]}
        self.user = self.made["olga"]["user"]
        for name in GUARDIANS:
            self.acquaint("olga", name)
        for name in ["olga", *GUARDIANS]:
            self.run(name)
        for name in GUARDIANS:
            self.until(lambda name=name: any(p["name"] == name and p["connected"] for p in self.ask("status", "olga")["peers"]),
                       f"olga to be connected to {name}")

    def init(self, name, *options):
        # The cheapest key file a person can have takes a good part of a second: one for the owner will do.
        if name == "olga":
            options += ("--passphrase-file", self.words)
        done = cosigner("init", f"{self.top}/{name}", "--json", *options)
        check(done.returncode == 0, done.stdout)
        return json.loads(done.stdout)

    def acquaint(self, a, b):
        for one, other in ((a, b), (b, a)):
            done = cosigner("peer", "add", f"{self.top}/{one}", self.made[other]["hand_over"])
            check(done.returncode == 0, done.stderr)

    def run(self, name):
        before = len(self.said(name, "listening")) if name in self.log else 0
        self.log[name] = f"{self.top}/{name}.log"
        with open(self.log[name], "a") as log:
            self.running[name] = subprocess.Popen(
                [PROGRAM, "run", f"{self.top}/{name}", "--json", "--passphrase-file", self.words, *self.drill],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        self.until(lambda: len(self.said(name, "listening")) > before, f"{name} to listen")

    def stop(self, name, number=15):
        process = self.running.pop(name)
        process.send_signal(number)
        process.wait()

    def said(self, name, event, /, **members):
        with open(self.log[name]) as log:
            lines = [json.loads(line) for line in log.read().split("\n")[:-1]]
        for line in lines:
            check_documented(line)
        return [line for line in lines
                if line["event"] == event and all(line.get(k) == v for k, v in members.items())]

    def ask(self, verb, name, *rest):
        words = verb.split()
        done = cosigner(*words, f"{self.top}/{name}", *rest, "--json")
        answer = json.loads(done.stdout)
        check_documented(answer)
        return answer

    def status(self, name):
        return self.ask("guardians status", name)

    def until(self, holds, what):
        end = time.monotonic() + PATIENCE
        while not holds():
            check(time.monotonic() < end, f"waited in vain for {what}")
            select.select([], [], [], 0.1)

    def shared(self, whom=GUARDIANS):
        """Olga offers, and all approve."""
        self.until(lambda: self.ask("guardians offer", "olga", ",".join(whom))["event"] == "guardians_offered",
                   "olga to know who her guardians are")
        for name in whom:
            self.until(lambda name=name: self.status(name)["offers"], f"{name} to be asked")
            check(self.status(name)["wards"] == [], f"{name} keeps what nobody has approved")
            check(self.ask("guardians approve", name, "olga")["event"] == "share_approved", "approve")
        self.until(lambda: all(g["acknowledged"] for g in self.status("olga")["backup"]["guardians"]),
                   "all to have their share")

    def newcomer(self):
        self.made["new"] = self.init("new")
        for name in GUARDIANS:
            done = cosigner("peer", "add", f"{self.top}/new", self.made[name]["hand_over"])
            check(done.returncode == 0, done.stderr)
        self.run("new")
        return self.ask("guardians recover", "new", self.user)["digits"]

    def close(self):
        from pair import Pair
        Pair.open.remove(self)
        for process in self.running.values():
            process.kill()
            process.wait()
        shutil.rmtree(self.top)


def test_a_lost_directory_comes_back_from_guardians():
    v = Village()
    v.shared()
    check(v.said("ann", "share_offered")[0]["user"] == v.user, "ann was not told whose share it is")
    signer = v.made["olga"]["signer"]
    v.stop("olga", 9)
    shutil.rmtree(f"{v.top}/olga")
    v.stop("ben", 9)  # what a guardian keeps survives a crash
    v.run("ben")
    digits = v.newcomer()
    check("0 guardians have given a good share" in v.status("new")["recovery"]["state"], v.status("new"))
    v.stop("new")
    v.run("new")
    check(v.status("new")["recovery"]["digits"] == digits, "a restart has changed the digits")
    for name in ("ann", "ben", "dora"):
        v.until(lambda name=name: v.said(name, "recovery_asked", digits=digits), f"{name} to be asked")
        done = v.ask("guardians approve", name, digits)
        check(done["event"] == "recovery_decided" and done["is_here"], done)
    check(v.status("ann")["wards"][0]["approved"]["digits"] == digits, v.status("ann"))
    check(v.status("eva")["wards"][0]["waiting"][0]["digits"] == digits, v.status("eva"))
    v.until(lambda: v.said("new", "recovered"), "the key to come back")
    found = v.said("new", "recovered")[0]
    check(found["wrong_shares"] == [] and found["user"] == v.user, found)
    check(oct(os.stat(found["file"]).st_mode & 0o777) == "0o600", "the key file can be read by others")
    # Another set may be the right one, so it goes on; what has come back is told once.
    check(v.status("new")["recovery"]["state"] == "complete", v.status("new"))
    check(len(v.said("new", "recovered")) == 1, "told twice")
    with open(f"{v.top}/wrong", "w") as f:
        f.write("not these words\n")
    wrong = cosigner("import", f"{v.top}/again", found["file"], "--passphrase-file", f"{v.top}/wrong")
    check(wrong.returncode == 2 and not os.path.exists(f"{v.top}/again"), wrong)
    back = json.loads(cosigner("import", f"{v.top}/again", found["file"], "--passphrase-file", v.words, "--json").stdout)
    check(back["user"] == v.user and back["signer"] == signer, back)
    v.close()


def test_the_old_key_objects():
    v = Village()
    v.shared()
    digits = v.newcomer()
    for name in GUARDIANS:
        v.until(lambda name=name: v.said(name, "recovery_asked", digits=digits), f"{name} to be asked")
    v.until(lambda: v.said("olga", "recovery_warned", digits=digits), "olga to be warned")
    check("SOMEBODY" in cosigner("guardians", "status", f"{v.top}/olga").stdout, "status does not show it")
    for name in ("ann", "ben"):  # one too few, so that however slow this machine is the veto comes in time
        check(v.ask("guardians approve", name, digits)["is_here"], "approve")
    check(v.ask("guardians veto", "olga", digits)["event"] == "vetoed", "veto")
    for name in GUARDIANS:
        v.until(lambda name=name: v.said(name, "recovery_closed"), f"{name} to hear the veto")
        ward = v.status(name)["wards"][0]
        check(ward["approved"] is None and ward["waiting"] == [], ward)
        check(not v.ask("guardians approve", name, digits)["is_here"], "what was vetoed is there still")
    check(not v.said("new", "recovered"), "a thief has the key")
    v.close()


def test_who_exchanges_keys_keeps_peers_and_guardians():
    v = Village()
    v.shared()
    v.stop("olga")
    rotated = json.loads(cosigner("rotate", f"{v.top}/olga", "--passphrase-file", v.words, "--json").stdout)
    v.run("olga")
    for name in GUARDIANS:
        v.until(lambda name=name: v.said(name, "peer_followed", peer=rotated["peer"], name="olga"), f"{name} to follow olga")
        peers = v.ask("status", name)["peers"]
        check([p["name"] for p in peers] == ["olga"] and peers[0]["address"].endswith(rotated["peer"]), peers)
    # Shares are handed out anew, for the key of now, and nobody has to approve again.
    v.until(lambda: all(g["acknowledged"] for g in v.status("olga")["backup"]["guardians"]), "all to have new shares")
    epoch = v.status("olga")["backup"]["epoch"]
    v.until(lambda: all(v.status(name)["wards"][0]["epoch"] == epoch for name in GUARDIANS), "all to keep the new ones")
    # And a guardian who exchanges keys is one still.
    v.stop("eva")
    cosigner("rotate", f"{v.top}/eva")
    v.run("eva")
    v.until(lambda: v.said("olga", "peer_followed", name="eva"), "olga to follow eva")
    digits = v.newcomer()
    v.until(lambda: v.said("olga", "recovery_warned", digits=digits), "olga to be warned under her key of now")
    check(v.ask("guardians veto", "olga", digits)["event"] == "vetoed", "veto")
    v.until(lambda: all(v.status(name)["wards"][0]["waiting"] == [] for name in GUARDIANS[:4]), "the veto to be taken")
    v.close()


def test_what_is_wrong_is_said():
    v = Village(drill=())
    for words, what in ((("offer", "ann"), "guardians"), (("offer", "ann,bob"), "no peer is called"),
                        (("offer", "ann,ann"), "named twice"), (("veto", "0000-0000-0000-0000-0000"), "no guardian has warned"),
                        (("decline", "0000-0000-0000-0000-0000"), "nobody asks"), (("approve", "nobody"), "neither the digits"),
                        (("recover", "00ff"), "user id of 64 digits"), (("approve", v.user[:16]), "neither the digits")):
        done = cosigner("guardians", words[0], f"{v.top}/olga", *words[1:])
        check(done.returncode == 2 and what in done.stderr, (words, done.stderr))
    done = cosigner("guardians", "offer", f"{v.top}/ann", "olga,ben")
    check(done.returncode == 2 and "passphrase" in done.stderr, done.stderr)
    check(cosigner("run", f"{v.top}/ann", "--drill", "short").returncode == 2, "an unknown drill")
    check(v.status("ann")["backup"] is None, "no guardians yet")
    v.close()


run_tests([f for name, f in list(globals().items()) if name.startswith("test_")])
