// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// A cache that outlives its process.
///
/// It is the cache of cache.hpp with a store behind it. What happens is noted, and saved soon after: when, says the
/// schedule of save_schedule.hpp, and whose clock and alarm that runs on is the user's choice.
///
///     struct mine : cache::defaults {
///         using expiry = cache::uniform_expiry<muster::timestamp>;
///         using persistence = cache::debounced<cache::snapshot_file<my_codec>, net::asio_timers, my_clock>;
///     };
///     cache::persistent_cache<key, value, mine> found{{.entries_max = 100, ...}, {.path = "found"}, timers, clock};
///     auto const report = found.load();
///
/// With `no_timers` nothing is ever saved by itself; the application calls `wake()` or `flush()`.

#include <algorithm>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <utility>

#include <muster/cache/cache.hpp>
#include <muster/cache/persistence/save_schedule.hpp>
#include <muster/cache/persistence/store.hpp>
#include <muster/core/alarm.hpp>
#include <muster/core/timers.hpp>

namespace muster::cache {

/// Saving by a schedule: where, by whose alarm, and by whose clock.
template <persistent_store Store, timers Timers, muster::clock Clock>
struct debounced {
    using store = Store;
    using timers_type = Timers;
    using clock_type = Clock;
};

/// Names a store, timers and a clock, as `debounced` does.
template <class P>
concept persistence_policy =
    persistent_store<typename P::store> && timers<typename P::timers_type> && muster::clock<typename P::clock_type>;

/// What loading found.
struct load_report {
    std::size_t loaded = 0;   ///< Entries that are in the cache now.
    std::size_t expired = 0;  ///< Entries whose time was over, or that are too heavy now.
    load_notes notes;         ///< What was wrong with the file, if anything.
};

/// A @ref cache whose entries survive, by the policy `persistence` of @p Policies.
///
/// Timers and clock are borrowed and must outlive it. Not thread-safe. The members are those of `cache` that are used
/// most; those that may change something note it. Memory beyond the cache's: while loading, a buffer and the largest
/// single entry; while saving, the bytes of the file; with a store that keeps changes, about twice that at most.
template <class Key, class Value, class Policies>
class persistent_cache {
    using saving = typename Policies::persistence;
    static_assert(!std::same_as<saving, no_persistence>,
                  "the policy `persistence` is no_persistence: use cache, or name debounced<Store, Timers, Clock>; is "
                  "the name of the policy misspelt?");
    static_assert(persistence_policy<saving>,
                  "the policy `persistence` does not say where, by whose alarm and by whose clock entries are kept: "
                  "name debounced<Store, Timers, Clock>");
    using store = typename saving::store;
    using timers_type = typename saving::timers_type;
    using clock_type = typename saving::clock_type;
    static constexpr bool keeps_changes = store::keeps_changes;

    static_assert(
        std::same_as<typename Policies::threading, one_thread>,
        "a persistent_cache is used by one thread at a time: let threading be one_thread, and lock around it");
    // Checked here, since the cache's own assertion would be about another type.
    struct transient : Policies, detail::adapted {
        using persistence = no_persistence;
        using threading = one_thread;
    };
    // Records removals, then calls the user's listener.
    struct relay {
        persistent_cache* home;
        [[no_unique_address]] typename Policies::listener told;
        void operator()(removal why, Key const& key, Value& value) {
            home->note_removal(why, key);
            if constexpr (!std::same_as<typename Policies::listener, no_listener>) {
                if (!home->is_loading_) told(why, key, value);
            }
        }
    };
    struct relayed : transient {
        using listener = relay;
    };
    using entries = cache<Key, Value, relayed>;
    static constexpr bool promotes = requires(entries const& e, Key const& key) { e.is_promoted(key); };
    static constexpr bool is_told_time = std::same_as<typename Policies::time_source, caller_time> &&
                                         !std::same_as<typename Policies::expiry, no_expiry>;

