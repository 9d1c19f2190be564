# SPDX-License-Identifier: MIT
"""The control socket, and that every line of JSON is as docs/json.md says. Usage: control.py COSIGNER DOCUMENT"""
import json
import re
import socket
import subprocess
import sys

from pair import PROGRAM, Pair, check, cosigner, run_tests

DIGEST = "aa" * 32


def documented():
    """Members by event: those always there, and those that may be."""
    always, sometimes, event = {}, {}, None
    with open(sys.argv[2]) as document:
        for line in document:
            if line.startswith("#"):
                title = re.match(r"### `(\w+)`", line)
                event = title.group(1) if title else None
            row = re.match(r"\| `(\w+)` \| (muster|cosigner|sometimes) \|", line)
            if event and row:
                where = sometimes if row.group(2) == "sometimes" else always
                where.setdefault(event, set()).add(row.group(1))
    return always, sometimes


ALWAYS, SOMETIMES = documented()


def check_line(line):
    event = line.get("event")
    check(event in ALWAYS, f"{event} is not documented")
    members = set(line) - {"final"} - ({"exit"} if event != "error" else set())
    missing = ALWAYS[event] - members
    unknown = members - ALWAYS[event] - SOMETIMES.get(event, set())
    check(not missing and not unknown, f"{event}: missing {missing}, not documented {unknown}")


def ask(directory, raw):
    """Sends bytes; gives the first line of the answer."""
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(f"{directory}/control.sock")
        try:
            s.sendall(raw)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it has answered before it had read everything
        with s.makefile("rb") as answer:
            line = json.loads(answer.readline())
    check_line(line)
    return line


def proposal(**more):
    return json.dumps({"command": "propose", "with": ["carol"], "messages": [{"digest": DIGEST}], **more})


def test_a_request_that_is_not_right_is_refused_and_the_program_goes_on():
    pair = Pair(on_terminal=False)
    alice = f"{pair.dir}/alice"
    wrong = [proposal(keep_order="true"), proposal(keep_order=1), proposal(valid_seconds="600"), proposal(valid_seconds=0),
             proposal(valid_seconds=1e300), proposal(path="0/7"), proposal(path=[-1]), proposal(path=[2**31]),
             proposal(path=[]), proposal(taprot=DIGEST), proposal(taproot=""), proposal(taproot=5),
             proposal(messages=[{"digest": DIGEST, "path": [0, 7]}]), proposal(messages=[]), proposal(messages=[5]),
             proposal(purpose=None), proposal(purpose={}), proposal(election=["best"]), proposal(**{"with": [None]}),
             proposal(**{"with": []}), proposal(purpose="x" * 300),
             proposal()[:-1] + ', "command": "propose"}', proposal()[:-1] + ', "with": ["carol"]}',
             '{"command": 5}', '{"command": null}', '{"command": "approve"}', '{"command": "approve", "session": 5}',
             '{"command": "approve", "session": ""}', '{"command": "approve", "session": "aa"}',
             '{"command": "decline", "session": "aa", "why": 5}',
             '{"command": "status", "more": 1}', '{"command": "peer_add", "peer": {}}', '{}', '[]', '5', '', '{',
             '"propose"', '\xff', '[' * 5000, '{"a":' * 5000, "x" * 300_000]
    for request in wrong:
        line = ask(alice, request.encode("latin-1") + b"\n")
        check(line["event"] == "error" and line["exit"] == 2, f"{request[:80]}: {line}")
    check(pair.alice.poll() is None, "it has ended")
    check(not [x for x in pair.lines("alice") if x["event"] == "session_created"], "something was proposed")
    check(ask(alice, b'{"command": "status"}\n')["peers"][0]["connected"], "it does not answer any more")
    check(ask(alice, proposal(path=[0, 7], taproot=None).encode() + b"\n")["event"] == "proposed", "a right one is refused")
    pair.close()


