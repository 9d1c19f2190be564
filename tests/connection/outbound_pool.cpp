// SPDX-License-Identifier: MIT

#include <muster/connection/outbound_pool.hpp>

#include <algorithm>
#include <map>
#include <set>

#include <muster/core/machine.hpp>

#include <support/catch.hpp>

#include "strangers.hpp"

namespace outbound_pool_tests {

using namespace muster;
using namespace muster::connection;
using namespace muster::test;
using namespace std::chrono_literals;

namespace {

[[nodiscard]] link_down gone(peer::peer_id const& who) { return {who, error{errc::ended, "gone"}}; }

static_assert(machine<outbound_pool>);

/// A pool, and a world in which peers with even numbers can be reached.
struct bench {
    explicit bench(outbound_options const& o = {}, kept_book kept = {address_book{book_secret(1)}, {}})
        : it{stranger(1'000'000), std::move(kept), o, 7} {
        it.start(start, now);
    }
    void learn(std::size_t i, std::size_t group) {
        (void)it.learn(stranger(i), std::array{address(group, i)}, text("source ", i), now);
    }
    /// Answers every dial at once, until @p until; those of @p dead never.
    void run(duration span, std::set<std::size_t> const& dead = {}) {
        for (auto const end = now + span;;) {
            effect_list<outbound_pool::effect> out;
            it.wake(now, out);
            while (!out.empty()) {
                for (auto const& e : out.take()) on(e, dead, out);
            }
            auto const next = it.next_deadline();
            if (!next || *next > end) return void(now = end);
            now = std::max(now, *next);
        }
    }
    void on(outbound_pool::effect const& e, std::set<std::size_t> const& dead,
            effect_list<outbound_pool::effect>& out) {
        if (auto const* const s = std::get_if<outbound_pool::seek>(&e)) {
            dials.push_back({s->peer, now});
            for (auto const i : dead) {
                if (s->peer == stranger(i))
                    return it.handle(dial_failed{s->peer, error{errc::unreachable, "refused"}}, now, out);
            }
            return it.handle(link_up{s->peer, s->addresses.front()}, now, out);
        }
        if (auto const* const l = std::get_if<outbound_pool::let_go>(&e)) {
            tested.push_back(l->peer);
            return it.handle(gone(l->peer), now, out);
        }
        ++saves;
    }
    void tell(outbound_pool::event const& e, std::set<std::size_t> const& dead = {}) {
        effect_list<outbound_pool::effect> out;
        it.handle(e, now, out);
        while (!out.empty()) {
            for (auto const& x : out.take()) on(x, dead, out);
        }
    }

