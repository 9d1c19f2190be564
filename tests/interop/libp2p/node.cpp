// SPDX-License-Identifier: MIT

// One libp2p node behind a pipe, for talking with other implementations. Reads a command a line, prints a line for each
// thing that happens.
//
//     dial ADDRESS             connected PEER DIRECTION, or failed WHY
//     disconnect PEER          disconnected PEER WHY
//     ask PEER HEX             answer HEX, or unanswered WHY; the peer serves /muster/echo/1.0.0
//     frame PEER HEX           over /muster/interop/1.0.0; those that come: frame PEER HEX
//     ask-many PEER COUNT      COUNT requests at once, each with its number: answered COUNT, of those that came back
//     right bulk PEER BYTES          over /muster/bulk/1.0.0, as frames and an empty one: sent SHA256; of what comes
//     there:
//                              bulk PEER BYTES SHA256
//     round-trip PEER          round-trip MICROSECONDS, by the last ping of ours; 0 before the first answer
//     stats                    stats CONNECTIONS PEERS DIALLING HELD QUEUED SENDING
//     quit
//
// It says first where it listens. Requests are answered with their bytes in reverse; a frame that comes is sent back
// once with a byte more, so that both directions are used. What peers say of themselves: identified PEER AGENT COUNT.

#include <algorithm>
#include <iostream>
#include <map>
#include <memory>
#include <sstream>
#include <string>

#include <boost/asio/io_context.hpp>

#include <muster/core/hex.hpp>
#include <muster/core/random.hpp>
#include <muster/crypto/hash.hpp>
#include <muster/net/libp2p_transport.hpp>

#include <interop/orders.hpp>

