// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Says in a sentence which policy of a cache is the wrong kind of thing.
///
/// Each slot is a template of what was given, so the compiler names that beside the sentence. A policy whose name is
/// misspelt is a member that nobody asks for, which the language cannot list; what can be seen is that a struct changes
/// nothing at all of the defaults it derives from.

#include <concepts>

#include <muster/cache/concepts.hpp>
#include <muster/cache/expiry.hpp>
#include <muster/cache/hasher.hpp>
#include <muster/cache/policies.hpp>
#include <muster/core/policy_check.hpp>

namespace muster::cache {

namespace detail {
/// Policies that were made from a user's, and are not judged again.
struct adapted {};

template <class... Slots>
struct slots {};
template <class P>
using slots_of =
    slots<typename P::storage, typename P::eviction, typename P::admission, typename P::touch, typename P::expiry,
          typename P::time_source, typename P::weight, typename P::hash, typename P::equal, typename P::listener,
          typename P::stats, typename P::persistence, typename P::threading>;

/// Whether @p P is a struct of its own that derives from @p Defaults, and so has something to change.
template <class P, class Defaults>
inline constexpr bool should_change = std::derived_from<P, Defaults> && !std::same_as<P, Defaults> &&
                                      !std::derived_from<P, adapted> && !muster::detail::is_made_by_template<P>;
}  // namespace detail

/// Whether @p Policies is a struct that derives from @p Defaults and changes none of the policies of a cache. A struct
/// that only repeats a default is one of them: the compiler cannot tell it from a misspelt name.
template <class Policies, class Defaults>
inline constexpr bool changes_nothing =
    detail::should_change<Policies, Defaults>&& std::same_as<detail::slots_of<Policies>, detail::slots_of<Defaults>>;

namespace detail {

template <class Given, class Key, class Value>
struct storage_slot {
    static_assert(storage_policy<Given, Key, Value>,
                  "the policy `storage` is no storage of such keys and values: name slab, set_associative<Ways>, "
                  "inline_array<N> or a model of storage_policy");
};
template <class Given>
struct eviction_slot {
    static_assert(eviction_policy<Given>,
                  "the policy `eviction` is no order of eviction: name lru, lazy_lru<P>, fifo, clock<Bits>, sieve, "
                  "s3_fifo, adaptive_s3_fifo or a model of eviction_policy");
};
template <class Given, class Eviction>
struct admission_slot {
    static_assert(!eviction_policy<Eviction> || admission_policy<Given, Eviction>,
                  "the policy `admission` is no admission: name always, demand, quota<SourceOf> or a model of "
                  "admission_policy");
};
template <class Given>
struct touch_slot {
    static_assert(touch_policy<Given>,
                  "the policy `touch` does not say what a use is: name touch_on_get, touch_on_put, touch_on_both or a "
                  "model of touch_policy");
};
template <class Given>
struct expiry_slot {
    static_assert(std::same_as<Given, no_expiry> || expiry_policy<Given>,
                  "the policy `expiry` is no expiry: name no_expiry, uniform_expiry<T>, per_entry_expiry<T>, "
                  "value_expiry<T, F> or a model of expiry_policy");
};
template <class Given, class Expiry>
struct time_source_slot {
    static_assert(std::same_as<Given, caller_time> || !std::same_as<Expiry, no_expiry>,
                  "the policy `time_source` is never asked, since nothing expires: name an `expiry` as well");
    static_assert(!expiry_policy<Expiry> || time_source_for<Given, typename Expiry::time>,
                  "the policy `time_source` does not give the kind of time that the expiry counts in: name "
                  "caller_time, monotonic_time<Clock>, wall_time<Clock> or a type whose now() returns that");
};
template <class Given, class Key, class Value>
struct weight_slot {
    static_assert(std::same_as<Given, unit_weight> || weigher<Given, Key, Value>,
                  "the policy `weight` does not weigh such keys and values: name unit_weight, byte_weight<F> or a "
                  "const function of key and value that returns an integer");
};
template <class Given, class Key, class Equal>
struct hash_slot {
    static_assert(hasher<Given, Key>,
                  "the policy `hash` does not hash such keys: name multiply_hash, sip_hash or a const function of a "
                  "key that returns std::uint64_t");
    static_assert(
        !(std::same_as<Given, multiply_hash> || std::same_as<Given, sip_hash>) || !std::same_as<Equal, equal_keys> ||
            !holds_address<Key>,
        "a key that is a pointer is compared by its address and hashed by what is there: keep std::string, or "
        "give the cache a `hash` or an `equal`");
};
template <class Given, class Key>
struct equal_slot {
    static_assert(key_equality<Given, Key>,
                  "the policy `equal` does not compare such keys: name equal_keys, for keys that have ==, or a const "
                  "function of two keys that returns bool");
};
template <class Given, class Key, class Value>
struct listener_slot {
    static_assert(std::same_as<Given, no_listener> || removal_listener<Given, Key, Value>,
                  "the policy `listener` cannot be told: name no_listener, or a function of removal, key and value");
};
template <class Given>
struct stats_slot {
    static_assert(stats_policy<Given>,
                  "the policy `stats` does not count: name no_stats, counters or a model of stats_policy");
};

/// Does not compile unless all policies but those of threads and persistence are what they should be.
template <class Key, class Value, class Policies, class Defaults>
[[nodiscard]] consteval bool check_policies() {
    static_assert(!changes_nothing<Policies, Defaults>,
                  "these policies change nothing of cache::defaults: is the name of a policy misspelt? The slots are "
                  "storage, eviction, admission, touch, expiry, time_source, weight, hash, equal, listener, stats, "
                  "persistence and threading; who wants none changed names cache::defaults itself");
    (void)storage_slot<typename Policies::storage, Key, Value>{};
    (void)eviction_slot<typename Policies::eviction>{};
    (void)admission_slot<typename Policies::admission, typename Policies::eviction>{};
    (void)touch_slot<typename Policies::touch>{};
    (void)expiry_slot<typename Policies::expiry>{};
    (void)time_source_slot<typename Policies::time_source, typename Policies::expiry>{};
    (void)weight_slot<typename Policies::weight, Key, Value>{};
    (void)hash_slot<typename Policies::hash, Key, typename Policies::equal>{};
    (void)equal_slot<typename Policies::equal, Key>{};
    (void)listener_slot<typename Policies::listener, Key, Value>{};
    (void)stats_slot<typename Policies::stats>{};
    return true;
}

}  // namespace detail

}  // namespace muster::cache
