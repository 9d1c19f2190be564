// SPDX-License-Identifier: MIT

#include <muster/signing/election.hpp>

#include <support/catch.hpp>
#include <support/keys.hpp>

namespace election_tests {

using namespace muster;
using namespace muster::signing;

namespace {

std::vector<member> roster_of(std::vector<public_key> const& keys) {
    std::vector<member> out;
    for (auto const& key : keys) out.push_back({key, {}, {}});
    return out;
}
session_id some_id(splitmix64& random) {
    session_id id;
    for (auto& octet : id.octets) octet = static_cast<byte>(random());
    return id;
}
/// How many of @p ids elect the last key of @p keys.
int wins(election_method method, std::vector<public_key> const& keys, std::vector<session_id> const& ids) {
    int n = 0;
    for (auto const& id : ids) n += election_order(method, id, roster_of(keys))[0] + 1 == keys.size() ? 1 : 0;
    return n;
}

}  // namespace

TEST_CASE("a key that was ground to win wins no more often than any other") {
    splitmix64 random{3};
    std::vector<session_id> known, later;
    for (int i = 0; i < 40; ++i) known.push_back(some_id(random));
    for (int i = 0; i < 2000; ++i) later.push_back(some_id(random));
    auto keys = test::public_keys(test::make_keys(5));
    auto const candidates = test::public_keys(test::make_keys(200, 99));
    for (auto const method : {election_method::lexicographic, election_method::hash_based}) {
        auto best = keys.back();
        int most = 0;
        for (auto const& candidate : candidates) {
            keys.back() = candidate;
            if (auto const n = wins(method, keys, known); n > most) {
                most = n;
                best = candidate;
            }
        }
        keys.back() = best;
        CHECK(most > 8);  // it was worth it where the ids were known
        CHECK(wins(method, keys, later) > 300);
        CHECK(wins(method, keys, later) < 500);  // a fifth of 2000, give or take five deviations
    }
}

TEST_CASE("who is next is the same for everyone, whatever the order of the roster") {
    splitmix64 random{4};
    auto const keys = test::public_keys(test::make_keys(6));
    for (auto const method : {election_method::lexicographic, election_method::hash_based}) {
        for (int i = 0; i < 50; ++i) {
            auto const id = some_id(random);
            auto shuffled = keys;
            for (std::size_t k = shuffled.size(); k > 1; --k) std::swap(shuffled[k - 1], shuffled[uniform(random, k)]);
            auto const a = election_order(method, id, roster_of(keys));
            auto const b = election_order(method, id, roster_of(shuffled));
            for (std::size_t view = 0; view < keys.size(); ++view) CHECK(keys[a[view]] == shuffled[b[view]]);
        }
    }
}

}  // namespace election_tests
