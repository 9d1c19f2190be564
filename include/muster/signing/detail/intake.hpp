// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What comes from the network: connections, hellos, proposals and the frames of sessions.
///
/// Algorithm: a frame is checked cheap before dear, and nothing changes before all checks have passed: size, version
/// and layout; the peer's rate; whether the session is known and the sender in its roster; whether the very same frame
/// was seen; then the signature; then the session's state. A proposal is judged before the application is asked; one
/// that is well-formed and beyond our limits is declined, not punished.
///
/// Source: ours.

#include <algorithm>
#include <cstddef>
#include <optional>
#include <set>
#include <utility>

#include <muster/core/overloaded.hpp>
#include <muster/signing/detail/desk.hpp>
#include <muster/signing/detail/performer.hpp>
#include <muster/signing/detail/recovery.hpp>
#include <muster/signing/frame.hpp>
#include <muster/transport/frames.hpp>

namespace muster::signing::detail {

/// Hands what comes from the network to the sessions of a @ref desk. Desk, performer and recovery must outlive it.
template <class Desk>
class intake {
    using session_type = typename Desk::session_type;
    using effects = typename Desk::effects;

public:
    intake(Desk& d, performer<Desk>& p, recovery<Desk>& r) noexcept : desk_{d}, performer_{p}, recovery_{r} {}

    /// Takes an event of the network. Total: what does not fit is ignored, and what is wrong costs its sender.
    void handle(transport::event const& e) {
        std::visit(overloaded{
                       [&](transport::connected const& v) { on_connected(v.peer); },
                       [&](transport::disconnected const& v) { on_disconnected(v.peer); },
                       [&](transport::received const& v) { on_frame(v.peer, v.frame); },
                       [&](transport::writable const& v) { resend_refused(v.peer); },
                       [&](transport::connect_failed const&) {},  // asked again when something is to be sent
                       [&](transport::frames_lost const&) {},     // what matters is asked for again
                   },
                   e);
    }

private:
    // ---- connections ------------------------------------------------------------------------------------

    void on_connected(peer_id const& who) {
        desk_.admission.handle(peer_admission::arrived{who}, desk_.time.now(), desk_.to_application(who));
        recovery_.introduce_once(who);
        performer_.for_each(desk_.sessions.all(), [&](session_id const&, session_type& s, auto& out) {
            if (!s.may_complete()) return;
            if (auto const at = desk_.slot_of(s.plan(), who)) s.peer_connected(*at, desk_.time.now(), out);
        });
    }

    // Frames that it had refused are repeated with everything else when it reconnects.
    void on_disconnected(peer_id const& who) {
        desk_.admission.handle(peer_admission::left{who}, desk_.time.now(), desk_.to_application(who));
        recovery_.forget_introduction(who);
        (void)desk_.sender.take_refused(who);
    }

    // Only sessions whose frames were refused are repeated, and only until the peer is congested again; otherwise the
    // repetitions themselves would keep it congested.
    void resend_refused(peer_id const& who) {
        performer_.for_each(desk_.sender.take_refused(who), [&](session_id const& id, session_type& s, auto& out) {
            if (desk_.sender.is_refusing(who)) return desk_.sender.remember_refused(who, id);
            if (auto const at = desk_.slot_of(s.plan(), who)) s.peer_connected(*at, desk_.time.now(), out);
        });
    }

    // ---- frames -----------------------------------------------------------------------------------------

    void on_frame(peer_id const& from, byte_view raw) {
        auto const frame = parse_frame(raw, protocol_limits());
        if (!frame) {
            if (desk_.admission.admit(from, desk_.time.now(), desk_.to_application(from)))
                desk_.penalise(from, frame.error());
            return;
        }
        auto const& f = frame.value();
        if (!is_admitted(from, f)) return;
        if (f.header.what == kind::hello) return on_hello(from, f);
        if (auto* const known = desk_.sessions.find(f.header.session)) return on_session_frame(*known, from, f);
        if (desk_.sessions.is_entombed(f.header.session) || desk_.graves.holds(f.header.session)) return;
        if (f.header.what == kind::propose) return on_proposal(from, f);
        if (f.header.what != kind::request) {
            desk_.admission.keep_early(from, f.header.session, raw, desk_.time.now(), desk_.to_application(from));
        }
    }

    // Drops frames beyond the sender's rate. A hello names the sender's signer, and the connection has authenticated
    // the sender: together they identify a registered signer's machine before any signature is verified.
    [[nodiscard]] bool is_admitted(peer_id const& from, parsed_frame const& f) {
        auto const now = desk_.time.now();
        if (!desk_.admission.is_recognised(from)) {
            // The application may have registered it since its hello.
            auto const signer = f.header.what == kind::hello ? claimed_signer(f) : desk_.admission.signer_of(from);
            if (signer && desk_.is_registered(*signer, from))
                desk_.admission.recognise(from, now, desk_.to_application(from));
        }
        if (!desk_.admission.admit(from, now, desk_.to_application(from))) return false;
        if (f.raw.size() <= desk_.bounds.frame_size_max) return true;
        // The sender's limits are wider than ours, or ours were. The cost is charged to the sender.
        desk_.admission.charge(from, f.raw.size() / std::max<std::size_t>(desk_.bounds.frame_size_max, 1), now);
        auto const* const s = desk_.sessions.find(f.header.session);
        if (s != nullptr && f.raw.size() <= largest_frame(s->plan().messages.size())) return true;
        bool const may_propose = desk_.admission.is_recognised(from) || !desk_.bounds.known_initiators_only;
        if (f.header.what == kind::propose && may_propose) return true;  // to be declined
        if (desk_.admission.is_first_too_large(from)) {
            desk_.events.push(
                frames_dropped{from, error{errc::frame_too_large, text("a frame of ", f.raw.size(), " bytes; at most ",
                                                                       desk_.bounds.frame_size_max, " here")}});
        }
        return false;
    }

