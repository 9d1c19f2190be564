// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// The two rounds of MuSig2 as types that make nonce reuse unsayable.
///
/// Idea: `round1` is opened with everything that the signature will depend on (group with its tweaks,
/// messages, own key and position) *before* its public nonce exists, so `sign()` has no argument left
/// to vary. `sign() &&` consumes the round, and with it the secret nonces, and returns a `round2` that holds
/// no secret. There is no copy, no serialisation, no access to the secret nonce.
///
/// C++ moves are not affine, so a run-time layer remains: a round that was moved from, used, or inherited through fork
/// answers `nonce_consumed` and never a signature, and of threads that ask at the same time at most one gets another
/// answer.
///
/// Both rounds carry any number of messages at once: `open_many` and then `sign` (elsewhere: sign_many) is how k
/// messages are signed in the same two rounds, each with nonces of its own, all of them in one frame a round.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <muster/musig2/aggregate.hpp>
#include <muster/musig2/backend.hpp>

namespace muster::musig2 {

namespace detail {

/// One list of k values per signer, first valid one wins.
template <class Value>
class contributions {
public:
    contributions(std::size_t signers, std::size_t messages) : messages_{messages}, slots_(signers) {}

    /// Files @p values. Idempotent; a different second list is `equivocation` and changes nothing.
    [[nodiscard]] result<void> receive(std::uint32_t position, std::span<Value const> values) {
        if (position >= slots_.size()) {
            return error{errc::unknown_position,
                         text("position ", position, " is outside the ", slots_.size(), " signers"), position};
        }
        if (values.size() != messages_) {
            return error{errc::wrong_count,
                         text("signer ", position, " gave ", values.size(), " values for ", messages_, " messages"),
                         position};
        }
        auto& slot = slots_[position];
        if (slot.empty()) {
            slot.assign(values.begin(), values.end());
            ++filled_;
            return ok();
        }
        if (std::equal(slot.begin(), slot.end(), values.begin(), values.end())) return ok();
        return error{errc::equivocation, text("signer ", position, " gave a second, different contribution"), position};
    }

    [[nodiscard]] bool complete() const noexcept { return filled_ == slots_.size(); }
    [[nodiscard]] bool has(std::uint32_t position) const noexcept {
        return position < slots_.size() && !slots_[position].empty();
    }
    /// What @p position gave; empty before it did, and after this was moved from.
    [[nodiscard]] std::span<Value const> of(std::uint32_t position) const noexcept {
        return has(position) ? std::span<Value const>{slots_[position]} : std::span<Value const>{};
    }

    /// All signers' values for message @p k. Expects @ref complete.
    [[nodiscard]] std::vector<Value> column(std::size_t k) const {
        std::vector<Value> out;
        out.reserve(slots_.size());
        for (auto const& slot : slots_) out.push_back(slot[k]);
        return out;
    }

private:
    std::size_t messages_;
    std::size_t filled_ = 0;
    std::vector<std::vector<Value>> slots_;
};

/// Something that happens at most once, whoever asks: one thread of many, the round moved to and not the one moved
/// from.
class once_only {
public:
    once_only() = default;
    once_only(once_only&& other) noexcept : taken_{other.taken_.exchange(true)} {}
    once_only& operator=(once_only&& other) noexcept {
        taken_ = other.taken_.exchange(true);
        return *this;
    }
    /// True for the first who asks.
    [[nodiscard]] bool take() noexcept { return !taken_.exchange(true); }
    /// Undoes the own @ref take.
    void put_back() noexcept { taken_ = false; }

private:
    std::atomic<bool> taken_{false};
};

}  // namespace detail

/// What is public of a signer's own part once it has signed: all that a restart needs.
struct signed_part {
    std::vector<pubnonce> nonces;        ///< Its own, one per message.
    std::vector<aggnonce> signed_under;  ///< The sums of everyone's.
    std::vector<psig> shares;            ///< Its own.
    bool operator==(signed_part const&) const = default;
};

/// After the secret nonces are gone: collects shares, yields signatures. Holds no secret; copyable.
template <backend Backend>
class round2 {
public:
    /// Takes a round up again after a restart: nothing is signed, the shares are those of then.
    /// @return it, or `wrong_count`, `invalid_psig` when the shares are not @p position's under these nonces, or what
    ///         GetSessionValues refuses. About 0.2 ms a message.
    [[nodiscard]] static result<round2> resume(Backend b, typename Backend::keyagg_context const& group,
                                               std::span<message const> messages, std::uint32_t position,
                                               signed_part part) {
        if (part.nonces.size() != messages.size() || part.signed_under.size() != messages.size()) {
            return error{errc::wrong_count, text("nonces of ", part.nonces.size(), " messages, and sums of ",
                                                 part.signed_under.size(), ", for ", messages.size())};
        }
        std::vector<typename Backend::session_values_type> values;
        for (std::size_t k = 0; k < messages.size(); ++k) {
            MUSTER_TRY(auto v, b.session_values(group, part.signed_under[k], messages[k].view()));
            values.push_back(std::move(v));
        }
        detail::contributions<pubnonce> nonces{group.keys().size(), messages.size()};
        MUSTER_TRY(nonces.receive(position, part.nonces));
        round2 r{std::move(b),      position,           std::move(values), std::move(part.signed_under),
                 std::move(nonces), group.keys().size()};
        MUSTER_TRY(r.receive(position, part.shares));
        for (std::size_t k = 0; k < messages.size(); ++k) {
            contribution const own{position, part.nonces[k], part.shares[k]};
            MUSTER_TRY(bool const holds, partial_sig_verify(r.backend_, r.values_[k], own));
            if (!holds) {
                return error{errc::invalid_psig, text("the share of message ", k, " was not made under its nonces"),
                             position};
            }
        }
        return r;
    }
    /// The own partial signatures, one per message, to be sent to the others as often as they ask.
    [[nodiscard]] std::span<psig const> shares() const noexcept { return shares_.of(position_); }
    [[nodiscard]] std::uint32_t position() const noexcept { return position_; }

