// SPDX-License-Identifier: MIT

#include <muster/sync/outbox.hpp>

#include <deque>
#include <memory>

#include <muster/core/random.hpp>

#include <support/catch.hpp>
#include <support/effort.hpp>
#include <support/node_keys.hpp>

namespace outbox_tests {

using namespace muster;
using namespace muster::sync;
using namespace std::chrono_literals;

namespace {

/// Takes everything but what it was told not to.
struct picky {
    std::set<dot> refused, put_off;
    std::size_t asked = 0;
    judgement operator()(entry const& e) {
        ++asked;
        if (refused.contains(e.at)) return judgement::refuse;
        return put_off.contains(e.at) ? judgement::later : judgement::take;
    }
};
using box = outbox<picky>;

/// Several replicas, what is on the way between them, and what each has made durable.
struct network {
    struct node {
        peer::peer_id id;
        actor self;
        std::unique_ptr<box> machine;
        std::vector<entry> durable;
        std::vector<entry> delivered;
        std::vector<dot> dead;
        std::size_t outlived = 0;
        std::size_t penalties = 0;
    };
    struct packet {
        std::size_t from, to;
        bytes content;
    };

    explicit network(std::size_t n, box::options o = {}) : options{o} {
        for (std::size_t i = 0; i < n; ++i) {
            nodes.push_back({test::node_keys(i).node.id(), {static_cast<std::uint16_t>(i), 7}, {}, {}, {}, {}});
            restart(i);
        }
        up.assign(n * n, false);
    }
    void restart(std::size_t i) {
        entry_log log;
        for (auto const& e : nodes[i].durable) REQUIRE(log.add(e));
        nodes[i].machine = std::make_unique<box>(nodes[i].self, picky{}, options, std::move(log));
    }
    void link(std::size_t a, std::size_t b, bool is_up) {
        up[a * nodes.size() + b] = up[b * nodes.size() + a] = is_up;
        if (!is_up) {
            std::erase_if(wires,
                          [&](packet const& p) { return (p.from == a && p.to == b) || (p.from == b && p.to == a); });
        }
        for (auto const& [x, y] : {std::pair{a, b}, std::pair{b, a}}) {
            box::event e = is_up ? box::event{peer_reached{nodes[y].id}} : box::event{peer_lost{nodes[y].id}};
            step(x, [&](auto& m, auto& sink) { m.handle(e, now, sink); });
        }
    }
    void write(std::size_t i, std::string const& text) {
        step(i, [&](auto& m, auto& sink) { REQUIRE(m.add(to_bytes(as_bytes(text)), now, sink)); });
    }
    template <class F>
    void step(std::size_t i, F f) {
        effect_list<box::effect> sink;
        f(*nodes[i].machine, sink);
        for (auto const& e : sink.take()) {
            if (auto const* const p = std::get_if<persist>(&e)) {
                for (auto const& one : p->entries) nodes[i].durable.push_back(one);
            } else if (auto const* const d = std::get_if<deliver>(&e)) {
                nodes[i].delivered.push_back(d->what);
            } else if (auto const* const s = std::get_if<send>(&e)) {
                put_on_wire(i, *s);
            } else if (auto const* const l = std::get_if<dead_lettered>(&e)) {
                nodes[i].dead.push_back(l->at);
            } else if (std::holds_alternative<outlived>(e)) {
                ++nodes[i].outlived;
            } else {
                ++nodes[i].penalties;
            }
        }
    }
    void put_on_wire(std::size_t from, send const& s) {
        std::size_t to = 0;
        while (nodes[to].id != s.peer) ++to;
        bytes_sent += s.message.size();
        if (!up[from * nodes.size() + to]) return;
        if (loss != 0 && uniform(random, 100) < loss) return;
        wires.push_back({from, to, s.message});
        if (loss != 0 && uniform(random, 100) < loss) wires.push_back({from, to, s.message});
    }
    /// Carries one packet; false when there is none.
    bool carry() {
        if (wires.empty()) return false;
        std::size_t at = 0;
        if (loss != 0 && uniform(random, 100) < loss) at = static_cast<std::size_t>(uniform(random, wires.size()));
        auto p = std::move(wires[at]);
        wires.erase(wires.begin() + static_cast<std::ptrdiff_t>(at));
        ++carried;
        step(p.to, [&](auto& m, auto& sink) { m.handle(heard{nodes[p.from].id, p.content}, now, sink); });
        return true;
    }
    void settle() {
        for (int i = 0; i < 100'000 && carry(); ++i) {
        }
    }
    /// Carries and wakes until nothing is on the way and nobody waits, or for @p most.
    void run(duration most) {
        auto const until = now + most;
        while (now < until) {
            settle();
            deadline next;
            for (auto const& n : nodes) next = earlier(next, n.machine->next_deadline());
            if (!next) return;
            now = std::max(now, *next);
            for (std::size_t i = 0; i < nodes.size(); ++i) step(i, [&](auto& m, auto& sink) { m.wake(now, sink); });
        }
    }
    [[nodiscard]] bool are_equal() const {
        for (auto const& n : nodes) {
            if (!(n.machine->log().ends() == nodes[0].machine->log().ends())) return false;
        }
        return true;
    }

