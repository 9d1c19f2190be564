// SPDX-License-Identifier: MIT

#include <muster/cache/hasher.hpp>

#include <array>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include <muster/cache/cache.hpp>
#include <muster/cache/inline_text.hpp>
#include <muster/core/bytes.hpp>

#include <support/catch.hpp>

namespace hasher_tests {

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

TEMPLATE_TEST_CASE("a hash depends on every byte, on the length and on the secret", "", multiply_hash, sip_hash) {
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

namespace {
enum class color : std::int8_t { red = -1, green };
enum loose { tight = -7 };
struct views {
    std::string_view a, b;
};
struct pointer {
    int const* to;
};
struct fraction {
    double x;
};
struct padded {
    char a;
    int b;
};
struct flat {
    std::uint32_t a, b;
    bool operator==(flat const&) const = default;
};
struct chosen {
    std::uint32_t a, b;
    bool operator==(chosen const&) const = default;
};
struct id_tag;
using id8 = muster::fixed_bytes<id_tag, 8>;
struct named : id8 {
    char const* name;
};
struct own_text : std::string {
    using std::string::string;
};
}  // namespace
}  // namespace hasher_tests
template <>
inline constexpr bool muster::cache::bytes_are_value<hasher_tests::chosen> = true;
namespace hasher_tests {

// What the default hashes read as bytes, and as text.
static_assert(bytes_are_value<int> && bytes_are_value<bool> && bytes_are_value<char16_t> && bytes_are_value<color>);
static_assert(bytes_are_value<std::array<color, 3>> && bytes_are_value<int[3]> && bytes_are_value<id8>);
static_assert(bytes_are_value<std::array<std::array<id8, 2>, 2>> && bytes_are_value<chosen>);
static_assert(!bytes_are_value<views> && !bytes_are_value<std::string_view> && !bytes_are_value<std::array<views, 1>>);
static_assert(!bytes_are_value<pointer> && !bytes_are_value<int*> && !bytes_are_value<std::array<int*, 2>>);
static_assert(!bytes_are_value<double> && !bytes_are_value<fraction> && !bytes_are_value<std::array<float, 2>>);
static_assert(!bytes_are_value<flat> && !bytes_are_value<padded> && !bytes_are_value<named>);
static_assert(!bytes_are_value<std::unique_ptr<int>> && !bytes_are_value<std::nullptr_t>);
static_assert(is_text<std::string> && is_text<std::string_view> && is_text<inline_text<9>> && is_text<char[4]>);
static_assert(!is_text<own_text> && !is_text<std::vector<char>> && !is_text<std::u8string>);

TEMPLATE_TEST_CASE("enumerations hash as their numbers, arrays of such as their bytes", "", multiply_hash, sip_hash) {
    TestType const hash;
    CHECK(hash(color::red) == hash(-1));
    CHECK(hash(tight) == hash(-7));
    CHECK(hash(std::array<color, 2>{color::red, color::green}) == hash(std::array<std::int8_t, 2>{-1, 0}));
    CHECK(hash(std::array<int, 20>{1}) != hash(std::array<int, 20>{2}));
    CHECK(hash(chosen{1, 2}) == hash(std::array<std::uint32_t, 2>{1, 2}));
}

TEMPLATE_TEST_CASE("pairs and tuples hash member by member, text as its characters", "", multiply_hash, sip_hash) {
    TestType const hash;
    std::string const a = "hello", b = "world", c = a, d = b;
    CHECK(hash(std::pair<std::string_view, std::string_view>{a, b}) ==
          hash(std::pair<std::string_view, std::string_view>{c, d}));
    CHECK(hash(std::pair{a, b}) == hash(std::tie(c, d)));
    CHECK(hash(std::pair{a, b}) != hash(std::pair{b, a}));
    CHECK(hash(std::tuple{a, 1, color::red}) == hash(std::tuple{std::string_view{c}, 1L, color::red}));
    CHECK(hash(std::tuple{std::string{"ab"}, std::string{"c"}}) !=
          hash(std::tuple{std::string{"a"}, std::string{"bc"}}));
    CHECK(hash(std::pair{1, std::pair{2, 3}}) != hash(std::pair{std::pair{1, 2}, 3}));
}

TEST_CASE("keys of several members are found, by a hash of theirs or of a pair") {
    std::string const s1 = "hello", s2 = "world", t1 = s1, t2 = s2;
    cache<std::pair<std::string_view, int>, int> pairs{{.entries_max = 4}};
    pairs.put({s1, 1}, 10);
    CHECK(pairs.contains(std::pair<std::string_view, int>{t1, 1}));
    CHECK_FALSE(pairs.contains(std::pair<std::string_view, int>{t2, 1}));

    struct key {
        std::string_view a, b;
        bool operator==(key const&) const = default;
    };
    struct key_hash {
        multiply_hash hash;
        std::uint64_t operator()(key const& k) const { return hash(std::tie(k.a, k.b)); }
    };
    struct mine : defaults {
        using hash = key_hash;
    };
    cache<key, int, mine> keys{{.entries_max = 4}};
    keys.put({s1, s2}, 1);
    CHECK(keys.contains(key{t1, t2}));
    CHECK_FALSE(keys.contains(key{t2, t1}));
}

}  // namespace hasher_tests
