// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Access to secret nonces, for tests.

#include <array>
#include <iterator>
#include <optional>

#include <support/backend.hpp>

#include <muster/musig2/detail/nonce_derivation.hpp>
#include <muster/musig2/portable.hpp>

namespace muster::musig2 {

/// What no user can do: to choose secret nonces, to look into them, to copy them; and NonceGen for an aggregate key
/// whose group nobody knows, as BIP-327's vectors have it.
struct secnonce_test_access {
    [[nodiscard]] static portable::secnonce portable_nonce(byte_view octets) {
        auto k = crypto::secret<64>::copy_of(octets.first(64)).value();
        bool const is_one = detail::in_range(octets) && detail::in_range(octets.subspan(32));
        return {std::move(k), public_key::from(octets.last(33)),
                is_one ? detail::public_nonce(octets.first(64)) : pubnonce{}};
    }
    [[nodiscard]] static auto portable_nonce_gen(secret_source auto& source,
                                                 nonce_gen_input<portable::keyagg_context> const& in,
                                                 std::optional<xonly_key> const& aggregate) {
        return portable::nonce_for(source, in, aggregate);
    }
    [[nodiscard]] static portable::secnonce copy(portable::secnonce const& nonce) {
        return {nonce.k_.clone().value(), nonce.key_, nonce.published_};
    }
    [[nodiscard]] static byte_view k(portable::secnonce const& nonce) { return nonce.k_.view(); }
    [[nodiscard]] static bytes read(portable::secnonce const& nonce) {
        auto out = to_bytes(nonce.k_.view());
        append(out, nonce.key_.view());
        return out;
    }
#ifdef MUSTER_TEST_NATIVE
    // As libsecp256k1 0.6 to 0.7 keep it: a mark, k1, k2, and the key as in secp256k1_pubkey.
    static constexpr std::array<byte, 4> mark{0x22, 0x0e, 0xdc, 0xf1};

    /// The module's own secret nonce, where the module would have made one.
    [[nodiscard]] static native::secnonce make(byte_view octets, std::size_t message_size) {
        auto const key = public_key::from(octets.last(33));
        auto const k = octets.first(64);
        if (detail::is_zero(k.first(32)) || message_size != 32) return native::secnonce{portable_nonce(octets)};
        auto memory = to_bytes(mark);
        append(memory, k);
        auto const point = crypto::parse(key).value();
        memory.insert(memory.end(), std::begin(point.data), std::end(point.data));
        auto const published = detail::public_nonce(k);
        return native::secnonce{{crypto::secret<132>::copy_of(memory).value(), key, published}};
    }
    [[nodiscard]] static byte_view k(native::secnonce const& nonce) {
        if (auto const* const ours = std::get_if<portable::secnonce>(&nonce.nonce_)) return k(*ours);
        return std::get<native::secnonce::of_module>(nonce.nonce_).memory.view().subspan(mark.size(), 64);
    }
    [[nodiscard]] static bytes read(native::secnonce const& nonce) {
        return read(std::get<portable::secnonce>(nonce.nonce_));  // no vector has a message that the module takes
    }
#else
    [[nodiscard]] static portable::secnonce make(byte_view octets, std::size_t) { return portable_nonce(octets); }
#endif
};

}  // namespace muster::musig2