namespace {

using namespace muster;
using interop::say;

constexpr auto frames = "/muster/interop/1.0.0";
constexpr auto requests = "/muster/echo/1.0.0";
constexpr auto bulk = "/muster/bulk/1.0.0";

/// Two hundred streams at once are more than a stranger is allowed.
[[nodiscard]] net::transport_options many_streams() {
    net::transport_options o;
    o.streams_per_protocol_max = 256;
    o.requests_per_peer_max = 256;
    o.inbound_rate = 1000;
    o.connections_per_prefix_max = 64;
    return o;
}

/// What is being sent to one peer, or was received from it.
struct transfer {
    std::size_t left = 0;   ///< To send.
    std::size_t bytes = 0;  ///< Received.
    splitmix64 content{1};
    crypto::sha256_hasher hash{};
    muster::bytes frame{};  ///< That did not fit yet.
};

class node {
public:
    explicit node(boost::asio::io_context& io) : io_{io}, wire_{io.get_executor(), key_, many_streams()} {
        wire_.attach(frames, [this](transport::event const& e) { on(e); });
        wire_.attach(bulk, [this](transport::event const& e) { on_bulk(e); });
        wire_.serve(requests, {}, [this](transport::asked const& q) {
            auto content = q.request;
            std::reverse(content.begin(), content.end());
            (void)wire_.answer(q.id, std::move(content));
        });
        wire_.on_identified([](libp2p::identity_claim const& c) {
            say("identified ", c.peer.to_text(), " ", c.agent.substr(0, c.agent.find(' ')), " ", c.protocols.size(),
                c.signed_record.empty() ? " unsigned"
                : c.record()            ? " signed"
                                        : " forged");
        });
        say("listening ", wire_.listen(peer::multiaddr::from_text("/ip4/127.0.0.1/tcp/0").value()).value().to_text());
        orders_.read();
    }

private:
    void on(transport::event const& e) {
        if (auto const* const v = std::get_if<transport::connected>(&e)) {
            say("connected ", v->peer.to_text(), v->direction == transport::direction::inbound ? " in" : " out");
        } else if (auto const* const f = std::get_if<transport::connect_failed>(&e)) {
            say("failed ", f->why.to_text());
        } else if (auto const* const d = std::get_if<transport::disconnected>(&e)) {
            say("disconnected ", d->peer.to_text(), " ", d->why.to_text());
        } else if (auto const* const l = std::get_if<transport::frames_lost>(&e)) {
            say("lost ", l->why.to_text());
        } else if (auto const* const r = std::get_if<transport::received>(&e)) {
            say("frame ", r->peer.to_text(), " ", to_hex(r->frame));
            if (!r->frame.empty() && r->frame.back() == 0xff) return;  // our own, sent back
            auto back = r->frame;
            back.push_back(0xff);
            (void)wire_.send(r->peer, frames, back);
        }
    }
    void on_bulk(transport::event const& e) {
        if (auto const* const w = std::get_if<transport::writable>(&e)) return pour(w->peer);
        auto const* const r = std::get_if<transport::received>(&e);
        if (r == nullptr) return;
        auto& t = received_[r->peer];
        t.bytes += r->frame.size();
        t.hash.update(r->frame);
        if (!r->frame.empty()) return;
        say("bulk ", r->peer.to_text(), " ", t.bytes, " ", to_hex(t.hash.finish().view()));
        received_.erase(r->peer);
    }
    /// Sends as much as there is room for; the rest follows when there is more.
    void pour(peer::peer_id const& who) {
        auto const found = sending_.find(who);
        if (found == sending_.end()) return;
        auto& t = found->second;
        for (;;) {
            if (t.frame.empty()) {
                t.frame.resize(std::min<std::size_t>(t.left, 60u << 10));
                for (auto& b : t.frame) b = static_cast<byte>(t.content() >> 56);
            }
            if (!wire_.send(who, bulk, t.frame)) return;
            t.hash.update(t.frame);
            t.left -= t.frame.size();
            if (t.frame.empty()) break;
            t.frame.clear();
        }
        say("sent ", to_hex(t.hash.finish().view()));
        sending_.erase(found);
    }
    void ask_many(peer::peer_id const& who, std::size_t count) {
        auto const left = std::make_shared<std::size_t>(count), right = std::make_shared<std::size_t>(0);
        for (std::size_t i = 0; i < count; ++i) {
            bytes const content{static_cast<byte>(i), static_cast<byte>(i >> 8), 7};
            bytes const wanted{content.rbegin(), content.rend()};
            auto const on_answer = [=](auto, result<bytes> const& r) {
                *right += r && r.value() == wanted ? 1u : 0u;
                if (--*left == 0) say("answered ", *right);
            };
            if (auto const asked = wire_.request(who, requests, content, {}, on_answer); !asked) {
                say("unanswered ", asked.error().to_text());
            }
        }
    }
    void obey(std::string const& line) {
        std::istringstream words{line};
        std::string command, first, second;
        words >> command >> first >> second;
        if (command == "quit") return io_.stop();
        if (command == "dial") {
            auto const at = peer::multiaddr::from_text(first).value();
            return void(wire_.connect(at.peer().value(), std::array{at}));
        }
        if (command == "stats") {
            auto const s = wire_.stats();
            return say("stats ", s.connections, " ", s.peers, " ", s.dialling, " ", s.held, " ", s.queued, " ",
                       s.sending);
        }
        auto const who = peer::peer_id::from_text(first).value();
        if (command == "disconnect") return wire_.disconnect(who);
        if (command == "round-trip") {
            auto const known = wire_.info(who);
            auto const took = known ? known->round_trip : duration{};
            return say("round-trip ", std::chrono::duration_cast<std::chrono::microseconds>(took).count());
        }
        if (command == "ask-many") return ask_many(who, std::stoul(second));
        if (command == "bulk") {
            sending_[who].left = std::stoul(second);
            return pour(who);
        }
        auto const content = from_hex(second).value();
        if (command == "frame") {
            if (auto const sent = wire_.send(who, frames, content); !sent) say("unsent ", sent.error().to_text());
        } else if (command == "ask") {
            auto const asked = wire_.request(who, requests, content, {}, [](auto, result<bytes> const& r) {
                r ? say("answer ", to_hex(r.value())) : say("unanswered ", r.error().to_text());
            });
            if (!asked) say("unanswered ", asked.error().to_text());
        }
    }

    boost::asio::io_context& io_;
    interop::orders orders_{io_, [this](std::string const& line) { obey(line); }};
    peer::node_key key_ = interop::make_key();
    net::libp2p_transport wire_;
    std::map<peer::peer_id, transfer> sending_, received_;
};

}  // namespace

int main() {
    boost::asio::io_context io{1};
    node const n{io};
    io.run();
}
