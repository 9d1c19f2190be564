// SPDX-License-Identifier: MIT

#include <muster/discovery/signer_directory.hpp>

#include <memory>

#include <muster/cache/persistence/append_log.hpp>
#include <muster/cache/persistence/snapshot_file.hpp>
#include <muster/sim/disk.hpp>

#include <support/advertisements.hpp>
#include <support/catch.hpp>

namespace withdrawals_tests {

using namespace muster;
using namespace std::chrono_literals;
using discovery::filing;
using discovery::source;
using test::advertisement_of;
using test::at;
using test::withdrawal_of;

namespace {

using file = cache::snapshot_file<discovery::signer_entry_codec, sim::disk_files>;
using log = cache::append_log<discovery::signer_entry_codec, sim::disk_files>;
template <class Store>
struct kept : discovery::directory_defaults {
    using persistence = cache::debounced<Store, manual_timers, manual_clock>;
};

peer::peer_id peer_of(std::size_t i) { return test::node_keys(i).node.id(); }
crypto::public_key key(std::size_t i) { return test::node_keys(i).signer.public_key(); }
bytes sealed(std::size_t i, discovery::signer_advertisement const& a) {
    return a.seal(test::node_keys(i).node).value();
}

template <class Directory>
filing take(Directory& d, std::size_t i, discovery::signer_advertisement const& a, timestamp now,
            std::size_t from = 9) {
    effect_list<discovery::directory_event> told;
    return d.take(sealed(i, a), peer_of(from), source::gossip, now, told).value();
}

/// A disk with a directory on it that is started again and again.
template <class Store>
struct rig {
    using directory = discovery::signer_directory<kept<Store>>;

    discovery::loaded_signers start() {
        it = nullptr;  // saves
        it = std::make_unique<directory>(discovery::directory_options{}, where(), timers, clock);
        return it->load(clock.wall_now()).value();
    }
    [[nodiscard]] typename Store::options where() { return {.path = "signers", .files = sim::disk_files{storage}}; }
    filing take(std::size_t i, discovery::signer_advertisement const& a) {
        return withdrawals_tests::take(*it, i, a, clock.wall_now());
    }

