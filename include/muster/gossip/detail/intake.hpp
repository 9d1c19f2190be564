// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What a message goes through from its arrival to its forwarding; see router.hpp for the order and its reasons.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <utility>

#include <muster/cache/seen_cache.hpp>
#include <muster/gossip/detail/announcer.hpp>
#include <muster/gossip/detail/courier.hpp>
#include <muster/gossip/detail/inspections.hpp>
#include <muster/gossip/detail/neighbours.hpp>
#include <muster/gossip/wire/message.hpp>

namespace muster::gossip::detail {

/// Checks messages, has them judged, and forwards them.
template <class Signing, class MessageIds>
class intake {
public:
    intake(neighbours& all, announcer& announcer, courier& c, Signing s, MessageIds ids)
        : all_{all},
          announcer_{announcer},
          courier_{c},
          signing_{std::move(s)},
          make_id_{std::move(ids)},
          inspections_{all.limits},
          seen_{{all.limits.seen_max, all.limits.seen_time_to_live, secret(all.random)}},
          rejected_{{all.limits.seen_max, all.limits.seen_time_to_live, secret(all.random)}} {}

    [[nodiscard]] Signing const& signing() const noexcept { return signing_; }
    [[nodiscard]] message_id id_of(rpc::message_view const& m) const { return make_id_(m); }
    [[nodiscard]] bool is_known(message_id const& id, instant now) { return seen_.contains(id.characters(), now); }
    /// An own message: its echo is known.
    void record(message_id const& id, instant now) { (void)seen_.record(id.characters(), now); }

    [[nodiscard]] deadline next_deadline() const { return inspections_.next_deadline(); }
    [[nodiscard]] std::size_t pending() const noexcept { return inspections_.size(); }

    /// @p p sent a message.
    void on_message(peer_state& p, byte_view raw, instant now) {
        auto const decoded = rpc::decode_message(raw);
        if (!decoded) return all_.offend(p, offence::malformed_rpc);
        auto const& m = decoded.value();
        auto* const t = all_.find_joined(m.topic);
        if (t == nullptr) return;
        if (!signing_.check_form(m)) return blame(p, *t, offence::not_authentic);
        auto const id = make_id_(m);
        announcer::keep_promise(p, id);
        auto const content = all_.hash(raw);
        if (is_known(id, now)) return on_duplicate(p, *t, id, content, now);
        auto const author = signing_.author_of(m);
        if (author && *author == signing_.self()) return;  // our own of before a restart
        if (rejected_.contains(content, now)) return blame(p, *t, offence::invalid_message);
        auto const frame_size = raw.size() + 1 + muster::wire::varint_size(raw.size());
        if (t->options.validates &&
            (p.pending >= all_.limits.pending_per_peer_max || !inspections_.has_room(frame_size))) {
            all_.effects.push(validation_missed{id, p.id});
            return;
        }
        if (!signing_.is_authentic(m)) {
            (void)rejected_.record(content, now);
            return blame(p, *t, offence::not_authentic);
        }
        (void)seen_.record(id.characters(), now);
        announcer_.decline(*t, p, id, m.data.size());
        admit(p, *t, inspection_of(p, m, id, author, content), now);
    }
    void on_verdict(ticket which, verdict said, instant now) {
        auto taken = inspections_.take(which);
        if (taken) conclude(*taken, said, now);
    }
    /// What was not judged in time is ignored.
    void expire(instant now) {
        while (auto const late = inspections_.overdue(now)) {
            auto const i = *inspections_.take(*late);
            all_.effects.push(validation_missed{i.message->id, i.message->relayed_by});
            conclude(i, verdict::ignore, now);
        }
    }

private:
    [[nodiscard]] static cache::hash_key secret(splitmix64& random) {
        return {{random(), random(), random(), random()}};
    }
    [[nodiscard]] static inspection inspection_of(peer_state const& p, rpc::message_view const& m, message_id const& id,
                                                  std::optional<peer_id> const& author, std::uint64_t content) {
        inspection i;
        std::uint64_t seqno = 0;
        for (byte const b : m.seqno) seqno = seqno << 8 | b;
        i.message =
            std::make_shared<message const>(message{id, std::string{m.topic}, to_bytes(m.data), author, seqno, p.id});
        i.frame = std::make_shared<bytes const>(rpc::encode_publish(m.raw));
        i.content = content;
        i.senders.emplace_back(p.id, content);
        return i;
    }
    void admit(peer_state& p, topic_state& t, inspection i, instant now) {
        if (!t.options.validates) return accept(t, i, now);
        ++p.pending;
        i.until = saturating_add(now, t.options.validation_time_limit);
        auto const m = i.message;
        auto const until = i.until;
        all_.effects.push(validate{inspections_.add(std::move(i)), m, until});
    }
    void on_duplicate(peer_state& p, topic_state& t, message_id const& id, std::uint64_t content, instant now) {
        if (auto* const i = inspections_.find(id)) {
            if (i->senders.size() < inspections::senders_max && !i->was_sent_by(p.id))
                i->senders.emplace_back(p.id, content);
            return;
        }
        if (t.options.score.mesh_deliveries_weight != 0 && inspections_.counts_again(id, p.id, now)) {
            all_.scores.deliver_again(*p.score, t.score_number);
        }
    }

