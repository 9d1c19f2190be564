// SPDX-License-Identifier: MIT

#include <muster/identity/backup.hpp>

#include <support/backups.hpp>
#include <support/catch.hpp>
#include <support/effort.hpp>

namespace backup_tests {

using namespace muster;
using namespace muster::identity;
using test::circle;

TEST_CASE("sealed box: only its owner opens it, and for the same purpose") {
    test::predictable source{1};
    auto const own = crypto::x25519_key::generate(source).value(), other = crypto::x25519_key::generate(source).value();
    auto const box = seal(own.public_point(), as_bytes("purpose"), as_bytes("content"), source).value();
    CHECK(box.size() == 7 + sealed_box_overhead);
    CHECK(unseal(own, as_bytes("purpose"), box).value() == to_bytes(as_bytes("content")));
    CHECK(unseal(other, as_bytes("purpose"), box).error() == crypto::errc::not_authentic);
    CHECK(unseal(own, as_bytes("porpoise"), box).error() == crypto::errc::not_authentic);
    for (std::size_t i = 0; i < box.size(); ++i) {
        auto damaged = box;
        damaged[i] ^= 1;
        CHECK_FALSE(unseal(own, as_bytes("purpose"), damaged));
        CHECK_FALSE(unseal(own, as_bytes("purpose"), byte_view{box}.first(i)));
    }
    CHECK(seal(own.public_point(), {}, as_bytes("x"), source).value() !=
          seal(own.public_point(), {}, as_bytes("x"), source).value());
    CHECK(seal(crypto::x25519_public{}, {}, as_bytes("x"), source).error() == crypto::errc::invalid_key);
}

TEST_CASE("backup: enough guardians and the passphrase restore everything") {
    circle c;
    auto const found = restore(c.made.manifest, c.made.blob, c.shares({0, 2, 4})).value();
    CHECK(found.key_file == c.key_file);
    CHECK(found.bad.empty());
    auto const key = test::cheap_key_file::read(found.key_file).value().open(test::phrase("correct horse")).value();
    CHECK(key.user().value() == c.owner.user);
    CHECK(restore(c.made.manifest, c.made.blob, c.shares({0, 4})).error() == errc::too_few_shares);
}

TEST_CASE("backup: a wrong share is named, and the others are enough") {
    circle c;
    auto shares = c.shares({0, 1, 2, 3});
    shares[1].value.span()[7] ^= 1;
    auto const found = restore(c.made.manifest, c.made.blob, shares).value();
    CHECK(found.key_file == c.key_file);
    CHECK(found.bad == std::vector<std::uint8_t>{1});
    shares[2].value.span()[0] ^= 1;
    auto const failed = restore(c.made.manifest, c.made.blob, shares);
    CHECK(failed.error() == errc::too_few_shares);
    auto twice = c.shares({0, 1, 1});
    CHECK(restore(c.made.manifest, c.made.blob, twice).error() == errc::too_few_shares);
    auto blob = c.made.blob;
    blob[3] ^= 1;
    CHECK(restore(c.made.manifest, blob, c.shares({0, 1, 2})).error() == errc::wrong_set);
}

TEST_CASE("backup: shares of another set or an older epoch are none of this one") {
    circle c;
    auto const next = c.make(3, 2);
    CHECK(next.manifest.set != c.made.manifest.set);
    CHECK_FALSE(next.manifest.is_share(c.share_of(0, c.made)));
    CHECK(open_share(next.manifest, 0, c.guardians[0].keys.agreement, c.made.sealed[0]).error() ==
          crypto::errc::not_authentic);
    // Nor is another's share one's own, or one's own at another place.
    CHECK_FALSE(open_share(c.made.manifest, 0, c.guardians[1].keys.agreement, c.made.sealed[0]));
    CHECK(open_share(c.made.manifest, 1, c.guardians[0].keys.agreement, c.made.sealed[0]).error() == errc::bad_share);
}

TEST_CASE("backup: nothing of the key file is in what guardians have, without the shares") {
    circle c;
    auto const& blob = c.made.blob;
    auto const needle = byte_view{c.key_file}.first(24);
    CHECK(std::search(blob.begin(), blob.end(), needle.begin(), needle.end()) == blob.end());
    // The owner makes the same shares again from the backup key, and nobody else can.
    auto const again = deal(c.owner.keys.backup, c.made.manifest.context(), {3, 5}).value();
    CHECK(equal(again.shares[2].value.view(), c.share_of(2, c.made).value.view()));
    auto const other = deal(c.guardians[0].keys.backup, c.made.manifest.context(), {3, 5}).value();
    CHECK_FALSE(equal(other.shares[2].value.view(), c.share_of(2, c.made).value.view()));
}

TEST_CASE("backup: the manifest has one encoding, and every byte is signed") {
    circle c;
    auto const encoded = c.made.manifest.encoded();
    CHECK(backup_manifest::decode(encoded).value() == c.made.manifest);
    CHECK(c.made.manifest.is_signed());
    for (std::size_t i = 0; i < encoded.size(); ++i) {
        CHECK_FALSE(backup_manifest::decode(byte_view{encoded}.first(i)));
        auto changed = encoded;
        changed[i] ^= 1;
        auto const read = backup_manifest::decode(changed);
        if (!read) continue;
        CHECK(read.value().encoded() == changed);
        CHECK_FALSE(read.value().is_signed());
    }
}

TEST_CASE("backup: policies that cannot be") {
    circle c;
    test::predictable source{1};
    std::vector<guardian_name> names(5, {c.guardians[0].user, c.guardians[0].keys.agreement.public_point()});
    auto const make = [&](std::size_t n, std::uint8_t threshold) {
        names.resize(n, names[0]);
        return make_backup(c.key_file, c.owner.user, c.owner.keys, names, threshold, 1, test::noon, source);
    };
    CHECK(make(5, 1).error() == errc::bad_policy);
    CHECK(make(5, 6).error() == errc::bad_policy);
    CHECK(make(17, 3).error() == errc::bad_policy);
    CHECK(make(16, 16));
}

}  // namespace backup_tests
