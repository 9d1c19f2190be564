// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// A recovery from a fresh machine: what is asked for, over restarts, and what has come back.
///
/// The first set of shares that is complete need not be the right one: who has a key that the owner exchanged can make
/// one of their own, and give it out at once, while honest guardians wait for three days. So each set is told once, and
/// the machine goes on asking for a day after the last one: which of them opens with the passphrase shows which is
/// true.
///
/// The key that shares are sealed for follows from the machine's own keys and the request's nonce, so nothing secret is
/// written down for it. Layout: owner (32), nonce (32).

#include <chrono>
#include <optional>
#include <set>
#include <utility>

#include <muster/core/time.hpp>
#include <muster/identity/recovery.hpp>
#include <muster/node/guardian_store.hpp>

namespace muster::node {

/// One at a time. Borrows the store, which outlives it. Not thread-safe.
template <class Store>
class guardian_recovery {
public:
    static constexpr duration goes_on = std::chrono::hours{24};  ///< After the last set. Ours.

    guardian_recovery(Store& store, crypto::secret<32> const& own) noexcept : store_{&store}, own_{&own} {}

    [[nodiscard]] std::optional<identity::recovery> const& now() const noexcept { return it_; }
    /// Begins, in place of another one. @return the errors of keys and of the file.
    [[nodiscard]] result<void> begin(identity::user_id const& owner, crypto::digest32 const& nonce) {
        MUSTER_TRY(auto begun, identity::recovery::derive(owner, *own_, nonce));
        auto content = to_bytes(owner.view());
        append(content, nonce.view());
        MUSTER_TRY(store_->put(Store::kind::own_recovery, {}, content));
        set(std::move(begun));
        return ok();
    }
    /// Goes on after a restart. @return `malformed`, or the errors of keys.
    [[nodiscard]] result<void> resume(byte_view kept) {
        if (kept.size() != 64) return error{identity::errc::malformed, "our recovery is not readable"};
        auto const owner = identity::user_id::from(kept.first(32));
        MUSTER_TRY(auto begun, identity::recovery::derive(owner, *own_, crypto::digest32::from(kept.subspan(32))));
        set(std::move(begun));
        return ok();
    }
    /// @return the file's errors, and it goes on.
    [[nodiscard]] result<void> end() {
        MUSTER_TRY(store_->put(Store::kind::own_recovery, {}, {}));
        it_.reset();
        return ok();
    }
    /// Takes what a guardian gives. @return what came of it when that is new; why it is not to be taken.
    [[nodiscard]] result<std::optional<identity::restored>> take(identity::release const& r, instant at) {
        std::optional<identity::restored> out;
        if (!it_) return out;
        MUSTER_TRY(it_->take(r));
        auto found = it_->finish();
        if (!found || !told_.insert(crypto::sha256(found.value().key_file)).second) return out;
        last_ = at;
        out = std::move(found).value();
        return out;
    }
    /// When it is over, if nothing else comes.
    [[nodiscard]] deadline ends_at() const {
        return it_ && last_ ? deadline{saturating_add(*last_, goes_on)} : deadline{};
    }

private:
    void set(identity::recovery begun) {
        it_.emplace(std::move(begun));
        told_.clear();
        last_.reset();
    }

    Store* store_;
    crypto::secret<32> const* own_;
    std::optional<identity::recovery> it_;
    std::set<crypto::digest32> told_;  // hashes of files; at most one for each set that is kept
    std::optional<instant> last_;
};

}  // namespace muster::node
