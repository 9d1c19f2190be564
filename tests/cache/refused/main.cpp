// SPDX-License-Identifier: MIT

// What must not compile, and the sentence that it must be refused with: tests/hygiene/refused.cmake compiles this once
// for each case, and once for none.

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <muster/cache/cache.hpp>
#include <muster/cache/eviction/clock.hpp>
#include <muster/cache/seen_cache.hpp>
#include <muster/cache/shared_cache.hpp>
#include <muster/cache/storage/set_associative.hpp>
#include <muster/core/time.hpp>
#if CASE == 24
#include <muster/cache/admission/quota.hpp>
#endif
#if CASE == 0 || CASE >= 70
#include <muster/cache/persistence/persistent_cache.hpp>
#include <muster/cache/persistence/snapshot_file.hpp>
#include <muster/discovery/discovery_cache.hpp>
#endif

using namespace muster;
using namespace muster::cache;

template <class Policies, class Key = int, class Value = int>
using one = muster::cache::cache<Key, Value, Policies>;
/// Of no use as a policy.
struct useless {};
struct some_lock {
    void lock();
    void unlock();
};

#if CASE == 0  // all of this compiles
struct base : defaults {
    using eviction = sieve;
};
struct nothing_of_its_own : base {};
template <class Eviction>
struct by_argument : defaults {
    using eviction = Eviction;
};
struct ad {
    timestamp expires_at;
};
struct quiet_key {
    char const* text;
    bool operator==(quiet_key const& other) const { return std::string_view{text} == other.text; }
};
struct quiet_hash {
    multiply_hash hash;
    std::uint64_t operator()(quiet_key const& k) const { return hash(std::string_view{k.text}); }
};
struct with_hash : defaults {
    using hash = quiet_hash;
};
int main() {
    one<defaults> plain{{.entries_max = 1}};
    one<nothing_of_its_own> derived{{.entries_max = 1}};
    one<by_argument<lru>> made{{.entries_max = 1}};
    one<with_hash, quiet_key> hashed{{.entries_max = 1}};
    seen_cache<seen_defaults<instant>> seen{{.ids_max = 1}};
    discovery::discovery_cache<ad> found{{.entries_max = 1}};
    plain_codec<std::string, bytes> codec;
    (void)codec;
    return plain.put(1, 1) == put_outcome::inserted ? 0 : 1;
}

#elif CASE == 1   // these policies change nothing of cache::defaults
struct p : defaults {
    using evicton = sieve;
};
one<p> c{{}};
#elif CASE == 2   // these policies change nothing of cache::defaults
struct p : defaults {};
one<p> c{{}};
#elif CASE == 3   // these policies change nothing of cache::defaults
struct between : defaults {};
struct p : between {
    using Eviction = sieve;
};
one<p> c{{}};
#elif CASE == 4   // the policy `storage` is no storage
struct p : defaults {
    using storage = useless;
};
one<p> c{{}};
#elif CASE == 5   // the policy `eviction` is no order of eviction
struct p : defaults {
    using eviction = useless;
};
one<p> c{{}};
#elif CASE == 6   // the policy `eviction` is no order of eviction
struct p : defaults {
    using eviction = slab;
};
one<p> c{{}};
#elif CASE == 7   // the policy `admission` is no admission
struct p : defaults {
    using admission = lru;
};
one<p> c{{}};
#elif CASE == 8   // the policy `touch` does not say what a use is
struct p : defaults {
    using touch = useless;
};
one<p> c{{}};
#elif CASE == 9   // the policy `expiry` is no expiry
struct p : defaults {
    using expiry = instant;
};
one<p> c{{}};
#elif CASE == 10  // the policy `time_source` does not give the kind of time
struct p : defaults {
    using expiry = uniform_expiry<timestamp>;
    using time_source = monotonic_time<manual_clock>;
};
one<p> c{{}};
#elif CASE == 11  // the policy `time_source` is never asked
struct p : defaults {
    using time_source = monotonic_time<manual_clock>;
};
one<p> c{{}};
#elif CASE == 12  // the policy `time_source` does not give the kind of time
struct p : defaults {
    using expiry = uniform_expiry<timestamp>;
    using time_source = useless;
};
one<p> c{{}};
#elif CASE == 13  // the policy `weight` does not weigh such keys and values
struct p : defaults {
    using weight = useless;
};
one<p> c{{}};
#elif CASE == 14  // the policy `weight` does not weigh such keys and values
struct heavy {
    double operator()(int, int) const { return 0.5; }
};
struct p : defaults {
    using weight = heavy;
};
one<p> c{{}};
#elif CASE == 15  // the policy `weight` does not weigh such keys and values
struct text_size {
    std::size_t operator()(std::string const& k, int) const { return k.size(); }
};
struct p : defaults {
    using weight = byte_weight<text_size>;
};
one<p> c{{}};
#elif CASE == 16  // the policy `hash` does not hash such keys
struct p : defaults {
    using hash = useless;
};
one<p> c{{}};
#elif CASE == 17  // the policy `equal` does not compare such keys
struct p : defaults {
    using equal = useless;
};
one<p> c{{}};
#elif CASE == 18  // the policy `listener` cannot be told
struct p : defaults {
    using listener = useless;
};
one<p> c{{}};
#elif CASE == 19  // the policy `stats` does not count
struct p : defaults {
    using stats = useless;
};
one<p> c{{}};
#elif CASE == 20  // use shared_cache with these policies
struct p : defaults {
    using threading = locked<some_lock>;
};
one<p> c{{}};
#elif CASE == 21  // use persistent_cache with these policies
struct p : defaults {
    using persistence = useless;
};
one<p> c{{}};
#elif CASE == 22  // this storage evicts within a set
struct p : defaults {
    using storage = set_associative<16>;
};
one<p> c{{}};

