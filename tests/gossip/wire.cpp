// SPDX-License-Identifier: MIT

// The wire form, byte by byte. Constants follow from the protobuf encoding: tag = number << 3 | type, then a varint or
// a length and content.

#include <muster/gossip/wire/message.hpp>
#include <muster/gossip/wire/rpc.hpp>
#include <muster/gossip/wire/rpc_writer.hpp>

#include <muster/core/hex.hpp>

#include "bench.hpp"

namespace wire_tests {

using namespace muster;
using namespace muster::gossip::rpc;
using gossip::message_id;
using test::string_of;

namespace {

std::string hex(rpc_content const& c) { return to_hex(encode_rpc(c)); }
bytes raw(std::string_view text) { return from_hex(text).value(); }
message_id id(std::initializer_list<byte> b) { return message_id{bytes{b}}; }

rpc_limits small() {
    rpc_limits l;
    l.size_max = 400;
    l.messages_max = 2;
    l.message_size_max = 8;
    l.subscriptions_max = 2;
    l.control_max = 3;
    l.ids_max = 3;
    l.px_max = 1;
    l.record_size_max = 2;
    l.topic_size_max = 4;
    return l;
}
bool is_refused(std::string_view frame, gossip::errc why = gossip::errc::limit_exceeded) {
    rpc_view v;
    auto const bytes_of = raw(frame);
    auto const r = decode_rpc(bytes_of, small(), v);
    return !r && r.error() == why;
}
bool is_taken(std::string_view frame) {
    rpc_view v;
    auto const bytes_of = raw(frame);
    return static_cast<bool>(decode_rpc(bytes_of, small(), v));
}
std::string times(std::size_t n, std::string const& s) {
    std::string out;
    while (n-- > 0) out += s;
    return out;
}

}  // namespace

TEST_CASE("gossip wire: what is written, byte by byte") {
    rpc_content c;
    CHECK(hex(c).empty());
    c.subscriptions = {{"ab", true}};
    CHECK(hex(c) ==
          "0a0608011202"
          "6162");
    c.subscriptions = {{"ab", false}};
    CHECK(hex(c) ==
          "0a0608001202"
          "6162");
    c = {};
    c.grafts = {"ab"};
    CHECK(hex(c) ==
          "1a06"
          "1a04"
          "0a026162");
    c = {};
    c.prunes = {{"ab", 60, {}}};
    CHECK(hex(c) ==
          "1a08"
          "2206"
          "0a026162"
          "183c");
    c.prunes = {{"ab", 0, {}}};
    CHECK(hex(c) ==
          "1a06"
          "2204"
          "0a026162");
    c.prunes = {{"ab", 60, {{peer::peer_id::from_multihash(raw("0001aa")).value(), bytes{0x72}}}}};
    CHECK(hex(c) ==
          "1a12"
          "2210"
          "0a026162"
          "1208"
          "0a030001aa"
          "120172"
          "183c");
    c = {};
    c.ihave = {{"ab", {id({1, 2}), id({3})}}};
    CHECK(hex(c) ==
          "1a0d"
          "0a0b"
          "0a026162"
          "12020102"
          "120103");
    c = {};
    c.iwant = {id({1, 2})};
    CHECK(hex(c) ==
          "1a06"
          "1204"
          "0a020102");
    c = {};
    c.idontwant = {id({1, 2})};
    CHECK(hex(c) ==
          "1a06"
          "2a04"
          "0a020102");
}

TEST_CASE("gossip wire: a message, byte by byte, and which of its bytes are signed") {
    auto message = encode_message({raw("0001aa"), as_bytes("x"), raw("0000000000000005"), "t"});
    CHECK(to_hex(message) ==
          "0a030001aa"
          "120178"
          "1a080000000000000005"
          "220174");
    CHECK(to_hex(encode_message({{}, as_bytes("x"), {}, "t"})) ==
          "120178"
          "220174");
    auto const unsigned_part = signed_part(message);
    CHECK(string_of(unsigned_part).substr(0, 14) == "libp2p-pubsub:");
    CHECK(equal(byte_view{unsigned_part}.subspan(14), message));
    append_signature(message, as_bytes("s"), {});
    CHECK(to_hex(byte_view{message}.last(3)) == "2a0173");
    append_signature(message, as_bytes("s"), as_bytes("k"));
    CHECK(to_hex(byte_view{message}.last(6)) ==
          "2a0173"
          "32016b");
    CHECK(signed_part(message) == unsigned_part);
    CHECK(to_hex(encode_publish(raw("120178"))) ==
          "1203"
          "120178");

    // Whatever the order of its fields and whatever else it holds: what was received is what is signed.
    auto const odd =
        raw("220174"
            "2a0173"
            "3a027a7a"
            "120178"
            "32016b"
            "0a030001aa"
            "4007");
    CHECK(to_hex(byte_view{signed_part(odd)}.subspan(14)) ==
          "220174"
          "3a027a7a"
          "120178"
          "0a030001aa"
          "4007");
    auto const m = decode_message(odd).value();
    CHECK(m.topic == "t");
    CHECK(string_of(m.data) == "x");
    CHECK(to_hex(m.from) == "0001aa");
    CHECK((m.signature && m.key && m.has_from && !m.has_seqno));
    CHECK(signed_part(raw("2205")).empty());  // cut short
}

TEST_CASE("gossip wire: what is read") {
    rpc_view v;
    auto const frame =
        raw("0a06080112026162"
            "12041202"
            "7878"
            "1a08"
            "2206"
            "0a026162"
            "183c"
            "1a0d"
            "0a0b"
            "0a026162"
            "12020102"
            "120103"
            "1a06"
            "1a04"
            "0a026162"
            "1a06"
            "1204"
            "0a020102"
            "1a06"
            "2a04"
            "0a020304");
    REQUIRE(decode_rpc(frame, {}, v));
    REQUIRE(v.subscriptions.size() == 1);
    CHECK(v.subscriptions[0] == subscription_view{true, "ab"});
    REQUIRE(v.messages.size() == 1);
    CHECK(to_hex(v.messages[0]) == "12027878");
    REQUIRE(v.prunes.size() == 1);
    CHECK(v.prunes[0].topic == "ab");
    CHECK(v.prunes[0].backoff == 60u);
    CHECK(v.ihave == std::vector<ihave_view>{{"ab", {0, 2}}});
    CHECK(v.grafts == std::vector<std::string_view>{"ab"});
    REQUIRE(v.iwant_ids.size() == 1);
    REQUIRE(v.idontwant_ids.size() == 1);
    CHECK(to_hex(v.idontwant_ids[0]) == "0304");
    CHECK(v.controls == 5);
    CHECK_FALSE(v.empty());
    REQUIRE(decode_rpc({}, {}, v));
    CHECK(v.empty());
    // Fields of later versions are skipped: extensions (6) and others of control, partial messages (10) of an RPC.
    REQUIRE(decode_rpc(raw("1a04"
                           "32025001"
                           "5202ffff"
                           "92839463"
                           "00"),
                       {}, v));
    CHECK(v.empty());
}

TEST_CASE("gossip wire: bytes that are no RPC") {
    for (auto const* const frame :
         {"0a", "0a05", "0a0208", "1aff", "1a020a05", "ffffffffffffffffffff01", "0b", "1a03220112"}) {
        INFO(frame);
        rpc_view v;
        auto const b = raw(frame);
        auto const r = decode_rpc(b, {}, v);
        REQUIRE_FALSE(r);
        CHECK(r.error() == muster::wire::errc::malformed);
    }
}

TEST_CASE("gossip wire: each limit, met and exceeded by one") {
    CHECK(is_taken(times(2, "0a00")));
    CHECK(is_refused(times(3, "0a00")));
    CHECK(is_taken(times(2, "1200")));
    CHECK(is_refused(times(3, "1200")));
    CHECK(is_taken("1208" + times(8, "00")));
    CHECK(is_refused("1209" + times(9, "00")));
    CHECK(is_taken("1a06" + times(3, "1a00")));
    CHECK(is_refused("1a08" + times(4, "1a00")));
    CHECK(is_refused("1a04" + times(2, "1a00") + "1a04" + times(2, "1a00")));  // over two control messages
    CHECK(is_taken(times(3, "1a00")));
    CHECK(is_refused(times(4, "1a00")));  // of which none holds anything
    for (std::string const kind : {"12", "2a"}) {
        CHECK(is_taken("1a08" + kind + "06" + times(3, "0a00")));
        CHECK(is_refused("1a0a" + kind + "08" + times(4, "0a00")));
    }
    CHECK(
        is_taken("1a08"
                 "0a06" +
                 times(3, "1200")));
    CHECK(
        is_refused("1a0a"
                   "0a08" +
                   times(4, "1200")));
    CHECK(
        is_taken("1a04"
                 "2202"
                 "1200"));
    CHECK(
        is_refused("1a06"
                   "2204"
                   "12001200"));
    CHECK(
        is_taken("1a08"
                 "2206"
                 "1204"
                 "12027272"));
    CHECK(
        is_refused("1a09"
                   "2207"
                   "1205"
                   "1203727272"));
    CHECK(
        is_taken("0a06"
                 "120461626364"));
    CHECK(
        is_refused("0a07"
                   "12056162636465"));
    CHECK(
        is_refused("1a09"
                   "1a07"
                   "0a056162636465"));
    CHECK(
        is_refused("1a09"
                   "2207"
                   "0a056162636465"));
    CHECK(
        is_refused("1a09"
                   "0a07"
                   "0a056162636465"));
    CHECK(is_taken(times(200, "5000")));
    CHECK(is_refused(times(200, "5000") + "5000"));
}

}  // namespace wire_tests
