// SPDX-License-Identifier: MIT

// [misuse-43] Signs with secrets that memcheck takes for undefined: run under valgrind, it must find no branch and no
// address that depends on them, but for what the code says is public by then. Built without MUSTER_MEMCHECK nothing is
// said to be public, and memcheck must find many: the control.

#include <valgrind/memcheck.h>

#include <cstdio>

#include <muster/musig2/aggregate.hpp>
#include <muster/musig2/portable.hpp>
#include <muster/musig2/tweak.hpp>

#include <support/keys.hpp>

using namespace muster;
using namespace muster::musig2;

namespace {

/// A source whose bytes are as secret as they should be.
struct hidden {
    test::predictable source;
    [[nodiscard]] result<void> fill_secret(byte_span out) {
        MUSTER_TRY(source.fill_secret(out));
        VALGRIND_MAKE_MEM_UNDEFINED(out.data(), out.size());
        return ok();
    }
};

key_pair hidden_key(hidden& source) { return key_pair::generate(source).value(); }

/// Everything that touches a secret: keys, nonces, shares, and the signer without state.
bool sign(std::uint64_t seed, std::size_t n, std::span<tweak const> tweaks) {
    portable const b;
    hidden source{test::predictable{seed}};
    std::vector<key_pair> keys;
    for (std::size_t i = 0; i < n; ++i) keys.push_back(hidden_key(source));
    auto const context = key_agg(b, test::public_keys(keys), tweaks).value();
    bytes const text{1, 2, 3}, extra(32, 4);
    std::vector<portable::secnonce> secrets;
    std::vector<pubnonce> nonces;
    for (auto const& key : keys) {
        auto made = b.nonce_gen(source, {key.public_key(), &key, &context, text, extra}).value();
        secrets.push_back(std::move(made.first));
        nonces.push_back(made.second);
    }
    auto const total = b.nonce_agg(nonces).value();
    auto const values = b.session_values(context, total, text).value();
    std::vector<psig> shares;
    for (std::size_t i = 0; i < n; ++i) shares.push_back(b.sign(std::move(secrets[i]), keys[i], values).value());
    auto const stateless = b.deterministic_sign(context, keys[0], {.other_nonces = total, .message = text});
    return aggregate(b, values, nonces, shares) && stateless;
}

}  // namespace

int main() {
    if (RUNNING_ON_VALGRIND == 0) {
        std::puts("this says nothing outside valgrind");
        return 77;
    }
    std::vector<tweak> const tweaks{bip32_path{{1}}, taproot{}};
    for (std::uint64_t seed = 1; seed <= 8; ++seed) {  // the parities of keys and nonces mix
        if (!sign(seed, 1 + seed % 3, std::span{tweaks}.first(seed % 3))) return 1;
    }
    std::printf("%u errors\n", VALGRIND_COUNT_ERRORS);
    return 0;
}
