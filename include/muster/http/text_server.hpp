// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// One page of text for programs on the same machine, such as the metrics that Prometheus fetches.
///
/// Idea: whoever reaches the page may read it, so only this machine does: the server listens on loopback addresses
/// alone. A browser on this machine could still be led here by a stranger's page under a name of the stranger's that
/// leads to 127.0.0.1 (DNS rebinding), so a request has to name a loopback address, or `localhost`, as its host; and
/// what a page of another site has its reader's browser ask for (Origin, Sec-Fetch-Site) is refused.
///
/// GET and HEAD are answered; connections are kept open for more requests, up to a bound in number and time.
///
/// @see RFC 9110 and RFC 9112. HTTP itself is Boost.Beast's.

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>

#include <muster/core/result.hpp>
#include <muster/http/errc.hpp>

namespace muster::http {

/// Bounds of a @ref text_server. All ours.
struct text_server_options {
    std::size_t connections_max = 8;        ///< Open at a time; one more takes the place of the idlest.
    std::chrono::seconds idle_max{30};      ///< Without a whole request, or with an answer that is not read.
    std::uint32_t request_size_max = 8192;  ///< Bytes of a request, which has no body.
    std::string content_type = "text/plain; version=0.0.4; charset=utf-8";  ///< That of Prometheus' text format.
};

/// Serves what a function returns at one path. It and all handlers belong to the executor's one thread or strand.
class text_server {
    using tcp = boost::asio::ip::tcp;
    using failure = boost::system::error_code;

public:
    /// @param executor  of one thread or strand.
    /// @param path      such as `/metrics`; begins with a slash.
    /// @param page      makes the text, for each request anew; not called after @ref close.
    text_server(boost::asio::any_io_executor executor, std::string path, std::function<std::string()> page,
                text_server_options o = {})
        : state_{std::make_shared<state>(std::move(executor), std::move(path), std::move(page), std::move(o))} {}
    text_server(text_server const&) = delete;
    text_server& operator=(text_server const&) = delete;
    ~text_server() { close(); }

    /// Listens at @p where, such as `127.0.0.1:9100` or `[::1]:9100`; at port 0 the system chooses one.
    /// @return where it listens; `bad_address`, or `cannot_listen`, after which it can be tried again.
    [[nodiscard]] result<std::string> listen(std::string_view where) {
        MUSTER_TRY(auto const at, endpoint_of(where));
        if (!state_->page) return error{errc::cannot_listen, "this server was closed"};
        if (state_->acceptor) return error{errc::cannot_listen, "this server listens already"};
        auto const a = std::make_shared<tcp::acceptor>(state_->executor);
        failure why;
        a->open(at.protocol(), why);
        if (!why) a->set_option(tcp::acceptor::reuse_address{true}, why);
        if (!why) a->bind(at, why);
        if (!why) a->listen(boost::asio::socket_base::max_listen_connections, why);
        if (why) return error{errc::cannot_listen, text("cannot listen at ", where, ": ", why.message())};
        state_->acceptor = a;
        state::accept(state_, a);
        return text_of(a->local_endpoint(why));
    }
    /// Ends everything. Repeating it changes nothing.
    void close() { state_->close(); }

    /// Whether @ref listen would try that address. @return `bad_address`.
    [[nodiscard]] static result<void> check(std::string_view where) {
        MUSTER_TRY(endpoint_of(where));
        return ok();
    }

private:
    struct connection;
    struct state {
        using acceptor_ptr = std::shared_ptr<tcp::acceptor>;
        state(boost::asio::any_io_executor ex, std::string at, std::function<std::string()> make,
              text_server_options with)
            : executor{std::move(ex)}, path{std::move(at)}, page{std::move(make)}, o{std::move(with)} {}

        static void accept(std::shared_ptr<state> const& s, acceptor_ptr const& a) {
            a->async_accept([s, a](failure why, tcp::socket socket) {
                if (!a->is_open()) return;
                // Without handles to spare the next one fails at once, too; the wait is what others free some in.
                if (why) return accept_later(s, a);
                accept(s, a);
                s->take(s, std::move(socket));
            });
        }
        static void accept_later(std::shared_ptr<state> const& s, acceptor_ptr const& a) {
            auto const pause = std::make_shared<boost::asio::steady_timer>(s->executor, std::chrono::seconds{1});
            pause->async_wait([s, a, pause](failure) {
                if (a->is_open()) accept(s, a);
            });
        }
        // Where there is no room the connection that has asked for nothing for longest gives way.
        void take(std::shared_ptr<state> const& s, tcp::socket socket) {
            std::erase_if(open, [](auto const& c) { return c.expired(); });
            if (open.size() >= o.connections_max) {
                auto const idlest = std::min_element(open.begin(), open.end(), [](auto const& a, auto const& b) {
                    return a.lock()->asked_at < b.lock()->asked_at;
                });
                idlest->lock()->stream.close();
                open.erase(idlest);
            }
            auto const c = std::make_shared<connection>(std::move(socket), s);
            open.push_back(c);
            c->read();
        }
        void close() {
            failure ignored;
            if (acceptor) acceptor->close(ignored);
            acceptor.reset();
            page = {};
            for (auto const& c : std::exchange(open, {})) {
                if (auto const still = c.lock()) still->stream.close();
            }
        }

