// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What an entry of a notebook says, and whether its author has said it.

#include <cstddef>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include <muster/core/result.hpp>
#include <muster/identity/action_verifier.hpp>
#include <muster/node/notebook_members.hpp>
#include <muster/sync/judge.hpp>
#include <muster/sync/update.hpp>

namespace muster::node {

/// Reads and verifies entries; what is verified is charged to the peer that is listened to. Pinned; not thread-safe.
class notebook_reader {
public:
    using parsed = std::pair<identity::action, sync::update>;

    notebook_reader(identity::network_id const& network, std::vector<notebook_member> members)
        : network_{network}, members_{std::move(members)}, verifier_{directory{&members_}, options_for(network)} {}
    notebook_reader(notebook_reader const&) = delete;
    notebook_reader& operator=(notebook_reader const&) = delete;

    [[nodiscard]] notebook_members& members() noexcept { return members_; }
    [[nodiscard]] notebook_members const& members() const noexcept { return members_; }
    [[nodiscard]] identity::action_chains& chains() noexcept { return verifier_.chains(); }
    [[nodiscard]] identity::action_chains const& chains() const noexcept { return verifier_.chains(); }
    /// What is verified from here on comes from @p peer.
    void listen_to(peer::peer_id const& peer, instant now) {
        from_ = peer;
        now_ = now;
    }

    /// What an entry holds: an action, and the update that is its payload, at the place that the entry says. Life 0 is
    /// nobody's: what is kept of a member is kept there. @return `malformed`, and what decoding returns.
    [[nodiscard]] result<parsed> parse(sync::entry const& e) const {
        if (e.content.size() < identity::action::size)
            return error{sync::errc::malformed, "an entry without an action"};
        MUSTER_TRY(auto const a, identity::action::decode(packet_of(e)));
        bool const is_its_place = e.at.by.member < members_.size() && members_[e.at.by.member].user == a.author &&
                                  e.at.by.life == a.life && a.life != 0 && e.at.sequence == a.sequence &&
                                  a.network == network_;
        if (!is_its_place) return error{sync::errc::malformed, "an entry in another's place"};
        MUSTER_TRY(auto const w, sync::update::decode_content(payload_of(e), e.at, a.time));
        return parsed{a, w};
    }
    /// The action's id, so the signature is no part of it: an author can make many. Zeros for what is none.
    [[nodiscard]] static sync::entry_name name_of(sync::entry const& e) {
        if (e.content.size() < identity::action::size) return {};
        auto const a = identity::action::decode(packet_of(e));
        return a ? sync::entry_name::from(a.value().id().view().first(sync::entry_name::size_in_bytes))
                 : sync::entry_name{};
    }
    [[nodiscard]] bool is_author_known(sync::entry const& e) const {
        return e.at.by.member >= members_.size() || members_[e.at.by.member].key;
    }

    /// The next entry of its chain. It is part of it when it is taken.
    [[nodiscard]] sync::judgement verify(sync::entry const& e) {
        auto const found =
            verifier_.verify(packet_of(e), payload_of(e), from_, now_, timestamp{}, identity::freshness::chained);
        if (!found) return judgement_of(found.error());
        return std::holds_alternative<identity::accepted_action>(found.value()) ? sync::judgement::take
                                                                                : sync::judgement::later;
    }
    /// @see sync::evidence_judge. @{
    [[nodiscard]] sync::judgement vouch(sync::entry const& e) {
        if (!is_author_known(e)) return sync::judgement::later;
        if (!parse(e)) return sync::judgement::refuse;
        auto const found = verifier_.vouch(packet_of(e), payload_of(e), from_, now_);
        return found ? sync::judgement::take : judgement_of(found.error());
    }
    [[nodiscard]] result<std::optional<bytes>> contrast(sync::entry const& known, sync::entry const& other) {
        error const forged{sync::errc::malformed, "an entry that its author did not sign"};
        auto const ours = parse(known), theirs = parse(other);
        if (!ours || !theirs || !theirs.value().first.is_about(payload_of(other))) return forged;
        if (ours.value().first.id() == theirs.value().first.id()) return std::optional<bytes>{};  // signed again
        auto const proof = verifier_.contrast(ours.value().first, theirs.value().first, from_, now_);
        if (proof) return std::optional{proof.value().encoded()};
        if (judgement_of(proof.error()) == sync::judgement::refuse) return forged;
        return proof.error();
    }
    [[nodiscard]] result<sync::dot> convict(byte_view proof) {
        auto const found = verifier_.learn(proof, from_, now_);
        if (!found && judgement_of(found.error()) != sync::judgement::refuse) return found.error();
        auto const place = found ? members_.place_of(found.value().author()) : std::nullopt;
        if (!place) return error{sync::errc::malformed, "a proof that proves nothing against any member"};
        auto const& a = found.value().first();
        return sync::dot{{*place, a.life}, a.sequence};
    }
    /// @}

private:
    struct directory {
        notebook_members const* members;
        [[nodiscard]] std::optional<crypto::public_key> key_of(identity::user_id const& who) const {
            return members->key_of(who);
        }
        [[nodiscard]] bool has_signed_as(identity::user_id const& who, crypto::public_key const& key,
                                         hybrid_time time) const {
            return members->has_signed_as(who, key, time);
        }
    };
    using verifier = identity::action_verifier<directory>;

    [[nodiscard]] static typename verifier::options options_for(identity::network_id const& n) {
        typename verifier::options o;
        o.network = n;
        o.burst = 2000;  // a copy that begins empty gets all at once
        o.rate = 200;
        return o;
    }
    [[nodiscard]] static byte_view packet_of(sync::entry const& e) {
        return byte_view{e.content}.first(identity::action::size);
    }
    [[nodiscard]] static byte_view payload_of(sync::entry const& e) {
        return byte_view{e.content}.subspan(identity::action::size);
    }
    /// Only what says that its sender is at fault costs the sender.
    [[nodiscard]] static sync::judgement judgement_of(error const& why) {
        using identity::errc;
        bool const is_fault = why == errc::not_signed || why == errc::wrong_payload || why == errc::malformed ||
                              why == errc::wrong_network || why == errc::unsupported_version;
        return is_fault ? sync::judgement::refuse : sync::judgement::later;
    }

    identity::network_id network_;
    notebook_members members_;
    verifier verifier_;
    peer::peer_id from_;
    instant now_{};
};

}  // namespace muster::node
