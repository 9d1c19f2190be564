// SPDX-License-Identifier: MIT

// A chat by gossip, for people and for other implementations of libp2p: whoever is on the topic `chat` hears all.
//
//     gossip_chat                      two nodes in this process say a line to each other, and it is over
//     gossip_chat NAME [ADDRESS...]    listens on loopback, says where, dials each ADDRESS; each line of input is said,
//                                      its end leaves
//
// Messages are signed with the node's key, as js-libp2p and go-libp2p want it by default. A line that is too long, or
// could play tricks with a terminal, is judged invalid: it is passed on to nobody, and who sends it is pruned. See
// docs/gossip.md, and join.mjs beside this for a node of JavaScript.

#include <algorithm>
#include <array>
#include <cstdio>
#include <functional>
#include <iostream>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include <unistd.h>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/streambuf.hpp>

#include <muster/crypto/system_random.hpp>
#include <muster/gossip/node_key_signer.hpp>
#include <muster/net/asio_timers.hpp>
#include <muster/net/libp2p_transport.hpp>
#include <muster/node/pubsub.hpp>

using namespace muster;

namespace {

constexpr std::string_view topic = "chat";
constexpr std::size_t line_size_max = 500;

struct policies : gossip::defaults {
    using signing = gossip::strict_sign<gossip::node_key_signer>;
    using message_ids = gossip::id_of_author;
};

/// Whether @p line may be shown to a person: printable ASCII. What others may say is up to the application.
[[nodiscard]] bool is_plain(byte_view line) {
    return !line.empty() && line.size() <= line_size_max &&
           std::all_of(line.begin(), line.end(), [](byte b) { return b >= 0x20 && b < 0x7f; });
}

/// A person on the topic.
class person {
public:
    using line_handler = std::function<void(std::string const&)>;

    person(boost::asio::io_context& io, std::string name, line_handler hears)
        : wire_{io.get_executor(), key_}, timers_{io.get_executor()}, name_{std::move(name)} {
        auto const judges = [](gossip::message const& m, gossip::ticket) {
            return std::optional{is_plain(m.data) ? gossip::verdict::accept : gossip::verdict::reject};
        };
        auto const takes = [hears](gossip::message const& m) { hears({m.data.begin(), m.data.end()}); };
        if (auto const done = chat_.subscribe(topic, takes, judges); !done) std::puts(done.error().to_text().c_str());
        wire_.on_identified([this](libp2p::identity_claim const& c) {
            if (c.record()) chat_.learn_record(c.peer, c.signed_record);  // others are told where it is
        });
    }
    [[nodiscard]] result<peer::multiaddr> listen() {
        MUSTER_TRY(auto const here, peer::multiaddr::from_text("/ip4/127.0.0.1/tcp/0"));
        return wire_.listen(here);
    }
    [[nodiscard]] result<void> dial(peer::multiaddr const& at) {
        auto const who = at.peer();
        if (!who) return error{transport::errc::no_address, "an address has to end with /p2p/ and the peer's id"};
        return wire_.connect(*who, std::array{at});
    }
    /// Says a line to all; who is alone is heard by nobody.
    [[nodiscard]] result<void> say(std::string const& line) {
        MUSTER_TRY(chat_.publish(topic, as_bytes(name_ + ": " + line)));
        return ok();
    }
    /// Sets who is told of neighbours.
    void on_neighbour(line_handler f) {
        chat_.on_news([f](gossip::effect const& e) {
            if (auto const* const g = std::get_if<gossip::grafted>(&e)) f(g->peer.to_text() + " joins");
            if (auto const* const p = std::get_if<gossip::pruned>(&e)) f(p->peer.to_text() + " leaves");
        });
    }

private:
    [[nodiscard]] static peer::node_key make_key() {
        crypto::system_random random;
        return peer::node_key{crypto::key_pair::generate(random).value()};
    }

    peer::node_key key_ = make_key();
    net::libp2p_transport wire_;
    net::asio_timers timers_;
    net::system_clock clock_;
    std::string name_;
    node::pubsub<net::libp2p_transport, net::asio_timers, net::system_clock, policies> chat_{
        wire_, timers_, clock_, gossip::options{}, system_seed(), policies::signing{gossip::node_key_signer{key_}}};
};

/// Says what a person types, line by line, until there is no more.
class typist {
public:
    typist(boost::asio::io_context& io, person& who) : io_{io}, who_{who}, in_{io, ::dup(STDIN_FILENO)} { read(); }

private:
    void read() {
        boost::asio::async_read_until(in_, input_, '\n', [this](boost::system::error_code const& ec, std::size_t) {
            if (ec) return io_.stop();
            std::istream lines{&input_};
            std::string line;
            std::getline(lines, line);
            auto const said = who_.say(line);
            if (!said) std::cout << said.error().to_text() << std::endl;
            read();
        });
    }

    boost::asio::io_context& io_;
    person& who_;
    boost::asio::posix::stream_descriptor in_;
    boost::asio::streambuf input_;
};

int chat(std::string const& name, std::span<char*> addresses) {
    boost::asio::io_context io{1};
    person me{io, name, [](std::string const& line) { std::cout << line << std::endl; }};
    me.on_neighbour([](std::string const& what) { std::cout << "* " << what << std::endl; });
    auto const where = me.listen();
    if (!where) {
        std::cout << where.error().to_text() << std::endl;
        return 1;
    }
    std::cout << "* listening on " << where.value().to_text() << std::endl;
    for (auto const* const written : addresses) {
        auto const at = peer::multiaddr::from_text(written);
        auto const begun = at ? me.dial(at.value()) : result<void>{at.error()};
        if (!begun) std::cout << begun.error().to_text() << std::endl;
    }
    typist const types{io, me};
    io.run();
    return 0;
}

/// Two people in one process. Each answers the first line that it hears; then all is said.
int demo() {
    boost::asio::io_context io{1};
    std::size_t heard = 0;
    std::unique_ptr<person> anna, ben;
    auto const hears = [&](char const* who) {
        return [&, who](std::string const& line) {
            std::cout << who << " hears: " << line << std::endl;
            if (++heard == 1) {
                if (!anna->say("hello, Ben")) io.stop();
            } else {
                io.stop();
            }
        };
    };
    anna = std::make_unique<person>(io, "Anna", hears("Anna"));
    ben = std::make_unique<person>(io, "Ben", hears("Ben"));
    ben->on_neighbour([&](std::string const&) {  // Anna is there
        if (heard == 0 && !ben->say("is anybody here?")) io.stop();
        ben->on_neighbour([](std::string const&) {});
    });
    auto const where = anna->listen();
    if (!where || !ben->dial(where.value())) return 1;
    io.run_for(std::chrono::seconds{30});
    return heard == 2 ? 0 : 1;
}

}  // namespace

int main(int count, char** words) {
    if (count < 2) return demo();
    return chat(words[1], std::span{words, static_cast<std::size_t>(count)}.subspan(2));
}
