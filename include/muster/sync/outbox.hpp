// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Brings what was written here to everybody else, and what others wrote to us, whenever and as often as they can be
/// reached.
///
/// Idea: whoever connects says how far they are in every chain. The difference of two such vectors is what the other
/// lacks, whoever wrote it, so that there is nothing to queue for each peer: the chains are the queue, and what a peer
/// has acknowledged is its place in them. It survives crashes because it is never needed: the next summary says it
/// again. Entries are made durable before they are sent, and before they are acknowledged.
///
/// Algorithm: entries go in batches, a few of them ahead of the acknowledgements, and are sent again after a time that
/// doubles. A receiver takes entries in the order of their chains, keeps some that come early, and acknowledges both
/// cumulatively and selectively, after each batch. An entry that a peer does not acknowledge after many tries is a dead
/// letter: its chain waits for @ref retry, the others go on. Chains take turns, so that a long one does not starve the
/// rest.
///
/// Two stories: summaries name the last entry of each chain. Whoever has another entry in that place shows theirs, and
/// the other one, who has both then, has the proof that their author signed two; it never costs who passed one on. A
/// proof goes to everybody and is kept. The chain ends before the place where the stories part, everywhere: of what
/// anybody has of it that much is the same, so all copies become equal. Where the proof shows that they parted earlier,
/// the names of what is left find that out in the same way. If it is our own chain, ours is the old copy: it is taken
/// back, before anybody has seen it where that can be.
/// @see RFC 2018 for selective acknowledgements; "Secure Scuttlebutt", Tarr et al., ICN 2019, for chains by vectors.

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <utility>
#include <variant>
#include <vector>

#include <muster/core/effect_sink.hpp>
#include <muster/core/machine.hpp>
#include <muster/sync/early_entries.hpp>
#include <muster/sync/judge.hpp>
#include <muster/sync/mark.hpp>
#include <muster/sync/outbox_events.hpp>
#include <muster/sync/peer_place.hpp>

namespace muster::sync {

/// The machine. Not thread-safe.
template <class Judge>
class outbox {
    static_assert(entry_judge<Judge>, "Judge says whether an entry is taken: see entry_judge");

public:
    struct options {
        std::size_t peers_max = 64;           ///< Whose places are known; more are not served. Ours.
        std::size_t window = 800;             ///< Entries on the way to one peer: four batches. Ours.
        std::size_t early_max = 1024;         ///< Entries that are kept until those before them come. Ours.
        std::size_t early_of_peer_max = 256;  ///< Of those, by one peer. Ours.
        std::size_t chains_max = version_vector::size_max;  ///< What a summary can tell.
        std::size_t lives_max = 16;                    ///< Chains of one member; the others' places stay free. Ours.
        duration retry_min = std::chrono::seconds{5};  ///< Until an entry is sent again, the first time. Ours.
        duration retry_max = std::chrono::minutes{5};  ///< And at most. Ours.
        std::uint32_t tries_max = 20;                  ///< After which an entry is a dead letter. Ours.
    };
    using event = std::variant<peer_reached, peer_lost, heard>;
    using effect =
        std::variant<persist, deliver, send, dead_lettered, outlived, taken_back, forked, quota_reached, penalise>;
    /// What is on its way.
    struct gauges {
        std::size_t entries = 0;
        std::size_t peers = 0;  ///< That can be talked to now.
        std::size_t early = 0;
        std::size_t dead_letters = 0;  ///< Chains that wait, over all peers.
        std::size_t faults = 0;        ///< Chains of which the author has signed two stories.
        MUSTER_FIELDS(gauges, entries, peers, early, dead_letters, faults);
    };

    /// Proofs that chains part, and where.
    using fault_map = std::map<actor, mark>;

    /// @param log     what was made durable before, without what is behind the faults.
    /// @param faults  likewise.
    outbox(actor const& self, Judge decide, options const& o, entry_log log = entry_log{}, fault_map faults = {})
        : self_{self},
          judge_{std::move(decide)},
          options_{o},
          log_{std::move(log)},
          early_{o.early_max, o.early_of_peer_max},
          faults_{std::move(faults)} {}

