// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Signing's events and proposals as JSON, for logs, scripts and user interfaces: `to_json(event)` and
/// `to_json(proposal)`. Events name their fields themselves; what is here is the shape of a proposal.

#include <algorithm>
#include <string>
#include <variant>

#include <muster/core/hex.hpp>
#include <muster/core/overloaded.hpp>
#include <muster/json/fields.hpp>
#include <muster/signing/event.hpp>

namespace muster::json {

/// The name that a proposal's election method goes by, such as `hash-based`.
[[nodiscard]] inline std::string to_text(signing::election_method m) {
    std::string out{to_string(m)};
    std::replace(out.begin(), out.end(), '_', '-');
    return out;
}

/// A message to be signed: `{digest}`, or `{tag, content}`.
template <>
struct shape<signing::payload> {
    static value of(signing::payload const& p) {
        return std::visit(overloaded{[](signing::digest32 const& d) {
                                         return value{{"digest", to_hex(d)}};
                                     },
                                     [](signing::tagged_payload const& t) { return detail::of(t); }},
                          p);
    }
};
/// A Taproot tweak: `{taproot}`, the root or null.
template <>
struct shape<musig2::taproot> {
    static value of(musig2::taproot const& t) {
        return value{{"taproot", t.merkle_root ? value(to_hex(*t.merkle_root)) : value()}};
    }
};
/// A raw tweak: `{raw, xonly}`.
template <>
struct shape<musig2::unsafe::raw_tweak> {
    static value of(musig2::unsafe::raw_tweak const& t) {
        return value{{"raw", to_hex(t.value)}, {"xonly", t.is_xonly}};
    }
};
/// A derivation: `{bip32_path}`.
template <>
struct shape<musig2::bip32_path> {
    static value of(musig2::bip32_path const& p) { return value{{"bip32_path", p.steps}}; }
};
/// A signer of a proposal: `{signer, peer}`.
template <>
struct shape<signing::member> {
    static value of(signing::member const& m) {
        return value{{"signer", to_hex(m.signer)}, {"peer", m.peer.to_text()}};
    }
};
/// A proposal, as an approver should see it.
template <>
struct shape<signing::proposal> {
    static value of(signing::proposal const& p) {
        return value{{"purpose", p.purpose},
                     {"expires_at", to_unix_millis(p.expires_at)},
                     {"election", to_text(p.election)},
                     {"topology", to_string(p.topology)},
                     {"initiator", p.initiator},
                     {"signers", detail::of(p.roster)},
                     {"messages", detail::of(p.messages)},
                     {"tweaks", detail::of(p.tweaks)}};
    }
};

}  // namespace muster::json
