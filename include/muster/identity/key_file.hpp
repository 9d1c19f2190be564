// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// A seed under a passphrase, as it lies on disk and is handed to guardians.
///
/// Layout, integers big-endian: magic "muster-key" (10), version (1), key derivation (1), its cost (4), key epoch (4),
/// user id (32), node key (33), signer key (33), salt (16), nonce (12), commitment (32), ciphertext of the seed (32),
/// its tag (16). Everything before the commitment is the header, and is authenticated. The key derivation gives 64
/// bytes: the encryption key, and the key of an HMAC over the header, which is the commitment: AES-GCM alone can be
/// made to open under two keys, so that one question to whoever opens files tests many passphrases.
///
/// What is wrong with a header is said by name, before anything dear happens. Behind a header that parses, damage
/// cannot be told from a wrong passphrase: both take one key derivation and one decryption, and give the same error.
/// @see Len, Grubbs, Ristenpart, "Partitioning Oracle Attacks", USENIX Security 2021, for the commitment.

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

#include <muster/core/result.hpp>
#include <muster/crypto/aead.hpp>
#include <muster/crypto/hedged_random.hpp>
#include <muster/identity/kdf.hpp>
#include <muster/identity/user_id.hpp>
#include <muster/peer/identity.hpp>
#include <muster/wire/reader.hpp>
#include <muster/wire/writer.hpp>

namespace muster::identity {

/// What all keys of somebody are derived from. Move-only.
struct master_key {
    crypto::secret<32> seed;
    peer::key_epoch epoch = 0;

    /// @return what @ref peer::derive_keys returns.
    [[nodiscard]] result<peer::key_set> keys() const { return peer::derive_keys(seed, epoch); }
    /// Who that is: the user of the keys of epoch 0.
    [[nodiscard]] result<user_id> user() const {
        MUSTER_TRY(auto const first, peer::derive_keys(seed));
        return user_of(first.node.public_key());
    }
};

/// Whose key file it is, which anybody may read who has it. A claim until the file was opened.
struct key_file_owner {
    peer::key_epoch epoch = 0;
    user_id user;
    crypto::public_key node;  ///< Of this epoch.
    crypto::public_key signer;
    bool operator==(key_file_owner const&) const = default;
};

/// Whose @p key is. @return what @ref peer::derive_keys returns.
[[nodiscard]] inline result<key_file_owner> owner_of(master_key const& key) {
    MUSTER_TRY(auto const keys, key.keys());
    MUSTER_TRY(auto const user, key.user());
    return key_file_owner{key.epoch, user, keys.node.public_key(), keys.signer.public_key()};
}

/// What key files are made with, where tests take something cheaper.
struct key_file_defaults {
    using kdf = standard_kdf;
    using cipher = crypto::aes_256_gcm;
};

/// A key file that was read, and not opened. A value; holds no secret.
template <class Policies = key_file_defaults>
class basic_key_file {
public:
    using kdf_type = typename Policies::kdf;
    static_assert(passphrase_kdf<kdf_type>, "Policies::kdf derives keys from passphrases: see passphrase_kdf");

    static constexpr std::uint8_t version = 1;
    static constexpr std::size_t header_size = 10 + 1 + 1 + 4 + 4 + 32 + 33 + 33 + 16 + 12;
    static constexpr std::size_t size = header_size + 32 + 32 + 16;  ///< Bytes of every key file.

    /// Writes @p key under @p phrase. Salt and nonce are fresh from @p source, each time. Takes one key derivation.
    /// @return the bytes; the errors of the derivation's bounds, of @p source, or `secret_gone`.
    template <secret_source Source>
    [[nodiscard]] static result<bytes> wrap(master_key const& key, passphrase const& phrase, Source& source,
                                            kdf_parameters const& parameters, kdf_type kdf = {}) {
        MUSTER_TRY(kdf.check(parameters));
        basic_key_file file;
        file.parameters_ = parameters;
        MUSTER_TRY(file.owner_, owner_of(key));
        MUSTER_TRY(source.fill_secret(file.salt_));
        MUSTER_TRY(source.fill_secret(file.nonce_));
        auto out = file.header();
        MUSTER_TRY(auto const derived, file.derive(kdf, phrase));
        auto const commitment = crypto::hmac_sha256(derived.view().last(32), out);
        auto const associated = out;
        append(out, commitment.view());
        typename Policies::cipher{derived.view().first(32)}.seal(file.nonce_, associated, key.seed.view(), out);
        return out;
    }
    /// The same at the usual cost.
    template <secret_source Source>
    [[nodiscard]] static result<bytes> wrap(master_key const& key, passphrase const& phrase, Source& source) {
        return wrap(key, phrase, source, kdf_type{}.usual());
    }

