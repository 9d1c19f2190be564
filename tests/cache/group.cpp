// SPDX-License-Identifier: MIT

// What a processor's instructions say of sixteen tags, beside the loop that is used where there are none.

#include <muster/cache/detail/group.hpp>

#include <array>
#include <cstdint>

#include <muster/core/random.hpp>

#include <support/catch.hpp>

namespace group_tests {

using namespace muster;
namespace group = muster::cache::detail;

namespace {

/// Sixteen tags, of which many are alike.
template <class Tag>
std::array<Tag, 16> some_tags(splitmix64& random) {
    std::array<Tag, 16> tags;
    auto const kinds = 1 + uniform(random, 5);
    std::array<Tag, 5> of;
    for (auto& tag : of) tag = static_cast<Tag>(uniform(random, 3) == 0 ? random() % 3 - 1 : random());
    for (auto& tag : tags) tag = of[uniform(random, kinds)];
    return tags;
}

template <class Tag>
void compare_matches(std::array<Tag, 16> const& tags, std::uint32_t wanted) {
    auto const mask = group::match16(tags.data(), wanted);
    REQUIRE(mask == group::plain::match16(tags.data(), wanted));
    REQUIRE(mask < 1u << 16);
    for (unsigned i = 0; i < 16; ++i) REQUIRE((mask >> i & 1) == (tags[i] == wanted ? 1 : 0));
}

}  // namespace

TEST_CASE("bytes and words that match are the same ones, however they are compared") {
    splitmix64 random{1};
    for (int i = 0; i < 5000; ++i) {
        auto const octets = some_tags<std::uint8_t>(random);
        auto const words = some_tags<std::uint16_t>(random);
        for (std::uint32_t const wanted : {0u, 1u, 127u, 128u, 255u, unsigned{octets[3]}})
            compare_matches(octets, wanted);
        for (std::uint32_t const wanted : {0u, 1u, 255u, 256u, 0x7fffu, 0x8000u, 0xffffu, unsigned{words[9]}})
            compare_matches(words, wanted);
    }
}

TEST_CASE("one byte or one word of sixteen is found at each place") {
    for (std::size_t at = 0; at < 16; ++at) {
        for (std::uint32_t const other : {0u, 1u, 0xfeu, 0xffu}) {
            std::array<std::uint8_t, 16> octets;
            octets.fill(static_cast<std::uint8_t>(other));
            octets[at] = 0x80;
            CHECK(group::match16(octets.data(), 0x80) == 1u << at);
            CHECK(group::plain::match16(octets.data(), 0x80) == 1u << at);
            std::array<std::uint16_t, 16> words;
            words.fill(static_cast<std::uint16_t>(other << 8 | 0x7f));  // one half is the same
            words[at] = 0x807f;
            CHECK(group::match16(words.data(), 0x807f) == 1u << at);
            CHECK(group::plain::match16(words.data(), 0x807f) == 1u << at);
        }
    }
}

TEST_CASE("the least of sixteen bytes, and sixteen bytes lowered") {
    splitmix64 random{2};
    for (int i = 0; i < 5000; ++i) {
        auto octets = some_tags<std::uint8_t>(random);
        auto const least = group::least16(octets.data());
        REQUIRE(least == group::plain::least16(octets.data()));
        auto lowered = octets;
        auto const by = static_cast<std::uint32_t>(uniform(random, least + 1u));
        group::lower16(octets.data(), by);
        group::plain::lower16(lowered.data(), by);
        REQUIRE(octets == lowered);
        REQUIRE(group::least16(octets.data()) == least - by);
    }
}

}  // namespace group_tests
