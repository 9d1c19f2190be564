// SPDX-License-Identifier: MIT

#include <muster/sync/replica.hpp>

#include <array>
#include <numeric>
#include <set>

#include <muster/core/random.hpp>

#include <support/catch.hpp>
#include <support/effort.hpp>

namespace replica_tests {

using namespace muster;
using namespace muster::sync;
using namespace std::chrono_literals;

namespace {

constexpr timestamp noon = from_unix_millis(1'800'000'000'000);

/// A member with a copy and a clock that is wrong by @p skew.
template <class Policy = last_writer_wins>
struct member {
    member(std::uint16_t place, std::chrono::milliseconds by) : self{place, 7}, skew{by} {}

    update put(std::string const& key, std::optional<std::string> const& text, timestamp wall = noon) {
        std::optional<bytes> value;
        if (text) value = to_bytes(as_bytes(*text));
        auto w = copy.prepare(key, std::move(value));
        w.at = {self, ++sequence};
        w.time = clock.next(wall + skew);
        copy.apply(w);
        return w;
    }
    applied take(update const& w, timestamp wall = noon) {
        clock.observe(w.time, wall + skew);
        return copy.apply(w);
    }
    [[nodiscard]] std::string shown(std::string const& key) const {
        auto const v = copy.value_of(key);
        return v ? std::string{v->begin(), v->end()} : "(none)";
    }

