// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// A backend that tells on whoever uses it: which nonces were drawn, by whom, and what became of each.
///
/// The rule that a nonce meets at most one challenge cannot be seen from outside, since secret nonces never are. So
/// signers in a simulation compute with a backend that remembers, over all crashes and restarts, each public nonce that
/// a secret one was made for, and each share made with it.

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include <muster/core/random.hpp>
#include <muster/musig2/backend.hpp>
#include <muster/sim/world.hpp>

namespace muster::sim::signing {

/// Bytes that anyone can predict where nobody should: a run repeats itself, nonces included.
///
/// A model of secret_source for simulations. **Never** give it to a signer whose key is worth anything.
class replayed_entropy {
public:
    explicit replayed_entropy(std::uint64_t seed = 0) noexcept : words_{seed} {}
    [[nodiscard]] result<void> fill_secret(byte_span out) {
        for (auto& octet : out) octet = static_cast<byte>(words_());
        return ok();
    }

private:
    splitmix64 words_;
};
static_assert(secret_source<replayed_entropy>);

/// Every nonce of a run. Not thread-safe.
class nonce_book {
public:
    /// Called with what must never happen.
    using alarm = std::function<void(std::string)>;
    explicit nonce_book(alarm a) : alarm_{std::move(a)} {}

    /// From now on, until it is called with false, nonces of @p who are asked for by its application.
    void allow(host_id who, bool yes) { allowed_ = yes ? std::optional{who} : std::nullopt; }

    void drawn(host_id who, musig2::pubnonce const& nonce) {
        if (allowed_ != who) alarm_(text("host ", who, " drew a nonce that its application had not approved"));
        if (!nonces_.emplace(nonce, std::nullopt).second)
            alarm_(text("host ", who, " drew a nonce for the second time"));
    }
    void used(host_id who, musig2::pubnonce const& nonce, musig2::psig const& share) {
        auto& before = nonces_[nonce];
        if (before) alarm_(text("host ", who, " used a nonce for the second time"));
        before = share;
    }
    [[nodiscard]] std::size_t size() const noexcept { return nonces_.size(); }

private:
    alarm alarm_;
    std::optional<host_id> allowed_;
    std::map<musig2::pubnonce, std::optional<musig2::psig>> nonces_;
};

/// @p Backend, watched. The book is borrowed; without one it is @p Backend alone.
template <musig2::backend Backend>
class witnessed : private Backend {
public:
    using keyagg_context = typename Backend::keyagg_context;
    using session_values_type = typename Backend::session_values_type;
    using parsed_contribution = typename Backend::parsed_contribution;
    /// A secret nonce and the public one by which the book knows it.
    struct secnonce {
        typename Backend::secnonce secret;
        musig2::pubnonce known_as;
        [[nodiscard]] bool usable() const noexcept { return secret.usable(); }
    };

    witnessed() = default;
    witnessed(nonce_book& book, host_id who, Backend b = {}) : Backend{std::move(b)}, book_{&book}, who_{who} {}

    using Backend::adds_up;
    using Backend::apply_tweak;
    using Backend::deterministic_sign;
    using Backend::key_agg;
    using Backend::nonce_agg;
    using Backend::parse_contribution;
    using Backend::partial_sig_agg;
    using Backend::session_values;

    template <secret_source Source>
    [[nodiscard]] result<std::pair<secnonce, musig2::pubnonce>> nonce_gen(
        Source& source, musig2::nonce_gen_input<keyagg_context> const& in) const {
        MUSTER_TRY(auto made, Backend::nonce_gen(source, in));
        if (book_ != nullptr) book_->drawn(who_, made.second);
        return std::pair{secnonce{std::move(made.first), made.second}, made.second};
    }
    [[nodiscard]] result<musig2::psig> sign(secnonce&& nonce, musig2::key_pair const& key,
                                            session_values_type const& values) const {
        auto const known_as = nonce.known_as;
        MUSTER_TRY(auto const share, Backend::sign(std::move(nonce.secret), key, values));
        if (book_ != nullptr) book_->used(who_, known_as, share);
        return share;
    }

private:
    nonce_book* book_ = nullptr;
    host_id who_ = 0;
};

}  // namespace muster::sim::signing