    static_assert(!keeps_changes || std::copy_constructible<Key>,
                  "this store is told the keys of changes, which takes copies of them: use snapshot_file");
    static_assert(!keeps_changes || !renewed_by_use<typename Policies::expiry>,
                  "this store does not keep deadlines that uses renew: use snapshot_file");
    static_assert(std::same_as<typename store::codec::key_type, Key> &&
                      std::same_as<typename store::codec::value_type, Value>,
                  "the codec of the store is for other keys or values");

public:
    using key_type = Key;
    using value_type = Value;
    using time = typename entries::time;
    using options = typename cache<Key, Value, transient>::options;
    static_assert(std::same_as<time, no_time> || std::same_as<time, instant> || std::same_as<time, timestamp>,
                  "deadlines are kept as wall time, which only instants and timestamps can be told from");

    /// Nothing is read or written before @ref load.
    persistent_cache(options o, typename store::options where, timers_type& by, clock_type const& clock,
                     save_schedule::options const& when = {})
        : store_{std::move(where)},
          schedule_{when},
          alarm_{by},
          clock_{clock},
          entries_{{.entries_max = o.entries_max,
                    .weight_max = o.weight_max,
                    .expiry_settings = std::move(o.expiry_settings),
                    .clock = std::move(o.clock),
                    .hash = std::move(o.hash),
                    .weight = std::move(o.weight),
                    .admit = std::move(o.admit),
                    .on_removal = {this, std::move(o.on_removal)},
                    .keep_on_reject = o.keep_on_reject,
                    .entry_weight_max = o.entry_weight_max}} {
        line_.attach(wake_function::of<&persistent_cache::wake>(*this));
    }
    persistent_cache(persistent_cache const&) = delete;
    persistent_cache& operator=(persistent_cache const&) = delete;
    /// Saves what is not saved yet. Call @ref flush before to learn whether that succeeds.
    ~persistent_cache() {
        hears_saves_ = {};
        if (is_loaded_) (void)flush();
        alarm_.stop();
    }

    /// Fills the cache from its store; to be called once, before anything else: what was put before is dropped, and
    /// listeners hear nothing of it. A file that cannot be trusted is put aside, and the report says so; the cache is
    /// empty then, and works. From here on the file is this cache's alone, until it is destroyed; where that cannot be,
    /// as on a file system that is read only, it is loaded, the report says why, and every save fails for that reason.
    /// @return why nothing is known about the file: `in_use` when another process or another cache has it. Nothing will
    /// be saved until a later call succeeds, since that could destroy what is there.
    [[nodiscard]] result<load_report> load() {
        if (is_loaded_)
            return error{errc::already_loaded, "this cache was loaded before; loading again would undo changes"};
        load_report report;
        is_loading_ = true;
        is_trimmed_ = false;
        entries_.clear();
        auto const wall = clock_.wall_now();
        auto const now = clock_.now();
        auto notes =
            store_.load(wall, [&](change_of<typename store::codec> c) { apply(std::move(c), wall, now, report); });
        if (!notes) entries_.clear();  // part of what was applied before it failed may be wrong
        entries_.restored();
        report.loaded = entries_.occupied();
        is_loading_ = false;
        if (!notes) return notes.error();
        is_loaded_ = true;
        failure_.reset();
        if (is_trimmed_) note(save_schedule::reordered{});
        arm();
        report.notes = std::move(notes).value();
        return report;
    }
    /// Saves now what is not saved yet. A failure is also kept as @ref last_failure, and tried again.
    /// @return what could not be saved while the rest was: entries that are too large, or that their codec has thrown
    /// for. That is no failure, and tried again when they are put again. It is kept as @ref last_save, too.
    [[nodiscard]] result<save_report> flush() {
        if (!is_loaded_) return not_loaded();
        if (!schedule_.is_dirty()) return last_save_;
        auto done = detail::caught([this] { return save(); });
        if (done) {
            note(save_schedule::saved{});
            failure_.reset();
            last_save_ = done.value();
        } else {
            note(save_schedule::failed{});
            failure_ = done.error();
        }
        arm();
        if (auto const hears = hears_saves_) hears(done);
        return done;
    }
    /// Sets who is told how each attempt to save has ended; an empty function removes it. Not told by the destructor.
    void on_save(std::function<void(result<save_report> const&)> hears) { hears_saves_ = std::move(hears); }
    /// Saves if that is due. Called by the timers; harmless at any time.
    void wake() {
        effect_list<save_schedule::effect> due;
        schedule_.wake(clock_.now(), due);
        due.empty() ? arm() : (void)flush();
    }
    /// When @ref wake wants to be called.
    [[nodiscard]] deadline next_deadline() const noexcept { return schedule_.next_deadline(); }
    /// Whether something is not saved yet.
    [[nodiscard]] bool is_dirty() const noexcept { return schedule_.is_dirty(); }
    /// Why the last attempt to save failed; nothing when it did not.
    /// `not_loaded` from the first put before @ref load on: what is put then works in memory, and is not kept.
    [[nodiscard]] std::optional<error> const& last_failure() const noexcept { return failure_; }
    /// What the last save that succeeded has left out.
    [[nodiscard]] save_report const& last_save() const noexcept { return last_save_; }

