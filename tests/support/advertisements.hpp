// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Advertisements of signers for tests.

#include <muster/discovery/signer_advertisement.hpp>

#include <support/node_keys.hpp>

namespace muster::test {

/// A moment of the tests' era, and @p milliseconds after it.
[[nodiscard]] constexpr timestamp at(std::int64_t milliseconds) {
    return from_unix_millis(1'800'000'000'000 + milliseconds);
}

/// What signer @p i says of itself at `at(0)`, for half an hour.
[[nodiscard]] inline discovery::signer_advertisement advertisement_of(std::size_t i) {
    auto const keys = node_keys(i);
    discovery::signer_advertisement out{keys.signer.public_key(), keys.node.id(),
                                        peer::bind(keys.signer, keys.node.id()).value(), 1};
    out.addresses = {peer::multiaddr::from_text(text("/ip4/192.0.2.", i % 250 + 1, "/tcp/4001")).value()};
    out.types = {discovery::transaction_type::spend};
    out.nickname = text("signer ", i);
    out.issued = at(0);
    out.expires = at(0) + std::chrono::minutes{30};
    return out;
}

/// The withdrawal of @p a, issued at @p now.
[[nodiscard]] inline discovery::signer_advertisement withdrawal_of(discovery::signer_advertisement const& a,
                                                                   timestamp now) {
    discovery::signer_advertisement out{a.signer, a.machine, a.binding, a.sequence + 1};
    out.issued = out.expires = now;
    return out;
}

/// @p a signed by @p key, whether or not anybody would take it. An independent writer of the format.
[[nodiscard]] inline bytes seal_unchecked(discovery::signer_advertisement const& a, peer::node_key const& key) {
    wire::writer out;
    out.raw(a.signer.view()).sized(a.machine.view()).raw(a.binding.view()).u64(a.sequence);
    out.size(a.addresses.size());
    for (auto const& x : a.addresses) out.sized(x.bytes());
    out.size(a.capabilities.size());
    for (auto const& c : a.capabilities) out.sized(c);
    out.size(a.types.size());
    for (auto const t : a.types) out.u8(static_cast<std::uint8_t>(t));
    out.u64(a.amount_from).u64(a.amount_to).u64(a.fee).sized(a.nickname);
    out.i64(to_unix_millis(a.issued)).i64(to_unix_millis(a.expires));
    return peer::envelope::seal({"muster/signer/v1", as_bytes("/muster/signer/1")}, out.take(), key).value();
}

}  // namespace muster::test
