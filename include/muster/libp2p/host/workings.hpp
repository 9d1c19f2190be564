// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// The workings of a host: how its connections begin and carry streams, and what time does to them. See host.hpp for
/// what it is.

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <muster/core/effect_sink.hpp>
#include <muster/libp2p/host/links.hpp>

namespace muster::libp2p::detail {

/// What happens to a host by itself.
template <secret_source Secret>
class host_workings : protected host_links<Secret> {
protected:
    using base = host_links<Secret>;
    using stage = link::stage;
    using base::active_, base::counted_, base::dials_, base::dirty_, base::held_, base::key_, base::links_,
        base::next_socket_, base::listeners_, base::options_, base::places_, base::protected_, base::protocols_,
        base::source_, base::sweep_at_;
    using base::drop, base::end, base::find, base::forget, base::links_of, base::pings_max, base::share_of_buffers,
        base::output_size_max, base::sweep_interval, base::tell_end, base::use;
    using base::host_links;

    // ---- sockets ----------------------------------------------------------------------------------------

    template <class Sink>
    void on(accepted const& e, instant now, Sink& out) {
        bool const is_full = links_.size() >= options_.connections_max;
        auto const verdict = !is_full && lets_in({gate::stage::accepted, direction::inbound, e.remote, {}})
                                 ? places_.arrive(e.socket, source_prefix::of(e.remote), now)
                                 : admission::verdict{};
        if (verdict.instead_of) make_room(*verdict.instead_of, now, out);
        auto machine = verdict.is_admitted ? connection::listen(*key_, source_, options_of_connections())
                                           : result<connection>{error{transport::errc::closed, "no room"}};
        if (!machine) {
            ++counted_.refused;
            places_.leave(e.socket);
            return out.push(close_socket{e.socket});
        }
        ++counted_.accepted;
        auto& l = add(e.socket, direction::inbound, e.remote, now);
        begin_upgrade(l, std::move(machine).value(), now, out);
    }
    template <class Sink>
    void on(dialled const& e, instant now, Sink& out) {
        auto* const l = find(e.socket);
        if (l == nullptr || l->at != stage::opening) return;
        auto machine = connection::dial(*key_, source_, l->peer, options_of_connections());
        if (!machine) return end(e.socket, machine.error(), now, out);
        begin_upgrade(*l, std::move(machine).value(), now, out);
    }
    template <class Sink>
    void on(dial_failed const& e, instant now, Sink& out) {
        if (find(e.socket) != nullptr) forget(e.socket, e.why, now, out);
    }
    template <class Sink>
    void on(resolved const& e, instant, Sink&) {
        dials_.resolved(e);
    }
    template <class Sink>
    void on(socket_bytes const& e, instant now, Sink& out) {
        auto* l = find(e.socket);
        if (l == nullptr || !l->machine || l->at == stage::closing) return;
        l->last_heard = now;
        counted_.bytes_in += e.content.size();
        if (!std::exchange(l->has_spoken, true)) {
            auto const place = places_.speak(e.socket, now);
            if (!place.is_admitted) return refuse(*l, "too many from there", now, out);
            if (place.instead_of) make_room(*place.instead_of, now, out);
        }
        effect_list<connection_event> events;
        l->machine->feed(e.content, now, l->outgoing, events);
        if (!l->is_secured && !l->machine->peer().empty()) {
            l->is_secured = true;
            if (!lets_in({gate::stage::secured, l->way, l->remote, l->machine->peer()})) {
                return refuse(*l, "refused by the gater", now, out);
            }
        }
        tell(e.socket, events.take(), now, out);
        l = find(e.socket);
        if (l != nullptr) flush(*l, now, out);
    }
    template <class Sink>
    void on(written const& e, instant now, Sink& out) {
        auto* const l = find(e.socket);
        if (l == nullptr) return;
        l->is_writing = false;
        l->writing = 0;
        flush(*l, now, out);
    }
    template <class Sink>
    void on(socket_closed const& e, instant now, Sink& out) {
        if (find(e.socket) != nullptr) forget(e.socket, e.why, now, out);
    }

