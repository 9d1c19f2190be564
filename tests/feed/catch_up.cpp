// SPDX-License-Identifier: MIT

// Late joiners: gaps of every size, peers that lie or are silent, limits, stalls, and what is told of it.

#include <muster/sim/feed/mesh.hpp>

#include <feed/bench.hpp>
#include <feed/town.hpp>

namespace feed_catch_up_tests {

using namespace muster;
using namespace muster::test;

TEMPLATE_TEST_CASE("feed: a late joiner catches up with a gap of any size, and only then says that it is live",
                   "[feed]", preconf_kit, log_kit) {
    fd::options o = roomy();
    o.with_records_per_page(16).with_request_limit(10'000, 10s).with_queues(256, 1000);
    o.network.requests_per_protocol = 10'000;
    for (std::size_t const gap : {0u, 1u, 2u, 15u, 16u, 17u, 33u, 100u}) {  // T13: one behind is no error
        town<TestType> t{2, o};
        auto const all = chain<TestType>(gap);
        t.boot(1, all);
        t.boot(0);
        t.net.connect(0, 1);
        REQUIRE(t.until_live(0, 60s));
        CHECK(t.net.head(0) == gap);
        for (auto const& m : all) CHECK(t.net.at(0).stored().contains(m.link.id));
        std::size_t blobs = 0;
        std::vector<fd::head_sync_status> told;
        for (auto const& e : t.net.heard(0)) {
            if (auto const* const s = std::get_if<fd::head_sync>(&e)) told.push_back(s->status);
            blobs += std::holds_alternative<fd::blob_accepted>(e) ? 1u : 0u;
        }
        if (TestType::has_blobs) CHECK(blobs == gap);
        REQUIRE_FALSE(told.empty());
        CHECK(told.back() == fd::head_sync_status{fd::sync_state::live, gap, gap, 0});
        if (gap != 0) {
            bool const has_synced = std::any_of(told.begin(), told.end(), [&](auto const& s) {
                return s.state == fd::sync_state::syncing && s.remote == gap;
            });
            CHECK(has_synced);
        }
    }
}

TEST_CASE("feed: a gap of ten thousand is closed in pages, in order, within the limits of the server") {
    fd::options o = roomy();
    o.with_records_per_page(64);
    town<log_kit> t{2, o};
    auto const all = chain<log_kit>(10'000);
    t.boot(1, all);
    t.boot(0);
    std::vector<instant> sent;
    std::size_t refused = 0;
    t.net.watch([&](sim::host_id h, fd::effect const& e) {
        auto const* const r = std::get_if<fd::request>(&e);
        if (h == 0 && r != nullptr && r->what == fd::question::page) sent.push_back(t.where.now());
        refused += std::holds_alternative<fd::refuse>(e) ? 1u : 0u;
    });
    t.net.connect(0, 1);
    REQUIRE(t.until_live(0, 20min));
    CHECK(t.net.head(0) == 10'000);
    CHECK(refused == 0);  // T12
    for (std::size_t i = 8; i < sent.size(); ++i) CHECK(sent[i] - sent[i - 8] > 10s);
}

TEST_CASE("feed: catchup_backfills_and_fetches_txlists faster from more peers, and asks none beyond its limit") {
    duration took[2] = {};
    for (std::size_t const peers : {1u, 4u}) {
        town<preconf_kit> t{peers + 1, roomy()};
        auto const all = chain<preconf_kit>(96);
        for (sim::host_id h = 1; h <= peers; ++h) t.boot(h, all);
        t.boot(0);
        std::size_t refused = 0;
        t.net.watch(
            [&](sim::host_id, fd::effect const& e) { refused += std::holds_alternative<fd::refuse>(e) ? 1u : 0u; });
        auto const began = t.where.now();
        for (sim::host_id h = 1; h <= peers; ++h) t.net.connect(0, h);
        REQUIRE(t.until_live(0, 20min));
        took[peers == 1 ? 0 : 1] = t.where.now() - began;
        CHECK(refused == 0);
    }
    CHECK(took[0] > 3 * took[1]);
}

TEST_CASE("feed: a lying minority moves the target neither up nor down") {
    for (std::uint64_t const lie : {std::uint64_t{0}, std::uint64_t{1'000}, ~std::uint64_t{0}}) {
        town<log_kit> t{4, roomy()};
        auto const all = chain<log_kit>(20);
        for (sim::host_id h = 1; h <= 3; ++h) t.boot(h, all);
        auto const liar = t.net.add_liar([&](fd::question q, byte_view) -> std::optional<bytes> {
            if (q == fd::question::head) return wire::writer{}.u64(lie).take();
            return log_kit::make_protocol().encode_page({});
        });
        t.boot(0);
        for (sim::host_id const h : {1u, 2u, 3u, liar}) t.net.connect(0, h);
        REQUIRE(t.until_live(0, 5min));
        CHECK(t.net.head(0) == 20);
    }
}

TEST_CASE("feed: a single peer with an unfounded head stalls the feed for a while, with a reason and an end") {
    town<log_kit> t{1};
    auto const liar = t.net.add_liar([&](fd::question q, byte_view) -> std::optional<bytes> {
        if (q == fd::question::head) return wire::writer{}.u64(500).take();
        return log_kit::make_protocol().encode_page({});
    });
    t.boot(0);
    t.net.connect(0, liar);
    std::size_t pages = 0;
    t.net.watch([&](sim::host_id, fd::effect const& e) {
        auto const* const r = std::get_if<fd::request>(&e);
        pages += r != nullptr && r->what == fd::question::page ? 1u : 0u;
    });
    REQUIRE(t.where.run_until(t.where.now() + 5min,
                              [&] { return t.net.at(0).sync_state() == fd::catch_up_state::stalled; }));
    CHECK(pages <= 5);  // T4: an empty page is a failure, which is waited after
    std::optional<fd::sync_stalled> told;
    for (auto const& e : t.net.heard(0)) {
        if (auto const* const s = std::get_if<fd::sync_stalled>(&e)) told = *s;
    }
    REQUIRE(told);
    CHECK(told->why == "page_unavailable");
    CHECK(told->until > t.where.now());  // T3: it says when it goes on, and does
    t.where.run_until(told->until + 1s);
    CHECK(t.net.at(0).sync_state() != fd::catch_up_state::stalled);
    CHECK(t.net.at(0).info(sim::feed::id_of(liar), t.where.now()).score < 0);
    // And somebody honest ends it.
    auto const good = t.net.add();
    t.boot(good, chain<log_kit>(30));
    auto const better = t.net.add();
    t.boot(better, chain<log_kit>(30));
    t.net.connect(0, good);
    t.net.connect(0, better);
    REQUIRE(t.until_live(0, 10min));
    CHECK(t.net.head(0) == 30);
}

TEST_CASE("feed: without peers it stalls with a reason, and goes on as soon as there is one") {
    town<log_kit> t{2};
    t.boot(1, chain<log_kit>(5));
    t.boot(0);
    t.pass(61s);
    CHECK(t.net.at(0).sync_state() == fd::catch_up_state::stalled);
    t.net.connect(0, 1);
    REQUIRE(t.until_live(0, 10s));
    CHECK(t.net.head(0) == 5);
}

TEST_CASE("feed: until the layer that executes is ready nothing is asked for") {
    town<log_kit> t{2};
    t.boot(1, chain<log_kit>(5));
    t.net.boot(0);
    std::size_t requests = 0;
    t.net.watch([&](sim::host_id h, fd::effect const& e) {
        requests += h == 0 && std::holds_alternative<fd::request>(e) ? 1u : 0u;
    });
    REQUIRE(t.net.act(0, [](auto& c, instant now, auto& out) { return c.start(now, out); }));
    t.net.connect(0, 1);
    CHECK(t.net.at(0).sync_state() == fd::catch_up_state::waiting_sync);
    t.pass(10min);
    CHECK(requests == 0);
    REQUIRE(t.net.act(0, [](auto& c, instant now, auto& out) { return c.sync_ready(3, now, out); }));
    REQUIRE(t.until_live(0, 10s));
    CHECK(t.net.head(0) == 5);
    CHECK(t.net.at(0).stored().sizes().records == 2);  // from above the anchor
}

TEST_CASE("feed: after a long catch-up it is looked at once whether others have gone on meanwhile") {
    town<preconf_kit> t{2};
    auto const all = chain<preconf_kit>(60);
    t.boot(1, {all.begin(), all.begin() + 40});
    t.boot(0);
    t.net.connect(0, 1);
    t.pass(10s);
    CHECK_FALSE(t.is_live(0));
    t.net.set_loss({100, 100});  // of what is published
    for (std::size_t i = 40; i < 60; ++i) {
        REQUIRE(t.net.act(1, [&](auto& c, instant now, auto& out) {
            return c.publish_pair(*all[i].blob, all[i].content(), now, out);
        }));
    }
    t.net.set_loss({});
    REQUIRE(t.until_live(0, 5min));  // forty lists, eight in ten seconds
    CHECK(t.net.head(0) == 40);
    t.pass(1s);
    CHECK(t.net.at(0).sync_status().remote == 60);
    REQUIRE(t.where.run_until(t.where.now() + 5min, [&] { return t.net.head(0) == 60 && t.is_live(0); }));
}

TEST_CASE("feed: what was lost by gossip is noticed and repaired while live") {
    town<preconf_kit> t{3};  // T14
    auto const all = chain<preconf_kit>(10);
    for (sim::host_id h = 0; h < 3; ++h) t.boot(h);
    t.net.connect(1, 2);
    for (std::size_t i = 0; i < 8; ++i) {
        REQUIRE(t.net.act(1, [&](auto& c, instant now, auto& out) {
            return c.publish_pair(*all[i].blob, all[i].content(), now, out);
        }));
    }
    t.net.connect(0, 1);
    t.net.connect(0, 2);
    REQUIRE(t.until_live(0, 60s));
    // One record is lost altogether, then one more comes, whose parent is not here.
    t.net.set_loss({100, 100});
    REQUIRE(t.net.act(
        1, [&](auto& c, instant now, auto& out) { return c.publish_pair(*all[8].blob, all[8].content(), now, out); }));
    t.net.set_loss({});
    REQUIRE(t.net.act(
        1, [&](auto& c, instant now, auto& out) { return c.publish_pair(*all[9].blob, all[9].content(), now, out); }));
    t.pass(1s);
    CHECK(t.net.head(0) == 8);
    REQUIRE(t.where.run_until(t.where.now() + 60s, [&] { return t.net.head(0) == 10 && t.is_live(0); }));
    // And a last one, after which nothing comes that would show it.
    t.net.set_loss({100, 100});
    auto const last = preconf_kit::next(&all[9]);
    REQUIRE(t.net.act(
        1, [&](auto& c, instant now, auto& out) { return c.publish_pair(*last.blob, last.content(), now, out); }));
    t.pass(1s);
    t.net.set_loss({});
    REQUIRE(t.where.run_until(t.where.now() + 2min, [&] { return t.net.head(2) == 11 && t.is_live(2); }));
}

TEST_CASE("feed: a blob that nobody has is given up openly, asked for again, and found when somebody has it") {
    town<preconf_kit> t{3};  // T5
    auto const all = chain<preconf_kit>(3);
    t.boot(1);
    for (std::size_t i = 0; i < 3; ++i) {
        REQUIRE(t.net.act(1, [&](auto& c, instant now, auto& out) -> result<void> {
            if (i != 1)
                return [&]() -> result<void> {
                    MUSTER_TRY(c.publish_pair(*all[i].blob, all[i].content(), now, out));
                    return ok();
                }();
            MUSTER_TRY(c.publish_record(all[i].content(), now, out));
            return ok();
        }));
    }
    t.boot(0);
    t.net.connect(0, 1);
    REQUIRE(t.where.run_until(t.where.now() + 10min, [&] {
        return t.net.at(0).sync_status() == fd::head_sync_status{fd::sync_state::live, 3, 3, 1};
    }));
    bool is_told = false;
    for (auto const& e : t.net.heard(0)) {
        auto const* const u = std::get_if<fd::blob_unavailable>(&e);
        is_told = is_told || (u != nullptr && u->id == all[1].blob->id);
    }
    CHECK(is_told);
    CHECK(t.net.at(0).info(sim::feed::id_of(1), t.where.now()).score >= 0);  // who does not have it is not to blame
    t.boot(2, all);
    t.net.connect(0, 2);
    REQUIRE(t.until_live(0, 2min));
    CHECK(t.net.at(0).stored().contains_blob(all[1].blob->id));
}

TEST_CASE("feed: another chain that parts from ours further below is fetched from there") {
    fd::options o = roomy();
    o.with_records_per_page(4);
    town<log_kit> t{2, o};
    auto ours = chain<log_kit>(20), theirs = ours;
    ours.resize(12);
    theirs.resize(6);
    while (theirs.size() < 25) theirs.push_back(log_kit::next(&theirs.back(), 7));
    for (std::size_t i = 6; i < 12; ++i) ours[i] = log_kit::next(&ours[i - 1], 8);
    t.boot(0, ours);
    t.boot(1, theirs);
    t.net.connect(0, 1);
    REQUIRE(t.where.run_until(t.where.now() + 5min, [&] { return t.net.head(0) == 25; }));
    for (auto const& m : theirs) CHECK(t.net.at(0).stored().chain_at(m.link.number) == std::optional{m.link.id});
}

TEST_CASE("feed: a peer that leaves while it is asked is replaced, and a silent one costs a timeout only") {
    town<preconf_kit> t{3, roomy()};
    auto const all = chain<preconf_kit>(30);
    t.boot(1, all);
    t.boot(2, all);
    auto const silent = t.net.add_liar([](fd::question q, byte_view) -> std::optional<bytes> {
        if (q != fd::question::head) return std::nullopt;
        return preconf_kit::make_protocol().encode_head(nullptr);
    });
    t.boot(0);
    for (sim::host_id const h : {1u, 2u, silent}) t.net.connect(0, h);
    t.where.run_until(t.where.now() + 3s);
    t.net.disconnect(0, 1);
    REQUIRE(t.until_live(0, 10min));
    CHECK(t.net.head(0) == 30);
}

TEST_CASE("feed: a reorganisation during catching up begins it anew, and what was asked for is given up") {
    town<log_kit> t{2, roomy()};
    auto const all = chain<log_kit>(100);
    t.boot(1, all);
    t.boot(0);
    t.net.connect(0, 1);
    t.where.run_until(t.where.now() + 60ms);
    CHECK(t.net.at(0).sync_status().state == fd::sync_state::syncing);
    REQUIRE(t.net.act(0, [](auto& c, instant now, auto& out) { return c.notify_reorg(0, now, out); }));
    REQUIRE(t.until_live(0, 2min));
    CHECK(t.net.head(0) == 100);
}

TEST_CASE("feed: feeds of different seeds do not retry at the same moments") {
    std::set<instant> moments;  // T16
    std::size_t tries = 0;
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        fd::client<kit_policies<log_kit>> c{
            {.protocol = log_kit::make_protocol(), .options = {}, .self = feed_peer(0), .seed = seed}};
        effect_list<fd::effect> out;
        instant now{1h};
        c.handle(fd::peer_connected{feed_peer(1)}, now, out);
        REQUIRE(c.request_head(now, out));
        for (int i = 0; i < 40 && tries < 20 * seed; ++i) {
            for (auto const& e : out.take()) {
                if (auto const* const r = std::get_if<fd::request>(&e)) {
                    ++tries;
                    if (now != instant{1h}) moments.insert(now);
                    c.handle(fd::answer_failed{r->number, fd::answer_failure::timed_out}, now, out);
                }
            }
            auto const next = c.next_deadline();
            if (!next) break;
            // However often it is woken before, the wait stays the same.
            for (int k = 0; k < 3; ++k) c.wake(now + (*next - now) / 2, out);
            CHECK(c.next_deadline() == next);
            now = *next;
            c.wake(now, out);
        }
    }
    CHECK(moments.size() == 80);  // four retries each, no two alike
}

}  // namespace feed_catch_up_tests
