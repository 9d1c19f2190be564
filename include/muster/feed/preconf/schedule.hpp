// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Who may sign in which slot: resolvers, and the schedule that applies one to commitments.
///
/// A commitment is of the slot in which its time lies. The schedule asks a resolver whose that is and when it ends, and
/// compares: who signs for one window signs for the times in it, and for no others. Nothing here reads a clock or an
/// event log: a resolver holds absolute state that its owner gives it, and a time that it does not know of is not yet
/// known, which nobody is blamed for.
///
/// When the signer changes, the one before it may still have signed for its last slot what we hear under the new one:
/// it is accepted for the grace time, and the verdict says so. (Nodes that learned the signer from an event alone once
/// rejected 25 minutes of honest messages after a rotation: optimism #22839.)

#include <algorithm>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include <muster/core/enumeration.hpp>
#include <muster/feed/preconf/protocol.hpp>

namespace muster::feed::preconf {

/// Why a resolver does not know.
MUSTER_ENUMERATION(lookahead_gap, 0,
                   missing,         ///< The epoch has not been told of.
                   before_genesis,  ///< The chain had not begun.
                   too_old,         ///< It has been forgotten.
                   too_new          ///< It is not decided yet.
);
/// A slot.
struct slot_info {
    address signer = {};
    std::uint64_t window_end = 0;  ///< Seconds since 1970; the asked time itself where windows end anywhere.
    bool ends_anywhere = false;    ///< No window's end is wrong.
    bool is_settled = true;        ///< No other signer can be told of later.
    MUSTER_FIELDS(slot_info, signer, window_end, ends_anywhere, is_settled);
};

/// Knows the slot of a time, in seconds since 1970; or why not. O(log slots).
template <class R>
concept lookahead_resolver = requires(R const& r, std::uint64_t at) {
    { r.slot_at(at) } -> std::same_as<result<slot_info, lookahead_gap>>;
};

/// One signer after another: each from a time on, in slots of equal length. For networks with one sequencer.
///
/// After the last rotation that it was told of there may be one that it has not heard of yet: there a signer whom it
/// does not expect is not known to be wrong, until its owner says how far it knows (@ref settle).
class static_schedule {
public:
    /// @param slot  seconds; windows end at multiples of it, counted from @p genesis. 0: they end anywhere.
    explicit static_schedule(std::uint64_t genesis = 0, std::uint64_t slot = 0) noexcept
        : genesis_{genesis}, slot_{slot} {}

    /// From @p at on, in seconds, @p signer signs. One that is told for the same time replaces the other.
    void rotate(std::uint64_t at, address const& signer) { signers_.insert_or_assign(at, signer); }
    /// No rotation before @p until will be told that was not told by now.
    void settle(std::uint64_t until) noexcept { settled_ = std::max(settled_, until); }
    /// Forgets who signed before @p at, but for who signs then.
    void prune(std::uint64_t at) {
        auto keep = signers_.upper_bound(at);
        if (keep != signers_.begin()) signers_.erase(signers_.begin(), std::prev(keep));
    }
    [[nodiscard]] result<slot_info, lookahead_gap> slot_at(std::uint64_t at) const {
        if (at < genesis_) return lookahead_gap::before_genesis;
        auto const after = signers_.upper_bound(at);
        if (after == signers_.begin()) return signers_.empty() ? lookahead_gap::missing : lookahead_gap::too_old;
        auto const past = slot_ == 0 ? 0 : (at - genesis_) % slot_;
        bool const is_last = past != 0 && at > ~std::uint64_t{0} - (slot_ - past);
        return slot_info{std::prev(after)->second, past == 0 || is_last ? at : at + (slot_ - past), slot_ == 0,
                         after != signers_.end() || at < settled_};
    }

private:
    std::uint64_t genesis_;
    std::uint64_t slot_;
    std::uint64_t settled_ = 0;
    std::map<std::uint64_t, address> signers_;  ///< The owner's bound.
};
static_assert(lookahead_resolver<static_schedule>);

/// Slots of epochs, as the lookahead of the chain below says them, and a fallback for those that nobody has.
///
/// An epoch lists those who have registered for slots, by the time of the slot; the first of them whose time is not
/// before the asked one has the window up to it. Behind the last one comes the first of the next epoch, if there is
/// one, and otherwise the fallback of the epoch, whose window ends with the epoch's last slot.
/// @see taiko-mono, packages/protocol/docs/preconfirmation_lookahead.md
class epoch_schedule {
public:
    static constexpr std::uint64_t slot_length = 12;    ///< Seconds, of a slot of Ethereum.
    static constexpr std::uint64_t epoch_length = 384;  ///< 32 of them.

    struct epoch {
        address fallback = {};                                      ///< Who proposes where nobody has registered.
        std::vector<std::pair<std::uint64_t, address>> slots = {};  ///< Times of slots, ascending, and who has each.
    };

    /// @param epochs_max  so many are kept; then the oldest goes.
    explicit epoch_schedule(std::uint64_t genesis, std::size_t epochs_max = 64) noexcept
        : genesis_{genesis}, epochs_max_{std::max<std::size_t>(epochs_max, 1)} {}

