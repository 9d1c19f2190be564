// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What must hold in a run of co-signers whatever happens, looked at from outside, by one who sees everything.
///
/// The invariants know what no signer can: who lies, who crashed when, what everyone was told. They are given each
/// event of each honest signer at the moment when its application gets it, and keep the first breach they find.

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <muster/signing/coordinator.hpp>
#include <muster/sim/signing/evidence.hpp>
#include <muster/sim/signing/witness.hpp>

namespace muster::sim::signing {

/// The safety of signing. Not thread-safe.
class safety_invariants {
public:
    /// One of the group, by the number of its host.
    struct party {
        muster::signing::member who;
        bool is_honest = true;
    };

    /// @param frames_get_damaged  whether the network itself damages frames, for which honest peers are charged.
    safety_invariants(world& w, std::vector<party> parties, bool frames_get_damaged)
        : world_{&w}, parties_{std::move(parties)}, frames_get_damaged_{frames_get_damaged} {}

    /// The first breach, if there was one.
    [[nodiscard]] std::optional<std::string> const& breach() const noexcept { return breach_; }
    /// Keeps @p what as the breach, unless there was one before.
    void report(std::string what) {
        if (!breach_) breach_ = text("at ", world_->now().time_since_epoch().count() / 1'000'000, " ms: ", what);
    }

    /// What the signers' blames are held against. Whoever sees frames notes them here.
    [[nodiscard]] evidence_book& evidence() noexcept { return evidence_; }
    [[nodiscard]] evidence_book const& evidence() const noexcept { return evidence_; }

    /// @p who, honest, has approved a session when its clock showed @p at.
    void approves(host_id who, muster::signing::session_id const& id, instant at) {
        approved_.insert_or_assign({who, id}, at);
    }
    /// A time, on a host's clock and on the world's.
    struct moment {
        instant own;
        instant world;
    };
    /// When @p who heard of session @p id for the first time; none when it did not.
    [[nodiscard]] std::optional<moment> heard_at(host_id who, muster::signing::session_id const& id) const {
        auto const found = heard_.find({who, id});
        return found == heard_.end() ? std::nullopt : std::optional{found->second};
    }
    /// When @p who approved session @p id, on its own clock; none when it did not.
    [[nodiscard]] std::optional<instant> approved_at(host_id who, muster::signing::session_id const& id) const {
        auto const found = approved_.find({who, id});
        return found == approved_.end() ? std::nullopt : std::optional{found->second};
    }
    /// @p who, honest, says no to a session.
    void declines(host_id who, muster::signing::session_id const& id) { declined_.insert({who, id}); }
    /// @p who has put a session's signatures where everyone can see them.
    void broadcasts(muster::signing::session_id const& id) { broadcast_.insert(id); }

    /// How a session ended, or stalled, for somebody, without a signature.
    struct end {
        muster::signing::abort_reason reason;
        std::optional<muster::signing::slot> culprit;
        std::optional<muster::signing::slot> reported_by;
        std::vector<muster::signing::slot> missing;
        std::string text;
        instant at;  ///< On its own clock.
    };

    /// A share of @p who in session @p id is on its way to somebody: it cannot be taken back.
    void gives_share(host_id who, muster::signing::session_id const& id) {
        gave_.insert({who, id});
        if (denied_.count(here(who, id)) != 0) {
            report(text("host ", who, " gives a share of session ", to_hex(id), ", of which it said that it is over"));
        }
    }
    /// @p who has an older copy of its disk, or one that fails: what it gave before it may not know.
    void forgets(host_id who) {
        std::erase_if(gave_, [&](auto const& g) { return g.first == who; });
    }
    /// Who gave a share, of those that did not forget it.
    [[nodiscard]] std::set<std::pair<host_id, muster::signing::session_id>> const& shares_given() const noexcept {
        return gave_;
    }
    /// Whether @p who, in its present life, was told that nobody can say whether session @p id was signed.
    [[nodiscard]] bool is_unresolved(host_id who, muster::signing::session_id const& id) const {
        return unresolved_.count(here(who, id)) != 0;
    }

    /// @p who, honest, was told @p e when its clock showed @p at.
    void told(host_id who, muster::signing::event const& e, instant at) {
        std::visit(overloaded{
                       [&](muster::signing::session_created const& v) {
                           plans_.emplace(v.session, v.what);
                           heard_.emplace(std::pair{who, v.session}, moment{at, world_->now()});
                       },
                       [&](muster::signing::completed const& v) { on_completed(who, v); },
                       [&](muster::signing::aborted const& v) {
                           note_end(who, v, at);
                           denied_.insert(here(who, v.session));
                           if (gave_.count({who, v.session}) != 0) {
                               report(text("host ", who, " is told that session ", to_hex(v.session),
                                           " is over, and has given its share: ", v.text));
                           }
                       },
                       [&](muster::signing::stalled const& v) { note_end(who, v, at); },
                       [&](muster::signing::unresolved const& v) { unresolved_.insert(here(who, v.session)); },
                       [&](muster::signing::should_broadcast const& v) { on_should_broadcast(who, v); },
                       [&](muster::signing::equivocation_proven const& v) { on_proof(who, v); },
                       [&](muster::signing::broadcast_confirmed const& v) { on_confirmed(who, v); },
                       [&](muster::signing::failover_exhausted const& v) { settled_.insert(here(who, v.session)); },
                       [&](muster::signing::peer_misbehaved const& v) { on_misbehaved(who, v); },
                       [](auto const&) {},
                   },
                   e);
    }