def test_json_is_only_json_and_as_documented():
    pair = Pair(on_terminal=False)
    alice, carol = f"{pair.dir}/alice", f"{pair.dir}/carol"
    seen = []

    def run(*arguments):
        done = cosigner(*arguments, "--json")
        check(done.stderr == "", f"{arguments}: {done.stderr}")
        seen.extend(json.loads(line) for line in done.stdout.splitlines())
        return done.returncode

    watcher, session = pair.propose("a.txt", "--purpose", "\x1b[8m\u202e\x9b")
    seen.append(pair.proposed)
    pair.wait_line("carol", "approval_requested", session=session)
    check(run("show", carol, session) == 0, "show")
    check(run("approve", carol, session[:7]) == 2 and "at least 8" in seen[-1]["text"], "less than was shown approves")
    check(run("approve", carol, session[:8]) == 0, "approve")
    out = watcher.stdout.read()
    check(watcher.wait() == 0, out)
    seen.extend(json.loads(line) for line in out.splitlines())
    pair.wait_line("carol", "broadcast_confirmed", session=session)
    key, sig = seen[-1]["aggregate_key"], seen[-1]["signatures"][0]
    check(run("verify", f"{pair.dir}/a.txt", "--key", key, "--signature", sig) == 0, "verify")
    watcher, session = pair.propose("b.txt")
    pair.wait_line("carol", "approval_requested", session=session)
    check(run("decline", carol, session, "--why", "\x1b[8m") == 0, "decline")
    seen.extend(json.loads(line) for line in watcher.stdout.read().splitlines())
    carol_address = json.loads(cosigner("peer", "list", alice, "--json").stdout)["peers"][0]["address"]
    for arguments, code in (
            (("wallet", "add", alice, "ours", "--with", "carol", "--path", "m/0/7", "--key-path"), 0),
            (("wallet", "add", alice, "ours", "--with", "carol"), 2), (("wallets", alice), 0),
            (("propose", alice, f"{pair.dir}/b.txt", "--wallet", "theirs"), 2),
            (("propose", alice, f"{pair.dir}/b.txt", "--wallet", "ours", "--with", "carol"), 2),
            (("wallet", "remove", alice, "ours"), 0), (("wallet", "remove", alice, "ours"), 2),
            (("disconnect", alice, "carol"), 0), (("connect", alice, "carol"), 0),
            (("connect", alice, carol_address), 0), (("connect", alice, "/ip4/127.0.0.1/tcp/1"), 2),
            (("connect", alice, "carrol"), 2),
            (("sessions", alice), 0), (("status", alice), 0), (("peer", "list", alice), 0),
            (("peer", "remove", alice, "carol"), 0), (("peer", "remove", alice, "carol"), 2), (("peer", "add", alice), 2),
            (("status", "/nonexistent"), 4), (("aprove", "\x1b[8m"), 2), ((), 2), (("--version",), 0),
            (("init", alice), 4), (("init", f"{pair.dir}/new"), 0), (("run", alice), 4),
            (("run", alice, "--approve", "perhaps"), 2), (("approve", alice, "zz"), 2),
            (("verify", "/nonexistent", "--key", key, "--signature", sig), 4)):
        check(run(*arguments) == code, f"{arguments}: {seen[-1]}")
    for name in ("alice", "carol"):
        seen.extend(pair.lines(name))
    for line in seen:
        check_line(line)
    with open(pair.log["carol"], "rb") as log:
        check(all(b in b"\n" or 32 <= b < 127 for b in log.read()), "something raw in a line")
    events = {line["event"] for line in seen}
    for event in ("listening", "error", "proposed", "completed", "aborted", "published", "sessions", "session", "status",
                  "peers", "peer_removed", "connection", "wallets", "wallet_added", "wallet_removed", "initialised", "verified", "done", "help"):
        check(event in events, f"{event} was not seen")
    pair.close()


def test_a_peer_that_cannot_be_reached_is_told_once_with_the_reason():
    pair = Pair(on_terminal=False)
    alice = f"{pair.dir}/alice"
    line = json.loads(cosigner("init", f"{pair.dir}/other", "--json").stdout)
    carol = json.loads(cosigner("peer", "list", alice, "--json").stdout)["peers"][0]["address"]
    wrong = carol.rsplit("/", 1)[0] + "/" + line["peer"]
    check(cosigner("peer", "add", alice, f"wrong={wrong}").returncode == 0, "peer add")
    check(cosigner("peer", "add", alice, "nobody=" + line["hand_over"].split("=")[1]).returncode == 2, "the same peer twice")
    told = pair.wait_line("alice", "dial_failed", name="wrong")
    check(told["why"], told)
    status = json.loads(cosigner("status", alice, "--json").stdout)
    check([p["trouble"] for p in status["peers"] if p["name"] == "wrong"][0], status)
    pair.carol.terminate()
    pair.carol.wait()
    refused = pair.wait_line("alice", "dial_failed", name="carol")
    check("refused" in refused["why"], refused)
    pair.close()


