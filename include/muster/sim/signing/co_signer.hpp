// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// One machine of a simulated group: a coordinator on a host that can die, and the application above it.
///
/// What survives a crash is what a machine has on disk: its keys. All else belongs to one incarnation and goes with it:
/// connections, sessions, nonces, the beginning of its monotonic clock. The application is what stands in document
/// 003's examples: it approves after a while, broadcasts when it is asked to, and now and then does neither.

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <muster/signing/file_journal.hpp>
#include <muster/sim/disk.hpp>
#include <muster/sim/faults.hpp>
#include <muster/sim/host.hpp>
#include <muster/sim/signing/adversary.hpp>
#include <muster/sim/signing/identity.hpp>
#include <muster/sim/signing/invariants.hpp>
#include <muster/sim/signing/watch.hpp>
#include <muster/sim/signing/witness.hpp>

namespace muster::sim::signing {

/// The policies that a simulated group runs with. Derive, and put your own in.
struct co_signer_policies {
    using topology = muster::signing::mesh;
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
    struct options : muster::signing::default_options {
        using topology = typename Policies::topology;
        using entropy = replayed_entropy;
        using journal = muster::signing::file_journal<disk_files>;
    };

public:
    using backend = witnessed<typename Policies::backend>;
    using coordinator = muster::signing::coordinator<transport, muster::signing::static_registry, host_timers,
                                                     host_clock, backend, options>;

    /// What all signers of a run share. Borrowed.
    struct surroundings {
        world& where;
        network& wires;
        muster::signing::static_registry& registry;
        std::vector<muster::signing::member>& group;
        nonce_book& nonces;
        safety_invariants& invariants;
        fault_options const& faults;
        std::optional<peer_id> outsider = {};  ///< Whose frames must change nothing.
    };

    /// @param key_seed  what its keys are drawn from; see @ref keys_from.
    co_signer(surroundings s, host_id on, std::uint64_t key_seed, std::optional<lie> lies, application_habits habits,
              muster::signing::limits bounds)
        : all_{s},
          on_{on},
          key_seed_{key_seed},
          lies_{lies},
          habits_{habits},
          bounds_{bounds},
          host_{s.where, on, s.where.stream("crash luck", on)},
          disks_{s.where.stream("disk", on)},
          messages_{s.where.stream("messages", on)} {}
    co_signer(co_signer const&) = delete;
    co_signer& operator=(co_signer const&) = delete;

    [[nodiscard]] host_id host() const noexcept { return on_; }
    [[nodiscard]] bool is_honest() const noexcept { return !lies_; }
    /// The running process; nullptr while the host is down.
    [[nodiscard]] coordinator* signer() noexcept { return host_.running() ? &host_.running()->signer : nullptr; }
    /// The clock of the running process. Expects the host to be up.
    [[nodiscard]] host_clock const& time() const noexcept { return host_.running()->time; }

    /// The machine starts: a new incarnation, which knows what is on disk. A disk that refuses to be read takes it down
    /// again.
    void boot() {
        auto& p = host_.boot([this] { prepare_disk(); }, *this);
        auto const found = p.signer.restore();
        all_.where.say("host ", on_, found ? " boots" : " cannot boot");
        if (!found) return crash();
        check_promises();
        reconnect();
    }
    /// The machine is lost, by power failure or by a kill.
    void crash() {
        all_.where.say("host ", on_, " crashes");
        note_promises();
        if (host_.disk().fails_at) all_.invariants.forgets(on_);
        host_.crash();
    }
    void step_wall(duration by) {
        if (auto* const p = host_.running()) p->time.step_wall(by);
    }

    /// Proposes to sign with @p signers, in that order or sorted; the id, or nothing when the proposal was refused
    /// here.
    std::optional<muster::signing::session_id> propose(std::vector<host_id> const& signers,
                                                       muster::signing::election_method method, std::size_t messages,
                                                       duration valid_for, bool keep_order = false) {
        if (host_.running() == nullptr) return std::nullopt;
        muster::signing::signing_request r;
        for (host_id const h : signers) r.signers.push_back(all_.group[h].signer);
        for (std::size_t k = 0; k < messages; ++k) {
            auto const number = messages_();
            r.messages.push_back(crypto::sha256(as_bytes(text("message ", number))));
        }
        r.election = method;
        r.keep_order = keep_order;
        r.valid_for = valid_for;
        all_.nonces.allow(on_, true);
        auto made = host_.running()->signer.propose(std::move(r));
        all_.nonces.allow(on_, false);
        all_.where.say("host ", on_, made ? " proposes" : " cannot propose");
        if (made) all_.invariants.approves(on_, made.value(), host_.running()->time.now());
        return made ? std::optional{made.value()} : std::nullopt;
    }

