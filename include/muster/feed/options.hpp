// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// How a feed is configured. Where the source of a default is G1, it is what the first generation of the protocol's
/// client has (taiko-mono at bf4657c2ef, P2pClientConfig and NetworkConfig).

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include <muster/core/backoff.hpp>
#include <muster/core/result.hpp>
#include <muster/core/time.hpp>
#include <muster/feed/errc.hpp>

namespace muster::feed {

/// Of the network under a feed.
struct network_options {
    duration heartbeat = std::chrono::milliseconds{500};  ///< Of gossip. G1.
    std::size_t mesh_size = 8;                            ///< D. Kona's.
    std::size_t mesh_low = 6;                             ///< D_low. Kona's.
    std::size_t mesh_high = 12;                           ///< D_high. Kona's.
    std::size_t mesh_lazy = 6;                            ///< D_lazy. Kona's.
    std::size_t requests_per_protocol = 8;                ///< Of one peer in a window, of each kind of question. G1.
};

/// Of a feed. An aggregate, with setters that can be chained.
struct options {
    network_options network = {};
    std::uint64_t chain_id = 167'000;                     ///< In the names of topics and protocols. G1.
    std::size_t command_queue = 256;                      ///< Requests of the application that wait for an answer. G1.
    std::size_t event_queue = 256;                        ///< Events that a slow subscriber may be behind. G1.
    std::size_t records_max = 1024;                       ///< Stored; then the lowest go. G1.
    std::size_t blob_bytes_max = 16u << 20;               ///< Of stored blobs; then those of the lowest records go. G1.
    std::size_t pending_keys_max = 512;                   ///< Parents, blobs that are waited for. G1.
    duration pending_ttl = std::chrono::seconds{300};     ///< How long something waits. G1.
    std::size_t pending_per_key = 8;                      ///< Records that wait for the same. Ours.
    std::size_t pending_per_peer = 128;                   ///< Records that one peer may make wait. Ours.
    std::size_t pending_bytes_max = 1u << 20;             ///< Of all that waits. Ours.
    duration request_timeout = std::chrono::seconds{10};  ///< Until a peer counts as silent. G1.
    duration bootstrap_timeout = std::chrono::seconds{60};  ///< In which a state of catching up must get on. Ours.
    std::uint32_t records_per_page = 256;                   ///< Asked for at once. G1.
    bool metrics = true;                                    ///< Whether the observer is told. G1.
    bool wait_for_blobs =
        false;               ///< Whether a record is accepted only when its blob is here. The protocol does not ask.
    bool soft_fail = false;  ///< What cannot be judged for want of a schedule is dropped instead of kept. G1.
    std::chrono::seconds slot_grace{1};  ///< By which the end of a slot may differ, and a signer be late. G1.
    std::string storage_path = {};       ///< Of a database; empty: in memory only. G1 has a switch.
    std::size_t message_ids_max = 4096;  ///< Remembered of messages that came. G1.
    duration message_id_ttl = std::chrono::seconds{120};                           ///< How long. G1.
    backoff::options retry = {std::chrono::seconds{2}, std::chrono::seconds{30}};  ///< Between attempts. G1.
    std::size_t retry_budget = 5;                                                  ///< Attempts at one thing. G1.
    std::size_t request_limit = 50;                      ///< Of one peer in a window, of all kinds. G1.
    duration request_window = std::chrono::seconds{10};  ///< G1.
    std::size_t peers_max = 4096;                        ///< Whose requests are counted. Ours.
    std::size_t blob_window = 64;                        ///< Blobs asked for at once. Ours.
    std::uint64_t heads_ahead_max = 1'000'000;           ///< A head further ahead is not believed. Ours.
    std::size_t heads_min = 3;                      ///< Peers who have told their heads, before they are believed, ...
    duration heads_wait = std::chrono::seconds{2};  ///< ... or how long more of them are waited for. Ours.
    duration head_interval = std::chrono::seconds{12};  ///< Between looks at others' heads. A slot of Ethereum.
    duration blob_grace = std::chrono::seconds{2};      ///< In which a blob may still come by itself. A block of Taiko.

    /// Setters that can be chained. @{
    options& with_network(network_options v) { return network = v, *this; }
    options& with_chain_id(std::uint64_t v) { return chain_id = v, *this; }
    options& with_queues(std::size_t commands, std::size_t events) {
        return command_queue = commands, event_queue = events, *this;
    }
    options& with_cache(std::size_t records, std::size_t blob_bytes) {
        return records_max = records, blob_bytes_max = blob_bytes, *this;
    }
    options& with_pending(std::size_t keys, duration ttl) { return pending_keys_max = keys, pending_ttl = ttl, *this; }
    options& with_request_timeout(duration v) { return request_timeout = v, *this; }
    options& with_bootstrap_timeout(duration v) { return bootstrap_timeout = v, *this; }
    options& with_records_per_page(std::uint32_t v) { return records_per_page = v, *this; }
    options& with_metrics(bool v) { return metrics = v, *this; }
    options& with_soft_fail(bool v) { return soft_fail = v, *this; }
    options& with_slot_grace(std::chrono::seconds v) { return slot_grace = v, *this; }
    options& with_storage(std::string path) { return storage_path = std::move(path), *this; }
    options& with_message_ids(std::size_t most, duration ttl) {
        return message_ids_max = most, message_id_ttl = ttl, *this;
    }
    options& with_backoff(duration min, duration max, std::size_t budget) {
        return retry = {min, max}, retry_budget = budget, *this;
    }
    options& with_request_limit(std::size_t limit, duration window) {
        return request_limit = limit, request_window = window, *this;
    }
    /// @}

    /// Whether the values fit each other. @return `configuration`, which says what does not.
    [[nodiscard]] result<void> check() const {
        auto const refuse = [](std::string what) { return error{errc::configuration, std::move(what)}; };
        if (records_per_page == 0) return refuse("records_per_page is 0: at least one is asked for at once");
        if (records_max == 0 || blob_bytes_max == 0) return refuse("records_max and blob_bytes_max must be positive");
        if (event_queue == 0 || command_queue == 0) return refuse("event_queue and command_queue must be positive");
        if (request_timeout <= duration{0} || bootstrap_timeout < request_timeout) {
            return refuse("0 < request_timeout <= bootstrap_timeout must hold");
        }
        if (retry.min <= duration{0} || retry.max < retry.min) return refuse("0 < retry.min <= retry.max must hold");
        if (retry_budget == 0) return refuse("retry_budget is 0: at least one attempt is needed");
        if (request_limit == 0 || network.requests_per_protocol == 0 || request_window <= duration{0}) {
            return refuse("limits and window of requests must be positive");
        }
        if (slot_grace < std::chrono::seconds{0}) return refuse("slot_grace must not be negative");
        if (head_interval <= duration{0} || blob_window == 0) {
            return refuse("head_interval and blob_window must be positive");
        }
        return ok();
    }
};

}  // namespace muster::feed
