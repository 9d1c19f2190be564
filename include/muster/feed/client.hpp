// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// A feed: validates what is gossiped, keeps it, serves it, catches up when it is behind, and publishes.
///
/// Idea: records of a linked protocol come by gossip and in answers; both take one way in (intake.hpp). A machine of
/// its own (catch_up.hpp) asks peers for what is missing. What peers ask is counted before it is looked at. Who sends
/// what no honest peer sends pays for it, and nobody else does. The application is told by events in a bounded ring,
/// which each subscriber reads at its own pace.
///
/// It is a machine, see core/machine.hpp: who owns it performs its effects on a network, and tells it what comes of
/// them; node/feed_node.hpp does.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <muster/core/observer.hpp>
#include <muster/core/overloaded.hpp>
#include <muster/core/system_seed.hpp>
#include <muster/feed/detail/client_core.hpp>
#include <muster/feed/event.hpp>
#include <muster/feed/event_ring.hpp>
#include <muster/feed/memory_store.hpp>
#include <muster/feed/options.hpp>
#include <muster/feed/peer_scores.hpp>
#include <muster/feed/request_limits.hpp>

namespace muster::feed {

/// The policies of a feed; derive, and name the protocol.
struct defaults {
    using store = memory_store;       ///< Keeps what was accepted; see @ref feed::store.
    using schedule = open_schedule;   ///< Who may sign; see @ref schedule_for.
    using validator = no_more_rules;  ///< Rules of the application; see @ref validator_for.
    using scores = peer_scores;       ///< What peers have earned.
    using limits = serving_limits;    ///< How much peers may ask.
    using observer = null_observer;   ///< Is told what happens, where options say so.
};

/// Gauges.
struct client_statistics {
    store_sizes stored;
    std::size_t pending = 0;
    std::size_t pending_bytes = 0;
    std::size_t peers = 0;
    std::size_t banned = 0;
    std::size_t requests = 0;  ///< Under way.
    std::size_t events = 0;    ///< That some subscriber has not read.
    head_sync_status sync = {};
    MUSTER_FIELDS(client_statistics, stored, pending, pending_bytes, peers, banned, requests, events, sync);
};

/// The feed. Not thread-safe; neither copyable nor movable once subscribers hold it.
///
/// @tparam Policies  see @ref defaults.
template <class Policies>
class client {
public:
    using protocol_type = typename Policies::protocol;
    using store_type = typename Policies::store;
    using intake_type = typename detail::client_core<Policies>::intake_type;
    using event = feed::event;
    using effect = feed::effect;
    using subscription = event_ring<news>::subscription;

    /// What it is made of.
    struct parts {
        protocol_type protocol;
        feed::options options = {};
        peer_id self = {};                     ///< Our own id: what it sends back to us is an echo.
        std::optional<store_type> store = {};  ///< None: one in memory, within the bounds of the options.
        typename Policies::schedule schedule = {};
        typename Policies::validator validator = {};
        score_options scores = {};
        typename Policies::observer observer = {};
        std::uint64_t seed = system_seed();
    };

    /// Expects `p.options.check()` to hold.
    explicit client(parts p)
        : core_{p.options,
                p.self,
                intake_type{std::move(p.protocol), store_of(p), std::move(p.schedule), std::move(p.validator),
                            p.options, p.self, p.seed},
                catch_up{p.options, protocol_type::page_max, p.seed + 2},
                typename Policies::scores{p.scores},
                typename Policies::limits{{p.options.network.requests_per_protocol, p.options.request_limit,
                                           p.options.request_window, p.options.peers_max}},
                event_ring<news>{p.options.event_queue},
                telemetry<typename Policies::observer>{std::move(p.observer), p.options.metrics}} {}
    client(client const&) = delete;
    client& operator=(client const&) = delete;

    // ---- the machine ------------------------------------------------------------------------------------

    /// @see machine
    template <effect_sink<effect> Sink>
    void handle(event const& e, instant now, Sink&& out) {
        if (core_.is_shut_down) return;
        std::visit([&](auto const& v) { core_.on(v, now, out); }, e);
        finish(now, out);
    }
    /// @see machine
    template <effect_sink<effect> Sink>
    void wake(instant now, Sink&& out) {
        if (core_.is_shut_down) return;
        work w;
        core_.in.expire(now, w.intake);
        auto const changes = core_.scores.wake(now);
        for (auto const& who : changes.banned) core_.cut(who, now, w, out);
        for (auto const& who : changes.lifted) lift(who, now, w, out);
        core_.sync.wake(now, w.sync);
        core_.perform(w, now, out);
        finish(now, out);
    }
    /// @see machine
    [[nodiscard]] deadline next_deadline() const {
        if (core_.is_shut_down) return std::nullopt;
        return earlier(earlier(core_.in.next_deadline(), core_.scores.next_deadline()), core_.sync.next_deadline());
    }
    [[nodiscard]] client_statistics stats() const {
        return {core_.in.stored().sizes(), core_.in.pending().size(), core_.in.pending().bytes_held(),
                core_.peers.size(),        core_.scores.banned(),     core_.sync.requests().in_flight(),
                core_.ring.size(),         core_.sync.status()};
    }

