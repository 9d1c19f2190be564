// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What every protocol machine looks like from outside.

#include <concepts>

#include <muster/core/effect_sink.hpp>
#include <muster/core/time.hpp>

namespace muster {

/// A pure state machine: no clock, no socket, no thread, no hidden randomness.
///
/// Semantics: `handle(event, now, sink)` is total: an event that does not fit the state is late news and is ignored.
/// `wake(now, sink)` may come early, late or twice, and is harmless then. `next_deadline()` says when it wants to be
/// woken; none when only events matter. Effects are pushed in the order in which they are to be performed, before the
/// call returns: nothing waits for the next one. `stats()` are gauges, for whoever looks. Commands are members of their
/// own names; they take the time, and the sink where they have effects, and what they refuse has changed nothing.
template <class M>
concept machine = requires(M& m, M const& c, typename M::event const& e, instant now,
                           effect_list<typename M::effect>& sink) {
    m.handle(e, now, sink);
    m.wake(now, sink);
    { c.next_deadline() } -> std::same_as<deadline>;
    c.stats();
};

}  // namespace muster
