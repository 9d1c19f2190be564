// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// The encoding of the protocol: SSZ, byte for byte.
///
/// Fields of fixed size follow each other; a list is represented by an offset of 4 bytes, and comes behind all of them.
/// An encoding is taken only where it is the one that @ref encode writes: exact sizes, offsets that point at the end of
/// the fixed part, booleans of 0 or 1. So a value has one encoding, and one hash.
/// @see ethereum/consensus-specs, ssz/simple-serialize.md.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include <muster/core/bytes.hpp>
#include <muster/core/result.hpp>
#include <muster/feed/errc.hpp>
#include <muster/feed/preconf/types.hpp>

namespace muster::feed::preconf {

namespace detail {

[[nodiscard]] inline error not_ssz(std::string_view what, std::size_t size) {
    return error{errc::decode, text(size, " bytes are no ", what)};
}
inline void append_u32(bytes& out, std::uint32_t v) {
    for (unsigned i = 0; i < 4; ++i) out.push_back(static_cast<byte>(v >> (8 * i)));
}
[[nodiscard]] inline std::uint32_t u32_at(byte_view in, std::size_t at) noexcept {
    std::uint32_t out = 0;
    for (std::size_t i = 0; i < 4; ++i) out |= static_cast<std::uint32_t>(in[at + i]) << (8 * i);
    return out;
}
/// Takes fields from bytes whose number has been checked.
class fixed_fields {
public:
    explicit fixed_fields(byte_view in) noexcept : rest_{in} {}
    [[nodiscard]] byte_view next(std::size_t size) noexcept {
        auto const out = rest_.first(size);
        rest_ = rest_.subspan(size);
        return out;
    }
    [[nodiscard]] uint256 number() noexcept { return uint256::from_little_endian(next(32)); }
    template <class Fixed>
    [[nodiscard]] Fixed fixed() noexcept {
        return Fixed::from(next(Fixed::size()));
    }

private:
    byte_view rest_;
};
inline void append_fields(bytes& out, preconfirmation const& p) {
    out.push_back(p.eop ? 1 : 0);
    p.block_number.append_to(out);
    p.timestamp.append_to(out);
    p.gas_limit.append_to(out);
    append(out, p.coinbase.view());
    p.anchor_block_number.append_to(out);
    append(out, p.raw_tx_list_hash.view());
    append(out, p.parent_hash.view());
    p.submission_window_end.append_to(out);
    append(out, p.prover_auth.view());
    p.proposal_id.append_to(out);
}
inline void append_fields(bytes& out, commitment const& c) {
    append_fields(out, c.preconf);
    append(out, c.slasher.view());
}
inline void append_fields(bytes& out, signed_commitment const& s) {
    append_fields(out, s.commitment);
    append(out, s.signature.view());
}

}  // namespace detail

/// The encoding of each type. O(size). @{
[[nodiscard]] inline bytes encode(preconfirmation const& p) {
    bytes out;
    out.reserve(preconfirmation_size);
    detail::append_fields(out, p);
    return out;
}
[[nodiscard]] inline bytes encode(commitment const& c) {
    bytes out;
    out.reserve(commitment_size);
    detail::append_fields(out, c);
    return out;
}
[[nodiscard]] inline bytes encode(signed_commitment const& s) {
    bytes out;
    out.reserve(signed_commitment_size);
    detail::append_fields(out, s);
    return out;
}
[[nodiscard]] inline bytes encode(raw_tx_list const& l) {
    bytes out;
    out.reserve(list_overhead + l.content.size());
    append(out, l.hash.view());
    detail::append_u32(out, list_overhead);
    append(out, l.content);
    return out;
}
[[nodiscard]] inline bytes encode(head const& h) {
    bytes out;
    out.reserve(head_size);
    h.block_number.append_to(out);
    h.submission_window_end.append_to(out);
    return out;
}
[[nodiscard]] inline bytes encode(page_request const& r) {
    bytes out;
    out.reserve(page_request_size);
    r.start.append_to(out);
    detail::append_u32(out, r.count_max);
    return out;
}
/// A container of one empty list: just its offset.
[[nodiscard]] inline bytes encode_head_request() { return {4, 0, 0, 0}; }
/// The answer to a page_request, of commitments that are encoded already. Expects at most `page_max` of them.
[[nodiscard]] inline bytes encode_page(std::vector<bytes> const& commitments) {
    bytes out;
    out.reserve(4 + commitments.size() * signed_commitment_size);
    detail::append_u32(out, 4);
    for (auto const& c : commitments) append(out, c);
    return out;
}
/// @}

/// What the bytes encode, or `decode`. Never reads beyond them. O(size). @{
[[nodiscard]] inline result<signed_commitment> decode_signed_commitment(byte_view in) {
    if (in.size() != signed_commitment_size || in[0] > 1) return detail::not_ssz("SignedCommitment", in.size());
    detail::fixed_fields f{in};
    signed_commitment out;
    auto& p = out.commitment.preconf;
    p.eop = f.next(1)[0] == 1;
    p.block_number = f.number();
    p.timestamp = f.number();
    p.gas_limit = f.number();
    p.coinbase = f.fixed<address>();
    p.anchor_block_number = f.number();
    p.raw_tx_list_hash = f.fixed<digest32>();
    p.parent_hash = f.fixed<digest32>();
    p.submission_window_end = f.number();
    p.prover_auth = f.fixed<address>();
    p.proposal_id = f.number();
    out.commitment.slasher = f.fixed<address>();
    out.signature = f.fixed<crypto::recoverable_signature>();
    return out;
}
/// The list of a message or an answer; of at most `tx_list_size_max` bytes, and perhaps none.
[[nodiscard]] inline result<raw_tx_list> decode_raw_tx_list(byte_view in) {
    if (in.size() < list_overhead || in.size() > list_overhead + tx_list_size_max ||
        detail::u32_at(in, 32) != list_overhead) {
        return detail::not_ssz("RawTxList", in.size());
    }
    return raw_tx_list{digest32::from(in.first(32)), to_bytes(in.subspan(list_overhead))};
}
/// The same with the number of the anchor block, which the first generation of the protocol put into answers.
[[nodiscard]] inline result<raw_tx_list> decode_raw_tx_list_with_anchor(byte_view in) {
    constexpr std::size_t overhead = list_overhead + 32;
    if (in.size() < overhead || in.size() > overhead + tx_list_size_max || detail::u32_at(in, 64) != overhead) {
        return detail::not_ssz("RawTxList with an anchor", in.size());
    }
    return raw_tx_list{digest32::from(in.first(32)), to_bytes(in.subspan(overhead))};
}
[[nodiscard]] inline result<head> decode_head(byte_view in) {
    if (in.size() != head_size) return detail::not_ssz("PreconfHead", in.size());
    return head{uint256::from_little_endian(in.first(32)), uint256::from_little_endian(in.subspan(32))};
}
[[nodiscard]] inline result<void> decode_head_request(byte_view in) {
    if (!equal(in, encode_head_request())) return detail::not_ssz("GetHeadRequest", in.size());
    return ok();
}
[[nodiscard]] inline result<page_request> decode_page_request(byte_view in) {
    if (in.size() != page_request_size) return detail::not_ssz("GetCommitmentsByNumberRequest", in.size());
    return page_request{uint256::from_little_endian(in.first(32)), detail::u32_at(in, 32)};
}
[[nodiscard]] inline result<digest32> decode_list_request(byte_view in) {
    if (in.size() != list_request_size) return detail::not_ssz("GetRawTxListRequest", in.size());
    return digest32::from(in);
}
/// Commitments of an answer, as views of it: each is decoded by who takes it.
[[nodiscard]] inline result<std::vector<byte_view>> decode_page(byte_view in) {
    auto const body = in.size() < 4 ? 0 : in.size() - 4;
    if (in.size() < 4 || detail::u32_at(in, 0) != 4 || body % signed_commitment_size != 0 ||
        body / signed_commitment_size > page_max) {
        return detail::not_ssz("GetCommitmentsByNumberResponse", in.size());
    }
    std::vector<byte_view> out;
    out.reserve(body / signed_commitment_size);
    for (std::size_t at = 4; at < in.size(); at += signed_commitment_size) {
        out.push_back(in.subspan(at, signed_commitment_size));
    }
    return out;
}
/// @}

}  // namespace muster::feed::preconf