    template <class Sink>
    void on(listening const& e, instant, Sink& out) {
        listeners_.insert_or_assign(e.listener, e);
        out.push(addresses_changed{});
    }
    template <class Sink>
    void on(listen_failed const& e, instant, Sink& out) {
        out.push(not_listening{e.listener, e.why});
    }

    // ---- the life of a connection -----------------------------------------------------------------------

    link& add(socket_id id, libp2p::direction way, peer::multiaddr remote, instant now) {
        if (links_.empty()) sweep_at_ = saturating_add(now, sweep_interval);
        return links_.try_emplace(id, id, way, std::move(remote), now).first->second;
    }
    template <class Sink>
    void begin_upgrade(link& l, connection machine, instant now, Sink& out) {
        l.at = stage::upgrading;
        l.since = l.last_heard = now;
        l.machine.emplace(std::move(machine));
        l.machine->start(l.outgoing);
        flush(l, now, out);
    }
    [[nodiscard]] connection_options options_of_connections() const {
        connection_options out;
        out.protocols = protocols_;
        out.streams.inbound_streams_max = options_.inbound_streams_max;
        out.streams.pings_max = pings_max;
        out.streams.output_size_max = output_size_max;
        out.negotiation_timeout = options_.stream_timeout;
        return out;
    }
    [[nodiscard]] bool lets_in(gate const& g) const { return !options_.gater || options_.gater(g); }

    /// Writes what there is to write, one write at a time, and tells what that causes.
    template <class Sink>
    void flush(link& l, instant now, Sink& out) {
        this->recount(l);
        if (std::exchange(l.is_dirty, false)) std::erase(dirty_, l.id);
        if (!l.machine || l.is_writing) return;
        if (l.outgoing.empty()) {
            if (l.at == stage::closing) drop(l.id, out);
            return;
        }
        effect_list<connection_event> events;
        auto content = l.machine->seal(now, l.outgoing, events);
        counted_.bytes_out += content.size();
        l.is_writing = true;
        l.writing = content.size();
        l.writing_since = now;
        this->recount(l);
        out.push(write_socket{l.id, std::move(content)});
        tell(l.id, events.take(), now, out);
    }

    template <class Sink>
    void tell(socket_id id, std::vector<connection_event> events, instant now, Sink& out) {
        for (auto& e : events) {
            auto* const l = find(id);
            if (l == nullptr || l->at == stage::closing) return;
            std::visit([&](auto& v) { on(*l, v, now, out); }, e);
        }
    }

    template <class Sink>
    void on(link& l, established const& e, instant now, Sink& out) {
        if (e.peer == key_->id()) return refuse(l, "a peer does not connect to itself", now, out);
        l.peer = e.peer;
        if (!lets_in({gate::stage::upgraded, l.way, l.remote, l.peer})) {
            return refuse(l, "refused by the gater", now, out);
        }
        auto const place = places_.settle(l.id, protected_.count(e.peer) != 0, now);
        if (!place.is_admitted) return refuse(l, "no room", now, out);
        if (place.instead_of) make_room(*place.instead_of, now, out);
        // Attempts whose socket is open may be the connection that the peer keeps; the others are of no use.
        for (auto const id : dials_.end(e.peer)) {
            auto const* const other = find(id);
            if (id != l.id && other != nullptr && other->at == stage::opening) drop(id, out);
        }
        auto const known = active_.find(e.peer);
        if (known == active_.end()) return use(l, now, out);
        make_room_beside(known->second, now, out);
        if (!replaces(l, links_.at(known->second), now)) return leave(l, now, out);
        auto const old = std::exchange(known->second, l.id);
        error const why{transport::errc::closed, "replaced by another connection"};
        bool const is_forgotten = is_old(links_.at(old), now);
        links_.at(old).at = stage::leaving;
        out.push(peer_disconnected{l.peer, why});
        use(l, now, out);
        if (is_forgotten) return end(old, why, now, out);
        leave(links_.at(old), now, out);
    }
    template <class Sink>
    void leave(link& l, instant now, Sink& out) {
        l.at = stage::leaving;
        l.since = now;
        out.push(leaving{l.id, l.peer});
    }
    /// Whether a new connection to the same peer is the one to keep. Of two that were dialled at the same time both
    /// sides keep the same one. Who dials when there has been a connection for longer does not know of it any more.
    [[nodiscard]] bool replaces(link const& fresh, link const& old, instant now) const {
        if (fresh.way == old.way || is_old(old, now)) return true;
        bool const we_are_smaller = key_->id() < fresh.peer;
        return (fresh.way == direction::outbound) == we_are_smaller;
    }
    [[nodiscard]] bool is_old(link const& l, instant now) const {
        return now - l.since > options_.dial_timeout + options_.setup_timeout;
    }
    // Those that are leaving already have had their chance; or a peer could fill all places with them.
    template <class Sink>
    void make_room_beside(socket_id kept, instant now, Sink& out) {
        auto const all = links_of(links_.at(kept).peer);
        auto excess = all.size() + 1 - std::min(all.size() + 1, options_.connections_per_peer_max);
        for (auto const id : all) {
            if (excess == 0 || id == kept || links_.at(id).at != stage::leaving) continue;
            end(id, error{transport::errc::closed, "replaced"}, now, out);
            --excess;
        }
    }
    template <class Sink>
    void make_room(socket_id id, instant now, Sink& out) {
        ++counted_.refused;
        end(id, error{transport::errc::closed, "made room for another peer"}, now, out);
    }
    template <class Sink>
    void refuse(link& l, char const* why, instant now, Sink& out) {
        ++counted_.refused;
        end(l.id, error{transport::errc::closed, why}, now, out);
    }

