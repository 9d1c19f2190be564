// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// How a feed that is behind gets to the head of the chain, and stays there.
///
///     idle -> waiting_sync -> discovering -> paging -> filling -> live <-> gap_repair -> filling
///                                  ^   any of these -> stalled{why, until} -> discovering
///
/// Algorithm: *discovering* asks several peers how far they are, and believes the height that more than half of them
/// have reached; what is implausibly far ahead has no vote. *Paging* asks for records up to there, several pages at
/// once from different peers, and hands them on in order; a page that brings us no further is a failure of its peer.
/// *Filling* fetches the blobs that records name, in a window, from peer to peer. *Live* then means that nothing is
/// missing, or how much. From time to time, and when a record arrives whose parent is not here, peers are asked again.
/// What only the smaller part says is looked into by a *probe*: pages are asked for beside `live`, which it does not
/// leave, and who has claimed what it cannot show is left alone for a while.
///
/// Every state but `idle` and `live` has a deadline, which progress moves; where it passes, or somebody must be asked
/// too often, the machine stalls, says until when, and begins again.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <muster/core/overloaded.hpp>
#include <muster/feed/catch_up_effects.hpp>
#include <muster/feed/head_vote.hpp>
#include <muster/feed/options.hpp>
#include <muster/feed/page_window.hpp>
#include <muster/feed/requester.hpp>
#include <muster/feed/wanted_blobs.hpp>

namespace muster::feed {

/// A part of the client, and its own requester. Not thread-safe.
class catch_up {
public:
    using ingest = sync::ingest;
    using status_changed = sync::status_changed;
    using stalled = sync::stalled;
    using unavailable = sync::unavailable;
    using unfounded = sync::unfounded;
    using abandoned = sync::abandoned;
    using effect = sync::effect;
    using page_end = sync::page_end;

    catch_up(options const& o, std::uint32_t page_max, std::uint64_t seed)
        : options_{o},
          page_size_{std::min(o.records_per_page, page_max)},
          requests_{{{o.network.requests_per_protocol, o.request_limit, o.request_window, o.peers_max},
                     o.request_timeout,
                     o.retry_budget,
                     o.retry},
                    seed},
          blobs_{o.blob_window, o.records_max},
          pages_{page_size_},
          votes_{o.heads_ahead_max, o.heads_min, o.heads_wait},
          draw_{seed + 1},
          cycle_{o.retry} {}

    [[nodiscard]] requester& requests() noexcept { return requests_; }
    [[nodiscard]] requester const& requests() const noexcept { return requests_; }
    [[nodiscard]] catch_up_state state() const noexcept { return state_; }
    [[nodiscard]] height local() const noexcept { return local_; }
    [[nodiscard]] std::size_t pages_held() const noexcept { return pages_.size(); }
    [[nodiscard]] head_sync_status status() const {
        using enum catch_up_state;
        bool const is_off = state_ == idle || state_ == waiting_sync || state_ == stalled;
        auto const s = state_ == live ? sync_state::live : is_off ? sync_state::idle : sync_state::syncing;
        return {s, local_, state_ == live ? local_ : std::max(local_, pages_.target()), blobs_.size()};
    }
    /// What @p who has claimed last.
    [[nodiscard]] std::optional<height> claim_of(peer_id const& who) const { return votes_.claim_of(who); }

    // ---- the owner's word -------------------------------------------------------------------------------