def test_a_wallet_is_proposed_by_name_and_who_is_away_is_named():
    pair = Pair(on_terminal=False)
    alice, carol = f"{pair.dir}/alice", f"{pair.dir}/carol"
    signer = json.loads(cosigner("status", carol, "--json").stdout)["signer"]
    made = json.loads(cosigner("wallet", "add", alice, "ours", "--with", "carol", "--key-path", "--json").stdout)
    check(made["with"] == [signer], made)
    process = subprocess.Popen([PROGRAM, "propose", alice, "--json", "--wallet", "ours", f"{pair.dir}/a.txt"],
                               stdout=subprocess.PIPE, text=True)
    session = json.loads(process.stdout.readline())["session"]
    pair.wait_line("carol", "approval_requested", session=session)
    cosigner("approve", carol, session)
    last = json.loads(process.stdout.read().splitlines()[-1])
    check(process.wait() == 0 and last["aggregate_key"] == made["aggregate_key"], f"{last} {made}")
    pair.carol.terminate()
    pair.carol.wait()
    pair.wait_line("alice", "disconnected")
    sessions = json.loads(cosigner("sessions", alice, "--json").stdout)["sessions"]
    away = cosigner("propose", alice, "--json", "--wallet", "ours", f"{pair.dir}/b.txt")
    said = json.loads(away.stdout)
    check(away.returncode == 4 and "cannot reach participants" in said["text"] and "refused" in said["text"], said)
    check(json.loads(cosigner("sessions", alice, "--json").stdout)["sessions"] == sessions, "a session all the same")
    listed = json.loads(cosigner("peer", "list", alice, "--json").stdout)["peers"]
    check([p for p in listed if p["name"] == "carol" and p["reason"] and p["status"] != "connected"], listed)
    # Settings with a wallet are read again, also where nobody runs.
    pair.alice.terminate()
    pair.alice.wait()
    check(made["aggregate_key"] in cosigner("wallets", alice).stdout, "wallets of one who does not run")
    added = cosigner("wallet", "add", alice, "more", "--with", f"carol,{'02' + '79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798'}")
    check(added.returncode == 0, added.stderr)
    pair.close()


def test_whoever_watches_sees_what_happens():
    pair = Pair(on_terminal=False)
    alice = f"{pair.dir}/alice"
    feed = subprocess.Popen([PROGRAM, "watch", alice, "--json"], stdout=subprocess.PIPE, text=True)
    line = json.loads(feed.stdout.readline())
    check_line(line)
    check(line["text"].startswith("Connecting to"), line)
    pair.carol.terminate()
    pair.carol.wait()
    while "has left" not in line["text"]:
        line = json.loads(feed.stdout.readline())
        check_line(line)
    check(line["kind"] == "peer_left" and "carol" in line["text"], line)
    pair.carol = pair.run("carol", "--approve", "none")
    while "Connected to" not in line["text"]:
        line = json.loads(feed.stdout.readline())
    feed.terminate()
    feed.wait()
    feed.stdout.close()
    pair.wait_line("carol", "peer_identified")
    watcher, session = pair.propose("a.txt")
    watcher.stdout.read()
    watcher.wait()
    over = cosigner("watch", alice, session, "--json")  # a session that is over is shown, and that is all
    check(over.returncode == 0 and json.loads(over.stdout)["state"] == "over", over.stdout)
    check(cosigner("watch", alice, "00000000").returncode == 2, "watching what is not there")
    pair.close()


def test_a_closed_pipe_ends_it_cleanly():
    pair = Pair(on_terminal=False)
    process = subprocess.Popen([PROGRAM, "run", f"{pair.dir}/carol"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    check(process.wait() == 4, "two run in one directory")
    pair.carol.terminate()
    pair.carol.wait()
    process = subprocess.Popen([PROGRAM, "run", f"{pair.dir}/carol", "--log-level", "debug"], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
    process.stdout.readline()
    process.stdout.close()
    check(process.wait() == 0, "it did not end, or not cleanly")
    check(process.stderr.read() == b"", "it complains")
    pair.close()


run_tests([f for name, f in list(globals().items()) if name.startswith("test_")])
