// SPDX-License-Identifier: MIT

#include "control.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <istream>

#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/write.hpp>

#include "home.hpp"
#include "output.hpp"

namespace cosigner {

using boost::asio::local::stream_protocol;
using muster::error;
using muster::ok;
using muster::text;
using boost_error = boost::system::error_code;

void control_client::start() { read_request(); }

void control_client::read_request() {
    boost::asio::async_read_until(
        socket_, input_, '\n', [self = shared_from_this()](boost_error const& ec, std::size_t) {
            if (ec == boost::asio::error::not_found) {
                return self->refuse(
                    error{errc::bad_input, text("a request is one line of at most ", request_size_max, " bytes")});
            }
            if (ec) {
                self->gone_ = true;
                return;
            }
            std::istream in{&self->input_};
            std::string line;
            std::getline(in, line);
            self->on_line(line);
            // Nothing more is expected; the read ends when the client hangs up.
            if (self->gone_) return;
            boost::asio::async_read(self->socket_, self->input_,
                                    [self](boost_error const&, std::size_t) { self->gone_ = true; });
        });
}

void control_client::on_line(std::string const& line) {
    auto const spelt = parse_json("request", line);
    if (!spelt) return refuse(spelt.error());
    auto asked = parse_request(spelt.value());
    if (!asked) return refuse(asked.error());
    on_request_(shared_from_this(), std::move(asked).value());
}

void control_client::say(value const& line) {
    if (gone_ || finishing_) return;
    if (lines_.size() >= lines_max) {  // whoever watches and does not read
        gone_ = true;
        socket_.close();
        return;
    }
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

void control_client::refuse(error const& why) {
    auto const code = exit_code_of(why);
    finish(printer::as_json(why, code), code);
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
        if (ec) return accept_later();
        std::make_shared<control_client>(std::move(socket), on_request_)->start();
        accept();
    });
}

// There are no more file descriptors, or something like it: at once it would fail again, and again.
void control_server::accept_later() {
    pause_.expires_after(std::chrono::milliseconds{100});
    pause_.async_wait([this](boost_error const& ec) {
        if (!ec) accept();
    });
}

namespace {

/// One question and its answer.
struct conversation {
    stream_protocol::socket socket;
    listener const& told;
    boost::asio::streambuf input{};
    result<int> outcome = error{errc::not_running, "the cosigner went away before it had answered"};

    void read() {
        boost::asio::async_read_until(socket, input, '\n', [this](boost_error const& ec, std::size_t) {
            if (ec) return stop();
            std::istream in{&input};
            std::string line;
            std::getline(in, line);
            auto const answer = value::parse(line, nullptr, false);
            if (!answer.is_object()) return read();
            bool const goes_on = told.on_line(answer);
            bool const is_last = answer.contains("final");
            if (goes_on && !is_last) return read();
            bool const has_code = is_last && answer.contains("exit") && answer["exit"].is_number_integer();
            outcome = has_code ? answer["exit"].get<int>() : static_cast<int>(interrupted);
            stop();
        });
    }
    void stop() {
        boost_error ignored;
        socket.close(ignored);
        static_cast<boost::asio::io_context&>(socket.get_executor().context()).stop();
    }
};

result<void> reach(stream_protocol::socket& socket, std::filesystem::path const& dir) {
    auto const path = control_socket_in(dir).string();
    if (path.size() >= sizeof(sockaddr_un::sun_path)) {
        return error{errc::bad_directory, text("the path ", path, " is too long for a Unix socket")};
    }
    boost_error ec;
    socket.connect(stream_protocol::endpoint{path}, ec);
    if (!ec) return ok();
    if (ec == boost::asio::error::access_denied) {
        return error{errc::io_failed, text("cannot open ", path, ": ", ec.message())};
    }
    return error{errc::not_running, text("no cosigner answers at ", path, "; start it with `cosigner run ",
                                         as_argument(dir.string()), "`")};
}

}  // namespace

result<int> ask(std::filesystem::path const& dir, value const& what, listener const& told) {
    boost::asio::io_context io;
    conversation c{stream_protocol::socket{io}, told};
    MUSTER_TRY(reach(c.socket, plain_directory(dir)));
    boost_error ec;  // one that refuses the request before it has read all of it has still answered
    boost::asio::write(c.socket, boost::asio::buffer(muster::json::to_line(what) + "\n"), ec);
    c.read();
    boost::asio::signal_set signals{io};
    if (told.on_interrupt) {
        for (int const s : {SIGINT, SIGTERM, SIGHUP}) signals.add(s, ec);
        signals.async_wait([&](boost_error const& failed, int) {
            if (failed) return;
            c.outcome = told.on_interrupt();
            c.stop();
        });
    }
    io.run();
    return c.outcome;
}

}  // namespace cosigner
