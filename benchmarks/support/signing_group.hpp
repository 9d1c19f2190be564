// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// A group of MuSig2 signers, with everything that a signing of theirs produces, made in advance.

#include <cstdint>
#include <utility>
#include <vector>

#include <muster/musig2/portable.hpp>
#include <muster/musig2/rounds.hpp>

namespace muster::bench {

/// n signers and one complete signing of a digest.
struct signing_group {
    explicit signing_group(std::size_t n) {
        for (std::size_t i = 0; i < n; ++i) {
            keys.push_back(crypto::key_pair::generate(random).value());
            public_keys.push_back(keys.back().public_key());
        }
        context = backend.key_agg(public_keys).value();
        std::vector<musig2::portable::secnonce> secrets;
        for (std::size_t i = 0; i < n; ++i) {
            auto made = draw_nonce(i);
            secrets.push_back(std::move(made.first));
            nonces.push_back(made.second);
        }
        total = backend.nonce_agg(nonces).value();
        values = backend.session_values(context, total, message.view()).value();
        for (std::size_t i = 0; i < n; ++i) {
            shares.push_back(backend.sign(std::move(secrets[i]), keys[i], values).value());
        }
        signed_by_all = musig2::aggregate(backend, values, nonces, shares).value();
    }

    [[nodiscard]] std::size_t size() const noexcept { return keys.size(); }

    /// A fresh nonce of signer @p i, made with all that NonceGen can take.
    [[nodiscard]] std::pair<musig2::portable::secnonce, musig2::pubnonce> draw_nonce(std::size_t i) const {
        static bytes const extra(32, 1);
        crypto::system_random source;
        return backend.nonce_gen(source, {public_keys[i], &keys[i], &context, message.view(), extra}).value();
    }

    crypto::system_random random;
    musig2::portable backend;
    std::vector<crypto::key_pair> keys;
    std::vector<crypto::public_key> public_keys;
    crypto::digest32 message = crypto::sha256(as_bytes("muster/benchmark"));
    musig2::portable::keyagg_context context;
    std::vector<musig2::pubnonce> nonces;
    musig2::aggnonce total;
    musig2::portable::session_values_type values;
    std::vector<musig2::psig> shares;
    crypto::signature signed_by_all;
};

}  // namespace muster::bench
