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

#include <cstddef>
#include <cstdint>

#include <muster/cache/concepts.hpp>
#include <muster/cache/detail/ghosts.hpp>
#include <muster/cache/detail/slot_lists.hpp>

namespace muster::cache {

/// Only what is asked for enters the main part. 11 octets an entry beside the eviction's. Needs `get` to be used by
/// local code alone, and a storage that can evict any entry. Stores keep what is in the main part. Who only enumerates
/// gives no sign of demand; use @ref quota there.
struct demand {
    template <class Eviction>
    class order {
    public:
        order(std::size_t slots, demand const&)
            : main_{slots}, probation_{slots, 1}, on_probation_{slots}, wanted_{slots}, share_{slots / 10} {}

        /// Whether the entry at @p there, or the key of that hash if there is none, has a claim to the main part. What
        /// has not and weighs more than a tenth of all is not admitted.
        [[nodiscard]] bool is_wanted(slot_number there, std::uint64_t hash) const noexcept {
            return there != no_slot ? is_promoted(there) : wanted_.contains(hash);
        }
        /// Whether the entry at @p s is in the main part.
        [[nodiscard]] bool is_promoted(slot_number s) const noexcept { return on_probation_[s] == 0; }
        /// What @ref on_return needs to know of the entry at @p s.
        [[nodiscard]] std::uint64_t standing(slot_number s) const noexcept { return is_promoted(s) ? 1 : 0; }
        /// An entry is back that had that @p standing.
        void on_return(slot_number s, std::uint64_t hash, std::uint64_t standing) noexcept {
            standing == 1 ? enter_main(s, hash) : enter_probation(s);
        }
        /// Somebody here asked for a key that is not there.
        void on_miss(std::uint64_t hash) noexcept { wanted_.add(hash); }

        void on_insert(slot_number s, std::uint64_t hash) noexcept {
            wanted_.take(hash) ? enter_main(s, hash) : enter_probation(s);
        }
        void on_hit(slot_number s, std::uint64_t hash) noexcept {
            if (leave_probation(s)) {
                enter_main(s, hash);
            } else {
                detail::tell_hit(main_, s, hash);
            }
        }
        /// A replacement comes from those who send, so it is no reason to enter the main part.
        void on_replace(slot_number s, std::uint64_t hash) noexcept {
            if (on_probation_[s] == 0) detail::tell_hit(main_, s, hash);
        }
        void on_erase(slot_number s) noexcept {
            if (leave_probation(s)) return;
            --main_size_;
            main_.on_erase(s);
        }
        void on_evict(slot_number s, std::uint64_t hash) noexcept {
            if (leave_probation(s)) return;
            --main_size_;
            main_.on_evict(s, hash);
        }
        /// Expects at least one entry.
        [[nodiscard]] slot_number victim() noexcept {
            // When it is the weight that has to go, probation pays as long as it can.
            bool const is_full = probation_size_ + main_size_ == on_probation_.size();
            bool const probation_pays =
                main_size_ == 0 || (probation_size_ != 0 && (probation_size_ >= share_ || !is_full));
            return probation_pays ? probation_.back(0) : main_.victim();
        }
        /// Probation first.
        template <class F>
        void for_each(F f) const {
            probation_.for_each(0, f);
            main_.for_each(f);
        }

    private:
        void enter_main(slot_number s, std::uint64_t hash) noexcept {
            ++main_size_;
            main_.on_insert(s, hash);
        }
        void enter_probation(slot_number s) noexcept {
            on_probation_[s] = 1;
            probation_.push(0, s);
            ++probation_size_;
        }
        bool leave_probation(slot_number s) noexcept {
            if (on_probation_[s] == 0) return false;
            on_probation_[s] = 0;
            probation_.unlink(s);
            --probation_size_;
            return true;
        }

        Eviction main_;
        detail::slot_lists probation_;  // by age
        detail::array<std::uint8_t> on_probation_;
        detail::ghosts wanted_;  // missed by a get, and not put since
        std::size_t probation_size_ = 0;
        std::size_t main_size_ = 0;
        std::size_t share_;  // of probation, when the cache is full
    };
};

}  // namespace muster::cache
