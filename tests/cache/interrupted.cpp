// SPDX-License-Identifier: MIT

// A hash or a listener that throws at its first call, at its second, and so on until a call of the cache gets through:
// what was in the cache is in it afterwards, or the listener was told that it is not, and told once.

#include <muster/cache/cache.hpp>

#include <algorithm>
#include <map>
#include <stdexcept>
#include <utility>
#include <vector>

#include <muster/cache/admission/demand.hpp>
#include <muster/cache/admission/quota.hpp>
#include <muster/cache/eviction/clock.hpp>
#include <muster/cache/eviction/s3_fifo.hpp>
#include <muster/cache/storage/inline_array.hpp>
#include <muster/cache/storage/set_associative.hpp>

#include <support/catch.hpp>

namespace interrupted_tests {

using namespace muster;
using cache::put_outcome;
using cache::removal;

namespace {

using tick = std::int64_t;

/// Throws at one of its next calls.
struct fuse {
    int calls_left = -1;  // before the one that throws; none does below 0
    void use() {
        if (calls_left >= 0 && calls_left-- == 0) throw std::runtime_error{"interrupted"};
    }
};

struct item {
    int number = 0;  // no two have the same
    int source = 0;
    std::uint64_t weight = 1;
    tick deadline = 1000;
};
struct telling {
    removal why;
    int key;
    int number;
};
struct fused_hash {
    fuse* held = nullptr;
    std::uint64_t operator()(int key) const {
        if (held != nullptr) held->use();
        return 0x9e37'79b9'7f4a'7c15u * static_cast<unsigned>(key + 1);
    }
};
struct fused_listener {
    fuse* held = nullptr;
    std::vector<telling>* told = nullptr;
    void operator()(removal why, int key, item const& value) const {
        told->push_back({why, key, value.number});
        held->use();
    }
};
struct item_weight {
    std::uint64_t operator()(int, item const& value) const { return value.weight; }
};
struct source_of_item {
    int operator()(int, item const& value) const { return value.source; }
};

template <class Storage, class Eviction, class Admission, class Expiry, class Weight = item_weight>
struct policies : cache::defaults {
    using storage = Storage;
    using eviction = Eviction;
    using admission = Admission;
    using expiry = Expiry;
    using weight = Weight;
    using hash = fused_hash;
    using listener = fused_listener;
    static constexpr bool weighs = !std::is_same_v<Weight, cache::unit_weight>;
    static constexpr bool expires = !std::is_same_v<Expiry, cache::no_expiry>;
    static constexpr bool has_deadlines = std::is_same_v<Expiry, cache::per_entry_expiry<tick>>;
};
using by_source = cache::quota<source_of_item>;
using uniform = cache::uniform_expiry<tick>;
using dated = cache::per_entry_expiry<tick>;
using each = std::tuple<
    policies<cache::slab, cache::lru, cache::always, cache::no_expiry>,
    policies<cache::slab, cache::lru, cache::always, uniform>, policies<cache::slab, cache::lru, cache::always, dated>,
    policies<cache::slab, cache::lazy_lru<25>, cache::always, dated>,
    policies<cache::slab, cache::fifo, cache::always, dated>, policies<cache::slab, cache::sieve, cache::always, dated>,
    policies<cache::slab, cache::clock<2>, cache::always, dated>,
    policies<cache::slab, cache::s3_fifo, cache::always, dated>,
    policies<cache::slab, cache::adaptive_s3_fifo, cache::always, uniform>,
    policies<cache::slab, cache::lru, cache::demand, dated>,
    policies<cache::slab, cache::sieve, cache::demand, uniform>, policies<cache::slab, cache::lru, by_source, dated>,
    policies<cache::slab, cache::sieve, by_source, cache::no_expiry>,
    policies<cache::inline_array<16>, cache::lru, cache::always, dated>,
    policies<cache::set_associative<4>, cache::clock<2>, cache::always, dated, cache::unit_weight>>;

constexpr std::size_t entries_max = 10;
constexpr std::uint64_t weight_max = 40;

/// A full cache, whose fuses are not armed.
template <class Policies>
class rig {
    using cache_type = cache::cache<int, item, Policies>;

public:
    fuse hashes, tellings;
    std::vector<telling> told;

    rig() : cache_{options_for(*this)} {
        for (int key = 0; key < 10; ++key) {
            get(key);
            put(key, {.number = key, .source = key / 3, .weight = 4, .deadline = key % 3 == 0 ? 50 : 100}, 0);
        }
        get(2);
        get(5);
        told.clear();
    }

    put_outcome put(int key, item value, tick now) {
        if constexpr (Policies::has_deadlines) {
            return cache_.put(key, value, value.deadline, now);
        } else {
            return timed(now, [&](auto... t) { return cache_.put(key, value, t...); });
        }
    }
    void get(int key) {
        timed(0, [&](auto... t) { return cache_.get(key, t...) != nullptr; });
    }
    bool erase(int key) {
        return timed(0, [&](auto... t) { return cache_.erase(key, t...); });
    }
    std::size_t purge(tick now) {
        return timed(now, [&](auto... t) { return cache_.purge(t...); });
    }
    void clear() { cache_.clear(); }

