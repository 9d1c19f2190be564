// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// BIP-327 on the musig module of libsecp256k1, which came with 0.6.0.
///
/// Idea: where the library can, the library does it. It can not do all of BIP-327: its messages and its extra input
/// have 32 bytes, it has no DeterministicSign, and it verifies shares one by one. The rest is `portable`'s, whose
/// contexts are computed from the same keys when they are first asked for, so that a signing of a digest never pays
/// for them. Both backends give the same bytes for the same input.
///
/// A fork of the library, secp256k1-zkp, installs a header of the same name whose functions take other arguments: that
/// there is a header says nothing. @ref has_native asks for the functions' types, and only who uses `native` compiles
/// its calls. Where even the names differ, as in old versions of that fork, define MUSTER_NO_MUSIG_MODULE.

#if __has_include(<secp256k1_musig.h>) && !defined(MUSTER_NO_MUSIG_MODULE)

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <secp256k1_musig.h>

#include <muster/musig2/detail/curve.hpp>
#include <muster/musig2/detail/nonce_derivation.hpp>
#include <muster/musig2/detail/refusals.hpp>
#include <muster/musig2/portable.hpp>

namespace muster::musig2 {

namespace detail {

/// The functions that differ between libraries, so that calls of them are only checked once they are used.
struct musig_module {
    static constexpr auto aggregate_keys = &secp256k1_musig_pubkey_agg;
    static constexpr auto process_nonce = &secp256k1_musig_nonce_process;

    // Overloads and not std::is_same, of which g++ would say that it ignores the functions' attributes.
    static std::true_type is_aggregate_keys(int (*)(secp256k1_context const*, secp256k1_xonly_pubkey*,
                                                    secp256k1_musig_keyagg_cache*, secp256k1_pubkey const* const*,
                                                    std::size_t));
    static std::false_type is_aggregate_keys(...);
    static std::true_type is_process_nonce(int (*)(secp256k1_context const*, secp256k1_musig_session*,
                                                   secp256k1_musig_aggnonce const*, unsigned char const*,
                                                   secp256k1_musig_keyagg_cache const*));
    static std::false_type is_process_nonce(...);

    static constexpr bool is_bip327 = decltype(is_aggregate_keys(&secp256k1_musig_pubkey_agg))::value &&
                                      decltype(is_process_nonce(&secp256k1_musig_nonce_process))::value;
};

/// A value that is computed when it is first asked for; copies share it. Thread-safe.
template <class T>
class on_demand {
public:
    template <class F>
    [[nodiscard]] T const& get(F compute) const {
        std::call_once(state_->once, [&] { state_->value.emplace(compute()); });
        return *state_->value;
    }

private:
    struct state {
        std::once_flag once;
        std::optional<T> value;
    };
    std::shared_ptr<state> state_ = std::make_shared<state>();
};

}  // namespace detail

/// The backend on the library's musig module. Stateless, thread-safe. Use it by the name @ref native.
template <class Module>
class basic_native {
    static_assert(Module::is_bip327, "the installed secp256k1_musig.h is not that of libsecp256k1 0.6.0 or newer");

public:
    /// KeyAgg Context. Cheap to copy, immutable.
    class keyagg_context {
    public:
        /// Q as a plain public key.
        [[nodiscard]] public_key const& aggregate() const noexcept { return aggregate_; }
        /// The signers' keys in the order of aggregation.
        [[nodiscard]] std::span<public_key const> keys() const noexcept { return group_->keys; }

    private:
        friend class basic_native;

        struct group {
            std::vector<public_key> keys;
            std::vector<secp256k1_pubkey> points;
        };
        struct shift {
            tweak_value value;
            bool is_xonly;
        };

        void load_aggregate() {
            secp256k1_pubkey q;
            detail::must(secp256k1_musig_pubkey_get(ctx(), &q, &cache_) == 1);
            aggregate_ = crypto::serialize(q);
        }
        // What the module accepted, portable accepts.
        [[nodiscard]] portable::keyagg_context const& as_portable() const {
            return portable_.get([this] {
                auto out = portable{}.key_agg(group_->keys).value();
                for (auto const& s : shifts_) out = portable{}.apply_tweak(out, s.value, s.is_xonly).value();
                return out;
            });
        }

        std::shared_ptr<group const> group_;
        std::vector<shift> shifts_;
        secp256k1_musig_keyagg_cache cache_{};
        public_key aggregate_;
        detail::on_demand<portable::keyagg_context> portable_;
    };

