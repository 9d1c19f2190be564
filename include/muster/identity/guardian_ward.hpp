// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What a guardian keeps of one owner, and how it is written down.
///
/// Layout, integers big-endian: version (1), the offer, the one before it or nothing, the owner's lineage as it is
/// known now, each behind its length; until when there is quiet (8); number of refused requests (1) and their ids (32
/// each); whether a request is approved (1), and of that one: the request behind its length, when it was approved and
/// when its share may be given out (8 each, Unix milliseconds), and how much of the delay has passed while this
/// guardian ran (8, milliseconds).

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include <muster/core/bounded.hpp>
#include <muster/identity/guardian_message.hpp>

namespace muster::identity {

/// A share as its owner has offered it.
struct kept_share {
    backup_manifest manifest;
    offer given;
};
/// Somebody asks for a share, and no person has said yet that it is who they say.
struct waiting_request {
    recovery_request what;
    peer::peer_id from;
    timestamp opened{};
    bool operator==(waiting_request const&) const = default;
};
/// A person has said so.
struct approved_request {
    recovery_request what;
    timestamp approved{};
    timestamp released_at{};  ///< By the wall.
    duration ran{};           ///< How much of the delay has passed while this guardian ran.
    bool operator==(approved_request const&) const = default;
};

/// One owner.
struct ward {
    static constexpr std::uint8_t version = 2;
    static constexpr std::size_t waiting_max = 4;   ///< The oldest makes room: it is asked again. Ours.
    static constexpr std::size_t refused_max = 16;  ///< The oldest makes room. Ours.

    kept_share newest;
    std::optional<kept_share> before;  ///< Of the epoch before, until the new one is settled.
    lineage line;                      ///< The longest that the owner has shown.
    crypto::public_key key;            ///< Which it leads to.
    std::vector<waiting_request> waiting = {};
    std::optional<approved_request> approved = {};
    std::vector<request_id> refused = {};  ///< Vetoed or declined, until @ref quiet_until.
    timestamp quiet_until{};               ///< Until then no person is told of requests.

    [[nodiscard]] user_id const& owner() const noexcept { return newest.manifest.owner; }
    [[nodiscard]] bytes encoded() const {
        wire::writer out;
        out.u8(version).sized(encode(newest.given)).sized(before ? encode(before->given) : bytes{});
        out.sized(line.encoded()).i64(to_unix_millis(quiet_until)).u8(static_cast<std::uint8_t>(refused.size()));
        for (auto const& id : refused) out.raw(id.view());
        out.u8(approved ? 1 : 0);
        if (approved) {
            out.sized(encode(approved->what)).i64(to_unix_millis(approved->approved));
            out.i64(to_unix_millis(approved->released_at));
            out.i64(std::chrono::duration_cast<std::chrono::milliseconds>(approved->ran).count());
        }
        return out.take();
    }
    /// The ward that @ref encoded gave. Its shares are not opened. @return `malformed` or why a manifest is none.
    [[nodiscard]] static result<ward> decode(byte_view kept);
};

namespace detail {
[[nodiscard]] inline result<kept_share> read_share(byte_view kept) {
    MUSTER_TRY(auto given, decode_guardian_message(kept));
    auto* const o = std::get_if<offer>(&given);
    if (o == nullptr) return error{errc::malformed, "a ward without a share"};
    MUSTER_TRY(auto m, backup_manifest::decode(o->manifest));
    if (o->index >= m.guardians.size()) return error{errc::malformed, "a ward whose share is at no place"};
    return kept_share{std::move(m), std::move(*o)};
}
}  // namespace detail

inline result<ward> ward::decode(byte_view kept) {
    constexpr std::size_t share_size_max = 48u << 10;
    wire::reader in{kept};
    if (in.u8() != version) in.fail(wire::errc::bad_value, "another version");
    ward out;
    MUSTER_TRY(out.newest, detail::read_share(in.sized(share_size_max)));
    if (auto const older = in.sized(share_size_max); !older.empty()) {
        MUSTER_TRY(out.before, detail::read_share(older));
    }
    MUSTER_TRY(out.line, lineage::decode(in.sized(lineage::size_max)));
    out.key = out.line.records().empty() ? out.newest.manifest.key : out.line.records().back().new_node;
    out.quiet_until = from_unix_millis(in.i64());
    auto const refused = in.u8();
    for (unsigned i = 0; i < refused && in.ok() && i < refused_max; ++i) out.refused.push_back(in.fixed<request_id>());
    if (in.enumerator(std::uint8_t{0}, std::uint8_t{1}) == 1) {
        approved_request r;
        MUSTER_TRY(auto const what, decode_guardian_message(in.sized(1024)));
        if (!std::holds_alternative<recovery_request>(what)) return error{errc::malformed, "a request that is none"};
        r.what = std::get<recovery_request>(what);
        r.approved = from_unix_millis(in.i64());
        r.released_at = from_unix_millis(in.i64());
        constexpr std::int64_t year = std::int64_t{366} * 24 * 3'600'000;
        auto const ran = in.i64();
        if (ran < 0) in.fail(wire::errc::bad_value, "time that ran backwards");
        r.ran = std::chrono::milliseconds{std::clamp(ran, std::int64_t{0}, year)};
        out.approved = r;
    }
    if (auto const done = in.finish(); !done) return error{errc::malformed, text("a ward: ", done.error().message())};
    return out;
}

}  // namespace muster::identity
