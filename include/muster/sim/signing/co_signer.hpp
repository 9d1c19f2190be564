// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// One machine of a simulated group: a coordinator on a host that can die, and the application above it.
///
/// What survives a crash is what a machine has on disk: its keys. All else belongs to one incarnation and goes with it:
/// connections, sessions, nonces, the beginning of its monotonic clock. The application is what stands in document
/// 003's examples: it approves after a while, broadcasts when it is asked to, and now and then does neither.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <muster/sim/faults.hpp>
#include <muster/sim/signing/laws.hpp>
#include <muster/sim/signing/liar.hpp>
#include <muster/sim/signing/stranger.hpp>
#include <muster/sim/signing/witness.hpp>

namespace muster::sim {

/// The policies that a simulated group runs with. Derive, and put your own in.
struct co_signer_policies {
    using topology = signing::mesh;
    using backend = musig2::portable;
};

/// What the people behind an honest signer do. Ratios are per session.
struct application_habits {
    duration answers_within = std::chrono::seconds{3};     ///< Until a proposal is looked at, at most.
    duration broadcasts_within = std::chrono::seconds{2};  ///< Until a broadcast is done, at most.
    ratio declines{};                                      ///< Proposals that are refused.
    ratio forgets{};                                       ///< Proposals that nobody ever looks at.
    ratio withdraws{};                                     ///< Broadcasts that fail, and the signer says so.
    ratio falls_asleep{};                                  ///< Broadcasts that fail, and the signer says nothing.
};

/// A signer of the group. Neither copyable nor movable. Not thread-safe.
template <class Policies = co_signer_policies>
class co_signer {
    struct options : signing::default_options {
        using topology = typename Policies::topology;
        using entropy = replayed_entropy;
    };

public:
    using backend = witnessed<typename Policies::backend>;
    using coordinator =
        signing::coordinator<transport, signing::static_registry, host_timers, host_clock, backend, options>;

    /// What all signers of a run share. Borrowed.
    struct surroundings {
        world& where;
        network& wires;
        signing::static_registry& registry;
        std::vector<signing::member>& group;
        nonce_book& nonces;
        signing_laws& laws;
        fault_options const& faults;
        std::optional<peer_id> stranger = {};  ///< Whose frames must change nothing.
    };

    co_signer(surroundings s, host_id on, std::optional<lie> lies, application_habits habits, signing::limits bounds)
        : all_{s}, on_{on}, lies_{lies}, habits_{habits}, bounds_{bounds}, mind_{s.where.stream("application", on)} {}
    co_signer(co_signer const&) = delete;
    co_signer& operator=(co_signer const&) = delete;

    /// The keys of host @p on in the run of @p seed.
    [[nodiscard]] static peer::key_set keys_of(std::uint64_t seed, host_id on) {
        replayed_entropy source{stream_seed(seed, "keys", on)};
        auto secret = crypto::secret<32>::generate(source);
        return peer::derive_keys(std::move(secret).value()).value();
    }

    [[nodiscard]] host_id host() const noexcept { return on_; }
    [[nodiscard]] bool is_honest() const noexcept { return !lies_; }
    /// The running process; nullptr while the host is down.
    [[nodiscard]] coordinator* signer() noexcept { return process_ ? &process_->signer : nullptr; }
    /// The clock of the running process. Expects the host to be up.
    [[nodiscard]] host_clock const& time() const noexcept { return process_->time; }

    /// The process starts: a new incarnation, which knows nothing of the one before.
    void boot() {
        all_.where.boot(on_);
        all_.where.say("host ", on_, " boots");
        process_.emplace(*this);
        reconnect();
    }
    /// The machine is lost, by power failure or by a kill.
    void crash() {
        all_.where.say("host ", on_, " crashes");
        bool const loses_power = chance(mind_, {1, 2});
        all_.where.crash(on_);
        if (loses_power) process_->wire.vanish();
        process_.reset();
    }
    void step_wall(duration by) {
        if (process_) process_->time.step_wall(by);
    }

    /// Proposes to sign with @p signers; the id, or nothing when the proposal was refused here.
    std::optional<signing::session_id> propose(std::vector<host_id> const& signers, signing::election_method method,
                                               std::size_t messages, duration valid_for) {
        if (!process_) return std::nullopt;
        signing::signing_request r;
        for (host_id const h : signers) r.signers.push_back(all_.group[h].signer);
        for (std::size_t k = 0; k < messages; ++k) {
            auto const number = mind_();
            r.messages.push_back(crypto::sha256(as_bytes(text("message ", number))));
        }
        r.election = method;
        r.valid_for = valid_for;
        all_.nonces.allow(on_, true);
        auto made = process_->signer.propose(std::move(r));
        all_.nonces.allow(on_, false);
        all_.where.say("host ", on_, made ? " proposes" : " cannot propose");
        return made ? std::optional{made.value()} : std::nullopt;
    }