    /// A secret nonce: move-only, single use, wiped, without any encoding.
    class secnonce {
    public:
        /// Whether it can still sign: false when used, moved from, or inherited through fork.
        [[nodiscard]] bool usable() const noexcept {
            auto const* const own = std::get_if<of_module>(&nonce_);
            return own != nullptr ? own->memory.intact() : std::get<portable::secnonce>(nonce_).usable();
        }

    private:
        friend class basic_native;
        friend struct secnonce_test_access;

        struct of_module {
            // The module's secret nonce is an array of bytes by definition, so it may live in a slot of them.
            [[nodiscard]] secp256k1_musig_secnonce* get() noexcept {
                return reinterpret_cast<secp256k1_musig_secnonce*>(memory.span().data());
            }

            crypto::secret<sizeof(secp256k1_musig_secnonce)> memory;
            public_key key;  // the signer it was made for
            pubnonce nonce;  // its public half
        };

        explicit secnonce(of_module nonce) noexcept : nonce_{std::move(nonce)} {}
        explicit secnonce(portable::secnonce nonce) noexcept : nonce_{std::move(nonce)} {}

        std::variant<of_module, portable::secnonce> nonce_;
    };

    /// Session Context with GetSessionValues' results. Cheap enough to copy, immutable.
    class session_values_type {
    public:
        [[nodiscard]] keyagg_context const& context() const noexcept { return context_; }
        [[nodiscard]] byte_view message() const noexcept { return message_; }

    private:
        friend class basic_native;

        [[nodiscard]] portable::session_values_type const& as_portable() const {
            return portable_.get(
                [this] { return portable{}.session_values(context_.as_portable(), nonce_, message_).value(); });
        }

        keyagg_context context_;
        bytes message_;
        aggnonce nonce_;
        std::optional<secp256k1_musig_session> session_;  // none: the message is not the module's
        detail::on_demand<portable::session_values_type> portable_;
    };

    /// A share that can be a signer's.
    class parsed_contribution {
        friend class basic_native;

        contribution raw_;
        portable::parsed_contribution parsed_;
    };

    /// KeyAgg. About 37 us per key.
    [[nodiscard]] result<keyagg_context> key_agg(std::span<public_key const> keys) const {
        if (keys.empty()) return detail::refuse::no_keys();
        auto group = std::make_shared<typename keyagg_context::group>();
        group->keys.assign(keys.begin(), keys.end());
        for (std::size_t i = 0; i < keys.size(); ++i) {
            auto const point = detail::parse_point(keys[i].view());
            if (!point) return detail::refuse::pubkey(keys[i], i);
            group->points.push_back(*point);
        }
        keyagg_context out;
        auto const pointers = pointers_to(group->points);
        if (Module::aggregate_keys(ctx(), nullptr, &out.cache_, pointers.data(), pointers.size()) != 1) {
            return detail::refuse::keys_cancel();
        }
        out.group_ = std::move(group);
        out.load_aggregate();
        return out;
    }

    /// ApplyTweak.
    [[nodiscard]] result<keyagg_context> apply_tweak(keyagg_context const& context, tweak_value const& value,
                                                     bool is_xonly) const {
        if (!detail::scalar::below_order(value.octets)) return detail::refuse::large_tweak(value);
        auto out = context;
        auto const tweak = is_xonly ? secp256k1_musig_pubkey_xonly_tweak_add : secp256k1_musig_pubkey_ec_tweak_add;
        if (tweak(ctx(), nullptr, &out.cache_, value.data()) != 1) return detail::refuse::cancelling_tweak(value);
        out.shifts_.push_back({value, is_xonly});
        out.portable_ = {};
        out.load_aggregate();
        return out;
    }

