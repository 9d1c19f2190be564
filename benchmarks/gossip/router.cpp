// SPDX-License-Identifier: MIT

// What a gossip router costs without a network: a message from one peer of a mesh of eight to the seven others,
// unsigned and signed with Ed25519 beside the bare verification of OpenSSL, and what a peer of a topic holds in memory.

#include <malloc.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>
#include <openssl/evp.h>

#include <muster/crypto/ed25519.hpp>
#include <muster/gossip/node_key_signer.hpp>
#include <muster/gossip/router.hpp>
#include <muster/peer/host_key.hpp>
#include <support/areas.hpp>
#include <support/stopwatch.hpp>

namespace muster::bench {

namespace {

using namespace muster::gossip;
using benchmark::Counter;

constexpr std::size_t data_size = 256;
constexpr std::size_t mesh_size = 8;

/// Takes effects, and looks at none.
struct counting_sink {
    void push(effect&& e) {
        sent += std::holds_alternative<gossip::send>(e) ? 1u : 0u;
        delivered += std::holds_alternative<deliver>(e) ? 1u : 0u;
    }
    std::size_t sent = 0;
    std::size_t delivered = 0;
};

[[nodiscard]] peer_id numbered(std::uint32_t n) {
    bytes const id{0x00,
                   0x04,
                   static_cast<byte>(n >> 24),
                   static_cast<byte>(n >> 16),
                   static_cast<byte>(n >> 8),
                   static_cast<byte>(n)};
    return peer_id::from_multihash(id).value();
}

/// A router with a mesh, at a thousand messages a second.
template <class Policies>
struct meshed {
    explicit meshed(typename Policies::signing s = {}) : own{numbered(0), options{}, 1, 1, std::move(s)} {
        (void)own.subscribe("topic", {}, now, sink);
        for (std::uint32_t i = 1; i <= mesh_size; ++i) {
            own.handle(peer_up{numbered(i), version::v1_2, direction::outbound, {}}, now, sink);
            rpc::rpc_content c;
            c.subscriptions.emplace_back("topic", true);
            c.grafts.emplace_back("topic");
            hear(i, rpc::encode_rpc(c));
        }
    }
    void hear(std::uint32_t from, byte_view frame) { own.handle(received{numbers[from], frame}, now, sink); }
    void pass(duration d) {
        now += d;
        if (auto const next = own.next_deadline(); next && *next <= now) own.wake(now, sink);
    }

    [[nodiscard]] static std::vector<peer_id> some_ids() {
        std::vector<peer_id> out;
        for (std::uint32_t i = 0; i <= mesh_size; ++i) out.push_back(numbered(i));
        return out;
    }
    std::vector<peer_id> numbers = some_ids();
    instant now{std::chrono::hours{1}};
    counting_sink sink;
    router<Policies> own;
};

void forward(benchmark::State& state) {
    meshed<defaults> m;
    bytes data(data_size, 1);
    auto frame = rpc::encode_publish(rpc::encode_message({{}, data, {}, "topic"}));
    auto* const number = &*std::search(frame.begin(), frame.end(), data.begin(), data.end());  // where the data is
    std::uint64_t count = 0;
    auto const before = m.sink;
    for (auto _ : state) {
        ++count;
        std::memcpy(number, &count, sizeof count);
        m.hear(1 + static_cast<std::uint32_t>(count % mesh_size), frame);
        m.pass(std::chrono::milliseconds{1});
    }
    if (m.sink.delivered - before.delivered != count) state.SkipWithError("not all were delivered");
    if (m.sink.sent - before.sent < count * (mesh_size - 1)) state.SkipWithError("not all were forwarded");
    report_ns(state, 1);
}

// ---- signed --------------------------------------------------------------------------------------------------------

struct author {
    author() : key{EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, bytes(32, 7).data(), 32), EVP_PKEY_free} {
        std::size_t size = public_key.size();
        EVP_PKEY_get_raw_public_key(key.get(), public_key.data(), &size);
        id = peer::host_key::decode(peer::encode(peer::public_key_message{1, public_key})).value().id();
    }
    [[nodiscard]] bytes sign(byte_view content) const {
        std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> const context{EVP_MD_CTX_new(), EVP_MD_CTX_free};
        bytes out(64);
        std::size_t size = out.size();
        EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key.get());
        EVP_DigestSign(context.get(), out.data(), &size, content.data(), content.size());
        return out;
    }
    /// A frame with the message number @p n, and what was signed.
    [[nodiscard]] std::pair<bytes, std::pair<bytes, bytes>> frame(std::uint64_t n) const {
        bytes const data(data_size, static_cast<byte>(n));
        bytes seqno(8);
        for (unsigned i = 0; i < 8; ++i) seqno[i] = static_cast<byte>(n >> (56 - 8 * i));
        auto message = rpc::encode_message({id.view(), data, seqno, "topic"});
        auto content = rpc::signed_part(message);
        auto signature = sign(content);
        rpc::append_signature(message, signature, {});
        return {rpc::encode_publish(message), {std::move(content), std::move(signature)}};
    }
    std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> key;
    bytes public_key = bytes(32);
    peer_id id;
};

