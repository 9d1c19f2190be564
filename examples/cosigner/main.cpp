// SPDX-License-Identifier: MIT

// cosigner: a group of machines sign as one. `cosigner --help` lists what it does.

#include <iostream>

#include <CLI/CLI.hpp>

#include "control.hpp"
#include "demo.hpp"
#include "failure.hpp"
#include "home.hpp"
#include "node.hpp"

namespace {

using namespace cosigner;
using muster::error;
using muster::text;
using muster::to_hex;

/// Prints an error and gives the exit code it stands for.
int report(error const& why) {
    std::cerr << "cosigner: " << why.message() << "\n";
    return why == errc::not_running ? not_running : why == errc::bad_input ? usage : setup;
}

struct arguments {
    std::string dir;
    bool json = false;
    // init
    std::string listen = "/ip4/127.0.0.1/tcp/0";
    std::vector<std::string> peers;
    // run
    run_options run;
    std::string drill;
    std::int64_t round_timeout = 300, broadcast_timeout = 30;
    // propose, verify
    std::string file, digest, purpose, election = "lexicographic", path, taproot, key, signature;
    std::vector<std::string> with;
    bool key_path = false, keep_order = false;
    std::int64_t valid_seconds = 600;
    // about a session
    std::string session, why;
};

int init(arguments const& a) {
    settings s;
    auto const listen = muster::peer::multiaddr::from_text(a.listen);
    if (!listen) return report(listen.error());
    s.listen = listen.value();
    for (auto const& written : a.peers) {
        auto peer = parse_peer(written);
        if (!peer) return report(peer.error());
        s.peers.insert(std::move(peer).value());
    }
    auto const made = home::create(a.dir, s);
    if (!made) return report(made.error());
    auto const keys = made.value().keys();
    if (!keys) return report(keys.error());
    auto const signer = to_hex(keys.value().signer.public_key());
    auto const peer = keys.value().node.id().to_text();
    if (a.json) {
        std::cout << muster::json::to_line({{"signer", signer}, {"peer", peer}, {"directory", a.dir}}) << "\n";
    } else {
        std::cout << "signer key  " << signer << "\npeer id     " << peer << "\nkept in     " << a.dir << "\nBack up "
                  << a.dir << "/seed; whoever reads it can sign as you.\n";
    }
    return success;
}

int run(arguments a) {
    auto place = home::open(a.dir);
    if (!place) return report(place.error());
    if (auto const locked = place.value().lock(); !locked) return report(locked.error());
    auto keys = place.value().keys();
    if (!keys) return report(keys.error());
    a.run.json = a.json;
    a.run.false_share = a.drill == "false-share";
    a.run.round_timeout = std::chrono::seconds{a.round_timeout};
    a.run.broadcast_timeout = std::chrono::seconds{a.broadcast_timeout};
    boost::asio::io_context io{1};
    node n{io, std::move(place).value(), std::move(keys).value(), a.run};
    if (auto const started = n.start(); !started) return report(started.error());
    io.run();
    return success;
}

/// Asks the co-signer that runs in the directory and prints what it says.
int ask_running(arguments const& a, value const& request) {
    auto const code = ask((std::filesystem::path{a.dir} / "control.sock").string(), request, [&](value const& line) {
        auto& out = line.contains("error") ? std::cerr : std::cout;
        if (a.json) {
            out << muster::json::to_line(line) << std::endl;
        } else if (line.contains("text")) {
            out << line["text"].get<std::string>() << std::endl;
        }
    });
    return code ? code.value() : report(code.error());
}

/// The digest that `propose` and `verify` are about: of the file, or as given.
result<muster::crypto::digest32> digest_of(arguments const& a) {
    if (a.file.empty() == a.digest.empty()) return error{errc::bad_input, "give a file or --digest, not both"};
    if (!a.digest.empty()) return muster::from_hex_as<muster::crypto::digest32>(a.digest);
    MUSTER_TRY(auto const content, read_file(a.file));
    return muster::crypto::sha256(content);
}

int propose(arguments const& a) {
    auto const digest = digest_of(a);
    if (!digest) return report(digest.error());
    value request{{"command", "propose"},
                  {"messages", {{{"digest", to_hex(digest.value())}}}},
                  {"with", a.with},
                  {"purpose", a.purpose.empty() ? std::filesystem::path{a.file}.filename().string() : a.purpose},
                  {"election", a.election},
                  {"keep_order", a.keep_order},
                  {"valid_seconds", a.valid_seconds}};
    if (!a.path.empty()) {
        request["path"] = value::array();
        for (auto const& step : CLI::detail::split(a.path, '/')) {
            std::uint32_t number = 0;
            if (!CLI::detail::lexical_cast(step, number))
                return report(error{errc::bad_input, text("'", step, "' is not a derivation step")});
            request["path"].push_back(number);
        }
    }
    if (a.key_path || !a.taproot.empty()) request["taproot"] = a.taproot;
    return ask_running(a, request);
}

int verify(arguments const& a) {
    auto const digest = digest_of(a);
    if (!digest) return report(digest.error());
    auto const key = muster::from_hex_as<muster::crypto::xonly_key>(a.key);
    if (!key) return report(error{errc::bad_input, text("--key: ", key.error().message())});
    auto const sig = muster::from_hex_as<muster::crypto::signature>(a.signature);
    if (!sig) return report(error{errc::bad_input, text("--signature: ", sig.error().message())});
    bool const valid = muster::crypto::verify_bip340(key.value(), digest.value().view(), sig.value());
    if (a.json) {
        std::cout << muster::json::to_line({{"valid", valid}, {"digest", to_hex(digest.value())}}) << "\n";
    } else {
        std::cout << (valid ? "valid" : "NOT VALID") << "  " << to_hex(digest.value()) << "\n";
    }
    return valid ? success : not_signed;
}

}  // namespace

