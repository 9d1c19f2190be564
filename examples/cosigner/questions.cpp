// SPDX-License-Identifier: MIT

// The part of a running co-signer that asks a person.

#include "node.hpp"

namespace cosigner {

using muster::text;
using muster::to_hex;

void node::ask_person(signing::session_id const& id) {
    if (is_attended_) return carry_out(prompt_.asked(to_hex(id), std::chrono::steady_clock::now()));
    out_.remark(text("waiting for `cosigner approve ", as_argument(home_.dir().string()), " ", to_hex(id),
                     "`, or `decline` instead of `approve`"));
}

// A question is one as long as its session awaits approval, whoever answers it and however it ends.
void node::withdraw_questions() {
    auto const waiting = prompt_.waiting();
    for (auto const& digits : waiting) {
        auto const id = muster::from_hex_as<signing::session_id>(digits).value();
        auto const* const s = signer().find(id);
        if (s != nullptr && s->at() == signing::phase::awaiting_approval) continue;
        auto const why = s == nullptr || s->at() == signing::phase::over ? "the session is over"
                                                                         : "it was approved by another command";
        carry_out(prompt_.ended(digits, why, std::chrono::steady_clock::now()));
    }
}

void node::on_typed(std::string const& line) {
    out_.prompt_was_answered();
    carry_out(prompt_.typed(line, std::chrono::steady_clock::now()));
}

void node::carry_out(prompt_step const& step) {
    if (!step.say.empty()) {
        out_.end_prompt();
        for (auto const& line : step.say) out_.remark(line);
    }
    if (step.draw) {
        auto const id = muster::from_hex_as<signing::session_id>(prompt_.waiting().front()).value();
        // What is asked is above the question, however much was printed since the session came up.
        if (step.is_new) print(log_level::error, {}, summary(id));
        terminal_.drop_typed();
        out_.show_prompt(*step.draw);
    }
    if (!step.decided) return;
    auto const id = muster::from_hex_as<signing::session_id>(step.decided->session).value();
    auto const done = step.decided->approved ? signer().approve(id) : signer().decline(id, "refused at the terminal");
    if (!done) out_.fail(done.error());
    carry_out(prompt_.next(std::chrono::steady_clock::now()));
}

}  // namespace cosigner
