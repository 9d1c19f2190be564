// SPDX-License-Identifier: MIT

#include "passphrases.hpp"

#include <fcntl.h>
#include <poll.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <csignal>

#include "escape.hpp"
#include "files.hpp"
#include "output.hpp"

namespace cosigner {

using muster::error;
using muster::text;

namespace {

volatile std::sig_atomic_t caught = 0;
void note(int number) { caught = number; }

/// A terminal that does not show what is typed, until the end. What would end the program in between waits until the
/// terminal is as it was. Such signals are let through where @ref wait waits, and nowhere else: one that came just
/// before a read would not interrupt it.
class silent_terminal {
public:
    explicit silent_terminal(int fd) : fd_{fd} {
        is_one_ = ::tcgetattr(fd_, &before_) == 0;
        if (!is_one_) return;
        caught = 0;
        sigset_t held;
        ::sigemptyset(&held);
        for (auto const number : signals) ::sigaddset(&held, number);
        ::sigprocmask(SIG_BLOCK, &held, &mask_);
        struct sigaction noted {};
        noted.sa_handler = note;
        for (std::size_t i = 0; i < signals.size(); ++i) ::sigaction(signals[i], &noted, &actions_[i]);
        auto silent = before_;
        silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
        silent.c_lflag |= ICANON | ECHONL;  // the line end is shown, so that the next line begins one
        ::tcsetattr(fd_, TCSAFLUSH, &silent);
    }
    silent_terminal(silent_terminal const&) = delete;
    silent_terminal& operator=(silent_terminal const&) = delete;
    ~silent_terminal() {
        if (!is_one_) return;
        ::tcsetattr(fd_, TCSAFLUSH, &before_);
        for (std::size_t i = 0; i < signals.size(); ++i) ::sigaction(signals[i], &actions_[i], nullptr);
        if (caught != 0) ::raise(caught);
        ::sigprocmask(SIG_SETMASK, &mask_, nullptr);
    }
    /// Waits until something was typed; false when a signal came instead.
    [[nodiscard]] bool wait() const {
        pollfd typed{fd_, POLLIN, 0};
        return ::ppoll(&typed, 1, nullptr, &mask_) >= 0 && caught == 0;
    }
    [[nodiscard]] bool is_one() const noexcept { return is_one_; }

private:
    static constexpr std::array signals{SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};
    int fd_;
    bool is_one_ = false;
    termios before_{};
    sigset_t mask_{};
    std::array<struct sigaction, signals.size()> actions_{};
};

/// The first line of @p fd, without its end. Before each byte @p wait is asked whether to go on.
template <class Wait>
result<passphrase> read_line(int fd, std::string const& from, Wait wait) {
    std::array<muster::byte, passphrase::size_max + 2> line{};
    muster::crypto::wipe_on_exit const wipe_line{line};
    std::size_t size = 0;
    for (;;) {
        auto const got = wait() ? ::read(fd, line.data() + size, 1) : -1;
        if (got < 0) return error{errc::bad_input, text("no passphrase can be read from ", from)};
        if (got == 0 || line[size] == '\n') break;
        if (++size == line.size()) break;
    }
    if (size > 0 && line[size - 1] == '\r') --size;
    return passphrase::take(muster::byte_view{line}.first(size));
}

result<passphrase> read_file_line(std::string const& path) {
    bool const is_input = path == "-";
    descriptor const file{is_input ? ::dup(STDIN_FILENO) : ::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
    if (file.get() < 0) return failed("cannot open", path);
    return read_line(file.get(), is_input ? "standard input" : in_quotes(path), [] { return true; });
}

result<passphrase> ask_person(std::string const& prompt) {
    descriptor const tty{::open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY)};
    if (tty.get() < 0) {
        return error{errc::bad_input,
                     "a passphrase is needed, and there is no terminal to ask at: give a file that has "
                     "it as its first line"};
    }
    silent_terminal const silent{tty.get()};
    if (!silent.is_one()) return error{errc::bad_input, "the terminal would show the passphrase; give a file instead"};
    put_part(tty.get(), prompt);
    return read_line(tty.get(), "the terminal", [&] { return silent.wait(); });
}

}  // namespace

result<passphrase> ask_passphrase(std::optional<std::string> const& file, std::string const& what) {
    return file ? read_file_line(*file) : ask_person(text("passphrase of ", what, ": "));
}

result<passphrase> choose_passphrase(std::optional<std::string> const& file, std::string const& what) {
    if (file) {
        MUSTER_TRY(auto const given, read_file_line(*file));
        return passphrase::choose(given.view());
    }
    MUSTER_TRY(auto const first, ask_person(text("new passphrase of ", what, ": ")));
    MUSTER_TRY(auto chosen, passphrase::choose(first.view()));
    MUSTER_TRY(auto const again, ask_person("the same once more: "));
    if (chosen.is_same_as(again)) return chosen;
    return error{errc::bad_input, "the two passphrases differ; nothing was changed"};
}

}  // namespace cosigner
