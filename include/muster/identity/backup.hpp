// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// A key file in the hands of guardians: some of them and the passphrase restore everything, and fewer nothing.
///
/// What is shared is no key of the owner but the key of a wrapping around the key file, so guardians who conspire still
/// have to guess the passphrase. That key and all shares are derived from the owner's backup key and the number of the
/// set: the owner can make them again at any time, and keeps none of them.
///
/// A manifest, signed by the owner, says which set and which epoch it is, who the guardians are, how many it takes, and
/// the hash of each share and of the wrapped file. So a share that is wrong is named, and one of another set is none.
/// (The owner deals honestly or hurts only themselves, which is why no verifiable secret sharing is needed.)
///
/// Manifest, integers big-endian: version (1), user id (32), node key (33), signer key (33), set (16), epoch (4),
/// threshold (1), number of guardians (1), issued (8, Unix milliseconds), hash of the wrapped file (32); of each
/// guardian: their user id (32), agreement key (32), hash of their share (32); then the signature (64). The signer key
/// stays when the others are exchanged, so a guardian who has it knows which successors to follow.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include <muster/core/fields.hpp>
#include <muster/core/time.hpp>
#include <muster/identity/sealed_box.hpp>
#include <muster/identity/shamir.hpp>
#include <muster/identity/user_id.hpp>
#include <muster/peer/authenticated.hpp>
#include <muster/peer/identity.hpp>
#include <muster/wire/reader.hpp>
#include <muster/wire/writer.hpp>

namespace muster::identity {

struct set_id_tag;
/// One splitting of one backup. Random.
using set_id = fixed_bytes<set_id_tag, 16>;

/// Somebody who keeps a share.
struct guardian {
    user_id who;
    crypto::x25519_public key;    ///< Their agreement key.
    crypto::digest32 commitment;  ///< The hash of their share.
    bool operator==(guardian const&) const = default;
};

/// What a backup consists of. A claim until `verify`.
struct backup_manifest {
    static constexpr std::uint8_t version = 2;
    static constexpr std::size_t head_size = 1 + 32 + 33 + 33 + 16 + 4 + 1 + 1 + 8 + 32;
    static constexpr std::size_t size_max = head_size + 16 * 96 + 64;

    user_id owner;
    crypto::public_key key;     ///< The owner's node key when they signed it.
    crypto::public_key signer;  ///< The owner's signer key.
    set_id set;
    std::uint32_t epoch = 0;  ///< From 1; a greater one replaces all before it.
    std::uint8_t threshold = 0;
    timestamp issued{};
    crypto::digest32 blob;            ///< The hash of the wrapped file.
    std::vector<guardian> guardians;  ///< The share of each is at its place.
    crypto::signature signature;
    bool operator==(backup_manifest const&) const = default;

