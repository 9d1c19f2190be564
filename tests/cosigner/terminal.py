# SPDX-License-Identifier: MIT
"""What a person at a terminal sees and does. Usage: terminal.py COSIGNER [DOCUMENT]"""
import os
import signal

from pair import Pair, Terminal, check, cosigner, run_tests


def prompt(session):
    return b"approve session " + session[:8].encode() + rb"\? \[y/n\] "


def test_an_answer_belongs_to_the_question():
    pair = Pair()
    one, first = pair.propose("a.txt")
    pair.carol.wait(prompt(first))
    two, second = pair.propose("b.txt")
    pair.carol.wait(rb'for "b.txt"')
    pair.carol.type(b"y")  # the finger is on its way to Enter
    cosigner("approve", f"{pair.dir}/carol", first[:12])
    pair.carol.wait(rb"session " + first[:8].encode() + rb": the question is withdrawn: it was approved")
    pair.carol.wait(prompt(second))
    pair.carol.type(b"\n")
    pair.carol.wait(rb"please answer y or n|not taken")
    check(pair.state("carol", second) == "awaiting_approval", "a line for one session has answered for another")
    one.wait()
    while pair.state("carol", second) == "awaiting_approval":  # too soon is asked again
        pair.carol.wait(prompt(second))
        pair.carol.type(b"Yes\n")
        pair.carol.wait(rb"your share|our share|not taken|please answer")
    check(two.wait() == 0, "yes does not approve")
    pair.close()


def test_nothing_typed_before_a_question_answers_it():
    pair = Pair()
    pair.carol.type(b"y\ny\ny\n")
    pair.carol.wait(rb"y\r\ny\r\ny\r\n")
    process, session = pair.propose("a.txt")
    pair.carol.wait(prompt(session))
    pair.carol.type(b"\n")
    pair.carol.wait(rb"please answer y or n")
    pair.carol.wait(prompt(session))
    pair.carol.type(b"perhaps\n")
    pair.carol.wait(rb"please answer y or n")
    check(pair.state("carol", session) == "awaiting_approval", "something else than yes or no has decided")
    pair.carol.wait(prompt(session))
    pair.carol.type(b"NO\n")
    check(process.wait() == 1, "no does not decline")
    pair.close()


def test_pasted_answers_answer_one_question():
    pair = Pair()
    one, first = pair.propose("a.txt")
    pair.carol.wait(prompt(first))
    two, second = pair.propose("b.txt")
    pair.carol.wait(rb'for "b.txt"')
    pair.carol.wait(prompt(first))
    pair.carol.type(b"n\ny\ny\n")
    check(one.wait() == 1, "the first answer counts")
    pair.carol.wait(prompt(second))
    check(pair.state("carol", second) == "awaiting_approval", "what was pasted has answered the next question")
    cosigner("abort", f"{pair.dir}/alice", second)
    pair.carol.wait(rb"the question is withdrawn: the session is over")
    two.wait()
    pair.close()


def test_the_approver_sees_what_is_signed_and_nothing_raw():
    pair = Pair()
    forged = 'rent"\nsession 00000000: me approved\x1b[8m\u202e\u2028\x9b'
    process, session = pair.propose("a.txt", "--purpose", forged, "--path", "0/7", "--key-path")
    pair.carol.wait(prompt(session))
    shown = pair.carol.seen
    for word in (rb'"rent\"\x0asession 00000000: me approved\x1b[8m\u202e\u2028\u009b"', b"SHA-256 digest",
                 b"alice", b"path m/0/7", b"Taproot, key path only", b"the aggregate key", b"mesh",
                 b"election lexicographic", b"expires", b"cosigner show "):
        check(word in shown, f"{word} is not shown in {shown!r}")
    for raw in (b"\x1b", "\u202e".encode(), "\u2028".encode(), "\x9b".encode()):
        check(raw not in shown, f"{raw} got through")
    check(b"\r\nsession 00000000" not in shown, "a line was forged")
    process.terminate()
    process.wait()
    pair.close()


def test_interrupting_a_proposal_says_what_stays_open():
    pair = Pair()
    watcher = Terminal("propose", f"{pair.dir}/alice", f"{pair.dir}/a.txt", "--with", "carol")
    session = watcher.wait(rb"session ([0-9a-f]{8}): proposed; waiting for carol").group(1)
    watcher.type(b"\x03")
    watcher.wait(rb"session " + session + rb" stays open and goes on")
    watcher.wait(rb"cosigner abort \S+ " + session)
    _, status = os.waitpid(watcher.pid, 0)
    check(os.waitstatus_to_exitcode(status) == 130, f"exit {status}")
    check(pair.state("alice", session.decode()) != "over", "the session was given up")
    pair.close()


def test_a_terminal_that_goes_away_ends_it():
    pair = Pair()
    os.close(pair.carol.fd)  # the kernel hangs up
    _, status = os.waitpid(pair.carol.pid, 0)
    check(os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0, f"status {status}")
    pair.carol = Terminal("status", f"{pair.dir}/alice")
    pair.close()


signal.signal(signal.SIGPIPE, signal.SIG_DFL)
run_tests([f for name, f in list(globals().items()) if name.startswith("test_")])
