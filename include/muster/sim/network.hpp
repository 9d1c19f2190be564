// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// A network between hosts, as bad as its rules, and the transport that it gives each of them.
///
/// Connections have two ends, and the ends may disagree, as those of TCP do: a host that was cut off or rebooted does
/// not know the state of the other end. A packet names its connection; one that its receiver does not know is answered
/// with a reset. Ends that nobody answers any more are noticed after `keepalive`, if at all. Without a rule every
/// packet arrives in order and at once.
///
/// `sim::transport` models transport::frames and transport::requests. A tap on it sees what its host sends and hears
/// before anyone else and decides what goes on: that is where adversaries sit, such as signing/adversary.hpp. With
/// rules in force it keeps less than transport::frames promises: frames on a living connection may be lost, repeated,
/// reordered or damaged, since what stands above is to survive that too. sim::sockets keeps the promise.

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <muster/sim/rules.hpp>
#include <muster/transport/frames.hpp>
#include <muster/transport/request_desk.hpp>

namespace muster::sim {

using peer::peer_id;

class transport;

/// Times and bounds of a @ref network. All ours.
struct network_limits {
    duration dial_timeout = std::chrono::seconds{10};  ///< Until an attempt to connect is given up.
    duration keepalive = std::chrono::seconds{15};     ///< Until an end notices that nobody answers.
    std::size_t frame_size_max = 1u << 20;             ///< Bytes.
    std::size_t in_flight_max = 1u << 20;              ///< Bytes under way per direction, then `congested`.
};

/// The wires. Must outlive the transports. Not thread-safe.
class network {
public:
    explicit network(world& w, network_limits l = {}) noexcept : world_{&w}, limits_{l} {}
    network(network const&) = delete;
    network& operator=(network const&) = delete;

    /// The rules that packets are under.
    [[nodiscard]] rule_set& rules() noexcept { return rules_; }
    [[nodiscard]] network_limits const& limits() const noexcept { return limits_; }
    [[nodiscard]] world& where() noexcept { return *world_; }

    /// Cuts hosts off from each other until the guard is destroyed. Connections across notice after `keepalive`.
    [[nodiscard]] rule_set::guard split(partition p) {
        world_->after(limits_.keepalive, [this] { break_dead_connections(); });
        return rules_.install(std::move(p));
    }

    [[nodiscard]] std::uint64_t frames_delivered() const noexcept { return frames_; }

private:
    friend class transport;

    enum class sign : std::uint8_t { syn, ack, frame, reset, request };
    struct message {
        sign what = sign::frame;
        std::uint64_t connection = 0;
        std::string_view protocol = {};
        std::shared_ptr<bytes const> octets = {};  // of a frame, or what @ref request contains: then all of it is kept
        muster::transport::request_message const* request = nullptr;
    };
    struct direction {
        std::uint64_t packets = 0;
        instant last_arrival = {};
        std::size_t in_flight = 0;  // bytes
        bool congested = false;
    };

    [[nodiscard]] static std::uint64_t key(host_id from, host_id to) noexcept { return std::uint64_t{from} << 32 | to; }
    [[nodiscard]] std::optional<host_id> host_of(peer_id const& who) const {
        auto const found = hosts_.find(who);
        return found == hosts_.end() ? std::nullopt : std::optional{found->second};
    }
    // One protocol name for all frames that carry it.
    [[nodiscard]] std::string_view interned(std::string_view protocol) { return *protocols_.emplace(protocol).first; }

    inline void transmit(host_id from, host_id to, message m);
    inline void arrive(host_id from, host_id to, message const& m);
    inline void left_the_wire(host_id from, host_id to, direction& way, std::size_t size);
    [[nodiscard]] transport* running(host_id h) const { return h < running_.size() ? running_[h] : nullptr; }
    inline void break_dead_connections();
    [[nodiscard]] bool can_reach(host_id from, host_id to) {
        packet const probe{from, to, ~std::uint64_t{0}, 0, false};
        return !rules_.decide(probe, world_->now()).dropped;
    }

