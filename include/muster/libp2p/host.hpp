// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// A libp2p node as a machine: whom it is connected to, and the streams between them.
///
/// Idea: everything that decides about connections is here, and nothing that performs: events of sockets and the time
/// go in, what is to be done to sockets comes out, with what happens to peers and streams. So the same code runs on
/// real sockets, on simulated ones, and in a test that writes both by hand.
///
/// When two peers dial each other at once there are two connections for a moment. Both ends keep the one that was
/// dialled by the lexicographically smaller peer id, so they agree without communicating. Of two connections dialled by
/// the same side the newer one is kept: the older is what a restarted peer left behind. The other one leaves: it opens
/// no more streams, takes those that the peer opens, and is closed when it has been without a stream for a moment, or
/// after the time of a set-up. It does not say go-away before it closes: js-libp2p would open no more streams on it,
/// and yet use no other connection.
///
/// Any byte that comes is a sign of life; after a ping's interval and time limit without one a connection is dead. What
/// a peer sends is counted until a service consumes it, and beyond a bound no more is read, so a slow service slows the
/// peer.
///
/// Time: limits are looked at once a second, so they may be exceeded by that; writing, and the next address of a dial,
/// are not put off.

#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <muster/crypto/system_random.hpp>
#include <muster/libp2p/host/workings.hpp>

namespace muster::libp2p {

/// One node. Commands take the time; those that end something or resume reading take the sink. What the others leave to
/// be written is due at once, see @ref next_deadline. What they refuse has changed nothing. Not thread-safe.
/// @tparam Secret  for the keys of connections.
template <secret_source Secret = crypto::system_random>
class host : detail::host_workings<Secret> {
    using base = detail::host_workings<Secret>;
    using base::active_, base::counted_, base::dials_, base::dirty_, base::dirty_since_, base::held_, base::key_,
        base::links_, base::options_, base::places_, base::protected_, base::protocols_, base::queued_, base::sending_,
        base::listeners_, base::last_listener_, base::sweep_at_;
    using base::end, base::find_established, base::links_of, base::soil;

public:
    using event = socket_event;
    using effect = host_effect;

    /// @param key   the node's own; borrowed.
    /// @param seed  for the random choice of the connection that is closed when no place is free.
    host(peer::node_key const& key, host_options options, std::uint64_t seed, Secret source = {})
        : base{key, std::move(options), seed, std::move(source)} {}
    host(host const&) = delete;
    host& operator=(host const&) = delete;

    // ---- what happens -----------------------------------------------------------------------------------

    /// What happened to a socket. Total: events of sockets that are gone are ignored.
    template <effect_sink<host_effect> Sink>
    void handle(socket_event const& e, instant now, Sink& out) {
        std::visit([&](auto const& v) { this->on(v, now, out); }, e);
        this->pump_dials(now, out);
    }
    /// Harmless when nothing is due.
    template <effect_sink<host_effect> Sink>
    void wake(instant now, Sink& out) {
        for (auto const id : std::exchange(dirty_, {})) {
            if (auto* const l = this->find(id)) this->flush(*l, now, out);
        }
        dials_.wake(now);
        if (now >= sweep_at_) this->sweep(now, out);
        this->pump_dials(now, out);
    }
    [[nodiscard]] deadline next_deadline() const {
        if (!dirty_.empty()) return dirty_since_;  // which has passed
        auto const out = dials_.next_deadline();
        return links_.empty() && dials_.size() == 0 ? out : earlier(out, sweep_at_);
    }

    // ---- peers ------------------------------------------------------------------------------------------

    /// Begins to connect: @ref peer_connected or @ref peer_unreachable follows. Changes nothing when the peer is
    /// connected or being dialled.
    /// @return `no_address` without any, or for ourselves.
    template <effect_sink<host_effect> Sink>
    [[nodiscard]] result<void> connect(peer::peer_id const& who, std::span<peer::multiaddr const> addresses,
                                       instant now, Sink& out) {
        if (is_connected(who) || dials_.is_dialling(who)) return ok();
        if (who == local()) return error{transport::errc::no_address, "a peer does not connect to itself"};
        if (addresses.empty()) {
            return error{transport::errc::no_address, text("no address is known for ", who.to_text())};
        }
        dials_.begin(who, addresses, now, out);
        this->pump_dials(now, out);
        return ok();
    }
    /// Ends what there is with @p who at once.
    template <effect_sink<host_effect> Sink>
    void disconnect(peer::peer_id const& who, instant now, Sink& out) {
        error const why{transport::errc::closed, "disconnected on purpose"};
        bool const was_dialling = dials_.is_dialling(who);
        for (auto const id : dials_.end(who)) end(id, why, now, out);
        if (was_dialling) out.push(peer_unreachable{who, why});
        std::vector<socket_id> all;  // those too that have lost a race and are still being set up
        std::vector<socket_id> in_use;
        for (auto const& [id, l] : links_) {
            if (l.peer != who || l.at == detail::link::stage::closing) continue;
            (l.at == detail::link::stage::active ? in_use : all).push_back(id);
        }
        // The one in use last, or another one would be used in its place.
        all.insert(all.end(), in_use.begin(), in_use.end());
        for (auto const id : all) end(id, why, now, out);
    }
    /// Ends one connection, whose peer violated the protocol.
    template <effect_sink<host_effect> Sink>
    void fail(socket_id connection, error const& why, instant now, Sink& out) {
        if (find_established(connection) != nullptr) end(connection, why, now, out);
    }
    /// Protects @p who, or ends that. A protected peer takes a stranger's place when all are in use.
    void protect(peer::peer_id const& who, bool is_protected) {
        is_protected ? (void)protected_.insert(who) : (void)protected_.erase(who);
        for (auto const id : links_of(who)) places_.protect(id, is_protected);
    }
    /// Streams that others open are accepted for these protocols from now on.
    void offer(std::vector<std::string> protocols) {
        protocols_ = std::move(protocols);
        for (auto& [id, l] : links_) {
            if (l.machine) l.machine->offer(protocols_);
        }
    }

