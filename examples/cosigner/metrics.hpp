// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// `run --metrics ADDRESS`: what this program measures, as a page for Prometheus on this machine.

#include <functional>
#include <string>

#include <boost/asio/any_io_executor.hpp>
#include <muster/http/text_server.hpp>
#include <muster/metrics/registry.hpp>
#include <muster/node/attempts.hpp>
#include <muster/node/telemetry.hpp>

#include "composition.hpp"
#include "escape.hpp"
#include "output.hpp"

namespace cosigner {

using telemetry = muster::node::telemetry<muster::metrics::registry::handle>;

/// The page, and what it shows.
class metrics_page {
public:
    /// What it is made of.
    struct parts {
        boost::asio::any_io_executor executor;
        timer_line& timers;  ///< Of its own.
        cosigner::clock const& time;
        muster::metrics::registry& all;
        std::string where;           ///< A loopback address and a port; it has to be one.
        std::function<void()> look;  ///< Tells the registry how much there is, before it is shown.
        std::function<void(log_level, value const&, lines const&)> tell;
    };
    explicit metrics_page(parts p);

    /// Serves it. While the port is taken it is tried again, after 1 s, doubling to 60.
    void start() { serving_.start(); }
    /// Ends it; the page is not made any more.
    void close();

private:
    [[nodiscard]] bool serve(muster::duration wait);

    parts p_;
    muster::http::text_server server_;
    muster::node::attempts<timer_line, clock> serving_;
};

}  // namespace cosigner
