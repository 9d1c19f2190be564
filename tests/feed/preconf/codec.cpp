// SPDX-License-Identifier: MIT

#include <muster/feed/preconf/hashing.hpp>
#include <muster/feed/preconf/protocol.hpp>

#include <muster/core/random.hpp>

#include <support/catch.hpp>
#include <support/keys.hpp>
#include <support/vectors.hpp>

namespace preconf_codec_tests {

using namespace muster;
using namespace muster::feed::preconf;
using feed::errc;

namespace {

template <class Fixed>
Fixed filled(byte b) {
    Fixed out;
    out.octets.fill(b);
    return out;
}

/// The commitment of the vectors.
commitment golden() {
    preconfirmation p;
    p.block_number = 1;
    p.timestamp = 2;
    p.gas_limit = 3;
    p.anchor_block_number = 4;
    p.raw_tx_list_hash = filled<digest32>(1);
    p.parent_hash = filled<digest32>(2);
    p.submission_window_end = 5;
    p.prover_auth = filled<address>(3);
    p.proposal_id = 6;
    return {p, filled<address>(9)};
}
test::vector_case record() { return test::load_vectors("preconf.txt", "record")[0]; }

}  // namespace

TEST_CASE("ssz_roundtrip_preconf: the encoding is that of the vectors, to the byte") {
    auto const v = record();
    auto const c = golden();
    CHECK(encode(c.preconf) == v.octets("preconfirmation_ssz"));
    CHECK(encode(c) == v.octets("commitment_ssz"));
    CHECK(encode(c.preconf).size() == preconfirmation_size);
    CHECK(encode(c).size() == commitment_size);
    auto const sizes = test::load_vectors("preconf.txt", "sizes")[0];
    CHECK(sizes.word("Preconfirmation") == std::to_string(preconfirmation_size));
    CHECK(sizes.word("PreconfCommitment") == std::to_string(commitment_size));
    CHECK(sizes.word("SignedCommitment") == std::to_string(signed_commitment_size));
    CHECK(sizes.word("PreconfHead") == std::to_string(head_size));
    CHECK(sizes.word("GetHeadRequest") == std::to_string(head_request_size));
    CHECK(sizes.word("GetCommitmentsByNumberRequest") == std::to_string(page_request_size));
    CHECK(sizes.word("GetRawTxListRequest") == std::to_string(list_request_size));
    CHECK(sizes.word("max_commitments_response") == std::to_string(4 + page_max * signed_commitment_size));
}

TEST_CASE("keccak_ssz_matches_keccak_bytes: hashes are those of the vectors") {
    auto const v = record();
    auto c = golden();
    CHECK(to_hex(hash_of(c.preconf)) == v.word("preconfirmation_hash"));
    CHECK(to_hex(signing_hash(c)) == v.word("signing_hash"));
    CHECK(signing_hash(c) == signing_hash(c, default_domain()));  // default_domain_helpers_match_explicit
    CHECK(hash_of(c.preconf) == crypto::keccak256(encode(c.preconf)));
}

TEST_CASE("sign_and_verify_recovers_address, for each key of the vectors; ssz_roundtrip_signed_commitment") {
    for (auto const& v : test::load_vectors("preconf.txt", "signature")) {
        auto const key = test::key_from(v.octets("secret"));
        CHECK(to_hex(address_of(key)) == v.word("address"));
        auto const s = sign(golden(), key).value();
        CHECK(to_hex(s.signature) == v.word("signature"));
        CHECK(signer_of(s).value() == address_of(key));
        auto const encoded = encode(s);
        CHECK(encoded.size() == signed_commitment_size);
        CHECK(to_hex(crypto::keccak256(encoded)) == v.word("signed_ssz_keccak"));
        CHECK(decode_signed_commitment(encoded).value() == s);
        if (v.word("secret")[0] == '2') CHECK(encoded == record().octets("signed_commitment_ssz"));

        auto twin = s;
        twin.signature = v.one<crypto::recoverable_signature>("twin");
        CHECK_FALSE(signer_of(twin));  // of the same signer, and refused
    }
}

TEST_CASE("mismatched_domain_recovers_different_signer, custom_domain_roundtrip") {
    auto const key = test::make_keys(1)[0].clone().value();
    auto const other = filled<signing_domain>(7);
    auto const s = sign(golden(), key, other).value();
    CHECK(signer_of(s, other).value() == address_of(key));
    auto const wrong = signer_of(s);
    CHECK((!wrong || wrong.value() != address_of(key)));
}

TEST_CASE("a signed commitment has one spelling: other sizes, and booleans above 1, are none") {
    auto const good = record().octets("signed_commitment_ssz");
    for (std::size_t n : {std::size_t{0}, good.size() - 1}) {
        CHECK(decode_signed_commitment(byte_view{good}.first(n)).error() == errc::decode);
    }
    auto longer = good, odd = good;
    longer.push_back(0);
    odd[0] = 2;
    CHECK(decode_signed_commitment(longer).error() == errc::decode);
    CHECK(decode_signed_commitment(odd).error() == errc::decode);
}

TEST_CASE("every field of a commitment is under its signature and in its encoding") {
    splitmix64 draw{3};
    auto const key = test::make_keys(1)[0].clone().value();
    for (int round = 0; round < 40; ++round) {
        bytes random(signed_commitment_size);
        for (auto& b : random) b = static_cast<byte>(draw());
        random[0] &= 1;
        auto const read = decode_signed_commitment(random).value();
        CHECK(encode(read) == random);
        auto const s = sign(read.commitment, key).value();
        auto changed = encode(s);
        changed[1 + uniform(draw, commitment_size - 1)] ^= 1;  // anywhere before the signature
        auto const who = signer_of(decode_signed_commitment(changed).value());
        CHECK((!who || who.value() != address_of(key)));
    }
}

TEST_CASE("txlist_size_cap_allows_equal_limit, txlist_over_limit_errs, raw_txlist_empty_allows_not_found") {
    auto const v = test::load_vectors("preconf.txt", "list")[0];
    raw_tx_list const one{v.one<digest32>("hash"), v.octets("content")};
    CHECK(hash_of_list(one.content) == one.hash);
    CHECK(encode(one) == v.octets("gossip_ssz"));
    CHECK(decode_raw_tx_list(encode(one)).value() == one);

    raw_tx_list most{one.hash, bytes(tx_list_size_max, 1)};
    CHECK(decode_raw_tx_list(encode(most)).value() == most);
    most.content.push_back(1);
    CHECK(decode_raw_tx_list(encode(most)).error() == errc::decode);

    raw_tx_list const none{one.hash, {}};
    CHECK(decode_raw_tx_list(encode(none)).value() == none);
    auto bad = encode(one);
    bad[32] = 37;  // the offset
    CHECK(decode_raw_tx_list(bad).error() == errc::decode);
    CHECK(decode_raw_tx_list(byte_view{bad}.first(35)).error() == errc::decode);
}

TEST_CASE("heads and requests are those of the vectors, and nothing else is one") {
    auto const v = record();
    CHECK(encode_head_request() == v.octets("get_head_request_ssz"));
    CHECK(decode_head_request(encode_head_request()));
    CHECK_FALSE(decode_head_request({}));
    CHECK_FALSE(decode_head_request(bytes{5, 0, 0, 0}));
    CHECK(encode(head{10, 0}) == v.octets("head_10_0"));
    CHECK(decode_head(v.octets("head_10_0")).value() == head{10, 0});
    CHECK_FALSE(decode_head(bytes(63)));
    CHECK(encode(page_request{1, 5}) == v.octets("page_request_1_5"));
    CHECK(decode_page_request(v.octets("page_request_1_5")).value() == page_request{1, 5});
    CHECK_FALSE(decode_page_request(bytes(37)));
    CHECK_FALSE(decode_list_request(bytes(31)));
}

TEST_CASE("commitments_codec_roundtrip, commitments_response_cap: pages of at most 256") {
    auto const v = record();
    CHECK(encode_page({}) == v.octets("page_empty"));
    CHECK(decode_page(encode_page({})).value().empty());
    auto const one = v.octets("signed_commitment_ssz");
    CHECK(std::to_string(encode_page({one}).size()) == v.word("page_of_one_size"));
    std::vector<bytes> all(page_max, one);
    auto const full = encode_page(all);
    CHECK(full.size() == 97'796);
    auto const views = decode_page(full).value();
    CHECK(views.size() == page_max);
    CHECK(equal(views.back(), one));
    all.push_back(one);
    CHECK_FALSE(decode_page(encode_page(all)));
    auto bad = encode_page({one});
    bad.pop_back();
    CHECK_FALSE(decode_page(bad));
    bad = encode_page({one});
    bad[0] = 5;
    CHECK_FALSE(decode_page(bad));
    CHECK_FALSE(decode_page(bytes(3)));
}

TEST_CASE("message ids are Keccak-256 of topic and bytes; topics and protocols name the chain") {
    auto const v = record();
    protocol const p{{.chain_id = 167'000}};
    CHECK(p.topic(feed::kind::record) == "/taiko/167000/0/preconfirmationCommitments");
    CHECK(p.topic(feed::kind::blob) == "/taiko/167000/0/rawTxLists");
    CHECK(p.protocol_name(feed::question::head) == "/taiko/167000/preconf/1/get_head");
    CHECK(p.protocol_name(feed::question::page) == "/taiko/167000/preconf/1/get_commitments_by_number");
    CHECK(p.protocol_name(feed::question::blob) == "/taiko/167000/preconf/1/get_raw_txlist");
    auto const l = test::load_vectors("preconf.txt", "list")[0];
    // The vectors do not say of which chain they are: theirs is found among the usual ones.
    bool is_found = false;
    for (std::uint64_t chain : {0u, 1u, 167u, 1337u, 167'000u, 167'001u, 167'009u, 167'012u, 167'013u}) {
        protocol const q{{.chain_id = chain}};
        is_found = is_found || (to_hex(q.message_hash(feed::kind::blob, l.octets("gossip_ssz"))) == l.word("msgid") &&
                                to_hex(q.message_hash(feed::kind::record, v.octets("signed_commitment_ssz"))) ==
                                    v.word("msgid_keccak_topic_payload"));
    }
    CHECK(is_found);
    protocol const a{{.chain_id = 1}}, b{{.chain_id = 2}};
    CHECK(a.message_hash(feed::kind::record, bytes{1}) != b.message_hash(feed::kind::record, bytes{1}));
    CHECK(a.message_hash(feed::kind::record, bytes{1}) != a.message_hash(feed::kind::blob, bytes{1}));
    CHECK(a.message_hash(feed::kind::record, bytes{1}) != a.message_hash(feed::kind::record, bytes{2}));
}

TEST_CASE("numbers of 256 bits are compared, counted and narrowed without overflow") {
    CHECK(uint256{1} < uint256{2});
    CHECK(uint256::max() > uint256{~std::uint64_t{0}});
    CHECK(uint256{~std::uint64_t{0}}.successor()->narrow() == std::nullopt);
    CHECK(uint256{7}.successor() == std::optional{uint256{8}});
    CHECK(uint256::max().successor() == std::nullopt);
    CHECK(uint256{255}.to_text() == "255");
    CHECK(uint256::max().to_text() == "0x" + std::string(64, 'f'));
    bytes out;
    uint256{~std::uint64_t{0}}.successor()->append_to(out);
    CHECK(uint256::from_little_endian(out) == *uint256{~std::uint64_t{0}}.successor());
    // What is beyond 64 bits is no height: a head of it has no vote, a record of it is not read.
    protocol const p;
    CHECK(p.decode_head(encode(head{uint256::max(), 0})).value() == std::nullopt);
    auto c = golden();
    c.preconf.block_number = uint256::max();
    CHECK(p.link_of({c, {}}).error() == errc::validation);
    CHECK(p.decode_page_ask(encode(page_request{uint256::max(), 5})).value().count == 0);
}

}  // namespace preconf_codec_tests
