// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What the preconfirmation protocol says: records, lists of transactions, heads and requests.
///
/// A *commitment* is a promise of the next block by whoever may propose in a slot. It names its parent by hash, and the
/// list of transactions by the hash of its compressed bytes, which travel apart from it.
/// @see taiko-mono, packages/preconfirmation-p2p/docs/specification.md, for the fields and their order.

#include <cstddef>
#include <cstdint>
#include <vector>

#include <muster/core/bytes.hpp>
#include <muster/core/fields.hpp>
#include <muster/crypto/hash.hpp>
#include <muster/crypto/recoverable.hpp>
#include <muster/feed/preconf/uint256.hpp>

namespace muster::feed::preconf {

struct address_tag;
/// The last 20 bytes of Keccak-256 of a public key's coordinates.
using address = fixed_bytes<address_tag, 20>;
using crypto::digest32;

/// What is promised of a block.
struct preconfirmation {
    bool eop = false;                    ///< The last one of its proposer's window.
    uint256 block_number = {};           ///< Its height.
    uint256 timestamp = {};              ///< Seconds since 1970.
    uint256 gas_limit = {};              ///< For the layer that executes it.
    address coinbase = {};               ///< Likewise.
    uint256 anchor_block_number = {};    ///< Of the chain below.
    digest32 raw_tx_list_hash = {};      ///< Keccak-256 of the compressed list; zero where there is none.
    digest32 parent_hash = {};           ///< Keccak-256 of the parent's preconfirmation; zero for the first one.
    uint256 submission_window_end = {};  ///< Of the slot in which its signer proposes, in seconds since 1970.
    address prover_auth = {};            ///< For the layer that executes it.
    uint256 proposal_id = {};            ///< Likewise.
    MUSTER_FIELDS(preconfirmation, eop, block_number, timestamp, gas_limit, coinbase, anchor_block_number,
                  raw_tx_list_hash, parent_hash, submission_window_end, prover_auth, proposal_id);
};
/// What is signed.
struct commitment {
    preconfirmation preconf = {};
    address slasher = {};  ///< The contract that punishes a broken promise.
    MUSTER_FIELDS(commitment, preconf, slasher);
};
/// What is published.
struct signed_commitment {
    preconf::commitment commitment = {};
    crypto::recoverable_signature signature = {};
    MUSTER_FIELDS(signed_commitment, commitment, signature);
};
/// A list of transactions, compressed.
struct raw_tx_list {
    digest32 hash = {};  ///< Claimed: Keccak-256 of @ref content.
    bytes content = {};  ///< Empty in an answer: it was not found.
    MUSTER_FIELDS(raw_tx_list, hash, content);
};
/// How far somebody is.
struct head {
    uint256 block_number = {};
    uint256 submission_window_end = {};
    MUSTER_FIELDS(head, block_number, submission_window_end);
};
/// Asks for commitments in the order of their heights.
struct page_request {
    uint256 start = {};           ///< The first height.
    std::uint32_t count_max = 0;  ///< At most so many.
    MUSTER_FIELDS(page_request, start, count_max);
};

/// Sizes, in bytes, of the encodings. @{
inline constexpr std::size_t preconfirmation_size = 297;
inline constexpr std::size_t commitment_size = 317;
inline constexpr std::size_t signed_commitment_size = 382;
inline constexpr std::size_t head_size = 64;
inline constexpr std::size_t head_request_size = 4;
inline constexpr std::size_t page_request_size = 36;
inline constexpr std::size_t list_request_size = 32;
inline constexpr std::size_t list_overhead = 36;  ///< The hash, and the offset of the content.
/// @}

/// Bounds that all nodes of the protocol share. @{
inline constexpr std::size_t tx_list_size_max = 2u << 20;  ///< Of the compressed bytes: 2 MiB.
inline constexpr std::uint32_t page_max = 256;             ///< Commitments in an answer.
inline constexpr std::size_t gossip_size_max = 10u << 20;  ///< Of a message, as Kona has it.
/// @}

/// Bounds of a frame of a request or an answer, checked in both directions. @{
inline constexpr std::size_t head_request_frame_max = 128;
inline constexpr std::size_t head_answer_frame_max = 64u << 10;
inline constexpr std::size_t page_request_frame_max = 512;
inline constexpr std::size_t page_answer_frame_max = page_max * 4096;
inline constexpr std::size_t list_request_frame_max = 256;
inline constexpr std::size_t list_answer_frame_max = tx_list_size_max + 4096;
/// @}

}  // namespace muster::feed::preconf
