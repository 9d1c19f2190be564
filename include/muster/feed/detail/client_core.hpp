// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// The parts of a client, and what goes on between them.
///
/// Each part says by effects what it wants of the others; `perform` carries these on until there are none left. It is a
/// loop over lists, so that one record that releases a thousand others takes no more of the stack than one.

#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <muster/core/overloaded.hpp>
#include <muster/feed/catch_up.hpp>
#include <muster/feed/event_ring.hpp>
#include <muster/feed/intake.hpp>
#include <muster/feed/peer_scores.hpp>
#include <muster/feed/request_limits.hpp>
#include <muster/feed/telemetry.hpp>

namespace muster::feed::detail {

/// A part of feed::client, which alone has one.
template <class Policies>
struct client_core {
    using protocol_type = typename Policies::protocol;
    using intake_type =
        intake<protocol_type, typename Policies::store, typename Policies::schedule, typename Policies::validator>;
    using intake_list = typename intake_type::sink;
    using sync_list = effect_list<catch_up::effect>;
    /// What the parts want done, and was not done yet.
    struct work {
        intake_list intake;
        sync_list sync;
    };

    options settings;
    peer_id self;
    intake_type in;
    catch_up sync;
    typename Policies::scores scores;
    typename Policies::limits limits;
    event_ring<news> ring;
    telemetry<typename Policies::observer> told;
    std::set<peer_id> peers = {};  ///< Connected, and not banned; the network's bound.
    /// Requests of the application; bounded by the command queue.
    std::map<errand_number, errand> asked_for = {};
    std::map<request_number, instant> sent_at = {};  ///< Of requests under way.
    std::optional<height> served_head = {};
    bool is_started = false;
    bool is_ready = false;
    bool is_shut_down = false;

    // ---- events -----------------------------------------------------------------------------------------

    template <class Sink>
    void on(peer_connected const& e, instant now, Sink& out) {
        if (e.peer == self || !peers.insert(e.peer).second) return;
        if (scores.is_banned(e.peer, now)) {
            peers.erase(e.peer);
            out.push(ban{e.peer});
            return;
        }
        ring.push(peer_up{e.peer});
        work w;
        sync.peer_up(e.peer, now, w.sync);
        weigh(e.peer, now);
        perform(w, now, out);
    }
    template <class Sink>
    void on(peer_disconnected const& e, instant now, Sink& out) {
        if (peers.erase(e.peer) == 0) return;
        ring.push(peer_down{e.peer});
        work w;
        sync.peer_down(e.peer, now, w.sync);
        perform(w, now, out);
    }
    template <class Sink>
    void on(gossip_received const& e, instant now, Sink& out) {
        source const from{origin::gossip, e.from, e.ticket};
        work w;
        if (scores.is_banned(e.from, now)) {
            w.intake.push(typename intake_type::settled{from, e.topic, {}, verdict::not_now("banned")});
        } else if (e.topic == kind::record) {
            (void)in.take_record(e.data, from, now, w.intake);
        } else {
            (void)in.take_blob(e.data, from, now, w.intake);
        }
        perform(w, now, out);
    }
    template <class Sink>
    void on(answer_failed const& e, instant now, Sink& out) {
        auto const asked = sync.requests().take(e.request);
        if (!asked) return void(sent_at.erase(e.request));  // its peer has left meanwhile
        ended(e.request, asked->what.what, to_string(e.why), now);
        if (e.why == answer_failure::refused) {
            auto const rest = e.retry_after > duration{0} ? e.retry_after : settings.request_window;
            sync.requests().throttle(asked->peer, rest, now);
        }
        work w;
        if (e.why == answer_failure::invalid) charge(asked->peer, 20, "invalid_answer", now, out);
        sync.failed(asked->errand, asked->peer, now, w.sync);
        perform(w, now, out);
    }
    template <class Sink>
    void on(answer_received const& e, instant now, Sink& out) {
        auto const asked = sync.requests().take(e.request);
        if (!asked) return void(sent_at.erase(e.request));
        work w;
        auto const is_good = asked->what.what == question::head   ? head_came(*asked, e, now, w)
                             : asked->what.what == question::page ? page_came(*asked, e, now, w)
                                                                  : blob_came(*asked, e, now, w, out);
        ended(e.request, asked->what.what, is_good, now);
        if (is_good == "malformed" || is_good == "rejected") {
            if (is_good == "malformed") charge(asked->peer, 20, "malformed_answer", now, out);
            sync.failed(asked->errand, asked->peer, now, w.sync);
        } else if (is_good == "not_found") {
            sync.failed(asked->errand, asked->peer, now, w.sync);
        } else if (is_good == "unkept") {
            sync.failed(asked->errand, asked->peer, now, w.sync);
        } else if (is_good == "ok" && asked->what.what == question::blob) {
            reward(asked->peer, now, out);  // a head is a claim, and a page is judged by what it brings
        }
        perform(w, now, out);
    }
    template <class Sink>
    void on(question_received const& e, instant now, Sink& out) {
        auto const no = [&](refusal why, duration after = {}) {
            told.asked(e.what, to_string(why));
            out.push(refuse{e.number, why, after});
        };
        if (scores.is_banned(e.from, now)) return no(refusal::banned);
        if (auto const wait = limits.throttle(e.from, e.what, now)) return no(refusal::throttled, *wait);
        auto made = answer_to(e);
        if (!made && made.error() == errc::decode) {
            charge(e.from, 20, "malformed_question", now, out);
            return no(refusal::malformed);
        }
        if (!made) return no(refusal::failed);
        if (made.value().size() > in.protocol().caps(e.what).answer_size_max) return no(refusal::too_large);
        told.asked(e.what, "ok");
        ring.push(question_answered{e.from, e.what});
        out.push(answer{e.number, std::move(made.value())});
    }