    world* world_;
    network_limits limits_;
    rule_set rules_;
    std::map<peer_id, host_id> hosts_;
    std::vector<peer_id> peers_;                               // per host
    std::vector<transport*> running_;                          // per host; null where none runs
    std::unordered_map<std::uint64_t, direction> directions_;  // never walked through; nothing is taken out
    std::set<std::string, std::less<>> protocols_;
    std::uint64_t connections_ = 0;
    std::uint64_t frames_ = 0;
};

/// Sees what a host sends and hears. See @ref transport::tap.
class wire_tap {
public:
    virtual ~wire_tap() = default;
    /// The host's process wants to send: what is sent instead goes to transport::send_as_is. @return what the process
    /// is told.
    virtual result<void> outgoing(peer_id const& to, std::string_view protocol, bytes frame) = 0;
    /// A frame has come for the host's process; false keeps it from it.
    virtual bool incoming(peer_id const& from, bytes const& frame) = 0;
    /// The process is done with the frame that came last from @p from.
    virtual void handled(peer_id const& from) { (void)from; }
};

/// One host's end of the network, for one incarnation of its process; models transport::frames and
/// transport::requests.
class transport {
public:
    transport(network& n, host_id on, peer_id self) : network_{&n}, on_{on}, self_{self} {
        if (network_->peers_.size() <= on_) network_->peers_.resize(on_ + 1);
        network_->peers_[on_] = self_;
        network_->hosts_[self_] = on_;
        if (network_->running_.size() <= on_) network_->running_.resize(on_ + 1);
        network_->running_[on_] = this;
    }
    transport(transport const&) = delete;
    transport& operator=(transport const&) = delete;
    /// A process that ends: peers are told, as an operating system does for it. See @ref vanish.
    ~transport() { close(); }

    /// Puts @p t between the process and the wire; none when it is null. Borrowed.
    void tap(wire_tap* t) noexcept { tap_ = t; }
    /// A machine that loses power: nobody is told.
    void vanish() noexcept {
        ends_.clear();
        close();
        network_->world_->after(network_->limits_.keepalive, [n = network_] { n->break_dead_connections(); });
    }

    [[nodiscard]] peer_id const& local() const noexcept { return self_; }
    [[nodiscard]] host_id host() const noexcept { return on_; }
    [[nodiscard]] bool is_connected(peer_id const& peer) const {
        auto const found = ends_.find(peer);
        return found != ends_.end() && found->second.up;
    }

    void attach(std::string_view protocol, muster::transport::event_handler handler) {
        handlers_[std::string{protocol}] = std::move(handler);
    }
    void detach(std::string_view protocol) { handlers_.erase(std::string{protocol}); }
    void on_peer(muster::transport::event_handler handler) {
        if (!handler) return detach("");
        attach("", std::move(handler));  // no protocol has an empty name
    }

    [[nodiscard]] result<void> connect(peer_id const& peer, std::span<peer::multiaddr const>) {
        using muster::transport::errc;
        if (closed_) return error{errc::closed, "this transport was closed"};
        auto const to = network_->host_of(peer);
        if (!to || peer == self_) return error{errc::no_address, text("no host of peer ", peer.to_text())};
        if (ends_.count(peer) != 0) return ok();
        auto const id = ++network_->connections_;
        ends_[peer] = {id, *to, false};
        network_->transmit(on_, *to, {network::sign::syn, id});
        network_->world_->after_on(on_, network_->limits_.dial_timeout, [this, peer, id] {
            auto const found = ends_.find(peer);
            if (found == ends_.end() || found->second.id != id || found->second.up) return;
            ends_.erase(found);
            tell(muster::transport::connect_failed{peer, error{errc::unreachable, "nobody answered"}});
        });
        return ok();
    }

    void disconnect(peer_id const& peer) { drop(peer, "closed here", true); }

    [[nodiscard]] result<void> send(peer_id const& peer, std::string_view protocol, bytes frame) {
        if (tap_ == nullptr) return send_as_is(peer, protocol, std::move(frame));
        return tap_->outgoing(peer, protocol, std::move(frame));
    }
    /// @ref send past the tap.
    [[nodiscard]] result<void> send_as_is(peer_id const& peer, std::string_view protocol, bytes frame) {
        using muster::transport::errc;
        if (closed_) return error{errc::closed, "this transport was closed"};
        auto const found = ends_.find(peer);
        if (found == ends_.end() || !found->second.up) {
            return error{errc::not_connected, text("not connected to ", peer.to_text(), "; connect first")};
        }
        if (frame.size() > network_->limits_.frame_size_max) {
            return error{errc::too_large,
                         text("frame of ", frame.size(), " bytes, at most ", network_->limits_.frame_size_max)};
        }
        auto const to = found->second.at;
        auto& way = network_->directions_[network::key(on_, to)];
        if (way.in_flight + frame.size() > network_->limits_.in_flight_max) {
            way.congested = true;
            return error{errc::congested, text(peer.to_text(), " has ", way.in_flight, " bytes to read first")};
        }
        network_->transmit(on_, to,
                           {network::sign::frame, found->second.id, network_->interned(protocol),
                            std::make_shared<bytes const>(std::move(frame))});
        return ok();
    }

