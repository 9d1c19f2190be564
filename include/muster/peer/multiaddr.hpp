// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Multiaddrs: where a machine can be reached, as a path of protocols, e.g. `/ip4/192.0.2.1/tcp/4001/p2p/16Uiu2...`.
///
/// An address is kept in its binary form, in which a component is a protocol code and, for most protocols, a value;
/// text is made from it, so equal addresses have equal text. Text that is read may spell an IPv6 address or a name
/// freely, but a number in one way only.
/// @see multiformats/multiaddr; the multicodec table; RFC 5952 (IPv6 text).

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <muster/core/bytes.hpp>
#include <muster/core/result.hpp>
#include <muster/peer/errc.hpp>
#include <muster/peer/peer_id.hpp>
#include <muster/wire/varint.hpp>

namespace muster::peer {

/// Protocols that an address may name, numbered as in the multicodec table.
enum class address_protocol : std::uint16_t {
    ip4 = 4,
    tcp = 6,
    ip6 = 41,
    dns = 53,
    dns4 = 54,
    dns6 = 55,
    udp = 273,
    p2p_circuit = 290,
    p2p = 421,
    ws = 477,
    wss = 478,
};

namespace detail {

/// What the value of a protocol is.
enum class value_kind : std::uint8_t { none, ip4, ip6, port, name, peer };

struct protocol_entry {
    address_protocol protocol;
    std::string_view name;
    value_kind kind;
};
inline constexpr std::array<protocol_entry, 11> address_protocols{{
    {address_protocol::ip4, "ip4", value_kind::ip4},
    {address_protocol::tcp, "tcp", value_kind::port},
    {address_protocol::ip6, "ip6", value_kind::ip6},
    {address_protocol::dns, "dns", value_kind::name},
    {address_protocol::dns4, "dns4", value_kind::name},
    {address_protocol::dns6, "dns6", value_kind::name},
    {address_protocol::udp, "udp", value_kind::port},
    {address_protocol::p2p_circuit, "p2p-circuit", value_kind::none},
    {address_protocol::p2p, "p2p", value_kind::peer},
    {address_protocol::ws, "ws", value_kind::none},
    {address_protocol::wss, "wss", value_kind::none},
}};

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

/// A decimal number up to 65535 without sign, blanks or leading zeros.
[[nodiscard]] inline std::optional<std::uint16_t> parse_port(std::string_view digits) noexcept {
    if (digits.empty() || digits.size() > 5 || (digits[0] == '0' && digits.size() > 1)) return std::nullopt;
    std::uint32_t value = 0;
    for (char c : digits) {
        if (c < '0' || c > '9') return std::nullopt;
        value = value * 10 + static_cast<std::uint32_t>(c - '0');
    }
    if (value > 65535) return std::nullopt;
    return static_cast<std::uint16_t>(value);
}

/// A host name as the DNS has them: labels of 1 to 63 letters, digits, hyphens and underscores.
[[nodiscard]] inline bool is_host_name(std::string_view name) noexcept {
    if (name.empty() || name.size() > 253) return false;
    std::size_t label = 0;
    for (char c : name) {
        bool const letter =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
        if (c == '.' ? label == 0 : !letter || label == 63) return false;
        label = c == '.' ? 0 : label + 1;
    }
    return label != 0;
}

[[nodiscard]] inline std::string ip4_text(byte_view v) {
    return text(unsigned{v[0]}, ".", unsigned{v[1]}, ".", unsigned{v[2]}, ".", unsigned{v[3]});
}

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

}  // namespace detail

/// An address. Regular; ordered by its octets. The default is no address.
class multiaddr {
public:
    static constexpr std::size_t components_max = 16;  ///< Most components. Ours.
    static constexpr std::size_t size_max = 512;       ///< Most octets of the binary form. Ours.

    /// One step of the path. Borrows from the address.
    struct component {
        address_protocol protocol;
        byte_view value;  ///< In binary, without its length; empty for protocols without a value.
    };

    /// The address of no machine.
    multiaddr() = default;

    /// Reads text. `ipfs` is understood as `p2p`; one trailing slash is not.
    /// @return `invalid_multiaddr`, whose index is the component at fault, counted from 0.
    [[nodiscard]] static result<multiaddr> from_text(std::string_view path) {
        if (path.size() > text_size_max) return refuse(0, text("text of ", path.size(), " characters is too long"));
        if (path.empty() || path[0] != '/') return refuse(0, "an address begins with '/'");
        multiaddr out;
        while (!path.empty()) {
            auto const name = next_part(path);
            auto const* const entry = detail::find_protocol(name);
            if (entry == nullptr) return refuse(out.count_, text("'", name, "' is not a protocol known here"));
            if (entry->kind == detail::value_kind::none) {
                MUSTER_TRY(out.push(*entry, {}));
                continue;
            }
            if (path.empty()) return refuse(out.count_, text("'", name, "' lacks its value"));
            auto const written = next_part(path);
            auto const value = parse_value(entry->kind, written);
            if (!value) return refuse(out.count_, text("'", written, "' is not a value of '", name, "'"));
            MUSTER_TRY(out.push(*entry, *value));
        }
        return out;
    }

