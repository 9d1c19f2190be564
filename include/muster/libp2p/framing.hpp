// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Frames on a stream of bytes: each behind its length as a varint. Both directions, no I/O.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

#include <muster/core/bytes.hpp>
#include <muster/core/result.hpp>
#include <muster/transport/errc.hpp>
#include <muster/wire/varint.hpp>

namespace muster::libp2p {

/// Cuts received bytes into frames. Holds at most one frame and what came in with it.
class frame_reader {
public:
    /// @param frame_size_max  bytes of a frame; longer ones are refused before they are kept.
    explicit frame_reader(std::size_t frame_size_max) noexcept : frame_size_max_{frame_size_max} {}

    /// Adds bytes of the stream.
    void feed(byte_view in) { append(pending_, in); }

    /// The next whole frame, or none yet. Call until none. The frame is borrowed until the next call.
    /// @return `too_large`, or what is wrong with a length; the stream is of no use afterwards.
    [[nodiscard]] result<std::optional<byte_view>> next() {
        auto const rest = byte_view{pending_}.subspan(at_);
        MUSTER_TRY(auto const length, wire::parse_varint(rest));
        if (!length) return wait();
        if (length->value > frame_size_max_) {
            return error{transport::errc::too_large, text("a frame of ", length->value, " bytes is announced, at most ",
                                                          frame_size_max_, " are taken")};
        }
        auto const size = static_cast<std::size_t>(length->value);
        if (rest.size() - length->size < size) return wait();
        at_ += length->size + size;
        return std::optional{rest.subspan(length->size, size)};
    }

    /// Bytes kept: at most a frame with its length, and what the last `feed` brought.
    [[nodiscard]] std::size_t held() const noexcept { return pending_.size(); }

private:
    // Nothing whole is left: what was handed out is forgotten, and the memory of a burst given back.
    [[nodiscard]] std::optional<byte_view> wait() {
        byte_view const rest = byte_view{pending_}.subspan(std::exchange(at_, 0));
        if (pending_.capacity() > kept_max && rest.size() <= kept_max) {
            pending_ = to_bytes(rest);
        } else {
            pending_.erase(pending_.begin(), pending_.end() - static_cast<std::ptrdiff_t>(rest.size()));
        }
        return std::nullopt;
    }
    static constexpr std::size_t kept_max = 4096;  // bytes of capacity without content; ours

    std::size_t frame_size_max_;
    bytes pending_;
    std::size_t at_ = 0;
};

/// Frames waiting to be written. Bounded; what does not fit is refused whole.
class frame_writer {
public:
    /// @param queue_max  bytes, lengths included.
    explicit frame_writer(std::size_t queue_max) noexcept : queue_max_{queue_max} {}

    /// Queues a frame; false, and nothing is queued, when that exceeds the bound while others wait.
    [[nodiscard]] bool try_push(byte_view frame) {
        if (size() != 0 && size() + frame.size() + wire::varint_size_max > queue_max_) return false;
        if (queue_.empty()) queue_.reserve(wire::varint_size_max + frame.size());
        wire::append_varint(queue_, frame.size());
        append(queue_, frame);
        return true;
    }
    /// What is to be written next.
    [[nodiscard]] byte_view front() const noexcept { return byte_view{queue_}.subspan(at_); }
    /// Forgets what was written.
    void pop(std::size_t written) {
        at_ += written;
        if (at_ == queue_.size()) {  // nothing waits: nothing is kept
            discard(queue_);
            at_ = 0;
        } else if (at_ >= compact_at) {
            queue_.erase(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(std::exchange(at_, 0)));
        }
    }
    /// Bytes waiting.
    [[nodiscard]] std::size_t size() const noexcept { return queue_.size() - at_; }

private:
    static constexpr std::size_t compact_at = 256u << 10;  // moves what is left at most once per so many bytes

    std::size_t queue_max_;
    bytes queue_;
    std::size_t at_ = 0;
};

}  // namespace muster::libp2p
