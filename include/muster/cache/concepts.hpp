// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What a cache asks of its larger policies: where entries are kept, the order in which they are given up, and who
/// enters that order where. The smaller ones are in policies.hpp, expiry.hpp and hasher.hpp.

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <utility>

#include <muster/cache/detail/tag_index.hpp>
#include <muster/cache/policies.hpp>

namespace muster::cache {

/// An order in which entries are given up, over the slots of a store.
///
/// Semantics: it is told of every insertion, hit and departure; `on_evict` is a departure that the order itself chose,
/// with the hash of the key, for policies that remember. `victim()` names the next entry to give up and expects one to
/// be there. `for_each(f)` goes through all entries, roughly from the next victim on. Nothing throws.
template <class E>
concept eviction_order = requires(E& e, E const& c, slot_number s, std::uint64_t hash, void (*f)(slot_number)) {
    e.on_insert(s, hash);
    e.on_erase(s);
    e.on_evict(s, hash);
    { e.victim() } -> std::same_as<slot_number>;
    c.for_each(f);
};
/// An @ref eviction_order made for a number of slots; `on_hit(slot)` tells it of a use, or `on_hit(slot, hash)`.
template <class E>
concept eviction_policy = eviction_order<E> && std::constructible_from<E, std::size_t> &&(
    requires(E& e, slot_number s) { e.on_hit(s); } ||
    requires(E & e, slot_number s, std::uint64_t hash) { e.on_hit(s, hash); });

/// An eviction policy that can also choose among the places of one set, all of them in use. It is told of insertions
/// there by a call of their own.
template <class E>
concept set_eviction_policy = eviction_policy<E> && requires(E& e, slot_number s) {
    e.on_insert_among(s);
    { e.victim_among(s, s) } -> std::same_as<slot_number>;
};

/// Which entries stand behind others, whatever the eviction policy says: a template that makes one order out of
/// another.
///
/// Semantics: `order<E>` is E itself, or made from the number of slots and the admission; a use is `on_hit(slot)` or
/// `on_hit(slot, hash)`. Where it has them, it is told `on_miss(hash)` of every get that finds nothing and
/// `on_replace(slot, hash)` instead of a hit when a value is replaced. Where it has `on_arrival(key, value)`, that is
/// called before a put changes anything; then `forfeit()` may name an entry that must go first, though there be room,
/// and `may_replace(slot)` forbid that the new value takes the place of an old one. `is_promoted(slot)` says which
/// entries a persistent cache has to bring back by a use. Where it also has `is_wanted(slot, hash)`, entries for which
/// that is false may weigh a tenth of all at most, and in a cache of which a tenth is no entry they make no room among
/// the promoted. Where it has `standing(slot)`, a number, an entry that was taken out for another one that did not get
/// in comes back by `on_return(slot, hash, standing)`, not by `on_insert`. Only `on_arrival` may throw.
template <class A, class Eviction>
concept admission_policy = eviction_order<typename A::template order<Eviction>>;

/// Where entries are kept: a template over key and value, which says by `global` whether room can be made by evicting
/// any entry.
///
/// Semantics: `insert_at` fills a place, `erase` destroys what is there. With `global`, a place is the caller's between
/// `take` and `insert_at`, and after `erase` until it is filled again or given back. Without, `candidates_for` says
/// where a hash may live and what is free there, and an erased place is free. The look-ups may throw what hash and
/// comparison throw; nothing else throws.
template <class S, class Key, class Value>
concept storage_policy = requires(typename S::template store<Key, Value>& s,
                                  typename S::template store<Key, Value> const& c, std::uint64_t hash, slot_number n,
                                  Key& k, Value& v) {
    { S::global } -> std::convertible_to<bool>;
    { c.capacity() } -> std::same_as<std::size_t>;
    { c.slots() } -> std::same_as<std::size_t>;
    { c.find(hash, k, equal_keys{}) } -> std::same_as<slot_number>;
    requires noexcept(s.insert_at(n, hash, std::move(k), std::move(v)));
    requires noexcept(s.erase(hash, n));
    { c.key(n) } -> std::same_as<Key const&>;
    { s.value(n) } -> std::same_as<Value&>;
    c.prefetch(hash);
    c.prefetch_entry(hash);
}
&& (S::global ? requires(typename S::template store<Key, Value>& s, slot_number n) {
    { s.take() } -> std::same_as<slot_number>;
    requires noexcept(s.take()) && noexcept(s.give_back(n));
} : requires(typename S::template store<Key, Value> const& c, std::uint64_t hash) {
    { c.candidates_for(hash).first } -> std::convertible_to<slot_number>;
    { c.candidates_for(hash).count } -> std::convertible_to<slot_number>;
    { c.candidates_for(hash).free } -> std::convertible_to<slot_number>;
});

namespace detail {

/// Tells @p order of a use of the entry at @p s, in the way that it wants to hear it.
template <class Order>
[[gnu::always_inline]] inline void tell_hit(Order& order, slot_number s, [[maybe_unused]] std::uint64_t hash) noexcept {
    if constexpr (requires { order.on_hit(s, hash); }) {
        order.on_hit(s, hash);
    } else {
        order.on_hit(s);
    }
}

}  // namespace detail

}  // namespace muster::cache
