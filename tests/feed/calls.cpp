// SPDX-License-Identifier: MIT

// What the application publishes and asks for.

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

}  // namespace

// ---- publishing ------------------------------------------------------------------------------------------

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

// ---- asking ----------------------------------------------------------------------------------------------

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

}  // namespace feed_calls_tests
