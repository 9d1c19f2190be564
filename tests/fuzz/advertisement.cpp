// SPDX-License-Identifier: MIT

/// @file
/// Advertisements of signers: as they come, and with a payload of the fuzzer's that is signed; a directory takes both.

#include <muster/discovery/signer_directory.hpp>

#include <support/advertisements.hpp>

#include "fuzz.hpp"

using namespace muster;
using discovery::signer_advertisement;

namespace {

constexpr timestamp now = test::at(1);

peer::key_set const& keys() {
    static auto const instance = test::node_keys(1);
    return instance;
}

void take(byte_view content) {
    static discovery::signer_directory<> directory{{.signers_max = 16}};
    effect_list<discovery::directory_event> told;
    auto const claim = signer_advertisement::read(content, now);
    auto const filed = directory.take(content, keys().node.id(), discovery::source::gossip, now, told);
    if (filed) {
        fuzz::require(claim && content.size() <= signer_advertisement::size_max);
        fuzz::require(claim.value().addresses.size() <= signer_advertisement::addresses_max);
    }
    if (filed && filed.value() == discovery::filing::discovered) {
        fuzz::require(directory.find(claim.value().signer, now)->what == claim.value());
    }
    fuzz::require(directory.size(now) <= 16);
    fuzz::require(directory.contradictions().size() <= discovery::directory_options{}.contradictions_max);
}

/// What opens has one spelling.
void sign_and_take(byte_view payload) {
    peer::envelope_purpose const purpose{"muster/signer/v1", as_bytes("/muster/signer/1")};
    auto const content = peer::envelope::seal(purpose, payload, keys().node);
    if (!content) return;
    if (auto const opened = signer_advertisement::open(content.value(), now)) {
        auto const again = opened.value()->seal(keys().node).value();
        fuzz::require(equal(peer::envelope::open(again, purpose).value()->payload(), payload));
    }
    take(content.value());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    if (size > 2'048) return 0;
    fuzz::input in{data, size};
    in.below(2) == 0 ? take(in.rest()) : sign_and_take(in.rest());
    return 0;
}
