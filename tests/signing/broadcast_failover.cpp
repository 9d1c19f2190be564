// SPDX-License-Identifier: MIT

#include <muster/signing/broadcast_failover.hpp>

#include <support/catch.hpp>

namespace broadcast_failover_tests {

using namespace muster;
using namespace muster::signing;
using std::chrono::seconds;

namespace {

/// One signer's failover, with what it wanted done.
struct one_signer {
    explicit one_signer(slot self, std::optional<duration> patience = seconds{30})
        : bounds{.broadcast_timeout = patience, .failover_attempts_max = 3}, failover{{}, self, bounds, {0, 1, 2}} {}

    void begin() {
        failover.hold({signature{}}, now);
        failover.begin(now, out);
    }
    void hears_vote(slot from, view_number in, view_number wants) {
        failover.on_view_change(
            from, {in, wants}, bytes{byte{1}, static_cast<byte>(from)}, now, [] { return true; }, out);
    }
    void hears_claim(slot from) { failover.on_broadcast_done(from, bytes{byte{2}, static_cast<byte>(from)}, out); }
    void patience_ends() {
        now = *failover.next_deadline();
        failover.wake(now, out);
    }
    // How many effects of a kind there are; they are gone then.
    template <class Is>
    std::size_t take(Is is) {
        return std::erase_if(effects, is);
    }
    template <class Event>
    std::size_t told() {
        return take([](session_effect const& e) {
            auto const* const v = std::get_if<notify>(&e);
            return v != nullptr && std::holds_alternative<Event>(v->what);
        });
    }
    template <class Body>
    std::size_t said() {
        return take([](session_effect const& e) {
            auto const* const v = std::get_if<send_frame>(&e);
            return v != nullptr && std::holds_alternative<Body>(v->what);
        });
    }
    std::size_t forwarded(slot to) {
        return take([to](session_effect const& e) {
            auto const* const v = std::get_if<forward_frame>(&e);
            return v != nullptr && v->to == to;
        });
    }

    struct sink {
        std::vector<session_effect>* to;
        void push(session_effect e) { to->push_back(std::move(e)); }
    };