    /// Reads the binary form.
    /// @return `invalid_multiaddr`, whose index is the component at fault, counted from 0.
    [[nodiscard]] static result<multiaddr> from_bytes(byte_view in) {
        if (in.empty() || in.size() > size_max) return refuse(0, text("an address of ", in.size(), " octets"));
        multiaddr out;
        while (!in.empty()) {
            auto const code = take_varint(in);
            auto const* const entry = code ? detail::find_protocol(*code) : nullptr;
            if (entry == nullptr) return refuse(out.count_, "not a protocol known here");
            auto const value = take_value(entry->kind, in);
            if (!value) return refuse(out.count_, text("not a value of '", entry->name, "'"));
            MUSTER_TRY(out.push(*entry, *value));
        }
        return out;
    }

    /// The binary form.
    [[nodiscard]] byte_view bytes() const noexcept { return octets_; }
    /// Whether this is no address.
    [[nodiscard]] bool empty() const noexcept { return octets_.empty(); }

    /// The text.
    [[nodiscard]] std::string to_text() const {
        std::string out;
        for (auto const& c : components()) {
            auto const& entry = *detail::find_protocol(static_cast<std::uint64_t>(c.protocol));
            out.append("/").append(entry.name);
            if (entry.kind != detail::value_kind::none) out.append("/").append(value_text(entry.kind, c.value));
        }
        return out;
    }

    /// The path, from the outermost protocol inwards. The address must outlive it.
    [[nodiscard]] std::vector<component> components() const {
        std::vector<component> out;
        for (byte_view rest{octets_}; !rest.empty();) {
            auto const& entry = *detail::find_protocol(*take_varint(rest));
            out.push_back({entry.protocol, *take_value(entry.kind, rest)});
        }
        return out;
    }

    /// The machine to connect to, as an IP address or a name: the first component, when it is one.
    [[nodiscard]] std::optional<std::string> host() const {
        if (empty()) return std::nullopt;
        auto const first = components().front();
        auto const kind = detail::find_protocol(static_cast<std::uint64_t>(first.protocol))->kind;
        bool const is_host =
            kind == detail::value_kind::ip4 || kind == detail::value_kind::ip6 || kind == detail::value_kind::name;
        return is_host ? std::optional{value_text(kind, first.value)} : std::nullopt;
    }

    /// The TCP port on that machine: the second component, when it is one.
    [[nodiscard]] std::optional<std::uint16_t> tcp_port() const {
        auto const path = components();
        if (path.size() < 2 || path[1].protocol != address_protocol::tcp) return std::nullopt;
        return static_cast<std::uint16_t>(path[1].value[0] << 8 | path[1].value[1]);
    }

    /// Who is to be reached: the last component, when it is a peer.
    [[nodiscard]] std::optional<peer_id> peer() const {
        auto const path = components();
        if (path.empty() || path.back().protocol != address_protocol::p2p) return std::nullopt;
        return peer_id::from_multihash(path.back().value).value();
    }

    /// Whether the path goes through a relay.
    [[nodiscard]] bool is_relayed() const {
        auto const path = components();
        return std::any_of(path.begin(), path.end(),
                           [](auto const& c) { return c.protocol == address_protocol::p2p_circuit; });
    }

    /// This address with @p id as its last component; the same when it already is.
    /// @return `invalid_multiaddr` when that exceeds a bound or the address ends with another peer.
    [[nodiscard]] result<multiaddr> with_peer(peer_id const& id) const {
        if (auto const mine = peer()) {
            if (*mine == id) return *this;
            return refuse(count_ - 1, text("the address is that of ", mine->to_text(), " already"));
        }
        auto out = *this;
        MUSTER_TRY(out.push(*detail::find_protocol("p2p"), id.view()));
        return out;
    }

    friend auto operator<=>(multiaddr const& a, multiaddr const& b) { return compare(a.octets_, b.octets_); }
    friend bool operator==(multiaddr const& a, multiaddr const& b) { return a.octets_ == b.octets_; }

private:
    /// Longest text that is read: more than any address within the other bounds needs.
    static constexpr std::size_t text_size_max = 2048;

