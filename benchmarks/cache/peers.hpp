// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// LRU caches as others build them, behind one interface: `get`, and `put` that evicts.
///
/// All take the same keyed hash, so that what is compared is the structure.

#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include <boost/compute/detail/lru_cache.hpp>
#include <boost/multi_index/hashed_index.hpp>
#include <boost/multi_index/member.hpp>
#include <boost/multi_index/ordered_index.hpp>
#include <boost/multi_index/sequenced_index.hpp>
#include <boost/multi_index_container.hpp>
#include <boost/unordered/unordered_flat_map.hpp>
#include <boost/unordered/unordered_flat_set.hpp>

#include <muster/cache/hasher.hpp>

namespace muster::bench {

/// The hash of all peers, as the library's own: size_t instead of 64 bits, and known to mix well.
struct peer_hash {
    using is_avalanching = void;
    cache::multiply_hash hash;
    template <class K>
    std::size_t operator()(K const& key) const noexcept {
        return hash(key);
    }
};

/// A sequence and a hash index over the same nodes: what cpp-libp2p and many others do.
template <class Key, class Value>
class multi_index_lru {
public:
    explicit multi_index_lru(std::size_t capacity) : capacity_{capacity} {}

    [[nodiscard]] Value const* get(Key const& key) {
        auto const found = by_key().find(key);
        if (found == by_key().end()) return nullptr;
        items_.relocate(items_.begin(), items_.template project<0>(found));
        return &found->value;
    }
    void put(Key const& key, Value const& value) {
        auto const added = items_.push_front({key, value});
        if (added.second && items_.size() > capacity_) items_.pop_back();
    }

private:
    struct item {
        Key key;
        Value value;
    };
    using container = boost::multi_index_container<
        item, boost::multi_index::indexed_by<
                  boost::multi_index::sequenced<>,
                  boost::multi_index::hashed_unique<boost::multi_index::member<item, Key, &item::key>, peer_hash>>>;
    auto& by_key() { return items_.template get<1>(); }

    std::size_t capacity_;
    container items_;
};

/// The textbook: a list in the order of use, and a map into it.
template <class Key, class Value, template <class, class> class Map>
class list_and_map_lru {
public:
    explicit list_and_map_lru(std::size_t capacity) : capacity_{capacity} {}

    [[nodiscard]] Value const* get(Key const& key) {
        auto const found = map_.find(key);
        if (found == map_.end()) return nullptr;
        order_.splice(order_.begin(), order_, found->second);
        return &found->second->second;
    }
    void put(Key const& key, Value const& value) {
        if (auto const there = map_.find(key); there != map_.end()) {
            there->second->second = value;
            return;
        }
        if (map_.size() == capacity_) {
            map_.erase(order_.back().first);
            order_.pop_back();
        }
        order_.emplace_front(key, value);
        map_.emplace(key, order_.begin());
    }

private:
    using order = std::list<std::pair<Key, Value>>;
    std::size_t capacity_;
    order order_;
    Map<Key, typename order::iterator> map_;
};
template <class Key, class It>
using std_map = std::unordered_map<Key, It, peer_hash>;
template <class Key, class It>
using boost_flat_map = boost::unordered_flat_map<Key, It, peer_hash>;

/// Boost.Compute's own, which it uses for its programs.
template <class Key, class Value>
class boost_compute_lru {
public:
    explicit boost_compute_lru(std::size_t capacity) : items_{capacity} {}
    [[nodiscard]] std::optional<Value> get(Key const& key) {
        auto const found = items_.get(key);
        if (!found) return std::nullopt;
        return *found;
    }
    void put(Key const& key, Value const& value) { items_.insert(key, value); }

private:
    boost::compute::detail::lru_cache<Key, Value> items_;
};

/// The composite that is hardest to beat: entries in a slab with 32-bit links, found by a flat set of slots.
template <class Key, class Value>
class flat_set_slab_lru {
public:
    explicit flat_set_slab_lru(std::size_t capacity)
        : nodes_(capacity + 1), set_{0, slot_hash{&nodes_, cache::multiply_hash{}}, slot_equal{&nodes_}} {
        nodes_[0].older = nodes_[0].newer = 0;
        set_.reserve(capacity);
    }

    [[nodiscard]] Value const* get(Key const& key) {
        auto const found = set_.find(key);
        if (found == set_.end()) return nullptr;
        unlink(*found);
        push(*found);
        return &nodes_[*found].value;
    }
    void put(Key const& key, Value const& value) {
        if (auto const there = set_.find(key); there != set_.end()) {
            nodes_[*there].value = value;
            return;
        }
        std::uint32_t s = used_ + 1;
        if (s == nodes_.size()) {
            s = nodes_[0].newer;
            set_.erase(set_.find(s));
            unlink(s);
        } else {
            ++used_;
        }
        nodes_[s].key = key;
        nodes_[s].value = value;
        push(s);
        set_.insert(s);
    }

private:
    struct node {
        Key key;
        Value value;
        std::uint32_t older, newer;
    };
    struct slot_hash {
        using is_transparent = void;
        using is_avalanching = void;
        std::vector<node> const* nodes;
        cache::multiply_hash hash;
        std::size_t operator()(std::uint32_t s) const { return hash((*nodes)[s].key); }
        std::size_t operator()(Key const& k) const { return hash(k); }
    };
    struct slot_equal {
        using is_transparent = void;
        std::vector<node> const* nodes;
        bool operator()(std::uint32_t a, std::uint32_t b) const { return a == b; }
        bool operator()(Key const& k, std::uint32_t s) const { return (*nodes)[s].key == k; }
        bool operator()(std::uint32_t s, Key const& k) const { return (*nodes)[s].key == k; }
    };

    void unlink(std::uint32_t s) {
        nodes_[nodes_[s].older].newer = nodes_[s].newer;
        nodes_[nodes_[s].newer].older = nodes_[s].older;
    }
    // nodes_[0] is the sentinel: its `newer` is the oldest entry.
    void push(std::uint32_t s) {
        auto const newest = nodes_[0].older;
        nodes_[s].older = newest;
        nodes_[s].newer = 0;
        nodes_[newest].newer = s;
        nodes_[0].older = s;
    }

    std::vector<node> nodes_;
    std::uint32_t used_ = 0;
    boost::unordered_flat_set<std::uint32_t, slot_hash, slot_equal> set_;
};

}  // namespace muster::bench
