// SPDX-License-Identifier: MIT

#include <muster/sync/outbox.hpp>

#include <chrono>
#include <deque>
#include <memory>
#include <set>

#include <muster/core/random.hpp>

#include <support/catch.hpp>
#include <support/effort.hpp>
#include <support/node_keys.hpp>

namespace two_stories_tests {

using namespace muster;
using namespace muster::sync;
using namespace std::chrono_literals;

namespace {

/// Entries that begin with `!` are forged. A proof is the place and the two contents.
struct signer_judge {
    std::size_t vouched = 0, contrasted = 0;

    static bool is_forged(byte_view content) { return !content.empty() && content[0] == '!'; }
    judgement operator()(entry const& e) const { return is_forged(e.content) ? judgement::refuse : judgement::take; }
    entry_name name_of(entry const& e) const {
        return entry_name::from(crypto::sha256(e.content).view().first(entry_name::size_in_bytes));
    }
    judgement vouch(entry const& e) {
        ++vouched;
        return is_forged(e.content) ? judgement::refuse : judgement::take;
    }
    result<std::optional<bytes>> contrast(entry const& a, entry const& b) {
        ++contrasted;
        if (is_forged(b.content)) return error{errc::malformed, "forged"};
        wire::writer out;
        sync::detail::write_dot(out, a.at.by, a.at.sequence);
        auto const& [less, more] = std::minmax(a.content, b.content);
        return std::optional{out.sized(less).sized(more).take()};
    }
    result<dot> convict(byte_view proof) const {
        wire::reader in{proof};
        auto const by = sync::detail::read_actor(in);
        dot const at{by, sync::detail::read_varint(in)};
        auto const a = to_bytes(in.sized(100)), b = to_bytes(in.sized(100));
        if (!in.finish() || !(a < b) || is_forged(a) || is_forged(b)) return error{errc::malformed, "no proof"};
        return at;
    }
};
static_assert(evidence_judge<signer_judge>);
using box = outbox<signer_judge>;

peer::peer_id name_of(std::size_t i) { return test::node_keys(i).node.id(); }
bytes content_of(std::string const& what) { return to_bytes(as_bytes(what)); }

/// Replicas that are all connected, and what they say.
struct group {
    struct packet {
        std::size_t from, to;
        bytes content;
    };
    explicit group(std::size_t n, box::options o = {}) {
        for (std::size_t i = 0; i < n; ++i)
            all.push_back(std::make_unique<box>(actor{static_cast<std::uint16_t>(i), 7}, signer_judge{}, o));
        penalties.resize(n);
        forks.resize(n);
        quotas.resize(n);
    }
    template <class F>
    void step(std::size_t i, F f) {
        effect_list<box::effect> sink;
        f(*all[i], sink);
        for (auto& e : sink.take()) {
            if (auto* const s = std::get_if<send>(&e)) {
                std::size_t to = 0;
                while (to < all.size() && name_of(to) != s->peer) ++to;
                sent += s->message.size();
                if (to < all.size()) wires.push_back({i, to, std::move(s->message)});
            }
            if (std::holds_alternative<penalise>(e)) ++penalties[i];
            if (std::holds_alternative<forked>(e)) ++forks[i];
            if (std::holds_alternative<quota_reached>(e)) ++quotas[i];
        }
    }
    void hear(std::size_t to, std::size_t from, message const& m) {
        auto const encoded = std::visit([](auto const& x) { return encode(x); }, m);
        step(to, [&](box& b, auto& sink) { b.handle(heard{name_of(from), encoded}, now, sink); });
    }
    void reach(std::size_t i, std::size_t other) {
        step(i, [&](box& b, auto& sink) { b.handle(peer_reached{name_of(other)}, now, sink); });
    }
    void settle(duration most = 0s) {
        auto const until = now + most;
        for (;;) {
            while (!wires.empty()) {
                auto p = std::move(wires.front());
                wires.pop_front();
                if (loss != 0 && uniform(random, 100) < loss) continue;
                step(p.to, [&](box& b, auto& sink) { b.handle(heard{name_of(p.from), p.content}, now, sink); });
            }
            if (now >= until) return;
            now += 1s;
            for (std::size_t i = 0; i < all.size(); ++i) step(i, [&](box& b, auto& sink) { b.wake(now, sink); });
        }
    }

