// SPDX-License-Identifier: MIT

#include <muster/node/notebook.hpp>
#include <muster/sqlite/entry_store.hpp>

#include <deque>

#include <support/actions.hpp>
#include <support/catch.hpp>
#include <support/scratch.hpp>

namespace sqlite_notebook_tests {

using namespace muster;
using namespace std::chrono_literals;
using book = node::notebook<sqlite::entries>;

namespace {

/// Two members whose copies are in databases.
struct pair {
    struct packet {
        std::size_t to;
        bytes content;
    };
    explicit pair(test::scratch const& d) : dir{d} {
        for (std::size_t i : {0u, 1u}) open(i, i + 100);
    }
    [[nodiscard]] std::string path(std::size_t i) const { return dir.file(text("notes", i)); }
    void open(std::size_t i, std::uint64_t life) {
        book::options o;
        o.network = test::test_network;
        for (auto const& w : who) o.members.push_back({w.user, w.keys.node.public_key()});
        o.self = static_cast<std::uint16_t>(i);
        o.fresh_life = life;
        books[i].reset();
        books[i].emplace(std::move(o), who[i].keys.node, sqlite::entries{path(i)});
        REQUIRE(books[i]->load(test::noon));
    }
    void perform(std::size_t i, effect_list<book::effect>& sink) {
        for (auto& e : sink.take()) {
            if (auto* const s = std::get_if<sync::send>(&e)) wires.push_back({1 - i, std::move(s->message)});
            failed += std::holds_alternative<node::store_failed>(e) ? 1u : 0u;
        }
    }
    void handle(std::size_t i, book::event const& e) {
        effect_list<book::effect> sink;
        books[i]->handle(e, now, test::noon, sink);
        perform(i, sink);
    }
    void put(std::size_t i, std::string const& key) {
        effect_list<book::effect> sink;
        REQUIRE(books[i]->put(key, bytes{1}, now, test::noon, sink));
        perform(i, sink);
    }
    void meet() {
        for (std::size_t i : {0u, 1u}) handle(i, sync::peer_reached{who[1 - i].keys.node.id()});
        for (int round = 0; round < 10; ++round) {
            while (!wires.empty()) {
                auto p = std::move(wires.front());
                wires.pop_front();
                handle(p.to, sync::heard{who[1 - p.to].keys.node.id(), p.content});
            }
            now += 1min;
            for (std::size_t i : {0u, 1u}) {
                effect_list<book::effect> sink;
                books[i]->wake(now, test::noon, sink);
                perform(i, sink);
            }
        }
    }

    test::scratch const& dir;
    test::person who[2] = {test::person{1}, test::person{2}};
    std::optional<book> books[2];
    std::deque<packet> wires;
    instant now{1h};
    std::size_t failed = 0;
};

}  // namespace

TEST_CASE("notebook in a database: what was damaged, or is missing, comes again from the others") {
    for (auto const* const damage :
         {"UPDATE content SET content = x'00' WHERE place & 0xff = 2", "DELETE FROM content WHERE place & 0xff = 2",
          "UPDATE content SET content = x'00' WHERE place & 0xff = 1"}) {
        INFO(damage);
        test::scratch dir;
        pair p{dir};
        for (int i = 0; i < 4; ++i) p.put(0, text("key ", i));
        p.meet();
        REQUIRE(p.books[1]->copy().size() == 4);
        p.books[1].reset();
        REQUIRE(sqlite::database::open(p.path(1)).value().run(damage));
        p.open(1, 200);
        CHECK(p.books[1]->copy().size() < 4);
        p.meet();
        CHECK(p.failed == 0);
        CHECK(p.books[1]->copy().size() == 4);
        p.open(1, 300);
        CHECK(p.books[1]->copy().size() == 4);
    }
}

}  // namespace sqlite_notebook_tests
