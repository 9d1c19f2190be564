// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What a guardian does: keeps shares of others, proves to have them, and gives one out when a person has approved it
/// and its owner did not object for three days.
///
/// A person decides whose guardian this is: what an owner offers waits until then, and what nobody wants is forgotten.
///
/// Who has lost everything has no key to sign with. What tells them from a thief is a person who knows them, and time:
/// the guardian's person compares digits with them and approves; the owner's key, if it still exists, is told and can
/// veto. Anybody can ask, since there is nothing to check, so no place that a request needs can be taken by asking:
/// - Requests wait in a short list whose oldest makes room. A person approves digits, and need not find them there:
///   digits that were approved are expected, and the request that has them is taken when it comes, however many others
///   do. Whoever asks goes on asking, so it comes.
/// - One request of an owner is approved at a time. Another approval replaces it: the person's last word counts.
/// - A person is told of a few requests an hour, so that nobody can wear them down; the list shows the last four of
///   each owner.
///
/// The three days have to pass twice, by the wall and while this guardian ran: a clock that is set forward releases
/// nothing, and neither does one that was wrong when the request came. What has passed is written down each hour, so a
/// restart costs an hour at most, and can only lengthen it; after one, nothing is given out for some minutes, in which
/// the owner is warned again: a veto may have come while nothing could be written down. A clock that was years ahead
/// and is right again does not keep anything back for years.
///
/// The owner is followed from key to key by their @ref lineage, under one signer key. What the key of now hands out
/// replaces all that an exchanged one did; of one key the greater epoch counts, which cannot be of tomorrow. An epoch
/// that is replaced is forgotten, so that a thief does not find an old one; and whoever makes a new one is alive, so
/// what was approved is over.

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <muster/core/bounded.hpp>
#include <muster/core/effect_sink.hpp>
#include <muster/core/machine.hpp>
#include <muster/core/rate_limiter.hpp>
#include <muster/identity/guardian_effects.hpp>
#include <muster/identity/guardian_expectations.hpp>
#include <muster/identity/guardian_ward.hpp>

namespace muster::identity {

/// The machine. @ref set_wall is called before all else. Not thread-safe.
template <secret_source Source>
class guardian_desk {
public:
    struct options {
        std::size_t wards_max = 64;     ///< Owners whose shares are kept. Ours.
        std::size_t offers_max = 8;     ///< That wait for a person; the oldest makes room. Ours.
        std::size_t expected_max = 16;  ///< Digits and owners that a person expects; the oldest makes room. Ours.
        std::chrono::milliseconds delay = std::chrono::hours{72};  ///< From approval to release, both ways.
        std::chrono::milliseconds open_max =
            std::chrono::hours{24 * 14};  ///< After it was opened, or may be released, it is forgotten. Ours.
        std::chrono::milliseconds rest = std::chrono::hours{24};        ///< After a veto, without telling. Ours.
        std::chrono::milliseconds expect_for = std::chrono::hours{24};  ///< What a person expects. Ours.
        duration note_each = std::chrono::hours{1};  ///< What has passed is written down, and the owner warned. Ours.
        duration settle = std::chrono::minutes{10};  ///< After a restart, before anything is given out. Ours.
        duration tell_each = std::chrono::minutes{15};  ///< A person is told of a new request, or a new offer. Ours.
        std::size_t tell_burst = 8;                     ///< Of each of these at once. Ours.
        std::chrono::milliseconds epoch_ahead_max = std::chrono::hours{24};  ///< Of an epoch, as seconds. Ours.
    };
    using event = std::variant<desk::received>;
    using effect = std::variant<desk::reply, desk::persist, desk::persist_expected, desk::ask_to_keep, desk::ask_person,
                                desk::warn_owner, desk::request_approved, desk::request_closed, desk::penalise>;
    /// What is kept.
    struct gauges {
        std::size_t wards = 0;
        std::size_t offers = 0;
        std::size_t waiting = 0;
        std::size_t approved = 0;
        MUSTER_FIELDS(gauges, wards, offers, waiting, approved);
    };
    /// An offer that waits for a person.
    struct waiting_offer {
        peer::peer_id from;
        kept_share what;
        lineage line;
    };

