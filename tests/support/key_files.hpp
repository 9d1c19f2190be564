// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Key files at a cost that tests can pay a million times, and the count of what opening them took.

#include <cstddef>

#include <muster/identity/key_file.hpp>

#include <support/keys.hpp>

namespace muster::test {

/// What was done since it was last set to zero. For tests of one thread.
struct key_file_work {
    std::size_t derivations = 0;
    std::size_t decryptions = 0;
    bool operator==(key_file_work const&) const = default;
};
inline key_file_work done_for_key_files;

/// Costs that anybody guesses through.
struct cheap_costs {
    static constexpr identity::cost_bounds scrypt{1, 4};
    static constexpr identity::cost_bounds pbkdf2{1, 8};
    static constexpr identity::kdf_parameters usual{identity::kdf_kind::pbkdf2_sha256, 2};
};
struct counted_kdf : identity::bounded_kdf<cheap_costs> {
    static result<void> derive(identity::kdf_parameters const& p, identity::passphrase const& phrase, byte_view salt,
                               byte_span out) {
        ++done_for_key_files.derivations;
        return bounded_kdf::derive(p, phrase, salt, out);
    }
};
struct counted_cipher : crypto::aes_256_gcm {
    using basic_aead::basic_aead;
    result<void> open(nonce const& n, byte_view associated, byte_view sealed, bytes& out) {
        ++done_for_key_files.decryptions;
        return basic_aead::open(n, associated, sealed, out);
    }
};
struct cheap_policies {
    using kdf = counted_kdf;
    using cipher = counted_cipher;
};
using cheap_key_file = identity::basic_key_file<cheap_policies>;

[[nodiscard]] inline identity::passphrase phrase(std::string_view words) {
    return identity::passphrase::take(as_bytes(words)).value();
}
[[nodiscard]] inline identity::master_key master_key(std::uint64_t seed, peer::key_epoch epoch = 0) {
    predictable source{seed};
    return {crypto::secret<32>::generate(source).value(), epoch};
}

}  // namespace muster::test
