// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Sessions that must not open again, because our nonces were shown in them.
///
/// The proposal that opened a session could open it again until it expires. We would then make new nonces, and whoever
/// holds the first ones would have two different contributions of ours, which counts as proof of equivocation; and a
/// message would be signed that was signed or given up before. So the id is kept, in the journal too, until the
/// proposal expires or too many are kept. A session that was never approved leaves nothing here.

#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include <muster/core/result.hpp>
#include <muster/core/time.hpp>
#include <muster/signing/proposal.hpp>
#include <muster/wire/reader.hpp>
#include <muster/wire/writer.hpp>

namespace muster::signing {

/// Ids with the time until which they are kept. Not thread-safe. O(log n).
class graveyard {
public:
    /// @param ids_max  kept; beyond it @ref bury forgets the one that expires first.
    explicit graveyard(std::size_t ids_max) noexcept : ids_max_{ids_max} {}

    [[nodiscard]] bool holds(session_id const& id) const { return expires_.count(id) != 0; }
    [[nodiscard]] std::size_t size() const noexcept { return expires_.size(); }

    /// Replaces what @p journal holds for @p id by a note that @p id must not open again before @p expires.
    /// @return what the journal refuses; the id is remembered all the same.
    template <class Journal>
    [[nodiscard]] result<void> bury(Journal& journal, session_id const& id, timestamp expires, timestamp now) {
        while (!by_time_.empty() && (by_time_.begin()->first <= now || by_time_.size() >= ids_max_)) {
            auto const gone = by_time_.begin()->second;
            remove(gone);
            if (gone != id) (void)journal.erase(gone);
        }
        if (expires <= now || ids_max_ == 0) return journal.erase(id);
        remember(id, expires);
        wire::writer out;
        out.u8(mark).i64(to_unix_millis(expires));
        return journal.put(id, out.take());
    }

    /// Takes up what a journal has kept for @p id.
    /// @return whether that is such a note. It is erased from @p journal when it has expired, or when too many are
    /// kept.
    template <class Journal>
    [[nodiscard]] bool restore(Journal& journal, session_id const& id, byte_view kept, timestamp now) {
        wire::reader in{kept};
        if (in.u8() != mark) return false;
        auto const expires = from_unix_millis(in.i64());
        if (!in.finish()) return false;
        if (expires <= now || by_time_.size() >= ids_max_) {
            (void)journal.erase(id);
        } else {
            remember(id, expires);
        }
        return true;
    }

private:
    static constexpr std::uint8_t mark = 0;  // no version of a snapshot

    void remember(session_id const& id, timestamp expires) {
        remove(id);
        expires_[id] = expires;
        by_time_.insert({expires, id});
    }
    void remove(session_id const& id) {
        auto const found = expires_.find(id);
        if (found == expires_.end()) return;
        by_time_.erase({found->second, id});
        expires_.erase(found);
    }

    std::size_t ids_max_;
    std::map<session_id, timestamp> expires_;
    std::set<std::pair<timestamp, session_id>> by_time_;
};

}  // namespace muster::signing
