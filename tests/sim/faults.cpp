// SPDX-License-Identifier: MIT

#include <muster/sim/faults.hpp>

#include <set>
#include <utility>
#include <vector>

#include <muster/sim/network.hpp>
#include <muster/sim/world.hpp>

#include <support/catch.hpp>

namespace faults_tests {

using namespace muster;
using namespace muster::sim;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

namespace {

constexpr host_id hosts = 4;

/// Hosts under chaos, and what is done to them.
struct troubled {
    explicit troubled(fault_options o, std::uint64_t seed = 1)
        : w{seed}, wires{w}, trouble{w, wires, o, hosts, hands()} {
        for (host_id h = 0; h < hosts; ++h) {
            w.add_host();
            w.boot(h);
        }
    }
    [[nodiscard]] chaos<network>::hands hands() {
        return {[this](host_id h) {
                    w.crash(h);
                    crashes.emplace_back(w.now(), h);
                },
                [this](host_id h) { w.boot(h); }, [this](host_id, duration by) { steps.push_back(by); }};
    }
    /// Whether a frame from @p a would get to @p b now.
    [[nodiscard]] bool reaches(host_id a, host_id b) {
        return !wires.rules().decide({a, b, 0, 0, true}, w.now()).dropped;
    }
    /// Who reaches whom.
    [[nodiscard]] std::vector<bool> map() {
        std::vector<bool> out;
        for (host_id a = 0; a < hosts; ++a) {
            for (host_id b = 0; b < hosts; ++b) out.push_back(a == b || reaches(a, b));
        }
        return out;
    }

    world w;
    sim::network wires;
    chaos<network> trouble;
    std::vector<std::pair<instant, host_id>> crashes;
    std::vector<duration> steps;
};

[[nodiscard]] bool is_whole(std::vector<bool> const& map) {
    return std::find(map.begin(), map.end(), false) == map.end();
}

}  // namespace

TEST_CASE("a cut stays as it is for at least five seconds, and is of every kind in the end") {
    fault_options o;
    o.partition = {1, 1};
    troubled t{o};
    t.trouble.begin();
    bool one_way = false, isolates = false, splits = false, was_whole = false;
    auto before = t.map();
    auto since = t.w.now();
    for (auto const end = t.w.now() + minutes{30}; t.w.now() < end;) {
        t.w.run_until(t.w.now() + milliseconds{100});
        auto const now = t.map();
        if (now != before) {
            if (!is_whole(before)) CHECK(t.w.now() - since >= seconds{5});
            before = now;
            since = t.w.now();
        }
        was_whole |= is_whole(now);
        for (host_id a = 0; a < hosts; ++a) {
            int alone = 0;
            for (host_id b = 0; b < hosts; ++b) {
                one_way |= t.reaches(a, b) != t.reaches(b, a);
                alone += a != b && !t.reaches(a, b) && !t.reaches(b, a) ? 1 : 0;
            }
            isolates |= alone == 3;
            splits |= alone == 2;
        }
    }
    CHECK(one_way);
    CHECK(isolates);
    CHECK(splits);
    CHECK(was_whole);  // and ends
}

TEST_CASE("hosts go down and come up again, are paused, and have their clocks set, within bounds") {
    fault_options o;
    o.crash = {1, 10};
    o.wall_step = {1, 5};
    troubled t{o};
    t.trouble.begin();
    t.w.run_until(t.w.now() + minutes{10});
    std::set<host_id> who;
    for (auto const& [at, h] : t.crashes) who.insert(h);
    CHECK(who.size() == hosts);
    CHECK(t.w.incarnation(0) > 5);
    CHECK(t.steps.size() > 100);
    for (auto const by : t.steps) CHECK((by >= -seconds{10} && by <= seconds{10}));
    CHECK(*std::min_element(t.steps.begin(), t.steps.end()) < duration{0});
    CHECK(*std::max_element(t.steps.begin(), t.steps.end()) > duration{0});
}

TEST_CASE("a host that is paused does nothing, and goes on afterwards") {
    fault_options o;
    o.pause = {1, 5};
    troubled t{o};
    duration longest{0};
    instant last = t.w.now();
    std::function<void()> const beat = [&] {
        longest = std::max(longest, t.w.now() - last);
        last = t.w.now();
        t.w.after_on(0, milliseconds{100}, beat);
    };
    t.w.after_on(0, milliseconds{100}, beat);
    t.trouble.begin();
    t.w.run_until(t.w.now() + minutes{5});
    CHECK(longest > seconds{5});
    CHECK(t.w.now() - last < minutes{1});
    CHECK(t.w.incarnation(0) == 1);
}

TEST_CASE("what is healed stays healed") {
    fault_options o;
    o.partition = o.crash = o.loss = {1, 2};
    o.clog = {1, 1};
    troubled t{o};
    t.trouble.begin();
    t.w.run_until(t.w.now() + seconds{30});
    CHECK_FALSE(t.crashes.empty());
    t.trouble.heal();
    for (host_id h = 0; h < hosts; ++h) CHECK(t.w.is_up(h));
    auto const crashes_before = t.crashes.size();
    t.w.run_until(t.w.now() + minutes{10});
    CHECK(t.crashes.size() == crashes_before);
    int lost = 0;
    for (std::uint64_t nth = 0; nth < 10'000; ++nth) {
        auto const f = t.wires.rules().decide({0, 1, nth, 0, true}, t.w.now());
        lost += f.dropped ? 1 : 0;
        CHECK(f.delay <= o.delay_most);                                                 // no link is clogged any more
        CHECK_FALSE(t.wires.rules().decide({0, 1, nth, 0, false}, t.w.now()).dropped);  // nor cut
    }
    CHECK(lost > 400);  // one of twenty, give or take
    CHECK(lost < 600);
}

TEST_CASE("what happens to hosts does not depend on which other faults there are") {
    fault_options all;
    all.crash = {1, 10};
    all.partition = {1, 3};
    all.pause = {1, 10};
    all.wall_step = all.loss = {1, 10};
    auto const crashes = [](fault_options const& o) {
        troubled t{o};
        t.trouble.begin();
        t.w.run_until(t.w.now() + minutes{10});
        return t.crashes;
    };
    auto const with_all = crashes(all);
    CHECK(with_all.size() > 20);
    for (auto const off : {&fault_options::partition, &fault_options::wall_step, &fault_options::loss}) {
        auto less = all;
        (less.*off).of = 0;
        CHECK(crashes(less) == with_all);
    }
}

}  // namespace faults_tests
