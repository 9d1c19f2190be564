// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Feeds in virtual time: what one wants done comes to the others, later, or not at all.
///
/// Gossip is a flood over the links: who accepts a message passes it on, each once. Requests and answers take their
/// time on a link, and may be lost with it; then the one who asked hears nothing. Hosts that are no feed answer what a
/// test makes them answer.

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <muster/feed/client.hpp>
#include <muster/sim/random.hpp>
#include <muster/sim/world.hpp>

namespace muster::sim::feed {

namespace fd = muster::feed;
using peer::peer_id;

/// The id of host @p h, which contains no key of a kind that anybody knows.
[[nodiscard]] inline peer_id id_of(host_id h) {
    bytes const id{0x00,
                   0x04,
                   static_cast<byte>(h >> 24),
                   static_cast<byte>(h >> 16),
                   static_cast<byte>(h >> 8),
                   static_cast<byte>(h)};
    return peer_id::from_multihash(id).value();
}
/// The inverse.
[[nodiscard]] inline host_id host_of(peer_id const& who) {
    host_id out = 0;
    for (byte const b : who.view().subspan(2)) out = out << 8 | b;
    return out;
}

/// How links are.
struct link_options {
    duration delay_least = std::chrono::milliseconds{10};
    duration delay_most = std::chrono::milliseconds{50};
    ratio loss = {};  ///< Of messages, questions and answers alike.
};

/// Feeds and the links between them. Must be outlived by its world. Not thread-safe.
template <class Policies>
class mesh {
public:
    using client = fd::client<Policies>;
    using parts = typename client::parts;
    /// Makes the parts of a host's feed; what it has stored before, if anything.
    using maker = std::function<parts(host_id)>;
    /// Answers for a host that is no feed; none: never.
    using liar = std::function<std::optional<bytes>(fd::question, byte_view)>;
    /// Sees all that a feed wants done.
    using watcher = std::function<void(host_id, fd::effect const&)>;

    mesh(world& w, link_options l, maker m) : world_{w}, links_{l}, make_{std::move(m)}, draw_{w.stream("links")} {}
    mesh(mesh const&) = delete;
    mesh& operator=(mesh const&) = delete;

    /// A new host, which is down.
    host_id add() {
        hosts_.emplace_back();
        return world_.add_host();
    }
    /// A new host that answers by @p how, and is up.
    host_id add_liar(liar how) {
        auto const h = add();
        hosts_[h].lies = std::move(how);
        world_.boot(h);
        return h;
    }
    /// Its feed starts, with what it has stored.
    void boot(host_id h) {
        auto& n = hosts_[h];
        world_.boot(h);
        auto p = make_(h);
        p.self = id_of(h);
        if (n.disk) p.store = std::move(*std::exchange(n.disk, std::nullopt));
        n.it = std::make_unique<client>(std::move(p));
        n.reader = n.it->subscribe().value();
        for (auto const other : n.linked) tell(h, fd::peer_connected{id_of(other)});
        for (auto const other : n.linked) {
            if (hosts_[other].it) tell(other, fd::peer_connected{id_of(h)});
        }
    }
    /// Its feed ends; what was stored stays where @p keeps it.
    void crash(host_id h, bool keeps) {
        auto& n = hosts_[h];
        world_.crash(h);
        if (keeps && n.it) n.disk = n.it->stored();
        n.it.reset();
        n.passed_on.clear();
        n.asked.clear();
        for (auto const other : n.linked) {
            if (hosts_[other].it) tell(other, fd::peer_disconnected{id_of(h)});
        }
    }
    void connect(host_id a, host_id b) {
        if (a == b || !hosts_[a].linked.insert(b).second) return;
        hosts_[b].linked.insert(a);
        if (is_on(a) && is_on(b)) {
            tell(a, fd::peer_connected{id_of(b)});
            tell(b, fd::peer_connected{id_of(a)});
        }
    }
    void disconnect(host_id a, host_id b) {
        if (hosts_[a].linked.erase(b) == 0) return;
        hosts_[b].linked.erase(a);
        tell(a, fd::peer_disconnected{id_of(b)});
        tell(b, fd::peer_disconnected{id_of(a)});
    }
    /// Host @p h says something by gossip, whatever it is.
    void say(host_id h, fd::kind topic, bytes const& data) { flood(h, {}, topic, data); }
    void set_loss(ratio r) { links_.loss = r; }
    void watch(watcher w) { watcher_ = std::move(w); }

    [[nodiscard]] client& at(host_id h) { return *hosts_[h].it; }
    [[nodiscard]] bool is_on(host_id h) const { return world_.is_up(h); }
    [[nodiscard]] bool is_feed(host_id h) const { return hosts_[h].it != nullptr; }
    [[nodiscard]] std::size_t size() const noexcept { return hosts_.size(); }
    [[nodiscard]] std::set<host_id> const& linked(host_id h) const { return hosts_[h].linked; }
    /// The height of its head; 0 without one.
    [[nodiscard]] fd::height head(host_id h) {
        auto const r = at(h).stored().head();
        return r ? r->number : 0;
    }
    /// What its feed has told since the last call.
    [[nodiscard]] std::vector<fd::news> heard(host_id h) {
        std::vector<fd::news> out;
        while (auto d = at(h).next_event(hosts_[h].reader)) out.push_back(std::move(d->event));
        return out;
    }

