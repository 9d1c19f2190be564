// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// For how long an id counts as seen: since the first time, or since the last.
///
/// First seen is what gossip wants, and it is cheap: under one time to live the order of recording is the order of
/// expiry, so ids stand in a ring, and their times in a short list of runs, each of which says when its last id was
/// recorded. No id has a stamp of its own and nothing has to be done at a certain time. A run is of one time while
/// there is room for such; when many times are remembered, runs are of a grain of time, and an id leaves up to a grain
/// late, never early. Up to `exact_ids_max` ids it always leaves in time. Last seen renews an id each time it turns up,
/// which keeps a message out for as long as somebody repeats it; there every id needs a stamp and links.
///
/// An id that is taken back leaves a hole in the ring. So that holes cost no other id its place, the ring has one place
/// in 128 more than there may be ids, and when all are taken by ids and holes, the ids move together.

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include <muster/cache/detail/slot_lists.hpp>
#include <muster/cache/expiry.hpp>

namespace muster::cache {

/// The order of a seen-cache's ids, a template over the type of time.
///
/// Semantics: `append` gives a place below `places(ids_max)` to a new id, and may drop the oldest for it; `expire`
/// drops those whose time is over, `renew` is told that an id came again, `remove` takes one out. `drop` is called with
/// places before they are given away, `move(from, to)` when what is at one place must be at another, free one from now
/// on. Where it has `set_back(time)`, that is called when later times were told before and were wrong: they count as
/// that time; else time never goes back. Nothing throws. O(1) amortised; `set_back` O(ids).
template <class W, class Time>
concept seen_window = requires(typename W::template order<Time>& o, typename W::template order<Time> const& c, Time t,
                               slot_number s, void (*drop)(slot_number), void (*move)(slot_number, slot_number)) {
    (typename W::template order<Time>{std::size_t{}, typename W::template order<Time>::span{}, std::uint64_t{}});
    { W::template order<Time>::places(std::size_t{}) } -> std::same_as<std::size_t>;
    o.expire(t, drop);
    { o.append(t, drop, move) } -> std::same_as<slot_number>;
    o.renew(s, t);
    o.remove(s);
    { c.size() } -> std::same_as<std::size_t>;
};

/// An id counts from its first recording. A third of a byte an id, and one place in 128 more.
struct first_seen {
    /// Caches of at most so many ids have a run for each.
    static constexpr std::size_t exact_ids_max = 1024;
    /// How much longer than its time to live an id may be known, as a part of that time: one over this.
    [[nodiscard]] static constexpr std::size_t resolution(std::size_t ids_max) noexcept { return ids_max / 256 + 32; }

    template <class Time>
    class order {
    public:
        using span = decltype(std::declval<Time>() - std::declval<Time>());
        static constexpr bool counts_ticks = [] {
            if constexpr (requires { typename span::rep; }) return std::is_integral_v<typename span::rep>;
            return std::is_integral_v<span>;
        }();

        /// Places of a ring for @p ids_max ids: some more, so that ids seldom have to move together. Each id that is
        /// taken back pays for about 128 moves, of few ids for fewer.
        [[nodiscard]] static constexpr std::size_t places(std::size_t ids_max) noexcept {
            auto const wanted = ids_max + ids_max / 128 + 4;
            return wanted < slots_max ? wanted : slots_max;
        }

        /// @param already  how many ids count as recorded before, for tests of what happens after very many.
        order(std::size_t ids_max, span time_to_live, std::uint64_t already)
            : ids_max_{ids_max},
              places_{static_cast<slot_number>(places(ids_max))},
              time_to_live_{time_to_live},
              grain_{span{} < time_to_live ? part_of(time_to_live, static_cast<int>(resolution(ids_max))) : span{}},
              hole_{places_ / 64 + 1},
              coarse_max_{ids_max <= exact_ids_max ? 0 : resolution(ids_max) + 2},
              runs_{ids_max <= exact_ids_max ? places_ : 2 * coarse_max_},
              head_{already},
              tail_{already} {}

