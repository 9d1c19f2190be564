// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What owners, guardians and those who have lost everything say to each other. Each has one encoding.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <muster/core/fields.hpp>
#include <muster/identity/backup.hpp>
#include <muster/identity/lineage.hpp>

namespace muster::identity {

struct request_id_tag;
/// The hash of a recovery request.
using request_id = fixed_bytes<request_id_tag, 32>;

/// An owner gives a guardian a share.
struct offer {
    static constexpr std::size_t blob_size_max = 4096;  ///< Bytes; a wrapped key file has 242.
    bytes manifest;
    std::uint8_t index = 0;
    bytes sealed;
    bytes blob;
    bytes line;  ///< The owner's @ref lineage.
    MUSTER_FIELDS(offer, manifest, index, sealed, blob, line);
};
/// A guardian has it, and says so: signed, so that it can be shown.
struct acknowledgement {
    set_id set;
    std::uint32_t epoch = 0;
    std::uint8_t index = 0;
    crypto::signature signature;
    MUSTER_FIELDS(acknowledgement, set, epoch, index, signature);
};
/// An owner asks whether a guardian still has it.
struct challenge {
    set_id set;
    crypto::digest32 nonce;
    MUSTER_FIELDS(challenge, set, nonce);
};
/// A guardian has it: an HMAC under the share.
struct possession {
    set_id set;
    std::uint8_t index = 0;
    crypto::digest32 mac;
    MUSTER_FIELDS(possession, set, index, mac);
};
/// Somebody who has lost everything says who they are, and under which fresh key shares may be sent.
struct recovery_request {
    user_id owner;
    crypto::x25519_public fresh;
    crypto::digest32 nonce;
    MUSTER_FIELDS(recovery_request, owner, fresh, nonce);

    [[nodiscard]] request_id id() const {
        static crypto::hash_tag const tag{"muster/recovery/v1"};
        return request_id::from(crypto::tagged_hash(tag, owner.view(), fresh.view(), nonce.view()).view());
    }
    /// Twenty digits that the two people compare, by voice or face to face. Whoever wants to have the digits of another
    /// request only has to draw nonces, a hash each: 10^12 of them take minutes, 10^20 take longer than the digits
    /// last.
    [[nodiscard]] std::string spoken() const {
        auto const hash = id();
        std::string out;
        for (std::size_t group = 0; group < 5; ++group) {  // of 24 bits each: uneven by less than 10^-3
            unsigned number = 0;
            for (std::size_t i = 0; i < 3; ++i) number = number << 8 | hash.octets[3 * group + i];
            auto const digits = std::to_string(number % 10'000u);
            out.append(group == 0 ? "" : "-").append(4 - digits.size(), '0').append(digits);
        }
        return out;
    }
};
/// The owner is alive, and did not ask.
struct veto {
    request_id request;
    crypto::public_key key;  ///< The node key of the manifest.
    crypto::signature signature;
    MUSTER_FIELDS(veto, request, key, signature);

    [[nodiscard]] static crypto::digest32 digest(request_id const& r) {
        static crypto::hash_tag const tag{"muster/veto/v1"};
        return crypto::tagged_hash(tag, r.view());
    }
};
/// A guardian gives the share out.
struct release {
    request_id request;
    bytes manifest;
    std::uint8_t index = 0;
    bytes sealed;  ///< For the fresh key.
    bytes blob;
    bytes line;  ///< The owner's @ref lineage, as the guardian knows it.
    MUSTER_FIELDS(release, request, manifest, index, sealed, blob, line);
};

/// Who speaks, over a connection that shows their node key: what others need to make them a guardian, and to know them
/// again under a successor of the key that they know.
struct introduction {
    user_id user;
    crypto::public_key signer;
    crypto::x25519_public agreement;
    bytes line;  ///< The @ref lineage that leads to the node key of the connection.
    MUSTER_FIELDS(introduction, user, signer, agreement, line);

