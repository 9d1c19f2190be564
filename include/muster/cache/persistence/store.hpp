// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What a persistent cache asks of the place where it is kept.

#include <concepts>
#include <cstdint>
#include <optional>
#include <string>

#include <muster/cache/persistence/codec.hpp>
#include <muster/cache/persistence/format.hpp>
#include <muster/cache/persistence/left_out.hpp>
#include <muster/core/result.hpp>
#include <muster/core/time.hpp>

namespace muster::cache {

/// What loading found besides entries.
struct load_notes {
    std::optional<error> damage;       ///< Why the file was not read. Nothing of it was used.
    std::optional<error> damaged_end;  ///< Why the last save was not read; what was saved before it was used.
    std::string aside;                 ///< Where the damaged file is now, or a copy when only its end was.
    std::uint64_t torn = 0;            ///< Bytes that were cut off the end: unfinished, or a @ref damaged_end.
    std::optional<error> read_only;    ///< Why nothing will be saved: the path cannot be locked here. It was read.
};

namespace detail {
/// What a store is given to save, when there is nothing.
struct no_entries {
    template <class Put, class Use>
    void operator()(Put, Use) const {}
};
template <class R>
concept save_outcome = std::same_as<R, result<save_report>> || std::same_as<R, result<void>>;
}  // namespace detail

/// Where a cache is kept between two lives of its process.
///
/// Semantics: `load(now, apply)` calls `apply(change)` in the order of saving; after it the entries put last are those
/// used last. A file that cannot be trusted is put aside and reported in the notes; a failure means that nothing is
/// known, not even what was applied, and that saving could destroy what is there. One of them is that somebody else has
/// the place: `load` takes it for as long as the store lives. `save(entries, now)` makes durable
/// what has changed, and leaves either the old or the new state behind, whatever happens; `entries(put, use)` calls
/// `put(key, value, deadline)` for every entry, the least recently used first, and after it `use(key)` for those that
/// admission has promoted. An entry that cannot be saved is left out, with what was saved of it before, and the report
/// says so; a store that leaves none out may give a `result<void>`. A store that `keeps_changes` is told of each by
/// `put`, `use` and `erase`, which keep a bounded amount of memory and report what went wrong with the next save; after
/// `rewrite_next` that save trusts none of it.
template <class S>
concept persistent_store = codec<typename S::codec> && std::constructible_from<S, typename S::options> &&
    requires(S& s, timestamp now, void (*apply)(change_of<typename S::codec>), detail::no_entries entries) {
    { S::keeps_changes } -> std::convertible_to<bool>;
    { s.load(now, apply) } -> std::same_as<result<load_notes>>;
    { s.save(entries, now) } -> detail::save_outcome;
} &&(!S::keeps_changes || requires(S & s, typename S::codec::key_type const& key,
                                   typename S::codec::value_type const& value, timestamp deadline) {
    s.put(key, value, deadline);
    s.use(key);
    s.erase(key);
    s.rewrite_next();
});

}  // namespace muster::cache
