// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// JSON that is what it was meant to be, or is refused: requests at the control socket and the files of a directory.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include <muster/core/result.hpp>
#include <muster/json/signing.hpp>

#include "failure.hpp"

namespace cosigner {

using muster::result;
using value = muster::json::value;

/// What a member must be.
enum class shape : std::uint8_t {
    text,          ///< A string that is not empty.
    flag,          ///< true or false.
    number,        ///< A whole number that is not negative.
    texts,         ///< A list of strings, none empty.
    numbers,       ///< A list of whole numbers that are not negative.
    objects,       ///< A list of objects.
    object,        ///< An object.
    text_or_null,  ///< A string that is not empty, or null.
};

/// A member that an object may have.
struct member {
    std::string_view name;
    shape what;
    bool required = false;
};

/// The one JSON value that @p json spells. Refused with `bad_input`: what is not JSON (with line and column), a name
/// that an object has twice, nesting deeper than 16.
/// @param where  what it is, as errors name it.
[[nodiscard]] result<value> parse_json(std::string_view where, std::string_view json);

/// Whether @p what is an object with the required @p members, each of its shape, and none besides.
/// @return `bad_input` that names the first member at fault.
[[nodiscard]] result<void> check_members(std::string_view where, value const& what, std::span<member const> members);

}  // namespace cosigner
