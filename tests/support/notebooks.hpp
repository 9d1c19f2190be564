// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Notebooks of a group, in memory.

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <muster/node/notebook.hpp>
#include <muster/sim/disk.hpp>

#include <support/actions.hpp>
#include <support/catch.hpp>

namespace muster::test {

using namespace std::chrono_literals;

using store_type = sync::file_entries<sim::disk_files>;
using book = node::notebook<store_type>;

/// Members with a copy each, and what is on the way between them.
struct notebook_group {
    struct member {
        explicit member(std::uint64_t seed) : who{seed}, first_key{who.keys.node.public_key()} {}
        person who;
        crypto::public_key first_key;
        std::vector<identity::successor> successors;
        sim::disk disk;
        std::unique_ptr<book> copy;
        std::vector<std::string> changed;
        std::size_t conflicts = 0, forked = 0, penalties = 0, failed = 0, full = 0, ahead = 0;
        std::vector<std::size_t> restored, set_back;  // notes that were written again
        std::vector<bytes> proofs;
        std::chrono::milliseconds skew{0};  // of their clock
    };
    struct packet {
        std::size_t from, to;
        bytes content;
    };

    explicit notebook_group(std::size_t n = 3) {
        for (std::size_t i = 0; i < n; ++i) all.push_back(std::make_unique<member>(i + 1));
        for (std::size_t i = 0; i < n; ++i) open(i, i + 100);
    }
    void open(std::size_t i, std::uint64_t life) {
        auto o = options;
        o.network = test_network;
        for (std::size_t k = 0; k < all.size(); ++k) {
            auto const& w = all[k]->who;
            o.members.push_back({w.user, all[k]->first_key, w.keys.signer.public_key()});
            if (k == i)
                o.members.back() = {w.user, w.keys.node.public_key(), w.keys.signer.public_key(), all[k]->successors};
        }
        o.self = static_cast<std::uint16_t>(i);
        o.fresh_life = life;
        auto& m = *all[i];
        m.copy.reset();
        m.copy = std::make_unique<book>(o, m.who.keys.node, store_type{"notes", sim::disk_files{m.disk}});
        REQUIRE(m.copy->load(wall_of(i)));
    }
    /// Member @p i exchanges their keys. Their copy is closed.
    void rotate(std::size_t i) {
        auto& m = *all[i];
        m.copy.reset();
        auto next =
            peer::derive_keys(master_key(i + 1).seed, static_cast<peer::key_epoch>(m.successors.size() + 1)).value();
        m.successors.push_back(identity::successor::make(m.who.user,
                                                         static_cast<peer::key_epoch>(m.successors.size() + 1),
                                                         m.who.keys, next, wall)
                                   .value());
        m.who.keys = std::move(next);
    }
    [[nodiscard]] timestamp wall_of(std::size_t i) const { return wall + all[i]->skew; }
    /// An entry of member @p i at the end of @p chain, which may be a story of its own.
    static sync::entry make_entry(std::uint16_t i, person& chain, std::string const& key, std::string const& value,
                                  timestamp at, std::chrono::milliseconds valid = a_day) {
        sync::update w;
        w.key = key;
        w.value = to_bytes(as_bytes(value));
        auto const payload = w.encoded_content();
        auto const a = chain.author.act(identity::action_type{1}, payload, valid, at, chain.keys.node).value();
        auto content = a.encoded();
        append(content, payload);
        return {{{i, a.life}, a.sequence}, content};
    }
    [[nodiscard]] peer::peer_id id(std::size_t i) const { return all[i]->who.keys.node.id(); }
    template <class F>
    auto with(std::size_t i, F f) {
        effect_list<book::effect> sink;
        if constexpr (std::is_void_v<decltype(f(*all[i]->copy, sink))>) {
            f(*all[i]->copy, sink);
            take(i, sink);
        } else {
            auto out = f(*all[i]->copy, sink);
            take(i, sink);
            return out;
        }
    }
    void take(std::size_t i, effect_list<book::effect>& sink) {
        auto& m = *all[i];
        for (auto& e : sink.take()) {
            if (auto* const s = std::get_if<sync::send>(&e)) {
                std::size_t to = 0;
                while (id(to) != s->peer) ++to;
                wires.push_back({i, to, s->message});
            }
            if (auto* const c = std::get_if<node::note_changed>(&e)) {
                m.changed.push_back(c->key);
                m.conflicts += c->is_conflict ? 1u : 0u;
            }
            if (auto const* const f = std::get_if<node::member_forked>(&e)) {
                ++m.forked;
                m.proofs.push_back(f->proof);
            }
            if (auto const* const r = std::get_if<node::copy_restored>(&e)) m.restored.push_back(r->rewritten);
            if (auto const* const r = std::get_if<node::clock_set_back>(&e)) m.set_back.push_back(r->rewritten);
            m.full += std::holds_alternative<node::notes_full>(e) ? 1u : 0u;
            m.ahead += std::holds_alternative<node::clock_ahead>(e) ? 1u : 0u;
            m.penalties += std::holds_alternative<sync::penalise>(e) ? 1u : 0u;
            m.failed += std::holds_alternative<node::store_failed>(e) ? 1u : 0u;
        }
    }
    /// What @p from says to @p to, whoever they are.
    void say(std::size_t from, std::size_t to, bytes const& message) {
        with(to, [&](book& b, auto& sink) { b.handle(sync::heard{id(from), message}, now, wall_of(to), sink); });
    }
    result<void> put(std::size_t i, std::string const& key, std::optional<std::string> const& text) {
        std::optional<bytes> value;
        if (text) value = to_bytes(as_bytes(*text));
        return with(i, [&](book& b, auto& sink) { return b.put(key, value, now, wall_of(i), sink); });
    }
    void link(std::size_t a, std::size_t b, bool is_up) {
        for (auto const& [x, y] : {std::pair{a, b}, std::pair{b, a}}) {
            book::event e = is_up ? book::event{sync::peer_reached{id(y)}} : book::event{sync::peer_lost{id(y)}};
            auto const at = wall_of(x);
            with(x, [&](book& m, auto& sink) { m.handle(e, now, at, sink); });
        }
        settle();
    }
    void settle() {
        while (!wires.empty()) {
            auto p = std::move(wires.front());
            wires.pop_front();
            with(p.to, [&](book& m, auto& sink) {
                m.handle(sync::heard{id(p.from), p.content}, now, wall_of(p.to), sink);
            });
        }
    }
    void pass(duration by) {
        auto const until = now + by;
        while (now < until) {
            now += 5s;
            wall += 5s;
            for (std::size_t i = 0; i < all.size(); ++i)
                with(i, [&](book& m, auto& sink) { m.wake(now, wall_of(i), sink); });
            settle();
        }
    }
    [[nodiscard]] std::string shown(std::size_t i, std::string const& key) const {
        auto const v = all[i]->copy->copy().value_of(key);
        return v ? std::string{v->begin(), v->end()} : "(none)";
    }

    book::options options;  // of those that are opened from here on, but for whose they are
    std::vector<std::unique_ptr<member>> all;
    std::deque<packet> wires;
    instant now{1h};
    timestamp wall = noon;
};

}  // namespace muster::test
