// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Names looked up without waiting for them.
///
/// `getaddrinfo` cannot be interrupted, and a dead name server keeps it for half a minute. So each name has a thread of
/// its own that nobody joins, and who asked stops waiting by itself; at the exit of the program such threads are simply
/// gone. There are few of them, so a dead name server holds up names, and nothing else.

#include <netdb.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/execution.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>

#include <muster/libp2p/host/events.hpp>

namespace muster::net {

/// The IP address that the system means by @p at; none for another kind, or none at all.
[[nodiscard]] inline std::optional<boost::asio::ip::address> ip_of(sockaddr const* at) {
    if (at == nullptr) return std::nullopt;
    if (at->sa_family == AF_INET) {
        return boost::asio::ip::address_v4{ntohl(reinterpret_cast<sockaddr_in const*>(at)->sin_addr.s_addr)};
    }
    if (at->sa_family != AF_INET6) return std::nullopt;
    boost::asio::ip::address_v6::bytes_type raw;
    std::copy_n(reinterpret_cast<sockaddr_in6 const*>(at)->sin6_addr.s6_addr, raw.size(), raw.begin());
    return boost::asio::ip::address_v6{raw};
}

/// Looks names up. Belongs to its executor's thread; destroying it forgets what is under way.
class resolver {
public:
    /// What a name stands for, or why for nothing.
    using handler = std::function<void(std::vector<boost::asio::ip::address>, std::string)>;
    static constexpr std::size_t waiting_max = 256;  ///< Names; more are answered at once, in vain. Ours.
    static constexpr std::size_t threads_max = 8;    ///< At a time, those that wait in vain included. Ours.

    explicit resolver(boost::asio::any_io_executor executor) : shared_{std::make_shared<shared>(std::move(executor))} {}
    resolver(resolver const&) = delete;
    resolver& operator=(resolver const&) = delete;
    ~resolver() {
        std::lock_guard const lock{shared_->mutex};
        shared_->executor.reset();
        shared_->waiting.clear();
        shared_->under_way.clear();
    }

    /// Calls @p done from the executor once @p name is known. Until then `run` of an io_context goes on.
    void look_up(std::string name, libp2p::family family, handler done) {
        std::lock_guard const lock{shared_->mutex};
        if (shared_->waiting.size() >= waiting_max)
            return answer(*shared_, std::move(done), {{}, "too many names wait"});
        shared_->waiting.push_back({std::move(name), family, std::move(done)});
        begin(shared_);
    }

private:
    struct query {
        std::string name;
        libp2p::family family;
        handler done;
    };
    struct shared {
        explicit shared(boost::asio::any_io_executor e)
            : executor{boost::asio::prefer(std::move(e), boost::asio::execution::outstanding_work.untracked)} {}
        std::mutex mutex;
        std::optional<boost::asio::any_io_executor> executor;  // none when the resolver is gone
        std::deque<query> waiting;
        std::map<std::uint64_t, boost::asio::any_io_executor> under_way;  // each keeps `run` going
        std::uint64_t last = 0;
        std::size_t threads = 0;
    };

    // Expects the lock to be held.
    static void begin(std::shared_ptr<shared> const& s) {
        while (s->threads < threads_max && !s->waiting.empty()) {
            auto next = std::move(s->waiting.front());
            s->waiting.pop_front();
            ++s->threads;
            auto const number = ++s->last;
            s->under_way.emplace(number,
                                 boost::asio::prefer(*s->executor, boost::asio::execution::outstanding_work.tracked));
            auto const q = std::make_shared<query>(std::move(next));
            try {
                std::thread{[s, number, q] {
                    auto found = ask(q->name, q->family);
                    std::lock_guard const lock{s->mutex};
                    --s->threads;
                    if (!s->executor) return;  // and perhaps no event loop any more
                    answer(*s, std::move(q->done), std::move(found));
                    s->under_way.erase(number);
                    begin(s);
                }}.detach();
            } catch (std::system_error const& e) {  // no more threads
                --s->threads;
                answer(*s, std::move(q->done), {{}, e.what()});
                s->under_way.erase(number);
            }
        }
    }
    using found_or_why = std::pair<std::vector<boost::asio::ip::address>, std::string>;
    static void answer(shared& s, handler done, found_or_why what) {
        boost::asio::post(*s.executor, [done = std::move(done), w = std::move(what)]() mutable {
            done(std::move(w.first), std::move(w.second));
        });
    }
    [[nodiscard]] static found_or_why ask(std::string const& name, libp2p::family family) {
        addrinfo hints{};
        hints.ai_family = family == libp2p::family::ip4   ? AF_INET
                          : family == libp2p::family::ip6 ? AF_INET6
                                                          : AF_UNSPEC;
        hints.ai_socktype = SOCK_STREAM;
        addrinfo* raw = nullptr;
        if (auto const code = ::getaddrinfo(name.c_str(), nullptr, &hints, &raw); code != 0) {
            return {{}, ::gai_strerror(code)};
        }
        std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> const list{raw, &::freeaddrinfo};
        std::vector<boost::asio::ip::address> found;
        for (auto const* i = raw; i != nullptr; i = i->ai_next) {
            if (auto const ip = ip_of(i->ai_addr)) found.push_back(*ip);
        }
        return {std::move(found), {}};
    }

    std::shared_ptr<shared> shared_;
};

}  // namespace muster::net
