// SPDX-License-Identifier: MIT

// What an #include costs: seconds of the compiler's CPU time to parse the header of the cache, of the standard
// library's parts of a textbook LRU, and of Boost.MultiIndex's; and the lines that the compiler gets to see. The
// compiler is the one that built this program.

#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include <muster/core/error.hpp>

#include <cache/parts.hpp>
#include <support/stopwatch.hpp>

namespace muster::bench {

namespace {

struct headers {
    std::string_view subject;
    std::string_view lines;  // for printf(1)
};
constexpr headers all_headers[]{
    {"muster", R"(#include <muster/cache/cache.hpp>\n)"},
    {"std_map_list", R"(#include <list>\n#include <unordered_map>\n)"},
    {"boost_multi_index",
     R"(#include <boost/multi_index_container.hpp>\n#include <boost/multi_index/hashed_index.hpp>\n)"
     R"(#include <boost/multi_index/member.hpp>\n#include <boost/multi_index/sequenced_index.hpp>\n)"},
};

/// The shell command that hands the includes to the compiler.
[[nodiscard]] std::string command(headers const& h, std::string_view options) {
    return text("printf '", h.lines, "' | '", MUSTER_BENCH_CXX, "' -std=c++20 ", MUSTER_BENCH_INCLUDES, " -x c++ - ",
                options);
}

/// CPU seconds of the processes that were waited for.
[[nodiscard]] double cpu_of_children() {
    ::rusage usage{};
    ::getrusage(RUSAGE_CHILDREN, &usage);
    auto const seconds = [](::timeval const& t) {
        return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
    };
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

/// What the preprocessor puts out, without blank lines.
[[nodiscard]] double count_lines(headers const& h) {
    auto* const pipe = ::popen(command(h, "-E -P").c_str(), "r");
    if (pipe == nullptr) return 0;
    double lines = 0;
    for (int c = 0; (c = std::fgetc(pipe)) != EOF;) lines += c == '\n' ? 1 : 0;
    return ::pclose(pipe) == 0 ? lines : 0;
}

}  // namespace

std::vector<row> compile_times() {
    std::vector<double> seconds[std::size(all_headers)];
    for (int round = 0; round < rounds; ++round) {
        for (std::size_t i = 0; i < std::size(all_headers); ++i) {
            auto const before = cpu_of_children();
            if (std::system(command(all_headers[i], "-fsyntax-only").c_str()) != 0) {
                std::cerr << "no figures of compilation: " << MUSTER_BENCH_CXX << " did not work\n";
                return {};
            }
            seconds[i].push_back(cpu_of_children() - before);
        }
    }
    std::vector<row> rows;
    for (std::size_t i = 0; i < std::size(all_headers); ++i) {
        auto const& subject = all_headers[i].subject;
        rows.push_back(figure("cache/compile", 1, subject, "compile_s", median(seconds[i])));
        rows.push_back(figure("cache/compile", 1, subject, "preprocessed_lines", count_lines(all_headers[i])));
    }
    return rows;
}

}  // namespace muster::bench