    /// Every failover has ended: whoever has a signature and did not crash knows that it was broadcast, or that nobody
    /// is left to ask.
    void require_failovers_ended() {
        for (auto const& [place, id] : completed_) {
            bool const is_alive = world_->is_up(place.first) && world_->incarnation(place.first) == place.second;
            if (is_alive && settled_.count({place, id}) == 0) {
                report(text("host ", place.first, " still waits for the broadcast of session ", to_hex(id)));
            }
        }
    }

    // ---- what happened, for those who want to know that anything did --------------------------------------

    [[nodiscard]] std::size_t sessions() const noexcept { return plans_.size(); }
    [[nodiscard]] std::size_t signed_sessions() const noexcept { return signatures_.size(); }
    [[nodiscard]] std::size_t blames() const noexcept { return blames_; }
    /// Whether @p who, in its present life, knows that session @p id was broadcast, or that nobody is left to ask.
    [[nodiscard]] bool is_settled(host_id who, muster::signing::session_id const& id) const {
        return settled_.count(here(who, id)) != 0;
    }
    /// How session @p id ended for @p who, if it did without a signature; nullptr otherwise.
    [[nodiscard]] end const* end_of(host_id who, muster::signing::session_id const& id) const {
        auto const found = ends_.find({who, id});
        return found == ends_.end() ? nullptr : &found->second;
    }
    /// The sessions so far, in the order of their ids.
    [[nodiscard]] std::map<muster::signing::session_id, std::shared_ptr<muster::signing::proposal const>> const& plans()
        const {
        return plans_;
    }
    /// The host of slot @p s in session @p id; none that there is when the session was never announced: a machine may
    /// find one in its journal that it could not be sure to have written.
    [[nodiscard]] host_id host_of(muster::signing::session_id const& id, muster::signing::slot s) const {
        auto const plan = plans_.find(id);
        if (plan == plans_.end()) return ~host_id{0};
        auto const& roster = plan->second->roster;
        for (host_id h = 0; h < parties_.size(); ++h) {
            if (s < roster.size() && parties_[h].who.peer == roster[s].peer) return h;
        }
        return ~host_id{0};
    }

private:
    using life = std::pair<host_id, std::uint64_t>;  // and incarnation
    using place_of_session = std::pair<life, muster::signing::session_id>;

    [[nodiscard]] place_of_session here(host_id who, muster::signing::session_id const& id) const {
        return {{who, world_->incarnation(who)}, id};
    }
    [[nodiscard]] bool is_honest(host_id h) const { return h < parties_.size() && parties_[h].is_honest; }

    void on_completed(host_id who, muster::signing::completed const& v) {
        completed_.insert(here(who, v.session));
        ends_.erase({who, v.session});  // it only stalled
        auto const [known, is_first] = signatures_.emplace(v.session, v.signatures);
        if (!is_first) {
            if (known->second != v.signatures) report(text("host ", who, " has other signatures than the others"));
            return;
        }
        auto const& plan = *plans_.at(v.session);
        std::vector<crypto::public_key> keys;
        for (auto const& m : plan.roster) keys.push_back(m.signer);
        auto const group = musig2::key_agg(musig2::portable{}, keys, plan.tweaks);
        if (!group || v.signatures.size() != plan.messages.size()) return report("a session of other terms was signed");
        for (std::size_t k = 0; k < plan.messages.size(); ++k) {
            auto const message = muster::signing::to_message(plan.messages[k]);
            if (!crypto::verify_bip340(crypto::to_xonly(group.value().aggregate()), message.view(), v.signatures[k])) {
                report(text("host ", who, " was given a signature that does not verify"));
            }
        }
    }

