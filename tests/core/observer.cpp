// SPDX-License-Identifier: MIT

#include <muster/core/observer.hpp>

#include <support/catch.hpp>

namespace observer_tests {

using namespace muster;

namespace {

struct cut {
    int peer = 3;
    MUSTER_FIELDS(cut, peer);
};

}  // namespace

TEST_CASE("observers: nothing costs nothing, a recording remembers, a line writer keeps to its level") {
    struct watched {
        int n;
        [[no_unique_address]] null_observer by;
    };
    static_assert(sizeof(watched) == sizeof(int));
    recording_observer seen;
    seen.count("frames_received_total", 2);
    seen.count("frames_received_total", 3);
    seen.gauge("peers", 4);
    seen.gauge("peers", 1);
    seen.measure("round_trip_seconds", 0.5);
    CHECK(seen.counted("frames_received_total") == 5);
    CHECK(seen.counted("nothing") == 0);
    CHECK(seen.gauged("peers") == 1);
    CHECK(seen.measured("round_trip_seconds") == std::vector<double>{0.5});
    log_event(seen, log_level::info, cut{});
    CHECK(seen.lines() == std::vector<std::pair<log_level, std::string>>{{log_level::info, "cut{peer: 3}"}});
    std::vector<std::string> lines;
    line_observer writer{log_level::warning, [&](std::string_view l) { lines.emplace_back(l); }};
    log_event(writer, log_level::info, cut{});
    log_event(writer, log_level::error, cut{});
    CHECK(lines == std::vector<std::string>{"error: cut{peer: 3}"});
}

}  // namespace observer_tests
