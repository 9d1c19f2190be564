// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// The peers that we have heard of and those that we have met: a restart finds its way back, and an attacker who tells
/// us of a thousand machines of his own does not fill the book.
///
/// Idea: an address has few places where it may be kept, chosen by a secret. For peers that were never met (new) they
/// depend on the source of the address, for peers that were met (tried) on its own group: an attacker who speaks from
/// few sources, or has machines in few groups, fills few buckets. A draw takes either table with equal chance, and
/// every peer of it with equal chance, so machines spread over many buckets gain nothing.
///
/// Algorithm: a new address gets the bucket H(secret, source group, H(secret, group, source group) mod 16) and one slot
/// of it; who is there stays, unless it is of no use. A peer that was connected moves to one of four tried buckets of
/// its group. Where that slot is taken, the one who has it is tested first, and makes room only when it cannot be
/// reached. Success counts as a Beta estimate whose evidence halves each day; the chance of a draw falls with it, with
/// failures in a row, and after a recent attempt.
///
/// Source: Bitcoin Core's addrman and its countermeasures against eclipse (Heilman, Kendler, Zohar, Goldberg, USENIX
/// Security 2015), scaled down by four; the constants of @ref book_options are Core's where not said otherwise.

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <muster/connection/reach.hpp>
#include <muster/core/bytes.hpp>
#include <muster/core/random.hpp>
#include <muster/core/time.hpp>
#include <muster/crypto/hash.hpp>
#include <muster/peer/multiaddr.hpp>
#include <muster/peer/peer_id.hpp>

namespace muster::connection {

/// How much is kept, and for how long.
struct book_options {
    std::size_t new_buckets = 256;                      ///< Core has 1,024.
    std::size_t tried_buckets = 64;                     ///< Core has 256.
    std::size_t slots = 16;                             ///< Of a bucket. Core has 64.
    std::size_t new_buckets_per_source = 16;            ///< Core has 64.
    std::size_t tried_buckets_per_group = 4;            ///< Core has 8.
    std::size_t addresses_max = 8;                      ///< Of a peer. Ours.
    std::size_t tests_max = 10;                         ///< Tried slots that somebody waits for.
    duration horizon = std::chrono::hours{30 * 24};     ///< Unseen for so long, a peer is forgotten.
    duration retry_after = std::chrono::minutes{10};    ///< After an attempt the chance is a hundredth.
    duration test_patience = std::chrono::minutes{40};  ///< Then who waits for a slot gets it untested.
    duration half_life = std::chrono::hours{24};        ///< Of evidence. Ours.
    std::size_t failures_max = 10;                      ///< In a row, since a success a week ago: of no use.
    std::size_t new_failures_max = 3;                   ///< In a row, without any success: of no use.
};

/// What a book knows of a peer.
struct book_entry {
    std::vector<peer::multiaddr> addresses;
    std::string source;          ///< The group of whoever told of it.
    bool is_tried = false;       ///< It was connected.
    timestamp seen{};            ///< When it was last told of or connected.
    timestamp tried_at{};        ///< The last attempt; 0 before one.
    timestamp failed_at{};       ///< The last one in vain; 0 before one.
    timestamp succeeded{};       ///< The last connection; 0 before one.
    std::uint32_t failures = 0;  ///< In a row.
    std::uint32_t good = 0;      ///< Evidence of success at `weighed`, in 1/1024.
    std::uint32_t bad = 0;       ///< Of failure.
    timestamp weighed{};
    bytes user = {};                           ///< The user's id (SHA-256 of its key), once known; empty before.
    std::optional<peer::multiaddr> reached{};  ///< Where a dial of ours found it last: no hearsay.
    bool operator==(book_entry const&) const = default;
};

/// An address book. Not thread-safe; a value.
class address_book {
public:
    using secret_key = std::array<byte, 32>;
    static constexpr std::size_t source_size_max = 300;  ///< Bytes of a source; what is longer is cut. Ours.
    static constexpr std::size_t user_size_max = 64;     ///< Bytes of a user's id. Ours.

    /// @param secret  decides about places; made once, and kept with the book.
    address_book(secret_key const& secret, book_options const& o = {})
        : options_{o}, secret_{secret}, new_(o.new_buckets * o.slots), tried_(o.tried_buckets * o.slots) {}

    [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }
    [[nodiscard]] book_entry const* find(peer::peer_id const& who) const {
        auto const found = entries_.find(who);
        return found == entries_.end() ? nullptr : &found->second;
    }
    /// By id.
    [[nodiscard]] std::map<peer::peer_id, book_entry> const& entries() const noexcept { return entries_; }
    [[nodiscard]] secret_key const& secret() const noexcept { return secret_; }
    [[nodiscard]] book_options const& options() const noexcept { return options_; }