    /// Holds what is held for others against its bounds.
    void check_bounds() {
        if (host_.running() == nullptr || !is_honest()) return;
        auto const use = host_.running()->signer.in_use();
        auto const& l = bounds_;
        bool const is_within = use.open_sessions <= l.open_sessions_max &&
                               use.closed_sessions <= l.closed_sessions_max && use.tombstones <= l.tombstones_max &&
                               use.graves <= l.tombstones_max && use.peers <= l.peers_max + l.strangers_max &&
                               use.early_octets <= (l.peers_max + l.strangers_max) * l.early_octets_per_peer_max &&
                               use.rosters <= l.rosters_max &&
                               use.refused <= all_.group.size() * coordinator::sender_type::refused_max;
        if (!is_within)
            all_.invariants.report(
                text("host ", on_, " holds more than it should: ", use.open_sessions, " open sessions"));
    }

    /// From now on the people do what they are asked to, and disks do too.
    void mend() noexcept {
        habits_ = {habits_.answers_within, habits_.broadcasts_within, {}, {}, {}, {}};
        host_.disk().fails_at.reset();
        is_mended_ = true;
    }

private:
    struct process {
        explicit process(co_signer& self)
            : draw{self.all_.where.stream("life", mixed(self.on_, self.all_.where.incarnation(self.on_)))},
              keys{keys_from(self.key_seed_)},
              epoch{make_epoch(draw)},
              wire{self.all_.wires, self.on_, keys.node.id()},
              time{self.all_.where, self.all_.faults.clock_of(self.all_.where.seed(), self.on_),
                   instant{between(draw, duration{0}, duration{std::chrono::hours{1000}})}},
              alarm{self.all_.where, self.on_, time},
              signer{{wire, self.all_.registry, alarm, time, keys_from(self.key_seed_), epoch, self.bounds_,
                      backend{self.all_.nonces, self.on_}, replayed_entropy{draw()},
                      typename options::journal{{.path = "journal", .files = disk_files{self.host_.disk()}}}},
                     [&self](muster::signing::event const& e) { self.on_event(e); }} {
            if (self.lies_) {
                tongue.emplace(self.all_.where, wire, keys.node, epoch, *self.lies_,
                               self.all_.where.stream("lie", mixed(self.on_, self.all_.where.incarnation(self.on_))),
                               self.all_.group);
            } else {
                watch.emplace(wire, self.all_.invariants, self.all_.outsider, [this] { return fingerprint(signer); });
            }
        }
        splitmix64 draw;  // what this life begins with
        peer::key_set keys;
        muster::signing::boot_epoch epoch;
        transport wire;
        host_clock time;
        host_timers alarm;
        coordinator signer;
        void vanish() { wire.vanish(); }

        std::optional<adversary> tongue;
        std::optional<signer_watch> watch;
    };

    // Once its shares are out, a signer must be able to give the same ones again, also after a crash.
    void note_promises() {
        promises_.clear();
        if (!is_honest() || host_.disk().fails_at) return;
        for (auto const& id : host_.running()->signer.sessions()) {
            auto const at = host_.running()->signer.find(id)->at();
            if (at >= muster::signing::phase::collecting_shares && at <= muster::signing::phase::finished)
                promises_.push_back(id);
        }
    }
    void check_promises() {
        for (auto const& id : promises_) {
            auto const* const s = host_.running()->signer.find(id);
            if (s == nullptr || !s->has_shares(s->self())) {
                all_.invariants.report(
                    text("host ", on_, " forgot over a crash that it has signed session ", to_hex(id)));
            }
        }
    }

    // An older copy may have been restored.
    void prepare_disk() {
        bool const fails = chance(disks_, all_.faults.disk_error);
        bool const is_put_back = chance(disks_, all_.faults.rollback);
        auto const when = uniform(disks_, 60);
        auto const which = disks_();
        if (is_mended_) return;
        if (is_put_back && !copies_.empty()) {
            all_.where.say("host ", on_, " has an older disk");
            host_.disk().put_back(copies_[which % copies_.size()]);
            promises_.clear();
            all_.invariants.forgets(on_);
        }
        copies_.push_back(host_.disk().copy());
        if (copies_.size() > copies_max) copies_.pop_front();
        if (!fails) return;
        host_.disk().fails_at = host_.disk().calls + when;
        promises_.clear();
    }

