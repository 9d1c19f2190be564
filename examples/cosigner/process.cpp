// SPDX-License-Identifier: MIT

#include "process.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <istream>

#include <boost/asio/read_until.hpp>

#include "failure.hpp"

extern char** environ;

namespace cosigner {

using muster::error;
using muster::ok;
using muster::text;

muster::result<void> process::start(std::vector<std::string> arguments) {
    kill();
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return error{errc::io_failed, "no pipe for a child process"};
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    std::string program = "/proc/self/exe";
    std::vector<char*> argv{program.data()};
    for (auto& a : arguments) argv.push_back(a.data());
    argv.push_back(nullptr);
    auto const failed = ::posix_spawn(&pid_, program.c_str(), &actions, nullptr, argv.data(), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    ::close(ends[1]);
    if (failed != 0) {
        ::close(ends[0]);
        pid_ = -1;
        return error{errc::io_failed, text("cannot start a child process: ", std::strerror(failed))};
    }
    output_ = std::make_shared<output>(io_, ends[0]);
    output_->read();
    return ok();
}

void process::kill() {
    boost::system::error_code ignored;
    if (output_) output_->pipe.close(ignored);
    if (pid_ < 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
}

void process::output::read() {
    boost::asio::async_read_until(pipe, pending, '\n',
                                  [self = shared_from_this()](boost::system::error_code const& ec, std::size_t) {
                                      if (ec) return;
                                      std::istream in{&self->pending};
                                      std::string line;
                                      std::getline(in, line);
                                      auto parsed = muster::json::value::parse(line, nullptr, false);
                                      if (parsed.is_object()) self->said.push_back(std::move(parsed));
                                      self->read();
                                  });
}

muster::json::value const* process::find(std::string const& event, std::string const& session) const {
    if (!output_) return nullptr;
    for (auto const& line : output_->said) {
        if (line.value("event", "") == event && (session.empty() || line.value("session", "") == session)) return &line;
    }
    return nullptr;
}

std::size_t process::count(std::string const& event) const {
    std::size_t n = 0;
    if (!output_) return n;
    for (auto const& line : output_->said) n += line.value("event", "") == event ? 1u : 0u;
    return n;
}

}  // namespace cosigner
