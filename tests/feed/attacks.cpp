// SPDX-License-Identifier: MIT

// What peers do who want a feed to stand still, to fill up, or to believe them; and what a failing disk does.

#include <muster/sim/feed/mesh.hpp>

#include <feed/bench.hpp>
#include <feed/town.hpp>

namespace feed_attack_tests {

using namespace muster;
using namespace muster::test;
using fd::outcome;

namespace {

/// Answers as an honest peer with @p all would, but for what @p instead says.
template <class Kit, class Instead>
auto answers(std::vector<made> all, fd::height head, Instead instead) {
    return [=](fd::question q, byte_view in) -> std::optional<bytes> {
        auto const p = Kit::make_protocol();
        if (auto const other = instead(q, in)) return other;
        if (q == fd::question::head) {
            auto r = p.decode_record(all.back().content()).value();
            if constexpr (std::is_same_v<Kit, log_kit>) return wire::writer{}.u64(head).take();
            return p.encode_head(&r);
        }
        if (q != fd::question::page) return std::nullopt;
        auto const ask = p.decode_page_ask(in).value();
        std::vector<bytes> page;
        for (auto const& m : all) {
            if (m.link.number >= ask.from && page.size() < ask.count) page.push_back(m.content());
        }
        return p.encode_page(page);
    };
}
constexpr auto as_it_is = [](fd::question, byte_view) -> std::optional<bytes> { return std::nullopt; };

/// A store whose disk is full when a test says so.
class full_disk : public fd::memory_store {
public:
    full_disk() = default;
    explicit full_disk(fd::store_limits l) : fd::memory_store{l} {}
    static inline bool takes_blobs = true;
    static inline bool takes_records = true;
    [[nodiscard]] result<void> put_blob(fd::blob const& b) {
        if (!takes_blobs) return error{fd::errc::storage, "the disk is full"};
        return fd::memory_store::put_blob(b);
    }
    [[nodiscard]] result<void> put_head(fd::record const& r) {
        if (!takes_records) return error{fd::errc::storage, "the disk is full"};
        return fd::memory_store::put_head(r);
    }
};
struct on_full_disk : kit_policies<preconf_kit> {
    using store = full_disk;
};
template <class Bench>
std::vector<fd::request> requests(Bench& b, fd::question q) {
    auto out = b.template take_only<fd::request>();
    std::erase_if(out, [&](auto const& r) { return r.what != q; });
    return out;
}
/// Ready and live, with what @p all says and @p peers connected, who agree.
template <class Bench>
void go_live(Bench& b, std::vector<made> const& all, std::uint32_t peers) {
    for (auto const& m : all) {
        (void)b.hear(90, m);
        if (m.blob) (void)b.hear(90, *m.blob);
    }
    REQUIRE(b.it.start(b.now, b.effects));
    REQUIRE(b.it.sync_ready(0, b.now, b.effects));
    for (std::uint32_t n = 1; n <= peers; ++n) b.up(n);
    auto const last = b.it.protocol().decode_record(all.back().content()).value();
    for (auto const& r : requests(b, fd::question::head)) {
        b.tell(fd::answer_received{r.number, b.it.protocol().encode_head(&last)});
    }
    b.pass(3s);
    REQUIRE(b.it.sync_state() == fd::catch_up_state::live);
    (void)b.take();
}

}  // namespace

// ---- catching up ------------------------------------------------------------------------------------------

TEST_CASE("feed: a peer whose pages link to nothing keeps nobody from going live, and earns nothing") {
    town<log_kit> t{3, roomy()};
    auto const all = chain<log_kit>(200), strange = chain<log_kit>(260, 9);
    auto ours = all;
    ours.resize(150);
    for (sim::host_id h = 1; h <= 2; ++h) t.boot(h, all);
    // Above what the victim has it gives records of a chain that nobody has; below it the true ones.
    auto const p = log_kit::make_protocol();
    auto const liar = t.net.add_liar(answers<log_kit>(all, 200, [=](fd::question q, byte_view in) {
        auto const from = q == fd::question::page ? p.decode_page_ask(in).value().from : 0;
        if (from <= 150) return std::optional<bytes>{};
        return std::optional{p.encode_page({strange[from].content()})};
    }));
    t.boot(0, ours);
    for (sim::host_id const h : {1u, 2u, liar}) t.net.connect(0, h);
    REQUIRE(t.until_live(0, 5min));
    CHECK(t.net.head(0) == 200);
    CHECK(t.net.at(0).info(sim::feed::id_of(liar), t.where.now()).score <= 0);
}

TEST_CASE("feed: rewinding goes further down each time, and so it ends") {
    town<log_kit> t{1, roomy()};
    auto const all = chain<log_kit>(150), strange = chain<log_kit>(260, 9);
    auto const p = log_kit::make_protocol();
    std::size_t pages = 0;
    auto const liar = t.net.add_liar(answers<log_kit>(all, 200, [=, &pages](fd::question q, byte_view in) {
        if (q != fd::question::page) return std::optional<bytes>{};
        ++pages;
        auto const from = p.decode_page_ask(in).value().from;
        if (from <= 150) return std::optional<bytes>{};
        return std::optional{p.encode_page({strange[from].content()})};
    }));
    t.boot(0, all);
    t.net.connect(0, liar);
    REQUIRE(t.where.run_until(t.where.now() + 5min,
                              [&] { return t.net.at(0).sync_state() == fd::catch_up_state::stalled; }));
    CHECK(pages <= 20);
    CHECK(t.net.at(0).info(sim::feed::id_of(liar), t.where.now()).score <= 0);
}

TEST_CASE("feed: records whose slot is not known are no other chain: catching up waits, and blames nobody") {
    fd::preconf::epoch_schedule s{0};
    struct scheduled : kit_policies<preconf_kit> {
        using schedule = fd::preconf::schedule<fd::preconf::epoch_schedule>;
    };
    feed_bench<preconf_kit, scheduled> b{roomy(), {s, 1s}};
    auto const all = chain<preconf_kit>(5);
    REQUIRE(b.it.start(b.now, b.effects));
    REQUIRE(b.it.sync_ready(0, b.now, b.effects));
    b.up(1);
    auto const last = b.it.protocol().decode_record(all.back().content()).value();
    for (auto const& r : requests(b, fd::question::head)) {
        b.tell(fd::answer_received{r.number, b.it.protocol().encode_head(&last)});
    }
    b.pass(3s);
    std::vector<bytes> content;
    for (auto const& m : all) content.push_back(m.content());
    std::size_t asked = 0;
    for (auto const& r : requests(b, fd::question::page)) {
        ++asked;
        b.tell(fd::answer_received{r.number, b.it.protocol().encode_page(content)});
    }
    CHECK(asked == 1);
    CHECK(b.it.sync_state() == fd::catch_up_state::stalled);
    auto const told = b.heard_only<fd::sync_stalled>();
    REQUIRE(told.size() == 1);
    CHECK(told[0].why == "records_unplaced");
    CHECK_FALSE(b.costs(1));
}

TEST_CASE("feed: a minority that claims more than it has does not make a feed leave live") {
    town<log_kit> t{4, roomy()};
    auto const all = chain<log_kit>(20);
    for (sim::host_id h = 1; h <= 3; ++h) t.boot(h, all);
    auto const p = log_kit::make_protocol();
    for (bool const is_silent : {true, false}) {
        auto const liar = t.net.add_liar(answers<log_kit>(all, 21, [=](fd::question q, byte_view) {
            if (q != fd::question::page) return std::optional<bytes>{};
            return std::optional{is_silent ? bytes{} : p.encode_page({})};
        }));
        if (is_silent) t.net.add_liar([](fd::question, byte_view) { return std::nullopt; });
        if (!t.net.is_on(0)) t.boot(0);
        for (sim::host_id const h : {1u, 2u, 3u, liar}) t.net.connect(0, h);
        REQUIRE(t.until_live(0, 2min));
        duration away{0};
        auto last = t.where.now();
        for (int i = 0; i < 600; ++i) {
            t.pass(1s);
            if (!t.is_live(0)) away += t.where.now() - last;
            last = t.where.now();
        }
        CHECK(away == duration{0});
        t.net.disconnect(0, liar);
    }
}

TEST_CASE("feed: what one peer alone is asked for ends with it") {
    feed_bench<log_kit> b;
    auto const all = chain<log_kit>(4);
    go_live(b, {all[0], all[1]}, 3);
    b.pass(16s);
    auto const ahead = b.it.protocol().decode_record(all[3].content()).value();
    auto const level = b.it.protocol().decode_record(all[1].content()).value();
    for (auto const& r : requests(b, fd::question::head)) {
        b.tell(fd::answer_received{r.number, b.it.protocol().encode_head(r.to == feed_peer(2) ? &ahead : &level)});
    }
    auto const probe = requests(b, fd::question::page);
    REQUIRE(probe.size() == 1);
    CHECK(probe[0].to == feed_peer(2));
    CHECK(b.it.sync_state() == fd::catch_up_state::live);
    b.down(2);
    CHECK(b.it.sync_state() == fd::catch_up_state::live);
    CHECK(b.it.stats().requests == 0);
    b.pass(13s);
    CHECK_FALSE(requests(b, fd::question::head).empty());  // and it goes on looking
}

TEST_CASE("feed: what the smaller part has in truth is fetched from it, beside live") {
    town<log_kit> t{4, roomy()};
    auto const all = chain<log_kit>(22);
    auto most = all;
    most.resize(20);
    for (sim::host_id h = 0; h <= 2; ++h) t.boot(h, most);
    t.boot(3, all);
    for (sim::host_id const h : {1u, 2u, 3u}) t.net.connect(0, h);
    REQUIRE(t.until_live(0, 1min));
    REQUIRE(t.where.run_until(t.where.now() + 1min, [&] { return t.net.head(0) == 22; }));
    CHECK(t.is_live(0));
}

TEST_CASE("feed: an orphan costs a page below it, and not the whole window again") {
    fd::options o = roomy();
    o.with_records_per_page(16);
    town<log_kit> t{3, o};
    auto const all = chain<log_kit>(400);
    for (sim::host_id h = 0; h < 3; ++h) t.boot(h, all);
    t.net.connect(0, 1);
    t.net.connect(0, 2);
    auto const stranger = t.net.add_liar([](fd::question, byte_view) { return std::nullopt; });
    t.net.connect(0, stranger);
    REQUIRE(t.until_live(0, 1min));
    std::size_t pages = 0;
    t.net.watch([&](sim::host_id h, fd::effect const& e) {
        auto const* const r = std::get_if<fd::request>(&e);
        pages += h == 0 && r != nullptr && r->what == fd::question::page ? 1u : 0u;
    });
    auto const strange = chain<log_kit>(50, 3);
    t.net.say(stranger, fd::kind::record, strange[49].content());
    t.pass(1min);
    CHECK(pages <= 4);
    CHECK(t.is_live(0));
    for (std::size_t i = 30; i < 49; ++i) t.net.say(stranger, fd::kind::record, strange[i].content());
    t.pass(10s);
    CHECK(pages <= 8);  // however many there are
    CHECK(t.is_live(0));
}

TEST_CASE("feed: to be ready again does not begin anew, and raises what is caught up with") {
    town<log_kit> t{2, roomy()};
    auto const all = chain<log_kit>(300);
    t.boot(1, all);
    t.boot(0);
    t.net.connect(0, 1);
    std::size_t heads = 0;
    t.net.watch([&](sim::host_id h, fd::effect const& e) {
        auto const* const r = std::get_if<fd::request>(&e);
        heads += h == 0 && r != nullptr && r->what == fd::question::head ? 1u : 0u;
    });
    REQUIRE(t.where.run_until(t.where.now() + 1min,
                              [&] { return t.net.at(0).sync_state() == fd::catch_up_state::paging; }));
    auto const before = heads;
    for (fd::height at = 1; at <= 8; ++at) {
        REQUIRE(t.net.act(0, [&](auto& c, instant now, auto& out) { return c.sync_ready(at, now, out); }));
        CHECK(t.net.at(0).sync_state() == fd::catch_up_state::paging);
    }
    CHECK(heads == before);
    REQUIRE(t.until_live(0, 1min));
    CHECK(t.net.head(0) == 300);
    REQUIRE(t.net.act(0, [&](auto& c, instant now, auto& out) { return c.sync_ready(250, now, out); }));
    CHECK(t.is_live(0));
}

TEST_CASE("feed: the word of who connects first does not make a feed live while others are coming") {
    town<log_kit> t{4, roomy()};
    auto const all = chain<log_kit>(20);
    for (sim::host_id h = 1; h <= 3; ++h) t.boot(h, all);
    auto const liar = t.net.add_liar([&](fd::question q, byte_view) -> std::optional<bytes> {
        if (q == fd::question::head) return wire::writer{}.u64(0).take();
        return std::nullopt;
    });
    t.boot(0);
    t.net.connect(0, liar);
    bool was_live_below = false;
    t.pass(500ms);
    was_live_below = t.is_live(0);
    for (sim::host_id const h : {1u, 2u, 3u}) t.net.connect(0, h);
    CHECK_FALSE(t.where.run_until(t.where.now() + 20s, [&] { return t.is_live(0) && t.net.head(0) < 20; }));
    CHECK_FALSE(was_live_below);
    CHECK(t.net.head(0) == 20);
    // And who was alone for long is asked over again as soon as there are others.
    t.boot(t.net.add());
    sim::host_id const late = liar + 1;
    t.net.connect(late, liar);
    REQUIRE(t.until_live(late, 10s));
    for (sim::host_id const h : {1u, 2u, 3u}) t.net.connect(late, h);
    REQUIRE(t.where.run_until(t.where.now() + 4s, [&] { return !t.is_live(late); }));
    REQUIRE(t.until_live(late, 1min));
    CHECK(t.net.head(late) == 20);
}

// ---- the disk ---------------------------------------------------------------------------------------------

TEST_CASE("feed: a list that the disk does not take is missing, whoever has given it") {
    feed_bench<preconf_kit, on_full_disk> b;
    auto const all = chain<preconf_kit>(2);
    full_disk::takes_blobs = false;
    for (auto const& m : all) REQUIRE(b.hear(90, m) == outcome::accept);
    REQUIRE(b.it.start(b.now, b.effects));
    REQUIRE(b.it.sync_ready(0, b.now, b.effects));
    b.up(1);
    auto const last = b.it.protocol().decode_record(all.back().content()).value();
    for (int i = 0; i < 300; ++i) {
        for (auto const& r : b.take_only<fd::request>()) {
            auto const& p = b.it.protocol();
            auto const wanted = r.what == fd::question::blob ? p.decode_blob_ask(r.data).value() : fd::digest{};
            auto const& m = wanted == all[0].blob->id ? all[0] : all[1];
            b.tell(fd::answer_received{r.number,
                                       r.what == fd::question::head ? p.encode_head(&last) : p.encode_blob(*m.blob)});
        }
        b.pass(1s);
    }
    CHECK(b.it.sync_status().missing == 2);
    CHECK_FALSE(b.costs(1));
    full_disk::takes_blobs = true;
    CHECK(b.hear(2, *all[0].blob) == outcome::accept);  // nothing keeps it out
    CHECK(b.it.sync_status().missing == 1);
}

TEST_CASE("feed: what the disk did not take may come again in the same words") {
    feed_bench<preconf_kit, on_full_disk> b;
    auto const first = preconf_kit::next(nullptr);
    full_disk::takes_records = false;
    CHECK(b.hear(1, first) == outcome::ignore);
    CHECK(b.judged.back().may_come_again);
    full_disk::takes_records = true;
    CHECK(b.hear(1, first) == outcome::accept);
}

TEST_CASE("feed: when the record of a pair is not kept, nothing of it is said, and what it released is judged") {
    fd::options o;
    o.wait_for_blobs = true;
    feed_bench<preconf_kit, on_full_disk> b{o};
    auto const first = preconf_kit::next(nullptr);
    auto c = preconf_kit::draft(nullptr, 1);
    c.preconf.raw_tx_list_hash = first.blob->id;
    auto const rival = preconf_kit::sign(c, 1);
    CHECK(b.hear(1, rival) == std::nullopt);  // it waits for the list, too
    full_disk::takes_records = false;
    CHECK(b.it.publish_pair(*first.blob, first.content(), b.now, b.effects).error() == fd::errc::storage);
    full_disk::takes_records = true;
    b.collect();
    CHECK(b.verdict_of(1).has_value());  // the disk failed it as well: it may come again
    for (auto const& e : b.take()) CHECK_FALSE(std::holds_alternative<fd::publish>(e));
    CHECK_FALSE(b.it.stored().contains_blob(first.blob->id));
    REQUIRE(b.it.publish_pair(*first.blob, first.content(), b.now, b.effects));
}

// ---- room -------------------------------------------------------------------------------------------------

TEST_CASE("feed: peers that fill what waits leave room for others, as much as they have each") {
    fd::options o;
    o.pending_keys_max = 40;
    o.pending_per_peer = 10;
    feed_bench<log_kit> b{o};
    for (std::uint32_t n = 1; n <= 4; ++n) {
        auto const strange = chain<log_kit>(12, n);
        for (std::size_t i = 1; i <= 10; ++i) CHECK(b.hear(n, strange[i]) == std::nullopt);
    }
    CHECK(b.it.stats().pending == 40);
    auto const all = chain<log_kit>(12, 50);
    for (std::size_t i = 1; i <= 8; ++i) CHECK(b.hear(9, all[i]) == std::nullopt);
    CHECK(b.it.stats().pending == 40);
    CHECK(b.hear(9, all[9]) == outcome::ignore);  // it has its share
    std::size_t made_way = 0;
    for (auto const& j : b.judged) made_way += j.ticket <= 40 && j.may_come_again ? 1u : 0u;
    CHECK(made_way == 8);
    for (std::uint32_t const n : {1u, 2u, 3u, 4u, 9u}) CHECK_FALSE(b.costs(n));
    CHECK(b.hear(9, all[0]) == outcome::accept);
    CHECK(b.head() == 9);
}

TEST_CASE("feed: lists that no record names are passed on to nobody, and earn nothing") {
    feed_bench<preconf_kit> b;
    auto const first = preconf_kit::next(nullptr);
    CHECK(b.hear(1, *first.blob) == std::nullopt);
    CHECK(b.it.stored().contains_blob(first.blob->id));  // it is here when its record comes
    CHECK(b.it.info(feed_peer(1), b.now).score == 0);
    CHECK(b.hear(2, preconf_kit::blob_of(7, 7)) == std::nullopt);
    CHECK(b.hear(3, first) == outcome::accept);
    CHECK(b.verdict_of(1) == outcome::accept);
    CHECK(b.it.info(feed_peer(1), b.now).score == 1);
    b.pass(300s);
    CHECK(b.verdict_of(2) == outcome::ignore);
    CHECK(b.it.info(feed_peer(2), b.now).score == 0);
    CHECK(b.it.stored().sizes().blobs == 1);
    // However small they are, they are so many.
    for (std::uint64_t i = 0; i < 2000; ++i) {
        (void)b.hear(4, preconf_kit::blob_of(i, 9));
        if (i == 0) CHECK(b.hear(5, preconf_kit::blob_of(1, 77)) == std::nullopt);
    }
    CHECK(b.it.stored().sizes().blobs <= 1 + b.it.settings().pending_keys_max);
    CHECK(b.it.stored().contains_blob(preconf_kit::blob_of(1, 77).id));  // who brings few is not driven out
    CHECK_FALSE(b.costs(4));
}

TEMPLATE_TEST_CASE("feed: a height that one author has filled does not end the chain of the others", "[feed]",
                   preconf_kit, log_kit) {
    town<TestType> t{4, roomy()};
    auto const all = chain<TestType>(10);
    std::vector<made> head(all.begin(), all.begin() + 4);
    for (sim::host_id h = 1; h <= 3; ++h) t.boot(h, all);
    t.boot(0, head);
    auto const stranger = t.net.add_liar([](fd::question, byte_view) { return std::nullopt; });
    t.net.connect(0, stranger);
    for (std::uint64_t salt = 1; salt <= 6; ++salt) {
        auto const rival = TestType::next(&head.back(), salt, 1);
        t.net.say(stranger, fd::kind::record, rival.content());
        t.net.say(stranger, fd::kind::record, TestType::next(&rival, salt, 1).content());
    }
    t.pass(3s);
    CHECK(t.net.at(0).stored().is_full(5));
    CHECK(t.net.at(0).stored().is_full(6));
    for (sim::host_id const h : {1u, 2u, 3u}) t.net.connect(0, h);
    REQUIRE(t.where.run_until(t.where.now() + 3min, [&] { return t.net.head(0) == 10; }));
    CHECK(t.net.at(0).stored().at(5).value().size() <= 4);
    CHECK(t.net.at(0).stored().chain_at(5) == std::optional{all[4].link.id});
}

}  // namespace feed_attack_tests
