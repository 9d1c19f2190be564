// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// A run of co-signers from one seed: everything goes wrong, then it is healed, then it has to work.
///
/// While things go wrong, random groups of signers propose, liars and a stranger among them, and only safety is asked
/// for, at every step (see laws.hpp). Then the network is healed and everyone boots, and progress is asked for within
/// bounds of virtual time: what is open ends, failovers end, honest groups sign, and a group with a liar in it ends as
/// that lie must, after which the group signs without it.

#include <algorithm>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <muster/sim/outcome.hpp>
#include <muster/sim/signing/options.hpp>

namespace muster::sim {

/// One run. Make it, run it once. Not thread-safe.
template <class Policies = co_signer_policies>
class signing_run {
    using signer = co_signer<Policies>;

public:
    signing_run(std::uint64_t seed, signing_options o)
        : options_{std::move(o)},
          world_{seed},
          wires_{world_},
          parties_{make_parties(seed, options_)},
          laws_{world_, parties_, options_.faults.corrupt.of != 0},
          nonces_{[this](std::string what) { laws_.report(std::move(what)); }},
          chaos_{world_, wires_, options_.faults, options_.hosts, hands()},
          work_{world_.stream("workload")} {
        for (auto const& p : parties_) {
            group_.push_back(p.who);
            (void)registry_.add({p.who, {}});
        }
        for (host_id h = 0; h < options_.hosts; ++h) {
            world_.add_host();
            auto const lies = h < options_.lies.size() ? std::optional{options_.lies[h]} : std::nullopt;
            signers_.emplace_back(
                typename signer::surroundings{
                    world_, wires_, registry_, group_, nonces_, laws_, options_.faults,
                    options_.with_stranger ? std::optional{stranger::name(world_)} : std::nullopt},
                h, lies, options_.habits, options_.bounds);
        }
    }

    /// Writes what happens, a line each. To be called before @ref run.
    void listen(trace::listener to) { world_.log().listen(std::move(to)); }

    /// Runs it.
    [[nodiscard]] outcome run() {
        for (auto& s : signers_) s.boot();
        std::optional<stranger> somebody;
        if (options_.with_stranger) somebody.emplace(world_, wires_, world_.add_host(), laws_, group_);
        watch_bounds();
        run_chaos();
        if (!failure()) settle();
        if (!failure()) sign_among_honest();
        if (!failure()) sign_with_liars();
        return {failure(), world_.log().hash(), world_.events(), options_.to_text(), summary()};
    }

private:
    [[nodiscard]] static std::vector<signing_laws::party> make_parties(std::uint64_t seed, signing_options const& o) {
        std::vector<signing_laws::party> out;
        for (host_id h = 0; h < o.hosts; ++h) {
            auto const keys = signer::keys_of(seed, h);
            signing::member const who{keys.signer.public_key(), keys.node.id(),
                                      peer::bind(keys.signer, keys.node.id()).value()};
            out.push_back({who, h >= o.lies.size()});
        }
        return out;
    }
    [[nodiscard]] chaos::hands hands() {
        return {[this](host_id h) { signers_[h].crash(); }, [this](host_id h) { signers_[h].boot(); },
                [this](host_id h, duration by) { signers_[h].step_wall(by); }};
    }
    [[nodiscard]] std::optional<std::string> const& failure() const noexcept { return laws_.breach(); }
    [[nodiscard]] std::string summary() const {
        return text(laws_.sessions(), " sessions, ", laws_.signed_sessions(), " signed, ", laws_.blames(), " blames, ",
                    nonces_.size(), " nonces, ", wires_.frames_delivered(), " frames");
    }
    /// Runs for @p time, or until a law is broken.
    void pass(duration time) {
        (void)world_.run_until(world_.now() + time, [this] { return failure().has_value(); });
    }

    void watch_bounds() {
        for (auto& s : signers_) s.check_bounds();
        world_.after(std::chrono::seconds{1}, [this] { watch_bounds(); });
    }

    // ---- first phase ------------------------------------------------------------------------------------

    void run_chaos() {
        chaos_.begin();
        for (std::size_t i = 0; i < options_.proposals; ++i) {
            auto const when = between(work_, duration{0}, options_.chaos);
            auto const by = static_cast<host_id>(uniform(work_, options_.hosts));
            std::vector<host_id> with;
            for (host_id h = 0; h < options_.hosts; ++h) {
                if (chance(work_, {3, 4}) || h == by) with.push_back(h);
            }
            if (with.size() < 2) with = {by, (by + 1) % options_.hosts};
            auto const method = some_method();
            auto const messages = static_cast<std::size_t>(between(work_, 1, 2));
            world_.after(when, [this, by, with, method, messages] {
                (void)signers_[by].propose(with, method, messages, std::chrono::minutes{1});
            });
        }
        pass(options_.chaos);
    }
    [[nodiscard]] signing::election_method some_method() {
        using enum signing::election_method;
        constexpr std::array<signing::election_method, 4> methods{lexicographic, hash_based, first_signer, last_signer};
        return methods[uniform(work_, methods.size())];
    }

    // ---- second phase -----------------------------------------------------------------------------------

    /// Until everything that can still happen to old sessions has: approvals, rounds, and failovers through all views.
    static constexpr duration settling = std::chrono::minutes{6};
    /// For a session in a good world.
    static constexpr duration signing_takes_at_most = std::chrono::seconds{45};