    /// @param keys   borrowed.
    /// @param older  agreement keys that were exchanged: what was sealed for them is opened still.
    guardian_desk(peer::key_set const& keys, Source source, options const& o = {},
                  std::vector<crypto::x25519_key> older = {})
        : keys_{&keys},
          older_{std::move(older)},
          source_{std::move(source)},
          options_{o},
          wards_{o.wards_max},
          expected_{o.expected_max},
          telling_of_requests_{o.tell_each, o.tell_burst},
          telling_of_offers_{o.tell_each, o.tell_burst} {}

    /// What time it is. Earlier than before counts as standing still; earlier by more than the delay, as before having
    /// been wrong.
    void set_wall(timestamp wall) noexcept {
        bool const was_wrong = saturating_difference(wall_, wall) > options_.delay;
        wall_ = was_wrong ? wall : std::max(wall_, wall);
    }

    void handle(event const& e, instant now, effect_sink<effect> auto& sink) {
        auto const& m = std::get<desk::received>(e);
        wake(now, sink);
        std::visit([&](auto const& what) { on(m.from, what, sink); }, m.what);
    }
    void wake(instant now, effect_sink<effect> auto& sink) {
        auto const passed = now_ ? std::max(duration{}, now - *now_) : duration{};
        now_ = std::max(now, now_.value_or(now));
        for (auto& [owner, w] : wards_) bring_near(w);
        expected_.bring_near(saturating_add(wall_, options_.expect_for));
        expected_.expire(wall_);
        bool const is_hour = noted_at_ && now - *noted_at_ >= options_.note_each;
        if (is_hour || !noted_at_) noted_at_ = now;
        for (auto& [owner, w] : wards_) {
            std::erase_if(w.waiting, [&](waiting_request const& r) {
                bool const is_over = saturating_difference(wall_, r.opened) >= options_.open_max;
                if (is_over) sink.push(desk::request_closed{r.what.id()});
                return is_over;
            });
            if (w.quiet_until <= wall_) w.refused.clear();
            if (!w.approved) continue;
            bool const was_due = is_due(*w.approved);
            w.approved->ran = std::min<duration>(w.approved->ran + passed, options_.delay + options_.open_max);
            bool const is_over = saturating_difference(wall_, w.approved->released_at) >= options_.open_max &&
                                 w.approved->ran >= options_.delay + options_.open_max;
            if (is_over) {
                close(w, sink);
            } else if (is_hour || was_due != is_due(*w.approved)) {
                sink.push(desk::persist{owner});
                sink.push(desk::warn_owner{w.key, w.approved->what});
            }
        }
    }
    /// The next hour, while something is approved; else nothing: what waits here waits for its requester.
    [[nodiscard]] deadline next_deadline() const noexcept {
        bool const is_counting =
            std::any_of(wards_.begin(), wards_.end(), [](auto const& w) { return w.second.approved.has_value(); });
        if (!is_counting || !noted_at_) return {};
        return saturating_add(*noted_at_, options_.note_each);
    }
    [[nodiscard]] gauges stats() const {
        gauges out{wards_.size(), offers_.size(), 0, 0};
        for (auto const& [owner, w] : wards_) {
            out.waiting += w.waiting.size();
            out.approved += w.approved ? 1u : 0u;
        }
        return out;
    }

