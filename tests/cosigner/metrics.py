# SPDX-License-Identifier: MIT
"""The page of `run --metrics`, from outside, read by a parser of the format. Usage: metrics.py COSIGNER DOCUMENT"""
import http.client
import json
import math
import os
import re
import select
import socket
import sys
import time
from urllib.parse import urlsplit

from pair import PATIENCE, Pair, check, cosigner, run_tests

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
NUMBER = r"[+-]?Inf|NaN|[+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?"


def parse(page):
    """Families by name: type, help, and samples by name and labels. As Prometheus' text format 0.0.4 has it."""
    check(page.endswith("\n"), "the last line has no end")
    families, current = {}, None
    for line in page.split("\n")[:-1]:
        meta = re.fullmatch(rf"# (HELP|TYPE) ({NAME}) (.*)", line)
        if meta:
            kind, name, rest = meta.groups()
            if name not in families:
                families[name] = {"samples": {}}
            check(kind not in families[name], f"{kind} of {name} twice")
            check(not families[name]["samples"], f"{kind} of {name} after a sample")
            families[name][kind] = rest
            current = name
            continue
        sample = re.fullmatch(rf"({NAME})(?:{{(.*)}})? ({NUMBER})", line)
        check(sample, f"no line of the format: {line!r}")
        name, inner, number = sample.groups()
        labels, rest = [], inner or ""
        while rest:
            label = re.match(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)', rest)
            check(label, f"no labels: {line!r}")
            labels.append(label.groups())
            rest = rest[label.end():]
        check(len({name for name, _ in labels}) == len(labels), f"a label twice: {line!r}")
        suffixes = ("_bucket", "_sum", "_count") if families[current].get("TYPE") == "histogram" else ("",)
        check(name in {current + suffix for suffix in suffixes}, f"{name} among the samples of {current}")
        key = (name, tuple(sorted(labels)))
        check(key not in families[current]["samples"], f"a series twice: {line!r}")
        families[current]["samples"][key] = float(number.replace("Inf", "inf"))
    for name, family in families.items():
        check(family.get("TYPE") in ("counter", "gauge", "histogram") and family.get("HELP"), f"{name}: {family}")
        if family["TYPE"] == "counter":
            check(name.endswith("_total"), f"the counter {name}")
            check(all(v >= 0 and math.isfinite(v) for v in family["samples"].values()), f"{name} {family}")
        if family["TYPE"] == "histogram":
            buckets = [(float(dict(labels)["le"].replace("Inf", "inf")), v)
                       for (n, labels), v in family["samples"].items() if n.endswith("_bucket")]
            counts = [v for _, v in sorted(buckets)]
            check(counts == sorted(counts) and sorted(buckets)[-1][0] == math.inf, f"{name}: {buckets}")
            check(counts[-1] == family["samples"][(f"{name}_count", ())], f"{name}: the count is another one")
    return families


def fetch(page, method="GET", host=None):
    """Status and text."""
    at = urlsplit(page)
    connection = http.client.HTTPConnection(at.hostname, at.port, timeout=PATIENCE)
    connection.request(method, at.path, headers={"Host": host} if host else {})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


def value(families, name, **labels):
    family = families[name]["samples"]
    return family.get((name, tuple(sorted(labels.items()))), 0)


def documented():
    path = os.path.join(os.path.dirname(sys.argv[2]), "metrics.md")
    with open(path) as f:
        return {m.group(1): m.group(2) for m in re.finditer(r"^\| `(\w+)` \| (counter|gauge|histogram) \|", f.read(), re.M)}


class Measured(Pair):
    """Two co-signers that show their metrics, on ports that the system chooses."""

    def run(self, name, *options):
        return super().run(name, "--approve", "all", "--metrics", "127.0.0.1:0", *options)

    def page(self, name):
        return self.wait_line(name, "metrics_listening")["address"]


def test_what_happened_is_on_the_page():
    pair = Measured(on_terminal=False)
    before = parse(fetch(pair.page("alice"))[1])
    check({name: family["TYPE"] for name, family in before.items()} == documented(), "not the documented families")
    process, session = pair.propose("a.txt")
    process.wait(timeout=PATIENCE)
    process.stdout.close()
    check(process.returncode == 0, process.returncode)
    for name in ("alice", "carol"):
        pair.wait_line(name, "completed", session=session)
        status, text = fetch(pair.page(name))
        check(status == 200, status)
        now = parse(text)
        for event in ("session_created", "nonces_complete", "completed"):
            check(value(now, "signing_events_total", event=event) == 1, (name, event, now["signing_events_total"]))
        check(value(now, "signing_sessions_ended_total", outcome="completed", reason="none") == 1, name)
        check(now["signing_session_seconds"]["samples"][("signing_session_seconds_count", ())] == 1, name)
        check(value(now, "signing_sessions_kept") == 1 and value(now, "signing_sessions_open") == 0, name)
        check(value(now, "libp2p_peers") == 1 and value(now, "connection_connected_peers") == 1, name)
        check(value(now, "connection_events_total", event="connected") >= 1, now["connection_events_total"])
        for counter in ("libp2p_frames_sent_total", "libp2p_frames_received_total", "libp2p_sent_bytes_total",
                        "libp2p_received_bytes_total", "libp2p_peers_connected_total"):
            check(value(now, counter) > 0, (name, counter))
        check(value(now, "discovery_saved") == 1, name)
        check(value(now, "metrics_dropped_total") == 0, name)
        for family in now.values():
            for key, v in family["samples"].items():
                check(math.isfinite(v), key)
    after = parse(fetch(pair.page("alice"))[1])
    for name, family in before.items():
        if family["TYPE"] == "counter":
            for key, v in family["samples"].items():
                check(after[name]["samples"][key] >= v, f"{key} has shrunk")
    pair.close()


def test_only_programs_of_this_machine_read_it():
    pair = Measured(on_terminal=False)
    page = pair.page("alice")
    check(fetch(page, host="evil.example")[0] == 403, "a name that leads here")
    check(fetch(page, "POST")[0] == 405, "POST")
    check(fetch(page + "/more")[0] == 404, "another page")
    status, text = fetch(page, "HEAD")
    check((status, text) == (200, ""), (status, text))
    for wrong in ("0.0.0.0:9100", "9100", "localhost:9100", "127.0.0.1:99999", ""):
        done = cosigner("run", f"{pair.dir}/alice", f"--metrics={wrong}")
        check(done.returncode == 2 and "--metrics" in done.stderr, (wrong, done))
    pair.close()


def test_a_port_that_is_taken_is_tried_again():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        where = f"127.0.0.1:{other.getsockname()[1]}"

        class Late(Pair):
            def run(self, name, *options):
                return super().run(name, *(("--metrics", where) if name == "alice" else ()))
        pair = Late(on_terminal=False)  # which goes on without
        failed = pair.wait_line("alice", "metrics_failed")
        check(failed["address"] == where and failed["retry_seconds"] == 1, failed)
    page = pair.wait_line("alice", "metrics_listening")["address"]
    check(parse(fetch(page)[1]), page)
    pair.close()


run_tests([f for name, f in list(globals().items()) if name.startswith("test_")])
