// SPDX-License-Identifier: MIT

#include <muster/cache/hasher.hpp>

#include <array>
#include <set>
#include <string>
#include <vector>

#include <support/catch.hpp>

using namespace muster::cache;

TEST_CASE("SipHash-2-4 as its authors compute it") {
    // From the reference implementation: key 00..0f, input 00, 00 01, ...: vectors_sip64, read as little-endian
    // numbers.
    hash_key const key{{0x0706'0504'0302'0100u, 0x0f0e'0d0c'0b0a'0908u, 0, 0}};
    sip_hash const hash{key};
    std::string input;
    std::vector<std::uint64_t> const expected{0x726f'db47'dd0e'0e31u, 0x74f8'39c5'93dc'67fdu, 0x0d6c'8009'd9a9'4f5au,
                                              0x8567'6696'd7fb'7e2du};
    for (std::size_t i = 0; i < expected.size(); ++i) {
        CHECK(hash(input) == expected[i]);
        input.push_back(static_cast<char>(i));
    }
    input.clear();
    for (char c = 0; c < 15; ++c) input.push_back(c);
    CHECK(hash(input) == 0xa129'ca61'49be'45e5u);  // the example in the paper
}

TEMPLATE_TEST_CASE("a hash depends on every octet, on the length and on the secret", "", multiply_hash, sip_hash) {
    TestType const hash{hash_key{{1, 2, 3, 4}}};
    TestType const other{hash_key{{1, 3, 3, 4}}};
    std::set<std::uint64_t> seen;
    for (std::size_t size = 0; size <= 70; ++size) {
        std::string const zeros(size, '\0');
        CHECK(seen.insert(hash(zeros)).second);
        CHECK(hash(zeros) != other(zeros));
        CHECK(hash(zeros) == hash(std::string_view{zeros}));
        for (std::size_t at = 0; at < size; ++at) {
            auto changed = zeros;
            changed[at] = 1;
            CHECK(seen.insert(hash(changed)).second);
        }
    }
}

TEMPLATE_TEST_CASE("all bits of a hash follow the key: what is counted or aligned spreads as well", "", multiply_hash,
                   sip_hash) {
    TestType const hash;
    for (unsigned const shift : {0u, 8u, 16u, 32u, 48u}) {
        std::array<std::array<unsigned, 256>, 8> counts{};
        for (std::uint64_t i = 0; i < 16'384; ++i) {
            auto const h = hash(i << shift);
            for (std::size_t octet = 0; octet < 8; ++octet) ++counts[octet][h >> (8 * octet) & 0xff];
        }
        // 64 each are expected; 6 standard deviations are 48.
        for (auto const& octet : counts) {
            for (auto const n : octet) CHECK((n > 16 && n < 112));
        }
    }
}

TEST_CASE("two caches do not share a secret") { CHECK(multiply_hash{}(1) != multiply_hash{}(1)); }

TEST_CASE("integers hash by value, whatever their type") {
    multiply_hash const fast;
    sip_hash const careful;
    CHECK(fast(7) == fast(std::uint64_t{7}));
    CHECK(fast(static_cast<std::uint8_t>(7)) == fast(7L));
    CHECK(careful(7) == careful(std::uint64_t{7}));
    CHECK(fast(7) != fast(8));
}