    /// A person says that this guardian keeps shares of @p owner: what waits is taken, and what comes within a day.
    /// @return `full`, and what waits goes on waiting.
    [[nodiscard]] result<void> keep(user_id const& owner, instant now, effect_sink<effect> auto& sink) {
        wake(now, sink);
        if (wards_.find(owner) == nullptr && wards_.size() >= options_.wards_max) return no_room();
        auto const at = std::find_if(offers_.begin(), offers_.end(),
                                     [&](waiting_offer const& o) { return o.what.manifest.owner == owner; });
        if (at == offers_.end()) {
            expect({saturating_add(wall_, options_.expect_for), owner, {}}, sink);
            return ok();
        }
        auto const taken = std::move(*at);
        offers_.erase(at);
        take(taken, sink);
        return ok();
    }
    /// A person says that it does not, or no more. What is kept of them is forgotten.
    void drop(user_id const& owner, instant now, effect_sink<effect> auto& sink) {
        wake(now, sink);
        std::erase_if(offers_, [&](waiting_offer const& o) { return o.what.manifest.owner == owner; });
        if (expected_.take(owner)) sink.push(desk::persist_expected{});
        if (wards_.erase(owner)) sink.push(desk::persist{owner});
    }
    /// A person says that whoever told them @p digits is who they say. The delay begins, or does when a request comes
    /// that has them, within a day. @return the request, when it is there, also when it is approved already; `forked`
    /// when two have the same digits, which somebody made on purpose: neither is approved.
    [[nodiscard]] result<std::optional<request_id>> approve(std::string const& digits, instant now,
                                                            effect_sink<effect> auto& sink) {
        wake(now, sink);
        ward* found = nullptr;
        std::optional<waiting_request> which;
        for (auto& [owner, w] : wards_) {
            if (w.approved && w.approved->what.spoken() == digits) return std::optional{w.approved->what.id()};
            for (auto const& r : w.waiting) {
                if (r.what.spoken() != digits) continue;
                if (which) return error{errc::forked, text("two requests have the digits ", digits)};
                found = &w;
                which = r;
            }
        }
        if (which) {
            begin(*found, *which, sink);
            return std::optional{which->what.id()};
        }
        expect({saturating_add(wall_, options_.expect_for), {}, digits}, sink);
        return std::optional<request_id>{};
    }
    /// A person says that it is not. It is not taken again until @ref options::rest is over, and of others no person is
    /// told until then. @return `wrong_state` when there is no such request.
    [[nodiscard]] result<void> decline(request_id const& which, instant now, effect_sink<effect> auto& sink) {
        wake(now, sink);
        for (auto& [owner, w] : wards_) {
            if (refuse(w, which, sink)) return ok();
        }
        return error{errc::wrong_state, text("no request ", to_hex(which.view().first(8)), " is open")};
    }
    /// Somebody has shown who they are: if shares of them are kept, they are kept for the key of now.
    /// @param line  which was found to lead to @p key under the signer key that it names.
    /// @return `forked` when it is another story, `wrong_set` when that is not the signer key of what is kept.
    [[nodiscard]] result<void> follow(user_id const& owner, lineage const& line, crypto::public_key const& key,
                                      effect_sink<effect> auto& sink) {
        auto* const w = wards_.find(owner);
        if (w == nullptr || w->line.continues(line)) return ok();
        if (!line.continues(w->line)) return error{errc::forked, text(shown(owner), " has named two successors")};
        // Or who has an old key would name a successor with a signer key of their own.
        if (line.records().back().signer != w->newest.manifest.signer) {
            return error{errc::wrong_set, text(shown(owner), " goes on under another signer key")};
        }
        w->line = line;
        w->key = key;
        sink.push(desk::persist{owner});
        return ok();
    }

    /// Whose shares are kept, by their ids.
    [[nodiscard]] bounded_map<user_id, ward> const& wards() const noexcept { return wards_; }
    [[nodiscard]] std::vector<waiting_offer> const& offers() const noexcept { return offers_; }
    /// How long it takes until the share of @p r may be given out: the longer of what the wall and the clock say.
    [[nodiscard]] duration left(approved_request const& r) const noexcept {
        auto const by_wall = std::chrono::milliseconds{saturating_difference(r.released_at, wall_)};
        return std::max({duration{}, duration{by_wall}, duration{options_.delay} - r.ran});
    }
    /// The manifest that is kept of @p owner.
    [[nodiscard]] std::optional<backup_manifest> manifest_of(user_id const& owner) const {
        auto const* const w = wards_.find(owner);
        return w == nullptr ? std::nullopt : std::optional{w->newest.manifest};
    }