    sim::disk storage;
    manual_timers timers;
    manual_clock clock{instant{1h}, at(0)};
    std::unique_ptr<directory> it;
};

}  // namespace

TEMPLATE_TEST_CASE("after a restart a replay does not list again who has withdrawn, and who is back is listed", "",
                   file, log) {
    rig<TestType> r;
    r.start();
    auto const a = advertisement_of(1);
    REQUIRE(r.take(1, a) == filing::discovered);
    REQUIRE(r.take(2, advertisement_of(2)) == filing::discovered);
    REQUIRE(r.it->underlying().flush());
    REQUIRE(r.take(1, withdrawal_of(a, at(0))) == filing::withdrawn);
    auto const found = r.start();
    CHECK(found.listed == 1);
    CHECK(found.dropped == 0);
    CHECK(r.take(1, a) == filing::older);
    CHECK(r.it->find(key(1), r.clock.wall_now()) == nullptr);
    CHECK(r.start().listed == 1);  // and after another one
    CHECK(r.take(1, a) == filing::older);
    auto again = a;
    again.sequence += 2;
    CHECK(r.take(1, again) == filing::discovered);
    CHECK(r.start().listed == 2);
    CHECK(r.take(1, a) == filing::older);

    REQUIRE(r.take(2, withdrawal_of(advertisement_of(2), at(0))) == filing::withdrawn);
    r.it->clear();  // forgets that, too, also on disk
    CHECK(r.start().listed == 0);
    CHECK(r.take(2, advertisement_of(2)) == filing::discovered);
}

TEMPLATE_TEST_CASE("a withdrawal is kept as long as what it withdraws could live, and no longer", "", file, log) {
    rig<TestType> r;
    r.start();
    auto a = advertisement_of(1);
    a.expires = a.issued + 2h;
    REQUIRE(r.take(1, a) == filing::discovered);
    auto bye = withdrawal_of(a, at(0) + 1min);  // by a clock that is ahead
    REQUIRE(r.take(1, bye) == filing::withdrawn);
    auto const remembered = [&] {
        r.start();
        REQUIRE(r.it->underlying().flush());
        r.it = nullptr;
        std::size_t n = 0;
        TestType store{r.where()};
        REQUIRE(store.load(r.clock.wall_now(), [&](auto const& c) { n += c.kind == cache::change_kind::put; }));
        return n;
    };
    r.clock.advance(2h - 1ms);
    r.start();
    CHECK(r.take(1, a) == filing::older);
    r.clock.advance(1min);
    CHECK(remembered() == 1);
    r.start();
    r.clock.advance(1ms);
    REQUIRE(r.take(2, [] {
        auto b = advertisement_of(2);
        b.issued = at(0) + 2h;
        b.expires = b.issued + 1h;
        return b;
    }()) == filing::discovered);
    CHECK(remembered() == 1);  // the other one
    CHECK(r.start().listed == 1);
}

TEST_CASE("withdrawals in the file that nobody has signed, or that would never end, keep nobody out") {
    rig<file> r;
    {
        discovery::discovery_cache<discovery::signer_listing, kept<file>, crypto::public_key> planted{
            {.entries_max = 100}, r.where(), r.timers, r.clock};
        REQUIRE(planted.underlying().load());
        auto const plant = [&](std::size_t i, bytes what, std::uint64_t sequence, timestamp until) {
            discovery::signer_listing l;
            l.sealed = std::move(what);
            l.delivered_by = peer_of(9);
            l.sequence = sequence;
            l.expires_at = at(0);
            (void)planted.set(key(i), l, source::gossip, at(0), until);
        };
        auto const bye = [](std::size_t i) { return withdrawal_of(advertisement_of(i), at(0)); };
        plant(1, sealed(1, bye(1)), 2, at(0) + 2h);                                      // a true one
        plant(2, test::seal_unchecked(bye(2), test::node_keys(3).node), 2, at(0) + 2h);  // by another machine
        plant(3, sealed(4, bye(4)), 2, at(0) + 2h);                                      // another's
        plant(4, sealed(4, bye(4)), 9, at(0) + 2h);                                      // that bars too much
        plant(5, sealed(5, bye(5)), 2, at(0) + 24h * 365);                               // for too long
        plant(6, sealed(6, advertisement_of(6)), 1, at(0) + 2h);                         // no withdrawal
        plant(7, {}, 2, at(0) + 2h);
        REQUIRE(planted.underlying().flush());
    }
    auto const found = r.start();
    CHECK(found.listed == 0);
    CHECK(found.dropped == 6);
    CHECK(r.take(1, advertisement_of(1)) == filing::older);
    for (std::size_t i = 2; i <= 7; ++i) {
        INFO(i);
        CHECK(r.take(i, advertisement_of(i)) == filing::discovered);
    }
}

TEST_CASE("one peer that makes up signers and withdraws them does not push out the withdrawals that others brought") {
    discovery::signer_directory<> d{{.signers_max = 10, .per_deliverer_max = 5}};
    std::size_t const honest = 8, flooder = 9;
    for (std::size_t i = 1; i <= 5; ++i) {
        REQUIRE(take(d, i, advertisement_of(i), at(0), honest) == filing::discovered);
        REQUIRE(take(d, i, withdrawal_of(advertisement_of(i), at(0)), at(0), honest) == filing::withdrawn);
    }
    for (std::size_t i = 100; i < 260; ++i) {
        REQUIRE(take(d, i, advertisement_of(i), at(0), flooder) == filing::discovered);
        REQUIRE(take(d, i, withdrawal_of(advertisement_of(i), at(0)), at(0), flooder) == filing::withdrawn);
    }
    for (std::size_t i = 1; i <= 5; ++i) CHECK(take(d, i, advertisement_of(i), at(1), flooder) == filing::older);
    CHECK(take(d, 100, advertisement_of(100), at(1), flooder) == filing::discovered);  // its own went
    CHECK(take(d, 259, advertisement_of(259), at(1), flooder) == filing::older);
}

}  // namespace withdrawals_tests
