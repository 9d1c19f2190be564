// SPDX-License-Identifier: MIT

#include <support/entry_store_models.hpp>

#include <muster/sim/disk.hpp>

#include <support/scratch.hpp>

namespace entry_store_tests {

using namespace muster;

TEST_CASE("entry store: in a file of records") {
    test::scratch dir;
    test::check_entry_store([&] { return sync::file_entries<>{dir.file("entries")}; });
    sim::disk d;
    test::check_entry_store([&] { return sync::file_entries<sim::disk_files>{"entries", sim::disk_files{d}}; });
}

TEST_CASE("entry store: an entry as a record, one encoding") {
    for (auto const& e : test::some_entries()) CHECK(sync::entry_of(sync::record_of(e)).value() == e);
    CHECK(sync::entry_of(bytes{}).error() == sync::errc::malformed);
    CHECK(sync::entry_of(bytes{0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}).error() == sync::errc::malformed);
}

}  // namespace entry_store_tests
