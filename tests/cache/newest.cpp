// SPDX-License-Identifier: MIT

#include <muster/cache/seen/newest.hpp>

#include <support/catch.hpp>

namespace newest_tests {

using muster::cache::no_slot;
using muster::cache::slot_number;
using muster::cache::detail::newest_slots;

TEST_CASE("the newest of a kind is found until it is dropped") {
    newest_slots newest;
    CHECK(newest.like(7) == no_slot);
    newest.put(7, 1);
    CHECK(newest.like(7) == 1);
    CHECK(newest.like(8) == no_slot);
    newest.put(7, 2);
    CHECK(newest.like(7) == 2);
    newest.move(7, 2, no_slot);
    CHECK(newest.like(7) == no_slot);
}

TEST_CASE("whoever leaves or moves takes along its own place only") {
    newest_slots newest;
    newest.put(7, 1);
    newest.put(7, 2);  // 1 is not known here any more
    newest.move(7, 1, no_slot);
    newest.move(7, 1, 3);
    CHECK(newest.like(7) == 2);
    newest.move(7, 2, 5);
    CHECK(newest.like(7) == 5);
    newest.move(7, 2, no_slot);
    CHECK(newest.like(7) == 5);
}

TEST_CASE("hashes of every kind have a place") {
    newest_slots newest;
    for (std::uint64_t kind = 0; kind < 256; ++kind) newest.put(kind << 32 | kind, static_cast<slot_number>(kind));
    for (std::uint64_t kind = 0; kind < 256; ++kind) REQUIRE(newest.like(kind << 32 | 0xabcd00 | kind) == kind);
}

TEST_CASE("an id of the same place with another hash is not taken for the one that was put there") {
    newest_slots newest;
    newest.put(std::uint64_t{1} << 32 | 7, 5);
    CHECK(newest.like(std::uint64_t{2} << 32 | 7) == no_slot);
    CHECK(newest.like(std::uint64_t{1} << 32 | 7) == 5);
}

}  // namespace newest_tests
