// SPDX-License-Identifier: MIT

/// @file
/// What people keep and what guardians say: any bytes are one of them or refused, and what is taken has one spelling.

#include <muster/identity/action_chain.hpp>
#include <muster/identity/guardian_message.hpp>
#include <muster/identity/key_file.hpp>

#include "fuzz.hpp"

using namespace muster;
using namespace muster::identity;

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    if (size > 16'384) return 0;
    fuzz::input in{data, size};
    auto const which = in.below(5);
    auto const content = in.rest();
    if (which == 0) {
        // Nothing is derived here: a header that parses names a cost within its bounds.
        if (auto const file = key_file::read(content)) {
            fuzz::require(static_cast<bool>(standard_kdf::check(file.value().parameters())));
            fuzz::require(content.size() == key_file::size);
        }
    } else if (which == 1) {
        if (auto const a = action::decode(content)) fuzz::require(equal(a.value().encoded(), content));
    } else if (which == 2) {
        if (auto const m = backup_manifest::decode(content)) fuzz::require(equal(m.value().encoded(), content));
    } else if (which == 3) {
        if (auto const m = decode_guardian_message(content)) fuzz::require(equal(encode(m.value()), content));
    } else {
        if (auto const p = fault_proof::decode(content)) fuzz::require(equal(p.value().encoded(), content));
    }
    return 0;
}
