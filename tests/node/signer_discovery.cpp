// SPDX-License-Identifier: MIT

#include <muster/node/signer_discovery.hpp>

#include <deque>

#include <muster/gossip/node_key_signer.hpp>
#include <muster/node/managed_network.hpp>
#include <muster/node/pubsub.hpp>
#include <muster/transport/memory_transport.hpp>

#include <support/advertisements.hpp>
#include <support/catch.hpp>
#include <support/memory_world.hpp>
#include <support/node_keys.hpp>

namespace signer_discovery_tests {

using namespace muster;
using namespace std::chrono_literals;
using discovery::transaction_type;

namespace {

struct policies : gossip::defaults {
    using signing = gossip::strict_sign<gossip::node_key_signer>;
    using message_ids = gossip::id_of_author;
};
using line = muster::alarm<manual_timers>::line;
using network = node::managed_network<transport::memory_transport, line, manual_clock>;
using pubsub = node::pubsub<network, line, manual_clock, policies>;
using directory = discovery::signer_directory<>;
using finder = node::signer_discovery<network, pubsub, directory, line, manual_clock>;

peer::peer_id id(std::size_t i) { return test::node_keys(i).node.id(); }
crypto::public_key key(std::size_t i) { return test::node_keys(i).signer.public_key(); }
peer::multiaddr address(std::size_t i) {
    return peer::multiaddr::from_text(text("/ip4/20.", i, ".0.1/tcp/4001")).value();
}

/// A machine that looks for signers.
struct machine {
    machine(transport::memory_network& wires, manual_clock const& clock, std::size_t i,
            node::signer_discovery_options const& o = {})
        : keys{test::node_keys(i)},
          mine{wires, keys.node.id()},
          managed{mine, network_line, clock, {}, i},
          gossips{managed,           gossip_line, clock,
                  gossip::options{}, i,           policies::signing{gossip::node_key_signer{keys.node}}},
          signers{{.signers_max = 1000, .per_deliverer_max = 500, .own = keys.signer.public_key()}},
          it{{managed, &gossips, signers, line_, clock, keys.node, keys.signer.public_key(),
              peer::bind(keys.signer, keys.node.id()).value(), [i] { return std::vector{address(i)}; }, o, i}} {
        managed.on_news([this](connection::effect const& e) { it.take_news(e); });
        gossips.on_news([this](gossip::effect const& e) { it.take_news(e); });
        REQUIRE(it.subscribe({}, [this](discovery::directory_event const& e) { told.push_back(e); }));
    }
    template <class E>
    [[nodiscard]] std::size_t count() const {
        return static_cast<std::size_t>(
            std::count_if(told.begin(), told.end(), [](auto const& e) { return std::holds_alternative<E>(e); }));
    }

