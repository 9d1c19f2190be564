// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Storage inside the cache object, for a few dozen entries and no heap.

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>

#include <muster/cache/detail/tag_index.hpp>

namespace muster::cache {

/// At most @p N entries in place, found by comparing all their tags.
template <std::size_t N>
struct inline_array {
    static_assert(N >= 1 && N <= 64, "beyond 64 entries the slab is faster");
    static constexpr bool global = true;

    template <class Key, class Value>
    class store {
    public:
        /// Holds @p capacity entries, at most N.
        explicit store(std::size_t capacity) : capacity_{std::min(capacity, N)} {}
        store(store const&) = delete;  // nothing knows which places are in use
        store& operator=(store const&) = delete;

        [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }
        [[nodiscard]] std::size_t slots() const noexcept { return capacity_; }

        template <class K, class Equal>
        [[nodiscard]] slot_number find(std::uint64_t hash, K const& key, Equal const& equal) const {
            for (std::size_t line = 0; line < lines; ++line) {
                for (auto m = detail::match16(&tags_[line * 16], detail::tag_of<8>(hash)); m != 0; m &= m - 1) {
                    auto const s = static_cast<slot_number>(line * 16) + static_cast<slot_number>(std::countr_zero(m));
                    if (equal(get(s).key, key)) return s;
                }
            }
            return no_slot;
        }
        void prefetch(std::uint64_t) const noexcept {}
        void prefetch_entry(std::uint64_t) const noexcept {}

        /// A free place, of which there must be one. It is the caller's, who fills it or gives it back.
        [[nodiscard]] slot_number take() const noexcept {
            slot_number s = 0;
            while (tags_[s] != 0) ++s;
            return s;
        }
        void give_back(slot_number) const noexcept {}  // a place without a tag is free
        /// Expects a place of the caller's.
        void insert_at(slot_number s, std::uint64_t hash, Key&& key, Value&& value) noexcept {
            tags_[s] = static_cast<std::uint8_t>(detail::tag_of<8>(hash));
            ::new (static_cast<void*>(&places_[s].held)) entry{std::move(key), std::move(value)};
        }
        /// The place is the caller's then.
        void erase(std::uint64_t, slot_number s) noexcept {
            tags_[s] = 0;
            places_[s].held.~entry();
        }

        [[nodiscard]] Key const& key(slot_number s) const noexcept { return get(s).key; }
        [[nodiscard]] Value& value(slot_number s) noexcept { return places_[s].held.value; }
        [[nodiscard]] Value const& value(slot_number s) const noexcept { return get(s).value; }

    private:
        static constexpr std::size_t lines = (N + 15) / 16;

        struct entry {
            Key key;
            Value value;
        };
        union place {
            place() {}
            ~place() {}
            entry held;
        };

        [[nodiscard]] entry const& get(slot_number s) const noexcept { return places_[s].held; }

        std::size_t capacity_;
        alignas(16) std::uint8_t tags_[lines * 16] = {};
        place places_[N];
    };
};

}  // namespace muster::cache