    /// Something was written here: the next entry of our chain. @return what @ref entry_log::add returns.
    [[nodiscard]] result<dot> add(bytes content, instant now, effect_sink<effect> auto& sink) {
        entry e{{self_, log_.last_of(self_) + 1}, std::move(content)};
        auto const at = e.at;
        MUSTER_TRY(log_.add(e));
        sink.push(persist{{std::move(e)}});
        pump_all(now, sink);
        return at;
    }
    /// From here on what is written here is of another chain: the one before was outlived.
    void live_as(actor const& self) noexcept { self_ = self; }
    /// Offers a dead letter, and its chain, again.
    void retry(peer::peer_id const& who, instant now, effect_sink<effect> auto& sink) {
        auto const found = peers_.find(who);
        if (found == peers_.end()) return;
        found->second.stuck.clear();
        found->second.on_the_way.clear();
        pump(who, found->second, now, sink);
    }

    void handle(event const& e, instant now, effect_sink<effect> auto& sink) {
        std::visit([&](auto const& happened) { on(happened, now, sink); }, e);
    }
    void wake(instant now, effect_sink<effect> auto& sink) { pump_all(now, sink); }
    [[nodiscard]] deadline next_deadline() const noexcept {
        deadline out;
        for (auto const& [who, p] : peers_) {
            if (!p.is_here) continue;
            if (!p.has_told) out = earlier(out, p.ask_again);
            for (auto const& [at, sent] : p.on_the_way) out = earlier(out, sent.again);
        }
        return out;
    }
    [[nodiscard]] gauges stats() const {
        gauges out{log_.size(), 0, early_.size(), 0, faults_.size()};
        for (auto const& [who, p] : peers_) {
            out.peers += p.is_here ? 1u : 0u;
            out.dead_letters += p.stuck.size();
        }
        return out;
    }

    /// How many of our own entries @p who has not acknowledged. O(log peers).
    [[nodiscard]] std::uint64_t pending_for(peer::peer_id const& who) const noexcept {
        auto const found = peers_.find(who);
        auto const last = log_.last_of(self_);
        return found == peers_.end() ? last : last - std::min(last, found->second.theirs.of(self_));
    }
    [[nodiscard]] entry_log const& log() const noexcept { return log_; }
    /// Chains of which the author has signed two stories, with the proofs.
    [[nodiscard]] fault_map const& faults() const noexcept { return faults_; }
    /// Whether something of this chain was refused because its author has as much as one may.
    [[nodiscard]] bool is_full(actor const& by) const noexcept { return full_.contains(by); }
    [[nodiscard]] Judge& judge() noexcept { return judge_; }

private:
    static constexpr bool knows_evidence = evidence_judge<Judge>;
    static constexpr std::size_t shown_max = 16;  // entries before and at a contested place. Ours
    static constexpr std::size_t full_max = summary::chains_max;

    void on(peer_reached const& e, instant now, effect_sink<effect> auto& sink) {
        if (peers_.find(e.peer) == peers_.end() && peers_.size() >= options_.peers_max) return;
        auto& p = peers_[e.peer];
        p.begin();
        ask(e.peer, p, now, sink);
    }
    void on(peer_lost const& e, instant, effect_sink<effect> auto&) {
        auto const found = peers_.find(e.peer);
        if (found == peers_.end()) return;
        found->second.is_here = false;
        found->second.on_the_way.clear();
    }
    void on(heard const& e, instant now, effect_sink<effect> auto& sink) {
        auto const found = peers_.find(e.peer);
        if (found == peers_.end() || !found->second.is_here) return;
        auto const read = decode(e.message);
        if (!read) {
            sink.push(penalise{e.peer, read.error()});
            return;
        }
        auto& p = found->second;
        if (auto const* const told = std::get_if<summary>(&read.value())) hear(e.peer, p, *told, now, sink);
        if (auto const* const told = std::get_if<batch>(&read.value())) hear(e.peer, p, *told, now, sink);
        if (auto const* const told = std::get_if<evidence>(&read.value())) hear(e.peer, *told, now, sink);
    }

