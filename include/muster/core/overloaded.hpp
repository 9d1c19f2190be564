// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Builds one visitor out of several lambdas, for `std::visit`.

#include <muster/core/version.hpp>

namespace muster {

/// One callable with the call operators of all @p Fs.
template <class... Fs>
struct overloaded : Fs... {
    using Fs::operator()...;
};
/// clang 14 does not deduce aggregates.
template <class... Fs>
overloaded(Fs...) -> overloaded<Fs...>;

}  // namespace muster
