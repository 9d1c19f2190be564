// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// How somebody came from their first key to that of now: their successor records, from the first one on.
///
/// Whoever is shown a lineage needs to know nothing but the user id: it is the hash of the first key, and each record
/// is signed by the key before it, the one after it and the signer key. A lineage that is known is only ever
/// continued: one that leaves it at some epoch is another story by whoever has an old key, and is refused.
///
/// Encoding: the records one behind the other, in the order of their epochs; none for the first keys.

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include <muster/identity/successor.hpp>

namespace muster::identity {

/// A line of successors. A claim until @ref leads says so. A value.
class lineage {
public:
    static constexpr std::size_t records_max = 64;                          ///< Ours: a rotation a year, for a life.
    static constexpr std::size_t size_max = records_max * successor::size;  ///< Bytes.

    lineage() = default;
    /// Expects at most @ref records_max records, in order.
    explicit lineage(std::vector<successor> records) : records_{std::move(records)} {}

    /// @return `malformed`, `too_large`, or `unsupported_version`.
    [[nodiscard]] static result<lineage> decode(byte_view all) {
        if (all.size() > size_max) return error{errc::too_large, text(all.size(), " bytes of successor records")};
        if (all.size() % successor::size != 0) return error{errc::malformed, "a part of a successor record"};
        lineage out;
        for (std::size_t at = 0; at < all.size(); at += successor::size) {
            MUSTER_TRY(auto const one, successor::decode(all.subspan(at, successor::size)));
            out.records_.push_back(one);
        }
        return out;
    }
    [[nodiscard]] bytes encoded() const {
        bytes out;
        for (auto const& r : records_) append(out, r.encoded());
        return out;
    }

    /// Whether it leads from the first key of @p who to @p now, under one signer key. Cheap checks come first; then
    /// about 180 us for each record. @return `unknown_author`, `out_of_sequence`, `wrong_set` or `not_signed`.
    [[nodiscard]] result<void> leads(user_id const& who, crypto::public_key const& signer,
                                     crypto::public_key const& now) const {
        auto const& first = records_.empty() ? now : records_.front().old_node;
        if (user_of(first) != who) {
            return error{errc::unknown_author, text(to_hex(first), " is not the first key of ", shown(who))};
        }
        auto const* before = &first;
        for (std::size_t i = 0; i < records_.size(); ++i) {
            auto const& r = records_[i];
            if (r.epoch != i + 1 || r.user != who || r.old_node != *before) {
                return error{errc::out_of_sequence, text("record ", i + 1, " of ", shown(who), " does not follow")};
            }
            if (r.signer != signer) return error{errc::wrong_set, text(shown(who), " has another signer key")};
            before = &r.new_node;
        }
        if (*before != now) {
            return error{errc::out_of_sequence,
                         text("the records of ", shown(who), " lead to another key than ", to_hex(now))};
        }
        for (auto const& r : records_) {
            MUSTER_TRY(r.verify());
        }
        return ok();
    }
    /// Whether it says what @p known says, and perhaps more.
    [[nodiscard]] bool continues(lineage const& known) const noexcept {
        return known.records_.size() <= records_.size() &&
               std::equal(known.records_.begin(), known.records_.end(), records_.begin(),
                          [](successor const& a, successor const& b) { return a.new_node == b.new_node; });
    }
    /// Whether @p key speaks for them, or did.
    [[nodiscard]] bool passes(crypto::public_key const& key) const noexcept {
        return passes_any([&](crypto::public_key const& each) { return each == key; });
    }
    /// Whether it passes a key of which @p f says so.
    template <class F>
    [[nodiscard]] bool passes_any(F f) const {
        return std::any_of(records_.begin(), records_.end(),
                           [&](successor const& r) { return f(r.old_node) || f(r.new_node); });
    }
    [[nodiscard]] std::vector<successor> const& records() const noexcept { return records_; }

    bool operator==(lineage const&) const = default;

private:
    std::vector<successor> records_;
};

}  // namespace muster::identity
