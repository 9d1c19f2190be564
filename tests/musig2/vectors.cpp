// SPDX-License-Identifier: MIT

#include <muster/musig2/aggregate.hpp>

#include <algorithm>
#include <optional>

#include <muster/musig2/portable.hpp>
#include <muster/musig2/tweak.hpp>

#include <support/backend.hpp>
#include <support/catch.hpp>
#include <support/keys.hpp>
#include <support/secnonce.hpp>
#include <support/vectors.hpp>

namespace vectors_tests {

using namespace muster;
using namespace muster::musig2;
using test::load_vectors;
using test::vector_case;

namespace {

test::backend const backend_under_test;

/// KeyAgg and the case's tweaks, if it has any.
result<test::backend::keyagg_context> aggregate_keys(vector_case const& c) {
    MUSTER_TRY(auto context, backend_under_test.key_agg(c.all<public_key>("keys")));
    auto const tweaks = c.all<tweak_value>("tweaks");
    auto const xonly = c.words("xonly");
    for (std::size_t i = 0; i < tweaks.size(); ++i) {
        MUSTER_TRY(context, backend_under_test.apply_tweak(context, tweaks[i], xonly.at(i) == "yes"));
    }
    return context;
}

result<test::backend::session_values_type> session_of(vector_case const& c, aggnonce const& nonce) {
    MUSTER_TRY(auto const context, aggregate_keys(c));
    return backend_under_test.session_values(context, nonce, c.octets("message"));
}

result<psig> sign_case(vector_case const& c) {
    MUSTER_TRY(auto const values, session_of(c, c.one<aggnonce>("aggnonce")));
    return backend_under_test.sign(secnonce_test_access::make(c.octets("secnonce"), c.octets("message").size()),
                                   test::key_from(c.octets("secret")), values);
}

result<bool> verify_case(vector_case const& c, psig const& share) {
    auto const nonces = c.all<pubnonce>("nonces");
    MUSTER_TRY(auto const total, backend_under_test.nonce_agg(nonces));
    MUSTER_TRY(auto const values, session_of(c, total));
    auto const position = static_cast<std::uint32_t>(std::stoul(c.word("position")));
    return partial_sig_verify(backend_under_test, values, {position, nonces[position], share});
}

result<std::pair<pubnonce, psig>> det_sign_case(vector_case const& c) {
    MUSTER_TRY(auto const context, aggregate_keys(c));
    deterministic_sign_input in{.other_nonces = c.one<aggnonce>("aggothernonce"), .message = {}};
    auto const message = c.octets("message");
    in.message = message;
    if (c.has("rand")) {
        auto const rand = c.octets("rand");
        std::copy(rand.begin(), rand.end(), in.randomness.emplace().begin());
    }
    return backend_under_test.deterministic_sign(context, test::key_from(c.octets("secret")), in);
}

/// Runs every case of @p kind: errors must match in kind and blame, successes go to @p expect.
template <class Run, class Expect>
void check_all(std::string const& kind, std::size_t count, Run run, Expect expect) {
    auto const cases = load_vectors("bip327.txt", kind);
    REQUIRE(cases.size() == count);
    for (auto const& c : cases) {
        INFO("bip327.txt:" << c.line);
        auto const outcome = run(c);
        if (c.has("error")) {
            REQUIRE_FALSE(outcome);
            CHECK(outcome.error().category() == "musig2");
            CHECK(outcome.error().name() == c.word("error"));
            CHECK(outcome.error().index().has_value() == c.has("blames"));
            if (c.has("blames")) CHECK(std::to_string(outcome.error().index().value_or(99)) == c.word("blames"));
        } else {
            if (!outcome) FAIL(outcome.error().to_text());
            expect(c, outcome.value());
        }
    }
}

}  // namespace

TEST_CASE("BIP-327: KeySort") {
    auto const c = load_vectors("bip327.txt", "key-sort").at(0);
    CHECK(key_sort(c.all<public_key>("keys")) == c.all<public_key>("sorted"));
}

TEST_CASE("BIP-327: KeyAgg") {
    check_all("key-agg", 9, aggregate_keys, [](auto const& c, test::backend::keyagg_context const& context) {
        CHECK(to_hex(crypto::to_xonly(context.aggregate())) == c.word("expect"));
    });
}

namespace {

/// What NonceGen takes, with the bytes that it only borrows.
template <class Context>
struct owned_input {
    explicit owned_input(vector_case const& c) : in{.key = c.one<public_key>("key")} {
        if (c.has("secret")) in.secret = &secret.emplace(test::key_from(c.octets("secret")));
        if (c.has("message")) in.message = message = c.octets("message");
        if (c.has("extra")) in.extra = extra = c.octets("extra");
    }
    owned_input(owned_input const&) = delete;

