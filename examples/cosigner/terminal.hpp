// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Lines that a person types.

#include <array>
#include <functional>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

namespace cosigner {

/// Reads lines from the terminal that is standard input. Not thread-safe.
class terminal {
public:
    explicit terminal(boost::asio::io_context& io) : input_{io} {}

    /// Whether a person can be asked: standard input and standard output are terminals, and ours at the moment.
    [[nodiscard]] static bool is_there();
    /// Begins to hand lines to @p on_line, without their ends; what is longer than 4096 bytes is cut.
    /// @return false when the terminal cannot be read.
    [[nodiscard]] bool start(std::function<void(std::string const&)> on_line);
    /// Throws away what was typed and not handed over yet.
    void drop_typed();

private:
    void read();
    void take(std::size_t size);

    boost::asio::posix::stream_descriptor input_;
    std::function<void(std::string const&)> on_line_;
    std::array<char, 1024> part_{};
    std::string line_;
    bool dropped_ = false;           // while a part is handed over: the rest of it does not count
    std::size_t ends_in_a_row_ = 0;  // of file: a person can type one, a terminal that is gone says nothing else
};

}  // namespace cosigner
