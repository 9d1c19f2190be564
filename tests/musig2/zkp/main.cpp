// SPDX-License-Identifier: MIT

// A header of secp256k1-zkp's is not taken for libsecp256k1's: this compiles, and says so.

#include <muster/musig2/native.hpp>

#include <concepts>

static_assert(!muster::musig2::has_native);
static_assert(std::same_as<muster::musig2::installed_backend, muster::musig2::portable>);
