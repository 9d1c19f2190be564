// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// The protocols that an address may name, and how the value of each is written in text.
///
/// The table is that of multiaddr, whole: what our transports do not speak is carried, so that the addresses that other
/// nodes tell survive. In binary a value has the size that its kind has, or a length before it; a code that is not in
/// the table cannot be delimited. Each value has one text. Where the table's own text is not a function of the bytes
/// (`unix`, `http-path`, `ip6zone`, `memory`: a path may hold the slash that separates components), bytes other than
/// letters, digits and `-._~` are written as `%2F`, as js-libp2p does it; go-libp2p's unescaped paths are not
/// read. js-libp2p's text of an `http-path` leaves out a slash that the bytes begin with; ours is all of the bytes. A
/// value of `memory` is as long as the length before it says, which rust-libp2p does not send.
/// @see multiformats/multiaddr, protocols.csv; multicodec, table.csv (plaintextv2); RFC 4648; RFC 5952 (IPv6 text).

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <muster/core/bytes.hpp>
#include <muster/core/result.hpp>
#include <muster/peer/peer_id.hpp>
#include <muster/wire/varint.hpp>

namespace muster::peer {

/// Protocols that an address may name, numbered as in the multicodec table.
enum class address_protocol : std::uint32_t {
    ip4 = 4,
    tcp = 6,
    dccp = 33,
    ip6 = 41,
    ip6zone = 42,
    ipcidr = 43,
    dns = 53,
    dns4 = 54,
    dns6 = 55,
    dnsaddr = 56,
    sctp = 132,
    udp = 273,
    p2p_webrtc_star = 275,
    p2p_webrtc_direct = 276,
    p2p_stardust = 277,
    webrtc_direct = 280,
    webrtc = 281,
    p2p_circuit = 290,
    udt = 301,
    utp = 302,
    unix_path = 400,  ///< `unix`, which some compilers define.
    p2p = 421,
    https = 443,
    onion = 444,
    onion3 = 445,
    garlic64 = 446,
    garlic32 = 447,
    tls = 448,
    sni = 449,
    noise = 454,
    quic = 460,
    quic_v1 = 461,
    webtransport = 465,
    certhash = 466,
    ws = 477,
    wss = 478,
    p2p_websocket_star = 479,
    http = 480,
    http_path = 481,
    memory = 777,
    plaintextv2 = 7367777,
};

}  // namespace muster::peer