    std::vector<session_effect> effects;
    sink out{&effects};
    limits bounds;
    instant now{};
    broadcast_failover failover;
};

}  // namespace

TEST_CASE("nobody is asked before there is something to broadcast") {
    one_signer w{0};
    w.hears_claim(0);
    w.hears_claim(1);
    w.hears_vote(1, 0, 1);
    CHECK(w.effects.empty());
    CHECK_FALSE(w.failover.is_settled());
    CHECK_FALSE(w.failover.next_deadline());
}

TEST_CASE("the elected one is asked, the others wait") {
    one_signer elected{0}, other{1};
    elected.begin();
    other.begin();
    CHECK(elected.told<should_broadcast>() == 1);
    CHECK(other.told<should_broadcast>() == 0);
    CHECK(other.failover.next_deadline() == other.now + seconds{30});
    elected.failover.broadcast_here(elected.out);
    CHECK(elected.said<broadcast_done_body>() == 1);
    other.hears_claim(0);
    for (auto* const w : {&elected, &other}) {
        CHECK(w->told<broadcast_confirmed>() == 1);
        CHECK(w->failover.is_settled());
        CHECK_FALSE(w->failover.next_deadline());
    }
    elected.failover.broadcast_here(elected.out);
    CHECK(elected.said<broadcast_done_body>() == 0);  // once is enough
}

TEST_CASE("votes and claims that were early count when the signatures come") {
    one_signer w{2};
    w.hears_vote(0, 0, 1);  // withdraws
    w.hears_claim(1);
    w.begin();
    CHECK(w.told<coordinator_failed>() == 1);
    CHECK(w.told<broadcast_confirmed>() == 1);
    CHECK(w.failover.turns().confirmed_by() == 1);
}

TEST_CASE("who runs out of patience votes, again and again, and not for ever") {
    one_signer w{2};
    w.begin();
    for (int i = 1; i <= 3; ++i) {
        CHECK_FALSE(w.failover.is_settled());
        w.failover.wake(w.now, w.out);  // early: nothing happens
        CHECK(w.said<view_change_body>() == 0);
        w.patience_ends();
        CHECK(w.said<view_change_body>() == 1);
        CHECK(w.failover.turns().view() == 0);  // alone it is no majority of the others
    }
    CHECK(w.told<failover_exhausted>() == 1);
    CHECK(w.failover.is_settled());
    CHECK_FALSE(w.failover.next_deadline());
    w.hears_vote(1, 0, 1);  // somebody woke up after all
    CHECK(w.failover.turns().view() == 1);
    CHECK_FALSE(w.failover.is_settled());
    CHECK(w.failover.next_deadline() == w.now + seconds{30});
}

TEST_CASE("without a timeout the application alone moves the turn on") {
    one_signer w{0, std::nullopt};
    w.begin();
    CHECK_FALSE(w.failover.next_deadline());
    w.failover.wake(w.now + std::chrono::hours{1000}, w.out);
    CHECK(w.failover.turns().view() == 0);
    CHECK(w.failover.vote_for_next(w.now, w.out));  // a withdrawal
    CHECK(w.failover.turns().view() == 1);
}

TEST_CASE("who is behind is shown the signed votes, who is ahead is asked for them") {
    one_signer w{2};
    w.begin();
    w.hears_vote(0, 0, 1);  // withdraws: view 1
    w.effects.clear();
    w.hears_vote(1, 0, 1);  // has not heard of it
    CHECK(w.forwarded(1) == 1);
    CHECK(w.said<request_body>() == 0);
    one_signer late{2};
    late.begin();
    late.hears_vote(1, 2, 2);  // votes of others must have brought it there
    CHECK(late.failover.turns().view() == 0);
    CHECK(late.said<request_body>() == 1);
}

TEST_CASE("nobody is helped along more often than it may be answered") {
    one_signer w{2};
    w.begin();
    w.hears_vote(0, 0, 1);
    w.effects.clear();
    w.failover.on_view_change(
        1, {0, 1}, bytes{byte{1}}, w.now, [] { return false; }, w.out);
    CHECK(w.effects.empty());
}

TEST_CASE("a disputed claim is believed no more, and the turn goes on") {
    one_signer w{2};
    w.begin();
    w.hears_claim(0);
    CHECK(w.failover.is_confirmed());
    w.effects.clear();
    w.failover.dispute(0, w.now, w.out);
    CHECK_FALSE(w.failover.is_settled());
    CHECK(w.failover.next_deadline());
    w.hears_claim(0);
    CHECK_FALSE(w.failover.is_confirmed());
    w.hears_vote(0, 0, 1);
    w.hears_claim(1);
    CHECK(w.failover.turns().confirmed_by() == 1);
}

TEST_CASE("what was known before a restart is known after it") {
    one_signer w{1};
    w.failover.recall(std::nullopt, 2, {});
    w.begin();
    CHECK(w.failover.turns().vote_of(1) == 2);
    one_signer done{1};
    done.failover.recall(0, 0, {});
    CHECK(done.failover.is_settled());
}

TEST_CASE("what others said before a restart can be shown after it") {
    one_signer before{1};
    before.begin();
    before.hears_vote(0, 0, 1);
    before.hears_claim(2);
    before.hears_vote(2, 0, 2);
    before.hears_vote(0, 1, 2);
    REQUIRE(before.failover.turns().confirmed_by() == 2);
    one_signer after{1};
    after.failover.recall(before.failover.turns().confirmed_by(), before.failover.turns().vote_of(1),
                          before.failover.heard());
    CHECK(after.effects.empty());
    CHECK(after.failover.turns().view() == before.failover.turns().view());
    CHECK(after.failover.heard() == before.failover.heard());
    after.failover.hold({signature{}}, after.now);
    after.failover.show_views(0, after.out);
    CHECK(after.forwarded(0) == 2);  // the vote and the claim of 2
    one_signer of_nobody{1};
    of_nobody.failover.recall(9, 0, {{7, 0, {}}, {1, 2, {}}, {9, 1, {}}, {9, broadcast_word::disputed, {}}});
    CHECK_FALSE(of_nobody.failover.is_confirmed());
    CHECK(of_nobody.failover.heard().empty());
    CHECK(of_nobody.failover.turns().vote_of(1) == 0);
}

TEST_CASE("a dispute outlives a restart: the same claim is not believed when it is shown again") {
    one_signer before{1};
    before.begin();
    before.hears_claim(0);
    before.failover.dispute(0, before.now, before.out);
    one_signer after{1};
    after.failover.recall(before.failover.turns().confirmed_by(), before.failover.turns().vote_of(1),
                          before.failover.heard());
    after.begin();
    after.hears_claim(0);
    CHECK_FALSE(after.failover.is_confirmed());
}

TEST_CASE("where the list was used up before a restart, that is told again, and nobody is asked") {
    one_signer w{1};
    w.failover.recall(std::nullopt, 3, {{0, 3, {byte{1}}}, {2, 3, {byte{2}}}});
    w.begin();
    CHECK(w.told<failover_exhausted>() == 1);
    CHECK(w.told<should_broadcast>() == 0);
    CHECK(w.failover.is_settled());
}

}  // namespace broadcast_failover_tests
