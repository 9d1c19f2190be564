// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// A run of co-signers from one seed: everything goes wrong, then it is healed, then it has to work.
///
/// While things go wrong, random groups of signers propose, adversaries and an outsider among them, and only safety is
/// asked for, at every step (see invariants.hpp). Then a core is healed, everyone or all but one honest signer, who
/// never comes back, and progress is asked of it within bounds of virtual time: what is open ends, failovers end,
/// honest groups sign, and a group with an adversary in it ends as that lie must, after which the group signs without
/// it.

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include <muster/sim/outcome.hpp>
#include <muster/sim/signing/group.hpp>
#include <muster/sim/two_phase_run.hpp>

namespace muster::sim::signing {

/// One run. Make it, run it once. Not thread-safe.
template <class Policies = co_signer_policies>
class group_run {
public:
    group_run(std::uint64_t seed, group_options o)
        : group_{seed, std::move(o)},
          chaos_{group_.where, group_.wires, group_.options.faults, group_.options.hosts, hands()},
          work_{group_.where.stream("workload")} {}
    group_run(group_run const&) = delete;
    group_run& operator=(group_run const&) = delete;

    /// Writes what happens, a line each. To be called before @ref run.
    void listen(trace::listener to) { group_.where.log().listen(std::move(to)); }

    /// Runs it. To be called once.
    [[nodiscard]] outcome run() { return two_phase_run(*this); }

    // ---- what a room brings -------------------------------------------------------------------------------

    [[nodiscard]] world& where() noexcept { return group_.where; }
    [[nodiscard]] std::optional<std::string> const& failure() const noexcept { return group_.failure(); }
    void check() {
        for (auto& s : group_.signers) s.check_bounds();
    }
    void begin() {
        group_.boot_all();
        if (options().with_outsider) {
            outsider_.emplace(group_.where, group_.wires, group_.where.add_host(), group_.invariants, group_.members);
        }
        chaos_.begin();
        plan_proposals();
    }
    [[nodiscard]] duration chaos_lasts() const noexcept { return options().chaos; }
    void heal() {
        for (auto& s : group_.signers) s.mend();
        chaos_.heal();
        leave_somebody_out();
    }
    void require_progress() {
        settle();
        if (!group_.failure()) sign_among_honest();
        if (!group_.failure()) sign_with_adversaries();
    }
    [[nodiscard]] std::string options_text() const { return options().to_text(); }
    [[nodiscard]] std::string summary() const {
        auto const& invariants = group_.invariants;
        return text(invariants.sessions(), " sessions, ", invariants.signed_sessions(), " signed, ",
                    invariants.blames(), " blames, ", group_.nonces.size(), " nonces, ",
                    group_.wires.frames_delivered(), " frames");
    }

private:
    [[nodiscard]] group_options const& options() const noexcept { return group_.options; }
    template <class... Parts>
    void report(Parts const&... parts) {
        group_.invariants.report(text(parts...));
    }
    [[nodiscard]] chaos<network>::hands hands() {
        return {[this](host_id h) { group_.signers[h].crash(); }, [this](host_id h) { group_.signers[h].boot(); },
                [this](host_id h, duration by) { group_.signers[h].step_wall(by); }};
    }

    // ---- first phase ------------------------------------------------------------------------------------

    void plan_proposals() {
        for (std::size_t i = 0; i < options().proposals; ++i) {
            auto const when = between(work_, duration{0}, options().chaos);
            auto const by = static_cast<host_id>(uniform(work_, options().hosts));
            std::vector<host_id> with;
            for (host_id h = 0; h < options().hosts; ++h) {
                if (chance(work_, {3, 4}) || h == by) with.push_back(h);
            }
            if (with.size() < 2) with = {by, (by + 1) % options().hosts};
            auto const method = some_method();
            auto const messages = static_cast<std::size_t>(between(work_, 1, 2));
            bool const keep_order = chance(work_, {1, 2});
            group_.where.after(when, [this, by, with, method, messages, keep_order] {
                (void)group_.signers[by].propose(with, method, messages, std::chrono::minutes{1}, keep_order);
            });
        }
    }
    [[nodiscard]] muster::signing::election_method some_method() {
        using enum muster::signing::election_method;
        constexpr std::array<muster::signing::election_method, 4> methods{lexicographic, hash_based, first_signer,
                                                                          last_signer};
        return methods[uniform(work_, methods.size())];
    }

