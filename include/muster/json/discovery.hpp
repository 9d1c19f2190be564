// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Settings of discovery as JSON: defaults are merged under what is missing, and what is not known is kept.
///
/// `{"schema": 1, "auto_connect": false, "bootstrap_peers": [ADDRESS, ...], "enable_dht": true, "enable_gossip": true,
/// "advertise_as_signer": false, "presence": {"nickname": TEXT, "avatar": TEXT, "wallet_address": TEXT}, "offer":
/// {"types": [NAME, ...], "amount_from": N, "amount_to": N or null, "fee": N, "capabilities": [TEXT, ...]}}`. A program
/// that knows more members writes them, and one that does not leaves them as they are.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <muster/core/enumeration.hpp>
#include <muster/core/error.hpp>
#include <muster/core/result.hpp>
#include <muster/discovery/settings.hpp>
#include <muster/json/fields.hpp>
#include <muster/peer/presence.hpp>

namespace muster::json {

/// What was wrong.
MUSTER_ENUMERATION(errc, 1,
                   wrong_type,   ///< A member is not what it must be.
                   wrong_schema  ///< A file of a later version than this program's.
);
[[nodiscard]] constexpr std::string_view category_of(errc) noexcept { return "json"; }

/// The version of settings that is written. Earlier ones are read.
inline constexpr int settings_schema = 1;
inline constexpr std::size_t bootstrap_peers_max = 32;  ///< Ours.

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
[[nodiscard]] inline result<void> merge_text(std::optional<std::string>& into, value const& from, char const* name,
                                             std::size_t size_max) {
    if (!from.contains(name)) return ok();
    if (!from[name].is_string() && !from[name].is_null()) return not_a("a text or null", name);
    auto written = from[name].is_null() ? std::nullopt : std::optional{from[name].get<std::string>()};
    if (written && written->size() > size_max) {
        return error{errc::wrong_type,
                     text("settings: \"", name, "\" has ", written->size(), " bytes; at most ", size_max)};
    }
    into = std::move(written);
    return ok();
}
[[nodiscard]] inline result<void> merge_number(std::uint64_t& into, value const& from, char const* name,
                                               std::uint64_t if_null) {
    if (!from.contains(name)) return ok();
    bool const is_count = from[name].is_number_unsigned() || (from[name].is_number_integer() && from[name] >= 0);
    if (!is_count && !from[name].is_null()) return not_a("a whole number that is not negative, or null", name);
    into = from[name].is_null() ? if_null : from[name].get<std::uint64_t>();
    return ok();
}
/// The type of that name; none when there is none.
[[nodiscard]] inline std::optional<discovery::transaction_type> type_named(std::string_view name) {
    using discovery::transaction_type;
    for (auto t = transaction_type::spend; t <= transaction_type::channel;
         t = static_cast<transaction_type>(static_cast<std::uint8_t>(t) + 1)) {
        if (to_string(t) == name) return t;
    }
    return std::nullopt;
}
[[nodiscard]] inline result<void> merge_offer(discovery::offer_settings& into, value const& from) {
    if (!from.is_object()) return not_a("an object", "offer");
    if (from.contains("types")) {
        if (!from["types"].is_array()) return not_a("a list", "types");
        into.types.clear();
        for (auto const& one : from["types"]) {
            auto const t = one.is_string() ? type_named(one.get<std::string>()) : std::nullopt;
            if (!t) return not_a("a list of spend, swap, coinjoin, custody, escrow and channel", "types");
            into.types.push_back(*t);
        }
        std::sort(into.types.begin(), into.types.end());
        into.types.erase(std::unique(into.types.begin(), into.types.end()), into.types.end());
    }
    if (from.contains("capabilities")) {
        if (!from["capabilities"].is_array()) return not_a("a list", "capabilities");
        into.capabilities.clear();
        for (auto const& one : from["capabilities"]) {
            if (!one.is_string()) return not_a("a list of texts", "capabilities");
            into.capabilities.push_back(one.get<std::string>());
        }
        std::sort(into.capabilities.begin(), into.capabilities.end());
        auto& all = into.capabilities;
        all.erase(std::unique(all.begin(), all.end()), all.end());
        auto const checked = peer::check_capabilities(all, discovery::signer_advertisement::capabilities_max);
        if (!checked) return error{errc::wrong_type, text("settings: \"capabilities\": ", checked.error().message())};
    }
    MUSTER_TRY(merge_number(into.amount_from, from, "amount_from", 0));
    MUSTER_TRY(merge_number(into.amount_to, from, "amount_to", std::numeric_limits<std::uint64_t>::max()));
    MUSTER_TRY(merge_number(into.fee, from, "fee", 0));
    if (into.amount_from <= into.amount_to) return ok();
    return error{errc::wrong_type,
                 text("settings: \"amount_from\", ", into.amount_from, ", is above \"amount_to\", ", into.amount_to)};
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
        if (std::find(all.begin(), all.end(), address.value()) == all.end()) all.push_back(std::move(address).value());
    }
    if (all.size() > bootstrap_peers_max) {
        return error{errc::wrong_type,
                     text("settings: \"", name, "\" has ", all.size(), " addresses; at most ", bootstrap_peers_max)};
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
        auto const& schema = from["schema"];
        bool const is_later = schema.is_number_unsigned() ? schema.get<std::uint64_t>() > settings_schema
                                                          : schema.get<std::int64_t>() > settings_schema;
        if (is_later) {
            return error{errc::wrong_schema, text("settings of schema ", from["schema"].dump(), "; this program knows ",
                                                  settings_schema, ": use a newer one")};
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
        MUSTER_TRY(detail::merge_text(out.presence.nickname, p, "nickname", peer::presence::nickname_size_max));
        MUSTER_TRY(detail::merge_text(out.presence.avatar, p, "avatar", peer::presence::avatar_size_max));
        MUSTER_TRY(detail::merge_text(out.presence.wallet_address, p, "wallet_address",
                                      peer::presence::wallet_address_size_max));
    }
    if (from.contains("offer")) {
        MUSTER_TRY(detail::merge_offer(out.offer, from["offer"]));
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
        if (name != "presence" && name != "offer") before[name] = content;
    }
    if (s.offer != discovery::offer_settings{} || before.contains("offer")) {
        auto& offer = before["offer"];
        if (!offer.is_object()) offer = value::object();
        for (auto const& [name, content] : now["offer"].items()) offer[name] = content;
        if (s.offer.amount_to == std::numeric_limits<std::uint64_t>::max()) offer["amount_to"] = nullptr;  // no bound
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
