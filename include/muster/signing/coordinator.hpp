// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// The composition that applications use: sessions over a transport, with time from outside.
///
/// Idea: *the library emits events; the application controls timing.* The coordinator owns no clock and no
/// timer. It is handed both as policies; with `no_timers` nothing ever happens by itself, and the application
/// calls `cleanup_expired_sessions()`, `trigger_coordinator_failover(id)` and
/// `notify_broadcast_complete(id)` when it sees fit. With a real timer policy it is woken at its one next
/// deadline.
///
/// Here are the application's commands and questions, the time, and the delivery of events. What comes from the
/// network, what sessions want done, and what a restart finds are each in a file of detail/, over one desk.

#include <algorithm>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <muster/core/alarm.hpp>
#include <muster/core/timers.hpp>
#include <muster/musig2/portable.hpp>
#include <muster/signing/detail/desk.hpp>
#include <muster/signing/detail/intake.hpp>
#include <muster/signing/detail/performer.hpp>
#include <muster/signing/detail/recovery.hpp>
#include <muster/signing/frame_sender.hpp>
#include <muster/signing/options.hpp>
#include <muster/signing/request.hpp>
#include <muster/signing/session.hpp>

namespace muster::signing {

/// Proposes, approves and completes signing sessions with other coordinators.
///
/// @tparam Transport  carries frames; see transport::frames.
/// @tparam Registry   finds signers; see @ref signer_registry.
/// @tparam Timers     wakes; see muster::timers.
/// @tparam Clock      tells both kinds of time; see muster::clock.
/// @tparam Backend    computes BIP-327; see musig2::backend.
/// @tparam Options    see @ref default_options.
///
/// Transport, registry, timers and clock are borrowed and must outlive it. Not thread-safe: call it from the one
/// thread (or strand) that the transport calls back on. Events reach the handler one at a time, after the
/// state that they tell of is in place, and the handler may call any member (but not destroy the coordinator). Neither
/// copyable nor movable.
template <transport::frames Transport, signer_registry Registry, timers Timers, clock Clock,
          musig2::backend Backend = musig2::portable, class Options = default_options>
class coordinator {
    static_assert(detail::check_options<Options>());

public:
    using topology_policy = typename Options::topology;
    using entropy_policy = typename Options::entropy;
    using journal_policy = typename Options::journal;
    using session_type = session<Backend, topology_policy>;
    using sender_type = frame_sender<Transport, Registry>;
    /// Takes the events.
    using event_handler = std::function<void(event const&)>;

    /// What a coordinator is made of. The keys are its own from then on.
    struct parts {
        Transport& network;
        Registry const& registry;
        Timers& alarm;
        Clock const& time;
        peer::key_set keys;
        boot_epoch epoch;  ///< Fresh random bytes, never used before: see @ref make_epoch.
        limits bounds = {};
        Backend backend = {};
        entropy_policy entropy = {};
        journal_policy journal = {};
    };

    /// A fresh epoch for `parts`.
    [[nodiscard]] static result<boot_epoch> make_epoch(entropy_policy source = {}) {
        boot_epoch epoch;
        MUSTER_TRY(source.fill_secret(epoch.octets));
        return epoch;
    }

    coordinator(parts p, event_handler handler)
        : desk_{p.network,
                p.registry,
                p.time,
                std::move(p.keys),
                p.epoch,
                p.bounds,
                std::move(p.backend),
                std::move(p.entropy),
                std::move(p.journal)},
          alarm_{p.alarm},
          handler_{std::move(handler)} {
        line_.attach(wake_function::of<&coordinator::wake>(*this));
        desk_.network.attach(cosign_protocol, [this](transport::event const& e) {
            if (closed_) return;
            intake_.handle(e);
            settle();
        });
    }
    coordinator(coordinator const&) = delete;
    coordinator& operator=(coordinator const&) = delete;
    ~coordinator() { close(); }

    /// What @ref restore found.
    using restored = recovered;

    /// Takes up what the journal has kept. To be called once, before anything else and before anyone connects; without
    /// it a coordinator with a journal refuses to sign. Sessions in round one end with `restarted`, and everyone is
    /// told; the others go on.
    /// @return `wrong_state` when this was closed, or restored before; what the journal's `load` refuses.
    [[nodiscard]] result<restored> restore() {
        if (closed_) return error{errc::wrong_state, "this coordinator was closed"};
        auto found = recovery_.restore();
        if (found) settle();
        return found;
    }

