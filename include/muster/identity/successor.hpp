// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// How somebody goes on under new keys, and what lets others follow: a record that the old key and the new one have
/// both signed, and the signer key for the new machine.
///
/// A user is named by their first node key for ever; which key speaks for them now follows from the records, one for
/// each epoch. The old key says who follows it, the new one that it agrees, and the signer key, which stays, that the
/// new peer speaks for it: so that whoever has the old node key alone cannot hand the place in a group to somebody
/// else. Two records of one epoch with different keys are a contradiction, and neither is followed from then on.
///
/// Layout, 396 bytes, integers big-endian: version (1), user id (32), epoch (4), old node key (33), new node key (33),
/// new agreement key (32), signer key (33), issued (8, Unix milliseconds), binding (64); then the signatures by the
/// signer key over all of it (64, BIP-340), the old node key (64) and the new one (64).

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>

#include <muster/core/bounded.hpp>
#include <muster/core/fields.hpp>
#include <muster/core/result.hpp>
#include <muster/core/time.hpp>
#include <muster/identity/errc.hpp>
#include <muster/identity/user_id.hpp>
#include <muster/peer/identity.hpp>
#include <muster/wire/reader.hpp>
#include <muster/wire/writer.hpp>

namespace muster::identity {

/// From one epoch to the next. A claim until @ref verify.
struct successor {
    static constexpr std::uint8_t version = 1;
    static constexpr std::size_t signed_size = 1 + 32 + 4 + 33 + 33 + 32 + 33 + 8 + 64;
    static constexpr std::size_t size = signed_size + 3 * 64;  ///< Bytes of every record.

    user_id user;
    peer::key_epoch epoch = 0;  ///< Of the new keys; from 1.
    crypto::public_key old_node;
    crypto::public_key new_node;
    crypto::x25519_public agreement;  ///< The new one.
    crypto::public_key signer;
    timestamp issued{};
    peer::binding binding{};  ///< By the signer key, of the new peer id.
    crypto::signature by_signer{}, by_old{}, by_new{};
    bool operator==(successor const&) const = default;

    /// The record from @p from to @p to, which are of one seed and @p epoch, the one before it.
    /// @return `wrong_set` when their signer keys differ; `secret_gone`.
    [[nodiscard]] static result<successor> make(user_id const& user, peer::key_epoch epoch, peer::key_set const& from,
                                                peer::key_set const& to, timestamp wall) {
        if (from.signer.public_key() != to.signer.public_key()) {
            return error{errc::wrong_set, "the keys of two seeds do not follow each other: the signer key stays"};
        }
        successor out;
        out.user = user;
        out.epoch = epoch;
        out.old_node = from.node.public_key();
        out.new_node = to.node.public_key();
        out.agreement = to.agreement.public_point();
        out.signer = to.signer.public_key();
        out.issued = wall;
        MUSTER_TRY(out.binding, peer::bind(to.signer, to.node.id()));
        auto const digest = out.digest();
        MUSTER_TRY(out.by_signer, to.signer.sign_bip340(digest.view()));
        MUSTER_TRY(out.by_old, from.node.sign(digest));
        MUSTER_TRY(out.by_new, to.node.sign(digest));
        return out;
    }

    [[nodiscard]] bytes encoded() const {
        auto out = wire::writer{signed_bytes()};
        return out.raw(by_signer.view()).raw(by_old.view()).raw(by_new.view()).take();
    }
    /// @return `unsupported_version` or `malformed`.
    [[nodiscard]] static result<successor> decode(byte_view all);

