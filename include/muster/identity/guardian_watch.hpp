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
#include <muster/core/machine.hpp>
#include <muster/identity/guardian_effects.hpp>

namespace muster::identity {

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
    using event = std::variant<watch::received, watch::warned, watch::reached>;
    using effect = std::variant<watch::send, watch::recovery_begun, watch::standing_changed, watch::reissue_needed>;
    /// What has to survive a restart about a guardian.
    struct standing {
        bool has_it = false;
        duration left{};  ///< Of our own running time, until they count as gone.
        bool operator==(standing const&) const = default;
    };
    /// How it stands.
    struct gauges {
        std::size_t guardians = 0;
        std::size_t acknowledged = 0;
        std::size_t alive = 0;
        MUSTER_FIELDS(gauges, guardians, acknowledged, alive);
    };

    /// @param keys  borrowed.
    /// @param line  the own lineage, encoded.
    guardian_watch(peer::key_set const& keys, Random random, options const& o = {}, bytes line = {})
        : keys_{&keys}, random_{std::move(random)}, options_{o}, line_{std::move(line)} {}

    /// Hands out @p b, which replaces what was handed out before.
    void issue(backup b, instant now, effect_sink<effect> auto& sink) {
        backup_ = std::move(b);
        places_.assign(backup_->manifest.guardians.size(), place{now, now, {}, false});
        is_told_ = false;
        wake(now, sink);
    }
    /// Goes on with a set that was handed out, after a restart, as @ref standings gave it: what a guardian had left to
    /// answer in they have still. Time in which nobody asked counts against nobody.
    void resume(backup b, std::vector<standing> const& known, instant now, effect_sink<effect> auto& sink) {
        backup_ = std::move(b);
        places_.assign(backup_->manifest.guardians.size(), place{now, now, {}, false});
        for (std::size_t i = 0; i < std::min(places_.size(), known.size()); ++i) {
            auto const left = std::clamp(known[i].left, duration{}, options_.silent_max);
            places_[i].has_it = known[i].has_it;
            places_[i].alive_at = now - (options_.silent_max - left);
        }
        is_told_ = false;
        wake(now, sink);
    }
    /// How it stands with each guardian.
    [[nodiscard]] std::vector<standing> standings(instant now) const {
        std::vector<standing> out;
        for (auto const& p : places_) {
            auto const left = options_.silent_max - std::min<duration>(now - p.alive_at, options_.silent_max);
            out.push_back({p.has_it, left});
        }
        return out;
    }
    /// Whether the guardian at @p i counts as there.
    [[nodiscard]] bool is_alive(std::uint8_t i) const noexcept { return i < places_.size() && places_[i].is_alive; }
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
        if (auto const* const r = std::get_if<watch::reached>(&e)) {
            if (!backup_ || r->from >= places_.size()) return;
            auto& p = places_[r->from];
            if (!p.has_it || p.asked) p.again = now;
            return wake(now, sink);
        }
        auto const& m = std::get<watch::received>(e);
        if (!backup_ || m.from >= places_.size()) return;
        bool is_news = false;
        if (auto const* const a = std::get_if<acknowledgement>(&m.what)) is_news = hear(m.from, m.key, *a, now);
        if (auto const* const p = std::get_if<possession>(&m.what)) is_news = hear(m.from, *p, now);
        if (is_news) sink.push(watch::standing_changed{});
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
        if (!p.has_it) return offer{backup_->manifest.encoded(), i, backup_->sealed[i], backup_->blob, line_};
        crypto::digest32 nonce;
        for (std::size_t k = 0; k < 32; k += 8) {
            auto const word = random_();
            for (std::size_t j = 0; j < 8; ++j) nonce.octets[k + j] = static_cast<byte>(word >> (8 * j));
        }
        p.asked = nonce;
        return challenge{backup_->manifest.set, nonce};
    }
    bool hear(std::uint8_t i, crypto::public_key const& key, acknowledgement const& a, instant now) {
        auto const& m = backup_->manifest;
        auto& p = places_[i];
        if (p.has_it || a.set != m.set || a.epoch != m.epoch || a.index != i) return false;
        if (!crypto::verify_bip340(crypto::to_xonly(key), acknowledged(m, i).view(), a.signature)) return false;
        p.has_it = true;
        p.alive_at = now;
        p.is_alive = true;
        p.again = saturating_add(now, options_.ask_each);
        return true;
    }
    bool hear(std::uint8_t i, possession const& a, instant now) {
        auto& p = places_[i];
        if (!p.asked || a.set != backup_->manifest.set || a.index != i) return false;
        auto const dealt = deal(keys_->backup, backup_->manifest.context(), backup_->manifest.how());
        if (!dealt || answer_to(*p.asked, dealt.value().shares[i]) != a.mac) return false;
        p.asked.reset();
        p.alive_at = now;
        p.is_alive = true;
        p.again = saturating_add(now, options_.ask_each);
        return true;
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
    bytes line_;
    std::optional<backup> backup_;
    std::vector<place> places_;
    bool is_told_ = false;
};

}  // namespace muster::identity
