// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What a seen-cache keeps of an id: all of it, or a keyed hash.
///
/// A hash saves memory and can be wrong: another id of the same hash would be taken for a duplicate and dropped. With
/// 64 bits that happens to one query in 2^44 at a million ids, with 128 bits never. Since the hash is keyed, nobody can
/// look for such ids offline, and what collides on one node does not on the next.

#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include <muster/cache/detail/array.hpp>
#include <muster/cache/detail/tag_index.hpp>
#include <muster/cache/hasher.hpp>

namespace muster::cache {

/// What an id store remembers about an id that is looked for.
///
/// Semantics: `key(id, scope)` is what is compared; `hash(key)` 64 uniform bits of it, and `hash_at(slot)` those of
/// what is kept there; `keep(slot, key)` and `holds(slot, key)` write and compare, `copy(from, to)` keeps at one slot
/// what another one keeps. The scope is the keyed hash of a topic, or 0. O(size of the id).
template <class S, class Id>
concept id_store = std::constructible_from<S, std::size_t, hash_key const&> &&
    requires(S& s, S const& c, Id const& id, typename S::key_type const& key, slot_number n) {
    { c.key(id, std::uint64_t{}) } -> std::same_as<typename S::key_type>;
    { c.hash(key) } -> std::same_as<std::uint64_t>;
    { c.hash_at(n) } -> std::same_as<std::uint64_t>;
    s.keep(n, key);
    s.copy(n, n);
    { c.holds(n, key) } -> std::same_as<bool>;
};

/// What can be said of an id store without an id: it is made from a number of places and the secret, and has keys.
template <class S>
concept id_store_for_any = std::constructible_from<S, std::size_t, hash_key const&> &&
    requires(S const& c, typename S::key_type const& key) {
    { c.hash(key) } -> std::same_as<std::uint64_t>;
};

/// Keeps 64 bits of a keyed hash: 8 bytes an id.
class hash64 {
public:
    using key_type = std::uint64_t;
    hash64(std::size_t slots, hash_key const& key) : hash_{key}, kept_{slots} {}

    template <class Id>
    [[nodiscard]] key_type key(Id const& id, std::uint64_t scope) const noexcept {
        return scope == 0 ? hash_(id) : detail::scramble(hash_(id) ^ scope);
    }
    [[nodiscard]] static std::uint64_t hash(key_type key) noexcept { return key; }
    [[nodiscard]] std::uint64_t hash_at(slot_number s) const noexcept { return kept_[s]; }
    void keep(slot_number s, key_type key) noexcept { kept_[s] = key; }
    void copy(slot_number from, slot_number to) noexcept { kept_[to] = kept_[from]; }
    [[nodiscard]] bool holds(slot_number s, key_type key) const noexcept { return kept_[s] == key; }

private:
    multiply_hash hash_;
    detail::array<std::uint64_t> kept_;
};

/// Keeps 128 bits of a keyed hash: 16 bytes an id.
class hash128 {
public:
    struct key_type {
        std::uint64_t first;
        std::uint64_t second;
        bool operator==(key_type const&) const = default;
    };
    hash128(std::size_t slots, hash_key const& key)
        : first_{key}, second_{hash_key{{~key.words[3], ~key.words[2], ~key.words[1], ~key.words[0]}}}, kept_{slots} {}

    template <class Id>
    [[nodiscard]] key_type key(Id const& id, std::uint64_t scope) const noexcept {
        return {detail::scramble(first_(id) ^ scope), second_(id) ^ scope};
    }
    [[nodiscard]] static std::uint64_t hash(key_type const& key) noexcept { return key.first; }
    [[nodiscard]] std::uint64_t hash_at(slot_number s) const noexcept { return kept_[s].first; }
    void keep(slot_number s, key_type const& key) noexcept { kept_[s] = key; }
    void copy(slot_number from, slot_number to) noexcept { kept_[to] = kept_[from]; }
    [[nodiscard]] bool holds(slot_number s, key_type const& key) const noexcept { return kept_[s] == key; }

private:
    multiply_hash first_;
    multiply_hash second_;
    detail::array<key_type> kept_;
};

/// Keeps ids of 32 bytes as they are: 32 bytes an id.
class exact32 {
public:
    struct key_type {
        std::array<std::uint64_t, 4> words;
        bool operator==(key_type const&) const = default;
    };
    exact32(std::size_t slots, hash_key const& key) : hash_{key}, kept_{slots} {}

    template <class Id>
    [[nodiscard]] key_type key(Id const& id, std::uint64_t scope) const noexcept {
        static_assert(
            sizeof(Id) == 32 && bytes_are_value<Id>,
            "exact32 keeps ids of 32 bytes that are their value, see bytes_are_value: take hash64 or hash128");
        key_type k;
        std::memcpy(&k, &id, sizeof k);
        k.words[0] ^= scope;  // a secret: nobody can choose an id that looks like another one under another topic
        return k;
    }
    [[nodiscard]] std::uint64_t hash(key_type const& key) const noexcept { return hash_(key.words); }
    [[nodiscard]] std::uint64_t hash_at(slot_number s) const noexcept { return hash(kept_[s]); }
    void keep(slot_number s, key_type const& key) noexcept { kept_[s] = key; }
    void copy(slot_number from, slot_number to) noexcept { kept_[to] = kept_[from]; }
    [[nodiscard]] bool holds(slot_number s, key_type const& key) const noexcept { return kept_[s] == key; }

private:
    multiply_hash hash_;
    detail::array<key_type> kept_;
};

}  // namespace muster::cache