    /// Whether all keys have signed it, and it begins with the user's first key where it is the first record. About 180
    /// us. @return `not_signed`.
    [[nodiscard]] result<void> verify() const {
        auto const said = digest();
        auto const has_signed = [&](crypto::public_key const& key, crypto::signature const& s) {
            return crypto::verify_bip340(crypto::to_xonly(key), said.view(), s);
        };
        bool const is_first = epoch != 1 || user_of(old_node) == user;
        if (is_first && peer::verify_binding(signer, peer::peer_id::of(new_node), binding) &&
            has_signed(signer, by_signer) && has_signed(old_node, by_old) && has_signed(new_node, by_new)) {
            return ok();
        }
        return error{errc::not_signed,
                     text("the keys of ", shown(user), " did not all sign what follows epoch ", epoch - 1)};
    }

private:
    [[nodiscard]] bytes signed_bytes() const {
        wire::writer out;
        out.u8(version).raw(user.view()).u32(epoch).raw(old_node.view()).raw(new_node.view()).raw(agreement.view());
        out.raw(signer.view()).i64(to_unix_millis(issued)).raw(binding.view());
        return out.take();
    }
    [[nodiscard]] crypto::digest32 digest() const {
        static crypto::hash_tag const tag{"muster/successor/v1"};
        return crypto::tagged_hash(tag, signed_bytes());
    }
};

inline result<successor> successor::decode(byte_view all) {
    if (all.empty() || all[0] != version)
        return error{errc::unsupported_version, "a successor record of another version"};
    if (all.size() != size) {
        return error{errc::malformed, text("a successor record of ", all.size(), " bytes; it has to have ", size)};
    }
    successor out;
    wire::reader in{all.subspan(1)};
    out.user = in.fixed<user_id>();
    out.epoch = in.u32();
    out.old_node = in.fixed<crypto::public_key>();
    out.new_node = in.fixed<crypto::public_key>();
    out.agreement = in.fixed<crypto::x25519_public>();
    out.signer = in.fixed<crypto::public_key>();
    out.issued = from_unix_millis(in.i64());
    out.binding = in.fixed<peer::binding>();
    out.by_signer = in.fixed<crypto::signature>();
    out.by_old = in.fixed<crypto::signature>();
    out.by_new = in.fixed<crypto::signature>();
    if (out.epoch == 0 || out.old_node == out.new_node) {
        return error{errc::malformed, text("a successor record of epoch ", out.epoch, " that leads nowhere")};
    }
    return out;
}

/// Which keys users have now. Not thread-safe.
class successor_book {
public:
    /// @param users_max  whose records are kept; what would be one more is refused. Ours.
    explicit successor_book(std::size_t users_max = 1024) noexcept : users_{users_max} {}

    /// Somebody is known by their first keys. @return `full`.
    [[nodiscard]] result<void> know(crypto::public_key const& first, crypto::public_key const& signer) {
        auto* const u = users_.try_emplace(user_of(first));
        if (u == nullptr) return error{errc::full, text("more than ", users_.size_max(), " users")};
        if (u->epoch == 0) {
            u->node = first;
            u->signer = signer;
        }
        return ok();
    }
    /// Follows @p s. Cheap checks come first.
    /// @return `unknown_author` for nobody we know; `duplicate`; `out_of_sequence` when one before it is missing;
    /// `forked`
    ///         when another one was followed to this epoch: then neither counts any more; `wrong_set` for another
    ///         signer; `not_signed`.
    [[nodiscard]] result<void> follow(successor const& s) {
        auto* const u = users_.find(s.user);
        if (u == nullptr) return error{errc::unknown_author, text(shown(s.user), " is not known here")};
        if (u->is_forked) return error{errc::forked, text(shown(s.user), " has named two successors")};
        if (s.signer != u->signer) return error{errc::wrong_set, text(shown(s.user), " has another signer key")};
        if (u->last == s) return error{errc::duplicate, text("epoch ", s.epoch, " of ", shown(s.user), " is known")};
        bool const is_rival = u->last && s.epoch == u->epoch && s.old_node == u->last->old_node;
        bool const is_next = s.epoch == u->epoch + 1 && s.old_node == u->node;
        if (!is_rival && !is_next) {
            return error{errc::out_of_sequence,
                         text("a successor of epoch ", s.epoch, ", and ", shown(s.user), " is in epoch ", u->epoch)};
        }
        MUSTER_TRY(s.verify());
        if (is_rival && s.new_node == u->node) return error{errc::duplicate, "the same keys, signed again"};
        if (is_rival) {
            u->is_forked = true;
            return error{errc::forked, text(shown(s.user), " has named two successors for epoch ", s.epoch)};
        }
        u->epoch = s.epoch;
        u->node = s.new_node;
        u->last = s;
        return ok();
    }
    /// The node key that speaks for @p who now; nothing when they are unknown or contradict themselves. Models
    /// author_directory.
    [[nodiscard]] std::optional<crypto::public_key> key_of(user_id const& who) const {
        auto const* const u = users_.find(who);
        return u == nullptr || u->is_forked ? std::nullopt : std::optional{u->node};
    }
    [[nodiscard]] std::optional<peer::key_epoch> epoch_of(user_id const& who) const {
        auto const* const u = users_.find(who);
        return u == nullptr ? std::nullopt : std::optional{u->epoch};
    }

private:
    struct user {
        peer::key_epoch epoch = 0;
        crypto::public_key node;
        crypto::public_key signer;
        std::optional<successor> last;
        bool is_forked = false;
    };
    bounded_map<user_id, user> users_;
};

}  // namespace muster::identity
