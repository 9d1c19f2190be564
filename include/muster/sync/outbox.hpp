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
#include <muster/core/fields.hpp>
#include <muster/core/machine.hpp>
#include <muster/peer/peer_id.hpp>
#include <muster/sync/message.hpp>

namespace muster::sync {

/// A peer can be talked to, or no longer.
struct peer_reached {
    peer::peer_id peer;
    MUSTER_FIELDS(peer_reached, peer);
};
struct peer_lost {
    peer::peer_id peer;
    MUSTER_FIELDS(peer_lost, peer);
};
/// A peer says something.
struct heard {
    peer::peer_id peer;
    bytes message;
    MUSTER_FIELDS(heard, peer, message);
};

/// Make these durable, before what follows.
struct persist {
    std::vector<entry> entries;
    MUSTER_FIELDS(persist, entries);
};
/// Somebody else's entry, the next one of its chain: it is durable, and to be applied.
struct deliver {
    entry what;
    MUSTER_FIELDS(deliver, what);
};
/// Send this.
struct send {
    peer::peer_id peer;
    bytes message;
    MUSTER_FIELDS(send, peer, message);
};
/// A peer does not take an entry; its chain waits.
struct dead_lettered {
    peer::peer_id peer;
    dot at;
    MUSTER_FIELDS(dead_lettered, peer, at);
};
/// Somebody has more of our own chain than we: what we have is an old copy, and what we write now would contradict what
/// they have. It takes another life to go on.
struct outlived {
    std::uint64_t sequence = 0;  ///< Up to which they have our chain.
    MUSTER_FIELDS(outlived, sequence);
};
/// A peer has sent what nobody may.
struct penalise {
    peer::peer_id peer;
    error why;
    MUSTER_FIELDS(penalise, peer, why);
};

/// What becomes of an entry that somebody has sent.
enum class judgement : std::uint8_t {
    take,    ///< It is good.
    later,   ///< It may be good when others have come.
    refuse,  ///< It is not, and whoever sends it is at fault.
};

/// Decides whether the next entry of a chain is taken.
///
/// Semantics: called once for each entry, in the order of its chain, before it is made durable. What is refused or put
/// off is asked for again.
template <class J>
concept entry_judge = requires(J& judge, entry const& e) {
    { judge(e) } -> std::same_as<judgement>;
};

/// The machine. Not thread-safe.
template <class Judge>
class outbox {
    static_assert(entry_judge<Judge>, "Judge says whether an entry is taken: see entry_judge");

public:
    struct options {
        std::size_t peers_max = 64;    ///< Whose places are known; more are not served. Ours.
        std::size_t window = 800;      ///< Entries on the way to one peer: four batches. Ours.
        std::size_t early_max = 1024;  ///< Entries that are kept until those before them come. Ours.
        std::size_t chains_max = version_vector::size_max;  ///< What a summary can tell.
        duration retry_min = std::chrono::seconds{5};       ///< Until an entry is sent again, the first time. Ours.
        duration retry_max = std::chrono::minutes{5};       ///< And at most. Ours.
        std::uint32_t tries_max = 20;                       ///< After which an entry is a dead letter. Ours.
    };
    using event = std::variant<peer_reached, peer_lost, heard>;
    using effect = std::variant<persist, deliver, send, dead_lettered, outlived, penalise>;
    /// What is on its way.
    struct gauges {
        std::size_t entries = 0;
        std::size_t peers = 0;  ///< That can be talked to now.
        std::size_t early = 0;
        std::size_t dead_letters = 0;  ///< Chains that wait, over all peers.
        MUSTER_FIELDS(gauges, entries, peers, early, dead_letters);
    };

    /// @param log  what was made durable before.
    outbox(actor const& self, Judge decide, options const& o, entry_log log = entry_log{})
        : self_{self}, judge_{std::move(decide)}, options_{o}, log_{std::move(log)} {}

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
        gauges out{log_.size(), 0, early_.size(), 0};
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
    /// What @p who has, as far as they have said.
    [[nodiscard]] version_vector acknowledged_by(peer::peer_id const& who) const {
        auto const found = peers_.find(who);
        return found == peers_.end() ? version_vector{} : found->second.theirs;
    }
    [[nodiscard]] entry_log const& log() const noexcept { return log_; }
    [[nodiscard]] Judge& judge() noexcept { return judge_; }

private:
    struct flight {
        instant again;  // when it is sent again
        duration wait;
        std::uint32_t tries = 0;
    };
    struct early_entry {
        bytes content;
        peer::peer_id from;
    };
    struct place {
        bool is_here = false;
        bool has_told = false;  // since it is here
        instant ask_again{};    // until it has
        version_vector theirs;
        std::vector<run> beyond;  // that they have beyond a gap
        std::map<dot, flight> on_the_way;
        std::set<actor> stuck;
        actor turn;  // whose chain goes first
    };

    void on(peer_reached const& e, instant now, effect_sink<effect> auto& sink) {
        if (peers_.find(e.peer) == peers_.end() && peers_.size() >= options_.peers_max) return;
        auto& p = peers_[e.peer];
        p.is_here = true;
        p.has_told = false;
        p.on_the_way.clear();  // whatever it was, it went with the connection
        p.stuck.clear();       // and what was not taken then may be taken now
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
        if (auto const* const told = std::get_if<summary>(&read.value())) {
            hear(e.peer, found->second, *told, now, sink);
        } else {
            hear(e.peer, found->second, std::get<batch>(read.value()), now, sink);
        }
    }

