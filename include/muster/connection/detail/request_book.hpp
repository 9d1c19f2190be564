// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Requests to connect, until each of their peers has come to something.

#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include <muster/connection/events.hpp>
#include <muster/core/effect_sink.hpp>

namespace muster::connection::detail {

class request_book {
public:
    struct request {
        std::vector<outcome> outcomes;
        std::set<peer::peer_id> waits_for;
    };

    [[nodiscard]] std::size_t size() const noexcept { return requests_.size(); }
    /// A new request, under a number that was never used.
    [[nodiscard]] std::pair<ticket, request&> open() {
        auto const id = ++last_;
        return {id, requests_[id]};
    }
    /// Takes a request away; whom it has waited for.
    [[nodiscard]] std::set<peer::peer_id> drop(ticket id) {
        auto const found = requests_.find(id);
        if (found == requests_.end()) return {};
        auto waited_for = std::move(found->second.waits_for);
        requests_.erase(found);
        return waited_for;
    }
    /// @p who has come to @p why, or is connected as @p how: the requests @p ids are told, and those that wait for
    /// nobody else end.
    template <effect_sink<effect> Sink>
    void settle(std::set<ticket> const& ids, peer::peer_id const& who, std::optional<error> const& why, kind how,
                Sink& out) {
        for (auto const id : ids) {
            if (id == 0) continue;  // wanted, and nobody waits for it
            auto& r = requests_.at(id);
            for (auto& o : r.outcomes) {
                if (o.peer != who) continue;
                o.why = why;
                o.kind = why ? kind::none : how;
            }
            r.waits_for.erase(who);
            end_if_done(id, out);
        }
    }
    template <effect_sink<effect> Sink>
    void end_if_done(ticket id, Sink& out) {
        auto const found = requests_.find(id);
        if (found == requests_.end() || !found->second.waits_for.empty()) return;
        auto outcomes = std::move(found->second.outcomes);
        requests_.erase(found);
        out.push(request_ended{id, std::move(outcomes)});
    }

private:
    std::map<ticket, request> requests_;
    ticket last_ = 0;
};

}  // namespace muster::connection::detail