    instant now{};
    outbound_pool it;
    std::vector<std::pair<peer::peer_id, instant>> dials;
    std::vector<peer::peer_id> tested;
    std::size_t saves = 0;
};

}  // namespace

TEST_CASE("places are filled from the book, each in a group of its own, and filled again") {
    bench b;
    for (std::size_t i = 0; i < 40; ++i) b.learn(i, i / 4);  // ten groups of four
    b.run(1s);
    REQUIRE(b.it.chosen().size() == 8);
    std::set<std::string> groups;
    for (auto const& who : b.it.chosen()) groups.insert(group_of(b.it.book().find(who)->addresses.front()));
    CHECK(groups.size() == 8);
    auto const lost = b.it.chosen()[3];
    b.tell(gone(lost));
    b.run(1s);
    CHECK(b.it.chosen().size() == 8);
    CHECK(b.it.stats().chosen == 8);
}

TEST_CASE("where all are in one group, places are filled all the same") {
    bench b;
    for (std::size_t i = 0; i < 5; ++i) b.learn(i, 1);
    b.run(1s);
    CHECK(b.it.chosen().size() == 5);
}

TEST_CASE("an empty book waits until somebody tells of a peer") {
    bench b;
    b.run(100s);
    CHECK(b.dials.empty());
    b.learn(1, 1);
    b.run(1ms);
    CHECK(b.it.chosen() == std::vector{stranger(1)});
}

TEST_CASE("who came by itself takes no place of our choice") {
    bench b;
    b.learn(1, 1);
    b.tell(link_up{stranger(1), address(1, 1)});
    b.run(1s);
    CHECK(b.dials.empty());
    CHECK(b.it.chosen().empty());
    CHECK_FALSE(b.it.book().find(stranger(1))->is_tried);
    b.tell(gone(stranger(1)));
    b.run(60s);
    CHECK(b.it.chosen() == std::vector{stranger(1)});
}

TEST_CASE("a restart begins with whom it was connected to") {
    bench b;
    for (std::size_t i = 0; i < 400; ++i) b.learn(i, i);
    b.run(1s);
    auto const kept = b.it.kept();
    REQUIRE(kept.anchors.size() == 4);
    bench again{{}, kept};
    again.run(1ms);
    REQUIRE(again.dials.size() >= 4);
    for (std::size_t i = 0; i < 4; ++i) CHECK(again.dials[i].first == kept.anchors[i]);
    // A run that ends before anybody was reached keeps the anchors it began with.
    bench short_run{{}, kept};
    CHECK(short_run.it.kept().anchors == kept.anchors);
}

TEST_CASE("many lies about one address cost it one dial in ten minutes") {
    outbound_options o;
    bench b{o};
    b.learn(500, 77);  // somebody who is there, so that failures count
    b.run(1s);
    for (std::size_t i = 0; i < 200; ++i) {
        // Each says that it lives at the victim, in first place or behind an address of its own.
        std::vector<peer::multiaddr> said{address(5, 1)};
        if (i % 2 == 1) said.insert(said.begin(), address(100 + i, i));
        (void)b.it.learn(stranger(i), said, text("source ", i), b.now);
    }
    std::vector<instant> victim;
    auto const began = b.now;
    for (int minute = 0; minute < 60; ++minute) {
        for (int step = 0; step < 12; ++step) {
            effect_list<outbound_pool::effect> out;
            b.it.wake(b.now, out);
            while (!out.empty()) {
                for (auto const& e : out.take()) {
                    auto const* const s = std::get_if<outbound_pool::seek>(&e);
                    if (s == nullptr) continue;
                    auto const hits = std::count(s->addresses.begin(), s->addresses.end(), address(5, 1));
                    if (hits != 0) victim.push_back(b.now);
                    b.it.handle(dial_failed{s->peer, error{errc::unreachable, "refused"}}, b.now, out);
                }
            }
            b.now += 5s;
        }
    }
    REQUIRE(victim.size() >= 2);
    for (std::size_t i = 1; i < victim.size(); ++i) CHECK(victim[i] - victim[i - 1] >= 10min);
    CHECK(b.now - began == 1h);
}

TEST_CASE("one seek dials a machine at one port, and a success elsewhere does not lift its rest") {
    bench b;
    auto const port = [](unsigned n) { return peer::multiaddr::from_text(text("/ip4/5.5.5.5/tcp/", n)).value(); };
    auto const mapped = peer::multiaddr::from_text("/ip6/::ffff:5.5.5.5/tcp/9").value();
    CHECK(b.it.learn(stranger(1), std::array{port(1), port(2), mapped, address(1, 1)}, "s", b.now));
    effect_list<outbound_pool::effect> out;
    b.it.wake(b.now, out);
    auto const first = std::get<outbound_pool::seek>(out.take().at(0));
    CHECK(first.addresses == std::vector{port(1), address(1, 1)});
    // It is found at its own address, hangs up, and is dialled again: there alone.
    b.it.handle(link_up{stranger(1), address(1, 1)}, b.now, out);
    b.it.handle(gone(stranger(1)), b.now, out);
    (void)out.take();
    b.now += 40s;
    b.it.wake(b.now, out);
    std::vector<peer::multiaddr> again;
    for (auto const& e : out.take()) {
        if (auto const* const s = std::get_if<outbound_pool::seek>(&e)) again = s->addresses;
    }
    CHECK(again == std::vector{address(1, 1)});
}

TEST_CASE("a group is where a dial has found a peer, not where it is said to be") {
    bench b;
    std::map<peer::peer_id, std::size_t> of;
    for (std::size_t i = 0; i < 60; ++i) {  // all in one network, each with a claim in another one
        of[stranger(i)] = i;
        CHECK(b.it.learn(stranger(i), std::array{address(100 + i, 9), address(7, i)}, text("s", i), b.now));
    }
    for (std::size_t i = 60; i < 80; ++i) b.learn(i, 400 + i);
    std::size_t from_one_network = 0;
    for (auto const end = b.now + 10min; b.now < end; b.now += 5s) {
        effect_list<outbound_pool::effect> out;
        b.it.wake(b.now, out);
        while (!out.empty()) {
            for (auto const& e : out.take()) {
                if (auto const* const l = std::get_if<outbound_pool::let_go>(&e))
                    b.it.handle(gone(l->peer), b.now, out);
                auto const* const s = std::get_if<outbound_pool::seek>(&e);
                if (s != nullptr) b.it.handle(link_up{s->peer, s->addresses.back()}, b.now, out);
            }
        }
    }
    for (auto const& who : b.it.chosen()) from_one_network += of.count(who);
    CHECK(b.it.chosen().size() == 8);
    CHECK(from_one_network <= 1);
}

TEST_CASE("who calls while it is dialled has not been found") {
    bench b;
    b.learn(1, 1);
    effect_list<outbound_pool::effect> out;
    b.it.wake(b.now, out);
    REQUIRE(out.take().size() == 1);
    b.it.handle(link_up{stranger(1), address(2, 2)}, b.now, out);
    CHECK(b.it.chosen().empty());
    CHECK(b.it.stats().sought == 0);
    CHECK_FALSE(b.it.book().find(stranger(1))->is_tried);
}

TEST_CASE("failures count while a connection of our choice is up, and where there was a dial") {
    bench b;
    b.learn(1, 1);
    b.run(1s);
    for (std::size_t i = 2; i < 4; ++i) b.learn(i, i);
    effect_list<outbound_pool::effect> out;
    b.it.wake(b.now, out);
    REQUIRE(out.take().size() == 2);
    b.it.handle(dial_failed{stranger(2), error{errc::unreachable, "refused"}}, b.now, out);
    b.it.handle(dial_failed{stranger(3), error{errc::not_found, "nobody knows"}}, b.now, out);
    CHECK(b.it.book().find(stranger(2))->failures == 1);
    CHECK(b.it.book().find(stranger(3))->failures == 0);
    CHECK(b.it.book().find(stranger(2))->tried_at == start + 1s);
}

TEST_CASE("addresses of private networks are taken from the user, or where that is wanted") {
    auto const home = peer::multiaddr::from_text("/ip4/192.168.1.9/tcp/4001").value();
    bench b;
    CHECK_FALSE(b.it.learn(stranger(1), std::array{home}, "a stranger", b.now));
    CHECK(b.it.learn(stranger(1), std::array{home}, "", b.now));
    outbound_options o;
    o.takes_private = true;
    bench at_home{o};
    CHECK(at_home.it.learn(stranger(1), std::array{home}, "a stranger", at_home.now));
}

TEST_CASE("a wall clock that is wrong for a while makes nobody forgotten, and who is connected never is") {
    bench b;
    for (std::size_t i = 0; i < 9; ++i) b.learn(i, i);
    b.run(1s);
    b.it.set_calendar(start + 24h * 400, b.now);
    b.run(2h);
    b.it.set_calendar(start + 2h, b.now);
    CHECK(b.it.stats().known == 9);
    b.run(24h * 60);
    for (auto const& who : b.it.chosen()) CHECK(b.it.book().find(who) != nullptr);
}

TEST_CASE("where a peer was found once, it is looked for again soon; offline, nothing is held against anybody") {
    outbound_options o;
    o.places = 1;
    bench b{o};
    b.learn(1, 1);
    b.run(1s);
    REQUIRE(b.it.chosen().size() == 1);
    b.dials.clear();
    b.tell(gone(stranger(1)), {1});
    b.run(5min, {1});
    CHECK(b.dials.size() >= 5);
    CHECK(b.it.book().find(stranger(1))->failures == 0);  // nobody else could be reached either
    b.run(60s);
    CHECK(b.it.chosen().size() == 1);
}

TEST_CASE("names are taken from the user alone, and nobody dials himself") {
    bench b;
    auto const name = peer::multiaddr::from_text("/dns4/victim.example/tcp/443").value();
    CHECK_FALSE(b.it.learn(stranger(1), std::array{name}, "a stranger", b.now));
    CHECK(b.it.learn(stranger(2), std::array{name, address(2, 2)}, "a stranger", b.now));
    CHECK(b.it.book().find(stranger(2))->addresses == std::vector{address(2, 2)});
    CHECK(b.it.learn(stranger(3), std::array{name}, "", b.now));
    CHECK_FALSE(b.it.learn(stranger(1'000'000), std::array{address(1, 1)}, "", b.now));
    kept_book with_self{address_book{book_secret(1)}, {stranger(1'000'000)}};
    REQUIRE(with_self.book.add(stranger(1'000'000), std::array{address(1, 1)}, "", start));
    bench again{{}, std::move(with_self)};
    again.run(10min);
    CHECK(again.dials.empty());
}

TEST_CASE("draws come in a burst, then at a steady rate") {
    bench b;
    std::set<std::size_t> all;
    for (std::size_t i = 0; i < 300; ++i) {
        b.learn(i, i);
        all.insert(i);
    }
    b.run(100s, all);
    CHECK(b.dials.size() >= 16 + 15);
    CHECK(b.dials.size() <= 16 + 21);
}

TEST_CASE("now and then somebody is tested, and let go") {
    bench b;
    for (std::size_t i = 0; i < 40; ++i) b.learn(i, i);
    b.run(1s);
    REQUIRE(b.it.chosen().size() == 8);
    b.run(10min);
    CHECK(b.tested.size() == 5);
    std::size_t met = 0;
    for (auto const& [who, e] : b.it.book().entries()) met += e.is_tried ? 1u : 0u;
    CHECK(met == 13);
    CHECK(b.it.chosen().size() == 8);
}

TEST_CASE("changes are kept half a minute later, once, and again when that failed") {
    bench b;
    b.run(10s);
    CHECK(b.saves == 0);
    b.learn(1, 1);
    b.run(29s);
    CHECK(b.saves == 0);
    b.run(2s);
    CHECK(b.saves == 1);
    b.run(10min);
    CHECK(b.saves == 1);
    b.tell(outbound_pool::save_failed{});
    b.run(31s);
    CHECK(b.saves == 2);
}

TEST_CASE("peers unseen for thirty days are forgotten") {
    outbound_options o;  // who looks seldom has its month simulated soon
    o.draw_interval = o.rest = o.look_again = o.test_interval = 1h;
    bench b{o};
    std::set<std::size_t> dead;
    for (std::size_t i = 0; i < 5; ++i) b.learn(i, i), dead.insert(i);
    b.run(24h * 29, dead);
    CHECK(b.it.stats().known == 5);
    b.run(25h, dead);
    CHECK(b.it.stats().known == 0);
}

}  // namespace outbound_pool_tests
