// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// `peer add`, `peer list`, `peer remove` and the same of wallets: alike whether a running co-signer is asked or its
/// settings are edited.

#include <functional>
#include <string>

#include <muster/core/result.hpp>
#include <muster/json/signing.hpp>

#include "request.hpp"
#include "settings.hpp"

namespace cosigner {

/// The peers of @p s as a result.
[[nodiscard]] value json_of_peers(settings const& s);
/// Carries @p what out on @p s. @param self  the own peer id, which is no peer.
/// @return the result to tell, or `bad_input`.
[[nodiscard]] result<value> change_settings(settings& s, peer_request const& what, muster::peer::peer_id const& self);

/// Gives the key of the signer of that name, or of that key.
using signer_finder = std::function<result<signing::public_key>(std::string const&)>;

/// The wallets of @p s as a result. @param self  the own signer key.
[[nodiscard]] value json_of_wallets(settings const& s, signing::public_key const& self);
/// Carries @p what out on @p s.
/// @return the result to tell, or `bad_input`.
[[nodiscard]] result<value> change_settings(settings& s, wallet_request const& what, signing::public_key const& self,
                                            signer_finder const& find);

/// Who may ask us to sign, besides peers.
[[nodiscard]] value json_of_initiators(settings const& s);
/// Carries out `initiator_add` or `initiator_remove` in @p s, of the signer @p self. @return what to tell, or
/// `bad_input`.
[[nodiscard]] result<value> change_settings(settings& s, initiator_request const& what,
                                            muster::crypto::public_key const& self);
/// The settings of discovery.
[[nodiscard]] value json_of_settings(settings const& s);
/// Carries out `settings_set` in @p s. @return what to tell, or `bad_input`.
[[nodiscard]] result<value> change_settings(settings& s, setting_request const& what);

}  // namespace cosigner
