// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// libsecp256k1: its context, key pairs, BIP-340 and ECDSA signatures. Works with 0.2.0 and newer.
///
/// One context serves the process: it is randomised once, before anyone can use it, and never changed
/// again, which is when libsecp256k1 allows sharing between threads. The library's answer to an illegal
/// argument is `abort()`; ours is to count it and let the call return 0. Nothing here passes an illegal
/// argument, so the count stays 0, and a test watches it.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <optional>
#include <utility>

#include <secp256k1.h>
#include <secp256k1_extrakeys.h>
#include <secp256k1_schnorrsig.h>

#include <muster/core/hex.hpp>
#include <muster/core/result.hpp>
#include <muster/crypto/declassify.hpp>
#include <muster/crypto/hash.hpp>
#include <muster/crypto/secret.hpp>
#include <muster/crypto/system_random.hpp>

namespace muster::crypto {

namespace detail {
/// libsecp256k1 wants a pointer even to nothing.
[[nodiscard]] inline byte const* pointer_to(byte_view octets) noexcept {
    static constexpr byte nothing = 0;
    return octets.data() == nullptr ? &nothing : octets.data();
}
}  // namespace detail

struct public_key_tag;
/// A compressed point, 33 bytes: 02 or 03, then x. What BIP-327 calls a plain public key.
/// Being one of these does not make it valid; see @ref is_valid.
using public_key = fixed_bytes<public_key_tag, 33>;
struct xonly_key_tag;
/// The x coordinate of a point whose y is even, as BIP-340 uses it.
using xonly_key = fixed_bytes<xonly_key_tag, 32>;
struct signature_tag;
/// A BIP-340 signature.
using signature = fixed_bytes<signature_tag, 64>;

/// The process's libsecp256k1 context. Thread-safe.
class secp256k1 {
public:
    /// For every call, signing included.
    [[nodiscard]] static secp256k1_context const* context() {
        static secp256k1 const instance;
        return instance.context_;
    }
    /// How often the library was handed an illegal argument; 0 unless muster has a defect.
    [[nodiscard]] static std::uint64_t illegal_calls() noexcept { return illegal_calls_; }

    secp256k1(secp256k1 const&) = delete;
    secp256k1& operator=(secp256k1 const&) = delete;
    ~secp256k1() { secp256k1_context_destroy(context_); }

private:
    secp256k1() : context_{secp256k1_context_create(SECP256K1_CONTEXT_NONE)} {
        secp256k1_context_set_illegal_callback(context_, count_illegal, nullptr);
        // Blinds the scalar multiplication of signing. Without entropy the process could not make a
        // nonce either, so it ends here rather than sign unblinded.
        std::array<byte, 32> seed{};
        wipe_on_exit const wipe_seed{seed};
        if (!system_random{}.fill_secret(seed) || secp256k1_context_randomize(context_, seed.data()) != 1) {
            std::terminate();
        }
    }

    static void count_illegal(char const*, void*) { ++illegal_calls_; }

    static inline std::atomic<std::uint64_t> illegal_calls_{0};
    secp256k1_context* context_;
};

/// The library's form of @p key, or `invalid_key` when it is not a point of the curve.
[[nodiscard]] inline result<secp256k1_pubkey> parse(public_key const& key) {
    secp256k1_pubkey parsed;
    if (secp256k1_ec_pubkey_parse(secp256k1::context(), &parsed, key.data(), key.size()) != 1) {
        return error{errc::invalid_key, text(to_hex(key), " is not a compressed point of secp256k1")};
    }
    return parsed;
}

/// Whether @p key is a point of the curve. About 6 us.
[[nodiscard]] inline bool is_valid(public_key const& key) { return static_cast<bool>(parse(key)); }

/// The bytes of @p point.
[[nodiscard]] inline public_key serialize(secp256k1_pubkey const& point) {
    public_key out;
    std::size_t size = out.size();
    detail::must(
        secp256k1_ec_pubkey_serialize(secp256k1::context(), out.data(), &size, &point, SECP256K1_EC_COMPRESSED) == 1);
    return out;
}

/// The x coordinate of @p key, its parity forgotten.
[[nodiscard]] inline xonly_key to_xonly(public_key const& key) noexcept {
    return xonly_key::from(key.view().subspan(1));
}

/// A secp256k1 secret with its public key. Move-only; the secret stays in guarded memory.
class key_pair {
public:
    /// The pair of @p scalar, or `invalid_secret` when it is zero or not below the group order.
    [[nodiscard]] static result<key_pair> from_secret(secret<32> const& scalar) {
        wipe_stack_on_exit const wipe_frames;
        MUSTER_TRY(scalar.require());
        MUSTER_TRY(auto memory, secret<memory_size>::make());
        key_pair pair{std::move(memory)};
        auto const made = secp256k1_keypair_create(secp256k1::context(), pair.new_library_pair(), scalar.view().data());
        declassify(made);
        if (made != 1) {
            return error{errc::invalid_secret, "the secret key is zero or not below the group order"};
        }
        for (std::size_t i = 0; i < 32; ++i) pair.memory_.span()[i] = scalar.view()[i];
        secp256k1_pubkey point;
        detail::must(secp256k1_keypair_pub(secp256k1::context(), &point, pair.library_pair()) == 1);
        declassify(point);
        pair.public_ = serialize(point);
        return pair;
    }
    /// A fresh pair, or the source's error. One in 2^128 draws is refused as `invalid_secret`.
    [[nodiscard]] static result<key_pair> generate(secret_source auto& source) {
        MUSTER_TRY(auto scalar, secret<32>::generate(source));
        return from_secret(scalar);
    }

