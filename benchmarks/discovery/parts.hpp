// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What the measurements of discovery share.

#include <vector>

#include <muster/core/random.hpp>
#include <muster/core/result.hpp>
#include <support/report.hpp>

namespace muster::bench {

/// A source that anybody can predict, for keys that protect nothing.
struct predictable {
    splitmix64 words;
    [[nodiscard]] result<void> fill_secret(byte_span out) {
        for (auto& b : out) b = static_cast<byte>(words());
        return ok();
    }
};

/// Which part of local look-ups is answered while strangers flood a directory.
[[nodiscard]] std::vector<row> directory_floods();

}  // namespace muster::bench
