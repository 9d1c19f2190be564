// SPDX-License-Identifier: MIT

#include <muster/libp2p/multistream.hpp>

#include <muster/core/hex.hpp>
#include <muster/core/random.hpp>

#include <support/catch.hpp>

namespace multistream_tests {

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

/// What one call of `feed` came to.
struct progress {
    std::size_t consumed = 0;
    std::optional<std::string> agreed;
    bool operator==(progress const&) const = default;
};

/// One side with what it has to send.
template <class Side>
struct end {
    explicit end(Side side) : machine{std::move(side)} { machine.start(out); }

    Side machine;
    bytes out;

    [[nodiscard]] result<progress> feed(byte_view in) {
        effect_list<agreed> events;
        MUSTER_TRY(auto const taken, machine.feed(in, instant{}, out, events));
        return progress{taken, events.empty() ? std::nullopt : std::optional{events.begin()->protocol}};
    }
    [[nodiscard]] bytes take_output() { return std::exchange(out, {}); }
};
end<dialer> dial(std::vector<std::string> protocols) { return end{dialer{std::move(protocols)}}; }
end<listener> listen() {
    return end{
        listener{std::make_shared<std::vector<std::string> const>(std::vector<std::string>{"/noise", "/yamux/1.0.0"})}};
}

}  // namespace

TEST_CASE("multistream: the exact bytes of an agreement") {
    auto d = dial({"/noise"});
    auto const opening = d.take_output();
    CHECK(to_hex(opening) ==
          "132f6d756c746973747265616d2f312e302e300a"  // 19, /multistream/1.0.0\n
          "072f6e6f6973650a");                        // 7, /noise\n
    auto l = listen();
    auto const answered = l.feed(opening).value();
    CHECK(answered == progress{opening.size(), "/noise"});
    auto const answer = l.take_output();
    CHECK(answer == opening);  // the same header, and the proposal repeated
    CHECK(d.feed(answer).value() == progress{answer.size(), "/noise"});
    CHECK(d.take_output().empty());
    CHECK(to_hex(message("na")) == "036e610a");
}

TEST_CASE("multistream: bytes after the agreement are left alone") {
    auto d = dial({"/noise"});
    auto wire = d.take_output();
    auto const own = wire.size();
    append(wire, bytes{1, 2, 3, 4});
    auto l = listen();
    CHECK(l.feed(wire).value() == progress{own, "/noise"});
    auto answer = l.take_output();
    auto const answer_size = answer.size();
    append(answer, bytes(100, 0xff));
    CHECK(d.feed(answer).value() == progress{answer_size, "/noise"});
}

TEST_CASE("multistream: one byte at a time") {
    auto d = dial({"/tls/1.0.0", "/noise"});
    auto l = listen();
    std::optional<std::string> dialled, listened;
    for (int round = 0; round < 3; ++round) {
        for (byte b : d.take_output()) {
            REQUIRE_FALSE(listened);
            auto const p = l.feed({&b, 1}).value();
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
    auto d = dial({"/tls/1.0.0", "/quic"});
    CHECK(d.take_output() == messages({header, "/tls/1.0.0"}));
    CHECK(d.feed(messages({header, "na"})).value() == progress{24, std::nullopt});
    CHECK(d.take_output() == message("/quic"));
    CHECK(d.feed(message("na")).error() == errc::no_common_protocol);

    auto l = listen();
    CHECK(l.feed(messages({header, "ls", "/tls/1.0.0"})).value().agreed == std::nullopt);
    CHECK(l.take_output() == messages({header, "na", "na"}));
}

TEST_CASE("multistream: a side that does not follow the rules is refused") {
    auto const heard = [](bytes const& in) { return listen().feed(in).error(); };
    CHECK(heard(message("/multistream/2.0.0")) == errc::malformed);
    CHECK(heard(to_bytes(as_bytes("\x04GET / HTTP/1.1"))) == errc::malformed);
    CHECK(heard(bytes{0}) == errc::malformed);              // no room for the newline
    CHECK(heard(bytes{0x81, 0x08}) == errc::too_large);     // 1025
    CHECK(heard(bytes(9, 0xff)) == wire::errc::too_large);  // a length without end
    CHECK(heard(bytes{0x82, 0x00}) == wire::errc::not_canonical);

    auto const told = [](bytes const& in) { return dial({"/noise"}).feed(in).error(); };
    CHECK(told(message("/noise")) == errc::malformed);
    CHECK(told(messages({header, "/yamux/1.0.0"})) == errc::malformed);
    CHECK(told(messages({header, header})) == errc::malformed);
}

TEST_CASE("multistream: a message of the largest size is read, and no more is held") {
    std::string const longest(message_size_max - 1, 'x');
    auto l = listen();
    REQUIRE(l.feed(messages({header, longest})));
    CHECK(l.take_output() == messages({header, "na"}));
}

TEST_CASE("multistream: proposals without end are not answered without end") {
    auto l = listen();
    REQUIRE(l.feed(message(header)));
    for (std::size_t i = 0; i + 1 < proposals_max; ++i) REQUIRE(l.feed(message("/x")));
    CHECK(l.feed(message("/x")).error() == errc::too_many_proposals);
    CHECK(l.take_output().size() < 200);
}

TEST_CASE("multistream: both sides survive any bytes") {
    splitmix64 random{11};
    for (int round = 0; round < 20'000; ++round) {
        bytes input = uniform(random, 2) == 0 ? message(header) : bytes{};
        for (auto n = uniform(random, 60); n > 0; --n) input.push_back(static_cast<byte>(random()));
        auto const listened = listen().feed(input);
        auto const dialled = dial({"/noise"}).feed(input);
        REQUIRE((!listened || listened.value().consumed <= input.size()));
        REQUIRE((!dialled || dialled.value().consumed <= input.size()));
    }
}

}  // namespace multistream_tests
