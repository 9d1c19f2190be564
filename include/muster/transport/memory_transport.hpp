// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// A network inside one process: deterministic, for tests, examples and simulation.
///
/// A `memory_network` is a queue of deliveries; nothing moves until somebody steps it, and it moves in the order
/// in which things were sent. A filter may look at each frame and drop it or change it.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <muster/transport/frames.hpp>
#include <muster/transport/request_desk.hpp>

namespace muster::transport {

class memory_transport;

/// Options of a @ref memory_network.
struct memory_limits {
    std::size_t frame_size_max = 1u << 20;    ///< Bytes; ours.
    std::size_t frames_in_flight_max = 4096;  ///< Per direction of a connection, then `congested`; ours.
};

/// The wires between memory transports. Must outlive them. Not thread-safe.
class memory_network {
public:
    /// A frame under way.
    struct packet {
        peer_id from;
        peer_id to;
        std::string protocol;
        bytes frame;
    };
    /// Looks at a packet before delivery; returns false to drop it. May change the frame.
    using filter = std::function<bool(packet&)>;

    explicit memory_network(memory_limits limits = {}) noexcept : limits_{limits} {}

    /// Delivers the oldest event; false when there is none.
    inline bool step();
    /// Delivers until nothing is under way; returns how many events that were. A protocol that answers itself
    /// for ever is cut off after @p steps_max.
    std::size_t run(std::size_t steps_max = 1'000'000) {
        std::size_t steps = 0;
        while (steps < steps_max && step()) ++steps;
        return steps;
    }
    void set_filter(filter f) { filter_ = std::move(f); }

    [[nodiscard]] std::uint64_t frames_delivered() const noexcept { return frames_delivered_; }
    [[nodiscard]] std::uint64_t octets_delivered() const noexcept { return octets_delivered_; }

private:
    friend class memory_transport;

    using link = std::pair<peer_id, peer_id>;
    struct notice {
        peer_id to;
        event what;
        std::uint64_t attachments;  // so many had been made when it happened
    };
    struct letter {
        peer_id from;
        peer_id to;
        request_message what;
    };
    struct loss {  // of the connection, for who waits for an answer
        peer_id at;
        peer_id of;
    };

    [[nodiscard]] static link between(peer_id const& a, peer_id const& b) { return a < b ? link{a, b} : link{b, a}; }
    void tell(peer_id const& to, event what) { queue_.emplace_back(notice{to, std::move(what), attachments_}); }
    inline void disconnect(peer_id const& a, peer_id const& b, error const& why);

    memory_limits limits_;
    filter filter_;
    std::map<peer_id, memory_transport*> nodes_;
    std::set<link> links_;
    std::map<link, std::size_t> in_flight_;  // ordered pair: from, to
    std::set<link> congested_;
    std::deque<std::variant<notice, packet, letter, loss>> queue_;
    std::uint64_t frames_delivered_ = 0;
    std::uint64_t octets_delivered_ = 0;
    std::uint64_t attachments_ = 0;
};

/// One peer on a @ref memory_network. Models @ref frames and @ref requests. Addresses are not needed: every peer on the
/// network is reachable. There is no time: a request waits until it is answered, refused, or its peer is gone.
class memory_transport {
public:
    memory_transport(memory_network& network, peer_id self) : network_{network}, self_{self} {
        network_.nodes_[self_] = this;
    }
    memory_transport(memory_transport const&) = delete;
    memory_transport& operator=(memory_transport const&) = delete;
    ~memory_transport() { close(); }

    [[nodiscard]] peer_id const& local() const noexcept { return self_; }
    [[nodiscard]] bool is_connected(peer_id const& peer) const {
        return network_.links_.count(memory_network::between(self_, peer)) != 0;
    }

    void attach(std::string_view protocol, event_handler handler) {
        handlers_[std::string{protocol}] = {std::move(handler), ++network_.attachments_};
    }
    void detach(std::string_view protocol) { handlers_.erase(std::string{protocol}); }
    /// @copydoc connections
    void on_peer(event_handler handler) {
        if (!handler) return detach("");
        attach("", std::move(handler));  // no protocol has an empty name
    }

    [[nodiscard]] result<void> connect(peer_id const& peer, std::span<multiaddr const>) {
        if (closed_) return error{errc::closed, "this transport was closed"};
        if (peer == self_) return error{errc::no_address, "a peer does not connect to itself"};
        if (is_connected(peer)) return ok();
        if (network_.nodes_.count(peer) == 0) {
            network_.tell(self_, connect_failed{peer, error{errc::unreachable,
                                                            text("no peer ", peer.to_text(), " on this network")}});
            return ok();
        }
        network_.links_.insert(memory_network::between(self_, peer));
        network_.tell(self_, connected{peer});
        network_.tell(peer, connected{self_});
        return ok();
    }

    void disconnect(peer_id const& peer) { network_.disconnect(self_, peer, error{errc::closed, "closed by a peer"}); }

