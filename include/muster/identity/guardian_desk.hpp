// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What a guardian does: keeps shares of others, proves to have them, and gives one out when a person has approved it
/// and its owner did not object for three days.
///
/// Who has lost everything has no key to sign with. What tells them from a thief is a person who knows them, and time:
/// the guardian's person compares digits with them and approves; the owner's old key, if it still exists, is told at
/// once and can veto. Each owner has one open request at a time, so that nobody can wear a guardian down; one that was
/// vetoed or declined keeps others away for a while. An epoch that is replaced is forgotten, so that a thief does not
/// find an old one.

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include <muster/core/bounded.hpp>
#include <muster/core/effect_sink.hpp>
#include <muster/core/fields.hpp>
#include <muster/core/machine.hpp>
#include <muster/identity/guardian_message.hpp>

namespace muster::identity {

namespace desk {

/// A message of @p from: whoever is at the other end of the connection, which for requests is a stranger.
struct received {
    peer::peer_id from;
    guardian_message what;
    MUSTER_FIELDS(received, from, what);
};

/// Send this back.
struct reply {
    peer::peer_id to;
    guardian_message what;
    MUSTER_FIELDS(reply, to, what);
};
/// Make durable what is kept for an owner, before what follows: @ref guardian_desk::export_ward gives it.
struct persist {
    user_id owner;
    MUSTER_FIELDS(persist, owner);
};
/// A person has to say whether this is who they say. Show the digits.
struct ask_person {
    recovery_request request;
    MUSTER_FIELDS(ask_person, request);
};
/// Tell the owner, wherever their old key is, that somebody asks for their share.
struct warn_owner {
    crypto::public_key key;
    recovery_request request;
    MUSTER_FIELDS(warn_owner, key, request);
};
/// A request is over: it was vetoed, declined or has expired.
struct request_closed {
    request_id request;
    MUSTER_FIELDS(request_closed, request);
};
/// What was sent is wrong, and costs its sender.
struct penalise {
    peer::peer_id peer;
    error why;
    MUSTER_FIELDS(penalise, peer, why);
};

}  // namespace desk

/// The machine. Its delays have to survive restarts, so they are by the wall: @ref set_wall is called before all else.
/// Not thread-safe.
template <secret_source Source>
class guardian_desk {
public:
    struct options {
        std::size_t wards_max = 64;                                ///< Owners whose shares are kept. Ours.
        std::chrono::milliseconds delay = std::chrono::hours{72};  ///< From approval to release.
        std::chrono::milliseconds open_max =
            std::chrono::hours{24 * 14};  ///< After it was opened, or may be released, it is forgotten. Ours.
        std::chrono::milliseconds rest = std::chrono::hours{24};  ///< After a veto, without new requests. Ours.
    };
    using event = std::variant<desk::received>;
    using effect = std::variant<desk::reply, desk::persist, desk::ask_person, desk::warn_owner, desk::request_closed,
                                desk::penalise>;
    /// What is kept.
    struct gauges {
        std::size_t wards = 0;
        std::size_t requests = 0;
        MUSTER_FIELDS(gauges, wards, requests);
    };
    /// A request, for people to see.
    struct open_request {
        recovery_request what;
        peer::peer_id from;
        timestamp opened{};
        std::optional<timestamp> released_at;  ///< When it was approved: from when on the share is given out.
    };

    /// @param keys  borrowed.
    guardian_desk(peer::key_set const& keys, Source source, options const& o = {})
        : keys_{&keys}, source_{std::move(source)}, options_{o}, wards_{o.wards_max} {}

    /// What time it is. Earlier than before counts as standing still: a clock that is set back must not let a delay
    /// pass twice, nor end it.
    void set_wall(timestamp wall) noexcept { wall_ = std::max(wall_, wall); }

    void handle(event const& e, instant now, effect_sink<effect> auto& sink) {
        auto const& m = std::get<desk::received>(e);
        wake(now, sink);
        std::visit([&](auto const& what) { on(m.from, what, sink); }, m.what);
    }
    void wake(instant, effect_sink<effect> auto& sink) {
        for (auto& [owner, w] : wards_) {
            if (!w.request) continue;
            auto const since = w.request->released_at.value_or(w.request->opened);
            if (saturating_difference(wall_, since) >= options_.open_max) close(w, sink);
        }
    }
    /// None: what waits here waits for its requester, who asks again.
    [[nodiscard]] deadline next_deadline() const noexcept { return {}; }
    [[nodiscard]] gauges stats() const {
        gauges out{wards_.size(), 0};
        for (auto const& [owner, w] : wards_) out.requests += w.request ? 1u : 0u;
        return out;
    }

