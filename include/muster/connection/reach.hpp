// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Where an address leads, as far as that can be told from it: whether it may be anywhere in the world, and which
/// addresses are the same machine or its neighbours'.
///
/// Source: the special-purpose registries of RFC 6890; RFC 4291 for mapped addresses and the /64 of a link.

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <muster/core/bytes.hpp>
#include <muster/core/error.hpp>
#include <muster/peer/multiaddr.hpp>

namespace muster::connection {

namespace detail {

inline constexpr std::size_t mapped_prefix_size = 12;  // ::ffff:0:0/96
[[nodiscard]] inline bool is_mapped(byte_view ip6) {
    return std::all_of(ip6.begin(), ip6.begin() + 10, [](byte b) { return b == 0; }) && ip6[10] == 0xff &&
           ip6[11] == 0xff;
}
[[nodiscard]] inline bool is_global_ip4(byte_view ip) {
    auto const a = ip[0], b = ip[1];
    bool const is_special = a == 0 || a == 10 || a == 127 || a >= 224 || (a == 100 && (b & 0xc0) == 64) ||
                            (a == 169 && b == 254) || (a == 172 && (b & 0xf0) == 16) || (a == 192 && b == 168) ||
                            (a == 192 && b == 0 && (ip[2] == 0 || ip[2] == 2)) || (a == 198 && (b & 0xfe) == 18) ||
                            (a == 198 && b == 51 && ip[2] == 100) || (a == 203 && b == 0 && ip[2] == 113);
    return !is_special;
}

}  // namespace detail

/// Whether @p address begins with an IP address.
[[nodiscard]] inline bool starts_with_ip(peer::multiaddr const& address) {
    auto const path = address.components();
    return !path.empty() &&
           (path[0].protocol == peer::address_protocol::ip4 || path[0].protocol == peer::address_protocol::ip6);
}
/// Whether it begins with an IP address that may be anywhere in the world: neither of this machine or its network, nor
/// of many, nor of documentation.
[[nodiscard]] inline bool is_global(peer::multiaddr const& address) {
    if (!starts_with_ip(address)) return false;
    auto const path = address.components();
    auto const ip = path[0].value;
    if (path[0].protocol == peer::address_protocol::ip4) return detail::is_global_ip4(ip);
    if (detail::is_mapped(ip)) return detail::is_global_ip4(ip.subspan(detail::mapped_prefix_size));
    bool const is_documentation = ip[0] == 0x20 && ip[1] == 0x01 && ip[2] == 0x0d && ip[3] == 0xb8;
    return (ip[0] & 0xe0) == 0x20 && !is_documentation;  // 2000::/3
}
/// Those of @p told, by strangers, that may be dialled. Who dials a name, or an address of his own network, because a
/// stranger has written it dials whatever the stranger wants. @p takes_private lets addresses within private networks
/// pass: for a group within one.
[[nodiscard]] inline std::vector<peer::multiaddr> dialable(std::vector<peer::multiaddr> told, bool takes_private) {
    std::erase_if(told, [&](auto const& a) { return takes_private ? !starts_with_ip(a) : !is_global(a); });
    return told;
}
/// Where an address is from, as far as an attacker must pay for it: the /16 of IPv4, the /32 of IPv6, the name of a
/// host that is known by name.
[[nodiscard]] inline std::string group_of(peer::multiaddr const& address) {
    auto const path = address.components();
    if (path.empty()) return {};
    auto const size = path[0].protocol == peer::address_protocol::ip4   ? std::size_t{2}
                      : path[0].protocol == peer::address_protocol::ip6 ? std::size_t{4}
                                                                        : path[0].value.size();
    auto const kept = path[0].value.first(std::min(size, path[0].value.size()));
    return text(static_cast<std::uint64_t>(path[0].protocol), ":") + std::string{kept.begin(), kept.end()};
}

/// Names the machine behind @p address: equal for all ports of it, for both spellings of an IPv4 address, and for the
/// addresses of a /64 of IPv6, which mostly has one owner.
[[nodiscard]] inline std::string machine_of(peer::multiaddr const& address) {
    if (!starts_with_ip(address)) return address.host().value_or(address.to_text());
    auto const path = address.components();
    auto ip = path[0].value;
    if (ip.size() == 16) ip = detail::is_mapped(ip) ? ip.subspan(detail::mapped_prefix_size) : ip.first(8);
    return {ip.begin(), ip.end()};
}

}  // namespace muster::connection
