// SPDX-License-Identifier: MIT

// "The library emits events; the application controls timing": an application of its own, with a scheduler of its own,
// over coordinators that arm nothing. Each case is something such an application does.

#include <map>

#include <support/catch.hpp>
#include <support/cluster.hpp>

namespace manual_timing_tests {

using namespace muster;
using namespace muster::signing;
using std::chrono::minutes;
using std::chrono::seconds;

namespace {

using group_of_three = test::cluster<mesh, no_timers>;

/// What an application has and a coordinator has not: callbacks that come at a time, once or again and again.
class scheduler {
public:
    explicit scheduler(manual_clock& clock) : clock_{&clock} {}

    std::size_t set_timeout(std::function<void()> f, duration in) { return add(std::move(f), in, {}); }
    std::size_t set_interval(std::function<void()> f, duration every) { return add(std::move(f), every, every); }
    void clear(std::size_t id) { jobs_.erase(id); }
    [[nodiscard]] std::size_t pending() const { return jobs_.size(); }

    /// Lets @p time pass; what is due runs when it is.
    void run(duration time, transport::memory_network& wires) {
        auto const end = clock_->now() + time;
        for (;;) {
            auto const next = std::min_element(jobs_.begin(), jobs_.end(),
                                               [](auto const& a, auto const& b) { return a.second.at < b.second.at; });
            if (next == jobs_.end() || next->second.at > end) break;
            clock_->advance(std::max(next->second.at - clock_->now(), duration{0}));
            auto const due = next->second;
            if (due.every) {
                next->second.at += *due.every;
            } else {
                jobs_.erase(next);
            }
            due.what();
            wires.run();
        }
        clock_->advance(end - clock_->now());
    }

private:
    struct job {
        std::function<void()> what;
        instant at;
        std::optional<duration> every;
    };
    std::size_t add(std::function<void()> f, duration in, std::optional<duration> every) {
        jobs_[++last_] = {std::move(f), clock_->now() + in, every};
        return last_;
    }
    manual_clock* clock_;
    std::map<std::size_t, job> jobs_;
    std::size_t last_ = 0;
};

/// The application on one machine: reacts to events as they come.
struct application {
    group_of_three* group;
    std::size_t at;
    scheduler* time;
    bool broadcast_works = true;
    bool gives_up_at_once = false;                  // on a broadcast that fails, instead of waiting for the timeout
    std::optional<duration> failover_timeout = {};  // none: no failover
    std::vector<session_id> broadcasts = {};
    std::size_t seen = 0;

    [[nodiscard]] auto& signer() { return *group->nodes[at].signer; }

    /// Reacts to what has happened since.
    void react() {
        auto& events = group->nodes[at].events;
        while (seen < events.size()) {
            auto const e = events[seen++];
            if (auto const* const v = std::get_if<should_broadcast>(&e)) on_should_broadcast(v->session);
        }
    }
    void on_should_broadcast(session_id const& id) {
        std::optional<std::size_t> timeout;
        if (failover_timeout) {
            timeout =
                time->set_timeout([this, id] { (void)signer().trigger_coordinator_failover(id); }, *failover_timeout);
        }
        if (broadcast_works) {
            broadcasts.push_back(id);
            if (timeout) time->clear(*timeout);
            REQUIRE(signer().notify_broadcast_complete(id));
        } else if (gives_up_at_once) {
            if (timeout) time->clear(*timeout);
            REQUIRE(signer().trigger_coordinator_failover(id));
        }
    }
};

/// Three machines with their applications.
struct house {
    explicit house(limits l = {}) : group{3, l}, time{group.clock} {
        for (std::size_t i = 0; i < 3; ++i) apps.push_back({&group, i, &time});
    }
    /// Lets @p d pass; applications react to what happens meanwhile, a second at a time.
    void run(duration d) {
        for (auto const end = group.clock.now() + d; group.clock.now() < end;) {
            time.run(seconds{1}, group.wires);
            for (int settled = 0; settled < 3; ++settled) {
                for (auto& a : apps) a.react();
                group.wires.run();
            }
        }
    }
    session_id sign() {
        auto const id = group.nodes[0].signer->propose(group.request()).value();
        group.wires.run();
        return id;
    }
    [[nodiscard]] application& elected(session_id const& id, view_number view = 0) {
        auto const& s = *group.nodes[0].signer->find(id);
        auto const who = s.plan().roster[s.order()[view]].peer;
        for (auto& a : apps) {
            if (group.nodes[a.at].network->local() == who) return a;
        }
        throw std::runtime_error{"nobody is elected"};
    }

