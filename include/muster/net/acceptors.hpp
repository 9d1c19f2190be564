// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// TCP listeners by their numbers, and the addresses of their ends.
///
/// Idea: whatever is spoken on a connection, it is accepted in the same way. The next one is waited for before one is
/// handed on, so that a taker that throws ends nothing; and without a descriptor to spare, some time passes first.

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/steady_timer.hpp>

#include <muster/core/result.hpp>
#include <muster/libp2p/host/events.hpp>
#include <muster/net/resolver.hpp>
#include <muster/transport/errc.hpp>

namespace muster::net {

/// The IP address and TCP port that @p address begins with; none where its host is a name.
[[nodiscard]] inline std::optional<boost::asio::ip::tcp::endpoint> endpoint_of(peer::multiaddr const& address) {
    boost::system::error_code ec;
    auto const ip = boost::asio::ip::make_address(address.host().value_or(std::string{}), ec);
    if (ec || !address.tcp_port()) return std::nullopt;
    return boost::asio::ip::tcp::endpoint{ip, *address.tcp_port()};
}
/// The address of @p at, followed by @p suffix such as `/ws`.
[[nodiscard]] inline peer::multiaddr address_of(boost::asio::ip::tcp::endpoint const& at,
                                                std::string_view suffix = {}) {
    auto ip = at.address();
    if (ip.is_v6() && ip.to_v6().is_v4_mapped()) {
        ip = boost::asio::ip::make_address_v4(boost::asio::ip::v4_mapped, ip.to_v6());
    }
    if (ip.is_v6()) ip = boost::asio::ip::address_v6{ip.to_v6().to_bytes()};  // without a scope
    auto const written = text(ip.is_v6() ? "/ip6/" : "/ip4/", ip.to_string(), "/tcp/", at.port(), suffix);
    return peer::multiaddr::from_text(written).value();
}

/// Listeners at work. Belongs to its executor's one thread or strand.
class acceptors {
    using tcp = boost::asio::ip::tcp;
    using boost_error = boost::system::error_code;

public:
    /// Takes a socket that somebody has connected to, and where from. May close listeners.
    using taker = std::function<void(tcp::socket, tcp::endpoint const&)>;

    acceptors(boost::asio::any_io_executor executor, taker take)
        : state_{std::make_shared<state>(state{std::move(executor), std::move(take), {}})} {}
    acceptors(acceptors const&) = delete;
    acceptors& operator=(acceptors const&) = delete;
    ~acceptors() { close(); }

    /// Listens. @param suffix  of the addresses that are told. @return where, or `no_address`.
    [[nodiscard]] result<libp2p::listening> open(libp2p::listener_id id, peer::multiaddr const& at,
                                                 std::string_view suffix = {}) {
        auto const endpoint = endpoint_of(at);
        if (!endpoint) return refusal(at, "it is not an IP address with a TCP port and nothing more");
        auto acceptor = std::make_shared<tcp::acceptor>(state_->executor);
        boost_error ec;
        acceptor->open(endpoint->protocol(), ec);
        if (!ec) acceptor->set_option(tcp::acceptor::reuse_address{true}, ec);
        // Else `::` would take the port of `0.0.0.0` as well.
        if (!ec && endpoint->address().is_v6()) acceptor->set_option(boost::asio::ip::v6_only{true}, ec);
        if (!ec) acceptor->bind(*endpoint, ec);
        if (!ec) acceptor->listen(boost::asio::socket_base::max_listen_connections, ec);
        auto const bound = ec ? tcp::endpoint{} : acceptor->local_endpoint(ec);
        if (ec) return refusal(at, ec.message());
        state_->open[id] = acceptor;
        accept(state_, acceptor);
        bool const is_specific = !bound.address().is_unspecified();
        libp2p::listening out{id, {}, is_specific};
        for (auto const& ip : is_specific ? std::vector{bound.address()} : own_addresses(bound.address().is_v6())) {
            out.where.push_back(address_of({ip, bound.port()}, suffix));
        }
        return out;
    }
    /// @return whether it was open here.
    bool close(libp2p::listener_id id) {
        auto const found = state_->open.extract(id);
        if (boost_error ignored; found) found.mapped()->close(ignored);
        return !found.empty();
    }
    /// Closes all.
    void close() {
        boost_error ignored;
        for (auto const& [id, a] : state_->open) a->close(ignored);
        state_->open.clear();
    }
    /// Why it cannot listen at @p at.
    [[nodiscard]] static error refusal(peer::multiaddr const& at, std::string const& why) {
        return error{transport::errc::no_address, text("cannot listen on ", at.to_text(), ": ", why)};
    }

private:
    struct state {
        boost::asio::any_io_executor executor;
        taker take;
        std::map<libp2p::listener_id, std::shared_ptr<tcp::acceptor>> open;
    };

    static void accept(std::shared_ptr<state> const& s, std::shared_ptr<tcp::acceptor> const& acceptor) {
        acceptor->async_accept([s, acceptor](boost_error const& ec, tcp::socket socket) {
            if (!acceptor->is_open()) return;
            if (ec && ec != boost::asio::error::connection_aborted) return accept_later(s, acceptor);
            accept(s, acceptor);  // first, so that it goes on whatever the taker throws
            boost_error gone;
            auto const remote = ec ? tcp::endpoint{} : socket.remote_endpoint(gone);
            if (!ec && !gone) s->take(std::move(socket), remote);
        });
    }
    // Out of descriptors, most likely: trying again at once would spin.
    static void accept_later(std::shared_ptr<state> const& s, std::shared_ptr<tcp::acceptor> const& acceptor) {
        auto const pause = std::make_shared<boost::asio::steady_timer>(s->executor, std::chrono::milliseconds{100});
        pause->async_wait([s, acceptor, pause](boost_error const&) {
            if (acceptor->is_open()) accept(s, acceptor);
        });
    }
    /// Where others may reach this machine, and at last where only it can.
    [[nodiscard]] static std::vector<boost::asio::ip::address> own_addresses(bool is_v6) {
        std::vector<boost::asio::ip::address> out;
        ifaddrs* raw = nullptr;
        (void)::getifaddrs(&raw);
        std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> const all{raw, &::freeifaddrs};
        for (auto const* i = raw; i != nullptr; i = i->ifa_next) {
            auto const ip = (i->ifa_flags & IFF_UP) != 0 ? ip_of(i->ifa_addr) : std::nullopt;
            if (ip && ip->is_v6() == is_v6 && !(is_v6 && ip->to_v6().is_link_local())) out.push_back(*ip);
        }
        std::partition(out.begin(), out.end(), [](auto const& ip) { return !ip.is_loopback(); });
        if (out.empty()) out.push_back(boost::asio::ip::make_address(is_v6 ? "::1" : "127.0.0.1"));
        return out;
    }

    std::shared_ptr<state> state_;
};

}  // namespace muster::net
