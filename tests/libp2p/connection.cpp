// SPDX-License-Identifier: MIT

#include <muster/libp2p/connection.hpp>

#include <support/catch.hpp>
#include <support/connection_end.hpp>

#include "hosts.hpp"

namespace connection_tests {

using namespace muster;
using namespace muster::libp2p;
using test::host;

namespace {

using events = std::vector<connection_event>;

/// A connection with what it emitted.
struct end {
    end(role side, std::uint64_t seed, std::optional<peer::peer_id> expected = {},
        connection_options o = {{"/echo", "/x/2"}, {}})
        : me{host(seed)}, machine{make(side, seed, std::move(expected), std::move(o))} {}

    test::connection_end make(role side, std::uint64_t seed, std::optional<peer::peer_id> expected,
                              connection_options o) {
        test::predictable source{seed + 1000};
        return test::connection_end{side == role::dialer ? connection::dial(me, source, expected, o).value()
                                                         : connection::listen(me, source, o).value()};
    }

    peer::node_key me;
    test::connection_end machine;
    effect_list<connection_event> sink;

    bytes output() { return machine.take_output(sink); }
    events feed(byte_view in) {
        machine.feed(in, sink);
        return sink.take();
    }
};

/// Two ends of one wire.
struct pair {
    end a{role::dialer, 1, host(2).id()};
    end b{role::listener, 2};
    events at_a, at_b;

    /// Carries bytes until nothing moves.
    void settle() {
        for (bool moved = true; moved;) {
            auto const to_b = a.output();
            collect(at_b, b.feed(to_b));
            auto const to_a = b.output();
            collect(at_a, a.feed(to_a));
            moved = !to_a.empty() || !to_b.empty();
        }
        collect(at_a, a.sink.take());
        collect(at_b, b.sink.take());
    }
    static void collect(events& into, events from) { into.insert(into.end(), from.begin(), from.end()); }

    events news_a() { return std::exchange(at_a, {}); }
    events news_b() { return std::exchange(at_b, {}); }