    void hear(peer::peer_id const& who, peer_place& p, summary const& told, instant now,
              effect_sink<effect> auto& sink) {
        // Where entries are signed it has to be shown: who only says so could have us begin life after life.
        if (!knows_evidence && told.ends.of(self_) > log_.last_of(self_)) sink.push(outlived{told.ends.of(self_)});
        p.take(told);
        std::erase_if(p.stuck, [&](actor const& by) { return p.theirs.of(by) >= log_.last_of(by); });
        std::erase_if(p.on_the_way, [&](auto const& f) {
            auto const fault = faults_.find(f.first.by);
            return f.first.sequence == 0 && fault != faults_.end() && p.knows_fault(fault->second.at);
        });
        if (p.full.contains(self_) && !p.is_quota_told) {
            p.is_quota_told = true;
            sink.push(quota_reached{who});
        }
        if constexpr (knows_evidence) compare_names(who, p, told, now, sink);
        p.land();
        if (told.asks) sink.push(send{who, encode(what_we_have())});
        pump(who, p, now, sink);
    }
    void hear(peer::peer_id const& who, peer_place& p, batch const& told, instant now, effect_sink<effect> auto& sink) {
        std::vector<entry> taken;
        for (auto const& e : told.entries) {
            auto const last = log_.last_of(e.at.by);
            if (is_behind_fault(e.at) || (last == 0 && !has_room_for(e.at.by))) continue;
            // What they send they have; but of made up members nothing is noted.
            if (e.at.sequence <= last) {
                p.theirs.add(e.at);
                if constexpr (knows_evidence) compare(who, e, taken, sink);
                continue;
            }
            if (e.at.sequence > last + 1) {
                if (keep_early(who, e, sink)) p.theirs.add(e.at);
                continue;
            }
            if (!take(who, e, taken, sink)) continue;
            p.theirs.add(e.at);
            take_early(e.at.by, taken, sink);
        }
        p.land();
        if (!taken.empty()) {
            sink.push(persist{taken});
            for (auto& e : taken) sink.push(deliver{std::move(e)});
        }
        sink.push(send{who, encode(what_we_have())});
        pump_all(now, sink);
    }
    void hear(peer::peer_id const& who, evidence const& told, instant now, effect_sink<effect> auto& sink) {
        if constexpr (knows_evidence) {
            bool const is_known = std::any_of(faults_.begin(), faults_.end(),
                                              [&](auto const& f) { return f.second.content == told.proof; });
            if (!is_known) {
                auto const found = judge_.convict(told.proof);
                if (!found && found.error() == errc::malformed) sink.push(penalise{who, found.error()});
                std::vector<entry> none;
                if (found) convict(found.value(), told.proof, none, sink);
            }
            sink.push(send{who, encode(what_we_have())});
            pump_all(now, sink);
        }
    }
    bool take(peer::peer_id const& who, entry const& e, std::vector<entry>& taken, effect_sink<effect> auto& sink) {
        if (e.at.by != self_ && !log_.check_room(e)) {  // nothing dear is done for what is not kept
            if (full_.size() < full_max) full_.insert(e.at.by);
            return false;
        }
        auto const found = e.at.by == self_ ? judge_own(e, sink) : judge_(e);
        if (found == judgement::refuse) refuse(who, e, sink);
        if (found != judgement::take || !log_.add(e)) return false;
        taken.push_back(e);
        return true;
    }
    // An entry of our chain that we do not have.
    judgement judge_own(entry const& e, effect_sink<effect> auto& sink) {
        auto found = judgement::later;
        if constexpr (knows_evidence) found = judge_.vouch(e);
        if (found != judgement::take) return found;
        sink.push(outlived{e.at.sequence});
        return judgement::later;
    }
    static void refuse(peer::peer_id const& who, entry const& e, effect_sink<effect> auto& sink) {
        sink.push(penalise{who, error{errc::malformed, text("entry ", e.at.sequence, " of member ", e.at.by.member,
                                                            " is not to be taken")}});
    }
    // Only what its author has signed is kept until its turn.
    bool keep_early(peer::peer_id const& who, entry const& e, effect_sink<effect> auto& sink) {
        if (early_.contains(e.at) || !early_.has_room_for(who) || e.at.by == self_) return false;
        if constexpr (knows_evidence) {
            auto const found = judge_.vouch(e);
            if (found == judgement::refuse) refuse(who, e, sink);
            if (found != judgement::take) return false;
        }
        return early_.add(e, who);
    }
    void take_early(actor const& by, std::vector<entry>& taken, effect_sink<effect> auto& sink) {
        for (;;) {
            auto next = early_.take({by, log_.last_of(by) + 1});
            if (!next || !take(next->second, next->first, taken, sink)) break;
        }
        early_.forget(by, log_.last_of(by));  // what is known by now need not be kept
    }
    [[nodiscard]] bool has_room_for(actor const& by) const noexcept {
        return by == self_ ||
               (log_.chains() < options_.chains_max && log_.chains_of(by.member) + faults_of(by) < options_.lives_max);
    }

    // ---- two stories ------------------------------------------------------------------------------------