    /// @see cache @{
    template <class K, class... Now>
    [[nodiscard]] Value* get(K const& key, Now... now) {
        auto* const value = entries_.get(key, now...);
        if (value != nullptr && Policies::touch::get) note_use(key);
        return value;
    }
    template <class K, class F, class... Now>
    void get_many(std::span<K const> keys, F f, Now... now) {
        auto const note_and_tell = [&](std::size_t i, Value* value) {
            if (value != nullptr && Policies::touch::get) note_use(keys[i]);
            f(i, value);
        };
        entries_.get_many(keys, note_and_tell, now...);
    }
    template <class K, class... Now>
    bool touch(K const& key, Now... now) {
        bool const is_there = entries_.touch(key, now...);
        if (is_there) note_use(key);
        return is_there;
    }
    template <class K, class... Now>
    [[nodiscard]] Value const* peek(K const& key, Now... now) const {
        return entries_.peek(key, now...);
    }
    template <class K, class... Now>
    [[nodiscard]] bool contains(K const& key, Now... now) const {
        return entries_.contains(key, now...);
    }
    template <class... Rest>
    put_outcome put(Key key, Value value, Rest... rest) {
        if (!is_loaded_ && !failure_) failure_ = not_loaded();
        auto const noted = key_to_note(key);
        doubt until_noted{*this};
        auto const outcome = entries_.put(std::move(key), std::move(value), rest...);
        if (outcome == put_outcome::inserted || outcome == put_outcome::replaced) {
            note_put(noted, rest...);
            if constexpr (keeps_changes) {
                if (promotes ? is_promoted(noted) : outcome == put_outcome::replaced && Policies::touch::put) {
                    store_.use(noted);
                }
            }
        }
        until_noted.is_over = true;
        return outcome;
    }
    /// To be called after the value that @ref get has given was changed in place: it is saved like a new one.
    template <class... Now>
    void note_change(Key const& key, Now... now) {
        if (entries_.contains(key, now...)) note_put(key, now...);
    }
    /// To be called after something has changed that the store saves beside the entries: all is saved anew.
    void note_all() {
        if constexpr (keeps_changes) store_.rewrite_next();
        changed();
    }
    template <class K, class... Now>
    bool erase(K const& key, Now... now) {
        return entries_.erase(key, now...);
    }
    void clear() { entries_.clear(); }
    template <class... Now>
    std::size_t purge(Now... now) {
        return entries_.purge(now...);
    }
    template <class... Now>
    [[nodiscard]] std::size_t size(Now... now) {
        return entries_.size(now...);
    }
    [[nodiscard]] std::size_t occupied() const noexcept { return entries_.occupied(); }
    [[nodiscard]] std::uint64_t weight() const noexcept { return entries_.weight(); }
    [[nodiscard]] std::size_t capacity() const noexcept { return entries_.capacity(); }
    template <class F, class... Now>
    void for_each(F f, Now... now) const {
        entries_.for_each(f, now...);
    }
    [[nodiscard]] typename Policies::stats const& stats() const noexcept { return entries_.stats(); }
    /// @}

private:
    [[nodiscard]] static error not_loaded() {
        return {errc::not_loaded, "load the cache first: saving would replace what is there"};
    }
    [[nodiscard]] result<save_report> save() {
        auto const all = [this](auto put, auto use) { this->for_each_saved(put, use); };
        return as_report(store_.save(all, clock_.wall_now()));
    }
    [[nodiscard]] static result<save_report> as_report(result<save_report> done) { return done; }
    [[nodiscard]] static result<save_report> as_report(result<void> const& done) {
        if (!done) return done.error();
        return save_report{};
    }

