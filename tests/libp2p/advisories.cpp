// SPDX-License-Identifier: MIT

// What was published as an advisory of some libp2p, aimed at ours: one test for each, named after it. The list of all,
// with those of other folders, is in tests/advisories.md.

#include <muster/libp2p/connection.hpp>

#include <support/catch.hpp>
#include <support/connection_end.hpp>
#include <support/hosts_in_sim.hpp>
#include <support/rsa_host.hpp>

#include "identify_side.hpp"

namespace advisory_tests {

using namespace muster;
using namespace muster::libp2p;
using namespace std::chrono_literals;
using test::host;

namespace {

/// A dialler built by hand, so that it can say what ours would not, and the connection that it talks to.
class hostile_dialler {
public:
    hostile_dialler() {
        test::predictable source{1};
        auto shaking = noise::handshake::make(role::dialer, host(1), test::x25519(1), source).value();
        multistream::dialer outer{{"/noise"}}, inner{{"/yamux/1.0.0"}};
        bytes said, nothing;
        effect_list<multistream::agreed> agreed;
        outer.start(said);
        feed(std::exchange(said, {}));
        REQUIRE(outer.feed(take_output(), instant{}, nothing, agreed));
        shaking.start(said);
        feed(std::exchange(said, {}));
        bytes wire;
        effect_list<noise::proved> proved;
        REQUIRE(shaking.feed(take_output(), instant{}, wire, proved));
        channel_.emplace(shaking.finish().value().channel);
        inner.start(said);
        REQUIRE(channel_->seal(said, wire));
        auto const news = feed(wire);
        REQUIRE(news == std::vector<connection_event>{established{host(1).id()}});
        (void)hear();
    }
    /// What the connection tells when it hears these frames.
    std::vector<connection_event> say(byte_view frames) {
        bytes wire;
        REQUIRE(channel_->seal(frames, wire));
        return feed(wire);
    }
    /// What it has answered.
    bytes hear() {
        bytes clear;
        REQUIRE(channel_->open(take_output(), clear));
        return clear;
    }
    [[nodiscard]] std::size_t streams() const { return listener_.stream_count(); }

private:
    std::vector<connection_event> feed(byte_view in) {
        listener_.feed(in, sink_);
        return sink_.take();
    }
    bytes take_output() { return listener_.take_output(sink_); }