    void settle() {
        world_.say("healed");
        for (auto& s : signers_) s.mend();
        chaos_.heal();
        pass(settling);
        if (failure()) return;
        for (auto& s : signers_) {
            if (!s.is_honest()) continue;
            auto const open = s.signer()->open_session_count();
            bool const liars_keep_asking =
                std::find(options_.lies.begin(), options_.lies.end(), lie::flooding) != options_.lies.end() ||
                std::find(options_.lies.begin(), options_.lies.end(), lie::forgery) != options_.lies.end();
            if (open != 0 && !liars_keep_asking)
                laws_.report(text("host ", s.host(), " still has ", open, " sessions"));
        }
        laws_.require_failovers_ended();
    }

    [[nodiscard]] std::vector<host_id> honest() const {
        std::vector<host_id> out;
        for (host_id h = 0; h < options_.hosts; ++h) {
            if (parties_[h].is_honest) out.push_back(h);
        }
        return out;
    }

    void sign_among_honest() {
        auto const all = honest();
        if (all.size() < 2) return;
        for (host_id const by : all) {
            sign(by, all);
            if (failure()) return;
        }
    }

    // Proposes, and waits until everyone has the signature.
    void sign(host_id by, std::vector<host_id> const& with) {
        auto const id = signers_[by].propose(with, some_method(), 1, std::chrono::minutes{10});
        if (!id) return laws_.report(text("host ", by, " could not propose in a healed world"));
        auto const has_signed = [&](host_id h) {
            auto const* const s = signers_[h].signer()->find(*id);
            return s != nullptr && s->at() == signing::phase::finished;
        };
        bool const done = world_.run_until(world_.now() + signing_takes_at_most, [&] {
            return failure() || std::all_of(with.begin(), with.end(), has_signed);
        });
        if (done) return;
        for (host_id const h : with) {
            if (has_signed(h)) continue;
            auto const* const s = signers_[h].signer()->find(*id);
            laws_.report(text("host ", h, " has no signature of an honest group's session ", to_hex(*id), " of host ",
                              by, ": ", s == nullptr ? "unknown there" : to_string(s->at())));
        }
    }

    // Each liar once more, among honest signers alone; then the same without it.
    void sign_with_liars() {
        auto const all = honest();
        for (host_id liar = 0; liar < options_.lies.size() && !failure(); ++liar) {
            if (all.size() < 2) return;
            auto with = all;
            with.push_back(liar);
            auto const by = all[uniform(work_, all.size())];
            auto const deadline = signers_[by].time().now() + options_.bounds.round_timeout;
            auto const id = signers_[by].propose(with, some_method(), 1, std::chrono::minutes{10});
            if (!id) return laws_.report(text("host ", by, " could not propose to a liar"));
            pass(3 * options_.bounds.round_timeout);
            if (!failure()) judge(liar, *id, by, deadline);
            if (!failure()) sign(by, all);
        }
    }

    void judge(host_id liar, signing::session_id const& id, host_id by, instant deadline) {
        auto const what = options_.lies[liar];
        for (host_id const h : honest()) {
            auto const* const s = signers_[h].signer()->find(id);
            if (s != nullptr && s->is_open())
                laws_.report(text("host ", h, " still waits for a liar, ", to_string(what)));
        }
        bool const must_be_named = Policies::topology::id == signing::topology_id::mesh &&
                                   (what == lie::false_shares || what == lie::false_nonces);
        bool const must_time_out = what == lie::silence;
        for (host_id const h : honest()) {
            auto const* const end = laws_.end_of(h, id);
            if (must_be_named &&
                (end == nullptr || !end->what.culprit || laws_.host_of(id, *end->what.culprit) != liar)) {
                laws_.report(text("host ", h, " does not name host ", liar, ", which lies: ", to_string(what)));
            }
            if (must_time_out && end == nullptr) laws_.report(text("host ", h, " did not give up on a silent signer"));
        }
        if (must_time_out && !failure()) judge_timeout(liar, id, by, deadline);
    }
    // The one who proposed waits to the end of the round and no longer, and says for whom.
    void judge_timeout(host_id liar, signing::session_id const& id, host_id by, instant deadline) {
        auto const& [what, at] = *laws_.end_of(by, id);
        bool const is_named = std::any_of(what.missing.begin(), what.missing.end(),
                                          [&](signing::slot s) { return laws_.host_of(id, s) == liar; });
        if (what.reason != signing::abort_reason::timeout || (!is_named && !is_under_hub(by, id))) {
            laws_.report(text("host ", by, " gave up on silent host ", liar, " for another reason: ", what.text));
        }
        if (at < deadline || at > deadline + std::chrono::microseconds{1}) {
            laws_.report(text("host ", by, " gave up ", (at - deadline).count(), " ns after the deadline"));
        }
    }
    [[nodiscard]] bool is_under_hub(host_id h, signing::session_id const& id) {
        auto const* const s = signers_[h].signer()->find(id);
        return s != nullptr && Policies::topology::signs_under_hub(s->self(), s->order().front());
    }

    signing_options options_;
    world world_;
    network wires_;
    std::vector<signing_laws::party> parties_;
    signing_laws laws_;
    nonce_book nonces_;
    chaos chaos_;
    splitmix64 work_;
    signing::static_registry registry_;
    std::vector<signing::member> group_;
    std::deque<signer> signers_;
};

}  // namespace muster::sim
