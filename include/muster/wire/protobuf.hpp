// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Protocol buffers, field by field, read and written with protozero.
///
/// This is the only header that names protozero. A reader is handed each field in its order, as a number or as bytes
/// that are borrowed from the message; a writer appends fields. protozero reports malformed input by throwing; what it
/// throws ends here. Unknown fields are the visitor's to skip, and of a repeated field that is none the last value is
/// to be taken, as protocol buffers want it. The encoding of a message is not canonical: where that matters, encode
/// again and compare.
/// @see protobuf.dev, "Encoding".

#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

#include <protozero/pbf_reader.hpp>
#include <protozero/pbf_writer.hpp>

#include <muster/core/bytes.hpp>
#include <muster/core/result.hpp>
#include <muster/wire/errc.hpp>

namespace muster::wire {

/// Calls `visit(tag, number, content)` for each varint or length-delimited field of @p message, where one of number and
/// content is empty; skips fields of other types. A visitor that returns false ends the walk, which then succeeds; one
/// that takes a fourth argument is handed the whole field, with its tag and length, and also the fields of other types.
/// O(size).
/// @return `malformed` when the bytes are no protobuf message. The fields before the fault were visited.
template <class Visit>
[[nodiscard]] result<void> for_each_field(byte_view message, Visit visit) {
    constexpr bool takes_whole = std::is_invocable_v<Visit&, std::uint32_t, std::uint64_t, byte_view, byte_view>;
    auto const* at = message.data();
    auto const* const end = at + message.size();
    auto const call = [&](std::uint32_t tag, std::uint64_t number, byte_view content, byte_view whole) -> bool {
        if constexpr (takes_whole) {
            using answer = std::invoke_result_t<Visit&, std::uint32_t, std::uint64_t, byte_view, byte_view>;
            if constexpr (!std::is_void_v<answer>)
                return visit(tag, number, content, whole);
            else
                return visit(tag, number, content, whole), true;
        } else {
            using answer = std::invoke_result_t<Visit&, std::uint32_t, std::uint64_t, byte_view>;
            if constexpr (!std::is_void_v<answer>)
                return visit(tag, number, content);
            else
                return visit(tag, number, content), true;
        }
    };
    try {
        protozero::pbf_reader reader{reinterpret_cast<char const*>(message.data()), message.size()};
        while (reader.next()) {
            std::uint32_t const tag = reader.tag();
            std::uint64_t number = 0;
            byte_view content;
            bool is_shown = true;
            switch (reader.wire_type()) {
                case protozero::pbf_wire_type::varint: number = reader.get_uint64(); break;
                case protozero::pbf_wire_type::length_delimited: {
                    auto const view = reader.get_view();
                    content = as_bytes({view.data(), view.size()});
                    break;
                }
                default: reader.skip(); is_shown = takes_whole;
            }
            auto const* const next = end - reader.length();
            byte_view const whole{at, next};
            at = next;
            if (is_shown && !call(tag, number, content, whole)) break;
        }
    } catch (protozero::exception const& e) {
        return error{errc::malformed, text("not a protobuf message of ", message.size(), " bytes: ", e.what())};
    }
    return ok();
}

/// Appends fields to a message. Only allocation can fail.
class protobuf_writer {
public:
    protobuf_writer() : fields_{out_} {}
    protobuf_writer(protobuf_writer const&) = delete;
    protobuf_writer& operator=(protobuf_writer const&) = delete;

    /// A varint. Written when it is 0, too.
    protobuf_writer& number(std::uint32_t tag, std::uint64_t value) {
        fields_.add_uint64(tag, value);
        return *this;
    }
    /// Bytes, or a message. Written when they are none, too.
    protobuf_writer& content(std::uint32_t tag, byte_view value) {
        fields_.add_bytes(tag, reinterpret_cast<char const*>(value.data()), value.size());
        return *this;
    }
    /// @copydoc content
    protobuf_writer& content(std::uint32_t tag, std::string_view value) { return content(tag, as_bytes(value)); }

    /// What was written.
    [[nodiscard]] bytes take() const { return to_bytes(as_bytes(out_)); }
    /// What was written so far, borrowed until the next field.
    [[nodiscard]] byte_view view() const noexcept { return as_bytes(out_); }
    [[nodiscard]] bool empty() const noexcept { return out_.empty(); }

private:
    std::string out_;
    protozero::pbf_writer fields_;
};

}  // namespace muster::wire