    // ---- commands ---------------------------------------------------------------------------------------

    /// Proposes a session, and approves it on our own behalf.
    /// @return its id, or `wrong_state` when closed or not restored, `unknown_signer`, `not_in_roster`,
    /// `invalid_roster`,
    ///         `invalid_proposal`, `too_many_sessions`, what @ref check_limits refuses, `frame_too_large`, or what key
    ///         aggregation, nonce generation and the journal refuse. Nothing is sent then.
    [[nodiscard]] result<session_id> propose(signing_request request) {
        if (closed_) return error{errc::wrong_state, "this coordinator was closed"};
        MUSTER_TRY(desk_.require_journal());
        MUSTER_TRY(desk_.require_free_slot(desk_.bounds.open_sessions_max));
        MUSTER_TRY(auto const me, as_member());
        MUSTER_TRY(auto plan, make_proposal(std::move(request), me, topology_policy::id, desk_.registry, desk_.entropy,
                                            desk_.time.wall_now(), desk_.bounds));
        MUSTER_TRY(check(plan, desk_.bounds));
        auto const encoded = encode(plan);
        MUSTER_TRY(
            desk_.check_frames(encoded.size() + frame_overhead + 2 * wire::varint_size_max, plan.messages.size()));
        auto const id = id_of(encoded);
        auto const self = plan.initiator;
        MUSTER_TRY(auto made, desk_.make_session(id, named_roster(encoded), std::move(plan), self));
        effects out;
        MUSTER_TRY(draw_nonces(made, out));
        auto& s = desk_.sessions.add(id, std::move(made));
        if (auto const recorded = performer_.record(id, s); !recorded) {
            desk_.sessions.discard(id);
            (void)desk_.journal.erase(id);  // some of it may be there
            return recorded.error();
        }
        s.recorded();
        desk_.rosters.remember(s.roster(), s.plan().roster);
        desk_.events.push(session_created{id, s.shared_plan(), self});
        send_proposal(id, s, encoded);
        (void)performer_.perform(id, s, out, true);
        settle();
        return id;
    }

    /// Approves another signer's proposal: only now are nonces made. Errors: `unknown_session`, `wrong_state`,
    /// `expired`, or what NonceGen refuses; or what the journal refuses, and then the session is given up.
    [[nodiscard]] result<void> approve(session_id const& id) {
        MUSTER_TRY(desk_.require_journal());
        return command(id, [&](session_type& s, auto& out) -> result<void> {
            MUSTER_TRY(draw_nonces(s, out));
            desk_.rosters.remember(s.roster(), s.plan().roster);
            return ok();
        });
    }
    /// Refuses another signer's proposal and tells everyone why. Errors: `unknown_session`, `wrong_state`.
    [[nodiscard]] result<void> decline(session_id const& id, std::string reason) {
        return command(id, [&](session_type& s, auto& out) { return s.decline(std::move(reason), out); });
    }
    /// Gives a session up and tells everyone why. A share that was given cannot be taken back: the session stalls then,
    /// and may still be signed. Errors: `unknown_session`, `wrong_state`.
    [[nodiscard]] result<void> abort(session_id const& id, std::string why) {
        return command(id, [&](session_type& s, auto& out) { return s.cancel(std::move(why), out); });
    }
    /// Asks the next elected signer to broadcast. Errors: `unknown_session`, `wrong_state`, `failover_exhausted`.
    [[nodiscard]] result<void> trigger_coordinator_failover(session_id const& id) {
        return command(
            id, [&](session_type& s, auto& out) { return s.trigger_coordinator_failover(desk_.time.now(), out); });
    }
    /// Says that the broadcast which another signer claims cannot be found: failover goes on as if it had not been
    /// claimed. Errors: `unknown_session`, `wrong_state`.
    [[nodiscard]] result<void> dispute_broadcast(session_id const& id) {
        return command(id, [&](session_type& s, auto& out) { return s.dispute_broadcast(desk_.time.now(), out); });
    }
    /// Says that our application has broadcast, and tells everyone. Errors: `unknown_session`, `wrong_state`.
    [[nodiscard]] result<void> notify_broadcast_complete(session_id const& id) {
        return command(id, [&](session_type& s, auto& out) { return s.notify_broadcast_complete(out); });
    }

