// SPDX-License-Identifier: MIT

#include <muster/node/notebook.hpp>

#include <deque>
#include <memory>

#include <muster/sim/disk.hpp>

#include <support/actions.hpp>
#include <support/catch.hpp>

namespace notebook_tests {

using namespace muster;
using namespace muster::node;
using namespace std::chrono_literals;

namespace {

using store_type = sync::file_entries<sim::disk_files>;
using book = notebook<store_type>;

/// Three members with a copy each.
struct group {
    struct member {
        explicit member(std::uint64_t seed) : who{seed} {}
        test::person who;
        sim::disk disk;
        std::unique_ptr<book> copy;
        std::vector<std::string> changed;
        std::size_t conflicts = 0, forked = 0, penalties = 0, failed = 0;
    };
    struct packet {
        std::size_t from, to;
        bytes content;
    };

    explicit group(std::size_t n = 3) {
        for (std::size_t i = 0; i < n; ++i) all.push_back(std::make_unique<member>(i + 1));
        for (std::size_t i = 0; i < n; ++i) open(i, i + 100);
    }
    void open(std::size_t i, std::uint64_t life) {
        book::options o;
        o.network = test::test_network;
        for (auto const& m : all) o.members.push_back({m->who.user, m->who.keys.node.public_key()});
        o.self = static_cast<std::uint16_t>(i);
        o.fresh_life = life;
        auto& m = *all[i];
        m.copy.reset();
        m.copy = std::make_unique<book>(o, m.who.keys.node, store_type{"notes", sim::disk_files{m.disk}});
        REQUIRE(m.copy->load(wall));
    }
    [[nodiscard]] peer::peer_id id(std::size_t i) const { return all[i]->who.keys.node.id(); }
    template <class F>
    auto with(std::size_t i, F f) {
        effect_list<book::effect> sink;
        if constexpr (std::is_void_v<decltype(f(*all[i]->copy, sink))>) {
            f(*all[i]->copy, sink);
            take(i, sink);
        } else {
            auto out = f(*all[i]->copy, sink);
            take(i, sink);
            return out;
        }
    }
    void take(std::size_t i, effect_list<book::effect>& sink) {
        auto& m = *all[i];
        for (auto& e : sink.take()) {
            if (auto* const s = std::get_if<sync::send>(&e)) {
                std::size_t to = 0;
                while (id(to) != s->peer) ++to;
                wires.push_back({i, to, s->message});
            }
            if (auto* const c = std::get_if<note_changed>(&e)) {
                m.changed.push_back(c->key);
                m.conflicts += c->is_conflict ? 1u : 0u;
            }
            m.forked += std::holds_alternative<member_forked>(e) ? 1u : 0u;
            m.penalties += std::holds_alternative<sync::penalise>(e) ? 1u : 0u;
            m.failed += std::holds_alternative<store_failed>(e) ? 1u : 0u;
        }
    }
    result<void> put(std::size_t i, std::string const& key, std::optional<std::string> const& text) {
        std::optional<bytes> value;
        if (text) value = to_bytes(as_bytes(*text));
        return with(i, [&](book& b, auto& sink) { return b.put(key, value, now, wall, sink); });
    }
    void link(std::size_t a, std::size_t b, bool is_up) {
        for (auto const& [x, y] : {std::pair{a, b}, std::pair{b, a}}) {
            book::event e = is_up ? book::event{sync::peer_reached{id(y)}} : book::event{sync::peer_lost{id(y)}};
            with(x, [&](book& m, auto& sink) { m.handle(e, now, wall, sink); });
        }
        settle();
    }
    void settle() {
        while (!wires.empty()) {
            auto p = std::move(wires.front());
            wires.pop_front();
            with(p.to, [&](book& m, auto& sink) { m.handle(sync::heard{id(p.from), p.content}, now, wall, sink); });
        }
    }
    void pass(duration by) {
        auto const until = now + by;
        while (now < until) {
            now += 5s;
            wall += 5s;
            for (std::size_t i = 0; i < all.size(); ++i) with(i, [&](book& m, auto& sink) { m.wake(now, wall, sink); });
            settle();
        }
    }
    [[nodiscard]] std::string shown(std::size_t i, std::string const& key) const {
        auto const v = all[i]->copy->copy().value_of(key);
        return v ? std::string{v->begin(), v->end()} : "(none)";
    }