    std::optional<key_pair> secret;
    bytes message;
    bytes extra;
    nonce_gen_input<Context> in;
};

}  // namespace

TEST_CASE("BIP-327: NonceGen") {
    auto const run = [](vector_case const& c) -> result<std::pair<bytes, pubnonce>> {
        test::scripted source{c.octets("rand")};
        if (c.has("aggregate")) {  // of no known group, as only portable can take it
            owned_input<portable::keyagg_context> const given{c};
            MUSTER_TRY(auto const made,
                       secnonce_test_access::portable_nonce_gen(source, given.in, c.one<xonly_key>("aggregate")));
            return std::pair{secnonce_test_access::read(made.first), made.second};
        }
        owned_input<test::backend::keyagg_context> const given{c};
        MUSTER_TRY(auto const made, backend_under_test.nonce_gen(source, given.in));
        return std::pair{secnonce_test_access::read(made.first), made.second};
    };
    check_all("nonce-gen", 4, run, [](auto const& c, auto const& made) {
        CHECK(to_hex(made.first) == c.word("expect-secnonce"));
        if (c.has("expect")) CHECK(to_hex(made.second) == c.word("expect"));
    });
}

TEST_CASE("BIP-327: NonceAgg") {
    check_all(
        "nonce-agg", 5, [](auto const& c) { return backend_under_test.nonce_agg(c.template all<pubnonce>("nonces")); },
        [](auto const& c, aggnonce const& total) { CHECK(to_hex(total) == c.word("expect")); });
}

TEST_CASE("BIP-327: Sign, and its shares verify", "[misuse-46]") {
    check_all("sign", 12, sign_case, [](auto const& c, psig const& share) {
        CHECK(to_hex(share) == c.word("expect"));
        CHECK(verify_case(c, share).value());
    });
}

TEST_CASE("BIP-327: PartialSigVerify") {
    check_all(
        "verify", 5, [](auto const& c) { return verify_case(c, c.template one<psig>("share")); },
        [](auto const& c, bool holds) { CHECK(holds == (c.word("expect") != "fails")); });
}

TEST_CASE("BIP-327: tweaked signing") {
    check_all("tweak", 6, sign_case, [](auto const& c, psig const& share) {
        CHECK(to_hex(share) == c.word("expect"));
        CHECK(verify_case(c, share).value());
    });
}

TEST_CASE("BIP-327: DeterministicSign") {
    check_all("det-sign", 9, det_sign_case, [](auto const& c, auto const& made) {
        CHECK(to_hex(made.first) == c.word("expect-nonce"));
        CHECK(to_hex(made.second) == c.word("expect"));
    });
}

TEST_CASE("BIP-327: PartialSigAgg, and the optimistic aggregation agrees") {
    auto const run = [](vector_case const& c) -> result<signature> {
        MUSTER_TRY(auto const values, session_of(c, c.one<aggnonce>("aggnonce")));
        return backend_under_test.partial_sig_agg(c.all<psig>("shares"), values);
    };
    check_all("sig-agg", 5, run, [](vector_case const& c, signature const& sig) {
        CHECK(to_hex(sig) == c.word("expect"));
        auto const values = session_of(c, c.one<aggnonce>("aggnonce")).value();
        CHECK(aggregate(backend_under_test, values, c.all<pubnonce>("nonces"), c.all<psig>("shares")).value() == sig);
    });
}

TEST_CASE("BIP-328: synthetic extended keys") {
    auto const cases = load_vectors("bip327.txt", "synthetic-xpub");
    REQUIRE(cases.size() == 3);
    for (auto const& c : cases) {
        auto const context = backend_under_test.key_agg(c.all<public_key>("keys")).value();
        CHECK(to_hex(context.aggregate()) == c.word("aggregate"));
        CHECK(synthetic_xpub(context.aggregate()) == c.word("xpub"));
    }
}

}  // namespace vectors_tests
