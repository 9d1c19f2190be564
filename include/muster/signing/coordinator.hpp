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
/// What a peer sends is checked cheap before dear, and nothing changes before all checks have passed: size,
/// version and layout; the peer's rate; whether the session is known and the sender in its roster; whether the
/// very same frame was seen; then the signature; then the session's state.

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <muster/core/alarm.hpp>
#include <muster/core/timers.hpp>
#include <muster/musig2/portable.hpp>
#include <muster/signing/frame_sender.hpp>
#include <muster/signing/graveyard.hpp>
#include <muster/signing/nonce_counter.hpp>
#include <muster/signing/options.hpp>
#include <muster/signing/peer_admission.hpp>
#include <muster/signing/request.hpp>
#include <muster/signing/roster_book.hpp>
#include <muster/signing/session.hpp>
#include <muster/signing/session_store.hpp>

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
        : network_{p.network},
          registry_{p.registry},
          alarm_{p.alarm},
          time_{p.time},
          keys_{std::move(p.keys)},
          epoch_{p.epoch},
          limits_{p.bounds},
          backend_{std::move(p.backend)},
          entropy_{std::move(p.entropy)},
          journal_{std::move(p.journal)},
          handler_{std::move(handler)},
          binding_{peer::bind(keys_.signer, keys_.node.id())},
          admission_{limits_},
          sender_{network_, registry_, keys_.node, epoch_},
          sessions_{limits_.closed_sessions_max, limits_.tombstones_max},
          graves_{limits_.tombstones_max},
          rosters_{limits_.rosters_max} {
        line_.attach(wake_function::of<&coordinator::wake>(*this));
        network_.attach(cosign_protocol, [this](transport::event const& e) { on_transport(e); });
    }
    coordinator(coordinator const&) = delete;
    coordinator& operator=(coordinator const&) = delete;
    ~coordinator() { close(); }

    /// What @ref restore found.
    struct restored {
        std::size_t resumed = 0;     ///< Sessions that can go on: our shares are given, or there is a signature.
        std::size_t restarted = 0;   ///< Sessions that are over, since their secret nonces are gone.
        std::size_t unreadable = 0;  ///< What is not ours, or not of this version.
    };
    /// Takes up what the journal has kept. To be called once, before anything else and before anyone connects; without
    /// it a coordinator with a journal refuses to sign. Sessions in round one end with `restarted`, and everyone is
    /// told; the others go on.
    /// @return `wrong_state` when this was closed, or restored before; what the journal's `load` refuses.
    [[nodiscard]] result<restored> restore() {
        if (closed_) return error{errc::wrong_state, "this coordinator was closed"};
        if (has_restored_) return error{errc::wrong_state, "this coordinator was restored before"};
        restored found;
        std::vector<std::pair<session_id, bytes>> kept;
        MUSTER_TRY(
            journal_.load([&](session_id const& id, byte_view content) { kept.emplace_back(id, to_bytes(content)); }));
        is_restored_ = has_restored_ = true;
        for (auto const& [id, content] : kept) {
            if (id == nonce_counter::entry()) {
                found.unreadable += nonces_drawn_.restore(content) ? 0u : 1u;
                continue;
            }
            if (graves_.restore(journal_, id, content, time_.wall_now())) continue;
            auto const resumed = resume(id, content);
            found.resumed += resumed && resumed.value() ? 1u : 0u;
            found.restarted += resumed && !resumed.value() ? 1u : 0u;
            found.unreadable += resumed ? 0u : 1u;
        }
        settle();
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
        MUSTER_TRY(require_journal());
        MUSTER_TRY(require_free_slot(limits_.open_sessions_max));
        MUSTER_TRY(auto const me, as_member());
        MUSTER_TRY(auto plan, make_proposal(std::move(request), me, topology_policy::id, registry_, entropy_,
                                            time_.wall_now(), limits_));
        MUSTER_TRY(check(plan, limits_));
        auto const encoded = encode(plan);
        MUSTER_TRY(check_frames(encoded.size() + frame_overhead + 2 * wire::varint_size_max, plan.messages.size()));
        auto const id = id_of(encoded);
        auto const self = plan.initiator;
        MUSTER_TRY(auto made, make_session(id, named_roster(encoded), std::move(plan), self));
        effects out;
        MUSTER_TRY(draw_nonces(made, out));
        auto& s = sessions_.add(id, std::move(made));
        if (auto const recorded = record(id, s); !recorded) {
            sessions_.discard(id);
            (void)journal_.erase(id);  // some of it may be there
            return recorded.error();
        }
        s.recorded();
        rosters_.remember(s.roster(), s.plan().roster);
        events_.push(session_created{id, s.shared_plan(), self});
        send_proposal(id, s, encoded);
        (void)perform(id, s, out, true);
        settle();
        return id;
    }

    /// Approves another signer's proposal: only now are nonces made. Errors: `unknown_session`, `wrong_state`,
    /// `expired`, or what NonceGen refuses; or what the journal refuses, and then the session is given up.
    [[nodiscard]] result<void> approve(session_id const& id) {
        MUSTER_TRY(require_journal());
        return command(id, [&](session_type& s, auto& out) -> result<void> {
            MUSTER_TRY(draw_nonces(s, out));
            rosters_.remember(s.roster(), s.plan().roster);
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
        return command(id,
                       [&](session_type& s, auto& out) { return s.trigger_coordinator_failover(time_.now(), out); });
    }
    /// Says that the broadcast which another signer claims cannot be found: failover goes on as if it had not been
    /// claimed. Errors: `unknown_session`, `wrong_state`.
    [[nodiscard]] result<void> dispute_broadcast(session_id const& id) {
        return command(id, [&](session_type& s, auto& out) { return s.dispute_broadcast(time_.now(), out); });
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
        auto const now = time_.now();
        std::size_t count = 0;
        std::vector<session_id> stale;
        for_each(sessions_.all(), [&](session_id const& id, session_type& s, auto& out) {
            bool const was_open = s.is_open();
            if (s.may_complete()) s.wake(now, out);
            bool const stuck = now - s.last_progress() >= limits_.stuck_session_timeout;
            if (s.is_open() && stuck) (void)s.cancel("no progress; cleaned up", out, abort_reason::stuck);
            if (!was_open && stuck && s.may_be_forgotten(now)) stale.push_back(id);
            if (was_open && !s.is_open()) ++count;
        });
        for (auto const& id : stale) forget(id);
        settle();
        return count + stale.size();
    }

    /// The deadline may have passed. Timers call it; calling it early, late or twice is harmless.
    void wake() {
        if (closed_) return;
        auto const now = time_.now();
        for_each(sessions_.due(now), [&](session_id const&, session_type& s, auto& out) { s.wake(now, out); });
        settle();
    }

    /// Leaves the transport and the timers; no event follows. Secret nonces are wiped.
    void close() {
        if (std::exchange(closed_, true)) return;
        alarm_.stop();
        network_.detach(cosign_protocol);
        sessions_.clear();
        (void)events_.take();
    }

    // ---- questions --------------------------------------------------------------------------------------

    [[nodiscard]] peer_id const& local_peer() const noexcept { return keys_.node.id(); }
    [[nodiscard]] public_key const& signer_key() const noexcept { return keys_.signer.public_key(); }
    /// Our roster entry, for others' registries. Errors: `secret_gone`.
    [[nodiscard]] result<member> as_member() const {
        MUSTER_TRY(auto const b, binding_);
        return member{signer_key(), local_peer(), b};
    }
    /// A session that is open, or closed and not forgotten; nullptr otherwise. Valid until the next call.
    [[nodiscard]] session_type const* find(session_id const& id) const { return sessions_.find(id); }
    /// Ids of all sessions that @ref find knows, in no useful order.
    [[nodiscard]] std::vector<session_id> sessions() const { return sessions_.all(); }
    /// Sessions that are being worked on; those that have stalled are not counted.
    [[nodiscard]] std::size_t open_session_count() const noexcept { return sessions_.open().size(); }
    /// When the coordinator next wants to be woken. O(1).
    [[nodiscard]] deadline next_deadline() const { return sessions_.next_deadline(); }
    [[nodiscard]] limits const& bounds() const noexcept { return limits_; }
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
        auto const admitted = admission_.stats();
        return {open,
                sessions_.size() - open,
                sessions_.tombstone_count(),
                graves_.size(),
                admitted.peers,
                admitted.early_octets,
                rosters_.size(),
                sender_.refused_count()};
    }

private:
    using effects = effect_list<session_effect>;
    static constexpr bool has_journal = !std::same_as<journal_policy, no_journal>;

    // ---- the journal ------------------------------------------------------------------------------------

    [[nodiscard]] result<void> require_journal() const {
        if (is_restored_) return ok();
        return error{errc::wrong_state, "the journal was not taken up yet; call restore() first"};
    }
    // Writes the session's state to the journal, or erases it when the session is over.
    [[nodiscard]] result<void> record(session_id const& id, session_type const& s) {
        if constexpr (!has_journal) return ok();
        auto const snapshot = s.snapshot();
        return snapshot ? journal_.put(id, encode(*snapshot)) : take_out(id, s);
    }
    // Erases the session from the journal. Where our nonces were shown, a note stays that it must not open again.
    [[nodiscard]] result<void> take_out(session_id const& id, session_type const& s) {
        if (!s.has_shown_nonces()) return journal_.erase(id);
        return graves_.bury(journal_, id, s.plan().expires_at, time_.wall_now());
    }
    void forget(session_id const& id) {
        (void)take_out(id, *sessions_.find(id));
        sessions_.forget(id);
    }
    // True when the session goes on, false when it is over.
    [[nodiscard]] result<bool> resume(session_id const& id, byte_view content) {
        // Our limits may be narrower than when it was written; a promise made then still holds.
        MUSTER_TRY(auto kept, decode_snapshot(content, protocol_limits(), time_.wall_now()));
        MUSTER_TRY(auto plan, decode_proposal(kept.what, protocol_limits()));
        MUSTER_TRY(check_form(plan));
        bool const is_ours = id_of(kept.what) == id && kept.self < plan.roster.size() &&
                             plan.roster[kept.self].signer == signer_key() &&
                             plan.roster[kept.self].peer == local_peer() && plan.topology == topology_policy::id;
        if (!is_ours) return error{errc::invalid_proposal, text("session ", to_hex(id), " was kept for somebody else")};
        MUSTER_TRY(auto terms, make_terms(id, named_roster(kept.what), std::move(plan), kept.self, kept.created));
        auto const roster = terms.plan->roster;
        effects out;
        if (!kept.given && kept.signatures.empty()) {
            session_type gone{std::move(terms), limits_, time_.now()};
            gone.restarted_here(out);
            (void)perform(id, sessions_.add(id, std::move(gone)), out);
            lost_.insert(id);
            return false;
        }
        MUSTER_TRY(auto made, session_type::resume(std::move(terms), limits_, std::move(kept), time_.now(), out));
        auto& s = sessions_.add(id, std::move(made));
        rosters_.remember(s.roster(), roster);
        resumed_.insert(id);
        s.recorded();
        (void)perform(id, s, out, true);
        return true;
    }
    void introduce_once(peer_id const& who) {
        if (binding_ && introduced_.insert(who).second) introduce(who);
    }
    // The sessions that a peer must be told of after a restart: those that can go on, those that are over, and those
    // whose signature it may lack. Sessions for which others may still need our shares come first.
    void introduce(peer_id const& who) {
        std::vector<session_id> served, offered;
        std::vector<std::pair<session_id, session_type const*>> lost;
        for (auto const& id : sessions_.all()) {
            auto const& s = *sessions_.find(id);
            auto const at = slot_of(s.plan(), who);
            if (!at) continue;
            bool const is_owed = s.at() == phase::finished && !s.has_result(*at);
            if (resumed_.count(id) != 0 && s.may_complete()) {
                served.push_back(id);
            } else if (resumed_.count(id) != 0 || is_owed) {
                offered.push_back(id);
            }
            if (lost_.count(id) != 0 && s.at() == phase::over) lost.emplace_back(id, &s);
        }
        served.insert(served.end(), offered.begin(), offered.end());
        served.resize(std::min(served.size(), resumed_max));
        sender_.post(who, {}, 0, hello_body{signer_key(), binding_.value(), std::move(served)});
        for (auto const& [id, s] : lost) sender_.post(who, id, s->self(), s->why_over());
    }

    // ---- making sessions --------------------------------------------------------------------------------

    [[nodiscard]] result<void> require_free_slot(std::size_t open_max) const {
        if (open_session_count() < open_max) return ok();
        return error{errc::too_many_sessions, text("all ", open_max, " sessions are open; finish or abort one first")};
    }

    // The number is on disk before a nonce exists.
    [[nodiscard]] result<void> draw_nonces(session_type& s, effects& out) {
        MUSTER_TRY(auto const number, nonces_drawn_.advance(journal_));
        return s.approve(entropy_, keys_.signer, time_.now(), out, {time_.wall_now(), number});
    }

    [[nodiscard]] result<session_terms<Backend>> make_terms(session_id const& id, roster_id const& roster,
                                                            proposal plan, slot self, timestamp created) {
        std::vector<public_key> keys;
        for (auto const& m : plan.roster) keys.push_back(m.signer);
        MUSTER_TRY(auto group, musig2::key_agg(backend_, keys, plan.tweaks));
        // Clamped before the conversion to nanoseconds, which a hostile expiry would overflow.
        using std::chrono::milliseconds;
        auto const lifetime = std::chrono::duration_cast<milliseconds>(limits_.session_lifetime_max);
        auto const wall = time_.wall_now();
        auto const left = std::clamp(saturating_difference(plan.expires_at, wall), milliseconds{0}, lifetime);
        auto const spent = std::clamp(saturating_difference(wall, created), milliseconds{0}, lifetime);
        return session_terms<Backend>{id,
                                      roster,
                                      std::make_shared<proposal const>(std::move(plan)),
                                      std::move(group),
                                      self,
                                      epoch_,
                                      saturating_add(time_.now(), left),
                                      saturating_add(time_.now(), lifetime - spent),
                                      created,
                                      backend_};
    }
    [[nodiscard]] result<session_type> make_session(session_id const& id, roster_id const& roster, proposal plan,
                                                    slot self) {
        MUSTER_TRY(auto terms, make_terms(id, roster, std::move(plan), self, time_.wall_now()));
        return session_type{std::move(terms), limits_, time_.now()};
    }

    // A signer that is believed to know the roster gets the terms alone. The two kinds of proposal are signed once
    // each.
    void send_proposal(session_id const& id, session_type const& s, encoded_proposal const& full) {
        encoded_proposal const terms{full.terms, {}};
        std::optional<result<bytes>> long_frame, short_frame;
        auto const& roster = s.plan().roster;
        for (slot to = 0; to < roster.size(); ++to) {
            if (to == s.self()) continue;
            bool const knows = rosters_.is_known_to(s.roster(), to, admission_.epoch_of(roster[to].peer));
            // A proposal may come of a connection that this has not been told of yet; who asks says who it is first.
            if (network_.is_connected(roster[to].peer)) introduce_once(roster[to].peer);
            auto& frame = knows ? short_frame : long_frame;
            if (!frame) frame = sender_.sign(id, s.self(), propose_body{knows ? terms : full});
            if (*frame) sender_.hand_over(id, roster[to], frame->value());
        }
    }

    // ---- what the network does --------------------------------------------------------------------------

    void on_transport(transport::event const& e) {
        if (closed_) return;
        std::visit(overloaded{
                       [&](transport::connected const& v) { on_connected(v.peer); },
                       [&](transport::disconnected const& v) { on_disconnected(v.peer); },
                       [&](transport::received const& v) { on_frame(v.peer, v.frame); },
                       [&](transport::writable const& v) { resend_refused(v.peer); },
                       [&](transport::connect_failed const&) {},  // asked again when something is to be sent
                       [&](transport::frames_lost const&) {},     // what matters is asked for again
                   },
                   e);
        settle();
    }

    void on_connected(peer_id const& who) {
        admission_.handle(peer_admission::arrived{who}, time_.now(), to_application(who));
        introduce_once(who);
        for_each(sessions_.all(), [&](session_id const&, session_type& s, auto& out) {
            if (!s.may_complete()) return;
            if (auto const at = slot_of(s.plan(), who)) s.peer_connected(*at, time_.now(), out);
        });
    }

    // Frames that it had refused are repeated with everything else when it reconnects.
    void on_disconnected(peer_id const& who) {
        admission_.handle(peer_admission::left{who}, time_.now(), to_application(who));
        introduced_.erase(who);
        (void)sender_.take_refused(who);
    }

    // Only sessions whose frames were refused are repeated, and only until the peer is congested again; otherwise the
    // repetitions themselves would keep it congested.
    void resend_refused(peer_id const& who) {
        for_each(sender_.take_refused(who), [&](session_id const& id, session_type& s, auto& out) {
            if (sender_.is_refusing(who)) return sender_.remember_refused(who, id);
            if (auto const at = slot_of(s.plan(), who)) s.peer_connected(*at, time_.now(), out);
        });
    }

    void on_frame(peer_id const& from, byte_view raw) {
        auto const frame = parse_frame(raw, protocol_limits());
        if (!frame) {
            if (admission_.admit(from, time_.now(), to_application(from))) penalise(from, frame.error());
            return;
        }
        auto const& f = frame.value();
        if (!is_admitted(from, f)) return;
        if (f.header.what == kind::hello) return on_hello(from, f);
        if (auto* const known = sessions_.find(f.header.session)) return on_session_frame(*known, from, f);
        if (sessions_.is_entombed(f.header.session) || graves_.holds(f.header.session)) return;
        if (f.header.what == kind::propose) return on_proposal(from, f);
        if (f.header.what != kind::request) {
            admission_.keep_early(from, f.header.session, raw, time_.now(), to_application(from));
        }
    }

    // Drops frames beyond the sender's rate. A hello names the sender's signer, and the connection has authenticated
    // the sender: together they identify a registered signer's machine before any signature is verified.
    [[nodiscard]] bool is_admitted(peer_id const& from, parsed_frame const& f) {
        auto const now = time_.now();
        if (!admission_.is_recognised(from)) {
            // The application may have registered it since its hello.
            auto const signer = f.header.what == kind::hello ? claimed_signer(f) : admission_.signer_of(from);
            if (signer && is_registered(*signer, from)) admission_.recognise(from, now, to_application(from));
        }
        if (!admission_.admit(from, now, to_application(from))) return false;
        if (f.raw.size() <= limits_.frame_size_max) return true;
        // The sender's limits are wider than ours, or ours were. The cost is charged to the sender.
        admission_.charge(from, f.raw.size() / std::max<std::size_t>(limits_.frame_size_max, 1), now);
        auto const* const s = sessions_.find(f.header.session);
        if (s != nullptr && f.raw.size() <= largest_frame(s->plan().messages.size())) return true;
        bool const may_propose = admission_.is_recognised(from) || !limits_.known_initiators_only;
        if (f.header.what == kind::propose && may_propose) return true;  // to be declined
        if (admission_.is_first_too_large(from)) {
            events_.push(frames_dropped{
                from, error{errc::frame_too_large,
                            text("a frame of ", f.raw.size(), " bytes; at most ", limits_.frame_size_max, " here")}});
        }
        return false;
    }
    [[nodiscard]] bool is_registered(public_key const& signer, peer_id const& machine) const {
        if constexpr (requires { registry_.may_propose(signer, machine); }) {
            return registry_.may_propose(signer, machine);
        } else {
            auto const known = registry_.find(signer);
            return known && known->who.peer == machine;
        }
    }

    void on_hello(peer_id const& from, parsed_frame const& f) {
        auto const decoded = decode_body(f, limits_);
        if (!decoded) return penalise(from, decoded.error());
        auto const& hello = std::get<hello_body>(decoded.value());
        bool const is_news = admission_.epoch_of(from) != f.header.epoch;
        if (!is_news && hello.resumed.empty()) return;
        if (!is_authentic(f, from) || !peer::verify_binding(hello.signer, from, hello.binding)) {
            return penalise(from, error{errc::not_authentic, "a hello whose signature or binding is not its sender's"});
        }
        bool const was_told = !admission_.is_recognised(from) && admission_.signer_of(from) == hello.signer;
        admission_.set_signer(from, hello.signer);
        if (is_news && !was_told) events_.push(peer_identified{from, hello.signer, hello.binding});
        if (is_news) on_new_epoch(from, f, hello);
        std::size_t answers = 0;
        for_each(std::set<session_id>{hello.resumed.begin(), hello.resumed.end()},
                 [&](session_id const&, session_type& s, auto& out) {
                     auto const at = slot_of(s.plan(), from);
                     if (!at) return;
                     ++answers;
                     s.offered(*at, time_.now(), out);
                 });
        admission_.charge(from, std::min(answers, limits_.frames_burst_max / 4), time_.now());
    }

    void on_new_epoch(peer_id const& from, parsed_frame const& f, hello_body const& hello) {
        bool const is_another = admission_.epoch_of(from).has_value();
        admission_.set_epoch(from, f.header.epoch, time_.now(), to_application(from));
        std::set<session_id> const resumed{hello.resumed.begin(), hello.resumed.end()};
        std::size_t answers = 0;
        for_each(sessions_.all(), [&](session_id const& id, session_type& s, auto& out) {
            auto const at = slot_of(s.plan(), from);
            if (!at) return;
            ++answers;
            if (resumed.count(id) != 0) {
                s.peer_resumed(*at, f.header.epoch, time_.now(), out);
            } else {
                s.peer_restarted(*at, f.header.epoch, time_.now(), out);
            }
        });
        // A machine that claims a restart again and again does not make us send a hello each time.
        if (is_another) admission_.charge(from, std::min(answers, limits_.frames_burst_max / 4), time_.now());
    }

    void on_session_frame(session_type& s, peer_id const& from, parsed_frame f) {
        auto const& roster = s.plan().roster;
        if (f.header.what == kind::request && f.header.sender == unknown_slot) {
            f.header.sender = slot_of(s.plan(), from).value_or(unknown_slot);
        }
        bool const from_itself = f.header.sender < roster.size() && roster[f.header.sender].peer == from;
        if (f.header.sender >= roster.size() || !(from_itself || slot_of(s.plan(), from))) {
            return penalise(from, error{errc::not_in_roster, text("slot ", f.header.sender,
                                                                  " through a peer that is "
                                                                  "no signer of session ",
                                                                  to_hex(f.header.session))});
        }
        if (f.header.sender == s.self() || s.has_seen(f)) return;
        auto const& signer_peer = roster[f.header.sender].peer;
        if (!is_authentic(f, signer_peer)) {
            return penalise(from, error{errc::not_authentic, text("a frame that slot ", f.header.sender, " of session ",
                                                                  to_hex(f.header.session), " did not sign")});
        }
        auto decoded = decode_body(f, protocol_limits());  // it may have begun under other limits of ours
        if (!decoded) return penalise(from, decoded.error());
        effects out;
        if (f.header.what == kind::nonces && admission_.is_past(signer_peer, f.header.epoch)) {
            s.contribution_outlived(f.header.sender, out);
        }
        s.handle({f.header, std::move(decoded).value(), to_bytes(f.raw)}, time_.now(), out);
        (void)perform(f.header.session, s, out);
    }

    void on_proposal(peer_id const& from, parsed_frame const& f) {
        // What is well-formed and beyond our limits is declined below, not punished.
        auto decoded = decode_body(f, protocol_limits());
        if (!decoded) return penalise(from, decoded.error());
        auto const& encoded = std::get<propose_body>(decoded.value()).encoded;
        auto plan = decode_proposal(encoded, protocol_limits(), rosters_);
        if (!plan && plan.error() == errc::unknown_roster) {  // forgotten here; it is to be spelled out
            return sender_.post(from, f.header.session, unknown_slot, request_body{});
        }
        if (!plan) return penalise(from, plan.error());
        auto const self = slot_of(plan.value(), local_peer());
        auto const initiator = plan.value().initiator;
        if (auto const valid = check_form(plan.value()); !valid) return penalise(from, valid.error());
        bool const consistent = id_of(encoded) == f.header.session && f.header.sender == initiator && self &&
                                *self != initiator && plan.value().roster[*self].signer == signer_key() &&
                                plan.value().roster[initiator].peer == from;
        if (!consistent) {
            return penalise(from, error{errc::invalid_proposal, text("proposal ", to_hex(f.header.session),
                                                                     " is not its sender's, or not for us")});
        }
        if (!is_authentic(f, from)) {
            return penalise(from, error{errc::not_authentic, "a proposal that its initiator did not sign"});
        }
        auto const roster = named_roster(encoded);
        if (auto const refused = consider(plan.value(), roster, from, f.raw.size()); !refused) {
            if (refused.error() == errc::invalid_binding) penalise(from, refused.error());
            return refuse(plan.value(), f.header.session, *self, refused.error());
        }
        auto const shape = plan.value();
        auto made = make_session(f.header.session, roster, std::move(plan).value(), *self);
        if (!made) return refuse(shape, f.header.session, *self, made.error());
        open(f, std::move(made).value());
    }

    // Declines a proposal that the application never saw. Only the initiator is told, and tells the others: otherwise a
    // hostile proposal could make us send to everyone it names, who would charge us. The refusal is remembered, so that
    // the same bytes do not cost the same work again.
    void refuse(proposal const& plan, session_id const& id, slot self, error const& why) {
        sessions_.entomb(id);
        auto no = sender_.sign(id, self, decline_body{why.to_text().substr(0, purpose_size_max)});
        if (no) sender_.hand_over(id, plan.roster[plan.initiator], std::move(no).value());
    }

    // Whether the frames that a session takes are small enough for us: the proposal of that size, and what follows.
    [[nodiscard]] result<void> check_frames(std::size_t proposal_size, std::size_t messages) const {
        auto const size = std::max(proposal_size, largest_frame(messages));
        if (size <= limits_.frame_size_max) return ok();
        return error{errc::frame_too_large,
                     text("it takes frames of ", size, " bytes; at most ", limits_.frame_size_max, " here")};
    }

    // Whether we would take part, before the application is asked. Cheap checks first.
    [[nodiscard]] result<void> consider(proposal const& plan, roster_id const& roster, peer_id const& from,
                                        std::size_t frame_size) {
        if (plan.topology != topology_policy::id) {
            return error{errc::topology_mismatch, "this signer uses another topology"};
        }
        if (plan.expires_at <= time_.wall_now()) return error{errc::expired, "the proposal has expired"};
        auto const& initiator = plan.roster[plan.initiator];
        if (is_registered(initiator.signer, initiator.peer)) {
            admission_.recognise(from, time_.now(), to_application(from));
        } else if (limits_.known_initiators_only) {
            return error{errc::unknown_signer, text("signer ", to_hex(initiator.signer), " is not known here")};
        }
        MUSTER_TRY(check_limits(plan, limits_));
        MUSTER_TRY(check_frames(frame_size, plan.messages.size()));
        MUSTER_TRY(require_free_slot(limits_.open_sessions_max -
                                     std::min(limits_.open_sessions_reserved, limits_.open_sessions_max)));
        std::size_t theirs = 0;
        for (auto const& id : sessions_.open()) {
            auto const& plan_there = sessions_.find(id)->plan();
            theirs += plan_there.roster[plan_there.initiator].peer == from ? 1u : 0u;
        }
        if (theirs >= limits_.open_sessions_per_peer_max) {
            return error{errc::too_many_sessions, text("you have ", theirs, " sessions open here already")};
        }
        if (rosters_.find(roster) != nullptr) return ok();  // its bindings were verified when it came in
        for (auto const& m : plan.roster) {
            if (m.signer == signer_key() && m.peer == local_peer()) continue;
            auto const known = registry_.find(m.signer);
            if (known && known->who == m) continue;  // verified when it was registered
            if (!peer::verify_binding(m.signer, m.peer, m.binding)) {
                return error{errc::invalid_binding,
                             text("signer ", to_hex(m.signer), " never named peer ", m.peer.to_text())};
            }
        }
        return ok();
    }

    void open(parsed_frame const& f, session_type made) {
        auto const id = f.header.session;
        auto& s = sessions_.add(id, std::move(made));
        events_.push(session_created{id, s.shared_plan(), s.self()});
        events_.push(approval_requested{id, s.shared_plan()});
        effects out;
        s.handle({f.header, propose_body{}, {}}, time_.now(), out);  // pins the initiator's epoch
        (void)perform(id, s, out);
        for (auto const& [sender, raw] : admission_.take_early(id)) {
            auto const early = parse_frame(raw, protocol_limits());
            if (early) on_session_frame(s, sender, early.value());
        }
    }

    // ---- effects ----------------------------------------------------------------------------------------

    // Performs the session's effects in order; the first `persist` writes the journal, unless @p is_recorded says that
    // it was written. When that fails, an open session is given up before anything was promised.
    result<void> perform(session_id const& id, session_type& s, effects& out, bool is_recorded = false) {
        sessions_.touched(id);
        for (auto& effect : out.take()) {
            if (std::holds_alternative<persist>(effect)) {
                if (std::exchange(is_recorded, true)) continue;
                auto recorded = record(id, s);
                if (recorded) {
                    s.recorded();
                    continue;
                }
                events_.push(journal_failed{id, recorded.error()});
                if (!s.may_complete() || !(s.is_open() || s.owes_record())) continue;
                // Some of it may be there. Where it cannot be taken out, a restart may find it and give the share: then
                // nobody can be told that there is no signature.
                effects last;
                if (take_out(id, s)) {
                    s.not_recorded(recorded.error().to_text(), last);
                } else if (!s.cancel(recorded.error().to_text(), last, abort_reason::not_recorded)) {
                    continue;  // it has stalled already, which is told below
                }
                (void)perform(id, s, last, true);
                return recorded;
            }
            bool const is_sent =
                std::holds_alternative<send_frame>(effect) || std::holds_alternative<forward_frame>(effect);
            if (is_sent && s.owes_record()) {  // nothing leaves before the share is on disk
                if (!record(id, s)) continue;
                s.recorded();
            }
            perform(id, s, effect);
        }
        return ok();
    }
    void perform(session_id const& id, session_type const& s, session_effect& effect) {
        std::visit(overloaded{
                       [&](send_frame& v) { send(id, s, v); },
                       [&](forward_frame& v) { sender_.hand_over(id, s.plan().roster[v.to], std::move(v.raw)); },
                       [&](notify& v) {
                           if (std::holds_alternative<completed>(v.what)) note_roster(s);
                           events_.push(std::move(v.what));
                       },
                       [](persist&) {},
                   },
                   effect);
    }

    // Everyone has contributed, so everyone knows the roster. Under an aggregator most epochs are known from hellos
    // alone.
    void note_roster(session_type const& s) {
        auto const& roster = s.plan().roster;
        for (slot who = 0; who < roster.size(); ++who) {
            auto const& seen = s.epoch_of(who);
            rosters_.completed_by(s.roster(), who, seen ? seen : admission_.epoch_of(roster[who].peer));
        }
    }

    void send(session_id const& id, session_type const& s, send_frame const& v) {
        auto const frame = sender_.sign(id, s.self(), v.what);
        if (!frame) return;
        auto const& roster = s.plan().roster;
        for (slot to = 0; to < roster.size(); ++to) {
            if (to != s.self() && (!v.to || *v.to == to)) sender_.hand_over(id, roster[to], frame.value());
        }
    }

    /// Tells the application what the admission of @p who says.
    struct admission_sink {
        effect_list<event>& events;
        peer_id const& who;
        void push(peer_admission::warned w) { events.push(frames_dropped{who, std::move(w.why)}); }
    };
    [[nodiscard]] admission_sink to_application(peer_id const& who) { return {events_, who}; }

    void penalise(peer_id const& who, error why) {
        events_.push(peer_misbehaved{who, std::move(why)});
        if (admission_.strike(who, time_.now(), to_application(who))) network_.disconnect(who);
    }

    // ---- housekeeping -----------------------------------------------------------------------------------

    template <class F>
    [[nodiscard]] result<void> command(session_id const& id, F f) {
        auto* const s = sessions_.find(id);
        if (s == nullptr) {
            return error{errc::unknown_session, text("no session ", to_hex(id), ", or it was cleaned up")};
        }
        effects out;
        auto done = f(*s, out);
        auto recorded = perform(id, *s, out);
        settle();
        if (done && !recorded) return recorded;
        return done;
    }

    // Ids are copied: a session may close, and a transport may answer, meanwhile.
    template <class Ids, class F>
    void for_each(Ids const& ids, F f) {
        for (auto const& id : ids) {
            auto* const s = sessions_.find(id);
            if (s == nullptr) continue;
            effects out;
            f(id, *s, out);
            (void)perform(id, *s, out);
        }
    }
    // After every entry: closed sessions make room, the timer is set, events are delivered. A handler may come
    // back in; the outermost call delivers what that adds.
    void settle() {
        if (closed_) return;
        sessions_.trim([this](session_id const& id, session_type const& s) {
            if (s.may_complete() && s.at() != phase::unresolved) events_.push(unresolved{id});
            (void)take_out(id, s);
        });
        line_.set(next_deadline());
        if (delivering_) return;
        delivery const guard{delivering_};
        while (!events_.empty()) {
            for (auto const& e : events_.take()) {
                if (closed_) continue;
                handler_(e);
                // When the application registered the signer because of this event, its machine gets a reserved place
                // at once.
                auto const* const who = std::get_if<peer_identified>(&e);
                if (who != nullptr && is_registered(who->signer, who->peer)) {
                    admission_.recognise(who->peer, time_.now(), to_application(who->peer));
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

    [[nodiscard]] static std::optional<slot> slot_of(proposal const& plan, peer_id const& who) {
        for (slot s = 0; s < plan.roster.size(); ++s) {
            if (plan.roster[s].peer == who) return s;
        }
        return std::nullopt;
    }

    Transport& network_;
    Registry const& registry_;
    alarm<Timers> alarm_;
    typename alarm<Timers>::line line_{alarm_};
    Clock const& time_;
    peer::key_set keys_;
    boot_epoch epoch_;
    limits limits_;
    [[no_unique_address]] Backend backend_;
    [[no_unique_address]] entropy_policy entropy_;
    [[no_unique_address]] journal_policy journal_;
    event_handler handler_;
    result<peer::binding> binding_;
    peer_admission admission_;
    sender_type sender_;
    session_store<session_type> sessions_;
    graveyard graves_;
    roster_book rosters_;
    effect_list<event> events_;
    nonce_counter nonces_drawn_;
    std::set<session_id> resumed_;  // went on after a restart
    std::set<session_id> lost_;     // ended with it
    std::set<peer_id> introduced_;  // on the connections that they have now; the network's bound
    bool is_restored_ = !has_journal;
    bool has_restored_ = false;
    bool delivering_ = false;
    bool closed_ = false;
};

}  // namespace muster::signing