        /// Takes the expired ones out: @p drop is called with each.
        template <class F>
        [[gnu::always_inline]] void expire(Time now, F drop) {
            if (now >= first_expiry_) [[unlikely]]
                expire_runs(now, drop);
        }
        /// The place for a new id; when there are as many as may be, @p drop is called with the oldest one. When only
        /// holes are in the way, @p move is called for each id that has to go from a place to another.
        template <class F, class Move>
        [[nodiscard]] slot_number append(Time now, F drop, Move move) {
            while (size() == ids_max_) pop(drop);
            if (head_ - tail_ == places_) [[unlikely]]
                move_together(move);
            begin_run(now);
            auto const s = head_slot_;
            head_slot_ = after(s);
            ++head_;
            return s;
        }
        /// A place whose id leaves within the next recordings of a full ring, if there is one there.
        [[nodiscard]] slot_number leaves_soon() const noexcept {
            auto const s = tail_slot_ + leaves_soon_after;
            return s < places_ ? s : 0;
        }
        void renew(slot_number, Time) noexcept {}
        /// Leaves a hole, which goes the way of its neighbours or is filled when they move together; at the end of the
        /// ring it is filled up again.
        void remove(slot_number s) noexcept {
            mark(s, true);
            ++holes_;
            while (head_ != tail_ && is_hole(before(head_slot_))) take_back();
        }
        /// Runs that were recorded later than @p now become one of that time. O(runs).
        void set_back(Time now) noexcept {
            std::size_t kept = 0;
            while (kept < run_count_ && !(now < runs_[run_place(kept)].latest)) ++kept;
            if (kept == run_count_) return;
            runs_[run_place(kept)].latest = now;
            run_count_ = kept + 1;
            last_is_closed_ = true;
            look_at_first();
        }
        [[nodiscard]] std::size_t size() const noexcept { return static_cast<std::size_t>(head_ - tail_) - holes_; }

    private:
        // Ids recorded one after another, at most a grain of time apart from the first to the last.
        struct run {
            std::uint64_t first;
            Time latest;
        };

        static constexpr slot_number leaves_soon_after = 4;  // recordings: a line from memory comes within so many

        // One over @p parts of @p whole. Whole ticks are rounded up: runs begin so far apart, or there would be more
        // than have room.
        [[nodiscard]] static span part_of(span whole, int parts) noexcept {
            auto const part = whole / parts;
            if constexpr (counts_ticks) return part * parts == whole ? part : part + span{1};
            return part;
        }
        // Where the run @p i after the first is, for i up to the size of the ring. No division: it is asked for each
        // id.
        [[nodiscard]] std::size_t run_place(std::size_t i) const noexcept {
            auto const at = first_run_ + i;
            return at < runs_.size() ? at : at - runs_.size();
        }
        template <class F>
        [[gnu::noinline]] void expire_runs(Time now, F& drop) {
            while (run_count_ != 0 && saturating_after(runs_[first_run_].latest, time_to_live_) <= now) {
                auto const next = run_place(1);
                auto const end = --run_count_ == 0 ? head_ : runs_[next].first;
                first_run_ = next;
                while (tail_ != end) pop(drop);
            }
            look_at_first();
        }
        // Asked at each call, so it is not computed at each call.
        void look_at_first() noexcept {
            first_expiry_ =
                run_count_ == 0 ? end_of_time<Time>() : saturating_after(runs_[first_run_].latest, time_to_live_);
        }
        void begin_run(Time now) {
            if (run_count_ != 0) {
                auto& last = runs_[run_place(run_count_ - 1)];
                // Where runs of a grain each would still have room, one may be of one time.
                bool const is_fine = run_count_ + coarse_max_ < runs_.size();
                if (now == last.latest ||
                    (!is_fine && !last_is_closed_ && now < saturating_after(last_began_, grain_)) ||
                    run_count_ == runs_.size()) {
                    last.latest = now;
                    if (run_count_ == 1) look_at_first();
                    return;
                }
            }
            runs_[run_place(run_count_++)] = {head_, now};
            last_began_ = now;
            last_is_closed_ = false;
            if (run_count_ == 1) look_at_first();
        }
        [[nodiscard]] slot_number after(slot_number s) const noexcept { return s + 1 < places_ ? s + 1 : 0; }
        [[nodiscard]] slot_number before(slot_number s) const noexcept { return s == 0 ? places_ - 1 : s - 1; }
        [[nodiscard]] bool is_hole(slot_number s) const noexcept {
            return holes_ != 0 && (hole_[s / 64] >> (s % 64) & 1) != 0;
        }
        void fill_hole(slot_number s) noexcept {
            mark(s, false);
            --holes_;
        }
        // The last place of the ring, which is a hole.
        void take_back() noexcept {
            head_slot_ = before(head_slot_);
            --head_;
            fill_hole(head_slot_);
            if (head_ == tail_) {
                run_count_ = 0;  // also a run of which the tail has taken a part
            } else if (runs_[run_place(run_count_ - 1)].first < head_) {
                return;
            } else {
                --run_count_;
            }
            last_is_closed_ = true;  // nobody knows any more when the one before began
            look_at_first();
        }
        template <class F>
        void pop(F& drop) {
            auto const s = tail_slot_;
            tail_slot_ = after(s);
            ++tail_;
            // A run that has lost all its ids would only be in the way.
            while (run_count_ > 1 && runs_[run_place(1)].first <= tail_) {
                first_run_ = run_place(1);
                --run_count_;
                look_at_first();
            }
            is_hole(s) ? fill_hole(s) : drop(s);
        }
        // Fills the holes, oldest first: each id goes towards the tail, and runs of holes only are no more. The last
        // run ends with an id, so it stays the last one.
        template <class Move>
        [[gnu::noinline]] void move_together(Move& move) {
            auto from = tail_, to = tail_;
            auto from_slot = tail_slot_, to_slot = tail_slot_;
            std::size_t kept = 0;
            for (std::size_t i = 0; i < run_count_; ++i) {
                auto const end = i + 1 < run_count_ ? runs_[run_place(i + 1)].first : head_;
                run const r{to, runs_[run_place(i)].latest};
                for (; from != end; ++from, from_slot = after(from_slot)) {
                    if (is_hole(from_slot)) {
                        fill_hole(from_slot);
                        continue;
                    }
                    if (from_slot != to_slot) move(from_slot, to_slot);
                    ++to;
                    to_slot = after(to_slot);
                }
                if (to != r.first) runs_[run_place(kept++)] = r;
            }
            run_count_ = kept;
            head_ = to;
            head_slot_ = to_slot;
            look_at_first();
        }
        void mark(slot_number s, bool hole) noexcept {
            auto const bit = std::uint64_t{1} << (s % 64);
            hole_[s / 64] = hole ? hole_[s / 64] | bit : hole_[s / 64] & ~bit;
        }

