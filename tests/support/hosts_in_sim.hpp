// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Libp2p nodes on simulated sockets, and an outsider that speaks as far as it is told to.

#include <algorithm>
#include <array>
#include <chrono>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <muster/libp2p/network.hpp>
#include <muster/sim/sockets.hpp>

#include <support/connection_end.hpp>
#include <support/node_keys.hpp>

namespace muster::test {

using namespace std::chrono_literals;
using libp2p::socket_id;

struct world_of_hosts {
    sim::world where{7};
    sim::internet net{where};
    sim::rule_set::guard delay = net.rules().install(sim::delays(where, 10ms, 10ms));

    sim::sockets plug_in(std::string const& ip, sim::host_id& on) {
        on = where.add_host();
        net.route(ip, on);
        where.boot(on);
        return sim::sockets{net, on, {ip}};
    }
    void pass(duration time) { where.run_until(where.now() + time); }
};

/// The node under test, or an honest peer of it.
template <class Sockets>
struct basic_node {
    using network = libp2p::network<Sockets, predictable>;

    basic_node(world_of_hosts& w, std::size_t i, std::string const& ip, libp2p::host_options o = {})
        : key{std::move(node_keys(i).node)},
          wire{w.plug_in(ip, on), key, std::move(o), i, predictable{i + 100}},
          where{wire.listen(peer::multiaddr::from_text(text("/ip4/", ip, "/tcp/1000")).value()).value()} {
        wire.serve("/echo/1", {}, [this](transport::asked const& q) { (void)wire.answer(q.id, q.request); });
        wire.attach("/test/1", [this](transport::event const& e) { events.push_back(e); });
    }
    template <class E>
    [[nodiscard]] std::size_t count() const {
        return static_cast<std::size_t>(
            std::count_if(events.begin(), events.end(), [](auto const& e) { return std::holds_alternative<E>(e); }));
    }
    sim::host_id on{};
    peer::node_key key;
    network wire;
    peer::multiaddr where;
    std::vector<transport::event> events;
};

using node = basic_node<sim::sockets>;

/// Whether a newcomer gets @p requests answered by @p to.
template <class Node>
[[nodiscard]] bool serves(world_of_hosts& w, Node& to, std::size_t number, std::size_t requests = 1000) {
    node honest{w, number, text("172.16.", number / 250, ".", number % 250 + 1)};
    if (!honest.wire.connect(to.wire.local(), std::array{to.where})) return false;
    if (!w.where.run_until(w.where.now() + 20s, [&] { return honest.wire.is_connected(to.wire.local()); }))
        return false;
    std::size_t answered = 0;
    for (std::size_t i = 0; i < requests; ++i) {
        bytes const question(100, static_cast<byte>(i));
        auto const asked = honest.wire.request(to.wire.local(), "/echo/1", question, {}, [&](auto, auto const& r) {
            answered += r && r.value() == question ? 1u : 0u;
        });
        if (!asked || !w.where.run_until(w.where.now() + 20s, [&] { return answered == i + 1; })) return false;
    }
    return answered == requests;
}

/// An outsider that opens sockets by hand, and speaks as far as it is told to.
struct outsider final : libp2p::socket_user {
    outsider(world_of_hosts& w, std::size_t i, std::string const& ip)
        : key{std::move(node_keys(i).node)}, source{i}, wires{w.plug_in(ip, on)} {
        wires.attach(this);
    }
    ~outsider() { wires.attach(nullptr); }

    socket_id open(peer::multiaddr const& to, bool speaks_here) {
        auto const id = next;
        next += 2;
        speaks[id] = speaks_here;
        libp2p::socket_effect e{libp2p::open_socket{
            id, peer::multiaddr::from_text(to.to_text().substr(0, to.to_text().find("/p2p/"))).value(), {}}};
        wires.perform(e);
        return id;
    }
    void on_socket(libp2p::socket_event const& e) override {
        if (auto const* const d = std::get_if<libp2p::dialled>(&e)) {
            opened.insert(d->socket);
            if (speaks[d->socket]) {
                machines.emplace(d->socket, connection_end{libp2p::connection::dial(key, source, {}, {}).value()});
                flush(d->socket);
            }
        } else if (auto const* const b = std::get_if<libp2p::socket_bytes>(&e)) {
            auto const m = machines.find(b->socket);
            if (m == machines.end()) return;
            effect_list<libp2p::connection_event> events;
            m->second.feed(b->content, events);
            for (auto& x : events.take()) {
                if (std::holds_alternative<libp2p::established>(x)) established.insert(b->socket);
                seen.push_back(std::move(x));
            }
            flush(b->socket);
        } else if (auto const* const w = std::get_if<libp2p::written>(&e)) {
            writing.erase(w->socket);
            flush(w->socket);
        } else if (auto const* const c = std::get_if<libp2p::socket_closed>(&e)) {
            closed.insert(c->socket);
            opened.erase(c->socket);
            established.erase(c->socket);
            machines.erase(c->socket);
        }
    }
    void on_turn() override {}
    void flush(socket_id id) {
        auto const m = machines.find(id);
        if (m == machines.end() || writing.count(id) != 0) return;
        effect_list<libp2p::connection_event> events;
        auto content = m->second.take_output(events);
        for (auto& x : events.take()) seen.push_back(std::move(x));
        if (content.empty()) return;
        writing.insert(id);
        libp2p::socket_effect e{libp2p::write_socket{id, std::move(content)}};
        wires.perform(e);
    }
    template <class E>
    [[nodiscard]] std::size_t count() const {
        return static_cast<std::size_t>(
            std::count_if(seen.begin(), seen.end(), [](auto const& e) { return std::holds_alternative<E>(e); }));
    }

    sim::host_id on{};
    peer::node_key key;
    predictable source;
    sim::sockets wires;
    socket_id next = 1;
    std::map<socket_id, bool> speaks;
    std::map<socket_id, connection_end> machines;
    effect_list<libp2p::connection_event> unread;  ///< Of commands.
    std::set<socket_id> writing, opened, closed, established;
    std::vector<libp2p::connection_event> seen;
};

}  // namespace muster::test
