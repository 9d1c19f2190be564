// SPDX-License-Identifier: MIT

#include <muster/discovery/agenda.hpp>

#include <set>

#include <support/catch.hpp>
#include <support/node_keys.hpp>

namespace agenda_tests {

using namespace muster;
using namespace std::chrono_literals;
using discovery::agenda;
using effects = std::vector<agenda::effect>;

namespace {

peer::peer_id id(std::size_t i) { return test::node_keys(i).node.id(); }

struct rig {
    explicit rig(std::uint64_t seed = 1) : it{{.remembered_max = 3}, seed} {}
    effects start() {
        it.start(now, out);
        return out.take();
    }
    effects tell(agenda::event const& e) {
        it.handle(e, now, out);
        return out.take();
    }
    /// What is wanted until @p span from now, with when.
    std::vector<std::pair<duration, agenda::effect>> pass(duration span) {
        std::vector<std::pair<duration, agenda::effect>> all;
        auto const began = now;
        while (it.next_deadline() && *it.next_deadline() <= began + span) {
            now = *it.next_deadline();
            it.wake(now, out);
            auto const wanted = out.take();
            REQUIRE_FALSE(wanted.empty());  // nothing wakes for nothing
            for (auto const& e : wanted) all.emplace_back(now - began, e);
        }
        now = began + span;
        return all;
    }
    template <class E>
    static std::size_t count(std::vector<std::pair<duration, agenda::effect>> const& all) {
        return static_cast<std::size_t>(
            std::count_if(all.begin(), all.end(), [](auto const& e) { return std::holds_alternative<E>(e.second); }));
    }
    instant now{};
    agenda it;
    effect_list<agenda::effect> out;
};

}  // namespace

TEST_CASE("nothing is wanted before it begins, and afterwards what is said") {
    rig r;
    CHECK_FALSE(r.it.next_deadline());
    CHECK(r.tell(agenda::peer_connected{id(1)}).empty());
    CHECK(r.start() == effects{agenda::dial_known{5}, agenda::ask_peer{id(1)}});
    CHECK(r.tell(agenda::peer_connected{id(2)}) == effects{agenda::ask_peer{id(2)}});
    CHECK(r.it.stats().peers == 2);
}

TEST_CASE("what has expired is removed each minute, and each two minutes it looks around") {
    rig r;
    (void)r.start();
    auto const all = r.pass(10min);
    CHECK(rig::count<agenda::remove_expired>(all) == 10);
    CHECK(rig::count<agenda::dial_known>(all) == 5);
    CHECK(rig::count<agenda::ask_peer>(all) == 0);  // nobody is there
}

TEST_CASE("a peer is asked when it comes, and again after two minutes at the earliest, however often it comes") {
    rig r;
    (void)r.start();
    CHECK(r.tell(agenda::peer_connected{id(1)}).size() == 1);
    CHECK(r.tell(agenda::peer_connected{id(1)}).empty());
    (void)r.pass(119s);
    auto const all = r.pass(10min);
    auto const asked = rig::count<agenda::ask_peer>(all);
    CHECK(asked == 5);
    (void)r.tell(agenda::peer_disconnected{id(1)});
    CHECK(r.it.stats().peers == 0);
    CHECK(r.tell(agenda::peer_connected{id(1)}).empty());  // it comes and goes
    (void)r.tell(agenda::peer_disconnected{id(1)});
    CHECK(rig::count<agenda::ask_peer>(r.pass(10min)) == 0);
    CHECK(r.tell(agenda::peer_connected{id(1)}).size() == 1);
}

TEST_CASE("so many peers that left are remembered") {
    rig r;
    (void)r.start();
    for (std::size_t i = 0; i < 4; ++i) {
        (void)r.tell(agenda::peer_connected{id(i)});
        (void)r.tell(agenda::peer_disconnected{id(i)});
        CHECK(r.tell(agenda::peer_connected{id(i)}).size() == (i < 3 ? 0 : 1));
        (void)r.tell(agenda::peer_disconnected{id(i)});
    }
}

TEST_CASE("in a look around five are asked, and in time all") {
    rig r;
    (void)r.start();
    for (std::size_t i = 0; i < 20; ++i) (void)r.tell(agenda::peer_connected{id(i)});
    std::set<peer::peer_id> asked;
    for (auto const& [when, e] : r.pass(1h)) {
        if (auto const* const a = std::get_if<agenda::ask_peer>(&e)) asked.insert(a->peer);
    }
    CHECK(asked.size() == 20);
    CHECK(rig::count<agenda::ask_peer>(r.pass(2min)) <= 5);
}

TEST_CASE("it advertises at once, then every twenty minutes, less up to a tenth, and nodes differ") {
    std::set<duration> seconds;
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
        rig r{seed};
        (void)r.start();
        r.it.begin_advertising(r.now, r.out);
        CHECK(r.out.take() == effects{agenda::advertise{}});
        std::vector<duration> when;
        for (auto const& [at, e] : r.pass(2h)) {
            if (std::holds_alternative<agenda::advertise>(e)) when.push_back(at);
        }
        REQUIRE(when.size() >= 6);
        for (std::size_t i = 1; i < when.size(); ++i) {
            CHECK(when[i] - when[i - 1] > 18min);
            CHECK(when[i] - when[i - 1] <= 20min);
        }
        seconds.insert(when[0]);
    }
    CHECK(seconds.size() == 5);
}

