// SPDX-License-Identifier: MIT

// What Go's libraries have said, replayed to both of our roles: flynn/noise and hashicorp/yamux, recorded once by
// tests/vectors/go/main.go.

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <muster/core/overloaded.hpp>
#include <muster/libp2p/noise.hpp>
#include <muster/libp2p/yamux.hpp>

#include <support/catch.hpp>
#include <support/vectors.hpp>

#include "hosts.hpp"

namespace transcript_tests {

using namespace muster;
using namespace muster::libp2p;

namespace {

std::vector<bytes> contents(test::vector_case const& c, std::string const& field) {
    std::vector<bytes> out;
    for (auto const& w : c.words(field)) out.push_back(test::vector_case::decode(w));
    return out;
}

/// Byte number @p at and those behind it, of each direction of a stream.
bytes pattern(std::size_t at, std::size_t size) {
    bytes out(size);
    for (auto& b : out) b = static_cast<byte>(at++ % 251);
    return out;
}

/// A session of ours that hears what theirs has said, with what comes of it.
class listener_to {
public:
    listener_to(role side) : machine_{side} {}

    /// Feeds a frame by its header; its payload is as the pattern says.
    void hear(bytes const& head) {
        auto const h = yamux::parse_header(head).value();
        auto frame = head;
        if (h.type == yamux::frame_type::data) append(frame, pattern(heard_[h.stream], h.length));
        if (h.type == yamux::frame_type::data) heard_[h.stream] += h.length;
        auto const fed = machine_.feed(frame, instant{}, out_, *this);
        INFO(to_hex(head));
        REQUIRE(fed);
        for (auto const& [id, size] : std::exchange(unconsumed_, {})) machine_.consume(id, size, out_);
    }
    /// Writes what is left of @p left, which there is room for, and closes a stream of which all is said.
    void say_on(std::map<yamux::stream_id, std::size_t>& left, std::map<yamux::stream_id, std::size_t> const& sizes) {
        for (auto& [id, rest] : left) {
            while (rest != 0) {
                auto const done = machine_.write(id, pattern(sizes.at(id) - rest, rest), out_).value();
                take_output();
                rest -= done;
                if (done == 0) break;
            }
            if (rest == 0 && closed_.insert(id).second) REQUIRE(machine_.close(id, out_));
        }
    }
    yamux::session& machine() { return machine_; }
    bytes& out() { return out_; }
    bytes take_output() {
        auto taken = std::exchange(out_, {});
        machine_.resume(out_, *this);
        return taken;
    }

    void push(yamux::event const& e) {
        std::visit(overloaded{[&](yamux::stream_opened const& v) { opened.push_back(v.id); },
                              [&](yamux::data const& v) {
                                  is_right &= equal(v.content, pattern(got[v.id], v.content.size()));
                                  got[v.id] += v.content.size();
                                  unconsumed_[v.id] += v.content.size();
                              },
                              [&](yamux::half_closed const& v) { ended.push_back(v.id); },
                              [&](yamux::reset const&) { ++resets; }, [&](yamux::ping_answered const&) { ++pings; },
                              [&](yamux::gone_away const& v) { goodbyes.push_back(v.code); },
                              [](yamux::window_opened const&) {}},
                   e);
    }

