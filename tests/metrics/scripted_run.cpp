// SPDX-License-Identifier: MIT

// Everything that tells an observer, at work, and whether each documented name has a value then.

#include <muster/gossip/router.hpp>
#include <muster/libp2p/network.hpp>
#include <muster/metrics/registry.hpp>
#include <muster/node/telemetry.hpp>
#include <muster/sim/sockets.hpp>

#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>

#include <support/catch.hpp>
#include <support/node_keys.hpp>

namespace scripted_run_tests {

using namespace muster;
using namespace std::chrono_literals;
using metrics::registry;

namespace {

/// A host on simulated sockets that tells a registry.
struct host {
    using network = libp2p::network<sim::sockets, test::predictable, registry::handle>;

    host(sim::internet& net, std::size_t i, std::string ip, registry& r, libp2p::host_options o = {})
        : key{std::move(test::node_keys(i).node)}, on{net.where().add_host()}, address{ip}, it{[&] {
              net.route(ip, on);
              net.where().boot(on);
              return network{sim::sockets{net, on, {ip}}, key, o, i, test::predictable{i + 100}, r.observer()};
          }()} {
        it.attach("/test/1", [](transport::event const&) {});
    }
    peer::multiaddr listen() {
        return it.listen(peer::multiaddr::from_text(text("/ip4/", address, "/tcp/0")).value()).value();
    }

