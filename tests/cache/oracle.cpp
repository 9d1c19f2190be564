// SPDX-License-Identifier: MIT

#include <cache/oracle.hpp>

#include <algorithm>

#include <support/catch.hpp>

namespace muster::test {

std::list<oracle::entry>::iterator oracle::find(std::uint64_t key) {
    return std::find_if(order.begin(), order.end(), [&](entry const& e) { return e.key == key; });
}
std::uint64_t oracle::weight() const {
    std::uint64_t sum = 0;
    for (auto const& e : order) sum += e.weight;
    return sum;
}
std::size_t oracle::alive() const {
    return static_cast<std::size_t>(
        std::count_if(order.begin(), order.end(), [&](entry const& e) { return e.deadline > now; }));
}
void oracle::on_removal(cache::removal why, std::uint64_t key, expiring_value const& value) {
    told.emplace_back(why, key);
    if (why == cache::removal::rejected || why == cache::removal::replaced) return;
    auto const found = find(key);
    REQUIRE(found != order.end());
    CHECK(found->value == value);
    if (why == cache::removal::expired) CHECK(found->deadline <= now);
    if (why == cache::removal::evicted) {
        CHECK(found->deadline > now);
        if (!any_may_go) {
            CHECK((order.size() >= entries_max || weight() + arriving_weight > weight_max));
            CHECK(alive() == order.size());
        }
        if (in_order) CHECK(found == order.begin());
    }
    order.erase(found);
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
            REQUIRE(cache_->occupied() == oracle_.order.size());
            REQUIRE(cache_->occupied() <= oracle_.entries_max);
            REQUIRE(cache_->weight() == oracle_.weight());
            REQUIRE(cache_->weight() <= oracle_.weight_max);
        }
        check_contents();
        cache_->clear();
        CHECK(oracle_.order.empty());
    }

private:
    using item = std::list<oracle::entry>::iterator;

    [[nodiscard]] std::uint64_t draw(std::uint64_t bound) { return uniform(random_, bound); }

    // The cache hears what time it is with every call that is not const; going back counts as standing still.
    void tell_time() { oracle_.now = std::max(oracle_.now, now_); }

    void step() {
        if (traits_.expires) move_time();
        auto const key = draw(keys_);
        switch (draw(16)) {
            case 0: return erase(key);
            case 1: return check_size();
            case 2: return check_peek(key);
            case 3:
                if (draw(64) == 0) check_contents();
                if (draw(512) == 0) cache_->clear();
                return;
            case 4:
            case 5:
            case 6:
            case 7:
            case 8: return get(key);
            default: return put(key);
        }
    }

    void move_time() {
        now_ += static_cast<tick>(draw(4));
        if (draw(32) == 0) now_ += static_cast<tick>(draw(200));
        if (draw(32) == 0) now_ -= static_cast<tick>(draw(30));
    }

    void get(std::uint64_t key) {
        tell_time();
        auto const* const got = cache_->get(key, now_);
        auto const expected = oracle_.find(key);  // an expired one is gone by now
        REQUIRE((got != nullptr) == (expected != oracle_.order.end()));
        if (got == nullptr) return;
        CHECK(*got == expected->value);
        CHECK(expected->deadline > oracle_.now);
        if (!traits_.touched_by_get) return;
        if (traits_.slides) expected->deadline = oracle_.now + time_to_live;
        use(expected);
    }

    void put(std::uint64_t key) {
        tell_time();
        expiring_value const value{draw(1000), oracle_.now + static_cast<tick>(draw(120)) - 5};
        std::uint64_t const weight = traits_.weighs ? number_weight{}(key, value) : 1;
        tick const until = !traits_.expires     ? cache::end_of_time<tick>()
                           : traits_.is_uniform ? oracle_.now + time_to_live
                                                : value.expires_at;
        auto const before = oracle_.find(key);
        bool const there = before != oracle_.order.end() && before->deadline > oracle_.now;
        bool const possible = oracle_.entries_max != 0 && weight <= oracle_.weight_max && until > oracle_.now;
        oracle_.arriving_weight = weight;
        // A heavier value than there is room for is put like a new one.
        bool const in_place = there && oracle_.weight() - before->weight + weight <= oracle_.weight_max;
        auto const old = there ? std::optional{*before} : std::nullopt;
        if (possible && there && !in_place) oracle_.order.erase(before);
        auto const outcome = cache_->put(key, value, now_);
        if (possible && traits_.may_reject && outcome == cache::put_outcome::rejected) {
            CHECK((weight > oracle_.weight_max / 10 || oracle_.entries_max < 10 || oracle_.weight_max < 10));
            CHECK(oracle_.told.back() == std::pair{cache::removal::rejected, key});
            if (there && !in_place) oracle_.order.push_back(*old);  // it is still there
            return;
        }
        if (!possible) {
            CHECK(outcome == cache::put_outcome::rejected);
            CHECK(oracle_.told.back() == std::pair{cache::removal::rejected, key});
            return;
        }
        CHECK(outcome == (there ? cache::put_outcome::replaced : cache::put_outcome::inserted));
        if (in_place) {
            auto const at = oracle_.find(key);
            *at = {key, value, until, weight};
            if (traits_.touched_by_put) use(at);
        } else {
            oracle_.order.push_back({key, value, until, weight});
        }
    }

    void use(item e) {
        if (traits_.uses_reorder) oracle_.order.splice(oracle_.order.end(), oracle_.order, e);
    }

    void erase(std::uint64_t key) {
        tell_time();
        auto const before = oracle_.find(key);
        bool const there = before != oracle_.order.end() && before->deadline > oracle_.now;
        CHECK(cache_->erase(key, now_) == there);
        CHECK(oracle_.find(key) == oracle_.order.end());
    }

    void check_size() {
        tell_time();
        auto const alive = oracle_.alive();
        CHECK(cache_->size(now_) == alive);
        CHECK(oracle_.order.size() == alive);
    }

    void check_peek(std::uint64_t key) {
        auto const expected = oracle_.find(key);
        bool const there = expected != oracle_.order.end() && expected->deadline > std::max(oracle_.now, now_);
        auto const* const got = std::as_const(*cache_).peek(key, now_);
        REQUIRE((got != nullptr) == there);
        if (there) CHECK(*got == expected->value);
    }

    // for_each shows every live entry once, for exact orders from the oldest on.
    void check_contents() {
        std::vector<std::uint64_t> shown;
        cache_->for_each([&](std::uint64_t key) { shown.push_back(key); }, now_);
        std::vector<std::uint64_t> expected;
        for (auto const& e : oracle_.order) {
            if (e.deadline > std::max(oracle_.now, now_)) expected.push_back(e.key);
        }
        if (!oracle_.in_order) {
            std::sort(shown.begin(), shown.end());
            std::sort(expected.begin(), expected.end());
        }
        CHECK(shown == expected);
    }

    traits traits_;
    splitmix64 random_;
    oracle oracle_;
    std::unique_ptr<subject> cache_;
    std::uint64_t keys_ = 0;
    tick now_ = 0;
};

}  // namespace

void duel(traits const& t, make_subject const& make, std::size_t entries_max, std::size_t steps) {
    pair{t, make, entries_max}.run(steps);
}
void duel_all(traits const& t, make_subject const& make) {
    for (std::size_t const entries_max : {0u, 1u, 2u, 3u, 7u, 13u, 31u}) duel(t, make, entries_max, 500);
    duel(t, make, 211, 1500);
}

}  // namespace muster::test