    /// From now on the people do what they are asked to.
    void mend_habits() noexcept { habits_ = {habits_.answers_within, habits_.broadcasts_within, {}, {}, {}, {}}; }

private:
    struct process {
        explicit process(co_signer& self)
            : keys{keys_of(self.all_.where.seed(), self.on_)},
              epoch{self.epoch()},
              wire{self.all_.wires, self.on_, keys.node.id()},
              time{self.all_.where, self.all_.faults.clock_of(self.all_.where.seed(), self.on_),
                   instant{between(self.mind_, duration{0}, duration{std::chrono::hours{1000}})}},
              alarm{self.all_.where, self.on_, time},
              signer{{wire, self.all_.registry, alarm, time, keys_of(self.all_.where.seed(), self.on_), epoch,
                      self.bounds_, backend{self.all_.nonces, self.on_}, replayed_entropy{self.mind_()}},
                     [&self](signing::event const& e) { self.on_event(e); }} {
            if (self.lies_) {
                tongue.emplace(self.all_.where, wire, keys.node, epoch, *self.lies_,
                               self.all_.where.stream("lie", mixed(self.on_, self.all_.where.incarnation(self.on_))),
                               self.all_.group);
            } else if (self.all_.stranger) {
                watch.emplace(wire, *self.all_.stranger, self.all_.laws, [this] { return fingerprint(signer); });
            }
        }
        peer::key_set keys;
        signing::boot_epoch epoch;
        transport wire;
        host_clock time;
        host_timers alarm;
        coordinator signer;
        std::optional<liar> tongue;
        std::optional<stranger_watch> watch;
    };

    [[nodiscard]] signing::boot_epoch epoch() {
        signing::boot_epoch fresh;
        for (auto& octet : fresh.octets) octet = static_cast<byte>(mind_());
        return fresh;
    }
    // An application keeps its peers connected.
    void reconnect() {
        for (auto const& m : all_.group) {
            if (m.peer != process_->wire.local()) (void)process_->wire.connect(m.peer, {});
        }
        all_.where.after_on(on_, std::chrono::seconds{5}, [this] { reconnect(); });
    }

    void on_event(signing::event const& e) {
        all_.where.log().note(e.index());
        if (is_honest()) all_.laws.told(on_, e, process_->time.now());
        if (auto const* const v = std::get_if<signing::approval_requested>(&e)) on_asked(v->session);
        if (auto const* const v = std::get_if<signing::should_broadcast>(&e)) on_turn(v->session);
        if (auto const* const v = std::get_if<signing::completed>(&e)) {
            all_.where.say("host ", on_, " has the signature of ", to_hex(v->session).substr(0, 8));
        }
        if (auto const* const v = std::get_if<signing::aborted>(&e)) {
            all_.where.say("host ", on_, " aborts ", to_hex(v->session).substr(0, 8), ": ", to_string(v->reason),
                           v->culprit ? text(", slot ", *v->culprit) : "",
                           v->reported_by ? text(", says slot ", *v->reported_by) : "", ", ", v->text);
        }
    }
    void on_asked(signing::session_id const& id) {
        bool const declines = chance(mind_, habits_.declines);
        bool const forgets = chance(mind_, habits_.forgets);
        auto const when = between(mind_, duration{0}, habits_.answers_within);
        if (forgets) return;
        all_.where.after_on(on_, when, [this, id, declines] {
            if (declines) {
                all_.laws.declines(on_, id);
                (void)process_->signer.decline(id, std::string{signing_laws::its_own_no});
                return;
            }
            all_.nonces.allow(on_, true);
            (void)process_->signer.approve(id);
            all_.nonces.allow(on_, false);
        });
    }
    void on_turn(signing::session_id const& id) {
        bool const withdraws = chance(mind_, habits_.withdraws);
        bool const sleeps = chance(mind_, habits_.falls_asleep);
        auto const when = between(mind_, duration{0}, habits_.broadcasts_within);
        if (sleeps) return;
        all_.where.after_on(on_, when, [this, id, withdraws] {
            if (withdraws) {
                (void)process_->signer.trigger_coordinator_failover(id);
                return;
            }
            all_.laws.broadcasts(id);
            (void)process_->signer.notify_broadcast_complete(id);
        });
    }

    surroundings all_;
    host_id on_;
    std::optional<lie> lies_;
    application_habits habits_;
    signing::limits bounds_;
    splitmix64 mind_;
    std::optional<process> process_;
};

}  // namespace muster::sim
