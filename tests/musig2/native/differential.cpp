// SPDX-License-Identifier: MIT

// Both backends, side by side, through sessions drawn at random, good and bad: the same bytes and the same refusals.

#include <muster/musig2/native.hpp>

#include <algorithm>
#include <optional>

#include <muster/musig2/aggregate.hpp>
#include <muster/musig2/tweak.hpp>

#include <support/catch.hpp>
#include <support/keys.hpp>

namespace differential_tests {

using namespace muster;
using namespace muster::musig2;

namespace {

bytes draw_octets(splitmix64& random, std::size_t size) {
    bytes out(size);
    for (auto& octet : out) octet = static_cast<byte>(random());
    return out;
}
bool one_in(splitmix64& random, std::uint64_t n) { return uniform(random, n) == 0; }

/// What a result comes to, without its type.
struct verdict {
    bytes octets;
    std::string refused;
    std::optional<std::uint32_t> blamed;
    bool operator==(verdict const&) const = default;
};
template <class T>
std::string to_text(T const& v) {
    return v.refused.empty() ? to_hex(v.octets) : v.refused + " " + std::to_string(v.blamed.value_or(9999));
}

/// One session's plan; both backends carry it out.
struct plan {
    std::vector<key_pair> pairs;
    std::vector<public_key> keys;
    std::vector<std::pair<tweak_value, bool>> tweaks;
    bytes message;
    bytes extra;
    std::uint64_t nonce_seed = 0;
    bool gives_secret = false, gives_group = false, gives_message = false;
    // What somebody tampers with on the way, if anything: a byte of a position's nonce, share, or the sum.
    enum class target { nothing, key, nonce, sum, share } spoils = target::nothing;
    std::size_t at = 0, octet = 0;
    byte mask = 0;

    explicit plan(std::uint64_t seed) {
        splitmix64 random{seed};
        auto const n = 1 + uniform(random, 7);
        pairs = test::make_keys(n, seed);
        if (n > 1 && one_in(random, 4)) pairs[n - 1] = pairs[0].clone().value();
        keys = test::public_keys(pairs);
        auto const shifts = uniform(random, 4);
        for (std::size_t i = 0; i < shifts; ++i) {
            auto value = tweak_value::from(draw_octets(random, 32));
            if (one_in(random, 8)) value = {};
            if (one_in(random, 16)) value.octets.fill(0xff);
            tweaks.emplace_back(value, one_in(random, 2));
        }
        message = draw_octets(random, one_in(random, 4) ? uniform(random, 70) : 32);
        extra = draw_octets(random, one_in(random, 3) ? 0 : one_in(random, 3) ? uniform(random, 70) : 32);
        nonce_seed = random();
        gives_secret = one_in(random, 2);
        gives_group = one_in(random, 2);
        gives_message = !one_in(random, 4);
        if (one_in(random, 2)) spoils = static_cast<target>(1 + uniform(random, 4));
        at = uniform(random, n);
        octet = uniform(random, 66);
        mask = static_cast<byte>(1u << uniform(random, 8));
        if (spoils == target::key) keys[at].octets[octet % 33] ^= mask;
    }

    template <class Fixed>
    void spoil(target what, Fixed& value) const {
        if (spoils == what) value.octets[octet % value.size()] ^= mask;
    }
};

/// All that a backend answers in the course of @p p; it ends with the first refusal that leaves nothing to go on with.
template <backend Backend>
class performance {
public:
    static std::vector<verdict> of(plan const& p) {
        performance now;
        now.run(p);
        return std::move(now.said_);
    }

private:
    template <class T>
    bool say(result<T> const& r) {
        verdict v;
        if (r) {
            if constexpr (requires { r.value().view(); }) v.octets = to_bytes(r.value().view());
            if constexpr (requires { r.value().aggregate(); }) v.octets = to_bytes(r.value().aggregate().view());
            if constexpr (requires { r.value().second.view(); }) v.octets = to_bytes(r.value().second.view());
            if constexpr (std::same_as<T, bool>) v.octets = {r.value()};
        } else {
            v.refused = r.error().to_text();
            v.blamed = r.error().index();
        }
        said_.push_back(v);
        return static_cast<bool>(r);
    }