TEST_CASE("who could not publish tries again, ever later, up to a minute") {
    rig r;
    (void)r.start();
    r.it.begin_advertising(r.now, r.out);
    (void)r.out.take();
    duration longest{};
    for (int i = 0; i < 50; ++i) {
        CHECK(r.tell(agenda::publish_failed{}).empty());
        auto const before = r.now;
        for (;;) {
            r.now = *r.it.next_deadline();
            r.it.wake(r.now, r.out);
            auto const wanted = r.out.take();
            if (std::find(wanted.begin(), wanted.end(), agenda::effect{agenda::advertise{}}) != wanted.end()) break;
        }
        CHECK(r.now - before >= 1s);
        CHECK(r.now - before <= 60s);
        if (i == 0) CHECK(r.now - before <= 3s);
        longest = std::max(longest, r.now - before);
    }
    CHECK(longest > 30s);
    // One is published, and then one is not: that is a first failure again.
    (void)r.pass(21min);
    CHECK(r.tell(agenda::publish_failed{}).empty());
    bool is_again = false;
    for (auto const& [after, e] : r.pass(3s)) is_again = is_again || std::holds_alternative<agenda::advertise>(e);
    CHECK(is_again);
}

TEST_CASE("who has nobody to hear it says it again when somebody is there; who does not advertise says nothing") {
    rig r;
    (void)r.start();
    CHECK(r.tell(agenda::audience_gained{}).empty());
    CHECK(r.tell(agenda::publish_failed{}).empty());
    r.it.begin_advertising(r.now, r.out);
    (void)r.out.take();
    CHECK(r.tell(agenda::audience_gained{}) == effects{agenda::advertise{}});
    r.it.end_advertising();
    r.it.end_advertising();
    CHECK(r.tell(agenda::audience_gained{}).empty());
    CHECK(rig::count<agenda::advertise>(r.pass(1h)) == 0);
}

TEST_CASE("an audience that comes and goes each second is advertised to twice a minute") {
    rig r;
    (void)r.start();
    r.it.begin_advertising(r.now, r.out);
    (void)r.out.take();
    std::size_t said = 0;
    for (int second = 0; second < 600; ++second) {
        for (auto const& e : r.tell(agenda::audience_gained{}))
            said += std::holds_alternative<agenda::advertise>(e) ? 1u : 0u;
        said += rig::count<agenda::advertise>(r.pass(1s));
    }
    CHECK(said >= 20);
    CHECK(said <= 45);
}

TEST_CASE("a new look around asks everybody whom it draws, whenever they were asked; and who stops wants nothing") {
    rig r;
    (void)r.start();
    (void)r.tell(agenda::peer_connected{id(1)});
    r.it.rescan(r.now, r.out);
    CHECK(r.out.take() == effects{agenda::dial_known{5}, agenda::ask_peer{id(1)}});
    r.it.begin_advertising(r.now, r.out);
    (void)r.out.take();
    r.it.stop();
    CHECK_FALSE(r.it.next_deadline());
    CHECK(r.tell(agenda::audience_gained{}).empty());
    CHECK(r.tell(agenda::publish_failed{}).empty());
    CHECK_FALSE(r.it.next_deadline());
    CHECK(r.tell(agenda::peer_connected{id(2)}).empty());
}

TEST_CASE("woken early, twice or late it does what is due, once") {
    rig r;
    (void)r.start();
    r.it.wake(r.now, r.out);
    CHECK(r.out.take().empty());
    r.now += 1h;
    r.it.wake(r.now, r.out);
    CHECK(r.out.take() == effects{agenda::remove_expired{}, agenda::dial_known{5}});
    r.it.wake(r.now, r.out);
    CHECK(r.out.take().empty());
}

}  // namespace agenda_tests
