// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What every signer of a session has contributed, with the signed frames that prove it.
///
/// One entry per slot, one contribution of each kind per entry; the first one wins. The same holds for the sums of all
/// nonces, which the aggregator contributes, where there is one. A second, different contribution is a conflict: the
/// two frames together prove equivocation. Early contributions wait here, so the memory of a session is bounded by its
/// roster whatever the order of arrival.

#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <muster/signing/frame.hpp>

namespace muster::signing {

/// The contributions of one session. Regular in everything but cost. Not thread-safe.
class contributions {
public:
    /// One signer's part.
    struct signer_state {
        std::optional<boot_epoch> epoch;   ///< Of the first frame from it; another one means a restart.
        std::optional<boot_epoch> before;  ///< The one that it has resumed from.
        std::optional<nonces_body> nonces;
        std::optional<shares_body> shares;
        bytes nonces_frame;                  ///< As signed; empty for ourselves.
        bytes shares_frame;                  ///< As signed; empty for ourselves.
        bool has_resumed = false;            ///< It restarted, and kept what this session needs of it.
        bool was_sent_evidence = false;      ///< The signed nonces were passed on to it.
        bool is_convicted = false;           ///< It signed two different contributions, and everyone was shown them.
        bool has_result = false;             ///< It has the group's signature: it said what only such a signer says.
        std::uint64_t last_request = 0;      ///< Highest sequence of a request that was answered.
        std::optional<instant> last_answer;  ///< When it was last answered or helped along.
    };

    /// The sums of all nonces: the aggregator's word, or ours where that is us.
    struct aggregate_state {
        std::optional<aggregate_nonces_body> what;
        bytes frame;  ///< As signed; empty for ourselves.
    };

    /// What became of a contribution.
    enum class outcome : std::uint8_t { fresh, duplicate, conflict };

    explicit contributions(std::size_t signers) : signers_(signers) {}

    [[nodiscard]] slot size() const noexcept { return static_cast<slot>(signers_.size()); }
    [[nodiscard]] signer_state& operator[](slot s) noexcept { return signers_[s]; }
    [[nodiscard]] signer_state const& operator[](slot s) const noexcept { return signers_[s]; }

    /// Keeps @p what as @p from's part, with the frame it came in.
    outcome file(slot from, nonces_body const& what, byte_view raw) {
        return file(signers_[from].nonces, signers_[from].nonces_frame, what, raw);
    }
    /// @copydoc file
    outcome file(slot from, shares_body const& what, byte_view raw) {
        return file(signers_[from].shares, signers_[from].shares_frame, what, raw);
    }
    /// Keeps @p what as the aggregator's word, with the frame it came in; empty where that is us.
    outcome file(aggregate_nonces_body what, byte_view raw) {
        if (aggregate_.what) return *aggregate_.what == what ? outcome::duplicate : outcome::conflict;
        aggregate_ = {std::move(what), to_bytes(raw)};
        return outcome::fresh;
    }
    [[nodiscard]] aggregate_state const& aggregate() const noexcept { return aggregate_; }

    /// Slots whose nonces have not arrived.
    [[nodiscard]] std::vector<slot> missing_nonces() const {
        std::vector<slot> out;
        for (slot s = 0; s < size(); ++s) {
            if (!signers_[s].nonces) out.push_back(s);
        }
        return out;
    }

    /// The hash of everyone's nonces, by which signers notice that they were told different ones. None while a
    /// nonce is missing.
    [[nodiscard]] std::optional<digest32> transcript(session_id const& id) const {
        static crypto::hash_tag const tag{"muster/transcript/v1"};
        auto hasher = crypto::tagged_hasher(tag);
        hasher.update(id.view());
        for (auto const& s : signers_) {
            if (!s.nonces) return std::nullopt;
            for (auto const& nonce : s.nonces->nonces) hasher.update(nonce.view());
        }
        return hasher.finish();
    }

    /// What shares name: the transcript together with the sums that were signed under. An aggregator who tells
    /// different sums to different signers is noticed by it.
    [[nodiscard]] static digest32 bind_sums(digest32 const& transcript, std::span<musig2::aggnonce const> sums) {
        static crypto::hash_tag const tag{"muster/signed-under/v1"};
        auto hasher = crypto::tagged_hasher(tag);
        hasher.update(transcript.view());
        for (auto const& sum : sums) hasher.update(sum.view());
        return hasher.finish();
    }

    /// Whether exactly these bytes were filed before.
    [[nodiscard]] bool holds(slot from, byte_view raw) const noexcept {
        return from < signers_.size() && !raw.empty() &&
               (equal(raw, signers_[from].nonces_frame) || equal(raw, signers_[from].shares_frame));
    }

private:
    template <class Body>
    outcome file(std::optional<Body>& held, bytes& frame, Body const& what, byte_view raw) {
        if (held) return *held == what ? outcome::duplicate : outcome::conflict;
        held = what;
        frame = to_bytes(raw);
        return outcome::fresh;
    }

    std::vector<signer_state> signers_;
    aggregate_state aggregate_;
};

}  // namespace muster::signing
