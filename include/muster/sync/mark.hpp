// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What is kept about a chain besides its entries: an entry of sequence 0, one for each chain, the last one counts.
///
/// Layout: a kind (1 byte), a sequence (varint), then a proof that the author's stories part there (kind 1), or the
/// name of our own entry there that was taken back (kind 2).

#include <cstdint>
#include <optional>
#include <utility>

#include <muster/sync/message.hpp>

namespace muster::sync {

/// A mark. A value.
struct mark {
    enum class kind : std::uint8_t { forked = 1, taken_back = 2 };

    kind what = kind::forked;
    dot at;         ///< From where on the chain does not count.
    bytes content;  ///< The proof, or the name.
    bool operator==(mark const&) const = default;

    [[nodiscard]] entry as_entry() const {
        wire::writer out;
        out.u8(static_cast<std::uint8_t>(what)).size(at.sequence).raw(content);
        return {{at.by, 0}, out.take()};
    }
    /// @return `malformed`.
    [[nodiscard]] static result<mark> of(entry const& e) {
        wire::reader in{e.content};
        mark out;
        out.what = kind{in.enumerator(std::uint8_t{1}, std::uint8_t{2})};
        out.at = {e.at.by, detail::read_varint(in)};
        out.content = to_bytes(in.raw(in.remaining()));
        bool const is_one = in.finish() && e.at.sequence == 0 && out.at.sequence != 0;
        if (!is_one) return error{errc::malformed, "a mark on a chain that is none"};
        return out;
    }
};

}  // namespace muster::sync