    // ---- listening --------------------------------------------------------------------------------------

    /// Begins to accept connections at an IP address and TCP port; 0 is any free one. @ref addresses_changed or @ref
    /// not_listening follows. Dials to addresses of its family leave from there, where that can be.
    /// @return the listener.
    template <effect_sink<host_effect> Sink>
    [[nodiscard]] listener_id listen(peer::multiaddr const& at, Sink& out) {
        out.push(libp2p::listen{++last_listener_, at});
        return last_listener_;
    }
    /// Ends a listener. Connections go on.
    template <effect_sink<host_effect> Sink>
    void unlisten(listener_id id, Sink& out) {
        if (listeners_.erase(id) == 0) return;
        out.push(libp2p::unlisten{id});
        out.push(addresses_changed{});
    }
    /// Those that are open. Valid until the next call.
    [[nodiscard]] std::map<listener_id, listening> const& listeners() const noexcept { return listeners_; }
    /// Where others reach us, with our peer id.
    [[nodiscard]] std::vector<peer::multiaddr> addresses() const {
        std::vector<peer::multiaddr> out;
        for (auto const& [id, l] : listeners_) {
            for (auto const& w : l.where) out.push_back(w.with_peer(local()).value());
        }
        return out;
    }

    // ---- streams ----------------------------------------------------------------------------------------