    /// Somebody in the group @p source has told of @p who. What is known of a peer that was met stays as it is; times
    /// to come count as now. @return whether it is in the book. O(log n).
    bool add(peer::peer_id const& who, std::span<peer::multiaddr const> addresses, std::string const& source,
             timestamp now) {
        if (addresses.empty() || who.empty()) return false;
        if (auto* const known = find_entry(who)) {
            known->seen = std::max(known->seen, now);
            if (!known->is_tried || known->failures != 0) set_addresses(*known, addresses);  // it may have moved
            return true;
        }
        book_entry e;
        set_addresses(e, addresses);
        e.source = source.substr(0, source_size_max);
        e.seen = e.weighed = now;
        auto& place = new_[new_place(who, e)];
        if (place && !make_room(*place, now)) return false;
        place = who;
        entries_.emplace(who, std::move(e));
        return true;
    }
    /// We are about to dial it. O(log n).
    void attempt(peer::peer_id const& who, timestamp now) {
        if (auto* const e = find_entry(who)) e->tried_at = now;
    }
    /// It could not be reached. To be told only when something else could be: else it is we who are offline.
    void failed(peer::peer_id const& who, timestamp now) {
        auto* const e = find_entry(who);
        if (e == nullptr) return;
        weigh(*e, now);
        e->bad += unit;
        e->failed_at = now;
        ++e->failures;
        settle_tests(now);
    }
    /// A dial of ours has found it, @p at that address where that is known.
    void succeeded(peer::peer_id const& who, std::optional<peer::multiaddr> const& at, timestamp now) {
        auto* const e = find_entry(who);
        if (e == nullptr) return;
        weigh(*e, now);
        e->good += unit;
        e->failures = 0;
        e->seen = e->succeeded = e->tried_at = now;
        if (at) set_reached(who, *e, *at);
        settle_tests(now);
        if (!e->is_tried) move_to_tried(who, *e, now);
    }
    /// It is still there.
    void seen(peer::peer_id const& who, timestamp now) {
        if (auto* const e = find_entry(who)) e->seen = std::max(e->seen, now);
    }
    /// It is connected, so that nobody gets its slot, whoever waits for it.
    void still_there(peer::peer_id const& who, timestamp now) {
        auto* const e = find_entry(who);
        if (e == nullptr) return;
        e->seen = e->succeeded = now;
        settle_tests(now);
    }
    /// The user behind it is known. Expects at most 64 bytes.
    void set_user(peer::peer_id const& who, byte_view user) {
        if (auto* const e = find_entry(who)) e->user = to_bytes(user.first(std::min(user.size(), user_size_max)));
    }
    void forget(peer::peer_id const& who) {
        auto const found = entries_.find(who);
        if (found == entries_.end()) return;
        place_of(who, found->second).reset();
        entries_.erase(found);
        std::erase_if(tests_, [&](auto const& t) { return t.newcomer == who; });
    }
    /// Forgets those unseen beyond the horizon. @return how many. O(n).
    std::size_t prune(timestamp now) {
        std::vector<peer::peer_id> old;
        for (auto const& [who, e] : entries_) {
            if (is_longer(now, e.seen, options_.horizon)) old.push_back(who);
        }
        for (auto const& who : old) forget(who);
        return old.size();
    }

    /// Draws whom to dial next, among those that @p may_be accepts: a predicate of a peer and its entry.
    /// O(buckets × slots).
    template <random_source Source, class Predicate>
    [[nodiscard]] std::optional<peer::peer_id> draw(Source& random, timestamp now, Predicate may_be) const {
        std::array<std::vector<peer::peer_id const*>, 2> found;
        for (std::size_t t = 0; t < 2; ++t) {
            for (auto const& slot : t == 0 ? tried_ : new_) {
                if (slot && may_be(*slot, entries_.at(*slot))) found[t].push_back(&*slot);
            }
        }
        if (found[0].empty() && found[1].empty()) return std::nullopt;
        // Each turn raises everybody's chance by a fifth, as Core does, so that a draw ends.
        for (std::uint64_t ease = 1024;; ease += ease / 5) {
            auto t = static_cast<std::size_t>(uniform(random, 2));
            if (found[t].empty()) t = 1 - t;
            auto const& who = *found[t][uniform(random, found[t].size())];
            if (uniform(random, 1'000'000) < chance(entries_.at(who), now) * ease / 1024) return who;
        }
    }
    /// Who is to be dialled so that somebody else gets its slot, or not.
    [[nodiscard]] std::optional<peer::peer_id> next_test() const {
        for (auto const& t : tests_) {
            auto const found = entries_.find(t.newcomer);
            if (found == entries_.end()) continue;
            if (auto const& holder = tried_[tried_place(t.newcomer, found->second)]) return holder;
        }
        return std::nullopt;
    }
    /// The chance of being reached, in millionths: a Beta estimate with one success and one failure before all.
    [[nodiscard]] std::uint64_t reliability(peer::peer_id const& who, timestamp now) const {
        auto const* const e = find(who);
        return e == nullptr ? 0 : mean(*e, now);
    }

