// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What this machine has heard of others: advertisements by their ids, with where they came from and how they are used.
///
/// A bounded @ref cache of entries, of which the least recently used makes room, and in which nothing is found once its
/// advertisement has expired. With the policy `persistence` it outlives the process; with `admission` it withstands
/// floods. Ties and jumps of the clock do no harm: the order of use is a sequence, and times only inform.
///
/// Advertisements of one id are versions of which the newest counts, whatever the way by which it came: by their member
/// `sequence`, where they have one; else what expires later is newer. An older one never replaces a newer one, and of
/// two with the same sequence and other content the first stays. A version that has expired when it arrives is a
/// withdrawal: with a sequence, unless that is older; without, always, since it must expire earlier to be one. So
/// without a sequence a replay of an old version that has expired withdraws a newer one: signers should count. What was
/// withdrawn does not come back by a replay as long as its withdrawal is remembered, see withdrawals.hpp: ten times as
/// many are as there may be entries, and of one source as many times what it may have. With a sequence they are kept on
/// disk, too. Whoever calls `set` has verified the advertisement before.

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <muster/cache/cache.hpp>
#include <muster/cache/persistence/codec.hpp>
#include <muster/cache/persistence/persistent_cache.hpp>
#include <muster/core/time.hpp>
#include <muster/discovery/withdrawals.hpp>

namespace muster::discovery {

/// How an advertisement came here.
enum class source : std::uint8_t {
    gossip = 1,  ///< Somebody passed it on.
    dht,         ///< It was looked up.
    direct,      ///< From whom it is about.
};

/// Something that is true until a certain time.
template <class A>
concept advertisement = requires(A const& a) {
    { a.expires_at } -> std::convertible_to<timestamp>;
};

/// An advertisement, and what is known about it here.
template <advertisement Advertisement>
struct entry {
    Advertisement advertisement;
    timestamp added_at{};            ///< When its id was first heard of.
    timestamp last_access{};         ///< When it was last got, or added.
    std::uint64_t access_count = 0;  ///< How often it was got.
    discovery::source source = discovery::source::gossip;

    /// Where advertisements can be compared.
    bool operator==(entry const&) const requires std::equality_comparable<Advertisement>
    = default;
};

/// Tells the version of an advertisement: any type with a total order. Specialise it with a `get` where the
/// version is no member `sequence`.
template <class A>
struct version_of {
    /// Whether there is no number, and the expiry stands for it.
    static constexpr bool is_expiry = !requires(A const& a) { a.sequence; };
    /// The version of @p a. O(1).
    [[nodiscard]] static auto get(A const& a) {
        if constexpr (is_expiry) {
            return static_cast<timestamp>(a.expires_at);
        } else {
            return a.sequence;
        }
    }
};

namespace detail {
struct expiry_of_entry {
    template <class Entry>
    [[nodiscard]] timestamp operator()(Entry const& e) const noexcept {
        return e.advertisement.expires_at;
    }
};
}  // namespace detail

/// The policies of a discovery cache. Derive, and override any but the expiry.
struct cache_defaults : cache::defaults {
    /// When the advertisement says; it cannot be overridden.
    using expiry = cache::value_expiry<timestamp, detail::expiry_of_entry>;
    /// Hits, misses and the like are counted.
    using stats = cache::counters;
};

/// Writes entries, and reads them back, given how an advertisement is: @p Codec has `id`, `write(writer, a)` and
/// `read(reader)`. Times that lie in the future are brought back to now.
///
/// @tparam Key  text, or of a fixed size; both are written alike.
template <advertisement Advertisement, class Codec, class Key = std::string>
struct entry_codec {
    /// @see cache::codec @{
    using key_type = Key;
    using value_type = entry<Advertisement>;
    static constexpr std::uint32_t id = Codec::id;

