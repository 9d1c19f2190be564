// SPDX-License-Identifier: MIT

#include "prompt.hpp"

#include <algorithm>

#include <muster/core/error.hpp>

namespace cosigner {

using muster::text;

namespace {

std::string brief(std::string const& id) { return id.substr(0, 8); }

/// Without blanks around it, in lower case.
std::string plain(std::string_view line) {
    while (!line.empty() && (line.back() == ' ' || line.back() == '\r' || line.back() == '\t')) line.remove_suffix(1);
    while (!line.empty() && (line.front() == ' ' || line.front() == '\t')) line.remove_prefix(1);
    std::string out;
    for (char const c : line) out += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    return out;
}

}  // namespace

std::string approval_prompt::question() const {
    auto const behind = waiting_.size() - 1;
    return text("approve session ", brief(waiting_.front()), "? [y/n] ",
                behind == 0 ? std::string{} : text("(", behind, " more after it) "));
}

prompt_step approval_prompt::ask_again(std::string why) const {
    return {.say = {std::move(why)}, .draw = question(), .is_new = false, .decided = {}};
}

prompt_step approval_prompt::next(time now) {
    if (drawn_ || waiting_.empty()) return {};
    drawn_ = true;
    if (not_before_ && now < *not_before_) not_before_ = now + settling;
    return {.say = {}, .draw = question(), .is_new = true, .decided = {}};
}

prompt_step approval_prompt::asked(std::string id, time now) {
    if (std::find(waiting_.begin(), waiting_.end(), id) != waiting_.end()) return {};
    waiting_.push_back(std::move(id));
    return next(now);
}

prompt_step approval_prompt::ended(std::string const& id, std::string_view why, time now) {
    auto const found = std::find(waiting_.begin(), waiting_.end(), id);
    if (found == waiting_.end()) return {};
    bool const was_shown = drawn_ && found == waiting_.begin();
    waiting_.erase(found);
    if (!was_shown) return {};
    drawn_ = false;
    not_before_ = now + settling;
    auto step = next(now);
    step.say.insert(step.say.begin(), text("session ", brief(id), ": the question is withdrawn: ", why));
    return step;
}

prompt_step approval_prompt::typed(std::string_view line, time now) {
    if (!drawn_) return {};
    if (not_before_ && now < *not_before_) {
        return ask_again(text("not taken: the question has only just changed to session ", brief(waiting_.front())));
    }
    auto const answer = plain(line);
    bool const yes = answer == "y" || answer == "yes";
    if (!yes && answer != "n" && answer != "no") return ask_again("please answer y or n");
    drawn_ = false;
    not_before_ = now + settling;  // a second y is not for the next question
    verdict decided{waiting_.front(), yes};
    waiting_.pop_front();
    return {.say = {}, .draw = {}, .is_new = false, .decided = std::move(decided)};
}

}  // namespace cosigner
