// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// A network of gossiping nodes from one seed.
///
/// While nodes come and go and packets are lost, some node publishes a few times a second; the invariants are watched
/// at every step. Then it is healed, and every message has to reach everyone.

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <muster/sim/gossip/attacker.hpp>
#include <muster/sim/gossip/node.hpp>
#include <muster/sim/host.hpp>
#include <muster/sim/two_phase_run.hpp>

namespace muster::sim::gossip {

/// Makes the signers of a run; this one those of @ref stub_signer.
struct stub_signers {
    using signer = stub_signer;
    [[nodiscard]] peer::peer_id id(host_id h) const { return gossip::id_of(h); }
    [[nodiscard]] signer make(host_id h) const { return signer{id(h)}; }
};

/// One run; see @ref sim::room. Not thread-safe.
template <class Signers = stub_signers>
class group_run {
    using node_type = node<typename Signers::signer>;

public:
    group_run(std::uint64_t seed, group_options o, Signers signers = {})
        : options_{std::move(o)},
          signers_{std::move(signers)},
          where_{seed},
          net_{where_},
          invariants_{where_, options_.nodes},
          work_{where_.stream("workload")},
          churn_{where_.stream("churn")} {
        for (host_id h = 0; h < options_.nodes + options_.attackers; ++h) {
            auto const on = where_.add_host();
            ids_.push_back(h < options_.nodes ? signers_.id(h) : gossip::id_of(1'000'000 + h));
            hosts_of_[ids_.back()] = on;
            if (h < options_.nodes) {
                nodes_.emplace_back(where_, on, where_.stream("crash luck", on));
            } else {
                attackers_.emplace_back(where_, on, where_.stream("crash luck", on));
            }
        }
    }
    group_run(group_run const&) = delete;
    group_run& operator=(group_run const&) = delete;

    /// Writes what happens, a line each. To be called before @ref run.
    void listen(trace::listener to) { where_.log().listen(std::move(to)); }
    /// Runs it. To be called once.
    [[nodiscard]] outcome run() { return two_phase_run(*this); }
    [[nodiscard]] gossip::invariants const& judged() const noexcept { return invariants_; }

    // ---- what a room brings -------------------------------------------------------------------------------

    [[nodiscard]] world& where() noexcept { return where_; }
    [[nodiscard]] std::optional<std::string> failure() const { return invariants_.breach(); }
    void check() {}
    void begin() {
        auto& rules = net_.rules();
        rules_.push_back(rules.install(latency{where_, options_.delay_least, options_.delay_most}));
        rules_.push_back(rules.install(retransmissions{where_, options_.loss}));
        rules_.push_back(rules.install(uplinks{options_.uplink_bytes_per_second}));
        bool const first = options_.attack == attack::cold_boot;
        if (first) boot_attackers();
        for (host_id h = 0; h < options_.nodes; ++h) {
            where_.after(between(churn_, duration{0}, duration{std::chrono::seconds{5}}) +
                             (first ? duration{std::chrono::seconds{5}} : duration{0}),
                         [this, h] { boot(h); });
        }
        if (!first && options_.attackers != 0) where_.after(std::chrono::seconds{20}, [this] { boot_attackers(); });
        where_.after(std::chrono::seconds{first ? 25 : 15}, [this] {
            publish();
            disturb();
        });
    }
    [[nodiscard]] duration chaos_lasts() const noexcept { return options_.chaos + std::chrono::seconds{15}; }
    void heal() {
        is_healed_ = true;
        for (host_id h = 0; h < options_.nodes; ++h) {
            if (!where_.is_up(h)) boot(h);
        }
    }
    void require_progress() {
        pass(*this, invariants::late + std::chrono::seconds{1});
        judge_attack();
        auto const missed = invariants_.missed(), lost = invariants_.lost();
        // Attackers may slow a message down; what they must not do is keep it away.
        if (missed * (options_.attack == attack::none ? 1000u : 200u) > invariants_.pairs()) {
            invariants_.report(text(missed, " of ", invariants_.pairs(), " pairs took longer than five heartbeats"));
        }
        if (options_.attack == attack::none ? lost != 0 : lost * 1000 > invariants_.pairs()) {
            invariants_.report(text(lost, " of ", invariants_.pairs(), " pairs came to nothing"));
        }
        for (int i = 0; i < 20; ++i) {
            anyone().publish();
            pass(*this, options_.between_messages);
        }
        pass(*this, invariants::late + std::chrono::seconds{1});
        if (options_.attack == attack::none && invariants_.lost() != lost)
            invariants_.report("a message is lost in a healed world");
    }
    [[nodiscard]] std::string options_text() const { return options_.to_text(); }
    [[nodiscard]] std::string summary() const {
        return text(invariants_.messages(), " messages, ", invariants_.deliveries(), " deliveries, ",
                    invariants_.copies_percent(), " copies per 100 deliveries, ", invariants_.pairs(), " pairs, ",
                    invariants_.missed(), " not within 5 heartbeats, ", invariants_.lost(), " never", attack_text_);
    }