    std::vector<std::unique_ptr<box>> all;
    std::vector<std::size_t> penalties, forks, quotas;
    std::deque<packet> wires;
    instant now{1h};
    std::size_t sent = 0;
    std::uint64_t loss = 0;
    splitmix64 random{1};
};

}  // namespace

TEST_CASE("two stories: whatever came to whom in whatever order, all end with what is the same of it") {
    for (std::uint64_t seed = 1; seed <= test::effort(2000, 60); ++seed) {
        INFO("seed " << seed);
        splitmix64 random{seed};
        auto const n = 3 + static_cast<std::size_t>(uniform(random, 3));
        group g{n};
        g.random = splitmix64{seed + 1000};
        g.loss = uniform(random, 2) * 10;
        // A liar, 20, tells each replica a story of its own, which leaves the others' at some place.
        auto const same = uniform(random, 6);
        actor const liar{20, 7};
        std::uint64_t parts = UINT64_MAX;
        std::vector<std::vector<bytes>> told(n);
        for (std::size_t i = 0; i < n; ++i) {
            g.reach(i, 20);
            auto const length = same + uniform(random, 40);
            auto const branch = uniform(random, 3);
            for (std::uint64_t s = 1; s <= length; ++s) {
                auto const what = s <= same ? text("same ", s) : text("branch ", branch, " ", s);
                told[i].push_back(content_of(what));
                g.hear(i, 20, batch{{entry{{liar, s}, told[i].back()}}});
            }
            for (std::size_t k = 0; k < i; ++k) {
                for (std::size_t s = 0; s < std::min(told[i].size(), told[k].size()); ++s) {
                    if (told[i][s] != told[k][s]) parts = std::min<std::uint64_t>(parts, s + 1);
                }
            }
        }
        g.wires.clear();
        for (std::size_t i = 0; i < n; ++i) {
            g.step(i, [&](box& b, auto& sink) { b.handle(peer_lost{name_of(20)}, g.now, sink); });
            for (std::size_t k = 0; k < n; ++k) {
                if (i != k) g.reach(i, k);
            }
        }
        g.settle(20min);
        std::size_t longest = 0;
        for (auto const& t : told) longest = std::max(longest, t.size());
        for (std::size_t i = 0; i < n; ++i) {
            CHECK(g.penalties[i] == 0);
            auto const wanted = std::min<std::uint64_t>(longest, parts - 1);
            CHECK(g.all[i]->log().last_of(liar) == wanted);
            for (std::uint64_t s = 1; s <= wanted; ++s)
                CHECK(*g.all[i]->log().find({liar, s}) == *g.all[0]->log().find({liar, s}));
            CHECK(g.all[i]->faults().size() == (parts == UINT64_MAX ? 0u : 1u));
            if (parts != UINT64_MAX) CHECK(g.all[i]->faults().at(liar).at.sequence == parts);
            CHECK_FALSE(g.all[i]->next_deadline());  // and nobody has anything more to say
        }
    }
}

TEST_CASE("two stories: who claims to have another one is shown a few entries, and not again at once") {
    group g{1};
    for (int i = 0; i < 1000; ++i)
        g.step(0, [&](box& b, auto& sink) { REQUIRE(b.add(bytes(400, static_cast<byte>(i)), g.now, sink)); });
    g.reach(0, 30);
    g.hear(0, 30, batch{{entry{{{20, 7}, 1}, content_of("one")}}});
    g.sent = 0;
    for (std::uint64_t i = 0; i < 500; ++i) {
        summary s;
        s.ends.add({{0, 7}, 1000});
        s.ends.add({{20, 7}, 1});
        s.names.resize(2);
        s.names[0].octets[0] = s.names[1].octets[0] = static_cast<byte>(i);
        g.hear(0, 30, s);
    }
    CHECK(g.sent < 500);
    CHECK(g.penalties[0] == 0);
}

TEST_CASE("two stories: what a relay has forged costs it, and is held against nobody") {
    group g{1};
    g.reach(0, 30);
    g.hear(0, 30, batch{{entry{{{20, 7}, 1}, content_of("one")}}});
    g.hear(0, 30, batch{{entry{{{20, 7}, 1}, content_of("!one")}}});
    g.hear(0, 30, evidence{content_of("nothing")});
    CHECK(g.penalties[0] == 2);
    CHECK(g.forks[0] == 0);
    g.hear(0, 30, batch{{entry{{{20, 7}, 1}, content_of("one")}}});
    CHECK(g.all[0]->judge().contrasted == 1);  // the same bytes are not looked at
}

TEST_CASE("early entries: only what is signed waits, each sender has a part, and who holds most gives way") {
    box::options o;
    o.early_max = 10;
    o.early_of_peer_max = 8;
    group g{1, o};
    for (std::size_t i : {30u, 31u, 32u}) g.reach(0, i);
    auto const early = [&](std::size_t from, std::uint16_t by, std::uint64_t sequence, std::string const& what = "x") {
        g.hear(0, from, batch{{entry{{{by, 7}, sequence}, content_of(what)}}});
        return g.all[0]->stats().early;
    };
    CHECK(early(30, 20, 5, "!forged") == 0);
    CHECK(g.penalties[0] == 1);
    for (std::uint64_t s = 2; s < 40; ++s) early(30, 20, s);
    CHECK(g.all[0]->stats().early == 8);
    auto const vouched = g.all[0]->judge().vouched;
    early(30, 20, 50);
    CHECK(g.all[0]->judge().vouched == vouched);  // nothing dear is done for what is not kept
    CHECK(early(31, 21, 2) == 9);
    CHECK(early(31, 21, 3) == 10);
    CHECK(early(31, 21, 4) == 10);  // in the place of one of those of 30
    CHECK(early(32, 22, 2) == 10);
    g.hear(0, 31, batch{{entry{{{21, 7}, 1}, content_of("first")}}});
    CHECK(g.all[0]->log().last_of({21, 7}) == 4);
    g.hear(0, 32, batch{{entry{{{22, 7}, 1}, content_of("first")}}});
    CHECK(g.all[0]->log().last_of({22, 7}) == 2);
}

TEST_CASE("quota: who has written as much as one may keeps nobody out, is told, and is not asked again") {
    group g{3};
    box::options o;
    for (std::size_t i = 0; i < 3; ++i) {
        entry_log log{entry_log::options{30, 10, 1000}};
        g.all[i] = std::make_unique<box>(actor{static_cast<std::uint16_t>(i), 7}, signer_judge{}, o, std::move(log));
    }
    // One whose own bound is higher.
    g.all[0] = std::make_unique<box>(actor{0, 7}, signer_judge{}, o, entry_log{entry_log::options{100, 100, 10'000}});
    for (int i = 0; i < 25; ++i)
        g.step(0, [&](box& b, auto& sink) { REQUIRE(b.add(content_of(text("entry ", i)), g.now, sink)); });
    for (std::size_t i : {0u, 1u, 2u}) {
        for (std::size_t k : {0u, 1u, 2u}) {
            if (i != k) g.reach(i, k);
        }
    }
    g.settle(1min);
    CHECK(g.quotas[0] == 2);
    g.step(1, [&](box& b, auto& sink) { REQUIRE(b.add(content_of("by one"), g.now, sink)); });
    g.step(2, [&](box& b, auto& sink) { CHECK(b.add(bytes(1001), g.now, sink).error() == errc::full); });
    g.settle(3h);
    for (std::size_t i : {1u, 2u}) {
        CHECK(g.all[i]->log().last_of({0, 7}) == 10);
        CHECK(g.all[i]->log().last_of({1, 7}) == 1);
        CHECK(g.penalties[i] == 0);
    }
    CHECK(g.all[0]->stats().dead_letters == 0);
    CHECK_FALSE(g.all[0]->next_deadline());
}

TEST_CASE("quota: one member's many lives leave the others their chains") {
    group g{2};
    g.reach(0, 1);
    for (std::uint64_t life = 1; life <= 300; ++life) g.hear(0, 1, batch{{entry{{{1, life}, 1}, content_of("x")}}});
    CHECK(g.all[0]->log().chains() == 16);
    g.hear(0, 1, batch{{entry{{{2, 1}, 1}, content_of("by another member")}}});
    CHECK(g.all[0]->log().last_of({2, 1}) == 1);
}

TEST_CASE("quota: who tells two stories in many lives leaves the others theirs, and gets no room by it") {
    group g{2};
    g.reach(0, 1);
    auto const tell = [&](actor const& by) {
        g.hear(0, 1, batch{{entry{{by, 1}, content_of("one")}}});
        g.hear(0, 1, batch{{entry{{by, 1}, content_of("other")}}});
    };
    for (std::uint64_t life = 1; life <= 300; ++life) tell({1, life});
    CHECK(g.all[0]->faults().size() == 16);
    CHECK(g.all[0]->log().chains() == 0);
    g.hear(0, 1, batch{{entry{{{1, 999}, 1}, content_of("one")}}});
    CHECK(g.all[0]->log().chains() == 0);
    tell({2, 1});
    CHECK(g.all[0]->faults().contains({2, 1}));
}

TEST_CASE("entry log: a chain that is cut is as if it had never been longer") {
    entry_log log{entry_log::options{10, 3, 100}};
    for (std::uint64_t s = 1; s <= 3; ++s) REQUIRE(log.add({{{1, 7}, s}, bytes(10, static_cast<byte>(s))}));
    CHECK(log.add({{{1, 7}, 4}, {}}).error() == errc::full);
    CHECK(log.add({{{1, 8}, 1}, {}}).error() == errc::full);  // another life of the same member
    auto const cut = log.cut({1, 7}, 2);
    REQUIRE(cut.size() == 2);
    CHECK(cut[0] == entry{{{1, 7}, 2}, bytes(10, 2)});
    CHECK(log.last_of({1, 7}) == 1);
    CHECK(log.size() == 1);
    CHECK(log.add({{{1, 7}, 2}, bytes(90)}));
    CHECK(log.cut({1, 7}, 1).size() == 2);
    CHECK(log.chains() == 0);
    CHECK(log.cut({1, 7}, 1).empty());
    CHECK(log.add({{{1, 7}, 1}, bytes(100)}));
    CHECK(log.add({{{1, 7}, 2}, bytes(1)}).error() == errc::full);
}

TEST_CASE("marks and what is said of faults: one encoding") {
    for (auto const& m :
         {mark{mark::kind::forked, {{1, 7}, 300}, bytes{1, 2}}, mark{mark::kind::taken_back, {{1, 7}, 1}, {}}}) {
        CHECK(mark::of(m.as_entry()).value() == m);
        CHECK(m.as_entry().at.sequence == 0);
    }
    CHECK_FALSE(mark::of({{{1, 7}, 0}, {}}));
    CHECK_FALSE(mark::of({{{1, 7}, 0}, {3, 1}}));
    CHECK_FALSE(mark::of({{{1, 7}, 0}, {1, 0}}));
    summary s;
    s.ends.add({{1, 7}, 10});
    s.ends.add({{2, 7}, 300});
    s.names.resize(2);
    s.faults = {{{1, 7}, 11}, {{3, 7}, 1}};
    s.full = {{1, 7}, {1, 9}};
    evidence const proof{bytes{1, 2, 3}};
    splitmix64 random{5};
    std::size_t taken = 0;
    for (auto const& good : {encode(s), encode(proof)}) {
        auto const read = decode(good).value();
        CHECK((read == message{s} || read == message{proof}));
        for (std::size_t n = 0; n < good.size(); ++n) CHECK_FALSE(decode(byte_view{good}.first(n)));
        for (std::size_t i = 0; i < test::effort(1'000'000, 20'000); ++i) {
            auto changed = good;
            auto const at = static_cast<std::size_t>(uniform(random, changed.size()));
            changed[at] = static_cast<byte>(random());
            auto const again = decode(changed);
            if (!again) continue;
            ++taken;
            REQUIRE((std::visit([](auto const& m) { return encode(m); }, again.value()) == changed));
        }
    }
    CHECK(taken > 1000);
    CHECK_FALSE(decode(encode(evidence{bytes(evidence::size_max + 1)})));
}

}  // namespace two_stories_tests
