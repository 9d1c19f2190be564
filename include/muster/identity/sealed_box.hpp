// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Bytes that only the owner of an agreement key can read; who sealed them it does not say.
///
/// A fresh X25519 key agrees with the owner's; HKDF of the result, with both points in its label, gives the key of one
/// AEAD message. The fresh secret is forgotten, so its sealer cannot read it either.
/// @see NaCl's sealed boxes, and RFC 9180 (HPKE), mode base, for the idea.

#include <cstddef>

#include <muster/core/result.hpp>
#include <muster/crypto/aead.hpp>
#include <muster/crypto/x25519.hpp>
#include <muster/identity/errc.hpp>

namespace muster::identity {

/// Bytes by which a sealed box exceeds what is in it.
inline constexpr std::size_t sealed_box_overhead = 32 + crypto::aead::tag_size;

namespace detail {
[[nodiscard]] inline result<crypto::secret<32>> box_key(crypto::secret<32> const& agreed,
                                                        crypto::x25519_public const& fresh,
                                                        crypto::x25519_public const& to) {
    bytes label = to_bytes(as_bytes("muster/sealed-box/v1"));
    append(label, fresh.view());
    append(label, to.view());
    MUSTER_TRY(auto out, crypto::secret<32>::make());
    crypto::hkdf_sha256({}, agreed.view(), label, out.span());
    return out;
}
}  // namespace detail

/// Seals @p plain for @p to; @p associated has to be the same when it is opened. About 80 us.
/// @return the errors of @p source, or `invalid_key` for a point that nobody owns.
template <secret_source Source>
[[nodiscard]] result<bytes> seal(crypto::x25519_public const& to, byte_view associated, byte_view plain,
                                 Source& source) {
    MUSTER_TRY(auto const fresh, crypto::x25519_key::generate(source));
    MUSTER_TRY(auto const agreed, fresh.agree(to));
    MUSTER_TRY(auto const key, detail::box_key(agreed, fresh.public_point(), to));
    auto out = to_bytes(fresh.public_point().view());
    crypto::aead{key.view()}.seal({}, associated, plain, out);
    return out;
}
/// What is in @p box; the caller wipes it. About 80 us.
/// @return `malformed`, `not_authentic`, or `invalid_key`.
[[nodiscard]] inline result<bytes> unseal(crypto::x25519_key const& own, byte_view associated, byte_view box) {
    if (box.size() < sealed_box_overhead) {
        return error{errc::malformed, text("a sealed box of ", box.size(), " bytes; at least ", sealed_box_overhead)};
    }
    auto const fresh = crypto::x25519_public::from(box.first(32));
    MUSTER_TRY(auto const agreed, own.agree(fresh));
    MUSTER_TRY(auto const key, detail::box_key(agreed, fresh, own.public_point()));
    bytes out;
    out.reserve(box.size());  // so that it does not leave itself behind where it grows
    MUSTER_TRY(crypto::aead{key.view()}.open({}, associated, box.subspan(32), out));
    return out;
}

}  // namespace muster::identity
