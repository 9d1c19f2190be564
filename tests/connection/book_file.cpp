// SPDX-License-Identifier: MIT

#include <muster/connection/book_file.hpp>

#include <muster/sim/disk.hpp>

#include <support/catch.hpp>
#include <support/keys.hpp>

#include "strangers.hpp"

namespace book_file_tests {

using namespace muster;
using namespace muster::connection;
using namespace muster::test;
using namespace std::chrono_literals;

namespace {

/// A book with a bit of everything in it.
[[nodiscard]] kept_book full_book(std::size_t peers = 60) {
    kept_book out{address_book{book_secret(3)}, {}};
    for (std::size_t i = 0; i < peers; ++i) {
        (void)out.book.add(stranger(i), std::array{address(i, i), address(i + 300, 2)}, text("source ", i), start);
        if (i % 3 == 0) {
            out.book.attempt(stranger(i), start + 1s);
            out.book.succeeded(stranger(i), address(i, i), start + 2s);
        }
        if (i % 5 == 0) out.book.failed(stranger(i), start + 3s);
        if (i % 7 == 0) out.book.set_user(stranger(i), bytes(32, static_cast<byte>(i)));
    }
    out.anchors = {stranger(3), stranger(6)};
    return out;
}
timestamp const later = start + 1h;

}  // namespace

TEST_CASE("what was kept comes back as it was") {
    auto const was = full_book();
    auto const is = decode_book(encode(was), later).value();
    CHECK(is.book.entries() == was.book.entries());
    CHECK(is.book.secret() == was.book.secret());
    CHECK(is.anchors == was.anchors);
    CHECK(encode(is) == encode(was));
}

TEST_CASE("anything else is damaged, and says so") {
    auto const good = encode(full_book(5));
    for (std::size_t size = 0; size < good.size(); ++size)
        CHECK(decode_book(byte_view{good}.first(size), later).error() == errc::damaged);
    for (std::size_t bit = 0; bit < good.size() * 8; bit += 3) {
        auto bad = good;
        bad[bit / 8] = static_cast<byte>(bad[bit / 8] ^ (1u << bit % 8));
        CHECK(decode_book(bad, later).error() == errc::damaged);
    }
    // With a checksum that is right, what is inside is read with care.
    splitmix64 random{9};
    for (int k = 0; k < 3000; ++k) {
        bytes body{good.begin(), good.end() - 8};
        body[uniform(random, body.size())] = static_cast<byte>(random());
        append(body, crypto::sha256(body).view().first(8));
        if (auto const read = decode_book(body, later)) {
            auto book = read.value().book;
            for (auto const& [who, e] : read.value().book.entries()) {
                CHECK(e.seen <= later);
                CHECK(book.reliability(who, timestamp::max()) > 0);
                book.failed(who, timestamp::max());
            }
            (void)book.draw(random, later, [](auto const&, auto const&) { return true; });
            (void)book.prune(timestamp::max());
        } else {
            CHECK(read.error() == errc::damaged);
        }
    }
}

TEST_CASE("times to come are taken for now") {
    auto const is = decode_book(encode(full_book()), start - 24h).value();
    for (auto const& [who, e] : is.book.entries()) {
        for (auto const t : {e.seen, e.tried_at, e.failed_at, e.succeeded, e.weighed}) {
            CHECK(t >= timestamp{});
            CHECK(t <= start - 24h);
        }
    }
}

TEST_CASE("what is longer than a file may hold is cut before") {
    kept_book was{address_book{book_secret(3)}, {}};
    (void)was.book.add(stranger(1), std::array{address(1, 1)}, std::string(1000, 'x'), start);
    was.book.set_user(stranger(1), bytes(1000));
    CHECK(decode_book(encode(was), later).value().book.entries() == was.book.entries());
    book_options few;
    few.addresses_max = 1;
    CHECK(decode_book(encode(full_book()), later, few).value().book.find(stranger(1))->addresses.size() == 1);
}

TEST_CASE("a smaller book takes what has a place in it") {
    book_options small;
    small.new_buckets = small.tried_buckets = 4;
    auto const is = decode_book(encode(full_book()), later, small).value();
    CHECK(is.book.size() > 0);
    CHECK(is.book.size() < 60);
}

TEST_CASE("a crash at any call leaves the old book or the new one") {
    test::predictable source{1};
    for (auto const luck : {sim::disk::luck::none, sim::disk::luck::half, sim::disk::luck::all}) {
        for (std::size_t call = 0;; ++call) {
            sim::disk d;
            sim::disk_files files{d};
            auto old = load_book(files, "book", later, source).value();  // a new one, since there is none
            CHECK(old.book.size() == 0);
            REQUIRE(save_book(files, "book", old));
            d.fails_at = d.calls + call;
            d.for_good = true;
            bool const is_kept = save_book(files, "book", full_book()).has_value();
            d.crash(luck);
            auto const found = load_book(files, "book", later, source).value();
            CHECK((found.book.size() == 0 || found.book.entries() == full_book().book.entries()));
            if (!is_kept) continue;
            CHECK(found.book.size() == full_book().book.size());
            break;
        }
    }
}

TEST_CASE("a file that is no book is left alone") {
    test::predictable source{1};
    sim::disk d;
    sim::disk_files files{d};
    d.set("book", bytes{'n', 'o', 'n', 'e'});
    CHECK(load_book(files, "book", later, source).error() == errc::damaged);
    CHECK(d.at("book").size() == 4);
}

}  // namespace book_file_tests