    /// NonceGen with randomness from @p source. About 40 us. A nonce that was drawn for a message of 32 bytes signs
    /// messages of 32 bytes only.
    template <secret_source Source>
    [[nodiscard]] result<std::pair<secnonce, pubnonce>> nonce_gen(Source& source,
                                                                  nonce_gen_input<keyagg_context> const& in) const {
        bool const is_modules = in.message && in.message->size() == 32 && (in.extra.empty() || in.extra.size() == 32);
        if (!is_modules) {
            auto const* const group = in.group != nullptr ? &in.group->as_portable() : nullptr;
            MUSTER_TRY(auto made, portable{}.nonce_gen(source, {in.key, in.secret, group, in.message, in.extra}));
            return std::pair{secnonce{std::move(made.first)}, made.second};
        }
        crypto::wipe_stack_on_exit const wipe_frames;
        std::array<byte, 32> rand{};
        crypto::wipe_on_exit const wipe_rand{rand};
        MUSTER_TRY(source.fill_secret(rand));
        if (detail::is_zero(rand)) return detail::refuse::zero_entropy();
        if (in.secret != nullptr) {
            MUSTER_TRY(in.secret->require());
        }
        MUSTER_TRY(auto const key, crypto::parse(in.key));
        MUSTER_TRY(auto memory, crypto::secret<sizeof(secp256k1_musig_secnonce)>::make());
        typename secnonce::of_module own{std::move(memory), in.key, {}};
        secp256k1_musig_pubnonce made;
        auto const* const secret = in.secret != nullptr ? in.secret->secret_scalar().data() : nullptr;
        auto const* const cache = in.group != nullptr ? &in.group->cache_ : nullptr;
        if (secp256k1_musig_nonce_gen(ctx(), own.get(), &made, rand.data(), secret, &key, in.message->data(), cache,
                                      in.extra.empty() ? nullptr : in.extra.data()) != 1) {
            return detail::refuse::zero_nonce();
        }
        detail::must(secp256k1_musig_pubnonce_serialize(ctx(), own.nonce.octets.data(), &made) == 1);
        auto const published = own.nonce;
        return std::pair{secnonce{std::move(own)}, published};
    }

    /// NonceAgg.
    [[nodiscard]] result<aggnonce> nonce_agg(std::span<pubnonce const> nonces) const {
        if (nonces.empty()) return aggnonce{};
        std::vector<secp256k1_musig_pubnonce> parsed(nonces.size());
        for (std::size_t i = 0; i < nonces.size(); ++i) {
            if (secp256k1_musig_pubnonce_parse(ctx(), &parsed[i], nonces[i].data()) != 1) {
                return detail::refuse::nonce(i);
            }
        }
        secp256k1_musig_aggnonce total;
        auto const pointers = pointers_to(parsed);
        detail::must(secp256k1_musig_nonce_agg(ctx(), &total, pointers.data(), pointers.size()) == 1);
        aggnonce out;
        detail::must(secp256k1_musig_aggnonce_serialize(ctx(), out.octets.data(), &total) == 1);
        return out;
    }

    /// GetSessionValues. About 35 us.
    [[nodiscard]] result<session_values_type> session_values(keyagg_context const& context, aggnonce const& nonce,
                                                             byte_view message) const {
        secp256k1_musig_aggnonce parsed;
        if (secp256k1_musig_aggnonce_parse(ctx(), &parsed, nonce.data()) != 1) {
            return detail::refuse::aggregate_nonce(nonce);
        }
        session_values_type out;
        out.context_ = context;
        out.message_ = to_bytes(message);
        out.nonce_ = nonce;
        if (message.size() == 32) out.session_ = process(context, parsed, message);
        return out;
    }

    /// Sign, with the check of the own result as @ref portable::sign makes it. About 110 us, nearly all of it the
    /// check.
    /// @return what @ref portable::sign returns, or `unsupported_message` for a nonce that was drawn for a message of
    /// 32
    ///         bytes where another is signed.
    [[nodiscard]] result<psig> sign(secnonce&& nonce, key_pair const& key, session_values_type const& values) const {
        crypto::wipe_stack_on_exit const wipe_frames;
        auto taken = std::move(nonce);  // whatever happens below, it is gone
        if (auto* const other = std::get_if<portable::secnonce>(&taken.nonce_)) {
            return portable{}.sign(std::move(*other), key, values.as_portable());
        }
        auto& own = std::get<typename secnonce::of_module>(taken.nonce_);
        if (!own.memory.intact()) return detail::refuse::used_nonce();
        MUSTER_TRY(key.require());
        if (own.key != key.public_key()) return detail::refuse::nonce_of_other(own.key, key.public_key());
        MUSTER_TRY(auto const position, detail::refuse::position_of(values.context_.keys(), key.public_key()));
        if (!values.session_) {
            return error{errc::unsupported_message,
                         text("the secret nonce was drawn for a message of 32 bytes, not of ", values.message_.size())};
        }
        secp256k1_musig_partial_sig share;
        psig out;
        detail::must(secp256k1_musig_partial_sign(ctx(), &share, own.get(), key.library_pair(), &values.context_.cache_,
                                                  &*values.session_) == 1);
        detail::must(secp256k1_musig_partial_sig_serialize(ctx(), out.octets.data(), &share) == 1);
        if (!is_right(values, {position, own.nonce, out})) {
            crypto::wipe(out.octets);
            return detail::refuse::own_share();
        }
        return out;
    }

    /// Decodes nonce and scalar of @p c. About 13 us.
    [[nodiscard]] result<parsed_contribution> parse_contribution(session_values_type const& values,
                                                                 contribution const& c) const {
        parsed_contribution out;
        MUSTER_TRY(out.parsed_, portable::parse_among(values.context_.keys().size(), c));
        out.raw_ = c;
        return out;
    }

