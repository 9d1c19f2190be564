// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Who writes in a notebook: members in the group's order, each under the user id of their first key, whatever key they
/// sign with now.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include <muster/core/hybrid_time.hpp>
#include <muster/core/result.hpp>
#include <muster/identity/successor.hpp>
#include <muster/sync/version.hpp>

namespace muster::node {

/// A member of the group. Their place in the list is what the others know them by.
struct notebook_member {
    identity::user_id user = {};                       ///< Zeros while nothing is known of them.
    std::optional<crypto::public_key> key = {};        ///< Their node key now; what they wrote waits until it is known.
    std::optional<crypto::public_key> signer = {};     ///< Their signer key, by which successors are checked.
    std::vector<identity::successor> successors = {};  ///< From their first node key to the one they have now.
};

/// Models identity::author_directory, for members alone. Not thread-safe.
class notebook_members {
public:
    static constexpr std::size_t successors_max = 64;  ///< Of one member. Ours.

    explicit notebook_members(std::vector<notebook_member> all) {
        for (auto& m : all) all_.push_back({std::move(m), false, false});
        for (auto& m : all_) m.is_pinned = !m.successors.empty();
    }

    [[nodiscard]] std::size_t size() const noexcept { return all_.size(); }
    [[nodiscard]] notebook_member const& operator[](std::size_t place) const { return all_[place]; }
    /// The place of @p who.
    [[nodiscard]] std::optional<std::uint16_t> place_of(identity::user_id const& who) const noexcept {
        for (std::size_t i = 0; i < all_.size(); ++i) {
            if (all_[i].user == who) return static_cast<std::uint16_t>(i);
        }
        return std::nullopt;
    }
    [[nodiscard]] std::optional<crypto::public_key> key_of(identity::user_id const& who) const {
        auto const place = place_of(who);
        return place && !all_[*place].is_contradicting ? all_[*place].key : std::nullopt;
    }
    /// A key that was followed by another one has signed what is of a time before that; whoever has it now signs
    /// nothing.
    [[nodiscard]] bool has_signed_as(identity::user_id const& who, crypto::public_key const& key,
                                     hybrid_time time) const {
        auto const place = place_of(who);
        if (!place || all_[*place].is_contradicting) return false;
        auto const& m = all_[*place];
        if (m.key == key) return true;
        for (auto const& s : m.successors) {
            if (s.old_node == key) return hybrid_clock::is_near(time, s.issued);
        }
        return false;
    }
    /// How often the member at @p place had exchanged their keys when they had @p key; the next when it is unknown.
    [[nodiscard]] std::size_t epoch_of(std::size_t place, crypto::public_key const& key) const {
        auto const& s = all_[place].successors;
        std::size_t epoch = 0;
        while (epoch < s.size() && s[epoch].old_node != key) ++epoch;
        return epoch;
    }

    /// What is stored says that the member at @p place is @p who, whose first key is @p first: what was taken was
    /// verified then.
    void pin(std::size_t place, identity::user_id const& who, crypto::public_key const& first) {
        auto& m = all_[place];
        if (m.is_pinned) return;
        m.is_pinned = true;
        if (m.user == who) return;
        m.user = who;
        m.key = first;
    }
    /// The member at @p place speaks from @p key now. Who was somebody else before has to show by successors that they
    /// are the same.
    void learn(std::size_t place, identity::user_id const& who, crypto::public_key const& key) {
        auto& m = all_[place];
        if (m.is_pinned || m.user == who) return;
        m.user = who;
        m.key = key;
    }
    /// Follows the records of the member at @p place, all of them from their first key on.
    /// @return whether there was one more than before; or what identity::successor_book::follow returns, `wrong_set`
    ///         also for a member whose signer key is unknown, or who is known to be somebody else. About 180 us a
    ///         record that is new.
    [[nodiscard]] result<bool> follow(std::size_t place, std::vector<identity::successor> const& records) {
        using identity::errc;
        if (place >= all_.size() || records.empty() || records.size() > successors_max) {
            return error{errc::malformed, "no list of successors of a member"};
        }
        auto& m = all_[place];
        // Nothing dear is done for what is known, or is not heard in any case.
        bool const is_known =
            records.size() <= m.successors.size() && std::equal(records.begin(), records.end(), m.successors.begin());
        if (is_known || m.is_contradicting) return false;
        if (!m.signer) return error{errc::wrong_set, "the signer key of a member with successors is not known"};
        if (m.is_pinned && m.user != records.front().user)
            return error{errc::wrong_set, "these are the successors of somebody else"};
        identity::successor_book book{1};
        MUSTER_TRY(book.know(records.front().old_node, *m.signer));
        for (auto const& s : records) {
            MUSTER_TRY(book.follow(s));
        }
        for (std::size_t i = 0; i < std::min(records.size(), m.successors.size()); ++i) {
            // The same keys may be signed again; other ones are a contradiction, and then neither is heard.
            m.is_contradicting = m.is_contradicting || records[i].new_node != m.successors[i].new_node;
        }
        m.is_pinned = true;
        // The first story stays, so that a restart does not make the second one the only one.
        if (m.is_contradicting || records.size() <= m.successors.size()) return false;
        m.user = records.front().user;
        m.key = records.back().new_node;
        m.successors = records;
        return true;
    }

private:
    struct member : notebook_member {
        bool is_pinned = false;         ///< Their user id is settled.
        bool is_contradicting = false;  ///< They have named two successors for one epoch.
        member(notebook_member m, bool pinned, bool contradicting)
            : notebook_member{std::move(m)}, is_pinned{pinned}, is_contradicting{contradicting} {}
    };

    std::vector<member> all_;
};

/// The message by which a member's successors get around: 4, the member (varint), how many (varint), the records. Not
/// of the outbox: it is needed to read what that brings.
struct introduction {
    static constexpr std::uint8_t kind = 4;

    std::uint16_t member = 0;
    std::vector<identity::successor> successors;

    [[nodiscard]] bytes encoded() const {
        wire::writer out;
        out.u8(kind).size(member).size(successors.size());
        for (auto const& s : successors) out.raw(s.encoded());
        return out.take();
    }
    /// @return `malformed`, `unsupported_version`.
    [[nodiscard]] static result<introduction> decode(byte_view all) {
        using identity::errc;
        wire::reader in{all};
        introduction out;
        bool is_one = in.u8() == kind;
        auto const member = sync::detail::read_varint(in);
        auto const n = in.count(notebook_members::successors_max, identity::successor::size);
        for (std::size_t i = 0; i < n && in.ok(); ++i) {
            MUSTER_TRY(auto s, identity::successor::decode(in.raw(identity::successor::size)));
            out.successors.push_back(std::move(s));
        }
        out.member = static_cast<std::uint16_t>(member);
        is_one = is_one && in.finish() && n != 0 && member <= UINT16_MAX;
        if (!is_one) return error{errc::malformed, "an introduction that is none"};
        return out;
    }
};

}  // namespace muster::node
