// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What a pool of outbound connections keeps, as bytes, and in a file.
///
/// Idea: one snapshot that is replaced as a whole: a crash at any byte leaves the old one or the new one
/// (core/files.hpp). The book's secret decides about places, so it is kept with the entries; the file is for its owner
/// alone.
///
/// Layout, in the encoding of wire/: "muster book", version, secret, anchors, entries by peer id, and the first 8
/// bytes of the SHA-256 of all that. Times are Unix milliseconds.

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <muster/connection/outbound_pool.hpp>
#include <muster/core/files.hpp>
#include <muster/core/random.hpp>
#include <muster/crypto/hash.hpp>
#include <muster/wire/reader.hpp>
#include <muster/wire/writer.hpp>

namespace muster::connection {

namespace detail {

inline constexpr std::string_view book_magic = "muster book";
inline constexpr std::uint8_t book_version = 1;
inline constexpr std::size_t book_checksum_size = 8;
// Bounds of what is written, and of what is read.
inline constexpr std::size_t peer_id_size_max = 64;
inline constexpr std::size_t stored_addresses_max = 64;
inline constexpr std::size_t anchors_max = 64;
inline constexpr std::size_t entries_max = std::size_t{1} << 20;

inline void write_address(wire::writer& w, peer::multiaddr const& a) { w.sized(a.bytes()); }
[[nodiscard]] inline result<peer::multiaddr> read_address(wire::reader& r) {
    return peer::multiaddr::from_bytes(r.sized(peer::multiaddr::size_max));
}

inline void write_entry(wire::writer& w, peer::peer_id const& who, book_entry const& e) {
    w.sized(who.view()).u8(e.is_tried ? 1 : 0).sized(e.source);
    for (auto const t : {e.seen, e.tried_at, e.failed_at, e.succeeded, e.weighed}) w.i64(t.time_since_epoch().count());
    w.u32(e.failures).u32(e.good).u32(e.bad).sized(e.user);
    auto const addresses = std::min(e.addresses.size(), stored_addresses_max);
    w.size(addresses);
    for (std::size_t i = 0; i < addresses; ++i) write_address(w, e.addresses[i]);
    w.u8(e.reached ? 1 : 0);
    if (e.reached) write_address(w, *e.reached);
}
// Times to come are taken for now: a clock that was wrong must not blind the book.
[[nodiscard]] inline result<std::pair<peer::peer_id, book_entry>> read_entry(wire::reader& r, std::size_t addresses_max,
                                                                             timestamp now) {
    MUSTER_TRY(auto who, peer::peer_id::from_multihash(r.sized(peer_id_size_max)));
    book_entry e;
    e.is_tried = r.u8() != 0;
    e.source = r.sized_text(address_book::source_size_max);
    for (auto* const t : {&e.seen, &e.tried_at, &e.failed_at, &e.succeeded, &e.weighed})
        *t = std::clamp(from_unix_millis(r.i64()), timestamp{}, std::max(now, timestamp{}));
    e.failures = r.u32();
    e.good = r.u32();
    e.bad = r.u32();
    e.user = to_bytes(r.sized(address_book::user_size_max));
    for (auto left = r.count(stored_addresses_max, 1); left != 0; --left) {
        MUSTER_TRY(auto a, read_address(r));
        if (e.addresses.size() < addresses_max) e.addresses.push_back(std::move(a));
    }
    if (r.u8() != 0) {
        MUSTER_TRY(auto a, read_address(r));
        e.reached = std::move(a);
    }
    return std::pair{std::move(who), std::move(e)};
}

}  // namespace detail

/// An empty book with a secret from @p source. @return what the source says when it fails.
template <secret_source Source>
[[nodiscard]] result<kept_book> new_book(Source& source, book_options const& o = {}) {
    address_book::secret_key secret{};
    MUSTER_TRY(source.fill_secret(secret));
    return kept_book{address_book{secret, o}, {}};
}

/// O(entries).
[[nodiscard]] inline bytes encode(kept_book const& what) {
    wire::writer w;
    w.raw(as_bytes(detail::book_magic)).u8(detail::book_version).raw(what.book.secret());
    auto const anchors = std::min(what.anchors.size(), detail::anchors_max);
    w.size(anchors);
    for (std::size_t i = 0; i < anchors; ++i) w.sized(what.anchors[i].view());
    w.size(what.book.size());
    for (auto const& [who, e] : what.book.entries()) detail::write_entry(w, who, e);
    auto out = w.take();
    append(out, crypto::sha256(out).view().first(detail::book_checksum_size));
    return out;
}

/// What @ref encode made. Entries that have no place under @p o are left out, as those of a larger book. @p now bounds
/// the times in it. @return `damaged` for anything else, which names what is wrong. O(size).
[[nodiscard]] inline result<kept_book> decode_book(byte_view content, timestamp now, book_options const& o = {}) {
    auto const damaged = [](std::string_view what) {
        return error{errc::damaged, text("an address book: ", what, "; remove it, and peers are learned anew")};
    };
    if (content.size() < detail::book_checksum_size) return damaged("too short");
    auto const body = content.first(content.size() - detail::book_checksum_size);
    auto const digest = crypto::sha256(body);
    if (!equal(digest.view().first(detail::book_checksum_size), content.last(detail::book_checksum_size)))
        return damaged("the checksum is wrong");
    wire::reader r{body};
    if (!equal(r.raw(detail::book_magic.size()), as_bytes(detail::book_magic))) return damaged("it is none");
    if (auto const version = r.u8(); version != detail::book_version)
        return damaged(text("version ", unsigned{version}, " is not known here"));
    address_book::secret_key secret{};
    auto const written = r.raw(secret.size());
    if (!r.ok()) return damaged("too short");
    std::copy(written.begin(), written.end(), secret.begin());
    kept_book out{address_book{secret, o}, {}};
    for (auto left = r.count(detail::anchors_max, 1); left != 0; --left) {
        auto who = peer::peer_id::from_multihash(r.sized(detail::peer_id_size_max));
        if (!who) return damaged(who.error().message());
        out.anchors.push_back(std::move(who).value());
    }
    for (auto left = r.count(detail::entries_max, 1); left != 0; --left) {
        auto entry = detail::read_entry(r, o.addresses_max, now);
        if (!entry) return damaged(entry.error().message());
        (void)out.book.restore(entry.value().first, std::move(entry.value().second));
    }
    if (auto const end = r.finish(); !end) return damaged(end.error().message());
    return out;
}

/// The book in the file at @p path, or a new one when there is none. @return `damaged` (the file is left as it is), or
/// why it could not be read.
template <file_system Files, secret_source Source>
[[nodiscard]] result<kept_book> load_book(Files& files, std::string const& path, timestamp now, Source& source,
                                          book_options const& o = {}) {
    constexpr std::uint64_t size_max = 256u << 20;  // more than Core's tables take
    MUSTER_TRY(auto const content, read_file(files, path, size_max));
    return content ? decode_book(*content, now, o) : new_book(source, o);
}

/// Replaces the file at @p path.
template <file_system Files>
[[nodiscard]] result<void> save_book(Files& files, std::string const& path, kept_book const& what) {
    MUSTER_TRY(replace_file(files, path, encode(what)));
    return ok();
}

}  // namespace muster::connection
