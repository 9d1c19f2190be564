// SPDX-License-Identifier: MIT

// [misuse-15] Threads race for one secret nonce: exactly one of them signs. Built with ThreadSanitizer, which sees the
// races that nobody lost.

#include <atomic>
#include <cstdio>
#include <thread>
#include <vector>

#include <muster/musig2/rounds.hpp>

#include <support/backend.hpp>
#include <support/keys.hpp>

using namespace muster;
using namespace muster::musig2;

namespace {

constexpr int rounds = 50;
constexpr int racers = 4;

/// How many of some threads succeed when all call @p attempt at once.
template <class F>
int winners(F attempt) {
    std::atomic<int> ready{0}, won{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < racers; ++i) {
        threads.emplace_back([&] {
            ++ready;
            while (ready < racers) {
            }
            if (attempt()) ++won;
        });
    }
    for (auto& t : threads) t.join();
    return won;
}

struct signer {
    key_pair key = std::move(test::make_keys(1)[0]);
    test::backend backend;
    test::backend::keyagg_context context = backend.key_agg(std::vector{key.public_key()}).value();
    message text = message::tagged("muster/test", {});
    crypto::system_random source;
};

/// One of several threads gets round two, and all others the right refusal.
bool race_for_a_round(signer& s) {
    auto round = round1<test::backend>::open(s.source, s.key, s.context, s.text, 0).value();
    std::atomic<int> refused{0};
    auto const won = winners([&] {
        auto const signed_part = std::move(round).sign();
        if (!signed_part && signed_part.error() == errc::nonce_consumed) ++refused;
        return static_cast<bool>(signed_part);
    });
    return won == 1 && refused == racers - 1;
}

/// The same below: one of several threads gets the share.
bool race_for_a_nonce(signer& s) {
    auto made = s.backend.nonce_gen(s.source, {.key = s.key.public_key(), .message = s.text.view()}).value();
    auto const values =
        s.backend.session_values(s.context, s.backend.nonce_agg(std::vector{made.second}).value(), s.text.view());
    std::atomic<int> refused{0};
    auto const won = winners([&] {
        auto const share = s.backend.sign(std::move(made.first), s.key, values.value());
        if (!share && share.error() == errc::nonce_consumed) ++refused;
        return static_cast<bool>(share);
    });
    return won == 1 && refused == racers - 1;
}

}  // namespace

int main() {
    signer s;
    for (int i = 0; i < rounds; ++i) {
        if (!race_for_a_round(s) || !race_for_a_nonce(s)) {
            std::printf("round %d: not exactly one thread signed\n", i);
            return 1;
        }
    }
    std::printf("%d races, one signature each\n", 2 * rounds);
    return 0;
}