    /// What is kept of @p owner, to be written down: the share only as it was sealed. Nothing when nothing is kept.
    [[nodiscard]] std::optional<bytes> export_ward(user_id const& owner) const {
        auto const* const w = wards_.find(owner);
        return w == nullptr ? std::nullopt : std::optional{w->encoded()};
    }
    /// The opposite, after a restart. @return `malformed`, `full`, or why the share in it is none.
    [[nodiscard]] result<void> import_ward(byte_view kept) {
        MUSTER_TRY(auto w, ward::decode(kept));
        MUSTER_TRY(open(w.newest));
        if (w.before) {
            MUSTER_TRY(open(*w.before));
        }
        auto* const place = wards_.try_emplace(w.owner());
        if (place == nullptr) return no_room();
        bring_near(w);
        if (w.approved) {
            auto const at_most = std::max(duration{}, duration{options_.delay} - options_.settle);
            w.approved->ran = std::min(w.approved->ran, at_most);
        }
        *place = std::move(w);
        return ok();
    }
    /// What a person expects, to be written down.
    [[nodiscard]] bytes export_expected() const { return expected_.encoded(); }
    /// The opposite, after a restart. @return `malformed`, and nothing is expected then.
    [[nodiscard]] result<void> import_expected(byte_view kept) {
        return expected_.decode(kept, saturating_add(wall_, options_.expect_for));
    }

private:
    // ---- shares -----------------------------------------------------------------------------------------

    void on(peer::peer_id const& from, offer const& o, effect_sink<effect> auto& sink) {
        auto const checked = check(from, o);
        if (!checked) return sink.push(desk::penalise{from, checked.error()});
        auto const& owner = checked.value().what.manifest.owner;
        if (wards_.find(owner) == nullptr && wards_.size() >= options_.wards_max) return;  // no fault of theirs
        bool const is_kept = wards_.find(owner) != nullptr;
        bool const was_expected = expected_.take(owner);
        if (is_kept || was_expected) take(checked.value(), sink);
        if (was_expected) sink.push(desk::persist_expected{});
        if (is_kept || was_expected) return;
        bool const is_known =
            std::erase_if(offers_, [&](waiting_offer const& w) { return w.what.manifest.owner == owner; }) != 0;
        if (offers_.size() >= options_.offers_max) offers_.erase(offers_.begin());
        offers_.push_back(checked.value());
        if (!is_known && telling_of_offers_.allow(*now_)) sink.push(desk::ask_to_keep{owner, from});
    }
    /// Cheap checks first.
    [[nodiscard]] result<waiting_offer> check(peer::peer_id const& from, offer const& o) const {
        MUSTER_TRY(auto const m, backup_manifest::decode(o.manifest));
        MUSTER_TRY(auto const line, lineage::decode(o.line));
        if (peer::peer_id::of(m.key) != from) {
            return error{errc::not_signed, text(from.to_text(), " did not sign the manifest that it offers")};
        }
        auto const tomorrow = to_unix_millis(saturating_add(wall_, options_.epoch_ahead_max)) / 1000;
        if (std::int64_t{m.epoch} > tomorrow) {
            return error{errc::wrong_set, text("epoch ", m.epoch, " is ahead of its time, ", tomorrow)};
        }
        auto const* const known = wards_.find(m.owner);
        if (known != nullptr) {
            auto const& kept = known->newest.manifest;
            bool const is_of_next_key = line.encoded().size() > known->newest.given.line.size();
            bool const is_older = !is_of_next_key && (m.epoch < kept.epoch || (m.epoch == kept.epoch && m != kept));
            if (is_older || m.signer != kept.signer) {
                return error{errc::wrong_set, text("epoch ", m.epoch, " does not follow epoch ", kept.epoch)};
            }
            if (!line.continues(known->line)) {
                return error{errc::forked, text(shown(m.owner), " goes on under another key")};
            }
        }
        if (crypto::sha256(o.blob) != m.blob) return error{errc::wrong_set, "a wrapped file that is another one's"};
        if (!m.is_signed()) return error{errc::not_signed, text(from.to_text(), " did not sign what it offers")};
        if (known == nullptr || !(line == known->line) || m.key != known->key) {
            MUSTER_TRY(line.leads(m.owner, m.signer, m.key));
        }
        kept_share what{m, o};
        MUSTER_TRY(open(what));
        return waiting_offer{from, std::move(what), line};
    }
    /// A newer epoch replaces the one that is kept, and ends what was approved: its owner is alive.
    void take(waiting_offer const& o, effect_sink<effect> auto& sink) {
        auto const& m = o.what.manifest;
        auto const signature = keys_->node.sign(acknowledged(m, o.what.given.index));
        auto* const w = wards_.try_emplace(m.owner);
        if (w == nullptr) return sink.push(desk::penalise{o.from, no_room()});
        if (!signature) return;
        bool const is_newer = w->newest.manifest != m;
        bool const is_first = w->newest.manifest.epoch == 0;
        if (is_newer && !is_first) w->before = std::move(w->newest);
        w->newest = o.what;
        w->line = o.line;
        w->key = m.key;
        if (is_newer && w->approved) {
            close(*w, sink);
        } else {
            sink.push(desk::persist{m.owner});
        }
        sink.push(desk::reply{o.from, acknowledgement{m.set, m.epoch, o.what.given.index, signature.value()}});
    }
    [[nodiscard]] error no_room() const {
        return error{errc::full, text("shares of ", options_.wards_max, " owners are kept already")};
    }
    /// The share in @p k, opened by the agreement key of now or one before it.
    [[nodiscard]] result<share> open(kept_share const& k) const {
        if (k.given.index >= k.manifest.guardians.size()) {
            return error{errc::bad_share, "a share at a place that is none"};
        }
        auto out = open_share(k.manifest, k.given.index, keys_->agreement, k.given.sealed);
        for (auto const& older : older_) {
            if (!out) out = open_share(k.manifest, k.given.index, older, k.given.sealed);
        }
        return out;
    }

