// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Messages that wait for the application's word, and who else has sent them.
///
/// A peer that sends a message while it is being judged has it, so it need not be sent it; it shares the blame if the
/// message turns out invalid, and the credit (P3) if it does not. The blame only where the bytes are the same: under an
/// id that does not cover all of a message, somebody could send other bytes first and have everyone who sends the
/// right ones blamed with him.
///
/// Bounds: messages, bytes, and messages per peer; what does not fit is as if it had not come, so another peer can
/// still bring it.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include <muster/gossip/event.hpp>
#include <muster/gossip/options.hpp>

namespace muster::gossip::detail {

/// A message under inspection.
struct inspection {
    gossip::ticket ticket = 0;
    shared_message message = {};
    shared_frame frame = {};
    std::uint64_t content = 0;  ///< Hash of the encoding.
    instant until = {};
    /// Who sent it, the first one first, and the hash of what it sent.
    std::vector<std::pair<peer_id, std::uint64_t>> senders = {};

    [[nodiscard]] bool was_sent_by(peer_id const& who) const {
        return std::any_of(senders.begin(), senders.end(), [&](auto const& s) { return s.first == who; });
    }
};

/// All of them, and those that were accepted a moment ago.
class inspections {
public:
    explicit inspections(options const& o) noexcept : options_{o} {}

    [[nodiscard]] bool has_room(std::size_t frame_size) const noexcept {
        return pending_.size() < options_.pending_max && bytes_ + frame_size <= options_.pending_bytes_max;
    }
    /// Expects @ref has_room. @return its ticket.
    ticket add(inspection i) {
        i.ticket = ++last_ticket_;
        bytes_ += i.frame->size();
        by_id_.emplace(i.message->id, i.ticket);
        deadlines_.emplace(i.until, i.ticket);
        pending_.emplace(i.ticket, std::move(i));
        return last_ticket_;
    }
    /// The one that is being judged under @p id; null when there is none.
    [[nodiscard]] inspection* find(message_id const& id) {
        auto const at = by_id_.find(id);
        return at == by_id_.end() ? nullptr : &pending_.at(at->second);
    }
    /// Takes one out.
    [[nodiscard]] std::optional<inspection> take(ticket t) {
        auto const at = pending_.find(t);
        if (at == pending_.end()) return std::nullopt;
        auto out = std::move(at->second);
        pending_.erase(at);
        by_id_.erase(out.message->id);
        deadlines_.erase({out.until, t});
        bytes_ -= out.frame->size();
        return out;
    }
    /// One whose time is over.
    [[nodiscard]] std::optional<ticket> overdue(instant now) const {
        if (deadlines_.empty() || deadlines_.begin()->first > now) return std::nullopt;
        return deadlines_.begin()->second;
    }
    [[nodiscard]] deadline next_deadline() const {
        return deadlines_.empty() ? deadline{} : deadline{deadlines_.begin()->first};
    }
    [[nodiscard]] std::size_t size() const noexcept { return pending_.size(); }

    // ---- deliveries that still count --------------------------------------------------------------------

    /// Remembers who sent an accepted message, until @p until.
    void remember(inspection const& i, instant until, instant now) {
        if (options_.deliveries_max == 0) return;
        forget_old(now);
        if (recent_.size() >= options_.deliveries_max) drop_oldest();
        recent_order_.emplace_back(until, i.message->id);
        auto& r = recent_[i.message->id];
        r.until = until;
        for (auto const& s : i.senders) r.senders.push_back(s.first);
    }
    /// Whether @p who is the first time among the senders of a message that was accepted a moment ago.
    [[nodiscard]] bool counts_again(message_id const& id, peer_id const& who, instant now) {
        forget_old(now);
        auto const at = recent_.find(id);
        if (at == recent_.end() || at->second.until <= now) return false;
        auto& senders = at->second.senders;
        if (senders.size() >= senders_max || std::find(senders.begin(), senders.end(), who) != senders.end()) {
            return false;
        }
        senders.push_back(who);
        return true;
    }

    static constexpr std::size_t senders_max = 128;  ///< Of one message that are remembered. Ours.

private:
    struct recent_delivery {
        instant until = {};
        std::vector<peer_id> senders = {};
    };

    void forget_old(instant now) {
        while (!recent_order_.empty() && recent_order_.front().first <= now) drop_oldest();
    }
    void drop_oldest() {
        recent_.erase(recent_order_.front().second);
        recent_order_.pop_front();
    }

    options const& options_;
    std::map<ticket, inspection> pending_;
    std::map<message_id, ticket> by_id_;
    std::set<std::pair<instant, ticket>> deadlines_;
    std::size_t bytes_ = 0;
    ticket last_ticket_ = 0;
    std::map<message_id, recent_delivery> recent_;
    std::deque<std::pair<instant, message_id>> recent_order_;
};

}  // namespace muster::gossip::detail
