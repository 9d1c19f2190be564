# SPDX-License-Identifier: MIT
"""Signers find each other, from outside. Usage: discovery.py COSIGNER DOCUMENT"""
import json
import os
import socket
import subprocess
import time

from crowd import Crowd, run_crowd_tests
from pair import PROGRAM, check, cosigner


def test_twenty_signers_with_one_address_list_each_other_once_and_go_on_without_it():
    c = Crowd()
    hub = c.make("hub", enable_gossip="on")
    c.run("hub", "--auto-connect")
    names = [f"signer-{i}" for i in range(19)]
    for name in names:
        c.make(name, hub, nickname=name)
        c.run(name, "--auto-connect", "--advertise")
    for name in names:
        others = sorted(n for n in names if n != name)
        c.until(lambda name=name, others=others: c.listed(name) == others, f"{name} to list the others")
    c.until(lambda: c.listed("hub") == sorted(names), "the first one to list all")
    c.stop("hub", 9)
    address = c.said(names[3], "listening")[0]["address"]
    c.make("late", address, nickname="late")
    c.run("late", "--auto-connect", "--advertise")
    for name in names:
        c.until(lambda name=name: "late" in c.listed(name), f"{name} to list the newcomer")
    c.until(lambda: c.listed("late") == sorted(names), "the newcomer to list all")
    c.close()


def test_ten_rounds_of_advertising_make_no_duplicates():
    c = Crowd()
    names = [f"signer-{i}" for i in range(5)]
    c.gather(*names)
    for fee in range(1, 11):
        for name in names:
            c.ask(name, "settings set", "fee", str(fee))
        for name in names:
            others = sorted(n for n in names if n != name)
            c.until(lambda name=name: all(s["fee"] == fee for s in c.signers(name)), f"{name} to hear round {fee}")
            check(c.listed(name) == others, "each once")
    for name in names:
        check(len(c.said(name, "signer_discovered")) == len(names) - 1, "each is discovered once")
    c.close()


def test_signers_are_known_from_disk_before_anything_is_heard():
    c = Crowd()
    hub = c.make("hub", nickname="hub")
    c.run("hub", "--auto-connect", "--advertise")
    c.make("bob", hub)
    c.run("bob", "--auto-connect")
    c.until(lambda: c.listed("bob") == ["hub"], "bob to find hub")
    c.until(lambda: c.ask("bob", "signers", "--stats")["saved"], "bob to write it down")
    c.stop("bob", 9)
    c.stop("hub", 9)
    c.run("bob")
    events = [line["event"] for line in c.lines("bob")]
    check(events.index("signers_loaded") < events.index("listening"), events)
    check(c.said("bob", "signers_loaded")[0]["count"] == 1, "one signer is loaded")
    check(c.listed("bob") == ["hub"], "it is listed")
    check(not c.said("bob", "signer_discovered"), "and not discovered again")
    c.ask("bob", "signers clear")
    check(c.listed("bob") == [], "it is forgotten")
    c.stop("bob")
    c.run("bob")
    check(c.said("bob", "signers_loaded")[0]["count"] == 0, "also on disk")
    c.close()


def test_without_auto_connect_nothing_is_found_or_published_until_it_is_asked_for():
    c = Crowd()
    hub = c.make("hub", nickname="hub")
    c.run("hub", "--auto-connect", "--advertise")
    c.make("bob", hub, nickname="bob", advertise_as_signer="on")
    c.run("bob")
    stats = c.ask("bob", "signers", "--stats")
    check(not stats["online"] and not stats["advertising"], stats)
    check(c.listed("hub") == [], "nobody is published")
    c.ask("bob", "online")
    c.until(lambda: c.listed("bob") == ["hub"] and c.listed("hub") == ["bob"], "both to find each other")
    c.ask("bob", "offline")
    c.until(lambda: c.listed("hub") == [], "the withdrawal")
    c.ask("bob", "online")
    c.until(lambda: c.listed("hub") == ["bob"], "bob to be found again")
    c.stop("bob")
    c.until(lambda: c.listed("hub") == [], "bob to say that it leaves")
    c.close()


