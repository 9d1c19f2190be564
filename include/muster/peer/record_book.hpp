// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Which record of a peer counts.
///
/// The record with the greater sequence number counts; neither the time in it nor that of its arrival decides, so the
/// order of arrival does not matter. A peer that signs two different records with one number has said two things: the
/// first stays, and both are kept as evidence, which anybody can check. Records are known until they expire, by our
/// clock at most one lifetime from now; their numbers for as long as an older record could still be alive, so that none
/// comes back. A record that does not count is refused before its signature costs anything.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <optional>
#include <utility>

#include <muster/core/enumeration.hpp>
#include <muster/core/fields.hpp>
#include <muster/core/result.hpp>
#include <muster/core/time.hpp>
#include <muster/peer/record.hpp>

namespace muster::peer {

/// What became of a record.
MUSTER_ENUMERATION(filing, 0,
                   added,       ///< The first of its peer.
                   replaced,    ///< It counts, in place of an older one.
                   repeated,    ///< The one that counts already. Its signature was not verified again.
                   older,       ///< It does not count. Its signature was not verified.
                   conflicting  ///< Signed with the number of another one. Nothing has changed, but for the evidence.
);

/// Two records that a peer has signed with one number. The first conflict of a peer is kept.
struct conflict {
    peer_id peer;
    std::uint64_t sequence = 0;
    bytes first;   ///< Sealed; what counts.
    bytes second;  ///< Sealed.
    MUSTER_FIELDS(conflict, peer, sequence, first, second);
};

/// Bounds of a book.
struct record_book_options {
    std::size_t peers_max = 4096;  ///< Two kilobytes each at most. A stranger that finds no room is refused. Ours.
    record_rules rules = {};       ///< What is let pass.
};

/// The records of many peers. A value. Not thread-safe.
class record_book {
public:
    explicit record_book(record_book_options options = {}) : options_{options} {}

    /// Files @p sealed, which may come from anybody. About 70 us for one that counts, 10 us for others. O(log peers).
    /// @return what became of it; or `full`, or what @ref record::open returns, and nothing has changed.
    [[nodiscard]] result<filing> take(byte_view sealed, timestamp now) {
        MUSTER_TRY(auto const claim, record::read(sealed, now, options_.rules));
        auto const known = entries_.find(claim.peer);
        if (known != entries_.end() && claim.sequence < known->second.what.sequence) return filing::older;
        if (known != entries_.end() && claim == known->second.what) return filing::repeated;
        if (known == entries_.end()) {
            if (entries_.size() >= options_.peers_max && now >= forget_at_) forget(now);
            if (entries_.size() >= options_.peers_max) {
                return error{errc::full, text("no room for ", claim.peer.to_text(), ": ", entries_.size(),
                                              " peers are known, and none has expired")};
            }
        }
        MUSTER_TRY(auto opened, record::open(sealed, now, options_.rules));
        if (known != entries_.end() && opened->sequence == known->second.what.sequence) {
            keep_evidence(known->second, sealed);
            return filing::conflicting;
        }
        bool const is_first = known == entries_.end();
        auto& e = entries_[opened->peer];
        e.what = *opened;
        e.sealed = to_bytes(sealed);
        e.ends = std::min(e.what.expires, saturating_add(now, options_.rules.lifetime_max));
        forget_at_ = std::min(forget_at_, forgotten_at(e.what));
        return is_first ? filing::added : filing::replaced;
    }

    /// The record of @p who that counts; none when there is none, or it has expired. Valid until the next change.
    [[nodiscard]] record const* find(peer_id const& who, timestamp now) const {
        auto const at = entries_.find(who);
        return at == entries_.end() || at->second.ends <= now ? nullptr : &at->second.what;
    }
    /// The same as it is sent.
    [[nodiscard]] byte_view sealed(peer_id const& who, timestamp now) const {
        return find(who, now) == nullptr ? byte_view{} : byte_view{entries_.at(who).sealed};
    }
    /// What proves that @p who has signed two records with one number; none when it has not.
    [[nodiscard]] std::optional<conflict> evidence(peer_id const& who) const {
        auto const at = entries_.find(who);
        return at == entries_.end() ? std::nullopt : at->second.evidence;
    }

    /// Forgets those whose time is over, and whose older records' time is over too. O(peers).
    void forget(timestamp now) {
        forget_at_ = timestamp::max();
        for (auto e = entries_.begin(); e != entries_.end();) {
            auto const at = forgotten_at(e->second.what);
            e = at <= now ? entries_.erase(e) : (forget_at_ = std::min(forget_at_, at), std::next(e));
        }
    }

    /// Peers that are known, expired ones among them.
    [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }

private:
    struct entry {
        record what;
        bytes sealed;
        timestamp ends{};
        std::optional<conflict> evidence;
    };

    [[nodiscard]] timestamp forgotten_at(record const& r) const {
        return saturating_add(r.expires, options_.rules.lifetime_max);
    }
    static void keep_evidence(entry& e, byte_view second) {
        if (!e.evidence) e.evidence = conflict{e.what.peer, e.what.sequence, e.sealed, to_bytes(second)};
    }

    record_book_options options_;
    std::map<peer_id, entry> entries_;
    timestamp forget_at_ = timestamp::max();  ///< Before then nobody can be forgotten.
};

}  // namespace muster::peer
