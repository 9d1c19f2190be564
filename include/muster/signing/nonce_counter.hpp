// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// A number that no two drawings of nonces share, also not those before and after a restart.
///
/// NonceGen takes fresh randomness and, besides, whatever else makes a signing another one. Where the source of
/// randomness repeats itself, that is all that keeps two nonces apart; equal nonces under different challenges give the
/// key away. So a number is advanced, and written into the journal, before any nonce is drawn under it. An older copy
/// of the journal brings older numbers back: then the clocks, which enter as well, must do.

#include <cstdint>

#include <muster/signing/journal.hpp>
#include <muster/wire/reader.hpp>
#include <muster/wire/writer.hpp>

namespace muster::signing {

/// Counts in a @ref journal. Not thread-safe.
class nonce_counter {
public:
    /// The journal's entry that holds the number.
    [[nodiscard]] static session_id entry() noexcept { return {}; }

    /// Takes up what was written down. @return what does not fit.
    [[nodiscard]] result<void> restore(byte_view content) {
        wire::reader in{content};
        auto const kept = in.u64();
        MUSTER_TRY(in.finish());
        value_ = kept;
        return ok();
    }
    /// The next number, which is in @p to before this returns. Errors: those of the journal.
    template <journal Journal>
    [[nodiscard]] result<std::uint64_t> advance(Journal& to) {
        wire::writer out;
        out.u64(value_ + 1);
        MUSTER_TRY(to.put(entry(), out.view()));
        return ++value_;
    }

private:
    std::uint64_t value_ = 0;
};

}  // namespace muster::signing