    template <class End>
    void note_end(host_id who, End const& v, instant at) {
        ends_.insert_or_assign({who, v.session}, end{v.reason, v.culprit, v.reported_by, v.missing, v.text, at});
        on_end(who, v);
    }
    template <class End>
    void on_end(host_id who, End const& v) {
        using reason = muster::signing::abort_reason;
        if (v.reason == reason::self_check_failed) report(text("host ", who, " has miscalculated: ", v.text));
        if (v.reported_by || !v.culprit) return;
        auto const culprit = host_of(v.session, *v.culprit);
        switch (v.reason) {
            case reason::invalid_nonce:
            case reason::invalid_share:
            case reason::invalid_aggregate:
            case reason::equivocation:
                ++blames_;
                if (is_honest(culprit)) {
                    report(
                        text("host ", who, " blames honest host ", culprit, ": ", to_string(v.reason), ", ", v.text));
                }
                if (!is_borne_out(who, v)) {
                    report(text("host ", who, " blames host ", culprit, " for ", to_string(v.reason),
                                ", which nothing shows that was signed: ", v.text));
                }
                return;
            case reason::declined:
                if (is_honest(culprit) && declined_.count({culprit, v.session}) == 0 &&
                    (v.text == its_own_no || v.text == a_forged_no)) {
                    report(text("host ", who, " heard a no that host ", culprit, " never said"));
                }
                return;
            case reason::restarted:
                if (is_honest(culprit) && world_->incarnation(culprit) < 2) {
                    report(text("host ", who, " says that host ", culprit, " restarted, which it never did"));
                }
                return;
            default: report(text("host ", who, " blames host ", culprit, " for ", to_string(v.reason))); return;
        }
    }

    template <class End>
    [[nodiscard]] bool is_borne_out(host_id who, End const& v) const {
        if (v.reason == muster::signing::abort_reason::equivocation)
            return proven_.count({who, v.session, *v.culprit}) != 0;
        auto const plan = plans_.find(v.session);
        return plan == plans_.end() || evidence_.bears_out({who, v.session, *v.culprit, v.reason}, *plan->second);
    }

    void on_should_broadcast(host_id who, muster::signing::should_broadcast const& v) {
        auto const [known, is_first] = elected_.emplace(std::pair{v.session, v.view}, who);
        if (!is_first && known->second != who) {
            report(text("hosts ", who, " and ", known->second, " are both to broadcast in view ", v.view));
        }
    }
    void on_confirmed(host_id who, muster::signing::broadcast_confirmed const& v) {
        settled_.insert(here(who, v.session));
        if (is_honest(host_of(v.session, v.by)) && broadcast_.count(v.session) == 0) {
            report(text("host ", who, " believes in a broadcast that host ", host_of(v.session, v.by), " never made"));
        }
    }
    void on_proof(host_id who, muster::signing::equivocation_proven const& v) {
        if (is_honest(host_of(v.session, v.by))) {
            report(text("host ", who, " has proof against honest host ", host_of(v.session, v.by)));
        }
        auto const plan = plans_.find(v.session);
        if (plan != plans_.end() && !evidence_book::bears_out(v, *plan->second)) {
            report(text("host ", who, " has proof against host ", host_of(v.session, v.by), " that proves nothing"));
        }
        proven_.insert({who, v.session, v.by});
    }
    void on_misbehaved(host_id who, muster::signing::peer_misbehaved const& v) {
        if (frames_get_damaged_ || v.why == muster::signing::errc::rate_limited) return;
        for (host_id h = 0; h < parties_.size(); ++h) {
            if (parties_[h].is_honest && parties_[h].who.peer == v.peer) {
                report(text("host ", who, " charges honest host ", h, ": ", v.why.to_text()));
            }
        }
    }

public:
    /// What honest applications say when they decline.
    static constexpr std::string_view its_own_no = "not today";
    /// What adversaries and outsiders say in others' names. Coordinators that refuse by themselves say why.
    static constexpr std::string_view a_forged_no = "no";

private:
    world* world_;
    std::vector<party> parties_;
    bool frames_get_damaged_;
    std::optional<std::string> breach_;
    std::map<muster::signing::session_id, std::shared_ptr<muster::signing::proposal const>> plans_;
    std::map<muster::signing::session_id, std::vector<muster::signing::signature>> signatures_;
    std::map<std::pair<muster::signing::session_id, muster::signing::view_number>, host_id> elected_;
    std::map<std::pair<host_id, muster::signing::session_id>, moment> heard_;
    std::map<std::pair<host_id, muster::signing::session_id>, instant> approved_;
    std::set<std::pair<host_id, muster::signing::session_id>> declined_;
    std::set<std::tuple<host_id, muster::signing::session_id, muster::signing::slot>> proven_;
    evidence_book evidence_;
    std::set<muster::signing::session_id> broadcast_;
    std::map<std::pair<host_id, muster::signing::session_id>, end> ends_;
    std::set<std::pair<host_id, muster::signing::session_id>> gave_;
    std::set<place_of_session> denied_;  // told that there is no signature
    std::set<place_of_session> unresolved_;
    std::set<place_of_session> completed_;
    std::set<place_of_session> settled_;
    std::size_t blames_ = 0;
};

}  // namespace muster::sim::signing
