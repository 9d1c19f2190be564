// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Any aggregate that names its fields, as JSON; see core/fields.hpp. One way only: nothing that came as JSON is ever
/// signed, the canonical encoding is.
///
/// Bytes are lower-case hexadecimal, times are milliseconds, slots are numbers, what is absent is `null`.

#include <concepts>
#include <string>
#include <utility>
#include <variant>

#include <nlohmann/json.hpp>

#include <muster/core/fields.hpp>

namespace muster::json {

/// A JSON value whose members keep the order in which they were added.
using value = nlohmann::ordered_json;

/// Specialised where a type has a shape of its own in JSON: `static value of(T const&)`.
template <class T>
struct shape;

namespace detail {

template <class T>
[[nodiscard]] value of(T const& v) {
    if constexpr (requires { shape<T>::of(v); }) {
        return shape<T>::of(v);
    } else if constexpr (std::integral<T>) {
        return v;
    } else if constexpr (requires { v.time_since_epoch(); }) {
        return muster::detail::millis_of(v);
    } else if constexpr (has_word<T>) {
        return word_of(v);
    } else if constexpr (has_fields<T>) {
        auto out = value::object();
        for_each_field(v, [&](std::string_view name, auto const& content) { out[std::string{name}] = of(content); });
        return out;
    } else if constexpr (muster::detail::is_variant<T>) {
        return std::visit([](auto const& held) { return of(held); }, v);
    } else if constexpr (
        requires {
            v.get() != nullptr;
            *v;
        } ||
        requires { v.has_value(); }) {
        return v ? of(*v) : value{};
    } else {
        auto out = value::array();
        for (auto const& each : v) out.push_back(of(each));
        return out;
    }
}

}  // namespace detail

/// An event or effect: `{"event": name, field: value, ...}`. O(size).
template <class T>
requires has_fields<T> &&(!requires(T const& v) { shape<T>::of(v); }) [[nodiscard]] value to_json(T const& e) {
    value out{{"event", T::fields.name}};
    for_each_field(e,
                   [&](std::string_view name, auto const& content) { out[std::string{name}] = detail::of(content); });
    return out;
}
/// Whichever of several it is.
template <class... T>
requires(!requires(std::variant<T...> const& v) { shape<std::variant<T...>>::of(v); }) [[nodiscard]] value
    to_json(std::variant<T...> const& e) {
    return std::visit([](auto const& held) { return to_json(held); }, e);
}
/// A value that has a shape of its own.
template <class T>
requires requires(T const& v) { shape<T>::of(v); }
[[nodiscard]] value to_json(T const& v) { return shape<T>::of(v); }

/// The text of @p v on one line, in ASCII: no character of a peer can move a cursor or reorder what a terminal shows.
/// Text that is not UTF-8, which peers may send, is shown with replacements.
[[nodiscard]] inline std::string to_line(value const& v) {
    return v.dump(-1, ' ', true, value::error_handler_t::replace);
}

}  // namespace muster::json
