// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What a peer has earned: one model for every room.
///
/// A peer has a score, 0 for a stranger. Rooms reward and penalise what they have seen it do themselves; what others
/// say of it is worth nothing here. The score fades towards 0, by half in each half-life. Below one threshold the peer
/// is to be cut: its connections end, and nobody dials it. Below another it is banned for a time that is known from the
/// beginning and that nothing prolongs; afterwards it may come back, and stands where the next offence cuts it.
///
/// So many peers are remembered; then the one whose score is nearest to 0 makes room, since it tells least, and a
/// banned one only when all are. Because all scores fade alike, their order does not change with time: a score is filed
/// under the instant at which it will have faded to less than a millionth of a point, which is its logarithm. All
/// arithmetic is that of integers, so a run is the same on every machine.
///
/// Scores are local: gossipsub's peer score takes them in as its application score (P5), with whatever weight.
/// @see libp2p specs, pubsub/gossipsub/gossipsub-v1.1.md, "Peer Scoring", for decay and thresholds.

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include <muster/core/enumeration.hpp>
#include <muster/core/time.hpp>
#include <muster/peer/peer_id.hpp>

namespace muster::peer {

/// What to do about a peer.
MUSTER_ENUMERATION(verdict, 0,
                   ok,     ///< Nothing.
                   cut,    ///< End its connections, do not dial it.
                   banned  ///< The same, and refuse it until the ban ends.
);

/// How offences are weighed. Points are whole; what an offence costs is for each room to say.
struct reputation_options {
    duration half_life = std::chrono::minutes{10};  ///< In which a score halves. Positive. Ours.
    std::int32_t cut_below = -50;                   ///< Points. Ours.
    std::int32_t ban_below = -100;                  ///< Points, less than @ref cut_below. Ours.
    std::int32_t score_max = 100;                   ///< Points; a good name buys so much. Ours.
    duration ban = std::chrono::hours{1};           ///< How long one lasts. Ours.
    std::size_t peers_max = 4096;                   ///< Remembered; positive. Ours.
};

namespace detail {

/// A score in units of 2^-20 points, about a millionth.
using micropoints = std::int64_t;
inline constexpr micropoints point = 1 << 20;

/// The square root, rounded down.
[[nodiscard]] constexpr std::uint64_t root(std::uint64_t of) noexcept {
    std::uint64_t out = 0;
    for (std::uint64_t bit = std::uint64_t{1} << 31; bit != 0; bit >>= 1) {
        if ((out | bit) * (out | bit) <= of) out |= bit;
    }
    return out;
}
/// 2^-(1/2), 2^-(1/4), ..., as fractions of 2^31.
[[nodiscard]] constexpr std::array<std::uint64_t, 16> make_halvings() noexcept {
    std::array<std::uint64_t, 16> out{};
    std::uint64_t last = std::uint64_t{1} << 30;  // 2^-1
    for (auto& next : out) {
        next = root(last << 31);
        last = next;
    }
    return out;
}
inline constexpr auto halvings = make_halvings();

/// @p size after @p age: halved once for each @p half_life. Both are at least 0; exact to 2^-15 of it.
[[nodiscard]] constexpr std::uint64_t fade(std::uint64_t size, duration age, duration half_life) noexcept {
    auto const whole = age / half_life;
    if (whole >= 63) return 0;
    size >>= whole;
    auto rest = age % half_life;
    for (auto const factor : halvings) {  // of the fraction of a half-life, one binary digit after the other
        bool const has_digit = rest >= half_life - rest;
        rest = has_digit ? rest - (half_life - rest) : rest + rest;
        if (has_digit) size = (size >> 31) * factor + ((size & 0x7fff'ffff) * factor >> 31);
    }
    return size;
}

/// In how many half-lives, in units of 2^-16, @p size has faded to 1. Expects `0 < size < 2^48`.
[[nodiscard]] constexpr std::int64_t logarithm(std::uint64_t size) noexcept {
    auto const whole = static_cast<int>(std::bit_width(size)) - 1;
    std::uint64_t x = whole > 31 ? size >> (whole - 31) : size << (31 - whole);  // in [1, 2), as a fraction of 2^31
    std::int64_t out = whole;
    for (int i = 0; i < 16; ++i) {
        x = x * x >> 31;
        auto const digit = static_cast<std::int64_t>(x >> 32);
        out = out * 2 + digit;
        x >>= digit;
    }
    return out;
}

}  // namespace detail

/// The scores of many peers. A value. Not thread-safe. Time does not go back.
class reputation {
public:
    explicit reputation(reputation_options options = {}) : options_{options} {}

    /// Takes @p points, at least 0, from @p who, for what it was seen to do. O(log peers).
    /// @return what to do now. `banned` while the ban lasts, in which nothing is taken or given.
    verdict penalise(peer_id const& who, std::int32_t points, instant now) { return change(who, -points, now); }
    /// Gives @p who @p points, at least 0. O(log peers).
    /// @return what to do now.
    verdict reward(peer_id const& who, std::int32_t points, instant now) { return change(who, points, now); }

    /// What to do about @p who. O(log peers).
    [[nodiscard]] verdict judge(peer_id const& who, instant now) const {
        auto const found = entries_.find(who);
        if (found == entries_.end()) return verdict::ok;
        if (is_banned(found->second, now)) return verdict::banned;
        return score_of(found->second, now) < options_.cut_below * detail::point ? verdict::cut : verdict::ok;
    }
    /// The score of @p who in points, rounded towards 0; 0 for a stranger. O(log peers).
    [[nodiscard]] std::int32_t score(peer_id const& who, instant now) const {
        auto const found = entries_.find(who);
        return found == entries_.end() ? 0 : static_cast<std::int32_t>(score_of(found->second, now) / detail::point);
    }
    /// When the ban of @p who ends; none when it is not banned. O(log peers).
    [[nodiscard]] deadline banned_until(peer_id const& who, instant now) const {
        auto const found = entries_.find(who);
        return found != entries_.end() && is_banned(found->second, now) ? found->second.banned_until : std::nullopt;
    }
    /// Forgets everything about @p who, a ban too: for the operator.
    void forgive(peer_id const& who) {
        if (auto const found = entries_.find(who); found != entries_.end()) drop(found);
    }

    /// When the next ban ends: for whoever wants to tell. Bans end without @ref lift, too.
    [[nodiscard]] deadline next_deadline() const {
        return bans_.empty() ? std::nullopt : deadline{bans_.begin()->first};
    }
    /// Those whose ban has ended since the last call.
    std::vector<peer_id> lift(instant now) {
        std::vector<peer_id> out;
        while (!bans_.empty() && bans_.begin()->first <= now) {
            out.push_back(bans_.begin()->second);
            settle(entries_.at(out.back()), out.back(), now);
        }
        return out;
    }

    /// Peers that are remembered.
    [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }
    /// Of which banned, as of the last change or @ref lift.
    [[nodiscard]] std::size_t banned() const noexcept { return bans_.size(); }

private:
    struct entry {
        detail::micropoints score = 0;  ///< At @ref at.
        instant at{};
        deadline banned_until{};
    };
    using filed = std::pair<instant, peer_id>;

    [[nodiscard]] static bool is_banned(entry const& e, instant now) noexcept {
        return e.banned_until && now < *e.banned_until;
    }
    /// A ban that has ended leaves the score where the next offence cuts.
    [[nodiscard]] detail::micropoints score_of(entry const& e, instant now) const noexcept {
        auto const age = std::max(now - e.at, duration{0});
        auto const size = static_cast<std::uint64_t>(e.score < 0 ? -e.score : e.score);
        auto const faded = static_cast<detail::micropoints>(detail::fade(size, age, options_.half_life));
        auto const score = e.score < 0 ? -faded : faded;
        if (!e.banned_until || is_banned(e, now)) return score;
        auto const after = options_.cut_below * detail::point;
        auto const since = std::max(now - *e.banned_until, duration{0});
        return std::max(score, -static_cast<detail::micropoints>(
                                   detail::fade(static_cast<std::uint64_t>(-after), since, options_.half_life)));
    }
    /// When the score will be next to nothing.
    [[nodiscard]] instant faded_at(entry const& e) const noexcept {
        auto const size = static_cast<std::uint64_t>(e.score < 0 ? -e.score : e.score);
        if (size == 0) return e.at;
        auto const lives = detail::logarithm(size);  // below 2^22, in units of 2^-16
        auto const whole = options_.half_life * (lives >> 16);
        auto const rest = duration{options_.half_life.count() / 65536 * (lives & 0xffff)};
        return saturating_add(e.at, whole + rest);
    }

    verdict change(peer_id const& who, std::int32_t points, instant now) {
        auto found = entries_.find(who);
        if (found == entries_.end()) {
            if (points == 0) return verdict::ok;
            if (entries_.size() >= options_.peers_max) make_room();
            found = entries_.emplace(who, entry{0, now, {}}).first;
            file(found->second, who);
        }
        auto& e = found->second;
        settle(e, who, now);
        if (is_banned(e, now)) return verdict::banned;
        unfile(e, who);
        auto const limit = [&](detail::micropoints score) {
            return std::clamp(score, 2 * options_.ban_below * detail::point, options_.score_max * detail::point);
        };
        e.score = limit(e.score + points * detail::point);
        if (e.score < options_.ban_below * detail::point) e.banned_until = saturating_add(now, options_.ban);
        file(e, who);
        return judge(who, now);
    }
    /// Brings an entry to @p now.
    void settle(entry& e, peer_id const& who, instant now) {
        unfile(e, who);
        e.score = score_of(e, now);
        e.at = std::max(e.at, now);
        if (!is_banned(e, now)) e.banned_until.reset();
        file(e, who);
    }
    void file(entry const& e, peer_id const& who) {
        e.banned_until ? bans_.insert(filed{*e.banned_until, who}) : fading_.insert(filed{faded_at(e), who});
    }
    void unfile(entry const& e, peer_id const& who) {
        e.banned_until ? bans_.erase(filed{*e.banned_until, who}) : fading_.erase(filed{faded_at(e), who});
    }
    void drop(std::map<peer_id, entry>::iterator e) {
        unfile(e->second, e->first);
        entries_.erase(e);
    }
    /// The one nearest to 0 goes; when all are banned, the one whose ban ends first.
    void make_room() {
        auto const& from = fading_.empty() ? bans_ : fading_;
        if (!from.empty()) drop(entries_.find(from.begin()->second));
    }

    reputation_options options_;
    std::map<peer_id, entry> entries_;
    std::set<filed> fading_;  ///< Those that are not banned, by when their scores are next to nothing.
    std::set<filed> bans_;    ///< The others, by when their bans end.
};

}  // namespace muster::peer
