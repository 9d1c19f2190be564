// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Replicas for three days: alone most of the time, cut off from each other again and again, with clocks that are
/// wrong, and with crashes; then together until nobody lacks anything.
///
/// What is checked: in the end all are equal; each write is applied once everywhere, in its author's order; no replica
/// shows what was replaced; what an outbox says is on its way is never less than what is.

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <muster/sim/random.hpp>
#include <muster/sync/outbox.hpp>
#include <muster/sync/replica.hpp>

namespace muster::sim::sync {

namespace sn = muster::sync;

/// What happens.
struct sync_options {
    std::size_t replicas = 5;
    std::chrono::hours length{72};
    std::size_t cuts = 1000;    ///< Of links, evenly spread.
    std::size_t writes = 1000;  ///< By anybody.
    std::size_t keys = 40;
    std::chrono::milliseconds skew_max{60'000};  ///< Of clocks, both ways.
    std::uint64_t loss_percent = 5;              ///< Of packets; as many come twice, or late.
    std::size_t crashes = 20;
};
/// What came of it.
struct sync_figures {
    bool is_equal = false;
    std::size_t lost = 0;       ///< Writes that somebody does not have in the end.
    std::size_t twice = 0;      ///< Applied more than once.
    std::size_t unordered = 0;  ///< Applied before one that their author wrote earlier.
    std::size_t replaced_shown = 0;
    std::size_t undercounted = 0;
    std::size_t dead_letters = 0;
    std::size_t conflicts = 0;  ///< That are in the log of the first replica.
    std::size_t bytes_sent = 0;
    std::chrono::seconds healed_in{0};  ///< Virtual time from the end of all cuts until all were equal.
    bool operator==(sync_figures const&) const = default;
    [[nodiscard]] bool is_good() const noexcept {
        return is_equal && lost + twice + unordered + replaced_shown + undercounted + dead_letters == 0;
    }
};

namespace detail {
/// An update, with the time that its chain's entry has for it elsewhere.
[[nodiscard]] inline bytes content_of(sn::update const& w) {
    wire::writer out;
    out.u64(w.time.bits);
    return out.raw(w.encoded_content()).take();
}
[[nodiscard]] inline result<sn::update> update_of(sn::entry const& e) {
    wire::reader in{e.content};
    auto const time = hybrid_time{in.u64()};
    return sn::update::decode_content(byte_view{e.content}.subspan(8), e.at, time);
}
/// Takes what has been seen only: causes come before their effects.
struct causal {
    sn::version_vector const* had;
    sn::judgement operator()(sn::entry const& e) const {
        auto const w = update_of(e);
        if (!w) return sn::judgement::refuse;
        return had->covers(w.value().seen) ? sn::judgement::take : sn::judgement::later;
    }
};
}  // namespace detail

/// One run. Deterministic.
class sync_run {
public:
    sync_run(std::uint64_t seed, sync_options const& o) : options_{o}, random_{seed} {
        for (std::size_t i = 0; i < o.replicas; ++i) {
            auto n = std::make_unique<node>();
            n->id = name_of(i);
            n->self = {static_cast<std::uint16_t>(i), seed};
            auto const width = static_cast<std::uint64_t>(2 * o.skew_max.count() + 1);
            n->skew = std::chrono::milliseconds{static_cast<std::int64_t>(uniform(random_, width))} - o.skew_max;
            nodes_.push_back(std::move(n));
            restart(i);
        }
        up_.assign(o.replicas * o.replicas, false);
    }

    [[nodiscard]] sync_figures run() {
        auto const steps = std::max<std::size_t>(options_.cuts * 2, 1);
        auto const step = std::chrono::duration_cast<duration>(options_.length) / static_cast<std::int64_t>(steps);
        for (std::size_t i = 0; i < steps; ++i) {
            now_ += step;
            auto const a = pick(), b = pick();
            if (a != b) set_link(a, b, !up_[a * nodes_.size() + b]);
            for (auto n = share_of(options_.writes, steps, i); n-- > 0;) put(pick());
            for (auto n = share_of(options_.crashes, steps, i); n-- > 0;) crash(pick());
            for (auto n = uniform(random_, 20); n-- > 0;) carry();
            wake_all();
            count_pending();
        }
        heal();
        judge();
        return figures_;
    }

private:
    using box = sn::outbox<detail::causal>;
    struct node {
        peer::peer_id id;
        sn::actor self;
        std::chrono::milliseconds skew{0};
        hybrid_clock clock;
        std::vector<sn::entry> durable;
        sn::version_vector had;  // what was applied
        std::unique_ptr<box> machine;
        sn::replica<> copy;
        std::map<sn::dot, std::size_t> applied;
        std::map<sn::actor, std::uint64_t> last;
    };
    struct packet {
        std::size_t from, to;
        bytes content;
    };