    // ---- life -------------------------------------------------------------------------------------------

    /// Begins to catch up: at once where @ref sync_ready has been told, and when it is otherwise. @return `shutdown`.
    template <effect_sink<effect> Sink>
    [[nodiscard]] result<void> start(instant now, Sink&& out) {
        MUSTER_TRY(require_open());
        if (std::exchange(core_.is_started, true)) return ok();
        core_.ring.push(started{});
        restart(now, out);
        return ok();
    }
    /// The layer that executes is at @p at: what is not above is stale, and catching up begins above it, or goes on
    /// there. @return `shutdown`.
    template <effect_sink<effect> Sink>
    [[nodiscard]] result<void> sync_ready(height at, instant now, Sink&& out) {
        MUSTER_TRY(require_open());
        core_.is_ready = true;
        work w;
        core_.in.set_anchor(at, now, w.intake);
        core_.perform(w, now, out);
        if (core_.is_started) core_.sync.ready(at, now, w.sync);
        core_.perform(w, now, out);
        finish(now, out);
        return ok();
    }
    /// The chain below has changed above @p anchor: records above are dropped, and catching up begins anew.
    /// @return `shutdown` or `storage`.
    template <effect_sink<effect> Sink>
    [[nodiscard]] result<void> notify_reorg(height anchor, instant now, Sink&& out) {
        MUSTER_TRY(require_open());
        work w;
        if (auto const done = core_.in.reorganise(anchor, now, w.intake); !done) {
            return error{errc::storage, done.error().message()};
        }
        if (core_.served_head && *core_.served_head > anchor) core_.served_head.reset();
        core_.perform(w, now, out);
        core_.ring.push(reorganised{anchor});
        core_.sync.stop(w.sync);
        core_.perform(w, now, out);
        if (core_.is_started) restart(now, out);
        finish(now, out);
        return ok();
    }
    /// The schedule knows more than before: what waited for it is judged.
    template <effect_sink<effect> Sink>
    void schedule_changed(instant now, Sink&& out) {
        if (core_.is_shut_down) return;
        work w;
        core_.in.schedule_changed(now, w.intake);
        core_.perform(w, now, out);
        finish(now, out);
    }
    /// Ends everything: requests are given up, subscribers are told, and no call does anything any more.
    template <effect_sink<effect> Sink>
    void shutdown(Sink&& out) {
        if (core_.is_shut_down) return;
        work w;
        core_.sync.stop(w.sync);
        for (auto const& [e, what] : core_.asked_for) {
            if (auto const n = core_.sync.requests().remove(e)) w.sync.push(give_up{*n});
        }
        core_.asked_for.clear();
        core_.perform(w, instant{}, out);
        core_.ring.push(stopped{});
        out.push(wake_subscribers{});
        core_.is_shut_down = true;
    }

    // ---- publishing -------------------------------------------------------------------------------------

    /// Publishes the record @p content encodes: stored first, then said. @return `validation`, `decode`, `missing_data`
    /// when its parent or schedule is not here, `storage`, or `shutdown`; then nothing is published.
    template <effect_sink<effect> Sink>
    [[nodiscard]] result<digest> publish_record(bytes content, instant now, Sink&& out) {
        MUSTER_TRY(require_open());
        MUSTER_TRY(fits(kind::record, content));
        MUSTER_TRY(count_refusal(kind::record, core_.in.check_own(content, nullptr)));
        return say_record(std::move(content), now, out);
    }
    /// Publishes a blob. @return as @ref publish_record.
    template <effect_sink<effect> Sink>
    [[nodiscard]] result<void> publish_blob(blob const& b, instant now, Sink&& out) {
        MUSTER_TRY(require_open());
        if (auto const v = core_.in.protocol().check_blob(b); !v.is_accepted()) {
            return count_refusal(kind::blob, intake_type::refused(v));
        }
        return say_blob(b, now, out);
    }
    /// Publishes a blob and the record that names it, in that order: both or none. @return as @ref publish_record.
    template <effect_sink<effect> Sink>
    [[nodiscard]] result<digest> publish_pair(blob const& b, bytes content, instant now, Sink&& out) {
        MUSTER_TRY(require_open());
        MUSTER_TRY(fits(kind::record, content));
        MUSTER_TRY(count_refusal(kind::record, core_.in.check_own(content, &b)));
        bool const was_here = core_.in.stored().contains_blob(b.id);
        effect_list<effect> said;
        auto const id = [&]() -> result<digest> {
            MUSTER_TRY(say_blob(b, now, said));
            return say_record(std::move(content), now, said);
        }();
        // What else has come of it is done in any case: others may have waited for the blob.
        for (auto& e : said.take()) {
            if (id || !std::holds_alternative<publish>(e)) out.push(std::move(e));
        }
        if (!id && !was_here) core_.in.take_back(b.id);
        return id;
    }

