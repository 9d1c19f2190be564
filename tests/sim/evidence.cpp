// SPDX-License-Identifier: MIT

#include <muster/sim/signing/evidence.hpp>

#include <memory>

#include <muster/sim/signing/identity.hpp>

#include <support/catch.hpp>

namespace evidence_tests {

using namespace muster;
using namespace muster::sim;
using namespace muster::sim::signing;
using muster::signing::abort_reason;

namespace {

/// A session of three on paper: what each has drawn and signed.
struct case_file {
    case_file() {
        std::vector<crypto::public_key> signers;
        for (std::uint64_t s = 0; s < 3; ++s) {
            keys.push_back(keys_from(s));
            plan.roster.push_back({keys[s].signer.public_key(), keys[s].node.id(), {}});
            signers.push_back(keys[s].signer.public_key());
        }
        plan.messages = {muster::signing::digest32{{1}}};
        group = musig2::key_agg(musig2::portable{}, signers, {}).value();
        for (auto const& k : keys) {
            auto made = musig2::portable{}.nonce_gen(entropy, {.key = k.signer.public_key()}).value();
            secrets.push_back(std::move(made.first));
            nonces.push_back({{made.second}});
        }
        sums = {musig2::portable{}
                    .nonce_agg(std::vector{nonces[0].nonces[0], nonces[1].nonces[0], nonces[2].nonces[0]})
                    .value()};
        muster::signing::contributions filed{3};
        for (muster::signing::slot s = 0; s < 3; ++s) (void)filed.file(s, nonces[s], {});
        transcript = *filed.transcript(id);
    }
    [[nodiscard]] muster::signing::shares_body shares(muster::signing::slot s) {
        auto const message = muster::signing::to_message(plan.messages[0]);
        auto const values = musig2::portable{}.session_values(group, sums[0], message.view()).value();
        auto const made = musig2::portable{}.sign(std::move(secrets[s]), keys[s].signer, values).value();
        return {muster::signing::contributions::bind_sums(transcript, sums), {made}};
    }
    /// @p what, said as muster::signing::slot @p from, and signed by @p by.
    [[nodiscard]] bytes signed_frame(muster::signing::slot from, muster::signing::body const& what,
                                     std::optional<muster::signing::slot> by = {}) {
        return muster::signing::encode_frame({id, {}, from, ++sequence, muster::signing::kind_of(what)}, what,
                                             keys[by.value_or(from)].node)
            .value();
    }
    void reaches(host_id at, muster::signing::slot from, muster::signing::body const& what) {
        book.note(at, signed_frame(from, what));
    }
    void all_nonces_reach(host_id at) {
        for (muster::signing::slot s = 0; s < 3; ++s) reaches(at, s, nonces[s]);
    }
    [[nodiscard]] bool stands(muster::signing::slot culprit, abort_reason why, host_id by = 0) const {
        return book.bears_out({by, id, culprit, why}, plan);
    }