    void hear(peer::peer_id const& who, place& p, summary const& told, instant now, effect_sink<effect> auto& sink) {
        // Also when it says less than before: somebody has restored an old copy.
        if (told.ends.of(self_) > log_.last_of(self_)) sink.push(outlived{told.ends.of(self_)});
        p.theirs = told.ends;
        p.beyond = told.more;
        p.has_told = true;
        std::erase_if(p.on_the_way, [&](auto const& f) { return has(p, f.first); });
        std::erase_if(p.stuck, [&](actor const& by) { return p.theirs.of(by) >= log_.last_of(by); });
        if (told.asks) sink.push(send{who, encode(what_we_have())});
        pump(who, p, now, sink);
    }
    void hear(peer::peer_id const& who, place& p, batch const& told, instant now, effect_sink<effect> auto& sink) {
        std::vector<entry> taken;
        for (auto const& e : told.entries) {
            auto const last = log_.last_of(e.at.by);
            if (last == 0 && !has_room_for(e.at.by)) continue;
            // What they send they have; but of made up members nothing is noted.
            if (e.at.sequence <= last) {
                p.theirs.add(e.at);
                continue;
            }
            if (e.at.sequence > last + 1) {
                bool const has_room = early_.size() < options_.early_max;
                if (has_room && early_.try_emplace(e.at, early_entry{e.content, who}).second) p.theirs.add(e.at);
                continue;
            }
            if (!take(who, e, taken, sink)) continue;
            p.theirs.add(e.at);
            take_early(e.at.by, taken, sink);
        }
        if (!taken.empty()) {
            sink.push(persist{taken});
            for (auto& e : taken) sink.push(deliver{std::move(e)});
        }
        sink.push(send{who, encode(what_we_have())});
        pump_all(now, sink);
    }
    bool take(peer::peer_id const& who, entry const& e, std::vector<entry>& taken, effect_sink<effect> auto& sink) {
        auto const found = e.at.by == self_ ? judgement::later : judge_(e);
        if (found == judgement::refuse) {
            sink.push(penalise{who, error{errc::malformed, text("entry ", e.at.sequence, " of member ", e.at.by.member,
                                                                " is not to be taken")}});
        }
        if (found != judgement::take || !log_.add(e)) return false;
        taken.push_back(e);
        return true;
    }
    void take_early(actor const& by, std::vector<entry>& taken, effect_sink<effect> auto& sink) {
        for (;;) {
            auto const next = early_.find({by, log_.last_of(by) + 1});
            if (next == early_.end()) break;
            entry e{next->first, std::move(next->second.content)};
            auto const from = next->second.from;
            early_.erase(next);
            if (!take(from, e, taken, sink)) break;
        }
        auto const last = log_.last_of(by);  // what is known by now need not be kept
        std::erase_if(early_, [&](auto const& e) { return e.first.by == by && e.first.sequence <= last; });
    }
    [[nodiscard]] bool has_room_for(actor const& by) const noexcept {
        return by == self_ || log_.chains() < options_.chains_max;
    }

    void ask(peer::peer_id const& who, place& p, instant now, effect_sink<effect> auto& sink) {
        auto all = what_we_have();
        all.asks = true;
        p.ask_again = saturating_add(now, options_.retry_min);
        sink.push(send{who, encode(all)});
    }
    [[nodiscard]] summary what_we_have() const {
        summary out{log_.ends(), {}};
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
    [[nodiscard]] static bool has(place const& p, dot const& at) noexcept {
        if (p.theirs.contains(at)) return true;
        return std::any_of(p.beyond.begin(), p.beyond.end(), [&](run const& r) {
            return r.by == at.by && r.first <= at.sequence && at.sequence <= r.last;
        });
    }

    void pump_all(instant now, effect_sink<effect> auto& sink) {
        for (auto& [who, p] : peers_) pump(who, p, now, sink);
    }
    // Chains take turns: the first one is the one after that which filled the last batch.
    void pump(peer::peer_id const& who, place& p, instant now, effect_sink<effect> auto& sink) {
        if (!p.is_here) return;
        if (!p.has_told) {
            if (now >= p.ask_again) ask(who, p, now, sink);
            return;
        }
        std::vector<actor> order;
        for (auto const& [by, chain] : log_) {
            if (p.theirs.of(by) < chain.size() && !p.stuck.contains(by)) order.push_back(by);
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
                if (has(p, at)) continue;
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
    bool is_due(peer::peer_id const& who, place& p, dot const& at, instant now, effect_sink<effect> auto& sink) {
        auto const found = p.on_the_way.find(at);
        if (found == p.on_the_way.end()) {
            if (p.on_the_way.size() >= options_.window) return false;
            p.on_the_way.emplace(at, flight{saturating_add(now, options_.retry_min), options_.retry_min, 1});
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
    std::map<dot, early_entry> early_;
    std::map<peer::peer_id, place> peers_;
};

}  // namespace muster::sync
