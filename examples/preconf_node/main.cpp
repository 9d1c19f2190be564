// SPDX-License-Identifier: MIT

// A node of the preconfirmation network: start, subscribe, publish pairs, catch up, serve others. Several of them find
// each other by the addresses they are given:
//
//     preconf_node --listen /ip4/127.0.0.1/tcp/4001 --publish 100
//     preconf_node --dial /ip4/127.0.0.1/tcp/4001/p2p/16Uiu2... --until 100

#include <array>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <iostream>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>

#include <muster/core/alarm.hpp>
#include <muster/feed/preconf/schedule.hpp>
#include <muster/net/asio_timers.hpp>
#include <muster/net/libp2p_transport.hpp>
#include <muster/node/feed_node.hpp>
#include <muster/node/preconf_gossip.hpp>
#include <muster/node/pubsub.hpp>

using namespace muster;
namespace preconf = muster::feed::preconf;

namespace {

struct settings {
    std::string listen = "/ip4/127.0.0.1/tcp/0";
    std::vector<std::string> dial;
    std::uint64_t publish = 0;           // so many pairs, and then no more
    std::uint64_t every = 2000;          // milliseconds between them; a block of Taiko
    std::optional<std::uint64_t> until;  // says `done` when it is live at that height
    std::uint64_t limits = 1;            // times those of the protocol: for tests
};

/// Everybody may sign here; who runs a real one names a schedule, see feed/preconf/schedule.hpp.
struct policies : feed::defaults {
    using protocol = preconf::protocol;
    using schedule = preconf::no_schedule;
};
using line = muster::alarm<net::asio_timers>::line;
using pubsub = node::pubsub<net::libp2p_transport, line, net::system_clock, node::preconf_gossip_policies>;
using feed_node = node::feed_node<net::libp2p_transport, pubsub, policies, line, net::system_clock>;

template <class... Parts>
void say(Parts const&... parts) {
    std::cout << text(parts...) << std::endl;
}

class preconf_node {
public:
    preconf_node(boost::asio::io_context& io, settings s)
        : io_{io},
          settings_{std::move(s)},
          wire_{io.get_executor(), host_, transport_options()},
          timers_{io.get_executor()},
          gossip_{wire_,         gossip_line_,
                  clock_,        node::preconf_gossip_options(feed_options()),
                  system_seed(), pubsub::router_type::signing{gossip::node_key_signer{host_}}},
          it_{{wire_,
               gossip_,
               feed_line_,
               clock_,
               {.protocol = preconf::protocol::of(feed_options()), .options = feed_options()},
               node::preconf_node_options()}},
          pace_{io} {}

    [[nodiscard]] bool start() {
        wire_.on_peer([this](transport::event const& e) {
            it_.note(e);
            if (auto const* const f = std::get_if<transport::connect_failed>(&e)) say("unreachable ", f->why.message());
        });
        it_.on_news([this](feed::news const& n, std::uint64_t missed) { told(n, missed); });
        auto const at = peer::multiaddr::from_text(settings_.listen);
        auto const address = at ? wire_.listen(at.value()) : result<peer::multiaddr>{at.error()};
        if (!address) return fail(address.error());
        if (auto const done = it_.start(); !done) return fail(done.error());
        // Here nothing is executed: who has a chain says how far it is, when it is.
        if (auto const done = it_.sync_ready(0); !done) return fail(done.error());
        say("listening ", address.value().to_text());
        for (auto const& each : settings_.dial) {
            auto const where = peer::multiaddr::from_text(each);
            if (!where || !where.value().peer()) {
                say("not an address with a peer: ", quoted(each));
                return false;
            }
            if (auto const done = wire_.connect(*where.value().peer(), std::array{where.value()}); !done) {
                return fail(done.error());
            }
        }
        if (settings_.publish != 0) publish();
        return true;
    }
    void stop() {
        pace_.cancel();
        it_.close();
        gossip_.close();
        wire_.close();
        io_.stop();
    }

private:
    static bool fail(error const& e) {
        say("failed ", e.to_text());
        return false;
    }
    [[nodiscard]] feed::options feed_options() const {
        feed::options o;
        o.with_cache(4096, 64u << 20).with_queues(256, 4096);
        o.with_request_limit(o.request_limit * settings_.limits, o.request_window);
        o.network.requests_per_protocol *= settings_.limits;
        return o;
    }
    [[nodiscard]] static net::transport_options transport_options() {
        net::transport_options o;
        o.frame_size_max = preconf::gossip_size_max;
        return o;
    }

