// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Where accepted records and blobs are kept: the concept.

#include <concepts>
#include <cstddef>
#include <optional>
#include <vector>

#include <muster/core/result.hpp>
#include <muster/feed/types.hpp>

namespace muster::feed {

/// How full a store is.
struct store_sizes {
    std::size_t records = 0;
    std::size_t blobs = 0;
    std::size_t blob_bytes = 0;
    MUSTER_FIELDS(store_sizes, records, blobs, blob_bytes);
};

/// Bounds of a store.
struct store_limits {
    std::size_t records_max = 1024;          ///< Then the lowest goes, and its blob.
    std::size_t blob_bytes_max = 16u << 20;  ///< Then blobs without a record go, and then those of the lowest record.
    std::size_t records_per_height = 4;      ///< Then further ones are not taken. Ours.
};

/// Keeps what was accepted, and nothing else.
///
/// Semantics:
/// - `put(r)` keeps a record; of one height at most `records_per_height`, where `is_full(height)` holds. When there are
///   too many, the lowest is pruned with its blob; a record below all of a full store is not kept.
/// - `put_head(r)` is `put(r)`, and `set_chain(r.id)` where it is kept, in one step: after a crash both were done or
///   none. `erase(id)` takes a record back, and its blob where no other record names it.
/// - `put_blob(b)` keeps a blob whose content was checked. One that no record names takes at most a quarter of the
///   bytes. Where room is needed, the oldest of these go, and then those of the lowest records; the new one stays, so
///   that a blob can come before its record. `erase_blob(id)` takes one back. `is_named(id)` says whether a stored
///   record names it.
/// - `find`, `find_blob`, `contains`, `contains_blob` look one up. `at(height)` gives all records of a height,
///   `children(id)` those that name it as their parent.
/// - `set_chain(id)` makes a stored record the head, and its stored ancestors the chain; `chain_at(height)` is the
///   record of the chain there; `head()` is its last one. `chain_from(height, count)` are records of the chain in
///   ascending numeric order, from @p height on, without a gap between them.
/// - `remove_above(height)` removes all records above, with their blobs; the chain ends there.
/// Whatever fails has changed nothing that can be seen. O(log n) each, beside what is returned; `set_chain` also costs
/// the number of records that leave the chain or join it.
template <class S>
concept store = requires(S& s, S const& c, record const& r, blob const& b, digest const& id, height h, std::size_t n) {
    { s.put(r) } -> std::same_as<result<void>>;
    { s.put_head(r) } -> std::same_as<result<void>>;
    { s.erase(id) } -> std::same_as<result<void>>;
    { c.is_named(id) } -> std::same_as<bool>;
    { s.put_blob(b) } -> std::same_as<result<void>>;
    { s.erase_blob(id) } -> std::same_as<result<void>>;
    { c.contains(id) } -> std::same_as<bool>;
    { c.contains_blob(id) } -> std::same_as<bool>;
    { c.find(id) } -> std::same_as<result<std::optional<record>>>;
    { c.find_blob(id) } -> std::same_as<result<std::optional<bytes>>>;
    { c.at(h) } -> std::same_as<result<std::vector<record>>>;
    { c.children(id) } -> std::same_as<result<std::vector<record>>>;
    { c.is_full(h) } -> std::same_as<bool>;
    { s.set_chain(id) } -> std::same_as<result<void>>;
    { c.head() } -> std::same_as<std::optional<record>>;
    { c.chain_at(h) } -> std::same_as<std::optional<digest>>;
    { c.chain_from(h, n) } -> std::same_as<result<std::vector<record>>>;
    { s.remove_above(h) } -> std::same_as<result<void>>;
    { c.sizes() } -> std::same_as<store_sizes>;
};

}  // namespace muster::feed
