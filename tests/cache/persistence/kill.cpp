// SPDX-License-Identifier: MIT

#include <cache/persistence/kill.hpp>

#include <muster/cache/persistence/append_log.hpp>
#include <muster/cache/persistence/snapshot_file.hpp>

namespace kill_tests {

using namespace muster;

TEMPLATE_TEST_CASE("killed again and again at any moment", "", cache::snapshot_file<test::killed_codec>,
                   cache::append_log<test::killed_codec>) {
    test::kill_again_and_again<TestType>();
}

}  // namespace kill_tests