    /// Begins, or begins anew from @p local, the height of our own head; nothing at @p floor or below is asked for.
    /// While the layer that executes is not ready, it waits for that.
    template <class Sink>
    void start(height local, height floor, bool is_ready, instant now, Sink& out) {
        drop_errands(out);
        local_ = local;
        pages_.rest(local);
        floor_ = floor;
        is_ready_ = is_ready;
        resume(now, out);
    }
    template <class Sink>
    void stop(Sink& out) {
        drop_errands(out);
        for (auto const e : blobs_.clear()) forget(e, out);
        state_ = catch_up_state::idle;
        ends_.reset();
        poll_.reset();
    }
    template <class Sink>
    void peer_up(peer_id const& who, instant now, Sink& out) {
        bool const is_first = requests_.peer_count() == 0;
        requests_.connect(who);
        if (state_ == catch_up_state::discovering && votes_.asked() < heads_max) ask_head(who, now);
        if (state_ == catch_up_state::live && is_first) poll_ = now;
        if (state_ == catch_up_state::live) {
            blobs_.retry_all();
            // What few have said is checked with whoever comes.
            if (votes_.counted() < options_.heads_min) poll_ = earlier(poll_, saturating_add(now, options_.heads_wait));
        }
        if (state_ == catch_up_state::stalled && lacks_peers_) resume(now, out);
        wake(now, out);
    }
    template <class Sink>
    void peer_down(peer_id const& who, instant now, Sink& out) {
        requests_.disconnect(who, now);
        auto const lost = votes_.forget(who);
        for (auto const e : lost) (void)requests_.remove(e);
        if (is_probe_ && pages_.only() == std::optional{who}) end_probe(out);
        if (!lost.empty()) decide_if_told(now, out);
        wake(now, out);
    }
    /// Our own head is at @p h now.
    template <class Sink>
    void advanced(height h, instant now, Sink& out) {
        local_ = h;
        if (is_paging() && !pages_.is_rewound() && local_ >= pages_.target()) fill(now, out);
    }
    /// The layer that executes is ready, and at @p floor: catching up begins if it has waited for that, and otherwise
    /// goes on above.
    template <class Sink>
    void ready(height floor, instant now, Sink& out) {
        bool const was_ready = std::exchange(is_ready_, true);
        floor_ = floor;
        local_ = std::max(local_, floor);
        if (!was_ready && state_ != catch_up_state::idle) return resume(now, out);
        if (!is_paging() || pages_.cursor() > floor) return tell(out);
        if (floor >= pages_.target()) return fill(now, out);
        forget_all(pages_.begin_at(floor + 1), out);
        ask_pages(now);
        wake(now, out);
    }
    /// A record of our chain names a blob that is not here.
    void want_blob(digest const& id, height at, instant now) {
        auto const grace = state_ == catch_up_state::live ? options_.blob_grace : duration{0};
        for (auto const e : blobs_.want(id, at, saturating_add(now, grace))) (void)requests_.remove(e);
    }
    /// It is here, or not wanted any more.
    template <class Sink>
    void have_blob(digest const& id, instant now, Sink& out) {
        auto const found = blobs_.remove(id);
        if (!found.is_known) return;
        if (found.errand) forget(*found.errand, out);
        if (state_ == catch_up_state::filling) progress(now);
        settle_blobs(now, out);
    }
    /// A record of height @p at has come whose parent is not here: peers are asked soon, unless it comes by itself.
    void note_gap(height at, instant now) {
        if (state_ != catch_up_state::live || now < gap_rests_until_) return;
        gap_ = at;
        gap_rests_until_ = saturating_add(now, options_.head_interval);
        poll_ = earlier(poll_, saturating_add(now, options_.blob_grace));
    }

    // ---- answers ----------------------------------------------------------------------------------------

    /// Whether @p e is one of ours.
    [[nodiscard]] bool owns(errand_number e) const { return votes_.owns(e) || pages_.owns(e) || blobs_.owns(e); }
    /// @p who says that it is at @p h; none where the answer was of no use.
    template <class Sink>
    void head_told(errand_number e, peer_id const& who, std::optional<height> h, instant now, Sink& out) {
        (void)requests_.remove(e);
        votes_.end(e, who, h, local_);
        decide_if_told(now, out);
        wake(now, out);
    }
    void note_claim(peer_id const& who, height h) { votes_.claim(who, h); }
    /// A page has come. It is handed on when those before it are done.
    template <class Sink>
    void page_told(errand_number e, peer_id const& who, bytes data, instant now, Sink& out) {
        pages_.answered(e, who, std::move(data));
        hand_on(out);
        wake(now, out);
    }
    /// The page from @p from on was taken in: what it says is here up to below @p next.
    template <class Sink>
    void page_done(height from, height next, page_end how, instant now, Sink& out) {
        auto* const slot = pages_.at(from);
        if (slot == nullptr || !is_paging()) return;
        if (how == page_end::unplaced) return stall("records_unplaced", now, out);
        if (next <= from && how == page_end::unlinked && rewind(from, now, out)) return;
        if (next <= from) return page_failed(from, *slot, how == page_end::empty, now, out);
        (void)requests_.remove(slot->errand);
        progress(now);
        forget_all(pages_.advance(from, next, how == page_end::some), out);
        if (pages_.is_done() || (!pages_.is_rewound() && local_ >= pages_.target())) return fill(now, out);
        ask_pages(now);
        hand_on(out);
        wake(now, out);
    }
    /// Errand @p e has failed at @p who.
    template <class Sink>
    void failed(errand_number e, peer_id const& who, instant now, Sink& out) {
        if (votes_.owns(e)) return head_told(e, who, std::nullopt, now, out);
        effect_list<requester::effect> more;
        requests_.fail(e, who, now, more);
        relay(more, now, out);
        wake(now, out);
    }

