// SPDX-License-Identifier: MIT

#include "rig.hpp"

namespace manager_tests {

TEST_CASE("task 3.1, connect to a peer by its id: it is dialled, and one result comes") {
    rig r;
    r.know(1, "alice");
    auto const t = r.connect({who(1)});
    CHECK(r.take() == std::vector<effect>{connecting{who(1), "alice"}, dial{who(1), {at(1)[0]}}});
    CHECK(r.machine.next_deadline() == r.now + 5s);
    r.up(1);
    CHECK(r.take() == std::vector<effect>{connected{who(1), "alice", kind::direct},
                                          request_ended{t, {{who(1), kind::direct, std::nullopt}}}});
    CHECK_FALSE(r.machine.next_deadline());
    CHECK(r.machine.connected_count() == 1);
    CHECK(r.machine.connected_peers() == std::vector{who(1)});
    auto const again = r.connect({who(1)});  // there already: nothing is dialled
    CHECK(r.take() == std::vector<effect>{request_ended{again, {{who(1), kind::direct, std::nullopt}}}});
}

TEST_CASE("task 3.1, a peer that nobody has told of is not found, and its kind is none") {
    rig r;
    (void)r.connect({who(7)});
    auto const ended = r.take_only<request_ended>();
    REQUIRE(ended.size() == 1);
    REQUIRE(ended[0].outcomes.size() == 1);
    CHECK(ended[0].outcomes[0].kind == kind::none);
    CHECK(*ended[0].outcomes[0].why == errc::not_found);
    CHECK(r.machine.status_of(who(7)) == peer_status{});
}

TEST_CASE("what a stranger says of where a peer is counts until somebody else has said it, and not afterwards") {
    rig r;
    r.machine.hear_of(who(1), at(5), r.now);
    CHECK(r.machine.addresses_of(who(1)) == std::vector{at(5)[0]});
    r.machine.hear_of(who(1), at(6), r.now);
    CHECK(r.machine.addresses_of(who(1)) == std::vector{at(6)[0]});
    r.know(1, "alice");
    CHECK(r.machine.addresses_of(who(1)) == std::vector{at(1)[0]});
    r.machine.hear_of(who(1), at(7), r.now);
    CHECK(r.machine.addresses_of(who(1)) == std::vector{at(1)[0]});
    r.know(1, "alice");
    CHECK(r.machine.addresses_of(who(2)).empty());
}

TEST_CASE("task 3.1, several at a time: one result for each, in the order asked, and a slow one holds up nobody") {
    rig r;
    std::vector<peer::peer_id> whom;
    for (std::size_t i = 1; i <= 8; ++i) {
        r.know(i);
        whom.push_back(who(i));
    }
    whom.push_back(who(9));  // unknown
    whom.push_back(who(1));  // once more
    auto const t = r.connect(whom);
    CHECK(r.take_only<dial>().size() == 4);
    CHECK(r.machine.stats().dialling == 4);
    for (std::size_t i = 2; i <= 7; ++i) {  // the first one never answers
        r.up(i);
        auto const dials = r.take_only<dial>();
        CHECK(dials.size() == (i <= 5 ? 1u : 0u));
    }
    r.up(8);
    CHECK(r.take_only<request_ended>().empty());
    for (int attempt = 0; attempt < 3; ++attempt) {
        r.next();  // no answer in time
        auto const hung = r.take_only<hang_up>();
        CHECK(hung == std::vector{hang_up{who(1)}});
        if (attempt < 2) r.next();  // the wait is over: dialled again
        if (attempt < 2) CHECK(r.take_only<dial>().size() == 1);
    }
    CHECK(r.machine.stats().requests == 0);
    (void)t;
}

TEST_CASE("task 3.1, three attempts, with waits between that grow and differ, and then the reason") {
    for (std::uint64_t seed = 1; seed < 20; ++seed) {
        rig r;
        r.machine = manager{who(0), rig::unwatched(), seed};
        r.know(1, "alice");
        auto const t = r.connect({who(1)});
        std::vector<duration> waits;
        for (int attempt = 0; attempt < 3; ++attempt) {
            CHECK(r.take_only<dial>().size() == 1);
            auto const failed_at = r.now;
            r.fail(1);
            if (attempt == 2) break;
            CHECK(r.machine.status_of(who(1)).status == status::connecting);
            r.next();
            waits.push_back(r.now - failed_at);
        }
        CHECK((waits[0] >= 1s && waits[0] <= 3s && waits[1] >= 1s && waits[1] <= 3 * waits[0]));
        auto const last = r.take();
        REQUIRE(last.size() == 2);
        auto const& failed = std::get<connect_failed>(last[0]);
        CHECK(failed.nickname == "alice");
        CHECK(failed.why == errc::unreachable);
        CHECK(failed.why.message().find("3 attempts") == 0);
        CHECK(std::get<request_ended>(last[1]).ticket == t);
        CHECK(r.machine.status_of(who(1)).status == status::failed);
        CHECK_FALSE(r.machine.next_deadline());
    }
}

TEST_CASE("task 3.1, whatever happens it is over after 45 s") {
    auto o = rig::unwatched();
    o.attempts_max = 1000;
    rig r{o};
    r.know(1);
    (void)r.connect({who(1)});
    auto const begun = r.now;
    while (r.machine.next_deadline()) r.next();
    CHECK(r.now - begun <= 45s);
    CHECK(r.now - begun >= 35s);
    CHECK(r.take_only<request_ended>().size() == 1);
}

TEST_CASE("task 3.2, the status of each peer, at any time, and the network's word counts") {
    rig r;
    r.know(1);
    CHECK(r.machine.status_of(who(1)) == peer_status{});
    (void)r.connect({who(1)});
    auto s = r.machine.status_of(who(1));
    CHECK(s.status == status::connecting);
    CHECK(s.last_attempt == r.now);
    r.up(1);
    s = r.machine.status_of(who(1));
    CHECK(s.status == status::connected);
    CHECK(s.kind == kind::direct);
    CHECK(s.last_seen == r.now);
    r.now += 10s;
    (void)r.take();
    r.down(1);
    CHECK(r.take() == std::vector<effect>{disconnected{who(1), "", rig::gone()}});
    s = r.machine.status_of(who(1));
    CHECK(s.status == status::disconnected);
    CHECK(s.kind == kind::none);
    CHECK(s.last_seen == r.now);
    // Whoever connects to us is connected as well, whether or not we have heard of it.
    r.up(5);
    CHECK(r.machine.is_connected(who(5)));
    r.down(6);
    CHECK_FALSE(r.machine.is_connected(who(6)));
}

TEST_CASE("task 3.3, before a session: the own id is left out, who is connected is not dialled") {
    rig r;
    r.know(1);
    r.know(2);
    r.up(1);
    (void)r.take();
    auto const t = r.connect({who(0), who(1), who(2)});
    auto const dials = r.take_only<dial>();
    REQUIRE(dials.size() == 1);
    CHECK(dials[0].peer == who(2));
    r.up(2);
    auto const ended = r.take_only<request_ended>();
    REQUIRE(ended.size() == 1);
    CHECK(ended[0].ticket == t);
    REQUIRE(ended[0].outcomes.size() == 2);
    CHECK(ended[0].outcomes[0].peer == who(1));
    CHECK_FALSE(ended[0].outcomes[1].why);
    (void)r.connect({who(0)});
    CHECK(r.take_only<request_ended>()[0].outcomes.empty());
}

TEST_CASE("two requests for one peer: it is dialled once, and both hear") {
    rig r;
    r.know(1);
    auto const a = r.connect({who(1)});
    auto const b = r.connect({who(1)});
    CHECK(r.take_only<dial>().size() == 1);
    r.up(1);
    auto const ended = r.take_only<request_ended>();
    REQUIRE(ended.size() == 2);
    CHECK((ended[0].ticket == a && ended[1].ticket == b));
}

TEST_CASE("cancelled at any step: nothing more is told of it, and its place is free") {
    auto o = rig::unwatched();
    o.dials_max = 1;
    for (int step = 0; step < 4; ++step) {
        INFO(step);
        rig r{o};
        r.know(1);
        r.know(2);
        auto const first = r.connect({who(1)});
        auto const second = r.connect({who(2)});  // in the queue
        (void)r.take();
        if (step == 1) r.fail(1);  // it waits
        if (step == 2) {
            r.fail(1);
            r.up(2);
            r.next();  // dialled again
        }
        if (step == 3) r.up(1);
        (void)r.take();
        r.machine.cancel(first, r.now, r.out);
        auto const after = r.take();
        if (step == 0) CHECK(after == std::vector<effect>{hang_up{who(1)}, dial{who(2), {at(2)[0]}}});
        if (step == 1) CHECK(after.empty());
        if (step == 2) CHECK(after == std::vector<effect>{hang_up{who(1)}});
        r.fail(1);  // late news
        CHECK(r.take_only<request_ended>().empty());
        if (step != 2) r.up(2);
        for (auto const& e : r.take_only<request_ended>()) CHECK(e.ticket == second);
        CHECK(r.machine.stats().dialling == 0);
        CHECK(r.machine.stats().requests == 0);
        CHECK_FALSE(r.machine.next_deadline());
        r.machine.cancel(first, r.now, r.out);
        CHECK(r.take().empty());
    }
}

TEST_CASE("who is cancelled in the queue leaves it, and comes in again behind the others") {
    auto o = rig::unwatched();
    o.dials_max = 1;
    rig r{o};
    for (std::size_t i = 1; i <= 3; ++i) r.know(i);
    (void)r.connect({who(1)});
    auto const second = r.connect({who(2)});
    (void)r.connect({who(3)});
    r.machine.cancel(second, r.now, r.out);
    (void)r.connect({who(2)});
    (void)r.take();
    r.up(1);
    CHECK(r.take_only<dial>() == std::vector{dial{who(3), {at(3)[0]}}});
    r.up(3);
    CHECK(r.take_only<dial>() == std::vector{dial{who(2), {at(2)[0]}}});
}

TEST_CASE("so many peers are remembered; who is connected or asked for stays") {
    auto o = rig::unwatched();
    o.peers_max = 3;
    rig r{o};
    r.know(1);
    r.up(1);
    r.know(2);
    (void)r.connect({who(2)});
    r.now += 1s;
    r.know(3);
    r.now += 1s;
    r.know(4);  // in the place of 3
    CHECK(r.machine.stats().known == 3);
    (void)r.take();
    (void)r.connect({who(3)});
    CHECK(*r.take_only<request_ended>()[0].outcomes[0].why == errc::not_found);
    CHECK(r.machine.is_connected(who(1)));
    r.up(2);
    (void)r.connect({who(4)});
    (void)r.take();
    r.know(5);  // all are in use: there is no place
    CHECK(r.machine.stats().known == 3);
}

TEST_CASE("what is told of one peer is bounded: addresses, and its nickname") {
    rig r;
    std::vector<peer::multiaddr> many;
    for (std::size_t i = 1; i < 40; ++i) many.push_back(at(i)[0]);
    r.machine.learn(who(1), many, r.now, std::string(100'000, 'n'));
    (void)r.connect({who(1)});
    auto const told = r.take();
    REQUIRE(told.size() == 2);
    CHECK(std::get<connecting>(told[0]).nickname == std::string(options{}.nickname_size_max, 'n'));
    CHECK(std::get<dial>(told[1]).addresses.size() == options{}.addresses_max);
}

TEST_CASE("wanted peers are dialled like those of requests, however many there are, and take none of their places") {
    rig r;
    for (std::size_t i = 1; i <= 100; ++i) r.know(i);
    for (int twice = 0; twice < 2; ++twice) {
        for (std::size_t i = 1; i <= 100; ++i) REQUIRE(r.machine.want(who(i), r.now, r.out));
    }
    CHECK(r.machine.stats().requests == 0);
    std::size_t dials = 0;
    for (std::size_t i = 1; i <= 100; ++i) {
        dials += r.take_only<dial>().size();
        i % 10 == 0 ? r.fail(i) : r.up(i);
    }
    CHECK(dials == 100);
    CHECK(r.machine.connected_count() == 90);
    std::size_t failed = 0;
    for (int more = 0; more < 1000 && r.machine.next_deadline(); ++more) {
        r.next();
        failed += r.take_only<connect_failed>().size();
    }
    CHECK(failed == 10);
    CHECK(r.machine.stats().waiting + r.machine.stats().dialling == 0);
    CHECK(r.machine.want(who(101), r.now, r.out).error() == errc::not_found);
    // One that is wanted and asked for is dialled on when the request is cancelled.
    REQUIRE(r.machine.want(who(10), r.now, r.out));
    auto const t = r.connect({who(10)});
    (void)r.take();
    r.machine.cancel(t, r.now, r.out);
    CHECK(r.take_only<hang_up>().empty());
    r.up(10);
    CHECK(r.take_only<request_ended>().empty());
}

TEST_CASE("requests are bounded") {
    auto o = rig::unwatched();
    o.requests_max = 2;
    rig r{o};
    r.know(1);
    (void)r.connect({who(1)});
    (void)r.connect({who(1)});
    CHECK(r.machine.connect(std::array{who(1)}, r.now, r.out).error() == errc::full);
    r.up(1);
    CHECK(r.machine.connect(std::array{who(1)}, r.now, r.out));
}

TEST_CASE("an early, late or repeated wake-up is harmless") {
    rig r;
    r.know(1);
    (void)r.connect({who(1)});
    (void)r.take();
    r.machine.wake(r.now, r.out);
    r.machine.wake(r.now + 4999ms, r.out);
    CHECK(r.take().empty());
    r.now += 1h;
    r.machine.wake(r.now, r.out);
    r.machine.wake(r.now, r.out);
    CHECK(r.take_only<hang_up>().size() == 1);
}

TEST_CASE("random networks: every request ends once, and the count of dials is kept") {
    for (std::uint64_t seed = 0; seed < 50; ++seed) {
        splitmix64 draw{seed};
        rig r;
        std::set<std::size_t> dialled;
        std::set<ticket> open;
        for (std::size_t i = 1; i < 12; ++i) r.know(i);
        for (int step = 0; step < 600; ++step) {
            auto const i = 1 + uniform(draw, 12);
            switch (uniform(draw, 10)) {
                case 0: {
                    auto const t = r.machine.connect(std::vector{who(i), who(1 + uniform(draw, 12))}, r.now, r.out);
                    if (t) open.insert(t.value());
                    break;
                }
                case 1: r.up(i); break;
                case 2: r.down(i); break;
                case 3: r.fail(i); break;
                case 5: (void)r.machine.keep(who(i), r.now, r.out); break;
                case 6: r.machine.release(who(i), r.now, r.out); break;
                case 7: r.machine.disconnect(who(i), r.now, r.out); break;
                case 8: (void)r.machine.want(who(i), r.now, r.out); break;
                case 4:
                    if (!open.empty() && uniform(draw, 4) == 0) {
                        r.machine.cancel(*open.begin(), r.now, r.out);
                        open.erase(open.begin());
                    }
                    break;
                default: r.now += std::chrono::milliseconds{uniform(draw, 3000)}; r.machine.wake(r.now, r.out);
            }
            for (auto const& e : r.take_only<request_ended>()) {
                // It may end inside the call that begins it, before its number is known here.
                open.erase(e.ticket);
            }
            auto const s = r.machine.stats();
            REQUIRE(s.dialling <= options{}.dials_max);
            REQUIRE(s.connected == r.machine.connected_peers().size());
        }
        for (std::size_t i = 1; i <= 13; ++i) r.machine.release(who(i), r.now, r.out);
        for (int more = 0; more < 1000 && r.machine.next_deadline(); ++more) r.next();
        for (auto const& e : r.take_only<request_ended>()) open.erase(e.ticket);
        CHECK(r.machine.stats().requests == 0);
        CHECK(r.machine.stats().dialling == 0);
    }
}

TEST_CASE("who wants one attempt gets one, unless somebody else wants more") {
    rig r;
    r.know(1);
    std::array const one{who(1)};
    (void)r.machine.connect(one, r.now, r.out, 1).value();
    (void)r.take();
    r.fail(1);
    REQUIRE(r.take_only<request_ended>().size() == 1);
    CHECK_FALSE(r.machine.next_deadline());

    (void)r.machine.connect(one, r.now, r.out, 1).value();
    (void)r.connect({who(1)});
    r.fail(1);
    CHECK(r.take_only<request_ended>().empty());
    r.next();
    r.fail(1);
    r.next();
    r.fail(1);
    CHECK(r.take_only<request_ended>().size() == 2);
}

TEST_CASE("dismissed, a connection ends unless somebody wants it") {
    rig r;
    for (std::size_t i = 1; i <= 2; ++i) {
        r.know(i);
        r.up(i);
    }
    CHECK(r.machine.remote_of(who(1)) == at(1)[0]);
    r.machine.protect(who(2), "session", r.now);
    (void)r.take();
    for (std::size_t i = 1; i <= 3; ++i) r.machine.dismiss(who(i), r.now, r.out);
    CHECK(r.take_only<hang_up>() == std::vector{hang_up{who(1)}});
    CHECK_FALSE(r.machine.is_connected(who(1)));
    CHECK(r.machine.remote_of(who(1)).empty());
    CHECK(r.machine.is_connected(who(2)));
}

}  // namespace manager_tests