    /// What is there, with its deadline, whether its time is over or not.
    struct held {
        tick deadline = 0;
        bool is_promoted = false;
        bool operator==(held const&) const = default;
    };
    std::map<int, held> contents() const {
        std::map<int, held> out;
        timed(0, [&](auto... t) {
            cache_.for_each([&](int key, item const& value) { out[value.number] = state_of(key); }, t...);
            return 0;
        });
        return out;
    }
    cache_type const& subject() const { return cache_; }

private:
    held state_of(int key) const {
        held h;
        if constexpr (Policies::expires) h.deadline = cache_.deadline_of(key).value();
        if constexpr (requires { cache_.is_promoted(key); }) h.is_promoted = cache_.is_promoted(key);
        return h;
    }
    static typename cache_type::options options_for(rig& r) {
        typename cache_type::options o;
        o.entries_max = entries_max;
        if constexpr (Policies::weighs) o.weight_max = weight_max;
        if constexpr (Policies::expires && !Policies::has_deadlines) o.expiry_settings = {100};
        if constexpr (std::is_same_v<typename Policies::admission, by_source>) o.admit = {{}, 3};
        o.hash = {&r.hashes};
        o.on_removal = {&r.tellings, &r.told};
        return o;
    }
    template <class F>
    static auto timed([[maybe_unused]] tick now, F f) {
        if constexpr (Policies::expires) {
            return f(now);
        } else {
            return f();
        }
    }

    cache_type cache_;
};

/// What is left of a call that threw or did not.
template <class Policies>
void check(rig<Policies>& r, std::map<int, typename rig<Policies>::held> const& before) {
    r.hashes = r.tellings = {};
    if (Policies::weighs) CHECK(r.subject().weight() <= weight_max);
    CHECK(r.subject().occupied() <= entries_max);
    auto const occupied = r.subject().occupied();
    auto const after = r.contents();
    auto const by_the_call = r.told;
    r.told.clear();
    r.clear();  // which tells of all that is left, alive or not
    CHECK(r.told.size() == occupied);
    CHECK(r.subject().occupied() == 0);
    CHECK(r.subject().weight() == 0);

    auto const count = [](std::vector<telling> const& in, int number) {
        return std::count_if(in.begin(), in.end(),
                             [&](telling const& t) { return t.number == number && t.why != removal::rejected; });
    };
    for (auto const& [number, state] : before) {
        INFO("entry " << number);
        CHECK(count(by_the_call, number) + count(r.told, number) == 1);
        if (auto const kept = after.find(number); kept != after.end()) CHECK(kept->second == state);
    }
    for (auto const& t : by_the_call) {
        CHECK(count(r.told, t.number) == 0);
        // An old value makes way when the new one is in.
        if (t.why != removal::replaced) continue;
        CHECK(std::any_of(r.told.begin(), r.told.end(), [&](telling const& left) { return left.key == t.key; }));
    }
}

template <class Policies, class Call>
void interrupt(Call call) {
    for (fuse rig<Policies>::*const which : {&rig<Policies>::hashes, &rig<Policies>::tellings}) {
        bool threw = true;
        for (int n = 0; threw; ++n) {
            INFO((which == &rig<Policies>::hashes ? "hash " : "listener ") << n);
            rig<Policies> r;
            auto const before = r.contents();
            (r.*which).calls_left = n;
            threw = false;
            try {
                call(r);
            } catch (std::runtime_error const&) {
                threw = true;
            }
            check(r, before);
            REQUIRE(n < 100);
        }
    }
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("what throws in the middle of a put loses nothing that is not told of", "", each) {
    using rig_type = rig<TestType>;
    for (int const key : {0, 2, 3, 9, 10}) {  // 10 is not there
        for (std::uint64_t weight : {1u, 6u, 12u, 40u, 41u}) {
            for (int const source : {0, 7}) {
                for (tick const now : {0, 50}) {
                    INFO("key " << key << ", weight " << weight << ", source " << source << ", at " << now);
                    interrupt<TestType>(
                        [&](rig_type& r) { r.put(key, {.number = 100, .source = source, .weight = weight}, now); });
                }
            }
        }
    }
}

TEMPLATE_LIST_TEST_CASE("what throws in the middle of a removal loses nothing that is not told of", "", each) {
    using rig_type = rig<TestType>;
    interrupt<TestType>([](rig_type& r) { r.erase(3); });
    interrupt<TestType>([](rig_type& r) { r.purge(50); });
    interrupt<TestType>([](rig_type& r) { r.purge(100); });
    interrupt<TestType>([](rig_type& r) { r.clear(); });
}

}  // namespace interrupted_tests
