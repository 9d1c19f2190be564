// SPDX-License-Identifier: MIT

#include <muster/node/notebook.hpp>

#include <set>

#include <support/catch.hpp>
#include <support/notebooks.hpp>

namespace notebook_crash_tests {

using namespace muster;
using namespace std::chrono_literals;
using group = test::notebook_group;

TEST_CASE("notebook: a disk that fails at any call, and a crash then, lose nothing that was promised (goal F2)") {
    bool has_failed = true;
    std::size_t failures = 0;
    for (std::size_t call = 0; has_failed; ++call) {
        has_failed = false;
        for (auto const luck : {sim::disk::luck::none, sim::disk::luck::half, sim::disk::luck::all}) {
            INFO("call " << call << ", luck " << static_cast<int>(luck));
            group g{2};
            auto& m = *g.all[0];
            std::set<std::string> promised;
            auto const write = [&](std::size_t i, std::string const& key) {
                if (g.put(i, key, "x")) promised.insert(key);
                g.settle();
            };
            g.link(0, 1, true);
            write(0, "a");
            m.disk.fails_at = m.disk.calls + call;
            m.disk.for_good = true;
            for (int i = 0; i < 4; ++i) {
                write(0, text("mine ", i));
                write(1, text("theirs ", i));
            }
            if (m.failed == 0) break;  // no call of that number is made any more
            has_failed = true;
            ++failures;
            g.link(0, 1, false);
            m.copy.reset();
            m.disk.crash(luck);
            m.disk.for_good = false;
            g.open(0, 600);
            g.link(0, 1, true);
            write(0, "b");
            g.pass(2min);
            for (auto const& key : promised) {
                REQUIRE(g.shown(0, key) == "x");
                REQUIRE(g.shown(1, key) == "x");
            }
            REQUIRE(promised.contains("b"));
            for (std::size_t i : {0u, 1u}) {
                REQUIRE(g.all[i]->copy->pending_for(g.id(1 - i)) == 0);  // goal F4
                REQUIRE(g.all[i]->forked == 0);
                REQUIRE(g.all[i]->penalties == 0);
                REQUIRE((g.all[i]->copy->copy().fingerprint() == g.all[0]->copy->copy().fingerprint()));
            }
        }
    }
    CHECK(failures > 20);
}

}  // namespace notebook_crash_tests
