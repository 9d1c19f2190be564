// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What a notebook's store holds, read into chains: the last word on each place counts, whatever order it comes in.

#include <algorithm>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include <muster/node/notebook_members.hpp>
#include <muster/sync/mark.hpp>
#include <muster/sync/outbox.hpp>

namespace muster::node {

/// Entries and marks as they were kept. A value; it holds all of them, once.
class notebook_shelf {
public:
    void take(sync::entry e) {
        if (e.at.sequence != 0) {
            entries_[e.at] = std::move(e.content);
        } else if (e.at.by.life == 0) {
            if (auto i = introduction::decode(e.content)) introductions_[e.at.by.member] = std::move(i).value();
        } else if (auto m = sync::mark::of(e)) {
            take(std::move(m).value());
        }
    }
    /// Where chains were found to part; of one, the earliest place.
    [[nodiscard]] std::map<sync::actor, sync::mark> const& faults() const noexcept { return faults_; }
    /// By member.
    [[nodiscard]] std::map<std::uint16_t, introduction> const& introductions() const noexcept { return introductions_; }
    /// By place.
    [[nodiscard]] std::map<sync::dot, bytes>& entries() noexcept { return entries_; }
    /// Whether a chain ends before @p at, which is named @p name: its stories part there, or we took it back.
    [[nodiscard]] bool ends_before(sync::dot const& at, sync::entry_name const& name) const {
        auto const fault = faults_.find(at.by);
        if (fault != faults_.end() && at.sequence >= fault->second.at.sequence) return true;
        auto const back = taken_back_.find(at.by);
        return back != taken_back_.end() && back->second.at == at && equal(back->second.content, name.view());
    }
    /// Whether something is wrong with the chain of @p by: ours would not go on with it.
    [[nodiscard]] bool is_marked(sync::actor const& by) const noexcept {
        return faults_.contains(by) || taken_back_.contains(by);
    }

private:
    void take(sync::mark m) {
        if (m.what == sync::mark::kind::taken_back) {
            taken_back_[m.at.by] = std::move(m);
            return;
        }
        auto const known = faults_.find(m.at.by);
        if (known == faults_.end() || m.at.sequence < known->second.at.sequence) faults_[m.at.by] = std::move(m);
    }

    std::map<sync::dot, bytes> entries_;
    std::map<sync::actor, sync::mark> faults_, taken_back_;
    std::map<std::uint16_t, introduction> introductions_;
};

}  // namespace muster::node
