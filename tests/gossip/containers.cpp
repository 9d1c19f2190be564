// SPDX-License-Identifier: MIT

// What waits, what is kept and who waits: each within its bound.

#include <algorithm>
#include <array>
#include <deque>
#include <utility>

#include <muster/gossip/backoff_book.hpp>
#include <muster/gossip/message_cache.hpp>
#include <muster/gossip/outbound_queue.hpp>

#include "bench.hpp"

namespace containers_tests {

using namespace muster;
using namespace muster::gossip;
using namespace std::chrono_literals;
using test::peer_number;

namespace {

cache::multiply_hash const hash{cache::hash_key{{1, 2, 3, 4}}};

shared_frame frame(std::size_t size, byte fill = 0) { return std::make_shared<bytes const>(size, fill); }
message_id id(byte n) { return message_id{bytes{n}}; }
std::string order(outbound_queue& q) {
    std::string out;
    while (auto const e = q.pop()) out += text(to_string(e->traffic).substr(0, 1), unsigned{(*e->frame)[0]}, " ");
    return out;
}

}  // namespace

TEST_CASE("gossip queue: control, own, forwarded, gossip, each in its order") {
    outbound_queue q{100};
    CHECK(q.push({traffic::gossip, frame(10, 1)}));
    CHECK(q.push({traffic::forwarded, frame(10, 2)}));
    CHECK(q.push({traffic::own, frame(10, 3)}));
    CHECK(q.push({traffic::control, frame(10, 4)}));
    CHECK(q.push({traffic::forwarded, frame(10, 5)}));
    q.put_back({traffic::gossip, frame(10, 6)});
    q.put_back({traffic::control, frame(10, 7)});
    CHECK(q.size() == 70);
    CHECK(order(q) == "g6 c7 c4 o3 f2 f5 g1 ");
    CHECK(q.empty());
}

TEST_CASE("gossip queue: what matters least leaves first, the oldest of it before the others; never for an equal") {
    outbound_queue q{40};
    CHECK(q.push({traffic::gossip, frame(10, 1)}));
    CHECK(q.push({traffic::gossip, frame(10, 2)}));
    CHECK(q.push({traffic::forwarded, frame(10, 3)}));
    CHECK(q.push({traffic::own, frame(10, 4)}));
    CHECK_FALSE(q.push({traffic::gossip, frame(1, 5)}));
    CHECK(q.push({traffic::forwarded, frame(10, 6)}));
    CHECK(q.dropped() == 1);
    CHECK_FALSE(q.push({traffic::forwarded, frame(11, 7)}));  // only gossip may leave for it, and that is 10
    CHECK(q.push({traffic::control, frame(30, 8)}));
    CHECK(q.size() == 40);
    CHECK(order(q) == "c8 o4 ");
    CHECK(q.push({traffic::own, frame(40, 9)}));
    CHECK_FALSE(q.push({traffic::own, frame(1, 1)}));
    CHECK_FALSE(q.push({traffic::control, frame(41, 1)}));
    CHECK(q.size() == 40);
    q.put_back({traffic::gossip, frame(10, 2)});  // takes the place of what has not been under way
    CHECK(order(q) == "g2 ");
    q.put_back({traffic::control, frame(41, 2)});
    CHECK(q.empty());
}

TEST_CASE("gossip queue: copies that are not wanted any more leave it") {
    outbound_queue q{100};
    CHECK(q.push({traffic::forwarded, frame(10, 1), 7}));
    CHECK(q.push({traffic::forwarded, frame(10, 2), 8}));
    CHECK(q.push({traffic::gossip, frame(10, 3), 7}));
    CHECK(q.push({traffic::own, frame(10, 4), 7}));
    q.cancel(7);
    CHECK(q.size() == 20);
    CHECK(order(q) == "o4 f2 ");
}

TEST_CASE("gossip queue: against a plain model, through a long random life") {
    constexpr std::size_t size_max = 400;
    splitmix64 random{3};
    outbound_queue q{size_max};
    std::array<std::deque<std::pair<std::uint64_t, std::size_t>>, 4> model;  // messages and sizes, by kind
    auto const model_size = [&](std::size_t from) {
        std::size_t out = 0;
        for (std::size_t k = from; k < 4; ++k) {
            for (auto const& each : model[k]) out += each.second;
        }
        return out;
    };
    std::uint64_t last = 0, dropped = 0;
    for (int i = 0; i < 50'000; ++i) {
        auto const what = uniform(random, 100);
        if (what < (i / 1000 % 2 == 0 ? 70u : 40u)) {  // it fills, it empties
            auto const kind = static_cast<std::size_t>(uniform(random, 4));
            auto const size = static_cast<std::size_t>(1 + uniform(random, 20));
            bool const fits = model_size(0) - model_size(kind + 1) + size <= size_max;
            CHECK(q.push({static_cast<traffic>(kind), frame(size), ++last}) == fits);
            for (std::size_t k = 3; fits && k > kind; --k) {
                while (!model[k].empty() && model_size(0) + size > size_max) {
                    model[k].pop_front();
                    ++dropped;
                }
            }
            if (fits) model[kind].emplace_back(last, size);
        } else if (what < 95) {
            auto const first = std::find_if(model.begin(), model.end(), [](auto const& l) { return !l.empty(); });
            auto const got = q.pop();
            REQUIRE(got.has_value() == (first != model.end()));
            if (!got) continue;
            CHECK(got->message == first->front().first);
            first->pop_front();
        } else {
            auto const which = last - std::min<std::uint64_t>(last, uniform(random, 30));
            q.cancel(which);
            for (std::size_t k = 2; k < 4; ++k)
                std::erase_if(model[k], [&](auto const& m) { return m.first == which; });
        }
        REQUIRE(q.size() == model_size(0));
        REQUIRE(q.dropped() == dropped);
    }
    CHECK(dropped > 1000);
    q.clear();
    CHECK(q.empty());
    CHECK_FALSE(q.pop());
}

// No message is known to spread without being announced.
bool never(message_id const&) { return false; }

TEST_CASE("gossip message cache: announced for so many heartbeats, kept for more, sent a few times each") {
    gossip_options o;
    o.history = 3;
    o.history_announced = 2;
    message_cache c{o, hash};
    c.put(id(1), "t", frame(5));
    c.put(id(9), "other", frame(5));
    CHECK(c.announced("t", never) == std::vector<message_id>{id(1)});
    c.shift();
    c.put(id(2), "t", frame(5));
    CHECK(c.announced("t", never) == std::vector<message_id>{id(1), id(2)});
    c.shift();
    CHECK(c.announced("t", never) == std::vector<message_id>{id(2)});
    CHECK(c.get(id(1), 1, 2) != nullptr);
    CHECK(c.get(id(1), 1, 2) != nullptr);
    CHECK(c.get(id(1), 1, 2) == nullptr);
    CHECK(c.get(id(1), 2, 2) != nullptr);
    CHECK(c.get(id(7), 1, 2) == nullptr);
    CHECK(c.get(id(2), 1, 0) == nullptr);
    c.shift();
    CHECK_FALSE(c.contains(id(1)));
    CHECK(c.size() == 1);
    CHECK(c.bytes_kept() == 5);
    c.shift();
    c.shift();
    CHECK(c.size() == 0);
    CHECK(c.bytes_kept() == 0);
}

TEST_CASE("gossip message cache: bounded in bytes, at the cost of the oldest") {
    gossip_options o;
    o.history_bytes_max = 20;
    message_cache c{o, hash};
    for (byte n = 1; n <= 5; ++n) {
        c.put(id(n), "t", frame(7));
        c.put(id(n), "t", frame(7));  // twice is once
        if (n == 2) c.shift();
    }
    CHECK(c.announced("t", never) == std::vector<message_id>{id(4), id(5)});
    c.put(id(6), "t", frame(21));
    CHECK(c.size() == 2);
    o.history = 0;
    o.history_announced = 0;
    message_cache none{o, hash};
    none.put(id(1), "t", frame(1));
    none.shift();
    CHECK(none.size() == 0);
}

TEST_CASE("gossip back-off: we wait longer than we ask others to, and nobody can make it endless") {
    mesh_options o;
    o.backoff_slack = 2s;
    o.backoffs_max = 3;
    backoff_book b{o};
    instant const t{1h};
    b.add("t", peer_number(1), 60s, t);
    CHECK(b.holds_peer("t", peer_number(1), t + 59s) == t + 60s);
    CHECK_FALSE(b.holds_peer("t", peer_number(1), t + 60s));
    CHECK(b.holds_us("t", peer_number(1), t + 61s));
    CHECK_FALSE(b.holds_us("t", peer_number(1), t + 62s));
    CHECK_FALSE(b.holds_us("u", peer_number(1), t));
    b.add("t", peer_number(1), 10s, t);  // never shorter
    CHECK(b.holds_us("t", peer_number(1), t + 61s));
    CHECK(b.clamped(7) == 7s);
    for (auto const seconds :
         {std::uint64_t{3601}, ~std::uint64_t{0}, ~std::uint64_t{0} >> 1, std::uint64_t{1} << 34}) {
        CHECK(b.clamped(seconds) == 1h);
    }
    b.add("t", peer_number(2), duration::max(), t);
    CHECK_FALSE(b.holds_us("t", peer_number(2), t + 1h + 2s));
    b.add("t", peer_number(3), 5s, t);
    b.add("t", peer_number(4), 30s, t);  // one too many: the first to end goes
    CHECK(b.size() == 3);
    CHECK_FALSE(b.holds_us("t", peer_number(3), t));
    b.expire(t + 32s);
    CHECK(b.size() == 2);
    b.add("t", peer_number(5), 1h, instant::max() - 1s);  // the end of time
    CHECK(b.holds_us("t", peer_number(5), instant::max() - 1s));
    b.expire(t + 2h);
    CHECK(b.size() == 1);
}

}  // namespace containers_tests