    /// Files another signer's partial signatures. Idempotent.
    /// @return `unknown_position`, `wrong_count`, or `equivocation` for a second, different list.
    [[nodiscard]] result<void> receive(std::uint32_t position, std::span<psig const> shares) {
        return shares_.receive(position, shares);
    }
    /// Files another signer's public nonces: only needed to find a culprit after signing under an aggregate
    /// nonce that somebody else computed. Same errors as @ref receive.
    [[nodiscard]] result<void> receive_nonces(std::uint32_t position, std::span<pubnonce const> nonces) {
        return nonces_.receive(position, nonces);
    }

    /// The sums of all nonces that were signed under, one per message.
    [[nodiscard]] std::span<aggnonce const> signed_under() const noexcept { return aggnonces_; }

    [[nodiscard]] bool has(std::uint32_t position) const noexcept { return shares_.has(position); }
    [[nodiscard]] bool complete() const noexcept { return shares_.complete(); }
    [[nodiscard]] bool has_all_nonces() const noexcept { return nonces_.complete(); }

    /// Whether the nonces filed here add up to those that were signed under. Expects @ref has_all_nonces.
    [[nodiscard]] bool nonces_match() const {
        for (std::size_t k = 0; k < values_.size(); ++k) {
            auto const total = backend_.nonce_agg(nonces_.column(k));
            if (!total || total.value() != aggnonces_[k]) return false;
        }
        return true;
    }

    /// The group's signatures, one per message, each verified.
    /// @return them, or `incomplete`, or `invalid_psig` with the blamed position as `error::index()`. Without
    ///         all nonces a failure cannot be pinned on anyone: then `incomplete` says so.
    [[nodiscard]] result<std::vector<signature>> aggregate() const {
        if (!complete()) return error{errc::incomplete, "not every signer's share has arrived"};
        std::vector<signature> out;
        for (std::size_t k = 0; k < values_.size(); ++k) {
            auto const shares = shares_.column(k);
            if (nonces_.complete()) {
                MUSTER_TRY(auto s, musig2::aggregate(backend_, values_[k], nonces_.column(k), shares));
                out.push_back(s);
            } else {
                MUSTER_TRY(auto s, backend_.partial_sig_agg(shares, values_[k]));
                if (!verifies(k, s)) {
                    return error{errc::incomplete,
                                 "the shares do not add up to a signature; finding whose "
                                 "fault it is takes every signer's nonce"};
                }
                out.push_back(s);
            }
        }
        return out;
    }