    [[nodiscard]] static error refuse(std::size_t at, std::string why) {
        return error{errc::invalid_multiaddr, text("component ", at, ": ", why), static_cast<std::uint32_t>(at)};
    }

    /// Takes `/part` off the front of @p path.
    [[nodiscard]] static std::string_view next_part(std::string_view& path) noexcept {
        path.remove_prefix(1);
        auto const part = path.substr(0, path.find('/'));
        path.remove_prefix(part.size());
        return part;
    }

    [[nodiscard]] static std::optional<muster::bytes> parse_value(detail::value_kind kind, std::string_view written) {
        std::string const terminated{written};
        bool const whole = written.find('\0') == std::string_view::npos;
        muster::bytes out(kind == detail::value_kind::ip4 ? 4 : 16);
        switch (kind) {
            case detail::value_kind::ip4:
                if (!whole || ::inet_pton(AF_INET, terminated.c_str(), out.data()) != 1) return std::nullopt;
                return detail::ip4_text(out) == written ? std::optional{out} : std::nullopt;
            case detail::value_kind::ip6:
                if (!whole || ::inet_pton(AF_INET6, terminated.c_str(), out.data()) != 1) return std::nullopt;
                return out;
            case detail::value_kind::port: {
                auto const port = detail::parse_port(written);
                if (!port) return std::nullopt;
                return muster::bytes{static_cast<byte>(*port >> 8), static_cast<byte>(*port & 0xff)};
            }
            case detail::value_kind::name:
                return detail::is_host_name(written) ? std::optional{to_bytes(as_bytes(written))} : std::nullopt;
            case detail::value_kind::peer: {
                auto const id = peer_id::from_text(written);
                return id ? std::optional{to_bytes(id.value().view())} : std::nullopt;
            }
            case detail::value_kind::none: break;
        }
        return std::nullopt;
    }

    [[nodiscard]] static std::string value_text(detail::value_kind kind, byte_view value) {
        switch (kind) {
            case detail::value_kind::ip4: return detail::ip4_text(value);
            case detail::value_kind::ip6: return detail::ip6_text(value);
            case detail::value_kind::port: return text(static_cast<unsigned>(value[0] << 8 | value[1]));
            case detail::value_kind::name: return {value.begin(), value.end()};
            case detail::value_kind::peer: return to_base58(value);
            case detail::value_kind::none: break;
        }
        return {};
    }

    [[nodiscard]] static bool has_length(detail::value_kind kind) noexcept {
        return kind == detail::value_kind::name || kind == detail::value_kind::peer;
    }

    /// Takes a varint off the front of @p in, if there is a whole and minimal one.
    [[nodiscard]] static std::optional<std::uint64_t> take_varint(byte_view& in) {
        auto const parsed = wire::parse_varint(in);
        if (!parsed || !parsed.value()) return std::nullopt;
        in = in.subspan(parsed.value()->size);
        return parsed.value()->value;
    }

    /// Takes a valid value off the front of @p in.
    [[nodiscard]] static std::optional<byte_view> take_value(detail::value_kind kind, byte_view& in) {
        std::uint64_t size = 0;
        if (kind == detail::value_kind::ip4) size = 4;
        if (kind == detail::value_kind::ip6) size = 16;
        if (kind == detail::value_kind::port) size = 2;
        if (has_length(kind)) {
            auto const length = take_varint(in);
            if (!length) return std::nullopt;
            size = *length;
        }
        if (size > in.size()) return std::nullopt;
        auto const value = in.first(static_cast<std::size_t>(size));
        in = in.subspan(value.size());
        if (kind == detail::value_kind::peer && !peer_id::from_multihash(value)) return std::nullopt;
        std::string_view const name{reinterpret_cast<char const*>(value.data()), value.size()};
        if (kind == detail::value_kind::name && !detail::is_host_name(name)) return std::nullopt;
        return value;
    }

    [[nodiscard]] result<void> push(detail::protocol_entry const& entry, byte_view value) {
        muster::bytes encoded;
        wire::append_varint(encoded, static_cast<std::uint64_t>(entry.protocol));
        if (has_length(entry.kind)) wire::append_varint(encoded, value.size());
        append(encoded, value);
        if (count_ == components_max || octets_.size() + encoded.size() > size_max) {
            return refuse(count_,
                          text("an address has at most ", components_max, " components and ", size_max, " octets"));
        }
        append(octets_, encoded);
        ++count_;
        return ok();
    }

    muster::bytes octets_;
    std::size_t count_ = 0;  ///< Components.
};

}  // namespace muster::peer
