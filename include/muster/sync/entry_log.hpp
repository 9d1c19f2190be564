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
class entry_log {
public:
    /// @param size_max  entries of all chains; what would be one more is refused.
    explicit entry_log(std::size_t size_max = 100'000) noexcept : size_max_{size_max} {}

    /// Adds the next entry of its chain. O(log actors).
    /// @return `out_of_sequence`, `too_large`, `full`.
    [[nodiscard]] result<void> add(entry e) {
        if (e.content.size() > entry::content_size_max) {
            return error{errc::too_large,
                         text("an entry of ", e.content.size(), " bytes; at most ", entry::content_size_max)};
        }
        if (size_ >= size_max_) return error{errc::full, text("more than ", size_max_, " entries")};
        auto const last = last_of(e.at.by);
        if (e.at.sequence != last + 1) {
            return error{errc::out_of_sequence, text("entry ", e.at.sequence, " after entry ", last)};
        }
        chains_[e.at.by].push_back(std::move(e.content));
        ++size_;
        return ok();
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
    /// Actors and their chains, ascending.
    [[nodiscard]] auto begin() const noexcept { return chains_.begin(); }
    [[nodiscard]] auto end() const noexcept { return chains_.end(); }

private:
    std::size_t size_max_;
    std::size_t size_ = 0;
    std::map<actor, std::vector<bytes>> chains_;
};

}  // namespace muster::sync
