// SPDX-License-Identifier: MIT

// [misuse-49] A machine that miscalculates: one bit of the result of one call to libsecp256k1 is flipped, each call in
// turn. From the values of the session to the share, nothing that is wrong may leave the signer. A wrong share by
// itself costs a session and a good name; one by a signer whose nonce repeats gives its key away.

#include <dlfcn.h>

#include <cstdio>
#include <cstring>

#include <muster/musig2/aggregate.hpp>
#include <muster/musig2/portable.hpp>

#include <support/keys.hpp>

namespace {

/// Which call is to go wrong, and in which bit.
struct saboteur {
    bool is_active = false;
    std::size_t calls = 0;
    std::size_t at = 0;
    std::size_t bit = 0;

    void touch(void* result, std::size_t size) {
        if (!is_active || calls++ != at) return;
        auto* const octets = static_cast<unsigned char*>(result);
        octets[bit / 8 % size] = static_cast<unsigned char>(octets[bit / 8 % size] ^ (1u << bit % 8));
    }
};
saboteur machine;

template <class F>
F* real(char const* name) {
    F* f = nullptr;
    void* const found = ::dlsym(RTLD_NEXT, name);
    std::memcpy(&f, &found, sizeof f);
    return f;
}

}  // namespace

// These stand before the library's in the order of linking, and call them.
#define MUSTER_SABOTAGE(name, result, parameters, arguments) \
    extern "C" int name parameters {                         \
        static auto* const f = real<int parameters>(#name);  \
        int const done = f arguments;                        \
        machine.touch(result, sizeof *result);               \
        return done;                                         \
    }
using scalar_octets = unsigned char[32];
MUSTER_SABOTAGE(secp256k1_ec_seckey_negate, reinterpret_cast<scalar_octets*>(k),
                (secp256k1_context const* c, unsigned char* k), (c, k))
MUSTER_SABOTAGE(secp256k1_ec_seckey_tweak_add, reinterpret_cast<scalar_octets*>(k),
                (secp256k1_context const* c, unsigned char* k, unsigned char const* t), (c, k, t))
MUSTER_SABOTAGE(secp256k1_ec_seckey_tweak_mul, reinterpret_cast<scalar_octets*>(k),
                (secp256k1_context const* c, unsigned char* k, unsigned char const* t), (c, k, t))
MUSTER_SABOTAGE(secp256k1_ec_pubkey_create, p,
                (secp256k1_context const* c, secp256k1_pubkey* p, unsigned char const* k), (c, p, k))
MUSTER_SABOTAGE(secp256k1_ec_pubkey_negate, p, (secp256k1_context const* c, secp256k1_pubkey* p), (c, p))
MUSTER_SABOTAGE(secp256k1_ec_pubkey_parse, p,
                (secp256k1_context const* c, secp256k1_pubkey* p, unsigned char const* in, std::size_t n),
                (c, p, in, n))
MUSTER_SABOTAGE(secp256k1_ec_pubkey_tweak_mul, p,
                (secp256k1_context const* c, secp256k1_pubkey* p, unsigned char const* t), (c, p, t))
MUSTER_SABOTAGE(secp256k1_ec_pubkey_combine, p,
                (secp256k1_context const* c, secp256k1_pubkey* p, secp256k1_pubkey const* const* in, std::size_t n),
                (c, p, in, n))
using key_octets = unsigned char[33];
MUSTER_SABOTAGE(secp256k1_ec_pubkey_serialize, reinterpret_cast<key_octets*>(out),
                (secp256k1_context const* c, unsigned char* out, std::size_t* n, secp256k1_pubkey const* p,
                 unsigned flags),
                (c, out, n, p, flags))
#undef MUSTER_SABOTAGE

namespace {

using namespace muster;
using namespace muster::musig2;

/// A group of two, all its nonces made.
struct group {
    explicit group(std::uint64_t seed) : keys{test::make_keys(2, seed)}, source{seed} {
        context = b.apply_tweak(b.key_agg(test::public_keys(keys)).value(), {{7}}, true).value();
        other = b.nonce_gen(source, {.key = keys[1].public_key()}).value().second;
    }

    /// Whether @p share is the first signer's under @p own and the right values, computed without faults.
    [[nodiscard]] bool is_right(pubnonce const& own, psig const& share) const {
        auto const values = b.session_values(context, b.nonce_agg(std::vector{own, other}).value(), text).value();
        auto const verified = partial_sig_verify(b, values, {0, own, share});
        return verified && verified.value();
    }

    portable b;
    std::vector<key_pair> keys;
    test::predictable source;
    portable::keyagg_context context;
    pubnonce other;
    bytes text = bytes(32, 9);
};

using made_share = std::optional<std::pair<pubnonce, psig>>;

/// From the sum of the nonces to the share; the nonce was shown before anything went wrong.
made_share sign(group& g) {
    auto made = g.b.nonce_gen(g.source, {.key = g.keys[0].public_key()}).value();
    auto const total = g.b.nonce_agg(std::vector{made.second, g.other}).value();
    machine.is_active = true;
    made_share out;
    if (auto const values = g.b.session_values(g.context, total, g.text)) {
        if (auto const share = g.b.sign(std::move(made.first), g.keys[0], values.value())) {
            out.emplace(made.second, share.value());
        }
    }
    machine.is_active = false;
    return out;
}

/// The same without state, whose nonce is made on the way.
made_share sign_deterministically(group& g) {
    machine.is_active = true;
    auto const made = g.b.deterministic_sign(g.context, g.keys[0], {aggnonce{g.other.octets}, g.text, {}});
    machine.is_active = false;
    return made ? made_share{made.value()} : std::nullopt;
}

/// Each call in turn, one bit each: how many runs ended with a refusal, or nothing when something wrong got out.
std::optional<std::size_t> refusals(made_share (*run)(group&)) {
    std::size_t refused = 0;
    for (std::uint64_t seed = 1; seed <= 6; ++seed) {
        group g{seed};
        machine = {};
        machine.at = static_cast<std::size_t>(-1);
        if (auto const clean = run(g); !clean || !g.is_right(clean->first, clean->second)) return std::nullopt;
        auto const calls = machine.calls;
        for (std::size_t at = 0; at < calls; ++at) {
            for (std::size_t const bit : {0u, 7u, 100u, 255u, 300u, 511u}) {
                machine = {};
                machine.at = at;
                machine.bit = bit;
                auto const made = run(g);
                if (made && !g.is_right(made->first, made->second)) {
                    std::printf("seed %d: call %zu, bit %zu: a wrong share got out\n", static_cast<int>(seed), at, bit);
                    return std::nullopt;
                }
                refused += made ? 0u : 1u;
            }
        }
    }
    return refused;
}

}  // namespace

int main() {
    auto const usual = refusals(sign), without_state = refusals(sign_deterministically);
    if (!usual || !without_state || *usual == 0 || *without_state == 0) return 1;
    std::printf("%zu and %zu faults, each refused\n", *usual, *without_state);
    return 0;
}
