// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Keys and values that several write, each on their own copy, and that are the same everywhere when all have heard of
/// all writes, in whatever order and however often.
///
/// A key has the writes that no other write has replaced, its *siblings*, and the vector of all that was seen on it. A
/// write that the vector covers is old news; any other replaces the siblings that it has seen, and joins the rest.
/// Since a write replaces whatever its own author wrote before, a key has at most one sibling for each actor, so that
/// nobody can pile them up. Where there are several, the merge policy says what is shown, and the conflict log keeps
/// the rest until somebody decides: writing on what one sees replaces all of it.
///
/// Tombstones stay until all members are known to have them, and for a time; before that, one who was away would bring
/// back what was removed.
/// @see Almeida, Shoker, Baquero, "Delta State Replicated Data Types", 2018, for merging with a context.

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <muster/core/bounded.hpp>
#include <muster/core/result.hpp>
#include <muster/sync/merge_policy.hpp>

namespace muster::sync {

/// Two writes of which neither had seen the other. The loser is kept as it was.
struct conflict {
    std::string key;
    dot winner;  ///< When it was found; another one may have won since.
    update loser;
    MUSTER_FIELDS(conflict, key, winner, loser);
};

/// What became of a write.
enum class applied : std::uint8_t {
    shown,     ///< It is what is shown now.
    hidden,    ///< It is a sibling of what is shown: a conflict.
    old_news,  ///< It was known, or replaced before it came.
    refused    ///< There is no room for one more key.
};

/// A copy. A value; not thread-safe.
template <merge_policy Policy = last_writer_wins>
class replica {
public:
    struct options {
        std::size_t keys_max = 65'536;     ///< Tombstones included; a new key beyond that is refused. Ours.
        std::size_t conflicts_max = 1024;  ///< In the log; the oldest makes room. The siblings themselves stay. Ours.
        std::chrono::milliseconds tombstone_horizon = std::chrono::hours{24 * 30};  ///< Ours: Cassandra takes ten days.
    };

    replica() : replica{options{}} {}
    explicit replica(options const& o, Policy policy = {})
        : options_{o}, policy_{std::move(policy)}, keys_{o.keys_max} {}

    /// Applies @p w. Idempotent, and the order of writes does not matter. O(siblings + log keys).
    applied apply(update const& w) {
        auto* const r = keys_.try_emplace(w.key);
        if (r == nullptr) return applied::refused;
        // What it has seen counts also when it is old news: then a write is kept if and only if none that has arrived
        // replaces it, whoever came first.
        bool const is_old = r->seen.contains(w.at);
        std::erase_if(r->siblings, [&](update const& old) { return w.replaces(old); });
        r->seen.merge(w.seen);
        r->seen.add(w.at);
        if (is_old) return applied::old_news;
        auto const place = std::lower_bound(r->siblings.begin(), r->siblings.end(), w,
                                            [](update const& a, update const& b) { return a.at < b.at; });
        r->siblings.insert(place, w);
        auto const& winner = *policy_.visible(r->siblings).front();
        log_conflicts(*r, w, winner);
        return winner.at == w.at ? applied::shown : applied::hidden;
    }
    /// A write to @p key that replaces all that is seen of it here. It is not applied.
    [[nodiscard]] update prepare(std::string key, std::optional<bytes> value) const {
        update out;
        if (auto const* const r = keys_.find(key)) out.seen = r->seen;
        out.key = std::move(key);
        out.value = std::move(value);
        return out;
    }

