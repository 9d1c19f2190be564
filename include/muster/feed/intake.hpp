// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// The one way in: records and blobs of gossip, of answers, from the waiting room and of our own take the same steps.
///
/// Cheap before dear: size, whether the message was seen, its form, whether the content is known, who sent it, then the
/// signature; then what stands beside it: another record of its author and height, its parent by hash, the rules of the
/// application, the schedule, the blob. What passes is stored, and what waited for it is judged next, by a queue and
/// not by recursion. What waits is no fault, and is not recorded as judged; only what the message itself shows is.

#include <algorithm>
#include <cstddef>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <variant>
#include <vector>

#include <muster/core/effect_sink.hpp>
#include <muster/feed/event.hpp>
#include <muster/feed/options.hpp>
#include <muster/feed/pending.hpp>
#include <muster/feed/protocol.hpp>
#include <muster/feed/seen_messages.hpp>
#include <muster/feed/store.hpp>

namespace muster::feed {

/// Who has brought something.
struct source {
    feed::origin origin = origin::own;
    peer_id peer = {};
    ticket gossip = 0;
    MUSTER_FIELDS(source, origin, peer, gossip);
};

/// A part of the client; not thread-safe. Each call costs a signature's time at most, and so much for each record that
/// it releases.
template <linked_protocol Protocol, store Store, schedule_for<Protocol> Schedule, validator_for<Protocol> Validator>
class intake {
public:
    /// There is a verdict.
    struct settled {
        source from;
        kind topic = kind::record;
        digest id = {};  ///< Of the content, where it was read.
        verdict what;
        MUSTER_FIELDS(settled, from, topic, id, what);
    };
    struct stored_record {
        record what;
        source from;
        bool has_blob = false;
        MUSTER_FIELDS(stored_record, what, from, has_blob);
    };
    struct stored_blob {
        digest id;
        std::size_t size = 0;
        source from;
        MUSTER_FIELDS(stored_blob, id, size, from);
    };
    /// The chain ends elsewhere.
    struct head_moved {
        height number = 0;
        digest id;
        MUSTER_FIELDS(head_moved, number, id);
    };
    struct blob_missing {
        digest id;
        height at = 0;
        MUSTER_FIELDS(blob_missing, id, at);
    };
    /// The parent of a record of this height is not here.
    struct gap {
        height at = 0;
        MUSTER_FIELDS(gap, at);
    };
    struct store_failed {
        error why;
        MUSTER_FIELDS(store_failed, why);
    };
    using effect =
        std::variant<settled, stored_record, stored_blob, equivocated, head_moved, blob_missing, gap, store_failed>;
    using sink = effect_list<effect>;

    intake(Protocol p, Store s, Schedule schedule, Validator v, options const& o, peer_id const& self,
           std::uint64_t seed)
        : protocol_{std::move(p)},
          store_{std::move(s)},
          schedule_{std::move(schedule)},
          validator_{std::move(v)},
          self_{self},
          waits_for_blobs_{o.wait_for_blobs},
          soft_fail_{o.soft_fail},
          unnamed_max_{o.pending_keys_max},
          unnamed_ttl_{o.pending_ttl},
          seen_{o.message_ids_max, o.message_id_ttl, seed},
          pending_{{o.pending_keys_max, o.pending_per_key, o.pending_per_peer, o.pending_bytes_max, o.pending_ttl}} {}

    [[nodiscard]] Protocol const& protocol() const noexcept { return protocol_; }
    [[nodiscard]] Store const& stored() const noexcept { return store_; }
    [[nodiscard]] Schedule& schedule() noexcept { return schedule_; }
    [[nodiscard]] pending_records const& pending() const noexcept { return pending_; }
    [[nodiscard]] height anchor() const noexcept { return anchor_.value_or(0); }