    peer::node_key key;
    sim::host_id on;
    std::string address;
    network it;
};
/// The greatest value that each family with that prefix has had.
struct greatest {
    std::map<std::string_view, double> values;
    void look(registry const& r, std::string_view prefix) {
        for (auto const& f : metrics::families) {
            if (f.name.substr(0, prefix.size()) == prefix) values[f.name] = std::max(values[f.name], r.total(f.name));
        }
    }
};
signing::session_id session(byte n) {
    signing::session_id out{};
    out.octets[0] = n;
    return out;
}

}  // namespace

TEST_CASE("metrics: after a scripted run of a host each of its metrics is there, and none was dropped") {
    sim::world where{1};
    sim::internet net{where};
    sim::rule_set::guard const delay = net.rules().install(sim::delays(where, 10ms, 50ms));
    registry r, others;
    libp2p::host_options few;
    few.connections_max = 1;
    host zero{net, 0, "10.0.0.1", others}, one{net, 1, "10.0.0.2", r, few}, two{net, 2, "10.0.0.3", others};
    greatest seen;
    auto const until = [&](auto done) {
        return where.run_until(where.now() + 300s, [&] {
            one.it.publish_gauges();
            seen.look(r, "libp2p_");
            return done();
        });
    };
    auto const at = one.listen();
    REQUIRE(zero.it.connect(one.it.local(), std::array{at}));
    REQUIRE(until([&] { return zero.it.is_connected(one.it.local()) && one.it.is_connected(zero.it.local()); }));
    // Questions either way, one of which nobody answers.
    transport::request_options o;
    one.it.serve("/ask/1", o, [&](transport::asked const& q) { (void)one.it.answer(q.id, bytes{1}); });
    zero.it.serve("/ask/1", o, [&](transport::asked const& q) { (void)zero.it.answer(q.id, bytes{1}); });
    int ended = 0;
    auto const count = [&](transport::request_id, result<bytes> const&) { ++ended; };
    REQUIRE(zero.it.request(one.it.local(), "/ask/1", bytes{1}, o, count));
    REQUIRE(one.it.request(zero.it.local(), "/ask/1", bytes{1}, o, count));
    REQUIRE(one.it.request(zero.it.local(), "/no/1", bytes{1}, o, count));
    REQUIRE(until([&] { return ended == 3; }));
    // Frames that take a while to arrive, either way.
    REQUIRE(zero.it.send(one.it.local(), "/test/1", bytes(60'000, 1)));
    REQUIRE(one.it.send(zero.it.local(), "/test/1", bytes(60'000, 1)));
    REQUIRE(until([&] {
        return r.total("libp2p_frames_received_total") == 1 && others.total("libp2p_frames_received_total") == 1;
    }));
    // One more than may connect; one who is not there; and the first goes.
    REQUIRE(two.it.connect(one.it.local(), std::array{at}));
    REQUIRE(until([&] { return r.total("libp2p_refused_total") >= 1; }));
    zero.it.disconnect(one.it.local());
    REQUIRE(until([&] { return r.total("libp2p_peers_disconnected_total") == 1; }));
    REQUIRE(one.it.connect(two.it.local(), std::array{peer::multiaddr::from_text("/ip4/10.0.0.3/tcp/9").value()}));
    REQUIRE(until([&] { return r.total("libp2p_peers_unreachable_total") == 1; }));
    for (auto const& [name, value] : seen.values) {
        INFO(name);
        CHECK(value > 0);
    }
    CHECK(seen.values.size() >= 18);
    CHECK(r.dropped() == 0);
    CHECK(others.dropped() == 0);
    // What only grows is told as what has come since, so that it is counted once however often one looks.
    auto const bytes_in = r.total("libp2p_received_bytes_total");
    one.it.publish_gauges();
    CHECK(r.total("libp2p_received_bytes_total") == bytes_in);
}

TEST_CASE("metrics: after a scripted run of a node's rooms each of their metrics is there, and none was dropped") {
    registry r;
    muster::node::telemetry<registry::handle> t{r.observer()};
    instant now{1h};
    // One session that ends well, one that does not, and one of which nobody knows.
    for (byte const n : bytes{1, 2, 3, 4}) t.told(signing::session_created{session(n), {}, 0}, now);
    now += 5s;
    t.told(signing::nonces_received{session(1), 1}, now);
    t.told(signing::completed{session(1), {}, {}, 0}, now);
    t.told(signing::aborted{session(2), signing::abort_reason::declined, {}, {}, {}, ""}, now);
    for (int again = 0; again < 3; ++again) {
        t.told(signing::stalled{session(3), signing::abort_reason::timeout, {}, {}, {}, ""}, now);
    }
    t.told(signing::unresolved{session(3)}, now);
    t.told(signing::completed{session(9), {}, {}, 0}, now);  // of before a restart: nobody knows how long it took
    struct {
        struct {
            std::size_t open_sessions = 1, closed_sessions = 2, peers = 3, early_octets = 4;
        } u;
        auto in_use() const { return u; }
    } const coordinator;
    t.shows(coordinator);
    auto const text_of = [&] { return r.to_text(); };
    auto const has = [&](std::string const& line) {
        return text_of().find(text("\n", line, "\n")) != std::string::npos;
    };
    CHECK(has("signing_events_total{event=\"session_created\"} 4"));
    CHECK(has("signing_events_total{event=\"stalled\"} 3"));
    CHECK(has("signing_sessions_ended_total{outcome=\"completed\",reason=\"none\"} 2"));
    CHECK(has("signing_sessions_ended_total{outcome=\"aborted\",reason=\"declined\"} 1"));
    CHECK(has("signing_sessions_ended_total{outcome=\"unresolved\",reason=\"none\"} 1"));
    CHECK(has("signing_sessions_stalled_total{reason=\"timeout\"} 1"));
    CHECK(has("signing_session_seconds_sum 5"));
    CHECK(has("signing_session_seconds_count 1"));

    auto const who = test::node_keys(0).node.id();
    error const why{transport::errc::unreachable, "nobody"};
    t.told(connection::effect{connection::dial{who, {}}});  // a wish
    t.told(connection::effect{connection::connecting{who, ""}});
    t.told(connection::effect{connection::connected{who, "", connection::kind::direct}});
    t.told(connection::effect{connection::request_ended{{}, {{who, connection::kind::direct, {}}, {who, {}, why}}}});
    t.shows(connection::statistics{1, 2, 3, 4, 5});
    CHECK(has("connection_events_total{event=\"connected\"} 1"));
    CHECK(text_of().find("event=\"dial\"") == std::string::npos);
    CHECK(has("connection_requests_total{outcome=\"reached\"} 1"));
    CHECK(has("connection_requests_total{outcome=\"unreachable\"} 1"));
    CHECK(has("connection_waiting_peers 4"));

    t.told(discovery::directory_event{discovery::signer_discovered{}});
    t.shows(discovery::cache_stats{7, {}, {}}, true);
    CHECK(has("discovery_events_total{event=\"signer_discovered\"} 1"));
    CHECK(has("discovery_signers 7"));
    gossip::router<>::statistics s;
    s.peers = s.mesh_links = s.pending = s.cached_bytes = s.queued_bytes = 1;
    t.shows(s);
    for (auto const& f : metrics::families) {
        bool const is_ours = f.name.substr(0, 7) != "libp2p_" && f.name.substr(0, 4) != "p2p_";
        INFO(f.name);
        if (is_ours) CHECK(r.total(f.name) > 0);
    }
    CHECK(r.dropped() == 0);
}

TEST_CASE("metrics: whatever a header tells an observer is a documented family of that type") {
    std::map<std::string, metrics::type> registered;
    for (auto const& f : metrics::families) registered.emplace(f.name, f.type);
    std::regex const call{
        R"re(\b(count|gauge|measure)(_with)?\((?:[\w.]+, )?(?:\s*[\w.>() -]+\? )?"([a-z0-9_]+)"(?: : "([a-z0-9_]+)")?)re"};
    std::set<std::string> told;
    std::filesystem::path const root{std::string{MUSTER_TEST_VECTORS} + "/../../include/muster"};
    for (auto const& entry : std::filesystem::recursive_directory_iterator{root}) {
        if (entry.path().extension() != ".hpp") continue;
        std::ifstream in{entry.path()};
        for (std::string line; std::getline(in, line);) {
            if (line.find("//") != std::string::npos) line.resize(line.find("//"));
            for (std::sregex_iterator m{line.begin(), line.end(), call}, end; m != end; ++m) {
                for (std::size_t i : {3u, 4u}) {
                    auto const name = (*m)[i].str();
                    if (name.empty()) continue;
                    INFO(entry.path() << ": " << name);
                    REQUIRE(registered.count(name) == 1);
                    auto const how = (*m)[1].str();
                    CHECK(registered[name] == (how == "count"   ? metrics::type::counter
                                               : how == "gauge" ? metrics::type::gauge
                                                                : metrics::type::histogram));
                    told.insert(name);
                }
            }
        }
    }
    for (auto const& [name, type] : registered) {
        INFO(name);
        CHECK(told.count(name) == 1);  // and nothing is documented that nobody tells
    }
}

}  // namespace scripted_run_tests
