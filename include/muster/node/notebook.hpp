// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Short records of a group, such as labels and contacts: each member writes on their own copy, and all copies are the
/// same when all have heard of all.
///
/// It binds what others do: an update of `sync` is the payload of an action of `identity`, signed and in its author's
/// chain; the two together are an entry that the outbox brings to everybody; what is delivered goes into the replica.
/// An entry that has seen what has not arrived yet waits for it, so that nobody can replace what was never written.
/// Whoever finds that others have more of their chain than they, or something else, goes on in another life, and writes
/// again what was written on the old copy.
///
/// A time is believed up to two minutes from now. An entry of a clock that is further ahead has its place in its chain,
/// and shows when its time has come; its author, when their clock is right again, goes on in another life and writes
/// again what they wrote. An expiry is of no use here: what is written counts until it is replaced.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <muster/core/effect_sink.hpp>
#include <muster/core/random.hpp>
#include <muster/core/result.hpp>
#include <muster/node/notebook_events.hpp>
#include <muster/node/notebook_reader.hpp>
#include <muster/node/notebook_shelf.hpp>
#include <muster/sync/entry_store.hpp>
#include <muster/sync/replica.hpp>

namespace muster::node {

/// Not thread-safe. @p Store keeps its entries.
template <sync::entry_store Store>
class notebook {
public:
    using effect = std::variant<sync::send, note_changed, member_forked, copy_restored, clock_ahead, clock_set_back,
                                notes_full, sync::dead_lettered, sync::penalise, store_failed>;
    using event = std::variant<sync::peer_reached, sync::peer_lost, sync::heard>;
    struct options {
        identity::network_id network;
        std::vector<notebook_member> members;  ///< In the group's order.
        std::uint16_t self = 0;                ///< Our place in it.
        std::uint64_t fresh_life = 0;       ///< Random; taken when the store knows no life of ours, or it was outlived.
        std::size_t entries_max = 100'000;  ///< Each member may write an equal part. The same for all members. Ours.
        std::size_t bytes_max = 240ull << 20;  ///< Likewise. Ours: they fit a file of records.
    };

    /// @param key  borrowed: our node key.
    notebook(options o, peer::node_key const& key, Store store)
        : options_{std::move(o)},
          key_{&key},
          store_{std::move(store)},
          reader_{options_.network, options_.members},
          copy_{{.keys_max = options_.entries_max}},
          life_{options_.fresh_life},
          lives_{options_.fresh_life} {}
    notebook(notebook const&) = delete;
    notebook& operator=(notebook const&) = delete;

    /// Reads what was kept. Once, before all else. @return the store's errors.
    [[nodiscard]] result<void> load(timestamp wall) {
        notebook_shelf kept;
        MUSTER_TRY(store_.load([&](sync::entry e) { kept.take(std::move(e)); }));
        for (auto const& [place, i] : kept.introductions()) (void)reader_.members().follow(place, i.successors);
        pin_members(kept);
        sync::entry_log log{log_options()};
        std::optional<std::pair<bool, hybrid_time>> latest;
        for (auto& [at, content] : kept.entries()) {
            sync::entry e{at, std::move(content)};
            auto const read = reader_.parse(e);
            // What is of an older version, or damaged, or follows that: the others have it still.
            if (!read || kept.ends_before(at, notebook_reader::name_of(e)) || !continues(read.value().first) ||
                !log.add(e))
                continue;
            auto const& a = read.value().first;
            reader_.chains().extend(a, a.id());
            seen_.observe(a.time, wall);
            auto const rank = std::pair{hybrid_clock::is_near(a.time, wall), a.time};
            if (at.by.member != options_.self || kept.is_marked(at.by) || (latest && rank < *latest)) continue;
            latest = rank;
            life_ = at.by.life;
        }
        for (auto const& [by, fault] : kept.faults()) refuse_from(fault.at);
        is_life_fresh_ = !latest;
        begin(std::move(log), kept.faults());
        replay(wall);
        return ok();
    }

