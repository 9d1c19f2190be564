// SPDX-License-Identifier: MIT

#include <muster/signing/session_store.hpp>

#include <support/catch.hpp>

namespace session_store_tests {

using namespace muster;
using namespace muster::signing;

namespace {

/// What the store looks at in a session.
struct fake {
    deadline until;
    phase where = phase::collecting_nonces;
    bool confirmed = false;
    instant progress = {};
    bool everyone_has_it = false;

    [[nodiscard]] deadline next_deadline() const { return until; }
    [[nodiscard]] bool is_open() const { return where <= phase::collecting_shares; }
    [[nodiscard]] bool everyone_has_result() const { return everyone_has_it; }
    [[nodiscard]] phase at() const { return where; }
    [[nodiscard]] bool is_confirmed() const { return confirmed; }
    [[nodiscard]] instant last_progress() const { return progress; }
};

session_id id(byte i) { return session_id{{i}}; }
instant at(int seconds) { return instant{std::chrono::seconds{seconds}}; }

}  // namespace

TEST_CASE("the next deadline follows what becomes of the sessions") {
    session_store<fake> store{4, 4};
    CHECK_FALSE(store.next_deadline());
    store.add(id(1), {at(30)});
    store.add(id(2), {at(20)});
    store.add(id(3), {std::nullopt});
    CHECK(store.next_deadline() == at(20));
    CHECK(store.due(at(19)).empty());
    CHECK(store.due(at(30)) == std::vector{id(2), id(1)});
    CHECK(store.open().size() == 3);

    store.find(id(2))->until = at(40);
    store.touched(id(2));
    CHECK(store.next_deadline() == at(30));
    store.find(id(1))->where = phase::over;
    store.find(id(1))->until.reset();
    store.touched(id(1));
    store.touched(id(1));
    CHECK(store.next_deadline() == at(40));
    CHECK(store.open() == std::set{id(2), id(3)});
    store.forget(id(2));
    CHECK_FALSE(store.next_deadline());
    CHECK(store.all() == std::vector{id(1), id(3)});
}

TEST_CASE("of the closed sessions the least useful are forgotten, open ones never") {
    session_store<fake> store{2, 8};
    auto const trim = [&] {
        std::vector<session_id> told;
        store.trim([&](session_id const& which, fake const&) { told.push_back(which); });
        return told;
    };
    store.add(id(1), {{}, phase::finished, false, at(1)});  // nobody has broadcast it yet
    store.add(id(2), {{}, phase::finished, true, at(9)});
    store.add(id(3), {{}, phase::over, false, at(8)});
    store.add(id(4), {{}, phase::finished, true, at(7)});
    store.add(id(5), {at(1), phase::collecting_shares, false, at(0)});
    CHECK(trim() == std::vector{id(3), id(4)});
    CHECK(store.all() == std::vector{id(1), id(2), id(5)});
    CHECK(store.is_entombed(id(3)));
    CHECK(store.is_entombed(id(4)));
    CHECK_FALSE(store.is_entombed(id(2)));

    store.find(id(1))->confirmed = true;
    store.touched(id(1));
    store.add(id(6), {{}, phase::finished, false, at(2)});
    CHECK(trim() == std::vector{id(1)});
    CHECK(store.all() == std::vector{id(2), id(5), id(6)});

    // What may be signed goes after what everyone knows to be, and that first which nobody can ask for any more.
    store.add(id(7), {{}, phase::stalled, false, at(1)});
    CHECK(trim() == std::vector{id(2)});
    store.add(id(8), {{}, phase::finished, true, at(3)});
    store.add(id(9), {{}, phase::finished, true, at(4), true});
    CHECK(trim() == std::vector{id(9), id(8)});
    CHECK(store.all() == std::vector{id(5), id(6), id(7)});
}

TEST_CASE("ids of forgotten sessions are kept to a bound, the oldest goes first") {
    session_store<fake> store{0, 2};
    for (byte i = 1; i <= 3; ++i) store.entomb(id(i));
    store.entomb(id(3));
    CHECK_FALSE(store.is_entombed(id(1)));
    CHECK(store.is_entombed(id(2)));
    CHECK(store.is_entombed(id(3)));
}

}  // namespace session_store_tests
