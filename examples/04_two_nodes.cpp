// SPDX-License-Identifier: MIT

// Two libp2p nodes on this machine: one answers questions, the other asks; both send frames.

#include <array>
#include <cstdio>
#include <string>

#include <boost/asio/io_context.hpp>

#include <muster/crypto/system_random.hpp>
#include <muster/net/libp2p_transport.hpp>
#include <muster/peer/identity.hpp>

using namespace muster;

/// Prints the events of a protocol, and stops the loop at the third frame.
struct chat {
    chat(net::libp2p_transport& node, char const* called, boost::asio::io_context& io) : name{called} {
        node.attach("/chat/1", [this, &io](transport::event const& e) {
            std::printf("%s: %s\n", name, to_text(e).c_str());
            if (std::holds_alternative<transport::received>(e) && ++frames == 3) io.stop();
        });
    }
    char const* name;
    int frames = 0;
};

int main() {
    boost::asio::io_context io;
    crypto::system_random random;
    peer::node_key const one{crypto::key_pair::generate(random).value()};  // keys outlive their nodes
    peer::node_key const two{crypto::key_pair::generate(random).value()};
    net::libp2p_transport server{io.get_executor(), one}, client{io.get_executor(), two};
    chat at_server{server, "server", io}, at_client{client, "client", io};

    server.serve("/reverse/1", {}, [&](transport::asked const& q) {
        (void)server.answer(q.id, bytes{q.request.rbegin(), q.request.rend()});
    });
    auto const where = server.listen(peer::multiaddr::from_text("/ip4/127.0.0.1/tcp/0").value()).value();
    std::printf("listening on %s\n", where.to_text().c_str());

    client.on_peer([&](transport::event const& e) {
        if (!std::holds_alternative<transport::connected>(e)) return;
        auto const asked = client.request(server.local(), "/reverse/1", to_bytes(as_bytes("muster")), {},
                                          [&](transport::request_id, result<bytes> const& answer) {
                                              auto const text =
                                                  answer ? std::string{answer.value().begin(), answer.value().end()}
                                                         : answer.error().to_text();
                                              std::printf("the answer: %s\n", text.c_str());
                                              for (auto const* const word : {"one", "two", "three"}) {
                                                  (void)client.send(server.local(), "/chat/1", as_bytes(word));
                                              }
                                          });
        if (!asked) std::printf("not asked: %s\n", asked.error().to_text().c_str());
    });
    if (auto const begun = client.connect(server.local(), std::array{where}); !begun) {
        std::printf("%s\n", begun.error().to_text().c_str());
        return 1;
    }
    io.run();  // until somebody stops it: nodes go on by themselves
}
