// SPDX-License-Identifier: MIT

// The least that each policy must be, put to work; and near misses that are refused.

#include <muster/cache/cache.hpp>

#include <algorithm>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <vector>

#include <muster/cache/eviction/clock.hpp>
#include <muster/cache/persistence/append_log.hpp>
#include <muster/cache/persistence/persistent_cache.hpp>
#include <muster/cache/seen_cache.hpp>
#include <muster/cache/shared_cache.hpp>
#include <muster/cache/storage/set_associative.hpp>

#include <cache/combinations.hpp>

#include <support/catch.hpp>

namespace archetypes_tests {

using namespace muster;
using namespace muster::test;
using cache::no_slot;
using cache::slot_number;

namespace {

/// Entries in a row, found by looking at all of them, so at most 500.
struct row_of_entries {
    static constexpr bool global = true;
    template <class Key, class Value>
    class store {
    public:
        explicit store(std::size_t capacity) : entries_(std::min<std::size_t>(capacity, 500)) {}
        std::size_t capacity() const { return entries_.size(); }
        std::size_t slots() const { return entries_.size(); }
        template <class K, class Equal>
        slot_number find(std::uint64_t, K const& key, Equal const& equal) const {
            for (slot_number s = 0; s < entries_.size(); ++s) {
                if (entries_[s] && equal(entries_[s]->first, key)) return s;
            }
            return no_slot;
        }
        void prefetch(std::uint64_t) const {}
        void prefetch_entry(std::uint64_t) const {}
        slot_number take() const noexcept {
            slot_number s = 0;
            while (entries_[s]) ++s;
            return s;
        }
        void give_back(slot_number) noexcept {}
        void insert_at(slot_number s, std::uint64_t, Key&& key, Value&& value) noexcept {
            entries_[s].emplace(std::move(key), std::move(value));
        }
        void erase(std::uint64_t, slot_number s) noexcept { entries_[s].reset(); }
        Key const& key(slot_number s) const { return entries_[s]->first; }
        Value& value(slot_number s) { return entries_[s]->second; }
        Value const& value(slot_number s) const { return entries_[s]->second; }

