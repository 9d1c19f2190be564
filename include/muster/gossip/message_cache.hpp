// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Messages of the last few heartbeats, for peers that ask.
///
/// Idea: a window per heartbeat. Messages of the newest few windows are announced, those of all windows can be asked
/// for, and each heartbeat the oldest window leaves. A peer is sent one message a bounded number of times, however
/// often it asks. What is kept is bounded in bytes as well: the oldest message leaves for a new one.
///
/// Messages are found by a keyed hash of their ids, since authors choose those.
///
/// Source: gossipsub-v1.0.md, "Message Cache".

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <muster/cache/hasher.hpp>
#include <muster/gossip/event.hpp>
#include <muster/gossip/message_id.hpp>
#include <muster/gossip/options.hpp>

namespace muster::gossip {

/// The message cache. Not thread-safe.
class message_cache {
public:
    message_cache(gossip_options const& o, cache::multiply_hash const& hash)
        : history_{o.history},
          announced_{o.history_announced},
          bytes_max_{o.history_bytes_max},
          items_{0, hash_of_id{hash}} {
        windows_.emplace_back();
    }
    message_cache(message_cache const&) = delete;
    message_cache& operator=(message_cache const&) = delete;

    /// Keeps a message that was accepted or published, as the frame that publishes it; @p goes_in_turn from peer to
    /// peer, see detail/courier.hpp. O(1).
    void put(message_id const& id, std::string_view topic, shared_frame frame, bool goes_in_turn = false) {
        auto const size = frame->size();
        if (history_ == 0 || size > bytes_max_) return;
        auto const [at, is_new] = items_.try_emplace(id);
        if (!is_new) return;
        while (bytes_ + size > bytes_max_) drop_oldest();
        at->second.topic = topic;
        at->second.frame = std::move(frame);
        at->second.goes_in_turn = goes_in_turn;
        bytes_ += size;
        windows_.back().push_back(&*at);
    }
    /// The frame of a message that the peer number @p peer asks for; null when it is not there, or was sent to that
    /// peer
    /// @p times_max times. O(peers that asked).
    [[nodiscard]] shared_frame get(message_id const& id, std::uint64_t peer, std::size_t times_max) {
        auto const found = items_.find(id);
        if (found == items_.end()) return nullptr;
        auto& asked = found->second.asked;
        for (auto& [who, times] : asked) {
            if (who == peer) return times < times_max ? ++times, found->second.frame : nullptr;
        }
        if (times_max == 0) return nullptr;
        asked.emplace_back(peer, 1);
        return found->second.frame;
    }
    /// Ids of @p topic that are to be announced. Messages that go in turn, and of which @p spreads(id) says that they
    /// do, are announced from the second heartbeat on, so that nobody asks for what is on its way. O(n).
    template <class F>
    [[nodiscard]] std::vector<message_id> announced(std::string_view topic, F spreads) const {
        std::vector<message_id> out;
        std::size_t const windows = windows_.size() < announced_ ? windows_.size() : announced_;
        for (std::size_t w = windows_.size() - windows; w < windows_.size(); ++w) {
            for (auto const* const kept : windows_[w]) {
                if (kept->second.topic != topic) continue;
                bool const is_new = w + 1 == windows_.size();
                if (is_new && announced_ > 1 && kept->second.goes_in_turn && spreads(kept->first)) continue;
                out.push_back(kept->first);
            }
        }
        return out;
    }
    /// A heartbeat has passed. O(messages that leave).
    void shift() {
        windows_.emplace_back();
        while (windows_.size() > history_) {
            for (auto const* const kept : windows_.front()) erase(*kept);
            windows_.pop_front();
        }
        if (windows_.empty()) windows_.emplace_back();
    }

    [[nodiscard]] bool contains(message_id const& id) const { return items_.count(id) != 0; }
    [[nodiscard]] std::size_t size() const noexcept { return items_.size(); }
    /// Bytes of all frames.
    [[nodiscard]] std::size_t bytes_kept() const noexcept { return bytes_; }

private:
    struct item {
        std::string topic;
        shared_frame frame;
        bool goes_in_turn = false;
        std::vector<std::pair<std::uint64_t, std::size_t>> asked;  // by whom, and how often
    };

    struct hash_of_id {
        cache::multiply_hash hash;
        std::size_t operator()(message_id const& id) const noexcept { return hash(id.characters()); }
    };
    using items = std::unordered_map<message_id, item, hash_of_id>;

    void erase(items::value_type const& kept) {
        bytes_ -= kept.second.frame->size();
        items_.erase(items_.find(kept.first));
    }
    void drop_oldest() {
        for (auto& w : windows_) {
            if (w.empty()) continue;
            erase(*w.front());
            w.pop_front();
            return;
        }
    }

    std::size_t history_;
    std::size_t announced_;
    std::size_t bytes_max_;
    items items_;
    std::deque<std::deque<items::value_type const*>> windows_;  // the newest is the last; each item is in one
    std::size_t bytes_ = 0;
};

}  // namespace muster::gossip