    /// Takes @p content in. @return the verdict, which is also the first effect.
    verdict take_record(bytes content, source const& from, instant now, sink& out) {
        std::optional<candidate> c;
        auto v = read(kind::record, content, from, c, now);
        if (v.is_accepted())
            v = settle(*std::move(c), now, out);
        else
            out.push(settled{from, kind::record, c ? c->link.id : digest{}, v});
        drain(now, out);
        return v;
    }
    /// The same for a blob.
    verdict take_blob(bytes const& content, source const& from, instant now, sink& out) {
        std::optional<blob> b;
        auto v = read_blob(content, from, b, now);
        if (v.is_accepted()) v = keep(*b, from, out);
        if (v.may_come_again) seen_.forget_message(protocol_.message_hash(kind::blob, content), now);
        bool const is_here = v.is_accepted();
        if (is_here && from.origin == origin::gossip && !store_.is_named(b->id)) {
            v = verdict::waits_for(awaited::record);
            unnamed_.push_back({b->id, from, saturating_add(now, unnamed_ttl_)});
        }
        out.push(settled{from, kind::blob, b ? b->id : digest{}, v});
        if (is_here) release({awaited::blob, b->id});
        drain(now, out);
        forget_unnamed(now, out);
        return v;
    }
    /// Takes back a blob that was to be published with a record which could not be.
    void take_back(digest const& id) {
        if (!store_.is_named(id)) (void)store_.erase_blob(id);
    }
    /// Whether an own record, and blob, would be accepted: both or none are published. Nothing is changed.
    [[nodiscard]] result<void> check_own(byte_view content, blob const* with) const {
        if (with != nullptr) {
            if (auto const v = protocol_.check_blob(*with); !v.is_accepted()) return refused(v);
        }
        auto c = decode(content, {});
        if (!c) return c.error();
        if (with != nullptr && c.value().link.blob_id != std::optional{with->id}) {
            return error{errc::validation, "the record names another blob than the one to be published with it"};
        }
        auto const v = place(c.value());
        bool const comes_with_it = v.on == awaited::blob && with != nullptr;
        if (!v.is_accepted() && !comes_with_it) return refused(v);
        return ok();
    }
    /// Why @p v is no acceptance, as an error.
    [[nodiscard]] static error refused(verdict const& v) {
        auto const code = v.what == outcome::pending ? errc::missing_data : errc::validation;
        return error{code, text("it would not be accepted: ", v.why)};
    }

    /// The time of what waits may be over.
    void expire(instant now, sink& out) {
        for (auto const& w : pending_.expire(now)) drop(w, "pending_expired", now, out);
        forget_unnamed(now, out);
    }
    [[nodiscard]] deadline next_deadline() const {
        auto const next = pending_.next_deadline();
        return unnamed_.empty() ? next : earlier(next, unnamed_.front().ends);
    }
    /// What waited for the schedule is judged anew.
    void schedule_changed(instant now, sink& out) {
        release({awaited::schedule, {}});
        drain(now, out);
    }
    /// The layer below is at @p at: what is not above is stale, and what is just above needs no parent.
    void set_anchor(height at, instant now, sink& out) {
        anchor_ = at;
        for (auto& w : pending_.remove_above(0)) released_.push_back(std::move(w));
        drain(now, out);
    }
    /// The chain below has changed: what is above @p at is gone.
    [[nodiscard]] result<void> reorganise(height at, instant now, sink& out) {
        for (auto h = at + 1; h != 0; ++h) {
            MUSTER_TRY(auto const there, store_.at(h));
            if (there.empty()) break;
            for (auto const& r : there) {
                seen_.forget_content(r.id, now);
                seen_.forget_message(protocol_.message_hash(kind::record, r.content), now);
            }
        }
        MUSTER_TRY(store_.remove_above(at));
        for (auto const& w : pending_.remove_above(at)) drop(w, "reorganised", now, out);
        anchor_ = at;
        return ok();
    }

private:
    struct candidate {
        typename Protocol::record_type what;
        record link;
        source from;
        digest message = {};
    };
    /// Came by gossip, before a record that names it.
    struct unnamed_blob {
        digest id;
        source from;
        instant ends;
    };

    // ---- what a message shows by itself -----------------------------------------------------------------