    actor self;
    std::chrono::milliseconds skew;
    std::uint64_t sequence = 0;
    hybrid_clock clock;
    replica<Policy> copy;
};

/// Writes that five members with wrong clocks made on two keys, having heard of some of what the others wrote.
std::vector<update> history(splitmix64& random, std::chrono::milliseconds skew_max) {
    std::vector<member<>> all;
    for (std::uint16_t i = 0; i < 5; ++i) {
        auto const width = static_cast<std::uint64_t>(2 * skew_max.count() + 1);
        all.emplace_back(i, std::chrono::milliseconds{static_cast<std::int64_t>(uniform(random, width))} - skew_max);
    }
    std::vector<update> out;
    auto wall = noon;
    for (auto n = 3 + uniform(random, 4); n-- > 0;) {
        auto& who = all[static_cast<std::size_t>(uniform(random, all.size()))];
        wall += std::chrono::milliseconds{uniform(random, 3000)};
        for (auto const& w : out) {
            if (w.at.by != who.self && uniform(random, 2) == 0) who.take(w, wall);
        }
        // Compilers evaluate arguments in different orders: each draw is its own statement.
        auto const removes = uniform(random, 6) == 0;
        auto const key = uniform(random, 4) == 0 ? "k2" : "k1";
        auto const value = removes ? std::nullopt : std::optional{std::to_string(uniform(random, 3))};
        out.push_back(who.put(key, value, wall));
    }
    return out;
}

bytes merged(std::vector<update> const& writes) {
    replica<> copy;
    for (auto const& w : writes) copy.apply(w);
    return copy.fingerprint();
}

}  // namespace

TEST_CASE("replica: a write replaces what its author has seen, and no more") {
    member<> a{0, 0s}, b{1, 0s};
    auto const first = a.put("rent", "one");
    CHECK(b.take(first) == applied::shown);
    CHECK(b.take(first) == applied::old_news);
    auto const second = b.put("rent", "two");
    CHECK(a.take(second) == applied::shown);
    CHECK(a.copy.siblings("rent").size() == 1);
    CHECK(a.copy.conflicts().empty());
    CHECK(a.shown("rent") == "two");
    CHECK(a.copy.fingerprint() == b.copy.fingerprint());
}

TEST_CASE("replica: of two that wrote at the same time one is shown, and the other is kept") {
    member<> a{0, 0s}, b{1, 5s};
    auto const by_a = a.put("rent", "a"), by_b = b.put("rent", "b");
    CHECK(a.take(by_b) == applied::shown);
    CHECK(b.take(by_a) == applied::hidden);
    CHECK(a.shown("rent") == "b");
    CHECK(b.shown("rent") == "b");
    for (auto const* m : {&a, &b}) {
        REQUIRE(m->copy.conflicts().size() == 1);
        CHECK(m->copy.conflicts().front().loser == by_a);
        CHECK(m->copy.undecided() == std::vector<std::string>{"rent"});
        CHECK(m->copy.siblings("rent") == std::vector{by_b, by_a});
    }
    // Writing on what one sees decides.
    auto const decided = a.put("rent", "a, and b");
    CHECK(b.take(decided) == applied::shown);
    CHECK(b.copy.undecided().empty());
    CHECK(b.copy.conflicts().size() == 1);  // until somebody has looked at it
    CHECK(b.copy.acknowledge("rent") == 1);
    CHECK(a.copy.fingerprint() == b.copy.fingerprint());
}

TEST_CASE("replica: what is written later by cause is never lost to a clock that is ahead") {
    member<> fast{0, 1h}, slow{1, -1h};
    auto const first = fast.put("rent", "first");
    slow.take(first);
    auto const second = slow.put("rent", "second");
    CHECK(second.time < first.time);  // the clock was not followed so far
    fast.take(second);
    CHECK(fast.shown("rent") == "second");
    CHECK(slow.shown("rent") == "second");
}

TEST_CASE("replica: what was removed stays removed, and a write at the same time is a conflict") {
    member<> a{0, 0s}, b{1, 1s};
    auto const first = a.put("rent", "one");
    b.take(first);
    auto const removed = a.put("rent", std::nullopt);
    auto const kept = b.put("rent", "two");
    a.take(kept);
    b.take(removed);
    CHECK(a.copy.fingerprint() == b.copy.fingerprint());
    CHECK(a.shown("rent") == "two");
    CHECK(a.copy.siblings("rent").size() == 2);
    auto const again = b.put("rent", std::nullopt);
    a.take(again);
    CHECK(a.take(first) == applied::old_news);
    CHECK(a.copy.keys().empty());
    CHECK(a.copy.size() == 1);  // the tombstone
}

TEST_CASE("replica: a tombstone goes when all have it and it is old") {
    member<> a{0, 0s}, b{1, 0s};
    auto const first = a.put("rent", "one");
    auto const removed = a.put("rent", std::nullopt);
    auto const month = noon + 24h * 30;
    version_vector stable;
    stable.add(first.at);
    CHECK(a.copy.collect(stable, month + 1h) == 0);
    stable.add(removed.at);
    CHECK(a.copy.collect(stable, month - 1h) == 0);
    auto const other = a.put("other", "stays");
    stable.add(other.at);
    CHECK(a.copy.collect(stable, month + 1h) == 1);
    CHECK(a.copy.size() == 1);
}

TEST_CASE("replica: an author has one sibling for each life, however much they write") {
    member<> a{0, 0s};
    std::vector<update> all;
    for (int i = 0; i < 100; ++i) {
        auto w = a.put("rent", std::to_string(i));
        w.seen = {};  // as if they never looked
        all.push_back(w);
    }
    for (bool const reversed : {false, true}) {
        replica<> copy;
        for (std::size_t i = 0; i < all.size(); ++i) copy.apply(all[reversed ? all.size() - 1 - i : i]);
        CHECK(copy.siblings("rent").size() == 1);
        CHECK(copy.fingerprint() == merged(all));
    }
}

TEST_CASE("replica: bounds hold") {
    replica<>::options o;
    o.keys_max = 2;
    o.conflicts_max = 3;
    replica<> copy{o};
    for (std::uint16_t i = 0; i < 10; ++i) {
        update w{{{i, 1}, 1}, {100u + i}, "k", {}, bytes{1}};
        CHECK(copy.apply(w) != applied::refused);
    }
    CHECK(copy.conflicts().size() == 3);
    CHECK(copy.siblings("k").size() == 10);
    CHECK(copy.apply({{{0, 1}, 2}, {1}, "l", {}, bytes{1}}) == applied::shown);
    CHECK(copy.apply({{{0, 1}, 3}, {1}, "m", {}, bytes{1}}) == applied::refused);
    CHECK(copy.apply({{{0, 1}, 4}, {1}, "l", {}, bytes{2}}) == applied::shown);
}

TEST_CASE("replica: with several values all are shown, the winner first") {
    member<multi_value> a{0, 0s}, b{1, 5s};
    auto const by_a = a.put("rent", "a"), by_b = b.put("rent", "b");
    a.take(by_b);
    CHECK(a.copy.visible("rent") == std::vector{by_b, by_a});
}

TEST_CASE("replica: a million histories under an hour of skew end equal, in all orders (goal V1)") {
    splitmix64 random{11};
    std::size_t orders = 0;
    for (std::size_t i = 0; i < test::effort(1'000'000, 400); ++i) {
        auto writes = history(random, 1h);
        std::sort(writes.begin(), writes.end(), [](update const& x, update const& y) { return x.at < y.at; });
        auto const expected = merged(writes);
        // All orders of up to five writes; of more, some.
        bool const is_small = writes.size() <= 5;
        std::vector<std::size_t> order(writes.size());
        std::iota(order.begin(), order.end(), 0u);
        for (std::size_t n = 0; n < (is_small ? 120u : 24u); ++n) {
            replica<> copy;
            for (auto const at : order) copy.apply(writes[at]);
            copy.apply(writes[order[0]]);  // twice changes nothing
            if (copy.fingerprint() != expected) FAIL("history " << i << " depends on the order");
            ++orders;
            if (is_small) {
                if (!std::next_permutation(order.begin(), order.end())) break;
            } else {
                for (std::size_t k = order.size(); k > 1; --k) {
                    std::swap(order[k - 1], order[static_cast<std::size_t>(uniform(random, k))]);
                }
            }
        }
    }
    CHECK(orders > 1000);
}

TEST_CASE("replica: also where authors lie about what they have seen, all copies end equal") {
    splitmix64 random{21};
    for (std::size_t i = 0; i < test::effort(100'000, 400); ++i) {
        auto writes = history(random, 60s);
        for (auto& w : writes) {
            if (uniform(random, 3) == 0) w.seen = {};
            if (uniform(random, 3) == 0)
                w.seen.add({{static_cast<std::uint16_t>(uniform(random, 6)), 7}, uniform(random, 9)});
            if (w.seen.of(w.at.by) >= w.at.sequence) w.seen = {};  // which nobody takes
        }
        auto const expected = merged(writes);
        for (int n = 0; n < 8; ++n) {
            for (std::size_t k = writes.size(); k > 1; --k) {
                std::swap(writes[k - 1], writes[static_cast<std::size_t>(uniform(random, k))]);
            }
            auto twice = writes;
            twice.push_back(writes[0]);
            if (merged(twice) != expected) FAIL("history " << i << " depends on the order");
        }
    }
}

TEST_CASE("replica: what is shown has never been replaced, and what follows is shown") {
    splitmix64 random{12};
    for (std::size_t i = 0; i < test::effort(100'000, 2000); ++i) {
        auto const writes = history(random, 60s);
        replica<> copy;
        for (auto const& w : writes) copy.apply(w);
        for (auto const* key : {"k1", "k2"}) {
            std::set<dot> alive;
            for (auto const& w : writes) {
                if (w.key != key) continue;
                bool const is_replaced = std::any_of(writes.begin(), writes.end(), [&](update const& other) {
                    return other.key == key && other.at != w.at && other.replaces(w);
                });
                if (!is_replaced) alive.insert(w.at);
            }
            std::set<dot> kept;
            for (auto const& w : copy.siblings(key)) kept.insert(w.at);
            REQUIRE(kept == alive);  // so no write that somebody made on what they saw is lost
        }
    }
}

TEST_CASE("replica: fifty copies in two halves for an hour are equal when they meet (goal V2)") {
    splitmix64 random{13};
    std::vector<member<>> all;
    for (std::uint16_t i = 0; i < 50; ++i) {
        all.emplace_back(i, std::chrono::milliseconds{static_cast<std::int64_t>(uniform(random, 120'001))} - 60s);
    }
    std::vector<update> log;
    auto wall = noon;
    for (int minute = 0; minute < 60; ++minute) {
        wall += 1min;
        auto& who = all[static_cast<std::size_t>(uniform(random, 50))];
        auto const w = who.put("key " + std::to_string(uniform(random, 8)), std::to_string(minute), wall);
        log.push_back(w);
        for (auto& other : all) {
            bool const is_same_half = other.self.member / 25 == who.self.member / 25;
            if (is_same_half && uniform(random, 3) != 0) other.take(w, wall);
        }
    }
    for (auto& m : all) {
        auto missing = log;
        for (std::size_t k = missing.size(); k > 1; --k) {
            std::swap(missing[k - 1], missing[static_cast<std::size_t>(uniform(random, k))]);
        }
        for (auto const& w : missing) m.take(w, wall);
        REQUIRE((m.copy.fingerprint() == all[0].copy.fingerprint()));
        // Whatever is concurrent in the end is in the log of everybody.
        for (auto const& key : m.copy.undecided()) {
            auto const siblings = m.copy.siblings(key);
            for (std::size_t i = 1; i < siblings.size(); ++i) {
                bool const is_logged = std::any_of(m.copy.conflicts().begin(), m.copy.conflicts().end(),
                                                   [&](conflict const& c) { return c.loser == siblings[i]; });
                REQUIRE(is_logged);
            }
        }
    }
    CHECK(all[0].copy.undecided().size() > 2);
}

TEST_CASE("update: what convergence costs is little (goal V3)") {
    splitmix64 random{14};
    std::vector<std::size_t> sizes;
    for (std::uint16_t authors = 1; authors <= 16; ++authors) {
        update w;
        for (std::uint16_t i = 0; i < authors; ++i) w.seen.add({{i, random()}, 1 + uniform(random, 1'000'000)});
        CHECK(w.metadata_size() <= 1 + 16u * authors);
        sizes.push_back(w.metadata_size());
    }
    CHECK(sizes.back() <= 256);
}

TEST_CASE("update: one encoding") {
    member<> a{0, 0s}, b{300, 0s};
    auto const first = a.put("rent", "one");
    b.take(first);
    auto const second = b.put("rent", std::nullopt);
    for (auto const& w : {first, second}) {
        auto const encoded = w.encoded_content();
        CHECK(update::decode_content(encoded, w.at, w.time).value() == w);
        for (std::size_t n = 0; n < encoded.size(); ++n) {
            CHECK_FALSE(update::decode_content(byte_view{encoded}.first(n), w.at, w.time));
        }
    }
    splitmix64 random{15};
    auto const good = second.encoded_content();
    std::size_t taken = 0;
    for (std::size_t i = 0; i < test::effort(1'000'000, 20'000); ++i) {
        auto changed = good;
        for (auto n = 1 + uniform(random, 2); n-- > 0;) {
            changed[static_cast<std::size_t>(uniform(random, changed.size()))] = static_cast<byte>(random());
        }
        auto const read = update::decode_content(changed, second.at, second.time);
        if (!read) continue;
        ++taken;
        REQUIRE(read.value().encoded_content() == changed);
    }
    CHECK(taken > 100);
    // Nobody has seen what they have not written yet.
    auto future = second;
    future.seen.add({second.at.by, second.at.sequence});
    CHECK(update::decode_content(future.encoded_content(), second.at, second.time).error() == errc::malformed);
}

}  // namespace replica_tests
