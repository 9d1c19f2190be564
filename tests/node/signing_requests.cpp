// SPDX-License-Identifier: MIT

#include <muster/node/signing_requests.hpp>

#include <deque>

#include <muster/gossip/node_key_signer.hpp>
#include <muster/node/managed_network.hpp>
#include <muster/node/pubsub.hpp>
#include <muster/transport/memory_transport.hpp>

#include <support/advertisements.hpp>
#include <support/catch.hpp>
#include <support/memory_world.hpp>
#include <support/node_keys.hpp>

namespace signing_requests_tests {

using namespace muster;
using namespace std::chrono_literals;

namespace {

struct policies : gossip::defaults {
    using signing = gossip::strict_sign<gossip::node_key_signer>;
    using message_ids = gossip::id_of_author;
};
using line = muster::alarm<manual_timers>::line;
using network = node::managed_network<transport::memory_transport, line, manual_clock>;
using pubsub = node::pubsub<network, line, manual_clock, policies>;
using requests = node::signing_requests<network, pubsub, line, manual_clock>;

peer::peer_id id(std::size_t i) { return test::node_keys(i).node.id(); }
crypto::public_key key(std::size_t i) { return test::node_keys(i).signer.public_key(); }
crypto::digest32 digest(std::string_view of) { return crypto::sha256(as_bytes(of)); }

struct machine {
    machine(transport::memory_network& wires, manual_clock const& clock, std::size_t i)
        : keys{test::node_keys(i)},
          mine{wires, keys.node.id()},
          managed{mine, network_line, clock, {}, i},
          gossips{managed,           gossip_line, clock,
                  gossip::options{}, i,           policies::signing{gossip::node_key_signer{keys.node}}},
          it{{managed,
              &gossips,
              board,
              line_,
              clock,
              keys.node,
              keys.signer.public_key(),
              peer::bind(keys.signer, keys.node.id()).value(),
              [] { return std::vector{peer::multiaddr::from_text("/ip4/20.0.0.1/tcp/4001").value()}; },
              [this](node::request_event const& e) { told.push_back(e); },
              [this](node::request_answered const& e) { answers.push_back(e); },
              {},
              i}} {
        managed.on_news([this](connection::effect const& e) { it.take_news(e); });
        gossips.on_news([this](gossip::effect const& e) { it.take_news(e); });
        REQUIRE(it.start());
    }

    [[nodiscard]] std::ptrdiff_t count(discovery::change what) const {
        return std::count_if(told.begin(), told.end(), [&](auto const& e) { return e.what == what; });
    }