    /// Whether @p key, which the connection has shown, is who it says. Takes what lineage::leads takes.
    /// @return that lineage, or why not.
    [[nodiscard]] result<lineage> check(crypto::public_key const& key) const {
        MUSTER_TRY(auto out, lineage::decode(line));
        MUSTER_TRY(out.leads(user, signer, key));
        bool const is_own = out.records().empty() || out.records().back().agreement == agreement;
        if (!is_own) return error{errc::not_signed, text(shown(user), " has signed another agreement key")};
        return out;
    }
};

using guardian_message =
    std::variant<offer, acknowledgement, challenge, possession, recovery_request, veto, release, introduction>;

/// What a guardian signs who has a share.
[[nodiscard]] inline crypto::digest32 acknowledged(backup_manifest const& m, std::uint8_t index) {
    static crypto::hash_tag const tag{"muster/share-acknowledged/v1"};
    return crypto::tagged_hash(tag, m.context(), std::array{index}, m.guardians[index].commitment.view());
}
/// What only somebody can answer who has the share.
[[nodiscard]] inline crypto::digest32 answer_to(crypto::digest32 const& nonce, share const& s) {
    auto message = to_bytes(as_bytes("muster/share-possessed/v1"));
    append(message, nonce.view());
    return crypto::hmac_sha256(s.value.view(), message);
}

/// The bytes to send.
[[nodiscard]] inline bytes encode(guardian_message const& m) {
    wire::writer out;
    out.u8(static_cast<std::uint8_t>(m.index() + 1));
    auto const put = [&](auto const& v) {
        using type = std::remove_cvref_t<decltype(v)>;
        if constexpr (std::same_as<type, bytes>) {
            out.sized(v);
        } else if constexpr (std::same_as<type, std::uint8_t>) {
            out.u8(v);
        } else if constexpr (std::same_as<type, std::uint32_t>) {
            out.u32(v);
        } else {
            out.raw(v.view());
        }
    };
    std::visit([&](auto const& each) { for_each_field(each, [&](auto, auto const& v) { put(v); }); }, m);
    return out.take();
}

/// Reads one. @return `malformed`.
[[nodiscard]] inline result<guardian_message> decode_guardian_message(byte_view all) {
    wire::reader in{all};
    guardian_message out;
    switch (in.enumerator(std::uint8_t{1}, std::uint8_t{8})) {
        case 1: {
            offer o;
            o.manifest = to_bytes(in.sized(backup_manifest::size_max));
            o.index = in.u8();
            o.sealed = to_bytes(in.sized(32 + sealed_box_overhead));
            o.blob = to_bytes(in.sized(offer::blob_size_max));
            o.line = to_bytes(in.sized(lineage::size_max));
            out = std::move(o);
            break;
        }
        case 2: {
            acknowledgement a;
            a.set = in.fixed<set_id>();
            a.epoch = in.u32();
            a.index = in.u8();
            a.signature = in.fixed<crypto::signature>();
            out = a;
            break;
        }
        case 3: {
            challenge c;
            c.set = in.fixed<set_id>();
            c.nonce = in.fixed<crypto::digest32>();
            out = c;
            break;
        }
        case 4: {
            possession p;
            p.set = in.fixed<set_id>();
            p.index = in.u8();
            p.mac = in.fixed<crypto::digest32>();
            out = p;
            break;
        }
        case 5: {
            recovery_request r;
            r.owner = in.fixed<user_id>();
            r.fresh = in.fixed<crypto::x25519_public>();
            r.nonce = in.fixed<crypto::digest32>();
            out = r;
            break;
        }
        case 6: {
            veto v;
            v.request = in.fixed<request_id>();
            v.key = in.fixed<crypto::public_key>();
            v.signature = in.fixed<crypto::signature>();
            out = v;
            break;
        }
        case 8: {
            introduction i;
            i.user = in.fixed<user_id>();
            i.signer = in.fixed<crypto::public_key>();
            i.agreement = in.fixed<crypto::x25519_public>();
            i.line = to_bytes(in.sized(lineage::size_max));
            out = std::move(i);
            break;
        }
        default: {
            release r;
            r.request = in.fixed<request_id>();
            r.manifest = to_bytes(in.sized(backup_manifest::size_max));
            r.index = in.u8();
            r.sealed = to_bytes(in.sized(32 + sealed_box_overhead));
            r.blob = to_bytes(in.sized(offer::blob_size_max));
            r.line = to_bytes(in.sized(lineage::size_max));
            out = std::move(r);
        }
    }
    if (auto const done = in.finish(); !done) {
        return error{errc::malformed, text("a guardian's message: ", done.error().message())};
    }
    return out;
}

/// An answer is a list of messages, each after its size. @{
inline constexpr std::size_t answers_max = 4, guardian_message_size_max = 64u << 10;
[[nodiscard]] inline bytes encode_answers(std::span<guardian_message const> all) {
    wire::writer out;
    for (auto const& m : all) out.sized(encode(m));
    return out.take();
}
/// @return `malformed`.
[[nodiscard]] inline result<std::vector<guardian_message>> decode_answers(byte_view all) {
    std::vector<guardian_message> out;
    wire::reader in{all};
    while (in.ok() && in.remaining() != 0 && out.size() < answers_max) {
        MUSTER_TRY(auto m, decode_guardian_message(in.sized(guardian_message_size_max)));
        out.push_back(std::move(m));
    }
    if (!in.finish()) return error{errc::malformed, "no guardian's answer"};
    return out;
}
/// @}

}  // namespace muster::identity
