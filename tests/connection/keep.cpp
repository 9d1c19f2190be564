// SPDX-License-Identifier: MIT

// Peers that are kept, connections that are ended to make room, and links that fall silent.

#include "rig.hpp"

namespace keep_tests {

TEST_CASE("a kept peer is dialled until it is there, and again when it is lost, with waits that grow") {
    rig r;
    r.know(1, "alice");
    CHECK(r.machine.keep(who(1), r.now, r.out));
    CHECK(r.take() == std::vector<effect>{connecting{who(1), "alice"}, dial{who(1), {at(1)[0]}}});
    CHECK(r.machine.status_of(who(1)).is_kept);
    duration longest{};
    for (int attempt = 0; attempt < 40; ++attempt) {
        auto const failed_at = r.now;
        r.fail(1);
        // The reason is told once, not at each attempt.
        CHECK(r.take_only<connect_failed>().size() == (attempt == 0 ? 1u : 0u));
        CHECK(r.machine.status_of(who(1)).status == status::failed);
        r.next();
        CHECK(r.take_only<dial>().size() == 1);
        CHECK(r.now - failed_at >= 1s);
        CHECK(r.now - failed_at <= 300s);
        longest = std::max(longest, duration{r.now - failed_at});
    }
    CHECK(longest > 60s);
    r.up(1);
    r.now += 1min;
    (void)r.take();
    r.down(1);
    CHECK(r.take() == std::vector<effect>{disconnected{who(1), "alice", rig::gone()}});
    auto const lost_at = r.now;
    r.next();
    CHECK(r.take_only<dial>().size() == 1);
    CHECK(r.now - lost_at <= 3s);  // the connection had lasted, so the waits began anew
}

TEST_CASE("a kept peer that accepts and hangs up is not dialled in a loop") {
    rig r;
    r.know(1);
    CHECK(r.machine.keep(who(1), r.now, r.out));
    auto const begun = r.now;
    std::size_t dials = r.take_only<dial>().size();
    while (r.now - begun < 1h) {
        r.up(1);
        r.down(1);
        r.next();
        dials += r.take_only<dial>().size();
    }
    CHECK(dials < 100);
}

TEST_CASE("who asks for a kept peer does not wait for its next attempt") {
    rig r;
    r.know(1);
    CHECK(r.machine.keep(who(1), r.now, r.out));
    for (int i = 0; i < 20; ++i) {
        r.fail(1);
        r.next();
    }
    r.fail(1);
    (void)r.take();
    auto const t = r.connect({who(1)});
    CHECK(r.take_only<dial>().size() == 1);
    CHECK(r.machine.status_of(who(1)).status == status::connecting);
    std::vector<request_ended> ended;
    for (int attempt = 0; attempt < 3; ++attempt) {
        r.fail(1);
        for (auto& e : r.take_only<request_ended>()) ended.push_back(e);
        r.next();
    }
    REQUIRE(ended.size() == 1);
    CHECK(ended[0].ticket == t);
    CHECK(r.take_only<dial>().size() == 1);  // and it is kept all the same
}

TEST_CASE("released, a peer is dialled no more, and its connection stays") {
    rig r;
    r.know(1);
    r.know(2);
    CHECK(r.machine.keep(who(1), r.now, r.out));
    CHECK(r.machine.keep(who(2), r.now, r.out));
    r.up(2);
    (void)r.take();
    r.machine.release(who(1), r.now, r.out);
    r.machine.release(who(2), r.now, r.out);
    CHECK(r.take() == std::vector<effect>{hang_up{who(1)}});
    CHECK(r.machine.is_connected(who(2)));
    r.down(2);
    CHECK_FALSE(r.machine.next_deadline());
    CHECK(r.machine.keep(who(3), r.now, r.out).error() == errc::not_found);
}

TEST_CASE("disconnected on purpose: the connection ends, it is kept no more, and who waits for it hears that") {
    rig r;
    r.know(1);
    CHECK(r.machine.keep(who(1), r.now, r.out));
    r.up(1);
    (void)r.take();
    r.machine.disconnect(who(1), r.now, r.out);
    auto const told = r.take();
    REQUIRE(told.size() == 2);
    CHECK(told[0] == effect{hang_up{who(1)}});
    CHECK(std::get<disconnected>(told[1]).why == errc::ended);
    r.down(1);  // what the network says of it afterwards is no news
    CHECK(r.take().empty());
    CHECK_FALSE(r.machine.next_deadline());

    (void)r.connect({who(1)});
    (void)r.take();
    r.machine.disconnect(who(1), r.now, r.out);
    CHECK(r.take_only<request_ended>().at(0).outcomes.at(0).why == errc::ended);
    CHECK(r.machine.stats().dialling == 0);
}

TEST_CASE("cut off by a protocol, a kept peer is dialled again after a wait") {
    rig r;
    r.know(1);
    CHECK(r.machine.keep(who(1), r.now, r.out));
    r.up(1);
    (void)r.take();
    r.machine.cut(who(1), r.now, r.out);
    CHECK(r.take_only<hang_up>() == std::vector{hang_up{who(1)}});
    CHECK(r.machine.status_of(who(1)).is_kept);
    r.machine.cut(who(1), r.now, r.out);  // there is nothing to cut
    CHECK(r.take().empty());
    r.next();
    CHECK(r.take_only<dial>().size() == 1);
}

TEST_CASE("strangers that come and go do not make us forget whom we were told of") {
    auto o = rig::unwatched();
    o.peers_max = 4;
    rig r{o};
    r.know(1);
    r.now += 1h;
    for (std::size_t i = 2; i < 30; ++i) {
        r.now += 1s;
        r.up(i);
        r.down(i);
    }
    (void)r.take();
    (void)r.connect({who(1)});
    CHECK(r.take_only<dial>().size() == 1);
}

TEST_CASE("above the high water mark those of least use are ended, down to the low one") {
    auto o = rig::unwatched();
    o.high_water = 6;
    o.low_water = 3;
    rig r{o};
    for (std::size_t i = 1; i <= 7; ++i) {
        r.know(i);
        r.up(i);
        r.now += 1s;
    }
    CHECK(r.take_only<hang_up>().empty());  // all are new, and may show their use
    r.machine.protect(who(1), "a session", r.now);
    r.machine.tag(who(2), "signer", 10);
    r.machine.tag(who(3), "noise", -1);
    CHECK(r.machine.keep(who(7), r.now, r.out));
    // The first six have their grace behind them in turn; each time one too many is left, the least useful goes.
    std::vector<peer::peer_id> ended;
    while (r.machine.next_deadline()) {
        r.next();
        for (auto const& h : r.take_only<hang_up>()) {
            ended.push_back(h.peer);
            r.machine.handle(link_down{h.peer, rig::gone()}, r.now, r.out);
        }
    }
    CHECK(r.machine.connected_count() <= 6);
    for (auto const& who_ended : ended) {
        CHECK((who_ended != who(1) && who_ended != who(7)));
    }
    CHECK_FALSE(ended.empty());

    rig all{o};
    for (std::size_t i = 1; i <= 6; ++i) {
        all.know(i);
        all.up(i);
        all.now += 1s;
    }
    all.machine.tag(who(4), "signer", 1);
    all.machine.protect(who(1), "a session", all.now);
    all.machine.protect(who(2), "a session", all.now);
    all.machine.unprotect(who(2), "a session");
    all.now += 1min;
    all.up(7);
    // Seven, three of which may stay: the youngest of those without use go first, the new one has its grace.
    CHECK(all.take_only<hang_up>() == std::vector{hang_up{who(6)}, hang_up{who(5)}, hang_up{who(3)}, hang_up{who(2)}});
    all.up(8);
    CHECK(all.take_only<hang_up>() == std::vector{hang_up{who(4)}});  // not twice for one that is going
}

TEST_CASE("only received bytes are life: a silent link is suspected, then dead") {
    rig r{options{}};
    r.know(1);
    r.up(1);
    (void)r.take();
    auto const broken_at = r.now;
    std::optional<duration> suspected_after;
    while (r.machine.is_connected(who(1))) {
        r.next();
        for (auto const& s : r.take_only<suspected>()) {
            CHECK(s == suspected{who(1), "", true});
            suspected_after = r.now - broken_at;
            CHECK(r.machine.status_of(who(1)).is_suspected);
        }
        REQUIRE(r.now - broken_at <= 60s);
    }
    REQUIRE(suspected_after);
    CHECK(*suspected_after <= 30s);
    CHECK(r.machine.status_of(who(1)).status == status::disconnected);
}

TEST_CASE("a dead link is hung up, and its peer dialled again when it is kept") {
    rig r{options{}};
    r.know(1);
    CHECK(r.machine.keep(who(1), r.now, r.out));
    r.up(1);
    (void)r.take();
    std::vector<effect> told;
    while (r.machine.is_connected(who(1))) {
        r.next();
        told = r.take();
    }
    REQUIRE(told.size() >= 2);
    CHECK(told[0] == effect{hang_up{who(1)}});
    CHECK(std::get<disconnected>(told[1]).why == errc::silent);
    r.next();
    CHECK(r.take_only<dial>().size() == 1);
}

TEST_CASE("what fell silent together is dialled one by one, within as long as it was silent") {
    rig r{options{}};
    constexpr std::size_t peers = 30;
    for (std::size_t i = 1; i <= peers; ++i) {
        r.know(i);
        CHECK(r.machine.keep(who(i), r.now, r.out));
        r.up(i);
    }
    r.now += 1min;  // they have lasted
    while (r.machine.connected_count() != 0) r.next();
    (void)r.take();
    auto const lost_at = r.now;
    std::vector<duration> waits;
    while (waits.size() < peers) {
        r.next();
        for (auto const& d : r.take_only<dial>()) {
            waits.push_back(r.now - lost_at);
            r.machine.handle(link_up{d.peer, at(1)[0]}, r.now, r.out);
        }
        REQUIRE(r.now - lost_at <= 45s);
    }
    CHECK(waits.back() > 30s);
    CHECK(waits[peers / 2] > 10s);
}

TEST_CASE("who stalls for twenty seconds lives, and is suspected no more once it is heard") {
    rig r{options{}};
    r.know(1);
    r.up(1);
    auto const stalled_at = r.now;
    std::vector<suspected> told;
    for (int beat = 0; beat < 100; ++beat) {
        r.next();
        for (auto const& e : r.take()) {
            if (auto const* const s = std::get_if<suspected>(&e)) told.push_back(*s);
            if (!std::holds_alternative<measure>(e)) continue;
            // It answers pings but for twenty seconds, and every ping comes ten seconds after the last.
            bool const is_stalled = r.now - stalled_at > 100s && r.now - stalled_at < 120s;
            if (!is_stalled) r.machine.handle(heard{who(1), r.now - 9s, 20ms}, r.now, r.out);
        }
        REQUIRE(r.machine.is_connected(who(1)));
    }
    CHECK(told == std::vector{suspected{who(1), "", true}, suspected{who(1), "", false}});
    CHECK(r.machine.status_of(who(1)).round_trip == 20ms);
}

TEST_CASE("a machine that has slept does not take its peers for dead") {
    rig r{options{}};
    r.know(1);
    r.up(1);
    (void)r.take();
    r.now += 8h;
    r.machine.wake(r.now, r.out);
    CHECK(r.machine.is_connected(who(1)));
    CHECK(r.take_only<suspected>().empty());
}

TEST_CASE("nobody is heard in the future, and old news of a peer is no news") {
    rig r{options{}};
    r.know(1);
    r.up(1);
    r.machine.handle(heard{who(1), r.now + 1h}, r.now, r.out);
    CHECK(r.machine.status_of(who(1)).last_seen == r.now);
    r.machine.handle(heard{who(1), r.now - 1h}, r.now, r.out);
    CHECK(r.machine.status_of(who(1)).last_seen == r.now);
    r.machine.handle(heard{who(2), r.now}, r.now, r.out);  // nobody that we know
    CHECK(r.machine.status_of(who(2)) == peer_status{});
}

TEST_CASE("who misbehaves is cut off, then banned for a while, and that ends by itself") {
    rig r;
    r.know(1);
    r.up(1);
    (void)r.take();
    r.machine.penalise(who(1), 1, r.now, r.out);
    CHECK(r.take().empty());  // a slip is none
    std::size_t slips = 1;
    while (r.machine.is_connected(who(1)) && slips < 1'000'000) {
        r.machine.penalise(who(1), 1, r.now, r.out);
        ++slips;
    }
    auto const told = r.take();
    REQUIRE(told.size() == 2);
    CHECK(told[0] == effect{hang_up{who(1)}});
    CHECK(std::get<disconnected>(told[1]).why == errc::banned);
    r.machine.penalise(who(1), 1'000'000, r.now, r.out);
    // It neither gets in nor is it dialled.
    r.up(1);
    CHECK(r.take() == std::vector<effect>{hang_up{who(1)}});
    CHECK_FALSE(r.machine.is_connected(who(1)));
    (void)r.connect({who(1)});
    CHECK(r.take_only<request_ended>().at(0).outcomes.at(0).why == errc::banned);
    CHECK(r.machine.keep(who(1), r.now, r.out));
    CHECK(r.take_only<dial>().empty());
    for (int i = 0; i < 10'000 && !r.machine.is_connected(who(1)); ++i) {
        r.next();
        if (!r.take_only<dial>().empty()) r.up(1);
    }
    CHECK(r.machine.is_connected(who(1)));
    CHECK(r.machine.stats().dialling == 0);
}

}  // namespace keep_tests
