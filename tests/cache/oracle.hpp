// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// One test body for all caches: random calls beside a map that knows what must be there.
///
/// What a cache gives up is its policy's business; the oracle is told by the listener, and checks that it was allowed:
/// no live entry goes while there is room or an expired one, nothing goes twice, nothing comes back, and both bounds
/// hold at every instant. For exact orders it also knows who must go.

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

#include <muster/cache/cache.hpp>
#include <muster/core/random.hpp>

namespace muster::test {

using tick = std::int64_t;

struct expiring_value {
    std::uint64_t number = 0;
    tick expires_at = 0;
    bool operator==(expiring_value const&) const = default;
};
struct value_expires_at {
    tick operator()(expiring_value const& v) const { return v.expires_at; }
};
struct number_weight {
    std::uint64_t operator()(std::uint64_t, expiring_value const& v) const { return 1 + v.number % 5; }
};

/// What must be in the cache, in the order of insertion or use.
struct oracle {
    struct entry {
        std::uint64_t key;
        expiring_value value;
        tick deadline;
        std::uint64_t weight;
    };
    using item = std::list<entry>::iterator;

    tick now = 0;
    std::size_t entries_max = 0;
    std::uint64_t weight_max = 0;
    std::uint64_t arriving_weight = 0;  // of the entry that room is made for
    bool any_may_go = false;            // room is made within sets or sources, so bounds say nothing about who goes
    bool in_order = false;              // only the oldest may be evicted
    bool keeps_old = false;             // a value that is rejected leaves the one before
    std::optional<entry> moved;         // out until its heavier successor is in, or rejected

    [[nodiscard]] std::list<entry> const& order() const { return order_; }  // the oldest first
    /// What is under @p key, or nothing: then the pointer is null.
    [[nodiscard]] entry* find(std::uint64_t key);
    [[nodiscard]] std::uint64_t weight() const { return weight_; }
    /// Whether something has expired and is still there.
    [[nodiscard]] bool has_expired() const { return !deadlines_.empty() && *deadlines_.begin() <= now; }
    void insert(entry const& e);
    void remove(std::uint64_t key);
    /// The new value in the place of the old one.
    void replace(entry const& e);
    void renew(std::uint64_t key, tick deadline);
    void make_newest(std::uint64_t key);
    /// The time has been set back: no deadline is later than @p latest.
    void cut_deadlines(tick latest);
    void on_removal(cache::removal why, std::uint64_t key, expiring_value const& value);

private:
    void note_deadline(tick deadline);
    void forget_deadline(tick deadline);

    std::list<entry> order_;
    std::unordered_map<std::uint64_t, item> places_;
    std::multiset<tick> deadlines_;
    std::uint64_t weight_ = 0;
};

/// A cache under test, whatever its policies. Calls take the time, also where the cache does not.
struct subject {
    virtual ~subject() = default;
    virtual expiring_value* get(std::uint64_t key, tick now) = 0;
    virtual expiring_value const* peek(std::uint64_t key, tick now) const = 0;
    virtual cache::put_outcome put(std::uint64_t key, expiring_value const& value, tick now) = 0;
    virtual void get_many(std::span<std::uint64_t const> keys,
                          std::function<void(std::size_t, expiring_value*)> const& f, tick now) = 0;
    virtual bool touch(std::uint64_t key, tick now) = 0;
    virtual cache::put_outcome restore(std::uint64_t key, expiring_value const& value, tick deadline, tick now) = 0;
    virtual std::size_t purge(tick now) = 0;
    /// None also where entries have no deadline.
    virtual std::optional<tick> deadline_of(std::uint64_t key) const = 0;
    virtual bool erase(std::uint64_t key, tick now) = 0;
    virtual std::size_t size(tick now) = 0;
    virtual void for_each(std::function<void(std::uint64_t)> const& f, tick now) const = 0;
    virtual void clear() = 0;
    virtual std::size_t occupied() const = 0;
    virtual std::uint64_t weight() const = 0;
    virtual std::uint64_t weight_max() const = 0;
    virtual std::size_t capacity() const = 0;
};

/// What the oracle has to know of the policies.
struct traits {
    bool expires = false;
    bool is_uniform = false;
    bool value_tells = false;  // the deadline
    bool slides = false;       // a use renews the deadline
    bool weighs = false;
    bool touched_by_get = false;
    bool touched_by_put = false;
    bool uses_reorder = false;  // exact LRU
    bool in_order = false;      // exact LRU or FIFO
    bool any_may_go = false;    // room is made within sets or sources
    bool may_reject = false;    // what weighs more than a tenth
};

inline constexpr tick time_to_live = 50;
using make_subject = std::function<std::unique_ptr<subject>(std::size_t entries_max, oracle&)>;

/// Random calls, the cache beside the oracle, at the capacities that are special, some primes, one that fills many
/// groups, and one of ten thousand.
void duel_all(traits const& t, make_subject const& make);
/// At one capacity.
void duel(traits const& t, make_subject const& make, std::size_t entries_max, std::size_t steps);

}  // namespace muster::test
