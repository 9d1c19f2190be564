// SPDX-License-Identifier: MIT

#include <muster/core/effect_queue.hpp>

#include <stdexcept>
#include <vector>

#include <support/catch.hpp>

namespace effect_queue_tests {

using namespace muster;

namespace {

struct desk {
    effect_queue<int> waiting;
    std::vector<int> done;
    int ends = 0;

    void perform(std::vector<int> const& what) {
        effect_list<int> out;
        for (int const i : what) out.push(i);
        waiting.perform(
            out, [this](int i) { one(i); }, [this] { ++ends; });
    }
    void one(int i) {
        if (i < 0) throw std::runtime_error{"one"};
        done.push_back(i);
        if (i == 10) {
            effect_list<int> more;
            more.push(11);
            more.push(12);
            waiting.add(more);
        }
    }
};

}  // namespace

TEST_CASE("what an effect leads to is done after what was wanted before") {
    desk d;
    d.perform({10, 20});
    CHECK(d.done == std::vector{10, 20, 11, 12});
    CHECK(d.waiting.empty());
    CHECK(d.ends == 1);
}

TEST_CASE("what an effect that throws leaves undone is done by the next one who comes") {
    desk d;
    CHECK_THROWS_AS(d.perform({1, -1, 2, 3}), std::runtime_error);
    CHECK(d.done == std::vector{1});
    CHECK_FALSE(d.waiting.empty());
    CHECK(d.ends == 1);
    d.perform({4});
    CHECK(d.done == std::vector{1, 2, 3, 4});
    d.perform({});
    CHECK(d.ends == 3);
}

}  // namespace effect_queue_tests
