// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What was withdrawn, so that a replay of what was said before does not bring it back, also after a restart.
///
/// Idea: a bounded cache of withdrawals by id, each until what it withdraws could have lived no longer. Where admission
/// has a quota, the same source has one here: whoever makes up ids and withdraws them pushes out its own withdrawals.
/// On disk they are in the store of the entries, as entries that have expired before their deadline has come, which is
/// what no other entry does; a program that does not know them finds them expired.

#include <concepts>
#include <cstddef>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <muster/cache/admission/quota.hpp>
#include <muster/cache/cache.hpp>
#include <muster/cache/persistence/format.hpp>
#include <muster/cache/persistence/persistent_cache.hpp>
#include <muster/cache/persistence/store.hpp>
#include <muster/core/result.hpp>
#include <muster/core/time.hpp>

namespace muster::discovery::detail {

/// A withdrawal as it is remembered.
template <class Entry>
struct bar {
    std::unique_ptr<Entry> said;         ///< The withdrawal, or what it withdraws where that has the later version.
    timestamp until = timestamp::max();  ///< When it is forgotten.
    bool includes_it = true;             ///< The version of @ref said itself may come: it is the withdrawal.
};

struct end_of_bar {
    template <class Bar>
    [[nodiscard]] timestamp operator()(Bar const& b) const noexcept {
        return b.until;
    }
};

/// Tells whose a withdrawal is by telling whose an entry is.
template <class SourceOf>
struct source_of_bar {
    [[no_unique_address]] SourceOf source_of = {};
    template <class Key, class Bar>
    [[nodiscard]] decltype(auto) operator()(Key const& key, Bar const& b) const {
        return source_of(key, *b.said);
    }
};

/// An admission that has quotas.
template <class A>
concept has_quota = requires(A const& a) {
    a.source_of;
    { a.per_source_max } -> std::convertible_to<std::size_t>;
};

/// Withdrawals for each place of an entry; and for each place that a source may have. Ours.
inline constexpr std::size_t bars_per_entry = 10;

/// The admission of withdrawals where that of the entries is @p A.
template <class A>
struct admission_of_bars {
    using type = cache::always;
    [[nodiscard]] static type made_of(A const&) { return {}; }
};
template <has_quota A>
struct admission_of_bars<A> {
    using type = cache::quota<source_of_bar<decltype(A::source_of)>>;
    [[nodiscard]] static type made_of(A const& a) { return {{a.source_of}, a.per_source_max * bars_per_entry}; }
};

/// Withdrawals by id. Not thread-safe.
template <class Key, class Entry, class Admission>
class withdrawals {
    struct policies : cache::defaults {
        using expiry = cache::value_expiry<timestamp, end_of_bar>;
        using admission = typename admission_of_bars<Admission>::type;
    };

public:
    using bar_type = bar<Entry>;

    /// @param entries_max  places of entries. @param a  how they are admitted.
    withdrawals(std::size_t entries_max, Admission const& a)
        : bars_{{.entries_max = entries_max * bars_per_entry, .admit = admission_of_bars<Admission>::made_of(a)}} {}

    /// What bars @p id; null when nothing does. O(1).
    [[nodiscard]] bar_type const* find(Key const& id, timestamp now) const { return bars_.peek(id, now); }
    /// Remembers @p b, in place of what was remembered. False when its time is over. O(1).
    bool add(Key const& id, bar_type b, timestamp now) {
        auto const outcome = bars_.put(id, std::move(b), now);
        return outcome == cache::put_outcome::inserted || outcome == cache::put_outcome::replaced;
    }
    /// Forgets what @p is_true, given id and bar, does not hold for. @return how many. O(n).
    template <class F>
    std::size_t keep_if(F is_true, timestamp now) {
        std::vector<Key> wrong;
        for_each([&](Key const& id, bar_type const& b) { is_true(id, b) ? void() : wrong.push_back(id); }, now);
        for (auto const& id : wrong) bars_.erase(id, now);
        return wrong.size();
    }
    /// Calls @p f with each id and bar. O(n).
    template <class F>
    void for_each(F f, timestamp now) const {
        bars_.for_each(f, now);
    }
    void clear() { bars_.clear(); }

private:
    cache::cache<Key, bar_type, policies> bars_;
};

/// A store of entries that keeps withdrawals, too. See cache::persistent_store.
template <class Store, class Withdrawals>
class store_with_bars {
public:
    using codec = typename Store::codec;
    using key_type = typename codec::key_type;
    using value_type = typename codec::value_type;
    static constexpr bool keeps_changes = Store::keeps_changes;
    struct options {
        typename Store::options entries;
        Withdrawals* bars = nullptr;  ///< Outlive the store.
    };

    explicit store_with_bars(options o) : store_{std::move(o.entries)}, bars_{o.bars} {}

    template <class Apply>
    [[nodiscard]] result<cache::load_notes> load(timestamp now, Apply apply) {
        bars_->clear();
        auto notes = store_.load(now, [&](cache::change_of<codec>&& c) {
            if (is_bar(c)) return take_bar(std::move(c), now, apply);
            apply(std::move(c));
        });
        if (!notes) bars_->clear();
        return notes;
    }
    template <class Entries>
    [[nodiscard]] auto save(Entries const& entries, timestamp now) {
        return store_.save(
            [&](auto put, auto use) {
                auto const put_bar = [&](key_type const& id, auto const& b) { put(id, *b.said, b.until); };
                bars_->for_each(put_bar, now);
                entries(put, use);  // last: where an id has both, what is listed is found
            },
            now);
    }
    void put(key_type const& key, value_type const& value, timestamp deadline) requires keeps_changes {
        store_.put(key, value, deadline);
    }
    void use(key_type const& key) requires keeps_changes { store_.use(key); }
    /// What was withdrawn has left the entries by that, and is kept as such.
    void erase(key_type const& key) requires keeps_changes {
        auto const* const b = bars_->find(key, timestamp::min());
        b == nullptr ? store_.erase(key) : store_.put(key, *b->said, b->until);
    }
    void rewrite_next() requires keeps_changes { store_.rewrite_next(); }

private:
    [[nodiscard]] static bool is_bar(cache::change_of<codec> const& c) {
        return c.kind == cache::change_kind::put && c.deadline > c.value->advertisement.expires_at;
    }
    template <class Apply>
    void take_bar(cache::change_of<codec>&& c, timestamp now, Apply& apply) {
        auto said = std::make_unique<value_type>(std::move(*c.value));
        if (!bars_->add(c.key, {std::move(said), c.deadline, true}, now)) {
            if constexpr (keeps_changes) store_.erase(c.key);  // its time is over
        }
        apply(cache::change_of<codec>{cache::change_kind::erase, std::move(c.key), std::nullopt, c.deadline,
                                      c.written_at});
    }

    Store store_;
    Withdrawals* bars_;
};

/// @p P with its store for entries and @p Withdrawals.
template <class P, class Withdrawals>
struct persistence_with_bars {
    using type = P;
};
template <class P, class Withdrawals>
requires requires { typename P::store; }
struct persistence_with_bars<P, Withdrawals> {
    using type = cache::debounced<store_with_bars<typename P::store, Withdrawals>, typename P::timers_type,
                                  typename P::clock_type>;
};

}  // namespace muster::discovery::detail
