// SPDX-License-Identifier: MIT

// The checklists and success criteria of document 000, line by line, over a simulated network with simulated disks.
// A page that is reloaded is here a machine that is killed and started again. tests/cosigner/discovery.py has the main
// ones over real sockets.

#include <deque>
#include <memory>
#include <set>

#include <muster/cache/persistence/snapshot_file.hpp>
#include <muster/json/discovery.hpp>
#include <muster/node/managed_network.hpp>
#include <muster/node/online.hpp>
#include <muster/sim/clock.hpp>
#include <muster/sim/host.hpp>
#include <muster/sim/network.hpp>

#include <support/catch.hpp>
#include <support/node_keys.hpp>

namespace document_000_tests {

using namespace muster;
using namespace std::chrono_literals;

namespace {

using rings = muster::alarm<sim::host_timers>;
using network = node::managed_network<sim::transport, rings::line, sim::host_clock>;
using store = cache::snapshot_file<discovery::signer_entry_codec, sim::disk_files>;
struct kept : discovery::directory_defaults {
    using persistence = cache::debounced<store, rings::line, sim::host_clock>;
};
using directory = discovery::signer_directory<kept>;
using online = node::online<network, directory, sim::host_timers, sim::host_clock>;

peer::peer_id id(std::size_t i) { return test::node_keys(i).node.id(); }
crypto::public_key key(std::size_t i) { return test::node_keys(i).signer.public_key(); }
peer::multiaddr address(std::size_t i) {
    return peer::multiaddr::from_text(text("/ip4/20.", i, ".0.1/tcp/4001/p2p/", id(i).to_text())).value();
}

/// What an application does at its start: settings, cache, network; and, where the settings say so, online.
class wallet {
public:
    wallet(sim::network& wires, sim::host_id on, std::size_t i, sim::disk& disk, discovery::directory_options o)
        : keys_{test::node_keys(i)},
          time_{wires.where(), {}},
          timers_{wires.where(), on, time_},
          mine_{wires, on, keys_.node.id()},
          managed_{mine_, network_line_, time_, {.keep_max = 60s}, i},
          signers_{with_own(o), store::options{.path = "signers", .files = sim::disk_files{disk}}, cache_line_, time_} {
        if (disk.names.count("settings") != 0) {
            auto const& raw = disk.names.at("settings")->now;
            REQUIRE(json::merge(settings_, json::value::parse(raw.begin(), raw.end())));
        }
        loaded = signers_.load(time_.wall_now()).value().listed;
        managed_.on_news([this](connection::effect const& e) {
            if (online_) online_->take_news(e);
        });
        if (settings_.auto_connect) go_online(i);
    }
    wallet(wallet const&) = delete;
    wallet& operator=(wallet const&) = delete;
    void vanish() { mine_.vanish(); }
    void go_online(std::size_t i) {
        node::online_handlers tell;
        tell.signer = [this](discovery::directory_event const& e) { told.push_back(e); };
        online_ = std::make_unique<online>(online::parts{managed_,
                                                         signers_,
                                                         requests_,
                                                         presences_,
                                                         alarm_,
                                                         time_,
                                                         keys_.node,
                                                         keys_.signer.public_key(),
                                                         peer::bind(keys_.signer, keys_.node.id()).value(),
                                                         settings_,
                                                         [i] { return std::vector{address(i)}; },
                                                         {},
                                                         std::move(tell),
                                                         false,
                                                         i});
        REQUIRE(online_->start());
    }
    void go_offline() { online_.reset(); }
    [[nodiscard]] std::size_t connected() const { return managed_.connections().connected_peers().size(); }
    [[nodiscard]] directory& signers() noexcept { return signers_; }
    [[nodiscard]] online* is_online() noexcept { return online_.get(); }
    [[nodiscard]] timestamp wall() const { return time_.wall_now(); }
    /// The signers that are shown, with their keys.
    [[nodiscard]] std::vector<crypto::public_key> shown() const {
        std::vector<crypto::public_key> out;
        for (auto const& l : signers_.list({}, time_.wall_now())) out.push_back(l.what.signer);
        return out;
    }

    std::size_t loaded = 0;  ///< Signers that were known before anything was heard.
    std::vector<discovery::directory_event> told;

private:
    discovery::directory_options with_own(discovery::directory_options o) const {
        o.own = keys_.signer.public_key();
        return o;
    }