    /// A person says that a request is who it says. The delay begins.
    /// @return `wrong_state` when there is no such request.
    [[nodiscard]] result<timestamp> approve(request_id const& which, effect_sink<effect> auto& sink) {
        MUSTER_TRY(auto* const w, find(which));
        if (!w->request->released_at) {
            w->request->released_at = saturating_add(wall_, options_.delay);
            sink.push(desk::persist{w->manifest.owner});
        }
        return *w->request->released_at;
    }
    /// A person says that it is not. @return as @ref approve.
    [[nodiscard]] result<void> decline(request_id const& which, effect_sink<effect> auto& sink) {
        MUSTER_TRY(auto* const w, find(which));
        w->quiet_until = saturating_add(wall_, options_.rest);
        close(*w, sink);
        return ok();
    }
    [[nodiscard]] std::vector<open_request> requests() const {
        std::vector<open_request> out;
        for (auto const& [owner, w] : wards_) {
            if (w.request) out.push_back(*w.request);
        }
        return out;
    }
    /// The manifest that is kept of @p owner.
    [[nodiscard]] std::optional<backup_manifest> manifest_of(user_id const& owner) const {
        auto const* const w = wards_.find(owner);
        return w == nullptr ? std::nullopt : std::optional{w->manifest};
    }

    /// What is kept of @p owner, to be written down: the share only as it was sealed. Nothing when nothing is kept.
    [[nodiscard]] std::optional<bytes> export_ward(user_id const& owner) const;
    /// The opposite, after a restart. @return `malformed`, or why the share in it is none.
    [[nodiscard]] result<void> import_ward(byte_view kept);

private:
    struct kept_share {
        backup_manifest manifest;
        offer given;
    };
    struct ward {
        backup_manifest manifest;
        offer given;
        std::optional<kept_share> before;  ///< Of the epoch before, until the new one is settled.
        std::optional<open_request> request;
        timestamp quiet_until{};
    };

    void on(peer::peer_id const& from, offer const& o, effect_sink<effect> auto& sink) {
        auto const taken = take(from, o);
        if (!taken) {
            sink.push(desk::penalise{from, taken.error()});
            return;
        }
        auto const& m = taken.value()->manifest;
        auto const signature = keys_->node.sign(acknowledged(m, o.index));
        if (!signature) return;
        sink.push(desk::persist{m.owner});
        sink.push(desk::reply{from, acknowledgement{m.set, m.epoch, o.index, signature.value()}});
    }
    /// A newer epoch replaces the one that is kept, and a request for it with it.
    [[nodiscard]] result<ward*> take(peer::peer_id const& from, offer const& o) {
        MUSTER_TRY(auto const m, backup_manifest::decode(o.manifest));
        if (peer::peer_id::of(m.key) != from || !m.is_signed()) {
            return error{errc::not_signed, text(from.to_text(), " did not sign the manifest that it offers")};
        }
        auto* const known = wards_.find(m.owner);
        if (known == nullptr && user_of(m.key) != m.owner) {
            return error{errc::unknown_author, text(to_hex(m.key), " is not the first key of ", shown(m.owner))};
        }
        if (known != nullptr && (known->manifest.key != m.key || m.epoch < known->manifest.epoch ||
                                 (m.epoch == known->manifest.epoch && m != known->manifest))) {
            return error{errc::wrong_set, text("epoch ", m.epoch, " does not follow epoch ", known->manifest.epoch)};
        }
        if (o.index >= m.guardians.size()) return error{errc::bad_share, "a share at a place that is none"};
        MUSTER_TRY(auto const mine, open_share(m, o.index, keys_->agreement, o.sealed));
        if (crypto::sha256(o.blob) != m.blob) return error{errc::wrong_set, "a wrapped file that is another one's"};
        auto* const w = wards_.try_emplace(m.owner);
        if (w == nullptr) return error{errc::full, text("shares of ", options_.wards_max, " owners are kept already")};
        if (w->manifest.epoch != m.epoch && w->manifest.epoch != 0) w->before = {w->manifest, w->given};
        w->manifest = m;
        w->given = o;
        return w;
    }

    void on(peer::peer_id const& from, challenge const& c, effect_sink<effect> auto& sink) {
        for (auto& [owner, w] : wards_) {
            if (w.manifest.set != c.set || peer::peer_id::of(w.manifest.key) != from) continue;
            if (w.before) {
                w.before.reset();
                sink.push(desk::persist{owner});
            }
            auto const mine = open_share(w.manifest, w.given.index, keys_->agreement, w.given.sealed);
            if (mine) sink.push(desk::reply{from, possession{c.set, w.given.index, answer_to(c.nonce, mine.value())}});
        }
    }

    // Asked again it answers with the share, once it may.
    void on(peer::peer_id const& from, recovery_request const& r, effect_sink<effect> auto& sink) {
        auto* const w = wards_.find(r.owner);
        if (w == nullptr || wall_ < w->quiet_until) return;  // nobody learns whose guardian this is
        if (w->request) {
            if (w->request->what == r) give(from, *w, sink);
            return;  // another one is open
        }
        w->request = open_request{r, from, wall_, {}};
        sink.push(desk::persist{r.owner});
        sink.push(desk::warn_owner{w->manifest.key, r});
        sink.push(desk::ask_person{r});
    }
    void give(peer::peer_id const& to, ward const& w, effect_sink<effect> auto& sink) {
        if (!w.request->released_at || wall_ < *w.request->released_at) return;
        give(to, w.request->what, w.manifest, w.given, sink);
        if (w.before) give(to, w.request->what, w.before->manifest, w.before->given, sink);
    }
    void give(peer::peer_id const& to, recovery_request const& r, backup_manifest const& m, offer const& given,
              effect_sink<effect> auto& sink) {
        auto const mine = open_share(m, given.index, keys_->agreement, given.sealed);
        if (!mine) return;
        auto box = seal(r.fresh, m.context(), mine.value().value.view(), source_);
        if (!box) return;
        sink.push(desk::reply{to, release{r.id(), given.manifest, given.index, std::move(box).value(), given.blob}});
    }

