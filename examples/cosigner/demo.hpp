// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// The demonstration: three co-signer processes on loopback sockets, four scenes, each of them checked.

#include "output.hpp"

namespace cosigner {

/// Plays the scenes. @return `success`, or `demo_failed` when something was not as it must be.
[[nodiscard]] int run_demo(printer& out);

}  // namespace cosigner
