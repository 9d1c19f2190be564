// SPDX-License-Identifier: MIT

/// @file
/// Envelopes and records: as they come, and with a payload of the fuzzer's that is signed, so that it gets past the
/// signature.

#include <muster/peer/record_book.hpp>
#include <muster/peer/routing_record.hpp>

#include <support/node_keys.hpp>

#include "fuzz.hpp"

using namespace muster;
using namespace muster::peer;

namespace {

constexpr timestamp now = from_unix_millis(1'735'689'600'000);

node_key const& key() {
    static node_key const instance{std::move(test::node_keys(0).node)};
    return instance;
}

void take(byte_view content) {
    byte const type[]{0x03, 0x01};
    envelope_purpose const purpose{"libp2p-peer-record", type};
    if (auto const claim = envelope::decode(content, purpose)) {
        auto const again = claim.value().encoded();
        fuzz::require(envelope::decode(again, purpose).value() == claim.value());
        fuzz::require(host_key::decode(claim.value().key().encoded()).value() == claim.value().key());
    }
    if (auto const opened = routing_record::open(content)) {
        fuzz::require(opened.value()->peer == opened.value().who());
        fuzz::require(opened.value()->addresses.size() <= routing_record::addresses_max);
    }
    if (auto const claim = record::read(content, now)) {
        fuzz::require(content.size() <= record::size_max && claim.value().expires > now);
    }
    static record_book book{{64, {}}};
    if (auto const filed = book.take(content, now); filed && filed.value() == filing::added) {
        fuzz::require(equal(book.sealed(record::read(content, now).value().peer, now), content));
    }
    fuzz::require(book.size() <= 64);
}

/// A record of ours has one spelling: what opens is sealed again to the same payload.
void sign_and_take(byte_view payload) {
    envelope_purpose const purpose{"muster/record/v1", as_bytes("/muster/record/1")};
    auto const content = envelope::seal(purpose, payload, key());
    if (!content) return;
    if (auto const opened = record::open(content.value(), now)) {
        auto const again = opened.value()->seal(key()).value();
        fuzz::require(equal(envelope::open(again, purpose).value()->payload(), payload));
    }
    take(content.value());
    byte const type[]{0x03, 0x01};
    take(envelope::seal({"libp2p-peer-record", type}, payload, key()).value());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    if (size > 4'096) return 0;
    fuzz::input in{data, size};
    in.below(2) == 0 ? take(in.rest()) : sign_and_take(in.rest());
    return 0;
}