    void on_hello(peer_id const& from, parsed_frame const& f) {
        auto const decoded = decode_body(f, desk_.bounds);
        if (!decoded) return desk_.penalise(from, decoded.error());
        auto const& hello = std::get<hello_body>(decoded.value());
        bool const is_news = desk_.admission.epoch_of(from) != f.header.epoch;
        if (!is_news && hello.resumed.empty()) return;
        if (!is_authentic(f, from) || !peer::verify_binding(hello.signer, from, hello.binding)) {
            return desk_.penalise(from,
                                  error{errc::not_authentic, "a hello whose signature or binding is not its sender's"});
        }
        bool const was_told = !desk_.admission.is_recognised(from) && desk_.admission.signer_of(from) == hello.signer;
        desk_.admission.set_signer(from, hello.signer);
        if (is_news && !was_told) desk_.events.push(peer_identified{from, hello.signer, hello.binding});
        if (is_news) on_new_epoch(from, f, hello);
        std::size_t answers = 0;
        performer_.for_each(std::set<session_id>{hello.resumed.begin(), hello.resumed.end()},
                            [&](session_id const&, session_type& s, auto& out) {
                                auto const at = desk_.slot_of(s.plan(), from);
                                if (!at) return;
                                ++answers;
                                s.offered(*at, desk_.time.now(), out);
                            });
        desk_.admission.charge(from, std::min(answers, desk_.bounds.frames_burst_max / 4), desk_.time.now());
    }

    void on_new_epoch(peer_id const& from, parsed_frame const& f, hello_body const& hello) {
        bool const is_another = desk_.admission.epoch_of(from).has_value();
        desk_.admission.set_epoch(from, f.header.epoch, desk_.time.now(), desk_.to_application(from));
        std::set<session_id> const resumed{hello.resumed.begin(), hello.resumed.end()};
        std::size_t answers = 0;
        performer_.for_each(desk_.sessions.all(), [&](session_id const& id, session_type& s, auto& out) {
            auto const at = desk_.slot_of(s.plan(), from);
            if (!at) return;
            ++answers;
            if (resumed.count(id) != 0) {
                s.peer_resumed(*at, f.header.epoch, desk_.time.now(), out);
            } else {
                s.peer_restarted(*at, f.header.epoch, desk_.time.now(), out);
            }
        });
        // A machine that claims a restart again and again does not make us send a hello each time.
        if (is_another)
            desk_.admission.charge(from, std::min(answers, desk_.bounds.frames_burst_max / 4), desk_.time.now());
    }

    void on_session_frame(session_type& s, peer_id const& from, parsed_frame f) {
        auto const& roster = s.plan().roster;
        if (f.header.what == kind::request && f.header.sender == unknown_slot) {
            f.header.sender = desk_.slot_of(s.plan(), from).value_or(unknown_slot);
        }
        bool const from_itself = f.header.sender < roster.size() && roster[f.header.sender].peer == from;
        if (f.header.sender >= roster.size() || !(from_itself || desk_.slot_of(s.plan(), from))) {
            return desk_.penalise(from, error{errc::not_in_roster, text("slot ", f.header.sender,
                                                                        " through a peer that is "
                                                                        "no signer of session ",
                                                                        to_hex(f.header.session))});
        }
        if (f.header.sender == s.self() || s.has_seen(f)) return;
        auto const& signer_peer = roster[f.header.sender].peer;
        if (!is_authentic(f, signer_peer)) {
            return desk_.penalise(from,
                                  error{errc::not_authentic, text("a frame that slot ", f.header.sender, " of session ",
                                                                  to_hex(f.header.session), " did not sign")});
        }
        auto decoded = decode_body(f, protocol_limits());  // it may have begun under other limits of ours
        if (!decoded) return desk_.penalise(from, decoded.error());
        effects out;
        if (f.header.what == kind::nonces && desk_.admission.is_past(signer_peer, f.header.epoch)) {
            s.contribution_outlived(f.header.sender, out);
        }
        s.handle({f.header, std::move(decoded).value(), to_bytes(f.raw)}, desk_.time.now(), out);
        (void)performer_.perform(f.header.session, s, out);
    }

    // ---- proposals --------------------------------------------------------------------------------------