    void on(peer::peer_id const& from, challenge const& c, effect_sink<effect> auto& sink) {
        for (auto& [owner, w] : wards_) {
            if (w.newest.manifest.set != c.set || peer::peer_id::of(w.key) != from) continue;
            if (w.before) {
                w.before.reset();
                sink.push(desk::persist{owner});
            }
            auto const mine = open(w.newest);
            auto const at = w.newest.given.index;
            if (mine) sink.push(desk::reply{from, possession{c.set, at, answer_to(c.nonce, mine.value())}});
        }
    }

    // ---- requests ---------------------------------------------------------------------------------------

    // Asked again it answers with the share, once it may.
    void on(peer::peer_id const& from, recovery_request const& r, effect_sink<effect> auto& sink) {
        auto* const w = wards_.find(r.owner);
        if (w == nullptr) return;  // nobody learns whose guardian this is
        auto const id = r.id();
        if (w->approved && w->approved->what == r) return give(from, *w, sink);
        if (std::find(w->refused.begin(), w->refused.end(), id) != w->refused.end()) return;
        waiting_request const asked{r, from, wall_};
        if (expected_.take(r.spoken())) {
            begin(*w, asked, sink);
            sink.push(desk::persist_expected{});
            return sink.push(desk::request_approved{id});
        }
        bool const is_known = std::any_of(w->waiting.begin(), w->waiting.end(),
                                          [&](waiting_request const& other) { return other.what == r; });
        if (is_known) return;
        if (w->waiting.size() >= ward::waiting_max) w->waiting.erase(w->waiting.begin());
        w->waiting.push_back(asked);
        if (wall_ < w->quiet_until || !telling_of_requests_.allow(*now_)) return;
        sink.push(desk::warn_owner{w->key, r});
        sink.push(desk::ask_person{r});
    }
    void begin(ward& w, waiting_request const& r, effect_sink<effect> auto& sink) {
        if (w.approved) sink.push(desk::request_closed{w.approved->what.id()});
        std::erase_if(w.waiting, [&](waiting_request const& other) { return other.what == r.what; });
        w.approved = approved_request{r.what, wall_, saturating_add(wall_, options_.delay), {}};
        sink.push(desk::persist{w.owner()});
        sink.push(desk::warn_owner{w.key, r.what});
    }
    [[nodiscard]] bool is_due(approved_request const& r) const noexcept { return left(r) <= duration{}; }
    void give(peer::peer_id const& to, ward const& w, effect_sink<effect> auto& sink) {
        if (!is_due(*w.approved)) return;
        give(to, w.approved->what, w.newest, sink);
        if (w.before) give(to, w.approved->what, *w.before, sink);
    }
    void give(peer::peer_id const& to, recovery_request const& r, kept_share const& k, effect_sink<effect> auto& sink) {
        auto const mine = open(k);
        if (!mine) return;
        auto box = seal(r.fresh, k.manifest.context(), mine.value().value.view(), source_);
        if (!box) return;
        auto const& g = k.given;
        sink.push(desk::reply{to, release{r.id(), g.manifest, g.index, std::move(box).value(), g.blob, g.line}});
    }