        std::size_t ids_max_;
        slot_number places_;
        span time_to_live_;
        span grain_;
        detail::array<std::uint64_t> hole_;  // a bit per slot
        std::size_t coarse_max_;             // runs of a grain that a time to live has, at most
        detail::array<run> runs_;            // a ring
        Time last_began_{};                  // the last run
        bool last_is_closed_ = false;        // it does not grow any more
        std::size_t first_run_ = 0;
        std::size_t run_count_ = 0;
        Time first_expiry_ = end_of_time<Time>();  // of the first run
        std::uint64_t head_;                       // recordings so far
        std::uint64_t tail_;                       // of which so many have left
        slot_number head_slot_ = 0;
        slot_number tail_slot_ = 0;
        std::size_t holes_ = 0;
    };
};

/// An id counts from the last time it was recorded. 16 bytes an id.
struct last_seen {
    template <class Time>
    class order {
    public:
        using span = decltype(std::declval<Time>() - std::declval<Time>());

        /// Every place can be taken by any id.
        [[nodiscard]] static constexpr std::size_t places(std::size_t ids_max) noexcept { return ids_max; }

        /// Nothing here counts recordings, so how many there were before makes no difference.
        order(std::size_t slots, span time_to_live, std::uint64_t)
            : time_to_live_{time_to_live}, lists_{slots, 2}, stamps_{slots} {
            for (slot_number s = 0; s < slots; ++s) lists_.push(unused, s);
        }

        template <class F>
        void expire(Time now, F drop) {
            for (auto s = lists_.back(used); s != no_slot && saturating_after(stamps_[s], time_to_live_) <= now;
                 s = lists_.back(used)) {
                drop(s);
                remove(s);
            }
        }
        template <class F, class Move>
        [[nodiscard]] slot_number append(Time now, F drop, Move) {
            if (lists_.empty(unused)) {
                auto const oldest = lists_.back(used);
                drop(oldest);
                remove(oldest);
            }
            auto const s = lists_.back(unused);
            ++size_;
            renew(s, now);
            return s;
        }
        void renew(slot_number s, Time now) noexcept {
            stamps_[s] = now;
            lists_.move(used, s);
        }
        void remove(slot_number s) noexcept {
            lists_.move(unused, s);
            --size_;
        }
        /// O(ids).
        void set_back(Time now) noexcept {
            lists_.for_each(used, [&](slot_number s) {
                if (now < stamps_[s]) stamps_[s] = now;
            });
        }
        [[nodiscard]] std::size_t size() const noexcept { return size_; }

    private:
        static constexpr std::size_t used = 0;
        static constexpr std::size_t unused = 1;

        span time_to_live_;
        detail::slot_lists lists_;
        detail::array<Time> stamps_;
        std::size_t size_ = 0;
    };
};

}  // namespace muster::cache
