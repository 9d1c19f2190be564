// SPDX-License-Identifier: MIT

#include <muster/discovery/signer_advertisement.hpp>

#include <functional>

#include <muster/core/random.hpp>

#include <support/advertisements.hpp>
#include <support/catch.hpp>

namespace signer_advertisement_tests {

using namespace muster;
using namespace std::chrono_literals;
using discovery::signer_advertisement;
using discovery::transaction_type;
using test::advertisement_of;
using test::at;

namespace {

auto const& keys() {
    static auto const instance = test::node_keys(1);
    return instance;
}
bytes forged(std::function<void(signer_advertisement&)> const& change) {
    auto a = advertisement_of(1);
    change(a);
    return test::seal_unchecked(a, keys().node);
}
result<signer_advertisement> read(bytes const& sealed) { return signer_advertisement::read(sealed, at(1)); }

}  // namespace

TEST_CASE("advertisement: what is sealed is opened, by whoever holds it") {
    auto a = advertisement_of(1);
    a.sequence = 0x0102;
    a.capabilities = {"fast", "safe/2"};
    a.types = {transaction_type::swap, transaction_type::channel};
    a.amount_from = 5;
    a.amount_to = 500;
    a.fee = 7;
    auto const sealed = a.seal(keys().node).value();
    CHECK(sealed == test::seal_unchecked(a, keys().node));  // the format, written by another hand
    auto const opened = signer_advertisement::open(sealed, at(1)).value();
    CHECK(*opened == a);
    CHECK(opened.who() == keys().node.id());
    CHECK(signer_advertisement::read(sealed, at(1)).value() == a);
    CHECK_FALSE(a.is_withdrawal());
    auto full = advertisement_of(1);
    full.addresses.clear();
    for (int i = 0; i < 8; ++i) {
        full.addresses.push_back(peer::multiaddr::from_text(text("/ip6/2001:db8::", i, "/tcp/4001"))
                                     .value()
                                     .with_peer(full.machine)
                                     .value());
    }
    for (int i = 0; i < 4; ++i) full.capabilities.push_back(text("capability-", i));
    full.nickname = std::string(64, 'x');
    CHECK(full.seal(keys().node).value().size() <= signer_advertisement::size_max);
}

TEST_CASE("advertisement: a withdrawal says that the signer is gone, for as long as what it withdraws could live") {
    auto const bye = test::withdrawal_of(advertisement_of(1), at(1000));
    CHECK(bye.is_withdrawal());
    CHECK(bye.sequence == 2);
    auto const sealed = bye.seal(keys().node).value();
    CHECK(signer_advertisement::open(sealed, at(1000)));
    CHECK(signer_advertisement::open(sealed, at(1000) + 119min));
    CHECK(signer_advertisement::open(sealed, at(1000) + 2h).error() == peer::errc::expired);
    CHECK(signer_advertisement::open(sealed, at(1000) - 3min).error() == peer::errc::not_yet_issued);
}

TEST_CASE("advertisement: what nobody would take is neither signed nor read") {
    struct {
        char const* name;
        std::function<void(signer_advertisement&)> change;
        peer::errc why;  ///< To who signs.
    } const all[] = {
        {"nine addresses",
         [](auto& a) {
             for (int i = 2; i < 11; ++i)
                 a.addresses.push_back(peer::multiaddr::from_text(text("/ip4/192.0.2.", i * 20, "/tcp/1")).value());
         },
         peer::errc::too_large},
        {"an address twice", [](auto& a) { a.addresses.push_back(a.addresses[0]); }, peer::errc::malformed},
        {"capabilities out of order",
         [](auto& a) {
             a.capabilities = {"b", "a"};
         },
         peer::errc::malformed},
        {"types twice",
         [](auto& a) {
             a.types = {transaction_type::spend, transaction_type::spend};
         },
         peer::errc::malformed},
        {"types out of order",
         [](auto& a) {
             a.types = {transaction_type::swap, transaction_type::spend};
         },
         peer::errc::malformed},
        {"amounts that are none", [](auto& a) { a.amount_from = 2, a.amount_to = 1; }, peer::errc::malformed},
        {"a long nickname", [](auto& a) { a.nickname = std::string(65, 'x'); }, peer::errc::too_large},
        {"a life of three hours", [](auto& a) { a.expires = a.issued + 3h; }, peer::errc::expired},
        {"a life that ends before", [](auto& a) { a.expires = a.issued - 1ms; }, peer::errc::expired},
    };
    for (auto const& c : all) {
        INFO(c.name);
        auto a = advertisement_of(1);
        c.change(a);
        CHECK(a.seal(keys().node).error() == c.why);
        CHECK_FALSE(read(forged(c.change)));
    }
    CHECK(advertisement_of(1).seal(test::node_keys(2).node).error() == peer::errc::wrong_peer);
    auto unbound = advertisement_of(1);
    unbound.binding.octets[0] ^= 1;
    CHECK(unbound.seal(keys().node).error() == discovery::errc::invalid_binding);
}

TEST_CASE("advertisement: every byte is under a signature; whatever is changed, nothing is opened") {
    auto const sealed = advertisement_of(1).seal(keys().node).value();
    for (std::size_t i = 0; i < sealed.size(); ++i) {
        auto changed = sealed;
        changed[i] ^= 1;
        CHECK_FALSE(signer_advertisement::open(changed, at(1)));
        changed.resize(i);
        CHECK_FALSE(signer_advertisement::open(changed, at(1)));
    }
    auto longer = sealed;
    longer.push_back(0);
    CHECK_FALSE(signer_advertisement::open(longer, at(1)));
}

TEST_CASE("advertisement: another's key, and another's machine, are found out") {
    auto const other = test::node_keys(2);
    auto const victim = forged([&](auto& a) { a.signer = other.signer.public_key(); });
    CHECK(signer_advertisement::open(victim, at(1)).error() == discovery::errc::invalid_binding);
    // The victim's own binding, to the victim's machine.
    auto a = advertisement_of(2);
    CHECK(signer_advertisement::open(test::seal_unchecked(a, keys().node), at(1)).error() == peer::errc::wrong_peer);
    a.machine = keys().node.id();
    CHECK(signer_advertisement::open(test::seal_unchecked(a, keys().node), at(1)).error() ==
          discovery::errc::invalid_binding);
}

TEST_CASE("advertisement: a binding that was verified before is not verified again, and only that one") {
    auto const known = advertisement_of(1);
    auto next = known;
    next.sequence = 2;
    CHECK(signer_advertisement::open(next.seal(keys().node).value(), at(1), {}, &known));
    auto other = known;
    other.binding.octets[5] ^= 1;  // known by mistake
    CHECK(signer_advertisement::open(next.seal(keys().node).value(), at(1), {}, &other));
    auto const bad = forged([](auto& a) { a.binding.octets[5] ^= 1; });
    CHECK(signer_advertisement::open(bad, at(1), {}, &known).error() == discovery::errc::invalid_binding);
    auto const taken = forged([](auto& a) { a.signer = test::node_keys(2).signer.public_key(); });
    CHECK(signer_advertisement::open(taken, at(1), {}, &known).error() == discovery::errc::invalid_binding);
}

}  // namespace signer_advertisement_tests
