// SPDX-License-Identifier: MIT

#include <muster/libp2p/multistream.hpp>

#include <muster/core/hex.hpp>
#include <muster/core/random.hpp>

#include <support/catch.hpp>

using namespace muster;
using namespace muster::libp2p;
using namespace muster::libp2p::multistream;

namespace {

bytes message(std::string_view line) {
    bytes out;
    append_message(out, line);
    return out;
}

bytes messages(std::initializer_list<std::string_view> lines) {
    bytes out;
    for (auto const line : lines) append_message(out, line);
    return out;
}

std::vector<std::string> const supported{"/noise", "/yamux/1.0.0"};

}  // namespace

TEST_CASE("multistream: the exact octets of an agreement") {
    dialer d{{"/noise"}};
    auto const opening = d.take_output();
    CHECK(to_hex(opening) ==
          "132f6d756c746973747265616d2f312e302e300a"  // 19, /multistream/1.0.0\n
          "072f6e6f6973650a");                        // 7, /noise\n
    listener l;
    auto const answered = l.feed(opening, supported).value();
    CHECK(answered == progress{opening.size(), "/noise"});
    auto const answer = l.take_output();
    CHECK(answer == opening);  // the same header, and the proposal repeated
    CHECK(d.feed(answer).value() == progress{answer.size(), "/noise"});
    CHECK(d.take_output().empty());
    CHECK(to_hex(message("na")) == "036e610a");
}

TEST_CASE("multistream: octets after the agreement are left alone") {
    dialer d{{"/noise"}};
    auto wire = d.take_output();
    auto const own = wire.size();
    append(wire, bytes{1, 2, 3, 4});
    listener l;
    CHECK(l.feed(wire, supported).value() == progress{own, "/noise"});
    auto answer = l.take_output();
    auto const answer_size = answer.size();
    append(answer, bytes(100, 0xff));
    CHECK(d.feed(answer).value() == progress{answer_size, "/noise"});
}

TEST_CASE("multistream: one octet at a time") {
    dialer d{{"/tls/1.0.0", "/noise"}};
    listener l;
    std::optional<std::string> dialled, listened;
    for (int round = 0; round < 3; ++round) {
        for (byte b : d.take_output()) {
            REQUIRE_FALSE(listened);
            auto const p = l.feed({&b, 1}, supported).value();
            CHECK(p.consumed == 1);
            listened = p.agreed;
        }
        for (byte b : l.take_output()) {
            REQUIRE_FALSE(dialled);
            dialled = d.feed({&b, 1}).value().agreed;
        }
    }
    CHECK(dialled == "/noise");
    CHECK(listened == "/noise");
}

TEST_CASE("multistream: a refused proposal is followed by the next, then by an error") {
    dialer d{{"/tls/1.0.0", "/quic"}};
    CHECK(d.take_output() == messages({header, "/tls/1.0.0"}));
    CHECK(d.feed(messages({header, "na"})).value() == progress{24, std::nullopt});
    CHECK(d.take_output() == message("/quic"));
    CHECK(d.feed(message("na")).error() == errc::no_common_protocol);

    listener l;
    CHECK(l.feed(messages({header, "ls", "/tls/1.0.0"}), supported).value().agreed == std::nullopt);
    CHECK(l.take_output() == messages({header, "na", "na"}));
}

TEST_CASE("multistream: a side that does not follow the rules is refused") {
    auto const listen = [](bytes const& in) { return listener{}.feed(in, supported).error(); };
    CHECK(listen(message("/multistream/2.0.0")) == errc::malformed);
    CHECK(listen(to_bytes(as_bytes("\x04GET / HTTP/1.1"))) == errc::malformed);
    CHECK(listen(bytes{0}) == errc::malformed);              // no room for the newline
    CHECK(listen(bytes{0x81, 0x08}) == errc::too_large);     // 1025
    CHECK(listen(bytes(9, 0xff)) == wire::errc::too_large);  // a length without end
    CHECK(listen(bytes{0x82, 0x00}) == wire::errc::not_canonical);

    auto const dial = [](bytes const& in) { return dialer{{"/noise"}}.feed(in).error(); };
    CHECK(dial(message("/noise")) == errc::malformed);
    CHECK(dial(messages({header, "/yamux/1.0.0"})) == errc::malformed);
    CHECK(dial(messages({header, header})) == errc::malformed);
}

TEST_CASE("multistream: a message of the largest size is read, and no more is held") {
    std::string const longest(message_size_max - 1, 'x');
    listener l;
    REQUIRE(l.feed(messages({header, longest}), supported));
    CHECK(l.take_output() == messages({header, "na"}));
}

TEST_CASE("multistream: proposals without end are not answered without end") {
    listener l;
    REQUIRE(l.feed(message(header), supported));
    for (std::size_t i = 0; i + 1 < proposals_max; ++i) REQUIRE(l.feed(message("/x"), supported));
    CHECK(l.feed(message("/x"), supported).error() == errc::too_many_proposals);
    CHECK(l.take_output().size() < 200);
}

TEST_CASE("multistream: both sides survive any octets") {
    splitmix64 random{11};
    for (int round = 0; round < 20'000; ++round) {
        bytes input = uniform(random, 2) == 0 ? message(header) : bytes{};
        for (auto n = uniform(random, 60); n > 0; --n) input.push_back(static_cast<byte>(random()));
        auto const listened = listener{}.feed(input, supported);
        auto const dialled = dialer{{"/noise"}}.feed(input);
        REQUIRE((!listened || listened.value().consumed <= input.size()));
        REQUIRE((!dialled || dialled.value().consumed <= input.size()));
    }
}
