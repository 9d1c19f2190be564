// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What a message is called: the name under which it is known, announced and asked for.
///
/// All nodes of a topic must make the same id of the same message. The default is author and sequence number, which
/// only means something where authors sign; where they do not, the id is a hash of what is sent. A function of the
/// application's own is a policy: anything that makes an id of a message.
/// @see libp2p specs, pubsub/README.md, "Message Identification".

#include <algorithm>
#include <array>
#include <compare>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <muster/core/bytes.hpp>
#include <muster/core/hex.hpp>
#include <muster/crypto/hash.hpp>
#include <muster/gossip/wire/message.hpp>

namespace muster::gossip {

/// The id of a message: up to 64 bytes. Regular, trivially copyable.
class message_id {
public:
    /// Most bytes: an author of 44 and a sequence number of 8 fit. Ours.
    static constexpr std::size_t size_max = 64;

    constexpr message_id() noexcept = default;
    /// The id @p content; cut where it is longer than `size_max`, which a policy must not rely on.
    explicit constexpr message_id(byte_view content) noexcept { append(content); }

    [[nodiscard]] constexpr byte_view view() const noexcept { return byte_view{bytes_}.first(size_); }
    [[nodiscard]] constexpr bool empty() const noexcept { return size_ == 0; }
    /// The bytes as characters: what the seen-cache hashes.
    [[nodiscard]] std::string_view characters() const noexcept {
        return {reinterpret_cast<char const*>(bytes_.data()), size_};
    }
    [[nodiscard]] std::string to_text() const { return to_hex(view()); }

    /// Adds @p more at the end, as much as fits.
    constexpr message_id& append(byte_view more) noexcept {
        for (byte const b : more.first(std::min(more.size(), size_max - size_))) bytes_[size_++] = b;
        return *this;
    }

    auto operator<=>(message_id const&) const = default;
    friend bool operator==(message_id const& a, message_id const& b) noexcept { return equal(a.view(), b.view()); }

private:
    std::array<byte, size_max> bytes_{};
    std::uint8_t size_ = 0;
};

/// Makes ids.
///
/// Semantics: the same id on every node, from the message's fields alone; never empty. O(size).
template <class F>
concept message_id_function = requires(F const& f, rpc::message_view const& m) {
    { f(m) } -> std::same_as<message_id>;
};

/// Author, then sequence number. For topics whose messages are signed: with an unsigned author anybody could use up
/// the ids of somebody else.
struct id_of_author {
    [[nodiscard]] message_id operator()(rpc::message_view const& m) const noexcept {
        return message_id{m.from}.append(m.seqno);
    }
};
static_assert(message_id_function<id_of_author>);

/// SHA-256 of topic and data, each behind its length: for topics whose messages are not signed. Ours.
struct id_of_content {
    [[nodiscard]] message_id operator()(rpc::message_view const& m) const {
        crypto::sha256_hasher hash;
        for (byte_view const part : {as_bytes(m.topic), m.data}) {
            std::array<byte, 8> length;
            for (unsigned i = 0; i < 8; ++i) length[i] = static_cast<byte>(std::uint64_t{part.size()} >> (8 * i));
            hash.update(length).update(part);
        }
        return message_id{hash.finish().view()};
    }
};
static_assert(message_id_function<id_of_content>);

}  // namespace muster::gossip