    void write_key(wire::writer& w, Key const& k) const {
        if constexpr (std::same_as<Key, std::string>) {
            w.sized(k);
        } else {
            w.sized(k.view());
        }
    }
    [[nodiscard]] Key read_key(wire::reader& r) const {
        if constexpr (std::same_as<Key, std::string>) {
            return r.sized_text(r.remaining());
        } else {
            auto const raw = r.sized(Key::size());
            if (raw.size() != Key::size()) r.fail(wire::errc::bad_value, "a key of another size");
            return Key::from(raw);
        }
    }
    void write_value(wire::writer& w, value_type const& e) const {
        w.i64(to_unix_millis(e.added_at)).i64(to_unix_millis(e.last_access)).u64(e.access_count);
        w.u8(static_cast<std::uint8_t>(e.source));
        Codec{}.write(w, e.advertisement);
    }
    [[nodiscard]] value_type read_value(wire::reader& r, timestamp now) const {
        auto const added = std::min(from_unix_millis(r.i64()), now);
        auto const used = std::min(from_unix_millis(r.i64()), now);
        auto const count = r.u64();
        auto const from = r.enumerator(source::gossip, source::direct);
        return {Codec{}.read(r), added, used, count, from};
    }
    /// @}
};

/// Where advertisements may be kept: a store of your own, as cache::persistent_store describes it, whose codec is of
/// this cache's ids and entries; `entry_codec` is one. To be named in `persistence = cache::debounced<Store, ...>`.
template <class Store, class Advertisement, class Key = std::string>
concept advertisement_store = cache::persistent_store<Store> && std::same_as<typename Store::codec::key_type, Key> &&
    std::same_as<typename Store::codec::value_type, entry<Advertisement>>;

namespace detail {
template <class Policies, class Advertisement, class Key>
inline constexpr bool keeps_advertisements = true;
template <class Policies, class Advertisement, class Key>
requires requires { typename Policies::persistence::store; }
inline constexpr bool keeps_advertisements<Policies, Advertisement, Key> =
    advertisement_store<typename Policies::persistence::store, Advertisement, Key>;
}  // namespace detail

/// What a discovery cache holds, in figures.
struct cache_stats {
    std::size_t size = 0;             ///< Entries that have not expired.
    std::optional<timestamp> oldest;  ///< The earliest time at which one of them was added.
    std::optional<timestamp> newest;  ///< The latest.
    /// Equality of all members.
    bool operator==(cache_stats const&) const = default;
};

/// Advertisements by id, which is text unless @p Key says otherwise.
///
/// Every call takes the wall time. Counts and times of access are changed in place: a snapshot keeps them, a store of
/// changes has them as they were when the entry was set. O(1) but where said otherwise.
/// Not thread-safe.
template <advertisement Advertisement, class Policies = cache_defaults, class Key = std::string>
class discovery_cache {
    using version = decltype(version_of<Advertisement>::get(std::declval<Advertisement const&>()));
    static constexpr bool counts = !requires { requires version_of<Advertisement>::is_expiry; };
    static_assert(
        !cache::changes_nothing<Policies, cache_defaults>,
        "these policies change nothing of discovery::cache_defaults: is the name of a policy misspelt? Who wants "
        "none changed names cache_defaults itself");
    static_assert(
        std::same_as<typename Policies::expiry, cache_defaults::expiry>,
        "the policy `expiry` of a discovery_cache is what its advertisements say: derive from cache_defaults");
    static_assert(detail::keeps_advertisements<Policies, Advertisement, Key>,
                  "the store that `persistence` names is for other ids or advertisements: let its codec be "
                  "discovery::entry_codec<Advertisement, Codec, Key>");
    static_assert(std::totally_ordered<version>, "the `sequence` of an advertisement must have a total order");
    static constexpr bool persists = !std::same_as<typename Policies::persistence, cache::no_persistence>;
    using bars = detail::withdrawals<Key, discovery::entry<Advertisement>, typename Policies::admission>;
    static constexpr bool keeps_bars = persists && counts;
    struct barred : Policies {
        using persistence = typename detail::persistence_with_bars<typename Policies::persistence, bars>::type;
    };
    // Named lazily: a persistent cache does not exist for policies without persistence.
    template <bool Persists, class P>
    struct choice {
        using type = cache::cache<Key, discovery::entry<Advertisement>, P>;
    };
    template <class P>
    struct choice<true, P> {
        using type = cache::persistent_cache<Key, discovery::entry<Advertisement>, P>;
    };

public:
    /// What is kept under an id.
    using entry_type = discovery::entry<Advertisement>;
    /// The cache underneath; a persistent one where the policies say so.
    using entries_type = typename choice<persists, std::conditional_t<keeps_bars, barred, Policies>>::type;

    /// @param o     bounds and policies with state; a hundred entries are usual.
    /// @param rest  of a persistent cache: where it is kept, timers, clock.
    template <class... Rest>
    explicit discovery_cache(typename entries_type::options o, Rest&&... rest)
        : withdrawn_{o.entries_max, o.admit}, entries_(std::move(o), std::forward<Rest>(rest)...) {}
    /// The same for a cache that keeps what was withdrawn.
    template <class Where, class... Rest>
    requires keeps_bars explicit discovery_cache(typename entries_type::options o, Where&& where, Rest&&... rest)
        : withdrawn_{o.entries_max, o.admit},
          entries_(std::move(o), {std::forward<Where>(where), &withdrawn_}, std::forward<Rest>(rest)...) {}
    discovery_cache(discovery_cache const&) = delete;
    discovery_cache& operator=(discovery_cache const&) = delete;

    /// The entry under @p id, which is used by that; nullptr when there is none or its advertisement has expired. Valid
    /// until the next call.
    [[nodiscard]] entry_type const* get(Key const& id, timestamp now) {
        auto* const found = entries_.get(id, now);
        if (found == nullptr) return nullptr;
        found->last_access = std::max(found->last_access, now);
        ++found->access_count;
        return found;
    }
    /// The same, without counting as a use.
    [[nodiscard]] entry_type const* peek(Key const& id, timestamp now) const { return entries_.peek(id, now); }