    private:
        std::vector<std::optional<std::pair<Key, Value>>> entries_;
    };
};
struct no_row {
    static constexpr bool global = true;
    template <class Key, class Value>
    struct store {
        explicit store(std::size_t) {}
    };
};
static_assert(cache::storage_policy<row_of_entries, std::string, std::unique_ptr<int>>);
static_assert(!cache::storage_policy<no_row, int, int>);

/// Evicts what came last.
class last_in {
public:
    explicit last_in(std::size_t) {}
    void on_insert(slot_number s, std::uint64_t) { slots_.push_back(s); }
    void on_hit(slot_number) {}
    void on_erase(slot_number s) { slots_.erase(std::find(slots_.begin(), slots_.end(), s)); }
    void on_evict(slot_number s, std::uint64_t) { on_erase(s); }
    slot_number victim() const { return slots_.back(); }
    template <class F>
    void for_each(F f) const {
        std::for_each(slots_.rbegin(), slots_.rend(), f);
    }

private:
    std::vector<slot_number> slots_;
};
static_assert(cache::eviction_policy<last_in>);
static_assert(!cache::set_eviction_policy<last_in>);

/// All entries expire at the same time.
template <class Time>
struct doomsday {
    using time = Time;
    struct settings {
        Time end = {};
    };
    doomsday(std::size_t slots, settings s) : end{s.end}, held(slots) {}
    Time deadline_after(Time) const { return end; }
    void schedule(slot_number s, Time) { held[s] = true; }
    void cancel(slot_number s) { held[s] = false; }
    void on_hit(slot_number, Time) {}
    slot_number earliest() const {
        for (slot_number s = 0; s < held.size(); ++s) {
            if (held[s]) return s;
        }
        return no_slot;
    }
    Time deadline(slot_number) const { return end; }
    Time end;
    std::vector<bool> held;
};
static_assert(cache::expiry_policy<doomsday<long>>);
static_assert(!cache::expiry_policy<cache::no_expiry>);

struct text_length {
    std::uint64_t operator()(std::string const& key, int) const { return key.size(); }
};
static_assert(cache::weigher<text_length, std::string, int>);
static_assert(!cache::weigher<text_length, int, int>);
static_assert(cache::weigher<cache::byte_weight<text_length>, std::string, int>);

struct never_touched {
    static constexpr bool get = false;
    static constexpr bool put = false;
};
struct touched_how {
    static constexpr int get = 1;  // no yes or no
};
static_assert(cache::touch_policy<never_touched>);
static_assert(!cache::touch_policy<touched_how>);

struct counts_misses {
    int misses = 0;
    void hit() {}
    void miss() { ++misses; }
    void insertion() {}
    void left(cache::removal) {}
    counts_misses& operator+=(counts_misses const& other) {
        misses += other.misses;
        return *this;
    }
};
struct counts_hits_only {
    void hit() {}
};
static_assert(cache::stats_policy<counts_misses>);
static_assert(!cache::stats_policy<counts_hits_only>);

/// A clock of the user's own, that counts in long.
struct long_time {
    long const* now_is = nullptr;
    long now() const { return *now_is; }
};
static_assert(cache::time_source_for<long_time, long>);
static_assert(!cache::time_source_for<long_time, instant>);  // two kinds of time
static_assert(!cache::time_source_for<cache::wall_time<manual_clock>, instant>);
static_assert(!cache::time_source_for<cache::monotonic_time<manual_clock>, timestamp>);

struct same_length {
    bool operator()(std::string const& a, std::string const& b) const { return a.size() == b.size(); }
};
static_assert(cache::key_equality<same_length, std::string>);
static_assert(!cache::key_equality<same_length, int>);

/// Counts how often it was held.
struct counting_lock {
    void lock() { held.lock(); }
    void unlock() {
        ++*times;
        held.unlock();
    }
    std::mutex held;
    static inline int counted = 0;
    int* times = &counted;
};
struct no_unlock {
    void lock();
};
struct no_lock {
    void unlock();
};
struct named_lock : counting_lock {
    explicit named_lock(char const*);
};
template <class Lock>
concept goes_with_threads = requires {
    typename cache::locked<Lock>;
    typename cache::sharded<Lock, 4>;
};
static_assert(cache::basic_lockable<counting_lock> && goes_with_threads<counting_lock>);
static_assert(cache::basic_lockable<std::mutex> && cache::basic_lockable<std::shared_mutex>);
static_assert(!goes_with_threads<no_unlock> && !goes_with_threads<no_lock>);
static_assert(!goes_with_threads<named_lock>);  // a shard could not make one
static_assert(!goes_with_threads<std::lock_guard<std::mutex>> && !goes_with_threads<int>);

struct hears_nothing {};
static_assert(!cache::removal_listener<hears_nothing, int, int>);

struct by_length {
    std::uint64_t operator()(std::string const& text) const { return text.size() * 0x9e37'79b9'7f4a'7c15u; }
};
struct returns_int {
    int operator()(std::string const&) const { return 0; }
};
static_assert(cache::hasher<by_length, std::string>);
static_assert(!cache::hasher<returns_int, std::string>);

/// Keeps changes nowhere.
struct forgetful_store {
    using codec = cache::plain_codec<std::string, std::uint64_t>;
    static constexpr bool keeps_changes = false;
    struct options {};
    explicit forgetful_store(options) {}
    template <class Apply>
    result<cache::load_notes> load(timestamp, Apply) {
        return cache::load_notes{};
    }
    template <class Entries>
    result<void> save(Entries const&, timestamp) {
        return ok();
    }
};
struct eager_store : forgetful_store {
    using forgetful_store::forgetful_store;
    static constexpr bool keeps_changes = true;  // and yet has nothing to be told of them by
};
/// Numbers as they are.
struct plain_numbers {
    using key_type = std::uint64_t;
    plain_numbers(std::size_t slots, cache::hash_key const&) : kept(slots) {}
    key_type key(std::uint64_t id, std::uint64_t scope) const { return id ^ scope; }
    std::uint64_t hash(key_type key) const { return key * 0x9e37'79b9'7f4a'7c15u; }
    std::uint64_t hash_at(slot_number s) const { return hash(kept[s]); }
    void keep(slot_number s, key_type key) { kept[s] = key; }
    void copy(slot_number from, slot_number to) { kept[to] = kept[from]; }
    bool holds(slot_number s, key_type key) const { return kept[s] == key; }
    std::vector<key_type> kept;
};
static_assert(cache::id_store<plain_numbers, std::uint64_t>);
static_assert(!cache::id_store<plain_numbers, std::string>);
static_assert(!cache::id_store<std::vector<int>, std::uint64_t>);

/// The last so many, however old.
struct ever_seen {
    template <class Time>
    struct order {
        using span = Time;
        static std::size_t places(std::size_t ids_max) { return ids_max; }
        order(std::size_t slots, span, std::uint64_t) : taken(slots) {}
        template <class F>
        void expire(Time, F) {}
        template <class F, class Move>
        slot_number append(Time, F drop, Move) {
            auto const s = next;
            next = (next + 1) % static_cast<slot_number>(taken.size());
            if (taken[s]) drop(s);
            taken[s] = true;
            return s;
        }
        void renew(slot_number, Time) {}
        void remove(slot_number s) { taken[s] = false; }
        std::size_t size() const { return static_cast<std::size_t>(std::count(taken.begin(), taken.end(), true)); }
        slot_number next = 0;
        std::vector<bool> taken;
    };
};
struct no_window {
    template <class Time>
    struct order {
        using span = Time;
        order(std::size_t, span, std::uint64_t) {}
    };
};
static_assert(cache::seen_window<ever_seen, long>);
static_assert(cache::seen_window<cache::first_seen, instant>);
static_assert(!cache::seen_window<no_window, long>);
struct seen_by_hand : cache::seen_defaults<long> {
    using ids = plain_numbers;
    using window = ever_seen;
};

/// Files of nothing, on which everything succeeds.
struct no_files {
    struct file {};
    struct lock_type {};
    result<std::optional<file>> open(std::string const&, open_mode) { return std::optional<file>{}; }
    result<std::size_t> read(file&, std::uint64_t, byte_span) { return std::size_t{0}; }
    result<std::size_t> write(file&, byte_view octets) { return octets.size(); }
    result<file_status> status(file&) { return file_status{}; }
    result<void> truncate(file&, std::uint64_t) { return ok(); }
    result<void> sync(file&) { return ok(); }
    result<void> rename(std::string const&, std::string const&) { return ok(); }
    result<void> remove(std::string const&) { return ok(); }
    result<bool> exists(std::string const&) { return false; }
    result<void> sync_directory(std::string const&) { return ok(); }
    result<draft_file<file>> create_draft(std::string const& path) { return draft_file<file>{path, {}}; }
    result<std::vector<std::string>> drafts(std::string const&) { return std::vector<std::string>{}; }
    result<lock_type> lock(std::string const&) { return lock_type{}; }
    bool holds(lock_type const&) { return true; }
};
struct opens_always : no_files {
    result<file> open(std::string const&, open_mode) { return file{}; }  // as if every file were there
};
struct reads_silently : no_files {
    std::size_t read(file&, std::uint64_t, byte_span) { return 0; }  // and cannot fail
};
struct writes_all_or_nothing : no_files {
    result<void> write(file&, byte_view) { return ok(); }  // does not say how much
};
struct writes_into_what_it_is_given : no_files {
    result<std::size_t> write(file&, byte_span octets) { return octets.size(); }
};
struct syncs_untold : no_files {
    void sync(file&) {}  // nobody learns that it failed
};
struct guesses_existence : no_files {
    bool exists(std::string const&) { return false; }
};
struct forgets_names : no_files {
    void sync_directory(std::string const&) = delete;
};
struct locks_nothing : no_files {
    result<void> lock(std::string const&) { return ok(); }  // there is nothing to hold
};
struct lock_that_stays {
    lock_that_stays() = default;
    lock_that_stays(lock_that_stays const&) = delete;
};
struct locks_in_place : no_files {
    using lock_type = lock_that_stays;
};
struct shares_a_draft : no_files {
    result<file> create_draft(std::string const&) { return file{}; }  // does not say of which name
};
struct names_no_file {
    result<std::optional<int>> open(std::string const&, open_mode) { return std::optional<int>{}; }
};
static_assert(file_system<no_files>);
static_assert(!file_system<opens_always>);
static_assert(!file_system<reads_silently>);
static_assert(!file_system<writes_all_or_nothing>);
static_assert(!file_system<writes_into_what_it_is_given>);
static_assert(!file_system<syncs_untold>);
static_assert(!file_system<guesses_existence>);
static_assert(!file_system<forgets_names>);
static_assert(!file_system<locks_nothing>);
static_assert(!file_system<locks_in_place>);
static_assert(!file_system<shares_a_draft>);
static_assert(!file_system<names_no_file>);

/// Numbers in decimal, after the length of the key.
struct decimal_codec {
    using key_type = std::string;
    using value_type = std::uint64_t;
    static constexpr std::uint32_t id = 77;
    void write_key(wire::writer& w, std::string const& key) const { w.sized(std::string_view{key}); }
    void write_value(wire::writer& w, std::uint64_t value) const { w.sized(std::string_view{std::to_string(value)}); }
    std::string read_key(wire::reader& r) const { return r.sized_text(r.remaining()); }
    std::uint64_t read_value(wire::reader& r, timestamp) const {
        std::uint64_t value = 0;
        for (char const c : r.sized_text(r.remaining())) value = 10 * value + static_cast<std::uint64_t>(c - '0');
        return value;
    }
};
struct writes_only {
    using key_type = std::string;
    using value_type = std::uint64_t;
    static constexpr std::uint32_t id = 78;
    void write_key(wire::writer&, std::string const&) const {}
    void write_value(wire::writer&, std::uint64_t) const {}
};
static_assert(cache::codec<decimal_codec>);
static_assert(!cache::codec<writes_only>);

/// Keeps all entries in a sheet of memory, as @p Codec writes them.
template <class Codec>
struct sheet {
    using codec = Codec;
    static constexpr bool keeps_changes = false;
    struct options {
        bytes* written = nullptr;
    };
    explicit sheet(options o) : written{o.written} {}
    template <class Apply>
    result<cache::load_notes> load(timestamp now, Apply apply) {
        for (wire::reader r{*written}; r.remaining() != 0;) {
            auto key = Codec{}.read_key(r);
            auto value = Codec{}.read_value(r, now);
            apply(cache::change_of<Codec>{cache::change_kind::put, std::move(key), value, cache::no_deadline, now});
        }
        return cache::load_notes{};
    }
    template <class Entries>
    result<void> save(Entries const& entries, timestamp) {
        wire::writer w;
        entries(
            [&](auto const& key, auto const& value, timestamp) {
                Codec{}.write_key(w, key);
                Codec{}.write_value(w, value);
            },
            [](auto const&) {});
        *written = w.take();
        return ok();
    }
    bytes* written;
};

static_assert(cache::persistent_store<forgetful_store>);
static_assert(cache::persistent_store<sheet<decimal_codec>>);
static_assert(!cache::persistent_store<eager_store>);
static_assert(!cache::codec<int>);

}  // namespace

TEST_CASE("storage of the user's own, beside the oracle") {
    duel_combinations<row_of_entries, cache::always>(types<cache::lru, cache::sieve>{}, types<cache::touch_on_get>{},
                                                     types<number_weight>{});
}

TEST_CASE("eviction of the user's own, beside the oracle") {
    duel_combinations<cache::slab, cache::always>(types<last_in>{}, types<cache::touch_on_both>{},
                                                  types<number_weight>{});
    duel_combinations<cache::slab, cache::demand>(types<last_in>{}, types<cache::touch_on_get>{},
                                                  types<cache::unit_weight>{});
    struct mine : cache::defaults {
        using eviction = last_in;
    };
    cache::cache<int, int, mine> c{{.entries_max = 3}};
    for (int i = 0; i < 10; ++i) c.put(i, i);
    CHECK(c.contains(0));
    CHECK(c.contains(1));
    CHECK(c.contains(9));
}

TEST_CASE("a lock of the user's own is held for each call") {
    struct mine : cache::defaults {
        using threading = cache::sharded<counting_lock, 4>;
    };
    cache::shared_cache<int, int, mine> c{{.entries_max = 100}};
    auto const before = counting_lock::counted;
    for (int i = 0; i < 50; ++i) c.put(i, i);
    CHECK(c.get(7) == 7);
    CHECK(counting_lock::counted == before + 51);
}

TEST_CASE("a codec of the user's own, in a store of the user's own") {
    struct mine : cache::defaults {
        using persistence = cache::debounced<sheet<decimal_codec>, no_timers, manual_clock>;
    };
    using subject = cache::persistent_cache<std::string, std::uint64_t, mine>;
    bytes written;
    no_timers timers;
    manual_clock clock;
    {
        subject c{{.entries_max = 10}, {&written}, timers, clock};
        CHECK(c.load().value().loaded == 0);
        c.put("one", 1);
        c.put("many", 12'345'678'901);
        CHECK(c.flush());
    }
    subject c{{.entries_max = 10}, {&written}, timers, clock};
    CHECK(c.load().value().loaded == 2);
    CHECK(*c.get("one") == 1);
    CHECK(*c.get("many") == 12'345'678'901);
}

TEST_CASE("expiry, weight and hash of the user's own") {
    struct mine : cache::defaults {
        using storage = row_of_entries;
        using expiry = doomsday<long>;
        using weight = text_length;
        using hash = by_length;
    };
    cache::cache<std::string, int, mine> c{{.entries_max = 10, .weight_max = 6, .expiry_settings = {100}}};
    for (auto const* key : {"a", "bb", "ccc", "dddd"}) c.put(key, 1, 0L);
    CHECK(c.weight() == 4);
    CHECK(c.contains("dddd", 99L));
    CHECK(c.size(100L) == 0);
    CHECK(c.put("x", 1, 100L) == cache::put_outcome::rejected);
}

TEST_CASE("touch, stats, clock and equality of the user's own") {
    struct mine : cache::defaults {
        using expiry = cache::uniform_expiry<long>;
        using time_source = long_time;
        using touch = never_touched;
        using stats = counts_misses;
        using hash = by_length;
        using equal = same_length;
    };
    long now = 5;
    cache::cache<std::string, int, mine> c{{.entries_max = 2, .expiry_settings = {10}, .clock = {&now}}};
    c.put("a", 1);
    c.put("bb", 2);
    CHECK(*c.get("z") == 1);  // as long as "a", and not used by it
    c.put("ccc", 3);
    CHECK(c.get("a") == nullptr);
    CHECK(c.stats().misses == 1);
    now = 15;
    CHECK(c.size() == 0);
}

TEST_CASE("an id store and a window of the user's own") {
    cache::seen_cache<seen_by_hand> s{{.ids_max = 2, .time_to_live = 10}};
    CHECK(s.record(std::uint64_t{1}, 0));
    CHECK_FALSE(s.record(std::uint64_t{1}, 0));
    CHECK(s.record(std::uint64_t{2}, 0));
    CHECK(s.record(std::uint64_t{3}, 0));
    CHECK_FALSE(s.contains(std::uint64_t{1}, 0));
    CHECK(s.contains(std::uint64_t{3}, 1'000));  // this window knows no time
}

TEST_CASE("a file system of the user's own") {
    using codec = cache::plain_codec<std::string, std::uint64_t>;
    struct mine : cache::defaults {
        using persistence = cache::debounced<cache::append_log<codec, no_files>, no_timers, manual_clock>;
    };
    no_timers timers;
    manual_clock clock;
    cache::persistent_cache<std::string, std::uint64_t, mine> c{
        {.entries_max = 10}, {.path = "nowhere"}, timers, clock};
    CHECK(c.load().value().loaded == 0);
    c.put("a", 1);
    CHECK(c.flush());
    CHECK_FALSE(c.is_dirty());
}

TEST_CASE("a store of the user's own") {
    struct mine : cache::defaults {
        using persistence = cache::debounced<forgetful_store, no_timers, manual_clock>;
    };
    no_timers timers;
    manual_clock clock;
    cache::persistent_cache<std::string, std::uint64_t, mine> c{{.entries_max = 10}, {}, timers, clock};
    CHECK(c.load().value().loaded == 0);
    c.put("a", 1);
    CHECK(c.flush());
}

}  // namespace archetypes_tests
