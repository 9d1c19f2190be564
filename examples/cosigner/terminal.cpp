// SPDX-License-Identifier: MIT

#include "terminal.hpp"

#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include <utility>

namespace cosigner {

// In the background a program is stopped when it reads.
bool terminal::is_there() {
    return ::isatty(STDIN_FILENO) == 1 && ::isatty(STDOUT_FILENO) == 1 && ::tcgetpgrp(STDIN_FILENO) == ::getpgrp();
}

// It is opened anew: reading without blocking, as Asio does, would otherwise go for the shell's descriptor as well.
bool terminal::start(std::function<void(std::string const&)> on_line) {
    on_line_ = std::move(on_line);
    std::array<char, 256> name{};
    int fd = -1;
    if (::ttyname_r(STDIN_FILENO, name.data(), name.size()) == 0)
        fd = ::open(name.data(), O_RDONLY | O_NOCTTY | O_CLOEXEC);
    if (fd < 0) fd = ::dup(STDIN_FILENO);
    boost::system::error_code ec;
    input_.assign(fd, ec);
    if (!ec) read();
    return !ec;
}

void terminal::drop_typed() {
    line_.clear();
    dropped_ = true;
    // A process in the background would be stopped for it.
    if (input_.is_open() && ::tcgetpgrp(input_.native_handle()) == ::getpgrp()) {
        (void)::tcflush(input_.native_handle(), TCIFLUSH);
    }
}

void terminal::read() {
    constexpr std::size_t ends_max = 16;
    input_.async_read_some(boost::asio::buffer(part_), [this](boost::system::error_code const& ec, std::size_t size) {
        if (ec == boost::asio::error::eof && ++ends_in_a_row_ < ends_max) {
            line_.clear();
            on_line_("");
            return read();
        }
        if (ec) return;
        ends_in_a_row_ = 0;
        take(size);
        read();
    });
}

void terminal::take(std::size_t size) {
    constexpr std::size_t line_max = 4096;  // what Linux's terminals take in one line
    dropped_ = false;
    for (std::size_t i = 0; i < size && !dropped_; ++i) {
        if (part_[i] != '\n') {
            if (line_.size() < line_max) line_ += part_[i];
            continue;
        }
        on_line_(std::exchange(line_, {}));
    }
}

}  // namespace cosigner
