// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// The questions that wait for a person, one on the screen at a time. An answer belongs to the question that was shown:
/// what is typed before it is drawn does not count, and neither does what is typed for another one that has just gone.
///
/// A pure machine: it is told what happens and says what to do. Whoever drives it prints the lines, then, with `draw`,
/// throws away what was typed so far and shows the prompt, and carries the verdict out.

#include <chrono>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "escape.hpp"

namespace cosigner {

/// What a person has decided.
struct verdict {
    std::string session;  ///< Its id, all 64 digits.
    bool approved = false;
};

/// What is to be done, in this order.
struct prompt_step {
    lines say;                        ///< Lines to print.
    std::optional<std::string> draw;  ///< A prompt to draw, after dropping what was typed before.
    bool is_new = false;              ///< With `draw`: another question than before; show what it is about.
    std::optional<verdict> decided;   ///< To be carried out; then call @ref approval_prompt::next.
};

/// Not thread-safe.
class approval_prompt {
public:
    using time = std::chrono::steady_clock::time_point;

    /// After a question was withdrawn, an answer that comes sooner than this was meant for it. Ours: longer than it
    /// takes to press a key that the finger is on, shorter than it takes to read the next question.
    static constexpr std::chrono::milliseconds settling{1000};

    /// Session @p id awaits approval; asking twice changes nothing.
    [[nodiscard]] prompt_step asked(std::string id, time now);
    /// Session @p id does not await approval any more. @param why  e.g. `approved by another command`.
    [[nodiscard]] prompt_step ended(std::string const& id, std::string_view why, time now);
    /// The person has typed a line. `y` and `yes`, in any case, approve; `n` and `no` decline; all else asks again.
    [[nodiscard]] prompt_step typed(std::string_view line, time now);
    /// Draws the next question when none is on the screen.
    [[nodiscard]] prompt_step next(time now);

    /// Sessions that wait, that on the screen first.
    [[nodiscard]] std::deque<std::string> const& waiting() const noexcept { return waiting_; }

private:
    [[nodiscard]] std::string question() const;
    [[nodiscard]] prompt_step ask_again(std::string why) const;

    std::deque<std::string> waiting_;
    bool drawn_ = false;              // the first of them is on the screen
    std::optional<time> not_before_;  // until then answers are taken for answers to what was withdrawn
};

}  // namespace cosigner