    [[nodiscard]] result<candidate> decode(byte_view content, source const& from) const {
        MUSTER_TRY(auto what, protocol_.decode_record(content));
        MUSTER_TRY(auto link, protocol_.link_of(what));
        auto const v = protocol_.check(what, link);
        if (!v.is_accepted()) return refused(v);
        link.content = to_bytes(content);
        return candidate{std::move(what), std::move(link), from, {}};
    }
    [[nodiscard]] std::optional<verdict> before_reading(kind k, byte_view content, source const& from, digest& message,
                                                        instant now) {
        auto const most = k == kind::record ? Protocol::record_size_max : Protocol::blob_size_max;
        if (content.size() > most)
            return verdict::rejected(k == kind::record ? "record_too_large" : "gossip_too_large");
        message = protocol_.message_hash(k, content);
        bool const is_new = seen_.record_message(message, now);
        if (!is_new && from.origin == origin::gossip) return verdict::ignored("duplicate");
        return std::nullopt;
    }
    [[nodiscard]] verdict read(kind k, bytes const& content, source const& from, std::optional<candidate>& out,
                               instant now) {
        digest message;
        if (auto const v = before_reading(k, content, from, message, now)) return *v;
        auto what = protocol_.decode_record(content);
        if (!what) return verdict::rejected("malformed");
        auto link = protocol_.link_of(what.value());
        if (!link) return verdict::ignored("height_out_of_range");
        out.emplace(candidate{std::move(what.value()), std::move(link.value()), from, message});
        auto const& id = out->link.id;
        if (store_.contains(id)) return verdict::ignored("known");
        if (seen_.is_final(id, now)) return verdict::ignored("known");
        if (from.origin != origin::own && from.peer == self_) return verdict::ignored("own");
        auto const v = protocol_.check(out->what, out->link);
        out->link.content = content;
        // What waits has not met the schedule: a copy that somebody else has signed keeps the author's out of nothing.
        if (auto const on = pending_.awaited_by(id, out->link.author); v.is_accepted() && on != awaited::nothing) {
            auto known = verdict::ignored("known");
            known.on = on;
            return known;
        }
        return v;
    }
    [[nodiscard]] verdict read_blob(bytes const& content, source const& from, std::optional<blob>& out, instant now) {
        digest message;
        if (auto const v = before_reading(kind::blob, content, from, message, now)) return *v;
        auto b = protocol_.decode_blob(content);
        if (!b) return verdict::rejected("malformed");
        out.emplace(std::move(b.value()));
        if (store_.contains_blob(out->id)) return verdict::ignored("known");
        if (from.origin != origin::own && from.peer == self_) return verdict::ignored("own");
        return protocol_.check_blob(*out);
    }

    // ---- what stands beside it --------------------------------------------------------------------------

