// SPDX-License-Identifier: MIT

#include <muster/identity/key_file.hpp>

#include <set>

#include <support/catch.hpp>
#include <support/effort.hpp>
#include <support/key_files.hpp>

namespace key_file_tests {

using namespace muster;
using namespace muster::identity;
using test::cheap_key_file;
using test::done_for_key_files;
using test::key_file_work;

namespace {

constexpr std::string_view right = "correct horse battery staple";

bytes wrapped(std::uint64_t seed, peer::key_epoch epoch = 0) {
    test::predictable source{seed + 1000};
    return cheap_key_file::wrap(test::master_key(seed, epoch), test::phrase(right), source).value();
}
/// What comes of a file: the name of the error, or `opened`.
std::string outcome(byte_view file, std::string_view words = right) {
    auto const read = cheap_key_file::read(file);
    if (!read) return std::string{read.error().name()};
    auto const opened = read.value().open(test::phrase(words));
    return opened ? "opened" : std::string{opened.error().name()};
}
constexpr std::size_t at_version = 10, at_kdf = 11, at_cost = 12, at_epoch = 16;

}  // namespace

TEST_CASE("key file: the seed comes back, and nothing else opens it") {
    auto const key = test::master_key(1, 3);
    auto const file = wrapped(1, 3);
    REQUIRE(file.size() == key_file::size);
    auto const read = cheap_key_file::read(file).value();
    auto const opened = read.open(test::phrase(right)).value();
    CHECK(equal(opened.seed.view(), key.seed.view()));
    CHECK(opened.epoch == 3);
    CHECK(outcome(file, "correct horse battery stable") == "wrong_passphrase");
    CHECK(outcome(file, "") == "wrong_passphrase");
    CHECK(outcome(file, "correct horse battery staple ") == "wrong_passphrase");
}

TEST_CASE("key file: it says whose it is, and the user stays the first key's") {
    auto const first = cheap_key_file::read(wrapped(1)).value().owner();
    auto const later = cheap_key_file::read(wrapped(1, 2)).value().owner();
    auto const keys = peer::derive_keys(test::master_key(1).seed).value();
    CHECK(first.node == keys.node.public_key());
    CHECK(first.user == user_of(first.node));
    CHECK(to_hex(first.user) == to_hex(crypto::sha256(first.node.view())));
    CHECK(shown(first.user) == to_hex(first.user).substr(0, 16));
    CHECK(later.user == first.user);
    CHECK(later.signer == first.signer);
    CHECK(later.node != first.node);
    CHECK(later.epoch == 2);
}

TEST_CASE("key file: no two are alike") {
    test::predictable source{7};
    auto const key = test::master_key(1);
    std::set<bytes> salts, nonces, ciphertexts;
    for (int i = 0; i < 100; ++i) {
        auto const file = cheap_key_file::wrap(key, test::phrase(right), source).value();
        salts.insert({file.begin() + 118, file.begin() + 134});
        nonces.insert({file.begin() + 134, file.begin() + 146});
        ciphertexts.insert({file.begin() + 178, file.end()});
    }
    CHECK(salts.size() == 100);
    CHECK(nonces.size() == 100);
    CHECK(ciphertexts.size() == 100);
}

TEST_CASE("key file: a header that cannot be taken is refused by name, before anything is derived") {
    auto const file = wrapped(1);
    done_for_key_files = {};
    auto const with = [&](std::size_t at, byte value) {
        auto changed = file;
        changed[at] = value;
        return outcome(changed);
    };
    CHECK(with(0, 'M') == "not_a_key_file");
    CHECK(with(at_version, 0) == "unsupported_version");
    CHECK(with(at_version, 2) == "unsupported_version");
    CHECK(with(at_kdf, 0) == "unsupported_kdf");
    CHECK(with(at_kdf, 3) == "unsupported_kdf");
    CHECK(with(at_cost + 3, 0) == "kdf_too_cheap");
    CHECK(with(at_cost + 3, 9) == "kdf_too_dear");
    CHECK(with(at_cost, 0xff) == "kdf_too_dear");
    for (std::size_t n = 0; n < file.size(); ++n) {
        CHECK(outcome(byte_view{file}.first(n)) == "not_a_key_file");
    }
    auto longer = file;
    longer.push_back(0);
    CHECK(outcome(longer) == "not_a_key_file");
    longer[at_version] = 2;  // a later version may have another size
    CHECK(outcome(longer) == "unsupported_version");
    CHECK(done_for_key_files == key_file_work{});
}

TEST_CASE("key file: the bounds of real files are those that guessing has to pay") {
    auto const check = [](kdf_kind kind, std::uint32_t cost) {
        auto const checked = standard_kdf::check({kind, cost});
        return checked ? std::string{"taken"} : std::string{checked.error().name()};
    };
    CHECK(check(kdf_kind::scrypt, 14) == "kdf_too_cheap");
    CHECK(check(kdf_kind::scrypt, 15) == "taken");
    CHECK(check(kdf_kind::scrypt, 20) == "taken");
    CHECK(check(kdf_kind::scrypt, 21) == "kdf_too_dear");
    CHECK(check(kdf_kind::pbkdf2_sha256, 599'999) == "kdf_too_cheap");
    CHECK(check(kdf_kind::pbkdf2_sha256, 600'000) == "taken");
    CHECK(check(kdf_kind::pbkdf2_sha256, 10'000'001) == "kdf_too_dear");
    CHECK(check(kdf_kind{0}, 17) == "unsupported_kdf");
    CHECK(standard_kdf::usual() == kdf_parameters{kdf_kind::scrypt, 17});
    test::predictable source{1};
    CHECK(key_file::wrap(test::master_key(1), test::phrase(right), source, {kdf_kind::scrypt, 14}).error() ==
          errc::kdf_too_cheap);
}

TEST_CASE("key file: damage behind a header that parses looks like a wrong passphrase, and costs the same") {
    auto const file = wrapped(1);
    done_for_key_files = {};
    CHECK(outcome(file, "another passphrase") == "wrong_passphrase");
    auto const once = done_for_key_files;
    CHECK(once == key_file_work{1, 1});
    auto const wrong = cheap_key_file::read(file).value().open(test::phrase("another passphrase")).error();
    for (std::size_t at = at_epoch; at < file.size(); ++at) {
        auto damaged = file;
        damaged[at] ^= 0x10;
        done_for_key_files = {};
        auto const opened = cheap_key_file::read(damaged).value().open(test::phrase(right));
        REQUIRE_FALSE(opened);
        CHECK(opened.error() == wrong);
        CHECK(done_for_key_files == once);
    }
}

TEST_CASE("key file: of a million flipped bits none is accepted (goal I1)") {
    auto const rounds = test::effort(1'000'000, 60'000);
    std::size_t accepted = 0, by_name = 0;
    std::vector<bytes> files;
    for (std::uint64_t seed = 0; seed < 16; ++seed) files.push_back(wrapped(seed, static_cast<peer::key_epoch>(seed)));
    auto const phrase = test::phrase(right);
    splitmix64 random{1};
    done_for_key_files = {};
    for (std::size_t i = 0; i < rounds; ++i) {
        auto& file = files[i % files.size()];
        auto const bit = uniform(random, file.size() * 8);
        auto& touched = file[static_cast<std::size_t>(bit / 8)];
        auto const mask = static_cast<byte>(1u << bit % 8);
        touched ^= mask;
        auto const read = cheap_key_file::read(file);
        if (!read) {
            ++by_name;
        } else if (read.value().open(phrase)) {
            ++accepted;
        }
        touched ^= mask;
    }
    CHECK(accepted == 0);
    CHECK(done_for_key_files == key_file_work{rounds - by_name, rounds - by_name});
    for (auto const& file : files) CHECK(outcome(file) == "opened");
}

TEST_CASE("key file: what is wrapped again opens to the same bits (goal I1)") {
    auto const phrase = test::phrase(right);
    test::predictable source{5};
    for (std::uint64_t seed = 0; seed < test::effort(10'000, 300); ++seed) {
        auto const key = test::master_key(seed, static_cast<peer::key_epoch>(seed % 5));
        auto const file = cheap_key_file::wrap(key, phrase, source).value();
        auto const opened = cheap_key_file::read(file).value().open(phrase).value();
        REQUIRE(equal(opened.seed.view(), key.seed.view()));
        REQUIRE(opened.epoch == key.epoch);
    }
}

TEST_CASE("key file: what the seed is encrypted with follows from the passphrase (defect B9)") {
    auto const under = [](std::string_view words) {
        test::scripted same{bytes{7}};  // salt and nonce
        auto const file = cheap_key_file::wrap(test::master_key(1), test::phrase(words), same).value();
        return bytes{file.begin() + key_file::header_size + 32, file.end()};
    };
    CHECK(under(right) == under(right));
    auto const one = under(right), other = under("another passphrase");
    for (std::ptrdiff_t i = 0; i < 4; ++i)
        CHECK_FALSE(std::equal(one.begin() + 8 * i, one.begin() + 8 * i + 8, other.begin() + 8 * i));
}

TEST_CASE("key file: it commits to its key") {
    // The ciphertext is what a second key would have made, so that AES-GCM alone opens it: made here with both halves
    // of what the second passphrase derives, and the commitment of the first.
    auto const file = wrapped(1);
    auto const header = byte_view{file}.first(key_file::header_size);
    test::counted_kdf kdf;
    bytes derived(64);
    auto const other = test::phrase("a second passphrase");
    REQUIRE(kdf.derive(kdf.usual(), other, header.subspan(118, 16), derived));
    crypto::aes_256_gcm::nonce nonce{};
    std::copy_n(header.begin() + 134, nonce.size(), nonce.begin());
    bytes forged = to_bytes(byte_view{file}.first(key_file::header_size + 32));
    crypto::aes_256_gcm{byte_view{derived}.first(32)}.seal(nonce, header, bytes(32, 7), forged);
    REQUIRE(forged.size() == file.size());
    CHECK(outcome(forged, "a second passphrase") == "wrong_passphrase");
}

TEST_CASE("key file: it is of whom it says, or is not used") {
    // Made as `wrap` makes it, by somebody who knows the passphrase: the owner of one seed, and another seed in it.
    auto const file = wrapped(1);
    for (std::size_t const at : {at_epoch + 3, at_epoch + 4, std::size_t{53}, std::size_t{86}}) {
        bytes header = to_bytes(byte_view{file}.first(key_file::header_size));
        if (at == at_epoch + 3) {
            header[at] = 1;  // another epoch
        } else {
            auto const other = wrapped(2);
            std::copy_n(other.begin() + static_cast<std::ptrdiff_t>(at), at == at_epoch + 4 ? 32 : 33,
                        header.begin() + static_cast<std::ptrdiff_t>(at));
        }
        test::counted_kdf kdf;
        bytes derived(64);
        REQUIRE(kdf.derive(kdf.usual(), test::phrase(right), byte_view{header}.subspan(118, 16), derived));
        crypto::aes_256_gcm::nonce nonce{};
        std::copy_n(header.begin() + 134, nonce.size(), nonce.begin());
        bytes forged = header;
        append(forged, crypto::hmac_sha256(byte_view{derived}.last(32), header).view());
        crypto::aes_256_gcm{byte_view{derived}.first(32)}.seal(nonce, header, test::master_key(1).seed.view(), forged);
        CHECK(outcome(forged) == "malformed");
        CHECK(outcome(forged, "another passphrase") == "wrong_passphrase");
    }
}

TEST_CASE("key file: a dozen at real costs") {
    test::predictable source{9};
    auto const key = test::master_key(4);
    for (auto const& p : {kdf_parameters{kdf_kind::scrypt, 15}, kdf_parameters{kdf_kind::pbkdf2_sha256, 600'000}}) {
        auto const file = key_file::wrap(key, test::phrase(right), source, p).value();
        auto const read = key_file::read(file).value();
        CHECK(equal(read.open(test::phrase(right)).value().seed.view(), key.seed.view()));
        CHECK(read.open(test::phrase("wrong")).error() == errc::wrong_passphrase);
        auto damaged = file;
        damaged[key_file::size - 1] ^= 1;
        CHECK(key_file::read(damaged).value().open(test::phrase(right)).error() == errc::wrong_passphrase);
    }
}

TEST_CASE("passphrase: how long it may be, when it is chosen and when it is asked for") {
    CHECK(passphrase::choose(as_bytes("1234567")).error() == errc::bad_passphrase);
    CHECK(passphrase::choose(as_bytes("12345678")));
    CHECK(passphrase::take(as_bytes("")));
    CHECK(passphrase::take(bytes(128, 'x')));
    CHECK(passphrase::take(bytes(129, 'x')).error() == errc::bad_passphrase);
    CHECK(test::phrase("one").is_same_as(test::phrase("one")));
    CHECK_FALSE(test::phrase("one").is_same_as(test::phrase("onf")));
    CHECK_FALSE(test::phrase("one").is_same_as(test::phrase("on")));
    auto mine = test::phrase("moved");
    auto const taken = std::move(mine);
    CHECK(mine.require().error() == crypto::errc::secret_gone);
    CHECK(cheap_key_file::read(wrapped(1)).value().open(mine).error() == crypto::errc::secret_gone);
}

}  // namespace key_file_tests