    // ---- noting -----------------------------------------------------------------------------------------

    // A listener or a codec may throw after the cache has changed. The recorded changes may then be incomplete, so the
    // next save writes everything.
    struct doubt {
        explicit doubt(persistent_cache& c) noexcept : of{c} {}
        doubt(doubt const&) = delete;
        doubt& operator=(doubt const&) = delete;
        ~doubt() {
            if (is_over) return;
            if constexpr (keeps_changes) of.store_.rewrite_next();
            of.changed();
        }
        persistent_cache& of;
        bool is_over = false;
    };

    void note(save_schedule::event const& e) {
        effect_list<save_schedule::effect> unasked;  // it asks for a save in `wake` alone
        schedule_.handle(e, clock_.now(), unasked);
    }
    void changed() {
        note(save_schedule::changed{});
        arm();
    }
    void note_removal(removal why, Key const& key) {
        if (why == removal::replaced || (why == removal::rejected && !is_loading_)) return;
        // It was the store that said so, or made way for what the store has. What is rejected while loading is expired
        // or too heavy now, and the store still has it.
        if (is_loading_ && (why == removal::erased || why == removal::cleared || why == removal::withdrawn)) return;
        if (is_loading_) {
            if constexpr (keeps_changes) store_.erase(key);
            is_trimmed_ = true;
            return;
        }
        doubt noted{*this};
        if constexpr (keeps_changes) store_.erase(key);
        noted.is_over = true;
        changed();
    }
    template <class K>
    void note_use([[maybe_unused]] K const& key) {
        if constexpr (keeps_changes) {
            doubt noted{*this};
            if constexpr (std::same_as<K, Key>) {
                store_.use(key);
            } else {
                store_.use(Key(key));
            }
            noted.is_over = true;
        }
        if (schedule_.is_dirty()) return;
        note(save_schedule::reordered{});
        arm();
    }
    // A copy of the key when the store records changes; nothing otherwise.
    struct nothing {};
    [[nodiscard]] static auto key_to_note([[maybe_unused]] Key const& key) {
        if constexpr (keeps_changes) {
            return key;
        } else {
            return nothing{};
        }
    }
    template <class Noted, class... Rest>
    void note_put([[maybe_unused]] Noted const& key, [[maybe_unused]] Rest... rest) {
        if constexpr (keeps_changes) {
            auto const* const value = peek_last(key, std::tuple{rest...});
            if (value != nullptr) {
                store_.put(key, *value, deadline_of(key));
            } else {
                store_.erase(key);  // its time has come meanwhile
            }
        }
        changed();
    }
    // The time is the last argument of a put, where it takes one.
    template <class Arguments>
    [[nodiscard]] Value const* peek_last(Key const& key, Arguments const& arguments) const {
        if constexpr (is_told_time) {
            return entries_.peek(key, std::get<std::tuple_size_v<Arguments> - 1>(arguments));
        } else {
            return entries_.peek(key);
        }
    }

