// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What it costs to try a passphrase, and between which bounds: a key file names its own costs, and whoever can write
/// it could name a cost that makes guessing cheap, or one that takes all memory.

#include <cstdint>
#include <string>

#include <muster/core/enumeration.hpp>
#include <muster/core/result.hpp>
#include <muster/crypto/kdf.hpp>
#include <muster/identity/errc.hpp>
#include <muster/identity/passphrase.hpp>

namespace muster::identity {

/// How keys are derived from passphrases. The numbers are those in key files.
MUSTER_ENUMERATION(kdf_kind, 1,
                   scrypt,        ///< With r = 8 and p = 1; the cost is log2 N.
                   pbkdf2_sha256  ///< The cost is the number of iterations.
);

/// A way to derive a key, and its cost.
struct kdf_parameters {
    kdf_kind kind = kdf_kind::scrypt;
    std::uint32_t cost = 0;
    bool operator==(kdf_parameters const&) const = default;
};

/// The least and the greatest cost that is taken.
struct cost_bounds {
    std::uint32_t min = 0;
    std::uint32_t max = 0;
};

/// Derives keys from passphrases, at costs that are bounded both ways.
///
/// Semantics: `check` refuses costs out of bounds by name, and does nothing else. `derive` fills @p out, and is called
/// with what `check` has accepted only. `usual` is what new key files get. Cost: that of the parameters, on purpose.
template <class K>
concept passphrase_kdf = requires(K& k, kdf_parameters const& p, passphrase const& phrase, byte_view salt,
                                  byte_span out) {
    { k.usual() } -> std::same_as<kdf_parameters>;
    { k.check(p) } -> std::same_as<result<void>>;
    { k.derive(p, phrase, salt, out) } -> std::same_as<result<void>>;
};

/// What @ref bounded_kdf derives at. The defaults are for people's keys; tests take cheap ones.
struct standard_costs {
    /// scrypt, log2 N: 2^17 takes 128 MiB and 0.4 s (OWASP, Password Storage, 2023), 2^15 is RFC 7914's example of
    /// interactive use and doubled for time; 2^20 takes 1 GiB.
    static constexpr cost_bounds scrypt{15, 20};
    /// PBKDF2 iterations. OWASP, Password Storage, 2023: at least 600,000. The upper bound takes some 4 s.
    static constexpr cost_bounds pbkdf2{600'000, 10'000'000};
    static constexpr kdf_parameters usual{kdf_kind::scrypt, 17};
};

/// The models of @ref passphrase_kdf that ship. Stateless.
template <class Costs = standard_costs>
struct bounded_kdf {
    [[nodiscard]] static constexpr kdf_parameters usual() noexcept { return Costs::usual; }

    /// @return `unsupported_kdf`, `kdf_too_cheap` or `kdf_too_dear`.
    [[nodiscard]] static result<void> check(kdf_parameters const& p) {
        switch (p.kind) {
            case kdf_kind::scrypt: return check_bounds("scrypt with log2 N", p.cost, Costs::scrypt);
            case kdf_kind::pbkdf2_sha256: return check_bounds("PBKDF2 with an iteration count", p.cost, Costs::pbkdf2);
        }
        return error{errc::unsupported_kdf, text("key derivation ", static_cast<unsigned>(p.kind),
                                                 " is not known here; a newer version of this program may read it")};
    }
    [[nodiscard]] static result<void> derive(kdf_parameters const& p, passphrase const& phrase, byte_view salt,
                                             byte_span out) {
        MUSTER_TRY(phrase.require());
        if (p.kind == kdf_kind::scrypt) return crypto::scrypt(phrase.view(), salt, {std::uint64_t{1} << p.cost}, out);
        crypto::pbkdf2_sha256(phrase.view(), salt, p.cost, out);
        return ok();
    }

private:
    [[nodiscard]] static result<void> check_bounds(char const* what, std::uint32_t cost, cost_bounds const& bounds) {
        if (cost < bounds.min) {
            return error{errc::kdf_too_cheap, text(what, " of ", cost, " is too cheap to guess; at least ", bounds.min,
                                                   " is taken. Did somebody change the file?")};
        }
        if (cost > bounds.max) {
            return error{errc::kdf_too_dear,
                         text(what, " of ", cost, " costs more than is taken here; at most ", bounds.max)};
        }
        return ok();
    }
};
using standard_kdf = bounded_kdf<>;
static_assert(passphrase_kdf<standard_kdf>);

}  // namespace muster::identity
