// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What goes wrong in a run, drawn from its seed, and the hand that does it.
///
/// Swarm testing: every parameter is drawn, and some faults are off altogether in some runs, since a fault that is
/// always there hides what the others could have shown. In the first phase of a run everything is allowed to happen;
/// then the network is healed, hosts that are down boot, and what is promised must come about within a bound.
///
/// Source: swarm testing, Groce et al., ISSTA 2012; the two phases are those of TigerBeetle's VOPR.

#include <array>
#include <concepts>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <muster/sim/clock.hpp>
#include <muster/sim/rules.hpp>

namespace muster::sim {

/// How bad it gets. Ratios are per frame, or per second and host; the defaults are a world without faults.
struct fault_options {
    duration delay_least = std::chrono::milliseconds{1};  ///< Of a packet.
    duration delay_most = std::chrono::milliseconds{20};
    ratio loss{};                         ///< Frames that never arrive.
    ratio duplicate{};                    ///< Frames that arrive twice.
    ratio reorder{};                      ///< Frames that are overtaken.
    ratio corrupt{};                      ///< Frames that arrive damaged.
    ratio clog{};                         ///< Seconds in which a link lets nothing through.
    ratio partition{};                    ///< Seconds in which hosts are cut off from each other, if they are not.
    ratio crash{};                        ///< Seconds in which a host goes down.
    ratio pause{};                        ///< Seconds in which a host stops for a while.
    ratio wall_step{};                    ///< Seconds in which somebody sets a host's wall clock.
    ratio disk_error{};                   ///< Lives of a host in which its disk refuses something once.
    ratio rollback{};                     ///< Boots from an older copy of the disk.
    std::uint64_t octets_per_second = 0;  ///< Of a link; 0 is unlimited.
    std::uint32_t drift_ppm_most = 0;     ///< Of clocks, in either direction.
    duration wall_offset_most{};          ///< Of wall clocks, in either direction.

    bool operator==(fault_options const&) const = default;

    /// The faults that can be switched off, by name.
    struct named {
        std::string_view name;
        ratio fault_options::*what;
    };
    static constexpr std::array<named, 11> all{{{"loss", &fault_options::loss},
                                                {"duplicate", &fault_options::duplicate},
                                                {"reorder", &fault_options::reorder},
                                                {"corrupt", &fault_options::corrupt},
                                                {"clog", &fault_options::clog},
                                                {"partition", &fault_options::partition},
                                                {"crash", &fault_options::crash},
                                                {"pause", &fault_options::pause},
                                                {"wall_step", &fault_options::wall_step},
                                                {"disk_error", &fault_options::disk_error},
                                                {"rollback", &fault_options::rollback}}};