    // ---- time -------------------------------------------------------------------------------------------

    template <class Sink>
    void wake(instant now, Sink& out) {
        if (poll_ && *poll_ <= now && state_ == catch_up_state::live) poll(now);
        if (ends_ && *ends_ <= now) time_out(now, out);
        decide_if_told(now, out);
        blobs_.activate(now, state_ != catch_up_state::idle, [&](digest const& id) {
            return requests_.add({question::blob, {}, id, {}}, now);
        });
        effect_list<requester::effect> more;
        requests_.wake(now, more);
        relay(more, now, out);
    }
    [[nodiscard]] deadline next_deadline() const {
        auto out = earlier(ends_, requests_.next_deadline());
        if (state_ == catch_up_state::live) out = earlier(out, poll_);
        out = earlier(out, votes_.next_deadline());
        return state_ == catch_up_state::idle ? requests_.next_deadline() : earlier(out, blobs_.next_deadline());
    }

private:
    static constexpr std::size_t heads_max = 8;  ///< Peers that are asked how far they are. Ours.
    static constexpr std::size_t pages_max = 4;  ///< Asked for at once. Ours.

    [[nodiscard]] bool is_paging() const noexcept {
        return state_ == catch_up_state::paging || state_ == catch_up_state::gap_repair || is_probe_;
    }
    void progress(instant now) { ends_ = saturating_add(now, options_.bootstrap_timeout); }
    template <class Sink>
    void enter(catch_up_state s, instant now, Sink& out) {
        state_ = s;
        progress(now);
        if (s == catch_up_state::live || s == catch_up_state::idle) ends_.reset();
        tell(out);
    }
    template <class Sink>
    void tell(Sink& out) {
        auto const s = status();
        if (shown_ == s) return;
        shown_ = s;
        out.push(status_changed{s});
    }
    template <class Sink>
    void forget(errand_number e, Sink& out) {
        if (auto const n = requests_.remove(e)) out.push(give_up{*n});
    }
    template <class Sink>
    void drop_errands(Sink& out) {
        for (auto const e : votes_.drop_all()) forget(e, out);
        drop_pages(out);
        votes_.begin();
    }
    template <class Sink>
    void forget_all(std::vector<errand_number> const& all, Sink& out) {
        for (auto const e : all) forget(e, out);
    }
    template <class Sink>
    void drop_pages(Sink& out) {
        forget_all(pages_.clear(), out);
        is_probe_ = false;
    }

    // ---- discovering ------------------------------------------------------------------------------------

