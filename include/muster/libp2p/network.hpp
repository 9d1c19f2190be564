// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// A libp2p node for applications: frames and requests to named peers, over any sockets.
///
/// It binds a host, the services on it, and sockets, and decides nothing: events of sockets go to the host, what the
/// host tells goes to the services, what is to be done to sockets goes there. Handlers are called from turns of the
/// event loop, one at a time, in the order in which things happened.

#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <muster/core/system_seed.hpp>
#include <muster/libp2p/network_core.hpp>

namespace muster::libp2p {

/// A node. Models transport::frames and transport::requests.
///
/// Not thread-safe: every member, and every handler, belongs to the one thread or strand of its sockets. Destroy or
/// `close()` it there. Protocols may be attached, served and taken away at any time.
template <sockets Sockets, secret_source Secret = crypto::system_random, muster::observer Observer = null_observer>
class network {
public:
    /// @param key   the own host key; borrowed.
    /// @param seed  for the random choice of the connection that is closed when no place is free.
    /// @param to    is told of peers that come (info), go (info) and cannot be reached (warning), counts these, frames
    /// and
    ///              requests, and takes what @ref publish_gauges says. Kept; see @ref observer.
    network(Sockets s, peer::node_key const& key, host_options options = {}, std::uint64_t seed = system_seed(),
            Secret source = {}, Observer to = {})
        : core_{std::make_shared<core>(std::move(s), key, std::move(options), seed, std::move(source), std::move(to))} {
        core_->start();
    }
    network(Sockets, peer::node_key&&, host_options = {}, std::uint64_t = 0, Secret = {}, Observer = {}) = delete;
    network(network const&) = delete;
    network& operator=(network const&) = delete;
    ~network() { close(); }

    /// Accepts connections at @p address (ip4 or ip6, tcp; port 0 for any free one).
    /// @return our address with the actual port and our peer id; for an unspecified @p address, one of the machine's
    /// own.
    ///         `no_address` for what cannot be listened on, or `closed`.
    [[nodiscard]] result<peer::multiaddr> listen(peer::multiaddr const& address) {
        return core_->start_listening(address);
    }
    /// Ends a listener by one of its addresses, or by the unspecified one with its port. Connections go on.
    void unlisten(peer::multiaddr const& address) { core_->stop_listening(address); }
    /// Where others reach us, with our peer id.
    [[nodiscard]] std::vector<peer::multiaddr> addresses() const { return core_->machine.addresses(); }

    [[nodiscard]] peer::peer_id const& local() const noexcept { return core_->machine.local(); }
    [[nodiscard]] bool is_connected(peer::peer_id const& who) const { return core_->machine.is_connected(who); }
    [[nodiscard]] std::vector<peer::peer_id> connected_peers() const { return core_->machine.connected_peers(); }
    /// What is known of a connected peer.
    [[nodiscard]] std::optional<host_peer> info(peer::peer_id const& who) const { return core_->machine.info(who); }
    [[nodiscard]] host_statistics stats() const { return core_->machine.stats(); }

    /// @copydoc transport::frames
    void attach(std::string_view protocol, transport::event_handler handler) {
        attach(std::vector{std::string{protocol}}, std::move(handler));
    }
    /// The same for a protocol with several versions, the most wanted first; the first one names it in `send`.
    void attach(std::initializer_list<std::string_view> names, transport::event_handler handler) {
        attach(std::vector<std::string>{names.begin(), names.end()}, std::move(handler));
    }
    /// @copydoc attach
    void attach(std::vector<std::string> names, transport::event_handler handler) {
        core_->handlers[names.front()] = std::move(handler);
        core_->frames.attach(std::move(names));
        core_->offer();
    }
    /// Ends what @ref attach began, by the first name. Senders learn that their frames are not taken any more.
    void detach(std::string_view protocol) {
        core_->handlers.erase(std::string{protocol});
        core_->act([&](auto now, auto& out) { core_->frames.detach(core_->machine, protocol, now, out); });
        core_->offer();
    }
    [[nodiscard]] result<void> connect(peer::peer_id const& who, std::span<peer::multiaddr const> addresses) {
        return core_->command([&](auto now, auto& out) { return core_->machine.connect(who, addresses, now, out); });
    }
    /// Ends every connection and dial to @p who. `disconnected` or `connect_failed` follows.
    void disconnect(peer::peer_id const& who) { core_->disconnect(who); }
    /// Protects @p who, or ends that: co-signers, wallets. A protected peer takes a stranger's place when all are in
    /// use.
    void protect(peer::peer_id const& who, bool is_protected = true) { core_->machine.protect(who, is_protected); }
    [[nodiscard]] result<void> send(peer::peer_id const& who, std::string_view protocol, byte_view frame) {
        auto sent = core_->command(
            [&](auto now, auto& out) { return core_->frames.send(core_->machine, who, protocol, frame, now, out); });
        if (sent) core_->watcher.count("libp2p_frames_sent_total", 1);
        return sent;
    }

    /// @copydoc transport::requests
    void serve(std::string_view protocol, transport::request_options const& o, transport::question_handler handler) {
        core_->questions[std::string{protocol}] = std::move(handler);
        core_->requests.serve(protocol, o);
        core_->offer();
    }
    /// Ends what @ref serve began. Questions that wait for an answer may still be given one.
    void unserve(std::string_view protocol) {
        core_->questions.erase(std::string{protocol});
        core_->requests.unserve(protocol);
        core_->offer();
    }
    [[nodiscard]] result<transport::request_id> request(peer::peer_id const& who, std::string_view protocol,
                                                        bytes question, transport::request_options const& o,
                                                        transport::answer_handler handler) {
        auto id = core_->command([&](auto now, auto&) {
            return core_->requests.request(core_->machine, who, protocol, std::move(question), o, now);
        });
        if (id) core_->answers[id.value()] = std::move(handler);
        return id;
    }
    /// Ends a request of ours: its handler is not called any more. Harmless for one that is over.
    void cancel(transport::request_id id) {
        core_->answers.erase(id);
        core_->act([&](auto now, auto& out) { core_->requests.cancel(core_->machine, id, now, out); });
    }
    [[nodiscard]] result<void> answer(transport::request_id id, bytes content) {
        return core_->command([&](auto now, auto& out) {
            return core_->requests.answer(core_->machine, id, std::move(content), now, out);
        });
    }
    /// Ends a question without an answer. Harmless for one that is over.
    void refuse(transport::request_id id) {
        core_->act([&](auto now, auto& out) { core_->requests.refuse(core_->machine, id, now, out); });
    }
    /// Sets the handler of connections: `connected`, `disconnected` and `connect_failed`, as protocols are told of
    /// them, for whoever has no protocol; an empty one removes it.
    void on_peer(transport::event_handler handler) { core_->on_peer = std::move(handler); }
    /// Sets the handler of what peers claim about themselves; an empty one removes it.
    void on_identified(identity_handler handler) { core_->on_identity = std::move(handler); }

    /// Who is told of what happens.
    [[nodiscard]] Observer& observer() noexcept { return core_->watcher; }
    /// Tells the observer how much there is, by its gauges: whenever somebody is to look.
    void publish_gauges() { core_->publish_gauges(); }

    /// Ends everything: no handler is called any more, and every command is refused. Repeating it changes nothing.
    void close() { core_->close(); }

private:
    using core = detail::network_core<Sockets, Secret, Observer>;

    std::shared_ptr<core> core_;
};

}  // namespace muster::libp2p
