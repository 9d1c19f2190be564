// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What a session is handed, and what it wants done.

#include <cstdint>
#include <optional>
#include <string_view>
#include <variant>

#include <muster/core/enumeration.hpp>
#include <muster/core/fields.hpp>
#include <muster/signing/event.hpp>

namespace muster::signing {

/// A frame whose signature was verified against the roster's peer at `header.sender`.
struct authenticated_frame {
    frame_header header;
    body what;
    bytes raw;  ///< As it was signed, for passing on as evidence.
    bool operator==(authenticated_frame const&) const = default;
};

/// Sign and send a frame; to everyone else when `to` is empty.
struct send_frame {
    std::optional<slot> to;
    body what;
    MUSTER_FIELDS(send_frame, to, what);
};
/// Pass on another signer's frame as it is.
struct forward_frame {
    slot to = 0;
    bytes raw;
    MUSTER_FIELDS(forward_frame, to, raw);
};
/// Tell the application.
struct notify {
    event what;
    MUSTER_FIELDS(notify, what);
};
/// Make the session's snapshot durable before anything that follows is done; when it cannot be, nothing of that is.
struct persist {
    MUSTER_FIELDS(persist);
};
/// What a session wants done, in order.
using session_effect = std::variant<send_frame, forward_frame, notify, persist>;

/// Where a session stands.
MUSTER_ENUMERATION(phase, 0, awaiting_approval, collecting_nonces,
                   collecting_shares,  ///< Our share is given.
                   stalled,            ///< The same, and the others' shares did not come: there may be a signature.
                   unresolved,         ///< The same, and the session's lifetime is over.
                   finished,           ///< There is a signature.
                   over                ///< There is none, and our share was not given.
);

}  // namespace muster::signing
