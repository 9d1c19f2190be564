// SPDX-License-Identifier: MIT

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

/// Where a co-signer listens, and where others reach that; both with the port that it got.
struct place {
    multiaddr listen;
    multiaddr reached;
};

[[nodiscard]] result<multiaddr> with_port(std::string const& host, multiaddr const& where) {
    auto const ip = boost::asio::ip::make_address(host);
    return multiaddr::from_text(text(ip.is_v6() ? "/ip6/" : "/ip4/", host, "/tcp/", *where.tcp_port()));
}

/// Listens as `run` will, and stops.
result<place> try_listening(multiaddr const& where) {
    muster::crypto::system_random random;
    MUSTER_TRY(auto const seed, muster::crypto::secret<32>::generate(random));
    MUSTER_TRY(auto const keys, muster::peer::derive_keys(seed));
    boost::asio::io_context io;
    muster::net::libp2p_transport network{io.get_executor(), keys.node};
    auto const bound = network.listen(where);
    network.close();
    if (!bound) return error{errc::bad_input, bound.error().message()};
    place out;
    MUSTER_TRY(out.listen, with_port(*where.host(), bound.value()));
    MUSTER_TRY(out.reached, with_port(*bound.value().host(), bound.value()));
    return out;
}

/// Whether @p where stands for every address of a machine, which nobody can dial.
bool is_unspecified(multiaddr const& where) {
    boost::system::error_code is_name;
    auto const ip = boost::asio::ip::make_address(where.host().value_or(""), is_name);
    return !is_name && ip.is_unspecified();
}

/// Where others reach us, without the peer id: as given, or @p found.
result<multiaddr> announced(arguments const& a, multiaddr const& found) {
    if (!a.address) return found;
    auto const given = multiaddr::from_text(*a.address);
    bool const is_usable = given && given.value().host() && given.value().tcp_port().value_or(0) != 0 &&
                           !given.value().is_relayed() && !given.value().peer() && !is_unspecified(given.value());
    if (is_usable) return given;
    return error{errc::bad_input, text("--address: ", in_quotes(*a.address),
                                       " is not one like /dns4/alice.example/tcp/4001, without the peer id")};
}

/// The settings as given, which do not say yet where to listen.
result<settings> settings_of(arguments const& a) {
    settings s;
    for (auto const& written : a.peers) {
        MUSTER_TRY(auto peer, parse_peer(written));
        if (s.peers.count(peer.first) != 0)
            return error{errc::bad_input, text("--peer ", peer.first, " is there twice")};
        MUSTER_TRY(add_peer(s, std::move(peer)));
    }
    return s;
}
/// Where to listen, tried.
result<place> place_of(arguments const& a) {
    MUSTER_TRY(auto const listen, parse_listen(a.listen.value_or("/ip4/127.0.0.1/tcp/0")));
    return try_listening(listen);
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
    auto wanted = settings_of(a);
    if (!wanted) return out.fail(wanted.error());
    auto const found = place_of(a);
    if (!found) return out.fail(found.error());
    wanted.value().listen = found.value().listen;
    auto const where = announced(a, found.value().reached);
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
