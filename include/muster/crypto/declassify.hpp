// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Where a value that was computed from secrets becomes public.
///
/// Idea: whether code branches on secrets, or reads memory where they say, can be watched: valgrind's memcheck
/// complains about every branch and address that depends on bytes marked as undefined. A test marks the secrets; what
/// is meant to be public afterwards, such as a nonce's point, is marked as defined here. Each call is therefore a claim
/// that can be read. Outside that test, which defines MUSTER_MEMCHECK, nothing is compiled.
/// @see Adam Langley's ctgrind; libsecp256k1's own ctime_tests.

#include <muster/core/version.hpp>

#ifdef MUSTER_MEMCHECK
#include <valgrind/memcheck.h>
#endif

namespace muster::crypto {

/// Says that @p value may be seen by anyone who can time us.
template <class T>
void declassify([[maybe_unused]] T const& value) noexcept {
#ifdef MUSTER_MEMCHECK
    VALGRIND_MAKE_MEM_DEFINED(&value, sizeof(T));
#endif
}

}  // namespace muster::crypto
