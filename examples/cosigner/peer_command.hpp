// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// `peer add`, `peer list` and `peer remove`: the same whether a running co-signer is asked or its settings are edited.

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

}  // namespace cosigner
