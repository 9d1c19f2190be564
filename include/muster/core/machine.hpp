// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What every protocol machine looks like from outside.

#include <concepts>

#include <muster/core/bytes.hpp>
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
/// Events and effects are mostly variants of small aggregates. They can be compared, so that a test is a transcript;
/// MUSTER_FIELDS (core/fields.hpp) sees to that.
template <class M>
concept machine = std::equality_comparable<typename M::event> && std::equality_comparable<typename M::effect> &&
    requires(M& m, M const& c, typename M::event const& e, instant now, effect_list<typename M::effect>& sink) {
    m.handle(e, now, sink);
    m.wake(now, sink);
    { c.next_deadline() } -> std::same_as<deadline>;
    c.stats();
};

/// A machine over a stream of bytes: multistream-select, Noise, yamux, a connection.
///
/// Semantics: `feed(in, now, out, sink)` takes bytes of the other side, in any portions. What is to be sent is appended
/// to `out`, by `feed` and by every command that has something to send: an `M::output`, which the owner passes to each
/// call and empties towards the other side. Nothing waits in the machine, neither bytes nor events. A machine that may
/// end within @p in returns how many bytes it took; the rest is for what comes after it. Bytes in the events of an
/// inner machine are views of @p in, valid during the call; where they outlive it, the event owns them.
template <class M>
concept byte_machine = std::equality_comparable<typename M::event> &&
    requires(M& m, byte_view in, instant now, typename M::output& out, effect_list<typename M::event>& sink) {
    m.feed(in, now, out, sink);
};

}  // namespace muster
