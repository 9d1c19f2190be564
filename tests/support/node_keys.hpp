// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// The keys of machines that tests share. Nothing here is secret.

#include <muster/peer/identity.hpp>

#include <support/keys.hpp>

namespace muster::test {

/// The keys that node @p i of any cluster has.
[[nodiscard]] inline peer::key_set node_keys(std::size_t i) {
    predictable source{i + 1};
    return peer::derive_keys(crypto::secret<32>::generate(source).value()).value();
}

}  // namespace muster::test