    // ---- answers ----------------------------------------------------------------------------------------
    // Each says how it ended, in a word for metrics.

    [[nodiscard]] bool is_own(requester::asked const& a) const { return asked_for.count(a.errand) != 0; }
    void end_own(requester::asked const& a) {
        asked_for.erase(a.errand);
        (void)sync.requests().remove(a.errand);
    }
    std::string_view head_came(requester::asked const& a, answer_received const& e, instant now, work& w) {
        auto const head = in.protocol().decode_head(e.data);
        if (!head) return "malformed";
        if (!is_own(a)) {
            sync.head_told(a.errand, a.peer, head.value(), now, w.sync);
            return "ok";
        }
        end_own(a);
        if (head.value()) sync.note_claim(a.peer, *head.value());
        ring.push(head_answered{a.errand, a.peer, head.value()});
        return "ok";
    }
    std::string_view page_came(requester::asked const& a, answer_received const& e, instant now, work& w) {
        auto const page = in.protocol().decode_page(e.data);
        if (!page || page.value().size() > a.what.page.count) return "malformed";
        if (!is_own(a)) {
            sync.page_told(a.errand, a.peer, e.data, now, w.sync);
            return "ok";
        }
        end_own(a);
        for (auto const& each : page.value()) {
            (void)in.take_record(to_bytes(each), {origin::answer, a.peer, 0}, now, w.intake);
        }
        ring.push(records_answered{a.errand, a.peer, page.value().size()});
        return "ok";
    }
    template <class Sink>
    std::string_view blob_came(requester::asked const& a, answer_received const& e, instant now, work& w, Sink& out) {
        auto const b = in.protocol().decode_blob(e.data);
        if (!b) return "malformed";
        if (b.value().id != a.what.blob) {
            charge(a.peer, 20, "wrong_blob", now, out);
            return "rejected";
        }
        bool const is_found = !in.protocol().is_not_found(b.value());
        if (is_found) {
            auto const v =
                in.take_blob(in.protocol().encode_blob(b.value()), {origin::answer, a.peer, 0}, now, w.intake);
            if (v.what == outcome::reject) return "rejected";
            if (v.may_come_again && !is_own(a)) return "unkept";  // it is missing as before
        }
        if (is_own(a)) {
            end_own(a);
            ring.push(blob_answered{a.errand, a.peer, a.what.blob, is_found});
            return is_found ? "ok" : "nothing";
        }
        if (!is_found) return "not_found";
        sync.have_blob(a.what.blob, now, w.sync);
        return "ok";
    }
    void ended(request_number n, question q, std::string_view how, instant now) {
        auto const at = sent_at.find(n);
        auto const after = at == sent_at.end() ? duration{0} : now - at->second;
        if (at != sent_at.end()) sent_at.erase(at);
        told.answered(q, how, after);
    }

    // ---- serving ----------------------------------------------------------------------------------------