def test_with_gossip_off_nothing_is_subscribed_to_and_signers_are_asked_for():
    c = Crowd()
    hub = c.make("hub", nickname="hub")
    c.run("hub", "--auto-connect", "--advertise")
    c.make("bob", hub, enable_gossip="off")
    c.run("bob", "--auto-connect")
    c.until(lambda: c.listed("bob") == ["hub"], "bob to ask for signers")
    c.close()


def test_a_spend_is_proposed_by_key_alone_and_being_found_lets_nobody_propose():
    c = Crowd()
    c.gather("alice", "bob")
    alice, bob = c.key("alice"), c.key("bob")
    propose = ("propose", f"{c.dir}/alice", "--digest", "ab" * 32, "--with", bob)
    check("not known here" in cosigner(*propose).stdout, "bob refuses whom nobody has chosen")
    for bad in ((alice[:-1],), ("02" + "00" * 32,), (bob,)):
        check(cosigner("initiators", "add", f"{c.dir}/bob", "alice", *bad).returncode == 2, bad)
    check(c.ask("bob", "initiators add", "alice", alice)["event"] == "initiator_added", "alice may ask")
    check(cosigner(*propose).returncode == 0, "and they sign")
    names = c.said("bob", "approval_requested")[-1]["signer_names"]
    check(f"alice ({alice[:8]})" in names, f"alice is shown by her name: {names}")
    check(c.ask("bob", "initiators list")["initiators"] == [{"name": "alice", "key": alice}], "she is listed")
    c.ask("bob", "initiators remove", "alice")
    check(cosigner(*propose).returncode == 1, "and may not ask any more")
    stranger = "02" + "11" * 32
    refused = cosigner(*propose[:-1], stranger)
    check(refused.returncode != 0 and "machine is not known" in refused.stderr, refused.stderr)
    c.close()


def test_the_first_proposal_on_a_new_connection_is_heard_and_names_stand_for_one_signer():
    c = Crowd()
    c.gather("alice", "bob")
    alice, bob = c.key("alice"), c.key("bob")
    c.ask("bob", "initiators add", "alice", alice)
    proposed = cosigner("propose", f"{c.dir}/alice", "--digest", "ab" * 32, "--with", bob)
    check(proposed.returncode == 0, proposed.stdout)
    line = c.said("hub", "listening")[0]["address"]
    check(cosigner("peer", "add", f"{c.dir}/bob", f"alice={line}").returncode == 2, "alice is an initiator's name")
    check(cosigner("peer", "add", f"{c.dir}/bob", f"hub={line}").returncode == 0, "hub is free")
    check(cosigner("initiators", "add", f"{c.dir}/bob", "hub", c.key("hub")).returncode == 2, "hub is a peer's name")
    c.close()


def test_a_setting_is_taken_up_at_once_and_what_is_offered_is_found():
    c = Crowd()
    hub = c.make("hub")
    c.run("hub", "--auto-connect")
    c.make("bob", hub, nickname="bob", types="swap,spend", amount_to="1000")
    c.run("bob", "--auto-connect", "--advertise")
    c.until(lambda: c.listed("hub") == ["bob"], "bob to be found")
    check(c.signers("hub")[0]["types"] == ["spend", "swap"], "what it offers")
    check(len(c.signers("hub", "--type", "swap", "--amount", "1000")) == 1, "it is found")
    check(c.signers("hub", "--type", "swap", "--amount", "1001") == [], "and not for more")
    check(c.signers("hub", "--type", "escrow") == [], "or for something else")
    done = cosigner("settings", "set", f"{c.dir}/bob", "nickname", "robert")
    check(done.returncode == 0, done.stderr)
    c.until(lambda: c.listed("hub") == ["robert"], "the new name")
    c.close()


def test_a_configured_peer_stays_one_when_it_was_a_bootstrap_peer_as_well():
    c = Crowd()
    hub = c.make("hub", nickname="hub")
    c.run("hub", "--auto-connect")
    c.make("bob", hub)
    c.run("bob", "--auto-connect")
    connected = lambda: any(p["connected"] for p in c.ask("bob", "status")["peers"])
    check(cosigner("peer", "add", f"{c.dir}/bob", f"hub={hub}").returncode == 0, "peer add")
    c.until(connected, "the peer")
    c.ask("bob", "offline")
    c.stop("hub", 9)
    c.until(lambda: not connected(), "the end of it")
    c.run("hub", "--auto-connect")
    c.until(connected, "the peer again")
    c.close()


