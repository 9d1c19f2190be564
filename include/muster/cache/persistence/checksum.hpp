// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// CRC-32C (Castagnoli), as in iSCSI and ext4: finds every error of one bit and every burst of up to 32. The one place
/// that names Boost.CRC.

#include <cstdint>

#include <boost/crc.hpp>

#include <muster/core/bytes.hpp>

namespace muster::cache {

/// The checksum of @p octets. About 0.4 GB/s; no protection against malice.
[[nodiscard]] inline std::uint32_t crc32c(byte_view octets) {
    boost::crc_optimal<32, 0x1edc6f41, 0xffff'ffff, 0xffff'ffff, true, true> crc;
    crc.process_bytes(octets.data(), octets.size());
    return crc.checksum();
}

}  // namespace muster::cache