    // A list of transactions, and the promise of the block that they make.
    void publish() {
        auto const head = it_.feed().stored().head();
        auto const number = head ? head->number + 1 : 1;
        feed::blob list;
        list.content = to_bytes(as_bytes(text("transactions of block ", number)));  // a real one: zlib of RLP
        list.id = preconf::hash_of_list(list.content);
        preconf::preconfirmation p;
        p.block_number = number;
        p.timestamp = 1'700'000'000 + 2 * number;
        p.anchor_block_number = number;
        p.submission_window_end = 1'700'000'000 + 12 * number;
        p.raw_tx_list_hash = list.id;
        if (head) p.parent_hash = head->id;
        auto const made = preconf::sign({p, {}}, signer_);
        auto const done =
            made ? it_.publish_pair(list, preconf::encode(made.value())) : result<feed::digest>{made.error()};
        if (!done) {
            say("unpublished ", done.error().to_text());
        } else if (++published_ % 100 == 0 || published_ == settings_.publish) {
            say("published ", number, " ", to_hex(done.value()));
        }
        if (published_ >= settings_.publish) return;
        pace_.expires_after(std::chrono::milliseconds{settings_.every});
        pace_.async_wait([this](boost::system::error_code const& cancelled) {
            if (!cancelled) publish();
        });
    }
    void told(feed::news const& n, std::uint64_t missed) {
        if (missed != 0) say("missed ", missed);
        std::visit(overloaded{[&](feed::head_sync const& v) {
                                  say("sync ", to_string(v.status.state), " ", v.status.local, " of ", v.status.remote,
                                      " missing ", v.status.missing);
                              },
                              [&](feed::sync_stalled const& v) { say("stalled ", v.why); },
                              [&](feed::peer_up const& v) { say("peer ", v.peer.to_text()); },
                              [&](feed::peer_banned const& v) { say("banned ", v.peer.to_text()); },
                              [&](feed::equivocated const& v) { say("equivocated at ", v.first.number); },
                              [&](feed::failed const& v) { say("failed ", v.why.to_text()); }, [](auto const&) {}},
                   n);
        auto const s = it_.feed().sync_status();
        auto const head = it_.feed().stored().head();
        if (is_done_ || !settings_.until || !head || s.state != feed::sync_state::live) return;
        if (s.missing != 0 || head->number < *settings_.until) return;
        is_done_ = true;
        say("done ", head->number, " ", to_hex(head->id), " blobs ", it_.feed().stored().sizes().blobs);
    }
    [[nodiscard]] static crypto::key_pair make_key() {
        crypto::system_random random;
        return crypto::key_pair::generate(random).value();
    }

    boost::asio::io_context& io_;
    settings settings_;
    peer::node_key host_{make_key()};
    crypto::key_pair signer_ = make_key();
    net::libp2p_transport wire_;
    net::asio_timers timers_;
    net::system_clock clock_;
    muster::alarm<net::asio_timers> alarm_{timers_};
    line gossip_line_{alarm_}, feed_line_{alarm_};
    pubsub gossip_;
    feed_node it_;
    boost::asio::steady_timer pace_;
    std::uint64_t published_ = 0;
    bool is_done_ = false;
};

std::optional<settings> parse(int count, char** arguments) {
    settings out;
    for (int i = 1; i + 1 < count; i += 2) {
        std::string_view const name{arguments[i]}, value{arguments[i + 1]};
        std::uint64_t number = 0;
        auto const read = std::from_chars(value.data(), value.data() + value.size(), number);
        bool const is_number = read.ec == std::errc{} && read.ptr == value.data() + value.size();
        if (name == "--listen") {
            out.listen = value;
        } else if (name == "--dial") {
            out.dial.emplace_back(value);
        } else if (name == "--publish" && is_number) {
            out.publish = number;
        } else if (name == "--every" && is_number) {
            out.every = number;
        } else if (name == "--until" && is_number) {
            out.until = number;
        } else if (name == "--limits" && is_number && number != 0) {
            out.limits = number;
        } else {
            return std::nullopt;
        }
    }
    return count % 2 == 1 ? std::optional{out} : std::nullopt;
}

}  // namespace

int main(int count, char** arguments) {
    auto s = parse(count, arguments);
    if (!s) {
        std::cerr
            << "usage: preconf_node [--listen ADDRESS] [--dial ADDRESS]... [--publish COUNT] [--every MILLISECONDS]\n"
               "                    [--until HEIGHT] [--limits TIMES]\n";
        return 2;
    }
    boost::asio::io_context io{1};
    preconf_node n{io, *std::move(s)};
    boost::asio::signal_set signals{io, SIGINT, SIGTERM};
    signals.async_wait([&](boost::system::error_code const& cancelled, int) {
        if (!cancelled) n.stop();
    });
    if (!n.start()) return 1;
    io.run();
    return 0;
}
