// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// A co-signer in a process of its own, as the demonstration runs it: started, listened to, killed.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/streambuf.hpp>

#include <muster/core/result.hpp>
#include <muster/json/signing.hpp>

namespace cosigner {

/// A child process whose standard output is JSON lines.
class process {
public:
    process(boost::asio::io_context& io, std::string name) : io_{io}, name_{std::move(name)} {}
    process(process const&) = delete;
    process& operator=(process const&) = delete;
    ~process() { kill(); }

    /// Starts this very program with @p arguments; what it said before is forgotten.
    [[nodiscard]] muster::result<void> start(std::vector<std::string> arguments);
    /// SIGKILL, and waits for its end. Harmless when it is not running.
    void kill();

    [[nodiscard]] std::string const& name() const noexcept { return name_; }
    [[nodiscard]] int id() const noexcept { return pid_; }
    /// What it has said, in order.
    /// The first event of that name about @p session (any, when empty).
    [[nodiscard]] muster::json::value const* find(std::string const& event, std::string const& session = {}) const;
    /// How many events of that name it has told.
    [[nodiscard]] std::size_t count(std::string const& event) const;

private:
    /// The output of one run. A read that is pending when the process is restarted keeps its own alive.
    struct output : std::enable_shared_from_this<output> {
        output(boost::asio::io_context& io, int fd) : pipe{io, fd} {}
        void read();

        boost::asio::posix::stream_descriptor pipe;
        boost::asio::streambuf pending;
        std::vector<muster::json::value> said;
    };

    boost::asio::io_context& io_;
    std::string name_;
    std::shared_ptr<output> output_;
    int pid_ = -1;
};

}  // namespace cosigner