    peer::key_set keys;
    manual_timers timers;
    muster::alarm<manual_timers> rings{timers};
    line network_line{rings}, gossip_line{rings}, line_{rings};
    transport::memory_transport mine;
    network managed;
    pubsub gossips;
    directory signers;
    std::vector<discovery::directory_event> told;
    finder it;
};

struct world : test::memory_world<machine> {
    explicit world(std::size_t n) {
        for (std::size_t i = 0; i < n; ++i) add(i);
    }
    machine& add(std::size_t i) {
        all.emplace_back(wires, clock, i);
        REQUIRE(all.back().it.start());
        return all.back();
    }
    [[nodiscard]] std::size_t listed(std::size_t i) { return all[i].signers.size(clock.wall_now()); }
};

node::signer_offer offer(std::size_t i) {
    node::signer_offer out;
    out.types = {transaction_type::spend};
    out.nickname = text("signer ", i);
    return out;
}

}  // namespace

TEST_CASE("signers that have never heard of each other are listed once at every node, through one that both know") {
    world w{6};
    for (std::size_t i = 1; i < 6; ++i) w.connect(i, 0);
    for (std::size_t i = 0; i < 6; ++i) REQUIRE(w.all[i].it.advertise(offer(i)));
    w.pass(10s);
    for (std::size_t i = 0; i < 6; ++i) {
        CHECK(w.listed(i) == 5);
        CHECK(w.all[i].count<discovery::signer_discovered>() == 5);
    }
    auto const* const l = w.all[1].signers.find(key(2), w.clock.wall_now());
    REQUIRE(l != nullptr);
    CHECK(l->what.nickname == "signer 2");
    CHECK(l->what.addresses == std::vector{address(2)});
}

TEST_CASE("ten rounds of advertising make no duplicates, and nobody expires who is there") {
    world w{3};
    w.connect(1, 0);
    w.connect(2, 0);
    for (std::size_t i = 0; i < 3; ++i) REQUIRE(w.all[i].it.advertise(offer(i)));
    w.pass(200min);
    for (std::size_t i = 0; i < 3; ++i) {
        CHECK(w.listed(i) == 2);
        CHECK(w.all[i].count<discovery::signer_discovered>() == 2);
        CHECK(w.all[i].count<discovery::signer_updated>() >= 2 * 9);
        CHECK(w.all[i].count<discovery::signer_expired>() == 0);
    }
}

TEST_CASE("who stops says so, and who is gone is forgotten when its advertisement ends") {
    world w{3};
    w.connect(1, 0);
    w.connect(2, 0);
    for (std::size_t i = 0; i < 3; ++i) REQUIRE(w.all[i].it.advertise(offer(i)));
    w.pass(10s);
    w.all[1].it.close();
    w.pass(1s);
    CHECK(w.listed(0) == 1);
    CHECK(w.listed(2) == 1);
    CHECK(w.all[2].count<discovery::signer_withdrawn>() == 1);
    w.all[2].mine.close();  // it crashes
    w.pass(31min);
    CHECK(w.listed(0) == 0);
    CHECK(w.all[0].count<discovery::signer_expired>() == 1);
}

TEST_CASE("a newcomer knows at once who was there before, page by page") {
    world w{1};
    effect_list<discovery::directory_event> events;
    for (std::size_t i = 10; i < 400; ++i) {
        auto a = test::advertisement_of(i);
        REQUIRE(w.all[0].signers.take(a.seal(test::node_keys(i).node).value(), id(i), discovery::source::direct,
                                      w.clock.wall_now(), events));
    }
    REQUIRE(w.all[0].it.advertise(offer(0)));
    w.add(1);
    w.connect(1, 0);
    w.pass(1s);
    CHECK(w.listed(1) == 391);
}

TEST_CASE("who had nobody to hear it says it again, also when several come at once") {
    world w{4};
    w.connect(3, 1);
    w.connect(3, 2);
    REQUIRE(w.all[0].it.advertise(offer(0)));
    w.pass(5s);
    CHECK(w.listed(3) == 0);
    for (std::size_t i : {1u, 2u}) w.all[0].managed.learn(id(i), {});
    REQUIRE(w.all[0].managed.connect_to_many(std::array{id(1), id(2)}, {}));
    w.pass(10s);
    CHECK(w.listed(3) == 1);  // it was connected before, and asks nobody now
}

TEST_CASE("each subscriber is told what it asked for, once") {
    world w{2};
    std::vector<std::string> swaps, dear;
    auto const note = [](std::vector<std::string>& to) {
        return [&to](discovery::directory_event const& e) {
            to.push_back(std::visit([](auto const& v) { return v.listing.what.nickname; }, e));
        };
    };
    auto const first = w.all[0].it.subscribe({.type = transaction_type::swap}, note(swaps)).value();
    REQUIRE(w.all[0].it.subscribe({.fee_max = 10}, note(dear)));
    w.connect(1, 0);
    auto o = offer(1);
    o.fee = 11;
    REQUIRE(w.all[1].it.advertise(o));
    w.pass(5s);
    CHECK(swaps.empty());
    CHECK(dear.empty());
    o.types = {transaction_type::swap};
    o.fee = 10;
    REQUIRE(w.all[1].it.advertise(o));
    w.pass(5s);
    CHECK(swaps == std::vector<std::string>{"signer 1"});
    CHECK(dear == std::vector<std::string>{"signer 1"});
    w.all[0].it.unsubscribe(first);
    REQUIRE(w.all[1].it.advertise(o));
    w.pass(5s);
    CHECK(swaps.size() == 1);
    CHECK(dear.size() == 2);
}

TEST_CASE("a peer that spreads forgeries is cut, and honest relays are not") {
    world w{3};
    w.connect(1, 0);
    w.connect(2, 1);
    w.pass(5s);
    auto forged = test::advertisement_of(5).seal(test::node_keys(5).node).value();
    forged[forged.size() / 2] ^= 1;
    for (int i = 0; i < 4; ++i) {
        forged.back() = static_cast<byte>(i);
        (void)w.all[2].gossips.publish(finder::topic, forged);
        w.pass(1s);
    }
    CHECK_FALSE(w.all[1].managed.is_connected(id(2)));
    CHECK(w.all[0].managed.is_connected(id(1)));
    CHECK(w.listed(0) == 0);
    CHECK(w.listed(1) == 0);
}

TEST_CASE("who answers a question with nonsense is charged; one that asks nonsense is refused") {
    world w{1};
    transport::memory_transport liar{w.wires, id(8)};
    liar.serve(finder::protocol, {}, [&](transport::asked const& q) { (void)liar.answer(q.id, {1, 2, 3}); });
    w.all[0].managed.learn(id(8), {});
    for (int i = 0; i < 3; ++i) {
        (void)w.all[0].managed.connect_to_peer(id(8), {});
        w.pass(3min);
    }
    CHECK_FALSE(w.all[0].managed.is_connected(id(8)));
    transport::memory_transport stranger{w.wires, id(9)};
    REQUIRE(stranger.connect(id(0), {}));
    w.wires.run();
    int refused = 0;
    for (auto const size : {1u, 32u, 34u}) {
        REQUIRE(stranger.request(id(0), finder::protocol, bytes(size), {},
                                 [&](auto, result<bytes> const& r) { refused += r ? 0 : 1; }));
    }
    w.wires.run();
    CHECK(refused == 3);
}

TEST_CASE("a node that was away looks around at once") {
    world w{2};
    w.connect(1, 0);
    REQUIRE(w.all[0].it.advertise(offer(0)));
    w.pass(5s);
    w.all[0].mine.disconnect(id(1));
    w.pass(1s);
    REQUIRE_FALSE(w.all[1].managed.is_connected(id(0)));
    w.all[1].it.rescan();
    w.pass(1s);
    CHECK(w.all[1].managed.is_connected(id(0)));  // a signer that it knows
}

TEST_CASE("an offer that nobody would take is refused to who makes it, and the last one stands") {
    world w{2};
    w.connect(1, 0);
    REQUIRE(w.all[1].it.advertise(offer(1)));
    auto bad = offer(1);
    bad.nickname = std::string(65, 'x');
    CHECK(w.all[1].it.advertise(bad).error() == peer::errc::too_large);
    bad = offer(1);
    bad.amount_from = 2;
    bad.amount_to = 1;
    CHECK(w.all[1].it.advertise(bad).error() == peer::errc::malformed);
    auto unsorted = offer(1);
    unsorted.capabilities = {"b", "a"};
    unsorted.types = {transaction_type::swap, transaction_type::spend};
    CHECK(w.all[1].it.advertise(unsorted));
    w.pass(5s);
    CHECK_FALSE(w.all[1].it.last_failure());
    CHECK(w.all[0].signers.find(key(1), w.clock.wall_now())->what.capabilities == std::vector<std::string>{"a", "b"});
    w.all[1].it.close();
    CHECK(w.all[1].it.advertise(offer(1)).error() == transport::errc::closed);
    CHECK(w.all[1].it.start().error() == transport::errc::closed);
}

TEST_CASE("two advertisements of one moment do not contradict each other") {
    world w{2};
    w.connect(1, 0);
    w.pass(3s);
    for (std::uint64_t fee = 0; fee < 3; ++fee) {
        auto o = offer(1);
        o.fee = fee;
        REQUIRE(w.all[1].it.advertise(o));
    }
    w.pass(1s);
    CHECK(w.all[0].signers.find(key(1), w.clock.wall_now())->what.fee == 2);
    CHECK(w.all[0].signers.contradictions().empty());
}

namespace {

/// Advertisements of signers @p from up to @p to, in the order of their keys.
std::map<crypto::public_key, bytes> by_key(std::size_t from, std::size_t to) {
    std::map<crypto::public_key, bytes> out;
    for (std::size_t i = from; i < to; ++i) {
        out.emplace(key(i), test::advertisement_of(i).seal(test::node_keys(i).node).value());
    }
    return out;
}

/// Publishes advertisements of signers @p from up to @p to, as whoever has made up their keys.
void flood(machine& by, std::size_t from, std::size_t to) {
    for (std::size_t i = from; i < to; ++i) {
        (void)by.gossips.publish(finder::topic, test::advertisement_of(i).seal(test::node_keys(i).node).value());
    }
}

}  // namespace

TEST_CASE("who floods an honest relay with new keys does not silence the signers behind it") {
    node::signer_discovery_options o;
    o.notices_burst = 60;  // of which a question takes a third
    o.notices_per_second = 1;
    world w{0};
    for (std::size_t i = 0; i < 5; ++i) {
        w.all.emplace_back(w.wires, w.clock, i, o);
        REQUIRE(w.all.back().it.start());
    }
    w.connect(1, 0);  // 0 is behind the relay 1, with 2, who is honest, and 3 and 4, who are not
    w.connect(2, 1);
    w.connect(3, 1);
    w.connect(3, 0);
    w.connect(4, 1);
    REQUIRE(w.all[2].it.advertise(offer(2)));
    w.pass(10s);
    REQUIRE(w.all[0].signers.find(key(2), w.clock.wall_now()) != nullptr);
    // What 2 has said before, again and again, as anybody can.
    auto const before = w.all[0].signers.find(key(2), w.clock.wall_now())->sealed;
    for (int i = 0; i < 20; ++i) REQUIRE(w.all[3].gossips.publish(finder::topic, before));
    flood(w.all[3], 100, 200);
    flood(w.all[4], 200, 300);
    w.wires.run();
    CHECK(w.listed(1) <= 120);  // so much of each connection, and no more
    auto next = offer(2);
    next.fee = 7;
    REQUIRE(w.all[2].it.advertise(next));
    w.pass(2s);
    CHECK(w.all[0].signers.find(key(2), w.clock.wall_now())->what.fee == 7);
}

TEST_CASE("a slow flood that an honest relay passes on silences neither the relay nor who is behind it") {
    node::signer_discovery_options o;
    o.notices_burst = 60;
    o.notices_per_second = 1;
    world w{0};
    for (std::size_t i = 0; i < 6; ++i) {
        w.all.emplace_back(w.wires, w.clock, i, o);
        REQUIRE(w.all.back().it.start());
    }
    w.connect(1, 0);  // 0 is behind the relay 1, with 2, who is honest, and 3, 4 and 5, who are not
    for (std::size_t const i : {2u, 3u, 4u, 5u}) w.connect(i, 1);
    std::size_t made = 100;
    auto const flood_for = [&](int seconds) {  // each as much as the relay takes from it
        for (int s = 0; s < seconds; ++s) {
            w.pass(1s);
            for (std::size_t const i : {3u, 4u, 5u}) flood(w.all[i], made, made + 1), ++made;
            w.wires.run();
        }
    };
    flood_for(90);
    REQUIRE(w.listed(0) < w.listed(1));  // what the relay may pass on is used up
    REQUIRE(w.all[1].it.advertise(offer(1)));
    w.wires.run();
    CHECK(w.all[0].signers.find(key(1), w.clock.wall_now()) != nullptr);
    REQUIRE(w.all[2].it.advertise(offer(2)));
    flood_for(125);  // a look around later
    CHECK(w.all[0].signers.find(key(2), w.clock.wall_now()) != nullptr);
    CHECK(w.all[0].managed.is_connected(id(1)));
}

TEST_CASE("what a peer answers is not on the account of what it passes on") {
    node::signer_discovery_options o;
    o.notices_burst = 60;
    o.notices_per_second = 1;
    world w{0};
    for (std::size_t i = 0; i < 2; ++i) {
        w.all.emplace_back(w.wires, w.clock, i, o);
        REQUIRE(w.all.back().it.start());
    }
    w.connect(1, 0);
    w.pass(10s);
    effect_list<discovery::directory_event> told;
    for (auto const& [k, sealed] : by_key(20, 40)) {
        REQUIRE(w.all[1].signers.take(sealed, id(9), discovery::source::gossip, w.clock.wall_now(), told));
    }
    for (std::size_t made = 100; made < 100 + 3 * 130; made += 3) {
        w.pass(1s);
        flood(w.all[1], made, made + 3);
        w.wires.run();
    }
    for (std::size_t i = 20; i < 40; ++i) CHECK(w.all[0].signers.find(key(i), w.clock.wall_now()) != nullptr);
}

TEST_CASE("an answer is taken up to what its peer may bring, in the order that it says") {
    node::signer_discovery_options o;
    o.notices_burst = 10;
    world w{0};
    w.all.emplace_back(w.wires, w.clock, 0, o);
    REQUIRE(w.all[0].it.start());
    auto const sorted = by_key(100, 150);
    auto const answer = [&](bool is_reversed) {
        wire::writer list;
        if (is_reversed) {
            for (auto at = sorted.rbegin(); at != sorted.rend(); ++at) list.sized(at->second);
        } else {
            for (auto const& [k, sealed] : sorted) list.sized(sealed);
        }
        wire::writer out;
        out.u8(1).size(sorted.size()).raw(list.take());
        return out.take();
    };
    std::size_t questions = 0;
    transport::memory_transport liar{w.wires, id(8)};
    liar.serve(finder::protocol, {}, [&](transport::asked const& q) {
        ++questions;
        (void)liar.answer(q.id, answer(false));
    });
    w.all[0].managed.learn(id(8), {});
    REQUIRE(w.all[0].managed.connect_to_peer(id(8), {}));
    w.pass(1s);
    CHECK(w.listed(0) == 10);
    CHECK(questions == 1);
    CHECK(w.all[0].managed.is_connected(id(8)));  // who knows many is no liar
    w.pass(3min);
    CHECK(questions == 2);
    liar.serve(finder::protocol, {}, [&](transport::asked const& q) { (void)liar.answer(q.id, answer(true)); });
    w.pass(10min);
    CHECK_FALSE(w.all[0].managed.is_connected(id(8)));
}

TEST_CASE("pages that never end are asked for so often, and no more") {
    node::signer_discovery_options o;
    o.pages_max = 3;
    world w{0};
    w.all.emplace_back(w.wires, w.clock, 0, o);
    REQUIRE(w.all[0].it.start());
    auto const sorted = by_key(100, 110);
    std::size_t questions = 0;
    transport::memory_transport slow{w.wires, id(8)};
    slow.serve(finder::protocol, {}, [&](transport::asked const& q) {
        ++questions;
        auto const at = q.request.empty() ? sorted.begin() : sorted.upper_bound(crypto::public_key::from(q.request));
        wire::writer out;
        out.u8(1).size(at == sorted.end() ? 0 : 1);
        if (at != sorted.end()) out.sized(at->second);
        (void)slow.answer(q.id, out.take());
    });
    w.all[0].managed.learn(id(8), {});
    REQUIRE(w.all[0].managed.connect_to_peer(id(8), {}));
    w.pass(1s);
    CHECK(questions == 3);
    CHECK(w.listed(0) == 3);
}

TEST_CASE("a machine is dialled once in ten minutes whoever is said to be there, and nobody in a network of ours") {
    world w{1};
    std::vector<std::pair<peer::peer_id, std::vector<peer::multiaddr>>> dialled;
    effect_list<discovery::directory_event> ignored;
    auto const list = [&](std::size_t i, std::string const& where) {
        auto a = test::advertisement_of(i);
        a.addresses = {peer::multiaddr::from_text(where).value()};
        REQUIRE(w.all[0].signers.take(a.seal(test::node_keys(i).node).value(), id(i), discovery::source::gossip,
                                      w.clock.wall_now(), ignored));
    };
    for (std::size_t i = 100; i < 120; ++i) list(i, text("/ip4/20.0.0.7/tcp/", 4000 + i));
    for (std::size_t i = 120; i < 140; ++i) list(i, "/ip4/10.0.0.7/tcp/22");
    list(140, "/ip4/127.0.0.1/tcp/22");
    list(141, "/dns4/victim.example/tcp/22");
    std::size_t dials = 0;
    w.all[0].managed.on_news([&](connection::effect const& e) {
        w.all[0].it.take_news(e);
        if (std::holds_alternative<connection::connecting>(e)) ++dials;
    });
    w.pass(9min);
    CHECK(dials == 1);
}

TEST_CASE("where a person has said that a peer is counts before what the peer says") {
    world w{1};
    auto const here = address(77);
    w.all[0].managed.learn(id(100), std::array{here});
    effect_list<discovery::directory_event> ignored;
    auto a = test::advertisement_of(100);
    a.addresses = {address(50)};
    REQUIRE(w.all[0].signers.take(a.seal(test::node_keys(100).node).value(), id(100), discovery::source::gossip,
                                  w.clock.wall_now(), ignored));
    w.all[0].it.rescan();
    w.pass(1s);
    CHECK(w.all[0].managed.connections().addresses_of(id(100)) == std::vector{here});
}

TEST_CASE("addresses of signers that were found are handed on with who told of them") {
    world w{3};
    std::vector<std::pair<peer::peer_id, peer::peer_id>> heard;
    w.all[2].it.on_addresses(
        [&](peer::peer_id const& who, std::vector<peer::multiaddr> const& where, peer::peer_id const& by) {
            CHECK(where == std::vector{address(0)});
            heard.emplace_back(who, by);
        });
    w.connect(1, 0);
    w.connect(2, 1);
    REQUIRE(w.all[0].it.advertise(offer(0)));
    w.pass(10s);
    REQUIRE_FALSE(heard.empty());
    CHECK(heard[0] == std::pair{id(0), id(1)});
}

}  // namespace signer_discovery_tests
