// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// The chains of entries that a replica has, one for each actor, each without gaps from 1 on.

#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include <muster/core/fields.hpp>
#include <muster/core/result.hpp>
#include <muster/sync/errc.hpp>
#include <muster/sync/version.hpp>

namespace muster::sync {

/// One entry of a chain. What its content is, is its owner's business.
struct entry {
    static constexpr std::size_t content_size_max = 8u << 10;  ///< Bytes. Ours: an action and a note of 4 KiB.

    dot at;
    bytes content;
    MUSTER_FIELDS(entry, at, content);
};

/// All entries, in memory. Not thread-safe.
///
/// Each member has a part of the room, whatever lives they have: what would be more is refused, so that nobody can fill
/// the place of the others. Of one chain the same entries are refused everywhere.
class entry_log {
public:
    struct options {
        std::size_t size_max = 100'000;                  ///< Entries of all chains; what would be one more is refused.
        std::size_t entries_of_member_max = 100'000;     ///< Of all lives of one member.
        std::size_t bytes_of_member_max = 240ull << 20;  ///< Of their contents.
    };

    entry_log() noexcept : entry_log{options{}} {}
    explicit entry_log(options const& o) noexcept : options_{o} {}
    explicit entry_log(std::size_t size_max) noexcept : options_{size_max, size_max, SIZE_MAX} {}

    /// Adds the next entry of its chain. O(log actors).
    /// @return `out_of_sequence`, `too_large`, `full`.
    [[nodiscard]] result<void> add(entry e) {
        if (e.content.size() > entry::content_size_max) {
            return error{errc::too_large,
                         text("an entry of ", e.content.size(), " bytes; at most ", entry::content_size_max)};
        }
        MUSTER_TRY(check_room(e));
        auto const last = last_of(e.at.by);
        if (e.at.sequence != last + 1) {
            return error{errc::out_of_sequence, text("entry ", e.at.sequence, " after entry ", last)};
        }
        auto& used = used_[e.at.by.member];
        ++used.entries;
        used.bytes += e.content.size();
        chains_[e.at.by].push_back(std::move(e.content));
        ++size_;
        return ok();
    }
    /// Whether there is room for @p e. @return `full`.
    [[nodiscard]] result<void> check_room(entry const& e) const {
        if (size_ >= options_.size_max) return error{errc::full, text("more than ", options_.size_max, " entries")};
        auto const found = used_.find(e.at.by.member);
        auto const used = found == used_.end() ? usage{} : found->second;
        bool const is_full = used.entries >= options_.entries_of_member_max ||
                             used.bytes + e.content.size() > options_.bytes_of_member_max;
        if (!is_full) return ok();
        return error{errc::full,
                     text("one member has ", used.entries, " entries of ", used.bytes, " bytes; at most ",
                          options_.entries_of_member_max, " and ", options_.bytes_of_member_max, " are kept of each")};
    }
    /// Removes the entries of @p by from @p first on. O(their number). @return them, in order.
    [[nodiscard]] std::vector<entry> cut(actor const& by, std::uint64_t first) {
        std::vector<entry> out;
        auto const found = chains_.find(by);
        if (found == chains_.end() || first == 0) return out;
        auto& used = used_[by.member];
        for (auto sequence = first; sequence <= found->second.size(); ++sequence) {
            auto& content = found->second[static_cast<std::size_t>(sequence - 1)];
            --used.entries;
            used.bytes -= content.size();
            out.push_back({{by, sequence}, std::move(content)});
        }
        size_ -= out.size();
        if (!out.empty()) found->second.resize(static_cast<std::size_t>(first - 1));
        if (found->second.empty()) chains_.erase(found);
        return out;
    }
    /// The last sequence of @p by; 0 when there is none.
    [[nodiscard]] std::uint64_t last_of(actor const& by) const noexcept {
        auto const found = chains_.find(by);
        return found == chains_.end() ? 0 : found->second.size();
    }
    /// The content of the entry at @p d, or nullptr.
    [[nodiscard]] bytes const* find(dot const& d) const noexcept {
        auto const found = chains_.find(d.by);
        if (found == chains_.end() || d.sequence == 0 || d.sequence > found->second.size()) return nullptr;
        return &found->second[static_cast<std::size_t>(d.sequence - 1)];
    }
    /// The last sequence of each chain.
    [[nodiscard]] version_vector ends() const {
        version_vector out;
        for (auto const& [by, chain] : chains_) out.add({by, chain.size()});
        return out;
    }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] std::size_t chains() const noexcept { return chains_.size(); }
    /// Chains of one member: their lives. O(log actors + result).
    [[nodiscard]] std::size_t chains_of(std::uint16_t member) const noexcept {
        std::size_t out = 0;
        for (auto at = chains_.lower_bound(actor{member, 0}); at != chains_.end() && at->first.member == member; ++at)
            ++out;
        return out;
    }
    /// Actors and their chains, ascending.
    [[nodiscard]] auto begin() const noexcept { return chains_.begin(); }
    [[nodiscard]] auto end() const noexcept { return chains_.end(); }

private:
    struct usage {
        std::size_t entries = 0;
        std::size_t bytes = 0;
    };

    options options_;
    std::size_t size_ = 0;
    std::map<actor, std::vector<bytes>> chains_;  // none is empty
    std::map<std::uint16_t, usage> used_;         // of the members of chains
};

}  // namespace muster::sync
