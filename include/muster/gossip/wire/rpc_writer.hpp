// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Writes RPCs. What is said to one peer at one time is collected and becomes one frame; a message is a frame of its
/// own, which all peers that it goes to share.
/// @see rpc.hpp for the layout.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <muster/core/bytes.hpp>
#include <muster/gossip/message_id.hpp>
#include <muster/peer/peer_id.hpp>
#include <muster/wire/protobuf.hpp>
#include <muster/wire/varint.hpp>

namespace muster::gossip::rpc {

/// A peer to exchange.
struct px_entry {
    peer::peer_id peer;
    bytes record;  ///< Its signed envelope; empty when there is none.
    bool operator==(px_entry const&) const = default;
};
/// A prune.
struct prune_entry {
    std::string topic;
    std::uint64_t backoff_seconds = 0;  ///< Left out when it is 0.
    std::vector<px_entry> px;
    bool operator==(prune_entry const&) const = default;
};
/// Ids of one topic.
struct ihave_entry {
    std::string topic;
    std::vector<message_id> ids;
    bool operator==(ihave_entry const&) const = default;
};

/// Everything but messages that one RPC can say.
struct rpc_content {
    std::vector<std::pair<std::string, bool>> subscriptions;  ///< Topic, and whether it is subscribed to.
    std::vector<ihave_entry> ihave;
    std::vector<message_id> iwant;
    std::vector<std::string> grafts;
    std::vector<prune_entry> prunes;
    std::vector<message_id> idontwant;

    [[nodiscard]] bool empty() const noexcept {
        return subscriptions.empty() && ihave.empty() && iwant.empty() && grafts.empty() && prunes.empty() &&
               idontwant.empty();
    }
    bool operator==(rpc_content const&) const = default;
};

namespace detail {
inline void write_ids(muster::wire::protobuf_writer& control, std::uint32_t tag, std::vector<message_id> const& ids) {
    if (ids.empty()) return;
    muster::wire::protobuf_writer list;
    for (auto const& id : ids) list.content(1, id.view());
    control.content(tag, list.view());
}
[[nodiscard]] inline bytes encode_prune(prune_entry const& p) {
    muster::wire::protobuf_writer out;
    out.content(1, p.topic);
    for (auto const& each : p.px) {
        muster::wire::protobuf_writer peer;
        peer.content(1, each.peer.view());
        if (!each.record.empty()) peer.content(2, each.record);
        out.content(2, peer.view());
    }
    if (p.backoff_seconds != 0) out.number(3, p.backoff_seconds);
    return out.take();
}
}  // namespace detail

/// The frame that says @p c; empty when that is nothing.
[[nodiscard]] inline bytes encode_rpc(rpc_content const& c) {
    muster::wire::protobuf_writer out, control;
    for (auto const& [topic, subscribe] : c.subscriptions) {
        muster::wire::protobuf_writer one;
        one.number(1, subscribe ? 1 : 0).content(2, topic);
        out.content(1, one.view());
    }
    for (auto const& each : c.ihave) {
        muster::wire::protobuf_writer one;
        one.content(1, each.topic);
        for (auto const& id : each.ids) one.content(2, id.view());
        control.content(1, one.view());
    }
    detail::write_ids(control, 2, c.iwant);
    for (auto const& topic : c.grafts) {
        muster::wire::protobuf_writer one;
        one.content(1, topic);
        control.content(3, one.view());
    }
    for (auto const& each : c.prunes) control.content(4, detail::encode_prune(each));
    detail::write_ids(control, 5, c.idontwant);
    if (!control.empty()) out.content(3, control.view());
    return out.take();
}

/// The frame that publishes @p message, an encoded message.
[[nodiscard]] inline bytes encode_publish(byte_view message) {
    bytes out;
    out.reserve(message.size() + 1 + muster::wire::varint_size_max);
    out.push_back(0x12);  // field 2, length-delimited
    muster::wire::append_varint(out, message.size());
    append(out, message);
    return out;
}

}  // namespace muster::gossip::rpc