    /// Writes @p value to @p key, or removes it. What it shows there now is replaced.
    /// @return `too_large` for a key or a value, or `full`: then nothing was written; or what the store says: then it
    ///         is not on the disk, and nothing goes on.
    template <class Sink>
    [[nodiscard]] result<void> put(std::string key, std::optional<bytes> value, instant now, timestamp wall,
                                   Sink& sink) {
        if (key.empty() || key.size() > sync::update::key_size_max ||
            (value && value->size() > sync::update::value_size_max)) {
            return error{sync::errc::too_large,
                         text("a key of 1 to ", sync::update::key_size_max, " bytes and a value of at most ",
                              sync::update::value_size_max, " bytes can be kept")};
        }
        if (failed_) return *failed_;
        at(now, wall);
        mend_clock(sink);
        if (failed_) return *failed_;  // or the next entry would follow on one that is not on the disk
        if (is_outlived_) {
            live_anew();
            sink.push(copy_restored{0});
        }
        return write(copy_.prepare(std::move(key), std::move(value)), sink);
    }
    /// A peer can be talked to, cannot any more, or says something.
    template <class Sink>
    void handle(event const& e, instant now, timestamp wall, Sink& sink) {
        if (failed_) return;
        at(now, wall);
        if (auto const* const h = std::get_if<sync::heard>(&e)) {
            reader_.listen_to(h->peer, now);
            if (!h->message.empty() && h->message[0] == introduction::kind) return meet(*h, sink);
            if (sync::is_question(h->message)) introduce_all(h->peer, sink);  // it may not have known us before
        }
        if (auto const* const r = std::get_if<sync::peer_reached>(&e)) introduce_all(r->peer, sink);
        if (auto const* const l = std::get_if<sync::peer_lost>(&e)) here_.erase(l->peer);
        effect_list<typename box::effect> out;
        box_->handle(e, now, out);
        perform(out, sink);
        tick(sink);
    }
    template <class Sink>
    void wake(instant now, timestamp wall, Sink& sink) {
        if (failed_) return;
        at(now, wall);
        effect_list<typename box::effect> out;
        box_->wake(now, out);
        perform(out, sink);
        tick(sink);
    }
    [[nodiscard]] deadline next_deadline() const noexcept {
        if (failed_) return {};
        auto const next = box_->next_deadline();
        if (held_.empty()) return next;
        auto const wait = saturating_difference(held_.begin()->first.wall(), wall_) - hybrid_clock::ahead_max;
        auto const ms =
            std::clamp(wait, std::chrono::milliseconds{1}, std::chrono::milliseconds{std::chrono::hours{1}});
        return earlier(next, saturating_add(now_, ms));
    }

    /// It is known now who the member at @p place is. Expects a place of the list.
    void learn(std::size_t place, identity::user_id const& who, crypto::public_key const& key) {
        reader_.members().learn(place, who, key);
    }

    [[nodiscard]] sync::replica<>& copy() noexcept { return copy_; }
    [[nodiscard]] sync::replica<> const& copy() const noexcept { return copy_; }
    [[nodiscard]] notebook_members const& members() const noexcept { return reader_.members(); }
    /// Proofs of members who have signed two stories.
    [[nodiscard]] auto const& faults() const noexcept { return box_->faults(); }
    [[nodiscard]] std::uint64_t pending_for(peer::peer_id const& who) const noexcept { return box_->pending_for(who); }
    [[nodiscard]] auto stats() const { return box_->stats(); }

private:
    static constexpr std::chrono::milliseconds for_ever = std::chrono::milliseconds::max() / 2;
    static constexpr std::size_t peers_max = 64;  // who is told of successors; as many as the outbox serves

    // ---- judging ----------------------------------------------------------------------------------------

    struct judge {
        notebook* of;
        sync::judgement operator()(sync::entry const& e) { return of->judge_entry(e); }
        sync::entry_name name_of(sync::entry const& e) const { return notebook_reader::name_of(e); }
        sync::judgement vouch(sync::entry const& e) { return of->reader_.vouch(e); }
        result<std::optional<bytes>> contrast(sync::entry const& known, sync::entry const& other) {
            return of->reader_.contrast(known, other);
        }
        result<sync::dot> convict(byte_view proof) { return of->reader_.convict(proof); }
    };
    using box = sync::outbox<judge>;
    [[nodiscard]] sync::judgement judge_entry(sync::entry const& e) {
        if (!reader_.is_author_known(e)) return sync::judgement::later;
        auto const read = reader_.parse(e);
        if (!read) return sync::judgement::refuse;
        auto const& [a, w] = read.value();
        if (!has_seen(w.seen) || goes_back_to_a_key(e, a)) return sync::judgement::later;  // causes first
        return reader_.verify(e);
    }
    /// Whether what @p seen says has arrived, or never will: what is behind a fault, or of who has no more room.
    [[nodiscard]] bool has_seen(sync::version_vector const& seen) const {
        return std::all_of(seen.begin(), seen.end(), [&](auto const& s) {
            auto const last = box_->log().last_of(s.by);
            if (last >= s.sequence || box_->is_full(s.by)) return true;
            auto const fault = box_->faults().find(s.by);
            return fault != box_->faults().end() && last + 1 >= fault->second.at.sequence;
        });
    }
    /// Nobody goes on under a key that they have given up: somebody else may have it.
    [[nodiscard]] bool goes_back_to_a_key(sync::entry const& e, identity::action const& a) const {
        auto const* const before = box_->log().find({e.at.by, e.at.sequence - 1});
        if (before == nullptr) return false;
        auto const had = identity::action::decode(byte_view{*before}.first(identity::action::size));
        auto const place = e.at.by.member;
        return had && members().epoch_of(place, a.key) < members().epoch_of(place, had.value().key);
    }
    // ---- what was kept ----------------------------------------------------------------------------------