    [[nodiscard]] std::optional<record> head_to_serve() const {
        if (!served_head) return in.stored().head();
        auto const id = in.stored().chain_at(*served_head);
        if (!id) return in.stored().head();
        auto found = in.stored().find(*id);
        return found ? found.value() : std::nullopt;
    }
    [[nodiscard]] result<bytes> answer_to(question_received const& e) const {
        auto const& p = in.protocol();
        switch (e.what) {
            case question::head: {
                MUSTER_TRY(p.decode_head_ask(e.data));
                auto const head = head_to_serve();
                if (!head) return p.encode_head(nullptr);
                MUSTER_TRY(auto const r, p.decode_record(head->content));
                return p.encode_head(&r);
            }
            case question::page: {
                MUSTER_TRY(auto const ask, p.decode_page_ask(e.data));
                auto const most = std::min({ask.count, protocol_type::page_max, settings.records_per_page});
                MUSTER_TRY(auto const all, in.stored().chain_from(ask.from, most));
                std::vector<bytes> page;
                for (auto const& r : all) page.push_back(r.content);
                return p.encode_page(page);
            }
            case question::blob: break;
        }
        MUSTER_TRY(auto const id, p.decode_blob_ask(e.data));
        MUSTER_TRY(auto found, in.stored().find_blob(id));
        if (!found) return p.not_found(id);
        return p.encode_blob({id, *std::move(found)});
    }

    // ---- what peers earn --------------------------------------------------------------------------------

    template <class Sink>
    void charge(peer_id const& who, std::int32_t points, std::string_view why, instant now, Sink& out,
                bool is_judged = false) {
        if (who.empty() || who == self) return;
        auto const before = scores.score(who, now);
        scores.penalise(who, points, now);
        out.push(penalise{who, points, why, is_judged});
        rescore(who, before, now, out);
    }
    template <class Sink>
    void reward(peer_id const& who, instant now, Sink& out) {
        if (who.empty() || who == self) return;
        auto const before = scores.score(who, now);
        scores.reward(who, 1, now);
        rescore(who, before, now, out);
    }
    template <class Sink>
    void rescore(peer_id const& who, std::int32_t before, instant now, Sink& out) {
        auto const score = scores.score(who, now);
        told.scored(score);
        if (score != before) out.push(rate{who, score});
        weigh(who, now);
    }
    // Who has a good name is asked more, and who has a bad one only when nobody else can be.
    void weigh(peer_id const& who, instant now) {
        auto const score = scores.score(who, now);
        sync.requests().weigh(who, scores.is_grey(who, now) ? 0u
                                   : score <= 0             ? 10u
                                                            : 10u + static_cast<std::uint32_t>(score));
    }
    template <class Sink>
    void cut(peer_id const& who, instant now, work& w, Sink& out) {
        ring.push(peer_banned{who});
        out.push(ban{who});
        if (peers.erase(who) != 0) sync.peer_down(who, now, w.sync);
    }

    // ---- what the parts want of each other --------------------------------------------------------------

    template <class Sink>
    void perform(work& w, instant now, Sink& out) {
        while (!w.intake.empty() || !w.sync.empty()) {
            for (auto& e : w.intake.take()) {
                std::visit([&](auto& v) { this->done(v, now, w, out); }, e);
            }
            for (auto& e : w.sync.take()) {
                std::visit([&](auto& v) { this->wanted(v, now, w, out); }, e);
            }
        }
    }

    template <class Sink>
    void done(typename intake_type::settled const& e, instant now, work&, Sink& out) {
        told.received(e.topic, e.from.origin, e.what, e.from.peer, e.id);
        bool const is_gossip = e.from.origin == origin::gossip;
        if (e.what.what == outcome::reject) charge(e.from.peer, e.what.points, e.what.why, now, out, is_gossip);
        if (e.what.is_accepted() && is_gossip) reward(e.from.peer, now, out);
        if (is_gossip && e.what.what != outcome::pending) {
            out.push(judge{e.from.gossip, e.what.what, e.what.may_come_again});
        }
    }
    template <class Sink>
    void done(typename intake_type::stored_record& e, instant, work&, Sink&) {
        ring.push(record_accepted{std::move(e.what), e.from.origin, e.has_blob});
    }
    template <class Sink>
    void done(typename intake_type::stored_blob const& e, instant now, work& w, Sink&) {
        ring.push(blob_accepted{e.id, e.size, e.from.origin});
        sync.have_blob(e.id, now, w.sync);
    }
    template <class Sink>
    void done(equivocated& e, instant, work&, Sink&) {
        ring.push(std::move(e));
    }
    template <class Sink>
    void done(typename intake_type::head_moved const& e, instant now, work& w, Sink&) {
        ring.push(head_changed{e.number, e.id});
        sync.advanced(e.number, now, w.sync);
    }
    template <class Sink>
    void done(typename intake_type::blob_missing const& e, instant now, work&, Sink&) {
        sync.want_blob(e.id, e.at, now);
    }
    template <class Sink>
    void done(typename intake_type::gap const& e, instant now, work&, Sink&) {
        sync.note_gap(e.at, now);
    }
    template <class Sink>
    void done(typename intake_type::store_failed const& e, instant, work&, Sink&) {
        ring.push(failed{error{errc::storage, e.why.message()}});
    }