    void serve(std::string_view protocol, muster::transport::request_options const& o,
               muster::transport::question_handler handler) {
        desk_.serve(protocol, o, std::move(handler));
    }
    void unserve(std::string_view protocol) { desk_.unserve(protocol); }
    [[nodiscard]] result<muster::transport::request_id> request(peer_id const& peer, std::string_view protocol,
                                                                bytes question,
                                                                muster::transport::request_options const& o,
                                                                muster::transport::answer_handler handler) {
        using muster::transport::errc;
        if (closed_) return error{errc::closed, "this transport was closed"};
        if (!is_connected(peer)) {
            return error{errc::not_connected, text("not connected to ", peer.to_text(), "; connect first")};
        }
        auto id = desk_.request(peer, protocol, std::move(question), o, std::move(handler), post());
        if (id) network_->world_->after_on(on_, o.time_limit, [this, asked = id.value()] { desk_.expire(asked); });
        return id;
    }
    void cancel(muster::transport::request_id id) { desk_.cancel(id); }
    [[nodiscard]] result<void> answer(muster::transport::request_id id, bytes content) {
        if (closed_) return error{muster::transport::errc::closed, "this transport was closed"};
        return desk_.answer(id, std::move(content), post());
    }
    void refuse(muster::transport::request_id id) { desk_.refuse(id, post()); }

    void close() {
        if (std::exchange(closed_, true)) return;
        handlers_.clear();
        desk_.clear();
        for (auto const& [peer, e] : ends_) network_->transmit(on_, e.at, {network::sign::reset, e.id});
        ends_.clear();
        if (network_->running_[on_] == this) network_->running_[on_] = nullptr;
    }

private:
    friend class network;
    struct endpoint {
        std::uint64_t id = 0;
        host_id at = 0;
        bool up = false;
    };

    void on_syn(peer_id const& from, host_id at, std::uint64_t id) {
        auto const found = ends_.find(from);
        if (found != ends_.end()) {
            bool const both_dial = !found->second.up;
            if (both_dial && on_ < at) return;  // of two attempts, that of the lower host counts
            if (!both_dial) {
                ends_.erase(found);
                tell(muster::transport::disconnected{from, lost("it connected anew")});
            }
        }
        ends_[from] = {id, at, true};
        network_->transmit(on_, at, {network::sign::ack, id});
        tell(muster::transport::connected{from});
    }
    // Also a frame shows that the other end is up.
    [[nodiscard]] bool is_up(peer_id const& from, host_id at, std::uint64_t id) {
        auto const found = ends_.find(from);
        if (found == ends_.end() || found->second.id != id) {
            network_->transmit(on_, at, {network::sign::reset, id});
            return false;
        }
        if (!std::exchange(found->second.up, true)) tell(muster::transport::connected{from});
        return true;
    }
    void on_reset(peer_id const& from, std::uint64_t id) {
        auto const found = ends_.find(from);
        if (found != ends_.end() && found->second.id == id) drop(from, "closed by the peer", false);
    }
    void drop(peer_id const& peer, std::string_view why, bool tell_peer) {
        auto const found = ends_.find(peer);
        if (found == ends_.end()) return;
        auto const gone = found->second;
        ends_.erase(found);
        if (tell_peer) network_->transmit(on_, gone.at, {network::sign::reset, gone.id});
        // Not from inside a call of the owner's.
        network_->world_->after_on(on_, duration{0}, [this, peer, gone, why = std::string{why}] {
            desk_.lost(peer);
            if (gone.up) {
                tell(muster::transport::disconnected{peer, lost(why)});
            } else {
                tell(muster::transport::connect_failed{peer, lost(why)});
            }
        });
    }
    [[nodiscard]] static error lost(std::string_view why) {
        return error{muster::transport::errc::peer_failed, std::string{why}};
    }