    /// Puts back what was kept. @return whether its place was free.
    bool restore(peer::peer_id const& who, book_entry e) {
        if (e.addresses.empty() || entries_.count(who) != 0) return false;
        auto& place = place_of(who, e);
        if (place) return false;
        place = who;
        entries_.emplace(who, std::move(e));
        return true;
    }

private:
    static constexpr std::uint32_t unit = 1024;

    struct test {
        peer::peer_id newcomer;
        timestamp since;
    };

    [[nodiscard]] book_entry* find_entry(peer::peer_id const& who) {
        auto const found = entries_.find(who);
        return found == entries_.end() ? nullptr : &found->second;
    }
    void set_addresses(book_entry& e, std::span<peer::multiaddr const> addresses) const {
        // A new entry's first address decides about its place, so it stays where it is as long as it lives.
        auto const kept = e.addresses.empty() ? addresses.front() : e.addresses.front();
        e.addresses.assign(1, kept);
        for (auto const& a : addresses) {
            if (e.addresses.size() == options_.addresses_max) break;
            if (a != kept) e.addresses.push_back(a);
        }
    }

    // Where it was found decides about its slot among those that were met; one that has moved keeps its slot when the
    // other one is taken.
    void set_reached(peer::peer_id const& who, book_entry& e, peer::multiaddr const& at) {
        if (!e.is_tried) return void(e.reached = at);
        auto const old = tried_place(who, e);
        auto const was = std::exchange(e.reached, at);
        auto const other = tried_place(who, e);
        if (other == old) return;
        if (tried_[other]) return void(e.reached = was);
        tried_[old].reset();
        tried_[other] = who;
    }
    // Whether @p then is more than @p span before @p now. In milliseconds: any two times have a difference.
    [[nodiscard]] static bool is_longer(timestamp now, timestamp then, duration span) {
        return saturating_difference(now, then) > std::chrono::duration_cast<std::chrono::milliseconds>(span);
    }
    // A clock that was put back leaves times to come: those are no recent ones.
    [[nodiscard]] static bool is_within(timestamp now, timestamp then, duration span) {
        return then <= now && !is_longer(now, then, span);
    }

    // ---- places -----------------------------------------------------------------------------------------

