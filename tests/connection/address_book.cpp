// SPDX-License-Identifier: MIT

#include <muster/connection/address_book.hpp>

#include <map>
#include <set>

#include <support/catch.hpp>

#include "strangers.hpp"

namespace address_book_tests {

using namespace muster;
using namespace muster::connection;
using namespace muster::test;
using namespace std::chrono_literals;

namespace {

bool add(address_book& book, std::size_t i, std::size_t group, timestamp now = start, std::string const& source = "a") {
    return book.add(stranger(i), std::array{address(group, i)}, source, now);
}
void meet(address_book& book, std::size_t i, timestamp now) {
    book.attempt(stranger(i), now);
    book.succeeded(stranger(i), {}, now);
}

auto const anybody = [](auto const&, auto const&) { return true; };

}  // namespace

TEST_CASE("groups are what an attacker must pay for") {
    auto const group = [](char const* a) { return group_of(peer::multiaddr::from_text(a).value()); };
    CHECK(group("/ip4/10.1.2.3/tcp/1") == group("/ip4/10.1.200.9/tcp/2"));
    CHECK(group("/ip4/10.1.2.3/tcp/1") != group("/ip4/10.2.2.3/tcp/1"));
    CHECK(group("/ip6/2001:db8:1::1/tcp/1") == group("/ip6/2001:db8:2::9/tcp/1"));
    CHECK(group("/ip6/2001:db8::1/tcp/1") != group("/ip6/2001:db9::1/tcp/1"));
    CHECK(group("/dns4/a.example/tcp/1") != group("/dns4/b.example/tcp/1"));
}

TEST_CASE("who was told of is kept, who was met moves, and hearsay does not change what was met") {
    address_book book{book_secret(1)};
    CHECK(add(book, 1, 1));
    CHECK_FALSE(book.find(stranger(1))->is_tried);
    CHECK_FALSE(book.add(stranger(2), {}, "a", start));
    meet(book, 1, start + 1s);
    REQUIRE(book.find(stranger(1)));
    CHECK(book.find(stranger(1))->is_tried);
    CHECK(book.add(stranger(1), std::array{address(9)}, "b", start + 2s));
    CHECK(book.find(stranger(1))->addresses == std::vector{address(1, 1)});
    CHECK(book.size() == 1);
    book.set_user(stranger(1), bytes(32, 7));
    CHECK(book.find(stranger(1))->user == bytes(32, 7));
}

TEST_CASE("one source fills its buckets and no more") {
    book_options const o;
    address_book book{book_secret(2)};
    for (std::size_t i = 0; i < 20'000; ++i) (void)add(book, i, i % 500, start, "one source");
    CHECK(book.size() <= o.new_buckets_per_source * o.slots);
    std::size_t others = 0;
    for (std::size_t i = 20'000; i < 20'100; ++i) others += add(book, i, i % 500, start, text("source ", i)) ? 1u : 0u;
    CHECK(others >= 80);  // of a hundred others who speak afterwards
}

TEST_CASE("who is in the book stays, until it is of no use") {
    book_options o;
    o.new_buckets = o.new_buckets_per_source = o.slots = 1;
    address_book book{book_secret(3), o};
    CHECK(add(book, 1, 1));
    CHECK_FALSE(add(book, 2, 2));
    for (std::size_t i = 0; i < o.new_failures_max; ++i) {
        book.attempt(stranger(1), start);
        CHECK_FALSE(add(book, 2, 2, start + 30s));
        book.failed(stranger(1), start);
    }
    CHECK(add(book, 2, 2, start + 2min));
    CHECK_FALSE(book.find(stranger(1)));
}

TEST_CASE("tested before evicted: a tried slot is given away when its holder cannot be reached, and not before") {
    book_options o;
    o.tried_buckets = o.tried_buckets_per_group = o.slots = 1;
    o.new_buckets = 64;
    address_book book{book_secret(4), o};
    REQUIRE(add(book, 1, 1, start, "a"));
    meet(book, 1, start);
    std::size_t second = 2;
    while (!add(book, second, 2, start, text("b", second))) ++second;
    meet(book, second, start + 1min);
    CHECK_FALSE(book.find(stranger(second))->is_tried);
    REQUIRE(book.next_test() == stranger(1));
    book.attempt(stranger(1), start + 2min);
    book.succeeded(stranger(1), {}, start + 2min);  // it is there
    CHECK(book.find(stranger(1))->is_tried);
    CHECK_FALSE(book.next_test());
    meet(book, second, start + 3min);
    REQUIRE(book.next_test() == stranger(1));
    book.attempt(stranger(1), start + 4min);
    book.failed(stranger(1), start + 4min);
    CHECK(book.find(stranger(second))->is_tried);
    auto const* const first = book.find(stranger(1));
    CHECK((first == nullptr || !first->is_tried));
    CHECK_FALSE(book.next_test());
}

TEST_CASE("an estimate rises with success, falls with failure, and forgets") {
    address_book book{book_secret(5)};
    REQUIRE(add(book, 1, 1));
    CHECK(book.reliability(stranger(1), start) == 500'000);
    for (int i = 0; i < 8; ++i) meet(book, 1, start);
    CHECK(book.reliability(stranger(1), start) == 900'000);
    for (int i = 0; i < 8; ++i) book.failed(stranger(1), start);
    CHECK(book.reliability(stranger(1), start) == 500'000);
    for (int i = 0; i < 16; ++i) book.failed(stranger(1), start);
    auto const low = book.reliability(stranger(1), start);
    CHECK(low < 270'000);
    auto const a_day_later = book.reliability(stranger(1), start + 24h);
    CHECK(a_day_later > low);
    CHECK(book.reliability(stranger(1), start + 24h * 40) == 500'000);
    CHECK(book.reliability(stranger(1), start - 24h) == low);  // a clock that goes back forgets nothing
}

TEST_CASE("unseen for thirty days, a peer is forgotten") {
    address_book book{book_secret(6)};
    for (std::size_t i = 0; i < 10; ++i) REQUIRE(add(book, i, i, start, text(i)));
    book.seen(stranger(3), start + 24h * 20);
    CHECK(book.prune(start + 24h * 30) == 0);
    CHECK(book.prune(start + 24h * 30 + 1s) == 9);
    CHECK(book.find(stranger(3)) != nullptr);
}

TEST_CASE(
    "a holder of a slot that is connected keeps it, however long somebody waits; one that failed since gives it up") {
    // One bucket of one slot: whoever is met second waits for the first one.
    book_options o;
    o.tried_buckets = o.slots = 1;
    address_book book{book_secret(5), o};
    for (std::size_t i = 1; i <= 2; ++i) {
        REQUIRE(add(book, i, i, start, text(i)));
        meet(book, i, start + std::chrono::seconds{i});
    }
    REQUIRE(book.next_test() == stranger(1));
    book.still_there(stranger(1), start + 2h);
    CHECK(book.find(stranger(1))->is_tried);
    CHECK_FALSE(book.next_test());

    // While it is being dialled nothing is known yet, whatever becomes of others.
    book.failed(stranger(1), start + 3h);
    meet(book, 2, start + 4h);
    REQUIRE(book.next_test() == stranger(1));
    book.attempt(stranger(1), start + 4h + 1s);
    book.failed(stranger(3), start + 4h + 2s);
    book.failed(stranger(2), start + 4h + 2s);
    CHECK(book.find(stranger(1))->is_tried);
    book.failed(stranger(1), start + 4h + 5s);
    auto const* const first = book.find(stranger(1));
    CHECK((first == nullptr || !first->is_tried));
    CHECK(book.find(stranger(2))->is_tried);
}

TEST_CASE("who was met and has moved is found by what others tell") {
    address_book book{book_secret(6)};
    REQUIRE(add(book, 1, 1));
    meet(book, 1, start);
    CHECK(book.add(stranger(1), std::array{address(9, 9)}, "b", start));
    CHECK(book.find(stranger(1))->addresses == std::vector{address(1, 1)});
    book.failed(stranger(1), start + 1h);
    CHECK(book.add(stranger(1), std::array{address(9, 9)}, "b", start + 2h));
    CHECK(book.find(stranger(1))->addresses == std::vector{address(1, 1), address(9, 9)});
    book.succeeded(stranger(1), address(9, 9), start + 3h);
    CHECK(book.find(stranger(1))->reached == address(9, 9));
    // It is found in its place after a restart.
    address_book again{book.secret()};
    CHECK(again.restore(stranger(1), *book.find(stranger(1))));
}

TEST_CASE("advisory CVE-2026-57497: addresses that a newer record dropped are dropped, and of none are more kept") {
    address_book book{book_secret(8)};
    std::vector<peer::multiaddr> many;
    for (std::size_t i = 0; i < 1'000; ++i) many.push_back(address(i, 1));
    CHECK(book.add(stranger(1), many, "a", start));
    CHECK(book.find(stranger(1))->addresses.size() == book_options{}.addresses_max);
    CHECK(book.add(stranger(1), std::array{address(2'000, 1)}, "a", start + 1s));
    // But the first of all, which decides about its place.
    CHECK(book.find(stranger(1))->addresses == std::vector{address(0, 1), address(2'000, 1)});
    for (std::size_t i = 0; i < 1'000; ++i) (void)book.add(stranger(1), std::array{address(i, 2)}, text("s", i), start);
    CHECK(book.find(stranger(1))->addresses.size() <= book_options{}.addresses_max);
    CHECK(book.size() == 1);
}

TEST_CASE("a draw takes nobody that is excluded, everybody else in the end, and those of use more often") {
    address_book book{book_secret(7)};
    splitmix64 random{7};
    CHECK_FALSE(book.draw(random, start, anybody));
    for (std::size_t i = 0; i < 20; ++i) REQUIRE(add(book, i, i, start, text(i)));
    for (int k = 0; k < 5; ++k) book.failed(stranger(0), start);
    std::map<peer::peer_id, std::size_t> drawn;
    for (int k = 0; k < 4000; ++k)
        ++drawn[*book.draw(random, start, [](auto const& p, auto const& e) {
            return p != stranger(6) && group_of(e.addresses.front()) != group_of(address(5));
        })];
    CHECK(drawn.count(stranger(5)) == 0);
    CHECK(drawn.count(stranger(6)) == 0);
    CHECK(drawn.size() == 18);
    CHECK(drawn[stranger(0)] * 3 < drawn[stranger(1)]);
    CHECK_FALSE(book.draw(random, start, [](auto const&, auto const&) { return false; }));
}

TEST_CASE("what was kept is put back in its place") {
    address_book book{book_secret(8)};
    for (std::size_t i = 0; i < 200; ++i) (void)add(book, i, i, start, text(i));
    for (std::size_t i = 0; i < 100; ++i) meet(book, i, start + 1s);
    address_book again{book.secret()};
    for (auto const& [id, e] : book.entries()) CHECK(again.restore(id, e));
    CHECK(again.entries() == book.entries());
    CHECK_FALSE(again.restore(stranger(0), *book.find(stranger(0))));
    splitmix64 a{1}, b{1};
    for (int k = 0; k < 100; ++k) CHECK(book.draw(a, start, anybody) == again.draw(b, start, anybody));
}

// Of a thousand honest peers in five hundred groups, each told of by one of ten sources, seven of ten answer. An
// attacker has a fifth of all identities, in 32 groups, all of which answer, and tells of them from each of his groups.
TEST_CASE("a fifth of all identities in a few groups does not become all that we connect to") {
    std::size_t eclipsed = 0, taken = 0, links = 0;
    constexpr std::size_t seeds = 10;
    std::set<std::string> bad;
    for (std::size_t i = 0; i < 32; ++i) bad.insert(group_of(address(1000 + i)));
    for (std::uint64_t seed = 0; seed < seeds; ++seed) {
        address_book book{book_secret(seed)};
        splitmix64 random{seed};
        for (std::size_t i = 0; i < 250; ++i) {
            for (std::size_t source = 0; source < 32; ++source) {
                (void)book.add(stranger(10'000 + i), std::array{address(1000 + i % 32, i)},
                               group_of(address(1000 + source)), start);
            }
        }
        for (std::size_t i = 0; i < 1000; ++i) {
            (void)book.add(stranger(i), std::array{address(i / 2, i)}, group_of(address(2000 + i % 10)), start);
        }
        std::set<std::string> groups;
        std::set<peer::peer_id> tried;
        std::size_t attackers = 0;
        while (groups.size() < 8) {
            auto const next = book.draw(random, start, [&](auto const& p, auto const& e) {
                return tried.count(p) == 0 && groups.count(group_of(e.addresses.front())) == 0;
            });
            REQUIRE(next);
            tried.insert(*next);
            auto const group = group_of(book.find(*next)->addresses.front());
            bool const is_attacker = bad.count(group) != 0;
            if (!is_attacker && uniform(random, 10) >= 7) continue;  // it does not answer
            groups.insert(group);
            attackers += is_attacker ? 1u : 0u;
        }
        eclipsed += attackers == 8 ? 1u : 0u;
        taken += attackers;
        links += 8;
    }
    INFO(taken << " of " << links << " links are the attacker's");
    CHECK(eclipsed == 0);
    CHECK(taken > 0);  // he is there, or the test shows nothing
    CHECK(taken * 2 < links);
}

}  // namespace address_book_tests