    /// Reads a header. Nothing is derived.
    /// @return `not_a_key_file`, `unsupported_version`, `unsupported_kdf`, `kdf_too_cheap` or `kdf_too_dear`.
    [[nodiscard]] static result<basic_key_file> read(byte_view all, kdf_type kdf = {});

    /// The key in it, which is the one of @ref owner: whoever knows a passphrase could have written another one's name
    /// on it. Takes one key derivation and one decryption, whatever is wrong.
    /// @return `wrong_passphrase`, `malformed` when it opens and is not its owner's, `no_memory` or `no_locked_memory`.
    [[nodiscard]] result<master_key> open(passphrase const& phrase, kdf_type kdf = {}) const;

    /// Whose it says it is.
    [[nodiscard]] key_file_owner const& owner() const noexcept { return owner_; }
    [[nodiscard]] kdf_parameters const& parameters() const noexcept { return parameters_; }

    friend bool operator==(basic_key_file const&, basic_key_file const&) = default;

private:
    static constexpr std::size_t salt_size = 16;
    [[nodiscard]] static byte_view magic() noexcept { return as_bytes("muster-key"); }

    [[nodiscard]] bytes header() const {
        wire::writer out;
        out.raw(magic()).u8(version).u8(static_cast<std::uint8_t>(parameters_.kind)).u32(parameters_.cost);
        out.u32(owner_.epoch).raw(owner_.user.view()).raw(owner_.node.view()).raw(owner_.signer.view());
        out.raw(salt_).raw(nonce_);
        return out.take();
    }
    [[nodiscard]] result<crypto::secret<64>> derive(kdf_type& kdf, passphrase const& phrase) const {
        crypto::wipe_stack_on_exit const wipe_frames;
        MUSTER_TRY(auto out, crypto::secret<64>::make());
        MUSTER_TRY(kdf.derive(parameters_, phrase, salt_, out.span()));
        return out;
    }
    [[nodiscard]] static error wrong_passphrase() {
        return {errc::wrong_passphrase, "the passphrase is not the one of this key file, or the file is damaged"};
    }

    kdf_parameters parameters_;
    key_file_owner owner_;
    std::array<byte, salt_size> salt_{};
    crypto::aes_256_gcm::nonce nonce_{};
    crypto::digest32 commitment_;
    std::array<byte, 32 + crypto::aes_256_gcm::tag_size> sealed_{};
};
using key_file = basic_key_file<>;

template <class Policies>
result<basic_key_file<Policies>> basic_key_file<Policies>::read(byte_view all, kdf_type kdf) {
    if (all.size() < magic().size() + 1 || !equal(all.first(magic().size()), magic())) {
        return error{errc::not_a_key_file, text("these ", all.size(), " bytes do not begin as a key file does")};
    }
    if (all[magic().size()] != version) {
        return error{errc::unsupported_version,
                     text("a key file of version ", all[magic().size()], "; this program reads version ", version)};
    }
    if (all.size() != size) {
        return error{errc::not_a_key_file, text("a key file of ", all.size(), " bytes; it has to have ", size)};
    }
    basic_key_file file;
    wire::reader in{all.subspan(magic().size() + 1)};
    file.parameters_.kind = static_cast<kdf_kind>(in.u8());
    file.parameters_.cost = in.u32();
    MUSTER_TRY(kdf.check(file.parameters_));
    file.owner_.epoch = in.u32();
    file.owner_.user = in.template fixed<user_id>();
    file.owner_.node = in.template fixed<crypto::public_key>();
    file.owner_.signer = in.template fixed<crypto::public_key>();
    auto const fill = [&](auto& into) {
        auto const from = in.raw(into.size());
        std::copy(from.begin(), from.end(), into.begin());
    };
    fill(file.salt_);
    fill(file.nonce_);
    file.commitment_ = in.template fixed<crypto::digest32>();
    fill(file.sealed_);
    return file;
}

template <class Policies>
result<master_key> basic_key_file<Policies>::open(passphrase const& phrase, kdf_type kdf) const {
    MUSTER_TRY(auto const derived, derive(kdf, phrase));
    auto const associated = header();
    auto const commitment = crypto::hmac_sha256(derived.view().last(32), associated);
    bytes seed;  // of a fixed size, so that it is not moved while it grows
    seed.reserve(sealed_.size());
    auto const opened = typename Policies::cipher{derived.view().first(32)}.open(nonce_, associated, sealed_, seed);
    crypto::wipe_on_exit const wipe_seed{seed};
    if (!opened || commitment != commitment_) return wrong_passphrase();
    MUSTER_TRY(auto copy, crypto::secret<32>::copy_of(seed));
    master_key out{std::move(copy), owner_.epoch};
    MUSTER_TRY(auto const own, owner_of(out));
    if (own == owner_) return out;
    return error{errc::malformed, text("the key file says that it is of user ", shown(owner_.user),
                                       ", and the seed in it is another one's; do not use it")};
}

}  // namespace muster::identity
