// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// The one kind of frame that gossipsub nodes exchange: an RPC of subscriptions, messages and control.
///
/// Idea: a peer chooses every number in a frame, so nothing is counted after it was collected. The decoder counts each
/// element as it comes and stops at the first one beyond a limit; it copies nothing, and what it collects are views of
/// the frame in lists that are used again for the next one.
///
/// The layouts are those of gossipsub 1.0, 1.1 (peer exchange and back-off in a prune) and 1.2 (idontwant). What later
/// versions add, such as the extensions of 1.3 in field 6 of the control message, is skipped.
/// @see libp2p specs, pubsub/gossipsub/gossipsub-v1.0.md, -v1.1.md and -v1.2.md, "Protobuf".

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include <muster/core/bytes.hpp>
#include <muster/core/result.hpp>
#include <muster/gossip/errc.hpp>
#include <muster/wire/protobuf.hpp>

namespace muster::gossip::rpc {

/// What one RPC may hold. Beyond any of these it is refused as a whole, and costs its sender.
struct rpc_limits {
    std::size_t size_max = 4u << 20;          ///< Bytes of the frame. js-libp2p 17 takes as much.
    std::size_t messages_max = 5000;          ///< Published messages. js-libp2p's `decodeRpcLimits`.
    std::size_t message_size_max = 1u << 20;  ///< Bytes of one message. pubsub/README.md: "say 1 MiB".
    std::size_t subscriptions_max = 5000;     ///< js-libp2p's `decodeRpcLimits`.
    std::size_t control_max = 5000;           ///< Control entries: ihave, iwant, graft, prune, idontwant. As above.
    std::size_t ids_max = 5000;               ///< Message ids of one kind: ihave, iwant, idontwant. As above.
    std::size_t px_max = 16;                  ///< Peers in one prune. As above.
    std::size_t record_size_max = 4096;       ///< Bytes of one signed peer record. Ours.
    std::size_t topic_size_max = 256;         ///< Bytes of a topic's name. Ours.
};

/// Elements of an RPC, borrowed from the frame.
/// @{
struct subscription_view {
    bool subscribe = false;
    std::string_view topic;
    bool operator==(subscription_view const&) const = default;
};
/// A part of one of the lists of an @ref rpc_view.
struct part {
    std::size_t first = 0;
    std::size_t count = 0;
    bool operator==(part const&) const = default;
};
struct ihave_view {
    std::string_view topic;
    part ids;  ///< Of `ihave_ids`.
    bool operator==(ihave_view const&) const = default;
};
struct px_view {
    byte_view peer;
    byte_view record;  ///< A signed envelope; empty when the sender has none.
};
struct prune_view {
    std::string_view topic;
    std::optional<std::uint64_t> backoff;  ///< Seconds, any number.
    part px;                               ///< Of `px`.
};
/// @}

/// What an RPC holds. The lists keep their memory from one frame to the next.
struct rpc_view {
    std::vector<subscription_view> subscriptions;
    std::vector<byte_view> messages;  ///< Encoded messages; see message.hpp.
    std::vector<ihave_view> ihave;
    std::vector<byte_view> ihave_ids;
    std::vector<byte_view> iwant_ids;
    std::vector<std::string_view> grafts;
    std::vector<prune_view> prunes;
    std::vector<px_view> px;
    std::vector<byte_view> idontwant_ids;
    std::size_t idontwants = 0;  ///< Control entries of that kind.
    std::size_t controls = 0;    ///< Control entries of all kinds.

    /// Whether there is nothing in it that anybody could act upon.
    [[nodiscard]] bool empty() const noexcept { return subscriptions.empty() && messages.empty() && controls == 0; }
    void clear() noexcept {
        subscriptions.clear();
        messages.clear();
        ihave.clear();
        ihave_ids.clear();
        iwant_ids.clear();
        grafts.clear();
        prunes.clear();
        px.clear();
        idontwant_ids.clear();
        idontwants = controls = 0;
    }
};

namespace detail {

/// Reads one RPC into lists. Each function returns false at the first element that is one too many or malformed.
class rpc_reader {
public:
    rpc_reader(rpc_limits const& l, rpc_view& out) noexcept : limits_{l}, out_{out} {}

    [[nodiscard]] result<void> read(byte_view frame) {
        out_.clear();
        if (frame.size() > limits_.size_max) {
            return error{errc::limit_exceeded, text("an RPC of ", frame.size(), " bytes, at most ", limits_.size_max)};
        }
        (void)walk(frame, [&](std::uint32_t tag, std::uint64_t, byte_view content) {
            switch (tag) {
                case 1: return subscription(content);
                case 2: return message(content);
                case 3: return control(content);
                default: return true;
            }
        });
        if (error_) return *error_;
        return ok();
    }

private:
    // True when the whole of @p message was walked through.
    template <class Visit>
    [[nodiscard]] bool walk(byte_view message, Visit visit) {
        auto const walked = muster::wire::for_each_field(message, visit);
        if (!walked && !error_) error_ = walked.error();
        return !error_;
    }
    [[nodiscard]] bool within(std::size_t value, std::size_t limit, std::string_view what) {
        if (value <= limit) return true;
        if (!error_) error_.emplace(errc::limit_exceeded, text(value, " ", what, ", at most ", limit));
        return false;
    }
    [[nodiscard]] bool topic(byte_view content, std::string_view& into) {
        into = {reinterpret_cast<char const*>(content.data()), content.size()};
        return within(content.size(), limits_.topic_size_max, "bytes of a topic");
    }

