// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What is shown of a key that several wrote at the same time.

#include <algorithm>
#include <concepts>
#include <span>
#include <vector>

#include <muster/sync/update.hpp>

namespace muster::sync {

/// Chooses what is shown of concurrent writes.
///
/// Semantics: @p siblings is not empty, and none of them replaces another; their order is that of their dots.
/// `visible(siblings)` gives those that are shown, the first of them first; it depends on nothing else, so that all
/// replicas show the same. O(n log n).
template <class P>
concept merge_policy = requires(P const& policy, std::span<update const> siblings) {
    { policy.visible(siblings) } -> std::same_as<std::vector<update const*>>;
};

/// The one that wins over all others; these are conflicts that somebody may look at.
struct last_writer_wins {
    [[nodiscard]] static std::vector<update const*> visible(std::span<update const> siblings) {
        return {&*std::max_element(siblings.begin(), siblings.end(), loses)};
    }
};
/// All of them, the winner first: for who asks a person.
struct multi_value {
    [[nodiscard]] static std::vector<update const*> visible(std::span<update const> siblings) {
        std::vector<update const*> out;
        for (auto const& w : siblings) out.push_back(&w);
        std::sort(out.begin(), out.end(), [](update const* a, update const* b) { return loses(*b, *a); });
        return out;
    }
};
static_assert(merge_policy<last_writer_wins> && merge_policy<multi_value>);

}  // namespace muster::sync
