// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Catch2, version 2 or 3, whichever is installed.

#if __has_include(<catch2/catch_test_macros.hpp>)
#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>
#else
#include <catch2/catch.hpp>
#endif
