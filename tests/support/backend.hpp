// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// The backend that these tests are about. They are compiled once for each that the installed libsecp256k1 allows.

#ifdef MUSTER_TEST_NATIVE
#include <muster/musig2/native.hpp>
#else
#include <muster/musig2/portable.hpp>
#endif

namespace muster::test {
#ifdef MUSTER_TEST_NATIVE
using backend = musig2::native;
#else
using backend = musig2::portable;
#endif
static_assert(musig2::backend<backend>);
}  // namespace muster::test
