// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What a refused request says: which room refused it, why, with which value, and what to do.
///
/// Each room (folder) declares its own `enum class errc` and two functions found by argument-dependent
/// lookup: `category_of(errc)`, the room's name, and `to_string(errc)`, the enumerator's. An `error`
/// erases the enumerator to (category, code) so that results of different rooms compose, and keeps a
/// message written for the person who will read it.

#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <muster/core/version.hpp>

namespace muster {

/// An enumeration of reasons for refusal.
///
/// Semantics: `category_of(e)` is the same for all enumerators of a type and unique to it; `to_string(e)`
/// names the enumerator. Both return text with static storage duration.
template <class E>
concept error_code_enum = std::is_enum_v<E> && requires(E e) {
    { category_of(e) }
    noexcept->std::same_as<std::string_view>;
    { to_string(e) }
    noexcept->std::same_as<std::string_view>;
};

/// Why something was refused. A regular value; copying allocates when the message is long.
class error {
public:
    /// @param code     the reason, of some room.
    /// @param message  what was wrong, with the offending value, and what to do about it.
    /// @param index    position of the offending element in the caller's list, where there is one.
    template <error_code_enum E>
    [[gnu::cold]] error(E code, std::string message, std::optional<std::uint32_t> index = std::nullopt)
        : category_{category_of(code)},
          name_{to_string(code)},
          code_{static_cast<int>(code)},
          index_{index},
          message_{std::move(message)} {}

    /// The room that refused, e.g. `musig2`.
    [[nodiscard]] std::string_view category() const noexcept { return category_; }
    /// The reason's name, e.g. `invalid_pubnonce`.
    [[nodiscard]] std::string_view name() const noexcept { return name_; }
    /// The reason's number within its category.
    [[nodiscard]] int code() const noexcept { return code_; }
    /// What was wrong, with which value, and what to do.
    [[nodiscard]] std::string const& message() const noexcept { return message_; }
    /// Position of the offending element in the list that was passed, e.g. the blamed signer.
    [[nodiscard]] std::optional<std::uint32_t> index() const noexcept { return index_; }

    /// `category.name: message`, for a log or a terminal.
    [[nodiscard]] std::string to_text() const {
        std::string text{category_};
        text.append(".").append(name_).append(": ").append(message_);
        return text;
    }

    /// Whether this is the reason @p code, whatever the message.
    template <error_code_enum E>
    [[nodiscard]] friend bool operator==(error const& e, E code) noexcept {
        return e.code_ == static_cast<int>(code) && e.category_ == category_of(code);
    }

    friend bool operator==(error const&, error const&) = default;

private:
    std::string_view category_;
    std::string_view name_;
    int code_;
    std::optional<std::uint32_t> index_;
    std::string message_;
};

namespace detail {
inline void append_text(std::string& out, std::string_view part) { out.append(part); }
inline void append_text(std::string& out, char part) { out.push_back(part); }
inline void append_text(std::string& out, std::integral auto part) { out.append(std::to_string(part)); }
}  // namespace detail

/// Joins texts and integers into one message, e.g. `text("slot ", 3, " of ", n)`.
template <class... Parts>
[[nodiscard, gnu::cold]] std::string text(Parts const&... parts) {
    std::string out;
    (detail::append_text(out, parts), ...);
    return out;
}

}  // namespace muster
