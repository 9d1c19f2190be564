// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What an owner does about their guardians: hands out shares until they are acknowledged, asks each week whether they
/// are still there, says when too few are left, and objects when somebody asks for the shares.
///
/// Nothing of the shares is kept: what a guardian answers is compared with what the backup key derives again. A new
/// epoch is offered to all, and those who had the old one keep it until enough have acknowledged the new one: only then
/// are they asked for it.

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include <muster/core/effect_sink.hpp>
#include <muster/core/fields.hpp>
#include <muster/core/machine.hpp>
#include <muster/identity/guardian_message.hpp>

namespace muster::identity {

namespace watch {

/// A guardian says something.
struct received {
    std::uint8_t from = 0;   ///< The place in the manifest whose guardian is at the other end of the connection,
    crypto::public_key key;  ///< and their node key.
    guardian_message what;
    MUSTER_FIELDS(received, from, key, what);
};
/// A guardian warns us: somebody asks for our shares.
struct warned {
    recovery_request request;
    MUSTER_FIELDS(warned, request);
};

/// Send this to the guardian at a place.
struct send {
    std::uint8_t to = 0;
    guardian_message what;
    MUSTER_FIELDS(send, to, what);
};
/// Somebody asks for our shares. The person has three days to say that it was not they.
struct recovery_begun {
    recovery_request request;
    MUSTER_FIELDS(recovery_begun, request);
};
/// So few guardians answer that a new epoch has to be issued, to those who do and to others.
struct reissue_needed {
    std::vector<std::uint8_t> alive;  ///< Places.
    MUSTER_FIELDS(reissue_needed, alive);
};

}  // namespace watch

/// The machine. Not thread-safe.
template <random_source Random>
class guardian_watch {
public:
    struct options {
        duration ask_each = std::chrono::hours{24 * 7};  ///< Between two questions to a guardian.
        duration repeat_each = std::chrono::hours{1};    ///< Until an offer or a question is repeated. Ours.
        duration silent_max = std::chrono::hours{
            24 * 8};             ///< After which a guardian counts as gone: a question, and a day to answer it. Ours.
        std::uint8_t spare = 3;  ///< Live guardians above the threshold that there are to be.
    };
    using event = std::variant<watch::received, watch::warned>;
    using effect = std::variant<watch::send, watch::recovery_begun, watch::reissue_needed>;
    /// How it stands.
    struct gauges {
        std::size_t guardians = 0;
        std::size_t acknowledged = 0;
        std::size_t alive = 0;
        MUSTER_FIELDS(gauges, guardians, acknowledged, alive);
    };

    /// @param keys  borrowed.
    guardian_watch(peer::key_set const& keys, Random random, options const& o = {})
        : keys_{&keys}, random_{std::move(random)}, options_{o} {}

    /// Hands out @p b, which replaces what was handed out before.
    void issue(backup b, instant now, effect_sink<effect> auto& sink) {
        backup_ = std::move(b);
        places_.assign(backup_->manifest.guardians.size(), place{now, now, {}, false});
        is_told_ = false;
        wake(now, sink);
    }
    /// Goes on with a set that was handed out and acknowledged by all in @p acknowledged, after a restart. They have as
    /// long to answer as if they had just done so.
    void resume(backup b, std::vector<std::uint8_t> const& acknowledged, instant now, effect_sink<effect> auto& sink) {
        backup_ = std::move(b);
        places_.assign(backup_->manifest.guardians.size(), place{now, now, {}, false});
        for (auto const i : acknowledged) {
            if (i < places_.size()) places_[i].has_it = true;
        }
        is_told_ = false;
        wake(now, sink);
    }
    /// It was not we who asked. @return the message for all guardians; or the key's error.
    [[nodiscard]] result<veto> object(request_id const& r, effect_sink<effect> auto& sink) {
        MUSTER_TRY(auto const signature, keys_->node.sign(veto::digest(r)));
        veto out{r, keys_->node.public_key(), signature};
        for (std::size_t i = 0; i < places_.size(); ++i) sink.push(watch::send{static_cast<std::uint8_t>(i), out});
        return out;
    }