    template <class... Parts>
    [[nodiscard]] std::uint64_t keyed(Parts const&... parts) const {
        crypto::sha256_hasher h;
        h.update(secret_);
        auto const add = [&h](byte_view part) {
            std::array<byte, 4> size{};
            for (std::size_t i = 0; i < size.size(); ++i) size[i] = static_cast<byte>(part.size() >> (8 * i));
            h.update(size).update(part);
        };
        (add(parts), ...);
        auto const digest = h.finish();
        std::uint64_t out = 0;
        for (std::size_t i = 0; i < 8; ++i) out = out << 8 | digest.octets[i];
        return out;
    }
    [[nodiscard]] static std::array<byte, 8> number(std::uint64_t v) {
        std::array<byte, 8> out{};
        for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<byte>(v >> (8 * i));
        return out;
    }
    [[nodiscard]] std::size_t new_place(peer::peer_id const& who, book_entry const& e) const {
        auto const group = group_of(e.addresses.front());
        auto const turn = keyed(as_bytes("new"), as_bytes(group), as_bytes(e.source)) % options_.new_buckets_per_source;
        auto const bucket = keyed(as_bytes("new"), as_bytes(e.source), number(turn)) % options_.new_buckets;
        return bucket * options_.slots + keyed(as_bytes("slot"), number(bucket), who.view()) % options_.slots;
    }
    [[nodiscard]] std::size_t tried_place(peer::peer_id const& who, book_entry const& e) const {
        auto const group = group_of(e.reached ? *e.reached : e.addresses.front());
        auto const turn = keyed(as_bytes("tried"), who.view()) % options_.tried_buckets_per_group;
        auto const bucket = keyed(as_bytes("tried"), as_bytes(group), number(turn)) % options_.tried_buckets;
        return bucket * options_.slots + keyed(as_bytes("slot"), number(bucket), who.view()) % options_.slots;
    }
    [[nodiscard]] std::optional<peer::peer_id>& place_of(peer::peer_id const& who, book_entry const& e) {
        return e.is_tried ? tried_[tried_place(who, e)] : new_[new_place(who, e)];
    }
    // Forgets who is there when it is of no use.
    [[nodiscard]] bool make_room(peer::peer_id holder, timestamp now) {
        if (!is_useless(entries_.at(holder), now)) return false;
        forget(holder);
        return true;
    }
    [[nodiscard]] bool is_useless(book_entry const& e, timestamp now) const {
        if (is_within(now, e.tried_at, std::chrono::minutes{1})) return false;  // being dialled
        if (is_longer(now, e.seen, options_.horizon)) return true;
        if (e.succeeded == timestamp{}) return e.failures >= options_.new_failures_max;
        return e.failures >= options_.failures_max && is_longer(now, e.succeeded, std::chrono::hours{7 * 24});
    }
    void move_to_tried(peer::peer_id const& who, book_entry& e, timestamp now) {
        auto& place = tried_[tried_place(who, e)];
        if (place) {
            bool const waits =
                std::any_of(tests_.begin(), tests_.end(), [&](auto const& t) { return t.newcomer == who; });
            if (!waits && tests_.size() < options_.tests_max) tests_.push_back({who, now});
            return;
        }
        place_of(who, e).reset();
        place = who;
        e.is_tried = true;
    }
    // Those that wait for a slot get it when its holder could not be reached since, or was not tested for too long.
    void settle_tests(timestamp now) {
        auto const waiting = std::exchange(tests_, {});
        for (auto const& t : waiting) {
            auto* const e = find_entry(t.newcomer);
            if (e == nullptr || e->is_tried) continue;
            auto const holder = tried_[tried_place(t.newcomer, *e)];
            if (holder) {
                auto& h = entries_.at(*holder);
                if (h.succeeded >= t.since) continue;  // it is there, and stays
                bool const has_failed = h.failures > 0 && h.failed_at >= t.since;
                bool const is_late = is_longer(now, t.since, options_.test_patience);
                if (!has_failed && !is_late) {
                    tests_.push_back(t);
                    continue;
                }
                demote(*holder, h);
            }
            move_to_tried(t.newcomer, *e, now);
        }
    }
    // From tried back to new, where its place is free.
    void demote(peer::peer_id holder, book_entry& e) {
        place_of(holder, e).reset();
        e.is_tried = false;
        auto& place = new_[new_place(holder, e)];
        if (place) {
            entries_.erase(holder);
        } else {
            place = holder;
        }
    }

    // ---- chances ----------------------------------------------------------------------------------------

    // Evidence halves in each half-life, and falls in a straight line between: integers alike on every machine.
    [[nodiscard]] std::uint64_t faded(std::uint32_t v, timestamp then, timestamp now) const {
        using std::chrono::milliseconds;
        auto const span = std::max(saturating_difference(now, then), milliseconds{});
        auto const half = std::max(std::chrono::duration_cast<milliseconds>(options_.half_life), milliseconds{1});
        auto const halvings = span / half;
        if (halvings >= 32) return 0;
        auto const left = std::uint64_t{v} >> halvings;
        auto const part = static_cast<std::uint64_t>((span % half) * 1024 / half);
        return left - left * part / 2048;
    }
    void weigh(book_entry& e, timestamp now) const {
        e.good = static_cast<std::uint32_t>(faded(e.good, e.weighed, now));
        e.bad = static_cast<std::uint32_t>(faded(e.bad, e.weighed, now));
        e.weighed = now;
    }
    [[nodiscard]] std::uint64_t mean(book_entry const& e, timestamp now) const {
        auto const good = faded(e.good, e.weighed, now) + unit, bad = faded(e.bad, e.weighed, now) + unit;
        return 1'000'000 * good / (good + bad);
    }
    [[nodiscard]] std::uint64_t chance(book_entry const& e, timestamp now) const {
        auto out = mean(e, now);
        for (std::uint32_t i = 0; i < std::min<std::uint32_t>(e.failures, 8); ++i) out = out * 66 / 100;
        if (is_within(now, e.tried_at, options_.retry_after)) out /= 100;
        return std::max<std::uint64_t>(out, 1);
    }

    book_options options_;
    secret_key secret_;
    std::map<peer::peer_id, book_entry> entries_;
    std::vector<std::optional<peer::peer_id>> new_;    // bucket by bucket
    std::vector<std::optional<peer::peer_id>> tried_;  // the same
    std::vector<test> tests_;
};

}  // namespace muster::connection
