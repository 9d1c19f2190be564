// SPDX-License-Identifier: MIT

// What an open session holds: the heap of one signer's session in each phase, by the difference that five hundred of
// them make. Secret nonces are not on the heap: 144 bytes of locked memory each, until the share is made.

#include <malloc.h>

#include <memory>
#include <string_view>
#include <vector>

#include <benchmark/benchmark.h>

#include <muster/musig2/portable.hpp>
#include <muster/signing/session.hpp>

#include <support/areas.hpp>

namespace muster::bench {

namespace {

using session = signing::session<musig2::portable, signing::mesh>;
constexpr std::size_t count = 500;

[[nodiscard]] double heap_in_use() {
    auto const all = ::mallinfo2();
    return static_cast<double>(all.uordblks + all.hblkhd);
}

/// A group of n, of whose sessions slot 0 is ours.
struct terms {
    explicit terms(std::size_t n) {
        signing::proposal p;
        crypto::system_random random;
        std::vector<crypto::public_key> signers;
        for (std::size_t i = 0; i < n; ++i) {
            keys.push_back(peer::derive_keys(crypto::secret<32>::generate(random).value()).value());
            signers.push_back(keys[i].signer.public_key());
            p.roster.push_back({signers[i], keys[i].node.id(), {}});
        }
        p.messages = {crypto::sha256(as_bytes("muster/benchmark"))};
        plan = std::make_shared<signing::proposal const>(std::move(p));
        context = musig2::portable{}.key_agg(signers).value();
    }
    [[nodiscard]] session open() const {
        // The roster is shared by all sessions of a group, as it is when proposals name it.
        return session{{signing::session_id{}, {}, plan, context, 0, {}, instant::max()}, bounds, instant{}};
    }
    std::vector<peer::key_set> keys;
    std::shared_ptr<signing::proposal const> plan;
    musig2::portable::keyagg_context context;
    signing::limits bounds;
};

/// Takes a session of @p t to where everyone's nonces are there, and as far as our share if @p signs.
void take_part(terms const& t, session& s, bool signs) {
    crypto::system_random random;
    effect_list<signing::session_effect> out;
    crypto::detail::must(static_cast<bool>(s.approve(random, t.keys[0].signer, instant{}, out)));
    auto const n = t.keys.size();
    for (signing::slot from = 1; from < n - (signs ? 0 : 1); ++from) {
        auto const nonce =
            musig2::portable{}.nonce_gen(random, {.key = t.keys[from].signer.public_key()}).value().second;
        signing::nonces_body const body{{nonce}};
        signing::frame_header const header{{}, {}, from, 1, signing::kind::nonces};
        s.handle({header, body, signing::encode_frame(header, body, t.keys[from].node).value()}, instant{}, out);
    }
}

void add_phase(std::string_view phase, std::size_t n, int upto) {
    auto const t = std::make_shared<terms>(n);
    add_case("signing/memory", n, phase, [t, upto](benchmark::State& state) {
        double held = 0;
        for (auto _ : state) {
            std::vector<session> all;
            all.reserve(count);
            auto const before = heap_in_use();
            for (std::size_t i = 0; i < count; ++i) {
                all.push_back(t->open());
                if (upto > 0) take_part(*t, all.back(), upto > 1);
            }
            held = (heap_in_use() - before) / count + sizeof(session);
        }
        state.counters["bytes"] = held;
    })->Repetitions(3);
}

}  // namespace

void register_signing_memory() {
    for (std::size_t const n : {3u, 100u}) {
        add_phase("awaiting_approval", n, 0);
        add_phase("collecting_nonces", n, 1);
        add_phase("collecting_shares", n, 2);
    }
}

}  // namespace muster::bench
