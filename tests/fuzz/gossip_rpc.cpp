// SPDX-License-Identifier: MIT

/// @file
/// RPCs and messages of anybody: what is read lies within the frame and within the limits, and what is signed is what
/// was sent without two fields.

#include <muster/gossip/wire/message.hpp>
#include <muster/gossip/wire/rpc.hpp>

#include "fuzz.hpp"

using namespace muster;
using namespace muster::gossip;

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    byte_view const frame{data, size};
    rpc::rpc_limits limits;
    limits.messages_max = limits.subscriptions_max = limits.control_max = limits.ids_max = 5;
    limits.px_max = 2;
    limits.topic_size_max = 8;
    limits.message_size_max = 64;
    limits.record_size_max = 8;
    rpc::rpc_view v;
    if (rpc::decode_rpc(frame, limits, v)) {
        auto const inside = [&](byte_view part) {
            fuzz::require(part.empty() || (part.data() >= data && part.data() + part.size() <= data + size));
        };
        fuzz::require(v.messages.size() <= 5 && v.subscriptions.size() <= 5 && v.controls <= 5);
        fuzz::require(v.ihave_ids.size() <= 5 && v.iwant_ids.size() <= 5 && v.idontwant_ids.size() <= 5);
        for (auto const& m : v.messages) inside(m);
        for (auto const& s : v.subscriptions) fuzz::require(s.topic.size() <= 8);
        for (auto const& i : v.ihave) fuzz::require(i.ids.first + i.ids.count <= v.ihave_ids.size());
        for (auto const& p : v.prunes) fuzz::require(p.px.count <= 2 && p.px.first + p.px.count <= v.px.size());
        for (auto const& p : v.px) inside(p.record), inside(p.peer);
    }
    if (auto const m = rpc::decode_message(frame)) {
        auto const covered = rpc::signed_part(frame);
        fuzz::require(covered.size() >= rpc::signing_prefix.size());
        auto const rest = byte_view{covered}.subspan(rpc::signing_prefix.size());
        auto const again = rpc::decode_message(rest);
        fuzz::require(again && !again.value().signature && !again.value().key);
        fuzz::require(equal(again.value().data, m.value().data) && again.value().topic == m.value().topic);
        // A field of that number is left out whatever its type; without one nothing is.
        fuzz::require(rest.size() <= size && (rest.size() < size) == !equal(rest, frame));
    } else {
        fuzz::require(rpc::signed_part(frame).empty());
    }
    return 0;
}
