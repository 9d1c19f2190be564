// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Which messages were seen lately: the duplicate filter of a gossip node.
///
/// Idea: a gossip node gets each message several times and must act once. It keeps ids, not messages, by the hundred
/// thousand, so bytes per id count; it asks for each arrival, so time counts; and both the number of ids and their
/// age are bounded, or a flood would fill the memory.
///
/// Algorithm: an index from keyed hashes to the places of a ring (see tag_index.hpp), and before it a small table of
/// what was recorded last (see newest.hpp). Within the last `ids_max` recordings and the time to live nothing is
/// forgotten, whatever the keys; a recording that was taken back does not count. With `hash64` an id takes 16 bytes.
///
/// Source: the ring with runs of time is ours; what it replaces are the maps with a time per id of go-libp2p-pubsub's
/// timecache and the sequenced multi-index of cpp-libp2p.

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>

#include <muster/cache/detail/policy_check.hpp>
#include <muster/cache/detail/tag_index.hpp>
#include <muster/cache/expiry.hpp>
#include <muster/cache/seen/id_store.hpp>
#include <muster/cache/seen/newest.hpp>
#include <muster/cache/seen/window.hpp>

namespace muster::cache {

/// The policies of a seen-cache. Derive, and override what you need.
template <class Time>
struct seen_defaults {
    using time = Time;          ///< Any ordered type with a duration: `muster::instant`, for one.
    using ids = hash64;         ///< hash64, hash128, exact32.
    using window = first_seen;  ///< first_seen, last_seen.
};

namespace detail {
/// Whether @p P derives from the defaults and changes none of them: its policies are misspelt, or repeat a default.
template <class P>
inline constexpr bool changes_nothing_of_seen = should_change<P, seen_defaults<typename P::time>>&&
    std::same_as<typename P::ids, typename seen_defaults<typename P::time>::ids>&&
        std::same_as<typename P::window, typename seen_defaults<typename P::time>::window>;
}  // namespace detail

/// Remembers the ids that were recorded lately.
///
/// The time comes with each call. When it goes back it counts as standing still; when two calls in a row are more than
/// the time to live before the latest, that was wrong, and what was recorded since counts as recorded at the first of
/// the two. So one call with a time far ahead forgets what is known, one with a time far back does nothing, and neither
/// harms later calls. Not thread-safe. Allocates in the constructor only.
template <class Policies>
class seen_cache {
    static_assert(
        !detail::changes_nothing_of_seen<Policies>,
        "these policies change nothing of seen_defaults: is the name of a policy misspelt? The slots are time, "
        "ids and window; who wants none changed names seen_defaults<Time> itself");
    static_assert(std::totally_ordered<typename Policies::time>,
                  "the policy `time` is no time: name an ordered type with differences, such as muster::instant");
    static_assert(
        seen_window<typename Policies::window, typename Policies::time>,
        "the policy `window` is no window over that time: name first_seen, last_seen or a model of seen_window");
    static_assert(id_store_for_any<typename Policies::ids>,
                  "the policy `ids` keeps no ids: name hash64, hash128, exact32 or a model of id_store");
    using store = typename Policies::ids;

public:
    using time = typename Policies::time;
    using order = typename Policies::window::template order<time>;

    struct options {
        std::size_t ids_max = 0;                 ///< Recordings remembered; at most 2^32 - 16.
        typename order::span time_to_live = {};  ///< An id is not known any more when it is as old as this; at once
                                                 ///< with zero or less.
        hash_key secret = hash_key::random();    ///< Of this node alone.
        std::uint64_t already_recorded = 0;      ///< Where the count of recordings begins, if the window has one.
    };

    explicit seen_cache(options const& o)
        : scope_hash_{hash_key{{o.secret.words[1], o.secret.words[0], o.secret.words[3], ~o.secret.words[2]}}},
          capacity_{o.ids_max < slots_max ? o.ids_max : slots_max},
          time_to_live_{o.time_to_live},
          ids_{order::places(capacity_), o.secret},
          index_{capacity_, load_percent, order::places(capacity_)},
          order_{capacity_, o.time_to_live, o.already_recorded} {}

    /// Records @p id; false when it was known already. Own publications are recorded by the same call, so that their
    /// echoes are known. O(1) amortised; O(ids_max) in a call before which as many ids were taken back as the ring has
    /// places to spare, one in 128.
    template <class Id>
    bool record(Id const& id, time now) {
        static_assert(id_store<store, Id>, "the policy `ids` does not keep ids of this type: see id_store");
        return record_key(ids_.key(id, 0), now);
    }
    /// The same for ids that only mean something within @p topic.
    template <class Topic, class Id>
    bool record(Topic const& topic, Id const& id, time now) {
        return record_key(ids_.key(id, scope(topic)), now);
    }

