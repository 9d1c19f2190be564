// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// The control socket: JSON lines over a Unix socket that only its owner may open.
///
/// A client sends one line, a request. The co-signer answers with lines, the last of which has `"final": true` and an
/// exit code. Only the filesystem's permissions say who may ask: mode 0600, in a directory of mode 0700.

#include <deque>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/streambuf.hpp>

#include <muster/core/result.hpp>
#include <muster/json/signing.hpp>

#include "request.hpp"

namespace cosigner {

using muster::result;
using value = muster::json::value;

/// One client of a running co-signer. Answers are queued and written in order.
class control_client : public std::enable_shared_from_this<control_client> {
public:
    using request_handler = std::function<void(std::shared_ptr<control_client> const&, request)>;

    control_client(boost::asio::local::stream_protocol::socket socket, request_handler on_request)
        : socket_{std::move(socket)}, on_request_{std::move(on_request)} {}

    void start();
    /// Sends one line.
    void say(value const& line);
    /// Sends the last line and closes.
    void finish(value line, int exit_code);
    /// Says why a request is refused, and closes.
    void refuse(muster::error const& why);
    [[nodiscard]] bool is_gone() const noexcept { return gone_; }

private:
    void write();

    boost::asio::local::stream_protocol::socket socket_;
    void read_request();
    void on_line(std::string const& line);

    /// Longest request, in bytes. Ours: four times what a proposal may take.
    static constexpr std::size_t request_size_max = 256u << 10;

    /// Lines that wait for a client; who has more to read is gone. Ours.
    static constexpr std::size_t lines_max = 4096;

    boost::asio::streambuf input_{request_size_max};
    request_handler on_request_;
    std::deque<std::string> lines_;
    bool writing_ = false;
    bool finishing_ = false;
    bool gone_ = false;
};

/// Accepts clients on a socket file of mode 0600.
class control_server {
public:
    control_server(boost::asio::io_context& io, control_client::request_handler on_request)
        : acceptor_{io}, pause_{io}, on_request_{std::move(on_request)} {}

    /// Replaces a socket file that a process which is gone left behind.
    [[nodiscard]] result<void> listen(std::string const& path);

private:
    void accept();
    void accept_later();

    boost::asio::local::stream_protocol::acceptor acceptor_;
    boost::asio::steady_timer pause_;
    control_client::request_handler on_request_;
};

/// How somebody who asks is told.
struct listener {
    std::function<bool(value const&)> on_line;  ///< Takes every answer; false when no more is wanted.
    /// SIGINT, SIGTERM or SIGHUP came first: says so, and gives the exit code. Without it they end the program.
    std::function<int()> on_interrupt = {};
};
/// Sends @p what to the co-signer in @p dir and hands every line of its answer on.
/// @return the exit code of the last line, or `not_running`, or `io_failed` when the socket may not be used.
[[nodiscard]] result<int> ask(std::filesystem::path const& dir, value const& what, listener const& told);

}  // namespace cosigner
