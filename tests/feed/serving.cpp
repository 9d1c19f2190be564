// SPDX-License-Identifier: MIT

// What peers ask, and how much they may.

#include <feed/bench.hpp>

namespace feed_serving_tests {

using namespace muster;
using namespace muster::test;

TEMPLATE_TEST_CASE("feed: heads, pages and nothing but the chain is served", "[feed]", preconf_kit, log_kit) {
    feed_bench<TestType> b;
    auto const& p = b.it.protocol();
    CHECK(p.decode_head(b.ask(1, fd::question::head, p.encode_head_ask()).value()).value() ==
          std::optional<fd::height>{0});
    auto const all = chain<TestType>(5);
    for (auto const& m : all) (void)b.hear(1, m);
    auto const orphan = TestType::next(&all[4], 7);
    auto const unlinked = TestType::next(&orphan);
    CHECK(b.hear(1, unlinked) == std::nullopt);  // pending: T9
    CHECK(p.decode_head(b.ask(1, fd::question::head, p.encode_head_ask()).value()).value() ==
          std::optional<fd::height>{5});
    auto const page = [&](fd::height from, std::uint32_t count) {
        auto const data = b.ask(2, fd::question::page, p.encode_page_ask({from, count})).value();
        std::vector<bytes> out;
        auto const views = p.decode_page(data).value();
        for (auto const& each : views) out.push_back(to_bytes(each));
        return out;
    };
    CHECK(page(2, 2) == std::vector{all[1].content(), all[2].content()});
    CHECK(page(4, 1'000'000).size() == 2);  // clamped
    CHECK(page(6, 5).empty());
    CHECK(page(~std::uint64_t{0}, 5).empty());
    REQUIRE(b.it.update_head(3));
    CHECK(p.decode_head(b.ask(3, fd::question::head, p.encode_head_ask()).value()).value() ==
          std::optional<fd::height>{3});
    REQUIRE(b.it.update_head(std::nullopt));
    CHECK(p.decode_head(b.ask(3, fd::question::head, p.encode_head_ask()).value()).value() ==
          std::optional<fd::height>{5});
}

TEST_CASE("feed: pages are ordered by heights as numbers, across every byte of them") {
    feed_bench<log_kit> b;  // T8
    auto const all = chain<log_kit>(600);
    for (auto const& m : all) (void)b.hear(1, m);
    auto const found = b.it.stored().chain_from(2, 1000).value();
    REQUIRE(found.size() == 599);
    for (std::size_t i = 0; i < found.size(); ++i) CHECK(found[i].number == i + 2);
}

TEST_CASE("feed: blobs are served, and what is not here is not found, by an answer") {
    feed_bench<preconf_kit> b;
    auto const& p = b.it.protocol();
    auto const m = preconf_kit::next(nullptr);
    auto const ask = [&] {
        return p.decode_blob(b.ask(1, fd::question::blob, p.encode_blob_ask(m.blob->id)).value()).value();
    };
    CHECK(p.is_not_found(ask()));
    (void)b.hear(1, *m.blob);
    CHECK(ask() == *m.blob);
}

TEST_CASE("feed: page sizes follow the options, down to one and up to the protocol's") {
    for (auto const& [size, expected] : {std::pair{1u, 1u}, std::pair{7u, 7u}, std::pair{1000u, 64u}}) {
        fd::options o;
        o.with_records_per_page(size);
        feed_bench<log_kit> b{o};
        auto const all = chain<log_kit>(100);
        for (auto const& m : all) (void)b.hear(1, m);
        auto const& p = b.it.protocol();
        auto const data = b.ask(1, fd::question::page, p.encode_page_ask({1, 1000})).value();
        CHECK(p.decode_page(data).value().size() == expected);
    }
}

TEST_CASE(
    "feed: questions are limited per peer and protocol before any work, and who is throttled learns for how long") {
    fd::options o;
    o.network.requests_per_protocol = 2;
    o.with_request_limit(5, 1s);
    feed_bench<log_kit> b{o};  // T11
    auto const& p = b.it.protocol();
    auto const ask = [&](std::uint32_t n, fd::question q = fd::question::head) {
        auto const data = q == fd::question::head ? p.encode_head_ask() : p.encode_page_ask({1, 1});
        return b.ask(n, q, data).has_value();
    };
    CHECK(ask(1));
    CHECK(ask(1));
    b.tell(
        fd::question_received{99, feed_peer(1), fd::question::head, bytes(50)});  // malformed, and not even looked at
    auto const refused = b.take_only<fd::refuse>();
    REQUIRE(refused.size() == 1);
    CHECK(refused[0] == fd::refuse{99, fd::refusal::throttled, 500ms});
    CHECK_FALSE(b.costs(1));
    CHECK(ask(2));                      // others are not concerned
    CHECK(ask(1, fd::question::page));  // nor other questions
    b.now += 2s;
    CHECK(ask(1));
    // And in all, whatever the kind.
    fd::options few;
    few.with_request_limit(2, 1s);
    feed_bench<log_kit> c{few};
    CHECK(c.ask(1, fd::question::head, p.encode_head_ask()));
    CHECK(c.ask(1, fd::question::page, p.encode_page_ask({1, 1})));
    CHECK_FALSE(c.ask(1, fd::question::head, p.encode_head_ask()));
}

TEST_CASE("feed: the table of those who ask is bounded, and idle entries make room") {
    fd::serving_limits l{{.per_protocol = 8, .per_peer = 50, .window = 10s, .peers_max = 3}};
    instant now{1h};
    for (std::uint32_t n = 1; n <= 3; ++n) CHECK_FALSE(l.throttle(feed_peer(n), fd::question::head, now));
    CHECK(l.throttle(feed_peer(4), fd::question::head, now) == std::optional<duration>{10s});
    CHECK_FALSE(l.throttle(feed_peer(1), fd::question::head, now));
    now += 10s;
    CHECK_FALSE(l.throttle(feed_peer(4), fd::question::head, now));
    CHECK(l.size() <= 3);
}

TEST_CASE("feed: malformed questions are refused and cost who asks") {
    feed_bench<log_kit> b;
    CHECK_FALSE(b.ask(1, fd::question::head, bytes{1}));
    CHECK_FALSE(b.ask(1, fd::question::page, bytes(11)));
    b.collect();
    CHECK(b.it.info(feed_peer(1), b.now).score == -40);
}

TEST_CASE("feed: serving earns nothing: scores are not laundered by asking") {
    feed_bench<log_kit> b;  // T15
    for (int i = 0; i < 8; ++i) (void)b.ask(1, fd::question::head, {});
    CHECK(b.it.info(feed_peer(1), b.now).score == 0);
}

TEST_CASE("feed: no window of the server's length holds more requests than its limit, from whatever pattern") {
    splitmix64 draw{5};
    for (int round = 0; round < 50; ++round) {
        fd::request_limit_options const o{.per_protocol = 8, .per_peer = 20, .window = 10s, .peers_max = 8};
        fd::request_pace pace{o};
        fd::serving_limits server{o};
        std::vector<instant> all, heads;
        instant now{1h};
        for (int i = 0; i < 300; ++i) {
            now += duration{static_cast<duration::rep>(uniform(draw, 3'000'000'000))} / (1 + round % 7);
            auto const q = static_cast<fd::question>(uniform(draw, 3));
            if (pace.next(q) > now) continue;
            pace.note(q, now);
            CHECK_FALSE(server.throttle(feed_peer(1), q, now));  // T12: what the client sends, the server takes
            all.push_back(now);
            if (q == fd::question::head) heads.push_back(now);
        }
        for (std::size_t i = 8; i < heads.size(); ++i) CHECK(heads[i] - heads[i - 8] > 10s);
        for (std::size_t i = 20; i < all.size(); ++i) CHECK(all[i] - all[i - 20] > 10s);
        pace.block(now + 5s);
        CHECK(pace.next(fd::question::head) >= now + 5s);
    }
}

}  // namespace feed_serving_tests