    /// Whether the sum of the given signers' equations holds: of one signer by the module, of more by portable.
    [[nodiscard]] bool adds_up(session_values_type const& values, std::span<parsed_contribution const> shares) const {
        if (shares.size() == 1 && values.session_) return holds(values, shares[0].raw_);
        std::vector<portable::parsed_contribution> parsed;
        parsed.reserve(shares.size());
        for (auto const& share : shares) parsed.push_back(share.parsed_);
        return portable{}.adds_up(values.as_portable(), parsed);
    }

    /// PartialSigAgg. The result is not verified here.
    [[nodiscard]] result<signature> partial_sig_agg(std::span<psig const> shares,
                                                    session_values_type const& values) const {
        if (!values.session_ || shares.empty()) return portable{}.partial_sig_agg(shares, values.as_portable());
        std::vector<secp256k1_musig_partial_sig> parsed(shares.size());
        for (std::size_t i = 0; i < shares.size(); ++i) {
            if (secp256k1_musig_partial_sig_parse(ctx(), &parsed[i], shares[i].data()) != 1) {
                return detail::refuse::large_share(detail::refuse::at(i));
            }
        }
        signature out;
        auto const pointers = pointers_to(parsed);
        detail::must(secp256k1_musig_partial_sig_agg(ctx(), out.octets.data(), &*values.session_, pointers.data(),
                                                     pointers.size()) == 1);
        return out;
    }

    /// DeterministicSign, which the module does not have: portable's.
    [[nodiscard]] result<std::pair<pubnonce, psig>> deterministic_sign(keyagg_context const& context,
                                                                       key_pair const& key,
                                                                       deterministic_sign_input const& in) const {
        return portable{}.deterministic_sign(context.as_portable(), key, in);
    }

private:
    [[nodiscard]] static secp256k1_context const* ctx() { return crypto::secp256k1::context(); }

    template <class T>
    [[nodiscard]] static std::vector<T const*> pointers_to(std::vector<T> const& values) {
        std::vector<T const*> out;
        out.reserve(values.size());
        for (auto const& value : values) out.push_back(&value);
        return out;
    }

    // Expects a message of 32 bytes.
    [[nodiscard]] static secp256k1_musig_session process(keyagg_context const& context,
                                                         secp256k1_musig_aggnonce const& nonce, byte_view message) {
        secp256k1_musig_session out;
        detail::must(Module::process_nonce(ctx(), &out, &nonce, message.data(), &context.cache_) == 1);
        return out;
    }

    // Whether the own contribution c holds under values, and these are what they were computed from.
    [[nodiscard]] static bool is_right(session_values_type const& values, contribution const& c) {
        secp256k1_musig_aggnonce nonce;
        if (secp256k1_musig_aggnonce_parse(ctx(), &nonce, values.nonce_.data()) != 1) return false;
        auto const again = process(values.context_, nonce, values.message_);
        return std::equal(std::begin(again.data), std::end(again.data), std::begin(values.session_->data)) &&
               holds(values, c);
    }

    // PartialSigVerify. Expects bytes that decode, and a session.
    [[nodiscard]] static bool holds(session_values_type const& values, contribution const& c) {
        secp256k1_musig_partial_sig share;
        secp256k1_musig_pubnonce nonce;
        return secp256k1_musig_partial_sig_parse(ctx(), &share, c.share.data()) == 1 &&
               secp256k1_musig_pubnonce_parse(ctx(), &nonce, c.nonce.data()) == 1 &&
               secp256k1_musig_partial_sig_verify(ctx(), &share, &nonce, &values.context_.group_->points[c.position],
                                                  &values.context_.cache_, &*values.session_) == 1;
    }
};

/// The backend on the library's own musig module. Only where @ref has_native.
using native = basic_native<detail::musig_module>;

/// Whether the installed library has the musig module of BIP-327.
inline constexpr bool has_native = detail::musig_module::is_bip327;

/// `native` where the installed library has the module, `portable` elsewhere.
using installed_backend = std::conditional_t<has_native, native, portable>;
static_assert(backend<installed_backend>);

}  // namespace muster::musig2

#else

#include <muster/musig2/portable.hpp>

namespace muster::musig2 {

inline constexpr bool has_native = false;
using installed_backend = portable;

template <class Module>
class basic_native {
    static_assert(sizeof(Module) == 0, "native needs the musig module of libsecp256k1 0.6.0; or use installed_backend");
};
using native = basic_native<char>;

}  // namespace muster::musig2

#endif
