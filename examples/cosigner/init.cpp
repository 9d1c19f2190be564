// SPDX-License-Identifier: MIT

#include <ifaddrs.h>
#include <netinet/in.h>

#include <memory>

#include <boost/asio/io_context.hpp>

#include <muster/crypto/system_random.hpp>
#include <muster/net/libp2p_transport.hpp>

#include "commands.hpp"
#include "home.hpp"
#include "parse.hpp"

namespace cosigner {

using muster::error;
using muster::text;
using muster::peer::multiaddr;

namespace {

/// Listens as `run` will, and stops. @return the address with the port that it got.
result<multiaddr> try_listening(multiaddr const& where) {
    muster::crypto::system_random random;
    MUSTER_TRY(auto const seed, muster::crypto::secret<32>::generate(random));
    MUSTER_TRY(auto const keys, muster::peer::derive_keys(seed));
    boost::asio::io_context io;
    muster::net::libp2p_transport network{io.get_executor(), keys.node};
    auto const bound = network.listen(where);
    network.close();
    if (!bound) return error{errc::bad_input, bound.error().message()};
    return multiaddr::from_text(text(where.to_text().starts_with("/ip6/") ? "/ip6/" : "/ip4/", *where.host(), "/tcp/",
                                     *bound.value().tcp_port()));
}

/// An address of this machine that others may reach, of the family that @p wanted is of; loopback when there is none.
std::string reachable_host(bool is_v6) {
    ifaddrs* list = nullptr;
    if (::getifaddrs(&list) != 0) return is_v6 ? "::1" : "127.0.0.1";
    std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> const all{list, &::freeifaddrs};
    for (auto const* i = list; i != nullptr; i = i->ifa_next) {
        if (i->ifa_addr == nullptr || i->ifa_addr->sa_family != (is_v6 ? AF_INET6 : AF_INET)) continue;
        boost::asio::ip::address found;
        if (is_v6) {
            boost::asio::ip::address_v6::bytes_type raw;
            std::copy_n(reinterpret_cast<sockaddr_in6 const*>(i->ifa_addr)->sin6_addr.s6_addr, raw.size(), raw.begin());
            auto const v6 = boost::asio::ip::address_v6{raw};
            if (v6.is_link_local()) continue;
            found = v6;
        } else {
            found =
                boost::asio::ip::address_v4{ntohl(reinterpret_cast<sockaddr_in const*>(i->ifa_addr)->sin_addr.s_addr)};
        }
        if (!found.is_loopback()) return found.to_string();
    }
    return is_v6 ? "::1" : "127.0.0.1";
}

/// Whether @p where stands for every address of a machine, which nobody can dial.
bool is_unspecified(multiaddr const& where) {
    boost::system::error_code is_name;
    auto const ip = boost::asio::ip::make_address(where.host().value_or(""), is_name);
    return !is_name && ip.is_unspecified();
}

/// Where others reach who listens at @p listen, without the peer id.
result<multiaddr> announced(arguments const& a, multiaddr const& listen) {
    if (a.address) {
        auto const given = multiaddr::from_text(*a.address);
        bool const is_usable = given && given.value().host() && given.value().tcp_port().value_or(0) != 0 &&
                               !given.value().is_relayed() && !given.value().peer() && !is_unspecified(given.value());
        if (is_usable) return given;
        return error{errc::bad_input, text("--address: ", in_quotes(*a.address),
                                           " is not one like /dns4/alice.example/tcp/4001, without the peer id")};
    }
    auto const ip = boost::asio::ip::make_address(*listen.host());
    auto const host = ip.is_unspecified() ? reachable_host(ip.is_v6()) : *listen.host();
    return multiaddr::from_text(text(ip.is_v6() ? "/ip6/" : "/ip4/", host, "/tcp/", *listen.tcp_port()));
}

result<settings> settings_of(arguments const& a) {
    settings s;
    MUSTER_TRY(auto const listen, parse_listen(a.listen.value_or("/ip4/127.0.0.1/tcp/0")));
    for (auto const& written : a.peers) {
        MUSTER_TRY(auto peer, parse_peer(written));
        if (s.peers.count(peer.first) != 0)
            return error{errc::bad_input, text("--peer ", peer.first, " is there twice")};
        MUSTER_TRY(add_peer(s, std::move(peer)));
    }
    MUSTER_TRY(s.listen, try_listening(listen));
    return s;
}

/// The name that is handed over: as given, or after the directory.
result<std::string> name_for(arguments const& a) {
    if (a.name) return parse_name(*a.name);
    auto name = parse_name(plain_directory(a.dir).filename().string());
    if (name) return name;
    return error{errc::bad_input, text(name.error().message(), "; the directory's name is none, so give --name")};
}

}  // namespace

int init(arguments const& a, printer& out) {
    auto const name = name_for(a);
    if (!name) return out.fail(name.error());
    auto const wanted = settings_of(a);
    if (!wanted) return out.fail(wanted.error());
    auto const where = announced(a, wanted.value().listen);
    if (!where) return out.fail(where.error());
    auto const made = home::create(a.dir, wanted.value());
    if (!made) return out.fail(made.error());
    auto const keys = made.value().keys();
    if (!keys) return out.fail(keys.error());
    auto const signer = muster::to_hex(keys.value().signer.public_key());
    auto const id = keys.value().node.id();
    auto const full = where.value().with_peer(id);
    if (!full) return out.fail(full.error());
    auto const dir = made.value().dir().string();
    auto const hand_over = text(name.value(), "=", full.value().to_text());
    out.tell({{"event", "initialised"},
              {"signer", signer},
              {"peer", id.to_text()},
              {"directory", dir},
              {"listen", wanted.value().listen.to_text()},
              {"hand_over", hand_over}},
             {text("signer key  ", signer), text("peer id     ", id.to_text()), text("kept in     ", dir),
              text("Back up ", dir, "/seed; whoever reads it can sign as you."),
              "Hand this line to the others, for their `cosigner peer add DIR LINE`:", hand_over});
    return success;
}

}  // namespace cosigner
