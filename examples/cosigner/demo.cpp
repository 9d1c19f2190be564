// SPDX-License-Identifier: MIT

#include "demo.hpp"

#include <unistd.h>

#include <deque>
#include <filesystem>
#include <functional>
#include <sstream>
#include <stdexcept>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include <muster/crypto/secp256k1.hpp>

#include "control.hpp"
#include "failure.hpp"
#include "files.hpp"
#include "home.hpp"
#include "process.hpp"

namespace cosigner {

namespace fs = std::filesystem;
using boost::asio::ip::tcp;
using muster::error;
using muster::text;

namespace {

/// Something was not as it must be; ends the demonstration.
struct surprise : std::runtime_error {
    using runtime_error::runtime_error;
};

void require(bool holds, std::string const& what) {
    if (!holds) throw surprise{what};
}

template <class T>
T value_of(result<T> r) {
    if (!r) throw surprise{r.error().to_text()};
    return std::move(r).value();
}

std::array<char const*, 3> const names{"alice", "bob", "carol"};

/// Free ports, all different: held open together, then let go.
std::vector<unsigned> free_ports(boost::asio::io_context& io, std::size_t count) {
    std::vector<unsigned> ports;
    std::deque<tcp::acceptor> held;
    for (std::size_t i = 0; i < count; ++i) {
        held.emplace_back(io, tcp::endpoint{boost::asio::ip::address_v4::loopback(), 0});
        ports.push_back(held.back().local_endpoint().port());
    }
    return ports;
}

/// Three co-signers in a temporary directory.
class stage {
public:
    explicit stage(int log) : log_{log}, dir_{make_directory()} {
        for (std::size_t i = 0; i < names.size(); ++i) processes_.emplace_back(io_, names[i]);
        make_homes();
        file_ = dir_ / "contract.txt";
        write_contract();
    }
    ~stage() {
        processes_.clear();
        std::error_code ignored;
        fs::remove_all(dir_, ignored);
    }

    void scene(std::string const& title) {
        put_line(log_, "");
        put_line(log_, "--- " + title);
    }
    void tell(std::string const& what) {
        std::istringstream in{what};
        for (std::string line; std::getline(in, line);) put_line(log_, "    " + line);
    }

    /// (Re)starts all three, each with its own extra options, and waits until everyone has found everyone.
    void start_all(std::array<std::vector<std::string>, 3> const& extra) {
        for (std::size_t i = 0; i < names.size(); ++i) start(i, extra[i]);
        wait("everyone to be connected", [this] {
            // Bob and carol know where alice is, and what she tells them of each other.
            return processes_[0].count("peer_identified") >= 2 &&
                   std::all_of(processes_.begin(), processes_.end(), [](auto const& p) { return known_to(p) >= 2; });
        });
    }
    void start(std::size_t i, std::vector<std::string> const& extra) {
        std::vector<std::string> arguments{"run", home_of(i).string(), "--json",     "--round-timeout",
                                           "20",  "--auto-connect",    "--advertise"};
        arguments.insert(arguments.end(), extra.begin(), extra.end());
        value_of(processes_[i].start(arguments));
    }
    /// Signers that @p p knows, from disk or from others.
    [[nodiscard]] static std::size_t known_to(process const& p) {
        auto const* const loaded = p.find("signers_loaded");
        return (loaded == nullptr ? 0 : (*loaded)["count"].get<std::size_t>()) + p.count("signer_discovered");
    }
    [[nodiscard]] process& operator[](std::size_t i) { return processes_[i]; }

    /// Has alice propose the file to the two others; tells every step. @return the last line.
    value propose(std::string const& purpose) {
        value last;
        value const request{{"command", "propose"},
                            {"with", {"bob", "carol"}},
                            {"purpose", purpose},
                            {"messages", {{{"digest", muster::to_hex(digest())}}}}};
        auto const code = ask(home_of(0), request, {.on_line = [&](value const& line) {
                                  if (line.contains("text")) tell("alice: " + line["text"].get<std::string>());
                                  last = line;
                                  return true;
                              }});
        require(static_cast<bool>(code), code ? "" : code.error().to_text());
        return last;
    }
    /// Sends a command about a session to co-signer @p i.
    void command(std::size_t i, std::string const& what, std::string const& session) {
        auto const code =
            ask(home_of(i), {{"command", what}, {"session", session}}, {.on_line = [](auto const&) { return true; }});
        require(code && code.value() == success, text(names[i], " could not ", what));
    }

    /// Runs until @p done holds. A minute is patience, not an expectation.
    template <class Done>
    void wait(std::string const& what, Done done) {
        auto const patience = std::chrono::steady_clock::now() + std::chrono::minutes{1};
        while (!done()) {
            if (io_.stopped()) io_.restart();
            require(io_.run_one_until(patience) != 0 || done(), "waited in vain for " + what);
        }
    }