    std::vector<std::unique_ptr<member>> all;
    std::deque<packet> wires;
    instant now{1h};
    timestamp wall = test::noon;
};

}  // namespace

TEST_CASE("notebook: what one writes the others read, also through one that passes it on") {
    group g;
    REQUIRE(g.put(0, "tx 00ff", "rent of May"));
    CHECK(g.shown(0, "tx 00ff") == "rent of May");
    g.link(0, 1, true);
    CHECK(g.shown(1, "tx 00ff") == "rent of May");
    g.link(0, 1, false);
    g.link(1, 2, true);
    CHECK(g.shown(2, "tx 00ff") == "rent of May");
    CHECK(g.all[2]->changed == std::vector<std::string>{"tx 00ff"});
    REQUIRE(g.put(2, "tx 00ff", std::nullopt));
    g.settle();
    CHECK(g.shown(1, "tx 00ff") == "(none)");
    CHECK(g.shown(0, "tx 00ff") == "rent of May");
    CHECK(g.all[2]->copy->pending_for(g.id(1)) == 0);
    CHECK(g.all[2]->copy->pending_for(g.id(0)) == 1);
    g.link(0, 2, true);
    CHECK(g.shown(0, "tx 00ff") == "(none)");
    for (auto const& m : g.all) CHECK(m->penalties == 0);
}

TEST_CASE("notebook: two who write alone conflict, and who decides decides for all") {
    group g;
    REQUIRE(g.put(0, "rent", "a"));
    REQUIRE(g.put(1, "rent", "b"));
    g.link(0, 1, true);
    CHECK(g.shown(0, "rent") == g.shown(1, "rent"));
    CHECK(g.all[0]->copy->copy().undecided() == std::vector<std::string>{"rent"});
    CHECK(g.all[0]->conflicts == 1);
    REQUIRE(g.put(1, "rent", "a and b"));
    g.settle();
    CHECK(g.shown(0, "rent") == "a and b");
    CHECK(g.all[0]->copy->copy().undecided().empty());
}

TEST_CASE("notebook: a restart knows what was written, and goes on in the same chain") {
    group g{2};
    g.link(0, 1, true);
    REQUIRE(g.put(0, "one", "1"));
    g.settle();
    g.link(0, 1, false);
    g.open(0, 500);
    CHECK(g.shown(0, "one") == "1");
    REQUIRE(g.put(0, "two", "2"));
    g.open(1, 501);
    g.link(0, 1, true);
    CHECK(g.shown(1, "two") == "2");
    CHECK(g.all[1]->forked == 0);
    CHECK(g.all[1]->copy->copy().size() == 2);
}

TEST_CASE("notebook: who restores an old copy goes on in another life, and contradicts nobody") {
    group g{2};
    REQUIRE(g.put(0, "one", "1"));
    g.all[0]->disk.crash(sim::disk::luck::all);
    auto const backup = g.all[0]->disk.copy();
    g.link(0, 1, true);
    REQUIRE(g.put(0, "two", "2"));
    g.settle();
    g.link(0, 1, false);
    g.all[0]->copy.reset();
    g.all[0]->disk.put_back(backup);
    g.open(0, 600);
    g.link(0, 1, true);
    REQUIRE(g.put(0, "three", "3"));
    g.settle();
    CHECK(g.shown(1, "three") == "3");
    CHECK(g.shown(1, "two") == "2");
    CHECK(g.all[1]->forked == 0);
    CHECK(g.all[1]->penalties == 0);
}

TEST_CASE("notebook: what a member did not sign is refused, and costs who brings it") {
    group g;
    auto forged = g.all[0]->who.act(as_bytes("x"));
    sync::update w;
    w.at = {{0, 1}, 1};
    w.key = "rent";
    w.value = bytes{'!'};
    forged.describe(w.encoded_content());
    forged.signature = {};
    auto content = forged.encoded();
    append(content, w.encoded_content());
    g.link(1, 2, true);
    auto const message = sync::encode(sync::batch{{sync::entry{w.at, content}}});
    g.with(2, [&](book& b, auto& sink) { b.handle(sync::heard{g.id(1), message}, g.now, g.wall, sink); });
    CHECK(g.all[2]->penalties == 1);
    CHECK(g.shown(2, "rent") == "(none)");
    // Nor is it taken in the place of another member.
    auto moved = w;
    moved.at.by.member = 1;
    auto const elsewhere = sync::encode(sync::batch{{sync::entry{moved.at, content}}});
    g.with(2, [&](book& b, auto& sink) { b.handle(sync::heard{g.id(1), elsewhere}, g.now, g.wall, sink); });
    CHECK(g.all[2]->penalties == 2);
}

TEST_CASE("notebook: what a member writes waits until their key is known") {
    group g{2};
    book::options o;
    o.network = test::test_network;
    o.members = {{}, {g.all[1]->who.user, g.all[1]->who.keys.node.public_key()}};
    o.self = 1;
    o.fresh_life = 9;
    g.all[1]->copy =
        std::make_unique<book>(o, g.all[1]->who.keys.node, store_type{"other", sim::disk_files{g.all[1]->disk}});
    REQUIRE(g.all[1]->copy->load(g.wall));
    REQUIRE(g.put(0, "rent", "a"));
    g.link(0, 1, true);
    CHECK(g.shown(1, "rent") == "(none)");
    CHECK(g.all[1]->penalties == 0);
    g.all[1]->copy->learn(0, g.all[0]->who.user, g.all[0]->who.keys.node.public_key());
    g.pass(1min);
    CHECK(g.shown(1, "rent") == "a");
}

TEST_CASE("notebook: what cannot be made durable was not written, and nothing goes on") {
    group g{2};
    REQUIRE(g.put(0, "one", "1"));
    g.all[0]->disk.fails_at = g.all[0]->disk.calls;
    g.all[0]->disk.for_good = true;
    CHECK_FALSE(g.put(0, "two", "2"));
    CHECK(g.all[0]->failed == 1);
    CHECK(g.wires.empty());
    CHECK_FALSE(g.put(0, "three", "3"));
    g.all[0]->disk.fails_at.reset();
    g.open(0, 700);
    CHECK(g.shown(0, "one") == "1");
    REQUIRE(g.put(0, "two", "2"));
    g.link(0, 1, true);
    CHECK(g.shown(1, "two") == "2");
    CHECK(g.all[1]->forked == 0);
}

TEST_CASE("notebook: keys and values have bounds") {
    group g{1};
    CHECK_FALSE(g.put(0, "", "x"));
    CHECK_FALSE(g.put(0, std::string(129, 'k'), "x"));
    CHECK_FALSE(g.put(0, "k", std::string(4097, 'x')));
    CHECK(g.put(0, std::string(128, 'k'), std::string(4096, 'x')));
}

}  // namespace notebook_tests
