// SPDX-License-Identifier: MIT

#include <muster/libp2p/host/admission.hpp>

#include <muster/libp2p/host.hpp>

#include <support/catch.hpp>

namespace admission_tests {

using namespace muster;
using namespace muster::libp2p;
using namespace std::chrono_literals;

namespace {

[[nodiscard]] source_prefix from(std::string const& ip) {
    return source_prefix::of(peer::multiaddr::from_text(text(ip, "/tcp/1")).value());
}

struct places {
    host_options options;
    std::optional<admission> machine;
    instant now{1h};
    socket_id last = 0;

    explicit places(host_options o = {}) : options{std::move(o)}, machine{std::in_place, options, 1} {}
    admission::verdict arrive(source_prefix const& source) { return machine->arrive(++last, source, now); }
    socket_id settle(source_prefix const& source, bool is_protected = false) {
        (void)arrive(source);
        (void)machine->speak(last, now);
        (void)machine->settle(last, is_protected, now);
        return last;
    }
    [[nodiscard]] static std::string address(std::size_t i) { return text("/ip4/10.", i / 250, ".", i % 250, ".1"); }
};

}  // namespace

TEST_CASE("a source is an IPv4 address, or the first 56 bits of an IPv6 address") {
    CHECK(from("/ip4/10.0.0.1") == from("/ip4/10.0.0.1"));
    CHECK(from("/ip4/10.0.0.1") != from("/ip4/10.0.0.2"));
    CHECK(from("/ip6/2001:db8:0:1200::1") == from("/ip6/2001:db8:0:12ff:ffff::9"));
    CHECK(from("/ip6/2001:db8:0:1200::1") != from("/ip6/2001:db8:0:1300::1"));
    CHECK(from("/ip6/a00:1::") != from("/ip4/10.0.0.1"));
    CHECK(source_prefix::of({}) == source_prefix{});
}

TEST_CASE("silence of one source fills three quarters of the waiting room, and then chance decides") {
    places p;
    for (std::size_t i = 0; i < 1000; ++i) {
        auto const v = p.arrive(from("/ip4/10.0.0.1"));
        CHECK(v.is_admitted);
        CHECK(v.instead_of.has_value() == (i >= p.options.pending_inbound_max * 3 / 4));
    }
    CHECK(p.machine->size() == p.options.pending_inbound_max * 3 / 4);
    CHECK_FALSE(p.arrive(from("/ip4/10.0.0.2")).instead_of);
}

TEST_CASE("the rates of thousands of sources are remembered, and no more") {
    host_options o;
    o.pending_inbound_max = 10;
    admission a{o, 1};
    std::size_t admitted = 0;
    for (unsigned i = 0; i < 20'000; ++i) {  // all at one moment
        auto const source = from(text("/ip4/10.", i >> 16, ".", i >> 8 & 255, ".", i & 255));
        (void)a.arrive(i, source, instant{1h});
        admitted += a.speak(i, instant{1h}).is_admitted ? 1u : 0u;
        a.leave(i);
    }
    CHECK(admitted == 20'000);
    CHECK(a.rates() <= 4096);
}

TEST_CASE("nobody is bound to be the next one to go") {
    // Were it the oldest, a peer on a slow line could be pushed out by so many connections; by chance most survive.
    std::size_t survived = 0;
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
        host_options o;
        admission a{o, seed};
        auto const room = o.pending_inbound_max * 3 / 4;
        for (socket_id id = 2; id <= 2 * room; id += 2) (void)a.arrive(id, from("/ip4/10.0.0.1"), instant{1h});
        bool lives = true;
        for (socket_id id = 1000; id < 1000 + 2 * room; id += 2) {
            auto const v = a.arrive(id, from("/ip4/10.0.0.1"), instant{1h});
            lives = lives && v.instead_of != socket_id{2};
        }
        survived += lives ? 1u : 0u;
    }
    CHECK(survived > 40);  // (1 - 1/96)^96 of 200 is 73
    CHECK(survived < 120);
}

TEST_CASE("first words are counted per source and second") {
    places p;
    auto const there = from("/ip4/10.0.0.1");
    p.options.connections_per_prefix_max = 1000;
    std::size_t spoke = 0;
    for (std::size_t i = 0; i < p.options.inbound_rate + 10; ++i) {
        (void)p.arrive(there);
        spoke += p.machine->speak(p.last, p.now).is_admitted ? 1u : 0u;
    }
    CHECK(spoke == p.options.inbound_rate);
    (void)p.arrive(from("/ip4/10.0.0.2"));
    CHECK(p.machine->speak(p.last, p.now).is_admitted);
    (void)p.arrive(there);
    CHECK(p.machine->speak(p.last, p.now + 1s).is_admitted);
    CHECK(p.machine->speak(p.last, p.now + 1s).is_admitted);  // once is enough
}

TEST_CASE("strangers make room for newcomers, those in use for known peers only") {
    host_options o;
    o.connections_max = 40;
    o.pending_inbound_max = 8;
    places p{o};
    std::vector<socket_id> in;
    for (std::size_t i = 0; i < 23; ++i) in.push_back(p.settle(from(places::address(i))));
    (void)p.arrive(from(places::address(100)));
    (void)p.machine->speak(p.last, p.now);
    auto const newcomer = p.machine->settle(p.last, false, p.now);
    CHECK(newcomer.is_admitted);
    REQUIRE(newcomer.instead_of);
    for (auto const id : in) p.machine->use(id, p.now);
    p.machine->use(p.last, p.now);
    (void)p.arrive(from(places::address(101)));
    (void)p.machine->speak(p.last, p.now);
    CHECK_FALSE(p.machine->settle(p.last, false, p.now).is_admitted);
    p.machine->leave(p.last);
    (void)p.arrive(from(places::address(102)));
    (void)p.machine->speak(p.last, p.now);
    auto const known = p.machine->settle(p.last, true, p.now);
    CHECK(known.is_admitted);
    CHECK(known.instead_of);
    p.machine->leave(1'000'001);  // of nobody
}

}  // namespace admission_tests
