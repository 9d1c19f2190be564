// SPDX-License-Identifier: MIT

#include <muster/signing/election.hpp>
#include <muster/signing/frame.hpp>
#include <muster/signing/registry.hpp>
#include <muster/signing/roster_book.hpp>

#include <set>

#include <support/catch.hpp>
#include <support/cluster.hpp>

namespace codec_tests {

using namespace muster;
using namespace muster::signing;

namespace {

proposal sample(std::size_t n) {
    proposal p;
    for (std::size_t i = 0; i < n; ++i) {
        auto const keys = test::node_keys(i);
        p.roster.push_back({keys.signer.public_key(), keys.node.id(), peer::bind(keys.signer, keys.node.id()).value()});
    }
    p.messages = {digest32{{1}}, tagged_payload{"invoice", {1, 2, 3}}};
    p.tweaks = {musig2::bip32_path{{1, 2}}, musig2::taproot{}, musig2::taproot{digest32{{4}}},
                musig2::unsafe::raw_tweak{{{5}}, true}};
    p.expires_at = from_unix_millis(1'800'000'000'000);
    p.election = election_method::hash_based;
    p.topology = topology_id::aggregator;
    p.initiator = 1;
    p.purpose = "rent";
    p.salt.fill(7);
    return p;
}

/// One frame of each kind.
std::vector<body> bodies() {
    return {hello_body{public_key{{2}}, peer::binding{{1}}},
            propose_body{encode(sample(2))},
            decline_body{"no"},
            nonces_body{{musig2::pubnonce{{1}}, musig2::pubnonce{{2}}}},
            aggregate_nonces_body{digest32{{3}}, {musig2::aggnonce{{1}}}},
            shares_body{digest32{{3}}, {musig2::psig{{1}}}},
            signatures_body{{signature{{1}}}},
            abort_body{abort_reason::invalid_share, 3, "why"},
            abort_body{abort_reason::timeout, std::nullopt, ""},
            request_body{},
            broadcast_done_body{},
            view_change_body{3, 4'000'000'000}};
}

}  // namespace

TEST_CASE("a proposal has one encoding, and it round trips") {
    limits const l;
    auto const p = sample(3);
    auto const encoded = encode(p);
    auto const back = decode_proposal(encoded, l).value();
    CHECK(back == p);
    CHECK(encode(back) == encoded);
    CHECK(check(p, l));
}

TEST_CASE("whatever decodes encodes to the same bytes: no second spelling of a proposal") {
    limits const l;
    auto const encoded = encode(sample(2));
    auto const try_all = [&](bytes encoded_proposal::*part) {
        for (std::size_t at = 0; at < (encoded.*part).size(); ++at) {
            for (int bit = 0; bit < 8; ++bit) {
                auto changed = encoded;
                (changed.*part)[at] = static_cast<byte>((changed.*part)[at] ^ (1 << bit));
                auto const decoded = decode_proposal(changed, l);
                if (decoded) CHECK(encode(decoded.value()) == changed);
            }
        }
        for (std::size_t size = 0; size < (encoded.*part).size(); ++size) {
            auto cut = encoded;
            (cut.*part).resize(size);
            CHECK_FALSE(decode_proposal(cut, l));
        }
    };
    try_all(&encoded_proposal::terms);
    try_all(&encoded_proposal::roster);
}

TEST_CASE("a roster is left out for those who know it, and only the one that the terms name is taken") {
    limits const l;
    auto const p = sample(3);
    auto const full = encode(p);
    encoded_proposal const terms{full.terms, {}};
    CHECK(id_of(terms) == id_of(full));
    CHECK(decode_proposal(terms, l).error() == errc::unknown_roster);

    roster_book book{2};
    book.remember(named_roster(full), p.roster);
    CHECK(decode_proposal(terms, l, book).value() == p);
    encoded_proposal const other{full.terms, encode(sample(2)).roster};
    CHECK(decode_proposal(other, l, book).error() == errc::invalid_proposal);
}

TEST_CASE("a peer whose id carries no secp256k1 key cannot sign frames, and is refused in a roster") {
    auto p = sample(2);
    CHECK(check(p, limits{}));
    p.roster[1].peer = peer_id::from_text("12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA").value();
    CHECK(check(p, limits{}).error() == errc::invalid_roster);
}

TEST_CASE("a book of rosters keeps those used last, and who knows them in which epoch") {
    roster_book book{2};
    std::vector<encoded_proposal> groups;
    for (std::size_t n = 2; n < 5; ++n) groups.push_back(encode(sample(n)));
    auto const id = [&](std::size_t i) { return named_roster(groups[i]); };
    book.remember(id(0), sample(2).roster);
    book.remember(id(1), sample(3).roster);
    book.completed_by(id(0), 1, boot_epoch{{7}});
    CHECK(book.is_known_to(id(0), 1, boot_epoch{{7}}));
    CHECK_FALSE(book.is_known_to(id(0), 1, boot_epoch{{8}}));
    CHECK_FALSE(book.is_known_to(id(0), 1, std::nullopt));
    CHECK_FALSE(book.is_known_to(id(0), 0, boot_epoch{{7}}));
    CHECK_FALSE(book.is_known_to(id(2), 0, boot_epoch{{7}}));

    book.remember(id(0), sample(2).roster);  // used again: the other one is the oldest now
    book.remember(id(2), sample(4).roster);
    CHECK(book.find(id(0)) != nullptr);
    CHECK(book.find(id(1)) == nullptr);
    CHECK(*book.find(id(2)) == sample(4).roster);
    CHECK(book.is_known_to(id(0), 1, boot_epoch{{7}}));

    roster_book none{0};
    none.remember(id(0), sample(2).roster);
    CHECK(none.find(id(0)) == nullptr);
}

TEST_CASE("the session id covers every field") {
    auto const p = sample(3);
    std::set<session_id> ids{id_of(encode(p))};
    auto const differs = [&](auto change) {
        auto other = p;
        change(other);
        CHECK(ids.insert(id_of(encode(other))).second);
    };
    differs([](proposal& o) { std::swap(o.roster[0], o.roster[1]); });
    differs([](proposal& o) { o.roster[0].binding.octets[0] ^= 1; });
    differs([](proposal& o) { o.messages.pop_back(); });
    differs([](proposal& o) { std::get<tagged_payload>(o.messages[1]).tag = "Invoice"; });
    differs([](proposal& o) { o.tweaks.pop_back(); });
    differs([](proposal& o) { std::swap(o.tweaks[0], o.tweaks[1]); });
    differs([](proposal& o) { o.expires_at += std::chrono::milliseconds{1}; });
    differs([](proposal& o) { o.election = election_method::first_signer; });
    differs([](proposal& o) { o.topology = topology_id::mesh; });
    differs([](proposal& o) { o.initiator = 2; });
    differs([](proposal& o) { o.purpose = "Rent"; });
    differs([](proposal& o) { o.salt[31] ^= 1; });
}

TEST_CASE("limits of a proposal are checked, each with its name") {
    limits const l;
    auto const refused = [&](auto change) {
        auto p = sample(3);
        change(p);
        return check(p, l).error();
    };
    CHECK(refused([](proposal& p) { p.roster.resize(1); }) == errc::too_few_signers);
    CHECK(refused([](proposal& p) { p.roster[1].peer = p.roster[0].peer; }) == errc::invalid_roster);
    CHECK(refused([](proposal& p) { p.roster.resize(129); }) == errc::too_many_signers);
    CHECK(refused([](proposal& p) { p.initiator = 3; }) == errc::invalid_proposal);
    CHECK(refused([](proposal& p) { p.messages.clear(); }) == errc::invalid_proposal);
    CHECK(refused([](proposal& p) { p.messages.resize(65); }) == errc::too_many_messages);
    CHECK(refused([](proposal& p) { p.tweaks.resize(17); }) == errc::invalid_proposal);
    CHECK(refused([](proposal& p) { p.purpose.resize(257); }) == errc::invalid_proposal);
    CHECK(refused([](proposal& p) { p.messages[0] = tagged_payload{"", {}}; }) == errc::invalid_proposal);
    auto twice = sample(3);
    twice.roster[1].signer = twice.roster[0].signer;  // one key in two slots is BIP-327's business, not ours
    CHECK(check(twice, l));
}

TEST_CASE("every kind of frame round trips, is bound to its sender and to every byte") {
    limits const l;
    auto const keys = test::node_keys(1);
    for (auto const& what : bodies()) {
        frame_header const header{session_id{{1}}, boot_epoch{{2}}, 5, 77, kind_of(what)};
        auto const raw = encode_frame(header, what, keys.node).value();
        auto const f = parse_frame(raw, l).value();
        CHECK(f.header == header);
        CHECK(decode_body(f, l).value() == what);
        CHECK(is_authentic(f, keys.node.id()));
        CHECK_FALSE(is_authentic(f, test::node_keys(2).node.id()));
        CHECK_FALSE(is_authentic(f, peer_id{}));
        for (std::size_t at = 0; at < raw.size(); at += 5) {
            auto changed = raw;
            changed[at] ^= 1;
            auto const g = parse_frame(changed, l);
            if (g) CHECK_FALSE(is_authentic(g.value(), keys.node.id()));
        }
    }
}

TEST_CASE("every truncated body is an error") {
    limits const l;
    auto const keys = test::node_keys(1);
    for (auto const& what : bodies()) {
        auto const raw = encode_frame({{}, {}, 0, 1, kind_of(what)}, what, keys.node).value();
        auto f = parse_frame(raw, l).value();
        auto const whole = f.body;
        for (std::size_t size = 0; size < whole.size(); ++size) {
            f.body = whole.first(size);
            CHECK_FALSE(decode_body(f, l));
        }
    }
}

TEST_CASE("elections: a permutation of all slots, the same for everyone, salted by the session id") {
    auto const roster = sample(7).roster;
    for (auto const method : {election_method::lexicographic, election_method::hash_based,
                              election_method::first_signer, election_method::last_signer}) {
        std::set<slot> winners;
        for (byte i = 0; i < 200; ++i) {
            session_id const id{crypto::sha256(bytes{i}).octets};
            auto const order = election_order(method, id, roster);
            CHECK(order == election_order(method, id, roster));
            CHECK(std::set<slot>(order.begin(), order.end()).size() == 7);
            winners.insert(order[0]);
        }
        bool const salted = method == election_method::lexicographic || method == election_method::hash_based;
        CHECK(winners.size() == (salted ? 7u : 1u));
    }
    CHECK(election_order(election_method::first_signer, {}, roster) == std::vector<slot>{0, 1, 2, 3, 4, 5, 6});
    CHECK(election_order(election_method::last_signer, {}, roster) == std::vector<slot>{6, 5, 4, 3, 2, 1, 0});
}

TEST_CASE("elections are about signers, not about the order they were listed in") {
    auto roster = sample(5).roster;
    session_id const id{{1}};
    for (auto const method : {election_method::lexicographic, election_method::hash_based}) {
        auto const before = roster[election_order(method, id, roster)[0]].signer;
        auto shuffled = roster;
        std::reverse(shuffled.begin(), shuffled.end());
        CHECK(shuffled[election_order(method, id, shuffled)[0]].signer == before);
    }
}

TEST_CASE("two signers, and equal keys, are elected without trouble") {
    auto roster = sample(2).roster;
    roster[1].signer = roster[0].signer;
    for (auto const method : {election_method::lexicographic, election_method::hash_based}) {
        CHECK(election_order(method, {}, roster).size() == 2);
    }
}

TEST_CASE("a registry refuses a signer that never named its peer") {
    static_registry registry;
    auto who = sample(2).roster[0];
    CHECK(registry.add({who, {}}));
    CHECK(registry.find(who.signer)->who == who);
    CHECK_FALSE(registry.find(sample(2).roster[1].signer));
    who.peer = test::node_keys(5).node.id();
    CHECK(registry.add({who, {}}).error() == errc::invalid_binding);
    CHECK(registry.find(who.signer)->who.peer != who.peer);
}

}  // namespace codec_tests
