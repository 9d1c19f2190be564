// SPDX-License-Identifier: MIT

// A node of the preconfirmation network, for ./dev interop feed: it does what lines on its input say, and tells what it
// thinks of what it is sent.

#include <array>
#include <cstdint>
#include <iostream>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include <boost/asio/io_context.hpp>

#include <muster/core/alarm.hpp>
#include <muster/core/observer.hpp>
#include <muster/feed/preconf/schedule.hpp>
#include <muster/net/asio_timers.hpp>
#include <muster/net/libp2p_transport.hpp>
#include <muster/node/feed_node.hpp>
#include <muster/node/preconf_gossip.hpp>
#include <muster/node/pubsub.hpp>

#include <interop/orders.hpp>

namespace {

using namespace muster;
using interop::say;
namespace preconf = muster::feed::preconf;

// Says what becomes of each message, as the feed logs it.
struct speaker : null_observer {
    [[nodiscard]] bool wants(log_level) const { return true; }
    void log(log_level, std::string_view line) { say(line); }
};

struct policies : feed::defaults {
    using protocol = preconf::protocol;
    using schedule = preconf::schedule<preconf::static_schedule>;
    using observer = speaker;
};
using line = muster::alarm<net::asio_timers>::line;
using pubsub = node::pubsub<net::libp2p_transport, line, net::system_clock, node::preconf_gossip_policies>;
using feed_node = node::feed_node<net::libp2p_transport, pubsub, policies, line, net::system_clock>;

class preconf_peer {
public:
    preconf_peer(boost::asio::io_context& io, preconf::address const& signer, preconf::address const& slasher)
        : io_{io},
          turns_{turns_of(signer)},
          wire_{io.get_executor(), key_, transport_options()},
          timers_{io.get_executor()},
          gossip_{wire_,         gossip_line_,
                  clock_,        node::preconf_gossip_options(options_),
                  system_seed(), pubsub::router_type::signing{gossip::node_key_signer{key_}}},
          it_{{wire_,
               gossip_,
               feed_line_,
               clock_,
               {.protocol = preconf::protocol::of(options_, {.slasher = slasher}),
                .options = options_,
                .schedule = {turns_, options_.slot_grace}},
               node::preconf_node_options()}} {
        wire_.on_peer([this](transport::event const& e) { it_.note(e); });
        gossip_.on_news([](gossip::effect const& e) {
            if (auto const* const v = std::get_if<gossip::penalise>(&e)) {
                say("charged ", v->peer.to_text(), " ", to_string(v->why));
            } else if (auto const* const p = std::get_if<gossip::pruned>(&e)) {
                say("pruned ", p->peer.to_text(), " ", to_string(p->why));
            }
        });
        it_.on_news([](feed::news const& n, std::uint64_t) { told(n); });
        say("listening ", wire_.listen(peer::multiaddr::from_text("/ip4/127.0.0.1/tcp/0").value()).value().to_text());
        if (auto const done = it_.start(); !done) say("failed ", done.error().to_text());
        orders_.read();
    }

private:
    // One signer, for ever.
    static preconf::static_schedule turns_of(preconf::address const& signer) {
        preconf::static_schedule out{0, 12};
        out.rotate(0, signer);
        out.settle(~std::uint64_t{0});
        return out;
    }
    static net::transport_options transport_options() {
        net::transport_options o;
        o.frame_size_max = preconf::gossip_size_max;
        return o;
    }
    static void told(feed::news const& n) {
        std::visit(overloaded{[](feed::record_accepted const& v) {
                                  say("accepted ", v.record.number, " ", to_hex(v.record.id), " by ",
                                      to_hex(preconf::address_of(v.record.author)), " from ", to_string(v.origin));
                              },
                              [](feed::blob_accepted const& v) {
                                  say("list ", to_hex(v.id), " ", v.size, " from ", to_string(v.origin));
                              },
                              [](feed::head_sync const& v) {
                                  say("sync ", to_string(v.status.state), " ", v.status.local, " of ", v.status.remote,
                                      " missing ", v.status.missing);
                              },
                              [](feed::peer_banned const& v) { say("banned ", v.peer.to_text()); },
                              [](feed::failed const& v) { say("failed ", v.why.to_text()); }, [](auto const&) {}},
                   n);
    }
    void obey(std::string const& order) {
        std::istringstream words{order};
        std::string command, first, second;
        words >> command >> first >> second;
        if (command == "quit") return io_.stop();
        if (command == "dial") {
            auto const at = peer::multiaddr::from_text(first).value();
            return void(wire_.connect(at.peer().value(), std::array{at}));
        }
        if (command == "score") {  // of the feed, and of gossip
            auto const who = peer::peer_id::from_text(first).value();
            return say("score ", it_.feed().info(who, clock_.now()).score, " ",
                       std::to_string(gossip_.router().score_of(who)));
        }
        if (command == "ready") {
            if (auto const done = it_.sync_ready(0); !done) say("failed ", done.error().to_text());
        }
        if (command != "publish") return;  // a list and the record that names it, of which somebody else has the key
        feed::blob list;
        list.content = from_hex(first).value();
        list.id = preconf::hash_of_list(list.content);
        auto const done = it_.publish_pair(list, from_hex(second).value());
        done ? say("published ", to_hex(done.value())) : say("unpublished ", done.error().to_text());
    }

    boost::asio::io_context& io_;
    interop::orders orders_{io_, [this](std::string const& order) { obey(order); }};
    feed::options const options_ = {};
    preconf::static_schedule const turns_;
    peer::node_key key_ = interop::make_key();
    net::libp2p_transport wire_;
    net::asio_timers timers_;
    net::system_clock clock_;
    muster::alarm<net::asio_timers> alarm_{timers_};
    line gossip_line_{alarm_}, feed_line_{alarm_};
    pubsub gossip_;
    feed_node it_;
};

}  // namespace

int main(int count, char** arguments) {
    if (count != 3) {
        std::cerr << "usage: muster_feed_node SIGNER SLASHER, both addresses in hexadecimal digits\n";
        return 2;
    }
    boost::asio::io_context io{1};
    preconf_peer const n{io, from_hex_as<preconf::address>(arguments[1]).value(),
                         from_hex_as<preconf::address>(arguments[2]).value()};
    io.run();
}
