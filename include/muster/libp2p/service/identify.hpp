// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// identify and identify-push: nodes tell each other where they listen and what they speak.
///
/// Each side asks the other once per connection, and tells those that are connected when its own answer has changed.
/// What comes is a claim: it is handed on with the peer that made it, bounded, and believed by nobody here. The signed
/// peer record is handed on as it came, and verified when somebody asks for it: verified at once it makes every
/// connection 4 % dearer (`bench net`), and most are never asked for. Addresses that nothing here can dial are kept:
/// others may.
/// @see libp2p specs, identify/README.md.

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <muster/core/effect_sink.hpp>
#include <muster/core/rate_limiter.hpp>
#include <muster/core/result.hpp>
#include <muster/libp2p/host/events.hpp>
#include <muster/libp2p/protobuf.hpp>
#include <muster/peer/host_key.hpp>
#include <muster/peer/multiaddr.hpp>
#include <muster/peer/routing_record.hpp>
#include <muster/wire/varint.hpp>

namespace muster::libp2p {

/// What a connected peer claims of itself.
struct identity_claim {
    peer::peer_id peer;
    std::vector<peer::multiaddr> listens;  ///< Those that are understood here.
    std::vector<std::string> protocols;
    std::optional<peer::multiaddr> observed;  ///< Where it sees us.
    std::string protocol_version;
    std::string agent;
    bytes signed_record = {};  ///< As it came; empty when none did.
    bool operator==(identity_claim const&) const = default;

    /// The record that the peer has signed of itself. Verifies a signature, about 100 us.
    /// @return `bad_identity` when it is a record of another peer, or what @ref peer::routing_record::open returns;
    /// reasons to lower the peer's reputation, unless none was sent.
    [[nodiscard]] result<peer::authenticated<peer::routing_record>> record() const {
        MUSTER_TRY(auto opened, peer::routing_record::open(signed_record));
        if (opened.who() == peer) return opened;
        return error{errc::bad_identity,
                     text(peer.to_text(), " sends the peer record of ", opened.who().to_text(), " as its own")};
    }
};

/// Both protocols, both sides. Not thread-safe.
class identify_service {
public:
    static constexpr std::string_view query = "/ipfs/id/1.0.0";
    static constexpr std::string_view push = "/ipfs/id/push/1.0.0";
    static constexpr std::size_t push_burst = 8;                ///< Of a peer; then one a second. Ours.
    static constexpr std::size_t message_size_max = 64u << 10;  ///< Bytes. Ours; a thousand protocols fit.

    [[nodiscard]] static bool handles(std::string_view protocol) { return protocol == query || protocol == push; }
    [[nodiscard]] static std::vector<std::string> protocols() { return {std::string{query}, std::string{push}}; }

    /// Tells all connected peers what has changed.
    template <class Host>
    void tell_everyone(Host& host, instant now) {
        for (auto const& who : host.connected_peers()) {
            auto const s = host.open_stream(who, {std::string{push}}, now);
            if (s) writing_[s.value()] = {message_for(host, who), 0, false};
        }
    }

    /// Whether a stream that we have opened is one of this service.
    [[nodiscard]] bool owns(stream_ref const& s) const { return reading_.count(s) != 0 || writing_.count(s) != 0; }

    template <class Host>
    void on(Host& host, peer_connected const& e, instant now) {
        auto const s = host.open_stream(e.peer, {std::string{query}}, now);
        if (s) begin_reading(s.value(), e.peer, now);
    }
    /// Peers whose pushes are being counted: those that have pushed in the last seconds.
    [[nodiscard]] std::size_t pushers() const noexcept { return pushes_.size(); }
    /// Ends messages that take too long.
    template <class Host, effect_sink<host_effect> Sink>
    void wake(Host& host, instant now, Sink& out) {
        std::erase_if(pushes_, [now](auto const& p) { return p.second.is_idle(now); });
        for (auto r = reading_.begin(); r != reading_.end();) {
            auto const next = std::next(r);
            if (now - r->second.began >= host.options().stream_timeout) {
                host.reset_stream(r->first, now);
                end_reading(host, r, now, out);
            }
            r = next;
        }
    }
    template <class Host, effect_sink<host_effect> Sink>
    void on(Host& host, stream_opened const& e, instant now, Sink& out) {
        bool const is_inbound = e.direction == direction::inbound;
        if (is_inbound && e.protocol == push) {
            auto const is_under_way = std::any_of(reading_.begin(), reading_.end(), [&](auto const& r) {
                return r.second.is_push && r.second.peer == e.peer;
            });
            auto& allowed = pushes_.try_emplace(e.peer, rate_limiter::per_second(1, push_burst)).first->second;
            if (is_under_way || !allowed.allow(now)) return host.reset_stream(e.stream, now);
            begin_reading(e.stream, e.peer, now).is_push = true;
        } else if (is_inbound) {
            writing_[e.stream] = {message_for(host, e.peer), 0, true};
            write_some(host, e.stream, now, out);
        } else if (reading_.count(e.stream) != 0) {
            host.close_stream(e.stream, now, out);  // we only listen
        } else {
            write_some(host, e.stream, now, out);
        }
    }
    template <class Host, effect_sink<identity_claim> Notes, effect_sink<host_effect> Sink>
    void on(Host& host, stream_bytes const& e, instant now, Notes& notes, Sink& out) {
        auto const found = reading_.find(e.stream);
        if (found == reading_.end()) return host.consume(e.stream, e.content.size(), now, out);
        auto& r = found->second;
        append(r.content, e.content);
        r.held += e.content.size();
        host.let_in(e.stream, e.content.size(), now);
        auto const length = wire::parse_varint(r.content);
        bool const is_wrong = !length || (length.value() && length.value()->value > message_size_max);
        if (is_wrong) {
            end_reading(host, found, now, out);
            return host.reset_stream(e.stream, now);
        }
        if (!length.value() || r.content.size() < length.value()->size + length.value()->value) return;
        auto const message = byte_view{r.content}.subspan(length.value()->size, length.value()->value);
        if (auto const m = decode_identify(message)) notes.push(claim_of(r.peer, m.value()));
        end_reading(host, found, now, out);
        host.abandon_stream(e.stream, now);
    }
    template <class Host, effect_sink<host_effect> Sink>
    void on(Host& host, stream_ready_again const& e, instant now, Sink& out) {
        write_some(host, e.stream, now, out);
    }
    template <class Host, effect_sink<host_effect> Sink>
    void on(Host& host, stream_ended const& e, instant now, Sink& out) {
        auto const found = reading_.find(e.stream);
        if (found == reading_.end()) return;
        end_reading(host, found, now, out);
        host.close_stream(e.stream, now, out);
    }
    template <class Host, effect_sink<host_effect> Sink>
    void on(Host& host, stream_gone const& e, instant now, Sink& out) {
        if (auto const found = reading_.find(e.stream); found != reading_.end()) end_reading(host, found, now, out);
        writing_.erase(e.stream);
    }

private:
    struct reading {
        peer::peer_id peer;
        bytes content;
        std::size_t held = 0;
        instant began;
        bool is_push = false;
    };
    struct writing {
        bytes content;
        std::size_t written = 0;
        bool ends_later = false;  // the peer has asked, and might not be ready for an end
    };

