// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What programs beside js have in common: they do what lines on their input say, and tell what happens in lines.

#include <functional>
#include <iostream>
#include <string>
#include <utility>

#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/streambuf.hpp>

#include <muster/core/error.hpp>
#include <muster/crypto/system_random.hpp>
#include <muster/peer/identity.hpp>

namespace muster::interop {

/// Says a line.
template <class... Parts>
void say(Parts const&... parts) {
    std::cout << text(parts...) << std::endl;
}

/// A key that nobody had before.
[[nodiscard]] inline peer::node_key make_key() {
    crypto::system_random random;
    return peer::node_key{crypto::key_pair::generate(random).value()};
}

/// Hands on the lines of standard input, and ends the loop with them.
class orders {
public:
    orders(boost::asio::io_context& io, std::function<void(std::string const&)> obey)
        : io_{io}, in_{io, ::dup(STDIN_FILENO)}, obey_{std::move(obey)} {}
    void read() {
        boost::asio::async_read_until(in_, input_, '\n', [this](boost::system::error_code const& ec, std::size_t) {
            if (ec) return io_.stop();
            std::istream lines{&input_};
            std::string line;
            std::getline(lines, line);
            obey_(line);
            read();
        });
    }

private:
    boost::asio::io_context& io_;
    boost::asio::posix::stream_descriptor in_;
    boost::asio::streambuf input_;
    std::function<void(std::string const&)> obey_;
};

}  // namespace muster::interop
