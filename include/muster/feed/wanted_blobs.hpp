// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// The blobs that are missing: which are being asked for, and which nobody had.
///
/// The lowest are asked for first, a window of them at once. What nobody had rests until it is worth another try. When
/// there are too many, the lowest are not wanted any more: their records are about to be pruned.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include <muster/core/time.hpp>
#include <muster/feed/types.hpp>

namespace muster::feed {

/// A part of catch_up. A value.
class wanted_blobs {
public:
    using errand_number = std::uint64_t;

    wanted_blobs(std::size_t window, std::size_t size_max) noexcept : window_{window}, size_max_{size_max} {}

    /// @p id is missing from the record at @p at; nobody is asked before @p after. @return errands that are not to be
    /// run any more. O(log n).
    std::vector<errand_number> want(digest const& id, height at, instant after) {
        std::vector<errand_number> out;
        if (wanted_.count(id) != 0) return out;
        wanted_.emplace(id, entry{at, after, {}, {}});
        queue_.insert({at, id});
        while (wanted_.size() > size_max_) {
            auto const lowest = std::min_element(wanted_.begin(), wanted_.end(), [](auto const& a, auto const& b) {
                                    return a.second.at < b.second.at;
                                })->first;
            if (auto const r = remove(lowest); r.errand) out.push_back(*r.errand);
        }
        return out;
    }
    struct removal {
        bool is_known = false;
        std::optional<errand_number> errand = {};
    };
    /// It is here. O(log n).
    removal remove(digest const& id) {
        auto const found = wanted_.find(id);
        if (found == wanted_.end()) return {};
        removal const out{true, found->second.errand};
        if (out.errand) by_errand_.erase(*out.errand);
        queue_.erase({found->second.at, id});
        wanted_.erase(found);
        return out;
    }
    /// Begins to ask for as many as the window takes: @p ask gives the errand.
    template <class Ask>
    void activate(instant now, bool is_on, Ask ask) {
        for (auto at = queue_.begin(); is_on && at != queue_.end() && by_errand_.size() < window_;) {
            auto& e = wanted_.at(at->second);
            if (e.after > now) {
                ++at;
                continue;
            }
            e.errand = ask(at->second);
            by_errand_.emplace(*e.errand, at->second);
            at = queue_.erase(at);
        }
    }
    /// Nobody had what @p e was for; it rests until @p until. @return which that was.
    std::optional<digest> abandon(errand_number e, instant until) {
        auto const found = by_errand_.find(e);
        if (found == by_errand_.end()) return std::nullopt;
        auto const id = found->second;
        by_errand_.erase(found);
        auto& w = wanted_.at(id);
        w.errand.reset();
        w.rests_until = until;
        return id;
    }
    /// The same for all. @return the errands that are not to be run any more.
    std::vector<errand_number> abandon_all(instant until) {
        std::vector<errand_number> out;
        for (auto const& [e, id] : by_errand_) out.push_back(e);
        by_errand_.clear();
        queue_.clear();
        for (auto& [id, w] : wanted_) {
            w.errand.reset();
            w.rests_until = until;
        }
        return out;
    }
    /// Those that have rested long enough are asked for again.
    void retry_due(instant now) {
        for (auto& [id, w] : wanted_) {
            if (!w.rests_until || *w.rests_until > now) continue;
            w.rests_until.reset();
            queue_.insert({w.at, id});
        }
    }
    /// All that rest are.
    void retry_all() { retry_due(instant::max()); }
    /// Nothing is wanted. @return the errands that are not to be run any more.
    std::vector<errand_number> clear() {
        auto out = abandon_all({});
        wanted_.clear();
        return out;
    }

    /// The height of the record that names @p id. Expects a wanted one.
    [[nodiscard]] height height_of(digest const& id) const { return wanted_.at(id).at; }
    [[nodiscard]] bool owns(errand_number e) const { return by_errand_.count(e) != 0; }
    /// Whether anything is being asked for, or about to be.
    [[nodiscard]] bool has_hope() const noexcept { return !queue_.empty() || !by_errand_.empty(); }
    [[nodiscard]] std::size_t size() const noexcept { return wanted_.size(); }
    /// When the next one may be asked for. O(n).
    [[nodiscard]] deadline next_deadline() const {
        deadline out;
        if (by_errand_.size() >= window_) return out;
        for (auto const& [at, id] : queue_) out = earlier(out, wanted_.at(id).after);
        return out;
    }

private:
    struct entry {
        height at = 0;
        instant after = {};
        std::optional<errand_number> errand = {};
        deadline rests_until = {};
    };

    std::size_t window_;
    std::size_t size_max_;
    std::map<digest, entry> wanted_;
    std::set<std::pair<height, digest>> queue_;  ///< To be asked for.
    std::map<errand_number, digest> by_errand_;  ///< Being asked for.
};

}  // namespace muster::feed