    void on(peer::peer_id const& from, veto const& v, effect_sink<effect> auto& sink) {
        for (auto& [owner, w] : wards_) {
            if (!w.request || w.request->what.id() != v.request) continue;
            bool const is_owner =
                v.key == w.manifest.key &&
                crypto::verify_bip340(crypto::to_xonly(v.key), veto::digest(v.request).view(), v.signature);
            if (!is_owner) {
                sink.push(desk::penalise{from, error{errc::not_signed, "a veto that the owner did not sign"}});
                return;
            }
            w.quiet_until = saturating_add(wall_, options_.rest);
            close(w, sink);
            return;
        }
    }
    void on(peer::peer_id const&, acknowledgement const&, effect_sink<effect> auto&) {}
    void on(peer::peer_id const&, possession const&, effect_sink<effect> auto&) {}
    void on(peer::peer_id const&, release const&, effect_sink<effect> auto&) {}

    void close(ward& w, effect_sink<effect> auto& sink) {
        auto const which = w.request->what.id();
        w.request.reset();
        sink.push(desk::persist{w.manifest.owner});
        sink.push(desk::request_closed{which});
    }
    [[nodiscard]] result<kept_share> read_share(byte_view kept) const {
        MUSTER_TRY(auto const given, decode_guardian_message(kept));
        auto const* const o = std::get_if<offer>(&given);
        if (o == nullptr) return error{errc::malformed, "a ward without a share"};
        MUSTER_TRY(auto const m, backup_manifest::decode(o->manifest));
        MUSTER_TRY(auto const mine, open_share(m, o->index, keys_->agreement, o->sealed));
        return kept_share{m, *o};
    }
    [[nodiscard]] result<ward*> find(request_id const& which) {
        for (auto& [owner, w] : wards_) {
            if (w.request && w.request->what.id() == which) return &w;
        }
        return error{errc::wrong_state, text("no request ", to_hex(which.view().first(8)), " is open")};
    }

    peer::key_set const* keys_;
    [[no_unique_address]] Source source_;
    options options_;
    timestamp wall_{};
    bounded_map<user_id, ward> wards_;
};

template <secret_source Source>
std::optional<bytes> guardian_desk<Source>::export_ward(user_id const& owner) const {
    auto const* const w = wards_.find(owner);
    if (w == nullptr) return std::nullopt;
    wire::writer out;
    out.u8(1)
        .sized(encode(w->given))
        .sized(w->before ? encode(w->before->given) : bytes{})
        .i64(to_unix_millis(w->quiet_until))
        .u8(w->request ? 1 : 0);
    if (w->request) {
        auto const& r = *w->request;
        out.sized(encode(r.what)).sized(r.from.view()).i64(to_unix_millis(r.opened));
        out.u8(r.released_at ? 1 : 0).i64(to_unix_millis(r.released_at.value_or(timestamp{})));
    }
    return out.take();
}

template <secret_source Source>
result<void> guardian_desk<Source>::import_ward(byte_view kept) {
    wire::reader in{kept};
    if (in.u8() != 1) in.fail(wire::errc::bad_value, "another version");
    ward w;
    MUSTER_TRY(auto newest, read_share(in.sized(16u << 10)));
    if (auto const older = in.sized(16u << 10); !older.empty()) {
        MUSTER_TRY(w.before, read_share(older));
    }
    w.manifest = std::move(newest.manifest);
    w.given = std::move(newest.given);
    w.quiet_until = from_unix_millis(in.i64());
    if (in.enumerator(std::uint8_t{0}, std::uint8_t{1}) == 1) {
        open_request r;
        MUSTER_TRY(auto const what, decode_guardian_message(in.sized(1024)));
        if (!std::holds_alternative<recovery_request>(what)) return error{errc::malformed, "a request that is none"};
        r.what = std::get<recovery_request>(what);
        MUSTER_TRY(r.from, peer::peer_id::from_multihash(in.sized(peer::peer_id::size_max)));
        r.opened = from_unix_millis(in.i64());
        bool const is_approved = in.u8() == 1;
        auto const at = from_unix_millis(in.i64());
        if (is_approved) r.released_at = at;
        w.request = r;
    }
    if (auto const done = in.finish(); !done) return error{errc::malformed, text("a ward: ", done.error().message())};
    auto* const place = wards_.try_emplace(w.manifest.owner);
    if (place == nullptr) return error{errc::full, text("shares of ", options_.wards_max, " owners are kept already")};
    *place = std::move(w);
    return ok();
}

}  // namespace muster::identity