    /// Lives of that member that are cut off. Each member has places of their own for those.
    [[nodiscard]] std::size_t faults_of(actor const& by) const noexcept {
        return static_cast<std::size_t>(
            std::count_if(faults_.begin(), faults_.end(), [&](auto const& f) { return f.first.member == by.member; }));
    }
    [[nodiscard]] bool is_behind_fault(dot const& at) const noexcept {
        auto const found = faults_.find(at.by);
        return found != faults_.end() && at.sequence >= found->second.at.sequence;
    }
    [[nodiscard]] entry entry_at(dot const& at) const { return {at, *log_.find(at)}; }

    /// An entry in a place where we have one.
    void compare(peer::peer_id const& who, entry const& e, std::vector<entry>& taken, effect_sink<effect> auto& sink) {
        if (*log_.find(e.at) == e.content) return;
        auto proof = judge_.contrast(entry_at(e.at), e);
        if (!proof && proof.error() == errc::malformed) refuse(who, e, sink);
        if (!proof || !proof.value()) return;
        if (e.at.by == self_) {
            take_back(e.at, sink);
        } else {
            convict(e.at, std::move(*proof.value()), taken, sink);
        }
    }
    void convict(dot const& at, bytes proof, std::vector<entry>& taken, effect_sink<effect> auto& sink) {
        if (is_behind_fault(at) || (!faults_.contains(at.by) && faults_of(at.by) >= options_.lives_max)) return;
        auto const& fault = faults_[at.by] = {mark::kind::forked, at, std::move(proof)};
        std::erase_if(taken, [&](entry const& e) { return e.at.by == at.by && e.at.sequence >= at.sequence; });
        auto dropped = cut(at);
        sink.push(persist{{fault.as_entry()}});
        sink.push(forked{at, fault.content, std::move(dropped)});
    }
    /// What was written on an old copy of ours.
    void take_back(dot const& at, effect_sink<effect> auto& sink) {
        mark const m{mark::kind::taken_back, at, to_bytes(name_at(at).view())};
        auto dropped = cut(at);
        sink.push(persist{{m.as_entry()}});
        sink.push(taken_back{at, std::move(dropped)});
    }
    [[nodiscard]] std::vector<entry> cut(dot const& at) {
        early_.forget(at.by, UINT64_MAX);
        full_.erase(at.by);
        names_.erase(at.by);
        for (auto& [who, p] : peers_) p.forget(at.by);
        return log_.cut(at.by, at.sequence);
    }
    /// Shows what we have where they have another entry.
    void compare_names(peer::peer_id const& who, peer_place& p, summary const& told, instant now,
                       effect_sink<effect> auto& sink) {
        std::set<actor> differ;
        std::size_t i = 0;
        for (auto const& end : told.ends) {
            if (told.names.empty()) break;
            dot const at{end.by, end.sequence};
            auto const& name = told.names[i++];
            if (log_.find(at) == nullptr || name_at(at) == name) continue;
            differ.insert(at.by);
            auto& c = p.contested[at.by];
            bool const is_news = c.sequence == 0 || at.sequence + shown_max <= c.sequence || now >= c.again;
            if (!is_news) continue;
            c = {at.sequence, saturating_add(now, options_.retry_min)};
            show(who, at, sink);
        }
        std::erase_if(p.contested, [&](auto const& c) { return !differ.contains(c.first); });
    }
    void show(peer::peer_id const& who, dot const& at, effect_sink<effect> auto& sink) {
        if (at.by == self_) {  // of our own chain they show: what we wrote on an old copy need not get around
            auto all = what_we_have();
            version_vector ends;
            for (std::size_t i = 0; auto const& end : all.ends) {
                if (end.by == self_) all.names[i] = name_at(at);
                ends.add({end.by, end.by == self_ ? at.sequence : end.sequence});
                ++i;
            }
            all.ends = std::move(ends);
            sink.push(send{who, encode(all)});
            return;
        }
        batch out;
        auto sequence = at.sequence - std::min<std::uint64_t>(at.sequence - 1, shown_max - 1);
        std::size_t size = 0;
        for (; sequence <= at.sequence; ++sequence) {
            auto e = entry_at({at.by, sequence});
            size += e.content.size();
            if (size > batch::size_max) break;
            out.entries.push_back(std::move(e));
        }
        sink.push(send{who, encode(out)});
    }
    [[nodiscard]] entry_name name_at(dot const& at) {
        if constexpr (knows_evidence) {
            if (at.sequence != log_.last_of(at.by)) return judge_.name_of(entry_at(at));
            auto& known = names_[at.by];
            if (known.first != at.sequence) known = {at.sequence, judge_.name_of(entry_at(at))};
            return known.second;
        }
        return {};
    }

