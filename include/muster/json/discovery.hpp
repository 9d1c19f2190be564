// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Settings of discovery as JSON: defaults are merged under what is missing, and what is not known is kept.
///
/// `{"schema": 1, "auto_connect": false, "bootstrap_peers": [ADDRESS, ...], "enable_dht": true, "enable_gossip": true,
/// "advertise_as_signer": false, "presence": {"nickname": TEXT, "avatar": TEXT, "wallet_address": TEXT}}`. A program
/// that knows more members writes them, and one that does not leaves them as they are.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <muster/core/enumeration.hpp>
#include <muster/core/error.hpp>
#include <muster/core/result.hpp>
#include <muster/discovery/settings.hpp>
#include <muster/json/fields.hpp>

namespace muster::json {

/// What was wrong.
MUSTER_ENUMERATION(errc, 1,
                   wrong_type,   ///< A member is not what it must be.
                   wrong_schema  ///< A file of a later version than this program's.
);
[[nodiscard]] constexpr std::string_view category_of(errc) noexcept { return "json"; }

/// The version of settings that is written. Earlier ones are read.
inline constexpr int settings_schema = 1;

namespace detail {

[[nodiscard]] inline error not_a(std::string_view what, std::string_view member) {
    return error{errc::wrong_type, text("settings: \"", member, "\" is not ", what)};
}
[[nodiscard]] inline result<void> merge_flag(bool& into, value const& from, char const* name) {
    if (!from.contains(name)) return ok();
    if (!from[name].is_boolean()) return not_a("true or false", name);
    into = from[name].get<bool>();
    return ok();
}
[[nodiscard]] inline result<void> merge_text(std::optional<std::string>& into, value const& from, char const* name) {
    if (!from.contains(name)) return ok();
    if (!from[name].is_string() && !from[name].is_null()) return not_a("a text or null", name);
    into = from[name].is_null() ? std::nullopt : std::optional{from[name].get<std::string>()};
    return ok();
}
[[nodiscard]] inline result<void> merge_addresses(std::vector<peer::multiaddr>& into, value const& from,
                                                  char const* name) {
    if (!from.contains(name)) return ok();
    if (!from[name].is_array()) return not_a("a list", name);
    std::vector<peer::multiaddr> all;
    for (auto const& one : from[name]) {
        if (!one.is_string()) return not_a("a list of addresses", name);
        auto address = peer::multiaddr::from_text(one.get<std::string>());
        if (!address) return error{errc::wrong_type, text("settings: \"", name, "\": ", address.error().message())};
        if (!address.value().peer()) return not_a("a list of addresses that end with /p2p/PEER-ID", name);
        all.push_back(std::move(address).value());
    }
    into = std::move(all);
    return ok();
}

}  // namespace detail

/// Changes in @p into what @p from names; the rest stays as it is. A null of a presence means that it is not set.
/// @return what is wrong, and then nothing has changed.
[[nodiscard]] inline result<void> merge(discovery::settings& into, value const& from) {
    if (!from.is_object()) return error{errc::wrong_type, "settings: not an object"};
    auto out = into;
    if (from.contains("schema")) {
        if (!from["schema"].is_number_integer()) return detail::not_a("a whole number", "schema");
        if (from["schema"].get<std::int64_t>() > settings_schema) {
            return error{errc::wrong_schema, text("settings of schema ", from["schema"].get<std::int64_t>(),
                                                  "; this program knows ", settings_schema, ": use a newer one")};
        }
    }
    MUSTER_TRY(detail::merge_flag(out.auto_connect, from, "auto_connect"));
    MUSTER_TRY(detail::merge_addresses(out.bootstrap_peers, from, "bootstrap_peers"));
    MUSTER_TRY(detail::merge_flag(out.enable_dht, from, "enable_dht"));
    MUSTER_TRY(detail::merge_flag(out.enable_gossip, from, "enable_gossip"));
    MUSTER_TRY(detail::merge_flag(out.advertise_as_signer, from, "advertise_as_signer"));
    if (from.contains("presence")) {
        auto const& p = from["presence"];
        if (!p.is_object()) return detail::not_a("an object", "presence");
        MUSTER_TRY(detail::merge_text(out.presence.nickname, p, "nickname"));
        MUSTER_TRY(detail::merge_text(out.presence.avatar, p, "avatar"));
        MUSTER_TRY(detail::merge_text(out.presence.wallet_address, p, "wallet_address"));
    }
    into = std::move(out);
    return ok();
}
/// @p s as it is written, over @p before: members of it that are not known here stay.
[[nodiscard]] inline value to_file(discovery::settings const& s, value before = value::object()) {
    if (!before.is_object()) before = value::object();
    before["schema"] = settings_schema;
    auto now = detail::of(s);
    auto addresses = value::array();
    for (auto const& a : s.bootstrap_peers) addresses.push_back(a.to_text());
    now["bootstrap_peers"] = std::move(addresses);
    for (auto const& [name, content] : now.items()) {
        if (name != "presence") before[name] = content;
    }
    auto& presence = before["presence"];
    if (!presence.is_object()) presence = value::object();
    for (auto const& [name, content] : now["presence"].items()) {
        if (content.is_null()) {
            presence.erase(name);
        } else {
            presence[name] = content;
        }
    }
    return before;
}

}  // namespace muster::json