    /// Ends sessions whose deadline has passed, aborts those without progress for `stuck_session_timeout`, and
    /// forgets closed ones that are as old; but not a signature that nobody has broadcast while there is somebody left
    /// to ask, nor in its lifetime one that a signer may still lack, nor a session that may be signed: for these only
    /// `closed_sessions_max` is a bound. @return how many sessions ended or were forgotten.
    std::size_t cleanup_expired_sessions() {
        auto const now = desk_.time.now();
        std::size_t count = 0;
        std::vector<session_id> stale;
        performer_.for_each(desk_.sessions.all(), [&](session_id const& id, session_type& s, auto& out) {
            bool const was_open = s.is_open();
            if (s.may_complete()) s.wake(now, out);
            bool const stuck = now - s.last_progress() >= desk_.bounds.stuck_session_timeout;
            if (s.is_open() && stuck) (void)s.cancel("no progress; cleaned up", out, abort_reason::stuck);
            if (!was_open && stuck && s.may_be_forgotten(now)) stale.push_back(id);
            if (was_open && !s.is_open()) ++count;
        });
        for (auto const& id : stale) performer_.forget(id);
        settle();
        return count + stale.size();
    }

    /// The deadline may have passed. Timers call it; calling it early, late or twice is harmless.
    void wake() {
        if (closed_) return;
        auto const now = desk_.time.now();
        performer_.for_each(desk_.sessions.due(now),
                            [&](session_id const&, session_type& s, auto& out) { s.wake(now, out); });
        settle();
    }

    /// Leaves the transport and the timers; no event follows. Secret nonces are wiped.
    void close() {
        if (std::exchange(closed_, true)) return;
        alarm_.stop();
        desk_.network.detach(cosign_protocol);
        desk_.sessions.clear();
        (void)desk_.events.take();
    }

    // ---- questions --------------------------------------------------------------------------------------

    [[nodiscard]] peer_id const& local_peer() const noexcept { return desk_.local_peer(); }
    [[nodiscard]] public_key const& signer_key() const noexcept { return desk_.signer_key(); }
    /// Our roster entry, for others' registries. Errors: `secret_gone`.
    [[nodiscard]] result<member> as_member() const {
        MUSTER_TRY(auto const b, desk_.binding);
        return member{signer_key(), local_peer(), b};
    }
    /// A session that is open, or closed and not forgotten; nullptr otherwise. Valid until the next call.
    [[nodiscard]] session_type const* find(session_id const& id) const { return desk_.sessions.find(id); }
    /// Ids of all sessions that @ref find knows, in no useful order.
    [[nodiscard]] std::vector<session_id> sessions() const { return desk_.sessions.all(); }
    /// Sessions that are being worked on; those that have stalled are not counted.
    [[nodiscard]] std::size_t open_session_count() const noexcept { return desk_.sessions.open().size(); }
    /// When the coordinator next wants to be woken. O(1).
    [[nodiscard]] deadline next_deadline() const { return desk_.sessions.next_deadline(); }
    [[nodiscard]] limits const& bounds() const noexcept { return desk_.bounds; }
    /// What is held for others, each below its bound in @ref limits. O(peers).
    struct usage {
        std::size_t open_sessions = 0;    ///< At most `open_sessions_max`.
        std::size_t closed_sessions = 0;  ///< At most `closed_sessions_max`.
        std::size_t tombstones = 0;       ///< At most `tombstones_max`.
        std::size_t graves = 0;           ///< At most `tombstones_max`; see `graveyard`.
        std::size_t peers = 0;            ///< At most `peers_max + strangers_max`.
        std::size_t early_octets = 0;     ///< At most `early_octets_per_peer_max` for each of them.
        std::size_t rosters = 0;          ///< At most `rosters_max`.
        std::size_t refused = 0;  ///< Sessions to be repeated; at most `frame_sender::refused_max` a congested signer.
    };
    /// @copydoc usage
    [[nodiscard]] usage in_use() const {
        auto const open = open_session_count();
        auto const admitted = desk_.admission.stats();
        return {open,
                desk_.sessions.size() - open,
                desk_.sessions.tombstone_count(),
                desk_.graves.size(),
                admitted.peers,
                admitted.early_octets,
                desk_.rosters.size(),
                desk_.sender.refused_count()};
    }

private:
    using desk_type = detail::desk<Transport, Registry, Clock, Backend, Options>;
    using effects = typename desk_type::effects;

