// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Admission by source: nobody may fill the cache alone.
///
/// Each entry is charged to a source, the peer that sent it for example. Whoever holds as much as is allowed makes
/// room with an entry of its own; and when the cache is full, whoever holds most does. Only when nobody holds more
/// than one entry does the eviction policy choose. This protects as far as sources cost something: who has as many
/// names as the cache has places can still fill it.
///
/// Algorithm: a list of slots for each source, in the order of use, and a list of sources for each number of entries
/// held, so that the largest holder is found by looking at as many lists as a source may hold entries.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include <muster/cache/concepts.hpp>
#include <muster/cache/detail/slot_lists.hpp>
#include <muster/cache/detail/tag_index.hpp>
#include <muster/cache/hasher.hpp>

namespace muster::cache {

/// At most so many entries of one source. @p SourceOf tells the source from key and value: anything that
/// @ref multiply_hash takes. 46 bytes an entry. Needs a storage that can evict any entry.
template <class SourceOf>
struct quota {
    [[no_unique_address]] SourceOf source_of = {};
    std::size_t per_source_max = 13;  ///< At least 1. Ours: an eighth of a hundred entries.

    template <class Eviction>
    class order {
    public:
        order(std::size_t slots, quota const& q)
            : source_of_{q.source_of},
              per_source_max_{std::max<std::size_t>(std::min(q.per_source_max, slots), 1)},
              policy_{slots},
              entries_{slots, slots},
              holders_{slots, per_source_max_ + 1},
              index_{slots},
              sources_{slots},
              source_of_slot_{slots} {
            for (std::size_t i = slots; i-- > 0;) holders_.push(0, static_cast<slot_number>(i));
        }

        /// An entry is about to be put.
        template <class Key, class Value>
        void on_arrival(Key const& key, Value const& value) {
            static_assert(std::is_invocable_v<SourceOf const&, Key const&, Value const&>,
                          "quota<SourceOf> does not tell the source of such entries: name a const function of key and "
                          "value that returns what multiply_hash takes");
            arriving_ = hash_(source_of_(key, value));
        }
        /// The entry that the arriving source must give up before its new one, or `no_slot`.
        [[nodiscard]] slot_number forfeit() const noexcept {
            auto const source = find(arriving_);
            return source != no_slot && sources_[source].held == per_source_max_ ? oldest_of(source) : no_slot;
        }
        /// Whether the entry at @p s is charged to the arriving source already.
        [[nodiscard]] bool may_replace(slot_number s) const noexcept {
            return sources_[source_of_slot_[s]].name == arriving_;
        }

        /// What @ref on_return needs to know of the entry at @p s: its source.
        [[nodiscard]] std::uint64_t standing(slot_number s) const noexcept { return sources_[source_of_slot_[s]].name; }
        /// An entry of the source @p name.
        void on_return(slot_number s, std::uint64_t hash, std::uint64_t name) noexcept {
            auto source = find(name);
            if (source == no_slot) {
                source = holders_.back(0);
                sources_[source].name = name;
                index_.insert(name, source);
            }
            source_of_slot_[s] = source;
            entries_.push(source, s);
            charge(source, sources_[source].held + 1);
            policy_.on_insert(s, hash);
        }
        void on_insert(slot_number s, std::uint64_t hash) noexcept { on_return(s, hash, arriving_); }
        void on_hit(slot_number s, std::uint64_t hash) noexcept {
            entries_.move(source_of_slot_[s], s);
            detail::tell_hit(policy_, s, hash);
        }
        void on_erase(slot_number s) noexcept {
            discharge(s);
            policy_.on_erase(s);
        }
        void on_evict(slot_number s, std::uint64_t hash) noexcept {
            discharge(s);
            policy_.on_evict(s, hash);
        }
        /// Expects at least one entry.
        [[nodiscard]] slot_number victim() noexcept {
            for (auto held = per_source_max_; held > 1; --held) {
                if (auto const source = holders_.back(held); source != no_slot) return oldest_of(source);
            }
            return policy_.victim();
        }
        template <class F>
        void for_each(F f) const {
            policy_.for_each(f);
        }

    private:
        struct holder {
            std::uint64_t name;  // keyed hash: two sources of one name would share a quota, once in 2^64
            std::size_t held;
        };

        [[nodiscard]] slot_number find(std::uint64_t name) const noexcept {
            return index_.find(name, [&](slot_number i) { return sources_[i].name == name; });
        }
        [[nodiscard]] slot_number oldest_of(slot_number source) const noexcept { return entries_.back(source); }
        void charge(slot_number source, std::size_t held) noexcept {
            sources_[source].held = held;
            holders_.move(held, source);
        }
        void discharge(slot_number s) noexcept {
            auto const source = source_of_slot_[s];
            entries_.unlink(s);
            charge(source, sources_[source].held - 1);
            if (sources_[source].held == 0) index_.erase(sources_[source].name, source);
        }

        [[no_unique_address]] SourceOf source_of_;
        std::size_t per_source_max_;
        Eviction policy_;
        detail::slot_lists entries_;  // a list for each source, by use
        detail::slot_lists holders_;  // sources, a list for each number of entries held; in that of 0 the unused
        detail::tag_index index_;     // from the name of a source to its number
        detail::array<holder> sources_;
        detail::array<slot_number> source_of_slot_;
        multiply_hash hash_;
        std::uint64_t arriving_ = 0;
    };
};

}  // namespace muster::cache
