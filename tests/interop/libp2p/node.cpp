// SPDX-License-Identifier: MIT

// One libp2p node behind a pipe, for talking with other implementations. Reads a command a line, prints a line for each
// thing that happens.
//
//     dial ADDRESS             connected PEER DIRECTION, or failed WHY
//     ask PEER HEX             answer HEX, or unanswered WHY; the peer serves /muster/echo/1.0.0
//     frame PEER HEX           over /muster/interop/1.0.0; those that come: frame PEER HEX
//     quit
//
// It says first where it listens. Requests are answered with their bytes in reverse; a frame that comes is sent back
// once with a byte more, so that both directions are used. What peers say of themselves: identified PEER AGENT COUNT.

#include <algorithm>
#include <iostream>
#include <sstream>
#include <string>

#include <unistd.h>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/streambuf.hpp>

#include <muster/core/hex.hpp>
#include <muster/net/libp2p_transport.hpp>

namespace {

using namespace muster;

constexpr auto frames = "/muster/interop/1.0.0";
constexpr auto requests = "/muster/echo/1.0.0";

class node {
public:
    explicit node(boost::asio::io_context& io) : io_{io}, in_{io, ::dup(STDIN_FILENO)}, wire_{io.get_executor(), key_} {
        wire_.attach(frames, [this](transport::event const& e) { on(e); });
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
        read();
    }

private:
    template <class... Parts>
    static void say(Parts const&... parts) {
        std::cout << text(parts...) << std::endl;
    }
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
    void obey(std::string const& line) {
        std::istringstream words{line};
        std::string command, first, second;
        words >> command >> first >> second;
        if (command == "quit") return io_.stop();
        if (command == "dial") {
            auto const at = peer::multiaddr::from_text(first).value();
            return void(wire_.connect(at.peer().value(), std::array{at}));
        }
        auto const who = peer::peer_id::from_text(first).value();
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
    void read() {
        boost::asio::async_read_until(in_, input_, '\n', [this](boost::system::error_code const& ec, std::size_t) {
            if (ec) return io_.stop();
            std::istream lines{&input_};
            std::string line;
            std::getline(lines, line);
            obey(line);
            read();
        });
    }

    [[nodiscard]] static peer::node_key make_key() {
        crypto::system_random random;
        return peer::node_key{crypto::key_pair::generate(random).value()};
    }

    boost::asio::io_context& io_;
    boost::asio::posix::stream_descriptor in_;
    boost::asio::streambuf input_;
    peer::node_key key_ = make_key();
    net::libp2p_transport wire_;
};

}  // namespace

int main() {
    boost::asio::io_context io{1};
    node const n{io};
    io.run();
}
