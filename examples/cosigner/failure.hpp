// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// How the application ends: its exit codes, and a failure that says what to do.

#include <string>
#include <string_view>

#include <muster/core/error.hpp>

namespace cosigner {

/// Exit codes, as the help text lists them.
enum exit_code : int {
    success = 0,        ///< Done; for `propose`: signed; for `verify`: valid.
    not_signed = 1,     ///< The session ended without a signature; for `verify`: not valid.
    usage = 2,          ///< The command line, or what it asks for, is refused.
    not_running = 3,    ///< No `cosigner run` answers in that directory.
    setup = 4,          ///< A file, a directory, an address or a permission is in the way.
    demo_failed = 5,    ///< A scene of the demonstration went wrong.
    may_be_signed = 6,  ///< For `propose`: no signature came, though our share was given; one may still turn up.
    interrupted = 130,  ///< A signal ended the command before its answer; as shells have it for SIGINT.
};

/// Why a command could not be carried out.
enum class errc : std::uint8_t { bad_directory = 1, bad_settings, bad_input, not_running, io_failed, cannot_connect };
[[nodiscard]] constexpr std::string_view category_of(errc) noexcept { return "cosigner"; }
[[nodiscard]] constexpr std::string_view to_string(errc e) noexcept {
    switch (e) {
        case errc::bad_directory: return "bad_directory";
        case errc::bad_settings: return "bad_settings";
        case errc::bad_input: return "bad_input";
        case errc::not_running: return "not_running";
        case errc::io_failed: return "io_failed";
        case errc::cannot_connect: return "cannot_connect";
    }
    return "unknown";
}

}  // namespace cosigner
