// SPDX-License-Identifier: MIT

/// @file
/// What a signer finds on its disk after a restart: any bytes are a journal, a part of one, or put aside; what was
/// read once is read again; and a session in it is decoded or refused.

#include <map>

#include <muster/signing/file_journal.hpp>
#include <muster/signing/snapshot.hpp>
#include <muster/sim/disk.hpp>

#include "fuzz.hpp"

using namespace muster;
using namespace muster::signing;

namespace {

using sessions = std::map<session_id, bytes>;

sessions load(sim::disk& disk) {
    file_journal<sim::disk_files> journal{{.path = "j", .files = sim::disk_files{disk}}};
    sessions found;
    fuzz::require(static_cast<bool>(
        journal.load([&](session_id const& id, byte_view octets) { found.emplace(id, to_bytes(octets)); })));
    return found;
}

void read_session(byte_view octets) {
    static limits const l;
    auto const kept = decode_snapshot(octets, l);
    if (!kept) return;
    auto const written = encode(kept.value());
    // What an older version wrote is written anew in this version's form; from then on nothing changes.
    if (octets.front() == snapshot_version) fuzz::require(equal(written, octets));
    auto const again = decode_snapshot(written, l);
    fuzz::require(again && equal(encode(again.value()), written));
}

/// The bytes as a file.
void read_file(byte_view content) {
    sim::disk disk;
    disk.put_back({{"j", to_bytes(content)}});
    auto const found = load(disk);
    for (auto const& [id, octets] : found) read_session(octets);
    fuzz::require(load(disk) == found);
}

/// One life, in which a session is kept or forgotten.
void write_one(fuzz::input& in, sim::disk& disk, sessions& expected) {
    file_journal<sim::disk_files> journal{{.path = "j", .files = sim::disk_files{disk}}};
    fuzz::require(static_cast<bool>(journal.load([](session_id const&, byte_view) {})));
    session_id id;
    id.octets[0] = static_cast<byte>(in.below(4));
    if (in.below(3) == 0) {
        fuzz::require(static_cast<bool>(journal.erase(id)));
        expected.erase(id);
    } else {
        auto const octets = in.octets();
        fuzz::require(static_cast<bool>(journal.put(id, octets)));
        expected[id] = to_bytes(octets);
    }
}

/// The bytes as what one writes to a file: keep, forget, keep again; and read after each.
void write_file(fuzz::input& in) {
    sim::disk disk;
    sessions expected;
    for (int step = 0; step < 8 && !in.empty(); ++step) {
        write_one(in, disk, expected);
        fuzz::require(load(disk) == expected);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    if (size == 0) return 0;
    byte_view const rest{data + 1, size - 1};
    switch (data[0] % 3) {
        case 0: read_session(rest); break;
        case 1: read_file(rest); break;
        default: {
            fuzz::input in{data + 1, size - 1};
            write_file(in);
        }
    }
    return 0;
}
