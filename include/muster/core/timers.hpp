// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// The seam of time: who wakes a composition at its next deadline.
///
/// A composition computes one next deadline and says `arm(deadline)`; whoever owns the loop calls the attached
/// function at that time or later. Early, late and duplicate calls are harmless to the machines, so a model may
/// be sloppy, but not deaf. `no_timers` is deaf on purpose: with it nothing ever happens by itself and the
/// application drives everything. A model on a real event loop is `net::asio_timers`.

#include <optional>

#include <muster/core/time.hpp>

namespace muster {

/// A borrowed function without arguments: whom to wake. Empty by default. The owner must outlive it.
class wake_function {
public:
    wake_function() = default;

    /// Calls `(owner.*Member)()`.
    template <auto Member, class Owner>
    [[nodiscard]] static wake_function of(Owner& owner) noexcept {
        wake_function f;
        f.owner_ = &owner;
        f.call_ = [](void* o) { (static_cast<Owner*>(o)->*Member)(); };
        return f;
    }

    [[nodiscard]] explicit operator bool() const noexcept { return call_ != nullptr; }
    void operator()() const { call_(owner_); }

private:
    void* owner_ = nullptr;
    void (*call_)(void*) = nullptr;
};

/// Calls back at a deadline.
///
/// Semantics: `attach(wake)` sets the function to call, once, before the first `arm`; an empty function
/// detaches, and nothing is called afterwards. `arm(at)` replaces the deadline; `disarm()` removes it. The
/// function is never called from inside `arm` or `disarm`. O(1) each.
template <class T>
concept timers = requires(T& t, wake_function wake, instant at) {
    t.attach(wake);
    t.arm(at);
    t.disarm();
};

/// Arms nothing: the application controls all timing.
struct no_timers {
    void attach(wake_function) const noexcept {}
    void arm(instant) const noexcept {}
    void disarm() const noexcept {}
};
static_assert(timers<no_timers>);

/// Remembers the deadline until it is fired by hand. For tests with a manual clock. Not thread-safe.
class manual_timers {
public:
    void attach(wake_function wake) noexcept { wake_ = wake; }
    void arm(instant at) noexcept { armed_ = at; }
    void disarm() noexcept { armed_.reset(); }

    /// What is armed.
    [[nodiscard]] deadline armed() const noexcept { return armed_; }

    /// Wakes the owner when its deadline is at or before @p now; says whether it did.
    bool fire_due(instant now) {
        if (!armed_ || *armed_ > now) return false;
        armed_.reset();
        fire();
        return true;
    }
    /// Wakes the owner whatever is armed: an early, late or duplicate wake-up.
    void fire() {
        if (wake_) wake_();
    }

private:
    wake_function wake_;
    deadline armed_;
};
static_assert(timers<manual_timers>);

}  // namespace muster
