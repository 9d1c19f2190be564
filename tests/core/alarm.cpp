// SPDX-License-Identifier: MIT

#include <muster/core/alarm.hpp>

#include <memory>
#include <stdexcept>
#include <vector>

#include <support/catch.hpp>

namespace alarm_tests {

using namespace muster;
using namespace std::chrono_literals;

namespace {

constexpr instant at(duration t) { return instant{t}; }

/// Has a line, and counts how often it is woken.
struct sleeper {
    explicit sleeper(muster::alarm<manual_timers>& a) : line{a} {
        line.attach(wake_function::of<&sleeper::wake>(*this));
    }
    void wake() {
        ++woken;
        if (then) then();
    }
    muster::alarm<manual_timers>::line line;
    int woken = 0;
    std::function<void()> then;
};

/// Counts how often it is armed.
struct counting_timers : manual_timers {
    void arm(instant t) {
        ++arms;
        manual_timers::arm(t);
    }
    int arms = 0;
};

}  // namespace

TEST_CASE("the timers are armed with the earliest line, which alone is woken") {
    manual_timers timers;
    muster::alarm<manual_timers> shared{timers};
    sleeper a{shared}, b{shared}, c{shared};
    CHECK(!timers.armed());
    a.line.arm(at(5s));
    b.line.arm(at(3s));
    CHECK(timers.armed() == at(3s));
    CHECK(!timers.fire_due(at(2s)));
    CHECK(timers.fire_due(at(3s)));
    CHECK((a.woken == 0 && b.woken == 1 && c.woken == 0));
    CHECK(!b.line.armed());
    CHECK(timers.armed() == at(5s));
    a.line.disarm();
    CHECK(!timers.armed());
}

TEST_CASE("lines with one deadline are all woken by it, and may arm again, leave, and bring others") {
    manual_timers timers;
    muster::alarm<manual_timers> shared{timers};
    auto a = std::make_unique<sleeper>(shared), b = std::make_unique<sleeper>(shared);
    std::unique_ptr<sleeper> late;
    sleeper c{shared};
    for (auto* const s : {a.get(), b.get(), &c}) s->line.arm(at(1s));
    a->then = [&] {
        a->line.arm(at(9s));
        b.reset();
        late = std::make_unique<sleeper>(shared);
        late->line.arm(at(7s));
    };
    REQUIRE(timers.fire_due(at(1s)));
    CHECK(a->woken == 1);
    CHECK(c.woken == 1);
    CHECK(late->woken == 0);
    CHECK(timers.armed() == at(7s));
    a.reset();
    late.reset();
    CHECK(!timers.armed());
}

TEST_CASE("a wake-up that nobody asked for is early for those who wait, and none for the others") {
    manual_timers timers;
    muster::alarm<manual_timers> shared{timers};
    sleeper a{shared}, b{shared};
    timers.fire();
    CHECK((a.woken == 0 && b.woken == 0));
    a.line.arm(at(5s));
    timers.fire();  // early: the machine arms again
    CHECK(a.woken == 1);
    CHECK(b.woken == 0);
    CHECK(!timers.armed());
}

TEST_CASE("one that throws when it is woken keeps nobody else asleep") {
    manual_timers timers;
    muster::alarm<manual_timers> shared{timers};
    sleeper a{shared}, b{shared};
    a.line.arm(at(1s));
    b.line.arm(at(1s));
    a.then = [] { throw std::runtime_error{"a bad dream"}; };
    CHECK_THROWS(timers.fire_due(at(1s)));
    CHECK(b.woken == 0);
    CHECK(timers.fire_due(at(1s)));
    CHECK((a.woken == 1 && b.woken == 1));
}

TEST_CASE("timers are armed only when the earliest deadline changes") {
    counting_timers timers;
    muster::alarm<counting_timers> shared{timers};
    muster::alarm<counting_timers>::line a{shared}, b{shared};
    a.set(at(5s));
    a.set(at(5s));
    b.set(at(6s));
    b.set(at(8s));
    CHECK(timers.arms == 1);
    b.wake_by(at(9s));  // 8 s is early enough
    CHECK(b.armed() == at(8s));
    b.wake_by(at(4s));
    CHECK(timers.armed() == at(4s));
    b.wake_by({});
    CHECK(!b.armed());
    CHECK(timers.arms == 3);
}

}  // namespace alarm_tests