def test_subscribers_are_told_of_what_they_asked_for():
    c = Crowd()
    hub = c.make("hub")
    c.run("hub", "--auto-connect")
    watcher = subprocess.Popen([PROGRAM, "signers", f"{c.dir}/hub", "--subscribe", "--type", "swap", "--json"],
                               stdout=subprocess.PIPE, text=True)
    check(json.loads(watcher.stdout.readline())["event"] == "signers", "the first line")
    for name, types in (("bob", "spend"), ("carol", "swap")):
        c.make(name, hub, nickname=name, types=types)
        c.run(name, "--auto-connect", "--advertise")
    said = json.loads(watcher.stdout.readline())
    check(said["event"] == "signer_discovered" and said["listing"]["nickname"] == "carol", said)
    watcher.terminate()
    watcher.wait()
    c.close()


def test_a_signer_that_is_followed_stays_so_and_how_fast_it_approves_is_known():
    c = Crowd()
    c.gather("alice", "bob")
    bob = c.key("bob")
    shown = c.signers("alice")[0]
    check(not shown["followed"] and shown["response_ms"] is None, shown)
    check(c.ask("alice", "signers follow", bob)["event"] == "signer_followed", "followed")
    check(cosigner("signers", "follow", f"{c.dir}/alice", c.key("hub")).returncode == 2, "who is not listed cannot be")
    c.ask("bob", "initiators add", "alice", c.key("alice"))
    check(cosigner("propose", f"{c.dir}/alice", "--digest", "ab" * 32, "--with", bob).returncode == 0, "they sign")
    c.ask("bob", "settings set", "fee", "7")
    c.until(lambda: any(s["fee"] == 7 for s in c.signers("alice")), "bob to advertise anew")
    shown = c.signers("alice")[0]
    check(shown["followed"] and shown["response_ms"] is not None, shown)
    check(c.said("alice", "signer_updated"), "what a followed signer says is told")
    c.stop("alice")
    c.run("alice")
    check(c.signers("alice")[0]["followed"], "and it is kept")
    c.close()


def test_filters_and_settings_say_what_is_wrong():
    c = Crowd()
    c.make("alice")
    for arguments, why in ((("settings", "set", "alice", "auto-conect", "on"), "did you mean"),
                           (("settings", "set", "alice", "auto-connect", "yes"), "neither on nor off"),
                           (("settings", "set", "alice", "bootstrap", "/ip4/10.0.0.1/tcp/1"), "/p2p/"),
                           (("signers", "alice", "--type", "spnd"), "did you mean"),
                           (("signers", "alice", "--amount", "-1"), "amount"),
                           (("signers", "alice", "--stats", "--subscribe"), "--stats"),
                           (("signers", "alice", "clear", "alice"), "one directory"),
                           (("settings", "set", "alice", "nickname", "x" * 65), "at most 64"),
                           (("settings", "set", "alice", "types", "spend,swop"), "did you mean"),
                           (("settings", "set", "alice", "amount-to", "x"), "amount-to"),
                           (("run", "alice", "--advertise"), "--auto-connect"),
                           (("initiators", "remove", "alice", "bob"), "no initiator")):
        full = [f"{c.dir}/alice" if a == "alice" else a for a in arguments]
        done = cosigner(*full)
        check(done.returncode == 2 and why in done.stderr, (arguments, done.stderr))
    check(cosigner("signers", f"{c.dir}/alice").returncode == 3, "nobody runs there")
    check(cosigner("settings").returncode == 2, "no directory")
    check("auto-connect off" in cosigner("settings", f"{c.dir}/alice").stdout, "the defaults")
    dht = json.loads(cosigner("settings", "set", f"{c.dir}/alice", "enable-dht", "on", "--json").stdout)
    check(dht["not_available"] == ["enable-dht"] and "no DHT yet" in dht["text"], dht)
    c.close()


