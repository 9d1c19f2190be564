// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What happened in a run, as one word and, when asked for, as lines.
///
/// The word covers every event in order. Two runs of a seed that differ anywhere end with different words: on the same
/// machine that is a hidden input (uninitialised memory, an address used as a key), between compilers undefined or
/// unspecified behaviour.

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <muster/core/bytes.hpp>
#include <muster/core/error.hpp>
#include <muster/core/time.hpp>

namespace muster::sim {

/// The record of one run. Not thread-safe.
class trace {
public:
    /// Takes the lines; none are made without it.
    using listener = std::function<void(std::string_view)>;

    void listen(listener to) { to_ = std::move(to); }

    /// Adds a number to the word.
    void note(std::uint64_t what) noexcept {
        // FNV-1a, a word at a time; the shift brings the upper half down, which a multiplication never does.
        hash_ = (hash_ ^ what) * 0x100000001b3u;
        hash_ ^= hash_ >> 29;
    }
    /// Adds bytes to the word. O(size).
    void note(byte_view octets) noexcept {
        note(octets.size());
        for (; octets.size() >= 8; octets = octets.subspan(8)) note(big_endian(octets.first<8>()));  // one load each
        note(big_endian(octets));
    }
    /// Writes a line when lines are wanted; the text is built only then.
    template <class... Parts>
    void say(instant now, Parts const&... parts) {
        if (!to_) return;
        auto const micros = now.time_since_epoch().count() / 1000;
        auto const fraction = std::to_string(1'000'000 + micros % 1'000'000).substr(1);
        to_(text(micros / 1'000'000, ".", fraction, " ", parts...));
    }

    /// The word so far.
    [[nodiscard]] std::uint64_t hash() const noexcept { return hash_; }

private:
    template <std::size_t N>
    [[nodiscard]] static std::uint64_t big_endian(std::span<byte const, N> octets) noexcept {
        std::uint64_t word = 0;
        for (byte const b : octets) word = word << 8 | b;
        return word;
    }

    std::uint64_t hash_ = 0xcbf29ce484222325u;
    listener to_;
};

}  // namespace muster::sim
