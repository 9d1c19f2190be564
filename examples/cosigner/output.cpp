// SPDX-License-Identifier: MIT

#include "output.hpp"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include <muster/identity/errc.hpp>

namespace cosigner {

namespace {

bool write_all(int fd, std::string_view content) {
    while (!content.empty()) {
        auto const written = ::write(fd, content.data(), content.size());
        if (written >= 0) {
            content.remove_prefix(static_cast<std::size_t>(written));
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            pollfd wait{fd, POLLOUT, 0};
            (void)::poll(&wait, 1, -1);
        } else if (errno != EINTR) {
            return false;
        }
    }
    return true;
}

}  // namespace

bool put_line(int fd, std::string_view line) { return write_all(fd, escape(line) + "\n"); }

bool put_part(int fd, std::string_view part, bool over) {
    return write_all(fd, (over ? "\r\x1b[K" : "") + escape(part));  // ECMA-48: erase to the end of the line
}

void printer::was_written(bool ok) {
    auto const why = errno;
    if (ok || std::exchange(closed_, true)) return;
    if (why != EPIPE) lost_ = muster::text("cannot write to standard output: ", std::strerror(why));
    if (on_closed_) on_closed_();
}

void printer::put(int fd, lines const& all) {
    auto const prompt = prompt_;
    end_prompt();
    for (auto const& line : all) was_written(put_line(fd, line));
    if (!prompt.empty()) show_prompt(prompt);
}

void printer::tell(value const& as_json, lines const& as_text) {
    if (!json_) return put(STDOUT_FILENO, as_text);
    // The text of JSON holds no raw control characters and is never cut, so it is not escaped once more.
    was_written(write_all(STDOUT_FILENO, muster::json::to_line(as_json) + "\n"));
}

void printer::remark(std::string_view line) {
    if (!json_) put(STDOUT_FILENO, {std::string{line}});
}

value printer::as_json(muster::error const& why, int code) {
    return {{"event", "error"},
            {"error", muster::text(why.category(), ".", why.name())},
            {"text", escape(why.message())},
            {"exit", code}};
}

int printer::fail(muster::error const& why) { return fail(why, exit_code_of(why)); }

int printer::fail(muster::error const& why, int code) {
    if (json_) {
        tell(as_json(why, code), {});
    } else {
        put(STDERR_FILENO, {"cosigner: " + why.message()});
    }
    return code;
}

void printer::show_prompt(std::string text) {
    if (json_) return;
    prompt_ = std::move(text);
    was_written(put_part(STDOUT_FILENO, prompt_));
}

void printer::end_prompt() {
    if (prompt_.empty()) return;
    prompt_.clear();
    was_written(put_line(STDOUT_FILENO, ""));
}

int exit_code_of(muster::error const& why) {
    if (why == errc::not_running) return not_running;
    bool const is_ours = why.category() == category_of(errc{});
    using key_errc = muster::identity::errc;
    bool const is_key_file = why.category() == category_of(key_errc{}) && why != key_errc::wrong_passphrase &&
                             why != key_errc::bad_passphrase;
    bool const is_in_the_way =
        is_key_file || why.category() == "file" || why.category() == "node" || (is_ours && why != errc::bad_input);
    return is_in_the_way ? setup : usage;
}

}  // namespace cosigner
