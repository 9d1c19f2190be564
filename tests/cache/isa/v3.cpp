// SPDX-License-Identifier: MIT

#include "use.hpp"

bool use_as_v3(caches& c, std::uint64_t begin) { return use(c, begin); }
