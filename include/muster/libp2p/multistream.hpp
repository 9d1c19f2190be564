// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// multistream-select 1.0.0: how two sides agree which protocol a channel speaks.
///
/// A message is a line of text with a newline, behind its length as a varint. Both sides first name the
/// protocol of the negotiation itself; then the dialer proposes and the listener either repeats the proposal,
/// which is agreement, or says `na`. The dialer sends its header and first proposal together, so that an agreement
/// costs one round trip. What follows the agreement may arrive in the same read: `feed` takes only the bytes
/// that are the negotiation's own and says how many they were. Both sides are byte machines, see core/machine.hpp.
/// @see libp2p specs, connections/README.md, "multistream-select".

#include <algorithm>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <muster/core/bytes.hpp>
#include <muster/core/effect_sink.hpp>
#include <muster/core/result.hpp>
#include <muster/core/time.hpp>
#include <muster/libp2p/errc.hpp>
#include <muster/wire/varint.hpp>

namespace muster::libp2p::multistream {

/// What both sides say first.
inline constexpr std::string_view header = "/multistream/1.0.0";
/// The answer to a proposal that is not supported.
inline constexpr std::string_view not_available = "na";
/// Longest message that is read, newline included, in bytes. Ours.
inline constexpr std::size_t message_size_max = 1024;
/// Most proposals that a listener answers before it gives up on a stranger. Ours.
inline constexpr std::size_t proposals_max = 32;

/// There is a protocol; the negotiation is over.
struct agreed {
    std::string protocol;
    bool operator==(agreed const&) const = default;
};

/// Protocols that a listener accepts. Many listeners share one list.
using protocol_list = std::shared_ptr<std::vector<std::string> const>;

/// Appends @p line as a message.
inline void append_message(bytes& out, std::string_view line) {
    wire::append_varint(out, line.size() + 1);
    append(out, as_bytes(line));
    out.push_back('\n');
}

/// Collects one message from bytes that arrive in any portions. Holds at most a message.
class message_reader {
public:
    /// Takes the bytes of @p in that belong to the current message and drops them from it.
    /// @return the line without its newline, or nothing while more bytes are needed; `too_large`; `malformed`
    /// for a line without newline; `wire::errc` for a bad length.
    [[nodiscard]] result<std::optional<std::string>> take(byte_view& in) {
        while (!in.empty()) {
            held_.push_back(in.front());
            in = in.subspan(1);
            MUSTER_TRY(auto const length, wire::parse_varint(held_));
            if (!length) continue;
            MUSTER_TRY(check(*length));
            auto const wanted = length->size + static_cast<std::size_t>(length->value);
            auto const rest = std::min(in.size(), wanted - held_.size());
            append(held_, in.first(rest));
            in = in.subspan(rest);
            if (held_.size() < wanted) continue;
            return finish(length->size);
        }
        return std::optional<std::string>{};
    }

private:
    [[nodiscard]] static result<void> check(wire::varint const& length) {
        if (length.value == 0) return error{errc::malformed, "a negotiation message without its newline"};
        if (length.value > message_size_max) {
            return error{errc::too_large,
                         text("a negotiation message of ", length.value, " bytes, at most ", message_size_max)};
        }
        return ok();
    }

    [[nodiscard]] result<std::optional<std::string>> finish(std::size_t prefix) {
        auto const message = std::exchange(held_, {});
        if (message.back() != '\n') {
            return error{errc::malformed, "a negotiation message that does not end with a newline"};
        }
        return std::optional{std::string{message.begin() + static_cast<std::ptrdiff_t>(prefix), message.end() - 1}};
    }

    bytes held_;
};

/// The side that proposes. A value; not thread-safe.
class dialer {
public:
    using event = agreed;
    using output = bytes;

    /// Proposes @p protocols in their order. Expects at least one.
    explicit dialer(std::vector<std::string> protocols) : protocols_{std::move(protocols)} {}

    /// Says the header and the first proposal. Once, before anything is fed.
    void start(bytes& out) const {
        append_message(out, header);
        propose(out);
    }

    /// Takes what the listener sent. After an error or an agreement, call no more.
    /// @return how many bytes were the negotiation's; `no_common_protocol`; `malformed` for an answer that is none.
    template <effect_sink<agreed> Sink>
    [[nodiscard]] result<std::size_t> feed(byte_view in, instant, bytes& out, Sink& sink) {
        auto rest = in;
        while (!rest.empty()) {
            MUSTER_TRY(auto const line, reader_.take(rest));
            if (!line) break;
            if (!greeted_) {
                if (*line != header) {
                    return error{errc::malformed, "the listener does not speak multistream-select 1.0.0"};
                }
                greeted_ = true;
            } else if (*line == protocols_[proposed_]) {
                sink.push(agreed{protocols_[proposed_]});
                break;
            } else {
                MUSTER_TRY(refused(*line, out));
            }
        }
        return in.size() - rest.size();
    }

private:
    void propose(bytes& out) const { append_message(out, protocols_[proposed_]); }

    [[nodiscard]] result<void> refused(std::string_view answer, bytes& out) {
        if (answer != not_available) {
            return error{errc::malformed, text("the listener answered a proposal with ", answer.size(),
                                               " bytes that are neither the proposal nor 'na'")};
        }
        if (++proposed_ == protocols_.size()) {
            return error{errc::no_common_protocol,
                         text("the listener refused ", protocols_.back(), " and every proposal before it")};
        }
        propose(out);
        return ok();
    }

    std::vector<std::string> protocols_;
    std::size_t proposed_ = 0;  ///< Index of the proposal that waits for its answer.
    bool greeted_ = false;
    message_reader reader_;
};

/// The side that answers. Says nothing before the dialer has spoken. A value; not thread-safe.
class listener {
public:
    using event = agreed;
    using output = bytes;

    /// Accepts what is in @p supported, which must not be null.
    explicit listener(protocol_list supported) noexcept : supported_{std::move(supported)} {}

    /// There is nothing to say before the dialer has spoken.
    void start(bytes&) const noexcept {}

    /// Takes what the dialer sent and answers. After an error or an agreement, call no more. `ls`, the request for a
    /// list, is answered like a protocol that is not supported.
    /// @return how many bytes were the negotiation's; `malformed`; `too_many_proposals`.
    template <effect_sink<agreed> Sink>
    [[nodiscard]] result<std::size_t> feed(byte_view in, instant, bytes& out, Sink& sink) {
        auto rest = in;
        while (!rest.empty()) {
            MUSTER_TRY(auto line, reader_.take(rest));
            if (!line) break;
            if (!greeted_) {
                if (*line != header) {
                    return error{errc::malformed, "the dialer does not speak multistream-select 1.0.0"};
                }
                greeted_ = true;
                append_message(out, header);
                continue;
            }
            if (std::find(supported_->begin(), supported_->end(), *line) != supported_->end()) {
                append_message(out, *line);
                sink.push(agreed{*std::move(line)});
                break;
            }
            if (++refused_ == proposals_max) {
                return error{errc::too_many_proposals,
                             text("the dialer proposed ", refused_, " protocols, none supported")};
            }
            append_message(out, not_available);
        }
        return in.size() - rest.size();
    }

private:
    protocol_list supported_;
    bool greeted_ = false;
    std::size_t refused_ = 0;
    message_reader reader_;
};

}  // namespace muster::libp2p::multistream
