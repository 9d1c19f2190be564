// SPDX-License-Identifier: MIT

#include <muster/connection/activity_feed.hpp>

#include <support/catch.hpp>
#include <support/node_keys.hpp>

namespace activity_feed_tests {

using namespace muster;
using namespace muster::connection;

namespace {
peer::peer_id who(std::size_t i) { return test::node_keys(i).node.id(); }
error refused() { return error{errc::unreachable, "refused"}; }
}  // namespace

TEST_CASE("task 3.5, what happens to connections is told in words, with the peer's name") {
    activity_feed feed;
    timestamp const now{std::chrono::milliseconds{1000}};
    feed.note(connecting{who(1), "alice"}, now);
    feed.note(connected{who(1), "alice", kind::direct}, now);
    feed.note(disconnected{who(1), "alice", refused()}, now);
    feed.note(connect_failed{who(1), "alice", refused()}, now);
    feed.note(dial{who(1), {}}, now);  // no news
    REQUIRE(feed.items().size() == 4);
    CHECK(feed.items()[0] == activity{activity_kind::info, who(1), now, "Connecting to \"alice\""});
    CHECK(feed.items()[1] == activity{activity_kind::peer_joined, who(1), now, "Connected to \"alice\" via direct"});
    CHECK(feed.items()[2].what == activity_kind::peer_left);
    CHECK(feed.items()[3] ==
          activity{activity_kind::error, who(1), now, "Failed to connect to \"alice\": \"refused\""});
    feed.note(connecting{who(2), ""}, now);
    auto const id = who(2).to_text();
    CHECK(feed.items().back().text == "Connecting to ..." + id.substr(id.size() - 12));
}

TEST_CASE("the feed keeps the last fifty, and nothing of others raw") {
    activity_feed feed;
    for (int i = 0; i < 60; ++i) feed.note(connecting{who(1), std::to_string(i)}, timestamp{});
    CHECK(feed.items().size() == 50);
    CHECK(feed.items().front().text == "Connecting to \"10\"");
    feed.note(connecting{who(1), "\x1b[31mroot\n\xe2\x80\xae" + std::string(1000, 'x')}, timestamp{});
    auto const& line = feed.items().back().text;
    CHECK(std::all_of(line.begin(), line.end(), [](char c) { return c >= ' ' && c <= '~'; }));
    CHECK(line.size() < 400);
}

}  // namespace activity_feed_tests
