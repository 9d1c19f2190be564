// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What an owner has objected to: said to every guardian that warns of it, and kept over a restart.
///
/// A guardian that is away must still hear it, up to the end of the request; so a veto is written down before it is
/// sent, and is the answer to each warning of that request, which comes each hour while one is approved.

#include <algorithm>
#include <cstddef>
#include <vector>

#include <muster/identity/guardian_message.hpp>
#include <muster/node/guardian_store.hpp>

namespace muster::node {

/// Bounded: the oldest makes room. Borrows the store, which outlives it. Not thread-safe.
template <class Store>
class guardian_vetoes {
public:
    static constexpr std::size_t size_max = 16;  ///< Ours.

    explicit guardian_vetoes(Store& store) noexcept : store_{&store} {}

    /// It holds at once, and is written down, later if that fails now. @return the file's errors.
    [[nodiscard]] result<void> add(identity::veto const& v) {
        if (find(v.request) != nullptr) return ok();
        if (all_.size() >= size_max) {
            (void)store_->note(Store::kind::own_veto, name_of(all_.front()), {});
            all_.erase(all_.begin());
        }
        all_.push_back(v);
        return store_->note(Store::kind::own_veto, name_of(v), encode(identity::guardian_message{v}));
    }
    /// After a restart, signed anew with the key of now, since only that is heard. @return `malformed`, or why @p key
    /// does not sign.
    [[nodiscard]] result<void> resume(byte_view kept, peer::node_key const& key) {
        MUSTER_TRY(auto const m, identity::decode_guardian_message(kept));
        auto const* const v = std::get_if<identity::veto>(&m);
        if (v == nullptr) return error{identity::errc::malformed, "a veto that is none"};
        MUSTER_TRY(auto const signature, key.sign(identity::veto::digest(v->request)));
        if (all_.size() < size_max) all_.push_back({v->request, key.public_key(), signature});
        return ok();
    }
    /// The veto of that request, or null.
    [[nodiscard]] identity::veto const* find(identity::request_id const& which) const {
        auto const at = std::find_if(all_.begin(), all_.end(), [&](auto const& v) { return v.request == which; });
        return at == all_.end() ? nullptr : &*at;
    }
    /// All, the oldest first.
    [[nodiscard]] auto begin() const noexcept { return all_.begin(); }
    [[nodiscard]] auto end() const noexcept { return all_.end(); }

private:
    [[nodiscard]] static identity::user_id name_of(identity::veto const& v) {
        return identity::user_id::from(v.request.view());
    }

    Store* store_;
    std::vector<identity::veto> all_;
};

}  // namespace muster::node
