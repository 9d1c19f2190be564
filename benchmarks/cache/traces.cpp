// SPDX-License-Identifier: MIT

#include <cache/traces.hpp>

#include <lzma.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>
#include <unordered_map>
#include <utility>

#include <muster/core/error.hpp>
#include <muster/core/random.hpp>

namespace muster::bench {

namespace {

[[noreturn]] void refuse(std::string const& path, std::string_view why) {
    throw std::runtime_error{text("trace ", path, ": ", why)};
}

[[nodiscard]] std::string read_file(std::string const& path) {
    std::ifstream file{path, std::ios::binary};
    if (!file || !std::filesystem::is_regular_file(path)) refuse(path, "cannot be read");
    return {std::istreambuf_iterator<char>{file}, {}};
}

[[nodiscard]] std::string unpacked(std::string const& path, std::string const& packed) {
    lzma_stream stream = LZMA_STREAM_INIT;
    if (lzma_stream_decoder(&stream, UINT64_MAX, LZMA_CONCATENATED) != LZMA_OK) refuse(path, "no memory to unpack it");
    stream.next_in = reinterpret_cast<std::uint8_t const*>(packed.data());
    stream.avail_in = packed.size();
    std::string out;
    std::vector<std::uint8_t> part(1u << 16);
    auto state = LZMA_OK;
    while (state == LZMA_OK) {
        stream.next_out = part.data();
        stream.avail_out = part.size();
        state = lzma_code(&stream, LZMA_FINISH);
        out.append(reinterpret_cast<char const*>(part.data()), part.size() - stream.avail_out);
    }
    lzma_end(&stream);
    if (state != LZMA_STREAM_END) refuse(path, "is not a whole xz file");
    return out;
}

[[nodiscard]] std::vector<std::uint32_t> ids_of_octets(std::string const& path, std::string const& octets) {
    if (octets.size() % 4 != 0) refuse(path, "is not a sequence of 32-bit ids: its size is no multiple of 4");
    std::vector<std::uint32_t> ids;
    ids.reserve(octets.size() / 4);
    for (std::size_t at = 0; at < octets.size(); at += 4) {
        std::uint32_t id = 0;
        for (std::size_t i = 0; i < 4; ++i) id = id << 8 | static_cast<std::uint8_t>(octets[at + i]);
        ids.push_back(id);
    }
    return ids;
}

[[nodiscard]] std::vector<std::uint32_t> ids_of_lines(std::string const& content) {
    std::unordered_map<std::string, std::uint32_t> known;
    std::vector<std::uint32_t> ids;
    std::istringstream in{content};
    for (std::string line; std::getline(in, line);) {
        ids.push_back(known.emplace(line, static_cast<std::uint32_t>(known.size())).first->second);
    }
    return ids;
}

[[nodiscard]] trace made(std::string name, std::vector<std::uint32_t> ids, origin from) {
    auto sorted = ids;
    std::sort(sorted.begin(), sorted.end());
    auto const distinct = static_cast<std::size_t>(std::unique(sorted.begin(), sorted.end()) - sorted.begin());
    return {std::move(name), std::move(ids), from, distinct};
}

/// Ids by Zipf's law: id i comes up in proportion to (i + 1)^-exponent. By inversion of the cumulative distribution,
/// since the distributions of the standard library differ between implementations.
class zipf {
public:
    zipf(std::size_t ids, double exponent) {
        double sum = 0;
        for (std::size_t i = 0; i < ids; ++i) {
            sum += std::pow(static_cast<double>(i + 1), -exponent);
            cumulative_.push_back(sum);
        }
    }
    [[nodiscard]] std::uint32_t operator()(splitmix64& random) const {
        auto const u = static_cast<double>(random() >> 11) * 0x1p-53 * cumulative_.back();
        auto const found = std::upper_bound(cumulative_.begin(), cumulative_.end(), u);
        return static_cast<std::uint32_t>(
            std::min<std::ptrdiff_t>(found - cumulative_.begin(), static_cast<std::ptrdiff_t>(cumulative_.size()) - 1));
    }

private:
    std::vector<double> cumulative_;
};

constexpr std::uint32_t requests = 1'000'000;
constexpr std::uint32_t zipf_ids = 100'000;

/// A million requests: @p f(i) is the i-th.
template <class F>
[[nodiscard]] trace synthetic(std::string name, F f, origin from = origin::random) {
    std::vector<std::uint32_t> ids;
    ids.reserve(requests);
    for (std::uint32_t i = 0; i < requests; ++i) ids.push_back(f(i));
    return made(std::move(name), std::move(ids), from);
}

}  // namespace

trace read_trace(std::string const& path) {
    std::filesystem::path const p{path};
    auto content = read_file(path);
    if (p.extension() == ".xz") content = unpacked(path, content);
    auto ids = p.extension() == ".txt" ? ids_of_lines(content) : ids_of_octets(path, content);
    if (ids.empty()) refuse(path, "is empty");
    auto const file = p.filename().string();
    return made(file.substr(0, file.find('.')), std::move(ids), origin::recorded);
}

std::vector<trace> shipped_traces() {
    std::vector<trace> all;
    for (std::string const name : {"orm-busy", "web07", "web12"}) {
        all.push_back(read_trace(std::string{MUSTER_BENCH_TRACES "/cache2k_"} + name + ".trace.xz"));
    }
    return all;
}

std::vector<trace> synthetic_traces() {
    std::vector<trace> all;
    for (auto const& [name, exponent] : {std::pair{"zipf_0.8", 0.8}, {"zipf_1.0", 1.0}, {"zipf_1.2", 1.2}}) {
        splitmix64 random{1};
        all.push_back(synthetic(name, [&, z = zipf{zipf_ids, exponent}](std::uint32_t) { return z(random); }));
    }
    zipf const z{zipf_ids, 1.0};
    splitmix64 random{2};
    all.push_back(synthetic("zipf_1.0_with_scans", [&](std::uint32_t i) {
        // Every 20 000 requests begin with 5 000 ids in their order, which nobody asks for again.
        constexpr std::uint32_t period = 20'000, scan = 5'000;
        return i % period < scan ? zipf_ids + i / period * scan + i % period : z(random);
    }));
    constexpr std::uint32_t length = 12'000;
    all.push_back(synthetic(
        "loop", [](std::uint32_t i) { return i % length; }, origin::pattern));
    all.push_back(synthetic(
        "zigzag",
        [](std::uint32_t i) {
            auto const at = i % (2 * length);
            return at < length ? at : 2 * length - 1 - at;
        },
        origin::pattern));
    all.push_back(
        synthetic("drift", [&, local = zipf{20'000, 1.0}](std::uint32_t i) { return local(random) + i / 50; }));
    return all;
}

std::size_t capacity_of(trace const& t, double percent) {
    return std::max<std::size_t>(16, static_cast<std::size_t>(static_cast<double>(t.distinct) * percent / 100));
}

}  // namespace muster::bench
