// SPDX-License-Identifier: MIT

#include "control.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <istream>

#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>

#include "failure.hpp"

namespace cosigner {

using boost::asio::local::stream_protocol;
using muster::error;
using muster::ok;
using muster::text;
using boost_error = boost::system::error_code;

void control_client::start() {
    boost::asio::async_read_until(
        socket_, input_, '\n', [self = shared_from_this()](boost_error const& ec, std::size_t) {
            if (ec) {
                self->gone_ = true;
                return;
            }
            std::istream in{&self->input_};
            std::string line;
            std::getline(in, line);
            auto const request = value::parse(line, nullptr, false);
            if (request.is_object()) {
                self->on_request_(self, request);
            } else {
                self->finish({{"error", "a request is one JSON object on one line"}}, usage);
            }
            // Nothing more is expected; the read ends when the client hangs up.
            if (self->gone_) return;
            boost::asio::async_read(self->socket_, self->input_,
                                    [self](boost_error const&, std::size_t) { self->gone_ = true; });
        });
}

void control_client::say(value const& line) {
    if (gone_ || finishing_) return;
    lines_.push_back(muster::json::to_line(line) + "\n");
    write();
}

void control_client::finish(value line, int exit_code) {
    if (gone_ || finishing_) return;
    line["final"] = true;
    line["exit"] = exit_code;
    say(line);
    finishing_ = true;
}

void control_client::write() {
    if (writing_ || lines_.empty()) return;
    writing_ = true;
    boost::asio::async_write(socket_, boost::asio::buffer(lines_.front()),
                             [self = shared_from_this()](boost_error const& ec, std::size_t) {
                                 self->writing_ = false;
                                 self->lines_.pop_front();
                                 if (ec || (self->finishing_ && self->lines_.empty())) {
                                     self->gone_ = true;
                                     boost_error ignored;
                                     self->socket_.close(ignored);
                                     return;
                                 }
                                 self->write();
                             });
}

result<void> control_server::listen(std::string const& path) {
    boost_error ec;
    acceptor_.open(stream_protocol{}, ec);
    if (!ec && path.size() >= sizeof(sockaddr_un::sun_path)) {
        return error{errc::bad_directory,
                     text("the path ", path, " is too long for a Unix socket; use a shorter directory")};
    }
    ::unlink(path.c_str());  // we hold the directory's lock: whoever made it is gone
    auto const mask = ::umask(0177);
    if (!ec) acceptor_.bind(stream_protocol::endpoint{path}, ec);
    ::umask(mask);
    if (!ec) acceptor_.listen(8, ec);
    if (ec) return error{errc::io_failed, text("cannot open the control socket ", path, ": ", ec.message())};
    accept();
    return ok();
}

void control_server::accept() {
    acceptor_.async_accept([this](boost_error const& ec, stream_protocol::socket socket) {
        if (ec == boost::asio::error::operation_aborted) return;
        if (!ec) std::make_shared<control_client>(std::move(socket), on_request_)->start();
        accept();
    });
}

result<int> ask(std::string const& path, value const& request, std::function<void(value const&)> const& on_line) {
    boost::asio::io_context io;
    stream_protocol::socket socket{io};
    boost_error ec;
    if (path.size() < sizeof(sockaddr_un::sun_path)) socket.connect(stream_protocol::endpoint{path}, ec);
    if (ec || !socket.is_open()) {
        return error{errc::not_running, text("no cosigner answers at ", path, "; start it with `cosigner run`")};
    }
    boost::asio::write(socket, boost::asio::buffer(muster::json::to_line(request) + "\n"), ec);
    boost::asio::streambuf input;
    for (;;) {
        boost::asio::read_until(socket, input, '\n', ec);
        if (ec) return error{errc::not_running, "the cosigner went away before it had answered"};
        std::istream in{&input};
        std::string line;
        std::getline(in, line);
        auto const answer = value::parse(line, nullptr, false);
        if (!answer.is_object()) continue;
        on_line(answer);
        if (answer.value("final", false)) return answer.value("exit", static_cast<int>(setup));
    }
}

}  // namespace cosigner