    [[nodiscard]] sync::entry_log::options log_options() const {
        auto const n = std::max<std::size_t>(members().size(), 1);
        return {options_.entries_max, options_.entries_max / n, options_.bytes_max / n};
    }
    void pin_members(notebook_shelf& kept) {
        for (auto const& [at, content] : kept.entries()) {
            if (at.by.member >= members().size() || content.size() < identity::action::size) continue;
            auto const a = identity::action::decode(byte_view{content}.first(identity::action::size));
            if (a && a.value().author == identity::user_of(a.value().key))
                reader_.members().pin(at.by.member, a.value().author, a.value().key);
        }
    }
    [[nodiscard]] bool continues(identity::action const& a) const {
        return reader_.chains().place_of(a, a.id()) == identity::action_chains::place::next;
    }
    void refuse_from(sync::dot const& at) {
        reader_.chains().refuse({members()[at.by.member].user, at.by.life}, at.sequence);
    }
    void begin(sync::entry_log log, std::map<sync::actor, sync::mark> faults) {
        auto const& user = members()[options_.self].user;
        author_.emplace(options_.network, user, life_,
                        reader_.chains().end_of({user, life_}).value_or(identity::chain_end{}));
        author_->observe(seen_.last(), seen_.last().wall());
        box_.emplace(sync::actor{options_.self, life_}, judge{this}, typename box::options{}, std::move(log),
                     std::move(faults));
    }
    /// Applies all that there is to an empty copy; by time, as it was written.
    void replay(timestamp wall) {
        std::vector<sync::update> all;
        for (auto const& [by, chain] : box_->log()) {
            for (std::uint64_t i = 0; i < chain.size(); ++i) {
                if (auto read = reader_.parse({{by, i + 1}, chain[static_cast<std::size_t>(i)]})) {
                    all.push_back(std::move(read).value().second);
                }
            }
        }
        std::sort(all.begin(), all.end(), [](auto const& a, auto const& b) { return sync::loses(a, b); });
        copy_ = sync::replica<>{{.keys_max = options_.entries_max}};
        held_.clear();
        for (auto const& w : all) {
            if (is_held(w, wall)) {
                held_.emplace(w.time, w.at);
            } else {
                copy_.apply(w);
            }
        }
    }
    /// Others' writes of a clock that is ahead wait. Our own are how we find out that it was ours.
    [[nodiscard]] bool is_held(sync::update const& w, timestamp wall) const {
        return w.at.by.member != options_.self && !hybrid_clock::is_near(w.time, wall);
    }

    // ---- writing ----------------------------------------------------------------------------------------

