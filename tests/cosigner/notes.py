# SPDX-License-Identifier: MIT
"""Notes of a shared wallet, from outside. Usage: notes.py COSIGNER"""
import json
import select
import shutil
import time

from pair import PATIENCE, Pair, check, cosigner, run_tests


class Book(Pair):
    """Alice and carol, who share a wallet."""

    def __init__(self):
        super().__init__(on_terminal=False)
        self.key = {name: self.ask(name, "status")["signer"] for name in ("alice", "carol")}
        for name, other in (("alice", "carol"), ("carol", "alice")):
            done = cosigner("wallet", "add", f"{self.dir}/{name}", f"of-{name}", "--with", self.key[other])
            check(done.returncode == 0, done.stderr)

    def ask(self, name, *command):
        words = list(command)
        where = 2 if words[0] == "notes" else 1
        words.insert(where, f"{self.dir}/{name}")
        return json.loads(cosigner(*words, "--json").stdout)

    def notes(self, name):
        return {n["key"]: n["content"] for n in self.ask(name, "notes", "list", f"of-{name}")["notes"]}

    def set(self, name, key, text):
        said = self.ask(name, "notes", "set", f"of-{name}", key, text)
        check(said["event"] == "note", said)

    def conflicts(self, name):
        return self.ask(name, "notes", "conflicts", f"of-{name}")["notes"]

    def pending(self, name):
        return sum(p["entries"] for p in self.ask(name, "status")["pending"])

    def until(self, holds, what):
        end = time.monotonic() + PATIENCE
        while not holds():
            check(time.monotonic() < end, f"waited in vain for {what}")
            select.select([], [], [], 0.1)

    def stop(self, name):
        process = getattr(self, name)
        process.terminate()
        process.wait()
        setattr(self, name, None)

    def start(self, name):
        setattr(self, name, self.run(name))
        self.wait_line(name, "listening")


def test_what_one_signer_writes_the_other_reads():
    b = Book()
    b.set("alice", "tx 00ff", "rent of May")
    b.until(lambda: b.notes("carol") == {"tx 00ff": "rent of May"}, "carol to read it")
    b.set("carol", "tx 00ff", "rent of June")
    b.until(lambda: b.notes("alice") == {"tx 00ff": "rent of June"}, "alice to read it")
    check(cosigner("notes", "remove", f"{b.dir}/alice", "of-alice", "tx 00ff").returncode == 0, "remove")
    b.until(lambda: b.notes("carol") == {}, "carol to see it removed")
    check(b.conflicts("alice") == [] and b.conflicts("carol") == [], "a conflict where there is none")
    b.close()


def test_what_is_written_alone_waits_and_survives_restarts():
    b = Book()
    b.until(lambda: b.ask("alice", "status")["link"] == "online", "alice to be online")
    b.stop("carol")
    for i in range(3):
        b.set("alice", f"tx {i}", f"note {i}")
    check(b.pending("alice") == 3, b.ask("alice", "status"))
    b.until(lambda: b.ask("alice", "status")["link"] == "offline", "alice to notice")
    said = cosigner("status", f"{b.dir}/alice").stdout
    check(f"of-alice: 3 notes wait for {b.key['carol']}" in said, said)
    check("notes: offline" in said, said)
    b.alice.kill()
    b.alice.wait()
    b.start("alice")
    check(len(b.notes("alice")) == 3, "a crash has lost notes")
    b.start("carol")
    b.until(lambda: len(b.notes("carol")) == 3, "carol to read what was written without her")
    b.until(lambda: b.pending("alice") == 0, "nothing to wait any more")
    b.close()


def test_two_who_write_alone_conflict_and_one_of_them_decides():
    b = Book()
    b.set("alice", "rent", "first")
    b.until(lambda: b.notes("carol") == {"rent": "first"}, "carol to read it")
    b.stop("carol")
    b.set("alice", "rent", "by alice")
    b.stop("alice")
    b.start("carol")
    b.set("carol", "rent", "by carol")
    b.start("alice")
    b.until(lambda: b.conflicts("alice") and b.conflicts("carol"), "both to see the conflict")
    check(b.notes("alice") == b.notes("carol"), "they show different notes")
    versions = b.conflicts("alice")[0]["versions"]
    check([v["content"] for v in versions] == ["by carol", "by alice"], versions)  # hers is later
    check([v["by"] for v in versions] == [b.key["carol"], "me"], versions)
    check(cosigner("notes", "resolve", f"{b.dir}/alice", "of-alice", "rent", "3").returncode == 2, "a choice that is none")
    check(cosigner("notes", "resolve", f"{b.dir}/alice", "of-alice", "rent", "2").returncode == 0, "resolve")
    b.until(lambda: b.notes("carol") == {"rent": "by alice"} and not b.conflicts("carol"), "carol to follow")
    check(not b.conflicts("alice"), "the conflict is still there")
    b.close()


