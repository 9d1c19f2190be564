// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What can happen to connections, measured: one run of each scenario is one sample.
///
/// Source: the goals R1, R2 and H1 to H4 that samples are compared with in figures.hpp.

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <muster/connection/book_file.hpp>
#include <muster/core/rate_limiter.hpp>
#include <muster/sim/connection/machine.hpp>
#include <muster/sim/rules.hpp>

namespace muster::sim::connection {

/// Machines on an internet whose packets take 10 to 100 ms.
class network {
public:
    explicit network(std::uint64_t seed, ratio loss = {0, 100})
        : where_{seed},
          net_{where_},
          delay_{net_.rules().install(delays(where_, std::chrono::milliseconds{10}, std::chrono::milliseconds{100}))},
          loss_{net_.rules().install(losses(where_, loss))} {}

    /// Adds machine @p i, which has not to be there yet.
    machine& add(std::size_t i, machine_options o = {}) {
        auto const on = where_.add_host();
        net_.route(ip_of(i), on);
        where_.boot(on);
        auto& made = all_[i];
        made.on = on;
        made.key.emplace(key_of(i));
        made.it.emplace(net_, on, i, *made.key, std::move(o));
        return *made.it;
    }
    void crash(std::size_t i) {
        auto& m = all_.at(i);
        m.it->vanish();
        where_.crash(m.on);
        m.it.reset();
    }
    machine& restart(std::size_t i, machine_options o = {}) {
        auto& m = all_.at(i);
        where_.boot(m.on);
        m.it.emplace(net_, m.on, i, *m.key, std::move(o));
        return *m.it;
    }
    [[nodiscard]] peer::peer_id id(std::size_t i) const { return all_.at(i).key->id(); }
    [[nodiscard]] host_id host(std::size_t i) const { return all_.at(i).on; }
    [[nodiscard]] world& where() noexcept { return where_; }
    [[nodiscard]] internet& wires() noexcept { return net_; }
    void pass(duration time) { where_.run_until(where_.now() + time); }
    /// Until @p done, for @p most at most: how long that took.
    template <class Done>
    [[nodiscard]] std::optional<duration> until(duration most, Done done) {
        auto const began = where_.now();
        if (!where_.run_until(began + most, done)) return std::nullopt;
        return where_.now() - began;
    }

private:
    struct place {
        host_id on = 0;
        std::optional<peer::node_key> key;
        std::optional<machine> it;
    };
    world where_;
    internet net_;
    rule_set::guard delay_, loss_;
    std::map<std::size_t, place> all_;
};

/// R2: a machine starts with a book of @p stored peers it had met, half of which are gone. How long until four
/// connections of its choice.
[[nodiscard]] inline std::optional<duration> restart(std::uint64_t seed, std::size_t stored = 100) {
    network n{seed};
    auto draw = n.where().stream("book");
    signing::replayed_entropy source{draw()};
    auto kept = muster::connection::new_book(source).value();
    auto const then = host_clock::wall_beginning - std::chrono::hours{10};
    for (std::size_t i = 1; i <= stored; ++i) {
        auto const who = i % 2 == 0 ? (n.add(i), n.id(i)) : key_of(i).id();
        (void)kept.book.add(who, std::array{address_of(i)}, text("source ", i), then);
        kept.book.attempt(who, then);
        kept.book.succeeded(who, address_of(i), then);
    }
    for (auto const& [who, e] : kept.book.entries()) {
        if (kept.anchors.size() < 4 && uniform(draw, 10) == 0) kept.anchors.push_back(who);
    }
    machine_options o;
    o.book = std::move(kept);
    auto const& it = n.add(0, std::move(o));
    return n.until(std::chrono::minutes{5}, [&] { return it.chosen() >= 4; });
}

/// R1: an attacker has a fifth of all identities, in 32 groups, and tells of them from as many sources; a machine that
/// was connected restarts. How many of its eight connections are the attacker's. Its peers answer with 7 of 10, the
/// attacker's always. Peers and sources are numbers: nothing but the book and the outbound_pool is under test.
[[nodiscard]] inline std::size_t eclipse(std::uint64_t seed) {
    using muster::connection::outbound_pool;
    constexpr std::size_t honest = 1000, attackers = 250, groups = 32, first_bad_group = 5'000;
    splitmix64 draw{stream_seed(seed, "eclipse")};
    signing::replayed_entropy source{draw()};
    auto const id = [](std::size_t i) {
        bytes multihash{0x12, 0x20};
        append(multihash, crypto::sha256(as_bytes(text("peer ", i))).view());
        return peer::peer_id::from_multihash(multihash).value();
    };
    auto const at = [](std::size_t group, std::size_t host) {
        return peer::multiaddr::from_text(
                   text("/ip4/", 1 + group / 250, ".", group % 250, ".", host / 250, ".", host % 250, "/tcp/4001"))
            .value();
    };
    auto const group_number = [&](std::size_t g) { return muster::connection::group_of(at(g, 0)); };
    std::map<peer::peer_id, bool> is_bad;
    auto kept = muster::connection::new_book(source).value();
    auto const start = host_clock::wall_beginning;
    for (std::size_t i = 0; i < honest + attackers; ++i) is_bad[id(i)] = i >= honest;
    for (std::size_t i = honest; i < honest + attackers; ++i) {  // he is the first to speak
        (void)kept.book.add(id(i), std::array{at(first_bad_group + i % groups, i)},
                            group_number(first_bad_group + i / groups), start);
    }
    for (std::size_t i = 0; i < honest; ++i)
        (void)kept.book.add(id(i), std::array{at(i / 2, i)}, group_number(2'000 + i % 10), start);

    std::size_t taken = 0;
    for (int life = 0; life < 2; ++life) {
        outbound_pool g{id(honest + attackers), std::move(kept), muster::connection::outbound_options{}, draw()};
        instant now{};
        g.start(start + std::chrono::hours{life}, now);
        for (auto const end = now + std::chrono::minutes{10}; now < end && g.chosen().size() < 8;) {
            effect_list<outbound_pool::effect> out;
            g.wake(now, out);
            while (!out.empty()) {
                for (auto const& e : out.take()) {
                    auto const* const s = std::get_if<outbound_pool::seek>(&e);
                    if (s == nullptr) continue;
                    if (is_bad[s->peer] || uniform(draw, 10) < 7) {
                        g.handle(muster::connection::link_up{s->peer, s->addresses[0]}, now, out);
                    } else {
                        g.handle(muster::connection::dial_failed{s->peer, error{muster::connection::errc::unreachable,
                                                                                "refused"}},
                                 now, out);
                    }
                }
            }
            now = std::max(now + std::chrono::seconds{1}, g.next_deadline().value_or(now));
        }
        taken = 0;
        for (auto const& who : g.chosen()) taken += is_bad[who] ? 1u : 0u;
        kept = g.kept();
    }
    return taken;
}

/// H1: a connection over which nothing passes any more, at any time. How long until it is suspected, and given up.
struct silence {
    std::optional<duration> suspected;
    std::optional<duration> dead;
};
[[nodiscard]] inline silence half_open(std::uint64_t seed) {
    network n{seed};
    auto& a = n.add(1);
    n.add(2);
    a.keep(2, n.id(2));
    n.pass(std::chrono::seconds{60});
    auto draw = n.where().stream("when");
    n.pass(between(draw, duration{}, duration{std::chrono::seconds{30}}));
    auto const cut = n.wires().rules().install([](packet const&, instant, fate& f) { f.dropped = true; });
    auto const began = n.where().now();
    silence out;
    a.on_news = [&](muster::connection::effect const& e) {
        auto const after = n.where().now() - began;
        if (auto const* const s = std::get_if<muster::connection::suspected>(&e); s != nullptr && !out.suspected)
            out.suspected = after;
        if (std::holds_alternative<muster::connection::disconnected>(e) && !out.dead) out.dead = after;
    };
    (void)n.until(std::chrono::minutes{5}, [&] { return out.dead.has_value(); });
    a.on_news = nullptr;
    return out;
}

/// H2: an hour of two machines that are connected, while packets are lost or the machines stall. How often a
/// connection was given up for dead.
[[nodiscard]] inline std::size_t false_deaths(std::uint64_t seed, ratio loss, bool stalls) {
    network n{seed, loss};
    std::size_t deaths = 0;
    auto const count = [&](muster::connection::effect const& e) {
        deaths += std::holds_alternative<muster::connection::disconnected>(e) ? 1u : 0u;
    };
    auto& a = n.add(1);
    auto& b = n.add(2);
    a.keep(2, n.id(2));
    n.pass(std::chrono::seconds{60});
    a.on_news = b.on_news = count;
    auto draw = n.where().stream("stalls");
    for (auto const end = n.where().now() + std::chrono::hours{1}; n.where().now() < end;) {
        // 20 s of 1,000 s: a fiftieth of all machines at any time.
        n.pass(between(draw, duration{}, 2 * duration{std::chrono::seconds{490}}));
        if (stalls) {
            auto const who = n.host(1 + uniform(draw, 2));
            n.where().pause(who, n.where().now() + std::chrono::seconds{20});
        }
        n.pass(std::chrono::seconds{20});
    }
    a.on_news = b.on_news = nullptr;
    return deaths;
}

/// H3: @p clients keep one machine, which is away for a minute and takes @p capacity connections a second afterwards.
struct storm_sample {
    std::size_t peak = 0;        ///< Dials in one second, after it is back.
    std::vector<duration> back;  ///< Of each client, since it is back.
    std::size_t missing = 0;     ///< Clients that are not back after ten minutes.
};
[[nodiscard]] inline storm_sample storm(std::uint64_t seed, std::size_t clients = 1000, std::size_t capacity = 50) {
    network n{seed};
    std::map<std::int64_t, std::size_t> dials;  // by second
    rate_limiter accepts = rate_limiter::per_second(capacity);
    bool is_limited = false;
    machine_options o;
    o.host.connections_max = 2 * clients;  // a quarter is kept for dialling out, another for those that come
    o.connections.high_water = o.connections.low_water = o.connections.peers_max = clients + 64;
    o.host.gater = [&](libp2p::gate const& g) {
        if (!is_limited || g.at != libp2p::gate::stage::accepted) return true;
        ++dials[n.where().now().time_since_epoch() / duration{std::chrono::seconds{1}}];
        return accepts.allow(n.where().now());
    };
    n.add(0, o);
    for (std::size_t i = 1; i <= clients; ++i) n.add(i).keep(0, n.id(0));
    n.pass(std::chrono::minutes{5});
    n.crash(0);
    n.pass(std::chrono::seconds{60});
    is_limited = true;
    auto& server = n.restart(0, o);
    auto const began = n.where().now();
    storm_sample out;
    std::map<peer::peer_id, bool> seen;
    server.on_news = [&](muster::connection::effect const& e) {
        auto const* const c = std::get_if<muster::connection::connected>(&e);
        if (c != nullptr && !std::exchange(seen[c->peer], true)) out.back.push_back(n.where().now() - began);
    };
    (void)n.until(std::chrono::minutes{10}, [&] { return out.back.size() == clients; });
    server.on_news = nullptr;
    out.missing = clients - out.back.size();
    for (auto const& [second, count] : dials) out.peak = std::max(out.peak, count);
    return out;
}

/// H4: half of the connections that a machine has chosen end at once. How long until all places are filled again.
[[nodiscard]] inline std::optional<duration> replaced(std::uint64_t seed) {
    network n{seed};
    auto draw = n.where().stream("book");
    signing::replayed_entropy source{draw()};
    machine_options o;
    o.book = muster::connection::new_book(source).value();
    constexpr std::size_t others = 40;
    for (std::size_t i = 1; i <= others; ++i) {
        n.add(i);
        (void)o.book->book.add(n.id(i), std::array{address_of(i)}, text("source ", i), host_clock::wall_beginning);
    }
    auto& it = n.add(0, std::move(o));
    if (!n.until(std::chrono::minutes{2}, [&] { return it.chosen() == 8; })) return std::nullopt;
    auto const chosen = it.chosen_peers();
    for (std::size_t i = 1; i <= others; ++i) {
        for (std::size_t k = 0; k < 4; ++k) {
            if (n.id(i) == chosen[k]) n.crash(i);
        }
    }
    if (!n.until(std::chrono::minutes{2}, [&] { return it.chosen() < 8; })) return std::nullopt;
    return n.until(std::chrono::minutes{5}, [&] { return it.chosen() == 8; });
}

}  // namespace muster::sim::connection
