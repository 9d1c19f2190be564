// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// People who act, and who knows them.

#include <map>
#include <optional>

#include <muster/identity/action_verifier.hpp>

#include <support/key_files.hpp>

namespace muster::test {

/// Models author_directory: everybody it was told.
struct known_authors {
    std::map<identity::user_id, crypto::public_key> keys;
    [[nodiscard]] std::optional<crypto::public_key> key_of(identity::user_id const& who) const {
        auto const found = keys.find(who);
        return found == keys.end() ? std::nullopt : std::optional{found->second};
    }
};
static_assert(identity::author_directory<known_authors>);

inline identity::network_id const test_network = identity::network_id::from(bytes(32, 0x6e));
inline constexpr timestamp noon = from_unix_millis(1'800'000'000'000);
inline constexpr auto a_day = std::chrono::hours{24};

/// Somebody with keys and a chain.
struct person {
    explicit person(std::uint64_t seed, std::uint64_t life = 1)
        : keys{peer::derive_keys(master_key(seed).seed).value()},
          user{identity::user_of(keys.node.public_key())},
          author{test_network, user, life} {}

    [[nodiscard]] identity::action act(byte_view payload, timestamp wall = noon, identity::action_type type = {}) {
        return author.act(type, payload, a_day, wall, keys.node).value();
    }
    /// An action that follows what is known, said without being remembered: for another story.
    [[nodiscard]] identity::action would_act(byte_view payload, timestamp wall = noon) const {
        auto copy = author;
        return copy.act({}, payload, a_day, wall, keys.node).value();
    }

    peer::key_set keys;
    identity::user_id user;
    identity::action_author author;
};

/// Who knows @p all.
[[nodiscard]] inline known_authors who_knows(std::initializer_list<person const*> all) {
    known_authors out;
    for (auto const* p : all) out.keys[p->user] = p->keys.node.public_key();
    return out;
}

}  // namespace muster::test
