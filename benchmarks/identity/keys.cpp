// SPDX-License-Identifier: MIT

// What unlocking costs beside the bare key derivation, and verifying an action beside the bare signature.

#include <map>
#include <optional>

#include <benchmark/benchmark.h>

#include <muster/identity/action_verifier.hpp>
#include <muster/identity/backup.hpp>
#include <muster/identity/key_file.hpp>

#include <support/areas.hpp>

namespace muster::bench {

namespace {

namespace id = muster::identity;
constexpr timestamp noon = from_unix_millis(1'800'000'000'000);

/// A source that anybody can predict, for keys that protect nothing.
struct predictable {
    splitmix64 words;
    [[nodiscard]] result<void> fill_secret(byte_span out) {
        for (auto& b : out) b = static_cast<byte>(words());
        return ok();
    }
};

id::master_key some_key() {
    predictable source{splitmix64{1}};
    return {crypto::secret<32>::generate(source).value()};
}
id::passphrase some_phrase() { return id::passphrase::take(as_bytes("correct horse battery staple")).value(); }

void add_unlock(id::kdf_parameters const& p, std::size_t n) {
    add_case("identity/unlock", n, "muster", [p](benchmark::State& state) {
        predictable source{splitmix64{2}};
        auto const phrase = some_phrase();
        auto const file = id::key_file::wrap(some_key(), phrase, source, p).value();
        for (auto _ : state) benchmark::DoNotOptimize(id::key_file::read(file).value().open(phrase).has_value());
    });
    add_case("identity/unlock", n, p.kind == id::kdf_kind::scrypt ? "bare scrypt" : "bare PBKDF2",
             [p](benchmark::State& state) {
                 auto const phrase = some_phrase();
                 bytes out(64), salt(16, 1);
                 for (auto _ : state) {
                     (void)id::standard_kdf::derive(p, phrase, salt, out);
                     benchmark::DoNotOptimize(out.data());
                 }
             });
}

struct one_author {
    id::user_id user;
    crypto::public_key key;
    [[nodiscard]] std::optional<crypto::public_key> key_of(id::user_id const& who) const {
        return who == user ? std::optional{key} : std::nullopt;
    }
};

/// A chain of actions, and who verifies it.
struct chain {
    explicit chain(std::size_t n) : keys{some_key().keys().value()}, user{id::user_of(keys.node.public_key())} {
        id::action_author author{network, user, 1};
        for (std::size_t i = 0; i < n; ++i) {
            actions.push_back(author.act({}, as_bytes("a label"), std::chrono::hours{1}, noon, keys.node).value());
            packets.push_back(actions.back().encoded());
        }
    }
    [[nodiscard]] id::action_verifier<one_author> verifier() const {
        id::action_verifier<one_author>::options o;
        o.network = network;
        o.rate = o.burst = o.total_rate = 1'000'000'000;
        return {one_author{user, keys.node.public_key()}, o};
    }
    id::network_id network = id::network_id::from(bytes(32, 1));
    peer::key_set keys;
    id::user_id user;
    std::vector<id::action> actions;
    std::vector<bytes> packets;
};

void add_actions(std::size_t n) {
    add_case("identity/verify_action", n, "muster", [n](benchmark::State& state) {
        chain const c{n};
        auto const from = c.keys.node.id();
        for (auto _ : state) {
            auto v = c.verifier();
            for (auto const& p : c.packets) {
                auto const found =
                    v.verify(p, as_bytes("a label"), from, instant{std::chrono::hours{1}}, noon, id::freshness::live);
                if (!found) state.SkipWithError("not accepted");
            }
        }
        report_ns(state, n);
    });
    add_case("identity/verify_action", n, "bare BIP-340", [n](benchmark::State& state) {
        chain const c{n};
        auto const key = crypto::to_xonly(c.keys.node.public_key());
        for (auto _ : state) {
            for (auto const& a : c.actions)
                benchmark::DoNotOptimize(crypto::verify_bip340(key, a.id().view(), a.signature));
        }
        report_ns(state, n);
    });
    add_case("identity/verify_action", n, "bare ECDSA", [n](benchmark::State& state) {
        chain const c{n};
        std::vector<bytes> messages, signatures;
        for (auto const& a : c.actions) {
            messages.push_back(to_bytes(a.id().view()));
            signatures.push_back(c.keys.node.sign_handshake(messages.back()).value());
        }
        auto const& key = c.keys.node.public_key();
        for (auto _ : state) {
            for (std::size_t i = 0; i < n; ++i) {
                if (!crypto::verify_ecdsa_der(key, messages[i], signatures[i])) state.SkipWithError("not signed");
            }
        }
        report_ns(state, n);
    });
    add_case("identity/refuse_flood", n, "muster", [n](benchmark::State& state) {
        chain const c{1};
        auto bad = c.actions[0];
        bad.signature.octets[0] ^= 1;
        auto const packet = bad.encoded();
        auto const from = c.keys.node.id();
        id::action_verifier<one_author>::options o;
        o.network = c.network;
        id::action_verifier<one_author> v{one_author{c.user, c.keys.node.public_key()}, o};
        for (auto _ : state) {  // a second of it
            for (std::size_t i = 0; i < n; ++i) {
                auto const found = v.verify(packet, as_bytes("a label"), from, instant{std::chrono::hours{1}}, noon,
                                            id::freshness::live);
                benchmark::DoNotOptimize(found.has_value());
            }
        }
        report_ns(state, n);
    });
}

void add_backup() {
    add_case("identity/split", 5, "muster", [](benchmark::State& state) {
        predictable source{splitmix64{3}};
        auto const secret = crypto::secret<32>::generate(source).value();
        for (auto _ : state) benchmark::DoNotOptimize(id::split(secret, {3, 5}, source).has_value());
    });
    add_case("identity/combine", 3, "muster", [](benchmark::State& state) {
        predictable source{splitmix64{3}};
        auto const shares = id::split(crypto::secret<32>::generate(source).value(), {3, 5}, source).value();
        std::vector<id::share const*> const some{&shares[0], &shares[2], &shares[4]};
        for (auto _ : state) benchmark::DoNotOptimize(id::combine(some).has_value());
    });
}

}  // namespace

void register_identity() {
    add_unlock({id::kdf_kind::scrypt, 17}, 17);
    add_unlock({id::kdf_kind::pbkdf2_sha256, 600'000}, 600'000);
    add_actions(1000);
    add_backup();
}

}  // namespace muster::bench