    template <class Sink>
    [[nodiscard]] result<void> write(sync::update w, Sink& sink) {
        auto const payload = w.encoded_content();
        auto next = *author_;
        MUSTER_TRY(auto const a, next.act(identity::action_type{1}, payload, for_ever, wall_, *key_));
        w.at = {{options_.self, life_}, a.sequence};
        w.time = a.time;
        auto content = a.encoded();
        append(content, payload);
        effect_list<typename box::effect> out;
        MUSTER_TRY(box_->add(std::move(content), now_, out));
        author_ = std::move(next);
        reader_.chains().extend(a, a.id());
        copy_.apply(w);
        perform(out, sink);
        if (failed_) return *failed_;
        return ok();
    }
    void live_anew() {
        is_outlived_ = false;
        is_life_fresh_ = true;
        life_ = has_used_fresh_ || life_ == options_.fresh_life ? lives_() : options_.fresh_life;
        has_used_fresh_ = true;
        if (!hybrid_clock::is_near(seen_.last(), wall_)) find_seen();
        author_.emplace(options_.network, members()[options_.self].user, life_);
        author_->observe(seen_.last(), wall_);
        box_->live_as({options_.self, life_});
    }
    /// The latest time that is near, when the clock was ahead and what was seen then is not.
    void find_seen() {
        seen_ = {};
        for (auto const& [by, chain] : box_->log()) {
            for (auto const& content : chain) {
                auto const a = identity::action::decode(byte_view{content}.first(identity::action::size));
                if (a) seen_.observe(a.value().time, wall_);
            }
        }
    }
    /// Our clock was ahead when we wrote: nothing that we write in that chain would be believed. What was written then
    /// is written again, in place of itself alone: what others wrote at the same time stays beside it.
    template <class Sink>
    void mend_clock(Sink& sink) {
        if (hybrid_clock::is_near(author_->end().time, wall_)) return;
        live_anew();
        std::vector<sync::update> again;
        for (auto const& key : copy_.all_keys()) {
            for (auto w : copy_.siblings(key)) {
                if (w.at.by.member != options_.self || hybrid_clock::is_near(w.time, wall_)) continue;
                w.seen.add(w.at);
                again.push_back(std::move(w));
            }
        }
        std::size_t n = 0;
        for (auto& w : again) {
            if (!write(std::move(w), sink)) break;
            ++n;
        }
        sink.push(clock_set_back{n});
    }
    /// Writes again, in another life, what we wrote in a chain that does not count any more. What somebody else wrote
    /// meanwhile stays beside it.
    template <class Sink>
    void write_again(std::vector<sync::entry> const& dropped, Sink& sink) {
        std::map<std::string, sync::update> last;
        for (auto const& e : dropped) {
            if (auto read = reader_.parse(e)) last[read.value().second.key] = std::move(read).value().second;
        }
        std::size_t n = 0;
        for (auto& [key, w] : last) {
            sync::version_vector seen;
            for (auto const& s : w.seen) {
                seen.add(
                    {s.by, s.by == dropped[0].at.by ? std::min(s.sequence, dropped[0].at.sequence - 1) : s.sequence});
            }
            w.seen = std::move(seen);
            if (!write(std::move(w), sink)) break;
            ++n;
        }
        sink.push(copy_restored{n});
    }

    // ---- what comes -------------------------------------------------------------------------------------