    void on_proposal(peer_id const& from, parsed_frame const& f) {
        // What is well-formed and beyond our limits is declined below, not punished.
        auto decoded = decode_body(f, protocol_limits());
        if (!decoded) return desk_.penalise(from, decoded.error());
        auto const& encoded = std::get<propose_body>(decoded.value()).encoded;
        auto plan = decode_proposal(encoded, protocol_limits(), desk_.rosters);
        if (!plan && plan.error() == errc::unknown_roster) {  // forgotten here; it is to be spelled out
            return desk_.sender.post(from, f.header.session, unknown_slot, request_body{});
        }
        if (!plan) return desk_.penalise(from, plan.error());
        auto const self = desk_.slot_of(plan.value(), desk_.local_peer());
        auto const initiator = plan.value().initiator;
        if (auto const valid = check_form(plan.value()); !valid) return desk_.penalise(from, valid.error());
        bool const consistent = id_of(encoded) == f.header.session && f.header.sender == initiator && self &&
                                *self != initiator && plan.value().roster[*self].signer == desk_.signer_key() &&
                                plan.value().roster[initiator].peer == from;
        if (!consistent) {
            return desk_.penalise(from, error{errc::invalid_proposal, text("proposal ", to_hex(f.header.session),
                                                                           " is not its sender's, or not for us")});
        }
        if (!is_authentic(f, from)) {
            return desk_.penalise(from, error{errc::not_authentic, "a proposal that its initiator did not sign"});
        }
        auto const roster = named_roster(encoded);
        if (auto const refused = consider(plan.value(), roster, from, f.raw.size()); !refused) {
            if (refused.error() == errc::invalid_binding) desk_.penalise(from, refused.error());
            return refuse(plan.value(), f.header.session, *self, refused.error());
        }
        auto const shape = plan.value();
        auto made = desk_.make_session(f.header.session, roster, std::move(plan).value(), *self);
        if (!made) return refuse(shape, f.header.session, *self, made.error());
        open(f, std::move(made).value());
    }

    // Declines a proposal that the application never saw. Only the initiator is told, and tells the others: otherwise a
    // hostile proposal could make us send to everyone it names, who would charge us. The refusal is remembered, so that
    // the same bytes do not cost the same work again.
    void refuse(proposal const& plan, session_id const& id, slot self, error const& why) {
        desk_.sessions.entomb(id);
        auto no = desk_.sender.sign(id, self, decline_body{why.to_text().substr(0, purpose_size_max)});
        if (no) desk_.sender.hand_over(id, plan.roster[plan.initiator], std::move(no).value());
    }

    // Whether we would take part, before the application is asked. Cheap checks first.
    [[nodiscard]] result<void> consider(proposal const& plan, roster_id const& roster, peer_id const& from,
                                        std::size_t frame_size) {
        if (plan.topology != Desk::topology_policy::id) {
            return error{errc::topology_mismatch, "this signer uses another topology"};
        }
        if (plan.expires_at <= desk_.time.wall_now()) return error{errc::expired, "the proposal has expired"};
        auto const& initiator = plan.roster[plan.initiator];
        if (desk_.is_registered(initiator.signer, initiator.peer)) {
            desk_.admission.recognise(from, desk_.time.now(), desk_.to_application(from));
        } else if (desk_.bounds.known_initiators_only) {
            return error{errc::unknown_signer, text("signer ", to_hex(initiator.signer), " is not known here")};
        }
        MUSTER_TRY(check_limits(plan, desk_.bounds));
        MUSTER_TRY(desk_.check_frames(frame_size, plan.messages.size()));
        MUSTER_TRY(
            desk_.require_free_slot(desk_.bounds.open_sessions_max -
                                    std::min(desk_.bounds.open_sessions_reserved, desk_.bounds.open_sessions_max)));
        std::size_t theirs = 0;
        for (auto const& id : desk_.sessions.open()) {
            auto const& plan_there = desk_.sessions.find(id)->plan();
            theirs += plan_there.roster[plan_there.initiator].peer == from ? 1u : 0u;
        }
        if (theirs >= desk_.bounds.open_sessions_per_peer_max) {
            return error{errc::too_many_sessions, text("you have ", theirs, " sessions open here already")};
        }
        if (desk_.rosters.find(roster) != nullptr) return ok();  // its bindings were verified when it came in
        for (auto const& m : plan.roster) {
            if (m.signer == desk_.signer_key() && m.peer == desk_.local_peer()) continue;
            auto const known = desk_.registry.find(m.signer);
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
        auto& s = desk_.sessions.add(id, std::move(made));
        desk_.events.push(session_created{id, s.shared_plan(), s.self()});
        desk_.events.push(approval_requested{id, s.shared_plan()});
        effects out;
        s.handle({f.header, propose_body{}, {}}, desk_.time.now(), out);  // pins the initiator's epoch
        (void)performer_.perform(id, s, out);
        for (auto const& [sender, raw] : desk_.admission.take_early(id)) {
            auto const early = parse_frame(raw, protocol_limits());
            if (early) on_session_frame(s, sender, early.value());
        }
    }

    Desk& desk_;
    performer<Desk>& performer_;
    recovery<Desk>& recovery_;
};

}  // namespace muster::signing::detail
