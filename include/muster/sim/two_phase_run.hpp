// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// How a run goes, whatever is simulated: everything goes wrong, then it is healed, then it has to work.
///
/// While things go wrong only safety is asked for, at every step: nothing false is ever said. Then the faults end, and
/// progress is asked for, within bounds of virtual time: what was promised comes about. What is asked is the room's.
///
/// Source: the two phases are those of TigerBeetle's VOPR.

#include <concepts>
#include <optional>
#include <string>

#include <muster/sim/outcome.hpp>
#include <muster/sim/world.hpp>

namespace muster::sim {

/// What a room brings to be run.
///
/// Semantics: `where()` is its world. `failure()` is the first rule that was broken, if one was; `check()` is called
/// after every step and may break one. `begin()` boots the hosts, starts the faults and schedules the work of the first
/// phase, which lasts `chaos_lasts()`. `heal()` ends the faults. `require_progress()` advances time and records a
/// failure when a promise is not kept. `options_text()` and `summary()` are printed.
template <class R>
concept room = requires(R& r) {
    { r.where() } -> std::same_as<world&>;
    { r.failure() } -> std::convertible_to<std::optional<std::string>>;
    r.check();
    r.begin();
    { r.chaos_lasts() } -> std::convertible_to<duration>;
    r.heal();
    r.require_progress();
    { r.options_text() } -> std::convertible_to<std::string>;
    { r.summary() } -> std::convertible_to<std::string>;
};

/// Lets time pass in @p r until @p done() holds, at most @p time; says whether it came to that, and no rule was broken.
template <room R, class Done>
[[nodiscard]] bool pass_until(R& r, duration time, Done done) {
    auto& w = r.where();
    auto const stop = [&] {
        r.check();
        return r.failure().has_value() || done();
    };
    return w.run_until(w.now() + time, stop) && !r.failure();
}
/// Lets @p time pass in @p r, or less when a rule is broken.
template <room R>
void pass(R& r, duration time) {
    (void)pass_until(r, time, [] { return false; });
}

/// Runs both phases. To be called once.
template <room R>
[[nodiscard]] outcome two_phase_run(R& r) {
    r.begin();
    pass(r, r.chaos_lasts());
    if (!r.failure()) {
        r.where().say("healed");
        r.heal();
        r.require_progress();
    }
    return {r.failure(), r.where().log().hash(), r.where().events(), r.options_text(), r.summary()};
}

}  // namespace muster::sim