    // A wake-up that comes early arms again, so a deadline that moves back costs nothing now.
    void arm() {
        if (is_loaded_) line_.wake_by(schedule_.next_deadline());
    }

    // ---- deadlines are kept as wall time -----------------------------------------------------------------

    [[nodiscard]] timestamp to_wall(time at, timestamp wall, instant now) const noexcept {
        if constexpr (std::same_as<time, timestamp>) {
            return at;
        } else if constexpr (std::same_as<time, instant>) {
            if (at == instant::max()) return no_deadline;
            if (at <= now) return wall;
            return saturating_after(wall, std::chrono::duration_cast<timestamp::duration>(at - now));
        } else {
            return no_deadline;
        }
    }
    // What is left of it. When the clock was set back meanwhile, no entry lives longer than it had left when it was
    // saved.
    [[nodiscard]] static time from_wall(timestamp at, [[maybe_unused]] timestamp written,
                                        [[maybe_unused]] timestamp wall, [[maybe_unused]] instant now) noexcept {
        if constexpr (std::same_as<time, timestamp>) {
            return at;
        } else if constexpr (std::same_as<time, instant>) {
            if (at == no_deadline) return instant::max();
            constexpr timestamp epoch{};  // differences of times after it do not overflow
            auto const since = std::max({wall, written, epoch});
            if (at <= since) return now;
            auto const left = at - since;
            bool const is_beyond = left > std::chrono::duration_cast<timestamp::duration>(instant::max() - now);
            return is_beyond ? instant::max() : now + left;
        } else {
            return {};
        }
    }
    [[nodiscard]] timestamp deadline_of([[maybe_unused]] Key const& key) const {
        if constexpr (std::same_as<time, no_time>) {
            return no_deadline;
        } else {
            return to_wall(entries_.deadline_of(key).value(), clock_.wall_now(), clock_.now());
        }
    }
    [[nodiscard]] bool is_promoted([[maybe_unused]] Key const& key) const {
        if constexpr (promotes) return entries_.is_promoted(key);
        return false;
    }
    template <class Put, class Use>
    void for_each_saved(Put& put, Use& use) const {
        auto const wall = clock_.wall_now();
        auto const now = clock_.now();
        at_time(wall, now, [&](auto... t) {
            auto const save = [&](Key const& key, Value const& value) {
                put(key, value, deadline_of(key));
                if (is_promoted(key)) use(key);
            };
            entries_.for_each(save, t...);
        });
    }
    // Calls @p f with the time, in the cache's kind, where its calls take one.
    template <class F>
    static decltype(auto) at_time([[maybe_unused]] timestamp wall, [[maybe_unused]] instant now, F f) {
        if constexpr (!is_told_time) {
            return f();
        } else if constexpr (std::same_as<time, timestamp>) {
            return f(wall);
        } else {
            return f(now);
        }
    }

    void apply(change_of<typename store::codec>&& c, timestamp wall, instant now, load_report& report) {
        at_time(wall, now, [&](auto... t) {
            switch (c.kind) {
                case change_kind::put: {
                    auto const at = from_wall(c.deadline, c.written_at, wall, now);
                    auto const became = entries_.restore(std::move(c.key), std::move(*c.value), at, t...);
                    if (became == put_outcome::rejected || became == put_outcome::withdrawn) ++report.expired;
                    break;
                }
                case change_kind::use: (void)entries_.touch(c.key, t...); break;
                case change_kind::erase: (void)entries_.erase(c.key, t...); break;
            }
        });
    }

    store store_;
    save_schedule schedule_;
    alarm<timers_type> alarm_;
    typename alarm<timers_type>::line line_{alarm_};
    clock_type const& clock_;
    std::optional<error> failure_;
    save_report last_save_;
    bool is_loading_ = false;
    bool is_trimmed_ = false;  // loading has given something up, which the store still has
    std::function<void(result<save_report> const&)> hears_saves_;
    bool is_loaded_ = false;
    entries entries_;
};

}  // namespace muster::cache
