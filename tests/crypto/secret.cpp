// SPDX-License-Identifier: MIT

#include <muster/crypto/secret.hpp>

#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

#include <support/catch.hpp>
#include <support/keys.hpp>

namespace secret_tests {

using namespace muster;
using namespace muster::crypto;

namespace {

/// The VmFlags and Locked fields of the mapping that holds @p address, from /proc/self/smaps.
std::string mapping_of(byte const* address) {
    std::ifstream smaps{"/proc/self/smaps"};
    auto const wanted = reinterpret_cast<std::uintptr_t>(address);
    std::string out;
    bool inside = false;
    for (std::string line; std::getline(smaps, line);) {
        std::uintptr_t from = 0, to = 0;
        char dash = 0;
        std::istringstream range{line};
        if (range >> std::hex >> from >> dash >> to && dash == '-') inside = from <= wanted && wanted < to;
        if (inside) out += line + "\n";
    }
    return out;
}

// ASan turns mlock into nothing. g++ says by a macro that it is there, clang by a feature.
#if defined(__SANITIZE_ADDRESS__)
constexpr bool has_address_sanitizer = true;
#elif defined(__has_feature)
constexpr bool has_address_sanitizer = __has_feature(address_sanitizer);
#else
constexpr bool has_address_sanitizer = false;
#endif

/// What the child of a fork answers, as its exit status.
template <class F>
int in_child(F answer) {
    auto const child = ::fork();
    if (child == 0) ::_exit(answer());
    int status = 0;
    ::waitpid(child, &status, 0);
    return WEXITSTATUS(status);
}

}  // namespace

TEST_CASE("secrets move, and do not copy") {
    STATIC_REQUIRE_FALSE(std::is_copy_constructible_v<secret<32>>);
    STATIC_REQUIRE_FALSE(std::is_copy_assignable_v<secret<32>>);
    STATIC_REQUIRE(std::is_nothrow_move_constructible_v<secret<32>>);

    auto a = secret<32>::copy_of(bytes(32, 7)).value();
    auto b = std::move(a);
    CHECK_FALSE(a.intact());
    CHECK(a.require().error() == errc::secret_gone);
    CHECK(a.clone().error() == errc::secret_gone);
    CHECK(equal(b.view(), bytes(32, 7)));
}

TEST_CASE("a secret is wiped when it ends, and its place is used again") {
    byte const* where = nullptr;
    {
        auto const s = secret<32>::copy_of(bytes(32, 7)).value();
        where = s.view().data();
    }
    CHECK(equal({where, 32}, bytes(32, 0)));
    auto const next = secret<32>::make().value();
    CHECK(next.view().data() == where);
}

TEST_CASE("secrets are locked, left out of core dumps and wiped on fork") {
    auto const s = secret<64>::copy_of(bytes(64, 7)).value();
    auto const mapping = mapping_of(s.view().data());
    INFO(mapping);
    auto const flags = mapping.substr(mapping.find("VmFlags:"));
    if (!has_address_sanitizer) CHECK(flags.find(" lo") != std::string::npos);  // locked
    CHECK(flags.find(" dd") != std::string::npos);                              // do not dump
    CHECK(flags.find(" wf") != std::string::npos);                              // wipe on fork
}

TEST_CASE("a forked child sees zeros and knows that the secret is not its own") {
    auto const s = secret<32>::copy_of(bytes(32, 7)).value();
    CHECK(in_child([&] { return equal(s.view(), bytes(32, 0)) && !s.intact() && !s.require() ? 0 : 1; }) == 0);
    CHECK(in_child([] { return secret<32>::copy_of(bytes(32, 9)).value().intact() ? 0 : 1; }) == 0);
    CHECK(s.intact());
}

TEST_CASE("more secrets than one page holds are all distinct") {
    std::vector<secret<128>> many;
    for (int i = 0; i < 100; ++i) many.push_back(secret<128>::copy_of(bytes(128, static_cast<byte>(i))).value());
    for (int i = 0; i < 100; ++i)
        CHECK(equal(many[static_cast<std::size_t>(i)].view(), bytes(128, static_cast<byte>(i))));
}

TEST_CASE("generated secrets differ") {
    system_random source;
    auto const a = secret<32>::generate(source).value();
    auto const b = secret<32>::generate(source).value();
    CHECK_FALSE(equal(a.view(), b.view()));
}

}  // namespace secret_tests