    // ---- streams ----------------------------------------------------------------------------------------

    template <class Sink>
    void on(link& l, stream_ready& e, instant now, Sink& out) {
        if (e.direction == direction::inbound) {
            auto const alike = std::count_if(l.streams.begin(), l.streams.end(), [&](auto const& s) {
                return s.second.way == direction::inbound && s.second.protocol == e.protocol;
            });
            if (static_cast<std::size_t>(alike) >= options_.streams_per_protocol_max) {
                l.machine->reset_stream(e.id, l.outgoing);
                return;
            }
        } else if (l.streams.count(e.id) == 0) {
            return;  // reset meanwhile
        }
        places_.use(l.id, now);
        l.streams[e.id] = {e.protocol, e.direction};
        out.push(stream_opened{{l.id, e.id}, l.peer, std::move(e.protocol), e.direction});
    }
    template <class Sink>
    void on(link& l, stream_data& e, instant now, Sink& out) {
        if (l.streams.count(e.id) == 0) return l.machine->consume(e.id, e.octets.size(), l.outgoing);
        places_.use(l.id, now);
        l.held += e.octets.size();
        held_ += e.octets.size();
        out.push(stream_bytes{{l.id, e.id}, std::move(e.octets)});
        // Where all hold too much together, those pay who hold more than their share.
        bool const is_too_much =
            l.held > options_.connection_buffer_max || (held_ > options_.buffers_max && l.held > share_of_buffers());
        if (l.paused_since || !is_too_much) return;
        l.paused_since = now;
        out.push(pause_reading{l.id});
    }
    template <class Sink>
    void on(link& l, stream_writable const& e, instant, Sink& out) {
        if (l.streams.count(e.id) != 0) out.push(stream_ready_again{{l.id, e.id}});
    }
    template <class Sink>
    void on(link& l, stream_half_closed const& e, instant, Sink& out) {
        if (l.streams.count(e.id) != 0) out.push(stream_ended{{l.id, e.id}});
    }
    template <class Sink>
    void on(link& l, stream_closed const& e, instant, Sink& out) {
        if (l.streams.erase(e.id) != 0) out.push(stream_gone{{l.id, e.id}, e.reason});
    }
    template <class Sink>
    void on(link& l, ping_answered const& e, instant now, Sink& out) {
        auto const waiting = l.closing.find(e.opaque);
        if (waiting != l.closing.end()) {
            effect_list<connection_event> events;
            (void)l.machine->close_stream(waiting->second, l.outgoing, events);
            l.closing.erase(waiting);
            return tell(l.id, events.take(), now, out);
        }
        if (l.timed_ping != e.opaque) return;
        l.timed_ping.reset();
        l.round_trip = now - l.ping_sent;
    }
    template <class Sink>
    void on(link& l, gone_away const&, instant now, Sink& out) {
        l.is_left = true;
        if (l.at != stage::active) return;
        active_.erase(l.peer);
        out.push(peer_disconnected{l.peer, error{transport::errc::closed, "the peer closes the connection"}});
        leave(l, now, out);
        this->use_another(l.peer, now, out);
    }
    // What is left to say is said before the socket is closed: the peer learns that it broke a rule.
    template <class Sink>
    void on(link& l, failed const& e, instant now, Sink& out) {
        tell_end(l, error{transport::errc::peer_failed, e.reason.to_text()}, now, out);
        l.at = stage::closing;
        l.since = now;
    }