    [[nodiscard]] verdict place(candidate const& c) const {
        auto const& r = c.link;
        if (anchor_ && r.number <= *anchor_) return verdict::ignored("stale");
        if (store_.contains(r.id)) return verdict::ignored("known");  // of two copies that waited, one was taken
        if (store_.is_full(r.number) && !may_replace(c)) return verdict::ignored("height_full");
        auto const parent = store_.find(r.parent);
        if (!parent) return verdict::not_now("storage");
        std::optional<typename Protocol::record_type> above;
        if (parent.value()) {
            auto read = protocol_.decode_record(parent.value()->content);
            if (!read) return verdict::not_now("storage");
            above = std::move(read.value());
            if (auto const v = protocol_.check_child(c.what, *above); !v.is_accepted()) return v;
        } else if (!protocol_.is_first(r) && !(anchor_ && r.number == *anchor_ + 1)) {
            return verdict::waits_for(awaited::parent);
        }
        if (auto const v = validator_.judge(c.what, above ? &*above : nullptr); !v.is_accepted()) return v;
        auto const scheduled = schedule_.judge(c.what, r);
        if (!scheduled.is_accepted()) {
            bool const drops = soft_fail_ && scheduled.what == outcome::pending;
            return drops ? verdict::ignored("schedule_unavailable") : scheduled;
        }
        if (waits_for_blobs_ && lacks_blob(r)) return verdict::waits_for(awaited::blob);
        return scheduled;
    }
    // Gossip alone fills no height further: whoever signs twice could go on for ever. But a record that others build
    // on, or that we have asked for, may be the one of the longer chain.
    [[nodiscard]] bool may_replace(candidate const& c) const {
        return c.from.origin == origin::answer || pending_.waits_for({awaited::parent, c.link.id});
    }
    /// Makes room at the height of @p r: one goes that is not of our chain, with all that build on it.
    [[nodiscard]] result<void> make_room(record const& r, instant now) {
        if (!store_.is_full(r.number)) return ok();
        auto const ours = store_.chain_at(r.number);
        MUSTER_TRY(auto going, store_.at(r.number));
        std::erase_if(going, [&](auto const& each) { return ours == std::optional{each.id} || each.id == r.parent; });
        if (going.empty()) return ok();
        going.resize(1);
        for (std::size_t i = 0; i < going.size(); ++i) {
            MUSTER_TRY(auto more, store_.children(going[i].id));
            for (auto& each : more) going.push_back(std::move(each));
        }
        for (auto const& each : going) {
            MUSTER_TRY(store_.erase(each.id));
            seen_.forget_content(each.id, now);
        }
        return ok();
    }
    [[nodiscard]] bool lacks_blob(record const& r) const { return r.blob_id && !store_.contains_blob(*r.blob_id); }

    // Two records of one author and height are evidence, whatever becomes of the second.
    void note_conflict(record const& r, sink& out) {
        auto const there = store_.at(r.number);
        if (!there) return;
        for (auto const& other : there.value()) {
            if (other.author != r.author || other.id == r.id) continue;
            if (!reported_.insert({r.number, r.author}).second) return;
            if (reported_.size() > reported_max) reported_.erase(reported_.begin());
            return out.push(equivocated{other, r});
        }
    }
    verdict settle(candidate c, instant now, sink& out) {
        note_conflict(c.link, out);
        auto v = place(c);
        auto const from = c.from;
        auto const id = c.link.id;
        if (v.is_accepted()) {
            auto const kept = keep(c, now, out);
            if (!kept.is_accepted()) v = kept;
        }
        if (v.may_come_again) seen_.forget_message(c.message, now);
        if (v.what == outcome::pending) v = wait(std::move(c), v, now, out);
        out.push(settled{from, kind::record, id, v});
        if (v.is_accepted()) release({awaited::parent, id});
        return v;
    }
    [[nodiscard]] verdict keep(candidate const& c, instant now, sink& out) {
        auto const& r = c.link;
        auto const head = store_.head();
        bool const is_head = !head || r.number > head->number || (r.number == head->number && r.id < head->id);
        auto const put = [&]() -> result<void> {
            MUSTER_TRY(make_room(r, now));
            return is_head ? store_.put_head(r) : store_.put(r);
        }();
        if (!put) {
            out.push(store_failed{put.error()});
            return verdict::not_now("storage");
        }
        if (!store_.contains(r.id)) return verdict::ignored("pruned");
        seen_.record_content(r.id, now);
        out.push(stored_record{r, c.from, !lacks_blob(r)});
        if (is_head) out.push(head_moved{r.number, r.id});
        if (lacks_blob(r)) out.push(blob_missing{*r.blob_id, r.number});
        if (r.blob_id) name(*r.blob_id, out);
        return verdict::accepted();
    }
    // A blob that has waited for a record which names it.
    void name(digest const& id, sink& out) {
        for (auto const& u : unnamed_) {
            if (u.id == id) out.push(settled{u.from, kind::blob, id, verdict::accepted()});
        }
        std::erase_if(unnamed_, [&](auto const& u) { return u.id == id; });
    }
    [[nodiscard]] auto oldest_of_largest() {
        std::map<peer_id, std::size_t> held;
        for (auto const& u : unnamed_) ++held[u.from.peer];
        auto const largest = std::max_element(held.begin(), held.end(),
                                              [](auto const& a, auto const& b) { return a.second < b.second; });
        return std::find_if(unnamed_.begin(), unnamed_.end(),
                            [&](auto const& u) { return u.from.peer == largest->first; });
    }
    // What no record names in time, or had to make room, is passed on to nobody, and is not kept.
    void forget_unnamed(instant now, sink& out) {
        auto const end = [&](unnamed_blob const& u) {
            if (store_.contains_blob(u.id) && !store_.is_named(u.id)) (void)store_.erase_blob(u.id);
            out.push(settled{u.from, kind::blob, u.id, verdict::not_now("unnamed")});
        };
        auto const is_over = [&](unnamed_blob const& u) { return u.ends <= now || !store_.contains_blob(u.id); };
        for (auto const& u : unnamed_) {
            if (is_over(u)) end(u);
        }
        std::erase_if(unnamed_, is_over);
        while (unnamed_.size() > unnamed_max_) {
            auto const at = oldest_of_largest();
            end(*at);
            unnamed_.erase(at);
        }
    }
    [[nodiscard]] verdict keep(blob const& b, source const& from, sink& out) {
        if (auto const put = store_.put_blob(b); !put) {
            out.push(store_failed{put.error()});
            return verdict::not_now("storage");
        }
        if (!store_.contains_blob(b.id)) return verdict::ignored("pruned");
        out.push(stored_blob{b.id, b.content.size(), from});
        return verdict::accepted();
    }

