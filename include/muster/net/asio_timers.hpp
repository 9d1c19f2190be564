// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// The `timers` policy on Boost.Asio: one steady timer per coordinator, not per peer or session.

#include <memory>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <muster/core/timers.hpp>
#include <muster/net/clock.hpp>

namespace muster::net {

/// Wakes on an executor. All members, and the wake-ups, belong to that executor's one thread or strand.
class asio_timers {
public:
    explicit asio_timers(boost::asio::any_io_executor executor)
        : state_{std::make_shared<state>(std::move(executor))} {}
    asio_timers(asio_timers const&) = delete;
    asio_timers& operator=(asio_timers const&) = delete;
    ~asio_timers() {
        attach({});
        disarm();
    }

    void attach(wake_function wake) noexcept { state_->wake = wake; }

    void arm(instant at) {
        state_->timer.expires_at(to_steady(at));
        // The state is kept alive by the wait, and knows when nobody is attached any more.
        state_->timer.async_wait([s = state_](boost::system::error_code const& cancelled) {
            if (!cancelled && s->wake) s->wake();
        });
    }
    void disarm() { state_->timer.cancel(); }

private:
    struct state {
        explicit state(boost::asio::any_io_executor const& executor) : timer{executor} {}

        boost::asio::steady_timer timer;
        wake_function wake;
    };

    std::shared_ptr<state> state_;
};
static_assert(timers<asio_timers>);

}  // namespace muster::net
