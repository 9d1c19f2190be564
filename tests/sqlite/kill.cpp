// SPDX-License-Identifier: MIT

#include <cache/persistence/kill.hpp>

#include <muster/sqlite/cache_store.hpp>

namespace kill_tests {

using namespace muster;

TEST_CASE("a process with a database is killed again and again at any moment") {
    test::kill_again_and_again<sqlite::cache_store<test::killed_codec>>();
}

}  // namespace kill_tests