    /// Opens a stream to a connected peer and proposes @p protocols: @ref stream_opened or @ref stream_gone follows.
    /// @return `not_connected`, or `too_many_streams`.
    [[nodiscard]] result<stream_ref> open_stream(peer::peer_id const& who, std::vector<std::string> protocols,
                                                 instant now) {
        auto const found = active_.find(who);
        if (found == active_.end()) {
            return error{transport::errc::not_connected, text("not connected to ", who.to_text(), "; connect first")};
        }
        auto& l = links_.at(found->second);
        MUSTER_TRY(auto const id, l.machine->open_stream(std::move(protocols), l.outgoing));
        l.streams[id] = {{}, direction::outbound};
        soil(l, now);
        return stream_ref{l.id, id};
    }
    /// Sends as much as there is room for; @ref stream_ready_again follows when that is not all.
    /// @return how many bytes; 0 for a stream that is gone, of which @ref stream_gone tells.
    [[nodiscard]] std::size_t write(stream_ref const& s, byte_view content, instant now) {
        auto* const l = find_established(s.connection);
        if (l == nullptr) return 0;
        auto const taken = l->machine->write(s.stream, content, l->outgoing);
        places_.use(l->id, now);
        soil(*l, now);
        return taken ? taken.value() : 0;
    }
    /// A service is done with @p size bytes.
    template <effect_sink<host_effect> Sink>
    void consume(stream_ref const& s, std::size_t size, instant now, Sink& out) {
        let_in(s, size, now);
        release_held(s.connection, size, now, out);
    }
    /// The peer may send @p size more bytes on a stream; those before count as held until @ref release_held.
    void let_in(stream_ref const& s, std::size_t size, instant now) {
        auto* const l = find_established(s.connection);
        if (l == nullptr) return;
        l->machine->consume(s.stream, size, l->outgoing);
        soil(*l, now);
    }
    /// @see let_in
    template <effect_sink<host_effect> Sink>
    void release_held(socket_id connection, std::size_t size, instant now, Sink& out) {
        auto* const l = find_established(connection);
        if (l == nullptr) return;
        size = std::min(size, l->held);
        l->held -= size;
        held_ -= size;
        this->read_on(*l, now, out);
    }
    /// We send no more on a stream.
    template <effect_sink<host_effect> Sink>
    void close_stream(stream_ref const& s, instant now, Sink& out) {
        auto* const l = find_established(s.connection);
        if (l == nullptr) return;
        effect_list<connection_event> events;
        (void)l->machine->close_stream(s.stream, l->outgoing, events);
        soil(*l, now);
        this->tell(l->id, events.take(), now, out);
    }
    /// The same, once the peer has surely read what came before. js-libp2p fails to read what ends in the segment in
    /// which it began.
    template <effect_sink<host_effect> Sink>
    void close_stream_later(stream_ref const& s, instant now, Sink& out) {
        auto* const l = find_established(s.connection);
        if (l == nullptr) return;
        auto const number = ++l->pings;
        if (!l->machine->ping(number, l->outgoing)) return close_stream(s, now, out);
        l->closing[number] = s.stream;
        soil(*l, now);
    }
    /// Closes a stream that nobody uses any more, without taking from the peer what is on its way. No event names it
    /// again.
    void abandon_stream(stream_ref const& s, instant now) {
        auto* const l = find_established(s.connection);
        if (l == nullptr) return;
        l->machine->abandon_stream(s.stream, l->outgoing);
        l->streams.erase(s.stream);
        soil(*l, now);
    }
    /// Ends a stream at once. No event names it again.
    void reset_stream(stream_ref const& s, instant now) {
        auto* const l = find_established(s.connection);
        if (l == nullptr) return;
        l->machine->reset_stream(s.stream, l->outgoing);
        l->streams.erase(s.stream);
        soil(*l, now);
    }
    /// Takes room for @p size bytes that a service keeps for a connection; false when that is too much. When the total
    /// is exceeded, each connection still has its share, and a protected peer its full allowance, so that peers which
    /// read nothing do not block sending to others.
    [[nodiscard]] bool reserve(socket_id connection, std::size_t size) {
        auto* const l = find_established(connection);
        if (l == nullptr) return false;
        auto const wanted = l->queued + l->sending + size;
        if (wanted > options_.connection_buffer_max) return false;
        bool const is_too_much = queued_ + sending_ + size > options_.buffers_max && wanted > this->share_of_buffers();
        if (is_too_much && protected_.count(l->peer) == 0) return false;
        l->queued += size;
        queued_ += size;
        return true;
    }
    /// Whether there is room again, after @ref reserve has refused.
    [[nodiscard]] bool has_room(socket_id connection) const {
        auto const found = links_.find(connection);
        if (found == links_.end()) return false;
        auto const has = found->second.queued + found->second.sending;
        bool const is_little = queued_ + sending_ <= options_.buffers_max / 2 || has <= this->share_of_buffers() / 2 ||
                               protected_.count(found->second.peer) != 0;
        return has <= options_.connection_buffer_max / 2 && is_little;
    }
    /// Gives it back.
    void release(socket_id connection, std::size_t size) {
        auto* const l = find_established(connection);
        if (l == nullptr) return;
        size = std::min(size, l->queued);
        l->queued -= size;
        queued_ -= size;
    }

    /// What a stream carries; empty before it has agreed on that, and when it is gone.
    [[nodiscard]] std::string_view protocol_of(stream_ref const& s) const {
        auto const l = links_.find(s.connection);
        if (l == links_.end()) return {};
        auto const found = l->second.streams.find(s.stream);
        return found == l->second.streams.end() ? std::string_view{} : std::string_view{found->second.protocol};
    }

    // ---- what can be asked ------------------------------------------------------------------------------

    [[nodiscard]] peer::peer_id const& local() const noexcept { return key_->id(); }
    [[nodiscard]] peer::node_key const& key() const noexcept { return *key_; }
    [[nodiscard]] host_options const& options() const noexcept { return options_; }
    [[nodiscard]] std::vector<std::string> const& protocols() const noexcept { return protocols_; }
    [[nodiscard]] bool is_connected(peer::peer_id const& who) const { return active_.count(who) != 0; }
    [[nodiscard]] std::vector<peer::peer_id> connected_peers() const {
        std::vector<peer::peer_id> out;
        for (auto const& [who, id] : active_) out.push_back(who);
        return out;
    }
    /// What is known of @p who; none when it is not connected.
    [[nodiscard]] std::optional<host_peer> info(peer::peer_id const& who) const {
        auto const found = active_.find(who);
        if (found == active_.end()) return std::nullopt;
        auto const& l = links_.at(found->second);
        return host_peer{l.id, l.way, l.remote, l.round_trip, l.last_heard};
    }
    /// O(1).
    [[nodiscard]] host_statistics stats() const {
        auto out = counted_;
        out.connections = links_.size();
        out.inbound = places_.size();
        out.peers = active_.size();
        out.dialling = dials_.size();
        out.held = held_;
        out.queued = queued_;
        out.sending = sending_;
        return out;
    }
};

}  // namespace muster::libp2p
