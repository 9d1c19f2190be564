// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Enumerations whose enumerators and their names are one list.
///
/// C++20 cannot name an enumerator, and a second list of names goes stale. The macro defines the enumeration and keeps
/// its text; the names are cut out of that text at compile time. (Boost.Describe does the same with more machinery.)

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <muster/core/version.hpp>

namespace muster::detail {

/// How many enumerators @p list, the text of a list of them, has.
[[nodiscard]] consteval std::size_t count_enumerators(std::string_view list) noexcept {
    std::size_t n = 0;
    bool is_inside = false;
    for (char const c : list) {
        if (c == ',') is_inside = false;
        if (c != ',' && c != ' ' && !is_inside) {
            is_inside = true;
            ++n;
        }
    }
    return n;
}

/// The names in @p list, which has @p N of them and no values.
template <std::size_t N>
[[nodiscard]] consteval std::array<std::string_view, N> split_enumerators(std::string_view list) {
    std::array<std::string_view, N> out;
    for (auto& name : out) {
        list.remove_prefix(list.find_first_not_of(" ,"));
        name = list.substr(0, list.find_first_of(" ,"));
        auto const comma = list.find(',');
        list.remove_prefix(comma < list.size() ? comma : list.size());
    }
    return out;
}

}  // namespace muster::detail

/// `MUSTER_ENUMERATION(name, first, enumerator, ...)` defines `enum class name : std::uint8_t` whose enumerators count
/// up from @p first (0 or 1), and `to_string(name)`, found by argument-dependent lookup: the enumerator's name, or
/// `unknown`, with static storage duration, O(1). Documentation comments go where they would without the macro.
#define MUSTER_ENUMERATION(name, first, head, ...)                                                                   \
    enum class name : ::std::uint8_t { head = first, __VA_ARGS__ };                                                  \
    [[nodiscard]] constexpr ::std::string_view to_string(name e) noexcept {                                          \
        constexpr ::std::string_view list = #head "," #__VA_ARGS__;                                                  \
        constexpr auto names = ::muster::detail::split_enumerators<::muster::detail::count_enumerators(list)>(list); \
        auto const at = static_cast<::std::size_t>(e) - first;                                                       \
        return at < names.size() ? names[at] : ::std::string_view{"unknown"};                                        \
    }                                                                                                                \
    static_assert(true)