    std::vector<yamux::stream_id> opened, ended;
    std::map<yamux::stream_id, std::size_t> got;
    std::vector<std::uint32_t> goodbyes;
    std::size_t resets = 0;
    std::size_t pings = 0;
    bool is_right = true;

private:
    yamux::session machine_;
    bytes out_;
    std::map<yamux::stream_id, std::size_t> heard_;
    std::map<yamux::stream_id, std::size_t> unconsumed_;
    std::set<yamux::stream_id> closed_;
};

/// The sizes of a case by the streams' ids, which the client has given in turn.
std::map<yamux::stream_id, std::size_t> sizes_of(test::vector_case const& c) {
    std::map<yamux::stream_id, std::size_t> out;
    yamux::stream_id id = 1;
    for (auto const& w : c.words("sizes")) {
        out[id] = std::stoul(w);
        id += 2;
    }
    return out;
}
std::vector<yamux::stream_id> ids_of(std::map<yamux::stream_id, std::size_t> const& sizes) {
    std::vector<yamux::stream_id> out;
    for (auto const& [id, size] : sizes) out.push_back(id);
    return out;
}
std::map<yamux::stream_id, std::size_t> without_empty(std::map<yamux::stream_id, std::size_t> all) {
    std::erase_if(all, [](auto const& each) { return each.second == 0; });
    return all;
}
std::size_t times(bytes const& out, yamux::frame_type type, std::uint16_t flag) {
    std::size_t found = 0;
    for (std::size_t at = 0; at < out.size();) {
        auto const h = yamux::parse_header(byte_view{out}.subspan(at, yamux::header_size)).value();
        found += h.type == type && h.has(flag) ? 1u : 0u;
        at += yamux::header_size + (h.type == yamux::frame_type::data ? h.length : 0);
    }
    return found;
}

}  // namespace

TEST_CASE("transcripts: byte for byte what flynn/noise says, and it is understood, in both roles") {
    for (auto const& c : test::load_vectors("go.txt", "noise-xx")) {
        INFO("line " << c.line);
        auto const prologue = c.octets("prologue");
        auto const make = [&](role side, std::string const& name) {
            return noise::xx_pattern::make(side, test::x25519(c.word(name + "-static")),
                                           test::x25519(c.word(name + "-ephemeral")), prologue)
                .value();
        };
        auto dialer = make(role::dialer, "dialer"), listener = make(role::listener, "listener");
        auto const payloads = contents(c, "payloads"), messages = contents(c, "messages");
        for (std::size_t i = 0; i < 3; ++i) {
            auto& from = i % 2 == 0 ? dialer : listener;
            auto& to = i % 2 == 0 ? listener : dialer;
            bytes message;
            REQUIRE(from.write(payloads[i], message));
            CHECK(to_hex(message) == to_hex(messages[i]));
            CHECK(to_hex(to.read(messages[i]).value()) == to_hex(payloads[i]));
        }
        CHECK(to_hex(dialer.hash()) == c.word("hash"));
        CHECK(to_hex(listener.hash()) == c.word("hash"));
        auto a = dialer.split().value(), b = listener.split().value();
        auto const plain = contents(c, "plain"), sealed = contents(c, "sealed");
        REQUIRE(plain.size() == sealed.size());
        for (std::size_t i = 0; i < plain.size(); ++i) {
            bytes message, opened;
            REQUIRE((i % 2 == 0 ? a : b).outgoing.seal({}, plain[i], message));
            CHECK(to_hex(message) == to_hex(sealed[i]));
            REQUIRE((i % 2 == 0 ? b : a).incoming.open({}, sealed[i], opened));
            CHECK(to_hex(opened) == to_hex(plain[i]));
        }
    }
}

TEST_CASE("transcripts: a client of hashicorp/yamux is understood") {
    for (auto const& c : test::load_vectors("go.txt", "yamux")) {
        INFO("line " << c.line);
        auto const sizes = sizes_of(c);
        listener_to us{role::listener};
        auto left = sizes;
        for (auto const& head : contents(c, "client")) us.hear(head);
        CHECK(us.opened == ids_of(sizes));
        CHECK(us.ended == ids_of(sizes));
        CHECK(us.got == without_empty(sizes));
        CHECK(us.is_right);
        CHECK(us.resets == 0);
        CHECK(us.goodbyes == std::vector<std::uint32_t>{0});
        CHECK(times(us.out(), yamux::frame_type::ping, yamux::flag::ack) == 1);
        CHECK(us.machine().size() == sizes.size());  // until we close
        us.say_on(left, sizes);
        for (auto const& [id, rest] : left) CHECK((rest == 0 || sizes.at(id) > yamux::window_size));
    }
}

TEST_CASE("transcripts: a server of hashicorp/yamux is understood, and its windows suffice") {
    for (auto const& c : test::load_vectors("go.txt", "yamux")) {
        INFO("line " << c.line);
        auto const sizes = sizes_of(c);
        listener_to us{role::dialer};
        auto left = sizes;
        for (auto const& [id, size] : sizes) CHECK(us.machine().open(us.out()).value() == id);
        REQUIRE(us.machine().ping(0, us.out()));
        us.say_on(left, sizes);
        for (auto const& head : contents(c, "server")) {
            us.hear(head);
            us.say_on(left, sizes);
        }
        CHECK(us.opened.empty());
        CHECK(us.ended == ids_of(sizes));
        CHECK(us.got == without_empty(sizes));
        CHECK(us.is_right);
        CHECK(us.resets == 0);
        CHECK(us.pings == 1);
        CHECK(us.goodbyes == std::vector<std::uint32_t>{0});
        for (auto const& [id, rest] : left) CHECK(rest == 0);
        CHECK(us.machine().size() == 0);
    }
}

}  // namespace transcript_tests