    peer::key_set keys_;
    sim::host_clock time_;
    sim::host_timers timers_;
    rings alarm_{timers_};
    rings::line network_line_{alarm_}, cache_line_{alarm_};
    sim::transport mine_;
    network managed_;
    directory signers_;
    node::request_board requests_{{}};
    node::presence_board presences_{{}};
    discovery::settings settings_;
    std::unique_ptr<online> online_;
};

/// Machines with disks. Machine 0 is the bootstrap peer of all others.
struct world {
    explicit world(std::size_t n, discovery::directory_options o = {}) : options{std::move(o)} {
        for (std::size_t i = 0; i < n; ++i) {
            hosts.emplace_back(w, w.add_host(), w.stream("luck", i));
            discovery::settings s;
            s.auto_connect = s.advertise_as_signer = true;
            if (i != 0) s.bootstrap_peers = {address(0)};
            write(i, s);
        }
    }
    void write(std::size_t i, discovery::settings const& s) {
        auto const file = json::to_file(s).dump();
        hosts[i].disk().set("settings", to_bytes(as_bytes(file)));
    }
    wallet& boot(std::size_t i) {
        return hosts[i].boot([] {}, wires, hosts[i].id(), i, hosts[i].disk(), options);
    }
    void boot_all() {
        for (std::size_t i = 0; i < hosts.size(); ++i) boot(i);
    }
    /// A process that is ended by its user, and started again.
    wallet& reload(std::size_t i) {
        hosts[i].stop();
        return boot(i);
    }
    wallet& at(std::size_t i) { return *hosts[i].running(); }
    void pass(duration d) { w.run_until(w.now() + d); }