    template <class Sink>
    void resume(instant now, Sink& out) {
        if (!is_ready_) return enter(catch_up_state::waiting_sync, now, out);
        enter(catch_up_state::discovering, now, out);
        ask_heads(now);
        wake(now, out);
    }
    void ask_head(peer_id const& who, instant now) {
        votes_.ask(requests_.add({question::head, {}, {}, who}, now, 1), who);
    }
    void ask_heads(instant now) {
        auto all = requests_.peers();
        heads_asked_at_ = now;
        votes_.begin();
        for (std::size_t i = 0; i < std::min(all.size(), heads_max); ++i) {
            std::swap(all[i], all[i + uniform(draw_, all.size() - i)]);
            ask_head(all[i], now);
        }
    }
    // A fifth of the interval by lot: not all ask at once.
    void poll(instant now) {
        auto const fifth = static_cast<std::uint64_t>(options_.head_interval.count() / 5 + 1);
        poll_ =
            saturating_add(now, options_.head_interval + duration{static_cast<duration::rep>(uniform(draw_, fifth))});
        blobs_.retry_due(now);
        if (votes_.is_over()) ask_heads(now);
    }
    template <class Sink>
    void decide_if_told(instant now, Sink& out) {
        if (votes_.is_ready(now, state_ == catch_up_state::discovering)) decide(now, out);
    }
    template <class Sink>
    void decide(instant now, Sink& out) {
        votes_.close();
        if (state_ != catch_up_state::discovering && state_ != catch_up_state::live) return;
        if (!votes_.has_votes()) {
            if (state_ == catch_up_state::discovering && requests_.peer_count() != 0) stall("no_heads", now, out);
            return;
        }
        auto const vote = votes_.count(now);
        auto const gap = std::exchange(gap_, 0);
        if (vote.agreed > local_) return page_to(vote.agreed, now, out);
        if (state_ == catch_up_state::discovering) return fill(now, out);
        if (is_probe_) return;
        // The smaller part may be ahead: the last record may have been lost on its way to the others. One of it is
        // asked for one page, which costs little when it lies.
        auto const near = std::min(vote.furthest, local_ + page_size_);
        if (near > local_) return probe(near, near, vote.furthest_peer, now, out);
        // Others may be on a chain that is as long, and not ours. What is below the gap shows it.
        if (gap > floor_ + 1 && gap <= vote.furthest) {
            probe(gap, vote.furthest, {}, now, out);
            if (!rewind(gap, now, out)) end_probe(out);
        }
    }

    // ---- paging -----------------------------------------------------------------------------------------

    template <class Sink>
    void page_to(height target, instant now, Sink& out) {
        drop_pages(out);
        pages_.aim(local_, target, target, {});
        enter(state_ == catch_up_state::live ? catch_up_state::gap_repair : catch_up_state::paging, now, out);
        ask_pages(now);
        wake(now, out);
    }
    // Asks beside `live` for what is up to @p target, and then, where that has brought something, up to @p reach.
    template <class Sink>
    void probe(height target, height reach, std::optional<peer_id> only, instant now, Sink& out) {
        drop_pages(out);
        pages_.aim(local_, target, reach, std::move(only));
        is_probe_ = true;
        progress(now);
        ask_pages(now);
        wake(now, out);
    }
    template <class Sink>
    void end_probe(Sink& out) {
        drop_pages(out);
        ends_.reset();
    }
    // Who was probed could not show what it has claimed.
    template <class Sink>
    void end_probe_in_doubt(instant now, Sink& out) {
        if (pages_.only()) votes_.doubt(*pages_.only(), saturating_add(now, options_.bootstrap_timeout));
        end_probe(out);
    }
    void ask_pages(instant now) {
        auto const& only = pages_.only();
        pages_.ask(std::clamp<std::size_t>(requests_.peer_count(), 1, pages_max), [&](page_ask const& what) {
            return requests_.add({question::page, what, {}, only}, now, only ? 1 : 0);
        });
    }
    template <class Sink>
    [[nodiscard]] bool rewind(height from, instant now, Sink& out) {
        auto const dropped = pages_.rewind(from, floor_);
        if (!dropped) return false;
        forget_all(*dropped, out);
        ask_pages(now);
        wake(now, out);
        return true;
    }
    template <class Sink>
    void hand_on(Sink& out) {
        if (auto next = pages_.take_next()) out.push(*std::move(next));
    }
    template <class Sink>
    void page_failed(height from, page_window::slot& slot, bool was_empty, instant now, Sink& out) {
        auto const who = slot.answer ? slot.answer->first : peer_id{};
        slot = {slot.errand, slot.count, {}, false};
        if (was_empty && claim_of(who).value_or(0) >= from) {
            votes_.unclaim(who);
            out.push(unfounded{who});
        }
        failed(slot.errand, who, now, out);
    }

    // ---- filling, live ----------------------------------------------------------------------------------

