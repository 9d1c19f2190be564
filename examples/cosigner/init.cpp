// SPDX-License-Identifier: MIT

#include <boost/asio/io_context.hpp>

#include <muster/crypto/system_random.hpp>

#include "commands.hpp"
#include "files.hpp"
#include "home.hpp"
#include "parse.hpp"
#include "passphrases.hpp"

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
    real_network network{io.get_executor(), keys.node};
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

/// How the seed of a new directory gets there. Called when all else is known to be right.
using seed_maker = std::function<result<home::seed_writer>()>;

/// Makes the directory that @p a describes, and tells what the others have to know of it.
int make(arguments const& a, char const* event, seed_maker const& make_seed, printer& out) {
    auto const name = name_for(a);
    if (!name) return out.fail(name.error());
    auto wanted = settings_of(a);
    if (!wanted) return out.fail(wanted.error());
    auto const found = place_of(a);
    if (!found) return out.fail(found.error());
    wanted.value().listen = found.value().listen;
    auto const where = announced(a, found.value().reached);
    if (!where) return out.fail(where.error());
    auto const seed = make_seed();
    if (!seed) return out.fail(seed.error());
    auto const made = home::create(a.dir, wanted.value(), seed.value());
    if (!made) return out.fail(made.error());
    auto const self = made.value().keys().owner();
    if (!self) return out.fail(self.error());
    auto const signer = muster::to_hex(self.value().signer);
    auto const id = muster::peer::peer_id::of(self.value().node);
    auto const full = where.value().with_peer(id);
    if (!full) return out.fail(full.error());
    auto const dir = made.value().dir().string();
    auto const hand_over = text(name.value(), "=", full.value().to_text());
    bool const is_wrapped = made.value().keys().is_wrapped();
    out.tell({{"event", event},
              {"signer", signer},
              {"peer", id.to_text()},
              {"user", muster::to_hex(self.value().user)},
              {"directory", dir},
              {"listen", wanted.value().listen.to_text()},
              {"passphrase", is_wrapped},
              {"hand_over", hand_over}},
             {text("signer key  ", signer), text("peer id     ", id.to_text()),
              text("user        ", muster::identity::shown(self.value().user)), text("kept in     ", dir),
              is_wrapped ? text("Back up ", dir, "/key; who has it and the passphrase can sign as you.")
                         : text("Back up ", dir, "/seed; whoever reads it can sign as you. `cosigner passwd ", dir,
                                "` puts it under a passphrase."),
              "Hand this line to the others, for their `cosigner peer add DIR LINE`:", hand_over});
    return success;
}

}  // namespace

int init(arguments const& a, printer& out) {
    return make(
        a, "initialised",
        [&]() -> result<home::seed_writer> {
            if (!a.passphrase && !a.passphrase_file) {
                return home::seed_writer{[](keyring const& keys) -> result<void> {
                    MUSTER_TRY(auto const key, fresh_seed());
                    return keys.keep(key);
                }};
            }
            MUSTER_TRY(auto const phrase, choose_passphrase(a.passphrase_file, plain_directory(a.dir).string()));
            MUSTER_TRY(auto const key, fresh_seed());
            MUSTER_TRY(auto file, keyring::wrap(key, phrase));
            return home::seed_writer{[file = std::move(file)](keyring const& keys) { return keys.keep(file); }};
        },
        out);
}

int import_key(arguments const& a, printer& out) {
    return make(
        a, "imported",
        [&]() -> result<home::seed_writer> {
            MUSTER_TRY(auto file, read_file(*a.key_file));
            MUSTER_TRY(auto const read, key_file::read(file));
            // It is opened before anything is made: a directory with a key that nobody can open helps nobody.
            MUSTER_TRY(auto const phrase, ask_passphrase(a.passphrase_file, in_quotes(*a.key_file)));
            MUSTER_TRY(auto const key, read.open(phrase));
            return home::seed_writer{[file = std::move(file)](keyring const& keys) { return keys.keep(file); }};
        },
        out);
}

}  // namespace cosigner
