// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// BIP-327 on the public API of libsecp256k1 0.2.0 and newer: no musig module needed.
///
/// Idea: the library exports point addition, scalar multiplication and scalar arithmetic on secret keys;
/// that is enough. Two spots are awkward, infinity and zero, and `detail/curve.hpp` deals with them. Each
/// signer's coefficient and a_i * P_i are computed once per group and kept, so that signing costs three scalar
/// operations, and any sum of signers' equations costs two multiplications.
///
/// Secrets (k1, k2, d) only pass through libsecp256k1's constant-time `seckey` functions; branches depend on
/// public parities alone. Symbols follow BIP-327: Q the aggregate point, gacc and tacc its accumulated
/// sign and tweak, b the nonce coefficient, R the final nonce, e the challenge.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <muster/crypto/declassify.hpp>
#include <muster/musig2/backend.hpp>
#include <muster/musig2/detail/curve.hpp>
#include <muster/musig2/detail/key_coefficients.hpp>
#include <muster/musig2/detail/nonce_derivation.hpp>
#include <muster/musig2/detail/refusals.hpp>
#include <muster/musig2/types.hpp>

namespace muster::musig2 {

/// Reaches into secret nonces from the tests that check BIP-327's vectors; defined there only.
struct secnonce_test_access;
template <class Module>
class basic_native;

/// The backend for every libsecp256k1. Stateless, thread-safe.
class portable {
public:
    /// KeyAgg Context: the keys, the aggregate and the tweaks so far. Cheap to copy, immutable.
    class keyagg_context {
    public:
        /// Q as a plain public key.
        [[nodiscard]] public_key const& aggregate() const noexcept { return aggregate_; }
        /// The signers' keys in the order of aggregation.
        [[nodiscard]] std::span<public_key const> keys() const noexcept { return group_->keys; }

    private:
        friend class portable;

        struct group {
            std::vector<public_key> keys;
            std::vector<detail::scalar> coefficients;  // a_i
            std::vector<detail::point> weighted;       // a_i * P_i
        };

        [[nodiscard]] bool odd() const noexcept { return aggregate_.octets[0] == 3; }

        std::shared_ptr<group const> group_;
        secp256k1_pubkey point_{};  // Q
        public_key aggregate_;      // Q, serialised
        bool negated_ = false;      // gacc == -1
        detail::scalar tweak_;      // tacc
    };

    /// A secret nonce: move-only, single use, wiped, without any encoding.
    class secnonce {
    public:
        /// Whether it can still sign: false when used, moved from, or inherited through fork.
        [[nodiscard]] bool usable() const noexcept { return k_.intact(); }

    private:
        friend class portable;
        friend struct secnonce_test_access;

        secnonce(crypto::secret<64> k, public_key const& key, pubnonce const& published) noexcept
            : k_{std::move(k)}, key_{key}, published_{published} {}

        crypto::secret<64> k_;  // k1 || k2
        public_key key_;        // the signer it was made for
        pubnonce published_;    // k1 G || k2 G, as it was shown
    };

    /// Session Context with GetSessionValues' results. Cheap enough to copy, immutable.
    class session_values_type {
    public:
        [[nodiscard]] keyagg_context const& context() const noexcept { return context_; }
        [[nodiscard]] byte_view message() const noexcept { return message_; }

    private:
        friend class portable;

        keyagg_context context_;
        aggnonce sums_;
        bytes message_;
        detail::scalar b_;
        detail::scalar e_;
        public_key nonce_;  // R
    };

    /// A share with its nonce and scalar decoded.
    class parsed_contribution {
        friend class portable;

        std::uint32_t position_ = 0;
        detail::point r1_;
        detail::point r2_;
        detail::scalar s_;
    };

    /// KeyAgg. About 45 us per key; all keys equal to the second distinct one come cheap.
    [[nodiscard]] result<keyagg_context> key_agg(std::span<public_key const> keys) const {
        if (keys.empty()) return detail::refuse::no_keys();
        auto group = std::make_shared<keyagg_context::group>();
        group->keys.assign(keys.begin(), keys.end());
        group->coefficients = detail::key_coefficients(keys);
        group->weighted.reserve(keys.size());
        for (std::size_t i = 0; i < keys.size(); ++i) {
            auto const point = detail::parse_point(keys[i].view());
            if (!point) return detail::refuse::pubkey(keys[i], i);
            auto const& a = group->coefficients[i];
            group->weighted.push_back(a == detail::one() ? point : detail::multiply(point, a));
        }
        auto const q = detail::sum(group->weighted);
        if (!q) return detail::refuse::keys_cancel();
        keyagg_context context;
        context.group_ = std::move(group);
        context.point_ = *q;
        context.aggregate_ = crypto::serialize(*q);
        return context;
    }