    void run(plan const& p) {
        auto made = b_.key_agg(p.keys);
        if (!say(made)) return;
        auto context = made.value();
        for (auto const& [value, is_xonly] : p.tweaks) {
            auto const next = b_.apply_tweak(context, value, is_xonly);
            if (say(next)) context = next.value();
        }
        if (!draw_nonces(p, context)) return;
        auto sum = b_.nonce_agg(nonces_);
        if (!say(sum)) return;
        auto total = sum.value();
        p.spoil(plan::target::sum, total);
        auto const values = b_.session_values(context, total, p.message);
        if (!say(values)) return;
        sign(p, values.value());
        determined(p, context, total);
    }

    bool draw_nonces(plan const& p, typename Backend::keyagg_context const& context) {
        test::predictable source{p.nonce_seed};
        for (std::size_t i = 0; i < p.pairs.size(); ++i) {
            nonce_gen_input<typename Backend::keyagg_context> in{.key = p.pairs[i].public_key(), .extra = p.extra};
            if (p.gives_secret) in.secret = &p.pairs[i];
            if (p.gives_group) in.group = &context;
            if (p.gives_message) in.message = p.message;
            auto made = b_.nonce_gen(source, in);
            if (!say(made)) return false;
            secrets_.push_back(std::move(made.value().first));
            nonces_.push_back(made.value().second);
        }
        p.spoil(plan::target::nonce, nonces_[p.at]);
        return true;
    }

    void sign(plan const& p, typename Backend::session_values_type const& values) {
        std::vector<psig> shares;
        for (std::size_t i = 0; i < p.pairs.size(); ++i) {
            auto const share = b_.sign(std::move(secrets_[i]), p.pairs[i], values);
            say(share);
            say(b_.sign(std::move(secrets_[i]), p.pairs[i], values));  // never twice
            shares.push_back(share ? share.value() : psig{});
        }
        p.spoil(plan::target::share, shares[p.at]);
        for (std::uint32_t i = 0; i <= shares.size(); ++i) {
            auto const k = std::min<std::size_t>(i, shares.size() - 1);
            say(partial_sig_verify(b_, values, {i, nonces_[k], shares[k]}));
        }
        say(b_.partial_sig_agg(shares, values));
        say(b_.partial_sig_agg({}, values));
        say(aggregate(b_, values, nonces_, shares));
    }

    void determined(plan const& p, typename Backend::keyagg_context const& context, aggnonce const& total) {
        deterministic_sign_input const in{.other_nonces = total, .message = p.message};
        say(b_.deterministic_sign(context, p.pairs[0], in));
    }

    Backend b_;
    std::vector<typename Backend::secnonce> secrets_;
    std::vector<pubnonce> nonces_;
    std::vector<verdict> said_;
};

}  // namespace

TEST_CASE("four thousand sessions: both backends say the same, byte by byte", "[misuse-47]") {
    std::size_t signatures = 0, refusals = 0, blames = 0;
    for (std::uint64_t seed = 1; seed <= 4000; ++seed) {
        plan const p{seed};
        auto const ours = performance<portable>::of(p);
        auto const theirs = performance<native>::of(p);
        REQUIRE(ours.size() == theirs.size());
        for (std::size_t i = 0; i < ours.size(); ++i) {
            INFO("seed " << seed << ", answer " << i << ": " << to_text(ours[i]) << " and " << to_text(theirs[i]));
            REQUIRE(ours[i] == theirs[i]);
            refusals += ours[i].refused.empty() ? 0u : 1u;
            blames += ours[i].blamed ? 1u : 0u;
            signatures += ours[i].octets.size() == 64 ? 1u : 0u;
        }
    }
    WARN(signatures << " signatures, " << refusals << " refusals, " << blames << " of them with a name");
    CHECK(signatures > 4000);
    CHECK(blames > 400);
    CHECK(crypto::secp256k1::illegal_calls() == 0);
}

TEST_CASE("a nonce drawn for a digest signs a message of no other length, and is used up by the attempt") {
    auto const pairs = test::make_keys(2);
    native const b;
    auto const context = b.key_agg(test::public_keys(pairs)).value();
    test::predictable source{1};
    bytes const digest(32, 1), text(5, 1);
    auto made = b.nonce_gen(source, {.key = pairs[0].public_key(), .message = digest}).value();
    auto const total = b.nonce_agg(std::vector{made.second, made.second}).value();
    auto const values = b.session_values(context, total, text).value();
    CHECK(b.sign(std::move(made.first), pairs[0], values).error() == errc::unsupported_message);
    CHECK(b.sign(std::move(made.first), pairs[0], b.session_values(context, total, digest).value()).error() ==
          errc::nonce_consumed);
}

}  // namespace differential_tests
