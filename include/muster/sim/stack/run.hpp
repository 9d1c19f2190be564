// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// A run of the whole stack from one seed: nodes on virtual sockets, with real Noise and yamux, byte by byte.
///
/// While things go wrong nodes send frames, ask each other and sign; the invariants are watched at every step. Then it
/// is healed, and all of it has to work: everyone is connected to everyone, a frame and a request between each two
/// arrive, and all sign together.

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <muster/sim/stack/node.hpp>
#include <muster/sim/two_phase_run.hpp>

namespace muster::sim::stack {

/// One run; see @ref sim::room. Not thread-safe.
class group_run {
public:
    group_run(std::uint64_t seed, group_options o)
        : options_{std::move(o)},
          where_{seed},
          net_{where_},
          invariants_{where_},
          work_{where_.stream("workload")},
          chaos_{where_, net_, options_.faults, options_.hosts, hands()} {
        for (host_id h = 0; h < options_.hosts; ++h) {
            key_seeds_.push_back(stream_seed(seed, "keys", h));
            auto const keys = signing::keys_from(key_seeds_.back());
            members_.push_back(
                {keys.signer.public_key(), keys.node.id(), peer::bind(keys.signer, keys.node.id()).value()});
            (void)registry_.add({members_.back(), {}});
            auto const on = where_.add_host();
            net_.route(ip_of(on), on);
            hosts_.emplace_back(where_, on, where_.stream("crash luck", on));
        }
    }
    group_run(group_run const&) = delete;
    group_run& operator=(group_run const&) = delete;

    /// Writes what happens, a line each. To be called before @ref run.
    void listen(trace::listener to) { where_.log().listen(std::move(to)); }
    /// Runs it. To be called once.
    [[nodiscard]] outcome run() { return two_phase_run(*this); }

    // ---- what a room brings -------------------------------------------------------------------------------

    [[nodiscard]] world& where() noexcept { return where_; }
    [[nodiscard]] std::optional<std::string> failure() const { return invariants_.breach(); }
    void check() {
        for (auto& h : hosts_) {
            if (auto* const n = h.running()) n->check_bounds();
        }
    }
    void begin() {
        for (host_id h = 0; h < options_.hosts; ++h) boot(h);
        chaos_.begin();
        do_something();
    }
    [[nodiscard]] duration chaos_lasts() const noexcept { return options_.chaos; }
    void heal() {
        is_healed_ = true;
        chaos_.heal();
    }
    void require_progress() {
        auto const all_connected = [this] {
            return for_all_pairs([&](host_id a, host_id b) { return hosts_[a].running()->is_connected(b); });
        };
        if (!pass_until(*this, connecting_takes_at_most, all_connected)) return report("not everyone is connected");
        require_letters();
        if (!failure()) require_signature();
    }
    [[nodiscard]] std::string options_text() const { return options_.to_text(); }
    [[nodiscard]] std::string summary() const {
        return text(invariants_.frames(), " frames, ", invariants_.answers(), " answers, ", invariants_.signatures(),
                    " signatures");
    }

private:
    /// A socket sends again after twice as long each time: what was lost last before it was healed comes up to 51 s
    /// later, and a connection is dead on one side alone until the last time, after 102 s.
    static constexpr duration connecting_takes_at_most = std::chrono::minutes{5};
    static constexpr duration sending_takes_at_most = std::chrono::minutes{3};
    static constexpr duration signing_takes_at_most = std::chrono::minutes{3};

    void report(std::string what) { invariants_.report(what); }
    [[nodiscard]] chaos<internet>::hands hands() {
        return {[this](host_id h) {
                    where_.say("host ", h, " crashes");
                    hosts_[h].crash();
                },
                [this](host_id h) { boot(h); },
                [this](host_id h, duration by) {
                    if (auto* const n = hosts_[h].running()) n->step_wall(by);
                }};
    }
    void boot(host_id h) {
        where_.say("host ", h, " boots");
        hosts_[h].boot([] {}, surroundings{where_, net_, registry_, members_, invariants_, options_}, h, key_seeds_[h],
                       hosts_[h].disk());
    }
    template <class F>
    [[nodiscard]] bool for_all_pairs(F f) {
        for (host_id a = 0; a < options_.hosts; ++a) {
            for (host_id b = 0; b < options_.hosts; ++b) {
                if (a != b && !f(a, b)) return false;
            }
        }
        return true;
    }

    // Now and then, for as long as things go wrong, some node does something.
    void do_something() {
        if (is_healed_) return;
        auto const who = static_cast<host_id>(uniform(work_, options_.hosts));
        auto const to = static_cast<host_id>((who + 1 + uniform(work_, options_.hosts - 1)) % options_.hosts);
        auto const what = uniform(work_, 10);
        auto const pause = between(work_, duration{0}, 2 * options_.traffic);
        if (auto* const n = hosts_[who].running()) {
            if (what < 6) {
                (void)n->send(to);
            } else if (what < 9) {
                (void)n->ask(to);
            } else {
                (void)n->propose({who, to});
            }
        }
        where_.after(pause, [this] { do_something(); });
    }

    // A frame and a request from everyone to everyone. What breaks with its connection may be sent again.
    void require_letters() {
        std::map<std::pair<host_id, host_id>, std::vector<letter>> frames, requests;
        auto const is_done = [&](auto& letters, host_id a, host_id b, auto has, auto send) {
            auto& sent = letters[{a, b}];
            for (auto const& l : sent) {
                if (has(l)) return true;
            }
            auto const patience = std::chrono::seconds{15};
            auto& last = last_try_[{&letters, a * options_.hosts + b}];
            if (sent.empty() || where_.now() - last > patience) {
                last = where_.now();
                if (auto const l = send(*hosts_[a].running())) sent.push_back(*l);
            }
            return false;
        };
        auto const all_done = [&] {
            bool done = true;
            (void)for_all_pairs([&](host_id a, host_id b) {
                done &= is_done(
                    frames, a, b, [&](letter const& l) { return invariants_.has_arrived(l); },
                    [b](node& n) { return n.send(b); });
                done &= is_done(
                    requests, a, b, [&](letter const& l) { return invariants_.has_answer(l); },
                    [b](node& n) { return n.ask(b); });
                return true;
            });
            return done;
        };
        if (!pass_until(*this, sending_takes_at_most, all_done)) report("a frame or an answer does not arrive");
    }
    void require_signature() {
        std::vector<host_id> everyone;
        for (host_id h = 0; h < options_.hosts; ++h) everyone.push_back(h);
        auto const id = hosts_[0].running()->propose(everyone);
        if (!id) return report("nothing can be proposed in a healed world");
        auto const all_have = [&] {
            return std::all_of(hosts_.begin(), hosts_.end(), [&](auto& h) { return h.running()->has_signed(*id); });
        };
        if (!pass_until(*this, signing_takes_at_most, all_have)) report("not everyone has the signature");
    }

    group_options options_;
    world where_;
    internet net_;
    stack::invariants invariants_;
    splitmix64 work_;
    muster::signing::static_registry registry_;
    std::vector<std::uint64_t> key_seeds_;
    std::vector<muster::signing::member> members_;
    std::deque<host<node>> hosts_;
    chaos<internet> chaos_;
    std::map<std::pair<void const*, host_id>, instant> last_try_;
    bool is_healed_ = false;
};
static_assert(room<group_run>);

}  // namespace muster::sim::stack