    /// ApplyTweak.
    [[nodiscard]] result<keyagg_context> apply_tweak(keyagg_context const& context, tweak_value const& value,
                                                     bool is_xonly) const {
        auto const t = detail::scalar::below_order(value.octets);
        if (!t) return detail::refuse::large_tweak(value);
        auto out = context;
        if (is_xonly && context.odd()) {  // g = -1
            out.point_ = *detail::negate(out.point_);
            out.negated_ = !out.negated_;
            out.tweak_ = -out.tweak_;
        }
        if (!t->is_zero() && secp256k1_ec_pubkey_tweak_add(ctx(), &out.point_, t->data()) != 1)
            return detail::refuse::cancelling_tweak(value);
        out.tweak_ = out.tweak_ + *t;
        out.aggregate_ = crypto::serialize(out.point_);
        return out;
    }

    /// NonceGen with randomness from @p source. About 50 us.
    template <secret_source Source>
    [[nodiscard]] result<std::pair<secnonce, pubnonce>> nonce_gen(Source& source,
                                                                  nonce_gen_input<keyagg_context> const& in) const {
        std::optional<xonly_key> aggregate;
        if (in.group != nullptr) aggregate = crypto::to_xonly(in.group->aggregate());
        return nonce_for(source, in, aggregate);
    }

    /// NonceAgg.
    [[nodiscard]] result<aggnonce> nonce_agg(std::span<pubnonce const> nonces) const {
        std::vector<detail::point> first(nonces.size()), second(nonces.size());
        for (std::size_t i = 0; i < nonces.size(); ++i) {
            first[i] = detail::parse_point(nonces[i].view().first(33));
            second[i] = detail::parse_point(nonces[i].view().last(33));
            if (!first[i] || !second[i]) return detail::refuse::nonce(i);
        }
        return both_halves(detail::sum(first), detail::sum(second));
    }

    /// GetSessionValues: b, R and e. About 50 us.
    [[nodiscard]] result<session_values_type> session_values(keyagg_context const& context, aggnonce const& nonce,
                                                             byte_view message) const {
        auto const r1 = detail::parse_point_ext(nonce.view().first(33));
        auto const r2 = detail::parse_point_ext(nonce.view().last(33));
        if (!r1 || !r2) return detail::refuse::aggregate_nonce(nonce);
        session_values_type out;
        out.context_ = context;
        out.sums_ = nonce;
        out.message_ = to_bytes(message);
        auto const q = crypto::to_xonly(context.aggregate());
        static crypto::hash_tag const coefficient{"MuSig/noncecoef"};
        out.b_ = detail::scalar_of(crypto::tagged_hash(coefficient, nonce.view(), q.view(), message));
        std::array const terms{*r1, detail::multiply(*r2, out.b_)};
        // With R at infinity somebody cheats; signing on with G exposes them by their share.
        out.nonce_ = crypto::serialize(detail::sum(terms).value_or(detail::generator()));
        static crypto::hash_tag const challenge{"BIP0340/challenge"};
        out.e_ =
            detail::scalar_of(crypto::tagged_hash(challenge, crypto::to_xonly(out.nonce_).view(), q.view(), message));
        return out;
    }

    /// Sign, including the check of the own result that BIP-327 ends with: against the nonce that was shown, and values
    /// computed once more, so that no error of computation since then leaves this function. About 200 us, nearly all
    /// of it the check.
    [[nodiscard]] result<psig> sign(secnonce&& nonce, key_pair const& key, session_values_type const& values) const {
        crypto::wipe_stack_on_exit const wipe_frames;
        auto const own = std::move(nonce);  // whatever happens below, it is gone
        if (!own.usable()) return detail::refuse::used_nonce();
        MUSTER_TRY(key.require());
        auto const k = own.k_.view();
        for (std::size_t i = 0; i < 2; ++i) {
            if (!detail::in_range(k.subspan(32 * i))) {
                return error{errc::secnonce_out_of_range,
                             text(i == 0 ? "first" : "second", " secnonce value is out of range")};
            }
        }
        if (own.key_ != key.public_key()) return detail::refuse::nonce_of_other(own.key_, key.public_key());
        MUSTER_TRY(auto const position, detail::refuse::position_of(values.context_.keys(), key.public_key()));
        psig out;
        if (!compute_share(k, key, values, position, out)) {
            crypto::wipe(out.octets);
            return error{errc::self_check_failed, "the partial signature could not be computed"};
        }
        if (detail::public_nonce(k) != own.published_ || !is_right(values, {position, own.published_, out})) {
            crypto::wipe(out.octets);
            return detail::refuse::own_share();
        }
        return out;
    }