    reading& begin_reading(stream_ref const& s, peer::peer_id const& who, instant now) {
        return reading_.insert_or_assign(s, reading{who, {}, 0, now, false}).first->second;
    }
    template <class Host, class Sink>
    void end_reading(Host& host, std::map<stream_ref, reading>::iterator r, instant now, Sink& out) {
        host.release_held(r->first.connection, r->second.held, now, out);
        reading_.erase(r);
    }
    template <class Host, class Sink>
    void write_some(Host& host, stream_ref const& s, instant now, Sink& out) {
        auto const found = writing_.find(s);
        if (found == writing_.end()) return;
        auto& w = found->second;
        while (w.written < w.content.size()) {
            auto const taken = host.write(s, byte_view{w.content}.subspan(w.written), now);
            if (taken == 0) return;
            w.written += taken;
        }
        bool const ends_later = w.ends_later;
        writing_.erase(found);
        ends_later ? host.close_stream_later(s, now, out) : host.close_stream(s, now, out);
    }
    template <class Host>
    [[nodiscard]] bytes message_for(Host const& host, peer::peer_id const& who) {
        identify_message m;
        m.public_key = peer::host_key::of(host.key().public_key()).encoded();
        for (auto const& a : host.addresses()) m.listens.push_back(to_bytes(a.bytes()));
        m.protocols = host.protocols();
        if (auto const known = host.info(who)) m.observed = to_bytes(known->remote.bytes());
        m.protocol_version = "ipfs/0.1.0";
        m.agent = "muster";
        m.signed_record = own_record(host);
        auto const content = encode(m);
        bytes out;
        wire::append_varint(out, content.size());
        append(out, content);
        return out;
    }
    /// Where we listen, signed; nothing when we do not. Signed once for all who ask, until it changes.
    template <class Host>
    [[nodiscard]] bytes const& own_record(Host const& host) {
        std::vector<peer::multiaddr> where;
        for (auto const& [id, l] : host.listeners()) where.insert(where.end(), l.where.begin(), l.where.end());
        if (where == own_.addresses) return sealed_;
        own_.peer = host.local();
        own_.sequence = std::max(own_.sequence + 1, host.options().record_sequence);
        own_.addresses = std::move(where);
        sealed_.clear();
        if (own_.addresses.empty()) return sealed_;
        if (auto made = own_.seal(host.key())) sealed_ = std::move(made).value();
        return sealed_;
    }
    [[nodiscard]] static identity_claim claim_of(peer::peer_id const& who, identify_message const& m) {
        identity_claim out{who, {}, m.protocols, {}, m.protocol_version, m.agent};
        for (auto const& a : m.listens) {
            if (auto const known = peer::multiaddr::from_bytes(a)) out.listens.push_back(known.value());
        }
        if (auto const seen = peer::multiaddr::from_bytes(m.observed)) out.observed = seen.value();
        out.signed_record = m.signed_record;
        return out;
    }

    peer::routing_record own_;
    bytes sealed_;  ///< The same, as it is sent.
    std::map<stream_ref, reading> reading_;
    std::map<stream_ref, writing> writing_;
    std::map<peer::peer_id, rate_limiter> pushes_;  ///< Of peers that have not been idle since.
};

}  // namespace muster::libp2p