    /// Climbs the ladder.
    pair& up() {
        settle();
        REQUIRE(news_a() == events{established{host(2).id()}});
        REQUIRE(news_b() == events{established{host(1).id()}});
        return *this;
    }
    /// A stream that both sides have agreed on.
    stream_id stream(std::string_view protocol = "/echo") {
        auto const id = a.machine.open_stream(protocol).value();
        settle();
        REQUIRE(news_a() == events{stream_ready{id, std::string{protocol}, direction::outbound}});
        REQUIRE(news_b() == events{stream_ready{id, std::string{protocol}, direction::inbound}});
        return id;
    }
};

bytes octets(std::string_view text) { return to_bytes(as_bytes(text)); }

}  // namespace

TEST_CASE("connection: the ladder, seen from the socket") {
    pair p;
    CHECK(p.a.machine.stage() == stage::negotiating);
    auto const opening = p.a.output();
    CHECK(opening == octets("\x13/multistream/1.0.0\n\x07/noise\n"));
    CHECK(p.b.output().empty());  // says nothing to a silent stranger
    CHECK(p.b.feed(opening).empty());
    CHECK(p.b.machine.stage() == stage::handshaking);
    auto const agreement = p.b.output();
    CHECK(agreement == opening);
    CHECK(p.a.feed(agreement).empty());
    CHECK(p.a.machine.stage() == stage::handshaking);
    auto const message0 = p.a.output();
    CHECK(message0.size() == 34);
    CHECK(p.b.feed(message0).empty());
    CHECK(p.a.feed(p.b.output()).empty());
    CHECK(p.a.machine.peer() == host(2).id());
    CHECK(p.a.machine.open_stream("/echo").error() == errc::not_established);
    // The last message of the handshake and the negotiation of the multiplexer leave together.
    CHECK(p.b.feed(p.a.output()) == events{established{host(1).id()}});
    CHECK(p.a.feed(p.b.output()) == events{established{host(2).id()}});
    CHECK(p.a.machine.stage() == stage::established);
    CHECK(p.a.output().empty());
    CHECK(p.b.output().empty());
}

TEST_CASE("connection: one byte at a time") {
    pair p;
    events seen;
    for (int round = 0; round < 8; ++round) {
        for (byte b : p.a.output()) pair::collect(seen, p.b.feed({&b, 1}));
        for (byte b : p.b.output()) pair::collect(seen, p.a.feed({&b, 1}));
    }
    CHECK(seen == events{established{host(1).id()}, established{host(2).id()}});
}

TEST_CASE("connection: streams are negotiated, carry bytes both ways, and end") {
    pair p;
    auto const id = p.up().stream();
    CHECK(p.a.machine.write(id, as_bytes("hello")).value() == 5);
    p.settle();
    CHECK(p.news_b() == events{stream_data{id, octets("hello")}});
    p.b.machine.consume(id, 5);
    CHECK(p.b.machine.write(id, as_bytes("yes")).value() == 3);
    REQUIRE(p.b.machine.close_stream(id, p.b.sink));
    CHECK(p.b.machine.write(id, as_bytes("no")).error() == errc::stream_closed);
    p.settle();
    CHECK(p.news_a() == events{stream_data{id, octets("yes")}, stream_half_closed{id}});
    REQUIRE(p.a.machine.close_stream(id, p.a.sink));
    p.settle();
    CHECK(p.news_a() == events{stream_closed{id, end_of_stream::finished}});
    CHECK(p.news_b() == events{stream_half_closed{id}, stream_closed{id, end_of_stream::finished}});
    CHECK(p.a.machine.stream_count() == 0);
    CHECK(p.b.machine.stream_count() == 0);
    CHECK(p.a.machine.write(id, {}).error() == errc::no_such_stream);
}

TEST_CASE("connection: either side opens streams, and proposals are tried in order") {
    pair p;
    p.up();
    auto const id = p.b.machine.open_stream({"/echo/9", "/x/2", "/echo"}).value();
    CHECK(id % 2 == 0);
    CHECK(p.b.machine.write(id, as_bytes("early")).error() == errc::not_established);
    p.settle();
    CHECK(p.news_b() == events{stream_ready{id, "/x/2", direction::outbound}});
    CHECK(p.news_a() == events{stream_ready{id, "/x/2", direction::inbound}});
}

TEST_CASE("connection: a stream that nobody serves is refused, and the connection goes on") {
    pair p;
    p.up();
    auto const id = p.a.machine.open_stream("/unheard").value();
    p.settle();
    CHECK(p.news_a() == events{stream_closed{id, end_of_stream::refused}});
    CHECK(p.news_b().empty());
    CHECK(p.b.machine.stream_count() == 0);
    p.stream();
}

TEST_CASE("connection: proposal, request and FIN in one flight are taken apart") {
    pair p;
    p.up();
    auto const id = p.a.machine.open_stream("/echo").value();
    REQUIRE(p.a.machine.close_stream(id, p.a.sink));  // before the agreement: FIN waits for it
    p.settle();
    CHECK(p.news_b() == events{stream_ready{id, "/echo", direction::inbound}, stream_half_closed{id}});
    CHECK(p.news_a() == events{stream_ready{id, "/echo", direction::outbound}});
    REQUIRE(p.b.machine.close_stream(id, p.b.sink));
    p.settle();
    CHECK(p.news_a() == events{stream_half_closed{id}, stream_closed{id, end_of_stream::finished}});

    // An eager dialer sends everything at once, so that it arrives in one read.
    yamux::session eager{role::dialer};
    stream_set served{role::listener, {{"/echo"}, {}}};
    bytes said, answered, flight;
    auto const other = eager.open(said).value();
    multistream::append_message(flight, multistream::header);
    multistream::append_message(flight, "/echo");
    append(flight, as_bytes("request"));
    REQUIRE(eager.write(other, flight, said).value() == flight.size());
    REQUIRE(eager.close(other, said));
    effect_list<connection_event> seen;
    REQUIRE(served.feed(said, instant{}, answered, seen));
    CHECK(seen.take() == events{stream_ready{other, "/echo", direction::inbound}, stream_data{other, octets("request")},
                                stream_half_closed{other}});
}

TEST_CASE("connection: a reset ends the stream on the other side, and only there") {
    pair p;
    auto const id = p.up().stream();
    p.a.machine.reset_stream(id);
    p.settle();
    CHECK(p.news_a().empty());
    CHECK(p.news_b() == events{stream_closed{id, end_of_stream::reset}});
    p.stream();
}

TEST_CASE("connection: an abandoned stream is not heard of again, and its peer loses nothing") {
    pair p;
    auto const id = p.up().stream();
    CHECK(p.a.machine.write(id, as_bytes("last words")).value() == 10);
    p.a.machine.abandon_stream(id);
    p.settle();
    CHECK(p.news_b() == events{stream_data{id, octets("last words")}, stream_half_closed{id}});
    CHECK(p.b.machine.write(id, as_bytes("answer")).value() == 6);
    REQUIRE(p.b.machine.close_stream(id, p.b.sink));
    p.settle();
    CHECK(p.news_b() == events{stream_closed{id, end_of_stream::finished}});
    CHECK(p.news_a().empty());
}

TEST_CASE("connection: a reader that does not consume stops the writer, and nobody else") {
    pair p;
    auto const id = p.up().stream();
    auto const other = p.stream();
    auto const sent = test::noise_of(1'000'000, 5);
    std::size_t written = p.a.machine.write(id, sent).value();
    CHECK(written == yamux::window_size);
    p.settle();
    CHECK(p.a.machine.write(id, byte_view{sent}.subspan(written)).value() == 0);
    CHECK(p.a.machine.write(other, as_bytes("still")).value() == 5);
    p.settle();
    CHECK(p.news_a().empty());

    bytes received;
    for (int round = 0; round < 100 && received.size() < sent.size(); ++round) {
        for (auto const& e : p.news_b()) {
            auto const* d = std::get_if<stream_data>(&e);
            if (d == nullptr || d->id != id) continue;
            append(received, d->octets);
            p.b.machine.consume(id, d->octets.size());
        }
        p.settle();
        for (auto const& e : p.news_a()) {
            REQUIRE(e == connection_event{stream_writable{id}});
            written += p.a.machine.write(id, byte_view{sent}.subspan(written)).value();
        }
        p.settle();
    }
    CHECK(received == sent);
}

TEST_CASE("connection: pings come back, and shutdown is heard") {
    pair p;
    p.up();
    REQUIRE(p.a.machine.ping(42));
    p.settle();
    CHECK(p.news_a() == events{ping_answered{42}});
    p.b.machine.shutdown();
    p.settle();
    CHECK(p.news_a() == events{gone_away{0}});
    CHECK(p.a.machine.open_stream("/echo").error() == errc::not_established);
}

TEST_CASE("connection: someone else than the one dialled ends it") {
    end a{role::dialer, 1, host(3).id()}, b{role::listener, 2};
    (void)b.feed(a.output());
    (void)a.feed(b.output());
    (void)b.feed(a.output());
    auto const news = a.feed(b.output());
    REQUIRE(news.size() == 1);
    CHECK(std::get<failed>(news[0]).reason == errc::unexpected_peer);
    CHECK(a.machine.stage() == stage::failed);
    CHECK(a.output().empty());  // our name is not told to a stranger
    CHECK(a.feed(bytes(100)).empty());
    CHECK(a.machine.ping(1).error() == errc::not_established);
}

TEST_CASE("connection: a listener without Noise ends it") {
    end a{role::dialer, 1};
    (void)a.output();
    auto const news = a.feed(octets("\x13/multistream/1.0.0\n\x03na\n"));
    REQUIRE(news.size() == 1);
    CHECK(std::get<failed>(news[0]).reason == errc::no_common_protocol);
}

TEST_CASE("connection: every byte that the socket may corrupt is noticed") {
    // Corrupts byte `i` of the dialer's output in one of its flights; the other direction is undisturbed.
    for (std::size_t flight = 0; flight < 4; ++flight) {
        for (std::size_t i = 0;; ++i) {
            pair p;
            bool corrupted = false;
            for (std::size_t round = 0; round < 4; ++round) {
                if (round == 3 && p.a.machine.stage() == stage::established) (void)p.a.machine.open_stream("/echo");
                auto wire = p.a.output();
                if (round == flight && i < wire.size()) {
                    wire[i] ^= 1;
                    corrupted = true;
                }
                pair::collect(p.at_b, p.b.feed(wire));
                pair::collect(p.at_a, p.a.feed(p.b.output()));
            }
            if (!corrupted) break;
            INFO("flight " << flight << " byte " << i);
            auto const agreed = [](auto const& e) { return std::holds_alternative<stream_ready>(e); };
            REQUIRE(std::none_of(p.at_b.begin(), p.at_b.end(), agreed));
            i += flight == 2 ? 6 : 0;  // the signed flight is long; its bytes were each tried in noise.cpp
        }
    }
}

TEST_CASE("connection: a message that was altered on the way ends it") {
    pair p;
    auto const id = p.up().stream();
    CHECK(p.a.machine.write(id, bytes(10)).value() == 10);
    auto message = p.a.output();
    message.back() ^= 1;
    auto const news = p.b.feed(message);
    REQUIRE(news.size() == 1);
    CHECK(std::get<failed>(news[0]).reason == errc::not_authentic);
    CHECK(p.b.machine.open_stream("/echo").error() == errc::not_established);
}

TEST_CASE("connection: a peer that breaks yamux's rules hears why and is cut") {
    // A dialer built by hand, so that it can say what ours would not.
    end b{role::listener, 2};
    test::predictable source{1};
    auto shaking = noise::handshake::make(role::dialer, host(1), test::x25519(1), source).value();
    multistream::dialer outer{{"/noise"}}, inner{{"/yamux/1.0.0"}};
    bytes said, nothing;
    auto const agree = [&](multistream::dialer& d, byte_view answer) {
        effect_list<multistream::agreed> events;
        REQUIRE(d.feed(answer, instant{}, nothing, events));
        REQUIRE(events.size() == 1);
    };

    outer.start(said);
    CHECK(b.feed(std::exchange(said, {})).empty());
    agree(outer, b.output());
    shaking.start(said);
    CHECK(b.feed(std::exchange(said, {})).empty());
    bytes wire;
    effect_list<noise::proved> proved;
    REQUIRE(shaking.feed(b.output(), instant{}, wire, proved));
    auto channel = shaking.finish().value().channel;
    inner.start(said);
    REQUIRE(channel.seal(said, wire));
    REQUIRE(channel.seal(bytes{0, 1, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0}, wire));  // opens stream 1
    REQUIRE(channel.seal(bytes{0, 9, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0}, wire));  // a type that is none
    auto const news = b.feed(wire);
    REQUIRE(news.size() == 2);
    CHECK(news[0] == connection_event{established{host(1).id()}});
    CHECK(std::get<failed>(news[1]).reason == errc::violation);

    bytes farewell;
    REQUIRE(channel.open(b.output(), farewell));
    agree(inner, byte_view{farewell}.first(farewell.size() - 12));
    CHECK(equal(byte_view{farewell}.last(12), bytes{0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}));  // go-away, protocol error
    CHECK(b.output().empty());
}

TEST_CASE("connection: any bytes are survived, in any stage") {
    splitmix64 random{21};
    for (int round = 0; round < 300; ++round) {
        pair p;
        auto const calm = uniform(random, 4);
        for (std::uint64_t i = 0; i < calm; ++i) {
            (void)p.b.feed(p.a.output());
            (void)p.a.feed(p.b.output());
        }
        for (int i = 0; i < 5; ++i) {
            (void)p.a.feed(test::noise_of(uniform(random, 200), random()));
            (void)p.b.feed(test::noise_of(uniform(random, 200), random()));
            (void)p.a.output();
            (void)p.b.output();
        }
    }
    SUCCEED();
}

TEST_CASE("connection: a stream whose negotiation misbehaves is reset alone") {
    stream_set served{role::listener, {{"/echo"}, {}}};
    yamux::session rude{role::dialer};
    effect_list<yamux::event> heard;
    effect_list<connection_event> seen;
    bytes said, answered;
    auto const silent = rude.open(said).value();
    auto const wrong = rude.open(said).value();
    auto const hasty = rude.open(said).value();
    REQUIRE(rude.write(wrong, as_bytes("\x05GET \n"), said));
    REQUIRE(rude.close(hasty, said));
    REQUIRE(served.feed(said, instant{}, answered, seen));
    CHECK(seen.empty());
    CHECK(served.size() == 1);
    REQUIRE(rude.feed(answered, instant{}, said, heard));
    CHECK(heard.take() == std::vector<yamux::event>{yamux::reset{wrong}, yamux::reset{hasty}});
    CHECK(rude.contains(silent));
}

}  // namespace connection_tests