    [[nodiscard]] sharing how() const noexcept { return {threshold, static_cast<std::uint8_t>(guardians.size())}; }
    /// What binds shares, wrapped file and requests to this set.
    [[nodiscard]] bytes context() const {
        wire::writer out;
        out.raw(as_bytes("muster/backup/v1")).raw(owner.view()).raw(set.view()).u32(epoch);
        return out.take();
    }
    [[nodiscard]] bytes encoded() const {
        auto out = wire::writer{signed_bytes()};
        return out.raw(signature.view()).take();
    }
    /// @return `malformed`, `unsupported_version` or `bad_policy`.
    [[nodiscard]] static result<backup_manifest> decode(byte_view all);
    [[nodiscard]] result<void> sign(peer::node_key const& with) {
        MUSTER_TRY(signature, with.sign(digest()));
        return ok();
    }
    /// Whether its key signed it. Whether that key is the owner's is for who knows the owner. About 45 us.
    [[nodiscard]] bool is_signed() const {
        return crypto::verify_bip340(crypto::to_xonly(key), digest().view(), signature);
    }
    /// Whether @p s is the share that @p at this place was given.
    [[nodiscard]] bool is_share(share const& s) const {
        return s.index < guardians.size() && guardians[s.index].commitment == commitment_of(s);
    }
    /// The hash of a share of this set.
    [[nodiscard]] crypto::digest32 commitment_of(share const& s) const {
        static crypto::hash_tag const tag{"muster/share/v1"};
        return crypto::tagged_hash(tag, context(), std::array{s.index}, s.value.view());
    }

private:
    [[nodiscard]] bytes signed_bytes() const {
        wire::writer out;
        out.u8(version).raw(owner.view()).raw(key.view()).raw(signer.view()).raw(set.view()).u32(epoch).u8(threshold);
        out.u8(static_cast<std::uint8_t>(guardians.size())).i64(to_unix_millis(issued)).raw(blob.view());
        for (auto const& g : guardians) out.raw(g.who.view()).raw(g.key.view()).raw(g.commitment.view());
        return out.take();
    }
    [[nodiscard]] crypto::digest32 digest() const {
        static crypto::hash_tag const tag{"muster/backup-manifest/v1"};
        return crypto::tagged_hash(tag, signed_bytes());
    }
};

inline result<backup_manifest> backup_manifest::decode(byte_view all) {
    if (all.empty() || all[0] != version) {
        return error{errc::unsupported_version, "a manifest of another version"};
    }
    backup_manifest out;
    wire::reader in{all.subspan(1)};
    out.owner = in.fixed<user_id>();
    out.key = in.fixed<crypto::public_key>();
    out.signer = in.fixed<crypto::public_key>();
    out.set = in.fixed<set_id>();
    out.epoch = in.u32();
    out.threshold = in.u8();
    auto const n = in.u8();
    out.issued = from_unix_millis(in.i64());
    out.blob = in.fixed<crypto::digest32>();
    for (unsigned i = 0; i < n && in.ok() && i < sharing::shares_max; ++i) {
        guardian g;
        g.who = in.fixed<user_id>();
        g.key = in.fixed<crypto::x25519_public>();
        g.commitment = in.fixed<crypto::digest32>();
        out.guardians.push_back(g);
    }
    out.signature = in.fixed<crypto::signature>();
    if (auto const done = in.finish(); !done)
        return error{errc::malformed, text("a manifest: ", done.error().message())};
    MUSTER_TRY(out.how().check());
    if (out.epoch == 0) return error{errc::malformed, "a manifest of epoch 0"};
    return out;
}

/// A backup as its owner hands it out.
struct backup {
    backup_manifest manifest;
    bytes blob;                 ///< The wrapped key file: every guardian gets it.
    std::vector<bytes> sealed;  ///< The share of each guardian, for them alone.
};

namespace detail {
/// Secrets that follow from the backup key and a set, in an order. A model of secret_source for one splitting.
class backup_stream {
public:
    /// Borrows both.
    backup_stream(crypto::secret<32> const& backup_key, byte_view context)
        : key_{&backup_key}, context_{to_bytes(context)} {}