    /// Until co-signer @p i has written down whom it knows: half a second after the last change.
    void wait_for_disk(std::size_t i) {
        boost::asio::steady_timer pause{io_};
        bool is_saved = false;
        std::function<void()> const look = [&] {
            auto const asked = ask(home_of(i), {{"command", "signers_stats"}}, {.on_line = [&](value const& line) {
                                       is_saved = line.value("saved", false);
                                       return true;
                                   }});
            if (!asked || is_saved) return;
            pause.expires_after(std::chrono::milliseconds{100});
            pause.async_wait([&](boost::system::error_code const& ec) {
                if (!ec) look();
            });
        };
        look();
        wait(text(names[i], " to write down whom it knows"), [&] { return is_saved; });
    }

    [[nodiscard]] muster::crypto::digest32 digest() const { return value_of(hash_file(file_, {})); }
    [[nodiscard]] fs::path const& file() const noexcept { return file_; }
    [[nodiscard]] fs::path home_of(std::size_t i) const { return dir_ / names[i]; }
    [[nodiscard]] bool has_published(std::size_t i, std::string const& session) const {
        return fs::exists(home_of(i) / "published" / (session + ".json"));
    }

private:
    static fs::path make_directory() {
        auto pattern = (fs::temp_directory_path() / "cosigner-demo-XXXXXX").string();
        require(::mkdtemp(pattern.data()) != nullptr, "no temporary directory could be made");
        return pattern;
    }

    // Alice's address is all that is known of where the others are. Each names the others' keys, since being found lets
    // nobody ask for signatures.
    void make_homes() {
        auto const ports = free_ports(io_, names.size());
        std::vector<muster::peer::multiaddr> addresses;
        std::vector<muster::crypto::public_key> keys;
        for (std::size_t i = 0; i < names.size(); ++i) {
            settings alone;
            alone.listen = value_of(muster::peer::multiaddr::from_text(text("/ip4/127.0.0.1/tcp/", ports[i])));
            auto const made = value_of(home::create(home_of(i), alone));
            auto const made_keys = value_of(made.keys().owner());
            addresses.push_back(value_of(alone.listen.with_peer(muster::peer::peer_id::of(made_keys.node))));
            keys.push_back(made_keys.signer);
        }
        for (std::size_t i = 0; i < names.size(); ++i) {
            settings full;
            full.listen = value_of(muster::peer::multiaddr::from_text(text("/ip4/127.0.0.1/tcp/", ports[i])));
            for (std::size_t j = 0; j < names.size(); ++j) {
                if (j != i) full.initiators.emplace(names[j], keys[j]);
            }
            if (i != 0) full.discovery.bootstrap_peers = {addresses[0]};
            full.discovery.presence.nickname = names[i];
            value_of(value_of(home::open(home_of(i))).save(full));
        }
    }

    void write_contract() {
        auto* const out = std::fopen(file_.c_str(), "w");
        require(out != nullptr, "the file to sign could not be written");
        std::fputs("We, the undersigned, share what we find.\n", out);
        std::fclose(out);
    }