    void on(peer::peer_id const& from, veto const& v, effect_sink<effect> auto& sink) {
        for (auto& [owner, w] : wards_) {
            bool const is_about = (w.approved && w.approved->what.id() == v.request) ||
                                  std::any_of(w.waiting.begin(), w.waiting.end(),
                                              [&](waiting_request const& r) { return r.what.id() == v.request; });
            if (!is_about) continue;
            bool const is_owner = v.key == w.key && crypto::verify_bip340(crypto::to_xonly(v.key),
                                                                          veto::digest(v.request).view(), v.signature);
            if (!is_owner) {
                return sink.push(desk::penalise{from, error{errc::not_signed, "a veto that the owner did not sign"}});
            }
            (void)refuse(w, v.request, sink);
            return;
        }
    }
    void on(peer::peer_id const&, acknowledgement const&, effect_sink<effect> auto&) {}
    void on(peer::peer_id const&, possession const&, effect_sink<effect> auto&) {}
    void on(peer::peer_id const&, release const&, effect_sink<effect> auto&) {}
    void on(peer::peer_id const&, introduction const&, effect_sink<effect> auto&) {}

    /// Whether @p which was open.
    bool refuse(ward& w, request_id const& which, effect_sink<effect> auto& sink) {
        bool const was_waiting =
            std::erase_if(w.waiting, [&](waiting_request const& r) { return r.what.id() == which; }) != 0;
        bool const was_approved = w.approved && w.approved->what.id() == which;
        if (!was_waiting && !was_approved) return false;
        w.quiet_until = saturating_add(wall_, options_.rest);
        if (w.refused.size() >= ward::refused_max) w.refused.erase(w.refused.begin());
        w.refused.push_back(which);
        if (was_approved) {
            close(w, sink);
        } else {
            sink.push(desk::persist{w.owner()});
            sink.push(desk::request_closed{which});
        }
        return true;
    }
    void close(ward& w, effect_sink<effect> auto& sink) {
        auto const which = w.approved->what.id();
        w.approved.reset();
        sink.push(desk::persist{w.owner()});
        sink.push(desk::request_closed{which});
    }

    void expect(guardian_expectations::expectation e, effect_sink<effect> auto& sink) {
        expected_.add(std::move(e));
        sink.push(desk::persist_expected{});
    }
    /// What a clock that was ahead has put off for longer than anything is put off.
    void bring_near(ward& w) const {
        w.quiet_until = std::min(w.quiet_until, saturating_add(wall_, options_.rest));
        for (auto& r : w.waiting) r.opened = std::min(r.opened, wall_);
        if (!w.approved) return;
        w.approved->approved = std::min(w.approved->approved, wall_);
        w.approved->released_at = std::min(w.approved->released_at, saturating_add(wall_, options_.delay));
    }

    peer::key_set const* keys_;
    std::vector<crypto::x25519_key> older_;
    [[no_unique_address]] Source source_;
    options options_;
    timestamp wall_{};
    std::optional<instant> now_;
    std::optional<instant> noted_at_;
    bounded_map<user_id, ward> wards_;
    std::vector<waiting_offer> offers_;
    guardian_expectations expected_;
    rate_limiter telling_of_requests_;
    rate_limiter telling_of_offers_;
};

}  // namespace muster::identity
