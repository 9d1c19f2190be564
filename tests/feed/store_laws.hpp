// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What every model of feed::store has to keep: one body for all of them.

#include <map>
#include <set>

#include <muster/feed/store.hpp>

#include <feed/bench.hpp>

namespace muster::test {

/// A record that is no protocol's: numbered, and linked as it is told.
[[nodiscard]] inline fd::record plain_record(std::uint64_t n, fd::height at, fd::digest const& parent = {},
                                             std::optional<fd::digest> blob = {}) {
    fd::record r;
    for (unsigned i = 0; i < 8; ++i) r.id.octets[i] = static_cast<byte>(n >> (56 - 8 * i));
    r.id.octets[31] = 1;
    r.number = at;
    r.parent = parent;
    r.blob_id = blob;
    r.author.octets[0] = static_cast<byte>(n);
    r.content = {static_cast<byte>(n), 2, 3};
    return r;
}
[[nodiscard]] inline fd::blob plain_blob(std::uint64_t n, std::size_t size) {
    fd::blob b;
    b.id.octets[0] = 0xb1;
    for (unsigned i = 0; i < 8; ++i) b.id.octets[1 + i] = static_cast<byte>(n >> (8 * i));
    b.content.assign(size, static_cast<byte>(n));
    return b;
}
[[nodiscard]] inline std::vector<fd::height> numbers(std::vector<fd::record> const& all) {
    std::vector<fd::height> out;
    for (auto const& r : all) out.push_back(r.number);
    return out;
}

/// @p make(limits) gives an empty store.
template <class Make>
void check_store_laws(Make make) {
    using heights = std::vector<fd::height>;
    {  // roundtrip
        auto s = make(fd::store_limits{});
        CHECK_FALSE(s.head());
        auto const r = plain_record(1, 5, {}, plain_blob(1, 3).id), bare = plain_record(2, 6, r.id);
        REQUIRE(s.put(r));
        REQUIRE(s.put(bare));
        REQUIRE(s.put(r));
        CHECK(s.contains(r.id));
        CHECK(s.find(r.id).value() == std::optional{r});
        CHECK(s.find(bare.id).value() == std::optional{bare});
        CHECK_FALSE(s.find(plain_record(9, 9).id).value());
        CHECK(s.children(r.id).value() == std::vector{bare});
        CHECK(s.at(5).value() == std::vector{r});
        CHECK(s.at(7).value().empty());
        REQUIRE(s.put_blob(plain_blob(1, 3)));
        CHECK(s.find_blob(plain_blob(1, 3).id).value() == std::optional{plain_blob(1, 3).content});
        CHECK(s.sizes() == fd::store_sizes{2, 1, 3});
        REQUIRE(s.erase_blob(plain_blob(1, 3).id));
        CHECK_FALSE(s.contains_blob(plain_blob(1, 3).id));
        CHECK_FALSE(s.head());  // nothing is the chain that was not made it
    }
    {  // T8: heights in numeric order, from wherever it is asked, up to all of 64 bits
        auto s = make(fd::store_limits{});
        heights const all{1, 2, 255, 256, 257, 511, 512, 65536, 65537, 65538, 65539, std::uint64_t{1} << 63};
        std::uint64_t n = 0;
        for (std::size_t const i : {5u, 0u, 11u, 3u, 1u, 2u, 4u, 7u, 6u, 9u, 8u, 10u}) {
            REQUIRE(s.put(plain_record(++n, all[i])));
        }
        fd::digest parent;
        for (auto const h : {65536u, 65537u, 65538u, 65539u}) {
            auto r = s.at(h).value().front();
            auto linked = plain_record(100 + h, h, parent);
            REQUIRE(s.put(linked));
            parent = linked.id;
            REQUIRE(s.set_chain(linked.id));
        }
        CHECK(numbers(s.chain_from(2, 10).value()) == heights{65536, 65537, 65538, 65539});
        CHECK(numbers(s.chain_from(65537, 2).value()) == heights{65537, 65538});
        CHECK(s.head()->number == 65539);
        CHECK(s.chain_at(65538));
        CHECK_FALSE(s.chain_at(255));
        REQUIRE(s.remove_above(65537));
        CHECK(s.at(std::uint64_t{1} << 63).value().empty());
        CHECK(s.head()->number == 65537);
    }
    {  // a chain that turns into another one, and pages without gaps
        auto s = make(fd::store_limits{});
        std::vector<fd::record> a{plain_record(1, 1)}, b;
        for (std::uint64_t i = 2; i <= 6; ++i) a.push_back(plain_record(i, i, a.back().id));
        b = {a[0], a[1]};
        for (std::uint64_t i = 3; i <= 8; ++i) b.push_back(plain_record(10 + i, i, b.back().id));
        for (auto const& r : a) REQUIRE(s.put(r));
        for (auto const& r : b) REQUIRE(s.put(r));
        REQUIRE(s.set_chain(a.back().id));
        CHECK(s.chain_from(0, 10).value() == a);
        REQUIRE(s.set_chain(b.back().id));
        CHECK(s.chain_from(0, 10).value() == b);
        CHECK(s.head() == std::optional{b.back()});
        REQUIRE(s.set_chain(a[3].id));  // also to a shorter one
        CHECK(s.chain_from(0, 10).value() == std::vector<fd::record>(a.begin(), a.begin() + 4));
        auto const island = plain_record(50, 20, plain_record(51, 19).id);
        REQUIRE(s.put(island));
        REQUIRE(s.set_chain(island.id));
        CHECK(s.chain_from(0, 10).value() == std::vector{island});
        REQUIRE(s.set_chain(plain_record(99, 9).id));  // which is not here
        CHECK(s.head() == std::optional{island});
    }
    {  // count eviction: the lowest goes, with its blob
        auto s = make(fd::store_limits{.records_max = 2, .blob_bytes_max = 100});
        for (std::uint64_t i = 1; i <= 3; ++i) {
            REQUIRE(
                s.put(plain_record(i, i, i == 1 ? fd::digest{} : plain_record(i - 1, i - 1).id, plain_blob(i, 1).id)));
            REQUIRE(s.put_blob(plain_blob(i, 1)));
            REQUIRE(s.set_chain(plain_record(i, i).id));
        }
        CHECK(s.sizes() == fd::store_sizes{2, 2, 2});
        CHECK_FALSE(s.contains(plain_record(1, 1).id));
        CHECK_FALSE(s.contains_blob(plain_blob(1, 1).id));
        CHECK(numbers(s.chain_from(0, 5).value()) == heights{2, 3});
        REQUIRE(s.put(plain_record(40, 1)));  // below all of a full store
        CHECK_FALSE(s.contains(plain_record(40, 1).id));
        CHECK(s.sizes().records == 2);
    }
    {  // byte eviction, of those that nobody names before those that somebody does
        auto s = make(fd::store_limits{.records_max = 10, .blob_bytes_max = 40});
        for (std::uint64_t i = 1; i <= 3; ++i) REQUIRE(s.put(plain_record(i, i, {}, plain_blob(i, 12).id)));
        for (std::uint64_t i = 1; i <= 2; ++i) REQUIRE(s.put_blob(plain_blob(i, 12)));
        REQUIRE(s.put_blob(plain_blob(70, 6)));  // unsolicited: a quarter at most
        REQUIRE(s.put_blob(plain_blob(71, 6)));
        CHECK(s.sizes() == fd::store_sizes{3, 3, 30});
        CHECK_FALSE(s.contains_blob(plain_blob(70, 6).id));
        REQUIRE(s.put_blob(plain_blob(3, 12)));
        CHECK_FALSE(s.contains_blob(plain_blob(71, 6).id));
        CHECK(s.sizes() == fd::store_sizes{3, 3, 36});
        REQUIRE(s.put(plain_record(4, 4, {}, plain_blob(4, 12).id)));
        REQUIRE(s.put_blob(plain_blob(4, 12)));
        CHECK_FALSE(s.contains_blob(plain_blob(1, 12).id));  // that of the lowest record
        CHECK(s.sizes().blob_bytes == 36);
        REQUIRE(s.put_blob(plain_blob(80, 41)));
        CHECK_FALSE(s.contains_blob(plain_blob(80, 41).id));  // larger than all
        CHECK(s.contains_blob(plain_blob(4, 12).id));
    }
    {  // a blob that came first is kept for its record, and one that two name outlives the first
        auto s = make(fd::store_limits{.records_max = 2, .blob_bytes_max = 40});
        REQUIRE(s.put_blob(plain_blob(1, 8)));
        REQUIRE(s.put(plain_record(1, 1, {}, plain_blob(1, 8).id)));
        for (std::uint64_t i = 2; i <= 4; ++i) REQUIRE(s.put_blob(plain_blob(i, 8)));
        CHECK(s.contains_blob(plain_blob(1, 8).id));
        CHECK_FALSE(s.contains_blob(plain_blob(2, 8).id));
        REQUIRE(s.put(plain_record(2, 2, {}, plain_blob(1, 8).id)));
        REQUIRE(s.put(plain_record(3, 3)));
        CHECK(s.contains_blob(plain_blob(1, 8).id));
        REQUIRE(s.put(plain_record(4, 4)));
        CHECK_FALSE(s.contains_blob(plain_blob(1, 8).id));
    }
    {  // in a full store a blob may still come before its record, and those of the lowest records make room
        auto s = make(fd::store_limits{.records_max = 4, .blob_bytes_max = 39});
        for (std::uint64_t i = 1; i <= 12; ++i) {
            REQUIRE(s.put_blob(plain_blob(i, 8)));
            REQUIRE(s.contains_blob(plain_blob(i, 8).id));
            REQUIRE(s.put(plain_record(i, i, {}, plain_blob(i, 8).id)));
            CHECK(s.contains_blob(plain_blob(i, 8).id));
            CHECK(s.sizes().blob_bytes <= 39);
        }
        REQUIRE(s.put_blob(plain_blob(50, 11)));  // more than a quarter
        CHECK_FALSE(s.contains_blob(plain_blob(50, 11).id));
        CHECK(s.sizes().blobs == 4);
    }
    {  // a head is put and made the head in one step, and one that is taken back leaves room
        auto s = make(fd::store_limits{.records_per_height = 2});
        auto const first = plain_record(1, 1, {}, plain_blob(1, 3).id), second = plain_record(2, 2, first.id);
        REQUIRE(s.put_head(first));
        CHECK(s.head() == std::optional{first});
        REQUIRE(s.put_head(second));
        CHECK(s.chain_from(0, 5).value() == std::vector{first, second});
        CHECK(s.is_named(plain_blob(1, 3).id));
        CHECK_FALSE(s.is_named(plain_blob(2, 3).id));
        REQUIRE(s.put_blob(plain_blob(1, 3)));
        for (std::uint64_t i = 3; i <= 4; ++i) REQUIRE(s.put(plain_record(i, 7)));
        REQUIRE(s.put_head(plain_record(5, 7)));  // for which there is no room
        CHECK(s.head() == std::optional{second});
        REQUIRE(s.erase(plain_record(3, 7).id));
        REQUIRE(s.put(plain_record(5, 7)));
        CHECK(s.contains(plain_record(5, 7).id));
        REQUIRE(s.erase(first.id));
        REQUIRE(s.erase(first.id));
        CHECK_FALSE(s.is_named(plain_blob(1, 3).id));
        CHECK(s.sizes() == fd::store_sizes{3, 0, 0});
    }
    {  // few of one height
        auto s = make(fd::store_limits{.records_per_height = 2});
        for (std::uint64_t i = 1; i <= 3; ++i) REQUIRE(s.put(plain_record(i, 7)));
        CHECK(s.is_full(7));
        CHECK_FALSE(s.is_full(8));
        CHECK(s.sizes().records == 2);
    }
    {  // random work beside a plain map: what is here is what should be
        splitmix64 draw{11};
        for (int round = 0; round < 8; ++round) {
            fd::store_limits const l{.records_max = 12, .blob_bytes_max = 60, .records_per_height = 3};
            auto s = make(l);
            for (int i = 0; i < 120; ++i) {
                auto const n = uniform(draw, 40), h = 1 + n % 20;
                switch (uniform(draw, 6)) {
                    case 0:
                    case 1:
                        REQUIRE(s.put(plain_record(n, h, plain_record(n + 39, h - 1).id, plain_blob(n % 7, 9).id)));
                        break;
                    case 2: REQUIRE(s.put_blob(plain_blob(n % 7, 9))); break;
                    case 3: REQUIRE(s.set_chain(plain_record(n, h).id)); break;
                    case 4: REQUIRE(s.erase_blob(plain_blob(n % 7, 9).id)); break;
                    default:
                        if (uniform(draw, 5) == 0) REQUIRE(s.remove_above(h));
                }
                auto const sizes = s.sizes();
                CHECK(sizes.records <= l.records_max);
                CHECK(sizes.blob_bytes <= l.blob_bytes_max);
                std::size_t found = 0;
                for (fd::height at = 0; at <= 21; ++at) found += s.at(at).value().size();
                CHECK(found == sizes.records);
                auto const chain = s.chain_from(0, 100).value();
                for (std::size_t k = 1; k < chain.size(); ++k) CHECK(chain[k].parent == chain[k - 1].id);
                auto const head = s.head();
                CHECK(head.has_value() == !chain.empty());
                if (head && !chain.empty()) CHECK(s.contains(head->id));
            }
        }
    }
}

}  // namespace muster::test