    /// Heartbeats after which an attacker that can be told has to be graylisted: promises take three to break.
    static constexpr duration graylisted_within = std::chrono::seconds{15};

private:
    /// Each link has its delay, and each packet a little more.
    struct latency {
        packet_draws draws;
        duration least, most;
        latency(world const& w, duration l, duration m) : draws{w, "latency"}, least{l}, most{m} {}
        void operator()(packet const& p, instant, fate& f) {
            auto link = draws.of_link(p, 0);
            auto each = draws(p);
            f.delay += between(link, least, most) + between(each, duration{0}, least);
        }
    };
    /// What is lost comes a round trip or more later, and holds up what is behind it.
    struct retransmissions {
        packet_draws draws;
        ratio how_many;
        retransmissions(world const& w, ratio r) : draws{w, "retransmission"}, how_many{r} {}
        void operator()(packet const& p, instant, fate& f) {
            auto draw = draws(p);
            duration wait = std::chrono::milliseconds{200};
            while (chance(draw, how_many)) {
                f.delay += wait;
                wait *= 2;
            }
        }
    };
    /// All that a host sends goes through one line.
    struct uplinks {
        std::uint64_t bytes_per_second;
        std::map<host_id, instant> free_at = {};
        void operator()(packet const& p, instant now, fate& f) {
            auto& free = free_at[p.from];
            auto const size = p.size + 60;  // headers
            free = std::max(free, now) + duration{static_cast<duration::rep>(size * 1'000'000'000u / bytes_per_second)};
            f.delay += free - now;
        }
    };

    [[nodiscard]] surroundings around() {
        return {where_,
                net_,
                invariants_,
                options_,
                [this](peer_id const& p) { return hosts_of_.at(p); },
                [this](host_id h) { return ids_[h]; }};
    }
    void boot(host_id h) {
        where_.say("host ", h, " boots");
        nodes_[h].boot([] {}, around(), h, signers_.make(h),
                       stream_seed(where_.seed(), "node", where_.incarnation(h) << 32 | h));
    }
    void boot_attackers() {
        for (auto& a : attackers_) {
            a.boot([] {}, around(), a.id(), stream_seed(where_.seed(), "attacker", a.id()));
        }
    }
    [[nodiscard]] node_type& anyone() {
        for (;;) {
            auto const h = static_cast<host_id>(uniform(work_, options_.nodes));
            if (invariants_.is_settled(h)) return *nodes_[h].running();
        }
    }
    void publish() {
        if (is_healed_) return;
        anyone().publish();
        where_.after(between(work_, duration{0}, 2 * options_.between_messages), [this] { publish(); });
    }
    // Once a second.
    void disturb() {
        if (is_healed_) return;
        for (host_id h = 0; h < options_.nodes; ++h) {
            bool const goes = uniform(churn_, std::uint64_t{60} * options_.churn.in) < options_.churn.of;
            auto const away = between(churn_, duration{std::chrono::seconds{2}}, duration{std::chrono::seconds{30}});
            if (!goes || !where_.is_up(h)) continue;
            where_.say("host ", h, " goes down");
            invariants_.dies(h);
            nodes_[h].crash();
            where_.after(away, [this, h] {
                if (!where_.is_up(h)) boot(h);
            });
        }
        where_.after(std::chrono::seconds{1}, [this] { disturb(); });
    }

    // Whoever does harm that can be seen is on the graylist of all that know it, within so many heartbeats.
    void judge_attack() {
        if (options_.attackers == 0) return;
        std::uint64_t spared = 0, in_mesh = 0;
        invariants_.for_each_spared(graylisted_within, [&](host_id h, host_id who) {
            auto const mesh = nodes_[h].running()->routes().mesh_of(topic);
            bool const is_in = std::find(mesh.begin(), mesh.end(), ids_[who]) != mesh.end();
            ++(is_in ? in_mesh : spared);
        });
        auto const heartbeats = invariants_.slowest() / std::chrono::seconds{1};
        attack_text_ = text(", graylisted ", invariants_.graylisted(), " times, after ", heartbeats,
                            " heartbeats at most; not: ", spared, " times, and ", in_mesh, " in a mesh");
        auto const any_of = [this](auto... kinds) { return ((options_.attack == kinds) || ...); };
        // A graft of who is in the mesh is nothing: that comes only to those that were refused, or are when they leave.
        bool const in_time =
            any_of(attack::ihave_flood, attack::broken_promises, attack::invalid_messages, attack::sybils);
        bool const is_late = spared + in_mesh != 0 || heartbeats > graylisted_within / std::chrono::seconds{1};
        if ((in_time && is_late) || (any_of(attack::spam_grafts) && spared != 0)) {
            invariants_.report(text("attackers stand too well", attack_text_));
        }
    }

    group_options options_;
    Signers signers_;
    world where_;
    network net_;
    gossip::invariants invariants_;
    splitmix64 work_;
    splitmix64 churn_;
    std::vector<peer_id> ids_;
    std::map<peer_id, host_id> hosts_of_;
    std::deque<host<node_type>> nodes_;
    std::deque<host<attacker>> attackers_;
    std::vector<rule_set::guard> rules_;
    std::string attack_text_;
    bool is_healed_ = false;
};
static_assert(room<group_run<>>);

}  // namespace muster::sim::gossip
