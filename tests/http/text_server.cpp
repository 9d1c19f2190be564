// SPDX-License-Identifier: MIT

#include <muster/http/text_server.hpp>

#include <deque>

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/streambuf.hpp>
#include <boost/asio/write.hpp>

#include <support/catch.hpp>

namespace text_server_tests {

using namespace muster;
using namespace std::chrono_literals;
using http::errc;
using http::text_server;
using tcp = boost::asio::ip::tcp;

namespace {

/// A server, and clients that write bytes as they like.
struct bench {
    boost::asio::io_context io{1};
    int made = 0;
    text_server server;
    std::string where;
    std::deque<tcp::socket> clients;

    explicit bench(http::text_server_options o = {})
        : server{io.get_executor(), "/metrics", [this] { return text("made ", ++made, "\n"); }, o} {
        auto const at = server.listen("127.0.0.1:0");
        REQUIRE(at);
        where = at.value();
    }
    template <class Done>
    bool until(Done done) {
        auto const patience = std::chrono::steady_clock::now() + 60s;
        while (!done()) {
            if (io.stopped()) io.restart();
            if (io.run_one_until(patience) == 0) return done();
        }
        return true;
    }
    tcp::socket& client() {
        clients.emplace_back(io);
        auto const port = static_cast<std::uint16_t>(std::stoul(where.substr(where.rfind(':') + 1)));
        clients.back().connect({boost::asio::ip::address_v4::loopback(), port});
        return clients.back();
    }
    /// What comes back until the connection ends, or has been still for a whole answer of @p size bytes.
    std::string said(tcp::socket& by, std::string const& asked, bool to_end = true) {
        boost::asio::write(by, boost::asio::buffer(asked));
        std::string out;
        bool is_over = false;
        std::array<char, 4096> some{};
        std::function<void()> more = [&] {
            by.async_read_some(boost::asio::buffer(some), [&](boost::system::error_code const& why, std::size_t n) {
                out.append(some.data(), n);
                is_over = static_cast<bool>(why) || (!to_end && out.find("made") != std::string::npos);
                if (!is_over) more();
            });
        };
        more();
        REQUIRE(until([&] { return is_over; }));
        return out;
    }
    std::string fetch(std::string const& line, std::string const& host = "127.0.0.1:9100") {
        return said(client(), text(line, " HTTP/1.1\r\nHost: ", host, "\r\nConnection: close\r\n\r\n"));
    }
};
std::string status_of(std::string const& answer) { return answer.substr(0, answer.find("\r\n")); }
std::string body_of(std::string const& answer) { return answer.substr(answer.find("\r\n\r\n") + 4); }

}  // namespace

TEST_CASE("text server: the page is made for each request, and only read") {
    bench b;
    auto const got = b.fetch("GET /metrics");
    CHECK(status_of(got) == "HTTP/1.1 200 OK");
    CHECK(got.find("Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n") != std::string::npos);
    CHECK(got.find("Content-Length: 7\r\n") != std::string::npos);
    CHECK(body_of(got) == "made 1\n");
    auto const head = b.fetch("HEAD /metrics");
    CHECK(status_of(head) == "HTTP/1.1 200 OK");
    CHECK(head.find("Content-Length: 7\r\n") != std::string::npos);
    CHECK(body_of(head).empty());
    CHECK(status_of(b.fetch("GET /")) == "HTTP/1.1 404 Not Found");
    auto const posted = b.fetch("POST /metrics");
    CHECK(status_of(posted) == "HTTP/1.1 405 Method Not Allowed");
    CHECK(posted.find("Allow: GET, HEAD\r\n") != std::string::npos);
    CHECK(body_of(b.said(b.client(), "GET /metrics HTTP/1.0\r\n\r\n")) == "made 3\n");
}

TEST_CASE("text server: one connection may ask again and again") {
    bench b;
    auto& c = b.client();
    std::string const ask = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
    CHECK(body_of(b.said(c, ask, false)) == "made 1\n");
    CHECK(body_of(b.said(c, ask, false)) == "made 2\n");
}

TEST_CASE("text server: a name that a stranger could have chosen is not this machine's") {
    bench b;
    for (std::string const host : {"evil.example", "evil.example:9100", "localhost.evil.example", "10.0.0.1",
                                   "[::2]:80", "127.0.0.1.evil.example:9100"}) {
        INFO(host);
        CHECK(status_of(b.fetch("GET /metrics", host)) == "HTTP/1.1 403 Forbidden");
    }
    CHECK(b.made == 0);
    for (std::string const host : {"localhost", "localhost:9100", "127.0.0.1", "127.8.0.1:1", "[::1]", "[::1]:9100"}) {
        INFO(host);
        CHECK(status_of(b.fetch("GET /metrics", host)) == "HTTP/1.1 200 OK");
    }
}

TEST_CASE("text server: what is no request, too large or has a body ends the connection") {
    bench b;
    CHECK(b.said(b.client(), "\x16\x03\x01\r\n\r\n").empty());
    CHECK(b.said(b.client(), text("GET /metrics HTTP/1.1\r\nX: ", std::string(20'000, 'x'), "\r\n\r\n")).empty());
    CHECK(b.said(b.client(), "POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nbody").empty());
    CHECK(b.made == 0);
    CHECK(status_of(b.fetch("GET /metrics")) == "HTTP/1.1 200 OK");
}

TEST_CASE("text server: one connection more than may be takes the place of the idlest") {
    http::text_server_options o;
    o.connections_max = 2;
    bench b{o};
    std::string const ask = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
    auto& first = b.client();
    auto& second = b.client();
    CHECK(body_of(b.said(first, ask, false)) == "made 1\n");
    CHECK(body_of(b.said(second, ask, false)) == "made 2\n");
    CHECK(body_of(b.said(first, ask, false)) == "made 3\n");
    CHECK(body_of(b.said(b.client(), ask, false)) == "made 4\n");
    CHECK(b.said(second, "", true).empty());  // closed
    CHECK(body_of(b.said(first, ask, false)) == "made 5\n");
}

TEST_CASE("text server: what a page of another site has a browser ask for is refused") {
    bench b;
    for (std::string const more : {"Origin: http://evil.example", "Sec-Fetch-Site: cross-site", "Origin: null"}) {
        auto const got = b.said(
            b.client(), text("GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n", more, "\r\n\r\n"));
        CHECK(status_of(got) == "HTTP/1.1 403 Forbidden");
    }
    CHECK(b.made == 0);
    auto const typed = b.said(b.client(),
                              "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nSec-Fetch-Site: "
                              "none\r\n\r\n");
    CHECK(status_of(typed) == "HTTP/1.1 200 OK");
}

TEST_CASE("text server: a page that cannot be made, and one that closes the server while it is made") {
    boost::asio::io_context io{1};
    bool is_broken = true;
    std::optional<text_server> it;
    it.emplace(io.get_executor(), "/metrics", [&]() -> std::string {
        if (is_broken) throw std::runtime_error{"no"};
        it->close();
        return std::string(100, 'x');
    });
    auto const where = it->listen("127.0.0.1:0").value();
    CHECK(it->listen("127.0.0.1:0").error() == errc::cannot_listen);  // and the first goes on
    auto const port = static_cast<std::uint16_t>(std::stoul(where.substr(where.rfind(':') + 1)));
    for (std::string const status : {"HTTP/1.1 500 Internal Server Error", ""}) {
        tcp::socket by{io};
        by.connect({boost::asio::ip::address_v4::loopback(), port});
        boost::asio::write(
            by,
            boost::asio::buffer(std::string{"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"}));
        std::string got;
        bool is_over = false;
        boost::asio::async_read(by, boost::asio::dynamic_buffer(got),
                                [&](boost::system::error_code const&, std::size_t) { is_over = true; });
        while (!is_over) REQUIRE(io.run_one() == 1);
        if (!status.empty()) CHECK(status_of(got) == status);
        is_broken = false;
    }
    CHECK(it->listen("127.0.0.1:0").error() == errc::cannot_listen);  // closed
}

TEST_CASE("text server: addresses that others reach, and those that are none, are refused with a sentence") {
    boost::asio::io_context io{1};
    text_server s{io.get_executor(), "/metrics", [] { return std::string{}; }};
    for (std::string const where : {"0.0.0.0:9100", "[::]:9100", "10.0.0.1:9100", "[fe80::1]:9100"}) {
        INFO(where);
        auto const refused = s.listen(where);
        REQUIRE(refused.error() == errc::bad_address);
        CHECK(refused.error().message().find("reached by others") != std::string::npos);
    }
    for (std::string const where : {"", ":", "9100", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1",
                                    "127.0.0.1:1x", "localhost:9100", "::1:9100", "[127.0.0.1]:9100", "[::1]"}) {
        INFO(where);
        CHECK(s.listen(where).error() == errc::bad_address);
        CHECK_FALSE(text_server::check(where));
    }
    CHECK(text_server::check("127.0.0.1:9100"));
    CHECK(text_server::check("[::1]:9100"));
    // A port that is taken can be tried again.
    bench b;
    CHECK(s.listen(b.where).error() == errc::cannot_listen);
    b.server.close();
    CHECK(s.listen(b.where).value() == b.where);
    CHECK(s.listen("127.0.0.1:0").error() == errc::cannot_listen);  // it listens already
}

TEST_CASE("text server: closed, it makes no page, and a request under way ends") {
    bench b;
    auto& c = b.client();
    CHECK(body_of(b.said(c, "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n", false)) == "made 1\n");
    b.server.close();
    b.server.close();
    CHECK(b.said(c, "", true).empty());
    CHECK(b.made == 1);
}

}  // namespace text_server_tests