    [[nodiscard]] result<void> send(peer_id const& peer, std::string_view protocol, bytes frame) {
        if (closed_) return error{errc::closed, "this transport was closed"};
        if (!is_connected(peer)) {
            return error{errc::not_connected, text("not connected to ", peer.to_text(), "; connect first")};
        }
        if (frame.size() > network_.limits_.frame_size_max) {
            return error{errc::too_large,
                         text("frame of ", frame.size(), " bytes, at most ", network_.limits_.frame_size_max)};
        }
        auto& in_flight = network_.in_flight_[{self_, peer}];
        if (in_flight >= network_.limits_.frames_in_flight_max) {
            network_.congested_.insert({self_, peer});
            return error{errc::congested, text(peer.to_text(), " has ", in_flight, " frames to read first")};
        }
        ++in_flight;
        network_.queue_.emplace_back(memory_network::packet{self_, peer, std::string{protocol}, std::move(frame)});
        return ok();
    }

    void serve(std::string_view protocol, request_options const& o, question_handler handler) {
        desk_.serve(protocol, o, std::move(handler));
    }
    void unserve(std::string_view protocol) { desk_.unserve(protocol); }
    [[nodiscard]] result<request_id> request(peer_id const& peer, std::string_view protocol, bytes question,
                                             request_options const& o, answer_handler handler) {
        if (closed_) return error{errc::closed, "this transport was closed"};
        if (!is_connected(peer)) {
            return error{errc::not_connected, text("not connected to ", peer.to_text(), "; connect first")};
        }
        return desk_.request(peer, protocol, std::move(question), o, std::move(handler), post());
    }
    void cancel(request_id id) { desk_.cancel(id); }
    [[nodiscard]] result<void> answer(request_id id, bytes content) {
        if (closed_) return error{errc::closed, "this transport was closed"};
        return desk_.answer(id, std::move(content), post());
    }
    void refuse(request_id id) { desk_.refuse(id, post()); }

    void close() {
        if (std::exchange(closed_, true)) return;
        handlers_.clear();
        desk_.clear();
        auto const links = network_.links_;
        for (auto const& [a, b] : links) {
            if (a == self_ || b == self_) {
                network_.disconnect(a, b, error{errc::peer_failed, "the peer is gone"});
            }
        }
        network_.nodes_.erase(self_);
    }

private:
    friend class memory_network;

    [[nodiscard]] std::function<void(peer_id const&, request_message)> post() {
        return [this](peer_id const& to, request_message m) {
            network_.queue_.emplace_back(memory_network::letter{self_, to, std::move(m)});
        };
    }
    void deliver(std::string_view protocol, event const& what) {
        auto const found = handlers_.find(std::string{protocol});
        if (found == handlers_.end()) return;
        auto const handler = found->second.handler;  // it may detach itself
        handler(what);
    }
    // Whoever was attached later did not live to see it.
    void deliver_to_all(event const& what, std::uint64_t attachments) {
        std::vector<std::string> protocols;
        for (auto const& [protocol, a] : handlers_) {
            if (a.number <= attachments) protocols.push_back(protocol);
        }
        for (auto const& protocol : protocols) deliver(protocol, what);  // one handler may detach another
    }
    struct attachment {
        event_handler handler;
        std::uint64_t number;
    };

    memory_network& network_;
    peer_id self_;
    bool closed_ = false;
    std::map<std::string, attachment> handlers_;
    request_desk desk_;
};

inline bool memory_network::step() {
    if (queue_.empty()) return false;
    auto item = std::move(queue_.front());
    queue_.pop_front();
    if (auto* const told = std::get_if<notice>(&item)) {
        if (auto const node = nodes_.find(told->to); node != nodes_.end()) {
            node->second->deliver_to_all(told->what, told->attachments);
        }
        return true;
    }
    if (auto* const m = std::get_if<letter>(&item)) {
        auto const node = nodes_.find(m->to);
        bool const arrives = node != nodes_.end() && links_.count(between(m->from, m->to)) != 0;
        if (arrives) node->second->desk_.receive(m->from, std::move(m->what), node->second->post());
        return true;
    }
    if (auto const* const l = std::get_if<loss>(&item)) {
        if (auto const node = nodes_.find(l->at); node != nodes_.end()) node->second->desk_.lost(l->of);
        return true;
    }
    auto& p = std::get<packet>(item);
    link const direction{p.from, p.to};
    --in_flight_[direction];
    if (congested_.erase(direction) != 0) tell(p.from, writable{p.to});
    auto const node = nodes_.find(p.to);
    bool const alive = node != nodes_.end() && links_.count(between(p.from, p.to)) != 0;
    if (alive && (!filter_ || filter_(p))) {
        ++frames_delivered_;
        octets_delivered_ += p.frame.size();
        node->second->deliver(p.protocol, received{p.from, std::move(p.frame)});
    }
    return true;
}

inline void memory_network::disconnect(peer_id const& a, peer_id const& b, error const& why) {
    if (links_.erase(between(a, b)) == 0) return;
    tell(a, disconnected{b, why});
    tell(b, disconnected{a, why});
    queue_.emplace_back(loss{a, b});
    queue_.emplace_back(loss{b, a});
}

static_assert(frames<memory_transport>);
static_assert(connections<memory_transport>);
static_assert(requests<memory_transport>);

}  // namespace muster::transport
