// SPDX-License-Identifier: MIT

#include "screen.hpp"

#include <algorithm>
#include <ctime>

#include <muster/core/hex.hpp>
#include <muster/json/signing.hpp>

#include "parse.hpp"

namespace cosigner {

using muster::overloaded;
using muster::text;
using muster::to_hex;

namespace {

constexpr std::size_t signers_shown = 8;   // of them, on one screen
constexpr std::size_t messages_shown = 3;  // each takes up to two lines
constexpr std::size_t tweaks_shown = 3;
constexpr std::size_t content_shown = 160;
constexpr std::int64_t year_9999 = 253'402'300'799'000;  // the last that has four digits, in milliseconds
constexpr std::size_t all = static_cast<std::size_t>(-1);

/// `label      content`.
std::string row(std::string_view label, std::string const& content) {
    constexpr std::size_t width = 11;
    return text("  ", label, std::string(label.size() < width ? width - label.size() : 1, ' '), content);
}

/// The content of a message as text when it is plain text, and as hexadecimal otherwise.
std::string shown(muster::bytes const& content, std::size_t size_max) {
    std::string_view const raw{reinterpret_cast<char const*>(content.data()), content.size()};
    if (!raw.empty() && is_utf8(raw)) return "text " + in_quotes(raw, size_max);
    auto const hex = to_hex(muster::byte_view{content}.first(std::min(content.size(), size_max / 2)));
    return text("hex ", hex, content.size() > size_max / 2 ? "..." : "");
}

void add_message(lines& out, std::size_t number, std::size_t count, signing::payload const& p, std::size_t size_max) {
    auto const label = count == 1 ? std::string{"message"} : text("message ", number);
    std::visit(overloaded{
                   [&](signing::digest32 const& d) { out.push_back(row(label, text("SHA-256 digest ", to_hex(d)))); },
                   [&](signing::tagged_payload const& t) {
                       out.push_back(row(label, text(t.content.size(), " bytes under the tag ", in_quotes(t.tag))));
                       out.push_back(row("", shown(t.content, size_max)));
                   },
               },
               p);
}

void add_messages(lines& out, signing::proposal const& p, std::size_t count_max, std::size_t size_max) {
    for (std::size_t i = 0; i < p.messages.size() && i < count_max; ++i) {
        add_message(out, i + 1, p.messages.size(), p.messages[i], size_max);
    }
    if (p.messages.size() > count_max) {
        out.push_back(row("", text("and ", p.messages.size() - count_max, " more messages, which are signed as well")));
    }
}

std::string names(session_view const& s, std::vector<signing::slot> const& slots) {
    std::string out;
    for (std::size_t i = 0; i < slots.size() && i < signers_shown; ++i) {
        out += text(i == 0 ? "" : ", ", s.name_of(s.plan.roster[slots[i]]));
    }
    if (slots.size() > signers_shown) out += text(" and ", slots.size() - signers_shown, " more");
    return out;
}

std::vector<signing::slot> slots_of(session_view const& s) {
    std::vector<signing::slot> out(s.plan.roster.size());
    for (signing::slot i = 0; i < out.size(); ++i) out[i] = i;
    return out;
}

/// How long it is until @p at. A peer may name any time there is, so what is out of reach is cut.
std::chrono::milliseconds left_until(muster::timestamp at, muster::timestamp now) {
    constexpr auto far = muster::from_unix_millis(year_9999);
    return std::clamp(at, muster::timestamp{}, far) - std::clamp(now, muster::timestamp{}, far);
}

void add_terms(lines& out, session_view const& s, muster::timestamp now, std::size_t tweaks_max) {
    auto const& p = s.plan;
    out.push_back(row("key", to_hex(muster::crypto::to_xonly(s.aggregate_key))));
    out.push_back(row("", text("the aggregate key: ", meaning_of_key(p.tweaks))));
    if (p.tweaks.empty()) out.push_back(row("tweaks", "none"));
    for (std::size_t i = 0; i < p.tweaks.size() && i < tweaks_max; ++i) {
        out.push_back(row("tweak", meaning_of(p.tweaks[i])));
    }
    if (p.tweaks.size() > tweaks_max)
        out.push_back(row("", text("and ", p.tweaks.size() - tweaks_max, " more tweaks")));
    out.push_back(row("topology", p.topology == signing::topology_id::mesh ? "mesh: everyone to everyone"
                                                                           : "aggregator: through the elected signer"));
    out.push_back(row("broadcast", text("election ", muster::json::to_text(p.election), ": ", names(s, s.order))));
    out.push_back(row("expires", text(to_text(p.expires_at), " (", time_left(left_until(p.expires_at, now)), ")")));
}

}  // namespace

lines summary_of(session_view const& s, muster::timestamp now, std::string const& more) {
    auto const& p = s.plan;
    lines out;
    out.push_back(
        text("session ", s.id.substr(0, 8), ": ", s.name_of(p.roster[p.initiator]), " asks for your signature"));
    out.push_back(row("purpose", p.purpose.empty() ? "none given" : in_quotes(p.purpose)));
    add_messages(out, p, messages_shown, content_shown);
    out.push_back(row("signers", text(p.roster.size(), ": ", names(s, slots_of(s)))));
    add_terms(out, s, now, tweaks_shown);
    out.push_back(row("more", more));
    return out;
}

lines all_of(session_view const& s, muster::timestamp now) {
    auto const& p = s.plan;
    lines out;
    out.push_back("session " + s.id);
    out.push_back(row("proposed by", s.name_of(p.roster[p.initiator])));
    out.push_back(row("purpose", p.purpose.empty() ? "none given" : in_quotes(p.purpose, all)));
    add_messages(out, p, all, line_size_max / 2);
    for (auto const& m : p.roster) {
        out.push_back(row("signer", text(to_hex(m.signer), "  ", s.name_of(m))));
        out.push_back(row("", text("peer ", m.peer.to_text())));
    }
    add_terms(out, s, now, all);
    return out;
}

std::string meaning_of(muster::musig2::tweak const& t) {
    return std::visit(
        overloaded{
            [](muster::musig2::bip32_path const& p) { return text("BIP-328 derivation, path ", to_text(p)); },
            [](muster::musig2::taproot const& tap) {
                return tap.merkle_root ? text("Taproot with script tree, root ", to_hex(*tap.merkle_root))
                                       : std::string{"Taproot, key path only, no script tree"};
            },
            [](muster::musig2::unsafe::raw_tweak const& raw) {
                return text("RAW SCALAR of unknown origin ", to_hex(raw.value),
                            raw.is_xonly ? " (x-only)" : " (plain)");
            },
        },
        t);
}

std::string meaning_of_key(std::vector<muster::musig2::tweak> const& tweaks) {
    std::string out = "the group's own (BIP-327)";
    for (auto const& t : tweaks) {
        if (auto const* const path = std::get_if<muster::musig2::bip32_path>(&t)) {
            out = text("derived from the group's at ", to_text(*path));
        } else if (std::holds_alternative<muster::musig2::taproot>(t)) {
            out = "Taproot output key of the one " + out;
        } else {
            out = "shifted by a raw scalar from the one " + out;
        }
    }
    return out;
}

std::string to_text(muster::timestamp t) {
    auto const millis = muster::to_unix_millis(t);
    auto const seconds = static_cast<std::time_t>(millis / 1000);
    std::tm parts{};
    char out[64];
    if (millis < 0 || millis > year_9999 || ::gmtime_r(&seconds, &parts) == nullptr ||
        std::strftime(out, sizeof out, "%Y-%m-%d %H:%M:%S UTC", &parts) == 0) {
        return text(millis, " ms after 1970");
    }
    return out;
}

std::string time_left(std::chrono::milliseconds left) {
    auto const seconds = std::chrono::duration_cast<std::chrono::seconds>(left).count();
    if (left <= std::chrono::milliseconds::zero()) return "over";
    if (seconds >= 86'400) return "in a day or more; a day at most counts";
    if (seconds >= 3600) return text("in ", seconds / 3600, " h ", seconds / 60 % 60, " min");
    if (seconds >= 60) return text("in ", seconds / 60, " min ", seconds % 60, " s");
    return text("in ", seconds, " s");
}

}  // namespace cosigner
