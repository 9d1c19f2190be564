// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// The sessions of a coordinator: open ones by deadline, closed ones in the order in which they may be forgotten, and
/// the ids of forgotten ones.
///
/// A coordinator may hold thousands of sessions and must find the next deadline, and the closed session it can
/// best do without, after every frame. So both are indexed, and @ref touched must be called after every change of a
/// session.

#include <cstddef>
#include <deque>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include <muster/core/time.hpp>
#include <muster/signing/session.hpp>

namespace muster::signing {

/// Sessions by id. Not thread-safe. Pointers to sessions are valid until that session is forgotten.
template <class Session>
class session_store {
public:
    /// @param closed_max      closed sessions kept; what is over it is forgotten by @ref trim.
    /// @param tombstones_max  ids of forgotten sessions kept; the oldest goes first.
    session_store(std::size_t closed_max, std::size_t tombstones_max)
        : closed_max_{closed_max}, tombstones_max_{tombstones_max} {}

    /// The session of that id, or nullptr. O(log n).
    [[nodiscard]] Session* find(session_id const& id) {
        auto const found = sessions_.find(id);
        return found == sessions_.end() ? nullptr : &found->second.what;
    }
    /// @copydoc find
    [[nodiscard]] Session const* find(session_id const& id) const {
        auto const found = sessions_.find(id);
        return found == sessions_.end() ? nullptr : &found->second.what;
    }

    /// Adds a session. Expects an id that is new. O(log n).
    Session& add(session_id const& id, Session s) {
        auto& added = sessions_.try_emplace(id, entry{std::move(s), {}, {}}).first->second;
        index(id, added);
        return added.what;
    }

    /// To be called after anything was done to the session of that id. O(log n).
    void touched(session_id const& id) {
        auto const found = sessions_.find(id);
        if (found == sessions_.end()) return;
        unindex(id, found->second);
        index(id, found->second);
    }

    /// When the next session wants to be woken. O(1).
    [[nodiscard]] deadline next_deadline() const {
        return alarms_.empty() ? deadline{} : deadline{alarms_.begin()->first};
    }
    /// Sessions whose deadline is not after @p now, the earliest first.
    [[nodiscard]] std::vector<session_id> due(instant now) const {
        std::vector<session_id> out;
        for (auto a = alarms_.begin(); a != alarms_.end() && a->first <= now; ++a) out.push_back(a->second);
        return out;
    }
    /// Sessions that are being worked on: see `session::is_open`.
    [[nodiscard]] std::set<session_id> const& open() const noexcept { return open_; }
    /// How many sessions are kept, open and closed. O(1).
    [[nodiscard]] std::size_t size() const noexcept { return sessions_.size(); }
    /// All sessions, in the order of their ids.
    [[nodiscard]] std::vector<session_id> all() const {
        std::vector<session_id> out;
        out.reserve(sessions_.size());
        for (auto const& [id, e] : sessions_) out.push_back(id);
        return out;
    }

    /// Forgets closed sessions until no more than allowed are left. @p f(id, session) is called before each is
    /// forgotten. O(log n) each.
    template <class F>
    void trim(F f) {
        while (closed_.size() > closed_max_) {
            auto const id = closed_.begin()->second;
            f(id, std::as_const(*find(id)));
            forget(id);
        }
    }
    /// Forgets a session; its id is remembered, so that a replayed proposal cannot open it again.
    void forget(session_id const& id) {
        discard(id);
        entomb(id);
    }
    /// Removes a session that was never announced.
    void discard(session_id const& id) {
        auto const found = sessions_.find(id);
        if (found == sessions_.end()) return;
        unindex(id, found->second);
        sessions_.erase(found);
    }
    /// Remembers an id of which nothing more is to be heard.
    void entomb(session_id const& id) {
        if (!tombstones_.insert(id).second) return;
        tombstone_order_.push_back(id);
        if (tombstone_order_.size() > tombstones_max_) {
            tombstones_.erase(tombstone_order_.front());
            tombstone_order_.pop_front();
        }
    }
    [[nodiscard]] std::size_t tombstone_count() const noexcept { return tombstones_.size(); }
    [[nodiscard]] bool is_entombed(session_id const& id) const { return tombstones_.count(id) != 0; }

    /// Drops every session, and with it every secret nonce.
    void clear() {
        sessions_.clear();
        alarms_.clear();
        open_.clear();
        closed_.clear();
    }

private:
    /// The least is forgotten first: aborted ones, then signatures that were broadcast and that every signer has, then
    /// those that were broadcast, then sessions that may be signed, then signatures that nobody has broadcast yet; the
    /// oldest of each.
    using worth = std::pair<int, instant>;
    [[nodiscard]] static worth worth_of(Session const& s) {
        if (s.at() == phase::over) return {0, s.last_progress()};
        if (s.at() != phase::finished) return {3, s.last_progress()};
        if (!s.is_confirmed()) return {4, s.last_progress()};
        return {s.everyone_has_result() ? 1 : 2, s.last_progress()};
    }

    struct entry {
        Session what;
        deadline alarm;  // as indexed
        worth rank;      // as indexed
    };

    void index(session_id const& id, entry& e) {
        e.alarm = e.what.next_deadline();
        if (e.alarm) alarms_.insert({*e.alarm, id});
        if (e.what.is_open()) {
            open_.insert(id);
        } else {
            e.rank = worth_of(e.what);
            closed_.insert({e.rank, id});
        }
    }
    void unindex(session_id const& id, entry& e) {
        if (e.alarm) alarms_.erase({*e.alarm, id});
        if (open_.erase(id) == 0) closed_.erase({e.rank, id});
    }

    std::size_t closed_max_;
    std::size_t tombstones_max_;
    std::map<session_id, entry> sessions_;
    std::set<std::pair<instant, session_id>> alarms_;
    std::set<session_id> open_;
    std::set<std::pair<worth, session_id>> closed_;
    std::set<session_id> tombstones_;
    std::deque<session_id> tombstone_order_;
};

}  // namespace muster::signing
