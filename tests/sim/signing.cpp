// SPDX-License-Identifier: MIT

// Scripts for groups of co-signers on real journals, in virtual time.

#include <muster/sim/explore.hpp>
#include <muster/sim/signing/run.hpp>

#include <support/catch.hpp>

namespace signing_tests {

using namespace muster;
using namespace muster::sim;
using namespace muster::sim::signing;
using muster::signing::phase;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

namespace {

struct star : co_signer_policies {
    using topology = muster::signing::aggregator;
};

std::vector<host_id> first(host_id n) {
    std::vector<host_id> out;
    for (host_id h = 0; h < n; ++h) out.push_back(h);
    return out;
}

template <class Group>
std::optional<muster::signing::session_id> propose(Group& group, host_id by = 0) {
    return group.signers[by].propose(first(group.options.hosts), muster::signing::election_method::hash_based, 1,
                                     minutes{10});
}

}  // namespace

TEST_CASE("the same seed is the same run, another one is another") {
    auto const once = [](std::uint64_t seed) { return group_run<>{seed, group_options::from_seed(seed)}.run(); };
    auto const a = once(6), b = once(6), c = once(8);
    CHECK_FALSE(a.failure);
    CHECK(a.trace == b.trace);
    CHECK(a.events == b.events);
    CHECK(a.trace != c.trace);
}

TEST_CASE("many runs are one verdict, and a failure says how to see it again") {
    std::string said;
    auto const run = [](std::uint64_t seed) {
        outcome o;
        o.trace = seed;
        o.events = 10;
        o.options = "hosts=3";
        if (seed == 7) o.failure = "it rained";
        return o;
    };
    auto const hear = [&](std::string_view line) { said += text(line, "\n"); };
    auto const v = explore(5, 4, run, hear, "try --from ");
    CHECK(v.seeds == 4);
    CHECK(v.passed == 3);
    CHECK(v.events == 40);
    CHECK_FALSE(v.all_passed());
    CHECK(said == "FAILED seed 7 it rained\n  options  hosts=3\n  replay   try --from 7\n");
    CHECK(v.to_text() == text("passed 3 of 4, trace ", to_hex_word(v.trace)));
    CHECK(explore(5, 3, run, hear).trace != explore(6, 3, run, hear).trace);
}

TEST_CASE("a fault that is switched off stays off, and the rest is drawn as before") {
    for (std::uint64_t seed = 1; seed < 200; ++seed) {
        auto const all = group_options::from_seed(seed);
        auto less = all;
        less.faults.loss.of = 0;
        CHECK(less.faults.crash == group_options::from_seed(seed).faults.crash);
        CHECK((all.faults.loss.of == 0) == (all.to_text() == less.to_text()));
        CHECK(all.hosts >= 2);
        CHECK(all.lies.size() < all.hosts);
    }
    std::size_t without = 0;
    for (std::uint64_t seed = 1; seed < 400; ++seed) {
        without += fault_options::from_seed(seed).crash.of == 0 ? 1u : 0u;
    }
    CHECK(without > 60);  // a quarter of all, and those that draw nothing
    CHECK(without < 160);
}

// A group that loses no frames any more does other things, and has other sessions; the world does the same to it.
TEST_CASE("in a run, a fault that is switched off moves nothing that the world does") {
    auto const deeds = [](group_options const& o, std::uint64_t seed) {
        std::vector<std::string> out;
        group_run<> run{seed, o};
        bool is_healed = false;
        run.listen([&](std::string_view line) {
            is_healed |= line.find("healed") != line.npos;
            bool const is_a_deed = line.find("crashes") != line.npos || line.find("boots") != line.npos ||
                                   line.find("partition") != line.npos;
            if (is_a_deed && !is_healed) out.emplace_back(line);
        });
        CHECK(run.run().failure == std::nullopt);
        return out;
    };
    std::size_t compared = 0;
    for (std::uint64_t seed = 2; seed < 40; seed += 5) {
        auto o = group_options::from_seed(seed);
        o.faults.disk_error = {};  // how many calls a disk gets depends on what is written
        auto const all = deeds(o, seed);
        compared += all.size();
        auto less = o;
        less.faults.loss = less.faults.reorder = less.faults.corrupt = {};
        CHECK(deeds(less, seed) == all);
    }
    CHECK(compared > 20);
}

// The two rounds of a session are about a hundred actions. Whoever crashes after any of them comes back, and the
// session ends with a signature for everyone or for nobody, without blame, and without a nonce that was used twice.
TEMPLATE_TEST_CASE("a crash after every single step", "", co_signer_policies, star) {
    for (host_id const victim : {0u, 1u, 2u}) {
        bool is_finished_before_the_crash = false;
        for (std::uint64_t steps = 0; !is_finished_before_the_crash; ++steps) {
            group<TestType> group{7, {}};
            auto const slow = group.wires.rules().install(delays(group.where, milliseconds{5}, milliseconds{50}));
            group.boot_all();
            group.pass(seconds{2});
            auto const id = propose(group);
            REQUIRE(id);
            auto const begin = group.where.events();
            (void)group.pass_until(minutes{1}, [&] { return group.where.events() >= begin + steps; });
            is_finished_before_the_crash =
                group.has_signed(0, *id) && group.has_signed(1, *id) && group.has_signed(2, *id);
            bool const had_shares = group.at(victim, *id) == phase::collecting_shares;
            group.signers[victim].crash();
            group.pass(seconds{3});
            group.signers[victim].boot();
            group.pass(minutes{2});
            INFO("host " << victim << " after " << steps << " steps");
            CHECK(group.failure() == std::nullopt);
            CHECK(group.invariants.blames() == 0);
            std::size_t finished = 0;
            for (host_id const h : {0u, 1u, 2u}) {
                auto const at = group.at(h, *id);
                CHECK((at == phase::finished || at == phase::over || at == phase::stalled));
                finished += group.has_signed(h, *id) ? 1u : 0u;
            }
            CHECK((finished == 0 || finished == 3));
            if (had_shares) CHECK(finished == 3);
        }
    }
}

TEMPLATE_TEST_CASE("a hundred of a hundred sign while every twentieth frame is lost", "", co_signer_policies, star) {
    group_options o;
    o.hosts = 100;
    o.bounds.frames_burst_max = 4096;
    group<TestType> group{1, o};
    group.boot_all();
    group.pass(seconds{2});
    auto const slow = group.wires.rules().install(delays(group.where, milliseconds{5}, milliseconds{80}));
    auto const loss = group.wires.rules().install(losses(group.where, {5, 100}));
    auto const id = propose(group);
    REQUIRE(id);
    auto const all_have = [&] {
        for (host_id h = 0; h < 100; ++h) {
            if (!group.has_signed(h, *id)) return false;
        }
        return true;
    };
    CHECK(group.pass_until(minutes{1}, all_have));
    CHECK(group.failure() == std::nullopt);
}

TEST_CASE("a thousand sessions at once in one process") {
    group_options o;
    o.bounds.open_sessions_max = 1100;
    o.bounds.open_sessions_per_peer_max = 1100;
    o.bounds.open_sessions_reserved = 0;
    o.bounds.closed_sessions_max = 2000;
    o.bounds.frames_burst_max = 1u << 20;
    o.habits.answers_within = seconds{1};
    group<> group{1, o};
    group.boot_all();
    group.pass(seconds{2});
    auto const slow = group.wires.rules().install(delays(group.where, milliseconds{5}, milliseconds{80}));
    std::vector<muster::signing::session_id> ids;
    for (int i = 0; i < 1000; ++i) {
        auto const id = propose(group);
        REQUIRE(id);
        ids.push_back(*id);
    }
    group.pass(milliseconds{300});
    for (host_id const h : {0u, 1u, 2u}) CHECK(group.signers[h].signer()->open_session_count() > 800);
    CHECK(group.pass_until(minutes{1}, [&] {
        for (host_id const h : {0u, 1u, 2u}) {
            if (group.signers[h].signer()->open_session_count() != 0) return false;
        }
        return true;
    }));
    for (auto const& id : ids) {
        for (host_id const h : {0u, 1u, 2u}) CHECK(group.has_signed(h, id));
    }
    CHECK(group.failure() == std::nullopt);
}

// Fifty sessions for each method that an initiator without an order of its own can ask for; the grinder is one of five.
TEST_CASE("who grinds its key gets no more than its share of seats, and cannot keep those") {
    group<> group{1, {.hosts = 5, .lies = {lie::grinding}}};
    group.boot_all();
    group.pass(seconds{2});
    for (auto const method :
         {muster::signing::election_method::lexicographic, muster::signing::election_method::hash_based,
          muster::signing::election_method::first_signer, muster::signing::election_method::last_signer}) {
        int seats = 0;
        for (host_id i = 0; i < 50; ++i) {
            auto const id = group.signers[1 + i % 4].propose(first(5), method, 1, minutes{10});
            REQUIRE(id);
            auto const all_know = [&] {
                return group.invariants.is_settled(1, *id) && group.invariants.is_settled(2, *id) &&
                       group.invariants.is_settled(3, *id) && group.invariants.is_settled(4, *id);
            };
            REQUIRE(group.pass_until(minutes{1}, all_know));
            auto const& s = *group.signers[1].signer()->find(*id);
            seats += group.invariants.host_of(*id, s.order().front()) == 0 ? 1 : 0;
            CHECK((s.is_confirmed() && group.invariants.host_of(*id, s.coordinator()) != 0));
        }
        CHECK(seats > 0);
        CHECK(seats < 22);  // ten, give or take four deviations
    }
    CHECK(group.failure() == std::nullopt);
}

TEST_CASE("the invariants see what they are for") {
    auto const broken = [](auto do_it) {
        group<> group{1, {.hosts = 3, .lies = {lie::silence}}};
        auto plan = std::make_shared<muster::signing::proposal>();
        plan->roster = group.members;
        plan->messages = {crypto::sha256(as_bytes("x"))};
        muster::signing::session_id const id{{1}};
        group.invariants.told(1, muster::signing::session_created{id, plan, 1}, {});
        do_it(group, id);
        return group.failure().value_or("");
    };
    using muster::signing::abort_reason;
    auto const has = [](std::string const& all, std::string_view part) { return all.find(part) != std::string::npos; };
    CHECK(broken([](auto&, auto const&) {}).empty());
    CHECK(has(broken([](auto& g, auto const& id) {
                  g.invariants.told(1, muster::signing::aborted{id, abort_reason::invalid_share, 2, {}, {}, ""}, {});
              }),
              "blames honest host 2"));
    CHECK(has(broken([](auto& g, auto const& id) {  // an adversary, which has not said anything yet
                  g.invariants.told(1, muster::signing::aborted{id, abort_reason::invalid_share, 0, {}, {}, ""}, {});
              }),
              "nothing shows"));
    CHECK(has(broken([](auto& g, auto const& id) {
                  g.invariants.told(1, muster::signing::aborted{id, abort_reason::equivocation, 0, {}, {}, ""}, {});
              }),
              "nothing shows"));
    CHECK(has(broken([](auto& g, auto const& id) {
                  g.invariants.told(1, muster::signing::equivocation_proven{id, 0, {}, {}}, {});
              }),
              "proves nothing"));
    CHECK(broken([](auto& g, auto const& id) {  // hearsay is no finding
              g.invariants.told(1, muster::signing::aborted{id, abort_reason::invalid_share, 2, 0, {}, ""}, {});
          })
              .empty());
    CHECK(has(broken([](auto& g, auto const& id) {
                  g.invariants.told(1, muster::signing::completed{id, {}, {muster::signing::signature{}}, 0}, {});
              }),
              "does not verify"));
    CHECK(has(broken([](auto& g, auto const& id) {
                  g.invariants.told(1, muster::signing::should_broadcast{id, 0, {}}, {});
                  g.invariants.told(2, muster::signing::should_broadcast{id, 0, {}}, {});
              }),
              "both to broadcast"));
    CHECK(has(broken([](auto& g, auto const& id) {
                  g.invariants.told(1, muster::signing::broadcast_confirmed{id, 2}, {});
              }),
              "never made"));
    CHECK(has(broken([](auto& g, auto const& id) {
                  g.invariants.told(1, muster::signing::aborted{id, abort_reason::restarted, 2, {}, {}, ""}, {});
              }),
              "never did"));
    CHECK(has(broken([](auto& g, auto const& id) {
                  g.invariants.told(1, muster::signing::equivocation_proven{id, 2, {}, {}}, {});
              }),
              "proof against honest"));
    musig2::pubnonce const nonce{{2}};
    CHECK(has(broken([&](auto& g, auto const&) { g.nonces.drawn(1, nonce); }), "not approved"));
    CHECK(has(broken([&](auto& g, auto const&) {
                  g.nonces.allow(1, true);
                  g.nonces.drawn(1, nonce);
                  g.nonces.drawn(1, nonce);
              }),
              "drew a nonce for the second time"));
    CHECK(has(broken([&](auto& g, auto const&) {
                  g.nonces.used(1, nonce, {});
                  g.nonces.used(1, nonce, {});
              }),
              "used a nonce for the second time"));
}

}  // namespace signing_tests