    template <class Sink>
    void fill(instant now, Sink& out) {
        if (is_probe_) return end_probe(out);
        drop_pages(out);
        if (state_ != catch_up_state::filling) enter(catch_up_state::filling, now, out);
        settle_blobs(now, out);
        wake(now, out);
    }
    template <class Sink>
    void settle_blobs(instant now, Sink& out) {
        if (state_ == catch_up_state::filling && !blobs_.has_hope()) {
            cycle_.reset();
            // An interval after the last look, which may have been long ago: others have gone on meanwhile.
            poll_ = saturating_add(heads_asked_at_, options_.head_interval);
            return enter(catch_up_state::live, now, out);
        }
        if (state_ == catch_up_state::live && shown_.missing != 0 && blobs_.size() == 0) tell(out);
    }
    // What looked like a gap could not be closed: that is looked into again, later each time.
    template <class Sink>
    void calm(instant now, Sink& out) {
        drop_errands(out);
        enter(catch_up_state::live, now, out);
        poll_ = saturating_add(now, cycle_.next(draw_));
    }
    template <class Sink>
    void stall(std::string_view why, instant now, Sink& out) {
        if (is_probe_) return end_probe_in_doubt(now, out);
        drop_errands(out);
        lacks_peers_ = requests_.peer_count() == 0;
        state_ = catch_up_state::stalled;
        ends_ = saturating_add(now, cycle_.next(draw_));
        out.push(stalled{why, *ends_});
        tell(out);
    }
    template <class Sink>
    void time_out(instant now, Sink& out) {
        using enum catch_up_state;
        switch (state_) {
            case idle: return ends_.reset();
            case live: return end_probe_in_doubt(now, out);
            case waiting_sync: return stall("sync_not_ready", now, out);
            case discovering:
                if (!votes_.has_votes()) return stall(requests_.peer_count() == 0 ? "no_peers" : "no_heads", now, out);
                for (auto const e : votes_.drop_all()) forget(e, out);
                return decide(now, out);  // by what was told
            case paging:
            case gap_repair: return stall("no_progress", now, out);
            case filling:
                for (auto const e : blobs_.abandon_all(saturating_add(now, options_.bootstrap_timeout))) forget(e, out);
                return settle_blobs(now, out);
            case stalled: return resume(now, out);
        }
    }

    // ---- the requester's effects ------------------------------------------------------------------------

    template <class Sink>
    void relay(effect_list<requester::effect>& more, instant now, Sink& out) {
        for (auto& e : more.take()) {
            std::visit(overloaded{[&](requester::send& s) { out.push(std::move(s)); },
                                  [&](requester::expired const& x) { out.push(give_up{x.number}); },
                                  [&](requester::abandoned& a) { lost(a, now, out); }},
                       e);
        }
    }
    template <class Sink>
    void lost(requester::abandoned& a, instant now, Sink& out) {
        if (votes_.drop(a.errand)) {
            decide_if_told(now, out);
        } else if (pages_.drop(a.errand)) {
            if (state_ == catch_up_state::gap_repair) return calm(now, out);
            stall("page_unavailable", now, out);
        } else if (auto const blob = blobs_.abandon(a.errand, saturating_add(now, options_.bootstrap_timeout))) {
            out.push(unavailable{*blob, blobs_.height_of(*blob)});
            settle_blobs(now, out);
            if (state_ == catch_up_state::live) tell(out);
        } else {
            out.push(abandoned{std::move(a)});
        }
    }

    options options_;
    std::uint32_t page_size_;
    requester requests_;
    wanted_blobs blobs_;
    page_window pages_;
    head_vote votes_;
    splitmix64 draw_;
    backoff cycle_;
    catch_up_state state_ = catch_up_state::idle;
    bool is_ready_ = false;
    bool lacks_peers_ = false;  ///< Stalled for want of them.
    height local_ = 0;
    bool is_probe_ = false;                     ///< What is paged is looked at beside `live`.
    instant gap_rests_until_ = instant::min();  ///< Gaps are not looked into before.
    height floor_ = 0;                          ///< Nothing is asked for that is not above.
    height gap_ = 0;                            ///< Of a record whose parent is not here; 0 for none.
    deadline ends_;                             ///< Of the state.
    deadline poll_;                             ///< When heads are asked for while live.
    instant heads_asked_at_{};
    head_sync_status shown_ = {};
};

}  // namespace muster::feed
