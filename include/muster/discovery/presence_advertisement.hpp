// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What a wallet shows of itself while it is online, signed.
///
/// Idea: a notice, see notice.hpp, of a machine about itself, one for each; so nobody shows himself in the name of
/// another. What is not set is not in it.
///
/// Payload: machine (sized), sequence (u64), addresses and relay addresses (each a count and sized elements), webrtc
/// address (sized, empty for none), wallet address, nickname, avatar (sized each), issued and expires (i64, Unix
/// milliseconds).

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <muster/core/fields.hpp>
#include <muster/core/result.hpp>
#include <muster/core/time.hpp>
#include <muster/discovery/notice.hpp>
#include <muster/peer/presence.hpp>

namespace muster::discovery {

/// A machine that is online. A value. Bounds as of peer::presence.
struct presence_advertisement {
    static constexpr std::size_t size_max = 1024;    ///< Bytes, sealed. Ours.
    static constexpr std::size_t addresses_max = 4;  ///< Of each list; fewer than a presence may have, for its size.

    peer::peer_id machine;
    std::uint64_t sequence = 0;
    std::vector<peer::multiaddr> addresses = {};
    std::vector<peer::multiaddr> relay_addresses = {};
    std::optional<peer::multiaddr> webrtc_address = {};
    std::string wallet_address = {};
    std::string nickname = {};  ///< As it calls itself, in any bytes; escape it before it is shown.
    std::string avatar = {};    ///< Where its picture is found; as the nickname.
    timestamp issued{};
    timestamp expires{};  ///< Later than @ref issued, but for a withdrawal.
    MUSTER_FIELDS(presence_advertisement, machine, sequence, addresses, relay_addresses, webrtc_address, wallet_address,
                  nickname, avatar, issued, expires);

    /// The same as wallets show it.
    [[nodiscard]] peer::presence shown() const {
        return {machine, addresses, relay_addresses, webrtc_address, wallet_address, nickname, avatar, issued, expires};
    }

    /// Signs it. See @ref seal_notice.
    [[nodiscard]] result<bytes> seal(peer::node_key const& key, peer::record_rules const& rules = {}) const {
        return seal_notice(*this, key, rules);
    }
    /// Reads what @ref seal has made; a claim. See @ref read_notice.
    [[nodiscard]] static result<presence_advertisement> read(byte_view sealed, timestamp now,
                                                             peer::record_rules const& rules = {}) {
        return read_notice<presence_advertisement>(sealed, now, rules);
    }
    /// Reads it, and verifies the machine's signature. See @ref verify_notice.
    [[nodiscard]] static result<peer::authenticated<presence_advertisement>> open(
        byte_view sealed, timestamp now, peer::record_rules const& rules = {},
        presence_advertisement const* known = nullptr) {
        MUSTER_TRY(auto found, verify_notice<presence_advertisement>(sealed, now, rules, known));
        return peer::authenticated<presence_advertisement>{found.first, std::move(found.second)};
    }

    // ---- as a notice ------------------------------------------------------------------------------------

    /// @see notice @{
    [[nodiscard]] static peer::envelope_purpose purpose_of_envelope() noexcept {
        return {"muster/presence/v1", as_bytes("/muster/presence/1")};
    }
    [[nodiscard]] static result<presence_advertisement> decode(byte_view payload);
    [[nodiscard]] bytes encode() const;
    [[nodiscard]] result<void> check_content() const;
    [[nodiscard]] presence_advertisement bare() const { return {machine}; }
    /// @}
    /// One for each machine.
    [[nodiscard]] std::string key() const { return {machine.view().begin(), machine.view().end()}; }
};

inline bytes presence_advertisement::encode() const {
    wire::writer out;
    out.sized(machine.view()).u64(sequence);
    peer::write_addresses(out, addresses);
    peer::write_addresses(out, relay_addresses);
    out.sized(webrtc_address ? webrtc_address->bytes() : bytes{});
    out.sized(wallet_address).sized(nickname).sized(avatar);
    out.i64(to_unix_millis(issued)).i64(to_unix_millis(expires));
    return out.take();
}

inline result<presence_advertisement> presence_advertisement::decode(byte_view payload) {
    presence_advertisement out;
    wire::reader in{payload};
    auto const named = in.sized(peer::peer_id::size_max);
    out.sequence = in.u64();
    MUSTER_TRY(out.addresses, peer::read_addresses(in, addresses_max));
    MUSTER_TRY(out.relay_addresses, peer::read_addresses(in, addresses_max));
    if (auto const raw = in.sized(peer::multiaddr::size_max); !raw.empty()) {
        auto address = peer::multiaddr::from_bytes(raw);
        if (!address) return error{peer::errc::malformed, text("a notice: ", address.error().message())};
        out.webrtc_address = std::move(address).value();
    }
    out.wallet_address = in.sized_text(peer::presence::wallet_address_size_max);
    out.nickname = in.sized_text(peer::presence::nickname_size_max);
    out.avatar = in.sized_text(peer::presence::avatar_size_max);
    out.issued = from_unix_millis(in.i64());
    out.expires = from_unix_millis(in.i64());
    MUSTER_TRY(out.machine, finish_notice(in, named));
    return out;
}

inline result<void> presence_advertisement::check_content() const {
    using peer::address_kind;
    auto const are_all = [](std::vector<peer::multiaddr> const& all, address_kind wanted) {
        return std::all_of(all.begin(), all.end(), [&](auto const& a) { return a.kind() == wanted; });
    };
    MUSTER_TRY(peer::check_addresses(addresses, addresses_max));
    MUSTER_TRY(peer::check_addresses(relay_addresses, addresses_max));
    if (!are_all(addresses, address_kind::direct) || !are_all(relay_addresses, address_kind::relay) ||
        (webrtc_address && webrtc_address->kind() != address_kind::webrtc)) {
        return error{peer::errc::malformed, "a presence with an address of one kind in the place of another kind"};
    }
    using limits = peer::presence;
    for (auto const& [what, size, most] :
         {std::tuple{"wallet address", wallet_address.size(), limits::wallet_address_size_max},
          std::tuple{"nickname", nickname.size(), limits::nickname_size_max},
          std::tuple{"avatar", avatar.size(), limits::avatar_size_max}}) {
        if (size > most) {
            return error{peer::errc::too_large,
                         text("a presence with a ", what, " of ", size, " bytes; at most ", most)};
        }
    }
    return ok();
}

}  // namespace muster::discovery
