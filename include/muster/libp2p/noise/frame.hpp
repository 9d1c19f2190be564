// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// How Noise messages are cut out of a stream: two bytes of length, big-endian, then the message.
///
/// @see libp2p specs, noise/README.md, "Wire Format".

#include <algorithm>
#include <cstddef>

#include <muster/core/bytes.hpp>
#include <muster/core/result.hpp>
#include <muster/libp2p/errc.hpp>

namespace muster::libp2p::noise {

/// Longest message that the length can say.
inline constexpr std::size_t frame_size_max = 65535;

/// Appends the length that stands before a message of @p size bytes. Expects `size <= frame_size_max`.
inline void append_length(bytes& out, std::size_t size) {
    out.push_back(static_cast<byte>(size >> 8));
    out.push_back(static_cast<byte>(size & 0xff));
}

/// Collects one message from bytes that arrive in any portions. Holds at most a message.
class frame_reader {
public:
    /// @param size_max  longest message accepted.
    explicit frame_reader(std::size_t size_max) noexcept : size_max_{size_max} {}

    /// Takes what belongs to the current message off the front of @p in.
    /// @return whether the message is whole; `too_large`.
    [[nodiscard]] result<bool> take(byte_view& in) {
        take_up_to(in, prefix_size);
        if (held_.size() < prefix_size) return false;
        if (size() > size_max_) {
            return error{errc::too_large, text("a Noise message of ", size(), " bytes, at most ", size_max_)};
        }
        take_up_to(in, prefix_size + size());
        return held_.size() == prefix_size + size();
    }

    /// The message, when it is whole; until @ref clear.
    [[nodiscard]] byte_view message() const noexcept { return byte_view{held_}.subspan(prefix_size); }
    /// Begins the next message.
    void clear() noexcept { held_.clear(); }
    /// Gives back the memory of a long message, between messages.
    void trim() noexcept {
        if (held_.empty() && held_.capacity() > kept_max) discard(held_);
    }

private:
    static constexpr std::size_t prefix_size = 2;
    static constexpr std::size_t kept_max = 4096;  // bytes of capacity while nothing arrives; ours

    [[nodiscard]] std::size_t size() const noexcept { return std::size_t{held_[0]} << 8 | held_[1]; }

    void take_up_to(byte_view& in, std::size_t wanted) {
        if (held_.size() >= wanted) return;
        auto const part = std::min(in.size(), wanted - held_.size());
        append(held_, in.first(part));
        in = in.subspan(part);
    }

    std::size_t size_max_;
    bytes held_;
};

}  // namespace muster::libp2p::noise
