// SPDX-License-Identifier: MIT

#include <muster/peer/peer_id.hpp>

#include <support/catch.hpp>
#include <support/keys.hpp>

namespace peer_id_tests {

using namespace muster;
using namespace muster::peer;

TEST_CASE("peer id: the secp256k1 key of the libp2p specification") {
    // libp2p specs, peer-ids/peer-ids.md, test vectors: the secret key, and the PublicKey message of its public key.
    auto const secret = from_hex("53dadf1d5a164d6b4acdb15e24aa4c5b1d3461bdbd42abedb0a4404d56ced8fb").value();
    std::string const message = "08021221037777e994e452c21604f91de093ce415f5432f701dd8cd1a7a6fea0e630bfca99";
    auto const pair = test::key_from(secret);
    auto const id = peer_id::of(pair.public_key());
    CHECK(to_hex(id.view()) == "0025" + message);
    CHECK(id.to_text() == "16Uiu2HAmLhLvBoYaoZfaMUKuibM6ac163GwKY74c5kiSLg5KvLpY");
    CHECK(peer_id::from_text(id.to_text()).value() == id);
    CHECK(id.secp256k1_key() == pair.public_key());
}

TEST_CASE("peer id: hashed and Ed25519 ids are names too") {
    auto const hashed = peer_id::from_text("QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N").value();
    CHECK(hashed.view().size() == 34);
    CHECK(hashed.view()[0] == 0x12);
    CHECK_FALSE(hashed.secp256k1_key());
    CHECK(hashed.to_text() == "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N");

    bytes ed25519{0x00, 0x24, 0x08, 0x01, 0x12, 0x20};
    ed25519.resize(38, 7);
    auto const id = peer_id::from_multihash(ed25519).value();
    CHECK(id.to_text().substr(0, 8) == "12D3KooW");
    CHECK_FALSE(id.secp256k1_key());
    CHECK(peer_id::from_text(id.to_text()).value() == id);
}

TEST_CASE("peer id: what is not a peer's multihash is refused") {
    for (auto const* digits : {"", "00", "0000", "000201", "0003012a", "1220", "132000", "122100"}) {
        INFO(digits);
        CHECK(peer_id::from_multihash(from_hex(digits).value()).error() == errc::invalid_peer_id);
    }
    bytes long_identity{0x00, 43};
    long_identity.resize(45);
    CHECK(peer_id::from_multihash(long_identity).error() == errc::invalid_peer_id);
    bytes short_hash{0x12, 31};
    short_hash.resize(33);
    CHECK(peer_id::from_multihash(short_hash).error() == errc::invalid_peer_id);
    CHECK(peer_id::from_text("").error() == errc::invalid_peer_id);
    CHECK(peer_id::from_text("0OIl").error() == base58_errc::bad_character);
    CHECK(peer_id::from_text(std::string(300, '1')).error() == base58_errc::too_long);
}

TEST_CASE("peer id: a regular, ordered value whose default names nobody") {
    auto const keys = test::make_keys(2);
    auto const a = peer_id::of(keys[0].public_key());
    auto const b = peer_id::of(keys[1].public_key());
    CHECK(a == peer_id::of(keys[0].public_key()));
    CHECK(a != b);
    CHECK(((a < b) != (b < a)));
    CHECK(peer_id{}.empty());
    CHECK_FALSE(a.empty());
    CHECK(peer_id{} < a);
    STATIC_REQUIRE(std::is_trivially_copyable_v<peer_id>);
}

}  // namespace peer_id_tests
