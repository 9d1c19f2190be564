// SPDX-License-Identifier: MIT

#include <muster/discovery/signer_directory.hpp>
#include <muster/sqlite/cache_store.hpp>

#include <memory>

#include <support/advertisements.hpp>
#include <support/catch.hpp>
#include <support/scratch.hpp>

namespace withdrawals_in_sqlite_tests {

using namespace muster;
using namespace std::chrono_literals;
using discovery::filing;
using test::advertisement_of;
using test::at;

namespace {

using store = sqlite::cache_store<discovery::signer_entry_codec>;
struct kept : discovery::directory_defaults {
    using persistence = cache::debounced<store, manual_timers, manual_clock>;
};
using directory = discovery::signer_directory<kept>;

filing take(directory& d, std::size_t i, discovery::signer_advertisement const& a, timestamp now) {
    effect_list<discovery::directory_event> told;
    auto const keys = test::node_keys(i);
    return d.take(a.seal(keys.node).value(), test::node_keys(9).node.id(), discovery::source::gossip, now, told)
        .value();
}

}  // namespace

TEST_CASE("a database keeps who has withdrawn, beside who is listed, for as long as that matters") {
    test::scratch const place;
    manual_timers timers;
    manual_clock clock{instant{1h}, at(0)};
    std::unique_ptr<directory> d;
    auto const start = [&] {
        d = nullptr;
        d = std::make_unique<directory>(discovery::directory_options{}, store::options{.path = place.file("signers")},
                                        timers, clock);
        return d->load(clock.wall_now()).value().listed;
    };
    REQUIRE(start() == 0);
    for (std::size_t const i : {1u, 2u}) REQUIRE(take(*d, i, advertisement_of(i), at(0)) == filing::discovered);
    REQUIRE(d->underlying().flush());
    REQUIRE(take(*d, 1, test::withdrawal_of(advertisement_of(1), at(0)), at(0)) == filing::withdrawn);
    for (int life = 0; life < 2; ++life) {
        CHECK(start() == 1);
        CHECK(take(*d, 1, advertisement_of(1), at(1)) == filing::older);
    }
    auto again = advertisement_of(1);
    again.sequence += 2;
    CHECK(take(*d, 1, again, at(1)) == filing::discovered);
    CHECK(start() == 2);
    auto const rows = [&] {
        d = nullptr;
        store it{{.path = place.file("signers")}};
        std::size_t n = 0;
        REQUIRE(it.load(clock.wall_now(), [&](auto const& c) { n += c.kind == cache::change_kind::put ? 1u : 0u; }));
        return n;
    };
    REQUIRE(take(*d, 2, test::withdrawal_of(advertisement_of(2), at(0)), at(0)) == filing::withdrawn);
    CHECK(rows() == 2);
    clock.advance(3h);
    CHECK(start() == 0);
    REQUIRE(d->underlying().flush());
    CHECK(rows() == 0);  // neither the listing nor the withdrawal
}

}  // namespace withdrawals_in_sqlite_tests
