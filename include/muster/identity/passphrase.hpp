// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What a person knows and types. It is kept in guarded memory, taken byte for byte, and never shown.

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>

#include <muster/core/result.hpp>
#include <muster/crypto/secret.hpp>
#include <muster/identity/errc.hpp>

namespace muster::identity {

/// A passphrase. Move-only; wiped with its last owner.
class passphrase {
public:
    /// Bytes. NIST SP 800-63B, section 5.1.1.2: at least 8 characters.
    static constexpr std::size_t size_min = 8;
    /// Bytes: what fits into one slot of guarded memory; the same section asks for at least 64 characters.
    static constexpr std::size_t size_max = 128;

    /// A copy of @p typed, which the caller wipes. For one that is chosen now.
    /// @return `bad_passphrase` when it is too short or too long, or `no_locked_memory`.
    [[nodiscard]] static result<passphrase> choose(byte_view typed) {
        if (typed.size() < size_min) {
            return error{errc::bad_passphrase,
                         text("a passphrase of ", typed.size(), " bytes is guessed at once; take ", size_min,
                              " or more: a few words that nobody else would put together")};
        }
        return take(typed);
    }
    /// The same for one that was chosen before: however short it is, it is right or wrong.
    [[nodiscard]] static result<passphrase> take(byte_view typed) {
        if (typed.size() > size_max) {
            return error{errc::bad_passphrase,
                         text("a passphrase of ", typed.size(), " bytes; at most ", size_max, " are taken")};
        }
        MUSTER_TRY(auto memory, crypto::secret<size_max>::make());
        std::copy(typed.begin(), typed.end(), memory.span().begin());
        return passphrase{std::move(memory), typed.size()};
    }

    /// The bytes, as they were typed. Expects that it was not moved from.
    [[nodiscard]] byte_view view() const noexcept { return memory_.view().first(size_); }
    /// `secret_gone` when it was moved from, or inherited through fork.
    [[nodiscard]] result<void> require() const { return memory_.require(); }
    /// A second one with the same bytes, said aloud.
    [[nodiscard]] result<passphrase> clone() const {
        MUSTER_TRY(memory_.require());
        return take(view());
    }
    /// Whether both are the same. In time that says nothing but their lengths.
    [[nodiscard]] bool is_same_as(passphrase const& other) const noexcept {
        if (size_ != other.size_) return false;
        byte difference = 0;
        for (std::size_t i = 0; i < size_; ++i)
            difference = static_cast<byte>(difference | (view()[i] ^ other.view()[i]));
        return difference == 0;
    }

private:
    passphrase(crypto::secret<size_max> memory, std::size_t size) noexcept : memory_{std::move(memory)}, size_{size} {}

    crypto::secret<size_max> memory_;
    std::size_t size_;
};

}  // namespace muster::identity
