// SPDX-License-Identifier: MIT

#include <muster/sim/clock.hpp>
#include <muster/sim/world.hpp>

#include <support/catch.hpp>

namespace world_tests {

using namespace muster;
using namespace muster::sim;
using std::chrono::microseconds;
using std::chrono::seconds;

TEST_CASE("a stream depends on seed, label and index, and on nothing else") {
    CHECK(stream(1, "loss")() == stream(1, "loss")());
    CHECK(stream(1, "loss")() != stream(2, "loss")());
    CHECK(stream(1, "loss")() != stream(1, "delay")());
    CHECK(stream(1, "loss", 0)() != stream(1, "loss", 1)());
    // A constant of the format: seeds that failed once must fail again.
    CHECK(stream(1, "loss")() == 0xd154a776058aacccu);
}

TEST_CASE("chances are what they say, and certain ones draw all the same") {
    auto draw = stream(7, "chance");
    int hits = 0;
    for (int i = 0; i < 30'000; ++i) hits += chance(draw, {1, 3}) ? 1 : 0;
    CHECK(hits > 9'700);
    CHECK(hits < 10'300);
    auto a = stream(7, "a"), b = a;
    CHECK_FALSE(chance(a, {0, 100}));
    (void)b();
    CHECK(a() == b());
    for (int i = 0; i < 100; ++i) {
        CHECK(between(a, 3, 3) == 3);
        auto const d = between(a, seconds{1}, seconds{2});
        CHECK(d >= seconds{1});
        CHECK(d <= seconds{2});
    }
}

TEST_CASE("actions run in the order of their times, equal ones in the order in which they were planned") {
    world w{1};
    auto const start = w.now();
    std::string order;
    w.after(seconds{2}, [&] { order += 'c'; });
    w.after(seconds{1}, [&] {
        order += 'a';
        w.after(duration{0}, [&] { order += 'b'; });
    });
    w.after(seconds{2}, [&] { order += 'd'; });
    w.run_until(start + seconds{1});
    CHECK(order == "ab");
    CHECK(w.now() == start + seconds{1});
    w.run_until(start + seconds{9});
    CHECK(order == "abcd");
    CHECK(w.now() == start + seconds{9});
    CHECK_FALSE(w.step());
    CHECK(w.events() == 4);
}

TEST_CASE("running until something holds stops there, or says that it never did") {
    world w{1};
    int n = 0;
    for (int i = 1; i <= 5; ++i) w.after(seconds{i}, [&] { ++n; });
    auto const start = w.now();
    CHECK(w.run_until(start + seconds{9}, [&] { return n == 2; }));
    CHECK(w.now() == start + seconds{2});
    CHECK_FALSE(w.run_until(start + seconds{4}, [&] { return n == 5; }));
    CHECK(n == 4);
    CHECK(w.now() == start + seconds{4});
}

TEST_CASE("a crash ends what a process had planned, not what is on its way to it") {
    world w{1};
    auto const h = w.add_host();
    CHECK_FALSE(w.is_up(h));
    int planned = 0, arrived = 0;
    w.boot(h);
    w.after_on(h, seconds{2}, [&] { ++planned; });
    w.arrive_at(h, seconds{2}, [&] { ++arrived; });
    w.arrive_at(h, seconds{1}, [&] { w.crash(h); });
    w.after(duration{std::chrono::milliseconds{1500}}, [&] { w.boot(h); });
    w.run_until(w.now() + seconds{3});
    CHECK(planned == 0);
    CHECK(arrived == 1);
    CHECK(w.incarnation(h) == 2);
    w.crash(h);
    w.arrive_at(h, seconds{1}, [&] { ++arrived; });
    w.run_until(w.now() + seconds{3});
    CHECK(arrived == 1);
}

TEST_CASE("a pause puts everything off, in order, and forgets nothing") {
    world w{1};
    auto const h = w.add_host();
    w.boot(h);
    auto const start = w.now();
    std::string order;
    w.pause(h, start + seconds{10});
    w.after_on(h, seconds{1}, [&] { order += 'a'; });
    w.arrive_at(h, seconds{2}, [&] { order += 'b'; });
    w.after_on(h, seconds{10}, [&] { order += 'c'; });
    w.run_until(start + seconds{9});
    CHECK(order.empty());
    w.run_until(start + seconds{10});
    CHECK(order.size() == 3);
    CHECK(order.find('a') < order.find('b'));
    // A machine that is switched off and on again is not paused any more.
    w.pause(h, start + seconds{99});
    w.crash(h);
    w.boot(h);
    w.after_on(h, seconds{1}, [&] { order += 'd'; });
    w.run_until(start + seconds{12});
    CHECK(order.back() == 'd');
}

TEST_CASE("the trace tells runs apart, and lines are made only for a listener") {
    world a{1}, b{1};
    a.after(seconds{1}, [] {});
    b.after(seconds{2}, [] {});
    a.run_until(a.now() + seconds{3});
    b.run_until(b.now() + seconds{3});
    CHECK(a.log().hash() != b.log().hash());
    trace x, y;
    x.note(byte_view{bytes{1, 2}});
    y.note(byte_view{bytes{1, 2, 0}});
    CHECK(x.hash() != y.hash());
    std::string heard;
    a.log().listen([&](std::string_view line) { heard = line; });
    a.say("slot ", 3);
    CHECK(heard == "3603.000000 slot 3");
}

TEST_CASE("clocks run fast or slow, wall clocks are off and can be set") {
    world w{1};
    host_clock const exact{w, {}};
    host_clock fast{w, {seconds{7}, 1000}, instant{seconds{5}}};
    host_clock const slow{w, {-seconds{7}, -1000}};
    CHECK(fast.now() == instant{seconds{5}});
    auto const wall = exact.wall_now();
    w.run_until(w.now() + seconds{1000});
    CHECK(fast.now() == instant{seconds{5 + 1001}});
    CHECK(exact.wall_now() - wall == seconds{1000});
    CHECK(fast.wall_now() - exact.wall_now() ==
          seconds{7} + std::chrono::milliseconds{4600});  // an hour fast, and more
    CHECK(slow.wall_now() < exact.wall_now() - seconds{7});
    auto const before = fast.now();
    fast.step_wall(-seconds{100});
    CHECK(fast.now() == before);
    CHECK(fast.wall_now() < exact.wall_now());
}

TEST_CASE("a timer goes by its own clock, and dies with its process") {
    for (std::int64_t const ppm : {-400'000, -500, 0, 500, 400'000}) {
        world w{1};
        auto const h = w.add_host();
        w.boot(h);
        host_clock const time{w, {{}, ppm}};
        host_timers alarm{w, h, time};
        struct owner {
            host_clock const* time;
            std::vector<instant> woken;
            void wake() { woken.push_back(time->now()); }
        } o{&time, {}};
        alarm.attach(wake_function::of<&owner::wake>(o));
        auto const at = time.now() + seconds{20};
        alarm.arm(at - seconds{1});
        alarm.arm(at);
        w.run_until(w.now() + seconds{60});
        REQUIRE(o.woken.size() == 1);
        CHECK(o.woken[0] >= at);
        CHECK(o.woken[0] - at <= microseconds{1});
        alarm.arm(time.now() + seconds{1});
        alarm.disarm();
        w.run_until(w.now() + seconds{5});
        alarm.arm(time.now() - seconds{1});  // late already
        w.run_until(w.now());
        CHECK(o.woken.size() == 2);
        alarm.arm(time.now() + seconds{1});
        w.crash(h);
        w.run_until(w.now() + seconds{5});
        CHECK(o.woken.size() == 2);
    }
}

}  // namespace world_tests
