// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Signing's events and proposals as JSON, for logs, scripts and user interfaces. One way only: nothing that
/// came as JSON is ever signed, the canonical encoding in signing/ is.
///
/// Octets are lower-case hexadecimal, times are Unix milliseconds, slots are numbers.

#include <string>

#include <nlohmann/json.hpp>

#include <muster/core/hex.hpp>
#include <muster/core/overloaded.hpp>
#include <muster/signing/event.hpp>

namespace muster::json {

/// A JSON value whose members keep the order in which they were added.
using value = nlohmann::ordered_json;

/// The name that a proposal's election method goes by.
[[nodiscard]] inline std::string to_text(signing::election_method m) {
    switch (m) {
        case signing::election_method::lexicographic: return "lexicographic";
        case signing::election_method::hash_based: return "hash-based";
        case signing::election_method::first_signer: return "first-signer";
        case signing::election_method::last_signer: return "last-signer";
    }
    return "unknown";
}

/// One message of a proposal: `{digest}`, or `{tag, content}`.
[[nodiscard]] inline value to_json(signing::payload const& p) {
    return std::visit(overloaded{
                          [](signing::digest32 const& d) {
                              return value{{"digest", to_hex(d)}};
                          },
                          [](signing::tagged_payload const& t) {
                              return value{{"tag", t.tag}, {"content", to_hex(t.content)}};
                          },
                      },
                      p);
}

/// One tweak: `{bip32_path}`, `{taproot}` or `{raw, xonly}`.
[[nodiscard]] inline value to_json(musig2::tweak const& t) {
    return std::visit(overloaded{
                          [](musig2::bip32_path const& p) {
                              return value{{"bip32_path", p.steps}};
                          },
                          [](musig2::taproot const& tap) {
                              return value{{"taproot", tap.merkle_root ? value(to_hex(*tap.merkle_root)) : value()}};
                          },
                          [](musig2::unsafe::raw_tweak const& raw) {
                              return value{{"raw", to_hex(raw.value)}, {"xonly", raw.is_xonly}};
                          },
                      },
                      t);
}

/// A proposal, as an approver should see it.
[[nodiscard]] inline value to_json(signing::proposal const& p) {
    value out{{"purpose", p.purpose},
              {"expires_at", to_unix_millis(p.expires_at)},
              {"election", to_text(p.election)},
              {"topology", p.topology == signing::topology_id::mesh ? "mesh" : "aggregator"},
              {"initiator", p.initiator},
              {"signers", value::array()},
              {"messages", value::array()},
              {"tweaks", value::array()}};
    for (auto const& m : p.roster) {
        out["signers"].push_back(value{{"signer", to_hex(m.signer)}, {"peer", m.peer.to_text()}});
    }
    for (auto const& m : p.messages) out["messages"].push_back(to_json(m));
    for (auto const& t : p.tweaks) out["tweaks"].push_back(to_json(t));
    return out;
}

namespace detail {

template <class List>
[[nodiscard]] value hex_list(List const& values) {
    auto out = value::array();
    for (auto const& v : values) out.push_back(to_hex(v));
    return out;
}

[[nodiscard]] inline value named(char const* name, signing::session_id const& id) {
    return value{{"event", name}, {"session", to_hex(id)}};
}

/// One overload per event; each begins with its name. @{
[[nodiscard]] inline value of(signing::session_created const& e) {
    auto out = named("session_created", e.session);
    out["slot"] = e.self;
    out["proposal"] = to_json(*e.what);
    return out;
}
[[nodiscard]] inline value of(signing::approval_requested const& e) {
    auto out = named("approval_requested", e.session);
    out["proposal"] = to_json(*e.what);
    return out;
}
[[nodiscard]] inline value of(signing::nonces_received const& e) {
    auto out = named("nonces_received", e.session);
    out["from"] = e.from;
    return out;
}
[[nodiscard]] inline value of(signing::nonces_complete const& e) { return named("nonces_complete", e.session); }
[[nodiscard]] inline value of(signing::shares_received const& e) {
    auto out = named("shares_received", e.session);
    out["from"] = e.from;
    return out;
}
[[nodiscard]] inline value of(signing::completed const& e) {
    auto out = named("completed", e.session);
    out["aggregate_key"] = to_hex(crypto::to_xonly(e.aggregate_key));
    out["signatures"] = hex_list(e.signatures);
    out["coordinator"] = e.coordinator;
    return out;
}
template <class End>
[[nodiscard]] value without_signature(char const* name, End const& e) {
    auto out = named(name, e.session);
    out["reason"] = std::string{signing::to_string(e.reason)};
    out["culprit"] = e.culprit ? value(*e.culprit) : value();
    out["reported_by"] = e.reported_by ? value(*e.reported_by) : value();
    out["missing"] = e.missing;
    out["text"] = e.text;
    return out;
}
[[nodiscard]] inline value of(signing::aborted const& e) { return without_signature("aborted", e); }
[[nodiscard]] inline value of(signing::stalled const& e) { return without_signature("stalled", e); }
[[nodiscard]] inline value of(signing::unresolved const& e) { return named("unresolved", e.session); }
[[nodiscard]] inline value of(signing::should_broadcast const& e) {
    auto out = named("should_broadcast", e.session);
    out["view"] = e.view;
    out["signatures"] = hex_list(e.signatures);
    return out;
}
[[nodiscard]] inline value of(signing::broadcast_confirmed const& e) {
    auto out = named("broadcast_confirmed", e.session);
    out["by"] = e.by;
    return out;
}
[[nodiscard]] inline value of(signing::coordinator_failed const& e) {
    auto out = named("coordinator_failed", e.session);
    out["view"] = e.view;
    out["old"] = e.old_coordinator;
    out["new"] = e.new_coordinator;
    return out;
}
[[nodiscard]] inline value of(signing::failover_exhausted const& e) {
    auto out = named("failover_exhausted", e.session);
    out["by_agreement"] = e.by_agreement;
    return out;
}
[[nodiscard]] inline value of(signing::equivocation_proven const& e) {
    auto out = named("equivocation_proven", e.session);
    out["by"] = e.by;
    out["first"] = to_hex(e.first);
    out["second"] = to_hex(e.second);
    return out;
}
[[nodiscard]] inline value of(signing::peer_identified const& e) {
    return value{{"event", "peer_identified"}, {"peer", e.peer.to_text()}, {"signer", to_hex(e.signer)}};
}
[[nodiscard]] inline value of(signing::peer_misbehaved const& e) {
    return value{{"event", "peer_misbehaved"}, {"peer", e.peer.to_text()}, {"why", e.why.to_text()}};
}
[[nodiscard]] inline value of(signing::frames_dropped const& e) {
    return value{{"event", "frames_dropped"}, {"peer", e.peer.to_text()}, {"why", e.why.to_text()}};
}
[[nodiscard]] inline value of(signing::journal_failed const& e) {
    auto out = named("journal_failed", e.session);
    out["why"] = e.why.to_text();
    return out;
}
/// @}

}  // namespace detail

/// An event: `{"event": name, "session": id, ...}`.
[[nodiscard]] inline value to_json(signing::event const& e) {
    return std::visit([](auto const& v) { return detail::of(v); }, e);
}

/// The text of @p v on one line, in ASCII: no character of a peer can move a cursor or reorder what a terminal shows.
/// Text that is not UTF-8, which peers may send, is shown with replacements.
[[nodiscard]] inline std::string to_line(value const& v) {
    return v.dump(-1, ' ', true, value::error_handler_t::replace);
}

}  // namespace muster::json