#elif CASE == 23  // value_expiry<Time, F> does not tell the deadline of such values
struct p : defaults {
    using expiry = value_expiry<instant, useless>;
};
bool test(one<p>& c) { return c.put(1, 1, instant{}) == put_outcome::inserted; }
#elif CASE == 24  // quota<SourceOf> does not tell the source of such entries
struct p : defaults {
    using admission = quota<useless>;
};
bool test(one<p>& c) { return c.put(1, 1) == put_outcome::inserted; }

#elif CASE == 30  // keys of this type have no default hash
struct key {
    std::string_view a, b;
    bool operator==(key const&) const = default;
};
one<defaults, key> c{{}};
#elif CASE == 31  // keys of this type have no default hash
struct key {
    int const* to;
    bool operator==(key const&) const = default;
};
one<defaults, key> c{{}};
#elif CASE == 32  // a key that is a pointer is compared by its address
one<defaults, char const*> c{{}};
#elif CASE == 33  // a key that is a pointer is compared by its address
one<defaults, std::pair<int, char const*>> c{{}};
#elif CASE == 34  // keys of this type have no default hash
one<defaults, double> c{{}};
#elif CASE == 35  // bytes_are_value was said of a type with padding or fractions
struct key {
    char a;
    int b;
    bool operator==(key const&) const = default;
};
template <>
inline constexpr bool muster::cache::bytes_are_value<key> = true;
one<defaults, key> c{{}};
#elif CASE == 36  // exact32 keeps ids of 32 bytes that are their value
struct by_exact : seen_defaults<instant> {
    using ids = exact32;
};
struct id {
    std::string_view a, b;
};
bool known(seen_cache<by_exact>& s, id const& i) { return s.contains(i, instant{}); }

#elif CASE == 40  // the policy `threading` is one_thread
struct p : defaults {
    using thraeding = locked<some_lock>;
};
shared_cache<int, int, p> c{{}};
#elif CASE == 41  // the policy `threading` keeps no threads apart
struct p : defaults {
    using threading = some_lock;
};
shared_cache<int, int, p> c{{}};
#elif CASE == 42  // the policy `eviction` is no order of eviction
struct p : defaults {
    using threading = locked<some_lock>;
    using eviction = useless;
};
shared_cache<int, int, p> c{{}};
#elif CASE == 43  // the listener of a shared_cache is told of keys that stay in the cache
struct unique {
    unique(unique&&) noexcept = default;
    bool operator==(unique const&) const = default;
    int number;
};
struct teller {
    void operator()(removal, unique const&, int) const {}
};
struct unique_hash {
    std::uint64_t operator()(unique const& u) const { return static_cast<std::uint64_t>(u.number); }
};
struct p : defaults {
    using threading = locked<some_lock>;
    using listener = teller;
    using hash = unique_hash;
};
shared_cache<unique, int, p> c{{}};
#elif CASE == 44  // a shared_cache has no_persistence
struct p : defaults {
    using threading = locked<some_lock>;
    using persistence = useless;
};
shared_cache<int, int, p> c{{}};

#elif CASE == 50  // these policies change nothing of seen_defaults
struct p : seen_defaults<instant> {
    using id = hash128;
};
seen_cache<p> c{{}};
#elif CASE == 51  // the policy `ids` keeps no ids
struct p : seen_defaults<instant> {
    using ids = useless;
};
seen_cache<p> c{{}};
#elif CASE == 52  // the policy `window` is no window over that time
struct p : seen_defaults<instant> {
    using window = useless;
};
seen_cache<p> c{{}};
#elif CASE == 53  // the policy `time` is no time
struct p : seen_defaults<instant> {
    using time = some_lock;
};
seen_cache<p> c{{}};

#elif CASE == 70  // the policy `persistence` is no_persistence
struct p : defaults {
    using persistance = debounced<snapshot_file<plain_codec<int, int>>, no_timers, manual_clock>;
};
persistent_cache<int, int, p>* c = nullptr;
auto const size = sizeof(*c);
#elif CASE == 71  // the policy `persistence` does not say where
struct p : defaults {
    using persistence = useless;
};
persistent_cache<int, int, p>* c = nullptr;
auto const size = sizeof(*c);
#elif CASE == 72  // the policy `stats` does not count
struct p : defaults {
    using persistence = debounced<snapshot_file<plain_codec<int, int>>, no_timers, manual_clock>;
    using stats = useless;
};
persistent_cache<int, int, p>* c = nullptr;
auto const size = sizeof(*c);
#elif CASE == 73  // plain_codec takes integers
plain_codec<std::string, std::string_view> c;
#elif CASE == 74  // plain_codec takes integers
plain_codec<char const*, int> c;
#elif CASE == 75  // plain_codec takes integers
struct view_of_bytes {
    byte_view octets;
    byte_view view() const { return octets; }
};
plain_codec<int, view_of_bytes> c;
#elif CASE == 76  // these policies change nothing of discovery::cache_defaults
struct p : discovery::cache_defaults {
    using evicton = sieve;
};
struct ad {
    timestamp expires_at;
};
discovery::discovery_cache<ad, p> c{{}};
#elif CASE == 77  // the policy `expiry` of a discovery_cache is what its advertisements say
struct p : discovery::cache_defaults {
    using expiry = uniform_expiry<timestamp>;
};
struct ad {
    timestamp expires_at;
};
discovery::discovery_cache<ad, p> c{{}};
#endif