    /// Decodes nonce and scalar of @p c. About 13 us.
    [[nodiscard]] result<parsed_contribution> parse_contribution(session_values_type const& values,
                                                                 contribution const& c) const {
        return parse_among(values.context_.keys().size(), c);
    }

    /// Whether sum(s) G == +-(sum(R1) + b sum(R2)) + e g gacc sum(a P) over the given signers.
    /// Two multiplications and one addition per signer. Nothing adds up to nothing.
    [[nodiscard]] bool adds_up(session_values_type const& values, std::span<parsed_contribution const> shares) const {
        std::vector<detail::point> r1, r2, keys;
        r1.reserve(shares.size());
        r2.reserve(shares.size());
        keys.reserve(shares.size());
        detail::scalar s;
        for (auto const& share : shares) {
            r1.push_back(share.r1_);
            r2.push_back(share.r2_);
            keys.push_back(values.context_.group_->weighted[share.position_]);
            s = s + share.s_;
        }
        auto nonces = detail::sum(std::array{detail::sum(r1), detail::multiply(detail::sum(r2), values.b_)});
        if (values.nonce_.octets[0] == 3) nonces = detail::negate(nonces);
        auto const key = detail::multiply(detail::sum(keys), signed_challenge(values));
        // The sum is infinity exactly when both sides are equal.
        return !detail::sum(std::array{nonces, key, detail::multiply_generator(-s)});
    }

    /// PartialSigAgg. The result is not verified here.
    [[nodiscard]] result<signature> partial_sig_agg(std::span<psig const> shares,
                                                    session_values_type const& values) const {
        detail::scalar s;
        for (std::size_t i = 0; i < shares.size(); ++i) {
            MUSTER_TRY(auto const share, parse_share(shares[i], detail::refuse::at(i)));
            s = s + share;
        }
        auto const& context = values.context_;
        s = s + values.e_ * (context.odd() ? -context.tweak_ : context.tweak_);
        signature out;
        std::copy_n(values.nonce_.octets.begin() + 1, 32, out.octets.begin());
        std::copy_n(s.octets().begin(), 32, out.octets.begin() + 32);
        return out;
    }

    /// DeterministicSign: a stateless signer that goes last. All that its challenge depends on is computed twice, since
    /// the same nonce under a challenge that went wrong would leak the key.
    [[nodiscard]] result<std::pair<pubnonce, psig>> deterministic_sign(keyagg_context const& context,
                                                                       key_pair const& key,
                                                                       deterministic_sign_input const& in) const {
        crypto::wipe_stack_on_exit const wipe_frames;
        MUSTER_TRY(key.require());
        MUSTER_TRY(detail::refuse::position_of(context.keys(), key.public_key()));
        auto k_and_nonce = deterministic_nonce(context, key, in);
        MUSTER_TRY(auto nonces, std::move(k_and_nonce));
        auto const derive = [&]() -> result<session_values_type> {
            MUSTER_TRY(auto const total, sum_with(nonces.second, in.other_nonces));
            return session_values(context, total, in.message);
        };
        MUSTER_TRY(auto const values, derive());
        MUSTER_TRY(auto share, sign(std::move(nonces.first), key, values));
        auto const again = derive();
        if (!again || !have_same_challenge(again.value(), values)) {
            crypto::wipe(share.octets);
            return detail::refuse::own_share();
        }
        return std::pair{nonces.second, share};
    }

private:
    friend struct secnonce_test_access;
    template <class>
    friend class basic_native;

    [[nodiscard]] static secp256k1_context const* ctx() { return crypto::secp256k1::context(); }

    /// NonceGen for the aggregate key @p aggregate, if there is one.
    template <secret_source Source>
    [[nodiscard]] static result<std::pair<secnonce, pubnonce>> nonce_for(Source& source,
                                                                         nonce_gen_input<keyagg_context> const& in,
                                                                         std::optional<xonly_key> const& aggregate) {
        crypto::wipe_stack_on_exit const wipe_frames;
        MUSTER_TRY(auto k, detail::derive_nonce(source, in, aggregate));
        return nonce_from(std::move(k), in.key);
    }

    /// The sum of all nonces, of which @p others is that of all but @p own.
    [[nodiscard]] static result<aggnonce> sum_with(pubnonce const& own, aggnonce const& others) {
        std::array<detail::point, 2> sums;
        for (std::size_t half = 0; half < 2; ++half) {
            auto const rest = detail::parse_point(others.view().subspan(33 * half, 33));
            if (!rest) {
                return error{errc::invalid_aggothernonce,
                             text("half ", half, " of the others' aggregate nonce is not a point")};
            }
            auto const mine = detail::parse_point(own.view().subspan(33 * half, 33));
            sums[half] = detail::sum(std::array{mine, rest});
        }
        return both_halves(sums[0], sums[1]);
    }
    [[nodiscard]] static aggnonce both_halves(detail::point const& first, detail::point const& second) {
        aggnonce out;
        std::copy_n(detail::serialize_ext(first).octets.begin(), 33, out.octets.begin());
        std::copy_n(detail::serialize_ext(second).octets.begin(), 33, out.octets.begin() + 33);
        return out;
    }

