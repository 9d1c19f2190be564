// SPDX-License-Identifier: MIT

// The flood of cache/flood.cpp through the real directory, with real advertisements: sixty honest signers advertise
// every ten minutes, each by a connection of its own, somebody here looks them up thirty times a minute, and a
// thousand new signers a minute are advertised by one connection, or by a hundred in turn. Which part of the look-ups
// does a directory of a hundred entries answer, over half an hour after ten minutes to settle? n is the number of
// connections. The same each time.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <muster/discovery/signer_directory.hpp>

#include <discovery/parts.hpp>

namespace muster::bench {

namespace {

constexpr timestamp beginning = from_unix_millis(1'800'000'000'000);
constexpr std::size_t honest_signers = 60, ids_per_minute = 1000, look_ups_per_minute = 30, connections_max = 100;
constexpr std::int64_t minute = 60'000, settled_at = 10 * minute, ends_at = settled_at + 30 * minute;

struct event {
    std::int64_t at;
    std::size_t signer;  ///< Looked up, or advertised.
    bool is_look_up;
    std::size_t connection;  ///< Which brings it: honest signers have one each, behind those of the attacker.
    bytes sealed;
};

crypto::secret<32> seed_of(std::size_t signer) {
    predictable source{splitmix64{signer}};
    return crypto::secret<32>::generate(source).value();
}

bytes advertisement(peer::key_set const& k, peer::binding const& binding, std::int64_t at) {
    discovery::signer_advertisement a{k.signer.public_key(), k.node.id(), binding, static_cast<std::uint64_t>(at) + 1};
    a.issued = beginning + std::chrono::milliseconds{at};
    a.expires = a.issued + std::chrono::minutes{30};
    return a.seal(k.node).value();
}

std::vector<event> events() {
    std::vector<event> all;
    splitmix64 draw{1};
    for (std::size_t i = 0; i < honest_signers; ++i) {
        auto const k = peer::derive_keys(seed_of(i)).value();
        auto const binding = peer::bind(k.signer, k.node.id()).value();
        for (auto at = static_cast<std::int64_t>(uniform(draw, 10 * minute)); at < ends_at; at += 10 * minute) {
            all.push_back({at, i, false, connections_max + i, advertisement(k, binding, at)});
        }
    }
    for (std::size_t i = 0; i < ends_at / minute * look_ups_per_minute; ++i) {
        auto const at = static_cast<std::int64_t>(uniform(draw, ends_at));
        all.push_back({at, uniform(draw, honest_signers), true, 0, {}});
    }
    for (std::size_t i = 0; i < ends_at / minute * ids_per_minute; ++i) {
        auto const k = peer::derive_keys(seed_of(honest_signers + i)).value();
        auto const at = static_cast<std::int64_t>(uniform(draw, ends_at));
        all.push_back({at, honest_signers + i, false, i % connections_max,
                       advertisement(k, peer::bind(k.signer, k.node.id()).value(), at)});
    }
    std::stable_sort(all.begin(), all.end(), [](event const& a, event const& b) { return a.at < b.at; });
    return all;
}

struct plain_lru : discovery::directory_defaults {
    using admission = cache::always;
};

template <class Policies>
double answered(std::vector<event> const& all, std::size_t connections, std::vector<peer::peer_id> const& ids,
                std::vector<crypto::public_key> const& honest) {
    discovery::signer_directory<Policies> d{{}};
    effect_list<discovery::directory_event> told;
    double look_ups = 0, answers = 0;
    for (auto const& e : all) {
        auto const now = beginning + std::chrono::milliseconds{e.at};
        if (!e.is_look_up) {
            auto const by = e.connection < connections_max ? e.connection % connections : e.connection;
            (void)d.take(e.sealed, ids[by], discovery::source::gossip, now, told);
            (void)told.take();
            continue;
        }
        bool const is_known = d.want(honest[e.signer], now) != nullptr;
        if (e.at < settled_at) continue;
        ++look_ups;
        answers += is_known ? 1 : 0;
    }
    return answers / look_ups;
}

}  // namespace

std::vector<row> directory_floods() {
    auto const all = events();
    std::vector<peer::peer_id> ids;
    std::vector<crypto::public_key> honest;
    for (std::size_t i = 0; i < connections_max; ++i) ids.push_back(peer::derive_keys(seed_of(~i)).value().node.id());
    for (std::size_t i = 0; i < honest_signers; ++i) {
        auto const k = peer::derive_keys(seed_of(i)).value();
        ids.push_back(k.node.id());
        honest.push_back(k.signer.public_key());
    }
    std::vector<row> rows;
    for (std::size_t const n : {std::size_t{1}, connections_max}) {
        rows.push_back(figure("discovery/flood", n, "muster", "answered_ratio",
                              answered<discovery::directory_defaults>(all, n, ids, honest)));
        rows.push_back(figure("discovery/flood", n, "lru", "answered_ratio", answered<plain_lru>(all, n, ids, honest)));
    }
    return rows;
}

}  // namespace muster::bench
