// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Reproducible keys and nonces for tests, which want both. Nothing here is secret.

#include <vector>

#include <muster/crypto/secp256k1.hpp>

namespace muster::test {

/// A `secret_source` that anyone can predict.
class predictable {
public:
    explicit predictable(std::uint64_t seed) : words_{seed} {}

    [[nodiscard]] result<void> fill_secret(byte_span out) {
        for (auto& octet : out) octet = static_cast<byte>(words_());
        return ok();
    }

private:
    splitmix64 words_;
};
static_assert(secret_source<predictable>);

/// A `secret_source` that gives the bytes it was given, over and over.
class scripted {
public:
    explicit scripted(bytes script) : script_{std::move(script)} {}

    [[nodiscard]] result<void> fill_secret(byte_span out) {
        for (auto& octet : out) octet = script_[at_++ % script_.size()];
        return ok();
    }

private:
    bytes script_;
    std::size_t at_ = 0;
};

/// The pair whose secret is @p octets.
[[nodiscard]] inline crypto::key_pair key_from(byte_view octets) {
    return crypto::key_pair::from_secret(crypto::secret<32>::copy_of(octets).value()).value();
}

/// @p count distinct pairs.
[[nodiscard]] inline std::vector<crypto::key_pair> make_keys(std::size_t count, std::uint64_t seed = 1) {
    predictable source{seed};
    std::vector<crypto::key_pair> out;
    for (std::size_t i = 0; i < count; ++i) out.push_back(crypto::key_pair::generate(source).value());
    return out;
}

/// The public halves of @p keys.
[[nodiscard]] inline std::vector<crypto::public_key> public_keys(std::vector<crypto::key_pair> const& keys) {
    std::vector<crypto::public_key> out;
    for (auto const& key : keys) out.push_back(key.public_key());
    return out;
}

}  // namespace muster::test
