// SPDX-License-Identifier: MIT

// The whole stack as a room: runs repeat themselves, and its invariants bite.

#include <muster/sim/explore.hpp>
#include <muster/sim/stack/run.hpp>

#include <support/catch.hpp>

namespace stack_tests {

using namespace muster;
using namespace muster::sim;
using stack::letter;

namespace {

outcome once(std::uint64_t seed) { return stack::group_run{seed, stack::group_options::from_seed(seed)}.run(); }

}  // namespace

TEST_CASE("the whole stack: a seed is a run, whenever it is run, and another seed is another one") {
    auto const a = once(3), b = once(3), c = once(4);
    CHECK(a.failure == std::nullopt);
    CHECK(a.trace == b.trace);
    CHECK(a.summary == b.summary);
    CHECK(a.trace != c.trace);
}

TEST_CASE(
    "the whole stack in a good world: everything that is sent arrives, and everything that is asked is answered") {
    stack::group_options o;
    o.hosts = 4;
    stack::group_run r{1, o};
    auto const end = r.run();
    INFO(end.summary);
    CHECK(end.failure == std::nullopt);
}

TEST_CASE("the invariants of the stack: each breach is found") {
    world w{1};
    auto const l = letter{0, 1, 1, 1, 0, 10};
    auto const sent = [&] {
        stack::invariants invariants{w};
        invariants.boots(0);
        invariants.boots(1);
        invariants.connected(1, 0);
        invariants.sends(l);
        invariants.asks(l);
        return invariants;
    };
    auto good = sent();
    good.receives(1, 0, l.encode());
    good.is_asked(1, 0, l.encode());
    auto const answer = stack::invariants::answer_to(l).encode();
    good.is_answered(l, byte_view{answer});
    good.disconnected(1, 0);
    CHECK(good.breach() == std::nullopt);

    auto const breach = [&](auto what) {
        auto invariants = sent();
        what(invariants);
        return invariants.breach().has_value();
    };
    CHECK(breach([](auto& x) { x.connected(1, 0); }));
    CHECK(breach([](auto& x) { x.disconnected(0, 1); }));
    CHECK(breach([&](auto& x) {
        auto bent = l.encode();
        bent.back() ^= 1;
        x.receives(1, 0, bent);
    }));
    CHECK(breach([&](auto& x) { x.receives(1, 2, l.encode()); }));
    CHECK(breach([&](auto& x) { x.receives(2, 0, l.encode()); }));
    CHECK(breach([&](auto& x) {
        x.receives(1, 0, l.encode());
        x.receives(1, 0, l.encode());
    }));
    CHECK(breach([&](auto& x) {  // overtaken
        auto const later = letter{0, 1, 1, 1, 1, 10};
        x.sends(later);
        x.receives(1, 0, later.encode());
        x.receives(1, 0, l.encode());
    }));
    CHECK(breach([&](auto& x) {
        x.disconnected(1, 0);
        x.receives(1, 0, l.encode());
    }));
    CHECK(breach([&](auto& x) {
        x.is_asked(1, 0, l.encode());
        x.is_asked(1, 0, l.encode());
    }));
    CHECK(breach([&](auto& x) { x.is_asked(1, 0, letter{0, 1, 1, 1, 5, 0}.encode()); }));
    CHECK(breach([&](auto& x) { x.is_answered(l, byte_view{answer}); }));  // who was never asked
    CHECK(breach([&](auto& x) {
        x.is_asked(1, 0, l.encode());
        x.is_answered(l, byte_view{l.encode()});
    }));
    CHECK(breach([&](auto& x) {
        x.is_answered(l, std::nullopt);
        x.is_answered(l, std::nullopt);
    }));
    CHECK(breach([](auto& x) {
        auto const keys = sim::signing::keys_from(1);
        x.signs(0, keys.signer.public_key(), bytes(32), crypto::signature{});
    }));
}

}  // namespace stack_tests