    muster::signing::session_id id{{7}};
    muster::signing::proposal plan;
    std::vector<peer::key_set> keys;
    musig2::portable::keyagg_context group;
    replayed_entropy entropy{3};
    std::vector<musig2::portable::secnonce> secrets;
    std::vector<muster::signing::nonces_body> nonces;
    std::vector<musig2::aggnonce> sums;
    muster::signing::digest32 transcript{};
    std::uint64_t sequence = 0;
    evidence_book book;
};

}  // namespace

TEST_CASE("an honest signer's contributions bear no blame out") {
    case_file c;
    c.all_nonces_reach(0);
    for (muster::signing::slot s = 0; s < 3; ++s) c.reaches(0, s, c.shares(s));
    c.reaches(0, 1, muster::signing::aggregate_nonces_body{c.transcript, c.sums});
    for (muster::signing::slot s = 0; s < 3; ++s) {
        for (auto const why : {abort_reason::invalid_nonce, abort_reason::invalid_share,
                               abort_reason::invalid_aggregate, abort_reason::timeout}) {
            CHECK_FALSE(c.stands(s, why));
        }
    }
}

TEST_CASE("a false share convicts where all nonces are known that it was made under, and nowhere else") {
    case_file c;
    auto lie = c.shares(1);
    lie.shares[0].octets[31] ^= 1;
    c.reaches(0, 1, lie);
    CHECK_FALSE(c.stands(1, abort_reason::invalid_share));  // under which nonces?
    c.all_nonces_reach(0);
    CHECK(c.stands(1, abort_reason::invalid_share));
    CHECK_FALSE(c.stands(2, abort_reason::invalid_share));
    CHECK_FALSE(c.stands(1, abort_reason::invalid_nonce));
    CHECK_FALSE(c.stands(1, abort_reason::invalid_share, 2));  // nothing of it has come there
}

TEST_CASE("a share of another transcript convicts nobody") {
    case_file c;
    c.all_nonces_reach(0);
    auto lie = c.shares(1);
    lie.transcript.octets[0] ^= 1;
    lie.shares[0].octets[31] ^= 1;
    c.reaches(0, 1, lie);
    CHECK_FALSE(c.stands(1, abort_reason::invalid_share));
}

TEST_CASE("what its author has not signed convicts nobody, also when the same was signed later") {
    case_file c;
    c.all_nonces_reach(0);
    auto lie = c.shares(1);
    lie.shares[0].octets[31] ^= 1;
    c.book.note(0, c.signed_frame(1, lie, muster::signing::slot{2}));
    CHECK_FALSE(c.stands(1, abort_reason::invalid_share));
    c.reaches(0, 1, lie);
    CHECK(c.stands(1, abort_reason::invalid_share));
}

TEST_CASE("nonces that are none convict, and so do too few") {
    case_file c;
    musig2::pubnonce bad;
    bad.octets.fill(0xff);
    c.reaches(0, 1, muster::signing::nonces_body{{bad}});
    c.reaches(0, 2, muster::signing::nonces_body{});
    CHECK(c.stands(1, abort_reason::invalid_nonce));
    CHECK(c.stands(2, abort_reason::invalid_nonce));
    CHECK_FALSE(c.stands(0, abort_reason::invalid_nonce));
}

TEST_CASE("an aggregator is convicted by a sum that is not that of the nonces it names") {
    case_file c;
    auto const lie = musig2::portable{}.nonce_agg(std::vector{c.nonces[0].nonces[0], c.nonces[1].nonces[0]}).value();
    c.reaches(0, 1, muster::signing::aggregate_nonces_body{c.transcript, {lie}});
    CHECK_FALSE(c.stands(1, abort_reason::invalid_aggregate));
    c.all_nonces_reach(0);
    CHECK(c.stands(1, abort_reason::invalid_aggregate));
    CHECK_FALSE(c.stands(2, abort_reason::invalid_aggregate));
}

TEST_CASE("two frames prove an equivocation when one author has signed both, and they differ") {
    case_file c;
    auto const one = c.signed_frame(1, c.nonces[1]);
    auto const again = c.signed_frame(1, c.nonces[1]);
    auto const other = c.signed_frame(1, c.nonces[2]);
    auto const forged = c.signed_frame(1, c.nonces[2], muster::signing::slot{2});
    auto const proves = [&](bytes const& a, bytes const& b, muster::signing::slot by = 1) {
        return evidence_book::bears_out(muster::signing::equivocation_proven{c.id, by, a, b}, c.plan);
    };
    CHECK(proves(one, other));
    CHECK_FALSE(proves(one, one));
    CHECK_FALSE(proves(one, again));
    CHECK_FALSE(proves(one, forged));
    CHECK_FALSE(proves(one, other, 2));
    CHECK_FALSE(proves(one, c.signed_frame(1, muster::signing::shares_body{{}, {musig2::psig{}}})));
    CHECK_FALSE(proves({}, other));
    // Votes are no contributions: they rise.
    CHECK_FALSE(proves(c.signed_frame(1, muster::signing::view_change_body{0, 1}),
                       c.signed_frame(1, muster::signing::view_change_body{1, 2})));
}

}  // namespace evidence_tests