    void at(instant now, timestamp wall) noexcept {
        now_ = now;
        wall_ = wall;
    }
    template <class Sink>
    void perform(effect_list<typename box::effect>& out, Sink& sink) {
        std::vector<std::vector<sync::entry>> again;
        for (auto& e : out.take()) {
            if (auto* const p = std::get_if<sync::persist>(&e)) {
                if (!keep(p->entries, sink)) return;  // nothing that follows may be done
            }
            if (auto* const d = std::get_if<sync::deliver>(&e)) deliver(d->what, sink);
            if (auto* const s = std::get_if<sync::send>(&e)) sink.push(std::move(*s));
            if (auto* const l = std::get_if<sync::dead_lettered>(&e)) sink.push(*l);
            if (auto* const x = std::get_if<sync::penalise>(&e)) sink.push(*x);
            if (auto* const q = std::get_if<sync::quota_reached>(&e)) sink.push(notes_full{q->peer});
            // Nobody can have seen more of a life that has just begun: who says so would have us sign two stories.
            if (std::holds_alternative<sync::outlived>(e)) is_outlived_ = is_outlived_ || !is_life_fresh_;
            if (auto* const t = std::get_if<sync::taken_back>(&e)) {
                undo(t->from, t->dropped, sink);
                again.push_back(std::move(t->dropped));
            }
            if (auto* const f = std::get_if<sync::forked>(&e)) {
                undo(f->at, f->dropped, sink);
                sink.push(member_forked{members()[f->at.by.member].user, std::move(f->proof)});
                if (f->at.by.member == options_.self) again.push_back(std::move(f->dropped));
            }
        }
        for (auto const& dropped : again) {
            if (dropped.empty() || failed_) continue;
            if (dropped[0].at.by.life == life_) live_anew();
            write_again(dropped, sink);
        }
    }
    template <class Sink>
    bool keep(std::vector<sync::entry> const& entries, Sink& sink) {
        auto const kept = store_.add(entries);
        if (kept) return true;
        failed_ = kept.error();
        sink.push(store_failed{kept.error()});
        return false;
    }
    /// A chain was cut at @p from.
    template <class Sink>
    void undo(sync::dot const& from, std::vector<sync::entry> const& dropped, Sink& sink) {
        identity::chain_name const name{members()[from.by.member].user, from.by.life};
        reader_.chains().rewind(name);
        for (std::uint64_t i = 1; i <= box_->log().last_of(from.by); ++i) {
            auto const a = reader_.parse({{from.by, i}, *box_->log().find({from.by, i})});
            if (a) reader_.chains().extend(a.value().first, a.value().first.id());
        }
        if (box_->faults().contains(from.by)) refuse_from(from);
        if (dropped.empty()) return;
        replay(wall_);
        std::set<std::string> keys;
        for (auto const& e : dropped) {
            if (auto const read = reader_.parse(e)) keys.insert(read.value().second.key);
        }
        for (auto const& key : keys) sink.push(note_changed{key, copy_.siblings(key).size() > 1});
    }
    template <class Sink>
    void deliver(sync::entry const& e, Sink& sink) {
        auto const read = reader_.parse(e);
        if (!read) return;
        auto const& [a, w] = read.value();
        seen_.observe(a.time, wall_);
        author_->observe(a.time, wall_);
        if (!is_held(w, wall_)) return apply(w, sink);
        if (held_lives_.insert(e.at.by).second) {
            sink.push(clock_ahead{a.author, saturating_difference(a.time.wall(), wall_)});
        }
        held_.emplace(w.time, w.at);
    }
    template <class Sink>
    void apply(sync::update const& w, Sink& sink) {
        auto const became = copy_.apply(w);
        if (became == sync::applied::old_news || became == sync::applied::refused) return;
        sink.push(note_changed{w.key, copy_.siblings(w.key).size() > 1});
    }
    /// What time brings.
    template <class Sink>
    void tick(Sink& sink) {
        if (failed_) return;
        while (!held_.empty() && hybrid_clock::is_near(held_.begin()->first, wall_)) {
            auto const at = held_.begin()->second;
            held_.erase(held_.begin());
            if (auto const* const content = box_->log().find(at)) {
                if (auto const read = reader_.parse({at, *content})) apply(read.value().second, sink);
            }
        }
        mend_clock(sink);
    }

    // ---- successors -------------------------------------------------------------------------------------

    template <class Sink>
    void introduce_all(peer::peer_id const& who, Sink& sink) {
        if (here_.size() < peers_max) here_.insert(who);
        for (std::uint16_t i = 0; i < members().size(); ++i) introduce(i, who, sink);
    }
    template <class Sink>
    void introduce(std::uint16_t place, peer::peer_id const& who, Sink& sink) {
        auto const& s = members()[place].successors;
        if (!s.empty()) sink.push(sync::send{who, introduction{place, s}.encoded()});
    }
    /// Somebody brings a member's successors.
    template <class Sink>
    void meet(sync::heard const& h, Sink& sink) {
        auto const read = introduction::decode(h.message);
        auto const followed =
            read ? reader_.members().follow(read.value().member, read.value().successors) : result<bool>{read.error()};
        if (!followed) {
            // Who passes on what others have signed is not to blame for what is known here and not there.
            if (followed.error() != identity::errc::wrong_set) sink.push(sync::penalise{h.peer, followed.error()});
            return;
        }
        if (!followed.value()) return;
        if (!keep({{{{read.value().member, 0}, 0}, h.message}}, sink)) return;
        for (auto const& who : here_) {
            if (who != h.peer) introduce(read.value().member, who, sink);
        }
    }

    options options_;
    peer::node_key const* key_;
    Store store_;
    notebook_reader reader_;
    sync::replica<> copy_;
    hybrid_clock seen_;
    std::uint64_t life_;
    splitmix64 lives_;  // those after the fresh one
    bool has_used_fresh_ = false;
    bool is_life_fresh_ = true;
    bool is_outlived_ = false;
    std::optional<identity::action_author> author_;
    std::optional<box> box_;
    std::optional<error> failed_;
    std::multimap<hybrid_time, sync::dot> held_;  // entries of the log whose time has not come
    std::set<sync::actor> held_lives_;            // of those; at most as many as there are chains
    std::set<peer::peer_id> here_;
    // Of the call that is being handled:
    instant now_{};
    timestamp wall_{};
};

}  // namespace muster::node