    peer::key_set keys;
    manual_timers timers;
    muster::alarm<manual_timers> rings{timers};
    line network_line{rings}, gossip_line{rings}, line_{rings};
    transport::memory_transport mine;
    network managed;
    pubsub gossips;
    node::request_board board{{}};
    std::vector<node::request_event> told;
    std::vector<node::request_answered> answers;
    requests it;
};

/// Machines 0 to @p n - 1, all connected to 0.
struct world : test::memory_world<machine> {
    explicit world(std::size_t n) {
        for (std::size_t i = 0; i < n; ++i) all.emplace_back(wires, clock, i);
        for (std::size_t i = 1; i < n; ++i) connect(i, 0);
    }
    /// What answering @p asked has come to.
    std::optional<result<void>> answer(std::size_t i, std::string const& asked) {
        auto const outcome = std::make_shared<std::optional<result<void>>>();
        auto const begun = all[i].it.answer(asked, [outcome](result<void> const& r) { *outcome = r; });
        if (!begun) return begun;
        pass(5s);
        return *outcome;
    }
};

discovery::request_advertisement request(std::string_view what, std::vector<crypto::public_key> wanted) {
    discovery::request_advertisement out;
    out.digest = digest(what);
    out.wanted = std::move(wanted);
    out.amount = 7;
    out.purpose = std::string{what};
    return out;
}
std::string name(std::size_t by, std::string_view what) {
    return discovery::request_advertisement::key_of(key(by), digest(what));
}

}  // namespace

TEST_CASE("document 000: who is asked for hears of it through others, answers who asked, and is told once") {
    world w{4};
    REQUIRE(w.all[1].it.ask(request("rent", {key(3), key(2)}), 10min));
    w.pass(5s);
    for (std::size_t const i : {0u, 2u, 3u}) {
        REQUIRE(w.all[i].count(discovery::change::posted) == 1);
        CHECK(w.all[i].told[0].listing.what.purpose == "rent");
        CHECK(w.all[i].told[0].listing.what.wants(key(2)));
    }
    CHECK(w.all[1].told.empty());  // its own is none of what others ask
    w.connect(2, 1);
    REQUIRE(*w.answer(2, name(1, "rent")));
    CHECK(*w.answer(2, name(1, "rent")));  // repeated: no harm
    CHECK(w.all[1].answers == std::vector{node::request_answered{digest("rent"), key(2), id(2)}});
    std::size_t own = 0;
    w.all[1].it.for_each_own([&](auto const& r, auto const& answers) {
        ++own;
        CHECK(r.digest == digest("rent"));
        CHECK(answers.size() == 1);
    });
    CHECK(own == 1);
    w.all[1].it.end(digest("rent"));
    w.pass(5s);
    CHECK(w.all[3].told.back().what == discovery::change::withdrawn);
    CHECK(w.answer(3, name(1, "rent"))->error() == connection::errc::not_found);
}

TEST_CASE("who is not asked for is not heard, and nobody answers in another's name") {
    world w{4};
    REQUIRE(w.all[0].it.ask(request("rent", {key(1)}), 10min));
    w.pass(5s);
    CHECK(w.answer(2, name(0, "rent"))->error() == connection::errc::not_found);
    auto const try_as = [&](std::size_t machine, std::size_t asker, std::string_view what, std::size_t signer,
                            peer::binding const& binding) {
        wire::writer out;
        out.raw(key(asker).view()).raw(digest(what).view()).raw(key(signer).view()).raw(binding.view());
        bool taken = false;
        REQUIRE(w.all[machine].managed.request(id(0), requests::answering, out.take(), {},
                                               [&](auto, result<bytes> const& r) { taken = static_cast<bool>(r); }));
        w.pass(1s);
        return taken;
    };
    auto const bound = [](std::size_t i) { return peer::bind(test::node_keys(i).signer, id(i)).value(); };
    CHECK_FALSE(try_as(2, 0, "rent", 2, bound(2)));  // not asked for
    CHECK_FALSE(try_as(1, 0, "food", 1, bound(1)));  // nothing such is asked
    CHECK_FALSE(try_as(1, 3, "rent", 1, bound(1)));  // another has asked
    CHECK_FALSE(try_as(3, 0, "rent", 1, bound(1)));  // the binding is another machine's
    CHECK(w.all[0].managed.connections().score(id(3), w.clock.now()) < 0);
    CHECK(w.all[0].answers.empty());
    CHECK(try_as(1, 0, "rent", 1, bound(1)));
    CHECK(w.all[0].answers.size() == 1);
}

TEST_CASE("a request ends when its time is over, and newcomers hear of what is still asked") {
    world w{3};
    REQUIRE(w.all[1].it.ask(request("rent", {}), 4min));
    REQUIRE(w.all[1].it.ask(request("food", {}), 20min));
    w.pass(1min);
    w.all.emplace_back(w.wires, w.clock, 3u);
    w.connect(3, 0);
    w.pass(5s);
    CHECK(w.all[3].count(discovery::change::posted) == 2);
    w.pass(6min);
    REQUIRE(w.all[3].count(discovery::change::expired) == 1);
    CHECK(w.all[3].board.find(name(1, "rent"), w.clock.wall_now()) == nullptr);
    w.pass(10min);  // beyond the first life of the other one
    CHECK(w.all[3].board.size(w.clock.wall_now()) == 1);
    w.pass(5min);
    CHECK(w.all[3].board.size(w.clock.wall_now()) == 0);
}

TEST_CASE("a request that is asked for later moves back no renewal beyond the end of another one") {
    world w{2};
    REQUIRE(w.all[0].it.ask(request("rent", {}), 60min));
    w.pass(6min);
    REQUIRE(w.all[0].it.ask(request("food", {}), 60min));
    w.pass(5min);
    CHECK(w.all[1].board.size(w.clock.wall_now()) == 2);
    CHECK(w.all[1].count(discovery::change::expired) == 0);
    w.pass(40min);
    CHECK(w.all[1].board.size(w.clock.wall_now()) == 2);
    w.pass(16min);
    CHECK(w.all[1].board.size(w.clock.wall_now()) == 0);
}

TEST_CASE("one machine takes some places of a request, and the first machine of a signer counts") {
    world w{3};
    REQUIRE(w.all[0].it.ask(request("rent", {}), 10min));
    w.pass(1s);
    auto const answer_as = [&](std::size_t machine, std::size_t signer) {
        wire::writer out;
        out.raw(key(0).view()).raw(digest("rent").view()).raw(key(signer).view());
        out.raw(peer::bind(test::node_keys(signer).signer, id(machine)).value().view());
        bool taken = false;
        REQUIRE(w.all[machine].managed.request(id(0), requests::answering, out.take(), {},
                                               [&](auto, result<bytes> const& r) { taken = static_cast<bool>(r); }));
        w.pass(1s);
        return taken;
    };
    auto const most = node::signing_requests_options{}.per_machine_max;
    for (std::size_t i = 0; i < most; ++i) CHECK(answer_as(1, 100 + i));
    CHECK_FALSE(answer_as(1, 100 + most));
    CHECK(answer_as(1, 100));        // repeated
    CHECK_FALSE(answer_as(2, 100));  // by another machine of the same signer
    CHECK(answer_as(2, 200));
    CHECK(w.all[0].answers.size() == most + 1);
}

TEST_CASE("who answers is told how that ended, also when nobody answers any more") {
    world w{2};
    REQUIRE(w.all[0].it.ask(request("rent", {}), 10min));
    w.pass(1s);
    std::vector<result<void>> ends;
    REQUIRE(w.all[1].it.answer(name(0, "rent"), [&](result<void> const& r) { ends.push_back(r); }));
    w.all[1].it.close();
    w.pass(1min);
    REQUIRE(ends.size() == 1);
    CHECK(ends[0].error() == transport::errc::closed);
    CHECK(w.all[0].it.ask(request("food", {}), 0s).error() == peer::errc::expired);
}

TEST_CASE("what could not be published is no harm to who closes") {
    world w{1};
    w.all[0].gossips.close();
    REQUIRE(w.all[0].it.ask(request("rent", {}), 10min));
    REQUIRE(w.all[0].it.ask(request("food", {}), 10min));
    w.pass(1s);
    w.all[0].it.close();
    CHECK_FALSE(w.all[0].it.is_asking());
}

TEST_CASE("a clock that is set back mutes nobody") {
    world w{2};
    REQUIRE(w.all[0].it.ask(request("rent", {}), 2h));
    w.pass(1min);
    w.clock.set_wall(w.clock.wall_now() - 24h);
    w.pass(1s);
    CHECK(w.all[0].it.ask(request("food", {}), 10min));
    w.pass(1s);
    CHECK(w.all[1].board.find(name(0, "food"), w.clock.wall_now()) != nullptr);
}

TEST_CASE("one machine asks for so much at a time and no more") {
    world w{1};
    auto const most = node::signing_requests_options{}.own_max;
    for (std::size_t i = 0; i < most; ++i) REQUIRE(w.all[0].it.ask(request(text(i), {}), 1min));
    CHECK(w.all[0].it.ask(request("one more", {}), 1min).error() == peer::errc::full);
    CHECK(w.all[0].it.ask(request("0", {}), 1min));
    w.pass(2min);
    CHECK(w.all[0].it.ask(request("one more", {}), 1min));
}

}  // namespace signing_requests_tests