    void conclude(inspection const& i, verdict said, instant now) {
        if (auto* const p = all_.find(i.message->relayed_by); p != nullptr && p->pending != 0) --p->pending;
        auto* const t = all_.find_joined(i.message->topic);
        if (t == nullptr) return;
        if (said == verdict::accept) return accept(*t, i, now);
        if (said == verdict::ignore) return;
        (void)seen_.forget(i.message->id.characters(), now);
        if (said == verdict::unjudged) return;
        (void)rejected_.record(i.content, now);
        for (auto const& [who, content] : i.senders) {
            if (content != i.content) continue;
            if (auto* const p = all_.find(who)) {
                blame(*p, *t, offence::invalid_message);
            } else {
                all_.scores.deliver_invalid(who, t->score_number, now);
                all_.effects.push(penalise{who, 1, offence::invalid_message});
            }
        }
    }
    void accept(topic_state& t, inspection const& i, instant now) {
        credit(t, i, now);
        announcer_.cache().put(i.message->id, t.name, i.frame, courier_.is_large(i.message->data.size()));
        all_.effects.push(deliver{i.message});
        peer_list to;
        auto const lacks = [&](peer_state const* p) {
            return !i.was_sent_by(p->id) && !(i.message->author && *i.message->author == p->id);
        };
        std::copy_if(t.mesh.begin(), t.mesh.end(), std::back_inserter(to), lacks);
        std::copy_if(all_.explicit_peers.begin(), all_.explicit_peers.end(), std::back_inserter(to),
                     [&](peer_state const* p) { return neighbours::is_subscribed(*p, t) && lacks(p); });
        courier_.send(t, std::move(to), traffic::forwarded, i.frame, all_.hash(i.message->id), i.message->data.size(),
                      now);
    }
    void credit(topic_state& t, inspection const& i, instant now) {
        bool is_first = true;
        for (auto const& [who, content] : i.senders) {
            auto* const p = all_.find(who);
            if (p != nullptr && is_first) all_.scores.deliver_first(*p->score, t.score_number);
            if (p != nullptr && !is_first) all_.scores.deliver_again(*p->score, t.score_number);
            is_first = false;
        }
        auto const& score = t.options.score;
        if (score.mesh_deliveries_weight != 0) {
            inspections_.remember(i, saturating_add(now, score.mesh_deliveries_window), now);
        }
    }
    // Charges @p p for a message of @p t: P4, and whoever keeps accounts elsewhere.
    void blame(peer_state& p, topic_state& t, offence why) {
        all_.scores.deliver_invalid(*p.score, t.score_number);
        all_.effects.push(penalise{p.id, 1, why});
    }

    using seen_cache = cache::seen_cache<cache::seen_defaults<instant>>;

    neighbours& all_;
    announcer& announcer_;
    courier& courier_;
    Signing signing_;
    MessageIds make_id_;
    inspections inspections_;
    seen_cache seen_;      // ids of messages that count
    seen_cache rejected_;  // hashes of encodings that are known to be invalid
};

}  // namespace muster::gossip::detail
