// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// The values in an address: which bytes are one, and the one text of each.
///
/// Idea: three functions over the kinds of values. `is_value` says which bytes are one, `value_text` writes such bytes,
/// `parse_value` reads text; what is read is a value, and a text and its value are made from each other.

#include <muster/peer/multiaddr/protocols.hpp>

namespace muster::peer::detail {

/// RFC 5952: lower case, no leading zeros, the first longest run of at least two zero groups as `::`, and an embedded
/// IPv4 address with dots when the prefix says that it is one.
[[nodiscard]] inline std::string ip6_text(byte_view v) {
    auto const group = [&](std::size_t i) { return static_cast<unsigned>(v[2 * i] << 8 | v[2 * i + 1]); };
    std::size_t best = 8, best_size = 1;
    for (std::size_t i = 0; i < 8;) {
        std::size_t end = i;
        while (end < 8 && group(end) == 0) ++end;
        if (end - i > best_size) {
            best = i;
            best_size = end - i;
        }
        i = end + 1;
    }
    bool const mapped = best == 0 && best_size == 5 && group(5) == 0xffff;
    std::string out;
    for (std::size_t i = 0; i < (mapped ? 6u : 8u); ++i) {
        if (i == best) {
            out += "::";
            i += best_size - 1;
            continue;
        }
        if (!out.empty() && out.back() != ':') out += ':';
        bool significant = false;
        for (int shift = 12; shift >= 0; shift -= 4) {
            auto const digit = group(i) >> shift & 15u;
            significant = significant || digit != 0 || shift == 0;
            if (significant) out += "0123456789abcdef"[digit];
        }
    }
    return mapped ? out + ":" + ip4_text(v.last(4)) : out;
}

/// Whether @p v is a multihash: a code, the length of the digest, and the digest.
[[nodiscard]] inline bool is_multihash(byte_view v) {
    auto const code = wire::parse_varint(v);
    if (!code || !code.value()) return false;
    auto const rest = v.subspan(code.value()->size);
    auto const length = wire::parse_varint(rest);
    return length && length.value() && length.value()->value == rest.size() - length.value()->size;
}

/// Whether @p v, of the right size where the kind has one, is a value of that kind.
[[nodiscard]] inline bool is_value(value_kind kind, byte_view v) {
    switch (kind) {
        case value_kind::peer: return static_cast<bool>(peer_id::from_multihash(v));
        case value_kind::name: return is_host_name({reinterpret_cast<char const*>(v.data()), v.size()});
        case value_kind::digest: return is_multihash(v);
        case value_kind::garlic64: return v.size() >= 386;  // a destination of I2P: 256 + 128 + 1 + 2, as go has it
        case value_kind::garlic32: return v.size() == 32 || v.size() >= 35;
        case value_kind::escaped: return !v.empty();
        default: return true;
    }
}

[[nodiscard]] inline unsigned port_of(byte_view v) { return static_cast<unsigned>(v[v.size() - 2] << 8 | v.back()); }

/// The text of @p v, which is a value of that kind.
[[nodiscard]] inline std::string value_text(value_kind kind, byte_view v) {
    switch (kind) {
        case value_kind::none: break;
        case value_kind::ip4: return ip4_text(v);
        case value_kind::ip6: return ip6_text(v);
        case value_kind::port: return text(port_of(v));
        case value_kind::prefix: return text(unsigned{v[0]});
        case value_kind::name: return {v.begin(), v.end()};
        case value_kind::peer: return to_base58(v);
        case value_kind::digest: return text("u", to_digits<6>(v, base64url_digits));  // u: multibase, base64url
        case value_kind::onion:
        case value_kind::onion3: return text(to_digits<5>(v.first(v.size() - 2), base32_digits), ":", port_of(v));
        case value_kind::garlic64: {
            auto out = to_digits<6>(v, garlic64_digits);
            while (out.size() % 4 != 0) out += '=';
            return out;
        }
        case value_kind::garlic32: return to_digits<5>(v, base32_digits);
        case value_kind::escaped: return escape(v);
    }
    return {};
}

[[nodiscard]] inline std::optional<bytes> parse_port(std::string_view written) {
    auto const port = parse_number(written, 65535);
    if (!port) return std::nullopt;
    return bytes{static_cast<byte>(*port >> 8), static_cast<byte>(*port & 0xff)};
}

/// A host of Tor and its port.
[[nodiscard]] inline std::optional<bytes> parse_onion(value_kind kind, std::string_view written) {
    auto const colon = written.find(':');
    if (colon == std::string_view::npos) return std::nullopt;
    auto out = from_digits<5>(written.substr(0, colon), base32_digits);
    auto const port = parse_port(written.substr(colon + 1));
    if (!out || !port || out->size() + 2 != fixed_size(kind)) return std::nullopt;
    append(*out, *port);
    return out;
}

[[nodiscard]] inline std::optional<bytes> parse_ip(value_kind kind, std::string_view written) {
    bool const is_four = kind == value_kind::ip4;
    std::string const terminated{written};
    if (written.find('\0') != std::string_view::npos) return std::nullopt;
    bytes out(is_four ? 4 : 16);
    if (::inet_pton(is_four ? AF_INET : AF_INET6, terminated.c_str(), out.data()) != 1) return std::nullopt;
    if (is_four && ip4_text(out) != written) return std::nullopt;
    return out;
}

/// The value that @p written stands for, whether or not @ref is_value of it holds.
[[nodiscard]] inline std::optional<bytes> read_text(value_kind kind, std::string_view written) {
    switch (kind) {
        case value_kind::none: break;
        case value_kind::ip4:
        case value_kind::ip6: return parse_ip(kind, written);
        case value_kind::port: return parse_port(written);
        case value_kind::prefix: {
            auto const bits = parse_number(written, 255);
            return bits ? std::optional{bytes{static_cast<byte>(*bits)}} : std::nullopt;
        }
        case value_kind::name: return to_bytes(as_bytes(written));
        case value_kind::peer: {
            auto const id = peer_id::from_text(written);
            return id ? std::optional{to_bytes(id.value().view())} : std::nullopt;
        }
        case value_kind::digest:
            if (!written.starts_with('u')) return std::nullopt;
            return from_digits<6>(written.substr(1), base64url_digits);
        case value_kind::onion:
        case value_kind::onion3: return parse_onion(kind, written);
        case value_kind::garlic64: {
            auto const padding = written.size() - std::min(written.size(), written.find_last_not_of('=') + 1);
            if (written.size() % 4 != 0 || padding > 2) return std::nullopt;
            return from_digits<6>(written.substr(0, written.size() - padding), garlic64_digits);
        }
        case value_kind::garlic32: return from_digits<5>(written, base32_digits);
        case value_kind::escaped: return unescape(written);
    }
    return std::nullopt;
}

/// The value that @p written stands for; nothing when it is none.
[[nodiscard]] inline std::optional<bytes> parse_value(value_kind kind, std::string_view written) {
    auto out = read_text(kind, written);
    if (out && !is_value(kind, *out)) return std::nullopt;
    return out;
}

}  // namespace muster::peer::detail