def test_what_is_wrong_is_said_and_nothing_gets_through_raw():
    b = Book()
    wrong = cosigner("notes", "list", f"{b.dir}/alice", "of-alise")
    check(wrong.returncode == 2 and 'did you mean "of-alice"' in wrong.stderr, wrong.stderr)
    check("there is no note" in cosigner("notes", "remove", f"{b.dir}/alice", "of-alice", "none").stderr, "remove")
    check("there is no conflict" in cosigner("notes", "resolve", f"{b.dir}/alice", "of-alice", "none", "1").stderr, "resolve")
    check(cosigner("notes", "set", f"{b.dir}/alice", "of-alice", "k" * 129, "x").returncode == 2, "a long key")
    check(cosigner("notes", "set", f"{b.dir}/alice", "of-alice", "k", "x" * 4097).returncode == 2, "a long note")
    b.set("alice", "k\x1b[8m", "v\x1b[8m\nforged line")
    b.until(lambda: b.notes("carol"), "carol to read it")
    said = cosigner("notes", "list", f"{b.dir}/carol", "of-carol").stdout
    check("\x1b" not in said and "\nforged" not in said, repr(said))
    b.close()


def test_who_is_no_peer_any_more_gets_no_notes():
    b = Book()
    b.set("alice", "one", "1")
    b.until(lambda: b.notes("carol") == {"one": "1"}, "carol to read it")
    check(cosigner("peer", "remove", f"{b.dir}/alice", "carol").returncode == 0, "peer remove")
    b.set("alice", "two", "2")
    status = b.ask("alice", "status")
    check(status["pending"] == [], status)  # nothing waits for who gets nothing
    check(b.notes("carol") == {"one": "1"} and b.notes("carol") == {"one": "1"}, "carol was told")
    check(cosigner("peer", "add", f"{b.dir}/alice", b.hand_over["carol"]).returncode == 0, "peer add")
    b.until(lambda: len(b.notes("carol")) == 2, "carol to be told again")
    b.close()


def test_who_exchanges_their_keys_keeps_their_notes():
    b = Book()
    b.set("carol", "one", "1")
    b.until(lambda: b.notes("alice") == {"one": "1"}, "alice to read it")
    b.stop("carol")
    rotated = json.loads(cosigner("rotate", f"{b.dir}/carol", "--json").stdout)
    address = b.hand_over["carol"]
    old = json.loads(cosigner("peer", "list", f"{b.dir}/alice", "--json").stdout)["peers"][0]["peer"]
    check(cosigner("peer", "remove", f"{b.dir}/alice", "carol").returncode == 0, "peer remove")
    check(cosigner("peer", "add", f"{b.dir}/alice", address.replace(old, rotated["peer"])).returncode == 0, "peer add")
    b.start("carol")
    check(b.notes("carol") == {"one": "1"}, b.notes("carol"))
    b.set("carol", "two", "2")
    b.until(lambda: b.notes("alice") == {"one": "1", "two": "2"}, "alice to follow carol")
    b.set("alice", "three", "3")
    b.until(lambda: len(b.notes("carol")) == 3, "carol to read on")
    b.stop("alice")
    b.start("alice")
    check(len(b.notes("alice")) == 3, b.notes("alice"))
    b.close()


def test_a_copy_from_a_backup_is_brought_up_to_date_and_says_so():
    b = Book()
    b.set("alice", "one", "1")
    b.until(lambda: b.notes("carol") == {"one": "1"}, "carol to read it")
    b.stop("alice")
    shutil.copytree(f"{b.dir}/alice/notes", f"{b.dir}/backup")
    b.start("alice")
    b.set("alice", "two", "2")
    b.until(lambda: len(b.notes("carol")) == 2, "carol to read it")
    b.stop("carol")
    b.stop("alice")
    shutil.rmtree(f"{b.dir}/alice/notes")
    shutil.copytree(f"{b.dir}/backup", f"{b.dir}/alice/notes")
    b.start("alice")
    b.set("alice", "three", "3")  # in the place of the second note, which carol has
    b.start("carol")
    b.until(lambda: len(b.notes("carol")) == 3 and len(b.notes("alice")) == 3, "both to have all three")
    said = b.wait_line("alice", "notes_restored", rewritten=1)
    check("from a backup" in said["text"], said)
    check(not [l for name in ("alice", "carol") for l in b.lines(name) if l["event"] == "member_forked"], "a fork")
    b.close()


run_tests([f for name, f in list(globals().items()) if name.startswith("test_")])
