// SPDX-License-Identifier: MIT

// What subscribers are told, and observers.

#include <feed/bench.hpp>

namespace feed_news_tests {

using namespace muster;
using namespace muster::test;

// ---- news ------------------------------------------------------------------------------------------------

TEST_CASE("feed: each subscriber gets each event once; multiple_consumers_receive_events") {
    feed_bench<log_kit> b;  // T2
    auto const second = b.it.subscribe().value();
    auto const all = chain<log_kit>(3);
    for (auto const& m : all) (void)b.hear(1, m);
    std::size_t mine = 0, theirs = 0;
    while (auto const d = b.it.next_event(b.reader)) mine += std::holds_alternative<fd::record_accepted>(d->event);
    while (auto const d = b.it.next_event(second)) theirs += std::holds_alternative<fd::record_accepted>(d->event);
    CHECK(mine == 3);
    CHECK(theirs == 3);
    CHECK_FALSE(b.it.next_event(b.reader));
    CHECK(b.it.stats().events == 0);  // nothing is kept that all have read
    b.it.unsubscribe(second);
    CHECK_FALSE(b.it.next_event(second));
}

TEST_CASE("feed: who is too slow is told how many events it has missed, and the queue stays bounded") {
    fd::options o;
    o.with_queues(1, 4);
    feed_bench<log_kit> b{o};  // T24
    for (std::uint32_t n = 1; n <= 10; ++n) b.up(n);
    CHECK(b.it.stats().events == 4);
    auto const first = b.it.next_event(b.reader).value();
    CHECK(first.missed == 6);
    CHECK(std::get<fd::peer_up>(first.event).peer == feed_peer(7));
    for (std::uint32_t n = 8; n <= 10; ++n) CHECK(b.it.next_event(b.reader)->missed == 0);
    CHECK_FALSE(b.it.next_event(b.reader));
    auto const late = b.it.subscribe().value();  // it has missed nothing
    b.down(1);
    CHECK(b.it.next_event(late)->missed == 0);
}

TEST_CASE("feed: peer up and down are told once each") {
    feed_bench<log_kit> b;
    b.up(1);
    b.up(1);
    b.down(1);
    b.down(1);
    auto const all = b.heard();
    REQUIRE(all.size() == 2);
    CHECK(all[0] == fd::news{fd::peer_up{feed_peer(1)}});
    CHECK(all[1] == fd::news{fd::peer_down{feed_peer(1)}});
}

// ---- observers -------------------------------------------------------------------------------------------

namespace {
struct observed : kit_policies<log_kit> {
    using observer = recording_observer;
};
}  // namespace

TEST_CASE(
    "feed: metrics are fed where options say so, and each message has a line with peer, topic, hash and outcome") {
    for (bool const is_on : {true, false}) {
        fd::options o;
        o.with_metrics(is_on);
        feed_bench<log_kit, observed> b{o};
        auto const first = log_kit::next(nullptr);
        (void)b.hear(1, first);
        (void)b.hear(1, first);
        (void)b.hear(1, log_kit::with_bad_signature(log_kit::next(&first)));
        auto& seen = b.it.observer();
        CHECK(seen.counted("p2p_gossip_received_total") == (is_on ? 3u : 0u));
        CHECK(seen.counted("p2p_cache_hits_total") == (is_on ? 1u : 0u));
        CHECK(seen.counted("p2p_validation_failures_total") == (is_on ? 1u : 0u));
        REQUIRE(seen.lines().size() == (is_on ? 3u : 0u));
        if (!is_on) continue;
        auto const& line = seen.lines()[0].second;
        for (auto const& part :
             {text("peer=", feed_peer(1).to_text()), text("hash=", to_hex(first.link.id)), std::string{"topic=record"},
              std::string{"outcome=accept"}, std::string{"dedupe=new"}}) {
            CHECK(line.find(part) != std::string::npos);
        }
    }
}

}  // namespace feed_news_tests
