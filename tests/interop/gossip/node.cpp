// SPDX-License-Identifier: MIT

// A node that gossips, for ./dev interop gossip: it does what lines on its input say, and tells what happens.

#include <array>
#include <iostream>
#include <map>
#include <sstream>
#include <string>
#include <utility>

#include <boost/asio/io_context.hpp>

#include <muster/gossip/node_key_signer.hpp>
#include <muster/net/asio_timers.hpp>
#include <muster/node/pubsub.hpp>
#include <muster/websocket/libp2p_transport.hpp>

#include <interop/orders.hpp>

namespace {

using namespace muster;
using interop::say;

struct policies : gossip::defaults {
    using signing = gossip::strict_sign<gossip::node_key_signer>;
    using message_ids = gossip::id_of_author;
};

class gossiper {
public:
    explicit gossiper(boost::asio::io_context& io)
        : io_{io}, wire_{io.get_executor(), key_}, timers_{io.get_executor()} {
        wire_.on_identified([this](libp2p::identity_claim const& c) {
            if (c.record()) it_.learn_record(c.peer, c.signed_record);
        });
        it_.on_news([](gossip::effect const& e) {
            if (auto const* const v = std::get_if<gossip::penalise>(&e)) {
                say("charged ", v->peer.to_text(), " ", to_string(v->why));
            } else if (auto const* const g = std::get_if<gossip::grafted>(&e)) {
                say("grafted ", g->peer.to_text());
            } else if (auto const* const p = std::get_if<gossip::pruned>(&e)) {
                say("pruned ", p->peer.to_text(), " ", to_string(p->why));
            }
        });
        for (auto const* const at : {"/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/tcp/0/ws"}) {
            say("listening ", wire_.listen(peer::multiaddr::from_text(at).value()).value().to_text());
        }
        orders_.read();
    }

private:
    void obey(std::string const& line) {
        std::istringstream words{line};
        std::string command, first;
        std::size_t count = 0, size = 0;
        words >> command >> first >> count >> size;
        if (command == "quit") return io_.stop();
        if (command == "dial") {
            auto const at = peer::multiaddr::from_text(first).value();
            return void(wire_.connect(at.peer().value(), std::array{at}));
        }
        if (command == "subscribe") return subscribe(first);
        if (command == "heard") return say("heard ", distinct_[first].size(), " ", heard_[first]);
        if (command != "publish") return;
        for (std::size_t i = 0; i < count; ++i) {  // its number first, so that each differs
            bytes data(std::max<std::size_t>(size, 8), 1);
            for (std::size_t b = 0; b < 4; ++b) data[b] = static_cast<byte>(published_ >> (8 * b));
            ++published_;
            if (auto const done = it_.publish(first, data); !done) say("unpublished ", done.error().to_text());
        }
    }
    // What says so is bad.
    void subscribe(std::string const& topic) {
        auto const judges = [](gossip::message const& m, gossip::ticket) {
            bool const is_bad = m.data.size() == 3 && m.data[0] == 'b';
            return std::optional{is_bad ? gossip::verdict::reject : gossip::verdict::accept};
        };
        auto const done = it_.subscribe(
            topic,
            [this, topic](gossip::message const& m) {
                ++heard_[topic];
                distinct_[topic].insert(m.id);
            },
            judges);
        if (!done) say("unsubscribed ", done.error().to_text());
    }

    boost::asio::io_context& io_;
    interop::orders orders_{io_, [this](std::string const& line) { obey(line); }};
    peer::node_key key_ = interop::make_key();
    websocket::libp2p_transport wire_;
    net::asio_timers timers_;
    net::system_clock clock_;
    muster::node::pubsub<websocket::libp2p_transport, net::asio_timers, net::system_clock, policies> it_{
        wire_, timers_, clock_, gossip::options{}, system_seed(), policies::signing{gossip::node_key_signer{key_}}};
    std::map<std::string, std::size_t> heard_;
    std::map<std::string, std::set<gossip::message_id>> distinct_;
    std::size_t published_ = 0;
};

}  // namespace

int main() {
    boost::asio::io_context io{1};
    gossiper const n{io};
    io.run();
}