    // ---- asking -----------------------------------------------------------------------------------------

    /// Asks one peer for what it is named after; news tell the answer, and a request_failed that there is none. What is
    /// answered with also goes the way of all records and blobs.
    /// @return its number, or `missing_peer` when nobody is connected, `backpressure`, `validation`, `shutdown`. @{
    template <effect_sink<effect> Sink>
    [[nodiscard]] result<request_number> request_head(instant now, Sink&& out) {
        return ask({question::head, {}, {}, {}}, now, out);
    }
    template <effect_sink<effect> Sink>
    [[nodiscard]] result<request_number> request_records(height from, std::uint32_t count, instant now, Sink&& out) {
        if (count == 0 || count > protocol_type::page_max) {
            return error{errc::validation, text(count, " records at once; ask for 1 to ", protocol_type::page_max)};
        }
        return ask({question::page, {from, count}, {}, {}}, now, out);
    }
    template <effect_sink<effect> Sink>
    [[nodiscard]] result<request_number> request_blob(digest const& id, instant now, Sink&& out) {
        return ask({question::blob, {}, id, {}}, now, out);
    }
    /// @}

    /// Peers that ask are told that our head is the record of our chain at @p at, and no higher one is; without one,
    /// the real head is served again. @return `missing_data` when the chain has none there.
    [[nodiscard]] result<void> update_head(std::optional<height> at) {
        MUSTER_TRY(require_open());
        if (at && !core_.in.stored().chain_at(*at)) {
            return error{errc::missing_data, text("our chain has no record at height ", *at)};
        }
        core_.served_head = at;
        return ok();
    }

    // ---- news -------------------------------------------------------------------------------------------

    /// A reader of all news from now on. @return `backpressure`.
    [[nodiscard]] result<subscription> subscribe() { return core_.ring.subscribe(); }
    void unsubscribe(subscription s) { core_.ring.unsubscribe(s); }
    /// The next news for @p s, each once, with how many were missed before it.
    [[nodiscard]] std::optional<event_ring<news>::delivery> next_event(subscription s) { return core_.ring.next(s); }
    /// Hands all news that wait for @p s to @p handler, until there is none, or the client was shut down.
    /// @return `join` with what it said, when the handler throws.
    template <class Handler>
    [[nodiscard]] result<void> run_with_handler(subscription s, Handler&& handler) {
        while (auto const d = core_.ring.next(s)) {
            try {
                handler(d->event, d->missed);
            } catch (std::exception const& e) {
                return error{errc::join, text("the handler of news failed: ", std::string_view{e.what()})};
            } catch (...) {
                return error{errc::join, "the handler of news failed"};
            }
        }
        return ok();
    }

    // ---- state ------------------------------------------------------------------------------------------

    [[nodiscard]] head_sync_status sync_status() const { return core_.sync.status(); }
    [[nodiscard]] catch_up_state sync_state() const noexcept { return core_.sync.state(); }
    [[nodiscard]] store_type const& stored() const noexcept { return core_.in.stored(); }
    [[nodiscard]] protocol_type const& protocol() const noexcept { return core_.in.protocol(); }
    [[nodiscard]] typename Policies::schedule& schedule() noexcept { return core_.in.schedule(); }
    [[nodiscard]] feed::options const& settings() const noexcept { return core_.settings; }
    [[nodiscard]] typename Policies::observer& observer() noexcept { return core_.told.observer(); }
    [[nodiscard]] bool is_shut_down() const noexcept { return core_.is_shut_down; }
    /// What is known of @p who.
    [[nodiscard]] peer_info info(peer_id const& who, instant now) const {
        return {who, core_.scores.score(who, now), core_.peers.count(who) != 0, core_.scores.is_banned(who, now),
                core_.sync.claim_of(who)};
    }
    /// The connected ones.
    [[nodiscard]] std::vector<peer_info> peers(instant now) const {
        std::vector<peer_info> out;
        for (auto const& who : core_.peers) out.push_back(info(who, now));
        return out;
    }

private:
    [[nodiscard]] static store_type store_of(parts& p) {
        if constexpr (std::constructible_from<store_type, store_limits>) {
            if (!p.store) return store_type{store_limits{p.options.records_max, p.options.blob_bytes_max}};
        }
        return *std::move(p.store);
    }
    using core = detail::client_core<Policies>;
    using work = typename core::work;