    // ---- time -------------------------------------------------------------------------------------------

    template <class Sink>
    void sweep(instant now, Sink& out) {
        sweep_at_ = saturating_add(now, sweep_interval);
        std::vector<socket_id> all;
        for (auto const& [id, l] : links_) all.push_back(id);
        for (auto const id : all) {
            if (auto* const l = find(id)) look_at(*l, now, out);
        }
    }
    template <class Sink>
    void look_at(link& l, instant now, Sink& out) {
        auto const age = now - l.since;
        auto const fail = [&](char const* why) { end(l.id, error{transport::errc::peer_failed, why}, now, out); };
        switch (l.at) {
            case stage::opening:
                if (age >= options_.dial_timeout) fail("no answer in time");
                return;
            case stage::upgrading:
                if (age >= options_.setup_timeout) fail("the connection was not set up in time");
                return;
            case stage::closing:
                if (age >= sweep_interval) drop(l.id, out);
                return;
            case stage::leaving:
                if (l.machine->stream_count() != 0 || l.is_writing) {
                    l.idle_since.reset();
                } else if (!l.idle_since) {
                    l.idle_since = now;
                }
                if (age >= options_.setup_timeout || (l.idle_since && now - *l.idle_since >= options_.linger)) {
                    return fail("replaced");
                }
                break;
            case stage::active: break;
        }
        keep_alive(l, now, out);
    }
    template <class Sink>
    void keep_alive(link& l, instant now, Sink& out) {
        auto const patience = options_.ping_interval + options_.ping_timeout;
        auto const fail = [&](char const* why) { end(l.id, error{transport::errc::peer_failed, why}, now, out); };
        if (!l.paused_since && now - l.last_heard >= patience) return fail("silence; the connection is half-open");
        // Where others have filled the buffers, who holds less than most is only made to wait.
        bool const holds_much = l.held * links_.size() >= held_;
        if (l.paused_since && now - *l.paused_since >= patience && holds_much) {
            return fail("much was begun and never finished");
        }
        if (l.is_writing && now - l.writing_since >= options_.write_timeout) return fail("the peer takes nothing");
        this->read_on(l, now, out);
        effect_list<connection_event> events;
        l.machine->wake(now, l.outgoing, events);
        // Also while another is under way, which may wait behind much else: to the peer it is a sign of life.
        if (now - l.last_ping >= options_.ping_interval && l.machine->ping(++l.pings, l.outgoing)) {
            l.last_ping = now;
            if (!l.timed_ping) {
                l.timed_ping = l.pings;
                l.ping_sent = now;
            }
        }
        auto const id = l.id;
        tell(id, events.take(), now, out);
        if (auto* const still = find(id)) flush(*still, now, out);
    }

    // ---- dialling ---------------------------------------------------------------------------------------

    template <class Sink>
    void pump_dials(instant now, Sink& out) {
        while (auto const a = dials_.next(now)) {
            auto const id = next_socket_;
            next_socket_ += 2;
            dials_.started(a->peer, id);
            if (links_.size() >= options_.connections_max) {
                dials_.failed(a->peer, id, text("all ", options_.connections_max, " connections are in use"), now);
                continue;
            }
            add(id, direction::outbound, a->to, now).peer = a->peer;
            out.push(open_socket{id, a->to, this->source_for(a->to)});
        }
        while (auto const u = dials_.take_unreachable()) out.push(peer_unreachable{u->first, u->second});
    }
};

}  // namespace muster::libp2p::detail