    [[nodiscard]] result<void> fill_secret(byte_span out) {
        MUSTER_TRY(key_->require());
        auto label = context_;
        label.push_back(static_cast<byte>(calls_ >> 8));
        label.push_back(static_cast<byte>(calls_++));
        crypto::hkdf_sha256(as_bytes("muster/backup-stream/v1"), key_->view(), label, out);
        return ok();
    }

private:
    crypto::secret<32> const* key_;
    bytes context_;
    std::uint32_t calls_ = 0;
};
static_assert(secret_source<backup_stream>);

}  // namespace detail

/// What a set consists of, before it is sealed.
struct dealt {
    crypto::secret<32> wrapping_key;
    std::vector<share> shares;
};
/// What the owner of @p backup_key has dealt in the set of @p context, or will: always the same.
/// @return `bad_policy` or `secret_gone`.
[[nodiscard]] inline result<dealt> deal(crypto::secret<32> const& backup_key, byte_view context, sharing const& how) {
    detail::backup_stream stream{backup_key, context};
    MUSTER_TRY(auto key, crypto::secret<32>::generate(stream));
    MUSTER_TRY(auto shares, split(key, how, stream));
    return dealt{std::move(key), std::move(shares)};
}
/// Whom a share is for.
struct guardian_name {
    user_id who;
    crypto::x25519_public key;
};

/// The epoch of the next backup: a greater one replaces all before it, also those that only guardians remember, so it
/// is the time, in seconds, where that is more than one after @p before.
[[nodiscard]] inline std::uint32_t epoch_after(std::uint32_t before, timestamp now) {
    auto const next = std::max(to_unix_millis(now) / 1000, std::int64_t{before} + 1);
    return static_cast<std::uint32_t>(std::min(next, std::int64_t{UINT32_MAX}));
}

/// Makes a backup of the key file @p wrapped. Nothing of it has to be kept but the manifest.
/// @param source  for the set's number and the sealing.
/// @return `bad_policy`, or errors of keys and sources.
template <secret_source Source>
[[nodiscard]] result<backup> make_backup(byte_view wrapped, user_id const& owner, peer::key_set const& keys,
                                         std::span<guardian_name const> guardians, std::uint8_t threshold,
                                         std::uint32_t epoch, timestamp wall, Source& source) {
    backup out;
    auto& m = out.manifest;
    m.owner = owner;
    m.key = keys.node.public_key();
    m.signer = keys.signer.public_key();
    m.epoch = epoch;
    m.threshold = threshold;
    m.issued = wall;
    if (guardians.size() > sharing::shares_max) {
        return error{errc::bad_policy, text(guardians.size(), " guardians; at most ", sharing::shares_max)};
    }
    for (auto const& g : guardians) m.guardians.push_back({g.who, g.key, {}});
    MUSTER_TRY(m.how().check());
    MUSTER_TRY(source.fill_secret(m.set.octets));
    auto const context = m.context();
    MUSTER_TRY(auto const dealt, deal(keys.backup, context, m.how()));
    crypto::aes_256_gcm{dealt.wrapping_key.view()}.seal({}, context, wrapped, out.blob);  // its only message
    m.blob = crypto::sha256(out.blob);
    for (auto const& s : dealt.shares) {
        m.guardians[s.index].commitment = m.commitment_of(s);
        MUSTER_TRY(auto box, seal(m.guardians[s.index].key, context, s.value.view(), source));
        out.sealed.push_back(std::move(box));
    }
    MUSTER_TRY(m.sign(keys.node));
    return out;
}

/// The share that was sealed for the guardian at @p index.
/// @return `bad_share` when it is not the one of the manifest; the errors of @ref unseal.
[[nodiscard]] inline result<share> open_share(backup_manifest const& m, std::uint8_t index,
                                              crypto::x25519_key const& own, byte_view sealed) {
    MUSTER_TRY(auto plain, unseal(own, m.context(), sealed));
    crypto::wipe_on_exit const wipe_plain{plain};
    if (plain.size() != 32) return error{errc::malformed, text("a share of ", plain.size(), " bytes"), index};
    MUSTER_TRY(auto value, crypto::secret<32>::copy_of(plain));
    share out{index, std::move(value)};
    if (m.is_share(out)) return out;
    return error{errc::bad_share, text("the share at place ", index, " is not the one that the manifest names"), index};
}

/// What became of a backup.
struct restored {
    bytes key_file;
    std::vector<std::uint8_t> bad;  ///< Places of shares that were wrong.
    std::vector<user_id> blamed;    ///< Whose they were, in that order.
};

/// Restores the key file. Wrong shares are named, and it succeeds with the rest when there are enough.
/// @return `too_few_shares`; `wrong_set` when the wrapped file is another one's; `bad_share` when the manifest names
///         shares that were never one secret.
[[nodiscard]] inline result<restored> restore(backup_manifest const& m, byte_view blob, std::span<share const> shares) {
    restored out;
    std::vector<share const*> good;
    for (auto const& s : shares) {
        bool const is_there =
            std::any_of(good.begin(), good.end(), [&](share const* g) { return g->index == s.index; });
        if (!m.is_share(s)) {
            out.bad.push_back(s.index);
        } else if (!is_there && good.size() < m.threshold) {
            good.push_back(&s);
        }
    }
    if (good.size() < m.threshold) {
        return error{errc::too_few_shares,
                     text(good.size(), " of ", shares.size(), " shares are good, and it takes ", m.threshold)};
    }
    if (crypto::sha256(blob) != m.blob) {
        return error{errc::wrong_set,
                     "the wrapped key file is not the one of this backup; ask another guardian for it"};
    }
    MUSTER_TRY(auto const key, combine(good));
    MUSTER_TRY(crypto::aes_256_gcm{key.view()}.open({}, m.context(), blob, out.key_file));
    return out;
}

}  // namespace muster::identity