    /// The faults of a run. Each is off in one run of four.
    [[nodiscard]] static fault_options from_seed(std::uint64_t seed) {
        using std::chrono::milliseconds;
        fault_options o;
        auto const draw = [seed](std::string_view what, ratio most) {
            auto source = stream(seed, what);
            bool const on = chance(source, {3, 4});
            auto const of = static_cast<std::uint32_t>(between(source, 0, most.of));
            return ratio{on ? of : 0, most.in};
        };
        auto time = stream(seed, "options/time");
        o.delay_least = between(time, milliseconds{0}, milliseconds{50});
        o.delay_most = o.delay_least + between(time, milliseconds{0}, milliseconds{400});
        o.loss = draw("options/loss", {20, 100});
        o.duplicate = draw("options/duplicate", {20, 100});
        o.reorder = draw("options/reorder", {30, 100});
        o.corrupt = draw("options/corrupt", {3, 100});
        o.clog = draw("options/clog", {15, 100});
        o.partition = draw("options/partition", {15, 100});
        o.crash = draw("options/crash", {30, 1000});
        o.pause = draw("options/pause", {30, 1000});
        o.wall_step = draw("options/wall_step", {30, 1000});
        o.disk_error = draw("options/disk_error", {50, 100});
        o.rollback = draw("options/rollback", {20, 100});
        o.octets_per_second = chance(time, {1, 4}) ? between(time, 4'000, 400'000) : 0;
        o.drift_ppm_most = static_cast<std::uint32_t>(between(time, 0, 500));
        o.wall_offset_most = between(time, milliseconds{0}, milliseconds{20'000});
        return o;
    }

    /// In one line, as a failure prints it.
    [[nodiscard]] std::string to_text() const {
        auto out = text("delay=", delay_least.count() / 1'000'000, "..", delay_most.count() / 1'000'000, "ms");
        for (auto const& [name, what] : all) {
            if ((this->*what).of != 0) out += text(" ", name, "=", (this->*what).of, "/", (this->*what).in);
        }
        if (octets_per_second != 0) out += text(" bandwidth=", octets_per_second);
        return out + text(" drift=", drift_ppm_most, "ppm wall=", wall_offset_most.count() / 1'000'000, "ms");
    }

    /// How wrong the clock of @p h is in the run of @p seed.
    [[nodiscard]] skew clock_of(std::uint64_t seed, host_id h) const {
        auto draw = stream(seed, "clock", h);
        auto const ppm = static_cast<std::int64_t>(uniform(draw, 2ull * drift_ppm_most + 1)) - drift_ppm_most;
        return {between(draw, duration{0}, 2 * wall_offset_most) - wall_offset_most, ppm};
    }
};

/// A network whose packets rules can touch.
///
/// Semantics: `rules()` is the set of them; `split(partition)` cuts hosts off from each other as long as the guard that
/// it returns lives.
template <class N>
concept faulty_network = requires(N& n, partition p) {
    { n.rules() } -> std::same_as<rule_set&>;
    { n.split(std::move(p)) } -> std::same_as<rule_set::guard>;
};

/// Does to a network and its hosts what @ref fault_options say. Must outlive the world's queue. Not thread-safe.
template <faulty_network Network>
class chaos {
public:
    /// What only the owner of the hosts can do to them.
    struct hands {
        std::function<void(host_id)> crash;                ///< Take it down.
        std::function<void(host_id)> boot;                 ///< Bring it up again.
        std::function<void(host_id, duration)> step_wall;  ///< Set its clock.
    };

    /// @param hosts  those that may crash, pause and have their clocks set: the first so many.
    chaos(world& w, Network& n, fault_options o, host_id hosts, hands do_it)
        : world_{&w}, network_{&n}, options_{o}, do_{std::move(do_it)}, partitions_{w.stream("partition")} {
        for (host_id h = 0; h < hosts; ++h) machines_.push_back(w.stream("host", h));
    }
    chaos(chaos const&) = delete;
    chaos& operator=(chaos const&) = delete;

    /// Lets everything loose until @ref heal.
    void begin() {
        auto& rules = network_->rules();
        auto const& w = *world_;
        auto const& o = options_;
        guards_.push_back(rules.install(delays(w, o.delay_least, o.delay_most)));
        guards_.push_back(rules.install(losses(w, o.loss)));
        guards_.push_back(rules.install(duplicates(w, o.duplicate)));
        guards_.push_back(rules.install(reorderings(w, o.reorder, std::chrono::seconds{2})));
        guards_.push_back(rules.install(corruptions(w, o.corrupt)));
        guards_.push_back(rules.install(cloggings(w, o.clog, std::chrono::seconds{1})));
        if (o.octets_per_second != 0) guards_.push_back(rules.install(bandwidth(o.octets_per_second)));
        running_ = true;
        disturb();
    }

    /// Ends all faults: every host is up and reaches every other. What is left is a network as networks are: it is as
    /// slow as before, and loses, repeats and reorders one frame of twenty at most, if it did so before.
    void heal() {
        running_ = false;
        guards_.clear();
        cut_ = {};
        is_cut_ = false;
        auto const a_little = [](ratio r) { return std::uint64_t{r.of} * 20 > r.in ? ratio{1, 20} : r; };
        auto& rules = network_->rules();
        guards_.push_back(rules.install(delays(*world_, options_.delay_least, options_.delay_most)));
        guards_.push_back(rules.install(losses(*world_, a_little(options_.loss))));
        guards_.push_back(rules.install(duplicates(*world_, a_little(options_.duplicate))));
        guards_.push_back(rules.install(reorderings(*world_, a_little(options_.reorder), std::chrono::seconds{1})));
        for (host_id h = 0; h < machines_.size(); ++h) {
            if (!world_->is_up(h)) do_.boot(h);
        }
    }

private:
    // Once a second. What is drawn does not depend on what was done, so that one fault less moves no other.
    void disturb() {
        if (!running_) return;
        repartition();
        for (host_id h = 0; h < machines_.size(); ++h) disturb(h);
        world_->after(std::chrono::seconds{1}, [this] { disturb(); });
    }
    void disturb(host_id h) {
        auto& draw = machines_[h];
        bool const goes_down = chance(draw, options_.crash);
        bool const comes_up = chance(draw, {1, 4});
        bool const pauses = chance(draw, options_.pause);
        bool const clock_is_set = chance(draw, options_.wall_step);
        auto const how_long = between(draw, duration{0}, duration{std::chrono::seconds{20}});
        auto const within = between(draw, duration{0}, duration{std::chrono::seconds{1}});
        bool const is_up = world_->is_up(h);
        if (!is_up && comes_up) do_.boot(h);
        if (!is_up) return;
        if (pauses) world_->pause(h, world_->now() + how_long);
        if (clock_is_set) do_.step_wall(h, how_long - std::chrono::seconds{10});
        if (!goes_down) return;
        world_->after_on(h, within, [this, h] {
            if (running_) do_.crash(h);
        });
    }
    void repartition() {
        auto& draw = partitions_;
        bool const cut = chance(draw, options_.partition);
        bool const join = chance(draw, {1, 8});
        auto const mode = uniform(draw, 3);
        auto const alone = uniform(draw, machines_.size());
        auto const one_way = uniform(draw, 4);
        partition p;
        for (host_id h = 0; h < machines_.size(); ++h) {
            bool const side = uniform(draw, 2) == 0;
            p.inside.push_back(mode == 0 ? h == alone : side);
        }
        p.inside_to_outside = one_way != 1;
        p.outside_to_inside = one_way != 2;
        if (!is_cut_ && cut) {
            world_->say("partition");
            cut_ = network_->split(std::move(p));
            is_cut_ = true;
            stable_until_ = world_->now() + std::chrono::seconds{5};
        } else if (is_cut_ && join && world_->now() >= stable_until_) {
            world_->say("partition ends");
            cut_ = {};
            is_cut_ = false;
        }
    }

    world* world_;
    Network* network_;
    fault_options options_;
    hands do_;
    splitmix64 partitions_;
    std::vector<splitmix64> machines_;  // what each host draws from
    std::vector<rule_set::guard> guards_;
    rule_set::guard cut_;
    bool is_cut_ = false;
    instant stable_until_;
    bool running_ = false;
};

}  // namespace muster::sim
