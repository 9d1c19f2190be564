// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// A feed on a bench: peers are numbers, time moves when it is told to, and records are made to order, of either
/// protocol.

#include <algorithm>
#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <muster/feed/client.hpp>
#include <muster/feed/preconf/schedule.hpp>
#include <muster/feed/signed_log.hpp>

#include <support/catch.hpp>
#include <support/keys.hpp>

namespace muster::test {

using namespace std::chrono_literals;
namespace fd = muster::feed;

/// The id of peer number @p n, which contains no key of a kind that anybody knows.
[[nodiscard]] inline peer::peer_id feed_peer(std::uint32_t n) {
    bytes const id{0x00,
                   0x04,
                   static_cast<byte>(n >> 24),
                   static_cast<byte>(n >> 16),
                   static_cast<byte>(n >> 8),
                   static_cast<byte>(n)};
    return peer::peer_id::from_multihash(id).value();
}

/// A record that was made, and the blob that it names.
struct made {
    fd::record link = {};
    std::optional<fd::blob> blob = {};
    [[nodiscard]] bytes const& content() const noexcept { return link.content; }
};

/// Makes preconfirmations.
struct preconf_kit {
    using protocol = fd::preconf::protocol;
    using commitment = fd::preconf::signed_commitment;
    static constexpr bool has_blobs = true;

    [[nodiscard]] static protocol make_protocol() { return protocol{}; }
    [[nodiscard]] static crypto::key_pair const& key(std::size_t i) {
        static auto const all = make_keys(4);
        return all.at(i);
    }
    [[nodiscard]] static fd::preconf::commitment draft(made const* parent, std::uint64_t salt = 0) {
        fd::preconf::preconfirmation p;
        auto const n = parent == nullptr ? 1 : parent->link.number + 1;
        p.block_number = n;
        p.timestamp = 12 * n - (n == 0 ? 0 : 2);  // in its own window
        p.gas_limit = salt;
        p.anchor_block_number = n;
        p.raw_tx_list_hash = blob_of(n, salt).id;
        if (parent != nullptr) p.parent_hash = parent->link.id;
        p.submission_window_end = 12 * n;
        return {p, {}};
    }
    [[nodiscard]] static made sign(fd::preconf::commitment const& c, std::size_t signer = 0) {
        auto const s = fd::preconf::sign(c, key(signer)).value();
        auto const p = make_protocol();
        made out{p.link_of(s).value(), {}};
        (void)p.check(s, out.link);
        out.link.content = fd::preconf::encode(s);
        return out;
    }
    /// The next one; another @p salt makes another one.
    [[nodiscard]] static made next(made const* parent, std::uint64_t salt = 0, std::size_t signer = 0) {
        auto const c = draft(parent, salt);
        auto out = sign(c, signer);
        out.blob = blob_of(out.link.number, salt);
        return out;
    }
    [[nodiscard]] static fd::blob blob_of(std::uint64_t n, std::uint64_t salt) {
        fd::blob b;
        for (auto const word : {n, salt}) {
            for (unsigned i = 0; i < 8; ++i) b.content.push_back(static_cast<byte>(word >> (8 * i)));
        }
        b.id = fd::preconf::hash_of_list(b.content);
        return b;
    }
    /// Its signature is somebody else's, or nobody's.
    [[nodiscard]] static bytes with_bad_signature(made const& m) {
        auto out = m.content();
        out.back() = 2;
        return out;
    }
    /// Names @p parent, and breaks a rule beside it.
    [[nodiscard]] static made misfit(made const& parent) {
        auto c = draft(&parent);
        c.preconf.block_number = parent.link.number + 2;
        return sign(c);
    }
};

/// Makes log entries.
struct log_kit {
    using protocol = fd::signed_log;
    static constexpr bool has_blobs = false;

    [[nodiscard]] static protocol make_protocol() { return protocol{"test"}; }
    [[nodiscard]] static made wrap(fd::log_entry const& e) {
        auto const p = make_protocol();
        made out{p.link_of(e).value(), {}};
        (void)p.check(e, out.link);
        out.link.content = p.encode(e);
        return out;
    }
    [[nodiscard]] static made next(made const* parent, std::uint64_t salt = 0, std::size_t signer = 0) {
        return wrap(
            make_protocol()
                .make(parent == nullptr ? nullptr : &parent->link, text("entry ", salt), preconf_kit::key(signer))
                .value());
    }
    [[nodiscard]] static bytes with_bad_signature(made const& m) {
        auto out = m.content();
        out.back() ^= 1;
        return out;
    }
    [[nodiscard]] static made misfit(made const& parent) {
        auto above = parent.link;
        above.number += 1;  // so the entry stands one too high
        return wrap(make_protocol().make(&above, "misfit", preconf_kit::key(0)).value());
    }
};

template <class Kit>
struct kit_policies : fd::defaults {
    using protocol = typename Kit::protocol;
};

/// A chain of @p n records.
template <class Kit>
[[nodiscard]] std::vector<made> chain(std::size_t n, std::uint64_t salt = 0) {
    std::vector<made> out;
    for (std::size_t i = 0; i < n; ++i) out.push_back(Kit::next(out.empty() ? nullptr : &out.back(), salt));
    return out;
}

/// The bench. Peer 0 is the feed itself.
template <class Kit, class Policies = kit_policies<Kit>>
struct feed_bench {
    using client = fd::client<Policies>;

