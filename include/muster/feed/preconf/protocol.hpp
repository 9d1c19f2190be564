// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// The rules of the preconfirmation protocol: models @ref feed::linked_protocol.
///
/// Of a commitment alone: its signature recovers under the domain, and is canonical; one that is not the last of its
/// window names a list; its time is not after the end of its window; its slasher is the expected one. Beside its
/// parent: it names that parent by hash, its height is one more, its time is later, and its anchor is not lower. Of a
/// list: it is neither empty nor too large, and hashes to what it claims. Who may sign in which slot is a schedule's
/// matter, see schedule.hpp.
///
/// A commitment whose height does not fit 64 bits is ignored: no chain gets there, and nobody is blamed for what we
/// cannot count.
/// @see taiko-mono, packages/preconfirmation-p2p/docs/specification.md, sections 3 to 6.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <muster/feed/options.hpp>
#include <muster/feed/preconf/hashing.hpp>
#include <muster/feed/protocol.hpp>

namespace muster::feed::preconf {

/// Whether commitments that end a window may name a list. Generations of the protocol differ.
MUSTER_ENUMERATION(eop_rule, 0,
                   may_have_list,  ///< As the specification has it.
                   never_has_list  ///< As the first generation had it.
);

/// Parameters of a network.
struct parameters {
    std::uint64_t chain_id = 167'000;
    signing_domain domain = default_domain();
    std::optional<address> slasher = {};  ///< None: any.
    eop_rule eop = eop_rule::may_have_list;
    std::size_t list_size_max = tx_list_size_max;  ///< Of lists; at most 2 MiB. Networks may agree on less.
    bool answers_with_anchor = false;              ///< The first generation's answers name the anchor block.
};

/// An address in the form of @ref feed::author.
[[nodiscard]] inline author author_of(address const& a) noexcept {
    author out;
    for (std::size_t i = 0; i < a.size(); ++i) out.octets[out.size() - a.size() + i] = a.octets[i];
    return out;
}
/// The inverse.
[[nodiscard]] inline address address_of(author const& a) noexcept {
    return address::from(a.view().last(address::size()));
}

/// The protocol. A value.
class protocol {
public:
    using record_type = signed_commitment;
    static constexpr std::size_t record_size_max = signed_commitment_size;
    static constexpr std::size_t blob_size_max = list_overhead + tx_list_size_max;
    static constexpr std::uint32_t page_max = preconf::page_max;

    explicit protocol(parameters p = {}) : p_{std::move(p)} {}
    [[nodiscard]] static protocol of(options const& o, parameters p = {}) {
        p.chain_id = o.chain_id;
        return protocol{std::move(p)};
    }
    [[nodiscard]] parameters const& params() const noexcept { return p_; }

    // ---- records ----------------------------------------------------------------------------------------

    [[nodiscard]] result<record_type> decode_record(byte_view in) const { return decode_signed_commitment(in); }
    /// @return `validation` when the height does not fit 64 bits.
    [[nodiscard]] result<record> link_of(record_type const& r) const {
        auto const& p = r.commitment.preconf;
        auto const number = p.block_number.narrow();
        if (!number) return error{errc::validation, text("block ", p.block_number.to_text(), " is beyond all chains")};
        record out;
        out.id = hash_of(p);
        out.number = *number;
        out.parent = p.parent_hash;
        if (!p.raw_tx_list_hash.is_zero()) out.blob_id = p.raw_tx_list_hash;
        return out;
    }
    [[nodiscard]] verdict check(record_type const& r, record& link) const {
        auto const& p = r.commitment.preconf;
        bool const has_list = !p.raw_tx_list_hash.is_zero();
        if (p.timestamp > p.submission_window_end) return verdict::rejected("timestamp_after_window");
        if (!p.eop && !has_list) return verdict::rejected("preconf_basic");
        if (p.eop && has_list && p_.eop == eop_rule::never_has_list) return verdict::rejected("preconf_basic");
        if (p_.slasher && r.commitment.slasher != *p_.slasher) return verdict::rejected("slasher_mismatch");
        auto const signer = signer_of(r, p_.domain);
        if (!signer) return verdict::rejected("bad_signature");
        link.author = author_of(signer.value());
        return verdict::accepted();
    }
    [[nodiscard]] verdict check_child(record_type const& child, record_type const& parent) const {
        auto const& c = child.commitment.preconf;
        auto const& p = parent.commitment.preconf;
        if (p.block_number.successor() != std::optional{c.block_number}) return verdict::rejected("block_number");
        if (c.timestamp <= p.timestamp) return verdict::rejected("timestamp");
        if (c.anchor_block_number < p.anchor_block_number) return verdict::rejected("anchor");
        // Who has ended its window has handed over: it has no more to say in it.
        if (p.eop && c.submission_window_end == p.submission_window_end) return verdict::rejected("late_after_eop");
        return verdict::accepted();
    }
    /// The first block of a chain, which is counted from 0 or from 1, has no parent. A higher one that names none is
    /// not believed: it would be the head of the longest chain at once.
    [[nodiscard]] bool is_first(record const& link) const noexcept { return link.parent.is_zero() && link.number <= 1; }