    discovery::directory_options options;
    sim::world w{7};
    sim::network wires{w};
    std::deque<sim::host<wallet>> hosts;
};

std::vector<crypto::public_key> sorted(std::vector<crypto::public_key> all) {
    std::sort(all.begin(), all.end());
    return all;
}

}  // namespace

TEST_CASE("document 000: P2P connects automatically when auto_connect is enabled") {
    world w{3};
    w.boot_all();
    w.pass(10s);
    CHECK(w.at(1).connected() > 0);
    CHECK(w.at(2).connected() > 0);
    CHECK(w.at(1).shown() == sorted({key(0), key(2)}));
}

TEST_CASE("document 000: P2P does not connect when auto_connect is disabled") {
    world w{2};
    discovery::settings off;
    off.advertise_as_signer = true;
    off.bootstrap_peers = {address(0)};
    w.write(1, off);
    w.boot_all();
    w.pass(10min);
    CHECK(w.at(1).connected() == 0);
    CHECK(w.at(1).is_online() == nullptr);
    CHECK(w.at(0).shown().empty());  // it has not said a word
}

TEST_CASE("document 000: settings persist, and auto-connect works after a restart") {
    world w{2};
    w.boot_all();
    w.pass(10s);
    for (int life = 0; life < 3; ++life) {
        w.reload(1);
        CHECK(w.at(1).connected() == 0);
        w.pass(10s);
        CHECK(w.at(1).connected() == 1);
    }
}

TEST_CASE("document 000: discovered signers persist, and are listed before anything is heard") {
    world w{4};
    w.boot_all();
    w.pass(10s);
    REQUIRE(w.at(1).shown() == sorted({key(0), key(2), key(3)}));
    auto const before = w.at(1).shown();
    w.reload(1);
    CHECK(w.at(1).loaded == 3);
    CHECK(w.at(1).shown() == before);
    CHECK(w.at(1).told.empty());  // nobody is discovered twice
}

TEST_CASE("document 000: expired entries are cleaned up on load, and from the list") {
    world w{3};
    w.boot_all();
    w.pass(10s);
    REQUIRE(w.at(1).shown().size() == 2);
    w.hosts[2].running()->vanish();  // without a word
    w.hosts[2].stop();
    w.pass(31min);
    CHECK(w.at(1).shown() == sorted({key(0)}));
    CHECK(std::count_if(w.at(1).told.begin(), w.at(1).told.end(),
                        [](auto const& e) { return std::holds_alternative<discovery::signer_expired>(e); }) == 1);
    for (std::size_t const i : {0u, 1u}) {
        w.hosts[i].running()->vanish();
        w.hosts[i].stop();
    }
    w.pass(31min);
    CHECK(w.boot(1).loaded == 0);
}

TEST_CASE("document 000: the cache is bounded") {
    CHECK(discovery::directory_options{}.signers_max == 100);
    world w{12, {.signers_max = 5}};
    w.boot_all();
    w.pass(30s);
    CHECK(w.at(1).shown().size() == 5);
    w.reload(1);
    CHECK(w.at(1).loaded == 5);
}

TEST_CASE("document 000: new discoveries update cached entries, re-advertising makes no duplicate, marks are kept") {
    world w{4};
    w.boot_all();
    w.pass(10s);
    REQUIRE(w.at(1).signers().set_subscribed(key(2), true, w.at(1).wall()));
    auto const first = w.at(1).signers().find(key(2), w.at(1).wall())->sequence;
    w.pass(3h);  // ten rounds or so
    for (std::size_t i = 0; i < 4; ++i) {
        auto const shown = w.at(i).shown();
        CHECK(shown.size() == 3);
        CHECK(std::set<crypto::public_key>{shown.begin(), shown.end()}.size() == 3);
    }
    auto const* const l = w.at(1).signers().find(key(2), w.at(1).wall());
    REQUIRE(l != nullptr);
    CHECK(l->sequence > first);
    CHECK(l->is_subscribed);
    w.reload(1);
    CHECK(w.at(1).signers().find(key(2), w.at(1).wall())->is_subscribed);
}

TEST_CASE(
    "document 000: twenty signers are listed once after ten rounds, and a newcomer without the bootstrap peer is") {
    constexpr std::size_t n = 20;
    world w{n + 1};  // the last one comes later
    for (std::size_t i = 0; i < n; ++i) w.boot(i);
    auto const all_but = [&](std::size_t own, std::size_t first, std::size_t last) {
        std::vector<crypto::public_key> out;
        for (auto i = first; i < last; ++i) {
            if (i != own) out.push_back(key(i));
        }
        return sorted(std::move(out));
    };
    w.pass(1min);
    std::vector<std::uint64_t> first;
    for (std::size_t i = 0; i < n; ++i) {
        INFO(i);
        REQUIRE(w.at(i).shown() == all_but(i, 0, n));
    }
    for (std::size_t i = 1; i < n; ++i) first.push_back(w.at(0).signers().find(key(i), w.at(0).wall())->sequence);
    for (auto& h : w.hosts) {
        if (h.running() != nullptr) h.running()->told.clear();
    }
    for (int round = 0; round < 10; ++round) {
        for (std::size_t i = 0; i < n; ++i) REQUIRE(w.at(i).is_online()->advertise());
        w.pass(30s);
        for (std::size_t i = 0; i < n; ++i) REQUIRE(w.at(i).shown() == all_but(i, 0, n));
    }
    for (std::size_t i = 0; i < n; ++i) {
        CHECK(std::all_of(w.at(i).told.begin(), w.at(i).told.end(), [](auto const& e) {
            return std::holds_alternative<discovery::signer_updated>(e);  // nobody comes and goes
        }));
        CHECK(w.at(i).told.size() >= 10 * (n - 1));
    }
    for (std::size_t i = 1; i < n; ++i) CHECK(w.at(0).signers().find(key(i), w.at(0).wall())->sequence > first[i - 1]);

    w.hosts[0].running()->vanish();
    w.hosts[0].stop();
    discovery::settings late;
    late.auto_connect = late.advertise_as_signer = true;
    late.bootstrap_peers = {address(3)};
    w.write(n, late);
    w.boot(n);
    w.pass(30s);
    for (std::size_t i = 1; i < n; ++i) {
        auto const shown = w.at(i).shown();
        CHECK(std::count(shown.begin(), shown.end(), key(n)) == 1);
    }
}

TEST_CASE("document 000: where there is nobody to begin with, it is tried again, and nothing ends") {
    world w{2};
    w.boot(1);
    w.pass(1h);
    REQUIRE(w.at(1).connected() == 0);
    w.boot(0);
    w.pass(90s);  // a minute between attempts, at most, and the dial
    CHECK(w.at(1).connected() == 1);
    CHECK(w.at(1).shown() == sorted({key(0)}));
}

TEST_CASE("document 000: who has withdrawn stays away though this machine restarts") {
    world w{3};
    w.boot_all();
    w.pass(10s);
    auto const before = w.at(0).signers().find(key(1), w.at(0).wall())->sealed;
    w.at(1).go_offline();
    w.pass(10s);
    REQUIRE(w.at(0).shown() == sorted({key(2)}));
    w.reload(0);
    effect_list<discovery::directory_event> told;
    auto const filed =
        w.at(0).signers().take(before, test::node_keys(2).node.id(), discovery::source::gossip, w.at(0).wall(), told);
    CHECK(filed.value() == discovery::filing::older);
    CHECK(w.at(0).shown() == sorted({key(2)}));
}

TEST_CASE("document 000: with gossip off nothing is subscribed to or published") {
    world w{2};
    discovery::settings quiet;
    quiet.auto_connect = quiet.advertise_as_signer = true;
    quiet.enable_gossip = false;
    quiet.bootstrap_peers = {address(0)};
    w.write(1, quiet);
    w.boot_all();
    w.pass(1min);
    CHECK(w.at(1).is_online()->gossip() == nullptr);
    CHECK(w.at(1).shown() == sorted({key(0)}));  // by asking
    CHECK(w.at(0).shown().empty());
}

TEST_CASE("document 000: who goes offline withdraws, and is connected to no bootstrap peer again") {
    world w{3};
    w.boot_all();
    w.pass(10s);
    REQUIRE(w.at(0).shown().size() == 2);
    w.at(1).go_offline();
    w.pass(10s);
    CHECK(w.at(0).shown() == sorted({key(2)}));
    w.reload(0);
    w.pass(10min);
    CHECK(w.at(1).connected() == 0);
    CHECK(w.at(2).connected() == 1);
}

}  // namespace document_000_tests
