// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// libp2p's `/noise`: who is there, and an encrypted channel to them.
///
/// The handshake is Noise XX under a static key made for this connection. Messages 1 and 2 carry a payload in which
/// the host key signs that static key, so whoever finishes the handshake holds both; the peer id follows from the
/// host key. After it, every message is one ciphertext behind its length.
/// @see libp2p specs, noise/README.md.

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string_view>
#include <utility>

#include <muster/core/effect_sink.hpp>
#include <muster/core/random.hpp>
#include <muster/core/result.hpp>
#include <muster/core/time.hpp>
#include <muster/libp2p/errc.hpp>
#include <muster/libp2p/noise/cipher.hpp>
#include <muster/libp2p/noise/frame.hpp>
#include <muster/libp2p/noise/pattern.hpp>
#include <muster/libp2p/protobuf.hpp>
#include <muster/libp2p/role.hpp>
#include <muster/peer/host_key.hpp>
#include <muster/peer/identity.hpp>
#include <muster/peer/peer_id.hpp>

namespace muster::libp2p::noise {

/// The protocol's name in negotiations.
inline constexpr std::string_view protocol = "/noise";
/// Longest handshake message accepted; an RSA host key with extensions takes about 1500 bytes. Ours.
inline constexpr std::size_t handshake_size_max = 4096;
/// Most plaintext in one message.
inline constexpr std::size_t plain_size_max = frame_size_max - tag_size;

/// What a message takes beside its plaintext: its length and its tag. Bytes.
inline constexpr std::size_t message_overhead = 2 + tag_size;

/// What the host key signs.
[[nodiscard]] inline bytes signed_message(crypto::x25519_public const& static_key) {
    auto out = to_bytes(as_bytes("noise-libp2p-static-key:"));
    append(out, static_key.view());
    return out;
}

/// Encrypts what is sent and decrypts what comes. Movable; one thread at a time.
class channel {
public:
    /// What a handshake came to, for use from the next message on.
    explicit channel(cipher_pair keys) : keys_{std::move(keys)} {}

    /// Appends @p plain to @p out as messages of at most @ref plain_size_max, none when it is empty.
    [[nodiscard]] result<void> seal(byte_view plain, bytes& out) {
        auto const messages = (plain.size() + plain_size_max - 1) / plain_size_max;
        out.reserve(out.size() + plain.size() + messages * message_overhead);
        while (!plain.empty()) {
            auto const part = plain.first(std::min(plain.size(), plain_size_max));
            append_length(out, part.size() + tag_size);
            MUSTER_TRY(keys_.outgoing.seal({}, part, out));
            plain = plain.subspan(part.size());
        }
        return ok();
    }

    /// Takes all of @p in and appends the plaintext of the messages it completes to @p plain. On an error, what came
    /// before the offending message was appended, and the channel is of no more use.
    /// @return `not_authentic`, `malformed` for a message without a tag, `nonces_exhausted`.
    [[nodiscard]] result<void> open(byte_view in, bytes& plain) {
        while (!in.empty()) {
            MUSTER_TRY(auto const whole, reader_.take(in));
            if (!whole) break;
            if (reader_.message().size() < tag_size) {
                return error{errc::malformed,
                             text("a Noise message of ", reader_.message().size(), " bytes has no tag")};
            }
            MUSTER_TRY(keys_.incoming.open({}, reader_.message(), plain));
            reader_.clear();
        }
        return ok();
    }

    /// Gives back what a long message took; for connections on which nothing happens.
    void trim() noexcept { reader_.trim(); }

private:
    cipher_pair keys_;
    frame_reader reader_{frame_size_max};
};

/// The other side has proved who it is; @ref handshake::finish makes the channel to it.
struct proved {
    peer::peer_id peer;
    bool operator==(proved const&) const = default;
};

/// Who is at the other end, and the channel to them.
struct secured {
    peer::peer_id peer;
    noise::channel channel;
};

/// The handshake of one side: a byte machine, see core/machine.hpp. Move-only; not thread-safe.
class handshake {
public:
    using event = proved;
    using output = bytes;

