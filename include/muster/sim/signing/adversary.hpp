// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Co-signers that lie: a real coordinator, and between it and the wire somebody who holds its keys.
///
/// An adversary follows the protocol except where its lie wants otherwise, which is what makes it dangerous: it gets as
/// far as honest signers do. It can do anything but forge another one's signature.

#include <array>
#include <cstdint>
#include <deque>
#include <string_view>
#include <utility>
#include <vector>

#include <muster/core/enumeration.hpp>
#include <muster/signing/frame_sender.hpp>
#include <muster/sim/clock.hpp>
#include <muster/sim/network.hpp>
#include <muster/sim/signing/witness.hpp>

namespace muster::sim::signing {

/// What an adversary does.
MUSTER_ENUMERATION(
    lie, 0,
    silence,       ///< Never says anything.
    quitting,      ///< Shows its nonces, looks at those of the others, and never gives a share.
    equivocation,  ///< Tells some peers other nonces, sums and shares than the rest.
    replay,        ///< Repeats what it said and heard, out of place.
    forgery,       ///< Speaks for other slots, and proposes in others' names and for rosters of its own making.
    flooding,      ///< Sends far too much: unknown sessions, many proposals.
    garbling,      ///< Damages what it sends.
    false_nonces,  ///< Nonces, and sums of nonces, that are none.
    false_shares,  ///< Shares that do not add up.
    framing,       ///< Says that others are to blame, instead of giving its share.
    usurpation,    ///< Votes everybody out of the way, and claims to have broadcast.
    grinding       ///< Has ground its key to be elected, and then sits there: neither broadcasts nor steps aside.
);
/// All of them.
inline constexpr std::array<lie, 12> all_lies{lie::silence,      lie::quitting, lie::equivocation, lie::replay,
                                              lie::forgery,      lie::flooding, lie::garbling,     lie::false_nonces,
                                              lie::false_shares, lie::framing,  lie::usurpation,   lie::grinding};

/// The tap of an adversary. Borrows all it is made of. Not thread-safe.
class adversary final : public wire_tap {
public:
    /// @param group  everyone's roster entries, its own among them.
    adversary(world const& w, transport& wire, peer::node_key const& key, muster::signing::boot_epoch const& epoch,
              lie what, splitmix64 draw, std::vector<muster::signing::member> const& group)
        : world_{&w}, wire_{&wire}, key_{&key}, epoch_{epoch}, lie_{what}, draw_{draw}, group_{&group} {
        wire_->tap(this);
    }
    adversary(adversary const&) = delete;
    adversary& operator=(adversary const&) = delete;
    ~adversary() override { wire_->tap(nullptr); }

    result<void> outgoing(peer_id const& to, std::string_view protocol, bytes frame) override {
        speak(to, protocol, std::move(frame));
        return ok();
    }
    bool incoming(peer_id const&, bytes const& frame) override {
        remember(frame);
        return true;
    }

private:
    void speak(peer_id const& to, std::string_view protocol, bytes frame) {
        if (lie_ == lie::silence) return;
        auto const parsed = muster::signing::parse_frame(frame, limits_);
        auto const body = parsed ? muster::signing::decode_body(parsed.value(), limits_)
                                 : result<muster::signing::body>{parsed.error()};
        if (!body) return pass(to, protocol, std::move(frame));
        auto const header = parsed.value().header;
        remember(frame);
        bool const has_seen_nonces =
            header.what >= muster::signing::kind::shares && header.what <= muster::signing::kind::signatures;
        bool const leaves_the_seat = header.what == muster::signing::kind::broadcast_done ||  //
                                     header.what == muster::signing::kind::view_change;
        if (lie_ == lie::quitting && has_seen_nonces) return;
        if (lie_ == lie::grinding && leaves_the_seat) return;
        if (lie_ == lie::framing && header.what == muster::signing::kind::shares) {
            auto const victim = static_cast<muster::signing::slot>(uniform(draw_, group_->size()));
            return say(
                to, header,
                muster::signing::abort_body{muster::signing::abort_reason::invalid_share, victim, "it was not me"});
        }
        if (lie_ == lie::garbling && uniform(draw_, 3) == 0) {
            auto& octet = frame[uniform(draw_, frame.size())];
            octet ^= static_cast<byte>(between(draw_, 1, 255));
        }
        auto changed = body.value();
        if (twist(to, changed)) {
            say(to, header, changed);
        } else {
            pass(to, protocol, std::move(frame));
        }
        add_to(to, header);
    }

    // What one of its contributions becomes on the way to @p to.
    [[nodiscard]] bool twist(peer_id const& to, muster::signing::body& b) const {
        bool const is_told_otherwise = to.view().back() % 2 == 1;
        bool const equivocates = lie_ == lie::equivocation && is_told_otherwise;
        if (auto* const v = std::get_if<muster::signing::nonces_body>(&b); v != nullptr && !v->nonces.empty()) {
            if (equivocates) v->nonces[0].octets[0] ^= 1;  // the negated point
            if (lie_ == lie::false_nonces) v->nonces[0].octets.fill(0xff);
            return equivocates || lie_ == lie::false_nonces;
        }
        if (auto* const v = std::get_if<muster::signing::aggregate_nonces_body>(&b);
            v != nullptr && !v->nonces.empty()) {
            if (equivocates || lie_ == lie::false_nonces) v->nonces[0].octets[0] ^= 1;
            return equivocates || lie_ == lie::false_nonces;
        }
        if (auto* const v = std::get_if<muster::signing::shares_body>(&b); v != nullptr && !v->shares.empty()) {
            if (equivocates || lie_ == lie::false_shares) v->shares[0].octets[31] ^= 1;
            return equivocates || lie_ == lie::false_shares;
        }
        if (auto* const v = std::get_if<muster::signing::signatures_body>(&b); v != nullptr && !v->signatures.empty()) {
            if (lie_ == lie::false_shares) v->signatures[0].octets[63] ^= 1;
            return lie_ == lie::false_shares;
        }
        return false;
    }

