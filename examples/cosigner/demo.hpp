// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// The demonstration: three co-signer processes on loopback sockets, four scenes, each of them checked.

namespace cosigner {

/// Plays the scenes. @return `success`, or `demo_failed` when something was not as it must be.
[[nodiscard]] int run_demo(bool json);

}  // namespace cosigner
