# SPDX-License-Identifier: MIT
"""Requests for signatures and presences, from outside. Usage: notices.py COSIGNER DOCUMENT"""
from crowd import Crowd, run_crowd_tests
from pair import check, cosigner


def test_a_request_is_heard_by_whom_it_wants_and_the_answer_reaches_who_asked():
    c = Crowd()
    c.gather("bob", "carol")
    bob, carol = c.key("bob"), c.key("carol")
    asked = c.ask("carol", "request ask", "--digest", "ab" * 32, "--with", bob, "--purpose", "rent\x1b[2J", "--amount", "7")
    check(asked["event"] == "request_asked", asked)
    c.until(lambda: c.said("bob", "request_posted") and c.said("hub", "request_posted"), "both to hear of it")
    heard = c.said("bob", "request_posted")[0]
    check(heard["request"]["wants_us"] and heard["request"]["wanted"] == [bob], heard)
    check("\x1b" not in heard["text"] and "wants this signer" in heard["text"], heard)
    check(not c.said("hub", "request_posted")[0]["request"]["wants_us"], "the hub is not asked")
    check(not c.said("carol", "request_posted"), "and carol does not hear herself")
    refused = cosigner("request", "answer", f"{c.dir}/hub", asked["request"][:8])
    check(refused.returncode == 2 and "other signers" in refused.stderr, refused.stderr)
    accepted = c.ask("bob", "request answer", asked["request"][:8])
    check(accepted["event"] == "request_accepted", accepted)
    c.until(lambda: c.said("carol", "request_answered"), "the answer")
    check(c.said("carol", "request_answered")[0]["signer"] == bob, "it is bob's")
    own = c.ask("carol", "request list")["own"]
    check([a["signer"] for a in own[0]["answers"]] == [bob] and own[0]["expires"] > 0 and own[0]["peer"], own)
    c.ask("carol", "settings set", "fee", "7")
    check(c.ask("carol", "request list")["own"] == own, "a setting ends no request")
    check(c.ask("bob", "request list")["others"][0]["signer"] == carol, "bob has it in his list")
    # An answer obliges nobody and admits nobody.
    check("not known here" in cosigner("propose", f"{c.dir}/carol", "--digest", "ab" * 32, "--with", bob).stdout, "no")
    check(c.ask("carol", "request end", asked["request"])["event"] == "request_ended", "ended")
    c.until(lambda: c.said("bob", "request_withdrawn"), "bob to hear of the end")
    check(c.ask("bob", "request list")["others"] == [], "it is gone")
    c.close()


def test_what_is_wrong_with_a_request_is_said():
    c = Crowd()
    c.make("alice")
    c.run("alice")
    offline = cosigner("request", "ask", f"{c.dir}/alice", "--digest", "ab" * 32)
    check(offline.returncode == 2 and "offline" in offline.stderr, offline.stderr)
    c.ask("alice", "online")
    for arguments, why in ((("ask", "--digest", "ab" * 31), "digest"), (("ask", "--digest", "ab" * 32, "--type", "gift"), "gift"),
                           (("ask", "--digest", "ab" * 32, "--valid", "7201"), "7200"),
                           (("ask", "--digest", "ab" * 32, "--with", c.key("alice")), "own"),
                           (("ask", "--digest", "ab" * 32, "--purpose", "x" * 65), "65 bytes"),
                           (("answer", "abcd"), "no request begins"), (("end", "abcd"), "no request of ours"), (("answer", "xyz"), "request list")):
        said = cosigner("request", arguments[0], f"{c.dir}/alice", *arguments[1:])
        check(said.returncode == 2 and why in said.stderr, f"{arguments}: {said.stderr}")
    check(c.ask("alice", "request list")["own"] == [], "nothing was asked")
    c.close()


def test_presence_shows_what_is_set_and_nothing_else():
    c = Crowd()
    c.gather("bob", "carol")
    c.until(lambda: len(c.ask("hub", "presence")["presences"]) == 2, "both to show themselves")
    seen = {p["nickname"]: p for p in c.ask("hub", "presence")["presences"]}
    check(set(seen) == {"bob", "carol"} and seen["bob"]["status"] == "connected", seen)
    check(seen["bob"]["wallet_address"] == "" and seen["bob"]["avatar"] == "", "what is not set is not shown")
    check(c.ask("bob", "presence")["presences"][0]["nickname"] == "carol", "who shows itself does not see itself")
    done = cosigner("settings", "set", f"{c.dir}/bob", "wallet-address", "ecash:qq")
    check(done.returncode == 0, done.stderr)
    c.until(lambda: any(p["wallet_address"] == "ecash:qq" for p in c.ask("carol", "presence")["presences"]), "the address")
    c.stop("bob")
    c.until(lambda: [p["nickname"] for p in c.ask("carol", "presence")["presences"]] == [], "bob to leave")
    c.close()


if __name__ == "__main__":
    run_crowd_tests(globals())