        boost::asio::any_io_executor executor;
        acceptor_ptr acceptor;  // while it listens
        std::string path;
        std::function<std::string()> page;
        text_server_options o;
        std::vector<std::weak_ptr<connection>> open;
    };
    // Keeps itself alive while it reads or writes.
    struct connection : std::enable_shared_from_this<connection> {
        using status = boost::beast::http::status;
        using field = boost::beast::http::field;
        using verb = boost::beast::http::verb;

        connection(tcp::socket socket, std::shared_ptr<state> s)
            : stream{std::move(socket)}, of{std::move(s)}, buffer{of->o.request_size_max} {}

        void read() {
            request.emplace();
            asked_at = std::chrono::steady_clock::now();
            request->header_limit(of->o.request_size_max);
            stream.expires_after(of->o.idle_max);
            boost::beast::http::async_read(stream, buffer, *request,
                                           [self = shared_from_this()](failure why, std::size_t) {
                                               if (!why && self->of->page) self->write();
                                           });
        }
        void write() {
            auto const& asked = request->get();
            answer = {};
            answer.version(asked.version());
            answer.keep_alive(asked.keep_alive());
            answer.set(field::content_type, "text/plain; charset=utf-8");
            fill(asked);
            answer.prepare_payload();
            if (asked.method() == verb::head) answer.body().clear();  // its length is told all the same
            stream.expires_after(of->o.idle_max);
            boost::beast::http::async_write(stream, answer, [self = shared_from_this()](failure why, std::size_t) {
                if (!why && self->answer.keep_alive() && self->of->page) self->read();
            });
        }
        template <class Request>
        void fill(Request const& asked) {
            auto const host = asked[field::host];
            auto const site = asked["Sec-Fetch-Site"];
            bool const is_of_page = !asked[field::origin].empty() || (!site.empty() && site != "none");
            if (is_of_page || !is_of_this_machine({host.data(), host.size()})) {
                refuse(status::forbidden, "This page is for programs on this machine.\n");
            } else if (asked.method() != verb::get && asked.method() != verb::head) {
                answer.set(field::allow, "GET, HEAD");
                refuse(status::method_not_allowed, "This page can be read only.\n");
            } else if (auto const t = asked.target(); std::string_view{t.data(), t.size()} != of->path) {
                refuse(status::not_found, text("There is ", of->path, " only.\n"));
            } else {
                make_page();
            }
        }
        // The function may close the server, or fail, for which the program is not to end.
        void make_page() {
            auto const make = of->page;
            try {
                answer.body() = make();
                answer.set(field::content_type, of->o.content_type);
            } catch (std::exception const&) {
                refuse(status::internal_server_error, "The page cannot be made now.\n");
            }
        }
        void refuse(status why, std::string said) {
            answer.result(why);
            answer.body() = std::move(said);
        }

        boost::beast::tcp_stream stream;
        std::shared_ptr<state> of;
        boost::beast::flat_buffer buffer;
        std::chrono::steady_clock::time_point asked_at;
        std::optional<boost::beast::http::request_parser<boost::beast::http::empty_body>> request;
        boost::beast::http::response<boost::beast::http::string_body> answer;
    };

    [[nodiscard]] static std::string text_of(tcp::endpoint const& at) {
        auto const host = at.address().to_string();
        return at.address().is_v6() ? text("[", host, "]:", at.port()) : text(host, ":", at.port());
    }
    /// Address and port of `1.2.3.4:5` or `[::1]:5`.
    [[nodiscard]] static std::optional<tcp::endpoint> parse(std::string_view where) {
        auto const colon = where.rfind(':');
        if (colon == std::string_view::npos) return std::nullopt;
        auto host = where.substr(0, colon);
        auto const port = where.substr(colon + 1);
        bool const is_v6 = host.size() > 2 && host.front() == '[' && host.back() == ']';
        if (is_v6) host = host.substr(1, host.size() - 2);
        bool const is_number = !port.empty() && port.size() <= 5 &&
                               std::all_of(port.begin(), port.end(), [](char c) { return c >= '0' && c <= '9'; });
        failure why;
        auto const address = boost::asio::ip::make_address(std::string{host}, why);
        if (why || !is_number || address.is_v6() != is_v6) return std::nullopt;
        auto const number = std::stoul(std::string{port});
        if (number > 65'535) return std::nullopt;
        return tcp::endpoint{address, static_cast<std::uint16_t>(number)};
    }
    [[nodiscard]] static result<tcp::endpoint> endpoint_of(std::string_view where) {
        auto const at = parse(where);
        if (!at) {
            return error{errc::bad_address, text(where, " is no IP address and port, such as 127.0.0.1:9100")};
        }
        if (!at->address().is_loopback()) {
            return error{errc::bad_address, text(where,
                                                 " is reached by others, and whoever reaches this page reads it:"
                                                 " take a loopback address such as 127.0.0.1")};
        }
        return *at;
    }
    // A client of HTTP/1.0 names no host, and is no browser.
    [[nodiscard]] static bool is_of_this_machine(std::string_view host) {
        if (host.empty() || host == "localhost" || host.substr(0, 10) == "localhost:") return true;
        auto at = parse(host);
        if (!at) at = parse(text(host, ":0"));
        return at && at->address().is_loopback();
    }

    std::shared_ptr<state> state_;
};

}  // namespace muster::http
