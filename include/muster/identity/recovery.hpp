// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Getting everything back from guardians: a fresh key, the same request to all of them, and what they send together.

#include <algorithm>
#include <cstddef>
#include <map>
#include <tuple>
#include <utility>
#include <vector>

#include <muster/core/result.hpp>
#include <muster/identity/guardian_message.hpp>

namespace muster::identity {

/// A recovery that goes on. Move-only; not thread-safe. Holds shares of at most eight sets, which guardians who lie can
/// make up; the manifest of each is signed.
class recovery {
public:
    static constexpr std::size_t sets_max = 8;  ///< Ours: two are honest, while an epoch is being replaced.

    /// Begins one for @p owner. The fresh key lives as long as this.
    template <secret_source Source>
    [[nodiscard]] static result<recovery> begin(user_id const& owner, Source& source) {
        MUSTER_TRY(auto secret, crypto::secret<32>::generate(source));
        return resume(owner, std::move(secret), source);
    }
    /// The same with a fresh key that was drawn before, and a new nonce.
    template <secret_source Source>
    [[nodiscard]] static result<recovery> resume(user_id const& owner, crypto::secret<32> secret, Source& source) {
        crypto::digest32 nonce;
        MUSTER_TRY(source.fill_secret(nonce.octets));
        return resume(owner, std::move(secret), nonce);
    }
    /// The same as it was written down: three days are long.
    [[nodiscard]] static result<recovery> resume(user_id const& owner, crypto::secret<32> secret,
                                                 crypto::digest32 const& nonce) {
        MUSTER_TRY(auto fresh, crypto::x25519_key::from_secret(std::move(secret)));
        recovery_request r{owner, fresh.public_point(), nonce};
        return recovery{std::move(fresh), r};
    }

    /// The same with a fresh key that follows from a key of this machine: nothing secret has to be written down.
    [[nodiscard]] static result<recovery> derive(user_id const& owner, crypto::secret<32> const& own,
                                                 crypto::digest32 const& nonce) {
        MUSTER_TRY(own.require());
        MUSTER_TRY(auto secret, crypto::secret<32>::make());
        auto label = to_bytes(owner.view());
        append(label, nonce.view());
        crypto::hkdf_sha256(as_bytes("muster/recovery-key/v1"), own.view(), label, secret.span());
        return resume(owner, std::move(secret), nonce);
    }

    [[nodiscard]] recovery_request const& request() const noexcept { return request_; }

    /// Takes what a guardian gives. A share that is not the one of its manifest is noted and counts for nothing.
    /// @return `wrong_set` when it is for another request or owner; `not_signed`; `malformed`; `full`.
    [[nodiscard]] result<void> take(release const& r) {
        if (r.request != request_.id()) return error{errc::wrong_set, "a share that was not asked for"};
        MUSTER_TRY(auto const m, backup_manifest::decode(r.manifest));
        if (m.owner != request_.owner) {
            return error{errc::wrong_set,
                         text("a backup of ", shown(m.owner), "; asked for was ", shown(request_.owner))};
        }
        auto const known = sets_.find(m.set);
        std::size_t exchanged = 0;
        if (known == sets_.end()) {
            // Whoever has changed keys since is known by the first one still: it made the id.
            MUSTER_TRY(auto const line, lineage::decode(r.line));
            MUSTER_TRY(line.leads(m.owner, m.signer, m.key));
            exchanged = line.records().size();
            if (!m.is_signed()) return error{errc::not_signed, "a manifest that its owner did not sign"};
        }
        if (known == sets_.end() && sets_.size() >= sets_max)
            return error{errc::full, text("more than ", sets_max, " sets")};
        if (known != sets_.end() && known->second.manifest != m) {
            return error{errc::wrong_set, "two manifests of one set"};
        }
        auto& s = known == sets_.end() ? sets_[m.set] : known->second;
        s.manifest = m;
        s.exchanged = std::max(s.exchanged, exchanged);
        if (crypto::sha256(r.blob) == m.blob) s.blob = r.blob;
        auto opened = open_share(m, r.index, fresh_, r.sealed);
        if (!opened) {
            if (std::find(s.bad.begin(), s.bad.end(), r.index) == s.bad.end()) s.bad.push_back(r.index);
            return ok();
        }
        std::erase(s.bad, r.index);  // somebody else may have sent another one in its place
        bool const is_there =
            std::any_of(s.shares.begin(), s.shares.end(), [&](share const& h) { return h.index == r.index; });
        if (!is_there) s.shares.push_back(std::move(opened).value());
        return ok();
    }
    /// What came of the newest set of which there is enough: that of the key which follows most others, for a key that
    /// was exchanged may be a thief's; then that of the greatest epoch; then the next, where one gives nothing.
    /// @return `too_few_shares`, saying how many there are; why the last one gave nothing.
    [[nodiscard]] result<restored> finish() const {
        std::vector<set const*> complete;
        std::size_t most = 0, wanted = 0;
        for (auto const& [id, s] : sets_) {
            if (s.shares.size() >= most) wanted = s.manifest.threshold;
            most = std::max(most, s.shares.size());
            if (s.shares.size() >= s.manifest.threshold && !s.blob.empty()) complete.push_back(&s);
        }
        std::sort(complete.begin(), complete.end(), [](set const* a, set const* b) {
            auto const rank = [](set const& s) { return std::tuple{s.exchanged, s.manifest.epoch, s.manifest.set}; };
            return rank(*a) > rank(*b);
        });
        result<restored> out = error{errc::too_few_shares, text(most, " guardians have given a good share",
                                                                sets_.empty() ? "" : text(", and it takes ", wanted))};
        for (auto const* const s : complete) {
            out = restore(s->manifest, s->blob, s->shares);
            if (!out) continue;
            out.value().bad = s->bad;
            for (auto const i : s->bad) {
                if (i < s->manifest.guardians.size()) out.value().blamed.push_back(s->manifest.guardians[i].who);
            }
            break;
        }
        return out;
    }

private:
    struct set {
        backup_manifest manifest;
        std::size_t exchanged = 0;  ///< Keys of the owner before that of the manifest.
        bytes blob;
        std::vector<share> shares;
        std::vector<std::uint8_t> bad;
    };

    recovery(crypto::x25519_key fresh, recovery_request const& r) : fresh_{std::move(fresh)}, request_{r} {}

    crypto::x25519_key fresh_;
    recovery_request request_;
    std::map<set_id, set> sets_;
};

}  // namespace muster::identity
