// SPDX-License-Identifier: MIT

// Loading takes the same memory, whatever the size of the file and whatever it claims; operator new, which is replaced
// here by one that counts, tells. A program of its own, without sanitizers, since they replace it too.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <new>
#include <string>
#include <vector>

#include <muster/cache/persistence/append_log.hpp>
#include <muster/cache/persistence/persistent_cache.hpp>
#include <muster/cache/persistence/snapshot_file.hpp>

namespace {
std::size_t held = 0;  // bytes
std::size_t peak = 0;

// Each block has its size before it.
constexpr std::size_t prefix = __STDCPP_DEFAULT_NEW_ALIGNMENT__;
static_assert(prefix >= sizeof(std::size_t));

void* allocate(std::size_t octets) {
    auto* const block = static_cast<char*>(std::malloc(prefix + octets));
    if (block == nullptr) throw std::bad_alloc{};
    ::new (static_cast<void*>(block)) std::size_t{octets};
    held += octets;
    peak = std::max(peak, held);
    return block + prefix;
}
void release(void* p) noexcept {
    if (p == nullptr) return;
    auto* const block = static_cast<char*>(p) - prefix;
    held -= *reinterpret_cast<std::size_t*>(block);
    std::free(block);
}
}  // namespace

void* operator new(std::size_t octets) { return allocate(octets); }
void operator delete(void* block) noexcept { release(block); }
void operator delete(void* block, std::size_t) noexcept { release(block); }

using namespace muster;

namespace {

int failures = 0;
void check(bool is_so, char const* what) {
    if (is_so) return;
    std::fprintf(stderr, "%s\n", what);
    ++failures;
}

/// Looks, before each change is applied, whether the cache is within its bounds.
struct watched_codec : cache::plain_codec<std::string, std::uint64_t> {
    [[nodiscard]] std::string read_key(wire::reader& r) const {
        if (look != nullptr) look();
        return plain_codec::read_key(r);
    }
    static inline void (*look)() = nullptr;
};
template <class Store>
struct kept : cache::defaults {
    struct weight {
        std::uint64_t operator()(std::string const& key, std::uint64_t) const { return key.size(); }
    };
    using persistence = cache::debounced<Store, no_timers, manual_clock>;
};
template <class Store>
using subject = cache::persistent_cache<std::string, std::uint64_t, kept<Store>>;

constexpr std::size_t entries_max = 10;
constexpr std::uint64_t key_size = 30;
[[nodiscard]] std::string key(std::size_t i) {
    auto const number = std::to_string(i);
    return std::string(key_size - number.size(), 'k') + number;
}

/// A file with @p count entries in some saves, of which a log keeps several.
template <class Store>
void write(std::string const& path, std::size_t count) {
    no_timers timers;
    manual_clock clock;
    subject<Store> c{{.entries_max = count}, {.path = path}, timers, clock};
    check(c.load().has_value(), "a file that is not there could not be loaded");
    for (std::size_t i = 0; i < count; ++i) {
        c.put(key(i), i);
        if (i == count / 2) check(c.flush().has_value(), "not saved");
    }
    check(c.flush().has_value(), "not saved");
}

/// The most that is held while the file at @p path is loaded, beside what is held all the time.
template <class Store>
std::size_t peak_of_loading(std::string const& path, std::uint64_t weight_max) {
    no_timers timers;
    manual_clock clock;
    static subject<Store>* loading = nullptr;
    static std::uint64_t bound = 0;
    subject<Store> c{{.entries_max = entries_max, .weight_max = weight_max}, {.path = path}, timers, clock};
    loading = &c;
    bound = weight_max;
    watched_codec::look = [] {
        check(loading->occupied() <= entries_max && loading->weight() <= bound, "more than its bounds allow");
    };
    auto const before = peak = held;
    (void)c.load();
    auto const most = peak - before;
    watched_codec::look = nullptr;
    return most;
}

template <class Store>
void test_peak(std::string const& path) {
    for (auto const weight_max : {std::uint64_t{1'000'000}, 5 * key_size}) {
        std::vector<std::size_t> peaks;
        for (std::size_t const count : {100u, 10'000u, 100'000u}) {
            std::filesystem::remove(path);
            write<Store>(path, count);
            peaks.push_back(peak_of_loading<Store>(path, weight_max));

            no_timers timers;
            manual_clock clock;
            subject<Store> c{{.entries_max = entries_max, .weight_max = weight_max}, {.path = path}, timers, clock};
            check(c.load().has_value(), "not loaded");
            auto const fit = weight_max == 5 * key_size ? 5 : entries_max;
            check(c.occupied() == fit, "not as many as fit");
            for (auto i = count - fit; i < count; ++i) check(c.contains(key(i)), "not the newest are kept");
        }
        auto const [least, most] = std::minmax_element(peaks.begin(), peaks.end());
        std::printf("%zu to %zu bytes\n", *least, *most);
        check(*most - *least <= 300, "the memory of loading depends on the size of the file");
        check(*most <= file_reader<posix_files>::buffer_size + 3000, "loading holds more than its buffer");
    }
}

/// One batch whose head claims what it does not have.
template <class Store>
void test_claims(std::string const& path, std::uint64_t length, std::uint64_t count) {
    wire::writer w;
    cache::detail::write_file_header(w, watched_codec::id);
    auto const head = w.view().size();
    w.u64(length).u64(count).i64(0);
    cache::detail::append_checksum(w, head);
    w.raw(bytes(100, byte{1}));
    posix_files files;
    check(replace_file(files, path, w.view()).has_value(), "not written");
    check(peak_of_loading<Store>(path, 1000) <= file_reader<posix_files>::buffer_size + 3000,
          "memory was taken for what a head claims");
}

template <class Store>
void test(std::string const& path) {
    test_peak<Store>(path);
    constexpr auto huge = std::uint64_t{1} << 60;
    test_claims<Store>(path, huge, 1);
    test_claims<Store>(path, 96, huge);
    test_claims<Store>(path, huge, huge);
    // A change that claims to be longer than its batch.
    test_claims<Store>(path, 96, 1);
}

}  // namespace

int main() {
    auto folder = (std::filesystem::temp_directory_path() / "muster-XXXXXX").string();
    if (::mkdtemp(folder.data()) == nullptr) return 1;
    test<cache::snapshot_file<watched_codec>>(folder + "/snapshot");
    test<cache::append_log<watched_codec>>(folder + "/log");
    std::filesystem::remove_all(folder);
    return failures == 0 ? 0 : 1;
}