    /// Makes one. The host key signs here and is not kept.
    /// @param static_key  made for this connection.
    /// @param source      for the ephemeral key.
    /// @param expected    who was dialled; anyone will do when absent.
    /// @return errors of the source and of the keys.
    template <secret_source Source>
    [[nodiscard]] static result<handshake> make(role side, peer::node_key const& host, crypto::x25519_key static_key,
                                                Source& source, std::optional<peer::peer_id> expected = {}) {
        MUSTER_TRY(auto signature, host.sign_handshake(signed_message(static_key.public_point())));
        MUSTER_TRY(auto ephemeral, crypto::x25519_key::generate(source));
        MUSTER_TRY(auto pattern, xx_pattern::make(side, std::move(static_key), std::move(ephemeral)));
        handshake made{std::move(pattern),
                       encode(handshake_payload{peer::host_key::of(host.public_key()).encoded(), std::move(signature)}),
                       std::move(expected)};
        if (side == role::dialer) {
            MUSTER_TRY(made.write({}, made.output_));
        }
        return made;
    }

    /// Says what a dialer says first; a listener waits. Once, before anything is fed.
    void start(bytes& out) { append(out, take_output()); }

    /// Takes bytes from the other side, none beyond the handshake. After an error, call no more.
    /// @return how many were taken; `too_large`, `malformed`, `not_authentic`, `bad_identity`, `unexpected_peer`,
    /// `crypto::errc::invalid_key`.
    template <effect_sink<proved> Sink>
    [[nodiscard]] result<std::size_t> feed(byte_view in, instant, bytes& out, Sink& sink) {
        auto rest = in;
        while (!rest.empty() && !finished()) {
            MUSTER_TRY(auto const whole, reader_.take(rest));
            if (!whole) break;
            MUSTER_TRY(read(reader_.message()));
            reader_.clear();
            if (pattern_.our_turn()) {
                MUSTER_TRY(write(payload_, out));
            }
            if (finished()) sink.push(proved{them_});
        }
        return in.size() - rest.size();
    }

    /// Whether both sides have proved who they are.
    [[nodiscard]] bool finished() const noexcept { return pattern_.finished(); }

    /// The result. Expects @ref finished; call once.
    [[nodiscard]] result<secured> finish() {
        MUSTER_TRY(auto keys, pattern_.split());
        return secured{them_, channel{std::move(keys)}};
    }

    /// The same for a caller that has no buffer of its own, such as a script: what is to be sent is kept for
    /// @ref take_output.
    [[nodiscard]] result<std::size_t> feed(byte_view in) {
        effect_list<proved> told;
        return feed(in, instant{}, output_, told);
    }
    /// The bytes to send now; empty afterwards.
    [[nodiscard]] bytes take_output() noexcept { return std::exchange(output_, {}); }

private:
    handshake(xx_pattern pattern, bytes payload, std::optional<peer::peer_id> expected) noexcept
        : pattern_{std::move(pattern)}, payload_{std::move(payload)}, expected_{std::move(expected)} {}

    [[nodiscard]] result<void> write(byte_view payload, bytes& out) {
        bytes message;
        MUSTER_TRY(pattern_.write(payload, message));
        append_length(out, message.size());
        append(out, message);
        return ok();
    }

    [[nodiscard]] result<void> read(byte_view message) {
        bool const greeting = pattern_.untouched();
        MUSTER_TRY(auto const payload, pattern_.read(message));
        if (greeting) return ok();  // message 0 is not encrypted and says nothing about its sender
        return identify(payload);
    }

    [[nodiscard]] result<void> identify(byte_view payload) {
        MUSTER_TRY(auto const claim, decode_handshake_payload(payload));
        auto const key = peer::host_key::decode(claim.identity_key);
        if (!key) return error{errc::bad_identity, key.error().message()};
        if (!key.value().verify(signed_message(pattern_.their_static()), claim.identity_sig)) {
            return error{errc::bad_identity, "the host key did not sign the Noise key"};
        }
        them_ = key.value().id();
        if (expected_ && *expected_ != them_) {
            return error{errc::unexpected_peer, text("dialled ", expected_->to_text(), ", reached ", them_.to_text())};
        }
        return ok();
    }

    xx_pattern pattern_;
    bytes payload_;
    std::optional<peer::peer_id> expected_;
    peer::peer_id them_;
    frame_reader reader_{handshake_size_max};
    bytes output_;  ///< What was said before there was a buffer for it.
};

}  // namespace muster::libp2p::noise