    [[nodiscard]] result<void> require_open() const {
        if (core_.is_shut_down) return error{errc::shutdown, "the feed was shut down"};
        return ok();
    }
    // What subscribers have not read is worth a word.
    template <class Sink>
    void finish(instant, Sink& out) {
        if (core_.ring.size() != 0) out.push(wake_subscribers{});
    }
    template <class Sink>
    void restart(instant now, Sink& out) {
        work w;
        auto const head = core_.in.stored().head();
        auto const floor = core_.in.anchor();
        core_.sync.start(std::max(floor, head ? head->number : 0), floor, core_.is_ready, now, w.sync);
        want_stored_blobs(now);
        core_.perform(w, now, out);
        finish(now, out);
    }
    // After a restart from disk, and after a reorganisation.
    void want_stored_blobs(instant now) {
        auto const all = core_.in.stored().chain_from(0, core_.settings.records_max);
        if (!all) return;
        for (auto const& r : all.value()) {
            if (r.blob_id && !core_.in.stored().contains_blob(*r.blob_id)) {
                core_.sync.want_blob(*r.blob_id, r.number, now);
            }
        }
    }
    template <class Sink>
    void lift(peer_id const& who, instant now, work& w, Sink& out) {
        core_.ring.push(ban_lifted{who});
        out.push(rate{who, core_.scores.score(who, now)});
        (void)w;
    }

    [[nodiscard]] static result<void> fits(kind k, bytes const& content) {
        auto const most = k == kind::record ? protocol_type::record_size_max : protocol_type::blob_size_max;
        if (content.size() <= most) return ok();
        return error{errc::validation, text("it has ", content.size(), " bytes, and at most ", most, " are allowed")};
    }
    result<void> count_refusal(kind k, result<void> outcome) {
        if (!outcome) core_.told.published(k, false);
        return outcome;
    }
    template <class Sink>
    [[nodiscard]] result<digest> say_record(bytes content, instant now, Sink& out) {
        work w;
        auto const v = core_.in.take_record(content, {}, now, w.intake);
        auto const id = id_of(w.intake);
        core_.told.published(kind::record, v.is_accepted());
        core_.perform(w, now, out);
        finish(now, out);
        if (!v.is_accepted()) return v.why == "storage" ? stored_not() : intake_type::refused(v);
        out.push(publish{kind::record, std::move(content)});
        return id;
    }
    template <class Sink>
    [[nodiscard]] result<void> say_blob(blob const& b, instant now, Sink& out) {
        work w;
        auto encoded = core_.in.protocol().encode_blob(b);
        auto const v = core_.in.take_blob(encoded, {}, now, w.intake);
        bool const is_here = v.is_accepted() || v.why == "known";
        core_.told.published(kind::blob, is_here);
        core_.perform(w, now, out);
        finish(now, out);
        if (!is_here) return v.why == "storage" ? stored_not() : intake_type::refused(v);
        out.push(publish{kind::blob, std::move(encoded)});
        return ok();
    }
    [[nodiscard]] static error stored_not() { return {errc::storage, "the store could not keep it; see the news"}; }
    [[nodiscard]] static digest id_of(typename intake_type::sink const& all) {
        for (auto const& e : all) {
            if (auto const* const s = std::get_if<typename intake_type::settled>(&e)) return s->id;
        }
        return {};
    }
    template <class Sink>
    [[nodiscard]] result<request_number> ask(errand what, instant now, Sink& out) {
        MUSTER_TRY(require_open());
        if (core_.sync.requests().peer_count() == 0) {
            return error{errc::missing_peer, "no peer is connected; connect to one first"};
        }
        if (core_.asked_for.size() >= core_.settings.command_queue) {
            return error{errc::backpressure,
                         text(core_.asked_for.size(), " requests wait already; wait for news of one")};
        }
        auto const number = core_.sync.requests().add(what, now);
        core_.asked_for.emplace(number, std::move(what));
        work w;
        core_.sync.wake(now, w.sync);
        core_.perform(w, now, out);
        finish(now, out);
        return number;
    }

    core core_;
};

}  // namespace muster::feed
