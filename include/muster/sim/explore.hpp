// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Many seeds, one verdict.
///
/// Runs a simulation for each of a range of seeds and says what failed, with what was drawn from the seed and with the
/// command that replays it. The verdict has one word that covers all traces: the same for the same seeds, whatever
/// machine, compiler or number of threads.

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <muster/core/error.hpp>
#include <muster/sim/outcome.hpp>
#include <muster/sim/trace.hpp>

namespace muster::sim {

/// A word in 16 hexadecimal digits.
[[nodiscard]] inline std::string to_hex_word(std::uint64_t word) {
    std::string out(16, '0');
    for (auto digit = out.rbegin(); digit != out.rend(); ++digit, word >>= 4) *digit = "0123456789abcdef"[word & 15];
    return out;
}

/// What many runs came to.
struct verdict {
    std::uint64_t seeds = 0;
    std::uint64_t passed = 0;
    std::uint64_t events = 0;
    std::uint64_t trace = 0;  ///< Of all runs, in the order of their seeds.

    [[nodiscard]] bool all_passed() const noexcept { return passed == seeds; }
    /// In one line.
    [[nodiscard]] std::string to_text() const {
        return text("passed ", passed, " of ", seeds, ", trace ", to_hex_word(trace));
    }
};

/// Sums up runs in the order of their seeds. Not thread-safe.
class tally {
public:
    /// @param say     takes lines about failures.
    /// @param replay  the command that runs one seed again, to which the seed is appended.
    tally(std::function<void(std::string_view)> say, std::string replay)
        : say_{std::move(say)}, replay_{std::move(replay)} {}

    void add(std::uint64_t seed, outcome const& o) {
        ++sum_.seeds;
        sum_.events += o.events;
        all_.note(o.trace);
        if (!o.failure) {
            ++sum_.passed;
            return;
        }
        say_(text("FAILED seed ", seed, " ", *o.failure));
        say_(text("  options  ", o.options));
        say_(text("  replay   ", replay_, seed));
    }
    [[nodiscard]] verdict result() const {
        auto out = sum_;
        out.trace = all_.hash();
        return out;
    }

private:
    std::function<void(std::string_view)> say_;
    std::string replay_;
    verdict sum_;
    trace all_;
};

/// Runs @p run(seed), which returns an @ref outcome, for @p count seeds from @p first on, and tells @p say about those
/// that fail.
template <class Run>
[[nodiscard]] verdict explore(std::uint64_t first, std::uint64_t count, Run run,
                              std::function<void(std::string_view)> say, std::string replay = "seed ") {
    tally t{std::move(say), std::move(replay)};
    for (std::uint64_t seed = first; seed < first + count; ++seed) t.add(seed, run(seed));
    return t.result();
}

}  // namespace muster::sim
