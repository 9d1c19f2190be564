// SPDX-License-Identifier: MIT

// What the application calls, what peers ask, what each error and each option is for.

#include <stdexcept>

#include <feed/bench.hpp>

namespace feed_calls_tests {

using namespace muster;
using namespace muster::test;
using fd::errc;
using fd::outcome;

namespace {

template <class Kit>
std::vector<fd::publish> published(feed_bench<Kit>& b) {
    return b.template take_only<fd::publish>();
}
/// The request that is sent last, and to whom.
template <class Bench>
std::optional<fd::request> last_request(Bench& b) {
    std::optional<fd::request> out;
    for (auto const& r : b.template take_only<fd::request>()) out = r;
    return out;
}
/// A store that fails when it is told to.
class frail_store : public fd::memory_store {
public:
    frail_store() = default;
    explicit frail_store(fd::store_limits l) : fd::memory_store{l} {}
    static inline bool is_broken = false;
    [[nodiscard]] result<void> put(fd::record const& r) {
        if (is_broken) return error{errc::storage, "the disk is full"};
        return fd::memory_store::put(r);
    }
    [[nodiscard]] result<void> put_head(fd::record const& r) {
        if (is_broken) return error{errc::storage, "the disk is full"};
        return fd::memory_store::put_head(r);
    }
};
struct frail_policies : kit_policies<log_kit> {
    using store = frail_store;
};

}  // namespace

// ---- publishing -------------------------------------------------------------------------------------------

TEST_CASE("feed: a pair is published list first, and is stored, served and told") {
    feed_bench<preconf_kit> b;
    auto const m = preconf_kit::next(nullptr);
    auto const id = b.it.publish_pair(*m.blob, m.content(), b.now, b.effects);
    REQUIRE(id);
    CHECK(id.value() == m.link.id);
    auto const said = published(b);
    REQUIRE(said.size() == 2);
    CHECK(said[0] == fd::publish{fd::kind::blob, b.it.protocol().encode_blob(*m.blob)});
    CHECK(said[1] == fd::publish{fd::kind::record, m.content()});
    CHECK(b.head() == 1);
    CHECK(b.it.stored().contains_blob(m.blob->id));
    CHECK(b.hear(1, m) == outcome::ignore);  // smoke_publish_and_process: the echo is suppressed
    CHECK(b.hear(1, *m.blob) == outcome::ignore);
}

TEST_CASE("feed: of a pair that does not fit nothing is published or stored: all or nothing") {
    feed_bench<preconf_kit> b;  // T10
    auto const m = preconf_kit::next(nullptr), other = preconf_kit::next(nullptr, 1);
    CHECK(b.it.publish_pair(*other.blob, m.content(), b.now, b.effects).error() == errc::validation);
    auto wrong = *m.blob;
    wrong.content.push_back(1);
    CHECK(b.it.publish_pair(wrong, m.content(), b.now, b.effects).error() == errc::validation);
    CHECK(b.it.publish_pair(*m.blob, preconf_kit::with_bad_signature(m), b.now, b.effects).error() == errc::validation);
    auto const orphan = preconf_kit::next(&m);
    CHECK(b.it.publish_pair(*orphan.blob, orphan.content(), b.now, b.effects).error() == errc::missing_data);
    CHECK(published(b).empty());
    CHECK(b.it.stored().sizes() == fd::store_sizes{});
    CHECK(b.it.stats().pending == 0);
    REQUIRE(b.it.publish_pair(*m.blob, m.content(), b.now, b.effects));
}

TEMPLATE_TEST_CASE("feed: what would be rejected does not leave", "[feed]", preconf_kit, log_kit) {
    feed_bench<TestType> b;
    auto const all = chain<TestType>(2);
    CHECK(b.it.publish_record(TestType::with_bad_signature(all[0]), b.now, b.effects).error() == errc::validation);
    CHECK(b.it.publish_record({1, 2}, b.now, b.effects).error() == errc::decode);
    CHECK(b.it.publish_record(bytes(TestType::protocol::record_size_max + 1), b.now, b.effects).error() ==
          errc::validation);
    CHECK(b.it.publish_record(all[1].content(), b.now, b.effects).error() == errc::missing_data);
    REQUIRE(b.it.publish_record(all[0].content(), b.now, b.effects));
    CHECK(b.it.publish_record(TestType::misfit(all[0]).content(), b.now, b.effects).error() == errc::validation);
    REQUIRE(b.it.publish_record(all[1].content(), b.now, b.effects));  // and what was refused is not used up
    CHECK(published(b).size() == 2);
}

// ---- asking -----------------------------------------------------------------------------------------------

TEMPLATE_TEST_CASE("feed: requests are answered by their numbers, once, whoever else waits", "[feed]", preconf_kit,
                   log_kit) {
    feed_bench<TestType> b;  // T23
    b.up(1);
    (void)b.take();
    auto const all = chain<TestType>(3);
    auto const head = b.it.request_head(b.now, b.effects).value();
    auto const head_sent = last_request(b).value();
    auto const page = b.it.request_records(1, 5, b.now, b.effects).value();
    auto const page_sent = last_request(b).value();
    CHECK(page_sent.data == b.it.protocol().encode_page_ask({1, 5}));
    (void)b.heard();
    std::vector<bytes> content;
    for (auto const& m : all) content.push_back(m.content());
    b.tell(fd::answer_received{page_sent.number, b.it.protocol().encode_page(content)});
    b.tell(fd::answer_received{page_sent.number, b.it.protocol().encode_page(content)});
    auto told = b.template heard_only<fd::records_answered>();
    CHECK(told == std::vector{fd::records_answered{page, feed_peer(1), 3}});
    CHECK(b.head() == 3);
    auto const decoded = b.it.protocol().decode_record(all[2].content()).value();
    b.tell(fd::answer_received{head_sent.number, b.it.protocol().encode_head(&decoded)});
    CHECK(b.template heard_only<fd::head_answered>() == std::vector{fd::head_answered{head, feed_peer(1), 3}});
    CHECK(b.it.info(feed_peer(1), b.now).head == std::optional<fd::height>{3});
}

TEST_CASE("feed: a blob that was asked for is validated and stored; not found is no offence, another one is") {
    feed_bench<preconf_kit> b;
    b.up(1);
    auto const good = preconf_kit::blob_of(1, 0), other = preconf_kit::blob_of(2, 0);
    auto const ask = [&] {
        auto const n = b.it.request_blob(good.id, b.now, b.effects).value();
        return std::pair{n, last_request(b).value().number};
    };
    auto const [first, first_sent] = ask();
    b.tell(fd::answer_received{first_sent, b.it.protocol().not_found(good.id)});
    CHECK(b.heard_only<fd::blob_answered>() == std::vector{fd::blob_answered{first, feed_peer(1), good.id, false}});
    CHECK_FALSE(b.costs(1));
    auto const [second, second_sent] = ask();
    b.tell(fd::answer_received{second_sent, b.it.protocol().encode_blob(other)});
    b.collect();
    CHECK(b.penalties[feed_peer(1)] == std::vector<std::string>{"wrong_blob"});
    b.pass(31s);  // it is asked for again
    auto const again = last_request(b).value().number;
    b.tell(fd::answer_received{again, b.it.protocol().encode_blob(good)});
    CHECK(b.heard_only<fd::blob_answered>() == std::vector{fd::blob_answered{second, feed_peer(1), good.id, true}});
    CHECK(b.it.stored().contains_blob(good.id));
}

TEST_CASE("feed: more records than were asked for are no answer") {
    feed_bench<log_kit> b;
    b.up(1);
    auto const all = chain<log_kit>(3);
    (void)b.it.request_records(1, 2, b.now, b.effects);
    auto const sent = last_request(b).value().number;
    b.tell(
        fd::answer_received{sent, b.it.protocol().encode_page({all[0].content(), all[1].content(), all[2].content()})});
    b.collect();
    CHECK(b.costs(1));
    CHECK(b.head() == 0);
}

// ---- errors: one test each --------------------------------------------------------------------------------

TEST_CASE("feed: errors: validation, with what is to be done") {
    feed_bench<log_kit> b;
    b.up(1);
    auto const e = b.it.request_records(1, 65, b.now, b.effects).error();
    CHECK(e == errc::validation);
    CHECK(e.message() == "65 records at once; ask for 1 to 64");
    CHECK(b.it.request_records(1, 0, b.now, b.effects).error() == errc::validation);
}
TEST_CASE("feed: errors: network, when all attempts failed there") {
    feed_bench<log_kit> b;
    b.up(1);
    auto const n = b.it.request_head(b.now, b.effects).value();
    std::size_t sent = 0;
    for (int i = 0; i < 200; ++i) {
        if (auto const r = last_request(b)) {
            ++sent;
            b.tell(fd::answer_failed{r->number, fd::answer_failure::not_connected});
        }
        b.pass(1s);
    }
    CHECK(sent == 5);
    auto const told = b.heard_only<fd::request_failed>();
    REQUIRE(told.size() == 1);
    CHECK(told[0].request == n);
    CHECK(told[0].why == errc::network);
}
TEST_CASE("feed: errors: storage, which costs no peer") {
    feed_bench<log_kit, frail_policies> b;
    auto const first = log_kit::next(nullptr);
    frail_store::is_broken = true;
    CHECK(b.hear(1, first) == outcome::ignore);
    CHECK(b.it.publish_record(first.content(), b.now, b.effects).error() == errc::storage);
    frail_store::is_broken = false;
    auto const told = b.heard_only<fd::failed>();
    REQUIRE(told.size() == 2);
    CHECK(told[0].why == errc::storage);
    CHECK(told[0].why.message() == "the disk is full");
    CHECK_FALSE(b.costs(1));
}
TEST_CASE("feed: errors: timeout, after as many attempts as the budget has, each as long as options say") {
    fd::options o;
    o.with_request_timeout(3s).with_backoff(1s, 2s, 2);
    feed_bench<log_kit> b{o};
    b.up(1);
    (void)b.it.request_head(b.now, b.effects);
    auto const began = b.now;
    std::optional<instant> failed_at;
    std::size_t sent = 0;
    for (int i = 0; i < 20 && !failed_at; ++i) {
        sent += b.take_only<fd::request>().size();
        b.pass(1s);
        for (auto const& f : b.heard_only<fd::request_failed>()) {
            CHECK(f.why == errc::timeout);
            failed_at = b.now;
        }
    }
    REQUIRE(failed_at);
    CHECK(sent == 2);
    CHECK(*failed_at - began >= 3s + 1s + 3s);
    CHECK(*failed_at - began <= 3s + 2s + 3s + 1s);
}
TEST_CASE("feed: errors: backpressure, of commands and of subscriptions") {
    fd::options o;
    o.with_queues(3, 4);
    feed_bench<log_kit> b{o};
    b.up(1);
    for (int i = 0; i < 3; ++i) REQUIRE(b.it.request_head(b.now, b.effects));
    CHECK(b.it.request_head(b.now, b.effects).error() == errc::backpressure);
    for (int i = 1; i < 64; ++i) REQUIRE(b.it.subscribe());
    CHECK(b.it.subscribe().error() == errc::backpressure);
}
TEST_CASE("feed: errors: decode, of what is to be published") {
    feed_bench<preconf_kit> b;
    CHECK(b.it.publish_record(bytes(382, 2), b.now, b.effects).error() == errc::decode);
}
TEST_CASE("feed: errors: shutdown, for every call, and nothing happens any more") {
    feed_bench<log_kit> b;
    b.up(1);
    (void)b.it.request_head(b.now, b.effects);
    auto const sent = last_request(b).value().number;
    b.it.shutdown(b.effects);
    auto const said = b.take_only<fd::give_up>();
    CHECK(said == std::vector{fd::give_up{sent}});
    CHECK(b.heard_only<fd::stopped>().size() == 1);
    CHECK(b.it.start(b.now, b.effects).error() == errc::shutdown);
    CHECK(b.it.sync_ready(0, b.now, b.effects).error() == errc::shutdown);
    CHECK(b.it.notify_reorg(0, b.now, b.effects).error() == errc::shutdown);
    CHECK(b.it.publish_record({}, b.now, b.effects).error() == errc::shutdown);
    CHECK(b.it.publish_blob({}, b.now, b.effects).error() == errc::shutdown);
    CHECK(b.it.publish_pair({}, {}, b.now, b.effects).error() == errc::shutdown);
    CHECK(b.it.request_head(b.now, b.effects).error() == errc::shutdown);
    CHECK(b.it.request_records(1, 1, b.now, b.effects).error() == errc::shutdown);
    CHECK(b.it.request_blob({}, b.now, b.effects).error() == errc::shutdown);
    CHECK(b.it.update_head({}).error() == errc::shutdown);
    b.up(2);
    b.it.shutdown(b.effects);
    CHECK(b.take().empty());
    CHECK_FALSE(b.it.next_deadline());
    CHECK(b.hear(1, log_kit::next(nullptr)) == std::nullopt);
}
TEST_CASE("feed: errors: missing_peer; reqresp_errors_when_no_peer_available") {
    feed_bench<log_kit> b;
    CHECK(b.it.request_head(b.now, b.effects).error() == errc::missing_peer);
    b.up(1);
    REQUIRE(b.it.request_head(b.now, b.effects));
    b.down(1);
    CHECK(b.it.request_head(b.now, b.effects).error() == errc::missing_peer);
}
TEST_CASE("feed: errors: missing_data, of a head that is not there") {
    feed_bench<log_kit> b;
    CHECK(b.it.update_head(7).error() == errc::missing_data);
}
TEST_CASE("feed: errors: join, when the handler of events fails") {
    feed_bench<log_kit> b;
    b.up(1);
    b.up(2);
    int taken = 0;
    auto const done = b.it.run_with_handler(b.reader, [&](fd::news const&, std::uint64_t) {
        if (++taken == 1) throw std::runtime_error{"no more"};
    });
    CHECK(done.error() == errc::join);
    CHECK(done.error().message() == "the handler of news failed: no more");
    REQUIRE(b.it.run_with_handler(b.reader, [&](fd::news const&, std::uint64_t) { ++taken; }));
    CHECK(taken == 2);  // what it failed at is not told again, what follows is
}
TEST_CASE("feed: errors: configuration, of values that contradict each other") {
    auto const wrong = [](auto change) {
        fd::options o;
        change(o);
        auto const done = o.check();
        return !done && done.error() == errc::configuration;
    };
    CHECK(fd::options{}.check());
    CHECK(wrong([](auto& o) { o.with_records_per_page(0); }));
    CHECK(wrong([](auto& o) { o.with_cache(0, 1); }));
    CHECK(wrong([](auto& o) { o.with_cache(1, 0); }));
    CHECK(wrong([](auto& o) { o.with_queues(0, 1); }));
    CHECK(wrong([](auto& o) { o.with_queues(1, 0); }));
    CHECK(wrong([](auto& o) { o.with_request_timeout(0s); }));
    CHECK(wrong([](auto& o) { o.with_request_timeout(61s); }));
    CHECK(wrong([](auto& o) { o.with_backoff(0s, 1s, 1); }));
    CHECK(wrong([](auto& o) { o.with_backoff(2s, 1s, 1); }));
    CHECK(wrong([](auto& o) { o.with_backoff(1s, 2s, 0); }));
    CHECK(wrong([](auto& o) { o.with_request_limit(0, 1s); }));
    CHECK(wrong([](auto& o) { o.with_request_limit(1, 0s); }));
    CHECK(wrong([](auto& o) { o.with_slot_grace(-1s); }));
}

// ---- news -------------------------------------------------------------------------------------------------

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

// ---- serving ----------------------------------------------------------------------------------------------

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

// ---- scores -----------------------------------------------------------------------------------------------

TEST_CASE("feed: failure_cap_limits_negative_delta_per_window, failure_cap_resets_after_window, scores_clamp") {
    fd::peer_scores s;
    instant now{1h};
    auto const who = feed_peer(1);
    for (int i = 0; i < 10; ++i) s.penalise(who, 20, now);
    CHECK(s.score(who, now) == -80);  // the specification's -4
    CHECK_FALSE(s.is_banned(who, now));
    now += 11s;
    for (int i = 0; i < 10; ++i) s.penalise(who, 20, now);
    CHECK(s.score(who, now) < -140);  // its -7
    for (int i = 0; i < 20; ++i) {
        now += 10s;
        for (int k = 0; k < 10; ++k) s.penalise(who, 20, now);
        CHECK(s.score(who, now) >= -200);
        CHECK_FALSE(s.is_banned(who, now));  // nobody has called wake
    }
    for (int i = 0; i < 500; ++i) s.reward(feed_peer(2), 1, now);
    CHECK(s.score(feed_peer(2), now) == 200);
}

TEST_CASE("feed: ban_requires_sustained_breach, ban_timer_resets_when_score_heals, decay_heals_greylist") {
    fd::peer_scores s;
    instant now{1h};
    auto const who = feed_peer(1);
    auto const fail = [&] {
        for (int i = 0; i < 4; ++i) s.penalise(who, 20, now);
    };
    fail();
    now += 10s;
    fail();
    CHECK(s.score(who, now) <= -100);
    CHECK(s.is_grey(who, now));
    REQUIRE(s.next_deadline());
    CHECK(s.wake(now + 20s).banned.empty());
    for (int i = 0; i < 80; ++i) s.reward(who, 1, now);  // it heals: the time begins anew
    CHECK(s.wake(now + 31s).banned.empty());
    now += 31s;
    auto const began = now;
    fail();
    now += 10s;
    fail();
    // Sustained by more failures, and evaluated by time alone: T15.
    now += 15s;
    fail();
    CHECK(s.wake(began + 30s).banned.empty());
    CHECK(s.wake(began + 31s).banned == std::vector{who});
    now = began + 31s;
    CHECK(s.is_banned(who, now));
    s.reward(who, 100, now);
    CHECK(s.is_banned(who, now));
    CHECK(s.wake(now + 1h).lifted == std::vector{who});
    now += 1h;
    CHECK_FALSE(s.is_banned(who, now));
    CHECK_FALSE(s.is_grey(who, now + 10min));
    CHECK_FALSE(s.next_deadline());
}

TEST_CASE("feed: who is banned is cut, not heard and not answered, until the ban is lifted") {
    feed_bench<log_kit> b;
    b.up(1);
    auto bad = log_kit::next(nullptr);
    for (std::uint64_t i = 0; i < 40; ++i) {
        auto copy = log_kit::next(nullptr, i).content();
        copy.back() ^= 1;
        (void)b.hear(1, copy);
        b.pass(3s);
    }
    bool is_cut = false;
    for (auto const& e : b.take()) is_cut = is_cut || e == fd::effect{fd::ban{feed_peer(1)}};
    REQUIRE(is_cut);
    CHECK(b.heard_only<fd::peer_banned>().size() == 1);
    CHECK(b.hear(1, bad) == outcome::ignore);
    CHECK(b.hear(2, bad) == outcome::accept);  // it was not used up
    CHECK_FALSE(b.ask(1, fd::question::head, {}));
    b.up(1);  // it comes back, and is cut again
    CHECK(b.take_only<fd::ban>().size() == 1);
    CHECK(b.it.peers(b.now).empty());
    b.pass(1h);
    CHECK(b.heard_only<fd::ban_lifted>().size() == 1);
    b.up(1);
    CHECK(b.it.peers(b.now).size() == 1);
    CHECK(b.ask(1, fd::question::head, {}));
}

TEST_CASE("feed: reputation_mirrors_into_app_score: each change is told to gossip") {
    feed_bench<log_kit> b;
    auto const first = log_kit::next(nullptr);
    (void)b.hear(1, first);
    (void)b.hear(2, log_kit::with_bad_signature(log_kit::next(&first)));
    CHECK(b.take_only<fd::rate>() == std::vector{fd::rate{feed_peer(1), 1}, fd::rate{feed_peer(2), -20}});
}

// ---- observers --------------------------------------------------------------------------------------------

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

}  // namespace feed_calls_tests