    [[nodiscard]] static peer::peer_id name_of(std::size_t i) {
        crypto::public_key key;  // a name is all that is needed of it
        key.octets[0] = 2;
        key.octets[32] = static_cast<byte>(i);
        return peer::peer_id::of(key);
    }
    [[nodiscard]] std::size_t pick() { return static_cast<std::size_t>(uniform(random_, nodes_.size())); }
    [[nodiscard]] static std::size_t share_of(std::size_t all, std::size_t steps, std::size_t i) {
        return all * (i + 1) / steps - all * i / steps;
    }
    [[nodiscard]] timestamp wall_of(node const& n) const {
        return from_unix_millis(
                   1'800'000'000'000 +
                   std::chrono::duration_cast<std::chrono::milliseconds>(now_.time_since_epoch()).count()) +
               n.skew;
    }

    // What is durable comes back, and is applied again to an empty copy.
    void restart(std::size_t i) {
        auto& n = *nodes_[i];
        sn::entry_log log;
        n.copy = sn::replica<>{};
        n.had = {};
        for (auto const& e : n.durable) {
            (void)log.add(e);
            n.copy.apply(detail::update_of(e).value());
            n.had.add(e.at);
            n.clock.observe(detail::update_of(e).value().time, wall_of(n));
        }
        n.machine = std::make_unique<box>(n.self, detail::causal{&n.had}, box::options{}, std::move(log));
    }
    void crash(std::size_t i) {
        for (std::size_t j = 0; j < nodes_.size(); ++j) {
            if (up_[i * nodes_.size() + j]) set_link(i, j, false);
        }
        restart(i);
    }
    void set_link(std::size_t a, std::size_t b, bool is_up) {
        up_[a * nodes_.size() + b] = up_[b * nodes_.size() + a] = is_up;
        if (!is_up) {
            std::erase_if(wires_,
                          [&](packet const& p) { return (p.from == a && p.to == b) || (p.from == b && p.to == a); });
        }
        for (auto const& [x, y] : {std::pair{a, b}, std::pair{b, a}}) {
            auto const e =
                is_up ? box::event{sn::peer_reached{nodes_[y]->id}} : box::event{sn::peer_lost{nodes_[y]->id}};
            perform(x, [&](auto& m, auto& sink) { m.handle(e, now_, sink); });
        }
    }
    void put(std::size_t i) {
        auto& n = *nodes_[i];
        // Compilers evaluate arguments in different orders: each draw is its own statement.
        auto const key = uniform(random_, options_.keys);
        auto const is_removal = uniform(random_, 8) == 0;
        auto w = n.copy.prepare("key " + std::to_string(key),
                                is_removal ? std::optional<bytes>{} : std::optional{bytes(8, static_cast<byte>(i))});
        w.at = {n.self, n.machine->log().last_of(n.self) + 1};
        w.time = n.clock.next(wall_of(n));
        written_.push_back(w);
        n.copy.apply(w);
        n.had.add(w.at);
        n.applied[w.at]++;
        perform(i, [&](auto& m, auto& sink) { (void)m.add(detail::content_of(w), now_, sink); });
    }
    template <class F>
    void perform(std::size_t i, F f) {
        auto& n = *nodes_[i];
        effect_list<box::effect> sink;
        f(*n.machine, sink);
        for (auto& e : sink.take()) {
            if (auto* const p = std::get_if<sn::persist>(&e))
                n.durable.insert(n.durable.end(), p->entries.begin(), p->entries.end());
            if (auto* const d = std::get_if<sn::deliver>(&e)) apply(n, d->what);
            if (auto* const s = std::get_if<sn::send>(&e)) put_on_wire(i, std::move(*s));
            if (std::holds_alternative<sn::dead_lettered>(e)) ++figures_.dead_letters;
        }
    }
    void apply(node& n, sn::entry const& e) {
        auto const w = detail::update_of(e).value();
        figures_.twice += n.applied[e.at]++ != 0 ? 1u : 0u;
        figures_.unordered += e.at.sequence < n.last[e.at.by] ? 1u : 0u;
        n.last[e.at.by] = e.at.sequence;
        n.had.add(e.at);
        n.clock.observe(w.time, wall_of(n));
        n.copy.apply(w);
    }
    void put_on_wire(std::size_t from, sn::send s) {
        std::size_t to = 0;
        while (nodes_[to]->id != s.peer) ++to;
        figures_.bytes_sent += s.message.size();
        if (!up_[from * nodes_.size() + to] || uniform(random_, 100) < options_.loss_percent) return;
        wires_.push_back({from, to, s.message});
        if (uniform(random_, 100) < options_.loss_percent) wires_.push_back({from, to, std::move(s.message)});
    }
    bool carry() {
        if (wires_.empty()) return false;
        std::size_t at = 0;
        if (uniform(random_, 100) < options_.loss_percent)
            at = static_cast<std::size_t>(uniform(random_, wires_.size()));
        auto p = std::move(wires_[at]);
        wires_.erase(wires_.begin() + static_cast<std::ptrdiff_t>(at));
        perform(p.to, [&](auto& m, auto& sink) { m.handle(sn::heard{nodes_[p.from]->id, p.content}, now_, sink); });
        return true;
    }
    void wake_all() {
        for (std::size_t i = 0; i < nodes_.size(); ++i) perform(i, [&](auto& m, auto& sink) { m.wake(now_, sink); });
    }
    void count_pending() {
        for (auto const& n : nodes_) {
            for (auto const& other : nodes_) {
                if (n == other) continue;
                auto const really = n->machine->log().last_of(n->self) - other->machine->log().last_of(n->self);
                figures_.undercounted += n->machine->pending_for(other->id) < really ? 1u : 0u;
            }
        }
    }
    [[nodiscard]] bool are_level() const {
        return std::all_of(nodes_.begin(), nodes_.end(), [&](auto const& n) {
            return n->machine->log().ends() == nodes_[0]->machine->log().ends() &&
                   n->machine->log().size() == written_.size();
        });
    }
    void heal() {
        auto const begun = now_;
        for (std::size_t a = 0; a < nodes_.size(); ++a) {
            for (std::size_t b = 0; b < a; ++b) {
                if (!up_[a * nodes_.size() + b]) set_link(a, b, true);
            }
        }
        for (int second = 0; second < 3600 && !are_level(); ++second) {
            for (int n = 0; n < 100'000 && carry(); ++n) {
            }
            now_ += std::chrono::seconds{1};
            wake_all();
        }
        figures_.healed_in = std::chrono::duration_cast<std::chrono::seconds>(now_ - begun);
    }
    void judge() {
        figures_.is_equal = true;
        auto const first = nodes_[0]->copy.fingerprint();
        for (auto const& n : nodes_) {
            figures_.is_equal = figures_.is_equal && n->copy.fingerprint() == first;
            for (auto const& w : written_) figures_.lost += n->machine->log().find(w.at) == nullptr ? 1u : 0u;
        }
        for (auto const& key : nodes_[0]->copy.keys()) {
            for (auto const& shown : nodes_[0]->copy.visible(key)) {
                figures_.replaced_shown +=
                    static_cast<std::size_t>(std::count_if(written_.begin(), written_.end(), [&](sn::update const& w) {
                        return w.key == key && w.at != shown.at && w.replaces(shown);
                    }));
            }
        }
        figures_.conflicts = nodes_[0]->copy.conflicts().size();
    }

    sync_options options_;
    splitmix64 random_;
    std::vector<std::unique_ptr<node>> nodes_;
    std::vector<bool> up_;
    std::deque<packet> wires_;
    std::vector<sn::update> written_;
    instant now_{std::chrono::hours{1}};
    sync_figures figures_;
};

}  // namespace muster::sim::sync
