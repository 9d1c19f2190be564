// SPDX-License-Identifier: MIT

#include <muster/core/machine.hpp>

#include <support/catch.hpp>

namespace machine_tests {

using namespace muster;

namespace {

// The least that is a machine, and what is not quite one.
struct least {
    struct event {
        bool operator==(event const&) const = default;
    };
    struct effect {
        bool operator==(effect const&) const = default;
    };
    void handle(event const&, instant, effect_list<effect>&) {}
    void wake(instant, effect_list<effect>&) {}
    [[nodiscard]] deadline next_deadline() const { return {}; }
    void stats() const {}
};
static_assert(machine<least>);

struct keeps_its_effects : least {
    void wake(instant) {}
};
static_assert(!machine<keeps_its_effects>);
struct reads_a_clock : least {
    void handle(event const&, effect_list<effect>&) {}
};
static_assert(!machine<reads_a_clock>);
struct has_no_deadline : least {
    [[nodiscard]] instant next_deadline() const { return {}; }
};
static_assert(!machine<has_no_deadline>);
struct cannot_be_transcribed : least {
    struct effect {};
    void handle(event const&, instant, effect_list<effect>&) {}
    void wake(instant, effect_list<effect>&) {}
};
static_assert(!machine<cannot_be_transcribed>);
struct cannot_be_looked_at : least {
    void stats() = delete;
};
static_assert(!machine<cannot_be_looked_at>);

struct least_of_bytes {
    using output = bytes;
    struct event {
        bool operator==(event const&) const = default;
    };
    std::size_t feed(byte_view in, instant, bytes&, effect_list<event>&) { return in.size(); }
};
static_assert(byte_machine<least_of_bytes>);
struct keeps_its_output : least_of_bytes {
    std::size_t feed(byte_view in, instant, effect_list<event>&) { return in.size(); }
};
static_assert(!byte_machine<keeps_its_output>);

/// Counts what it is told, and says so after a second.
struct counter {
    struct event {
        int n;
        bool operator==(event const&) const = default;
    };
    struct effect {
        int sum;
        bool operator==(effect const&) const = default;
    };
    template <effect_sink<effect> Sink>
    void handle(event const& e, instant now, Sink&) {
        sum += e.n;
        due = now + std::chrono::seconds{1};
    }
    template <effect_sink<effect> Sink>
    void wake(instant now, Sink& out) {
        if (!due || now < *due) return;
        due.reset();
        out.push(effect{sum});
    }
    [[nodiscard]] deadline next_deadline() const { return due; }
    [[nodiscard]] int stats() const { return sum; }

    int sum = 0;
    deadline due;
};
static_assert(machine<counter>);

/// Drives any machine: events at their times, and a wake-up whenever it asks for one.
template <machine M>
std::vector<typename M::effect> drive(M& m, std::vector<std::pair<instant, typename M::event>> const& script) {
    effect_list<typename M::effect> out;
    for (auto const& [at, e] : script) {
        for (auto due = m.next_deadline(); due && *due <= at; due = m.next_deadline()) m.wake(*due, out);
        m.handle(e, at, out);
    }
    while (auto const due = m.next_deadline()) m.wake(*due, out);
    return out.take();
}

}  // namespace

TEST_CASE("whoever knows the contract can drive a machine it does not know") {
    counter m;
    auto const at = [](int seconds) { return instant{std::chrono::seconds{seconds}}; };
    auto const said = drive(m, {{at(0), {1}}, {at(0), {2}}, {at(5), {3}}});
    REQUIRE(said.size() == 2);
    CHECK(said[0].sum == 3);
    CHECK(said[1].sum == 6);
    CHECK(m.stats() == 6);
}

}  // namespace machine_tests
