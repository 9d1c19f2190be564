// SPDX-License-Identifier: MIT

// docs/json.md says which members each event has. Here every event of the library is compared with that.

#include <fstream>
#include <map>
#include <set>
#include <type_traits>

#include <support/catch.hpp>

#include <muster/json/signing.hpp>

#include <support/keys.hpp>

namespace fields_tests {

using namespace muster;
using namespace muster::signing;

namespace {

/// The members that the library writes, by event, as the document has them.
std::map<std::string, std::set<std::string>> documented() {
    std::ifstream in{MUSTER_TEST_DOCS "/json.md"};
    std::map<std::string, std::set<std::string>> out;
    std::string event;
    for (std::string line; std::getline(in, line);) {
        if (line.starts_with("#")) event = line.starts_with("### `") ? line.substr(5, line.rfind('`') - 5) : "";
        auto const end = line.find("` | muster |");
        if (!event.empty() && line.starts_with("| `") && end != std::string::npos) {
            out[event].insert(line.substr(3, end - 3));
        }
    }
    return out;
}

error const why{signing::errc::expired, "because"};

/// An event of each kind. One that is new in the library is a compile error here: fill it in, and docs/json.md.
template <class E>
E sample() {
    if constexpr (std::is_same_v<E, session_created>) {
        return {session_id{}, std::make_shared<proposal const>(), 0};
    } else if constexpr (std::is_same_v<E, approval_requested>) {
        return {session_id{}, std::make_shared<proposal const>()};
    } else if constexpr (std::is_same_v<E, completed>) {
        test::predictable source{1};
        auto const keys = peer::derive_keys(crypto::secret<32>::generate(source).value()).value();
        return {session_id{}, keys.signer.public_key(), {}, 0};
    } else if constexpr (requires(E e) { E{e.peer, why}; }) {
        return E{{}, why};
    } else if constexpr (requires(E e) { E{e.session, why}; }) {
        return E{{}, why};
    } else {
        return E{};
    }
}

template <std::size_t I = 0>
void check_all(std::map<std::string, std::set<std::string>> const& documents, std::set<std::string>& seen) {
    if constexpr (I < std::variant_size_v<event>) {
        auto const line = json::to_json(event{sample<std::variant_alternative_t<I, event>>()});
        auto const name = line["event"].template get<std::string>();
        INFO(name);
        std::set<std::string> members;
        for (auto const& [member, content] : line.items()) members.insert(member);
        REQUIRE(documents.count(name) == 1);
        CHECK(documents.at(name) == members);
        CHECK(seen.insert(name).second);
        check_all<I + 1>(documents, seen);
    }
}

}  // namespace

TEST_CASE("every event has the members that the document lists, and the document lists no other event") {
    auto const documents = documented();
    std::set<std::string> seen;
    check_all(documents, seen);
    CHECK(seen.size() == std::variant_size_v<event>);
    for (auto const& [name, members] : documents) {
        INFO(name);
        CHECK(seen.count(name) == 1);
    }
}

TEST_CASE("nothing of a peer's text is raw in a line") {
    auto const line = json::to_line(json::to_json(event{aborted{
        {}, abort_reason::declined, 1, std::nullopt, {}, "\x1b[8m\n\xe2\x80\xae\xc2\x9b\x7f \xf0\x9f\x98\x80 \xff"}}));
    for (char const c : line) CHECK((c >= ' ' && c <= '~'));
    CHECK(line.find("\\u001b[8m\\n\\u202e\\u009b\\u007f") != std::string::npos);
    CHECK(json::value::parse(line)["text"].get<std::string>().find("\x1b[8m\n") == 0);
}

}  // namespace fields_tests
