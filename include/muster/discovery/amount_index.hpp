// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Ranges of amounts, found by an amount within them.
///
/// Idea: an interval tree. A treap over where ranges begin, each node of which knows how far the ranges at and below it
/// reach, so that whole branches are passed over which end too early. Priorities are drawn by lot from a secret seed,
/// so whoever chooses amounts and keys does not choose the shape of the tree.
///
/// @see Cormen et al., Introduction to Algorithms, 14.3, for the intervals; Seidel and Aragon, Randomized Search Trees
///      (1996), for the treap.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <tuple>
#include <utility>
#include <vector>

#include <muster/core/random.hpp>
#include <muster/core/system_seed.hpp>

namespace muster::discovery {

/// Ranges by key, which need not be unique among different ranges. A value; not thread-safe.
///
/// @tparam Key  regular, totally ordered.
template <class Key>
class amount_index {
public:
    /// In the smallest unit of the application's money.
    using amount = std::uint64_t;

    /// @param seed  for the shape of the tree; nobody else knows it.
    explicit amount_index(std::uint64_t seed = system_seed()) : draw_{seed} {}

    /// Adds [@p from, @p to] of @p key, which is not there yet. O(log n), expected.
    void insert(amount from, amount to, Key const& key) {
        auto const [left, right] = split(root_, from, key);
        root_ = merge(merge(left, make(from, to, key)), right);
    }
    /// Removes what begins at @p from of @p key, if it is there. O(log n), expected.
    void erase(amount from, Key const& key) { root_ = erased(root_, from, key); }
    /// Calls @p f with the key of each range that holds @p a, in the order in which ranges begin.
    /// O(k log n) for k of them, expected. @return how many places of the tree were looked at.
    template <class F>
    std::size_t for_each_with(amount a, F f) const {
        return visit(root_, a, f);
    }
    /// Calls @p f with every key. O(n). @return how many there are.
    template <class F>
    std::size_t for_each(F f) const {
        visit_all(root_, f);
        return size();
    }
    /// Ranges that are there. O(1).
    [[nodiscard]] std::size_t size() const noexcept { return nodes_.size() - free_.size(); }

private:
    using number = std::uint32_t;
    static constexpr number none = ~number{0};
    struct node {
        amount from;
        amount to;
        amount reach;  ///< The greatest `to` at and below it.
        Key key;
        std::uint64_t priority;
        number left = none;
        number right = none;
    };

    [[nodiscard]] number make(amount from, amount to, Key const& key) {
        node made{from, to, to, key, draw_()};
        if (free_.empty()) {
            nodes_.push_back(std::move(made));
            return static_cast<number>(nodes_.size() - 1);
        }
        auto const at = free_.back();
        free_.pop_back();
        nodes_[at] = std::move(made);
        return at;
    }
    [[nodiscard]] bool is_before(number n, amount from, Key const& key) const {
        return std::tie(nodes_[n].from, nodes_[n].key) < std::tie(from, key);
    }
    number renewed(number n) {
        auto& it = nodes_[n];
        it.reach = it.to;
        for (auto const below : {it.left, it.right}) {
            if (below != none) it.reach = std::max(it.reach, nodes_[below].reach);
        }
        return n;
    }
    // What is before (from, key), and the rest.
    std::pair<number, number> split(number n, amount from, Key const& key) {
        if (n == none) return {none, none};
        if (is_before(n, from, key)) {
            auto const [left, right] = split(nodes_[n].right, from, key);
            nodes_[n].right = left;
            return {renewed(n), right};
        }
        auto const [left, right] = split(nodes_[n].left, from, key);
        nodes_[n].left = right;
        return {left, renewed(n)};
    }
    // All of @p a is before all of @p b.
    number merge(number a, number b) {
        if (a == none || b == none) return a == none ? b : a;
        if (nodes_[a].priority > nodes_[b].priority) {
            auto const merged = merge(nodes_[a].right, b);
            nodes_[a].right = merged;
            return renewed(a);
        }
        auto const merged = merge(a, nodes_[b].left);
        nodes_[b].left = merged;
        return renewed(b);
    }
    number erased(number n, amount from, Key const& key) {
        if (n == none) return none;
        if (nodes_[n].from == from && nodes_[n].key == key) {
            free_.push_back(n);
            return merge(nodes_[n].left, nodes_[n].right);
        }
        bool const is_right = is_before(n, from, key);
        auto const below = erased(is_right ? nodes_[n].right : nodes_[n].left, from, key);
        (is_right ? nodes_[n].right : nodes_[n].left) = below;
        return renewed(n);
    }
    template <class F>
    std::size_t visit(number n, amount a, F& f) const {
        if (n == none) return 0;
        if (nodes_[n].reach < a) return 1;
        auto const left = visit(nodes_[n].left, a, f);
        if (nodes_[n].from > a) return 1 + left;  // as is all to the right of it
        if (nodes_[n].to >= a) f(nodes_[n].key);
        return 1 + left + visit(nodes_[n].right, a, f);
    }
    template <class F>
    void visit_all(number n, F& f) const {
        if (n == none) return;
        visit_all(nodes_[n].left, f);
        f(nodes_[n].key);
        visit_all(nodes_[n].right, f);
    }

    splitmix64 draw_;
    std::vector<node> nodes_;
    std::vector<number> free_;
    number root_ = none;
};

}  // namespace muster::discovery