    /// Calls a command of the feed of @p h: @p f(feed, now, sink).
    template <class F>
    auto act(host_id h, F f) {
        effect_list<fd::effect> out;
        auto result = f(at(h), world_.now(), out);
        perform(h, out);
        return result;
    }
    void tell(host_id h, fd::event const& e) {
        if (!hosts_[h].it) return;
        effect_list<fd::effect> out;
        at(h).handle(e, world_.now(), out);
        perform(h, out);
    }

private:
    // Not std::less: for that of g++ 12 at -O3, a vector of bytes may be longer than memory, which it warns of.
    struct in_byte_order {
        [[nodiscard]] bool operator()(bytes const& a, bytes const& b) const noexcept { return compare(a, b) < 0; }
    };
    struct node {
        std::unique_ptr<client> it = nullptr;
        typename client::subscription reader = 0;
        liar lies = {};
        std::set<host_id> linked = {};
        std::optional<typename client::store_type> disk = {};
        std::set<bytes, in_byte_order> passed_on = {};
        std::map<fd::ticket, std::pair<fd::kind, bytes>> judged = {};  ///< Messages that wait for a verdict.
        std::map<fd::question_number, std::pair<host_id, fd::request_number>> asked = {};
        deadline planned = {};
    };

    void perform(host_id h, effect_list<fd::effect>& out) {
        for (auto const& e : out.take()) {
            if (watcher_) watcher_(h, e);
            std::visit([&](auto const& v) { this->on(h, v); }, e);
        }
        plan(h);
    }
    // A wake-up for each new deadline; one too many is harmless.
    void plan(host_id h) {
        auto& n = hosts_[h];
        if (!n.it) return;
        auto const next = n.it->next_deadline();
        if (!next || (n.planned && *n.planned <= *next && *n.planned > world_.now())) return;
        n.planned = std::max(*next, world_.now());
        world_.after_on(h, *n.planned - world_.now(), [this, h] {
            auto& me = hosts_[h];
            me.planned.reset();
            if (!me.it) return;
            effect_list<fd::effect> more;
            me.it->wake(world_.now(), more);
            perform(h, more);
        });
    }
    void send(host_id from, host_id to, std::function<void()> what) {
        auto const delay = between(draw_, links_.delay_least, links_.delay_most);
        if (chance(draw_, links_.loss)) return;
        world_.arrive_at(to, delay, [this, from, to, what = std::move(what)] {
            if (hosts_[to].linked.count(from) != 0) what();
        });
    }
    void flood(host_id from, std::optional<host_id> except, fd::kind topic, bytes const& data) {
        if (!hosts_[from].passed_on.insert(data).second) return;
        for (auto const to : hosts_[from].linked) {
            if (to == except) continue;
            send(from, to, [this, from, to, topic, data] {
                if (!hosts_[to].it) return;
                auto const t = ++tickets_;
                senders_[t] = from;
                hosts_[to].judged[t] = {topic, data};
                tell(to, fd::gossip_received{t, id_of(from), topic, data});
            });
        }
    }

    void on(host_id h, fd::publish const& e) { flood(h, {}, e.topic, e.data); }
    void on(host_id h, fd::judge const& e) {
        auto const found = hosts_[h].judged.find(e.ticket);
        if (found == hosts_[h].judged.end()) return;
        auto const [topic, data] = std::move(found->second);
        hosts_[h].judged.erase(found);
        auto const from = senders_[e.ticket];
        senders_.erase(e.ticket);
        if (e.what == fd::outcome::accept) flood(h, from, topic, data);
    }
    void on(host_id h, fd::request const& e) {
        auto const to = host_of(e.to);
        auto const number = e.number;
        if (hosts_[to].linked.count(h) == 0 || !is_on(to)) {
            world_.after_on(h, duration{0}, [this, h, number] {
                tell(h, fd::answer_failed{number, fd::answer_failure::not_connected});
            });
            return;
        }
        send(h, to, [this, h, to, number, what = e.what, data = e.data] {
            if (hosts_[to].lies) {
                if (auto said = hosts_[to].lies(what, data))
                    reply(to, h, fd::answer_received{number, *std::move(said)});
                return;
            }
            auto const q = ++tickets_;
            hosts_[to].asked[q] = {h, number};
            tell(to, fd::question_received{q, id_of(h), what, data});
        });
    }
    void on(host_id, fd::give_up const&) {}
    void on(host_id h, fd::answer const& e) {
        auto const [to, number] = hosts_[h].asked[e.number];
        hosts_[h].asked.erase(e.number);
        reply(h, to, fd::answer_received{number, e.data});
    }
    void on(host_id h, fd::refuse const& e) {
        auto const [to, number] = hosts_[h].asked[e.number];
        hosts_[h].asked.erase(e.number);
        reply(h, to, fd::answer_failed{number, fd::answer_failure::refused, e.retry_after});
    }
    void on(host_id, fd::penalise const&) {}
    void on(host_id, fd::rate const&) {}
    void on(host_id h, fd::ban const& e) {
        auto const other = host_of(e.peer);
        world_.after(duration{0}, [this, h, other] { disconnect(h, other); });
    }
    void on(host_id, fd::wake_subscribers const&) {}
    void reply(host_id from, host_id to, fd::event const& e) {
        send(from, to, [this, to, e] { tell(to, e); });
    }

    world& world_;
    link_options links_;
    maker make_;
    splitmix64 draw_;
    std::deque<node> hosts_;
    std::map<fd::ticket, host_id> senders_;
    watcher watcher_;
    std::uint64_t tickets_ = 0;
};

}  // namespace muster::sim::feed