    /// Whether @p s is the group's signature of message @p k. Expects a message of that number.
    [[nodiscard]] bool verifies(std::size_t k, signature const& s) const {
        return crypto::verify_bip340(crypto::to_xonly(values_[k].context().aggregate()), values_[k].message(), s);
    }
    [[nodiscard]] std::size_t message_count() const noexcept { return values_.size(); }

private:
    template <backend>
    friend class round1;

    round2(Backend b, std::uint32_t position, std::vector<typename Backend::session_values_type> values,
           std::vector<aggnonce> aggnonces, detail::contributions<pubnonce> nonces, std::size_t signers)
        : backend_{std::move(b)},
          position_{position},
          values_{std::move(values)},
          aggnonces_{std::move(aggnonces)},
          nonces_{std::move(nonces)},
          shares_{signers, values_.size()} {}

    [[no_unique_address]] Backend backend_;
    std::uint32_t position_;
    std::vector<typename Backend::session_values_type> values_;
    std::vector<aggnonce> aggnonces_;
    detail::contributions<pubnonce> nonces_;
    detail::contributions<psig> shares_;
};

/// Before signing: owns the secret nonces, collects public ones. Move-only.
template <backend Backend>
class round1 {
public:
    /// What the signature depends on. All of it is fixed when the round opens.
    struct terms {
        typename Backend::keyagg_context group;  ///< With its tweaks.
        std::vector<message> messages;           ///< At least one.
        std::uint32_t position = 0;              ///< The signer's index in the group.
        bytes extra = {};                        ///< Makes the nonces unique: session id, boot epoch.
    };

    /// Draws fresh nonces for every message.
    /// @return the round, or `not_a_signer` when the key is not at the given position, or `wrong_count`
    ///         without a message, or the errors of nonce_gen.
    template <secret_source Source>
    [[nodiscard]] static result<round1> open_many(Source& source, key_pair const& key, terms t, Backend b = {}) {
        auto const keys = t.group.keys();
        if (t.position >= keys.size() || keys[t.position] != key.public_key()) {
            return error{errc::not_a_signer,
                         text("position ", t.position, " does not hold the signer's key ", to_hex(key.public_key()))};
        }
        if (t.messages.empty()) return error{errc::wrong_count, "there is no message to sign"};
        MUSTER_TRY(auto own_key, key.clone());
        std::vector<typename Backend::secnonce> secrets;
        std::vector<pubnonce> own;
        for (std::size_t k = 0; k < t.messages.size(); ++k) {
            auto const extra = extra_for(t.extra, k);
            MUSTER_TRY(auto made, b.nonce_gen(source, {.key = key.public_key(),
                                                       .secret = &key,
                                                       .group = &t.group,
                                                       .message = t.messages[k].view(),
                                                       .extra = extra.view()}));
            secrets.push_back(std::move(made.first));
            own.push_back(made.second);
        }
        round1 round{std::move(b), std::move(own_key), std::move(t), std::move(secrets)};
        MUSTER_TRY(round.nonces_.receive(round.terms_.position, own));
        return round;
    }
    /// @ref open_many for a single message.
    template <secret_source Source>
    [[nodiscard]] static result<round1> open(Source& source, key_pair const& key,
                                             typename Backend::keyagg_context group, message m, std::uint32_t position,
                                             bytes extra = {}, Backend b = {}) {
        return open_many(source, key, {std::move(group), {std::move(m)}, position, std::move(extra)}, std::move(b));
    }

    round1(round1&&) noexcept = default;
    round1& operator=(round1&&) noexcept = default;

    /// The own public nonces, one per message, to be sent to the others.
    [[nodiscard]] std::span<pubnonce const> nonces() const noexcept { return nonces_.of(terms_.position); }
    [[nodiscard]] std::uint32_t position() const noexcept { return terms_.position; }

    /// Files another signer's public nonces. Idempotent.
    /// @return `unknown_position`, `wrong_count`, or `equivocation` for a second, different list.
    [[nodiscard]] result<void> receive(std::uint32_t position, std::span<pubnonce const> nonces) {
        return nonces_.receive(position, nonces);
    }
    /// Takes the sums of all nonces from an aggregator instead. They are not checked here: a lying
    /// aggregator can make the signing fail, but cannot forge. The first list stays.
    [[nodiscard]] result<void> receive_aggregate(std::span<aggnonce const> totals) {
        if (totals.size() != terms_.messages.size()) {
            return error{errc::wrong_count,
                         text("got ", totals.size(), " aggregate nonces for ", terms_.messages.size(), " messages")};
        }
        if (aggregate_.empty()) aggregate_.assign(totals.begin(), totals.end());
        if (std::equal(aggregate_.begin(), aggregate_.end(), totals.begin(), totals.end())) return ok();
        return error{errc::equivocation, "a second, different aggregate nonce"};
    }

