// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What every model of transport::frames and transport::requests must do, once.
///
/// A `World` has two peers: `at(i)` is the network of one, `connect()` begins to connect 0 to 1, and `until(done)` lets
/// time pass until that holds; false when it never does.

#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <vector>

#include <muster/transport/frames.hpp>
#include <muster/transport/requests.hpp>

#include <support/catch.hpp>

namespace muster::test {

/// Two peers with a protocol, and what they saw.
template <class World>
struct frames_pair {
    World world;
    std::array<std::vector<transport::event>, 2> seen;

    frames_pair() {
        for (std::size_t i : {0u, 1u}) {
            world.at(i).attach("/test/1", [this, i](transport::event const& e) { seen[i].push_back(e); });
        }
    }
    template <class E>
    [[nodiscard]] std::size_t count(std::size_t i) const {
        return static_cast<std::size_t>(
            std::count_if(seen[i].begin(), seen[i].end(), [](auto const& e) { return std::holds_alternative<E>(e); }));
    }
    void connect() {
        world.connect();
        REQUIRE(
            world.until([&] { return count<transport::connected>(0) == 1 && count<transport::connected>(1) == 1; }));
    }
    [[nodiscard]] peer::peer_id id(std::size_t i) { return world.at(i).local(); }
};

template <class World>
void frames_go_both_ways_in_order() {
    frames_pair<World> p;
    CHECK(p.world.at(0).send(p.id(1), "/test/1", bytes{1}).error() == transport::errc::not_connected);
    p.connect();
    CHECK(p.world.at(0).is_connected(p.id(1)));
    for (byte n = 0; n < 20; ++n) {
        for (std::size_t i : {0u, 1u}) REQUIRE(p.world.at(i).send(p.id(1 - i), "/test/1", bytes(n * 100u, n)));
    }
    REQUIRE(p.world.until([&] {
        return p.template count<transport::received>(0) == 20 && p.template count<transport::received>(1) == 20;
    }));
    for (std::size_t i : {0u, 1u}) {
        byte n = 0;
        for (auto const& e : p.seen[i]) {
            auto const* const r = std::get_if<transport::received>(&e);
            if (r == nullptr) continue;
            CHECK(r->peer == p.id(1 - i));
            CHECK(r->frame == bytes(n * 100u, n));
            ++n;
        }
    }
    p.world.at(0).disconnect(p.id(1));
    REQUIRE(p.world.until([&] {
        return p.template count<transport::disconnected>(0) == 1 && p.template count<transport::disconnected>(1) == 1;
    }));
    CHECK(p.world.at(0).send(p.id(1), "/test/1", bytes{1}).error() == transport::errc::not_connected);
}

template <class World>
void protocols_come_and_go_on_a_live_connection() {
    frames_pair<World> p;
    p.connect();
    std::size_t late = 0;
    p.world.at(1).attach("/late/1", [&](transport::event const& e) {
        late += std::holds_alternative<transport::received>(e) ? 1u : 0u;
    });
    p.world.at(0).attach("/late/1", [](transport::event const&) {});
    REQUIRE(p.world.at(0).send(p.id(1), "/late/1", bytes{1}));
    REQUIRE(p.world.until([&] { return late == 1; }));
    p.world.at(1).detach("/late/1");
    REQUIRE(p.world.at(0).send(p.id(1), "/late/1", bytes{2}));
    REQUIRE(p.world.at(0).send(p.id(1), "/test/1", bytes{3}));
    REQUIRE(p.world.until([&] { return p.template count<transport::received>(1) == 1; }));
    CHECK(late == 1);
    CHECK(p.world.at(0).is_connected(p.id(1)));
}

/// What became of a request.
struct outcomes {
    std::map<std::uint64_t, std::vector<result<bytes>>> of;
    [[nodiscard]] transport::answer_handler handler() {
        return [this](transport::request_id id, result<bytes> const& r) { of[id.value].push_back(r); };
    }
    [[nodiscard]] std::size_t count(transport::request_id id) const {
        auto const found = of.find(id.value);
        return found == of.end() ? 0 : found->second.size();
    }
    [[nodiscard]] result<bytes> const& last(transport::request_id id) const { return of.at(id.value).back(); }
};

template <class World>
void requests_are_answered_once_each(transport::delimiter by) {
    frames_pair<World> p;
    transport::request_options o;
    o.delimiter = by;
    o.request_size_max = o.answer_size_max = 300'000;
    auto& server = p.world.at(1);
    std::vector<transport::asked> questions;
    server.serve("/ask/1", o, [&](transport::asked const& q) {
        questions.push_back(q);
        auto content = q.request;
        std::reverse(content.begin(), content.end());
        CHECK(server.answer(q.id, content));
        CHECK(server.answer(q.id, {}).error() == transport::errc::gone);
    });
    outcomes got;
    CHECK(p.world.at(0).request(p.id(1), "/ask/1", {}, o, got.handler()).error() == transport::errc::not_connected);
    p.connect();
    std::vector<transport::request_id> ids;
    for (std::size_t size : {0u, 1u, 2u, 1000u, 200'000u}) {
        bytes question(size, 7);
        if (size != 0) question.front() = static_cast<byte>(size % 251);
        ids.push_back(p.world.at(0).request(p.id(1), "/ask/1", question, o, got.handler()).value());
    }
    REQUIRE(p.world.until([&] { return got.of.size() == ids.size(); }));
    REQUIRE(p.world.until([&] { return questions.size() == ids.size(); }));
    std::size_t at = 0;
    for (std::size_t size : {0u, 1u, 2u, 1000u, 200'000u}) {
        auto const id = ids[at++];
        REQUIRE(got.count(id) == 1);
        REQUIRE(got.last(id));
        CHECK(got.last(id).value().size() == size);
        if (size != 0) CHECK(got.last(id).value().back() == static_cast<byte>(size % 251));
    }
    for (auto const& q : questions) CHECK(q.peer == p.id(0));
    CHECK(server.answer(transport::request_id{1'000'000}, {}).error() == transport::errc::gone);
}

template <class World>
void requests_that_fail_say_why() {
    frames_pair<World> p;
    auto& client = p.world.at(0);
    auto& server = p.world.at(1);
    transport::request_options small;
    small.request_size_max = 10;
    small.answer_size_max = 10;
    server.serve("/refuse/1", {}, [&](transport::asked const& q) { server.refuse(q.id); });
    server.serve("/long/1", {}, [&](transport::asked const& q) { CHECK(server.answer(q.id, bytes(11))); });
    server.serve("/short/1", small, [&](transport::asked const&) { CHECK(false); });
    std::vector<transport::request_id> silent;
    server.serve("/silent/1", {}, [&](transport::asked const& q) { silent.push_back(q.id); });
    p.connect();
    outcomes got;
    auto const ask = [&](char const* protocol, std::size_t size, transport::request_options const& o = {}) {
        return client.request(p.id(1), protocol, bytes(size), o, got.handler()).value();
    };
    auto const unknown = ask("/unknown/1", 1), refused = ask("/refuse/1", 1), long_one = ask("/long/1", 1, small),
               short_one = ask("/short/1", 11), cancelled = ask("/silent/1", 1), left = ask("/silent/1", 1);
    CHECK(client.request(p.id(1), "/ask/1", bytes(11), small, got.handler()).error() == transport::errc::too_large);
    client.cancel(cancelled);
    client.cancel(transport::request_id{1'000'000});
    REQUIRE(p.world.until([&] { return got.of.size() == 4 && !silent.empty(); }));
    CHECK(got.last(unknown).error() == transport::errc::not_spoken);
    CHECK(got.last(refused).error() == transport::errc::refused);
    CHECK(got.last(long_one).error() == transport::errc::too_large);
    CHECK_FALSE(got.last(short_one));
    p.world.at(1).disconnect(p.id(0));
    REQUIRE(p.world.until([&] { return got.count(left) == 1; }));
    CHECK(got.last(left).error() == transport::errc::peer_failed);
    CHECK(got.count(cancelled) == 0);
    for (auto const& [id, all] : got.of) CHECK(all.size() == 1);
}

template <class World>
void handlers_may_ask_again() {
    frames_pair<World> p;
    auto& client = p.world.at(0);
    auto& server = p.world.at(1);
    server.serve("/count/1", {}, [&](transport::asked const& q) {
        auto content = q.request;
        content.push_back(0);
        CHECK(server.answer(q.id, content));
    });
    p.connect();
    std::size_t size = 0;
    std::function<void(bytes)> ask = [&](bytes question) {
        REQUIRE(client.request(p.id(1), "/count/1", std::move(question), {}, [&](auto, result<bytes> const& r) {
            REQUIRE(r);
            size = r.value().size();
            if (size < 30) ask(r.value());
        }));
    };
    ask({});
    REQUIRE(p.world.until([&] { return size == 30; }));
}

/// Every model: one test each for what is above. @p Name is a string literal.
#define MUSTER_TEST_NETWORK_MODEL(Name, World)                                                                 \
    TEST_CASE(Name ": frames go both ways, in order") { muster::test::frames_go_both_ways_in_order<World>(); } \
    TEST_CASE(Name ": protocols come and go on a live connection") {                                           \
        muster::test::protocols_come_and_go_on_a_live_connection<World>();                                     \
    }                                                                                                          \
    TEST_CASE(Name ": requests are answered once each") {                                                      \
        muster::test::requests_are_answered_once_each<World>(muster::transport::delimiter::end_of_stream);     \
        muster::test::requests_are_answered_once_each<World>(muster::transport::delimiter::length_prefix);     \
    }                                                                                                          \
    TEST_CASE(Name ": requests that fail say why") { muster::test::requests_that_fail_say_why<World>(); }      \
    TEST_CASE(Name ": handlers may ask again") { muster::test::handlers_may_ask_again<World>(); }

}  // namespace muster::test
