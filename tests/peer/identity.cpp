// SPDX-License-Identifier: MIT

#include <muster/peer/identity.hpp>

#include <support/catch.hpp>
#include <support/keys.hpp>

namespace identity_tests {

using namespace muster;
using namespace muster::peer;

namespace {

crypto::secret<32> seed(byte filler) { return crypto::secret<32>::copy_of(bytes(32, filler)).value(); }

}  // namespace

TEST_CASE("identity: one seed gives the same two keys each time, and they differ") {
    auto const first = derive_keys(seed(1)).value();
    auto const again = derive_keys(seed(1)).value();
    auto const other = derive_keys(seed(2)).value();
    CHECK(first.node.public_key() == again.node.public_key());
    CHECK(first.node.id() == again.node.id());
    CHECK(first.signer.public_key() == again.signer.public_key());
    CHECK(first.node.public_key() != first.signer.public_key());
    CHECK(first.node.public_key() != other.node.public_key());
    CHECK(first.signer.public_key() != other.signer.public_key());
    CHECK(first.node.id() == peer_id::of(first.node.public_key()));
    CHECK(derive_keys(crypto::secret<32>{}).error() == crypto::errc::secret_gone);
}

TEST_CASE("identity: the keys of a seed are those of always") {
    // What earlier versions derived from this seed: directories of then open today.
    auto const keys = derive_keys(seed(1)).value();
    CHECK(to_hex(keys.node.public_key()) == "03a36506b367817be18876d5f69a5211e5b58985023c5d015bffaf6232b82621d4");
    CHECK(to_hex(keys.signer.public_key()) == "0302d05bad9e5bf0a33df4d329f94d0e7081218508399b8b416fd93fa2e216f9b4");
    CHECK(to_hex(keys.agreement.public_point()) == "70011d561ab18fca117ac1e8349441fb3dee84e1a44aa751eb6e84713d0f1834");
}

TEST_CASE("identity: the keys of an epoch differ from all others, and the signer key stays") {
    std::vector<crypto::public_key> nodes;
    std::vector<crypto::x25519_public> agreements;
    std::vector<bytes> backups;
    auto const first = derive_keys(seed(1)).value();
    for (key_epoch epoch = 0; epoch < 12; ++epoch) {
        auto const keys = derive_keys(seed(1), epoch).value();
        CHECK(keys.signer.public_key() == first.signer.public_key());
        for (std::size_t i = 0; i < nodes.size(); ++i) {
            CHECK(nodes[i] != keys.node.public_key());
            CHECK(agreements[i] != keys.agreement.public_point());
            CHECK_FALSE(equal(backups[i], keys.backup.view()));
        }
        nodes.push_back(keys.node.public_key());
        agreements.push_back(keys.agreement.public_point());
        backups.push_back(to_bytes(keys.backup.view()));
    }
}

TEST_CASE("identity: a binding holds for one signer and one peer") {
    auto const mine = derive_keys(seed(1)).value();
    auto const theirs = derive_keys(seed(2)).value();
    auto const statement = bind(mine.signer, mine.node.id()).value();
    CHECK(verify_binding(mine.signer.public_key(), mine.node.id(), statement));
    CHECK_FALSE(verify_binding(mine.signer.public_key(), theirs.node.id(), statement));
    CHECK_FALSE(verify_binding(theirs.signer.public_key(), mine.node.id(), statement));
    CHECK_FALSE(verify_binding(mine.node.public_key(), mine.node.id(), statement));
    CHECK_FALSE(verify_binding(crypto::public_key{}, mine.node.id(), statement));
    for (std::size_t i = 0; i < statement.size(); ++i) {
        auto tampered = statement;
        tampered.octets[i] ^= 1;
        CHECK_FALSE(verify_binding(mine.signer.public_key(), mine.node.id(), tampered));
    }
}

TEST_CASE("identity: the node key signs digests that its peer id verifies") {
    auto const mine = derive_keys(seed(1)).value();
    auto const theirs = derive_keys(seed(2)).value();
    auto const digest = crypto::sha256(as_bytes("frame"));
    auto const sig = mine.node.sign(digest).value();
    CHECK(verify(mine.node.id(), digest, sig));
    CHECK_FALSE(verify(theirs.node.id(), digest, sig));
    CHECK_FALSE(verify(mine.node.id(), crypto::sha256(as_bytes("other")), sig));
    CHECK_FALSE(verify(peer_id{}, digest, sig));
}

TEST_CASE("identity: the node key signs handshakes as libp2p wants it") {
    auto const mine = derive_keys(seed(1)).value();
    auto const message = as_bytes("noise-libp2p-static-key:...");
    auto const der = mine.node.sign_handshake(message).value();
    CHECK(der[0] == 0x30);
    CHECK(crypto::verify_ecdsa_der(mine.node.public_key(), message, der));
    CHECK_FALSE(crypto::verify_ecdsa_der(mine.signer.public_key(), message, der));
}

}  // namespace identity_tests