    [[nodiscard]] static muster::signing::boot_epoch make_epoch(splitmix64& draw) {
        muster::signing::boot_epoch fresh;
        for (auto& octet : fresh.octets) octet = static_cast<byte>(draw());
        return fresh;
    }
    // What the people decide in one session does not depend on what happened in others.
    [[nodiscard]] splitmix64 mind(std::string_view about, muster::signing::session_id const& id) const {
        std::uint64_t word = 0;
        for (std::size_t i = 0; i < 8; ++i) word = word << 8 | id.octets[i];
        return all_.where.stream(about, mixed(on_, word));
    }
    // An application keeps its peers connected.
    void reconnect() {
        for (auto const& m : all_.group) {
            if (m.peer != host_.running()->wire.local()) (void)host_.running()->wire.connect(m.peer, {});
        }
        all_.where.after_on(on_, std::chrono::seconds{5}, [this] { reconnect(); });
    }

    void on_event(muster::signing::event const& e) {
        all_.where.log().note(e.index());
        if (is_honest()) all_.invariants.told(on_, e, host_.running()->time.now());
        if (auto const* const v = std::get_if<muster::signing::approval_requested>(&e)) on_asked(v->session);
        if (auto const* const v = std::get_if<muster::signing::should_broadcast>(&e)) on_turn(v->session);
        if (auto const* const v = std::get_if<muster::signing::completed>(&e)) {
            all_.where.say("host ", on_, " has the signature of ", to_hex(v->session).substr(0, 8));
        }
        if (auto const* const v = std::get_if<muster::signing::aborted>(&e)) say_end("aborts ", *v);
        if (auto const* const v = std::get_if<muster::signing::stalled>(&e)) say_end("has stalled in ", *v);
        if (auto const* const v = std::get_if<muster::signing::unresolved>(&e)) {
            all_.where.say("host ", on_, " cannot tell what became of ", to_hex(v->session).substr(0, 8));
        }
    }
    template <class End>
    void say_end(char const* what, End const& e) {
        all_.where.say("host ", on_, " ", what, to_hex(e.session).substr(0, 8), ": ", to_string(e.reason),
                       e.culprit ? text(", slot ", *e.culprit) : "",
                       e.reported_by ? text(", says slot ", *e.reported_by) : "", ", ", e.text);
    }
    void on_asked(muster::signing::session_id const& id) {
        auto draw = mind("approval", id);
        bool const declines = chance(draw, habits_.declines);
        bool const forgets = chance(draw, habits_.forgets);
        auto const when = between(draw, duration{0}, habits_.answers_within);
        if (forgets) return;
        all_.where.after_on(on_, when, [this, id, declines] {
            if (declines) {
                all_.invariants.declines(on_, id);
                (void)host_.running()->signer.decline(id, std::string{safety_invariants::its_own_no});
                return;
            }
            all_.nonces.allow(on_, true);
            if (host_.running()->signer.approve(id)) all_.invariants.approves(on_, id, host_.running()->time.now());
            all_.nonces.allow(on_, false);
        });
    }
    void on_turn(muster::signing::session_id const& id) {
        auto draw = mind("broadcast", id);
        bool const withdraws = chance(draw, habits_.withdraws);
        bool const sleeps = chance(draw, habits_.falls_asleep);
        auto const when = between(draw, duration{0}, habits_.broadcasts_within);
        if (sleeps) return;
        all_.where.after_on(on_, when, [this, id, withdraws] {
            if (withdraws) {
                (void)host_.running()->signer.trigger_coordinator_failover(id);
                return;
            }
            all_.invariants.broadcasts(id);
            (void)host_.running()->signer.notify_broadcast_complete(id);
        });
    }

    surroundings all_;
    host_id on_;
    std::uint64_t key_seed_;
    std::optional<lie> lies_;
    application_habits habits_;
    muster::signing::limits bounds_;
    sim::host<process> host_;
    splitmix64 disks_;
    splitmix64 messages_;
    std::deque<disk::image> copies_;  // the last few
    static constexpr std::size_t copies_max = 4;
    bool is_mended_ = false;
    std::vector<muster::signing::session_id> promises_;  // of the life before
};

}  // namespace muster::sim::signing
