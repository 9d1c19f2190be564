// SPDX-License-Identifier: MIT

#include <cache/oracle.hpp>

#include <algorithm>
#include <limits>

#include <support/catch.hpp>

namespace muster::test {

namespace {
// Much cheaper than a check of the framework, which counts: there are very many.
void expect(bool holds, char const* otherwise) {
    if (!holds) FAIL(otherwise);
}
}  // namespace

oracle::entry* oracle::find(std::uint64_t key) {
    auto const there = places_.find(key);
    return there == places_.end() ? nullptr : &*there->second;
}
void oracle::insert(entry const& e) {
    places_[e.key] = order_.insert(order_.end(), e);
    note_deadline(e.deadline);
    weight_ += e.weight;
}
// Where entries never expire, there is nothing to keep in order.
void oracle::note_deadline(tick deadline) {
    if (deadline != cache::end_of_time<tick>()) deadlines_.insert(deadline);
}
void oracle::forget_deadline(tick deadline) {
    if (deadline != cache::end_of_time<tick>()) deadlines_.erase(deadlines_.find(deadline));
}
void oracle::remove(std::uint64_t key) {
    auto const there = places_.find(key);
    if (there == places_.end()) return;
    forget_deadline(there->second->deadline);
    weight_ -= there->second->weight;
    order_.erase(there->second);
    places_.erase(there);
}
void oracle::replace(entry const& e) {
    auto& there = *places_.at(e.key);
    renew(e.key, e.deadline);
    weight_ += e.weight - there.weight;
    there = e;
}
void oracle::renew(std::uint64_t key, tick deadline) {
    auto& there = *places_.at(key);
    forget_deadline(there.deadline);
    note_deadline(there.deadline = deadline);
}
void oracle::make_newest(std::uint64_t key) { order_.splice(order_.end(), order_, places_.at(key)); }

void oracle::cut_deadlines(tick latest) {
    for (auto const& e : order_) {
        if (latest < e.deadline) renew(e.key, latest);
    }
}

void oracle::on_removal(cache::removal why, std::uint64_t key, expiring_value const& value) {
    bool const is_rejection = why == cache::removal::rejected || why == cache::removal::withdrawn;
    if (is_rejection && moved) insert(*std::exchange(moved, std::nullopt));  // it is still there
    if (why == cache::removal::rejected || why == cache::removal::replaced) return;
    auto const* const found = find(key);
    expect(found != nullptr, "gone, and was not there");
    expect(found->value == value, "gone with another value");
    if (why == cache::removal::expired) expect(found->deadline <= now, "expired too early");
    if (why == cache::removal::evicted) {
        expect(found->deadline > now, "evicted, and had expired");
        if (!any_may_go) {
            expect(order_.size() >= entries_max || weight_ + arriving_weight > weight_max, "evicted, and had room");
            expect(!has_expired(), "evicted before what has expired");
        }
        if (in_order) expect(found == &order_.front(), "evicted before its turn");
    }
    remove(key);
}

namespace {

/// Random calls, the cache beside the oracle.
class pair {
public:
    pair(traits const& t, make_subject const& make, std::size_t entries_max)
        : traits_{t}, random_{entries_max}, cache_{make(entries_max, oracle_)} {
        oracle_.entries_max = cache_->capacity();
        oracle_.weight_max = cache_->weight_max();
        oracle_.any_may_go = t.any_may_go;
        oracle_.in_order = t.in_order;
        keys_ = 2 * std::max<std::uint64_t>(cache_->capacity(), 2) + 1;
    }

    void run(std::size_t steps) {
        for (std::size_t i = 0; i < steps; ++i) {
            step();
            check_bounds();
        }
        check_contents();
    }
    void clear() {
        cache_->clear();
        CHECK(oracle_.order().empty());
    }
    [[nodiscard]] bool is_large() const { return oracle_.entries_max > 1000; }
    /// Puts new keys until it is full: random ones would need many more steps.
    void fill() {
        for (std::uint64_t i = 0; i < oracle_.entries_max * 17 / 16; ++i) put(i);
        check_bounds();
    }

private:
    [[nodiscard]] std::uint64_t draw(std::uint64_t bound) { return uniform(random_, bound); }

    // The cache hears what time it is with every call that is not const. One time to live is counted from the latest,
    // unless two in a row are far before that.
    void tell_time() {
        oracle_.now = now_;
        bool const is_far = now_ + time_to_live < latest_;
        if (is_far && doubted_at_) {
            latest_ = *doubted_at_;
            if (traits_.is_uniform) oracle_.cut_deadlines(latest_ + time_to_live);
            doubted_at_.reset();
            return tell_time();
        }
        doubted_at_ = is_far ? std::optional{now_} : std::nullopt;
        latest_ = std::max(latest_, now_);
    }