    // What it sends besides.
    void add_to(peer_id const& to, muster::signing::frame_header const& header) {
        switch (lie_) {
            case lie::replay:
                for (int i = 0; i < 2 && !heard_.empty(); ++i) repeat_something();
                return;
            case lie::forgery: return forge(to, header);
            case lie::flooding:
                for (int i = 0; i < 50 && may_flood(); ++i) flood(to);
                return;
            case lie::usurpation:
                if (header.what != muster::signing::kind::shares) return;
                say(to, header,
                    muster::signing::view_change_body{0, static_cast<muster::signing::view_number>(group_->size())});
                say(to, header, muster::signing::broadcast_done_body{});
                return;
            default: return;
        }
    }
    void forge(peer_id const& to, muster::signing::frame_header header) {
        std::array<muster::signing::body, 6> const bodies{
            muster::signing::abort_body{muster::signing::abort_reason::cancelled, {}, "stop"},
            muster::signing::decline_body{"no"},
            muster::signing::nonces_body{{musig2::pubnonce{}}},
            muster::signing::shares_body{{}, {musig2::psig{}}},
            muster::signing::view_change_body{0, 1},
            muster::signing::broadcast_done_body{}};
        header.sender = static_cast<muster::signing::slot>(uniform(draw_, group_->size() + 2));
        say(to, header, bodies[uniform(draw_, bodies.size())]);
        auto p = some_proposal();
        switch (uniform(draw_, 3)) {
            case 0: p.roster[uniform(draw_, p.roster.size())].peer = key_->id(); break;
            case 1: p.initiator = static_cast<muster::signing::slot>(uniform(draw_, p.roster.size())); break;
            default: p.roster[uniform(draw_, p.roster.size())].binding.octets[5] ^= 1; break;
        }
        propose(to, p);
    }
    // Bounded, or two of them would answer each other without end.
    [[nodiscard]] bool may_flood() {
        auto const second = world_->now().time_since_epoch() / std::chrono::seconds{1};
        if (second != std::exchange(flood_second_, second)) flooded_ = 0;
        return flooded_++ < floods_per_second;
    }
    void flood(peer_id const& to) {
        if (uniform(draw_, 4) == 0) return propose(to, some_proposal());
        muster::signing::frame_header header;
        for (auto& octet : header.session.octets) octet = static_cast<byte>(draw_());
        header.sender = static_cast<muster::signing::slot>(uniform(draw_, group_->size()));
        if (uniform(draw_, 2) == 0) return say(to, header, muster::signing::request_body{});
        say(to, header, muster::signing::nonces_body{std::vector<musig2::pubnonce>(between(draw_, 1, 64))});
    }
    [[nodiscard]] muster::signing::proposal some_proposal() {
        muster::signing::proposal p;
        p.roster = *group_;
        for (muster::signing::slot s = 0; s < p.roster.size(); ++s) {
            if (p.roster[s].peer == key_->id()) p.initiator = s;
        }
        p.messages = {crypto::sha256(as_bytes("whatever"))};
        p.expires_at = host_clock::wall_beginning + std::chrono::hours{3};
        for (auto& octet : p.salt) octet = static_cast<byte>(draw_());
        return p;
    }
    void propose(peer_id const& to, muster::signing::proposal const& p) {
        auto const encoded = muster::signing::encode(p);
        say(to, {muster::signing::id_of(encoded), epoch_, p.initiator, 0, muster::signing::kind::propose},
            muster::signing::propose_body{encoded});
    }

    void say(peer_id const& to, muster::signing::frame_header header, muster::signing::body const& what) {
        header.epoch = epoch_;
        header.what = muster::signing::kind_of(what);
        if (header.sequence == 0) header.sequence = ++sequence_;
        auto frame = muster::signing::encode_frame(header, what, *key_);
        if (frame) pass(to, muster::signing::cosign_protocol, std::move(frame).value());
    }
    void pass(peer_id const& to, std::string_view protocol, bytes frame) {
        (void)wire_->send_as_is(to, protocol, std::move(frame));
    }
    void remember(bytes const& frame) {
        if (lie_ != lie::replay) return;
        if (heard_.size() >= 256) heard_.pop_front();
        heard_.push_back(frame);
    }
    void repeat_something() {
        auto const& whom = (*group_)[uniform(draw_, group_->size())].peer;
        pass(whom, muster::signing::cosign_protocol, heard_[uniform(draw_, heard_.size())]);
    }

    static constexpr std::uint64_t floods_per_second = 40;

    world const* world_;
    transport* wire_;
    peer::node_key const* key_;
    muster::signing::boot_epoch epoch_;
    lie lie_;
    splitmix64 draw_;
    std::vector<muster::signing::member> const* group_;
    muster::signing::limits limits_;
    std::deque<bytes> heard_;
    std::uint64_t sequence_ = 1u << 30;
    std::int64_t flood_second_ = 0;
    std::uint64_t flooded_ = 0;
};

}  // namespace muster::sim::signing
