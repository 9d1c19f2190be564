// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Peers that nobody has a key for, and where they are.

#include <array>
#include <cstdint>

#include <muster/connection/address_book.hpp>
#include <muster/core/random.hpp>
#include <muster/crypto/hash.hpp>

namespace muster::test {

[[nodiscard]] inline peer::peer_id stranger(std::size_t i) {
    bytes multihash{0x12, 0x20};
    append(multihash, crypto::sha256(as_bytes(text("peer ", i))).view());
    return peer::peer_id::from_multihash(multihash).value();
}
[[nodiscard]] inline peer::multiaddr address(std::size_t group, std::size_t host = 1) {
    return peer::multiaddr::from_text(
               text("/ip4/", 1 + group / 200, ".", group % 200, ".", host / 200, ".", host % 200, "/tcp/4001"))
        .value();
}
[[nodiscard]] inline connection::address_book::secret_key book_secret(std::uint64_t seed) {
    splitmix64 draw{seed};
    connection::address_book::secret_key out{};
    for (auto& b : out) b = static_cast<byte>(draw());
    return out;
}
inline timestamp const start{std::chrono::milliseconds{1'700'000'000'000}};

}  // namespace muster::test
