// SPDX-License-Identifier: MIT

// What each error is for: one test each.

#include <stdexcept>

#include <feed/bench.hpp>

namespace feed_errors_tests {

using namespace muster;
using namespace muster::test;
using fd::errc;
using fd::outcome;

namespace {

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

}  // namespace feed_errors_tests
