// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// An owner's machine and those of their guardians, and what they say to each other.

#include <memory>
#include <set>

#include <muster/identity/guardian_desk.hpp>
#include <muster/identity/guardian_watch.hpp>
#include <muster/identity/recovery.hpp>

#include <support/backups.hpp>
#include <support/catch.hpp>

namespace muster::test::guardians {

using namespace muster::identity;
using namespace std::chrono_literals;

using desk_type = guardian_desk<predictable>;
using watch_type = guardian_watch<splitmix64>;

/// A circle with machines.
struct table {
    explicit table(sharing how = {3, 5}) : c{how}, watch{c.owner.keys, splitmix64{1}} {
        for (auto const& g : c.guardians) desks.push_back(std::make_unique<desk_type>(g.keys, predictable{3}));
        for (auto& d : desks) {
            effect_list<desk_type::effect> sink;
            d->set_wall(wall);
            REQUIRE(d->keep(c.owner.user, now, sink));
        }
    }
    /// Time goes on, by the wall and otherwise.
    void wait(std::chrono::hours by) {
        now += by;
        wall += by;
    }
    std::vector<desk_type::effect> approve(std::size_t i, recovery_request const& r) {
        effect_list<desk_type::effect> sink;
        desks[i]->set_wall(wall);
        REQUIRE(desks[i]->approve(r.spoken(), now, sink).value() == r.id());
        return sink.take();
    }
    template <class F>
    std::vector<watch_type::effect> owner(F f) {
        effect_list<watch_type::effect> sink;
        f(sink);
        return sink.take();
    }
    std::vector<desk_type::effect> at(std::size_t i, peer::peer_id const& from, guardian_message const& m) {
        effect_list<desk_type::effect> sink;
        desks[i]->set_wall(wall);
        desks[i]->handle(desk::received{from, m}, now, sink);
        return sink.take();
    }
    /// Hands what the owner sends to those in @p up, and their answers back.
    void carry(std::vector<watch_type::effect> effects, std::set<std::size_t> const& up) {
        for (auto const& e : effects) {
            if (auto const* const r = std::get_if<watch::reissue_needed>(&e)) told.push_back(r->alive);
            auto const* const s = std::get_if<watch::send>(&e);
            if (s == nullptr || !up.contains(s->to)) continue;
            for (auto const& a : at(s->to, c.owner.keys.node.id(), s->what)) {
                auto const* const r = std::get_if<desk::reply>(&a);
                if (r == nullptr) continue;
                carry(owner([&](auto& sink) {
                          watch.handle(watch::received{s->to, c.guardians[s->to].keys.node.public_key(), r->what}, now,
                                       sink);
                      }),
                      up);
            }
        }
    }
    void pass(std::chrono::hours by, std::set<std::size_t> const& up) {
        for (; by > 0h; by -= 6h) {
            now += 6h;
            wall += 6h;
            carry(owner([&](auto& sink) { watch.wake(now, sink); }), up);
        }
    }
    void issue(backup const& b, std::set<std::size_t> const& up) {
        carry(owner([&](auto& sink) { watch.issue(b, now, sink); }), up);
    }

    circle c;
    watch_type watch;
    std::vector<std::unique_ptr<desk_type>> desks;
    instant now{1h};
    timestamp wall = noon;
    std::vector<std::vector<std::uint8_t>> told;
};
inline std::set<std::size_t> const all{0, 1, 2, 3, 4};
template <class T, class Effects>
std::vector<T> of(Effects const& effects) {
    std::vector<T> out;
    for (auto const& e : effects) {
        if (auto const* const t = std::get_if<T>(&e)) out.push_back(*t);
    }
    return out;
}
inline peer::peer_id const stranger = peer::derive_keys(master_key(777).seed).value().node.id();

}  // namespace muster::test::guardians