    [[nodiscard]] bool has(std::uint32_t position) const noexcept { return nonces_.has(position); }
    [[nodiscard]] std::span<pubnonce const> nonces_of(std::uint32_t position) const noexcept {
        return nonces_.of(position);
    }
    /// Whether @ref sign has what it needs.
    [[nodiscard]] bool complete() const noexcept { return nonces_.complete() || !aggregate_.empty(); }
    [[nodiscard]] bool has_all_nonces() const noexcept { return nonces_.complete(); }

    /// The sums of all nonces, one per message: what an aggregator sends.
    /// @return them, or `incomplete`, or `invalid_pubnonce` with the blamed position.
    [[nodiscard]] result<std::vector<aggnonce>> aggregate_nonces() const {
        if (!nonces_.complete()) return error{errc::incomplete, "not every signer's nonce has arrived"};
        std::vector<aggnonce> out;
        for (std::size_t k = 0; k < terms_.messages.size(); ++k) {
            MUSTER_TRY(auto total, backend_.nonce_agg(nonces_.column(k)));
            out.push_back(total);
        }
        return out;
    }

    /// Signs every message once, for one thread of all that may try. The round is consumed, and its nonces with it,
    /// whatever comes of it; only an incomplete round stays as it was.
    /// @return round two, or `incomplete`, `nonce_consumed`, or what nonce_agg and sign refuse.
    [[nodiscard]] result<round2<Backend>> sign() && {
        if (!signing_.take() || !usable()) {
            return error{errc::nonce_consumed, "this round was used, moved away or inherited through fork"};
        }
        if (!complete()) {
            signing_.put_back();
            return error{errc::incomplete, "not every signer's nonce has arrived"};
        }
        auto next = sign_once();
        secrets_.clear();
        return next;
    }

private:
    round1(Backend b, key_pair key, terms t, std::vector<typename Backend::secnonce> secrets)
        : backend_{std::move(b)},
          key_{std::move(key)},
          terms_{std::move(t)},
          secrets_{std::move(secrets)},
          nonces_{terms_.group.keys().size(), terms_.messages.size()} {}

    // A digest, since not every backend takes other than 32 bytes.
    [[nodiscard]] static digest32 extra_for(byte_view extra, std::uint64_t message) {
        static crypto::hash_tag const tag{"muster/nonce-extra"};
        std::array<byte, 8> number{};
        for (std::size_t i = number.size(); i-- > 0; message >>= 8) number[i] = static_cast<byte>(message);
        return crypto::tagged_hash(tag, number, extra);
    }

    [[nodiscard]] bool usable() const noexcept {
        if (secrets_.empty()) return false;
        for (auto const& secret : secrets_) {
            if (!secret.usable()) return false;
        }
        return true;
    }

    [[nodiscard]] result<round2<Backend>> sign_once() {
        auto totals = aggregate_;
        if (totals.empty()) {
            MUSTER_TRY(totals, aggregate_nonces());
        }
        std::vector<typename Backend::session_values_type> values;
        std::vector<psig> own;
        for (std::size_t k = 0; k < terms_.messages.size(); ++k) {
            MUSTER_TRY(auto v, backend_.session_values(terms_.group, totals[k], terms_.messages[k].view()));
            MUSTER_TRY(auto share, backend_.sign(std::move(secrets_[k]), key_, v));
            values.push_back(std::move(v));
            own.push_back(share);
        }
        round2<Backend> next{backend_,          terms_.position,    std::move(values),
                             std::move(totals), std::move(nonces_), terms_.group.keys().size()};
        MUSTER_TRY(next.receive(terms_.position, own));
        return next;
    }

    [[no_unique_address]] Backend backend_;
    key_pair key_;
    terms terms_;
    std::vector<typename Backend::secnonce> secrets_;
    detail::contributions<pubnonce> nonces_;
    std::vector<aggnonce> aggregate_;  // empty: sum them up here
    detail::once_only signing_;
};

}  // namespace muster::musig2