    box::options options;
    std::vector<node> nodes;
    std::vector<bool> up;
    std::deque<packet> wires;
    instant now{1h};
    splitmix64 random{1};
    std::uint64_t loss = 0;
    std::size_t bytes_sent = 0;
    std::size_t carried = 0;
};

}  // namespace

TEST_CASE("outbox: what is written alone reaches the other when it is there") {
    network net{2};
    net.write(0, "one");
    net.write(0, "two");
    CHECK(net.nodes[0].machine->pending_for(net.nodes[1].id) == 2);
    CHECK(net.wires.empty());
    net.link(0, 1, true);
    net.settle();
    CHECK(net.nodes[0].machine->pending_for(net.nodes[1].id) == 0);
    REQUIRE(net.nodes[1].delivered.size() == 2);
    CHECK(net.nodes[1].delivered[0] == entry{{{0, 7}, 1}, to_bytes(as_bytes("one"))});
    net.write(1, "three");
    net.settle();
    CHECK(net.nodes[0].delivered.size() == 1);
    CHECK(net.are_equal());
    CHECK_FALSE(net.nodes[0].machine->next_deadline());
    CHECK_FALSE(net.nodes[1].machine->next_deadline());
}

TEST_CASE("outbox: an entry is durable before it is sent, delivered or acknowledged") {
    network net{2};
    net.link(0, 1, true);
    net.settle();
    effect_list<box::effect> sink;
    REQUIRE(net.nodes[0].machine->add(to_bytes(as_bytes("one")), net.now, sink));
    auto const sent = sink.take();
    REQUIRE(sent.size() == 2);
    CHECK(std::holds_alternative<persist>(sent[0]));
    net.nodes[1].machine->handle(heard{net.nodes[0].id, std::get<send>(sent[1]).message}, net.now, sink);
    auto const answered = sink.take();
    REQUIRE(answered.size() == 3);
    CHECK(std::holds_alternative<persist>(answered[0]));
    CHECK(std::holds_alternative<deliver>(answered[1]));
    CHECK(std::holds_alternative<send>(answered[2]));
}

TEST_CASE("outbox: what others wrote is passed on") {
    network net{3};
    net.link(0, 1, true);
    net.write(0, "one");
    net.settle();
    net.link(0, 1, false);
    net.link(1, 2, true);
    net.settle();
    REQUIRE(net.nodes[2].delivered.size() == 1);
    CHECK(net.nodes[2].delivered[0].at.by == net.nodes[0].self);
}

TEST_CASE("outbox: early entries are kept, acknowledged selectively, and taken when their turn comes") {
    network net{2};
    net.link(0, 1, true);
    net.settle();
    for (int i = 1; i <= 4; ++i) net.write(0, std::to_string(i));
    REQUIRE(net.wires.size() == 4);
    net.wires.pop_front();  // the first is lost
    while (!net.wires.empty() && net.wires.front().to == 1) net.carry();
    CHECK(net.nodes[1].delivered.empty());
    CHECK(net.nodes[1].machine->stats().early == 3);
    net.settle();
    auto const before = net.bytes_sent;
    net.run(1min);
    CHECK(net.nodes[1].delivered.size() == 4);
    CHECK(net.nodes[1].machine->stats().early == 0);
    CHECK(net.bytes_sent - before < 34);  // the first alone, and its acknowledgement
}

TEST_CASE("outbox: what nobody acknowledges becomes a dead letter, and the other chains go on") {
    network net{3};
    net.link(0, 2, true);
    net.write(2, "from two");
    net.settle();
    net.link(0, 2, false);
    net.nodes[1].machine->judge().put_off.insert({{0, 7}, 1});
    net.write(0, "poison");
    net.write(0, "behind it");
    net.link(0, 1, true);
    net.settle();
    CHECK(net.nodes[1].delivered.size() == 1);  // of the other chain
    net.run(3h);
    CHECK(net.nodes[0].dead == std::vector{dot{{0, 7}, 1}});
    CHECK(net.nodes[0].machine->stats().dead_letters == 1);
    CHECK(net.nodes[0].machine->pending_for(net.nodes[1].id) == 2);
    CHECK_FALSE(net.nodes[0].machine->next_deadline());
    net.write(0, "more behind it");
    CHECK(net.wires.empty());
    net.nodes[1].machine->judge().put_off.clear();
    net.step(0, [&](auto& m, auto& sink) { m.retry(net.nodes[1].id, net.now, sink); });
    net.settle();
    CHECK(net.nodes[1].delivered.size() == 4);
    CHECK(net.nodes[0].machine->stats().dead_letters == 0);
}

TEST_CASE("outbox: what is refused costs who has sent it, and is not kept") {
    network net{2};
    net.nodes[1].machine->judge().refused.insert({{0, 7}, 1});
    net.write(0, "false");
    net.link(0, 1, true);
    net.settle();
    CHECK(net.nodes[1].penalties == 1);
    CHECK(net.nodes[1].durable.empty());
    CHECK(net.nodes[1].machine->log().size() == 0);
    net.step(1, [&](auto& m, auto& sink) { m.handle(heard{net.nodes[0].id, bytes{9, 9, 9}}, net.now, sink); });
    CHECK(net.nodes[1].penalties == 2);
}

TEST_CASE("outbox: early garbage costs who has sent it, and not who fills the gap") {
    network net{3};
    net.link(0, 1, true);
    net.link(1, 2, true);
    net.settle();
    // Two pretends to have an entry of zero that zero has never written.
    batch forged{{entry{{{0, 7}, 2}, to_bytes(as_bytes("garbage"))}}};
    net.nodes[1].machine->judge().refused.insert({{0, 7}, 2});
    net.step(1, [&](auto& m, auto& sink) { m.handle(heard{net.nodes[2].id, encode(forged)}, net.now, sink); });
    effect_list<box::effect> sink;
    batch real{{entry{{{0, 7}, 1}, to_bytes(as_bytes("real"))}}};
    net.nodes[1].machine->handle(heard{net.nodes[0].id, encode(real)}, net.now, sink);
    std::vector<peer::peer_id> blamed;
    for (auto const& e : sink) {
        if (auto const* const p = std::get_if<penalise>(&e)) blamed.push_back(p->peer);
    }
    CHECK(blamed == std::vector{net.nodes[2].id});
}

TEST_CASE("outbox: who has restored an old copy is told") {
    network net{2};
    net.link(0, 1, true);
    for (int i = 0; i < 5; ++i) net.write(0, std::to_string(i));
    net.settle();
    net.link(0, 1, false);
    net.nodes[0].durable.resize(3);
    net.restart(0);
    net.link(0, 1, true);
    net.settle();
    CHECK(net.nodes[0].outlived > 0);
    CHECK(net.nodes[0].machine->log().last_of({0, 7}) == 3);
}

TEST_CASE("outbox: nobody writes our chain but we") {
    network net{2};
    net.link(0, 1, true);
    net.settle();
    batch forged{{entry{{{1, 7}, 1}, to_bytes(as_bytes("not mine"))}}};
    net.step(1, [&](auto& m, auto& sink) { m.handle(heard{net.nodes[0].id, encode(forged)}, net.now, sink); });
    CHECK(net.nodes[1].machine->log().size() == 0);
    CHECK(net.nodes[1].delivered.empty());
}

TEST_CASE("outbox: ten thousand entries through a thousand cuts, lost, repeated and reordered (goal F1)") {
    std::size_t const entries = 10'000, cuts = 1000;
    network net{2};
    net.loss = 5;
    std::size_t payload = 0;
    std::size_t wrong_gauge = 0;
    for (std::size_t cut = 0; cut < cuts; ++cut) {
        for (std::size_t i = 0; i < entries / cuts; ++i) {
            auto const text = "operation " + std::to_string(cut) + "." + std::to_string(i);
            payload += text.size();
            net.write(uniform(net.random, 2) == 0 ? 0 : 1, text);
        }
        net.now += 4min;
        if (uniform(net.random, 3) == 0) continue;  // offline
        net.link(0, 1, true);
        for (auto n = uniform(net.random, 12); n-- > 0;) net.carry();
        if (uniform(net.random, 4) == 0) net.now += 6s;
        for (std::size_t i = 0; i < 2; ++i) net.step(i, [&](auto& m, auto& sink) { m.wake(net.now, sink); });
        for (auto n = uniform(net.random, 6); n-- > 0;) net.carry();
        net.link(0, 1, false);
        if (uniform(net.random, 10) == 0) net.restart(static_cast<std::size_t>(uniform(net.random, 2)));
        for (std::size_t i = 0; i < 2; ++i) {  // it never says that something arrived which has not (goal F4)
            auto const& self = *net.nodes[i].machine;
            auto const really =
                self.log().last_of(net.nodes[i].self) - net.nodes[1 - i].machine->log().last_of(net.nodes[i].self);
            wrong_gauge += self.pending_for(net.nodes[1 - i].id) < really ? 1u : 0u;
        }
    }
    net.link(0, 1, true);
    net.run(10min);
    CHECK(wrong_gauge == 0);
    CHECK(net.are_equal());
    for (std::size_t i = 0; i < 2; ++i) {
        auto const& other = net.nodes[1 - i];
        CHECK(net.nodes[i].machine->pending_for(other.id) == 0);
        auto const written = net.nodes[i].machine->log().last_of(net.nodes[i].self);
        CHECK(other.delivered.size() == written);  // each once
        for (std::size_t k = 0; k < other.delivered.size(); ++k) {
            REQUIRE(other.delivered[k].at == dot{net.nodes[i].self, k + 1});  // in their order
        }
        CHECK(net.nodes[i].penalties == 0);
        CHECK(net.nodes[i].dead.empty());
    }
    INFO(net.bytes_sent << " bytes for " << payload);
    CHECK(net.bytes_sent <= payload * 2 + 48 * entries + 2 * 2048);
}

TEST_CASE("outbox: a crash at any boundary of durability loses nothing that was promised (goal F2)") {
    for (std::size_t crash = 0; crash < 40; ++crash) {
        network net{2};
        net.link(0, 1, true);
        std::size_t steps = 0;
        std::size_t written = 0;
        for (int i = 0; i < 12; ++i) {
            net.write(0, std::to_string(i));
            ++written;
            for (int k = 0; k < 3; ++k) {
                if (steps++ == crash) {
                    net.link(0, 1, false);
                    net.restart(crash % 2);
                    net.link(0, 1, true);
                }
                net.carry();
            }
        }
        net.run(10min);
        REQUIRE(net.nodes[1].machine->log().last_of(net.nodes[0].self) == written);
        REQUIRE(net.nodes[1].durable.size() == written);
    }
}

TEST_CASE("outbox: a hundred of a hundred thousand take a few kilobytes and one round (goal F3)") {
    std::uint64_t const chain = 10'000;
    network net{2};
    entry_log full, lacking;
    std::size_t missing = 0;
    for (std::uint16_t member = 10; member < 20; ++member) {
        for (std::uint64_t sequence = 1; sequence <= chain; ++sequence) {
            entry e{{{member, 7}, sequence}, bytes(32, static_cast<byte>(sequence))};
            REQUIRE(full.add(e));
            if (sequence <= chain - 10) {
                REQUIRE(lacking.add(e));
            } else {
                ++missing;
            }
        }
    }
    REQUIRE(missing == 100);
    net.nodes[0].machine = std::make_unique<box>(net.nodes[0].self, picky{}, net.options, std::move(full));
    net.nodes[1].machine = std::make_unique<box>(net.nodes[1].self, picky{}, net.options, std::move(lacking));
    net.link(0, 1, true);
    net.settle();
    CHECK(net.are_equal());
    CHECK(net.bytes_sent <= 10'000);
    CHECK(net.carried <= 6);
}

TEST_CASE("outbox: bounds hold") {
    box::options o;
    o.early_max = 3;
    o.window = 5;
    network net{2, o};
    net.link(0, 1, true);
    net.settle();
    for (int i = 0; i < 20; ++i) net.write(0, std::to_string(i));
    CHECK(net.wires.size() == 5);
    net.wires.pop_front();
    for (int i = 0; i < 4; ++i) net.carry();
    CHECK(net.nodes[1].machine->stats().early == 3);
    net.run(10min);
    CHECK(net.are_equal());
    entry_log small{2};
    CHECK(small.add({{{0, 1}, 1}, {}}));
    CHECK(small.add({{{0, 1}, 3}, {}}).error() == sync::errc::out_of_sequence);
    CHECK(small.add({{{0, 1}, 2}, bytes(entry::content_size_max + 1)}).error() == sync::errc::too_large);
    CHECK(small.add({{{0, 1}, 2}, {}}));
    CHECK(small.add({{{0, 1}, 3}, {}}).error() == sync::errc::full);
}

TEST_CASE("messages: one encoding") {
    summary s;
    s.ends.add({{1, 7}, 10});
    s.ends.add({{2, 7}, 300});
    s.more = {{{1, 7}, 12, 15}, {{1, 7}, 17, 17}, {{3, 7}, 2, 2}};
    s.asks = true;
    batch b{{{{{1, 7}, 4}, bytes{1, 2}}, {{{1, 7}, 5}, {}}, {{{1, 7}, 9}, bytes{3}}, {{{2, 1}, 1}, bytes(300, 4)}}};
    CHECK(std::get<summary>(decode(encode(s)).value()) == s);
    CHECK(std::get<batch>(decode(encode(b)).value()) == b);
    splitmix64 random{5};
    std::size_t taken = 0;
    for (auto const& good : {encode(s), encode(b)}) {
        for (std::size_t n = 0; n < good.size(); ++n) CHECK_FALSE(decode(byte_view{good}.first(n)));
        for (std::size_t i = 0; i < test::effort(1'000'000, 20'000); ++i) {
            auto changed = good;
            changed[static_cast<std::size_t>(uniform(random, std::min<std::size_t>(changed.size(), 60)))] =
                static_cast<byte>(random());
            auto const read = decode(changed);
            if (!read) continue;
            ++taken;
            auto const again = std::visit([](auto const& m) { return encode(m); }, read.value());
            REQUIRE((again == changed));
        }
    }
    CHECK(taken > 1000);
    CHECK(decode(bytes(message_size_max + 1)).error() == sync::errc::too_large);
}

}  // namespace outbox_tests
