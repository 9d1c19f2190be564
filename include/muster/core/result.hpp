// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// The one place that chooses how an operation reports that it was refused: Boost.Outcome.
///
/// `result<T>` holds a T or an `error`. Reading the wrong side terminates instead of throwing, so that
/// the library builds with `-fno-exceptions`. Only `basic_result` is included: it costs a third of
/// `boost/outcome/result.hpp` in preprocessed lines.

#include <boost/outcome/basic_result.hpp>
#include <boost/outcome/policy/terminate.hpp>
#include <boost/outcome/try.hpp>

#include <muster/core/error.hpp>

namespace muster {

/// A T, or the `error` that says why there is none.
template <class T, class E = error>
using result = BOOST_OUTCOME_V2_NAMESPACE::basic_result<T, E, BOOST_OUTCOME_V2_NAMESPACE::policy::terminate>;

/// The value of a `result<void>` that succeeded.
[[nodiscard]] inline auto ok() noexcept { return BOOST_OUTCOME_V2_NAMESPACE::success(); }

}  // namespace muster

/// `MUSTER_TRY(auto x, expression)`: binds the value, or returns the error from the enclosing function.
/// `MUSTER_TRY(expression)` for a `result<void>`.
#define MUSTER_TRY(...) BOOST_OUTCOME_TRY(__VA_ARGS__)
