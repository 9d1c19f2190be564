// SPDX-License-Identifier: MIT

// Under valgrind's memcheck: secrets are marked as undefined, and every branch or address that depends on them is an
// error. Without MUSTER_MEMCHECK what is public is not marked as such, and the branch on it has to be found: the
// control.

#include <cstdio>

#include <valgrind/memcheck.h>

#include <muster/identity/shamir.hpp>

#include <support/keys.hpp>

using namespace muster;
using namespace muster::identity;

namespace {

/// A source whose bytes are as secret as they should be.
struct hidden {
    test::predictable source;
    [[nodiscard]] result<void> fill_secret(byte_span out) {
        MUSTER_TRY(source.fill_secret(out));
        VALGRIND_MAKE_MEM_UNDEFINED(out.data(), out.size());
        return ok();
    }
};

bool share_and_restore(std::uint64_t seed, sharing how) {
    hidden source{test::predictable{seed}};
    auto const secret = crypto::secret<32>::generate(source).value();
    auto const shares = split(secret, how, source).value();
    std::vector<share const*> some;
    for (std::size_t i = 0; i < how.threshold; ++i) some.push_back(&shares[shares.size() - 1 - i]);
    return static_cast<bool>(combine(some));
}

}  // namespace

int main() {
    if (RUNNING_ON_VALGRIND == 0) {
        std::puts("this says nothing outside valgrind");
        return 77;
    }
    for (std::uint64_t seed = 1; seed <= 4; ++seed) {
        if (!share_and_restore(seed, {3, 5}) || !share_and_restore(seed, {5, 15})) return 1;
    }
    std::printf("%u errors\n", VALGRIND_COUNT_ERRORS);
    return 0;
}
