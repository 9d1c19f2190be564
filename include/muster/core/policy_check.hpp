// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What checks of policy structs have in common.

#include <muster/core/version.hpp>

namespace muster::detail {

/// Whether @p P is made by a template. It may have been given what the default is, so it may change nothing.
template <class P>
inline constexpr bool is_made_by_template = false;
template <template <class...> class T, class... Arguments>
inline constexpr bool is_made_by_template<T<Arguments...>> = true;
template <template <auto...> class T, auto... Arguments>
inline constexpr bool is_made_by_template<T<Arguments...>> = true;

}  // namespace muster::detail