    /// Whether @p id is known. Renews nothing. O(1).
    template <class Id>
    [[nodiscard]] bool contains(Id const& id, time now) {
        (void)tell_time(now);
        return find(ids_.key(id, 0)) != no_slot;
    }
    /// @copydoc contains
    template <class Topic, class Id>
    [[nodiscard]] bool contains(Topic const& topic, Id const& id, time now) {
        (void)tell_time(now);
        return find(ids_.key(id, scope(topic))) != no_slot;
    }
    /// Asks for many at once, an IHAVE for one: @p f(i, known) for each of @p asked, in order. Memory is asked for
    /// ahead.
    template <class Id, class F>
    void contains_many(std::span<Id const> asked, F f, time now) {
        find_many(asked, 0, f, now);
    }
    /// @copydoc contains_many
    template <class Topic, class Id, class F>
    void contains_many(Topic const& topic, std::span<Id const> asked, F f, time now) {
        find_many(asked, scope(topic), f, now);
    }

    /// Takes a recording back, when the message turned out not to be valid: another one of that id may be. False when
    /// it was not known. O(1), and up to 128 moves of ids that a later recording makes for it.
    template <class Id>
    bool forget(Id const& id, time now) {
        return forget_key(ids_.key(id, 0), now);
    }
    /// @copydoc forget
    template <class Topic, class Id>
    bool forget(Topic const& topic, Id const& id, time now) {
        return forget_key(ids_.key(id, scope(topic)), now);
    }

    /// Ids that are known.
    [[nodiscard]] std::size_t size(time now) {
        (void)tell_time(now);
        return order_.size();
    }
    [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }

private:
    using key_type = typename store::key_type;
    static constexpr std::size_t load_percent = 73;  // 7.3 bytes an id

    template <class Topic>
    [[nodiscard]] std::uint64_t scope(Topic const& topic) const noexcept {
        return scope_hash_(topic) | 1;
    }

    // Takes out what has expired: an id is looked at once for each time it is recorded.
    [[nodiscard]] time tell_time(time now) {
        if constexpr (requires { order_.set_back(now); }) {
            if (latest_.tell(now, time_to_live_)) [[unlikely]]
                set_back(now);
        } else if (latest_.get() < now) {
            latest_.set(now);
        }
        order_.expire(latest_.get(), [this](slot_number s) { drop(s); });
        return latest_.get();
    }
    [[gnu::noinline, gnu::cold]] void set_back(time now) noexcept {
        order_.set_back(latest_.get());
        (void)latest_.tell(now, time_to_live_);
    }
    void drop(slot_number s) noexcept {
        auto const hash = ids_.hash_at(s);
        newest_.move(hash, s, no_slot);
        index_.erase(hash, s);
    }
    void move(slot_number from, slot_number to) noexcept {
        auto const hash = ids_.hash_at(from);
        newest_.move(hash, from, to);
        index_.erase(hash, from);
        ids_.copy(from, to);
        index_.insert(hash, to);
    }

    [[nodiscard]] slot_number find(key_type const& key) const {
        return index_.find(ids_.hash(key), [&](slot_number s) { return ids_.holds(s, key); });
    }
    template <class Id, class F>
    void find_many(std::span<Id const> asked, std::uint64_t topic, F& f, time now) {
        (void)tell_time(now);
        constexpr std::size_t stride = 16;
        typename store::key_type keys[stride];
        for (std::size_t begin = 0; begin < asked.size(); begin += stride) {
            auto const part = asked.subspan(begin, asked.size() - begin < stride ? asked.size() - begin : stride);
            for (std::size_t i = 0; i < part.size(); ++i) {
                keys[i] = ids_.key(part[i], topic);
                index_.prefetch(ids_.hash(keys[i]));
            }
            for (std::size_t i = 0; i < part.size(); ++i) f(begin + i, find(keys[i]) != no_slot);
        }
    }
    bool record_key(key_type const& key, time now) {
        auto const t = tell_time(now);
        auto const hash = ids_.hash(key);
        auto known = newest_.like(hash);
        if (known == no_slot || !ids_.holds(known, key)) known = find(key);
        if (known != no_slot) {
            order_.renew(known, t);
            return false;
        }
        if (capacity_ == 0) return true;
        if constexpr (requires { order_.leaves_soon(); }) index_.prefetch(ids_.hash_at(order_.leaves_soon()));
        auto const s = order_.append(
            t, [this](slot_number oldest) { drop(oldest); },
            [this](slot_number from, slot_number to) { move(from, to); });
        ids_.keep(s, key);
        index_.insert(hash, s);
        newest_.put(hash, s);
        return true;
    }
    bool forget_key(key_type const& key, time now) {
        (void)tell_time(now);
        auto const s = find(key);
        if (s == no_slot) return false;
        drop(s);
        order_.remove(s);
        return true;
    }

    multiply_hash scope_hash_;
    std::size_t capacity_;
    typename order::span time_to_live_;
    store ids_;
    detail::tag_index index_;
    detail::newest_slots newest_;
    order order_;
    latest_time<time> latest_;
};

}  // namespace muster::cache