    /// A second pair with the same secret, said aloud.
    [[nodiscard]] result<key_pair> clone() const {
        MUSTER_TRY(auto memory, memory_.clone());
        key_pair copy{std::move(memory)};
        copy.public_ = public_;
        return copy;
    }

    [[nodiscard]] crypto::public_key const& public_key() const noexcept { return public_; }

    /// `secret_gone` when moved from or inherited through fork.
    [[nodiscard]] result<void> require() const { return memory_.require(); }

    /// The secret scalar, for key agreement schemes built on it. Expects @ref require to hold.
    [[nodiscard]] byte_view secret_scalar() const noexcept { return memory_.view().first(32); }

    /// libsecp256k1's form of the pair, for its own functions. Expects @ref require to hold.
    [[nodiscard]] secp256k1_keypair const* library_pair() const noexcept {
        return reinterpret_cast<secp256k1_keypair const*>(memory_.view().data() + 32);
    }

    /// The BIP-340 signature of @p message, of any length. @p aux is 32 fresh bytes, or none for
    /// BIP-340's deterministic nonce. About 25 us.
    /// @return `secret_gone` when the pair is not usable.
    [[nodiscard]] result<signature> sign_bip340(byte_view message, std::optional<std::array<byte, 32>> aux = {}) const {
        wipe_stack_on_exit const wipe_frames;
        MUSTER_TRY(memory_.require());
        secp256k1_schnorrsig_extraparams params = SECP256K1_SCHNORRSIG_EXTRAPARAMS_INIT;
        params.ndata = aux ? aux->data() : nullptr;
        signature out;
        if (secp256k1_schnorrsig_sign_custom(secp256k1::context(), out.data(), detail::pointer_to(message),
                                             message.size(), library_pair(), &params) != 1) {
            return error{errc::secret_gone, "the key pair does not hold a usable secret"};
        }
        return out;
    }

    /// The ECDSA signature, DER encoded, of SHA-256 of @p message: libp2p's scheme for secp256k1 host keys.
    [[nodiscard]] result<bytes> sign_ecdsa_der(byte_view message) const {
        wipe_stack_on_exit const wipe_frames;
        MUSTER_TRY(memory_.require());
        auto const digest = sha256(message);
        secp256k1_ecdsa_signature raw;
        std::array<byte, 72> der{};
        std::size_t size = der.size();
        if (secp256k1_ecdsa_sign(secp256k1::context(), &raw, digest.data(), secret_scalar().data(), nullptr, nullptr) !=
            1) {
            return error{errc::secret_gone, "the key pair does not hold a usable secret"};
        }
        detail::must(secp256k1_ecdsa_signature_serialize_der(secp256k1::context(), der.data(), &size, &raw) == 1);
        return to_bytes(byte_view{der}.first(size));
    }

private:
    /// The scalar, then libsecp256k1's keypair.
    static constexpr std::size_t memory_size = 32 + sizeof(secp256k1_keypair);

    explicit key_pair(secret<memory_size> memory) noexcept : memory_{std::move(memory)} {}

    // The keypair is an array of bytes by definition, so it may live in a slot of them.
    [[nodiscard]] secp256k1_keypair* new_library_pair() noexcept {
        return reinterpret_cast<secp256k1_keypair*>(memory_.span().data() + 32);
    }

    secret<memory_size> memory_;
    crypto::public_key public_;
};

/// Whether @p sig is @p key's BIP-340 signature of @p message. About 45 us.
[[nodiscard]] inline bool verify_bip340(xonly_key const& key, byte_view message, signature const& sig) {
    secp256k1_xonly_pubkey parsed;
    return secp256k1_xonly_pubkey_parse(secp256k1::context(), &parsed, key.data()) == 1 &&
           secp256k1_schnorrsig_verify(secp256k1::context(), sig.data(), detail::pointer_to(message), message.size(),
                                       &parsed) == 1;
}

/// Whether @p der is @p key's ECDSA signature of SHA-256 of @p message. A high s is accepted, as other
/// implementations of libp2p emit it.
[[nodiscard]] inline bool verify_ecdsa_der(public_key const& key, byte_view message, byte_view der) {
    auto const point = parse(key);
    secp256k1_ecdsa_signature raw;
    if (!point ||
        secp256k1_ecdsa_signature_parse_der(secp256k1::context(), &raw, detail::pointer_to(der), der.size()) != 1) {
        return false;
    }
    secp256k1_ecdsa_signature_normalize(secp256k1::context(), &raw, &raw);
    auto const digest = sha256(message);
    return secp256k1_ecdsa_verify(secp256k1::context(), &raw, digest.data(), &point.value()) == 1;
}

/// Whether @p der is the one spelling of an ECDSA signature that @ref key_pair::sign_ecdsa_der writes: strict DER, and
/// a low s. Of any other signature that verifies somebody without the key can make a second one. Under 1 us.
[[nodiscard]] inline bool is_canonical_ecdsa_der(byte_view der) {
    secp256k1_ecdsa_signature raw;
    if (secp256k1_ecdsa_signature_parse_der(secp256k1::context(), &raw, detail::pointer_to(der), der.size()) != 1) {
        return false;
    }
    secp256k1_ecdsa_signature_normalize(secp256k1::context(), &raw, &raw);
    std::array<byte, 72> again{};
    std::size_t size = again.size();
    return secp256k1_ecdsa_signature_serialize_der(secp256k1::context(), again.data(), &size, &raw) == 1 &&
           equal(der, byte_view{again}.first(size));
}

}  // namespace muster::crypto