    [[nodiscard]] bool subscription(byte_view content) {
        if (!within(out_.subscriptions.size() + 1, limits_.subscriptions_max, "subscriptions")) return false;
        subscription_view s;
        if (!walk(content, [&](std::uint32_t tag, std::uint64_t number, byte_view value) {
                if (tag == 1) s.subscribe = number != 0;
                return tag != 2 || topic(value, s.topic);
            })) {
            return false;
        }
        out_.subscriptions.push_back(s);
        return true;
    }
    [[nodiscard]] bool message(byte_view content) {
        if (!within(out_.messages.size() + 1, limits_.messages_max, "messages") ||
            !within(content.size(), limits_.message_size_max, "bytes of a message")) {
            return false;
        }
        out_.messages.push_back(content);
        return true;
    }
    [[nodiscard]] bool control(byte_view content) {
        // A message that comes more than once is one message; but empty ones must not come without end.
        if (!within(++control_messages_, limits_.control_max, "control messages")) return false;
        return walk(content, [&](std::uint32_t tag, std::uint64_t, byte_view value) {
            if (tag < 1 || tag > 5) return true;
            if (!within(++out_.controls, limits_.control_max, "control entries")) return false;
            switch (tag) {
                case 1: return ihave(value);
                case 2: return ids(value, out_.iwant_ids);
                case 3: return graft(value);
                case 4: return prune(value);
                default: ++out_.idontwants; return ids(value, out_.idontwant_ids);
            }
        });
    }
    [[nodiscard]] bool ihave(byte_view content) {
        ihave_view v;
        v.ids.first = out_.ihave_ids.size();
        if (!walk(content, [&](std::uint32_t tag, std::uint64_t, byte_view value) {
                if (tag == 1) return topic(value, v.topic);
                return tag != 2 || id(value, out_.ihave_ids);
            })) {
            return false;
        }
        v.ids.count = out_.ihave_ids.size() - v.ids.first;
        out_.ihave.push_back(v);
        return true;
    }
    [[nodiscard]] bool ids(byte_view content, std::vector<byte_view>& into) {
        return walk(content,
                    [&](std::uint32_t tag, std::uint64_t, byte_view value) { return tag != 1 || id(value, into); });
    }
    [[nodiscard]] bool id(byte_view value, std::vector<byte_view>& into) {
        if (!within(into.size() + 1, limits_.ids_max, "message ids")) return false;
        into.push_back(value);
        return true;
    }
    [[nodiscard]] bool graft(byte_view content) {
        std::string_view name;
        if (!walk(content,
                  [&](std::uint32_t tag, std::uint64_t, byte_view value) { return tag != 1 || topic(value, name); })) {
            return false;
        }
        out_.grafts.push_back(name);
        return true;
    }
    [[nodiscard]] bool prune(byte_view content) {
        prune_view v;
        v.px.first = out_.px.size();
        if (!walk(content, [&](std::uint32_t tag, std::uint64_t number, byte_view value) {
                if (tag == 1) return topic(value, v.topic);
                if (tag == 3) v.backoff = number;
                return tag != 2 || px(value, v.px.first);
            })) {
            return false;
        }
        v.px.count = out_.px.size() - v.px.first;
        out_.prunes.push_back(v);
        return true;
    }
    [[nodiscard]] bool px(byte_view content, std::size_t first) {
        if (!within(out_.px.size() - first + 1, limits_.px_max, "peers in a prune") ||
            !within(out_.px.size() + 1, limits_.ids_max, "peers in prunes")) {
            return false;
        }
        px_view v;
        if (!walk(content, [&](std::uint32_t tag, std::uint64_t, byte_view value) {
                if (tag == 1) v.peer = value;
                if (tag == 2) v.record = value;
            })) {
            return false;
        }
        if (!within(v.record.size(), limits_.record_size_max, "bytes of a peer record")) return false;
        out_.px.push_back(v);
        return true;
    }

    rpc_limits const& limits_;
    rpc_view& out_;
    std::size_t control_messages_ = 0;
    std::optional<error> error_;
};

}  // namespace detail

/// Reads an RPC into @p out, whose former content is gone. The views live as long as @p frame. O(size).
/// @return `wire.malformed`, or `limit_exceeded`; @p out then holds nothing to rely on.
[[nodiscard]] inline result<void> decode_rpc(byte_view frame, rpc_limits const& limits, rpc_view& out) {
    return detail::rpc_reader{limits, out}.read(frame);
}

}  // namespace muster::gossip::rpc
