// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Secret randomness from the kernel.

#include <sys/random.h>

#include <cerrno>
#include <cstddef>

#include <muster/core/random.hpp>
#include <muster/crypto/errc.hpp>

namespace muster::crypto {

/// `getrandom(2)`, checked. Stateless, thread-safe, safe after fork.
struct system_random {
    /// Fills @p out, or returns `no_entropy`.
    [[nodiscard]] result<void> fill_secret(byte_span out) noexcept {
        while (!out.empty()) {
            auto const got = ::getrandom(out.data(), out.size(), 0);
            if (got < 0 && errno == EINTR) continue;
            if (got <= 0) {
                return error{errc::no_entropy, text("getrandom failed with errno ", errno,
                                                    "; no key or nonce can be made on this system")};
            }
            out = out.subspan(static_cast<std::size_t>(got));
        }
        return ok();
    }
};
static_assert(secret_source<system_random>);

}  // namespace muster::crypto