namespace muster::peer::detail {

/// What the value of a protocol is.
enum class value_kind : std::uint8_t {
    none,
    ip4,
    ip6,
    port,
    prefix,    ///< Bits of a network's prefix.
    name,      ///< Of a host.
    peer,      ///< A multihash that names one.
    digest,    ///< A multihash of any kind.
    onion,     ///< Tor: 10 bytes and a port.
    onion3,    ///< Tor: 35 bytes and a port.
    garlic64,  ///< I2P: a destination.
    garlic32,  ///< I2P: the hash of one, or more.
    escaped,   ///< Any bytes.
};

struct protocol_entry {
    address_protocol protocol;
    std::string_view name;
    value_kind kind;
};
inline constexpr std::array address_protocols{
    protocol_entry{address_protocol::ip4, "ip4", value_kind::ip4},
    protocol_entry{address_protocol::tcp, "tcp", value_kind::port},
    protocol_entry{address_protocol::ip6, "ip6", value_kind::ip6},
    protocol_entry{address_protocol::dns, "dns", value_kind::name},
    protocol_entry{address_protocol::dns4, "dns4", value_kind::name},
    protocol_entry{address_protocol::dns6, "dns6", value_kind::name},
    protocol_entry{address_protocol::udp, "udp", value_kind::port},
    protocol_entry{address_protocol::p2p, "p2p", value_kind::peer},
    protocol_entry{address_protocol::p2p_circuit, "p2p-circuit", value_kind::none},
    protocol_entry{address_protocol::ws, "ws", value_kind::none},
    protocol_entry{address_protocol::wss, "wss", value_kind::none},
    protocol_entry{address_protocol::quic, "quic", value_kind::none},
    protocol_entry{address_protocol::quic_v1, "quic-v1", value_kind::none},
    protocol_entry{address_protocol::webtransport, "webtransport", value_kind::none},
    protocol_entry{address_protocol::webrtc_direct, "webrtc-direct", value_kind::none},
    protocol_entry{address_protocol::webrtc, "webrtc", value_kind::none},
    protocol_entry{address_protocol::certhash, "certhash", value_kind::digest},
    protocol_entry{address_protocol::dnsaddr, "dnsaddr", value_kind::name},
    protocol_entry{address_protocol::tls, "tls", value_kind::none},
    protocol_entry{address_protocol::sni, "sni", value_kind::name},
    protocol_entry{address_protocol::noise, "noise", value_kind::none},
    protocol_entry{address_protocol::http, "http", value_kind::none},
    protocol_entry{address_protocol::https, "https", value_kind::none},
    protocol_entry{address_protocol::http_path, "http-path", value_kind::escaped},
    protocol_entry{address_protocol::ip6zone, "ip6zone", value_kind::escaped},
    protocol_entry{address_protocol::ipcidr, "ipcidr", value_kind::prefix},
    protocol_entry{address_protocol::dccp, "dccp", value_kind::port},
    protocol_entry{address_protocol::sctp, "sctp", value_kind::port},
    protocol_entry{address_protocol::udt, "udt", value_kind::none},
    protocol_entry{address_protocol::utp, "utp", value_kind::none},
    protocol_entry{address_protocol::unix_path, "unix", value_kind::escaped},
    protocol_entry{address_protocol::onion, "onion", value_kind::onion},
    protocol_entry{address_protocol::onion3, "onion3", value_kind::onion3},
    protocol_entry{address_protocol::garlic64, "garlic64", value_kind::garlic64},
    protocol_entry{address_protocol::garlic32, "garlic32", value_kind::garlic32},
    protocol_entry{address_protocol::p2p_websocket_star, "p2p-websocket-star", value_kind::none},
    protocol_entry{address_protocol::p2p_webrtc_star, "p2p-webrtc-star", value_kind::none},
    protocol_entry{address_protocol::p2p_webrtc_direct, "p2p-webrtc-direct", value_kind::none},
    protocol_entry{address_protocol::p2p_stardust, "p2p-stardust", value_kind::none},
    protocol_entry{address_protocol::memory, "memory", value_kind::escaped},
    protocol_entry{address_protocol::plaintextv2, "plaintextv2", value_kind::none},
};

[[nodiscard]] inline protocol_entry const* find_protocol(std::string_view name) noexcept {
    if (name == "ipfs") name = "p2p";
    auto const at =
        std::find_if(address_protocols.begin(), address_protocols.end(), [&](auto const& e) { return e.name == name; });
    return at == address_protocols.end() ? nullptr : &*at;
}
[[nodiscard]] inline protocol_entry const* find_protocol(std::uint64_t code) noexcept {
    auto const at = std::find_if(address_protocols.begin(), address_protocols.end(),
                                 [&](auto const& e) { return static_cast<std::uint64_t>(e.protocol) == code; });
    return at == address_protocols.end() ? nullptr : &*at;
}
[[nodiscard]] inline protocol_entry const& entry_of(address_protocol p) noexcept {
    return *find_protocol(static_cast<std::uint64_t>(p));
}

/// How many bytes a value has; none where its length comes before it.
[[nodiscard]] constexpr std::optional<std::size_t> fixed_size(value_kind kind) noexcept {
    switch (kind) {
        case value_kind::none: return 0;
        case value_kind::ip4: return 4;
        case value_kind::ip6: return 16;
        case value_kind::port: return 2;
        case value_kind::prefix: return 1;
        case value_kind::onion: return 12;
        case value_kind::onion3: return 37;
        default: return std::nullopt;
    }
}

// ---- texts ------------------------------------------------------------------------------------------------------

inline constexpr std::string_view base32_digits = "abcdefghijklmnopqrstuvwxyz234567";
inline constexpr std::string_view base64url_digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
inline constexpr std::string_view garlic64_digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-~";

/// RFC 4648 without padding: @p Bits bits a digit, the last ones filled up with zeros.
template <unsigned Bits>
[[nodiscard]] std::string to_digits(byte_view v, std::string_view digits) {
    std::string out;
    unsigned window = 0, held = 0;
    for (byte b : v) {
        window = window << 8 | b;
        for (held += 8; held >= Bits; held -= Bits) out += digits[window >> (held - Bits) & ((1u << Bits) - 1)];
    }
    if (held != 0) out += digits[window << (Bits - held) & ((1u << Bits) - 1)];
    return out;
}

/// The inverse: nothing unless @p written is exactly what @ref to_digits writes.
template <unsigned Bits>
[[nodiscard]] std::optional<bytes> from_digits(std::string_view written, std::string_view digits) {
    bytes out;
    unsigned window = 0, held = 0;
    for (char c : written) {
        auto const value = digits.find(c);
        if (value == std::string_view::npos) return std::nullopt;
        window = window << Bits | static_cast<unsigned>(value);
        held += Bits;
        if (held < 8) continue;
        held -= 8;
        out.push_back(static_cast<byte>(window >> held));
    }
    if (held >= Bits || (window & ((1u << held) - 1)) != 0) return std::nullopt;
    return out;
}

/// A decimal number up to @p max (at most 65535) without sign, blanks or leading zeros.
[[nodiscard]] inline std::optional<std::uint16_t> parse_number(std::string_view digits, std::uint32_t max) noexcept {
    if (digits.empty() || digits.size() > 5 || (digits[0] == '0' && digits.size() > 1)) return std::nullopt;
    std::uint32_t value = 0;
    for (char c : digits) {
        if (c < '0' || c > '9') return std::nullopt;
        value = value * 10 + static_cast<std::uint32_t>(c - '0');
    }
    if (value > max) return std::nullopt;
    return static_cast<std::uint16_t>(value);
}

[[nodiscard]] constexpr bool is_unreserved(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
           c == '_' || c == '~';
}

/// A host name as the DNS has them: labels of 1 to 63 letters, digits, hyphens and underscores.
[[nodiscard]] inline bool is_host_name(std::string_view name) noexcept {
    if (name.empty() || name.size() > 253) return false;
    std::size_t label = 0;
    for (char c : name) {
        if (c == '.' ? label == 0 : !is_unreserved(c) || c == '~' || label == 63) return false;
        label = c == '.' ? 0 : label + 1;
    }
    return label != 0;
}

/// RFC 3986, section 2.1: what is not unreserved becomes `%2F`.
[[nodiscard]] inline std::string escape(byte_view v) {
    std::string out;
    for (byte b : v) {
        auto const c = static_cast<char>(b);
        if (is_unreserved(c)) {
            out += c;
        } else {
            out += '%';
            out += "0123456789ABCDEF"[b >> 4];
            out += "0123456789ABCDEF"[b & 15];
        }
    }
    return out;
}

/// The bytes that @p written stands for: anything printable stands for itself, but `%`.
[[nodiscard]] inline std::optional<bytes> unescape(std::string_view written) {
    auto const digit = [](char c) -> int {
        if (c >= '0' && c <= '9') return c - '0';
        if (c >= 'a' && c <= 'f') return c - 'a' + 10;
        return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
    };
    bytes out;
    for (std::size_t i = 0; i < written.size(); ++i) {
        if (written[i] < '!' || written[i] > '~') return std::nullopt;
        if (written[i] != '%') {
            out.push_back(static_cast<byte>(written[i]));
            continue;
        }
        auto const high = i + 2 < written.size() ? digit(written[i + 1]) : -1;
        auto const low = i + 2 < written.size() ? digit(written[i + 2]) : -1;
        if (high < 0 || low < 0) return std::nullopt;
        out.push_back(static_cast<byte>(high << 4 | low));
        i += 2;
    }
    return out;
}

[[nodiscard]] inline std::string ip4_text(byte_view v) {
    return text(unsigned{v[0]}, ".", unsigned{v[1]}, ".", unsigned{v[2]}, ".", unsigned{v[3]});
}

}  // namespace muster::peer::detail