    group_of_three group;
    scheduler time;
    std::deque<application> apps;
};

}  // namespace

TEST_CASE("cleanup on demand, before an important operation or at shutdown") {
    house h;
    h.group.approves = [](std::size_t) { return false; };
    h.sign();
    h.run(minutes{11});
    auto& signer = *h.group.nodes[0].signer;
    CHECK(signer.open_session_count() == 1);  // nothing ends by itself
    CHECK(signer.cleanup_expired_sessions() == 1);
    CHECK(signer.open_session_count() == 0);
    CHECK(signer.cleanup_expired_sessions() == 1);  // now it is forgotten, too
    CHECK(signer.cleanup_expired_sessions() == 0);
    CHECK(signer.sessions().empty());
}

TEST_CASE("periodic cleanup by the application's own interval") {
    house h;
    h.group.approves = [](std::size_t) { return false; };
    auto const interval = h.time.set_interval(
        [&] {
            for (auto& n : h.group.nodes) (void)n.signer->cleanup_expired_sessions();
        },
        seconds{60});
    h.sign();
    h.run(seconds{59});
    CHECK(h.group.nodes[0].signer->open_session_count() == 1);
    h.run(minutes{11});
    for (auto& n : h.group.nodes) CHECK(n.signer->open_session_count() == 0);
    h.time.clear(interval);
    CHECK(h.time.pending() == 0);
}

TEST_CASE("cleanup when a session is created") {
    limits l;
    l.open_sessions_max = 1;
    l.open_sessions_reserved = 0;
    house h{l};
    h.group.approves = [](std::size_t) { return false; };
    h.sign();
    CHECK(h.group.nodes[0].signer->propose(h.group.request()).error() == errc::too_many_sessions);
    h.run(minutes{11});
    (void)h.group.nodes[0].signer->cleanup_expired_sessions();
    CHECK(h.group.nodes[0].signer->propose(h.group.request()));
}

TEST_CASE("sessions without progress for the stuck timeout are cleaned up, others are not") {
    limits l;
    l.stuck_session_timeout = minutes{10};
    l.round_timeout = std::chrono::hours{5};
    house h{l};
    h.group.approves = [](std::size_t i) { return i == 1; };
    auto r = h.group.request();
    r.valid_for = std::chrono::hours{5};
    REQUIRE(h.group.nodes[0].signer->propose(r));
    h.group.wires.run();
    h.run(minutes{9});
    CHECK(h.group.nodes[0].signer->cleanup_expired_sessions() == 0);
    h.run(minutes{2});
    CHECK(h.group.nodes[0].signer->cleanup_expired_sessions() == 1);
    CHECK(h.group.nodes[0].last<aborted>().reason == abort_reason::stuck);
}

TEST_CASE("a broadcast that works: its timeout is cleared, everyone knows, nothing fails over") {
    house h;
    for (auto& a : h.apps) a.failover_timeout = minutes{5};
    auto const id = h.sign();
    h.run(minutes{20});
    CHECK(h.elected(id).broadcasts == std::vector{id});
    CHECK(h.time.pending() == 0);
    for (auto& n : h.group.nodes) {
        CHECK(n.count<broadcast_confirmed>() == 1);
        CHECK(n.count<coordinator_failed>() == 0);
    }
}

TEST_CASE("a broadcast that fails is failed over when the application's timeout says so, not before") {
    house h;
    for (auto& a : h.apps) a.failover_timeout = minutes{5};
    auto const id = h.group.nodes[0].signer->propose(h.group.request()).value();
    h.group.wires.run();
    auto& first = h.elected(id, 0);
    auto& second = h.elected(id, 1);
    first.broadcast_works = false;
    h.run(minutes{4});
    CHECK(second.broadcasts.empty());
    h.run(minutes{2});
    CHECK(second.broadcasts == std::vector{id});
    for (auto& n : h.group.nodes) {
        auto const& s = *n.signer->find(id);
        CHECK(n.last<coordinator_failed>().old_coordinator == s.order()[0]);
        CHECK(n.last<coordinator_failed>().new_coordinator == s.order()[1]);
        CHECK(n.last<broadcast_confirmed>().by == s.order()[1]);
    }
    CHECK(h.time.pending() == 0);
}

TEST_CASE("a broadcast that fails is failed over at once when the application wants that") {
    house h;
    for (auto& a : h.apps) a.gives_up_at_once = true;
    auto const id = h.sign();
    h.elected(id, 0).broadcast_works = false;
    h.run(seconds{1});
    CHECK(h.elected(id, 1).broadcasts == std::vector{id});
}

TEST_CASE("when every signer fails the application hears of it, once, and nothing goes on by itself") {
    house h;
    for (auto& a : h.apps) {
        a.failover_timeout = minutes{5};
        a.broadcast_works = false;
    }
    auto const id = h.sign();
    h.run(minutes{60});
    for (auto& n : h.group.nodes) {
        CHECK(n.count<coordinator_failed>() == 2);
        CHECK(n.count<failover_exhausted>() == 1);
        CHECK(n.count<broadcast_confirmed>() == 0);
        CHECK(n.signer->trigger_coordinator_failover(id).error() == errc::failover_exhausted);
        CHECK(n.signer->find(id)->signatures().size() == 1);  // not lost: somebody can still broadcast it by hand
    }
}

TEST_CASE("a different timeout for each session") {
    house h;
    for (auto& a : h.apps) a.broadcast_works = false;
    auto const urgent = h.sign();
    for (auto& a : h.apps) {
        a.failover_timeout = seconds{30};
        a.react();
        a.failover_timeout = minutes{30};
    }
    auto const slow = h.sign();
    h.run(minutes{1});
    CHECK(h.group.nodes[0].signer->find(urgent)->view() == 1);
    CHECK(h.group.nodes[0].signer->find(slow)->view() == 0);
    h.run(minutes{31});
    CHECK(h.group.nodes[0].signer->find(slow)->view() == 1);
}

TEST_CASE("failover can be tested without waiting: trigger it, and it has happened") {
    house h;
    auto const id = h.sign();
    REQUIRE(h.elected(id).signer().trigger_coordinator_failover(id));
    CHECK(h.group.nodes[h.elected(id).at].count<coordinator_failed>() == 1);
}

TEST_CASE("shutdown: intervals are cleared, the coordinator is closed, and nothing follows") {
    house h;
    auto const interval =
        h.time.set_interval([&] { (void)h.group.nodes[0].signer->cleanup_expired_sessions(); }, seconds{60});
    h.sign();
    h.time.clear(interval);
    h.group.nodes[0].signer->close();
    auto const events = h.group.nodes[0].events.size();
    h.run(minutes{30});
    CHECK(h.group.nodes[0].events.size() == events);
}

// Identities that peers have shown are bounded, and who has left makes room: nothing piles up that an application would
// have to clean up every hour.
TEST_CASE("identities need no cleanup, by timer or by hand") {
    limits bounds;
    bounds.peers_max = 2;
    test::cluster<mesh, no_timers> group{5, bounds, false};
    auto& node = group.nodes[0];
    auto const meet = [&](std::size_t i) {
        REQUIRE(node.network->connect(group.members[i].peer, {}));
        group.wires.run();
        CHECK(node.signer->in_use().peers <= 2);
    };
    for (int round = 0; round < 3; ++round) {
        for (std::size_t i = 1; i < 5; ++i) {
            meet(i);
            node.network->disconnect(group.members[i].peer);
            group.wires.run();
        }
    }
    for (std::size_t i = 1; i < 5; ++i) {
        bool const is_told = std::any_of(node.events.begin(), node.events.end(), [&](event const& e) {
            auto const* const v = std::get_if<peer_identified>(&e);
            return v != nullptr && v->peer == group.members[i].peer && v->signer == group.members[i].signer;
        });
        CHECK(is_told);
    }
    CHECK(node.signer->cleanup_expired_sessions() == 0);
    CHECK(node.signer->in_use().peers == 2);
}

TEST_CASE("cleanup from inside the handler, as soon as a session turns up") {
    house h;
    h.group.approves = [&h](std::size_t i) {
        (void)h.group.nodes[i].signer->cleanup_expired_sessions();
        return true;
    };
    auto const id = h.sign();
    for (auto& n : h.group.nodes) CHECK(n.signer->find(id)->at() == phase::finished);
}

// An interval of a minute to clean up, a timeout of five for failover: the turn comes to the third signer after ten,
// when the session has made no progress for as long as a session may.
TEST_CASE("all of it together: cleanup every minute, and a failover that takes its time") {
    for (bool const last_one_works : {true, false}) {
        limits l;
        l.stuck_session_timeout = minutes{10};
        house h{l};
        std::vector<std::size_t> intervals;
        for (auto& a : h.apps) {
            a.failover_timeout = minutes{5};
            a.broadcast_works = false;
            intervals.push_back(
                h.time.set_interval([&a] { (void)a.signer().cleanup_expired_sessions(); }, seconds{60}));
        }
        auto const id = h.sign();
        h.elected(id, 2).broadcast_works = last_one_works;
        h.run(minutes{16});
        for (auto& n : h.group.nodes) {
            CHECK(n.count<coordinator_failed>() == 2);
            CHECK(n.count<broadcast_confirmed>() == (last_one_works ? 1u : 0u));
            CHECK(n.count<failover_exhausted>() == (last_one_works ? 0u : 1u));
        }
        h.run(minutes{12});
        for (auto& n : h.group.nodes) CHECK(n.signer->find(id) == nullptr);  // settled, and old
        for (auto const i : intervals) h.time.clear(i);
        for (auto& n : h.group.nodes) n.signer->close();
        CHECK(h.time.pending() == 0);
    }
}

}  // namespace manual_timing_tests
