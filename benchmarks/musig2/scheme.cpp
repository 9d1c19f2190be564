// SPDX-License-Identifier: MIT

// BIP-327's functions on the portable backend, beside the calls to libsecp256k1 that none of them can do without.
// The peers leave out parsing, hashing and scalars, so a ratio is what all of that costs on top.

#include <memory>
#include <string_view>

#include <benchmark/benchmark.h>

#include <support/areas.hpp>
#include <support/signing_group.hpp>

namespace muster::bench {

namespace {

using group_ptr = std::shared_ptr<signing_group const>;
using benchmark::DoNotOptimize;

constexpr std::string_view primitive = "libsecp256k1";

/// Measures calls of @p f.
template <class F>
void add(std::string_view name, std::size_t n, std::string_view subject, F f) {
    add_case(name, n, subject, [f](benchmark::State& state) {
        for (auto _ : state) f();
    });
}

/// The library's form of every key of @p g.
[[nodiscard]] std::vector<secp256k1_pubkey> points_of(signing_group const& g) {
    std::vector<secp256k1_pubkey> points;
    for (auto const& key : g.public_keys) points.push_back(crypto::parse(key).value());
    return points;
}

/// @p count multiplications of points by a scalar of full length.
void multiply(std::vector<secp256k1_pubkey> const& points, crypto::digest32 const& scalar, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
        auto point = points[i % points.size()];
        DoNotOptimize(secp256k1_ec_pubkey_tweak_mul(crypto::secp256k1::context(), &point, scalar.data()));
    }
}

/// @p count multiplications of the generator.
void multiply_generator(crypto::digest32 const& scalar, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
        secp256k1_pubkey point;
        DoNotOptimize(secp256k1_ec_pubkey_create(crypto::secp256k1::context(), &point, scalar.data()));
    }
}

void add_keys(group_ptr const& g) {
    auto const n = g->size();
    add("musig2/key_agg", n, "muster", [g] { DoNotOptimize(g->backend.key_agg(g->public_keys).value()); });
    // The second key's coefficient is 1.
    add("musig2/key_agg", n, primitive, [g, points = points_of(*g)] { multiply(points, g->message, g->size() - 1); });
}

void add_nonces(group_ptr const& g) {
    auto const n = g->size();
    add("musig2/nonce_gen", n, "muster", [g] { DoNotOptimize(g->draw_nonce(0)); });
    add("musig2/nonce_gen", n, primitive, [g] { multiply_generator(g->message, 2); });
    add("musig2/nonce_agg", n, "muster", [g] { DoNotOptimize(g->backend.nonce_agg(g->nonces).value()); });
    add("musig2/nonce_agg", n, primitive, [g] {
        for (auto const& nonce : g->nonces) {
            secp256k1_pubkey half;
            DoNotOptimize(secp256k1_ec_pubkey_parse(crypto::secp256k1::context(), &half, nonce.data(), 33));
            DoNotOptimize(secp256k1_ec_pubkey_parse(crypto::secp256k1::context(), &half, nonce.data() + 33, 33));
        }
    });
    add("musig2/session_values", n, "muster",
        [g] { DoNotOptimize(g->backend.session_values(g->context, g->total, g->message.view()).value()); });
    add("musig2/session_values", n, primitive, [g, points = points_of(*g)] { multiply(points, g->message, 1); });
}

// A nonce signs once, so nonces are drawn while the clock stands.
void sign_in_batches(signing_group const& g, benchmark::State& state) {
    constexpr std::size_t batch = 32;
    while (state.KeepRunningBatch(batch)) {
        state.PauseTiming();
        std::vector<musig2::portable::secnonce> secrets;
        for (std::size_t i = 0; i < batch; ++i) secrets.push_back(g.draw_nonce(0).first);
        state.ResumeTiming();
        for (auto& secret : secrets) DoNotOptimize(g.backend.sign(std::move(secret), g.keys[0], g.values).value());
    }
}

void add_shares(group_ptr const& g) {
    auto const n = g->size();
    // With its check of the own result: what both cases cannot do without.
    auto const check = [g, points = points_of(*g)] {
        multiply(points, g->message, 2);
        multiply_generator(g->message, 1);
    };
    add_case("musig2/sign", n, "muster", [g](benchmark::State& state) { sign_in_batches(*g, state); });
    add("musig2/sign", n, primitive, [g, check] {
        multiply_generator(g->message, 2);  // the public nonce, once more from the secret one
        check();
    });
    add("musig2/partial_sig_verify", n, "muster", [g] {
        DoNotOptimize(musig2::partial_sig_verify(g->backend, g->values, {0, g->nonces[0], g->shares[0]}).value());
    });
    add("musig2/partial_sig_verify", n, primitive, check);
    add("musig2/partial_sig_agg", n, "muster",
        [g] { DoNotOptimize(g->backend.partial_sig_agg(g->shares, g->values).value()); });
}

void add_aggregate(group_ptr const& g) {
    add("musig2/aggregate", g->size(), "muster",
        [g] { DoNotOptimize(musig2::aggregate(g->backend, g->values, g->nonces, g->shares).value()); });
    secp256k1_xonly_pubkey key;
    auto const q = crypto::to_xonly(g->context.aggregate());
    crypto::detail::must(secp256k1_xonly_pubkey_parse(crypto::secp256k1::context(), &key, q.data()) == 1);
    add("musig2/aggregate", g->size(), primitive, [g, key] {
        auto const& digest = g->message;
        DoNotOptimize(secp256k1_schnorrsig_verify(crypto::secp256k1::context(), g->signed_by_all.data(), digest.data(),
                                                  digest.size(), &key));
    });
}

// One bad share in the middle: found by halving, and by looking at one share after the other.
void add_blame(group_ptr const& g) {
    auto const n = g->size();
    auto const culprit = static_cast<std::uint32_t>(n / 2);
    auto shares = g->shares;
    shares[culprit].octets[31] ^= 1;
    add_case("musig2/blame", n, "muster", [g, shares, culprit](benchmark::State& state) {
        for (auto _ : state) {
            auto const made = musig2::aggregate(g->backend, g->values, g->nonces, shares);
            if (made || made.error().index() != culprit) return state.SkipWithError("blamed the wrong signer");
        }
    });
    add("musig2/blame", n, "one_by_one", [g, shares] {
        std::uint32_t i = 0;
        while (musig2::partial_sig_verify(g->backend, g->values, {i, g->nonces[i], shares[i]}).value()) ++i;
        DoNotOptimize(i);
    });
}

}  // namespace

void register_musig2() {
    for (std::size_t const n : {2u, 3u, 10u, 100u, 1000u}) {
        auto const g = std::make_shared<signing_group const>(n);
        add_keys(g);
        add_nonces(g);
        add_shares(g);
        add_aggregate(g);
        add_blame(g);
    }
}

}  // namespace muster::bench
