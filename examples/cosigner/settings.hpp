// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// settings.json: where a co-signer listens, whom it signs with, who may ask it, and how it finds others.

#include <map>
#include <string>
#include <string_view>
#include <utility>

#include <muster/core/result.hpp>
#include <muster/crypto/secp256k1.hpp>
#include <muster/discovery/settings.hpp>
#include <muster/peer/multiaddr.hpp>

#include "failure.hpp"
#include "wallet.hpp"

namespace cosigner {

using muster::result;

/// The settings of a co-signer.
struct settings {
    muster::peer::multiaddr listen;
    std::map<std::string, muster::peer::multiaddr> peers;  ///< By name; each address ends with the peer's id.
    std::map<std::string, shared_wallet> wallets = {};     ///< By name.
    /// Signer keys, by name, that may ask us to sign though they are no peers of ours.
    std::map<std::string, muster::crypto::public_key> initiators = {};
    muster::discovery::settings discovery = {};
    value discovery_file = value::object();  ///< The same as it was read, with members that are not known here.
};

/// Most peers. Ours: half of what the transport has connections for.
inline constexpr std::size_t peers_max = 128;

/// Most initiators. Ours.
inline constexpr std::size_t initiators_max = 128;

/// The text of the file.
[[nodiscard]] std::string to_file(settings const& s);
/// The settings that @p content spells. @return `bad_settings` that names @p path and what is wrong there.
[[nodiscard]] result<settings> parse_settings(std::string_view path, std::string_view content);

/// `NAME=ADDRESS`, where the address is one that can be dialled and ends with `/p2p/PEER-ID`.
[[nodiscard]] result<std::pair<std::string, muster::peer::multiaddr>> parse_peer(std::string_view written);
/// An address to listen on. @return `bad_input`
[[nodiscard]] result<muster::peer::multiaddr> parse_listen(std::string_view written);

/// Adds a peer, or gives the one of that name another address. @return `bad_input` when its peer id has another name
/// already, or there are too many.
[[nodiscard]] result<void> add_peer(settings& s, std::pair<std::string, muster::peer::multiaddr> peer);
/// Takes a peer out. @return `bad_input` when there is none of that name.
[[nodiscard]] result<void> remove_peer(settings& s, std::string_view name);

/// Lets the signer of @p key ask us to sign. @return `bad_input` when the name or the key is taken, or there are too
/// many.
[[nodiscard]] result<void> add_initiator(settings& s, std::string const& name, muster::crypto::public_key const& key);
/// Ends that. @return `bad_input` when there is none of that name.
[[nodiscard]] result<void> remove_initiator(settings& s, std::string_view name);
/// Sets what discovery calls @p name, such as `auto-connect`, to what @p written says. @return `bad_input`.
[[nodiscard]] result<void> set_discovery(settings& s, std::string_view name, std::string_view written);
/// Names and values of discovery's settings, as @ref set_discovery takes them.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> discovery_settings(settings const& s);
/// An address that ends with the id of the peer there. @return `bad_input`
[[nodiscard]] result<muster::peer::multiaddr> parse_bootstrap(std::string_view written);

/// Adds a wallet. @return `bad_input` when there is one of that name, or there are too many.
[[nodiscard]] result<void> add_wallet(settings& s, std::string const& name, shared_wallet what);
/// Takes a wallet out. @return `bad_input` when there is none of that name.
[[nodiscard]] result<void> remove_wallet(settings& s, std::string_view name);
/// The wallet of that name. @return `bad_input`, which says that it was not found.
[[nodiscard]] result<shared_wallet> find_wallet(settings const& s, std::string_view name);

}  // namespace cosigner