    /// The first second of the epoch of @p at. Expects `at >= genesis`.
    [[nodiscard]] std::uint64_t epoch_start(std::uint64_t at) const noexcept {
        return at - (at - genesis_) % epoch_length;
    }
    /// Tells of the epoch that begins at @p start; replaces what was told of it before.
    /// @return `validation` where slots are outside of it, or not ascending, or it does not begin there.
    [[nodiscard]] result<void> tell(std::uint64_t start, epoch e) {
        if (start < genesis_ || (start - genesis_) % epoch_length != 0) {
            return error{errc::validation, text("no epoch begins at ", start)};
        }
        for (std::size_t i = 0; i < e.slots.size(); ++i) {
            auto const at = e.slots[i].first;
            if (at < start || at - start >= epoch_length || (i != 0 && at <= e.slots[i - 1].first)) {
                return error{errc::validation,
                             text("slot ", at, " is not in the epoch of ", start, ", or not in order")};
            }
        }
        epochs_.insert_or_assign(start, std::move(e));
        if (epochs_.size() > epochs_max_) epochs_.erase(epochs_.begin());
        return ok();
    }
    /// From @p at on @p who is not trusted, or is again: its slots are the fallback's.
    void blacklist(address const& who, std::uint64_t at, bool is_listed = true) {
        blacklisted_[who].insert_or_assign(at, is_listed);
    }
    [[nodiscard]] result<slot_info, lookahead_gap> slot_at(std::uint64_t at) const {
        if (at < genesis_) return lookahead_gap::before_genesis;
        if (epochs_.empty()) return lookahead_gap::missing;
        auto const start = epoch_start(at);
        if (start < epochs_.begin()->first) return lookahead_gap::too_old;
        if (start > epochs_.rbegin()->first) return lookahead_gap::too_new;
        auto const found = epochs_.find(start);
        if (found == epochs_.end()) return lookahead_gap::missing;
        auto const& e = found->second;
        if (e.slots.empty()) return slot_info{e.fallback, start + epoch_length - slot_length};
        if (auto const own = first_from(e, at)) return trusted(*own, e, at);
        auto const next = epochs_.find(start + epoch_length);
        if (next == epochs_.end()) return lookahead_gap::too_new;  // whose the rest is depends on it
        if (auto const first = first_from(next->second, at)) return trusted(*first, e, at);
        return slot_info{e.fallback, start + epoch_length - slot_length};
    }

private:
    [[nodiscard]] static std::optional<slot_info> first_from(epoch const& e, std::uint64_t at) {
        auto const s = std::find_if(e.slots.begin(), e.slots.end(), [&](auto const& each) { return each.first >= at; });
        return s == e.slots.end() ? std::nullopt : std::optional{slot_info{s->second, s->first}};
    }
    [[nodiscard]] slot_info trusted(slot_info s, epoch const& e, std::uint64_t at) const {
        auto const found = blacklisted_.find(s.signer);
        if (found == blacklisted_.end()) return s;
        auto const after = found->second.upper_bound(at);
        if (after != found->second.begin() && std::prev(after)->second) s.signer = e.fallback;
        return s;
    }

    std::uint64_t genesis_;
    std::size_t epochs_max_;
    std::map<std::uint64_t, epoch> epochs_;
    std::map<address, std::map<std::uint64_t, bool>> blacklisted_;  ///< The owner's bound.
};
static_assert(lookahead_resolver<epoch_schedule>);

/// Nobody is asked: everybody may sign.
using no_schedule = open_schedule;

/// Applies a resolver to commitments: models @ref schedule_for the protocol. The resolver is borrowed, so that its
/// owner can go on telling it; whoever does so tells the client that its schedule has changed.
template <lookahead_resolver Resolver>
class schedule {
public:
    schedule(Resolver const& r, std::chrono::seconds grace) noexcept
        : resolver_{&r}, grace_{static_cast<std::uint64_t>(std::max<std::chrono::seconds::rep>(grace.count(), 0))} {}

    [[nodiscard]] verdict judge(signed_commitment const& r, record const& link) const {
        auto const at = r.commitment.preconf.timestamp.narrow();
        auto const end = r.commitment.preconf.submission_window_end.narrow();
        if (!at || !end) return verdict::rejected("slot_drift");  // no slot is there, on any schedule
        auto const slot = resolver_->slot_at(*at);
        if (!slot) return unknown(slot.error());
        auto const now = in(slot.value(), link, *end);
        if (now.is_accepted() || *at < grace_) return now;
        // A little late, it is still the slot before.
        auto const before = resolver_->slot_at(*at - grace_);
        if (!before || !in(before.value(), link, *end).is_accepted()) return now;
        auto out = verdict::accepted();
        out.why = "previous_signer";
        return out;
    }

private:
    [[nodiscard]] static std::uint64_t distance(std::uint64_t a, std::uint64_t b) noexcept {
        return a < b ? b - a : a - b;
    }
    [[nodiscard]] verdict in(slot_info const& s, record const& link, std::uint64_t end) const {
        if (!s.ends_anywhere && distance(end, s.window_end) > grace_) return verdict::rejected("slot_drift");
        if (link.author == author_of(s.signer)) return verdict::accepted();
        return s.is_settled ? verdict::rejected("wrong_slot_signer") : verdict::waits_for(awaited::schedule);
    }
    [[nodiscard]] static verdict unknown(lookahead_gap why) noexcept {
        switch (why) {
            case lookahead_gap::before_genesis: return verdict::rejected("before_genesis");
            case lookahead_gap::too_old: return verdict::ignored("schedule_too_old");
            case lookahead_gap::missing:
            case lookahead_gap::too_new: break;
        }
        return verdict::waits_for(awaited::schedule);
    }

    Resolver const* resolver_;
    std::uint64_t grace_;
};
static_assert(schedule_for<schedule<static_schedule>, protocol>);

}  // namespace muster::feed::preconf
