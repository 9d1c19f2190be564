// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What a person is told of peers that come, go and cannot be reached: a ready-made sink of a manager's news.
///
/// The last fifty items are kept. Text of others, a nickname or a reason, is escaped and cut before it is kept.

#include <algorithm>
#include <cstddef>
#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include <muster/connection/events.hpp>
#include <muster/core/fields.hpp>

namespace muster::connection {

/// What an item is about.
MUSTER_ENUMERATION(activity_kind, 0, info, peer_joined, peer_left, error);

/// Something that happened.
struct activity {
    activity_kind what = activity_kind::info;
    peer::peer_id peer;
    timestamp when;
    std::string text;  ///< A line of printable ASCII.
    MUSTER_FIELDS(activity, what, peer, when, text);
};

/// The last things that happened. Not thread-safe.
class activity_feed {
public:
    /// @param size_max  items; the oldest makes room. The default is ours.
    explicit activity_feed(std::size_t size_max = 50) noexcept : size_max_{size_max} {}

    /// Takes what a manager tells at @p now; effects that are no news are ignored. O(1).
    void note(effect const& e, timestamp now) {
        std::visit([&](auto const& v) { this->on(v, now); }, e);
    }
    /// The oldest first. Valid until the next call of `note`.
    [[nodiscard]] std::deque<activity> const& items() const noexcept { return items_; }

private:
    template <class Other>
    void on(Other const&, timestamp) {}
    void on(connecting const& e, timestamp now) {
        add(activity_kind::info, e.peer, now, text("Connecting to ", name_of(e.peer, e.nickname)));
    }
    void on(connected const& e, timestamp now) {
        add(activity_kind::peer_joined, e.peer, now,
            text("Connected to ", name_of(e.peer, e.nickname), " via ", to_string(e.kind)));
    }
    void on(disconnected const& e, timestamp now) {
        add(activity_kind::peer_left, e.peer, now,
            text(name_of(e.peer, e.nickname), " has left: ", muster::quoted(e.why.message())));
    }
    void on(suspected const& e, timestamp now) {
        add(activity_kind::info, e.peer, now,
            text(name_of(e.peer, e.nickname), e.is_silent ? " is silent" : " is heard again"));
    }
    void on(connect_failed const& e, timestamp now) {
        add(activity_kind::error, e.peer, now,
            text("Failed to connect to ", name_of(e.peer, e.nickname), ": ", muster::quoted(e.why.message())));
    }

    void add(activity_kind what, peer::peer_id const& who, timestamp now, std::string line) {
        if (size_max_ == 0) return;
        if (items_.size() == size_max_) items_.pop_front();
        items_.push_back({what, who, now, std::move(line)});
    }
    // A nickname is the peer's own word; without one, the end of its id, which differs where the beginning does not.
    [[nodiscard]] static std::string name_of(peer::peer_id const& who, std::string const& nickname) {
        if (!nickname.empty()) return muster::quoted(nickname);
        auto const id = who.to_text();
        return text("...", id.substr(id.size() - std::min<std::size_t>(id.size(), 12)));
    }

    std::size_t size_max_;
    std::deque<activity> items_;
};

}  // namespace muster::connection