    void handle(event const& e, instant now, effect_sink<effect> auto& sink) {
        if (auto const* const w = std::get_if<watch::warned>(&e)) {
            sink.push(watch::recovery_begun{w->request});
            return;
        }
        auto const& m = std::get<watch::received>(e);
        if (!backup_ || m.from >= places_.size()) return;
        if (auto const* const a = std::get_if<acknowledgement>(&m.what)) hear(m.from, m.key, *a, now);
        if (auto const* const p = std::get_if<possession>(&m.what)) hear(m.from, *p, now);
        wake(now, sink);
    }
    void wake(instant now, effect_sink<effect> auto& sink) {
        if (!backup_) return;
        for (std::size_t i = 0; i < places_.size(); ++i) {
            auto& p = places_[i];
            if (now < p.again || (p.has_it && !is_settled())) continue;
            sink.push(watch::send{static_cast<std::uint8_t>(i), next_for(static_cast<std::uint8_t>(i), p)});
            p.again = saturating_add(now, options_.repeat_each);
        }
        judge(now, sink);
    }
    [[nodiscard]] deadline next_deadline() const noexcept {
        deadline out;
        for (auto const& p : places_) {
            if (!p.has_it || is_settled()) out = earlier(out, p.again);
            if (p.is_alive && !is_told_) out = earlier(out, saturating_add(p.alive_at, options_.silent_max));
        }
        return out;
    }
    [[nodiscard]] gauges stats() const {
        gauges out{places_.size(), 0, 0};
        for (auto const& p : places_) {
            out.acknowledged += p.has_it ? 1u : 0u;
            out.alive += p.is_alive ? 1u : 0u;
        }
        return out;
    }
    [[nodiscard]] std::optional<backup> const& current() const noexcept { return backup_; }
    /// Whether the guardian at @p i has acknowledged the current set.
    [[nodiscard]] bool has_acknowledged(std::uint8_t i) const noexcept {
        return i < places_.size() && places_[i].has_it;
    }

private:
    struct place {
        instant again{};     ///< When it is offered or asked again.
        instant alive_at{};  ///< When it last answered, or the set began.
        std::optional<crypto::digest32> asked;
        bool has_it = false;
        bool is_alive = true;
    };

    [[nodiscard]] guardian_message next_for(std::uint8_t i, place& p) {
        if (!p.has_it) return offer{backup_->manifest.encoded(), i, backup_->sealed[i], backup_->blob};
        crypto::digest32 nonce;
        for (std::size_t k = 0; k < 32; k += 8) {
            auto const word = random_();
            for (std::size_t j = 0; j < 8; ++j) nonce.octets[k + j] = static_cast<byte>(word >> (8 * j));
        }
        p.asked = nonce;
        return challenge{backup_->manifest.set, nonce};
    }
    void hear(std::uint8_t i, crypto::public_key const& key, acknowledgement const& a, instant now) {
        auto const& m = backup_->manifest;
        auto& p = places_[i];
        if (p.has_it || a.set != m.set || a.epoch != m.epoch || a.index != i) return;
        if (!crypto::verify_bip340(crypto::to_xonly(key), acknowledged(m, i).view(), a.signature)) return;
        p.has_it = true;
        p.alive_at = now;
        p.is_alive = true;
        p.again = saturating_add(now, options_.ask_each);
    }
    void hear(std::uint8_t i, possession const& a, instant now) {
        auto& p = places_[i];
        if (!p.asked || a.set != backup_->manifest.set || a.index != i) return;
        auto const dealt = deal(keys_->backup, backup_->manifest.context(), backup_->manifest.how());
        if (!dealt || answer_to(*p.asked, dealt.value().shares[i]) != a.mac) return;
        p.asked.reset();
        p.alive_at = now;
        p.is_alive = true;
        p.again = saturating_add(now, options_.ask_each);
    }
    /// Whether so many have the set that nobody needs the one before.
    [[nodiscard]] bool is_settled() const noexcept {
        auto const n = static_cast<std::size_t>(
            std::count_if(places_.begin(), places_.end(), [](place const& p) { return p.has_it; }));
        return n >= std::min(places_.size(), std::size_t{backup_->manifest.threshold} + 1);
    }
    void judge(instant now, effect_sink<effect> auto& sink) {
        std::vector<std::uint8_t> alive;
        for (std::size_t i = 0; i < places_.size(); ++i) {
            auto& p = places_[i];
            p.is_alive = now - p.alive_at < options_.silent_max;
            if (p.is_alive) alive.push_back(static_cast<std::uint8_t>(i));
        }
        auto const wanted = std::min(places_.size(), std::size_t{backup_->manifest.threshold} + options_.spare);
        if (alive.size() >= wanted || is_told_) return;
        is_told_ = true;
        sink.push(watch::reissue_needed{std::move(alive)});
    }

    peer::key_set const* keys_;
    Random random_;
    options options_;
    std::optional<backup> backup_;
    std::vector<place> places_;
    bool is_told_ = false;
};

}  // namespace muster::identity
