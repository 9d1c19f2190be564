// SPDX-License-Identifier: MIT

// Catch2 2 wants its main compiled once by its user; version 3 brings its own.
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>
