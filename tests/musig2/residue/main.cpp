// SPDX-License-Identifier: MIT

// [misuse-44] Looks for secrets in all of the process's writable memory once it has signed, once it has given up before
// it signed, and once signing was refused: no copy of k1, k2 or the secret key may be left, neither as bytes nor as
// libsecp256k1 keeps scalars. Built with MUSTER_TEST_NO_WIPE nothing is wiped, and copies must be found on each of
// these ways: the control.

#include <cstdint>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include <muster/musig2/rounds.hpp>

#include <support/keys.hpp>
#include <support/secnonce.hpp>

#ifdef MUSTER_TEST_NO_WIPE
// Stands before libcrypto's in the order of linking.
extern "C" void OPENSSL_cleanse(void*, std::size_t) {}
#endif

namespace {

using namespace muster;
using namespace muster::musig2;

/// Under a mask, for what looks for secrets should not find itself.
constexpr byte mask = 0xa5;
struct wanted {
    char const* name;
    std::array<byte, 32> masked;
};
std::vector<wanted> secrets;

void want(char const* name, byte_view secret) {
    wanted big{name, {}}, little{name, {}};
    for (std::size_t i = 0; i < 32; ++i) {
        big.masked[i] = static_cast<byte>(secret[i] ^ mask);
        little.masked[31 - i] = big.masked[i];  // four words, the least first: a scalar of libsecp256k1
    }
    secrets.push_back(big);
    secrets.push_back(little);
}

/// A backend that tells what to look for.
struct spied : test::backend {
    template <secret_source Source>
    [[nodiscard]] result<std::pair<secnonce, pubnonce>> nonce_gen(Source& source,
                                                                  nonce_gen_input<keyagg_context> const& in) const {
        auto made = test::backend::nonce_gen(source, in);
        auto const k = secnonce_test_access::k(made.value().first);
        want("k1", k.first(32));
        want("k2", k.last(32));
        return made;
    }
};

/// Two signers of one message.
struct pair_of_signers {
    crypto::system_random source;
    key_pair key = key_pair::generate(source).value();
    key_pair other = key_pair::generate(source).value();
    spied::keyagg_context context = spied{}.key_agg(std::vector{key.public_key(), other.public_key()}).value();
    message text = message::tagged("muster/test", {});

    pair_of_signers() { want("the secret key", key.secret_scalar()); }
};

[[gnu::noinline]] bool open_and_give_up() {
    pair_of_signers s;
    return round1<spied>::open(s.source, s.key, s.context, s.text, 0).has_value();
}

[[gnu::noinline]] bool be_refused() {
    pair_of_signers s;
    auto made = spied{}.nonce_gen(s.source, {.key = s.key.public_key(), .secret = &s.key}).value();
    auto const values = spied{}.session_values(s.context, aggnonce{}, s.text.view()).value();
    return !spied{}.sign(std::move(made.first), s.other, values);  // a nonce of another key
}

[[gnu::noinline]] bool sign_as_a_node() {
    pair_of_signers s;
    return s.key.sign_bip340(s.text.view()) && s.key.sign_ecdsa_der(s.text.view());
}

[[gnu::noinline]] bool sign() {
    pair_of_signers s;
    auto& [source, key, other, context, text] = s;
    auto mine = round1<spied>::open(source, key, context, text, 0).value();
    auto theirs = round1<spied>::open(source, other, context, text, 1).value();
    if (!mine.receive(1, theirs.nonces()) || !theirs.receive(0, mine.nonces())) return false;
    auto signed_by_me = std::move(mine).sign().value();
    auto const signed_by_them = std::move(theirs).sign().value();
    return signed_by_me.receive(1, signed_by_them.shares()) && signed_by_me.aggregate();
}

/// How often a secret stands in [from, to).
std::size_t copies_in(byte const* from, byte const* to, std::string const& where) {
    std::size_t found = 0;
    for (auto const* at = from; at + 32 <= to; ++at) {
        for (auto const& secret : secrets) {
            std::size_t i = 0;
            while (i < 32 && static_cast<byte>(at[i] ^ mask) == secret.masked[i]) ++i;
            if (i < 32) continue;
            std::printf("%s in %s\n", secret.name, where.c_str());
            ++found;
        }
    }
    return found;
}

std::size_t copies() {
    std::ifstream maps{"/proc/self/maps"};
    std::size_t found = 0;
    for (std::string line; std::getline(maps, line);) {
        unsigned long long from = 0, to = 0;
        char rights[5] = {};
        if (std::sscanf(line.c_str(), "%llx-%llx %4s", &from, &to, rights) != 3) continue;
        if (rights[0] != 'r' || rights[1] != 'w') continue;
        found += copies_in(reinterpret_cast<byte const*>(static_cast<std::uintptr_t>(from)),
                           reinterpret_cast<byte const*>(static_cast<std::uintptr_t>(to)), line);
    }
    return found;
}

}  // namespace

int main() {
    secrets.reserve(64);
    struct {
        char const* name;
        bool (*go)();
    } const ways[] = {{"signed", sign},
                      {"given up before signing", open_and_give_up},
                      {"refused", be_refused},
                      {"signed as a node", sign_as_a_node}};
    std::size_t clean = 0;
    for (auto const& way : ways) {
        secrets.clear();
        if (!way.go()) return 1;
        auto const found = copies();
        std::printf("%s: %zu copies\n", way.name, found);
        clean += found == 0 ? 1u : 0u;
    }
    return clean == std::size(ways) ? 0 : clean == 0 ? 99 : 98;
}
