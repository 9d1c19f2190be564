// SPDX-License-Identifier: MIT

// What events mean to people. An event that is new in the library is a compile error in `describe`, and nowhere else.

#include "node.hpp"

namespace cosigner {

using muster::overloaded;
using muster::text;
using muster::to_hex;

namespace {

/// Enough of a session id for a person to tell sessions apart.
std::string brief(signing::session_id const& id) { return to_hex(id).substr(0, 8); }

std::string in(signing::session_id const& id, std::string const& what) {
    return text("session ", brief(id), ": ", what);
}

description info(std::string line) { return {log_level::info, {std::move(line)}}; }
description problem(std::string line) { return {log_level::error, {std::move(line)}}; }

}  // namespace

template <class End>
std::string node::reason_of(End const& v) const {
    auto out = text(signing::to_string(v.reason));
    if (v.culprit) out += text(", by ", name_of(v.session, *v.culprit));
    if (v.reported_by) out += text(" (says ", name_of(v.session, *v.reported_by), ")");
    for (auto const s : v.missing) out += text("; nothing came from ", name_of(v.session, s));
    if (!v.text.empty()) out += text("; ", escape(v.text, value_size_max));
    return out;
}

description node::describe(signing::event const& e) const {
    return std::visit(
        overloaded{
            [&](signing::session_created const& v) {
                return info(in(v.session, text(v.what->roster.size(), " signers, for ", in_quotes(v.what->purpose))));
            },
            [&](signing::approval_requested const& v) {
                return description{log_level::info, summary(v.session)};
            },
            [&](signing::nonces_received const& v) {
                return info(in(v.session, text(name_of(v.session, v.from), " approved; its nonce is here",
                                               waiting_text(v.session))));
            },
            [&](signing::nonces_complete const& v) {
                return info(in(v.session, "everyone approved; our share is out"));
            },
            [&](signing::shares_received const& v) {
                return info(in(v.session, text(name_of(v.session, v.from), "'s share is here")));
            },
            [&](signing::completed const& v) {
                auto out = info(in(
                    v.session, text("signed under aggregate key ", to_hex(muster::crypto::to_xonly(v.aggregate_key)))));
                for (auto const& s : v.signatures) out.text.push_back(text("  signature ", to_hex(s)));
                return out;
            },
            [&](signing::aborted const& v) {
                return info(in(v.session, text("ended without a signature: ", reason_of(v))));
            },
            [&](signing::stalled const& v) {
                auto out = problem(in(v.session, text("no signature came, and our share is out: ", reason_of(v))));
                out.text.push_back(
                    "  it may still be signed; do not sign anything instead that must not be signed twice");
                return out;
            },
            [&](signing::unresolved const& v) {
                return problem(in(v.session,
                                  "nobody that answers has its signature, and our share is out: it may be "
                                  "signed; please look into it"));
            },
            [&](signing::should_broadcast const& v) { return info(in(v.session, "elected to broadcast")); },
            [&](signing::broadcast_confirmed const& v) {
                return info(in(v.session, text("broadcast by ", name_of(v.session, v.by))));
            },
            [&](signing::coordinator_failed const& v) {
                return info(in(v.session, text(name_of(v.session, v.old_coordinator), " did not broadcast in time; ",
                                               name_of(v.session, v.new_coordinator), " takes over")));
            },
            [&](signing::failover_exhausted const& v) {
                return problem(in(v.session, v.by_agreement
                                                 ? "nobody broadcast; please look into it"
                                                 : "nobody broadcast, and too few signers answer to agree on the "
                                                   "next one; please look into it"));
            },
            [&](signing::equivocation_proven const& v) {
                return problem(
                    in(v.session, text(name_of(v.session, v.by),
                                       " signed two different contributions; `run --json` prints the proof")));
            },
            [&](signing::peer_identified const& v) {
                bool const is_known = peers_.find(v.peer) != nullptr;
                auto const initiator = initiator_named(v.signer);
                auto const name = is_known || initiator.empty() ? name_of(v.peer) : initiator;
                return info(text(name, " is here, signer key ", to_hex(v.signer),
                                 is_known || !initiator.empty()
                                     ? ""
                                     : "; it is none of your peers, and what it proposes is refused"));
            },
            [&](signing::peer_misbehaved const& v) {
                return problem(text(name_of(v.peer), " misbehaves: ", escape(v.why.to_text(), value_size_max)));
            },
            [&](signing::frames_dropped const& v) {
                return problem(text("frames are dropped, the last of ", name_of(v.peer), ": ",
                                    escape(v.why.to_text(), value_size_max)));
            },
            [&](signing::journal_failed const& v) {
                return problem(in(v.session, text("the journal cannot be written: ", v.why.to_text())));
            },
        },
        e);
}

value node::annotated(signing::event const& e, description const& d) const {
    auto line = muster::json::to_json(e);
    if (auto const* const asked = std::get_if<signing::approval_requested>(&e)) {
        if (auto const* const s = signer().find(asked->session)) {
            line["aggregate_key"] = to_hex(muster::crypto::to_xonly(s->aggregate_key()));
            line["signer_names"] = value::array();
            for (auto const& m : s->plan().roster) line["signer_names"].push_back(name_of(m));
        }
    }
    if (auto const* const done = std::get_if<signing::completed>(&e)) {
        if (auto const* const s = signer().find(done->session)) {
            line["messages"] = value::array();
            for (auto const& m : s->plan().messages) line["messages"].push_back(muster::json::to_json(m));
        }
    }
    auto const name_culprit = [&](auto const* end) {
        if (end != nullptr && end->culprit) line["culprit_name"] = name_of(end->session, *end->culprit);
    };
    name_culprit(std::get_if<signing::aborted>(&e));
    name_culprit(std::get_if<signing::stalled>(&e));
    if (auto const* const who = std::get_if<signing::peer_identified>(&e)) {
        line["known"] = peers_.find(who->peer) != nullptr;
    }
    // The reason that a peer gave is there as it came; this is for people.
    if (line.contains("text")) line["reason_text"] = line["text"];
    line["text"] = joined(d.text);
    return line;
}

std::string node::name_of(muster::peer::peer_id const& who) const {
    if (who == network_.local()) return "me";
    if (auto const* const p = peers_.find(who)) return p->name;
    return "unknown peer " + who.to_text();
}

// Anyone can bind a key of their own to somebody else's machine: the name goes with the key that the peer has shown.
std::string node::name_of(signing::member const& who) const {
    if (who.peer == network_.local() && who.signer == signer().signer_key()) return "me";
    auto const* const p = peers_.find(who.peer);
    auto const key = to_hex(who.signer);
    auto const initiator = initiator_named(who.signer);
    if (p == nullptr) return initiator.empty() ? "unknown " + key : text(initiator, " (", key.substr(0, 8), ")");
    auto const known = registry_.told().find(who.signer);
    return known && known->who.peer == who.peer ? p->name : text(p->name, " under a key it has not shown, ", key);
}

std::string node::name_of(signing::session_id const& id, signing::slot s) const {
    auto const* const found = signer().find(id);
    if (found == nullptr || s >= found->plan().roster.size()) return text("signer ", s);
    auto const& who = found->plan().roster[s];
    if (who.peer == network_.local() || peers_.find(who.peer) != nullptr) return name_of(who.peer);
    auto const initiator = initiator_named(who.signer);
    return initiator.empty() ? text("signer ", to_hex(who.signer).substr(0, 8)) : initiator;
}

std::vector<std::string> node::waiting_for(signing::session_id const& id) const {
    std::vector<std::string> out;
    auto const* const s = signer().find(id);
    if (s == nullptr || s->at() != signing::phase::collecting_nonces) return out;
    for (signing::slot i = 0; i < s->plan().roster.size(); ++i) {
        if (!s->has_nonces(i)) out.push_back(name_of(id, i));
    }
    return out;
}

std::string node::waiting_text(signing::session_id const& id) const {
    std::string out;
    for (auto const& name : waiting_for(id)) out += text(out.empty() ? "; waiting for " : ", ", name);
    return out;
}

session_view node::view_of(coordinator::session_type const& s, signing::session_id const& id) const {
    return {to_hex(id), s.plan(), s.aggregate_key(), s.order(),
            [this](signing::member const& who) { return name_of(who); }};
}

lines node::summary(signing::session_id const& id) const {
    auto const* const s = signer().find(id);
    if (s == nullptr) return {};
    return summary_of(view_of(*s, id), clock_.wall_now(),
                      text("cosigner show ", as_argument(home_.dir().string()), " ", brief(id)));
}

value node::json_of(coordinator::session_type const& s, signing::session_id const& id) const {
    value entry{{"session", to_hex(id)},
                {"state", std::string{signing::to_string(s.at())}},
                {"aggregate_key", to_hex(muster::crypto::to_xonly(s.aggregate_key()))},
                {"proposal", muster::json::to_json(s.plan())},
                {"signers", value::array()},
                {"signatures", value::array()}};
    for (signing::slot i = 0; i < s.plan().roster.size(); ++i) {
        entry["signers"].push_back(
            value{{"name", name_of(s.plan().roster[i])}, {"approved", s.has_nonces(i)}, {"share", s.has_shares(i)}});
    }
    for (auto const& sig : s.signatures()) entry["signatures"].push_back(to_hex(sig));
    return entry;
}

}  // namespace cosigner