    // ---- blobs ------------------------------------------------------------------------------------------

    [[nodiscard]] result<blob> decode_blob(byte_view in) const {
        auto list = decode_raw_tx_list(in);
        if (!list && p_.answers_with_anchor) list = decode_raw_tx_list_with_anchor(in);
        if (!list) return list.error();
        return blob{list.value().hash, std::move(list.value().content)};
    }
    [[nodiscard]] verdict check_blob(blob const& b) const {
        if (b.id.is_zero()) return verdict::rejected("zero_hash_txlist");
        if (b.content.empty()) return verdict::rejected("empty_txlist");
        if (b.content.size() > p_.list_size_max) return verdict::rejected("txlist_too_large");
        if (hash_of_list(b.content) != b.id) return verdict::rejected("txlist_hash_mismatch");
        return verdict::accepted();
    }
    [[nodiscard]] bytes encode_blob(blob const& b) const { return encode(raw_tx_list{b.id, b.content}); }
    [[nodiscard]] bytes not_found(digest const& id) const { return encode(raw_tx_list{id, {}}); }
    [[nodiscard]] bool is_not_found(blob const& b) const noexcept { return b.content.empty(); }

    // ---- names and bounds -------------------------------------------------------------------------------

    [[nodiscard]] std::string topic(kind k) const {
        return k == kind::record ? commitments_topic(p_.chain_id) : lists_topic(p_.chain_id);
    }
    [[nodiscard]] std::string protocol_name(question q) const {
        return q == question::head   ? head_protocol(p_.chain_id)
               : q == question::page ? page_protocol(p_.chain_id)
                                     : list_protocol(p_.chain_id);
    }
    [[nodiscard]] frame_caps caps(question q) const noexcept {
        return q == question::head   ? frame_caps{head_request_frame_max, head_answer_frame_max}
               : q == question::page ? frame_caps{page_request_frame_max, page_answer_frame_max}
                                     : frame_caps{list_request_frame_max, list_answer_frame_max};
    }
    /// Keccak-256 of the topic and the bytes.
    [[nodiscard]] digest message_hash(kind k, byte_view in) const {
        auto whole = to_bytes(as_bytes(topic(k)));
        append(whole, in);
        return crypto::keccak256(whole);
    }

    // ---- questions and answers --------------------------------------------------------------------------

    [[nodiscard]] bytes encode_head_ask() const { return encode_head_request(); }
    [[nodiscard]] bytes encode_page_ask(page_ask const& a) const { return encode(page_request{a.from, a.count}); }
    [[nodiscard]] bytes encode_blob_ask(digest const& id) const { return to_bytes(id.view()); }
    [[nodiscard]] result<void> decode_head_ask(byte_view in) const { return decode_head_request(in); }
    /// A start beyond 64 bits asks for nothing that there is.
    [[nodiscard]] result<page_ask> decode_page_ask(byte_view in) const {
        MUSTER_TRY(auto const r, decode_page_request(in));
        auto const start = r.start.narrow();
        return page_ask{start.value_or(~height{0}), start ? r.count_max : 0};
    }
    [[nodiscard]] result<digest> decode_blob_ask(byte_view in) const { return decode_list_request(in); }
    [[nodiscard]] bytes encode_head(record_type const* r) const {
        if (r == nullptr) return encode(head{});
        auto const& p = r->commitment.preconf;
        return encode(head{p.block_number, p.submission_window_end});
    }
    [[nodiscard]] result<std::optional<height>> decode_head(byte_view in) const {
        MUSTER_TRY(auto const h, preconf::decode_head(in));
        return h.block_number.narrow();
    }
    [[nodiscard]] bytes encode_page(std::vector<bytes> const& page) const { return preconf::encode_page(page); }
    [[nodiscard]] result<std::vector<byte_view>> decode_page(byte_view in) const { return preconf::decode_page(in); }

private:
    parameters p_;
};

static_assert(linked_protocol<protocol>);

}  // namespace muster::feed::preconf
