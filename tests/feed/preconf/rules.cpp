// SPDX-License-Identifier: MIT

// The table of rules, each with its verdict and its price; schedules; the rotation of signers; the edges at which
// implementations once differed.

#include <feed/bench.hpp>

namespace preconf_rules_tests {

using namespace muster;
using namespace muster::test;
using fd::outcome;
using namespace fd::preconf;

namespace {

using fd::author;
using kit = preconf_kit;
using plain = feed_bench<kit>;

template <class Resolver>
struct scheduled : kit_policies<kit> {
    using schedule = fd::preconf::schedule<Resolver>;
};
template <class Resolver>
struct slot_bench : feed_bench<kit, scheduled<Resolver>> {
    explicit slot_bench(Resolver const& r, fd::options const& o = {})
        : feed_bench<kit, scheduled<Resolver>>{o, fd::preconf::schedule<Resolver>{r, o.slot_grace}} {}
};

/// A client of its own parameters.
struct custom : kit {
    static inline parameters params = {};
    [[nodiscard]] static protocol make_protocol() { return protocol{params}; }
};

commitment child_of(made const& parent) { return kit::draft(&parent); }
address signer(std::size_t i) { return address_of(kit::key(i)); }
std::string last_why(plain& b, std::uint32_t n) {
    auto const& all = b.penalties[feed_peer(n)];
    return all.empty() ? std::string{} : all.back();
}

}  // namespace

TEST_CASE("preconf: block number, time and anchor against the parent's") {
    auto const first = kit::next(nullptr);
    struct row {
        std::int64_t number, time, anchor;
        outcome what;
        char const* why;
    };
    for (auto const& r : {row{1, 1, 0, outcome::accept, ""}, row{1, 1, 1, outcome::accept, ""},
                          row{0, 1, 0, outcome::reject, "block_number"}, row{2, 1, 0, outcome::reject, "block_number"},
                          row{-1, 1, 0, outcome::reject, "block_number"}, row{1, 0, 0, outcome::reject, "timestamp"},
                          row{1, -1, 0, outcome::reject, "timestamp"}, row{1, 1, -1, outcome::reject, "anchor"}}) {
        plain b;
        REQUIRE(b.hear(1, first) == outcome::accept);
        auto c = child_of(first);
        auto const moved = [](uint256 const& from, std::int64_t by) {
            return uint256{static_cast<std::uint64_t>(static_cast<std::int64_t>(*from.narrow()) + by)};
        };
        auto const p = decode_signed_commitment(first.content()).value().commitment.preconf;
        c.preconf.block_number = moved(p.block_number, r.number);
        c.preconf.timestamp = moved(p.timestamp, r.time);
        c.preconf.anchor_block_number = moved(p.anchor_block_number, r.anchor);
        CHECK(b.hear(2, kit::sign(c)) == r.what);
        CHECK(last_why(b, 2) == r.why);
    }
}

TEST_CASE("preconf: the end of a window and the list, in four cells; generations differ in one") {
    for (auto const rule : {eop_rule::may_have_list, eop_rule::never_has_list}) {
        custom::params = {};
        custom::params.eop = rule;
        for (bool const eop : {false, true}) {
            for (bool const has_list : {false, true}) {
                feed_bench<custom> b;
                auto c = kit::draft(nullptr);
                c.preconf.eop = eop;
                if (!has_list) c.preconf.raw_tx_list_hash = {};
                bool const is_legal = eop ? (!has_list || rule == eop_rule::may_have_list) : has_list;
                CHECK(b.hear(1, kit::sign(c)) == (is_legal ? outcome::accept : outcome::reject));
            }
        }
    }
    custom::params = {};
}

TEST_CASE("preconf: a commitment that ends a window without a list lacks nothing") {
    plain b;
    auto c = kit::draft(nullptr);
    c.preconf.eop = true;
    c.preconf.raw_tx_list_hash = {};
    CHECK(b.hear(1, kit::sign(c)) == outcome::accept);
    auto const told = b.heard_only<fd::record_accepted>();
    REQUIRE(told.size() == 1);
    CHECK(told[0].has_blob);
    CHECK_FALSE(told[0].record.blob_id);
}

TEST_CASE("preconf: who has ended its window has no more to say in it, and the next one goes on") {
    static_schedule s{0, 12};  // T22
    s.rotate(0, signer(0));
    s.rotate(13, signer(1));
    s.settle(1'000);
    slot_bench<static_schedule> b{s};
    auto c = kit::draft(nullptr);
    c.preconf.timestamp = 4;
    c.preconf.eop = true;
    auto const last = kit::sign(c);
    CHECK(b.hear(1, last) == outcome::accept);
    auto late = kit::draft(&last);
    late.preconf.timestamp = 6;
    late.preconf.submission_window_end = 12;
    CHECK(b.hear(2, kit::sign(late)) == outcome::reject);
    CHECK(b.penalties[feed_peer(2)] == std::vector<std::string>{"late_after_eop"});
    CHECK(b.hear(3, kit::sign(kit::draft(&last), 1)) == outcome::accept);
    CHECK(b.head() == 2);
}

TEST_CASE("preconf: slasher_address_enforced, custom_signing_domain_enforced") {
    custom::params = {};
    custom::params.slasher = signer(3);
    {
        feed_bench<custom> b;
        auto c = kit::draft(nullptr);
        CHECK(b.hear(1, kit::sign(c)) == outcome::reject);
        CHECK(b.penalties[feed_peer(1)] == std::vector<std::string>{"slasher_mismatch"});
        c.slasher = signer(3);
        CHECK(b.hear(1, kit::sign(c)) == outcome::accept);
    }
    custom::params = {};
    custom::params.domain.octets[0] = 1;
    feed_bench<custom> b;
    auto const c = kit::draft(nullptr);
    (void)b.hear(1, kit::sign(c));  // it recovers somebody else
    auto const all = b.heard_only<fd::record_accepted>();
    CHECK((all.empty() || all[0].record.author != author_of(signer(0))));
    custom::params = {};
}

TEST_CASE("preconf: genesis without a parent is accepted, and no other block without one") {
    for (std::uint64_t n : {0u, 1u}) {
        plain b;
        auto c = kit::draft(nullptr);
        c.preconf.block_number = n;
        CHECK(b.hear(1, kit::sign(c)) == outcome::accept);
    }
    plain b;
    auto c = kit::draft(nullptr);
    c.preconf.block_number = 1'000'000;  // it would be the head of all chains
    CHECK(b.hear(1, kit::sign(c)) == std::nullopt);
    CHECK_FALSE(b.costs(1));
}

TEST_CASE("preconf: heights beyond 64 bits neither panic nor blame nor wait") {
    plain b;  // T6
    auto c = kit::draft(nullptr);
    c.preconf.block_number = uint256::max();
    auto const s = fd::preconf::sign(c, kit::key(0)).value();
    CHECK(b.hear(1, encode(s)) == outcome::ignore);
    CHECK_FALSE(b.costs(1));
    CHECK(b.it.stats().pending == 0);
}

TEST_CASE("preconf: lists are checked by content: empty_txlist, mismatch, zero hash, oversize, malformed") {
    plain b;
    auto const good = kit::blob_of(1, 0);
    auto const rejected = [&](std::uint32_t n, fd::blob const& bad, std::string const& why) {
        CHECK(b.hear(n, bad) == outcome::reject);
        CHECK(last_why(b, n) == why);
    };
    rejected(1, {good.id, {}}, "empty_txlist");
    rejected(2, {good.id, {1}}, "txlist_hash_mismatch");
    rejected(3, {{}, {1}}, "zero_hash_txlist");
    CHECK(b.hear(4, bytes(list_overhead + tx_list_size_max + 1), fd::kind::blob) == outcome::reject);
    CHECK(last_why(b, 4) == "gossip_too_large");
    CHECK(b.hear(5, bytes(20), fd::kind::blob) == outcome::reject);
    CHECK(last_why(b, 5) == "malformed");
    REQUIRE(b.hear(8, kit::next(nullptr)) == outcome::accept);  // which names it
    CHECK(b.hear(6, good) == outcome::accept);                  // T7: its claimed hash was not used up
    CHECK(b.hear(7, good) == outcome::ignore);
    auto const told = b.heard_only<fd::blob_accepted>();
    REQUIRE(told.size() == 1);
    CHECK(told[0] == fd::blob_accepted{good.id, good.content.size(), fd::origin::gossip});
}

TEST_CASE("preconf: a network may agree on smaller lists, to the byte") {
    custom::params = {};
    custom::params.list_size_max = 780'264;
    feed_bench<custom> b;
    for (std::size_t const size : {780'263u, 780'264u, 780'265u, 786'432u}) {
        fd::blob l{{}, bytes(size, 1)};
        l.id = hash_of_list(l.content);
        auto c = kit::draft(nullptr);
        c.preconf.raw_tx_list_hash = l.id;
        (void)b.hear(2, kit::sign(c));
        CHECK(b.hear(1, l) == (size <= 780'264u ? outcome::accept : outcome::reject));
    }
    custom::params = {};
}

TEST_CASE("preconf: the high-S twin of a signature, and recovery ids above 1, are no second message") {
    plain b;  // T18
    auto const record = kit::next(nullptr);
    auto twin = decode_signed_commitment(record.content()).value();
    // n - s, and the other recovery id: the same signer.
    auto const n = from_hex("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141").value();
    int borrow = 0;
    for (std::size_t i = 32; i-- > 0;) {
        int const d = int{n[i]} - int{twin.signature.octets[32 + i]} - borrow;
        borrow = d < 0 ? 1 : 0;
        twin.signature.octets[32 + i] = static_cast<byte>(d & 0xff);
    }
    twin.signature.octets[64] ^= 1;
    CHECK(b.hear(1, encode(twin)) == outcome::reject);
    for (unsigned id : {2u, 3u, 27u, 28u}) {
        auto odd = decode_signed_commitment(record.content()).value();
        odd.signature.octets[64] = static_cast<byte>(id);
        CHECK(b.hear(2, encode(odd)) == outcome::reject);
    }
    CHECK(b.hear(3, record) == outcome::accept);
}

// ---- schedules --------------------------------------------------------------------------------------------

TEST_CASE("preconf: wrong_signer and slot_end_mismatch are rejected, the right one is taken") {
    static_schedule s{0, 12};
    s.rotate(0, signer(0));
    s.settle(~std::uint64_t{0});
    slot_bench<static_schedule> b{s};
    auto const good = kit::next(nullptr);
    CHECK(b.hear(1, kit::next(nullptr, 1, 1)) == outcome::reject);
    CHECK(b.penalties[feed_peer(1)] == std::vector<std::string>{"wrong_slot_signer"});
    auto c = kit::draft(nullptr);
    for (std::uint64_t const end : {10u, 14u, 18u}) {
        c.preconf.submission_window_end = end;
        CHECK(b.hear(2, kit::sign(c)) == outcome::reject);
        CHECK(b.penalties[feed_peer(2)].back() == "slot_drift");
    }
    CHECK(b.hear(3, good) == outcome::accept);
    c.preconf.submission_window_end = uint256::max();  // the check is not skipped for what is large
    CHECK(b.hear(4, kit::sign(c)) == outcome::reject);
}

TEST_CASE("preconf: the end of a slot may differ by the grace, and not by more") {
    static_schedule s{0, 12};
    s.rotate(0, signer(0));
    for (std::int64_t const grace : {0, 1, 3}) {
        for (std::int64_t by = -5; by <= 5; ++by) {
            fd::options o;
            o.with_slot_grace(std::chrono::seconds{grace});
            slot_bench<static_schedule> b{s, o};
            auto c = kit::draft(nullptr);
            c.preconf.timestamp = 15;
            c.preconf.submission_window_end = static_cast<std::uint64_t>(24 + by);
            bool const is_near = by >= -grace && by <= grace;
            CHECK(b.hear(1, kit::sign(c)) == (is_near ? outcome::accept : outcome::reject));
        }
    }
}

TEST_CASE("preconf: when the signer rotates nothing honest is rejected, and afterwards the old one is") {
    // A16: a node that starts after the rotation has no event of it, and must know it nevertheless.
    static_schedule s{0, 0};
    s.rotate(0, signer(0));
    s.rotate(1000, signer(1));
    s.settle(2000);
    fd::options o;
    o.with_slot_grace(30s);
    auto const said = [&](std::uint64_t at, std::size_t by) {
        slot_bench<static_schedule> b{s, o};
        auto c = kit::draft(nullptr);
        c.preconf.timestamp = c.preconf.submission_window_end = at;
        return b.hear(1, kit::sign(c, by));
    };
    CHECK(said(999, 0) == outcome::accept);
    CHECK(said(1000, 1) == outcome::accept);
    CHECK(said(1000, 0) == outcome::accept);  // a little late
    CHECK(said(1029, 0) == outcome::accept);
    CHECK(said(1030, 0) == outcome::reject);
    CHECK(said(1029, 1) == outcome::accept);
    CHECK(said(999, 1) == outcome::reject);
    CHECK(said(1029, 2) == outcome::reject);
    // The verdict says so.
    auto c = kit::draft(nullptr);
    c.preconf.timestamp = c.preconf.submission_window_end = 1010;
    auto const made = kit::sign(c);
    auto const v = fd::preconf::schedule<static_schedule>{s, 30s}.judge(
        decode_signed_commitment(made.content()).value(), made.link);
    CHECK(v.is_accepted());
    CHECK(v.why == "previous_signer");
}

TEST_CASE("preconf: who has a window signs for the times in it, and for no others") {
    static_schedule s{0, 12};
    s.rotate(0, signer(0));
    s.rotate(24, signer(1));
    s.settle(1'000'000);
    slot_bench<static_schedule> b{s};
    // A chain whose windows end where signer 0 has its turn, and whose times run on.
    std::vector<made> all;
    std::size_t accepted = 0;
    for (std::uint64_t n = 1; n <= 100; ++n) {
        auto c = kit::draft(all.empty() ? nullptr : &all.back());
        c.preconf.timestamp = 12 + n;
        c.preconf.submission_window_end = 24;
        all.push_back(kit::sign(c));
        accepted += b.hear(1, all.back()) == outcome::accept ? 1u : 0u;
    }
    CHECK(accepted == 12);  // one in each second of the window
    CHECK(b.penalties[feed_peer(1)].front() == "timestamp_after_window");
    // The end of the window has to be that of the time, and not before it.
    auto c = kit::draft(nullptr, 5);
    c.preconf.timestamp = 13;
    c.preconf.submission_window_end = 36;
    CHECK(b.hear(2, kit::sign(c)) == outcome::reject);
    CHECK(b.penalties[feed_peer(2)].back() == "slot_drift");
    c.preconf.timestamp = 25;
    c.preconf.submission_window_end = 24;
    CHECK(b.hear(3, kit::sign(c)) == outcome::reject);
    CHECK(b.penalties[feed_peer(3)].back() == "timestamp_after_window");
    plain without;  // which the message shows itself, on any schedule
    CHECK(without.hear(3, kit::sign(c)) == outcome::reject);
}

TEST_CASE("preconf: a rotation that is told late rejects nothing honest; what is settled is rejected") {
    static_schedule s{0, 12};
    s.rotate(0, signer(0));
    s.settle(12);
    slot_bench<static_schedule> b{s};
    auto const first = kit::next(nullptr), second = kit::next(&first, 0, 1);
    CHECK(b.hear(1, first) == outcome::accept);
    CHECK(b.hear(1, second) == std::nullopt);  // its signer may have been told of elsewhere
    CHECK(b.hear(2, kit::next(&first, 3, 2)) == std::nullopt);
    auto forged = kit::draft(nullptr, 4);
    CHECK(b.hear(3, kit::sign(forged, 1)) == outcome::reject);  // before 12 all is known
    CHECK_FALSE(b.costs(1));
    s.rotate(13, signer(1));
    s.settle(1'000);
    b.it.schedule_changed(b.now, b.effects);
    b.collect();
    CHECK(b.verdict_of(2) == outcome::accept);
    CHECK(b.verdict_of(3) == outcome::reject);
    CHECK(b.head() == 2);
    CHECK_FALSE(b.costs(1));
}

TEST_CASE("preconf: the edges at which two clients of one network have differed: one verdict each") {
    // A17. The sizes of lists are above; here the others.
    plain b;
    auto const good = decode_signed_commitment(kit::next(nullptr).content()).value();
    // The signature covers the commitment under its domain, and not the hash by which children name it.
    auto of_hash = good;
    {
        auto const inner = hash_of(good.commitment.preconf);
        auto const s = crypto::sign_recoverable(kit::key(0), inner);
        REQUIRE(s);
        std::copy(s.value().octets.begin(), s.value().octets.end(), of_hash.signature.octets.begin());
    }
    (void)b.hear(1, encode(of_hash));
    for (auto const& e : b.heard_only<fd::record_accepted>()) CHECK(e.record.author != author_of(signer(0)));
    // Recovery ids above 1 are not normalised first.
    for (unsigned const id : {2u, 3u, 4u, 27u, 28u, 255u}) {
        plain d;
        auto odd = good;
        odd.signature.octets[64] = static_cast<byte>(id);
        CHECK(d.hear(1, encode(odd)) == outcome::reject);
    }
    // The end of a window is a record's when it comes, as when it is published.
    auto c = kit::draft(nullptr);
    c.preconf.eop = true;
    auto const last = kit::sign(c);
    plain receives, publishes;
    CHECK(receives.hear(1, last) == outcome::accept);
    REQUIRE(publishes.it.publish_record(last.content(), publishes.now, publishes.effects));
    auto const eop_of = [](plain& from) {
        auto const r = from.it.stored().head().value();
        return decode_signed_commitment(r.content).value().commitment.preconf.eop;
    };
    CHECK(eop_of(receives));
    CHECK(eop_of(publishes));
}

TEST_CASE("preconf: what the schedule does not know yet waits, without a price, and is judged when it does") {
    epoch_schedule s{0};  // T17
    slot_bench<epoch_schedule> b{s};
    auto const good = kit::next(nullptr, 0, 0), wrong = kit::next(nullptr, 1, 1);
    CHECK(b.hear(1, good) == std::nullopt);
    CHECK(b.hear(2, wrong) == std::nullopt);
    CHECK_FALSE(b.costs(1));
    CHECK(b.it.publish_record(good.content(), b.now, b.effects).error() == fd::errc::missing_data);
    REQUIRE(s.tell(0, {signer(0), {{12, signer(0)}}}));
    b.it.schedule_changed(b.now, b.effects);
    b.collect();
    CHECK(b.verdict_of(1) == outcome::accept);
    CHECK(b.verdict_of(2) == outcome::reject);
    CHECK(b.head() == 1);
    CHECK(b.costs(2));
}

TEST_CASE("preconf: with soft_fail what the schedule does not know is dropped instead") {
    epoch_schedule const s{0};
    fd::options o;
    o.with_soft_fail(true);
    slot_bench<epoch_schedule> b{s, o};
    CHECK(b.hear(1, kit::next(nullptr)) == outcome::ignore);
    CHECK(b.it.stats().pending == 0);
    CHECK_FALSE(b.costs(1));
}

TEST_CASE("preconf: lookahead: happy slot, cross-epoch, empty epoch, fallback, blacklisted, and what is not known") {
    epoch_schedule s{1000};
    auto const at = [&](std::uint64_t t) { return s.slot_at(t); };
    CHECK(at(1000).error() == lookahead_gap::missing);
    CHECK(at(999).error() == lookahead_gap::before_genesis);
    REQUIRE(s.tell(1384, {signer(0), {{1396, signer(1)}, {1420, signer(2)}}}));
    CHECK(at(1384).value() == slot_info{signer(1), 1396});
    CHECK(at(1396).value() == slot_info{signer(1), 1396});
    CHECK(at(1397).value() == slot_info{signer(2), 1420});
    CHECK(at(1421).error() == lookahead_gap::too_new);  // whose that is depends on the next epoch
    CHECK(at(1383).error() == lookahead_gap::too_old);
    CHECK(at(1768).error() == lookahead_gap::too_new);
    REQUIRE(s.tell(1768, {signer(3), {{1780, signer(2)}}}));
    CHECK(at(1421).value() == slot_info{signer(2), 1780});  // cross-epoch
    REQUIRE(s.tell(1768, {signer(3), {}}));
    CHECK(at(1421).value() == slot_info{signer(0), 1384 + 372});  // fallback
    CHECK(at(1768).value() == slot_info{signer(3), 1768 + 372});  // empty epoch
    s.blacklist(signer(1), 1390);
    CHECK(at(1389).value().signer == signer(1));
    CHECK(at(1390).value() == slot_info{signer(0), 1396});  // the slot remains
    s.blacklist(signer(1), 1394, false);
    CHECK(at(1394).value().signer == signer(1));
    CHECK(s.tell(1385, {}).error() == fd::errc::validation);
    CHECK(s.tell(1384, {signer(0), {{1384 + 384, signer(1)}}}).error() == fd::errc::validation);
    CHECK(s.tell(1384, {signer(0), {{1400, signer(1)}, {1400, signer(1)}}}).error() == fd::errc::validation);
}

TEST_CASE("preconf: a timeline keeps who signs before what is pruned, and replaces what is told twice") {
    static_schedule s;
    CHECK(s.slot_at(5).error() == lookahead_gap::missing);
    s.rotate(10, signer(0));
    s.rotate(20, signer(1));
    s.rotate(20, signer(2));
    CHECK(s.slot_at(9).error() == lookahead_gap::too_old);
    CHECK(s.slot_at(19).value().signer == signer(0));
    CHECK(s.slot_at(20).value().signer == signer(2));
    s.prune(25);
    CHECK(s.slot_at(20).value().signer == signer(2));
    CHECK(s.slot_at(19).error() == lookahead_gap::too_old);
    CHECK(s.slot_at(~std::uint64_t{0}).value().window_end == ~std::uint64_t{0});
}

}  // namespace preconf_rules_tests
