// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// A simulated internet: addresses, names, and packets of streams, which are sent again until they arrive.
///
/// An internet knows which host has which addresses, and the names of some. Packets are under the rules of rules.hpp,
/// but a stream hides what becomes of them: one that is lost is sent again after a while, longer each time, and when
/// that has gone on for too long the connection breaks for its sender. An address may lead to another host, or to none,
/// and then nobody answers.
///
/// Source: the times of retransmission are those of RFC 6298, beginning with 200 ms as Linux does.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <muster/sim/rules.hpp>

namespace muster::sim {

class sockets;

/// Bounds of a simulated internet. Ours.
struct internet_limits {
    std::size_t receive_buffer = 256u << 10;          ///< Bytes that nobody has read; then the writer waits.
    duration retry = std::chrono::milliseconds{200};  ///< Until a lost packet is sent again; twice as long each time.
    std::size_t segment = 16u << 10;                  ///< Bytes that travel together.
    int retries_max = 8;                              ///< Then the connection is broken for its sender.
};

/// Addresses, names and the wires. Must outlive the sockets. Not thread-safe.
class internet {
public:
    explicit internet(world& w, internet_limits l = {}) noexcept : world_{&w}, limits_{l} {}
    internet(internet const&) = delete;
    internet& operator=(internet const&) = delete;

    [[nodiscard]] rule_set& rules() noexcept { return rules_; }
    /// Cuts hosts off from each other, until the guard is destroyed. What was sent meanwhile comes when it is sent
    /// again.
    [[nodiscard]] rule_set::guard split(partition p) { return rules_.install(std::move(p)); }
    [[nodiscard]] world& where() noexcept { return *world_; }
    /// Packets to the IP address @p ip go to @p h. Several hosts may be behind one address only if they never listen on
    /// the same port of it.
    void route(std::string ip, host_id h) { routes_[std::move(ip)].push_back(h); }
    /// The name @p name stands for the IP address @p ip, and for those before.
    void name(std::string name, std::string ip) { names_[std::move(name)].push_back(std::move(ip)); }

private:
    friend class sockets;
    // One direction of a connection. What arrives waits for what was sent before it.
    struct way {
        std::uint64_t attempts = 0;  // so far: what rules draw by
        std::uint64_t sent = 0;
        std::uint64_t due = 0;
        std::map<std::uint64_t, world::action> arrived;
    };
    struct parcel {
        host_id from;
        host_id to;
        std::size_t size;
        std::uint64_t number;
        world::action arrived;
        world::action lost;
    };

    /// Does @p arrived when a packet comes through, or @p lost when it does not for as long as anybody tries.
    void carry(host_id from, host_id to, std::size_t size, std::shared_ptr<way> const& w, world::action arrived,
               world::action lost) {
        attempt(std::make_shared<parcel>(parcel{from, to, size, w->sent++, std::move(arrived), std::move(lost)}), w, 0);
    }
    void attempt(std::shared_ptr<parcel> const& p, std::shared_ptr<way> const& w, int nth) {
        auto const f = rules_.decide({p->from, p->to, w->attempts++, p->size, true}, world_->now());
        if (f.dropped) return retry(p, w, nth);
        world_->after(f.delay, [this, p, w, nth] {
            if (!world_->is_up(p->to)) return retry(p, w, nth);
            arrive(*p, *w);
        });
    }
    void retry(std::shared_ptr<parcel> const& p, std::shared_ptr<way> const& w, int nth) {
        auto const wait = limits_.retry * (1 << nth);
        if (nth == limits_.retries_max) return world_->after(wait, p->lost);
        world_->after(wait, [this, p, w, nth] { attempt(p, w, nth + 1); });
    }
    static void arrive(parcel& p, way& w) {
        w.arrived[p.number] = std::move(p.arrived);
        for (auto next = w.arrived.find(w.due); next != w.arrived.end(); next = w.arrived.find(++w.due)) {
            auto const what = std::move(next->second);
            w.arrived.erase(next);
            what();
        }
    }

    world* world_;
    internet_limits limits_;
    rule_set rules_;
    std::map<std::string, std::vector<host_id>> routes_;
    std::map<std::string, std::vector<std::string>> names_;
    std::map<std::pair<std::string, std::uint16_t>, std::weak_ptr<void>> listeners_;
    std::uint16_t next_port_ = 40'000;
};

}  // namespace muster::sim