int main(int argc, char** argv) {
    arguments a;
    CLI::App app{"A group of machines sign as one: MuSig2 (BIP-327) over libp2p.", "cosigner"};
    app.footer(
        "Exit codes: 0 done (propose: signed, verify: valid), 1 ended without a signature or not valid,\n"
        "2 usage, 3 no cosigner runs in that directory, 4 a file, address or permission is in the way,\n"
        "5 a scene of the demo failed.");
    app.require_subcommand(1);
    int code = success;
    auto const add = [&](char const* name, char const* help, std::function<int()> what) {
        auto* const sub = app.add_subcommand(name, help);
        sub->add_flag("--json", a.json, "One JSON object a line, for scripts");
        sub->callback([&code, what = std::move(what)] { code = what(); });
        return sub;
    };
    auto const in_dir = [&](CLI::App* sub) {
        sub->add_option("DIR", a.dir, "The co-signer's directory")->required();
        return sub;
    };
    auto const about_session = [&](CLI::App* sub) {
        in_dir(sub)->add_option("SESSION", a.session, "First digits of the session id")->required();
        return sub;
    };
    auto const ask_about = [&](char const* what) {
        return [&a, what] { return ask_running(a, {{"command", what}, {"session", a.session}, {"why", a.why}}); };
    };

    auto* const sub_init = in_dir(add("init", "Make keys and settings in a new directory", [&] { return init(a); }));
    sub_init->add_option("--listen", a.listen, "Where to listen, as a multiaddr")->capture_default_str();
    sub_init->add_option("--peer", a.peers,
                         "NAME=ADDRESS of a co-signer, e.g. bob=/ip4/10.0.0.2/tcp/4001/p2p/16Uiu2..; repeatable");

    auto* const sub_run =
        in_dir(add("run", "Listen, stay connected, and sign what is approved", [&] { return run(a); }));
    sub_run->add_option("--approve", a.run.approve, "ask, all, none, or digest:HEX (approve that one, refuse others)")
        ->capture_default_str()
        ->check([](std::string const& rule) {
            bool const known =
                rule == "ask" || rule == "all" || rule == "none" ||
                (rule.starts_with("digest:") && muster::from_hex_as<muster::crypto::digest32>(rule.substr(7)));
            return known ? std::string{} : "must be ask, all, none or digest:HEX";
        });
    sub_run->add_option("--round-timeout", a.round_timeout, "Seconds to wait for the others in a round")
        ->capture_default_str()
        ->check(CLI::Range(1, 86'400));
    sub_run
        ->add_option("--broadcast-timeout", a.broadcast_timeout, "Seconds until the next signer is asked to broadcast")
        ->capture_default_str()
        ->check(CLI::Range(1, 86'400));
    sub_run->add_flag("--hold-broadcast", a.run.hold_broadcast, "Do not broadcast before `cosigner broadcast`");
    sub_run->add_option("--drill", a.drill, "Misbehave, to see it found out")->check(CLI::IsMember({"false-share"}));

    auto* const sub_propose =
        in_dir(add("propose", "Ask co-signers to sign a file or a digest, and watch", [&] { return propose(a); }));
    sub_propose->add_option("FILE", a.file, "The file; its SHA-256 is signed");
    sub_propose->add_option("--digest", a.digest, "32 octets in hexadecimal, instead of a file");
    sub_propose->add_option("--with", a.with, "Co-signers, by name or signer key")->required()->delimiter(',');
    sub_propose->add_option("--purpose", a.purpose, "What it is for, shown to those who approve");
    sub_propose
        ->add_option("--election", a.election,
                     "lexicographic, hash-based; with --keep-order also first-signer, last-signer")
        ->capture_default_str();
    sub_propose->add_flag("--keep-order", a.keep_order,
                          "Signers as in --with, you first, instead of sorted: the group's key is another one then");
    sub_propose->add_option("--valid", a.valid_seconds, "Seconds until the proposal expires")
        ->capture_default_str()
        ->check(CLI::Range(1, 86'400));
    sub_propose->add_option("--path", a.path, "BIP-328 derivation of the aggregate key, e.g. 0/7");
    sub_propose->add_option("--taproot", a.taproot, "Taproot tweak with this merkle root (64 digits)");
    sub_propose->add_flag("--key-path", a.key_path, "Taproot tweak without a script tree");

    in_dir(add("sessions", "List sessions, and who has given what", [&] {
        return ask_running(a, {{"command", "sessions"}});
    }));
    in_dir(add("status", "Show keys and connections", [&] { return ask_running(a, {{"command", "status"}}); }));
    about_session(add("approve", "Approve a session that waits for you", ask_about("approve")));
    about_session(add("decline", "Refuse a session that waits for you", ask_about("decline")))
        ->add_option("--why", a.why, "The reason, for everyone");
    about_session(add("abort", "Give a session up", ask_about("abort")))
        ->add_option("--why", a.why, "The reason, for everyone");
    about_session(add("broadcast", "Broadcast a signature, and tell everyone", ask_about("broadcast")));
    about_session(add("failover", "Ask the next signer to broadcast", ask_about("failover")));

    auto* const sub_verify = add("verify", "Check a signature", [&] { return verify(a); });
    sub_verify->add_option("FILE", a.file, "The file that was signed");
    sub_verify->add_option("--digest", a.digest, "Its digest, instead of the file");
    sub_verify->add_option("--key", a.key, "Aggregate key, 64 digits")->required();
    sub_verify->add_option("--signature", a.signature, "Signature, 128 digits")->required();

    add("demo", "Watch three co-signers in four scenes", [&] { return run_demo(a.json); });

    try {
        app.parse(argc, argv);
    } catch (CLI::ParseError const& e) {
        return app.exit(e) == 0 ? success : usage;
    }
    return code;
}
