// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Aggregates that name their fields, once: events and effects, above all.
///
/// C++20 cannot list the members of a type. An aggregate that others compare, print, log or turn into JSON lists them
/// once; what shows it walks that list and repeats nothing:
///
///     struct nonces_received {
///         session_id session;
///         slot from = 0;
///         MUSTER_FIELDS(nonces_received, session, from);
///     };
///
/// `to_text` prints such an aggregate on one line; `json::to_json` makes an object of it. Where a field is to be shown
/// by another name or in another form, the macro is written out: a static member `fields`, and `operator==`.

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

#include <muster/core/bytes.hpp>
#include <muster/core/error.hpp>
#include <muster/core/hex.hpp>

/// Lists the fields of the aggregate @p type, inside it, and makes it comparable. A name that is no member of it above
/// this line is reported as the use of an incomplete type. (Macros that repeat themselves:
/// D. Mazieres, "Recursive macros with C++20 __VA_OPT__", 2021. At most 16 fields.)
#define MUSTER_FIELDS(type, ...)                                                                     \
    static constexpr auto fields =                                                                   \
        ::muster::field_list{#type __VA_OPT__(MUSTER_EXPAND(MUSTER_EACH_FIELD(type, __VA_ARGS__)))}; \
    bool operator==(type const&) const = default
#define MUSTER_EACH_FIELD(type, head, ...) \
    , ::muster::field{#head, &type::head} __VA_OPT__(MUSTER_NEXT_FIELD MUSTER_PARENTHESES(type, __VA_ARGS__))
#define MUSTER_NEXT_FIELD() MUSTER_EACH_FIELD
#define MUSTER_PARENTHESES ()
#define MUSTER_EXPAND(...) MUSTER_EXPAND_4(MUSTER_EXPAND_4(MUSTER_EXPAND_4(MUSTER_EXPAND_4(__VA_ARGS__))))
#define MUSTER_EXPAND_4(...) MUSTER_EXPAND_1(MUSTER_EXPAND_1(MUSTER_EXPAND_1(MUSTER_EXPAND_1(__VA_ARGS__))))
#define MUSTER_EXPAND_1(...) __VA_ARGS__

namespace muster {

/// A member and what it is called.
template <class Aggregate, class Member>
struct field {
    constexpr field(std::string_view called, Member Aggregate::*at) noexcept : name{called}, where{at} {}

    std::string_view name;
    Member Aggregate::*where;

    /// The member of @p a.
    [[nodiscard]] constexpr Member const& of(Aggregate const& a) const noexcept { return a.*where; }
};
/// A member of which another form than its own is shown: what @p shown_as makes of it.
template <class Aggregate, class Member, class Shown>
struct shown_field {
    constexpr shown_field(std::string_view called, Member Aggregate::*at, Shown (*as)(Member const&)) noexcept
        : name{called}, where{at}, shown_as{as} {}

    std::string_view name;
    Member Aggregate::*where;
    Shown (*shown_as)(Member const&);

    /// What is shown of @p a.
    [[nodiscard]] constexpr Shown of(Aggregate const& a) const { return shown_as(a.*where); }
};

/// What an aggregate is called, and its fields in their order.
template <class... Fields>
struct field_list {
    constexpr explicit field_list(std::string_view called, Fields... all) : name{called}, fields{all...} {}

    std::string_view name;
    std::tuple<Fields...> fields;
};

/// An aggregate that names its fields.
template <class T>
concept has_fields = requires {
    { T::fields.name } -> std::convertible_to<std::string_view>;
    T::fields.fields;
};

/// Calls `f(name, value)` for each field of @p a, in order.
template <has_fields T, class F>
constexpr void for_each_field(T const& a, F&& f) {
    std::apply([&](auto const&... each) { (f(each.name, each.of(a)), ...); }, T::fields.fields);
}

/// Text of a value that is shown as one word or sentence: what has `to_text()`, an enumeration with names, bytes in
/// hexadecimal, text. O(size).
/// @{
[[nodiscard]] inline std::string word_of(std::string_view v) { return std::string{v}; }
template <class T>
requires requires(T const& v) {
    { v.to_text() } -> std::convertible_to<std::string>;
}
[[nodiscard]] std::string word_of(T const& v) { return v.to_text(); }
template <class T>
requires std::is_enum_v<T> && requires(T v) {
    { to_string(v) } -> std::convertible_to<std::string_view>;
}
[[nodiscard]] std::string word_of(T v) { return std::string{to_string(v)}; }
template <class T>
requires requires(T const& v) {
    to_hex(v);
} &&(!std::convertible_to<T const&, std::string_view>) [[nodiscard]] std::string word_of(T const& v) {
    return to_hex(v);
}
/// @}

/// A value that `word_of` shows.
template <class T>
concept has_word = requires(T const& v) {
    word_of(v);
};

namespace detail {

template <class T>
inline constexpr bool is_variant = false;
template <class... T>
inline constexpr bool is_variant<std::variant<T...>> = true;

/// Milliseconds in @p d, rounded towards zero. Does without <chrono>.
template <class Duration>
[[nodiscard]] constexpr std::int64_t millis_in(Duration const& d) {
    using period = typename Duration::period;
    if constexpr (period::den >= 1000) {
        return static_cast<std::int64_t>(d.count()) / (period::den / 1000 / period::num);
    } else {
        return static_cast<std::int64_t>(d.count()) * (1000 / period::den) * period::num;
    }
}
/// Milliseconds since the epoch of @p t, rounded towards zero.
template <class Point>
[[nodiscard]] constexpr std::int64_t millis_of(Point const& t) {
    return millis_in(t.time_since_epoch());
}

/// Longest text, and most bytes, that one value is shown with: a line of a log must not grow with what a peer sends.
/// Ours.
inline constexpr std::size_t shown_max = 256;

/// Text of others may hold anything: what is no printable ASCII is shown by its code.
inline void append_quoted(std::string& out, std::string_view content) {
    out.push_back('"');
    for (char const c : content.substr(0, shown_max)) {
        if (c >= ' ' && c <= '~' && c != '"' && c != '\\') {
            out.push_back(c);
        } else {
            out.append("\\x").append(to_hex(as_bytes(std::string_view{&c, 1})));
        }
    }
    out.push_back('"');
    if (content.size() > shown_max) out.append("... (").append(std::to_string(content.size())).append(" bytes)");
}
inline void append_bytes(std::string& out, byte_view content) {
    out.append(to_hex(content.first(content.size() < shown_max ? content.size() : shown_max)));
    if (content.size() > shown_max) out.append("... (").append(std::to_string(content.size())).append(" bytes)");
}

template <class T>
void append_value(std::string& out, T const& v) {
    if constexpr (std::same_as<T, bool>) {
        out.append(v ? "true" : "false");
    } else if constexpr (std::integral<T>) {
        out.append(std::to_string(v));
    } else if constexpr (std::floating_point<T>) {
        out.append(std::to_string(v));
    } else if constexpr (requires { v.time_since_epoch(); }) {
        out.append(std::to_string(millis_of(v)));
    } else if constexpr (requires { typename T::period; }) {
        out.append(std::to_string(millis_in(v))).append("ms");
    } else if constexpr (std::convertible_to<T const&, std::string_view> || std::same_as<T, error>) {
        append_quoted(out, word_of(v));
    } else if constexpr (std::same_as<T, bytes> || std::same_as<T, byte_view>) {
        append_bytes(out, v);
    } else if constexpr (has_word<T>) {
        out.append(word_of(v));
    } else if constexpr (has_fields<T>) {
        out.append(T::fields.name).push_back('{');
        bool is_first = true;
        for_each_field(v, [&](std::string_view name, auto const& content) {
            out.append(std::exchange(is_first, false) ? "" : ", ").append(name).append(": ");
            append_value(out, content);
        });
        out.push_back('}');
    } else if constexpr (is_variant<T>) {
        std::visit([&](auto const& held) { append_value(out, held); }, v);
    } else if constexpr (
        requires {
            v.get() != nullptr;
            *v;
        } ||
        requires { v.has_value(); }) {
        if (v) {
            append_value(out, *v);
        } else {
            out.append("none");
        }
    } else {
        static_assert(
            requires { v.begin() != v.end(); },
            "a field of this type cannot be shown. What can: bool, numbers, times and durations, text, bytes, error, "
            "enumerations with to_string(), types with a member to_text() or with MUSTER_FIELDS, and optionals, "
            "pointers, "
            "variants and ranges of these; other fields are listed with shown_field, which makes one of these of them");
        out.push_back('[');
        bool is_first = true;
        for (auto const& each : v) {
            out.append(std::exchange(is_first, false) ? "" : ", ");
            append_value(out, each);
        }
        out.push_back(']');
    }
}

}  // namespace detail

/// Text of others in quotes, as printable ASCII: what is none is shown by its code, and what is long is cut. O(size).
[[nodiscard]] inline std::string quoted(std::string_view content) {
    std::string out;
    detail::append_quoted(out, content);
    return out;
}

/// @p v on one line of printable ASCII, such as `nonces_received{session: 00ff, from: 2}`, for logs and tests. Times
/// are in milliseconds since their epoch, durations such as `250ms`. For types of other namespaces call it as
/// `muster::to_text`. O(size).
template <class T>
requires has_fields<T> || detail::is_variant<T>
[[nodiscard]] std::string to_text(T const& v) {
    std::string out;
    detail::append_value(out, v);
    return out;
}

/// Whether all fields of @p a and @p b are equal; what is shared, or seen through a view, is compared, and not where it
/// is. For aggregates that hold such; others have a defaulted `operator==`.
template <has_fields T>
[[nodiscard]] bool have_equal_fields(T const& a, T const& b) {
    auto const same = [](auto const& x, auto const& y) {
        if constexpr (requires {
                          x.get() != nullptr;
                          *x == *y;
                      }) {
            return x == y || (x && y && *x == *y);
        } else if constexpr (std::same_as<decltype(x), byte_view const&>) {
            return equal(x, y);
        } else {
            return x == y;
        }
    };
    return std::apply([&](auto const&... each) { return (same(each.of(a), each.of(b)) && ...); }, T::fields.fields);
}

}  // namespace muster
