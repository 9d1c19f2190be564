// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// A seed that differs from process to process, for what must not be guessed from outside and is no secret: hashes of
/// tables, random choices, jitter.
///
/// The only place outside crypto/ that asks the operating system for randomness. Compositions take seeds as arguments
/// and default to this one, so that one seed decides a whole simulated run.

#include <cstdint>

#include <unistd.h>

#include <muster/core/version.hpp>

namespace muster {

/// 64 bits of the operating system. When it has none to give, the seed is merely another one in each process and each
/// call. Thread-safe; one system call.
[[nodiscard]] inline std::uint64_t system_seed() noexcept {
    std::uint64_t out = 0;
    if (::getentropy(&out, sizeof out) == 0) return out;
    static thread_local std::uint64_t calls = 0;  // each thread has its own, at an address of its own
    auto const here = static_cast<std::uint64_t>(reinterpret_cast<std::uintptr_t>(&calls));  // random in most systems
    return (here + ++calls) * 0x9e37'79b9'7f4a'7c15u + static_cast<std::uint64_t>(::getpid());
}

}  // namespace muster
