// SPDX-License-Identifier: MIT

#include <muster/cache/inline_text.hpp>

#include <string>
#include <type_traits>

#include <muster/cache/cache.hpp>

#include <support/catch.hpp>

namespace inline_text_tests {

using namespace muster::cache;
using text46 = inline_text<46>;

static_assert(sizeof(text46) == 47);
static_assert(std::is_trivially_copyable_v<text46>);

TEST_CASE("text of bounded length") {
    CHECK(text46{}.view().empty());
    CHECK(text46{"hello"} == text46{"hello"});
    CHECK(text46{"hello"} != text46{"hello "});
    CHECK(text46{"hello"} == "hello");
    CHECK(text46::fits(std::string(46, 'x')));
    CHECK_FALSE(text46::fits(std::string(47, 'x')));
    CHECK(text46{std::string(47, 'x')} == std::string(46, 'x'));
    CHECK(text46{std::string_view{"a\0b", 3}} != text46{"a"});
}

TEST_CASE("a cache of such keys is asked with any text") {
    cache<text46, int> c{{.entries_max = 10}};
    for (int i = 0; i < 20; ++i) c.put(text46{"id " + std::to_string(i)}, i);
    CHECK(*c.get("id 19") == 19);
    CHECK(*c.get(std::string{"id 19"}) == 19);
    CHECK(*c.get(std::string_view{"id 19"}) == 19);
    CHECK(*c.get(text46{"id 19"}) == 19);
    CHECK(c.get("id 1") == nullptr);
}

}  // namespace inline_text_tests