struct signed_by_hosts : defaults {
    using signing = strict_sign<node_key_signer>;
    using message_ids = id_of_author;
};

/// In turns: a thousand messages through the router, and the same signatures by OpenSSL alone.
void verify_ed25519(benchmark::State& state) {
    constexpr std::size_t batch = 1000;
    crypto::system_random random;
    peer::node_key const own_key{crypto::key_pair::generate(random).value()};
    author const a;
    std::uint64_t count = 0;
    double through_router = 0, bare = 0;
    meshed<signed_by_hosts> m{signed_by_hosts::signing{node_key_signer{own_key}}};
    for (auto _ : state) {
        std::vector<std::pair<bytes, std::pair<bytes, bytes>>> frames;
        for (std::size_t i = 0; i < batch; ++i) frames.push_back(a.frame(++count));
        auto const before = m.sink.delivered;
        through_router += nanoseconds(batch, [&] {
            for (auto const& f : frames) {
                m.hear(1 + static_cast<std::uint32_t>(count % mesh_size), f.first);
                m.pass(std::chrono::milliseconds{1});
            }
        });
        if (m.sink.delivered - before != batch) state.SkipWithError("not all were valid");
        std::size_t valid = 0;
        bare += nanoseconds(batch, [&] {
            std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> const key{
                EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, a.public_key.data(), 32), EVP_PKEY_free};
            std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> const context{EVP_MD_CTX_new(), EVP_MD_CTX_free};
            for (auto const& f : frames) {
                EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key.get());
                auto const& [content, signature] = f.second;
                valid += EVP_DigestVerify(context.get(), signature.data(), signature.size(), content.data(),
                                          content.size()) == 1
                             ? 1u
                             : 0u;
            }
        });
        if (valid != batch) state.SkipWithError("OpenSSL disagrees");
    }
    auto const rounds = static_cast<double>(state.iterations());
    state.counters["ns"] = through_router / rounds;
    state.counters["openssl/ns"] = bare / rounds;
    state.counters["rate_of_openssl"] = bare / through_router;
}

// ---- memory --------------------------------------------------------------------------------------------------------

[[nodiscard]] double heap_in_use() {
    ::malloc_trim(0);
    auto const all = ::mallinfo2();
    return static_cast<double>(all.uordblks + all.hblkhd);
}

/// A hundred peers, each subscribed to a hundred topics that we are subscribed to.
void topic_peer(benchmark::State& state) {
    constexpr std::uint32_t peers = 100, topics = 100;
    double each = 0;
    for (auto _ : state) {
        instant const now{std::chrono::hours{1}};
        counting_sink sink;
        router<> own{numbered(0), options{}, 1, 1};
        for (std::uint32_t i = 1; i <= peers; ++i) {
            own.handle(peer_up{numbered(i), version::v1_2, direction::outbound, {}}, now, sink);
        }
        for (std::uint32_t t = 0; t < topics; ++t) (void)own.subscribe(text("topic ", t), {}, now, sink);
        auto const before = heap_in_use();
        for (std::uint32_t i = 1; i <= peers; ++i) {
            rpc::rpc_content c;
            for (std::uint32_t t = 0; t < topics; ++t) c.subscriptions.emplace_back(text("topic ", t), true);
            auto const frame = rpc::encode_rpc(c);
            own.handle(received{numbered(i), frame}, now, sink);
        }
        each = (heap_in_use() - before) / (peers * topics);
    }
    state.counters["bytes"] = each;
}

}  // namespace

void register_gossip_router() {
    add_case("gossip/forward_unsigned", mesh_size, "muster", forward)->MinTime(0.2);
    add_case("gossip/verify_ed25519", mesh_size, "muster", verify_ed25519);
    add_case("gossip/topic_peer", 100, "muster", topic_peer)->Repetitions(3);
}

}  // namespace muster::bench
