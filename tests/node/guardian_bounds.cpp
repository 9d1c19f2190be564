// SPDX-License-Identifier: MIT

// What one guardian, strangers, and a thief of a guardian's disk can do.

#include <algorithm>
#include <string>

#include <muster/node/guardian_news.hpp>
#include <muster/node/guardian_store.hpp>
#include <muster/sim/disk.hpp>

#include <support/catch.hpp>

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

TEST_CASE("guardian questions: strangers without end keep out nobody who is known, and get a word in each") {
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

}  // namespace guardian_bounds_tests