    explicit feed_bench(fd::options o = {}, typename Policies::schedule s = make_schedule())
        : it{{.protocol = Kit::make_protocol(),
              .options = std::move(o),
              .self = feed_peer(0),
              .schedule = std::move(s),
              .seed = 7}},
          reader{it.subscribe().value()} {}
    [[nodiscard]] static typename Policies::schedule make_schedule() {
        if constexpr (std::is_default_constructible_v<typename Policies::schedule>) return {};
    }

    // ---- what happens ----
    void tell(fd::event const& e) { it.handle(e, now, effects); }
    void up(std::uint32_t n) { tell(fd::peer_connected{feed_peer(n)}); }
    void down(std::uint32_t n) { tell(fd::peer_disconnected{feed_peer(n)}); }
    /// A message comes; the verdict that follows at once, none while it waits.
    std::optional<fd::outcome> hear(std::uint32_t n, bytes data, fd::kind k = fd::kind::record) {
        auto const t = ++last_ticket;
        tell(fd::gossip_received{t, feed_peer(n), k, std::move(data)});
        collect();
        return verdict_of(t);
    }
    std::optional<fd::outcome> hear(std::uint32_t n, made const& m) { return hear(n, m.content()); }
    std::optional<fd::outcome> hear(std::uint32_t n, fd::blob const& b) {
        return hear(n, it.protocol().encode_blob(b), fd::kind::blob);
    }
    [[nodiscard]] std::optional<fd::outcome> verdict_of(fd::ticket t) const {
        auto const found = verdicts.find(t);
        return found == verdicts.end() ? std::nullopt : std::optional{found->second};
    }
    /// A peer asks: what it is answered; none when it is refused.
    std::optional<bytes> ask(std::uint32_t n, fd::question q, bytes data) {
        tell(fd::question_received{++last_question, feed_peer(n), q, std::move(data)});
        std::optional<bytes> out;
        for (auto const& e : take()) {
            if (auto const* const a = std::get_if<fd::answer>(&e)) out = a->data;
        }
        return out;
    }
    void wake() {
        it.wake(now, effects);
        collect();
    }
    /// Moves time on, from deadline to deadline.
    void pass(duration span) {
        auto const until = now + span;
        for (int i = 0; i < 100'000; ++i) {
            auto const next = it.next_deadline();
            if (!next || *next > until) break;
            now = std::max(now, *next);
            wake();
        }
        now = until;
    }

    // ---- what came of it ----
    /// Files what was said so far.
    void collect() {
        for (auto& e : effects.take()) {
            if (auto const* const j = std::get_if<fd::judge>(&e)) {
                verdicts[j->ticket] = j->what;
                judged.push_back(*j);
            }
            if (auto const* const p = std::get_if<fd::penalise>(&e)) penalties[p->peer].push_back(std::string{p->why});
            said.push_back(std::move(e));
        }
    }
    std::vector<fd::effect> take() {
        collect();
        return std::exchange(said, {});
    }
    template <class E>
    std::vector<E> take_only() {
        std::vector<E> out;
        for (auto const& e : take()) {
            if (auto const* const v = std::get_if<E>(&e)) out.push_back(*v);
        }
        return out;
    }
    std::vector<fd::news> heard() {
        std::vector<fd::news> out;
        while (auto d = it.next_event(reader)) out.push_back(std::move(d->event));
        return out;
    }
    template <class E>
    std::vector<E> heard_only() {
        std::vector<E> out;
        for (auto const& e : heard()) {
            if (auto const* const v = std::get_if<E>(&e)) out.push_back(*v);
        }
        return out;
    }
    [[nodiscard]] fd::height head() const {
        auto const h = it.stored().head();
        return h ? h->number : 0;
    }
    [[nodiscard]] bool costs(std::uint32_t n) const { return penalties.count(feed_peer(n)) != 0; }

    instant now{1h};
    client it;
    typename client::subscription reader;
    effect_list<fd::effect> effects;
    std::vector<fd::effect> said;
    std::map<fd::ticket, fd::outcome> verdicts;
    std::vector<fd::judge> judged = {};  ///< All verdicts, in order.
    std::map<peer::peer_id, std::vector<std::string>> penalties;
    fd::ticket last_ticket = 0;
    fd::question_number last_question = 0;
};

}  // namespace muster::test