    // ---- waiting ----------------------------------------------------------------------------------------

    verdict wait(candidate c, verdict v, instant now, sink& out) {
        if (c.from.origin == origin::own) return v;
        auto const& r = c.link;
        if (v.on == awaited::parent) out.push(gap{r.number});
        if (v.on == awaited::blob) out.push(blob_missing{*r.blob_id, r.number});
        auto const key = v.on == awaited::parent ? r.parent : v.on == awaited::blob ? *r.blob_id : digest{};
        auto const message = c.message;
        waiting_record w{std::move(c.link), c.from.peer, c.from.origin, c.from.gossip, message};
        std::vector<waiting_record> evicted;
        bool const is_taken = pending_.add({v.on, key}, std::move(w), now, evicted);
        for (auto const& each : evicted) drop(each, "pending_evicted", now, out);
        if (is_taken) return v;
        seen_.forget_message(message, now);  // it may come again, when there is room
        auto full = verdict::not_now("pending_full");
        full.on = v.on;
        return full;
    }
    void drop(waiting_record const& w, std::string_view why, instant now, sink& out) {
        seen_.forget_message(w.message, now);
        out.push(settled{{w.origin, w.from, w.gossip}, kind::record, w.what.id, verdict::not_now(why)});
    }
    void release(pending_records::key const& k) {
        for (auto& w : pending_.release(k)) released_.push_back(std::move(w));
    }
    void drain(instant now, sink& out) {
        while (!released_.empty()) {
            auto w = std::move(released_.front());
            released_.pop_front();
            auto what = protocol_.decode_record(w.what.content);
            if (!what) continue;  // it was decoded before
            (void)settle({std::move(what.value()), std::move(w.what), {w.origin, w.from, w.gossip}, w.message}, now,
                         out);
        }
    }

    static constexpr std::size_t reported_max = 1024;  ///< Equivocations that are told once. Ours.

    Protocol protocol_;
    Store store_;
    [[no_unique_address]] Schedule schedule_;
    [[no_unique_address]] Validator validator_;
    peer_id self_;
    bool waits_for_blobs_;
    bool soft_fail_;
    std::size_t unnamed_max_;
    duration unnamed_ttl_;
    std::optional<height> anchor_;
    seen_messages seen_;
    pending_records pending_;
    std::deque<waiting_record> released_;  ///< Empty between calls.
    std::deque<unnamed_blob> unnamed_;     ///< The oldest first; all are stored, and unnamed_max_ is their bound.
    std::set<std::pair<height, author>> reported_;
};

}  // namespace muster::feed