    // ---- proposing --------------------------------------------------------------------------------------

    // The number is on disk before a nonce exists.
    [[nodiscard]] result<void> draw_nonces(session_type& s, effects& out) {
        MUSTER_TRY(auto const number, desk_.nonces_drawn.advance(desk_.journal));
        return s.approve(desk_.entropy, desk_.keys.signer, desk_.time.now(), out, {desk_.time.wall_now(), number});
    }

    // A signer that is believed to know the roster gets the terms alone. The two kinds of proposal are signed once
    // each.
    void send_proposal(session_id const& id, session_type const& s, encoded_proposal const& full) {
        encoded_proposal const terms{full.terms, {}};
        std::optional<result<bytes>> long_frame, short_frame;
        auto const& roster = s.plan().roster;
        for (slot to = 0; to < roster.size(); ++to) {
            if (to == s.self()) continue;
            bool const knows = desk_.rosters.is_known_to(s.roster(), to, desk_.admission.epoch_of(roster[to].peer));
            // A proposal may come of a connection that this has not been told of yet; who asks says who it is first.
            if (desk_.network.is_connected(roster[to].peer)) recovery_.introduce_once(roster[to].peer);
            auto& frame = knows ? short_frame : long_frame;
            if (!frame) frame = desk_.sender.sign(id, s.self(), propose_body{knows ? terms : full});
            if (*frame) desk_.sender.hand_over(id, roster[to], frame->value());
        }
    }

    // ---- housekeeping -----------------------------------------------------------------------------------

    template <class F>
    [[nodiscard]] result<void> command(session_id const& id, F f) {
        auto* const s = desk_.sessions.find(id);
        if (s == nullptr) {
            return error{errc::unknown_session, text("no session ", to_hex(id), ", or it was cleaned up")};
        }
        effects out;
        auto done = f(*s, out);
        auto recorded = performer_.perform(id, *s, out);
        settle();
        if (done && !recorded) return recorded;
        return done;
    }

    // After every entry: closed sessions make room, the timer is set, events are delivered. A handler may come
    // back in; the outermost call delivers what that adds.
    void settle() {
        if (closed_) return;
        desk_.sessions.trim([this](session_id const& id, session_type const& s) {
            if (s.may_complete() && s.at() != phase::unresolved) desk_.events.push(unresolved{id});
            (void)performer_.take_out(id, s);
        });
        line_.set(next_deadline());
        if (delivering_) return;
        delivery const guard{delivering_};
        while (!desk_.events.empty()) {
            for (auto const& e : desk_.events.take()) {
                if (closed_) continue;
                handler_(e);
                // When the application registered the signer because of this event, its machine gets a reserved place
                // at once.
                auto const* const who = std::get_if<peer_identified>(&e);
                if (who != nullptr && desk_.is_registered(who->signer, who->peer)) {
                    desk_.admission.recognise(who->peer, desk_.time.now(), desk_.to_application(who->peer));
                }
            }
        }
    }

    /// Marks delivery, also when a handler throws.
    struct delivery {
        explicit delivery(bool& flag) noexcept : flag_{flag} { flag_ = true; }
        delivery(delivery const&) = delete;
        delivery& operator=(delivery const&) = delete;
        ~delivery() { flag_ = false; }
        bool& flag_;
    };

    desk_type desk_;
    detail::performer<desk_type> performer_{desk_};
    detail::recovery<desk_type> recovery_{desk_, performer_};
    detail::intake<desk_type> intake_{desk_, performer_, recovery_};
    alarm<Timers> alarm_;
    typename alarm<Timers>::line line_{alarm_};
    event_handler handler_;
    bool delivering_ = false;
    bool closed_ = false;
};

}  // namespace muster::signing
