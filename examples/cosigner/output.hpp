// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Everything the program prints goes through @ref put_line, which escapes it; and what is printed where.
///
/// As text, results and events go to standard output and errors to standard error. As JSON, all of it goes to standard
/// output, one object a line, and standard error stays empty.

#include <functional>
#include <string>
#include <string_view>

#include <muster/core/error.hpp>
#include <muster/json/signing.hpp>

#include "escape.hpp"
#include "failure.hpp"

namespace cosigner {

using value = muster::json::value;

/// Writes @p line, escaped, and a line end, to the descriptor @p fd in as few writes as it takes. Waits when a terminal
/// or pipe is full. @return false when nobody reads there any more.
bool put_line(int fd, std::string_view line);
/// As @ref put_line without the line end: for a prompt, or over the line that is there when @p over is set.
bool put_part(int fd, std::string_view part, bool over = false);

/// @p s with blanks behind it, at least @p width characters.
[[nodiscard]] inline std::string padded(std::string s, std::size_t width) {
    if (s.size() < width) s.append(width - s.size(), ' ');
    return s;
}

/// Which events `run` tells.
enum class log_level : std::uint8_t { error = 1, info, debug };

/// Prints what a command has to say, as text or as JSON. Not thread-safe.
class printer {
public:
    explicit printer(bool json) : json_{json} {}

    /// A result or an event. @param as_text  its lines, as a person reads them.
    void tell(value const& as_json, lines const& as_text);
    /// A line for people only: with JSON it is left out.
    void remark(std::string_view line);
    /// An error, and the exit code that it stands for: as text `cosigner: MESSAGE`, as JSON `{"event":"error",...}`.
    int fail(muster::error const& why);
    int fail(muster::error const& why, int code);
    /// An error as a line of JSON.
    [[nodiscard]] static value as_json(muster::error const& why, int code);

    /// Shows @p text at the end of the screen, without a line end; what is told later comes above it.
    void show_prompt(std::string text);
    /// Leaves the prompt where it is, as a line that is over.
    void end_prompt();
    /// The person has ended the prompt's line by a line end of their own.
    void prompt_was_answered() { prompt_.clear(); }

    [[nodiscard]] bool json() const noexcept { return json_; }
    /// Whether nobody reads what is printed any more.
    [[nodiscard]] bool is_closed() const noexcept { return closed_; }
    /// Why something that was to be printed is lost, when nobody chose that: a disk is full. Empty otherwise, and when
    /// the reader of a pipe has gone away.
    [[nodiscard]] std::string const& lost() const noexcept { return lost_; }
    /// Called once, when that is noticed.
    void on_closed(std::function<void()> f) { on_closed_ = std::move(f); }

private:
    void put(int fd, lines const& all);
    void was_written(bool ok);

    bool json_;
    bool closed_ = false;
    std::string lost_;
    std::string prompt_;
    std::function<void()> on_closed_;
};

/// The exit code that @p why stands for.
[[nodiscard]] int exit_code_of(muster::error const& why);

}  // namespace cosigner