    // ---- second phase -----------------------------------------------------------------------------------

    /// Until everything that can still happen to old sessions has: approvals, rounds, and failovers through all views.
    static constexpr duration settling = std::chrono::minutes{6};
    /// For a session in a good world.
    static constexpr duration signing_takes_at_most = std::chrono::seconds{45};

    void settle() {
        pass(*this, settling);
        if (group_.failure()) return;
        bool const proposals_never_end = has_lie(lie::flooding) || has_lie(lie::forgery);
        for (host_id const h : core_) {
            auto const open = group_.signers[h].signer()->open_session_count();
            if (open != 0 && !proposals_never_end) report("host ", h, " still has ", open, " sessions");
        }
        group_.invariants.require_failovers_ended();
        require_shares_answered();
    }

    // Every signer that gave its share knows by now the signature, and whether it was broadcast, where any signer that
    // it can reach has it; otherwise it was told `unresolved`.
    void require_shares_answered() {
        for (auto const& [who, id] : group_.invariants.shares_given()) {
            if (std::find(core_.begin(), core_.end(), who) == core_.end()) continue;
            auto const at = group_.at(who, id);
            if (at != muster::signing::phase::finished && at != muster::signing::phase::unresolved) {
                report("host ", who, " gave its share of session ", to_hex(id), ", and ends ", to_string(at));
            }
            for (host_id const h : core_) {
                if (!group_.has_signed(h, id)) continue;
                if (at != muster::signing::phase::finished) {
                    report("host ", who, " gave its share of session ", to_hex(id),
                           ", and has not the signature that "
                           "host ",
                           h, " has");
                } else if (group_.is_confirmed(h, id) && !group_.is_confirmed(who, id)) {
                    report("host ", who, " does not know of the broadcast of session ", to_hex(id), " that host ", h,
                           " knows of");
                }
            }
        }
    }
    void leave_somebody_out() {
        core_ = group_.honest();
        auto draw = group_.where.stream("core");
        if (core_.size() < 3 || !chance(draw, {1, 4})) return;
        auto const lost = core_.begin() + static_cast<std::ptrdiff_t>(uniform(draw, core_.size()));
        group_.signers[*lost].crash();
        core_.erase(lost);
    }
    [[nodiscard]] bool has_lie(lie l) const {
        return std::find(options().lies.begin(), options().lies.end(), l) != options().lies.end();
    }

    void sign_among_honest() {
        auto const& all = core_;
        if (all.size() < 2) return;
        for (host_id const by : all) {
            sign(by, all);
            if (group_.failure()) return;
        }
    }

    [[nodiscard]] std::optional<muster::signing::session_id> propose(host_id by, std::vector<host_id> const& with) {
        auto const method = some_method();
        bool const keep_order = chance(work_, {1, 2});
        return group_.signers[by].propose(with, method, 1, std::chrono::minutes{10}, keep_order);
    }
    // Proposes, and waits until everyone has the signature.
    void sign(host_id by, std::vector<host_id> const& with) {
        auto const id = propose(by, with);
        if (!id) return report("host ", by, " could not propose in a healed world");
        auto const has_signed = [&](host_id h) { return group_.has_signed(h, *id); };
        auto const all_have = [&] { return std::all_of(with.begin(), with.end(), has_signed); };
        if (pass_until(*this, signing_takes_at_most, all_have)) return;
        for (host_id const h : with) {
            if (has_signed(h)) continue;
            report("host ", h, " has no signature of an honest group's session ", to_hex(*id), " of host ", by, ": ",
                   to_string(group_.at(h, *id)));
        }
    }

    // Each adversary once more, among honest signers alone; then the same without it.
    void sign_with_adversaries() {
        auto const& all = core_;
        for (host_id adversary = 0; adversary < options().lies.size() && !group_.failure(); ++adversary) {
            if (all.size() < 2) return;
            auto with = all;
            with.push_back(adversary);
            auto const by = all[uniform(work_, all.size())];
            auto const id = propose(by, with);
            if (!id) return report("host ", by, " could not propose to an adversary");
            pass(*this, 3 * options().bounds.round_timeout);
            if (!group_.failure()) judge(adversary, *id);
            if (!group_.failure()) sign(by, all);
        }
    }

