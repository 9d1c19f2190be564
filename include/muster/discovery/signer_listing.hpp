// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// A signer as it is known here: what it says of itself, and what is ours.

#include <algorithm>
#include <cstdint>
#include <string>

#include <muster/core/fields.hpp>
#include <muster/core/time.hpp>
#include <muster/discovery/discovery_cache.hpp>
#include <muster/discovery/signer_advertisement.hpp>
#include <muster/wire/reader.hpp>
#include <muster/wire/writer.hpp>

namespace muster::discovery {

/// An entry of the directory. Its equality is that of the advertisement: what is ours may differ.
struct signer_listing {
    /// The kind of notice.
    using notice_type = signer_advertisement;
    signer_advertisement what;    ///< Verified.
    bytes sealed;                 ///< The same, as it is passed on.
    peer::peer_id delivered_by;   ///< Who has brought it; its own machine perhaps.
    bool is_subscribed = false;   ///< Somebody here follows it.
    std::int32_t reputation = 0;  ///< Of its machine, by our own account: see peer::reputation.
    duration response_time{};     ///< How long it takes to answer, as we have seen it, averaged; 0 when it never has.
    std::uint64_t sequence = 0;   ///< As in @ref what; for the cache.
    timestamp expires_at{};       ///< The same.
    /// The members, for printing and JSON.
    static constexpr auto fields = field_list{"signer_listing",
                                              field{"what", &signer_listing::what},
                                              field{"sealed", &signer_listing::sealed},
                                              field{"delivered_by", &signer_listing::delivered_by},
                                              field{"is_subscribed", &signer_listing::is_subscribed},
                                              field{"reputation", &signer_listing::reputation},
                                              field{"response_time", &signer_listing::response_time},
                                              field{"sequence", &signer_listing::sequence},
                                              field{"expires_at", &signer_listing::expires_at}};
    friend bool operator==(signer_listing const& a, signer_listing const& b) { return a.sealed == b.sealed; }

    /// Takes over what is ours from the version before.
    void keep_marks(signer_listing const& before) {
        is_subscribed = before.is_subscribed;
        reputation = before.reputation;
        response_time = before.response_time;
    }
};

/// How listings are kept. What is read is a claim until it is verified again: @ref signer_listing::what is empty.
struct signer_listing_codec {
    /// What a file of listings begins with.
    static constexpr std::uint32_t id = 0x7369'676e;  // "sign"
    /// Appends @p l to @p w. O(bytes).
    void write(wire::writer& w, signer_listing const& l) const {
        w.sized(l.sealed).sized(l.delivered_by.view()).u8(l.is_subscribed ? 1 : 0);
        w.u32(static_cast<std::uint32_t>(l.reputation)).i64(l.response_time.count());
        w.u64(l.sequence).i64(to_unix_millis(l.expires_at));
    }
    /// Reads what @ref write has written; @p r says what is wrong with it.
    [[nodiscard]] signer_listing read(wire::reader& r) const {
        signer_listing out;
        out.sealed = to_bytes(r.sized(signer_advertisement::size_max));
        auto const who = peer::peer_id::from_multihash(r.sized(peer::peer_id::size_max));
        if (who) out.delivered_by = who.value();
        out.is_subscribed = r.u8() == 1;
        out.reputation = static_cast<std::int32_t>(r.u32());
        out.response_time = duration{std::max<std::int64_t>(r.i64(), 0)};
        out.sequence = r.u64();
        out.expires_at = from_unix_millis(r.i64());
        return out;
    }
};

/// How entries of a directory are kept.
using signer_entry_codec = entry_codec<signer_listing, signer_listing_codec, crypto::public_key>;

}  // namespace muster::discovery