    int log_;  // a descriptor
    boost::asio::io_context io_;
    fs::path dir_;
    fs::path file_;
    std::deque<process> processes_;
};

std::vector<std::string> const approve_all{"--approve", "all"};

/// Checks the signature with BIP-340's verifier alone, from the hexadecimal that was printed.
void verify(value const& done, muster::crypto::digest32 const& digest) {
    auto const key = value_of(muster::from_hex_as<muster::crypto::xonly_key>(done["aggregate_key"].get<std::string>()));
    auto const sig = value_of(muster::from_hex_as<muster::crypto::signature>(done["signatures"][0].get<std::string>()));
    require(muster::crypto::verify_bip340(key, digest.view(), sig), "the signature does not verify");
}

value everyone_signs(stage& s) {
    s.scene("scene 1: everyone signs");
    s.start_all({approve_all, approve_all, approve_all});
    s.tell(text("alice (process ", s[0].id(), ") was the only address that bob (", s[1].id(), ") and carol (",
                s[2].id(), ") had; each has found both others"));
    auto const done = s.propose("a contract");
    require(done.value("event", "") == "completed", "no signature came of it");
    auto const session = done["session"].get<std::string>();
    s.wait("the broadcast", [&] {
        for (std::size_t i = 0; i < 3; ++i) {
            if (s[i].find("broadcast_confirmed", session) == nullptr) return false;
        }
        return true;
    });
    std::size_t published = 0;
    for (std::size_t i = 0; i < 3; ++i) {
        auto const* const theirs = s[i].find("completed", session);
        require(theirs != nullptr && (*theirs)["signatures"] == done["signatures"], "the signers disagree");
        published += s.has_published(i, session) ? 1u : 0u;
    }
    require(published == 1, "not exactly one signer broadcast");
    verify(done, s.digest());
    s.tell("verified: one BIP-340 signature, the same everywhere, broadcast once");
    return done;
}

void one_declines(stage& s) {
    s.scene("scene 2: carol declines");
    s.start_all({approve_all, approve_all, {"--approve", "none"}});
    auto const end = s.propose("something carol does not like");
    require(end.value("reason", "") == "declined" && end.value("culprit_name", "") == "carol",
            "carol's no was not heard");
    s.wait("bob to hear of it", [&] { return s[1].find("aborted", end["session"].get<std::string>()) != nullptr; });
    s.tell("checked: the session ended for everyone, with carol's reason");
}

void one_lies(stage& s) {
    s.scene("scene 3: carol sends a false share");
    s.start_all({approve_all, approve_all, {"--approve", "all", "--drill", "false-share"}});
    auto const end = s.propose("a contract that carol sabotages");
    require(end.value("reason", "") == "invalid_share" && end.value("culprit_name", "") == "carol",
            "carol was not found out");
    auto const session = end["session"].get<std::string>();
    s.wait("bob's verdict", [&] { return s[1].find("stalled", session) != nullptr; });
    auto const& verdict = *s[1].find("stalled", session);
    require(verdict.value("culprit_name", "") == "carol", "bob blames somebody else");
    require(s[0].find("completed", session) == nullptr && s[1].find("completed", session) == nullptr,
            "a signature appeared");
    s.tell("checked: alice and bob each named carol by themselves");
}

/// Which process was elected to broadcast.
std::size_t elected(stage& s, std::string const& session, std::string const& event) {
    for (std::size_t i = 0; i < 3; ++i) {
        if (s[i].find(event, session) != nullptr) return i;
    }
    return 3;
}

void broadcaster_dies(stage& s) {
    s.scene("scene 4: the elected broadcaster is killed");
    std::vector<std::string> const hold{"--approve", "all", "--hold-broadcast", "--broadcast-timeout", "2"};
    s.start_all({hold, hold, hold});
    auto const done = s.propose("a contract that must go out");
    require(done.value("event", "") == "completed", "no signature came of it");
    auto const session = done["session"].get<std::string>();
    s.wait("the election", [&] { return elected(s, session, "should_broadcast") < 3; });
    auto const first = elected(s, session, "should_broadcast");
    s.wait_for_disk(first);
    s.tell(text(names[first], " is elected, and killed (SIGKILL)"));
    s[first].kill();

    std::size_t second = 3;
    s.wait("the failover", [&] {
        for (std::size_t i = 0; i < 3; ++i) {
            if (i != first && s[i].find("should_broadcast", session) != nullptr) second = i;
        }
        return second < 3;
    });
    s.tell(text(names[second], " takes over"));
    s.command(second, "broadcast", session);
    auto const third = 3 - first - second;
    s.wait("the confirmation", [&] { return s[third].find("broadcast_confirmed", session) != nullptr; });
    require(s.has_published(second, session) && !s.has_published(first, session), "the wrong signer broadcast");
    s.tell(text("checked: ", names[second], " broadcast, ", names[third], " knows"));

    s.start(first, approve_all);
    s.wait("the restarted signer", [&] {
        auto const* const loaded = s[first].find("signers_loaded");
        return loaded != nullptr && s[first].count("peer_identified") >= 1;
    });
    require((*s[first].find("signers_loaded"))["count"] == 2, "the restarted signer has forgotten the others");
    s.tell(text(names[first], " is started again, and knows the others from disk"));
    auto const again = s.propose("a contract after the restart");
    require(again.value("event", "") == "completed", "the restarted signer does not sign");
    require(again["aggregate_key"] == done["aggregate_key"], "the keys changed");
    verify(again, s.digest());
    s.tell(text("checked: ", names[first], " is back with the same key, and signs"));
}

}  // namespace

int run_demo(printer& out) {
    // With --json the story goes to standard error, so that standard output is one object.
    int const log = out.json() ? STDERR_FILENO : STDOUT_FILENO;
    try {
        stage s{log};
        put_line(log, "Three co-signers, three processes, loopback sockets, libp2p between them.");
        auto const done = everyone_signs(s);
        auto const digest = muster::to_hex(s.digest());
        one_declines(s);
        one_lies(s);
        broadcaster_dies(s);
        auto const key = done["aggregate_key"].get<std::string>();
        auto const sig = done["signatures"][0].get<std::string>();
        lines const end{"",
                        "All four scenes went as they must. The signature of scene 1:",
                        "  aggregate key  " + key,
                        "  digest         " + digest,
                        "  signature      " + sig,
                        "  BIP-340        verified"};
        out.tell({{"event", "demo"}, {"aggregate_key", key}, {"digest", digest}, {"signature", sig}}, end);
        return success;
    } catch (surprise const& s) {
        return out.fail(error{errc::io_failed, text("demo failed: ", s.what())}, demo_failed);
    }
}

}  // namespace cosigner
