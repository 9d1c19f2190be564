// SPDX-License-Identifier: MIT

// What keeps a directory from its disk when it starts: it works meanwhile, and tries again.

#include <muster/discovery/signer_directory.hpp>

#include <vector>

#include <muster/cache/persistence/snapshot_file.hpp>
#include <muster/sim/disk.hpp>

#include <support/advertisements.hpp>
#include <support/catch.hpp>

namespace start_up_tests {

using namespace muster;
using namespace std::chrono_literals;
using test::at;

namespace {

using file = cache::snapshot_file<discovery::signer_entry_codec, sim::disk_files>;
struct kept : discovery::directory_defaults {
    using persistence = cache::debounced<file, manual_timers, manual_clock>;
};

struct rig {
    void discover(std::size_t i) {
        effect_list<discovery::directory_event> told;
        REQUIRE(it.take(test::advertisement_of(i).seal(test::node_keys(i).node).value(), test::node_keys(9).node.id(),
                        discovery::source::gossip, clock.wall_now(), told));
    }
    /// From one deadline to the next, for @p span.
    void pass(duration span) {
        auto const until = clock.now() + span;
        for (auto next = timers.armed(); next && *next <= until; next = timers.armed()) {
            clock.advance(std::max(*next - clock.now(), duration{}));
            (void)timers.fire_due(clock.now());
        }
        clock.advance(until - clock.now());
    }

    sim::disk storage;
    manual_timers timers;
    manual_clock clock{instant{1h}, at(0)};
    discovery::signer_directory<kept> it{
        {}, file::options{.path = "signers", .files = sim::disk_files{storage}}, timers, clock};
};

}  // namespace

TEST_CASE("document 000: a disk that is full is tried again after 1 s, doubling to 60 s, and what was found is kept") {
    rig r;
    REQUIRE(r.it.load(at(0)));
    r.storage.fails_at = r.storage.calls;
    r.storage.for_good = true;
    std::vector<duration> failed, saved;
    r.it.underlying().on_save(
        [&](auto const& done) { (done ? saved : failed).push_back(r.clock.now() - instant{1h} - 500ms); });
    r.discover(1);
    r.pass(250s);
    CHECK(failed == std::vector<duration>{0s, 1s, 3s, 7s, 15s, 31s, 63s, 123s, 183s, 243s});
    r.discover(2);  // it works meanwhile
    CHECK(r.it.size(r.clock.wall_now()) == 2);
    CHECK(saved.empty());
    r.storage.fails_at.reset();
    r.pass(60s);
    CHECK(saved == std::vector<duration>{303s});
    CHECK_FALSE(r.it.is_dirty());
    r.discover(3);
    r.storage.fails_at = r.storage.calls;
    failed.clear();
    r.pass(2s);
    CHECK(failed.size() == 2);  // a first failure again
}

TEST_CASE("document 000: a damaged file is put aside and told of, and the directory goes on and is kept") {
    rig r;
    auto const nonsense = to_bytes(as_bytes("nonsense"));
    {
        auto const broken = std::make_shared<sim::disk::content>();
        broken->now = broken->durable = nonsense;
        r.storage.names["signers"] = r.storage.durable_names["signers"] = broken;
    }
    auto const found = r.it.load(at(0));
    REQUIRE(found);
    CHECK(found.value().listed == 0);
    CHECK(found.value().notes.damage);
    REQUIRE(r.storage.names.count(found.value().notes.aside) == 1);
    CHECK(r.storage.names[found.value().notes.aside]->now == nonsense);
    r.discover(1);
    r.pass(1s);
    CHECK_FALSE(r.it.is_dirty());
    CHECK(r.storage.names.count("signers") == 1);
}

}  // namespace start_up_tests
