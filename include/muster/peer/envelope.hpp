// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// libp2p's signed envelope: bytes, what they are, the key of who says so, and its signature.
///
/// An envelope is opened for a purpose, which is a domain and a payload type. The domain is not in the envelope, so a
/// signature made for one purpose is none for another. What is read is a claim until its signature is verified; the
/// result of that is of another type. Signed are the domain, the payload type and the payload, each behind its length
/// as a varint; the key is bound by the verification, and unknown fields are skipped and bind nobody. The field numbers
/// are those that go, rust and js send (the signature has 5), not those of the RFC's text.
/// @see libp2p specs, RFC/0002-signed-envelopes.md.

#include <cstddef>
#include <string_view>
#include <utility>

#include <muster/core/bytes.hpp>
#include <muster/core/hex.hpp>
#include <muster/core/result.hpp>
#include <muster/peer/authenticated.hpp>
#include <muster/peer/errc.hpp>
#include <muster/peer/host_key.hpp>
#include <muster/peer/identity.hpp>
#include <muster/wire/protobuf.hpp>
#include <muster/wire/writer.hpp>

namespace muster::peer {

/// What an envelope is signed for. Borrows; both are constants of whoever defines the payload.
struct envelope_purpose {
    std::string_view domain;  ///< Not empty. Not sent.
    byte_view type;           ///< What the payload is: a multicodec, or a path. Not empty.
};

/// An envelope as it was sent: claims.
class envelope {
public:
    static constexpr std::size_t size_max = 16u << 10;  ///< Bytes. Ours; js-libp2p takes 8 KiB of identify.

    /// Reads an envelope of the type that @p purpose names. Cheap checks come first: size, form, type, key.
    /// @return `too_large`, `malformed`, `wrong_type`, or what @ref host_key::decode returns.
    [[nodiscard]] static result<envelope> decode(byte_view sealed, envelope_purpose const& purpose) {
        if (sealed.size() > size_max) {
            return error{errc::too_large, text("an envelope of ", sealed.size(), " bytes; at most ", size_max)};
        }
        byte_view key, type, payload, signature;
        auto const visited = wire::for_each_field(sealed, [&](auto tag, std::uint64_t, byte_view content) {
            if (tag == 1) key = content;
            if (tag == 2) type = content;
            if (tag == 3) payload = content;
            if (tag == 5) signature = content;
        });
        if (!visited) return error{errc::malformed, text("an envelope is ", visited.error().message())};
        if (!equal(type, purpose.type)) {
            return error{errc::wrong_type, text("an envelope of type ", shown(type), "; wanted is one of type ",
                                                shown(purpose.type), " for ", purpose.domain)};
        }
        MUSTER_TRY(auto decoded, host_key::decode(key));
        return envelope{std::move(decoded), to_bytes(type), to_bytes(payload), to_bytes(signature)};
    }

    /// Puts @p payload into an envelope that @p key signs. About 30 us.
    /// @return the bytes to send, `too_large`, or `secret_gone` from the key.
    [[nodiscard]] static result<bytes> seal(envelope_purpose const& purpose, byte_view payload, node_key const& key) {
        MUSTER_TRY(auto signature, key.sign_handshake(signed_bytes(purpose, payload)));
        auto out =
            envelope{host_key::of(key.public_key()), to_bytes(purpose.type), to_bytes(payload), std::move(signature)}
                .encoded();
        if (out.size() > size_max) {
            return error{errc::too_large, text("an envelope of ", out.size(), " bytes; at most ", size_max)};
        }
        return out;
    }

    /// Reads an envelope and verifies its signature.
    /// @return what @ref decode returns, or `not_signed`.
    [[nodiscard]] static result<authenticated<envelope>> open(byte_view sealed, envelope_purpose const& purpose) {
        MUSTER_TRY(auto claim, decode(sealed, purpose));
        if (!claim.key_.verify(signed_bytes(purpose, claim.payload_), claim.signature_)) {
            return error{errc::not_signed,
                         text(claim.key_.id().to_text(), " did not sign this envelope for ", purpose.domain)};
        }
        auto const who = claim.key_.id();
        return authenticated<envelope>{who, std::move(claim)};
    }

    /// The key that it claims to be signed by.
    [[nodiscard]] host_key const& key() const noexcept { return key_; }
    [[nodiscard]] byte_view payload() const noexcept { return payload_; }
    [[nodiscard]] byte_view signature() const noexcept { return signature_; }

    /// The canonical encoding: the fields in their order, and nothing else.
    [[nodiscard]] bytes encoded() const {
        wire::protobuf_writer out;
        out.content(1, key_.encoded()).content(2, type_).content(3, payload_).content(5, signature_);
        return out.take();
    }

    bool operator==(envelope const&) const = default;

private:
    envelope(host_key key, bytes type, bytes payload, bytes signature) noexcept
        : key_{std::move(key)},
          type_{std::move(type)},
          payload_{std::move(payload)},
          signature_{std::move(signature)} {}

    [[nodiscard]] static bytes signed_bytes(envelope_purpose const& purpose, byte_view payload) {
        wire::writer out;
        out.sized(purpose.domain).sized(purpose.type).sized(payload);
        return out.take();
    }
    [[nodiscard]] static std::string shown(byte_view type) {
        if (type.empty()) return "none";
        return type.size() > 32 ? to_hex(type.first(32)) + "..." : to_hex(type);
    }

    host_key key_;
    bytes type_;
    bytes payload_;
    bytes signature_;
};

}  // namespace muster::peer
