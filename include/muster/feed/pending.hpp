// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Records that cannot be judged yet: they wait for a parent, a blob, or the schedule.
///
/// Nobody is blamed for them, so they must cost little: a peer may make so many wait, so many may wait for the same,
/// for so many different things, with so many bytes, for so long. A flood of one peer ends at the bound of that peer.
/// Where several fill the room, the last of the peer that holds most makes way for who holds less; what does not fit
/// otherwise is not taken.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <utility>
#include <vector>

#include <muster/core/time.hpp>
#include <muster/feed/event.hpp>
#include <muster/feed/types.hpp>

namespace muster::feed {

/// A record that waits.
struct waiting_record {
    record what;   ///< Its content has been decoded, and judged by itself.
    peer_id from;  ///< Who has brought it.
    feed::origin origin = origin::gossip;
    ticket gossip = 0;    ///< Of the message; 0 where it was none.
    digest message = {};  ///< Under which the message is known.
    MUSTER_FIELDS(waiting_record, what, from, origin, gossip, message);
};

/// The bounds.
struct pending_limits {
    std::size_t keys_max = 512;
    std::size_t per_key = 8;
    std::size_t per_peer = 128;
    std::size_t bytes_max = 1u << 20;
    duration time_to_live = std::chrono::seconds{300};
};

/// The waiting room. Move-only; not thread-safe.
class pending_records {
public:
    /// What is waited for. The schedule is one thing for all, and one key.
    using key = std::pair<awaited, digest>;

    explicit pending_records(pending_limits const& l) noexcept : limits_{l} {}
    pending_records(pending_records&&) = default;
    pending_records(pending_records const&) = delete;
    pending_records& operator=(pending_records const&) = delete;

    /// Lets @p w wait for @p k; false, and it is not kept, when that exceeds a bound. What waits already for the same
    /// is not taken twice, which is true. What had to make way is put into @p evicted. O(log n), and O(n) for each that
    /// makes way.
    [[nodiscard]] bool add(key const& k, waiting_record w, instant now, std::vector<waiting_record>& evicted) {
        if (contains(w.what.id, w.what.author)) return true;
        auto const size = w.what.content.size() + overhead;
        if (held_by(w.from) >= limits_.per_peer || size > limits_.bytes_max) return false;
        auto const found = by_key_.find(k);
        auto const same = found == by_key_.end() ? 0 : found->second.size();
        auto const per_key = k.first == awaited::schedule ? limits_.keys_max : limits_.per_key;
        if (same >= per_key) return false;
        while (bytes_ + size > limits_.bytes_max || (by_key_.count(k) == 0 && by_key_.size() >= limits_.keys_max)) {
            auto const last = last_of_largest(w.from);
            if (last == order_.end()) return false;
            evicted.push_back(take(last));
        }
        ++per_peer_[w.from];
        bytes_ += size;
        ids_.emplace(std::pair{w.what.id, w.what.author},
                     order_.insert(order_.end(), entry{k, std::move(w), saturating_add(now, limits_.time_to_live)}));
        by_key_[k].push_back(std::prev(order_.end()));
        return true;
    }
    /// Takes out all that wait for @p k, in the order in which they came. O(those, log n).
    [[nodiscard]] std::vector<waiting_record> release(key const& k) {
        std::vector<waiting_record> out;
        auto const found = by_key_.find(k);
        if (found == by_key_.end()) return out;
        for (auto const at : std::vector{found->second}) out.push_back(take(at));
        return out;
    }
    /// Takes out those whose time is over. O(those).
    [[nodiscard]] std::vector<waiting_record> expire(instant now) {
        std::vector<waiting_record> out;
        while (!order_.empty() && order_.front().ends <= now) out.push_back(take(order_.begin()));
        return out;
    }
    /// Takes out all above @p number: the chain below has changed. O(n).
    [[nodiscard]] std::vector<waiting_record> remove_above(height number) {
        std::vector<waiting_record> out;
        for (auto at = order_.begin(); at != order_.end();) {
            auto const here = at++;
            if (here->what.what.number > number) out.push_back(take(here));
        }
        return out;
    }
    /// The ids that records wait for as their parent.
    [[nodiscard]] bool waits_for(key const& k) const { return by_key_.count(k) != 0; }
    /// Whether the record @p id by @p who waits. An id says nothing of who has signed.
    [[nodiscard]] bool contains(digest const& id, author const& who) const { return ids_.count({id, who}) != 0; }
    /// What it waits for; `nothing` when it does not wait.
    [[nodiscard]] awaited awaited_by(digest const& id, author const& who) const {
        auto const found = ids_.find({id, who});
        return found == ids_.end() ? awaited::nothing : found->second->waits.first;
    }
    /// When the next one's time is over.
    [[nodiscard]] deadline next_deadline() const {
        return order_.empty() ? std::nullopt : deadline{order_.front().ends};
    }
    [[nodiscard]] std::size_t size() const noexcept { return order_.size(); }
    [[nodiscard]] std::size_t bytes_held() const noexcept { return bytes_; }

private:
    static constexpr std::size_t overhead = 256;  ///< What an entry takes beside its content, about.
    struct entry {
        key waits;
        waiting_record what;
        instant ends;
    };
    using place = std::list<entry>::iterator;

    [[nodiscard]] std::size_t held_by(peer_id const& who) const {
        auto const found = per_peer_.find(who);
        return found == per_peer_.end() ? 0 : found->second;
    }
    /// The last record of the peer that holds most, where it holds more than @p who would with one more; or the end.
    [[nodiscard]] place last_of_largest(peer_id const& who) {
        auto const largest = std::max_element(per_peer_.begin(), per_peer_.end(),
                                              [](auto const& a, auto const& b) { return a.second < b.second; });
        if (largest == per_peer_.end() || largest->second <= held_by(who) + 1) return order_.end();
        auto at = order_.end();
        while ((--at)->what.from != largest->first) {
        }
        return at;
    }

    waiting_record take(place at) {
        auto const k = by_key_.find(at->waits);
        std::erase(k->second, at);
        if (k->second.empty()) by_key_.erase(k);
        auto const p = per_peer_.find(at->what.from);
        if (--p->second == 0) per_peer_.erase(p);
        bytes_ -= at->what.what.content.size() + overhead;
        ids_.erase({at->what.what.id, at->what.what.author});
        auto out = std::move(at->what);
        order_.erase(at);
        return out;
    }

    pending_limits limits_;
    std::list<entry> order_;  ///< The oldest first: all live equally long.
    std::map<key, std::vector<place>> by_key_;
    std::map<std::pair<digest, author>, place> ids_;
    std::map<peer_id, std::size_t> per_peer_;
    std::size_t bytes_ = 0;
};

}  // namespace muster::feed
