// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// The version of muster, and the language that it needs. Every header includes this one, directly or through another.
///
/// Versions are semantic (semver.org). Before 1.0 a minor version may change interfaces and wire formats; a patch
/// changes neither. CMake reads the version from here.

#if defined(_MSVC_LANG) ? _MSVC_LANG < 202002L : __cplusplus < 202002L
#error \
    "muster needs C++20: compile with -std=c++20 (g++ 12, clang 14 or newer), or link a muster:: target in CMake, which asks for it"
#include <C++20>  // does not exist: stops the compiler before it reports what follows from the above
#endif

#define MUSTER_VERSION_MAJOR 0
#define MUSTER_VERSION_MINOR 1
#define MUSTER_VERSION_PATCH 0

/// The version as one number, major * 10000 + minor * 100 + patch: `#if MUSTER_VERSION >= 200` asks for 0.2.0.
#define MUSTER_VERSION (MUSTER_VERSION_MAJOR * 10000 + MUSTER_VERSION_MINOR * 100 + MUSTER_VERSION_PATCH)
