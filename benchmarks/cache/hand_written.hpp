// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// The library's exact LRU as one would write it by hand: the same index, links and hash, and not one policy.

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include <muster/cache/detail/slot_lists.hpp>
#include <muster/cache/detail/tag_index.hpp>
#include <muster/cache/hasher.hpp>

namespace muster::bench {

template <class Key, class Value>
class hand_written_lru {
public:
    explicit hand_written_lru(std::size_t capacity) : index_{capacity}, order_{capacity, 1} {
        entries_.reserve(capacity);
    }

    [[nodiscard]] Value const* get(Key const& key) {
        auto const s = find(hash_(key), key);
        if (s == cache::no_slot) return nullptr;
        order_.move(0, s);
        return &entries_[s].value;
    }
    void put(Key key, Value value) {
        auto const hash = hash_(key);
        if (auto const there = find(hash, key); there != cache::no_slot) {
            entries_[there].value = std::move(value);
            return;
        }
        auto s = static_cast<cache::slot_number>(entries_.size());
        if (entries_.size() < entries_.capacity()) {
            entries_.push_back({std::move(key), std::move(value)});
        } else {
            s = order_.back(0);
            order_.unlink(s);
            index_.erase(hash_(entries_[s].key), s);
            entries_[s] = {std::move(key), std::move(value)};
        }
        index_.insert(hash, s);
        order_.push(0, s);
    }

private:
    struct entry {
        Key key;
        Value value;
    };

    [[nodiscard]] cache::slot_number find(std::uint64_t hash, Key const& key) const {
        return index_.find(hash, [&](cache::slot_number s) { return entries_[s].key == key; });
    }

    cache::multiply_hash hash_;
    cache::detail::tag_index index_;
    cache::detail::slot_lists order_;
    std::vector<entry> entries_;
};

}  // namespace muster::bench
