// SPDX-License-Identifier: MIT

#include <muster/peer/reputation.hpp>

#include <cmath>
#include <map>

#include <muster/core/random.hpp>

#include <support/catch.hpp>
#include <support/keys.hpp>

namespace reputation_tests {

using namespace muster;
using namespace muster::peer;
using namespace std::chrono_literals;

namespace {

constexpr instant start{1h};

/// The @p i th of many peers, by no key.
peer_id who(std::size_t i) {
    bytes multihash{0x12, 0x20};
    multihash.resize(34);
    multihash[32] = static_cast<byte>(i >> 8);
    multihash[33] = static_cast<byte>(i);
    return peer_id::from_multihash(multihash).value();
}

}  // namespace

TEST_CASE("reputation: a score fades by half in each half-life") {
    reputation r;
    CHECK(r.penalise(who(0), 40, start) == verdict::ok);
    CHECK(r.score(who(0), start) == -40);
    CHECK(r.score(who(0), start + 10min) == -20);
    CHECK(r.score(who(0), start + 20min) == -10);
    CHECK(r.score(who(0), start + 5min) == -28);  // 40 / sqrt(2) = 28.28
    CHECK(r.score(who(0), start + 24h) == 0);
    CHECK(r.score(who(0), instant::max()) == 0);
    CHECK(r.score(who(0), start - 1h) == -40);  // time does not go back
    CHECK(r.score(who(1), start) == 0);
    CHECK(r.judge(who(1), start) == verdict::ok);
    CHECK(r.reward(who(0), 60, start) == verdict::ok);
    CHECK(r.score(who(0), start) == 20);
    CHECK(r.reward(who(0), 1000, start) == verdict::ok);
    CHECK(r.score(who(0), start) == 100);  // a good name buys so much
}

TEST_CASE("reputation: fading in steps is fading at once") {
    for (auto const step : {duration{1s}, duration{37s}, duration{10min}, duration{61min}}) {
        reputation r;
        r.penalise(who(0), 90, start);
        auto now = start;
        while (now < start + 30min) {
            now += step;
            r.reward(who(0), 0, now);
            auto const lives = std::chrono::duration<double>(now - start) / std::chrono::duration<double>(10min);
            CHECK(std::abs(-90 * std::exp2(-lives) - r.score(who(0), now)) < 1.01);
        }
    }
}

TEST_CASE("reputation: arithmetic of integers, against floating point") {
    splitmix64 random{3};
    for (int i = 0; i < 20'000; ++i) {
        auto const size = 1 + uniform(random, std::uint64_t{1} << (1 + i % 40));
        auto const age = duration{static_cast<std::int64_t>(uniform(random, 6'000'000'000'000))};
        auto const exact = static_cast<double>(size) * std::exp2(-static_cast<double>(age.count()) / 600e9);
        auto const got = static_cast<double>(peer::detail::fade(size, age, 10min));
        REQUIRE(got <= exact * 1.0001 + 1);
        REQUIRE(got >= exact * 0.9999 - 20);
        auto const log = static_cast<double>(peer::detail::logarithm(size)) / 65536;
        REQUIRE(std::abs(log - std::log2(static_cast<double>(size))) < 0.0001);
    }
    STATIC_REQUIRE(peer::detail::fade(1024, 20min, 10min) == 256);
    STATIC_REQUIRE(peer::detail::fade(1024, duration::max(), 1ns) == 0);
}

TEST_CASE("reputation: below one threshold a peer is cut, below another it is banned, for so long") {
    reputation r;
    CHECK(r.penalise(who(0), 50, start) == verdict::ok);  // at the threshold, not below
    CHECK(r.penalise(who(0), 1, start) == verdict::cut);
    CHECK(r.judge(who(0), start) == verdict::cut);
    CHECK(r.judge(who(0), start + 1min) == verdict::ok);  // it has faded
    CHECK(r.penalise(who(0), 50, start) == verdict::banned);
    CHECK(r.banned() == 1);
    CHECK(r.banned_until(who(0), start) == start + 1h);
    CHECK(r.next_deadline() == start + 1h);
    CHECK(r.judge(who(0), start + 1h - 1ns) == verdict::banned);
    CHECK(r.judge(who(0), start + 1h) == verdict::ok);  // by itself
    CHECK_FALSE(r.banned_until(who(0), start + 1h));
    CHECK(r.judge(who(1), start) == verdict::ok);  // nobody else
}

TEST_CASE("reputation: nothing prolongs a ban, and nothing shortens it") {
    reputation r;
    REQUIRE(r.penalise(who(0), 1000, start) == verdict::banned);
    for (auto now = start; now < start + 1h; now += 1min) {
        CHECK(r.penalise(who(0), 1000, now) == verdict::banned);
        CHECK(r.reward(who(0), 1000, now) == verdict::banned);
        CHECK(r.banned_until(who(0), now) == start + 1h);
    }
    CHECK(r.lift(start + 1h - 1ns).empty());
    CHECK(r.lift(start + 1h) == std::vector{who(0)});
    CHECK(r.lift(start + 1h).empty());
    CHECK_FALSE(r.next_deadline());
    CHECK(r.banned() == 0);
}

TEST_CASE("reputation: who comes back from a ban is cut by the next offence, whether or not anybody has lifted it") {
    reputation_options o;
    o.half_life = 1000h;  // the score itself would last for much longer
    for (bool const lifts : {false, true}) {
        reputation r{o};
        REQUIRE(r.penalise(who(0), 150, start) == verdict::banned);
        if (lifts) REQUIRE(r.lift(start + 1h).size() == 1);
        CHECK(r.judge(who(0), start + 1h) == verdict::ok);
        CHECK(r.score(who(0), start + 1h) == -50);
        CHECK(r.penalise(who(0), 1, start + 1h) == verdict::cut);
        CHECK(r.penalise(who(0), 60, start + 1h) == verdict::banned);
        CHECK(r.banned_until(who(0), start + 1h) == start + 2h);
        r.forgive(who(0));
        CHECK(r.judge(who(0), start + 1h) == verdict::ok);
        CHECK(r.size() == 0);
    }
}

TEST_CASE("reputation: the one nearest to 0 makes room") {
    reputation_options o;
    o.peers_max = 3;
    reputation r{o};
    r.penalise(who(0), 30, start);
    r.reward(who(1), 5, start);
    r.penalise(who(2), 20, start);
    r.penalise(who(3), 1, start);  // nearer than all of them, and let in: else it could go on for ever
    CHECK(r.size() == 3);
    CHECK(r.score(who(1), start) == 0);
    CHECK(r.score(who(3), start) == -1);
    SECTION("as it has faded, not as it was") {
        r.penalise(who(4), 25, start + 10min);  // in place of 3; 0 stands at 15, 2 at 10
        r.penalise(who(5), 25, start + 10min);
        CHECK(r.score(who(2), start + 10min) == 0);
        CHECK(r.score(who(0), start + 10min) == -15);
    }
    SECTION("a stranger that has done nothing takes nobody's place") {
        CHECK(r.penalise(who(4), 0, start) == verdict::ok);
        CHECK(r.score(who(3), start) == -1);
    }
}

TEST_CASE("reputation: a banned one makes room only when all are, and then the one whose ban ends first") {
    reputation_options o;
    o.peers_max = 2;
    reputation r{o};
    r.penalise(who(0), 200, start);
    r.penalise(who(1), 99, start);
    r.penalise(who(2), 1, start);
    CHECK(r.judge(who(0), start) == verdict::banned);  // 1 has gone, though it was worse than a stranger
    r.penalise(who(2), 200, start + 1min);
    r.penalise(who(3), 1, start + 2min);
    CHECK(r.judge(who(0), start + 2min) == verdict::ok);
    CHECK(r.judge(who(2), start + 2min) == verdict::banned);
    CHECK(r.size() == 2);
}

TEST_CASE("reputation: a flood of strangers unbans nobody") {
    reputation_options o;
    o.peers_max = 64;
    reputation r{o};
    for (std::size_t i = 0; i < 20; ++i) REQUIRE(r.penalise(who(i), 200, start) == verdict::banned);
    for (std::size_t i = 100; i < 5'000; ++i) r.penalise(who(i), 99, start + duration{static_cast<std::int64_t>(i)});
    for (std::size_t i = 0; i < 20; ++i) CHECK(r.judge(who(i), start + 1min) == verdict::banned);
    CHECK(r.size() == 64);
}

TEST_CASE("reputation: against a plain model, through a long random life") {
    struct model {
        double score = 0;
        instant at{};
        deadline until{};
    };
    reputation_options o;
    o.half_life = 1min, o.ban = 5min;
    reputation r{o};
    std::map<std::size_t, model> all;
    splitmix64 random{17};
    auto now = start;
    int bans = 0;
    for (int round = 0; round < 20'000; ++round) {
        now += std::chrono::milliseconds{uniform(random, 3'000)};
        auto const i = static_cast<std::size_t>(uniform(random, 20));
        auto const points = static_cast<std::int32_t>(uniform(random, 60));
        bool const is_bad = uniform(random, 3) != 0;
        auto& m = all[i];
        auto fade = [&](instant to) {
            m.score *=
                std::exp2(-std::chrono::duration<double>(to - m.at) / std::chrono::duration<double>(o.half_life));
            m.at = to;
        };
        if (m.until && *m.until <= now) {
            fade(*m.until);
            m.score = std::max(m.score, -50.0);
            m.until.reset();
        }
        fade(now);
        auto const said = is_bad ? r.penalise(who(i), points, now) : r.reward(who(i), points, now);
        if (m.until) {
            CHECK(said == verdict::banned);
            continue;
        }
        m.score = std::clamp(m.score + (is_bad ? -points : points), -200.0, 100.0);
        bool const is_close = std::abs(m.score + 100) < 0.01 || std::abs(m.score + 50) < 0.01;
        if (is_close) {  // either may be right
            r.forgive(who(i));
            all.erase(i);
            continue;
        }
        if (m.score < -100) {
            m.until = now + o.ban;
            ++bans;
        }
        REQUIRE(said == (m.until ? verdict::banned : m.score < -50 ? verdict::cut : verdict::ok));
        REQUIRE(std::abs(m.score - r.score(who(i), now)) < 1.01);
    }
    CHECK(bans > 50);
}

}  // namespace reputation_tests
