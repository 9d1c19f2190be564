// SPDX-License-Identifier: MIT

/// @file
/// The file of a cache: any bytes are read or refused, and what was read is read again from what is written of it.

#include <muster/cache/persistence/reading.hpp>

#include <string>
#include <vector>

#include <muster/sim/disk.hpp>

#include "fuzz.hpp"

using namespace muster;

namespace {

using codec = cache::plain_codec<std::string, bytes>;

/// Puts the checksums right, so that what is behind them is reached.
bytes with_checksums(byte_view changes, std::uint64_t count) {
    wire::writer w;
    cache::detail::write_file_header(w, codec::id);
    auto const head = w.view().size();
    w.u64(changes.size()).u64(count).i64(0);
    cache::detail::append_checksum(w, head);
    auto const body = w.view().size();
    w.raw(changes);
    cache::detail::append_checksum(w, body);
    return w.take();
}

void read(byte_view octets) {
    constexpr std::size_t change_size_max = 1000;
    sim::disk disk;
    disk.set("found", to_bytes(octets));
    sim::disk_files files{disk};
    cache::detail::file_bounds const bounds{octets.size(), change_size_max};
    auto const found = cache::detail::check_file(codec{}, files, "found", bounds, timestamp{});
    if (!found) return;
    fuzz::require(found.value()->good + found.value()->torn == octets.size());
    cache::detail::batch<codec> again{change_size_max};
    auto const use = [&](cache::change_of<codec> c) {
        auto const noted = c.kind == cache::change_kind::put ? again.put({}, c.key, *c.value, c.deadline)
                                                             : again.note({}, c.kind, c.key);
        fuzz::require(noted.has_value());
    };
    // What was found whole is read again.
    fuzz::require(cache::detail::use_file(codec{}, files, "found", *found.value(), change_size_max, timestamp{}, use)
                      .has_value());
    fuzz::require(again.size() <= octets.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    fuzz::input in{data, size};
    auto const count = in.octets().size();
    auto const rest = in.rest();
    read(rest);
    read(with_checksums(rest, count));
    return 0;
}
