// SPDX-License-Identifier: MIT

/// @file
/// The file of a cache: any octets are read or refused, and what was read is read again from what is written of it.

#include <muster/cache/persistence/format.hpp>

#include <string>
#include <vector>

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

void read(byte_view file) {
    if (!cache::detail::check_file_header(file, codec::id)) return;
    cache::detail::batch<codec> again;
    std::size_t count = 0;
    auto const found = cache::detail::read_batches(codec{}, file, timestamp{}, [&](cache::change_of<codec> c) {
        ++count;
        if (c.kind == cache::change_kind::put) {
            again.put({}, c.key, *c.value, c.deadline);
        } else {
            again.note({}, c.kind, c.key);
        }
    });
    if (!found) return;
    fuzz::require(found.value().good + found.value().torn == file.size());
    fuzz::require(again.count() == count);
    fuzz::require(again.size() <= file.size());
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