    // What must have become of session @p id, in which @p adversary was the only one to lie.
    void judge(host_id adversary, muster::signing::session_id const& id) {
        auto const what = options().lies[adversary];
        bool const must_be_named = Policies::topology::id == muster::signing::topology_id::mesh &&
                                   (what == lie::false_shares || what == lie::false_nonces);
        bool is_found_out = false;   // by somebody's own finding
        bool is_pointed_at = false;  // or as the one that was waited for, or that put an end to it
        bool is_signed = false;
        for (host_id const h : core_) {
            auto const at = group_.at(h, id);
            if (at <= muster::signing::phase::collecting_shares) {
                report("host ", h, " still waits for an adversary, ", to_string(what));
            }
            is_signed |= at == muster::signing::phase::finished;
            auto const* const end = group_.invariants.end_of(h, id);
            if (what == lie::silence && end == nullptr) report("host ", h, " did not give up on a silent signer");
            if (end == nullptr) continue;
            auto const is_adversary = [&](muster::signing::slot s) {
                return group_.invariants.host_of(id, s) == adversary;
            };
            auto const& [culprit, by, missing] = std::tie(end->culprit, end->reported_by, end->missing);
            bool const is_named = culprit && is_adversary(*culprit);
            is_found_out |= is_named && !by;
            bool const is_waited_for = std::any_of(missing.begin(), missing.end(), is_adversary);
            is_pointed_at |= is_named || (by && is_adversary(*by)) || is_waited_for;
            // A signer that was told by one that had not found the culprit itself is given no name: only own findings
            // are passed on. A lost contribution names nobody: its author is waited for.
            bool const is_hearsay = by && !culprit;
            if (must_be_named && !is_named && !is_hearsay && !is_waited_for) {
                report("host ", h, " does not name host ", adversary, ", which lies: ", to_string(what));
            }
            if (what == lie::silence) judge_timeout(h, id, *end);
        }
        if (must_be_named && !is_found_out)
            report("nobody found out host ", adversary, ", which lies: ", to_string(what));
        if (!is_signed && !is_pointed_at && aggregator_could_say(id))
            report("nobody points at host ", adversary, ", which lies: ", to_string(what));
    }
    // Who sums up in session @p id; nobody does in a mesh.
    [[nodiscard]] std::optional<host_id> aggregator_of(muster::signing::session_id const& id) const {
        if (Policies::topology::id == muster::signing::topology_id::mesh) return std::nullopt;
        auto const& plan = *group_.invariants.plans().at(id);
        return group_.invariants.host_of(id, muster::signing::election_order(plan.election, id, plan.roster).front());
    }
    // An aggregator that heard of the proposal when that was repeated waits longer than others wait for its word.
    [[nodiscard]] bool aggregator_could_say(muster::signing::session_id const& id) const {
        auto const elected = aggregator_of(id);
        if (!elected) return true;
        auto const initiator = group_.invariants.host_of(id, group_.invariants.plans().at(id)->initiator);
        auto const proposed = group_.invariants.heard_at(initiator, id);
        auto const heard = group_.invariants.heard_at(*elected, id);
        return proposed && heard && heard->world < proposed->world + options().bounds.retry_interval;
    }
    // Everyone waits to the end of its round and no longer.
    void judge_timeout(host_id h, muster::signing::session_id const& id, safety_invariants::end const& e) {
        auto const at = e.at;
        if (e.reason != muster::signing::abort_reason::timeout) {
            report("host ", h, " gave up on a silent signer for another reason: ", e.text);
        }
        auto const approved = group_.invariants.approved_at(h, id);
        if (!approved) return;  // others gave up before
        // A signer waits one retry interval longer than its aggregator, which says who was missing; that frame may be
        // lost.
        auto const elected = aggregator_of(id);
        auto const patience = elected && *elected != h ? options().bounds.retry_interval : duration{0};
        auto const began = elected == h ? group_.invariants.heard_at(h, id)->own : *approved;
        auto const deadline = began + options().bounds.round_timeout;
        if (at > deadline + patience + std::chrono::microseconds{1}) {
            report("host ", h, " gave up ", (at - deadline).count(), " ns after the deadline");
        }
        if (at < deadline && !e.reported_by) report("host ", h, " gave up before the deadline");
    }

    group<Policies> group_;
    chaos<network> chaos_;
    std::optional<outsider> outsider_;
    splitmix64 work_;
    std::vector<host_id> core_;  // the honest signers that progress is asked of
};

}  // namespace muster::sim::signing