    void step() {
        if (traits_.expires) move_time();
        // Somebody's clock is far ahead for one call, or far back.
        tick const off = !traits_.expires || draw(100 + oracle_.entries_max) != 0 ? 0
                         : draw(2) == 0                                           ? 1'000'000
                                                                                  : -1'000'000;
        now_ += off;
        call();
        now_ -= off;
    }
    void call() {
        auto const key = draw(keys_);
        switch (draw(20)) {
            case 0: return erase(key);
            case 1: return draw(2) == 0 ? check_size() : purge();
            case 2: return check_peek(key);
            case 3: return rarely();
            case 4: return touch(key);
            case 5: return draw(4) == 0 ? get_many(key) : get(key);
            case 6: return check_deadline(key);
            case 7:
            case 8:
            case 9:
            case 10: return get(key);
            default: return put(key);
        }
    }
    // What is dear: O(n), or leaves an empty cache.
    void rarely() {
        if (draw(64 + oracle_.entries_max / 16) == 0) check_contents();
        if (draw(512) == 0 && oracle_.entries_max < 1000) cache_->clear();
        if (draw(4 + oracle_.entries_max / 64) == 0) restore(draw(keys_));
    }
    void move_time() {
        // Slower for many entries, or more would expire than are put, and none be evicted.
        if (draw(1 + oracle_.entries_max * oracle_.entries_max / 50'000) == 0) now_ += static_cast<tick>(draw(4));
        if (draw(32 + oracle_.entries_max) == 0) now_ += static_cast<tick>(draw(200));
        if (draw(32) == 0) now_ -= static_cast<tick>(draw(30));
    }
    void check_bounds() {
        expect(cache_->occupied() == oracle_.order().size(), "another number of entries");
        expect(cache_->occupied() <= oracle_.entries_max, "too many entries");
        expect(cache_->weight() == oracle_.weight(), "another weight");
        expect(cache_->weight() <= oracle_.weight_max, "too heavy");
    }

    void get(std::uint64_t key) {
        tell_time();
        check_got(key, cache_->get(key, now_));
    }
    void get_many(std::uint64_t first) {
        tell_time();
        std::vector<std::uint64_t> keys;
        for (auto n = draw(40); keys.size() < n;) keys.push_back((first + 7 * keys.size()) % keys_);
        std::size_t calls = 0;
        cache_->get_many(
            keys,
            [&](std::size_t i, expiring_value* got) {
                expect(i == calls++, "out of turn");
                check_got(keys[i], got);
            },
            now_);
        expect(calls == keys.size(), "not all answered");
    }
    // An expired one is gone by now.
    void check_got(std::uint64_t key, expiring_value const* got) {
        auto const* const expected = oracle_.find(key);
        expect((got != nullptr) == (expected != nullptr), "found or not");
        if (got == nullptr) return;
        expect(*got == expected->value, "another value");
        expect(expected->deadline > oracle_.now, "found, and has expired");
        if (traits_.touched_by_get) use(key);
    }
    void touch(std::uint64_t key) {
        tell_time();
        bool const was = cache_->touch(key, now_);
        expect(was == (oracle_.find(key) != nullptr), "touched or not");
        if (was) use(key);
    }
    void use(std::uint64_t key) {
        if (traits_.slides) oracle_.renew(key, latest_ + time_to_live);
        if (traits_.uses_reorder) oracle_.make_newest(key);
    }

    void put(std::uint64_t key) {
        tell_time();
        auto const value = draw_value();
        tick const until = !traits_.expires     ? cache::end_of_time<tick>()
                           : traits_.is_uniform ? latest_ + time_to_live
                                                : value.expires_at;
        check_put(key, value, until, [&] { return cache_->put(key, value, now_); });
    }
    // As an entry of an earlier life: at most as long as a new one would be kept.
    void restore(std::uint64_t key) {
        tell_time();
        auto const value = draw_value();
        auto const deadline = oracle_.now + static_cast<tick>(draw(2 * time_to_live)) - 5;
        tick const until = !traits_.expires      ? cache::end_of_time<tick>()
                           : traits_.is_uniform  ? std::min(deadline, latest_ + time_to_live)
                           : traits_.value_tells ? value.expires_at
                                                 : deadline;
        auto const kept = std::exchange(oracle_.keeps_old, false);  // what is restored is newer in any case
        check_put(key, value, until, [&] { return cache_->restore(key, value, deadline, now_); });
        oracle_.keeps_old = kept;
    }
    [[nodiscard]] expiring_value draw_value() { return {draw(1000), oracle_.now + static_cast<tick>(draw(120)) - 5}; }

    template <class Put>
    void check_put(std::uint64_t key, expiring_value const& value, tick until, Put put) {
        std::uint64_t const weight = traits_.weighs ? number_weight{}(key, value) : 1;
        auto const* const before = oracle_.find(key);
        bool const there = before != nullptr && before->deadline > oracle_.now;
        bool const possible = oracle_.entries_max != 0 && weight <= oracle_.weight_max && until > oracle_.now;
        oracle_.arriving_weight = weight;
        // A heavier value than there is room for is put like a new one.
        bool const in_place = there && oracle_.weight() - before->weight + weight <= oracle_.weight_max;
        oracle_.moved = possible && there && !in_place ? std::optional{*before} : std::nullopt;
        if (oracle_.moved) oracle_.remove(key);
        auto const outcome = put();
        if (outcome == cache::put_outcome::rejected || outcome == cache::put_outcome::withdrawn) {
            if (possible) expect(may_reject(weight), "rejected");
            bool const stays = there && oracle_.keeps_old;
            expect((outcome == cache::put_outcome::withdrawn) == (there && !stays), "withdrawn or not");
            expect((oracle_.find(key) != nullptr) == stays, "rejected, and an old one left or not");
            return;
        }
        expect(possible, "not rejected");
        expect(outcome == (there ? cache::put_outcome::replaced : cache::put_outcome::inserted), "replaced or not");
        if (in_place) {
            oracle_.replace({key, value, until, weight});
            if (traits_.touched_by_put) use_by_put(key);
        } else {
            oracle_.insert({key, value, until, weight});
        }
    }
    void use_by_put(std::uint64_t key) {
        if (traits_.uses_reorder) oracle_.make_newest(key);
    }
    // What nobody has asked for may weigh a tenth, and makes no room where that is nothing.
    [[nodiscard]] bool may_reject(std::uint64_t weight) const {
        return traits_.may_reject &&
               (weight > oracle_.weight_max / 10 || oracle_.entries_max < 10 || oracle_.weight_max < 10);
    }

    void erase(std::uint64_t key) {
        tell_time();
        auto const* const before = oracle_.find(key);
        bool const there = before != nullptr && before->deadline > oracle_.now;
        expect(cache_->erase(key, now_) == there, "erased or not");
        expect(oracle_.find(key) == nullptr, "erased, and still there");
    }
    void purge() {
        tell_time();
        auto const before = oracle_.order().size();
        auto const purged = cache_->purge(now_);
        expect(purged == before - oracle_.order().size(), "purged another number");
        expect(!oracle_.has_expired(), "purged, and something expired is left");
    }
    void check_size() {
        tell_time();
        auto const size = cache_->size(now_);
        expect(size == oracle_.order().size(), "another size");
        expect(!oracle_.has_expired(), "counted, and has expired");
    }
    void check_deadline(std::uint64_t key) {
        if (!traits_.expires) return;
        auto const* const there = oracle_.find(key);
        expect(cache_->deadline_of(key) == (there == nullptr ? std::nullopt : std::optional{there->deadline}),
               "another deadline");
    }
    void check_peek(std::uint64_t key) {
        auto const* const expected = oracle_.find(key);
        bool const there = expected != nullptr && expected->deadline > now_;
        auto const* const got = std::as_const(*cache_).peek(key, now_);
        expect((got != nullptr) == there, "there or not");
        if (there) expect(*got == expected->value, "another value");
    }

    // for_each shows every live entry once, for exact orders from the oldest on.
    void check_contents() {
        auto const now = now_;
        auto expected = oracle_.order().begin();
        auto const skip_expired = [&] {
            while (expected != oracle_.order().end() && expected->deadline <= now) ++expected;
        };
        skip_expired();
        std::vector<bool> shown(keys_);
        cache_->for_each(
            [&](std::uint64_t key) {
                auto const* const there = oracle_.find(key);
                expect(there != nullptr && there->deadline > now, "shown, and not alive");
                expect(!shown[key], "shown twice");
                shown[key] = true;
                expect(!oracle_.in_order || expected->key == key, "shown out of turn");
                ++expected;
                skip_expired();
            },
            now_);
        expect(expected == oracle_.order().end(), "not all shown");
    }

    traits traits_;
    splitmix64 random_;
    oracle oracle_;
    std::unique_ptr<subject> cache_;
    std::uint64_t keys_ = 0;
    tick now_ = 0;
    tick latest_ = std::numeric_limits<tick>::min();
    std::optional<tick> doubted_at_;
};

}  // namespace

namespace {
constexpr std::size_t large_steps = 4000;  // half of them puts, so that each way of evicting is taken many times
}

void duel(traits const& t, make_subject const& make, std::size_t entries_max, std::size_t steps) {
    pair p{t, make, entries_max};
    p.run(steps);
    p.clear();
}
void duel_all(traits const& t, make_subject const& make) {
    for (std::size_t const entries_max : {0u, 1u, 2u, 3u, 7u, 13u, 31u}) duel(t, make, entries_max, 500);
    duel(t, make, 211, 1500);
    pair large{t, make, 10'000};
    if (!large.is_large()) return;  // a storage of a few entries
    large.fill();
    large.run(large_steps);
}

}  // namespace muster::test