    [[nodiscard]] std::function<void(peer_id const&, muster::transport::request_message)> post() {
        return [this](peer_id const& to, muster::transport::request_message m) {
            auto const found = ends_.find(to);
            if (found == ends_.end()) return;
            network::message out{network::sign::request, found->second.id};
            auto const kept = std::make_shared<muster::transport::request_message const>(std::move(m));
            out.octets = {kept, &kept->content};
            out.request = kept.get();
            network_->transmit(on_, found->second.at, std::move(out));
        };
    }
    void receive(peer_id const& from, std::string_view protocol, bytes const& frame) {
        if (tap_ != nullptr && !tap_->incoming(from, frame)) return;
        auto const found = handlers_.find(protocol);
        if (found == handlers_.end()) return;
        auto const handler = found->second;  // it may detach itself
        handler(muster::transport::received{from, frame});
        if (tap_ != nullptr) tap_->handled(from);
    }
    void tell(muster::transport::event const& what) {
        std::vector<std::string> protocols;
        for (auto const& [protocol, handler] : handlers_) protocols.push_back(protocol);
        for (auto const& protocol : protocols) {  // one handler may detach another
            if (auto const found = handlers_.find(protocol); found != handlers_.end()) {
                auto const handler = found->second;
                handler(what);
            }
        }
    }

    network* network_;
    host_id on_;
    peer_id self_;
    wire_tap* tap_ = nullptr;
    bool closed_ = false;
    std::map<peer_id, endpoint> ends_;
    std::map<std::string, muster::transport::event_handler, std::less<>> handlers_;
    muster::transport::request_desk desk_;
};

inline void network::transmit(host_id from, host_id to, message m) {
    auto& way = directions_[key(from, to)];
    std::size_t const size = m.octets ? m.octets->size() : 0;
    packet const p{from, to, way.packets++, size, m.what == sign::frame};
    auto const f = rules_.decide(p, world_->now());
    if (f.dropped) return;
    if (f.corrupted && m.what == sign::frame && size != 0) {
        auto damaged = *m.octets;
        auto draw = packet_draws{*world_, "damage"}(p);
        auto& octet = damaged[uniform(draw, size)];
        octet ^= static_cast<byte>(between(draw, 1, 255));
        m.octets = std::make_shared<bytes const>(std::move(damaged));
    }
    auto arrives = world_->now() + f.delay;
    if (!f.may_overtake) arrives = way.last_arrival = std::max(arrives, way.last_arrival);
    for (std::uint32_t copy = 0; copy <= f.extra_copies; ++copy) {
        way.in_flight += size;
        world_->after(arrives - world_->now(), [this, from, to, m, size, w = &way]() mutable {
            left_the_wire(from, to, *w, size);
            world_->arrive_at(to, duration{0}, [this, from, to, m = std::move(m)] { arrive(from, to, m); });
        });
    }
}

inline void network::left_the_wire(host_id from, host_id to, direction& way, std::size_t size) {
    way.in_flight -= size;
    if (!way.congested || way.in_flight > limits_.in_flight_max / 2) return;
    way.congested = false;
    auto* const sender = running(from);
    if (sender == nullptr) return;
    world_->after_on(from, duration{0},
                     [t = sender, peer = peers_[to]] { t->tell(muster::transport::writable{peer}); });
}

inline void network::arrive(host_id from, host_id to, message const& m) {
    auto* const found = running(to);
    if (found == nullptr) return;
    auto& t = *found;
    auto const& who = peers_[from];
    world_->log().note(static_cast<std::uint64_t>(m.what));
    switch (m.what) {
        case sign::syn: return t.on_syn(who, from, m.connection);
        case sign::ack: (void)t.is_up(who, from, m.connection); return;
        case sign::reset: return t.on_reset(who, m.connection);
        case sign::frame:
            if (!t.is_up(who, from, m.connection)) return;
            ++frames_;
            world_->log().note(*m.octets);
            return t.receive(who, m.protocol, *m.octets);
        case sign::request:
            if (t.is_up(who, from, m.connection)) t.desk_.receive(who, *m.request, t.post());
    }
}

// An end that hears nothing from the other one, because that is down, has forgotten it, or cannot get through.
inline void network::break_dead_connections() {
    for (host_id host = 0; host < running_.size(); ++host) {
        auto* const t = running_[host];
        if (t == nullptr) continue;
        std::vector<peer_id> dead;
        for (auto const& [peer, e] : t->ends_) {
            auto* const other = running(e.at);
            bool const answers = e.up && other != nullptr && other->ends_.count(t->local()) != 0 &&
                                 other->ends_[t->local()].id == e.id && can_reach(host, e.at) && can_reach(e.at, host);
            if (e.up && !answers) dead.push_back(peer);
        }
        for (auto const& peer : dead) t->drop(peer, "no answer", false);
    }
}

static_assert(muster::transport::frames<transport>);
static_assert(muster::transport::requests<transport>);

}  // namespace muster::sim