    [[nodiscard]] static result<std::pair<secnonce, pubnonce>> nonce_from(crypto::secret<64> k, public_key const& key) {
        for (std::size_t i = 0; i < 2; ++i) {
            if (!detail::in_range(k.view().subspan(32 * i))) return detail::refuse::zero_nonce();
        }
        auto const nonce = detail::public_nonce(k.view());
        return std::pair{secnonce{std::move(k), key, nonce}, nonce};
    }

    [[nodiscard]] static result<std::pair<secnonce, pubnonce>> deterministic_nonce(keyagg_context const& context,
                                                                                   key_pair const& key,
                                                                                   deterministic_sign_input const& in) {
        MUSTER_TRY(auto k, detail::derive_deterministic_nonce(context.aggregate(), key, in));
        return nonce_from(std::move(k), key.public_key());
    }

    /// s = +-(k1 + b k2) + e a g gacc d, by constant-time functions; false when a step hit zero.
    [[nodiscard]] static bool compute_share(byte_view k, key_pair const& key, session_values_type const& values,
                                            std::uint32_t position, psig& out) {
        std::array<byte, 32> s{}, t{};
        crypto::wipe_on_exit const wipe_s{s};
        crypto::wipe_on_exit const wipe_t{t};
        auto const ea = signed_challenge(values) * values.context_.group_->coefficients[position];
        if (values.b_.is_zero() || ea.is_zero()) return false;  // one chance in 2^255 each
        std::copy_n(k.begin(), 32, s.begin());
        std::copy_n(k.begin() + 32, 32, t.begin());
        int done = secp256k1_ec_seckey_tweak_mul(ctx(), t.data(), values.b_.data());
        done &= secp256k1_ec_seckey_tweak_add(ctx(), s.data(), t.data());
        if (values.nonce_.octets[0] == 3) done &= secp256k1_ec_seckey_negate(ctx(), s.data());
        auto const d = key.secret_scalar();
        std::copy(d.begin(), d.end(), t.begin());
        done &= secp256k1_ec_seckey_tweak_mul(ctx(), t.data(), ea.data());
        done &= secp256k1_ec_seckey_tweak_add(ctx(), s.data(), t.data());
        out.octets = s;
        crypto::declassify(out);
        crypto::declassify(done);
        return done == 1;
    }

    /// Whether the own contribution @p c holds under @p values, and these are what they were computed from.
    [[nodiscard]] bool is_right(session_values_type const& values, contribution const& c) const {
        auto const again = session_values(values.context_, values.sums_, values.message_);
        if (!again || !have_same_challenge(again.value(), values)) return false;
        auto const parsed = parse_contribution(values, c);
        return parsed && adds_up(values, std::span{&parsed.value(), 1});
    }

    [[nodiscard]] static bool have_same_challenge(session_values_type const& a, session_values_type const& b) noexcept {
        return a.b_ == b.b_ && a.e_ == b.e_ && a.nonce_ == b.nonce_;
    }

    /// e * g * gacc: the challenge with the signs of the aggregate key.
    [[nodiscard]] static detail::scalar signed_challenge(session_values_type const& values) noexcept {
        return values.context_.odd() != values.context_.negated_ ? -values.e_ : values.e_;
    }

    [[nodiscard]] static result<parsed_contribution> parse_among(std::size_t signers, contribution const& c) {
        if (c.position >= signers) {
            return error{errc::unknown_position, text("position ", c.position, " is outside the ", signers, " signers"),
                         c.position};
        }
        parsed_contribution out;
        out.position_ = c.position;
        out.r1_ = detail::parse_point(c.nonce.view().first(33));
        out.r2_ = detail::parse_point(c.nonce.view().last(33));
        if (!out.r1_ || !out.r2_) return detail::refuse::nonce(c.position);
        MUSTER_TRY(out.s_, parse_share(c.share, c.position));
        return out;
    }

    [[nodiscard]] static result<detail::scalar> parse_share(psig const& share, std::uint32_t position) {
        auto const s = detail::scalar::below_order(share.octets);
        if (s) return *s;
        return detail::refuse::large_share(position);
    }
};
static_assert(backend<portable>);

}  // namespace muster::musig2
