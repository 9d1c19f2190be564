// SPDX-License-Identifier: MIT

// What one guardian, strangers, and a thief of a guardian's disk can do.

#include <algorithm>
#include <string>

#include <muster/node/guardian_news.hpp>
#include <muster/node/guardian_people.hpp>
#include <muster/node/guardian_store.hpp>
#include <muster/sim/disk.hpp>

#include <support/catch.hpp>
#include <support/key_files.hpp>

namespace guardian_bounds_tests {

using namespace muster;
using namespace std::chrono_literals;

namespace {

constexpr instant begin{std::chrono::hours{1000}};

peer::peer_id number(std::uint32_t n) {
    bytes const id{0x00,
                   0x04,
                   static_cast<byte>(n >> 24),
                   static_cast<byte>(n >> 16),
                   static_cast<byte>(n >> 8),
                   static_cast<byte>(n)};
    return peer::peer_id::from_multihash(id).value();
}
identity::recovery_request request(byte n) {
    identity::recovery_request r{};
    r.nonce.octets.fill(n);
    return r;
}

}  // namespace

TEST_CASE("guardian warnings: one that makes requests up pushes out its own only, and is heard each hour") {
    node::guardian_warnings w{{}};
    CHECK(w.add(0, request(1), begin));
    CHECK_FALSE(w.add(0, request(1), begin));
    CHECK_FALSE(w.add(2, request(1), begin));  // known already, from another
    std::size_t told = 0;
    for (int i = 0; i < 200; ++i) told += w.add(1, request(static_cast<byte>(10 + i)), begin + i * 1s) ? 1u : 0u;
    CHECK(told == 4);
    CHECK(w.all().size() == 5);
    CHECK(w.all().front() == request(1));
    CHECK(w.add(1, request(250), begin + 2h));  // its oldest makes room
    CHECK(w.all().size() == 5);
    w.forget(request(1).id());
    CHECK(w.all().size() == 4);
}

TEST_CASE("guardian questions: strangers without end keep out nobody who is known, and are served") {
    node::question_accounts a{{}};
    std::size_t allowed = 0;
    for (std::uint32_t n = 0; n < 5000; ++n) allowed += a.allow(number(n), false, begin) ? 1u : 0u;
    CHECK(allowed == 64);  // of all of them together
    CHECK(a.allow(number(9001), true, begin));
    CHECK(a.allow(number(9002), false, begin + 1s));
    std::size_t of_one = 0;
    for (int i = 0; i < 100; ++i) of_one += a.allow(number(9003), true, begin) ? 1u : 0u;
    CHECK(of_one == 32);
}

TEST_CASE("what guardians keep: what was replaced or dropped is not in the file any more") {
    using store_type = node::guardian_store<sim::disk_files>;
    sim::disk storage;
    store_type s{"guardians", sim::disk_files{storage}};
    REQUIRE(s.load());
    auto const holds = [&](std::string const& what) {
        auto const& all = storage.at("guardians");
        return std::search(all.begin(), all.end(), what.begin(), what.end()) != all.end();
    };
    auto const put = [&](byte owner, std::string const& content) {
        identity::user_id who{};
        who.octets[0] = owner;
        REQUIRE(s.put(store_type::kind::ward, who, as_bytes(content)));
    };
    put(1, "the first share");
    put(2, "somebody else's");
    CHECK((holds("the first share") && holds("somebody else's")));
    put(1, "the second share");
    CHECK_FALSE(holds("the first share"));
    CHECK(holds("the second share"));
    put(1, "");
    CHECK_FALSE(holds("the second share"));
    CHECK(holds("somebody else's"));
}

TEST_CASE("guardian people: the longest line counts, under one signer key, and a peer is one person") {
    using node::introduced_person;
    auto const first = test::master_key(1).keys().value();
    auto const second = test::master_key(1, 1).keys().value();
    auto const user = identity::user_of(first.node.public_key());
    auto const person = [](peer::key_set const& k, identity::lineage line) {
        return introduced_person{k.node.id(), k.node.public_key(), k.signer.public_key(), k.agreement.public_point(),
                                 std::move(line)};
    };
    identity::lineage const line{{identity::successor::make(user, 1, first, second, from_unix_millis(0)).value()}};
    node::guardian_people all{3};
    REQUIRE(all.add(user, person(first, {})));
    REQUIRE(all.add(user, person(second, line)));
    CHECK(all.find(user)->peer == second.node.id());
    CHECK(all.add(user, person(first, {})).error() == identity::errc::forked);  // the key of before
    auto other = person(second, line);
    other.signer = test::master_key(9).keys().value().signer.public_key();
    CHECK(all.add(user, other).error() == identity::errc::wrong_set);
    CHECK(all.find(user)->signer == second.signer.public_key());
    for (byte n = 0; n < 100; ++n) {  // one peer's many names
        identity::user_id made_up{};
        made_up.octets[0] = n;
        REQUIRE(all.add(made_up, person(test::master_key(7).keys().value(), {})));
        CHECK(all.size() == 2);
    }
    REQUIRE(all.add({}, person(test::master_key(8).keys().value(), {})));
    identity::user_id more{};
    more.octets[1] = 1;
    CHECK(all.add(more, person(test::master_key(10).keys().value(), {})).error() == identity::errc::full);
}

TEST_CASE("what guardians keep: what could not be written is written later, and nothing is lost between") {
    using store_type = node::guardian_store<sim::disk_files>;
    sim::disk storage;
    identity::user_id const who{};
    {
        store_type s{"guardians", sim::disk_files{storage}};
        REQUIRE(s.load());
        REQUIRE(s.put(store_type::kind::ward, who, as_bytes(std::string{"a share"})));
        storage.fails_at = storage.calls;
        storage.for_good = true;
        CHECK_FALSE(s.note(store_type::kind::ward, who, {}));
        CHECK(s.behind());
        CHECK_FALSE(s.put(store_type::kind::own_backup, who, as_bytes(std::string{"not put"})));
        storage.fails_at.reset();
        s.write_again();
        CHECK_FALSE(s.behind());
    }
    store_type s{"guardians", sim::disk_files{storage}};
    REQUIRE(s.load());
    CHECK(s.all().empty());
}

}  // namespace guardian_bounds_tests
