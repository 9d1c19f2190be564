// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// `run --metrics ADDRESS`: what this program measures, as a page for Prometheus on this machine.

#include <chrono>
#include <functional>
#include <string>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <muster/http/text_server.hpp>
#include <muster/metrics/registry.hpp>
#include <muster/node/telemetry.hpp>

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
        muster::metrics::registry& all;
        std::string where;           ///< A loopback address and a port; it has to be one.
        std::function<void()> look;  ///< Tells the registry how much there is, before it is shown.
        std::function<void(log_level, value const&, lines const&)> tell;
    };
    explicit metrics_page(parts p);

    /// Serves it. While the port is taken it is tried again, after 1 s, doubling to 60.
    void start();
    /// Ends it; the page is not made any more.
    void close();

private:
    parts p_;
    muster::http::text_server server_;
    boost::asio::steady_timer later_;
    std::chrono::seconds wait_{1};  ///< Before the next attempt.
    bool is_closed_ = false;
};

}  // namespace cosigner