    void ask(peer::peer_id const& who, peer_place& p, instant now, effect_sink<effect> auto& sink) {
        auto all = what_we_have();
        all.asks = true;
        p.ask_again = saturating_add(now, options_.retry_min);
        sink.push(send{who, encode(all)});
    }
    [[nodiscard]] summary what_we_have() {
        summary out;
        out.ends = log_.ends();
        if constexpr (knows_evidence) {
            for (auto const& end : out.ends) out.names.push_back(name_at({end.by, end.sequence}));
        }
        for (auto const& [by, fault] : faults_) out.faults.push_back(fault.at);
        out.full = {full_.begin(), full_.end()};
        for (auto const& [at, kept] : early_) {
            bool const goes_on =
                !out.more.empty() && out.more.back().by == at.by && out.more.back().last + 1 == at.sequence;
            if (goes_on) {
                ++out.more.back().last;
            } else if (out.more.size() < summary::runs_max) {
                out.more.push_back({at.by, at.sequence, at.sequence});
            } else {
                break;
            }
        }
        return out;
    }

    void pump_all(instant now, effect_sink<effect> auto& sink) {
        for (auto& [who, p] : peers_) pump(who, p, now, sink);
    }
    // Chains take turns: the first one is the one after that which filled the last batch.
    void pump(peer::peer_id const& who, peer_place& p, instant now, effect_sink<effect> auto& sink) {
        if (!p.is_here) return;
        if (!p.has_told) {
            if (now >= p.ask_again) ask(who, p, now, sink);
            return;
        }
        for (auto const& [by, fault] : faults_) {
            if (p.stuck.contains(by) || p.knows_fault(fault.at) || !is_due(who, p, {by, 0}, now, sink)) continue;
            sink.push(send{who, encode(evidence{fault.content})});
        }
        std::vector<actor> order;
        for (auto const& [by, chain] : log_) {
            if (p.theirs.of(by) < chain.size() && p.takes(by)) order.push_back(by);
        }
        std::rotate(order.begin(), std::upper_bound(order.begin(), order.end(), p.turn), order.end());
        batch out;
        std::size_t size = 0;
        auto const flush = [&] {
            if (!out.entries.empty()) sink.push(send{who, encode(out)});
            out.entries.clear();
            size = 0;
        };
        for (auto const& by : order) {
            for (auto sequence = p.theirs.of(by) + 1; sequence <= log_.last_of(by); ++sequence) {
                dot const at{by, sequence};
                if (p.has(at)) continue;
                if (!is_due(who, p, at, now, sink)) {
                    if (p.stuck.contains(by) || p.on_the_way.size() >= options_.window) break;
                    continue;
                }
                auto const& content = *log_.find(at);
                if (out.entries.size() >= batch::entries_max || size + content.size() > batch::size_max) flush();
                size += content.size();
                out.entries.push_back({at, content});
                p.turn = by;
            }
        }
        flush();
    }
    // Whether the entry is to be sent now; if so it is on its way.
    bool is_due(peer::peer_id const& who, peer_place& p, dot const& at, instant now, effect_sink<effect> auto& sink) {
        auto const found = p.on_the_way.find(at);
        if (found == p.on_the_way.end()) {
            if (p.on_the_way.size() >= options_.window) return false;
            p.on_the_way.emplace(at,
                                 peer_place::flight{saturating_add(now, options_.retry_min), options_.retry_min, 1});
            return true;
        }
        auto& f = found->second;
        if (now < f.again) return false;
        if (f.tries >= options_.tries_max) {
            p.stuck.insert(at.by);
            std::erase_if(p.on_the_way, [&](auto const& other) { return other.first.by == at.by; });
            sink.push(dead_lettered{who, at});
            return false;
        }
        ++f.tries;
        f.wait = std::min(f.wait * 2, options_.retry_max);
        f.again = saturating_add(now, f.wait);
        return true;
    }

    actor self_;
    Judge judge_;
    options options_;
    entry_log log_;
    early_entries early_;
    fault_map faults_;      // at most chains_max
    std::set<actor> full_;  // chains of which something was refused for want of room; at most full_max
    std::map<actor, std::pair<std::uint64_t, entry_name>> names_;  // of the ends, as they were asked for
    std::map<peer::peer_id, peer_place> peers_;
};

}  // namespace muster::sync