    template <class Sink>
    void wanted(requester::send const& e, instant now, work&, Sink& out) {
        auto const& p = in.protocol();
        sent_at.insert_or_assign(e.number, now);
        out.push(request{e.number, e.to, e.what.what,
                         e.what.what == question::head   ? p.encode_head_ask()
                         : e.what.what == question::page ? p.encode_page_ask(e.what.page)
                                                         : p.encode_blob_ask(e.what.blob)});
    }
    template <class Sink>
    void wanted(give_up const& e, instant, work&, Sink& out) {
        sent_at.erase(e.number);
        out.push(e);
    }
    // The records of a page in order; what they bring about is done before the next page is looked at.
    template <class Sink>
    void wanted(catch_up::ingest const& e, instant now, work& w, Sink& out) {
        auto const page = in.protocol().decode_page(e.data);
        if (!page) return;  // it was decoded when it came
        using enum feed::sync::page_end;
        auto next = e.page.from;
        auto how = page.value().empty() ? empty : known;
        work inner;
        for (auto const& each : page.value()) {
            auto const r = in.protocol().decode_record(each);
            auto const link = r ? in.protocol().link_of(r.value()) : result<record>{error{errc::decode, "no record"}};
            if (!link || link.value().number < next) {
                charge(e.from, 20, "page_out_of_order", now, out);
                break;
            }
            // It may begin higher, where the peer has pruned what is below.
            if (link.value().number - e.page.from >= e.page.count) break;
            auto const v = in.take_record(to_bytes(each), {origin::answer, e.from, 0}, now, inner.intake);
            if (!in.stored().contains(link.value().id)) {
                bool const is_unplaced = v.may_come_again || v.on == awaited::schedule || v.on == awaited::blob;
                if (v.on == awaited::parent && next == e.page.from) how = unlinked;
                if (v.on != awaited::parent && is_unplaced && next == e.page.from) how = unplaced;
                break;
            }
            if (v.is_accepted()) how = some;
            next = link.value().number + 1;
        }
        perform(inner, now, out);
        if (how == some) reward(e.from, now, out);  // what was known already earns nothing
        sync.page_done(e.page.from, next, how, now, w.sync);
    }
    template <class Sink>
    void wanted(catch_up::status_changed const& e, instant, work&, Sink&) {
        told.synced(e.status);
        ring.push(head_sync{e.status});
    }
    template <class Sink>
    void wanted(catch_up::stalled const& e, instant, work&, Sink&) {
        ring.push(sync_stalled{e.why, e.until});
    }
    template <class Sink>
    void wanted(catch_up::unavailable const& e, instant now, work& w, Sink&) {
        if (is_of_our_chain(e)) return ring.push(blob_unavailable{e.blob});
        sync.have_blob(e.blob, now, w.sync);  // its record was pruned, or the chain is another one
    }
    [[nodiscard]] bool is_of_our_chain(catch_up::unavailable const& e) const {
        auto const id = in.stored().chain_at(e.at);
        auto const r = id ? in.stored().find(*id) : result<std::optional<record>>{std::optional<record>{}};
        return r && r.value() && r.value()->blob_id == std::optional{e.blob};
    }
    template <class Sink>
    void wanted(catch_up::unfounded const& e, instant now, work&, Sink& out) {
        charge(e.peer, 5, "unfounded_head", now, out);
    }
    template <class Sink>
    void wanted(catch_up::abandoned const& e, instant, work&, Sink&) {
        if (asked_for.erase(e.what.errand) == 0) return;
        auto const code = e.what.timed_out ? errc::timeout : errc::network;
        ring.push(request_failed{
            e.what.errand, error{code, text("no peer has answered the request for a ", to_string(e.what.what.what))}});
    }
};

}  // namespace muster::feed::detail
