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

#include <string>

#include <muster/core/fields.hpp>

/// A check that fails shows events and effects with their fields.
template <class T>
    requires muster::has_fields<T>
struct Catch::StringMaker<T> {
    static std::string convert(T const& v) { return muster::to_text(v); }
};
