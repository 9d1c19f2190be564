// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What makes a feed one of a certain protocol.
///
/// The feed stores, links, asks and serves; what the bytes mean, and which records are valid, is said by a protocol: an
/// object that decodes, encodes and judges. `preconf::protocol` is one, `signed_log` another.

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <muster/core/result.hpp>
#include <muster/feed/types.hpp>

namespace muster::feed {

/// Bounds of the frames of a question and its answer, in bytes.
struct frame_caps {
    std::size_t request_size_max = 0;
    std::size_t answer_size_max = 0;
};
/// Asks for records by their heights.
struct page_ask {
    height from = 0;          ///< The first one.
    std::uint32_t count = 0;  ///< At most so many.
    MUSTER_FIELDS(page_ask, from, count);
};

/// A protocol of linked records.
///
/// Semantics:
/// - `record_type` is a record as the protocol reads it. `decode_record(bytes)` takes one spelling of each, or fails
///   with `decode`. `link_of(r)` is what links it, without author and content. `check(r, link)` judges what the record
///   alone shows, and sets the author where it accepts. `check_child(r, parent)` judges it beside its parent.
///   `is_first(link)` says whether it may be without a parent.
/// - `decode_blob(bytes)`, `check_blob(b)` and `encode_blob(b)` do the same for blobs; `not_found(id)` is the answer of
///   who does not have one, and `is_not_found(b)` tells.
/// - `topic(kind)`, `protocol_name(question)` and `caps(question)` are names and bounds.
/// - The others encode questions and answers and decode them; a head whose height does not fit 64 bits decodes to none.
///   `decode_page` gives views of its argument.
/// No function fails but by its result, none remembers anything. O(size), and a signature for `check`.
template <class P>
concept linked_protocol = requires(P const& p, byte_view in, typename P::record_type const& r, record& link,
                                   blob const& b, digest const& id, kind k, question q, page_ask const& ask,
                                   std::vector<bytes> const& page) {
    { P::record_size_max } -> std::convertible_to<std::size_t>;
    { P::blob_size_max } -> std::convertible_to<std::size_t>;
    { P::page_max } -> std::convertible_to<std::uint32_t>;
    { p.decode_record(in) } -> std::same_as<result<typename P::record_type>>;
    { p.link_of(r) } -> std::same_as<result<record>>;
    { p.check(r, link) } -> std::same_as<verdict>;
    { p.check_child(r, r) } -> std::same_as<verdict>;
    { p.is_first(link) } -> std::same_as<bool>;
    { p.decode_blob(in) } -> std::same_as<result<blob>>;
    { p.check_blob(b) } -> std::same_as<verdict>;
    { p.encode_blob(b) } -> std::same_as<bytes>;
    { p.not_found(id) } -> std::same_as<bytes>;
    { p.is_not_found(b) } -> std::same_as<bool>;
    { p.topic(k) } -> std::same_as<std::string>;
    { p.protocol_name(q) } -> std::same_as<std::string>;
    { p.caps(q) } -> std::same_as<frame_caps>;
    { p.message_hash(k, in) } -> std::same_as<digest>;
    { p.encode_head_ask() } -> std::same_as<bytes>;
    { p.encode_page_ask(ask) } -> std::same_as<bytes>;
    { p.encode_blob_ask(id) } -> std::same_as<bytes>;
    { p.decode_head_ask(in) } -> std::same_as<result<void>>;
    { p.decode_page_ask(in) } -> std::same_as<result<page_ask>>;
    { p.decode_blob_ask(in) } -> std::same_as<result<digest>>;
    { p.encode_head(&r) } -> std::same_as<bytes>;
    { p.decode_head(in) } -> std::same_as<result<std::optional<height>>>;
    { p.encode_page(page) } -> std::same_as<bytes>;
    { p.decode_page(in) } -> std::same_as<result<std::vector<byte_view>>>;
};

/// Says who may sign a record.
///
/// Semantics: `judge(r, link)` accepts, rejects, ignores, or lets it wait for the schedule where the time of the record
/// is not known yet. A signer that a schedule does not know of is never rejected for that.
template <class S, class P>
concept schedule_for = requires(S const& s, typename P::record_type const& r, record const& link) {
    { s.judge(r, link) } -> std::same_as<verdict>;
};

/// Everybody may sign.
struct open_schedule {
    template <class Record>
    [[nodiscard]] verdict judge(Record const&, record const&) const noexcept {
        return verdict::accepted();
    }
};

/// Rules of an application beside those of the protocol: `judge(r, parent)`, where the parent may be null.
template <class V, class P>
concept validator_for = requires(V const& v, typename P::record_type const& r) {
    { v.judge(r, &r) } -> std::same_as<verdict>;
};
/// None.
struct no_more_rules {
    template <class Record>
    [[nodiscard]] verdict judge(Record const&, Record const*) const noexcept {
        return verdict::accepted();
    }
};

}  // namespace muster::feed