    /// Keeps @p e under @p id, in place of an older version; `outdated` when there is a newer one, which stays. When
    /// the advertisement has expired the older version goes (`withdrawn`), or there was none (`rejected`); that is
    /// remembered until @p until, when the last of what it withdraws could have lived no longer.
    cache::put_outcome set(Key id, entry_type e, timestamp now, timestamp until = timestamp::max()) {
        if (is_outdated(id, e.advertisement, now)) return cache::put_outcome::outdated;
        if (has_expired(e.advertisement, now)) remember_withdrawal(id, e, now, until);
        return entries_.put(std::move(id), std::move(e), now);
    }
    /// The same for an advertisement as it arrives. What was known under the same id, when it was added and how often
    /// it was used, is kept.
    cache::put_outcome set(Key id, Advertisement a, source from, timestamp now, timestamp until = timestamp::max()) {
        entry_type e{std::move(a), now, now, 0, from};
        if (auto const* const known = entries_.peek(id, now)) {
            e.added_at = known->added_at;
            e.last_access = known->last_access;
            e.access_count = known->access_count;
        }
        return set(std::move(id), std::move(e), now, until);
    }
    /// Calls @p f with the entry under @p id, to change what is neither its advertisement's version nor its expiry. No
    /// use. False when there is none.
    template <class F>
    bool modify(Key const& id, timestamp now, F f) {
        auto* const found = const_cast<entry_type*>(entries_.peek(id, now));  // the entries are ours, and not const
        if (found == nullptr) return false;
        f(*found);
        if constexpr (persists) entries_.note_change(id, now);
        return true;
    }
    /// Removes what is under @p id; false when nothing was.
    bool erase(Key const& id, timestamp now) { return entries_.erase(id, now); }
    /// Removes everything, also where it is kept, and forgets what was withdrawn.
    void clear() {
        withdrawn_.clear();
        entries_.clear();
        note_bars();
    }
    /// Forgets the withdrawals that were loaded and that @p is_true, given id, advertisement and until when each is
    /// remembered, does not hold for. @return how many. O(n).
    template <class F>
    std::size_t keep_withdrawals(F is_true, timestamp now) {
        auto const holds = [&](Key const& id, auto const& b) { return is_true(id, b.said->advertisement, b.until); };
        auto const wrong = withdrawn_.keep_if(holds, now);
        if (wrong != 0) note_bars();
        return wrong;
    }

    /// Entries that have not expired; the others are removed. O(1) for each of those.
    [[nodiscard]] std::size_t size(timestamp now) { return entries_.size(now); }
    /// A copy of all, the least recently used first. O(n).
    [[nodiscard]] std::vector<std::pair<Key, entry_type>> entries(timestamp now) const {
        std::vector<std::pair<Key, entry_type>> all;
        entries_.for_each([&](Key const& id, entry_type const& e) { all.emplace_back(id, e); }, now);
        return all;
    }
    /// O(n).
    [[nodiscard]] cache_stats stats(timestamp now) const {
        cache_stats s;
        entries_.for_each(
            [&](Key const&, entry_type const& e) {
                ++s.size;
                if (!s.oldest || e.added_at < *s.oldest) s.oldest = e.added_at;
                if (!s.newest || e.added_at > *s.newest) s.newest = e.added_at;
            },
            now);
        return s;
    }

    /// The cache underneath, for what only it can do: `load`, `flush` and `wake` of a persistent one, counters.
    [[nodiscard]] entries_type& underlying() noexcept { return entries_; }
    [[nodiscard]] entries_type const& underlying() const noexcept { return entries_; }

private:
    [[nodiscard]] static bool has_expired(Advertisement const& a, timestamp now) {
        return static_cast<timestamp>(a.expires_at) <= now;
    }
    [[nodiscard]] static version version_in(Advertisement const& a) { return version_of<Advertisement>::get(a); }
    [[nodiscard]] static bool is_same(Advertisement const& a, Advertisement const& b) {
        if constexpr (std::equality_comparable<Advertisement>) return a == b;
        return false;
    }
    [[nodiscard]] bool is_outdated(Key const& id, Advertisement const& a, timestamp now) const {
        bool const ends = has_expired(a, now);
        if (auto const* const held = entries_.peek(id, now)) {
            if (ends && !counts) return false;
            auto const is = version_in(a), was = version_in(held->advertisement);
            return is < was || (is == was && !is_same(a, held->advertisement));
        }
        auto const* const known = withdrawn_.find(id, now);
        if (known == nullptr || ends) return false;
        auto const is = version_in(a), was = version_in(known->said->advertisement);
        return is < was || (is == was && !known->includes_it);
    }
    void remember_withdrawal(Key const& id, entry_type const& e, timestamp now, timestamp until) {
        auto const* const held = entries_.peek(id, now);
        bool const is_later = held == nullptr || version_in(held->advertisement) < version_in(e.advertisement);
        auto const& said = is_later ? e : *held;
        if (auto const* const known = withdrawn_.find(id, now);
            known != nullptr && !(version_in(known->said->advertisement) < version_in(said.advertisement)))
            return;
        (void)withdrawn_.add(id, {std::make_unique<entry_type>(said), until, is_later}, now);
        if (held == nullptr) note_bars();
    }
    // What leaves the entries is noted by that, and what was withdrawn with it; else nothing was.
    void note_bars() {
        if constexpr (keeps_bars) entries_.note_all();
    }

    bars withdrawn_;
    entries_type entries_;
};

}  // namespace muster::discovery
