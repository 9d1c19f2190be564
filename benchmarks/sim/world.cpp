// SPDX-License-Identifier: MIT

// What a simulated event costs: the world's queue beside a plain std::priority_queue of the same actions, the network
// with rules above it, and a whole run of co-signers, which is mostly cryptography.

#include <memory>
#include <queue>
#include <string_view>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>

#include <muster/sim/signing/run.hpp>

#include <support/areas.hpp>

namespace muster::bench {

namespace {

constexpr std::size_t events_per_iteration = 10'000;

/// Every host does something and plans to do it again at a random time within a second.
class self_planning {
public:
    explicit self_planning(std::size_t hosts) : draw_{world_.stream("benchmark")} {
        for (std::size_t i = 0; i < hosts; ++i) {
            auto const h = world_.add_host();
            world_.boot(h);
            plan(h);
        }
    }
    void run() {
        for (std::size_t i = 0; i < events_per_iteration; ++i) world_.step();
    }

private:
    void plan(sim::host_id h) {
        world_.after_on(h, duration{static_cast<std::int64_t>(uniform(draw_, 1'000'000'000))}, [this, h] { plan(h); });
    }
    sim::world world_{1};
    splitmix64 draw_;
};

/// The same with the standard library's queue, and nothing that can crash.
class plain_queue {
public:
    explicit plain_queue(std::size_t hosts) : draw_{sim::stream(1, "benchmark")} {
        for (std::size_t i = 0; i < hosts; ++i) plan(i);
    }
    void run() {
        for (std::size_t i = 0; i < events_per_iteration; ++i) {
            auto const next = queue_.top();
            queue_.pop();
            now_ = next.at;
            next.what();
        }
    }

private:
    struct item {
        std::int64_t at;
        std::uint64_t order;
        std::function<void()> what;
        bool operator<(item const& o) const { return at != o.at ? at > o.at : order > o.order; }
    };
    void plan(std::size_t h) {
        queue_.push(
            {now_ + static_cast<std::int64_t>(uniform(draw_, 1'000'000'000)), order_++, [this, h] { plan(h); }});
    }
    std::priority_queue<item> queue_;
    splitmix64 draw_;
    std::int64_t now_ = 0;
    std::uint64_t order_ = 0;
};

/// Every host sends a frame of 300 bytes to the next but one, which answers.
class chatter {
public:
    explicit chatter(std::size_t hosts) {
        for (std::size_t i = 0; i < hosts; ++i) {
            crypto::public_key key{{2}};
            for (std::size_t k = 0; k < 4; ++k) key.octets[k + 1] = static_cast<byte>(i >> 8 * k);
            peers_.push_back(peer::peer_id::of(key));
            world_.boot(world_.add_host());
            ends_.push_back(std::make_unique<sim::transport>(wires_, static_cast<sim::host_id>(i), peers_[i]));
            ends_[i]->attach("p", [this, i](transport::event const& e) {
                if (std::holds_alternative<transport::connected>(e) && i % 2 == 0) say(i, (i + 1) % peers_.size());
                if (auto const* const r = std::get_if<transport::received>(&e))
                    (void)ends_[i]->send(r->peer, "p", r->frame);
            });
        }
        rules_.push_back(
            wires_.rules().install(sim::delays(world_, std::chrono::milliseconds{1}, std::chrono::seconds{1})));
        rules_.push_back(wires_.rules().install(sim::duplicates(world_, {1, 1000})));
        for (std::size_t i = 0; i < hosts; i += 2) (void)ends_[i]->connect(peers_[(i + 1) % hosts], {});
    }
    std::uint64_t run() {
        auto const before = world_.events();
        while (world_.events() < before + events_per_iteration) world_.step();
        return world_.events() - before;
    }

private:
    void say(std::size_t from, std::size_t to) { (void)ends_[from]->send(peers_[to], "p", bytes(300, 1)); }
    sim::world world_{1};
    sim::network wires_{world_};
    std::vector<peer::peer_id> peers_;
    std::vector<std::unique_ptr<sim::transport>> ends_;
    std::vector<sim::rule_set::guard> rules_;
};

template <class Subject>
void add_events(std::string_view name, std::size_t hosts, std::string_view subject) {
    auto const s = std::make_shared<std::unique_ptr<Subject>>();
    add_case(name, hosts, subject, [s, hosts](benchmark::State& state) {
        if (!*s) *s = std::make_unique<Subject>(hosts);
        for (auto _ : state) (*s)->run();
        report_ns(state, events_per_iteration);
    });
}

}  // namespace

void register_sim() {
    for (std::size_t const hosts : {1'000u, 10'000u, 100'000u}) {
        add_events<self_planning>("sim/event", hosts, "muster");
        add_events<plain_queue>("sim/event", hosts, "std_priority_queue");
    }
    for (std::size_t const hosts : {1'000u, 10'000u}) add_events<chatter>("sim/network_event", hosts, "muster");
    // One run of a seed, from 1 on: a group of two to seven for seven minutes of its time and more.
    add_case("sim/group_run", 1, "muster", [seed = std::uint64_t{0}](benchmark::State& state) mutable {
        std::uint64_t events = 0;
        for (auto _ : state) {
            ++seed;
            sim::signing::group_run<> run{seed, sim::signing::group_options::from_seed(seed)};
            auto const o = run.run();
            if (o.failure) return state.SkipWithError(o.failure->c_str());
            events += o.events;
        }
        state.counters["events"] = benchmark::Counter(static_cast<double>(events), benchmark::Counter::kAvgIterations);
        report_ns(state, 1);
    })->MinTime(2);
}

}  // namespace muster::bench
