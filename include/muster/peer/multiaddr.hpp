// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Multiaddrs: where a machine can be reached, as a path of protocols, e.g. `/ip4/192.0.2.1/tcp/4001/p2p/16Uiu2...`.
///
/// An address is kept in its binary form, in which a component is a protocol code and, for most protocols, a value;
/// text is made from it, so equal addresses have equal text. Text that is read may spell an IPv6 address or a name
/// freely, but a number in one way only. All protocols of the table are read and carried (`multiaddr/protocols.hpp`);
/// what can be dialled is for a transport to say.
/// @see multiformats/multiaddr; the multicodec table; RFC 5952 (IPv6 text).

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <muster/core/bytes.hpp>
#include <muster/core/enumeration.hpp>
#include <muster/core/result.hpp>
#include <muster/peer/errc.hpp>
#include <muster/peer/multiaddr/protocols.hpp>
#include <muster/peer/multiaddr/values.hpp>
#include <muster/peer/peer_id.hpp>
#include <muster/wire/varint.hpp>

namespace muster::peer {

/// How a machine is reached at an address.
MUSTER_ENUMERATION(address_kind, 0,
                   direct,  ///< By a connection to it.
                   relay,   ///< Through a third machine, which carries every byte.
                   webrtc   ///< By WebRTC, whoever has introduced the two.
);

/// An address. Regular; ordered by its bytes. The default is no address.
class multiaddr {
public:
    static constexpr std::size_t components_max = 16;  ///< Most components. Ours.
    static constexpr std::size_t size_max = 512;       ///< Most bytes of the binary form. Ours.

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
            auto const value = detail::parse_value(entry->kind, written);
            if (!value) return refuse(out.count_, text("'", written, "' is not a value of '", name, "'"));
            MUSTER_TRY(out.push(*entry, *value));
        }
        return out;
    }

    /// Reads the binary form. An unknown protocol ends the reading, since where its value ends cannot be told; who
    /// reads a list skips that address.
    /// @return `invalid_multiaddr`, whose index is the component at fault, counted from 0.
    [[nodiscard]] static result<multiaddr> from_bytes(byte_view in) {
        if (in.empty() || in.size() > size_max) return refuse(0, text("an address of ", in.size(), " bytes"));
        multiaddr out;
        while (!in.empty()) {
            auto const code = take_varint(in);
            if (!code) return refuse(out.count_, "a protocol's number is cut short or padded");
            auto const* const entry = detail::find_protocol(*code);
            if (entry == nullptr) {
                return refuse(out.count_, text("protocol ", *code,
                                               " is not known here, so where its value ends cannot be told; skip this "
                                               "address"));
            }
            auto const value = take_value(entry->kind, in);
            if (!value) return refuse(out.count_, text("not a value of '", entry->name, "'"));
            MUSTER_TRY(out.push(*entry, *value));
        }
        return out;
    }

    /// The binary form.
    [[nodiscard]] byte_view bytes() const noexcept { return binary_; }
    /// Whether this is no address.
    [[nodiscard]] bool empty() const noexcept { return binary_.empty(); }

    /// The text.
    [[nodiscard]] std::string to_text() const {
        std::string out;
        for (auto const& c : components()) {
            auto const& entry = detail::entry_of(c.protocol);
            out.append("/").append(entry.name);
            if (entry.kind != detail::value_kind::none) out.append("/").append(detail::value_text(entry.kind, c.value));
        }
        return out;
    }

    /// The path, from the outermost protocol inwards. The address must outlive it.
    [[nodiscard]] std::vector<component> components() const {
        std::vector<component> out;
        for (byte_view rest{binary_}; !rest.empty();) {
            auto const& entry = *detail::find_protocol(*take_varint(rest));
            out.push_back({entry.protocol, *take_value(entry.kind, rest)});
        }
        return out;
    }

    /// The machine to connect to, as an IP address or a name that the DNS has one for: the first component, when it is
    /// one.
    [[nodiscard]] std::optional<std::string> host() const {
        using protocol = address_protocol;
        if (empty()) return std::nullopt;
        auto const first = components().front();
        bool const is_ip = first.protocol == protocol::ip4 || first.protocol == protocol::ip6;
        bool const is_name =
            first.protocol == protocol::dns || first.protocol == protocol::dns4 || first.protocol == protocol::dns6;
        if (!is_ip && !is_name) return std::nullopt;
        return detail::value_text(detail::entry_of(first.protocol).kind, first.value);
    }

    /// The TCP port on that machine: the second component, when it is one.
    [[nodiscard]] std::optional<std::uint16_t> tcp_port() const {
        auto const path = components();
        if (path.size() < 2 || path[1].protocol != address_protocol::tcp) return std::nullopt;
        return static_cast<std::uint16_t>(detail::port_of(path[1].value));
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

    /// How the machine is reached: the innermost of the protocols that say so decides.
    [[nodiscard]] address_kind kind() const {
        auto out = address_kind::direct;
        for (auto const& c : components()) {
            switch (c.protocol) {
                case address_protocol::p2p_circuit: out = address_kind::relay; break;
                case address_protocol::webrtc:
                case address_protocol::webrtc_direct:
                case address_protocol::p2p_webrtc_star:
                case address_protocol::p2p_webrtc_direct: out = address_kind::webrtc; break;
                default: break;
            }
        }
        return out;
    }

    /// This address with @p id as its last component; the same when it already is.
    /// @return `invalid_multiaddr` when that exceeds a bound or the address ends with another peer.
    [[nodiscard]] result<multiaddr> with_peer(peer_id const& id) const {
        if (auto const mine = peer()) {
            if (*mine == id) return *this;
            return refuse(count_ - 1, text("the address is that of ", mine->to_text(), " already"));
        }
        auto out = *this;
        MUSTER_TRY(out.push(detail::entry_of(address_protocol::p2p), id.view()));
        return out;
    }

    friend auto operator<=>(multiaddr const& a, multiaddr const& b) { return compare(a.binary_, b.binary_); }
    friend bool operator==(multiaddr const& a, multiaddr const& b) { return a.binary_ == b.binary_; }

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

    /// Takes a varint off the front of @p in, if there is a whole and minimal one.
    [[nodiscard]] static std::optional<std::uint64_t> take_varint(byte_view& in) {
        auto const parsed = wire::parse_varint(in);
        if (!parsed || !parsed.value()) return std::nullopt;
        in = in.subspan(parsed.value()->size);
        return parsed.value()->value;
    }

    /// Takes a valid value off the front of @p in.
    [[nodiscard]] static std::optional<byte_view> take_value(detail::value_kind kind, byte_view& in) {
        std::optional<std::uint64_t> size = detail::fixed_size(kind);
        if (!size) size = take_varint(in);
        if (!size || *size > in.size()) return std::nullopt;
        auto const value = in.first(static_cast<std::size_t>(*size));
        in = in.subspan(value.size());
        if (!detail::is_value(kind, value)) return std::nullopt;
        return value;
    }

    [[nodiscard]] result<void> push(detail::protocol_entry const& entry, byte_view value) {
        muster::bytes encoded;
        wire::append_varint(encoded, static_cast<std::uint64_t>(entry.protocol));
        if (!detail::fixed_size(entry.kind)) wire::append_varint(encoded, value.size());
        append(encoded, value);
        if (count_ == components_max || binary_.size() + encoded.size() > size_max) {
            return refuse(count_,
                          text("an address has at most ", components_max, " components and ", size_max, " bytes"));
        }
        append(binary_, encoded);
        ++count_;
        return ok();
    }

    muster::bytes binary_;
    std::size_t count_ = 0;  ///< Components.
};

}  // namespace muster::peer