    /// What is shown of @p key; nothing when it was never written, or was removed.
    [[nodiscard]] std::optional<bytes> value_of(std::string const& key) const {
        auto const* const r = keys_.find(key);
        if (r == nullptr || r->siblings.empty()) return std::nullopt;
        return policy_.visible(r->siblings).front()->value;
    }
    /// All that is shown of @p key, tombstones included.
    [[nodiscard]] std::vector<update> visible(std::string const& key) const {
        std::vector<update> out;
        auto const* const r = keys_.find(key);
        if (r == nullptr || r->siblings.empty()) return out;
        for (auto const* w : policy_.visible(r->siblings)) out.push_back(*w);
        return out;
    }
    /// All siblings of @p key, the winner first.
    [[nodiscard]] std::vector<update> siblings(std::string const& key) const {
        std::vector<update> out;
        auto const* const r = keys_.find(key);
        if (r == nullptr) return out;
        for (auto const* w : multi_value{}.visible(r->siblings)) out.push_back(*w);
        return out;
    }
    /// Keys that show a value, ascending.
    [[nodiscard]] std::vector<std::string> keys() const {
        std::vector<std::string> out;
        for (auto const& [key, r] : keys_) {
            if (value_of(key)) out.push_back(key);
        }
        return out;
    }
    /// Keys that were ever written, those that were removed included, ascending.
    [[nodiscard]] std::vector<std::string> all_keys() const {
        std::vector<std::string> out;
        for (auto const& [key, r] : keys_) out.push_back(key);
        return out;
    }
    /// Keys of which there are siblings, ascending: what somebody has to decide.
    [[nodiscard]] std::vector<std::string> undecided() const {
        std::vector<std::string> out;
        for (auto const& [key, r] : keys_) {
            if (r.siblings.size() > 1) out.push_back(key);
        }
        return out;
    }
    /// Conflicts that were found, the oldest first, those that are decided included.
    [[nodiscard]] std::deque<conflict> const& conflicts() const noexcept { return conflicts_; }
    /// Forgets the conflicts of @p key that were looked at. @return how many there were.
    std::size_t acknowledge(std::string const& key) {
        return static_cast<std::size_t>(std::erase_if(conflicts_, [&](conflict const& c) { return c.key == key; }));
    }

    /// Removes the tombstones that are older than the horizon and that everybody has.
    /// @param stable  what all members have, and all that they wrote before they had it, has arrived here.
    /// @return how many there were. O(keys).
    std::size_t collect(version_vector const& stable, timestamp wall) {
        std::vector<std::string> gone;
        for (auto const& [key, r] : keys_) {
            bool const is_dead = r.siblings.size() == 1 && !r.siblings.front().value;
            if (is_dead && stable.covers(r.seen) &&
                saturating_difference(wall, r.siblings.front().time.wall()) > options_.tombstone_horizon) {
                gone.push_back(key);
            }
        }
        for (auto const& key : gone) keys_.erase(key);
        return gone.size();
    }

    /// One encoding of all that is known: equal for replicas that have heard of the same writes.
    [[nodiscard]] bytes fingerprint() const {
        wire::writer out;
        for (auto const& [key, r] : keys_) {
            out.sized(key);
            r.seen.write(out);
            out.size(r.siblings.size());
            for (auto const& w : r.siblings) {
                out.size(w.at.by.member)
                    .u64(w.at.by.life)
                    .size(w.at.sequence)
                    .u64(w.time.bits)
                    .sized(w.encoded_content());
            }
        }
        return out.take();
    }
    [[nodiscard]] std::size_t size() const noexcept { return keys_.size(); }

private:
    struct keyed {
        version_vector seen;
        std::vector<update> siblings;  // by dot
    };

    // Each pair of concurrent writes is logged once: when the later of them arrives.
    void log_conflicts(keyed const& r, update const& arrived, update const& winner) {
        for (auto const& other : r.siblings) {
            if (other.at == arrived.at) continue;
            auto const& loser = loses(arrived, other) ? arrived : other;
            if (conflicts_.size() >= options_.conflicts_max) conflicts_.pop_front();
            conflicts_.push_back({arrived.key, winner.at, loser});
        }
    }

    options options_;
    [[no_unique_address]] Policy policy_;
    bounded_map<std::string, keyed> keys_;
    std::deque<conflict> conflicts_;
};

}  // namespace muster::sync