def test_a_port_that_is_taken_is_waited_for_and_others_are_dialled_meanwhile():
    c = Crowd()
    hub = c.make("hub", nickname="hub")
    c.run("hub", "--auto-connect", "--advertise")
    with socket.socket() as taken:
        taken.bind(("127.2.0.1", 0))
        taken.listen()
        c.make("bob", hub, nickname="bob")
        with open(f"{c.dir}/bob/settings.json") as f:
            settings = json.load(f)
        settings["listen"] = f"/ip4/127.2.0.1/tcp/{taken.getsockname()[1]}"
        with open(f"{c.dir}/bob/settings.json", "w") as f:
            json.dump(settings, f)
        c.begin("bob", "--auto-connect", "--advertise")
        c.until(lambda: len(c.said("bob", "listen_failed")) >= 2, "two attempts")
        check([line["retry_seconds"] for line in c.said("bob", "listen_failed")[:2]] == [1, 2], "after 1 s, then 2")
        c.until(lambda: c.listed("bob") == ["hub"], "bob to find hub")
    c.until(lambda: c.said("bob", "listening"), "bob to listen at last")
    c.until(lambda: any(s["addresses"] for s in c.signers("hub")), "bob to be found where it listens")
    c.close()


def test_a_damaged_file_of_signers_is_put_aside_and_the_program_goes_on():
    c = Crowd()
    c.make("alice")
    for what in ("discovered", "addresses"):
        with open(f"{c.dir}/alice/{what}", "w") as f:
            f.write("nonsense")
    c.run("alice", "--auto-connect")
    c.until(lambda: len(c.said("alice", "damaged")) == 2, "both to be told")
    check([line["what"] for line in c.said("alice", "damaged")] == ["discovered", "addresses"], "which they are")
    check(all(line["put_aside"] for line in c.said("alice", "damaged")), "and where")
    check(c.said("alice", "listening"), "and it goes on")
    c.stop("alice")
    if os.path.exists(f"{c.dir}/alice/discovered"):
        os.remove(f"{c.dir}/alice/discovered")
    os.mkdir(f"{c.dir}/alice/discovered")
    c.run("alice")
    check(c.said("alice", "damaged") and c.said("alice", "listening"), "also where it is no file")
    c.close()


def test_a_disk_that_takes_nothing_is_told_of_and_tried_again():
    c = Crowd()
    hub = c.make("hub", nickname="hub")
    c.run("hub", "--auto-connect", "--advertise")
    c.make("alice", hub)
    c.run("alice")
    os.mkdir(f"{c.dir}/alice/discovered")  # where the file would be
    c.ask("alice", "online")
    c.until(lambda: c.said("alice", "not_saved"), "the failure to be told")
    check(c.listed("alice") == ["hub"], "and it goes on")
    os.rmdir(f"{c.dir}/alice/discovered")
    c.until(lambda: c.said("alice", "saved"), "it to be tried again")
    check(len(c.said("alice", "not_saved")) == 1, "told once")
    c.close()


def test_nobody_to_begin_with_is_told_of_and_tried_again():
    c = Crowd()
    hub = c.make("hub", nickname="hub")
    c.make("alice", hub)
    c.run("alice", "--auto-connect")
    c.until(lambda: c.said("alice", "dial_failed"), "the failure to be told")
    c.run("hub", "--auto-connect", "--advertise")
    c.until(lambda: c.listed("alice") == ["hub"], "it to be tried again")
    c.close()


def test_damaged_settings_are_put_aside_and_the_program_goes_on_with_those_of_a_new_directory():
    c = Crowd()
    hub = c.make("hub")
    c.make("alice", hub, nickname="alice")
    with open(f"{c.dir}/alice/settings.json") as f:
        before = f.read()
    for damaged in (before[:-5], "", "[" + before, before.replace("{", '{"listen": "twice",', 1)):
        with open(f"{c.dir}/alice/settings.json", "w") as f:
            f.write(damaged)
        c.run("alice", "--auto-connect")
        told = c.said("alice", "damaged")
        check([line["what"] for line in told] == ["settings"], told)
        with open(told[0]["put_aside"]) as f:
            check(f.read() == damaged, "nothing of it is lost")
        check(c.ask("alice", "settings set", "nickname", "alice")["event"] == "settings", "it can be set up anew")
        c.stop("alice")
        c.run("alice")
        check(not c.said("alice", "damaged"), "and is told of once")
        c.stop("alice")
    c.close()


if __name__ == "__main__":
    run_crowd_tests(globals())