    peer::node_key key_ = host(2);
    test::predictable source_{2};
    effect_list<connection_event> sink_;
    test::connection_end listener_{connection::listen(key_, source_, {{"/echo"}, {}}).value()};
    std::optional<noise::channel> channel_;
};

bytes frame(yamux::frame_type type, std::uint16_t flags, stream_id id, std::uint32_t length, byte_view payload = {}) {
    bytes out;
    yamux::append_header(out, {type, flags, id, length});
    append(out, payload);
    return out;
}
bytes const protocol_error = frame(yamux::frame_type::go_away, 0, 0, 1);

/// Why the connection has ended; fails when it has not.
error failure(std::vector<connection_event> const& news) {
    REQUIRE(!news.empty());
    REQUIRE(std::holds_alternative<failed>(news.back()));
    return std::get<failed>(news.back()).reason;
}

bytes framed(byte_view content) {
    bytes out;
    wire::append_varint(out, content.size());
    append(out, content);
    return out;
}

}  // namespace

// ---- yamux ---------------------------------------------------------------------------------------------------------

TEST_CASE("advisory CVE-2026-32314: a first frame that opens a stream with more than its window is refused whole") {
    for (std::uint32_t const size : {yamux::window_size + 1, 0x7fff'ffffu, 0xffff'ffffu}) {
        hostile_dialler d;
        auto const news = d.say(frame(yamux::frame_type::data, yamux::flag::syn, 1, size, bytes(100)));
        CHECK(news.size() == 1);  // nobody hears of a stream
        CHECK(failure(news) == errc::window_exceeded);
        CHECK(d.streams() == 0);
        CHECK(d.hear() == protocol_error);
    }
    hostile_dialler d;  // the window itself may be filled by the first frame
    (void)d.say(frame(yamux::frame_type::data, yamux::flag::syn, 1, yamux::window_size));
    CHECK(d.streams() == 1);
}

TEST_CASE("advisory CVE-2026-31814: credit that exceeds 32 bits is a violation, by one update or by many") {
    auto const open = frame(yamux::frame_type::window_update, yamux::flag::syn, 1, 0);
    auto const credit = [](std::uint32_t more) { return frame(yamux::frame_type::window_update, 0, 1, more); };
    for (std::uint32_t const more : {0xffff'ffffu, 0xffff'ffffu - yamux::window_size + 1}) {
        hostile_dialler d;
        (void)d.say(open);
        CHECK(failure(d.say(credit(more))) == errc::violation);
        CHECK(d.streams() == 0);
    }
    hostile_dialler d;
    (void)d.say(frame(yamux::frame_type::window_update, yamux::flag::syn, 1, 0xffff'ffffu - yamux::window_size));
    CHECK(d.streams() == 1);  // exactly full
    CHECK(failure(d.say(credit(1))) == errc::violation);
    hostile_dialler at_once;
    CHECK(failure(at_once.say(frame(yamux::frame_type::window_update, yamux::flag::syn, 1, 0xffff'ffffu))) ==
          errc::violation);
}

TEST_CASE(
    "advisory CVE-2026-73568: a frame that announces 4 GiB is refused at its header, and nothing is kept for it") {
    hostile_dialler d;
    (void)d.say(frame(yamux::frame_type::window_update, yamux::flag::syn, 1, 0));
    auto const header = frame(yamux::frame_type::data, 0, 1, 0xffff'ffff);
    for (std::size_t i = 0; i + 1 < header.size(); ++i) CHECK(d.say(byte_view{header}.subspan(i, 1)).empty());
    CHECK(failure(d.say(byte_view{header}.last(1))) == errc::window_exceeded);

    // For a stream that is over nothing is kept either, however much is announced: it is dropped as it comes, and what
    // is behind it is read.
    hostile_dialler e;
    (void)e.say(frame(yamux::frame_type::window_update, yamux::flag::syn, 1, 0));
    (void)e.say(frame(yamux::frame_type::window_update, yamux::flag::rst, 1, 0));
    (void)e.hear();
    CHECK(e.say(frame(yamux::frame_type::data, 0, 1, 100'000)).empty());
    for (int i = 0; i < 10; ++i) CHECK(e.say(bytes(10'000)).empty());
    CHECK(e.say(frame(yamux::frame_type::ping, yamux::flag::syn, 0, 7)).empty());
    CHECK(e.hear() == frame(yamux::frame_type::ping, yamux::flag::ack, 0, 7));
}

TEST_CASE("advisory CVE-2024-32984: who provokes answers and reads none makes us hold so much and no more") {
    test::world_of_hosts w;
    test::node us{w, 0, "10.0.0.1"};
    test::outsider s{w, 5, "10.0.1.1"};
    auto const id = s.open(us.where, true);
    w.pass(1s);
    REQUIRE(s.established.count(id) == 1);
    socket_effect deaf{pause_reading{id}};
    s.wires.perform(deaf);
    std::size_t most = 0;
    for (std::uint32_t i = 0; i < 3000 && s.closed.count(id) == 0; ++i) {
        auto const m = s.machines.find(id);
        if (m == s.machines.end()) break;
        (void)m->second.ping(i);
        if (auto const stream = m->second.open_stream("/ipfs/id/1.0.0"); stream && i % 2 == 0) {
            m->second.reset_stream(stream.value());  // places of its own do not run out
        }
        s.flush(id);
        w.pass(10ms);
        auto const held = us.wire.stats();
        most = std::max(most, held.sending + held.queued + held.held);
    }
    CHECK(most > 0);
    CHECK(most <= 2 * host_options{}.connection_buffer_max);
    CHECK(test::serves(w, us, 10, 10));
    w.pass(10min);  // it takes nothing: it is cut off, and nothing of it is left
    auto const after = us.wire.stats();
    CHECK(after.connections == 0);
    CHECK(after.sending + after.queued + after.held == 0);
}

// ---- Noise and keys ------------------------------------------------------------------------------------------------

TEST_CASE("advisory CVE-2023-39533: an RSA host key beyond 8192 bits is refused before its signature is looked at") {
    for (std::size_t const bits : {8193u, 8200u, 16'384u, 65'536u}) {
        INFO(bits);
        auto dialer =
            noise::handshake::make(role::dialer, host(1), test::x25519(7), *std::make_unique<test::predictable>(7u))
                .value();
        auto pattern = noise::xx_pattern::make(role::listener, test::x25519(9), test::x25519(10)).value();
        bytes greeting;
        dialer.start(greeting);
        REQUIRE(pattern.read(byte_view{greeting}.subspan(2)));
        auto const key = encode(peer::public_key_message{0, test::spki_of(test::modulus_of(bits))});
        CHECK(peer::host_key::decode(key).error() == peer::errc::invalid_key);
        bytes message, wire;
        auto const written = pattern.write(encode(handshake_payload{key, bytes(bits / 8, 1)}), message);
        if (!written) continue;  // it does not even fit into a message of Noise
        noise::append_length(wire, message.size());
        append(wire, message);
        bytes out;
        effect_list<noise::proved> proved;
        auto const fed = dialer.feed(wire, instant{}, out, proved);
        REQUIRE_FALSE(fed);
        CHECK(proved.empty());
    }
    CHECK(peer::host_key::decode(encode(peer::public_key_message{0, test::spki_of(test::modulus_of(8192))})));
}

// ---- identify ------------------------------------------------------------------------------------------------------

TEST_CASE(
    "advisory CVE-2026-57497: an identify of 1,800 protocols and 1,800 addresses in pieces is cut to its bounds") {
    test::identify_side me;
    auto const them = host(2).id();
    identify_message m;
    for (int i = 0; i < 1'800; ++i) {
        m.protocols.push_back(text("/p/", i));
        m.listens.push_back(to_bytes(peer::multiaddr::from_text(text("/ip4/192.0.2.1/tcp/", i + 1)).value().bytes()));
    }
    auto const content = framed(encode(m));
    REQUIRE(content.size() < identify_service::message_size_max);
    stream_ref const s{1, 1};
    me.service.on(me.on, stream_opened{s, them, std::string{identify_service::push}, direction::inbound}, instant{},
                  me.effects);
    for (std::size_t at = 0; at < content.size(); at += 100) {
        auto const part = byte_view{content}.subspan(at, std::min<std::size_t>(100, content.size() - at));
        me.service.on(me.on, stream_bytes{s, to_bytes(part)}, instant{}, me.claims, me.effects);
    }
    auto const told = me.claims.take();
    REQUIRE(told.size() == 1);
    CHECK(told[0].protocols.size() == identify_message::protocols_max);
    CHECK(told[0].listens.size() == identify_message::addresses_max);

    // What says that it is longer is refused at its first bytes.
    stream_ref const t{1, 2};
    me.service.on(me.on, stream_opened{t, host(3).id(), std::string{identify_service::push}, direction::inbound},
                  instant{}, me.effects);
    bytes length;
    wire::append_varint(length, identify_service::message_size_max + 1);
    me.service.on(me.on, stream_bytes{t, length}, instant{}, me.claims, me.effects);
    CHECK(me.on.resets.count(t) == 1);
    CHECK(me.claims.take().empty());
}

TEST_CASE("advisory CVE-2026-57497: of a message that never ends nothing is left, nor of those who have sent it") {
    test::identify_side me;
    for (std::uint32_t i = 0; i < 500; ++i) {
        stream_ref const s{1, i + 1};
        auto const who = host(i % 50 + 2).id();
        me.service.on(me.on, stream_opened{s, who, std::string{identify_service::push}, direction::inbound}, instant{},
                      me.effects);
        me.service.on(me.on, stream_bytes{s, bytes{0xff, 0x01, 1}}, instant{}, me.claims, me.effects);
    }
    me.service.wake(me.on, instant{1min}, me.effects);
    CHECK(me.service.pushers() == 0);
    CHECK(me.on.resets.size() == 500);  // too many at once, or too late
    CHECK(me.claims.take().empty());
}

TEST_CASE("advisory CVE-2026-57497: who brings the addresses of another peer is not believed") {
    test::identify_side me;
    auto const liar = host(2), victim = host(3);
    auto const at = peer::multiaddr::from_text("/ip4/192.0.2.1/tcp/1").value();
    auto const sealed = peer::routing_record{victim.id(), 1u << 30, {at}}.seal(victim).value();
    auto const claim = me.hears(liar.id(), {.signed_record = sealed}).value();
    CHECK(claim.peer == liar.id());
    CHECK(claim.record().error() == errc::bad_identity);
}

TEST_CASE("advisory CVE-2026-40094: a signed peer record without addresses is a record without addresses") {
    test::identify_side me;
    auto const them = host(2);
    auto const sealed = peer::routing_record{them.id(), 7, {}}.seal(them);
    REQUIRE(sealed);
    auto const claim = me.hears(them.id(), {.signed_record = sealed.value()}).value();
    auto const record = claim.record();
    REQUIRE(record);
    CHECK(record.value()->sequence == 7);
    CHECK(record.value()->addresses.empty());

    // Who dials by it is told that there is nothing to dial.
    test::world_of_hosts w;
    test::node us{w, 0, "10.0.0.1"};
    CHECK(us.wire.connect(them.id(), record.value()->addresses).error() == transport::errc::no_address);
}

// ---- hosts ---------------------------------------------------------------------------------------------------------

TEST_CASE("advisory nimbus 8687: ten thousand connections come and go, at every stage, and nothing of them is left") {
    host_options o;
    o.inbound_rate = 1'000'000;
    o.connections_per_prefix_max = o.connections_max;
    o.stream_timeout = 1s;
    test::world_of_hosts w;
    test::node us{w, 0, "10.0.0.1", o};
    for (int round = 0; round < 100; ++round) {
        test::outsider s{w, static_cast<std::size_t>(round + 5), text("10.1.", round, ".1")};
        std::vector<socket_id> ids;
        for (int i = 0; i < 100; ++i) ids.push_back(s.open(us.where, i < 4));  // most say nothing
        w.pass(round % 2 == 0 ? 25ms : 200ms);
        for (auto const id : ids) {
            if (auto const m = s.machines.find(id); m != s.machines.end())
                (void)m->second.open_stream("/ipfs/id/1.0.0");
            s.flush(id);
        }
        w.pass(20ms);
        for (auto const id : ids) {
            socket_effect close{close_socket{id}};
            s.wires.perform(close);
        }
        w.pass(100ms);
    }
    w.pass(1min);
    auto const left = us.wire.stats();
    CHECK(left.accepted + left.refused >= 5'000);
    CHECK(left.connections == 0);
    CHECK(left.peers == 0);
    CHECK(left.inbound == 0);
    CHECK(left.held + left.queued + left.sending == 0);
    CHECK(us.count<transport::connected>() == us.count<transport::disconnected>());
    CHECK(us.count<transport::connected>() > 50);
    CHECK(test::serves(w, us, 3000, 10));
}

}  // namespace advisory_tests
