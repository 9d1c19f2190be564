// SPDX-License-Identifier: MIT

// What comes in, of both protocols: verdicts, duplicates, what waits, what it costs.

#include <feed/bench.hpp>

namespace feed_intake_tests {

using namespace muster;
using namespace muster::test;
using fd::outcome;

namespace {

struct takes_firsts {
    template <class Record>
    [[nodiscard]] fd::verdict judge(Record const&, Record const* parent) const {
        return parent == nullptr ? fd::verdict::accepted() : fd::verdict::rejected("not_ours");
    }
};
template <class Kit>
struct only_firsts : kit_policies<Kit> {
    using validator = takes_firsts;
};

/// Only the first key may sign.
struct one_signer {
    template <class Record>
    [[nodiscard]] fd::verdict judge(Record const&, fd::record const& link) const {
        auto const expected = fd::preconf::author_of(fd::preconf::address_of(preconf_kit::key(0)));
        return link.author == expected ? fd::verdict::accepted() : fd::verdict::rejected("wrong_signer");
    }
};
struct of_one_signer : kit_policies<preconf_kit> {
    using schedule = one_signer;
};

}  // namespace

TEST_CASE("feed: a copy that somebody else has signed, and waits, keeps the author's out of nothing", "[feed]") {
    feed_bench<preconf_kit, of_one_signer> b;
    auto const first = preconf_kit::next(nullptr);
    auto const d = preconf_kit::draft(&first);
    auto const forged = preconf_kit::sign(d, 1), honest = preconf_kit::sign(d, 0);
    REQUIRE(forged.link.id == honest.link.id);
    CHECK(b.hear(9, forged) == std::nullopt);  // its parent is not here, so nobody asks the schedule
    CHECK(b.hear(1, honest) == std::nullopt);
    CHECK(b.it.stats().pending == 2);
    CHECK(b.hear(1, first) == outcome::accept);
    CHECK(b.head() == 2);
    CHECK(b.costs(9));
    CHECK_FALSE(b.costs(1));
}

TEMPLATE_TEST_CASE("feed: what there is no room for may come again, another way", "[feed]", preconf_kit, log_kit) {
    fd::options o;
    o.pending_per_peer = 1;
    feed_bench<TestType> b{o};
    auto const all = chain<TestType>(4);
    CHECK(b.hear(1, all[2]) == std::nullopt);
    CHECK(b.hear(1, all[3]) == outcome::ignore);  // pending_full
    CHECK(b.judged.back().may_come_again);
    CHECK(b.hear(2, all[3]) == std::nullopt);
    CHECK(b.hear(2, all[3]) == outcome::ignore);  // a duplicate
    CHECK_FALSE(b.judged.back().may_come_again);
}

TEMPLATE_TEST_CASE("feed: a chain that comes in order is accepted, stored and told", "[feed]", preconf_kit, log_kit) {
    feed_bench<TestType> b;
    auto const all = chain<TestType>(4);
    for (auto const& m : all) CHECK(b.hear(1, m) == outcome::accept);  // T1: the parent is looked up by its hash
    CHECK(b.head() == 4);
    auto const told = b.template heard_only<fd::record_accepted>();
    REQUIRE(told.size() == 4);
    for (std::size_t i = 0; i < 4; ++i) {
        CHECK(told[i].record == all[i].link);
        CHECK(told[i].origin == fd::origin::gossip);
    }
    CHECK(b.it.stored().chain_from(2, 10).value().size() == 3);
    CHECK_FALSE(b.costs(1));
}

TEMPLATE_TEST_CASE("feed: descendants wait, and all are released with their own parent, each told once", "[feed]",
                   preconf_kit, log_kit) {
    feed_bench<TestType> b;
    auto const all = chain<TestType>(6);
    for (std::size_t i = 5; i >= 1; --i) CHECK(b.hear(1, all[i]) == std::nullopt);  // out_of_order
    CHECK(b.it.stats().pending == 5);
    CHECK(b.it.stored().sizes().records == 0);  // pending hidden until accepted
    CHECK(b.hear(2, all[0]) == outcome::accept);
    CHECK(b.head() == 6);
    CHECK(b.it.stats().pending == 0);
    auto const told = b.template heard_only<fd::record_accepted>();
    REQUIRE(told.size() == 6);
    for (std::size_t i = 0; i < 6; ++i) CHECK(told[i].record.number == i + 1);
    for (fd::ticket t = 1; t <= 6; ++t) CHECK(b.verdict_of(t) == outcome::accept);  // and are passed on
    CHECK_FALSE(b.costs(1));
}

TEMPLATE_TEST_CASE("feed: a thousand descendants are released without a thousand frames of the stack", "[feed]",
                   log_kit) {
    fd::options o;
    o.pending_per_peer = o.pending_keys_max = 2000;
    o.records_max = 2000;
    feed_bench<TestType> b{o};
    auto const all = chain<TestType>(1001);
    for (std::size_t i = 1; i < all.size(); ++i) (void)b.hear(1, all[i]);
    CHECK(b.it.stats().pending == 1000);
    (void)b.hear(1, all[0]);
    CHECK(b.head() == 1001);
}

TEMPLATE_TEST_CASE("feed: what a message itself shows to be wrong is rejected, and costs who sent it", "[feed]",
                   preconf_kit, log_kit) {
    feed_bench<TestType> b;
    auto const first = TestType::next(nullptr);
    CHECK(b.hear(1, TestType::with_bad_signature(first)) == outcome::reject);  // bad_signature
    CHECK(b.penalties[feed_peer(1)] == std::vector<std::string>{"bad_signature"});
    CHECK(b.hear(2, bytes{1, 2, 3}) == outcome::reject);
    CHECK(b.penalties[feed_peer(2)] == std::vector<std::string>{"malformed"});
    CHECK(b.hear(3, bytes(TestType::protocol::record_size_max + 1)) == outcome::reject);
    CHECK(b.penalties[feed_peer(3)] == std::vector<std::string>{"record_too_large"});
    CHECK(b.hear(4, first) == outcome::accept);
    CHECK(b.hear(5, TestType::misfit(first)) == outcome::reject);
    CHECK(b.penalties[feed_peer(5)] == std::vector<std::string>{"block_number"});
    CHECK(b.it.stored().sizes().records == 1);
    CHECK(b.it.info(feed_peer(1), b.now).score == -20);
    CHECK(b.it.info(feed_peer(4), b.now).score == 1);
}

TEMPLATE_TEST_CASE("feed: a wrong version does not keep the right one out", "[feed]", preconf_kit, log_kit) {
    feed_bench<TestType> b;  // T7
    auto const first = TestType::next(nullptr);
    CHECK(b.hear(1, TestType::with_bad_signature(first)) == outcome::reject);
    CHECK(b.hear(1, TestType::with_bad_signature(first)) == outcome::ignore);  // the same bytes cost nothing more
    CHECK(b.penalties[feed_peer(1)].size() == 1);
    CHECK(b.hear(2, first) == outcome::accept);
    CHECK(b.hear(3, first) == outcome::ignore);
    CHECK(b.template heard_only<fd::record_accepted>().size() == 1);
}

TEMPLATE_TEST_CASE("feed: duplicates are known by bytes for as long as options say, and then by content", "[feed]",
                   preconf_kit, log_kit) {
    fd::options o;
    o.with_message_ids(16, 50ms);
    feed_bench<TestType> b{o};
    auto const first = TestType::next(nullptr);
    auto const bad = TestType::with_bad_signature(first);
    CHECK(b.hear(1, bad) == outcome::reject);
    CHECK(b.hear(1, bad) == outcome::ignore);
    b.now += 51ms;
    CHECK(b.hear(1, bad) == outcome::reject);  // forgotten
    CHECK(b.hear(2, first) == outcome::accept);
    b.now += 1h;
    CHECK(b.hear(2, first) == outcome::ignore);  // it is stored
    CHECK(b.template heard_only<fd::record_accepted>().size() == 1);
}

TEMPLATE_TEST_CASE("feed: self-gossip is ignored, and so is the echo of what was published", "[feed]", preconf_kit,
                   log_kit) {
    feed_bench<TestType> b;
    auto const all = chain<TestType>(2);
    CHECK(b.hear(0, all[0]) == outcome::ignore);
    CHECK(b.it.stored().sizes().records == 0);
    REQUIRE(b.it.publish_record(all[0].content(), b.now, b.effects));
    CHECK(b.hear(1, all[0]) == outcome::ignore);
    CHECK(b.template heard_only<fd::record_accepted>().size() == 1);
    CHECK_FALSE(b.costs(1));
}

TEMPLATE_TEST_CASE("feed: what waits is bounded per peer, per parent and in time, and costs nobody", "[feed]",
                   preconf_kit, log_kit) {
    fd::options o;
    o.pending_per_peer = 3;
    o.pending_per_key = 2;
    o.pending_ttl = 300s;
    feed_bench<TestType> b{o};
    auto const all = chain<TestType>(6);
    for (std::size_t i = 2; i <= 4; ++i) CHECK(b.hear(1, all[i]) == std::nullopt);
    CHECK(b.hear(1, all[5]) == outcome::ignore);  // the flood costs the flooder its own room ...
    CHECK(b.hear(2, all[5]) == std::nullopt);     // ... and nobody else's; it may come again
    auto const other = chain<TestType>(1, 9)[0];
    for (std::uint64_t salt = 0; salt < 2; ++salt) CHECK(b.hear(3, TestType::next(&other, salt)) == std::nullopt);
    CHECK(b.hear(4, TestType::next(&other, 2)) == outcome::ignore);  // per parent
    CHECK(b.it.stats().pending == 6);
    b.pass(300s);
    CHECK(b.it.stats().pending == 0);
    CHECK(b.it.stats().pending_bytes == 0);
    for (std::uint32_t n = 1; n <= 4; ++n) CHECK_FALSE(b.costs(n));
    CHECK(b.hear(1, all[2]) == std::nullopt);  // what had no verdict may come again
}

TEMPLATE_TEST_CASE("feed: pending bytes are bounded", "[feed]", preconf_kit, log_kit) {
    fd::options o;
    o.pending_bytes_max = 3000;
    feed_bench<TestType> b{o};
    auto const all = chain<TestType>(20);
    for (std::size_t i = 1; i < 20; ++i) {
        (void)b.hear(static_cast<std::uint32_t>(i), all[i]);
        CHECK(b.it.stats().pending_bytes <= 3000);
    }
    CHECK(b.it.stats().pending >= 3);
}

TEMPLATE_TEST_CASE("feed: two records of one author and height are told as evidence, once, and the longer chain wins",
                   "[feed]", preconf_kit, log_kit) {
    feed_bench<TestType> b;  // T21
    auto const first = TestType::next(nullptr);
    auto const a = TestType::next(&first, 1), c = TestType::next(&first, 2);
    CHECK(b.hear(1, first) == outcome::accept);
    CHECK(b.hear(1, a) == outcome::accept);
    CHECK(b.hear(1, c) == outcome::accept);
    auto const told = b.template heard_only<fd::equivocated>();
    REQUIRE(told.size() == 1);
    CHECK(told[0] == fd::equivocated{a.link, c.link});
    CHECK(b.it.stored().head()->id == std::min(a.link.id, c.link.id));  // the same for whoever has both
    auto const& loser = a.link.id < c.link.id ? c : a;
    auto const longer = TestType::next(&loser, 3);
    CHECK(b.hear(1, longer) == outcome::accept);
    CHECK(b.it.stored().head()->id == longer.link.id);
    CHECK(b.it.stored().chain_at(2) == std::optional{loser.link.id});
    CHECK_FALSE(b.costs(1));  // the author is not the sender
    // Two authors of one height are no evidence.
    feed_bench<TestType> d;
    (void)d.hear(1, TestType::next(nullptr, 1, 0));
    (void)d.hear(1, TestType::next(nullptr, 2, 1));
    CHECK(d.template heard_only<fd::equivocated>().empty());
}

TEMPLATE_TEST_CASE("feed: of one height a few records are kept, however many are signed", "[feed]", preconf_kit,
                   log_kit) {
    feed_bench<TestType> b;
    for (std::uint64_t salt = 0; salt < 10; ++salt) (void)b.hear(1, TestType::next(nullptr, salt));
    CHECK(b.it.stored().sizes().records == 4);
    CHECK(b.template heard_only<fd::equivocated>().size() == 1);
}

TEMPLATE_TEST_CASE("feed: records are bounded in number, and the lowest go", "[feed]", preconf_kit, log_kit) {
    fd::options o;
    o.with_cache(3, 1u << 20);
    feed_bench<TestType> b{o};
    auto const all = chain<TestType>(10);
    for (auto const& m : all) {
        CHECK(b.hear(1, m) == outcome::accept);
        CHECK(b.it.stored().sizes().records <= 3);
    }
    CHECK(b.it.stored().chain_from(0, 10).value().front().number == 8);
    CHECK(b.hear(1, all[0]) == outcome::ignore);
}

TEMPLATE_TEST_CASE("feed: a reorganisation drops what is above, and takes it again", "[feed]", preconf_kit, log_kit) {
    feed_bench<TestType> b;
    auto const all = chain<TestType>(5);
    for (auto const& m : all) (void)b.hear(1, m);
    (void)b.heard();
    REQUIRE(b.it.notify_reorg(2, b.now, b.effects));
    CHECK(b.head() == 2);
    CHECK(b.it.stored().sizes().records == 2);
    auto const news = b.template heard_only<fd::reorganised>();
    REQUIRE(news.size() == 1);
    CHECK(news[0].anchor == 2);
    auto const other = TestType::next(&all[1], 5);
    CHECK(b.hear(1, other) == outcome::accept);
    CHECK(b.hear(1, all[2]) == outcome::accept);  // the chain may come back to it
    CHECK(b.hear(1, all[1]) == outcome::ignore);
}

TEMPLATE_TEST_CASE("feed: at and below the anchor records are stale; the one above needs no parent", "[feed]",
                   preconf_kit, log_kit) {
    feed_bench<TestType> b;
    auto const all = chain<TestType>(6);
    CHECK(b.hear(1, all[4]) == std::nullopt);
    REQUIRE(b.it.sync_ready(3, b.now, b.effects));
    CHECK(b.hear(1, all[2]) == outcome::ignore);  // stale dropped
    CHECK(b.hear(1, all[3]) == outcome::accept);  // its parent is on the chain below
    CHECK(b.head() == 5);                         // and what waited for it is here
    CHECK(b.it.publish_record(all[1].content(), b.now, b.effects).error() == fd::errc::validation);
    CHECK_FALSE(b.costs(1));
}

TEMPLATE_TEST_CASE("feed: a validator of the application has a say", "[feed]", preconf_kit, log_kit) {
    feed_bench<TestType, only_firsts<TestType>> b;
    auto const all = chain<TestType>(2);
    CHECK(b.hear(1, all[0]) == outcome::accept);
    CHECK(b.hear(1, all[1]) == outcome::reject);
    CHECK(b.penalties[feed_peer(1)] == std::vector<std::string>{"not_ours"});
}

}  // namespace feed_intake_tests
