// SPDX-License-Identifier: MIT

#include <muster/discovery/signer_directory.hpp>

#include <memory>

#include <muster/cache/persistence/snapshot_file.hpp>
#include <muster/sim/disk.hpp>

#include <support/advertisements.hpp>
#include <support/catch.hpp>

namespace signer_directory_tests {

using namespace muster;
using namespace std::chrono_literals;
using discovery::filing;
using discovery::source;
using discovery::transaction_type;
using test::advertisement_of;
using test::at;

namespace {

template <class Directory = discovery::signer_directory<>>
struct rig {
    template <class... Rest>
    explicit rig(discovery::directory_options const& o = {}, Rest&&... rest)
        : directory{o, std::forward<Rest>(rest)...} {}

    result<filing> take(bytes const& sealed, timestamp now, peer::peer_id const& from = test::node_keys(9).node.id()) {
        return directory.take(sealed, from, source::gossip, now, told);
    }
    /// What was told since, by name.
    std::vector<std::string> news() {
        std::vector<std::string> out;
        for (auto const& e : told.take()) {
            out.push_back(
                std::visit([](auto const& v) { return text(v.fields.name, " ", v.listing.what.nickname); }, e));
        }
        return out;
    }
    Directory directory;
    effect_list<discovery::directory_event> told;
};
using words = std::vector<std::string>;

bytes sealed(std::size_t i, discovery::signer_advertisement const& a) {
    return a.seal(test::node_keys(i).node).value();
}
crypto::public_key key(std::size_t i) { return test::node_keys(i).signer.public_key(); }

}  // namespace

TEST_CASE("document 000: re-advertising updates the entry; the same signer is shown once") {
    rig<> r;
    auto a = advertisement_of(1);
    CHECK(r.take(sealed(1, a), at(0)).value() == filing::discovered);
    for (int i = 0; i < 10; ++i) {
        ++a.sequence;
        a.fee = static_cast<std::uint64_t>(i);
        CHECK(r.take(sealed(1, a), at(i)).value() == filing::updated);
    }
    CHECK(r.directory.size(at(10)) == 1);
    CHECK(r.directory.find(key(1), at(10))->what.fee == 9);
    CHECK(r.news().front() == "signer_discovered signer 1");
    CHECK(r.take(sealed(2, advertisement_of(2)), at(10)).value() == filing::discovered);
    CHECK(r.directory.list({}, at(10)).size() == 2);
}

TEST_CASE("document 000: subscription, reputation and response time are kept on update; claims about them are none") {
    rig<> r;
    auto a = advertisement_of(1);
    REQUIRE(r.take(sealed(1, a), at(0)));
    CHECK(r.directory.set_subscribed(key(1), true, at(0)));
    CHECK(r.directory.set_reputation(key(1), -7, at(0)));
    CHECK(r.directory.note_response(key(1), 100ms, at(0)));
    CHECK(r.directory.note_response(key(1), 200ms, at(0)));
    CHECK_FALSE(r.directory.set_subscribed(key(2), true, at(0)));
    ++a.sequence;
    REQUIRE(r.take(sealed(1, a), at(1)).value() == filing::updated);
    auto const* const l = r.directory.find(key(1), at(1));
    CHECK(l->is_subscribed);
    CHECK(l->reputation == -7);
    CHECK(l->response_time == 125ms);
}

TEST_CASE("document 000: expired signers are removed from the list, and each is told of once") {
    rig<> r;
    auto a = advertisement_of(1);
    a.expires = at(1000);
    auto b = advertisement_of(2);
    b.expires = at(2000);
    REQUIRE(r.take(sealed(1, a), at(0)));
    REQUIRE(r.take(sealed(2, b), at(0)));
    (void)r.news();
    r.directory.expire(at(999), r.told);
    CHECK(r.news().empty());
    CHECK(r.directory.find(key(1), at(1000)) == nullptr);
    r.directory.expire(at(1000), r.told);
    CHECK(r.news() == words{"signer_expired signer 1"});
    r.directory.expire(at(1500), r.told);
    CHECK(r.news().empty());
    CHECK(r.directory.list({.type = transaction_type::spend}, at(1500)).size() == 1);
    CHECK(r.take(sealed(1, a), at(1500)).error() == peer::errc::expired);
}

TEST_CASE("document 000: the cache is bounded, and the least recently used makes room") {
    rig<> r{{.signers_max = 3}};
    for (std::size_t i = 1; i <= 3; ++i) REQUIRE(r.take(sealed(i, advertisement_of(i)), at(0)));
    CHECK(r.directory.want(key(1), at(1)) != nullptr);
    CHECK(r.directory.find(key(2), at(2)) != nullptr);  // which is no use
    REQUIRE(r.take(sealed(4, advertisement_of(4)), at(3)).value() == filing::discovered);
    CHECK(r.directory.find(key(2), at(3)) == nullptr);
    CHECK(r.directory.find(key(1), at(3)) != nullptr);
    CHECK(r.directory.list({.type = transaction_type::spend}, at(3)).size() == 3);
    CHECK(r.news().back() == "signer_discovered signer 4");
    CHECK(discovery::directory_options{}.signers_max == 100);
}

TEST_CASE("one peer cannot fill the directory, whatever it brings: others' finds stay") {
    rig<> r{{.signers_max = 10, .per_deliverer_max = 5}};
    for (std::size_t i = 1; i <= 5; ++i)
        REQUIRE(r.take(sealed(i, advertisement_of(i)), at(0), test::node_keys(i).node.id()));
    for (std::size_t i = 10; i < 40; ++i) REQUIRE(r.take(sealed(i, advertisement_of(i)), at(1)));
    for (std::size_t i = 1; i <= 5; ++i) CHECK(r.directory.find(key(i), at(2)) != nullptr);
    CHECK(r.directory.size(at(2)) == 10);
    CHECK(r.directory.list({.type = transaction_type::spend}, at(2)).size() == 10);
}

TEST_CASE("who is asked for here makes room for no stranger, whoever has brought it") {
    rig<> r{{.signers_max = 20, .per_deliverer_max = 10}};
    CHECK(r.directory.want(key(1), at(0)) == nullptr);  // not known yet
    for (std::size_t i = 1; i <= 8; ++i) REQUIRE(r.take(sealed(i, advertisement_of(i)), at(0)));
    for (std::size_t i = 2; i <= 5; ++i) CHECK(r.directory.want(key(i), at(1)) != nullptr);
    for (std::size_t i = 20; i < 120; ++i) {
        REQUIRE(r.take(sealed(i, advertisement_of(i)), at(1), test::node_keys(10 + i % 3).node.id()));
        REQUIRE(r.take(sealed(i + 100, advertisement_of(i + 100)), at(1)));  // by the same as the honest ones
    }
    for (std::size_t i = 1; i <= 5; ++i) CHECK(r.directory.find(key(i), at(2)) != nullptr);
    CHECK(r.directory.size(at(2)) == 20);
}

TEST_CASE("only a newer one replaces; what is repeated or older costs nobody anything") {
    rig<> r;
    auto a = advertisement_of(1);
    a.sequence = 5;
    REQUIRE(r.take(sealed(1, a), at(0)));
    CHECK(r.take(sealed(1, a), at(1)).value() == filing::repeated);
    auto older = a;
    older.sequence = 4;
    CHECK(r.take(sealed(1, older), at(1)).value() == filing::older);
    older.binding.octets[0] ^= 1;  // which nobody looks at
    CHECK(r.take(test::seal_unchecked(older, test::node_keys(1).node), at(1)).value() == filing::older);
    CHECK(r.directory.find(key(1), at(1))->sequence == 5);
}

TEST_CASE("two of one sequence: the first one stays, both are evidence") {
    rig<> r{{.contradictions_max = 2}};
    auto a = advertisement_of(1);
    REQUIRE(r.take(sealed(1, a), at(0)));
    auto const first = sealed(1, a);
    for (std::uint64_t fee = 1; fee <= 3; ++fee) {
        a.fee = fee;
        CHECK(r.take(sealed(1, a), at(1)).value() == filing::contradicts);
        CHECK(r.take(sealed(1, a), at(1)).value() == filing::contradicts);
    }
    CHECK(r.directory.find(key(1), at(1))->what.fee == 0);
    REQUIRE(r.directory.contradictions().size() == 2);
    CHECK(r.directory.contradictions().back().first == first);
    CHECK(r.directory.contradictions().back().second == sealed(1, a));
}

TEST_CASE("S13: evidence is what its signer has signed, so nobody can be framed") {
    rig<> r;
    auto a = advertisement_of(1);
    REQUIRE(r.take(sealed(1, a), at(0)));
    a.fee = 7;
    auto forged = sealed(1, a);
    forged.back() ^= 1;
    CHECK_FALSE(r.take(forged, at(1)));
    a.binding.octets[0] ^= 1;
    CHECK_FALSE(r.take(test::seal_unchecked(a, test::node_keys(1).node), at(1)));
    CHECK(r.directory.contradictions().empty());
}

TEST_CASE("a withdrawal of a signer whose clock is ahead is one, and is not undone by a replay") {
    rig<> r;
    auto const a = advertisement_of(1);
    REQUIRE(r.take(sealed(1, a), at(0)));
    CHECK(r.take(sealed(1, test::withdrawal_of(a, at(1000))), at(1)).value() == filing::withdrawn);
    CHECK(r.directory.size(at(1)) == 0);
    CHECK(r.take(sealed(1, a), at(2000)).value() == filing::older);
    CHECK(r.news() == words{"signer_discovered signer 1", "signer_withdrawn signer 1"});
}

TEST_CASE("a withdrawal of whom nobody lists costs nothing and changes nothing") {
    rig<> r;
    auto bye = test::withdrawal_of(advertisement_of(1), at(10));
    bye.binding.octets[0] ^= 1;  // which nobody looks at
    CHECK(r.take(test::seal_unchecked(bye, test::node_keys(1).node), at(11)).value() == filing::older);
    CHECK(r.take(sealed(1, advertisement_of(1)), at(12)).value() == filing::discovered);
}

TEST_CASE("an update stays on the account of who has brought the signer") {
    rig<> r{{.signers_max = 10, .per_deliverer_max = 3}};
    auto a = advertisement_of(1);
    auto const honest = test::node_keys(1).node.id();
    REQUIRE(r.take(sealed(1, a), at(0), honest));
    ++a.sequence;
    REQUIRE(r.take(sealed(1, a), at(1)).value() == filing::updated);  // passed on by a flooder
    for (std::size_t i = 10; i < 30; ++i) REQUIRE(r.take(sealed(i, advertisement_of(i)), at(2)));
    REQUIRE(r.directory.find(key(1), at(3)) != nullptr);
    CHECK(r.directory.find(key(1), at(3))->delivered_by == honest);
    CHECK(r.directory.size(at(3)) == 4);
}

TEST_CASE("where nobody fits, nobody is listed") {
    rig<> r{{.signers_max = 0}};
    CHECK(r.take(sealed(1, advertisement_of(1)), at(0)).value() == filing::no_room);
    CHECK(r.news().empty());
}

TEST_CASE("what only an attacker sends is a forgery, and what clocks and delays can bring about is none") {
    using namespace discovery;
    for (auto const why : {peer::errc::not_signed, peer::errc::wrong_peer, peer::errc::not_canonical}) {
        CHECK(is_forgery(error{why, ""}));
    }
    CHECK(is_forgery(error{discovery::errc::invalid_binding, ""}));
    for (auto const why : {peer::errc::expired, peer::errc::not_yet_issued, peer::errc::malformed,
                           peer::errc::wrong_type, peer::errc::too_large, peer::errc::unsupported_key}) {
        CHECK_FALSE(is_forgery(error{why, ""}));  // of a later version, perhaps
    }
    CHECK_FALSE(is_forgery(error{discovery::errc::own, ""}));
}

TEST_CASE("a withdrawal is obeyed, also when it is repeated, and a replay does not undo it") {
    rig<> r;
    auto const a = advertisement_of(1);
    REQUIRE(r.take(sealed(1, a), at(0)));
    auto const bye = test::withdrawal_of(a, at(10));
    CHECK(bye.is_withdrawal());
    CHECK(r.take(sealed(1, bye), at(11)).value() == filing::withdrawn);
    CHECK(r.news() == words{"signer_discovered signer 1", "signer_withdrawn signer 1"});
    CHECK(r.take(sealed(1, bye), at(12)).value() == filing::older);  // nobody needs it twice
    CHECK(r.take(sealed(1, a), at(13)).value() == filing::older);
    CHECK(r.news().empty());
    auto again = advertisement_of(1);
    again.sequence = bye.sequence + 1;
    CHECK(r.take(sealed(1, again), at(14)).value() == filing::discovered);
    CHECK(r.take(sealed(1, bye), at(15)).value() == filing::older);
}

TEST_CASE(
    "S10: a squatted id, another's key or machine, a tampered price and a spoofed peer are refused as forgeries") {
    rig<> r;
    auto const attacker = test::node_keys(5).node.id();
    auto squatted = advertisement_of(1);  // the attacker's machine, the victim's key
    squatted.machine = attacker;
    CHECK_FALSE(squatted.seal(test::node_keys(5).node));
    auto const forge = [&](discovery::signer_advertisement const& a, std::size_t by) {
        return test::seal_unchecked(a, test::node_keys(by).node);
    };
    for (auto const& [name, bad] :
         std::vector<std::pair<std::string, bytes>>{{"squatted", forge(squatted, 5)},
                                                    {"spoofed peer", forge(advertisement_of(1), 5)},
                                                    {"tampered",
                                                     [] {
                                                         auto out = sealed(1, advertisement_of(1));
                                                         out[out.size() / 2] ^= 1;
                                                         return out;
                                                     }()},
                                                    {"cut", [] {
                                                         auto out = sealed(1, advertisement_of(1));
                                                         out.resize(out.size() - 1);
                                                         return out;
                                                     }()}}) {
        INFO(name);
        auto const outcome = r.take(bad, at(0));
        REQUIRE_FALSE(outcome);
        CHECK(discovery::is_forgery(outcome.error()) == (name != "cut"));
    }
    CHECK(r.directory.size(at(0)) == 0);
    // The victim is not kept out by any of it.
    CHECK(r.take(sealed(1, advertisement_of(1)), at(1)).value() == filing::discovered);
}

TEST_CASE("a number that runs ahead of its time is refused, signed or not, and mutes nobody") {
    rig<> r;
    REQUIRE(r.take(sealed(1, advertisement_of(1)), at(1)).value() == filing::discovered);
    for (auto const n : {std::uint64_t{1} << 53, ~std::uint64_t{0}, std::uint64_t{1} << 63}) {
        auto ahead = advertisement_of(1);
        ahead.sequence = n;
        auto const refused = r.take(test::seal_unchecked(ahead, test::node_keys(1).node), at(1));
        CHECK(refused.error() == peer::errc::not_yet_issued);
    }
    auto next = advertisement_of(1);
    ++next.sequence;
    CHECK(r.take(sealed(1, next), at(2)).value() == filing::updated);
}

TEST_CASE("a future time, a life that is too long and one that is over are refused, and nobody is to blame") {
    rig<> r;
    auto a = advertisement_of(1);
    a.issued = at(0) + 3min;
    a.expires = a.issued + 1min;
    auto const refused = r.take(sealed(1, a), at(0));
    CHECK(refused.error() == peer::errc::not_yet_issued);
    CHECK_FALSE(discovery::is_forgery(refused.error()));
    a.issued = at(0);
    a.expires = at(0) + 3h;
    CHECK_FALSE(a.seal(test::node_keys(1).node));
    CHECK(r.take(test::seal_unchecked(a, test::node_keys(1).node), at(0)).error() == peer::errc::expired);
}

TEST_CASE("what is said of the own signer is ignored") {
    rig<> r{{.own = key(1)}};
    CHECK(r.take(sealed(1, advertisement_of(1)), at(0)).error() == discovery::errc::own);
    CHECK(r.directory.size(at(0)) == 0);
}

TEST_CASE("queries by type, amount, fee and capability") {
    rig<> r;
    for (std::size_t i = 1; i <= 8; ++i) {
        auto a = advertisement_of(i);
        a.types = i % 2 == 0 ? std::vector{transaction_type::swap}
                             : std::vector{transaction_type::spend, transaction_type::escrow};
        a.amount_from = 100 * i;
        a.amount_to = 100 * i + 250;
        a.fee = i;
        if (i > 4) a.capabilities = {"fast", "safe"};
        REQUIRE(r.take(sealed(i, a), at(0)));
    }
    auto const names = [&](discovery::criteria const& c) {
        std::vector<std::string> out;
        for (auto const& l : r.directory.list(c, at(1))) out.push_back(l.what.nickname);
        std::sort(out.begin(), out.end());
        return out;
    };
    CHECK(names({}).size() == 8);
    CHECK(names({.type = transaction_type::custody}).empty());
    CHECK(names({.type = transaction_type::swap}).size() == 4);
    CHECK(names({.type = transaction_type::escrow, .amount = 500}) == words{"signer 3", "signer 5"});
    CHECK(names({.amount = 500}) == words{"signer 3", "signer 4", "signer 5"});
    CHECK(names({.fee_max = 2}) == words{"signer 1", "signer 2"});
    CHECK(names({.type = transaction_type::spend, .capabilities = {"safe"}}) == words{"signer 5", "signer 7"});
    CHECK(names({.reputation = 1}).empty());
    REQUIRE(r.directory.set_reputation(key(2), 1, at(1)));
    CHECK(names({.type = transaction_type::swap, .reputation = 1}) == words{"signer 2"});
    // An update that changes what it is found by.
    auto a = advertisement_of(2);
    a.sequence = 9;
    a.types = {transaction_type::custody};
    REQUIRE(r.take(sealed(2, a), at(1)));
    CHECK(names({.type = transaction_type::swap}).size() == 3);
    CHECK(names({.type = transaction_type::custody}) == words{"signer 2"});
    auto const visits = [&](discovery::criteria const& c) {
        return r.directory.for_each(c, at(1), [](auto const&) {});
    };
    CHECK(visits({.type = transaction_type::custody}) == 1);
    CHECK(visits({.type = transaction_type::swap}) == 3);
    CHECK(visits({.type = transaction_type::spend, .amount = 300}) == 2);
    CHECK(visits({.amount = 300}) == 3);
    CHECK(visits({}) == 8);
    r.directory.expire(at(0) + 31min, r.told);
    CHECK(r.directory.for_each({.type = transaction_type::swap}, at(1), [](auto const&) {}) == 0);  // the index, too
    r.directory.clear();
    CHECK(names({.type = transaction_type::custody}).empty());
}

TEST_CASE(
    "document 000: discovered signers persist, expired entries go on load, and what is forged in the file is dropped") {
    using file = cache::snapshot_file<discovery::signer_entry_codec, sim::disk_files>;
    struct kept : discovery::directory_defaults {
        using persistence = cache::debounced<file, manual_timers, manual_clock>;
    };
    using directory = discovery::signer_directory<kept>;
    sim::disk storage;
    manual_timers timers;
    manual_clock clock{instant{1h}, at(0)};
    auto const start = [&] {
        return std::make_unique<rig<directory>>(discovery::directory_options{},
                                                file::options{.path = "signers", .files = sim::disk_files{storage}},
                                                timers, clock);
    };
    auto r = start();
    CHECK(r->directory.load(at(0)).value().listed == 0);
    for (std::size_t i = 1; i <= 3; ++i) {
        auto a = advertisement_of(i);
        a.expires = at(0) + (i == 3 ? 1min : 30min);
        REQUIRE(r->take(sealed(i, a), at(0)));
    }
    REQUIRE(r->directory.set_subscribed(key(1), true, at(0)));
    CHECK(storage.names.count("signers") == 0);
    clock.advance(500ms);
    CHECK(timers.fire_due(clock.now()));
    CHECK(storage.names.count("signers") == 1);  // half a second after the last change
    r.reset();

    clock.advance(2min);
    r = start();
    CHECK(r->directory.load(clock.wall_now()).value().listed == 2);
    auto const* const l = r->directory.find(key(1), clock.wall_now());
    REQUIRE(l != nullptr);
    CHECK(l->is_subscribed);
    CHECK(l->what.nickname == "signer 1");
    CHECK(l->delivered_by == test::node_keys(9).node.id());
    CHECK(r->directory.list({.type = transaction_type::spend}, clock.wall_now()).size() == 2);
    // S12: entries that were put into the file by somebody else.
    auto const plant = [&](std::size_t i, bytes what, std::uint64_t sequence, timestamp expires) {
        auto forged = *l;
        forged.sealed = std::move(what);
        forged.sequence = sequence;
        forged.expires_at = expires;
        (void)r->directory.underlying().put(
            key(i), discovery::entry<discovery::signer_listing>{forged, at(0), at(0), 0, source::gossip},
            clock.wall_now());
    };
    auto const end = advertisement_of(7).expires;
    plant(7, test::seal_unchecked(advertisement_of(7), test::node_keys(8).node), 1, end);
    plant(10, sealed(11, advertisement_of(11)), 1, end);              // another's
    plant(12, sealed(12, advertisement_of(12)), 9, end);              // that nothing newer could replace
    plant(13, sealed(13, advertisement_of(13)), 1, end + 24h * 365);  // that would not expire
    REQUIRE(r->directory.underlying().flush());
    r.reset();
    r = start();
    auto const found = r->directory.load(clock.wall_now()).value();
    CHECK(found.listed == 2);
    CHECK(found.dropped == 4);
    for (std::size_t const i : {7u, 10u, 12u, 13u}) CHECK(r->directory.find(key(i), clock.wall_now()) == nullptr);
}

TEST_CASE("document 000: the id of an advertisement is made of the key alone") {
    // printf 'musig2:signer:02aa...' | sha256sum
    crypto::public_key k;
    k = crypto::public_key::from(from_hex("02" + std::string(64, 'a')).value());
    CHECK(discovery::advertisement_id(k, "signer-") == "signer-e701df2beedd5e44ac14c15e3e66a523");
    CHECK(discovery::advertisement_id(key(1)) == discovery::advertisement_id(key(1)));
    CHECK(discovery::advertisement_id(key(1)) != discovery::advertisement_id(key(2)));
}

}  // namespace signer_directory_tests
