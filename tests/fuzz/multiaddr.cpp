// SPDX-License-Identifier: MIT

/// @file
/// Every text and any bytes are an address or refused; an address has one text and one binary form.

#include <muster/peer/multiaddr.hpp>

#include "fuzz.hpp"

using namespace muster;
using peer::multiaddr;

namespace {

void check(multiaddr const& address) {
    fuzz::require(multiaddr::from_text(address.to_text()).value() == address);
    fuzz::require(multiaddr::from_bytes(address.bytes()).value() == address);
    fuzz::require(address.bytes().size() <= multiaddr::size_max);
    fuzz::require(address.components().size() <= multiaddr::components_max);
    std::string text;
    for (auto const& c : address.components()) {
        auto const& entry = peer::detail::entry_of(c.protocol);
        fuzz::require(peer::detail::is_value(entry.kind, c.value));
        text.append("/").append(entry.name);
        if (entry.kind != peer::detail::value_kind::none) {
            auto const written = peer::detail::value_text(entry.kind, c.value);
            fuzz::require(written.find('/') == std::string::npos);
            text.append("/").append(written);
        }
    }
    fuzz::require(text == address.to_text());
    fuzz::require(address.is_relayed() || address.kind() != peer::address_kind::relay);
    (void)address.host();
    (void)address.tcp_port();
    (void)address.peer();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    if (auto const address = multiaddr::from_bytes({data, size})) {
        fuzz::require(equal(address.value().bytes(), {data, size}));
        check(address.value());
    }
    if (auto const address = multiaddr::from_text({reinterpret_cast<char const*>(data), size})) check(address.value());
    return 0;
}
