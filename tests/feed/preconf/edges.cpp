// SPDX-License-Identifier: MIT

// A17: five pairs of messages, one on each side of an edge at which two clients of one network have differed, so that
// the network split. Each is judged as the specification has it, whichever way it comes: by gossip, as the answer to a
// question, or as our own.

#include <array>

#include <feed/bench.hpp>

namespace preconf_edges_tests {

using namespace muster;
using namespace muster::test;
using fd::outcome;
using namespace fd::preconf;

namespace {

using kit = preconf_kit;

struct policies : kit_policies<kit> {
    using schedule = fd::preconf::schedule<static_schedule>;
};
/// One signer up to second 24, and another one from then on.
struct bench : feed_bench<kit, policies> {
    bench() : feed_bench<kit, policies>{{}, {turns(), 1s}} {}
    static static_schedule const& turns() {
        static auto const all = [] {
            static_schedule s{0, 12};
            s.rotate(0, address_of(kit::key(0)));
            s.rotate(24, address_of(kit::key(1)));
            s.settle(~std::uint64_t{0});
            return s;
        }();
        return all;
    }
};
/// A client of its own parameters.
struct custom : kit {
    static inline parameters params = {};
    [[nodiscard]] static protocol make_protocol() { return protocol{params}; }
};

MUSTER_ENUMERATION(way, 0, gossip, answer, own);
constexpr std::array all_ways{way::gossip, way::answer, way::own};

template <class Bench>
fd::request_number sent(Bench& b) {
    auto const all = b.template take_only<fd::request>();
    REQUIRE(all.size() == 1);
    return all[0].number;
}
/// A record comes; whether it is stored.
template <class Bench>
bool comes(Bench& b, way by, bytes const& content) {
    auto const before = b.it.stored().sizes().records;
    if (by == way::gossip) (void)b.hear(1, content);
    if (by == way::own) (void)b.it.publish_record(content, b.now, b.effects);
    if (by == way::answer) {
        b.up(2);
        auto const at = decode_signed_commitment(content).value().commitment.preconf.block_number.narrow().value();
        REQUIRE(b.it.request_records(at, 1, b.now, b.effects));
        b.tell(fd::answer_received{sent(b), b.it.protocol().encode_page({content})});
        b.down(2);
    }
    b.collect();
    return b.it.stored().sizes().records != before;
}
/// A list comes; whether it is stored.
template <class Bench>
bool comes(Bench& b, way by, fd::blob const& list) {
    if (by == way::gossip) (void)b.hear(1, list);
    if (by == way::own) (void)b.it.publish_blob(list, b.now, b.effects);
    if (by == way::answer) {
        b.up(2);
        REQUIRE(b.it.request_blob(list.id, b.now, b.effects));
        b.tell(fd::answer_received{sent(b), b.it.protocol().encode_blob(list)});
    }
    b.collect();
    return b.it.stored().contains_blob(list.id);
}
/// In how many ways a record that comes first is stored.
int ways_of(bytes const& content) {
    int out = 0;
    for (auto const by : all_ways) {
        bench b;
        out += comes(b, by, content) ? 1 : 0;
    }
    return out;
}
signed_commitment with_signature_of(signed_commitment s, crypto::digest32 const& what) {
    s.signature = crypto::sign_recoverable(kit::key(0), what).value();
    return s;
}
signed_commitment first() { return decode_signed_commitment(kit::next(nullptr).content()).value(); }

}  // namespace

TEST_CASE("preconf: edge 1: the cap of a list is one number, whichever way the list comes") {
    for (std::size_t const cap : {780'264u, 786'432u, 2u << 20}) {
        custom::params = {};
        custom::params.list_size_max = cap;
        for (auto const by : all_ways) {
            for (std::size_t const size : {cap, cap + 1}) {
                feed_bench<custom> b;
                fd::blob list{{}, bytes(size, 1)};
                list.id = hash_of_list(list.content);
                INFO(size << " bytes of " << cap << ", way " << to_string(by));
                CHECK(comes(b, by, list) == (size == cap));
            }
        }
    }
    custom::params = {};
}

TEST_CASE("preconf: edge 2: the signature is of the commitment under its domain, and is served as it came") {
    auto const good = first();
    auto const& c = good.commitment;
    // What else somebody may sign of it: what children name it by, the commitment alone, all that is on the wire.
    bytes bare = encode(good);
    bare.resize(commitment_size);
    for (auto const& what : {hash_of(c.preconf), crypto::keccak256(bare), crypto::keccak256(encode(good))}) {
        CHECK(ways_of(encode(with_signature_of(good, what))) == 0);
    }
    CHECK(ways_of(encode(with_signature_of(good, signing_hash(c)))) == 3);
    for (auto const by : all_ways) {
        bench b;
        REQUIRE(comes(b, by, encode(good)));
        auto const answer = b.ask(3, fd::question::page, encode(page_request{1, 1}));
        REQUIRE(answer);
        CHECK(*answer == encode_page({encode(good)}));
    }
}

TEST_CASE("preconf: edge 3: recovery ids are 0 or 1, and nothing is normalised first") {
    auto const good = first();
    REQUIRE(good.signature.octets[64] <= 1);
    CHECK(ways_of(encode(good)) == 3);
    for (unsigned const more : {2u, 4u, 27u, 29u, 31u, 254u}) {
        auto odd = good;
        odd.signature.octets[64] = static_cast<byte>(odd.signature.octets[64] + more);
        CHECK(ways_of(encode(odd)) == 0);
    }
}

TEST_CASE("preconf: edge 4: what one was allowed to do has an end, to the second") {
    // There it was a token of access. Here nobody has one: what lapses is a turn to sign, and the grace behind it.
    auto const said = [](std::uint64_t at, std::uint64_t end, std::size_t by) {
        auto c = kit::draft(nullptr);
        c.preconf.timestamp = at;
        c.preconf.submission_window_end = end;
        return ways_of(kit::sign(c, by).content());
    };
    CHECK(said(23, 24, 0) == 3);
    CHECK(said(23, 24, 1) == 0);
    CHECK(said(24, 24, 0) == 3);  // a second of grace
    CHECK(said(25, 36, 0) == 0);
    CHECK(said(25, 36, 1) == 3);
}

TEST_CASE("preconf: edge 5: the end of a window holds from when it is known, not from when it is executed") {
    for (auto const by : all_ways) {
        INFO("way " << to_string(by));
        bench b;
        auto c = kit::draft(nullptr);
        c.preconf.timestamp = 4;
        c.preconf.eop = true;
        auto const last = kit::sign(c);
        REQUIRE(comes(b, by, last.content()));
        auto const told = b.heard_only<fd::record_accepted>();
        REQUIRE(told.size() == 1);
        CHECK(decode_signed_commitment(told[0].record.content).value().commitment.preconf.eop);
        // The list of it is not here yet, which changes nothing.
        CHECK_FALSE(told[0].has_blob);
        auto late = kit::draft(&last);
        late.preconf.timestamp = 5;
        late.preconf.submission_window_end = 12;
        for (auto const then : all_ways) CHECK_FALSE(comes(b, then, kit::sign(late).content()));
        for (std::uint32_t const who : {1u, 2u}) {
            CHECK(b.penalties[feed_peer(who)] == std::vector<std::string>{"late_after_eop"});
        }
        CHECK(b.hear(4, kit::sign(kit::draft(&last), 0)) == outcome::accept);
    }
}

}  // namespace preconf_edges_tests
