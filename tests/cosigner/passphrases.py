# SPDX-License-Identifier: MIT
"""Passphrases that are typed. Usage: passphrases.py COSIGNER"""
import os
import signal
import tempfile
import termios

from pair import Terminal, check, cosigner, run_tests


def exit_code(terminal):
    _, status = os.waitpid(terminal.pid, 0)
    return os.waitstatus_to_exitcode(status)


def echoes(terminal):
    return bool(termios.tcgetattr(terminal.fd)[3] & termios.ECHO)


def make(directory, *typed):
    """init --passphrase, with what is typed."""
    t = Terminal("init", directory, "--passphrase")
    for prompt, line in zip((rb"new passphrase of \S+: ", rb"the same once more: "), typed):
        t.wait(prompt)
        t.type(line + b"\n")
    return t


def test_a_passphrase_is_asked_for_twice_and_never_shown():
    with tempfile.TemporaryDirectory() as top:
        t = make(f"{top}/a", b"seven words that nobody guesses", b"seven words that nobody guesses")
        t.wait(rb"signer key")
        t.wait(rb"hand this|Hand this")
        check(exit_code(t) == 0, "init failed")
        check(b"seven words" not in t.seen, f"the passphrase was shown: {t.seen!r}")
        check(not os.path.exists(f"{top}/a/seed"), "the seed is in the clear")
        run = Terminal("run", f"{top}/a")
        run.wait(rb"passphrase of \S+: ")
        check(not echoes(run), "the terminal shows what is typed")
        run.type(b"seven words that nobody guesses\n")
        run.wait(rb"listen")
        check(echoes(run), "the terminal does not show what is typed any more")
        check(b"seven words" not in run.seen, "the passphrase was shown")
        os.kill(run.pid, signal.SIGTERM)
        exit_code(run)


def test_two_that_differ_make_nothing():
    with tempfile.TemporaryDirectory() as top:
        t = make(f"{top}/a", b"seven words that nobody guesses", b"seven words that somebody guesses")
        t.wait(rb"the two passphrases differ; nothing was changed")
        check(exit_code(t) == 2, "a wrong exit code")
        short = make(f"{top}/a", b"short")
        short.wait(rb"guessed at once")
        check(exit_code(short) == 2, "a wrong exit code")
        check(os.listdir(top) == [], f"something is left: {os.listdir(top)}")


def test_a_wrong_passphrase_ends_it():
    with tempfile.TemporaryDirectory() as top:
        make(f"{top}/a", b"seven words that nobody guesses", b"seven words that nobody guesses").wait(rb"signer key")
        run = Terminal("run", f"{top}/a")
        run.wait(rb"passphrase of \S+: ")
        run.type(b"not these words\n")
        run.wait(rb"the passphrase is not the one of this key file, or the file is damaged")
        check(exit_code(run) == 2, "a wrong exit code")


def test_interrupting_the_question_leaves_the_terminal_as_it_was():
    with tempfile.TemporaryDirectory() as top:
        keep = os.dup(os.open("/dev/null", os.O_RDONLY))
        t = Terminal("init", f"{top}/a", "--passphrase")
        t.wait(rb"new passphrase")
        check(not echoes(t), "the terminal shows what is typed")
        t.type(b"\x03")
        check(exit_code(t) == -signal.SIGINT, "the signal was swallowed")
        check(os.listdir(top) == [], "something is left")
        os.close(keep)


def test_a_plain_directory_offers_to_be_wrapped():
    with tempfile.TemporaryDirectory() as top:
        check(cosigner("init", f"{top}/a").returncode == 0, "init failed")
        run = Terminal("run", f"{top}/a")
        run.wait(rb"is not under a passphrase; `cosigner passwd \S+` puts it there")
        run.wait(rb"listen")
        os.kill(run.pid, signal.SIGTERM)
        exit_code(run)


signal.signal(signal.SIGPIPE, signal.SIG_DFL)
run_tests([f for name, f in list(globals().items()) if name.startswith("test_")])
