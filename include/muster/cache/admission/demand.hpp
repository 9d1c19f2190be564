// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Admission by local demand: what others send is on probation until somebody here asks for it.
///
/// A cache that strangers write to, such as one of advertisements, is emptied by whoever sends the most: under a
/// thousand new advertisements a minute LRU answers one look-up in a hundred. But nobody here asks for a flood. So an
/// entry enters the main part when a `get` finds it, or when a `get` missed its key lately; all others queue up in a
/// tenth of the cache and push out one another.
///
/// The main part is ordered by the eviction policy. Room is made in probation while it holds at least its share, which
/// may grow into whatever the main part does not use. So the main part has nine tenths for certain; what it has beyond
/// is lent by probation. A cache of less than ten entries, or of less than ten in weight, belongs to the main part
/// alone: what nobody asked for is rejected where there is no room without evicting what somebody did. Who was asked
/// for is remembered by short hashes: one key in some two thousand passes for one that was (see ghosts.hpp).

#include <concepts>
#include <cstddef>
#include <cstdint>

#include <muster/cache/admission/quota.hpp>
#include <muster/cache/concepts.hpp>
#include <muster/cache/detail/array.hpp>
#include <muster/cache/detail/ghosts.hpp>
#include <muster/cache/eviction/lru.hpp>

namespace muster::cache {

namespace detail {

/// Main part and probation, which @p Probation orders.
template <class Eviction, class Probation>
class demand_order {
public:
    explicit demand_order(std::size_t slots) requires std::constructible_from<Probation, std::size_t>
        : main_{slots}, probation_{slots}, on_probation_{slots}, wanted_{slots}, share_{slots / 10} {}
    template <class Among>
    demand_order(std::size_t slots,
                 Among const& among) requires std::constructible_from<Probation, std::size_t, Among const&>
        : main_{slots}, probation_{slots, among}, on_probation_{slots}, wanted_{slots}, share_{slots / 10} {}

    /// An entry is about to be put; for a probation that asks whose it is.
    template <class Key, class Value>
    void on_arrival(Key const& key, Value const& value) requires requires(Probation& p) {
        p.on_arrival(key, value);
    }
    { probation_.on_arrival(key, value); }
    /// What must go from probation before the new one, or @ref no_slot.
    [[nodiscard]] slot_number forfeit() const noexcept requires requires(Probation const& p) { p.forfeit(); }
    { return probation_.forfeit(); }
    /// Whether a new value may take the place of the one at @p s.
    [[nodiscard]] bool may_replace(slot_number s) const noexcept requires requires(Probation const& p) {
        p.may_replace(slot_number{});
    }
    { return is_promoted(s) || probation_.may_replace(s); }

    /// Whether the entry at @p there, or the key of that hash if there is none, has a claim to the main part. What
    /// has not and weighs more than a tenth of all is not admitted.
    [[nodiscard]] bool is_wanted(slot_number there, std::uint64_t hash) const noexcept {
        return there != no_slot ? is_promoted(there) : wanted_.contains(hash);
    }
    /// Whether the entry at @p s is in the main part.
    [[nodiscard]] bool is_promoted(slot_number s) const noexcept { return on_probation_[s] == 0; }
    /// What @ref on_return needs to know of the entry at @p s: 0 of one in the main part.
    [[nodiscard]] std::uint64_t standing(slot_number s) const noexcept {
        if (is_promoted(s)) return 0;
        if constexpr (requires { probation_.standing(s); }) return probation_.standing(s);
        return 1;
    }
    /// An entry is back that had that @p standing.
    void on_return(slot_number s, std::uint64_t hash, std::uint64_t standing) noexcept {
        if (standing == 0) return enter_main(s, hash);
        on_probation_[s] = 1;
        ++probation_size_;
        if constexpr (requires { probation_.on_return(s, hash, standing); }) {
            probation_.on_return(s, hash, standing);
        } else {
            probation_.on_insert(s, hash);
        }
    }
    /// Somebody here asked for a key that is not there.
    void on_miss(std::uint64_t hash) noexcept { wanted_.add(hash); }

    void on_insert(slot_number s, std::uint64_t hash) noexcept {
        if (wanted_.take(hash)) return enter_main(s, hash);
        on_probation_[s] = 1;
        ++probation_size_;
        probation_.on_insert(s, hash);
    }
    void on_hit(slot_number s, std::uint64_t hash) noexcept {
        if (leave_probation(s)) {
            probation_.on_erase(s);
            enter_main(s, hash);
        } else {
            tell_hit(main_, s, hash);
        }
    }
    /// A replacement comes from those who send, so it is no reason to enter the main part.
    void on_replace(slot_number s, std::uint64_t hash) noexcept {
        if (is_promoted(s)) tell_hit(main_, s, hash);
    }
    void on_erase(slot_number s) noexcept {
        if (leave_probation(s)) return probation_.on_erase(s);
        --main_size_;
        main_.on_erase(s);
    }
    void on_evict(slot_number s, std::uint64_t hash) noexcept {
        if (leave_probation(s)) return probation_.on_evict(s, hash);
        --main_size_;
        main_.on_evict(s, hash);
    }
    /// Expects at least one entry.
    [[nodiscard]] slot_number victim() noexcept {
        // When it is the weight that has to go, probation pays as long as it can.
        bool const is_full = probation_size_ + main_size_ == on_probation_.size();
        bool const probation_pays =
            main_size_ == 0 || (probation_size_ != 0 && (probation_size_ >= share_ || !is_full));
        return probation_pays ? probation_.victim() : main_.victim();
    }
    /// Probation first.
    template <class F>
    void for_each(F f) const {
        probation_.for_each(f);
        main_.for_each(f);
    }

private:
    void enter_main(slot_number s, std::uint64_t hash) noexcept {
        ++main_size_;
        main_.on_insert(s, hash);
    }
    bool leave_probation(slot_number s) noexcept {
        if (on_probation_[s] == 0) return false;
        on_probation_[s] = 0;
        --probation_size_;
        return true;
    }

    Eviction main_;
    Probation probation_;
    array<std::uint8_t> on_probation_;
    ghosts wanted_;  // missed by a get, and not put since
    std::size_t probation_size_ = 0;
    std::size_t main_size_ = 0;
    std::size_t share_;  // of probation, when the cache is full
};

}  // namespace detail

/// Only what is asked for enters the main part. 11 bytes an entry beside the eviction's. Needs `get` to be used by
/// local code alone, and a storage that can evict any entry. A log keeps what is in the main part. Who only enumerates
/// gives no sign of demand; use @ref quota there.
struct demand {
    template <class Eviction>
    using order = detail::demand_order<Eviction, fifo>;
};

/// The same, and on probation at most so many entries of one source, of which the largest makes room: a flood neither
/// reaches what is asked for nor pushes out what others have sent and nobody has asked for yet. What is asked for is
/// charged to nobody. See @ref quota for @p SourceOf. 57 bytes an entry.
template <class SourceOf>
struct demand_and_quota {
    [[no_unique_address]] SourceOf source_of = {};
    std::size_t per_source_max = 13;  ///< On probation; at least 1. Ours: as of @ref quota.

    template <class Eviction>
    class order : public detail::demand_order<Eviction, typename quota<SourceOf>::template order<fifo>> {
    public:
        order(std::size_t slots, demand_and_quota const& q)
            : order::demand_order{slots, quota<SourceOf>{q.source_of, q.per_source_max}} {}
    };
};

}  // namespace muster::cache
