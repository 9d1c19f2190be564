// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Keeps some connections of our own choosing open, out of an address book, so that a machine which restarts finds its
/// way back, and does not depend on who happens to call.
///
/// Idea: connections that we choose protect us from eclipse: an attacker who wants to surround us must own most of what
/// the book draws, which the book prevents (address_book.hpp). Every peer that is drawn is in another group, so a
/// network of his own gives an attacker one place.
///
/// Algorithm: while a place is free, whom we were connected to before the restart is dialled first (anchors), then
/// whom the book draws, a few at a time. Draws are limited in rate, and a machine that was dialled is left alone for
/// ten minutes, whichever peers are claimed to be there. A peer's group is that of the address where a dial has found
/// it, never of a claimed one. Now and then one peer is dialled that is only to be tested: one whose slot in the book
/// another one waits for, or one that was never met. Failures count only while a connection of our choice is up;
/// otherwise we may be offline ourselves.
///
/// Source: Bitcoin Core's outbound connections: groups, anchors, feelers each two minutes (src/net.cpp,
/// ThreadOpenConnections); Heilman, Kendler, Zohar, Goldberg, "Eclipse Attacks on Bitcoin's Peer-to-Peer Network",
/// USENIX Security 2015, countermeasures 2 to 5.

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <muster/connection/address_book.hpp>
#include <muster/connection/events.hpp>
#include <muster/connection/reach.hpp>
#include <muster/core/effect_sink.hpp>
#include <muster/core/rate_limiter.hpp>

namespace muster::connection {

/// How many connections of our own choosing, and how hard they are looked for.
struct outbound_options {
    std::size_t places = 8;                            ///< As Core's full-relay connections.
    std::size_t parallel = 4;                          ///< Dials at the same time; the manager allows as many. Ours.
    std::size_t anchors = 4;                           ///< Kept over a restart; Core has 2.
    std::size_t burst = 16;                            ///< Draws at once, after a start. Ours.
    duration draw_interval = std::chrono::seconds{5};  ///< Between draws after that. Ours.
    duration rest = std::chrono::minutes{10};  ///< Of a machine that was dialled, whoever is said to be there. Ours.
    duration known_rest = std::chrono::seconds{30};    ///< The same where a dial has found that peer lately. Ours.
    duration look_again = std::chrono::seconds{30};    ///< When the book has nobody. Ours.
    duration test_interval = std::chrono::minutes{2};  ///< As Core's feelers.
    duration prune_interval = std::chrono::hours{1};   ///< Ours.
    duration save_delay = std::chrono::seconds{30};    ///< After the first change that is not saved. Ours.
    bool takes_private = false;  ///< Addresses of private networks are taken from others, for a group within one.
};

/// What of a pool outlives a restart.
struct kept_book {
    address_book book;
    std::vector<peer::peer_id> anchors;  ///< Who was connected at our choice, the longest first.
};

/// A machine (core/machine.hpp) over an address book. Times of the book are those of the wall clock: whoever calls
/// keeps the difference to the other clock, see @ref set_calendar. Not thread-safe.
class outbound_pool {
public:
    /// What @ref save asked for could not be done.
    struct save_failed {
        MUSTER_FIELDS(save_failed);
    };
    /// What happens to connections, whoever has dialled; and what came of a @ref seek: @ref link_up or @ref
    /// dial_failed.
    using event = std::variant<link_up, link_down, dial_failed, save_failed>;

    /// Dial @p peer once, and say what came of it.
    struct seek {
        peer::peer_id peer;
        std::vector<peer::multiaddr> addresses;
        MUSTER_FIELDS(seek, peer, addresses);
    };
    /// It was a test only: nobody here needs the connection.
    struct let_go {
        peer::peer_id peer;
        MUSTER_FIELDS(let_go, peer);
    };
    /// Keep what @ref kept says on disk.
    struct save {
        MUSTER_FIELDS(save);
    };
    using effect = std::variant<seek, let_go, save>;

    /// Gauges.
    struct statistics {
        std::size_t known = 0;   ///< Peers in the book.
        std::size_t chosen = 0;  ///< Connected at our choice.
        std::size_t sought = 0;  ///< Being dialled.
        MUSTER_FIELDS(statistics, known, chosen, sought);
    };

    /// @param self  never dialled.
    /// @param what  what was kept; anchors are dialled first.
    /// @param seed  for draws; unpredictable, else who can predict it knows whom we dial.
    outbound_pool(peer::peer_id self, kept_book what, outbound_options const& o, std::uint64_t seed)
        : self_{std::move(self)},
          options_{o},
          book_{std::move(what.book)},
          anchors_{std::move(what.anchors)},
          random_{seed},
          draws_{o.draw_interval, o.burst} {}

    /// Begins. To be called once, before anything else.
    void start(timestamp calendar, instant now) {
        calendar_ = calendar;
        calendar_at_ = now;
        looks_at_ = now;
        is_started_ = true;
        tests_at_ = saturating_add(now, options_.test_interval);
        prunes_at_ = saturating_add(now, options_.prune_interval);
    }
    /// What the wall clock shows when the other one shows @p now. To be called now and then, since a wall clock can be
    /// set.
    void set_calendar(timestamp calendar, instant now) {
        auto const jump = saturating_difference(calendar, date(now));
        // Nobody is forgotten because a clock was wrong for a while.
        if (jump > day || jump < -day) prunes_at_ = saturating_add(now, day);
        calendar_ = calendar;
        calendar_at_ = now;
    }
    /// Somebody in the group @p source (see `group_of`) has told of @p who; empty: the user has. From others only
    /// addresses are taken that may be anywhere in the world: who dials a name or an address of his own network because
    /// a stranger has written it dials whatever the stranger wants. @return whether it is in the book.
    bool learn(peer::peer_id const& who, std::span<peer::multiaddr const> addresses, std::string const& source,
               instant now) {
        std::vector<peer::multiaddr> taken{addresses.begin(), addresses.end()};
        if (!source.empty()) {
            std::erase_if(taken,
                          [&](auto const& a) { return options_.takes_private ? !starts_with_ip(a) : !is_global(a); });
        }
        auto const* const known = book_.find(who);
        auto const before = known == nullptr ? std::vector<peer::multiaddr>{} : known->addresses;
        if (who == self_ || !book_.add(who, taken, source, date(now))) return false;
        if (book_.find(who)->addresses != before) note_change(now);
        if (chosen_.size() + sought_.size() < options_.places) looks_at_ = earlier(looks_at_, now);
        return true;
    }

    /// @see machine
    template <effect_sink<effect> Sink>
    void handle(event const& e, instant now, Sink& out) {
        std::visit([&](auto const& v) { this->on(v, now, out); }, e);
        fill(now, out);
    }
    /// @see machine
    template <effect_sink<effect> Sink>
    void wake(instant now, Sink& out) {
        if (prunes_at_ && *prunes_at_ <= now) {
            prunes_at_ = saturating_add(now, options_.prune_interval);
            for (auto const& who : up_) book_.seen(who, date(now));
            (void)book_.prune(date(now));
            note_change(now);  // when peers were seen is kept at least so often
        }
        if (saves_at_ && *saves_at_ <= now) {
            saves_at_.reset();
            out.push(save{});
        }
        if (tests_at_ && *tests_at_ <= now) {
            tests_at_ = saturating_add(now, options_.test_interval);
            test_one(now, out);
        }
        if (looks_at_ && *looks_at_ <= now) looks_at_.reset();
        fill(now, out);
    }
    [[nodiscard]] deadline next_deadline() const {
        return earlier(earlier(looks_at_, tests_at_), earlier(prunes_at_, saves_at_));
    }
    [[nodiscard]] statistics stats() const { return {book_.size(), chosen_.size(), sought_.size()}; }

    [[nodiscard]] address_book const& book() const noexcept { return book_; }
    /// Connected at our choice, the longest first.
    [[nodiscard]] std::vector<peer::peer_id> chosen() const {
        std::vector<peer::peer_id> out;
        for (auto const& c : chosen_) out.push_back(c.peer);
        return out;
    }
    /// What a restart is to begin with. O(n).
    [[nodiscard]] kept_book kept() const {
        auto anchors = chosen();
        anchors.resize(std::min(options_.anchors, anchors.size()));
        // Those of the last run count until places are taken: a run that ends early loses none.
        for (auto const& who : anchors_) {
            if (anchors.size() == options_.anchors) break;
            if (std::find(anchors.begin(), anchors.end(), who) == anchors.end()) anchors.push_back(who);
        }
        return {book_, std::move(anchors)};
    }

private:
    struct choice {
        peer::peer_id peer;
        std::string group;  // of where it was found
    };
    static constexpr auto day = std::chrono::hours{24};
    enum class purpose : std::uint8_t {
        place,     ///< In a group that has none.
        anywhere,  ///< In any group: nobody of another one is left.
        test       ///< To be let go.
    };

    template <class Sink>
    void on(link_up const& e, instant now, Sink& out) {
        up_.insert(e.peer);
        auto const found = sought_.find(e.peer);
        if (found == sought_.end()) return book_.seen(e.peer, date(now));  // it came by itself
        auto const what = found->second;
        sought_.erase(found);
        auto const addresses = addresses_of(e.peer);
        auto const at = std::find_if(addresses.begin(), addresses.end(), [&](auto const& a) {
            return a.tcp_port() == e.remote.tcp_port() && (a.host() == e.remote.host() || !starts_with_ip(a));
        });
        // It has called us meanwhile, and from there: nobody has found it where it is said to be.
        if (at == addresses.end() && !e.remote.empty()) return book_.seen(e.peer, date(now));
        auto const where = e.remote.empty() ? addresses.front() : *at;
        auto const group = connection::group_of(e.remote.empty() ? where : e.remote);
        book_.succeeded(e.peer, where, date(now));
        note_change(now);
        resting_.erase(machine_of(where));
        if (what == purpose::test || (what == purpose::place && taken_groups().count(group) != 0))
            return out.push(let_go{e.peer});
        chosen_.push_back({e.peer, group});
    }
    template <class Sink>
    void on(link_down const& e, instant now, Sink&) {
        if (up_.erase(e.peer) != 0) book_.seen(e.peer, date(now));
        if (std::erase_if(chosen_, [&](auto const& c) { return c.peer == e.peer; }) != 0) note_change(now);
    }
    template <class Sink>
    void on(dial_failed const& e, instant now, Sink&) {
        bool const was_dialled = e.why == errc::unreachable || e.why == errc::timed_out;
        if (sought_.erase(e.peer) == 0 || chosen_.empty() || !was_dialled) return;
        book_.failed(e.peer, date(now));
        note_change(now);
    }
    template <class Sink>
    void on(save_failed const&, instant now, Sink&) {
        note_change(now);
    }

    // ---- places -----------------------------------------------------------------------------------------

    template <class Sink>
    void fill(instant now, Sink& out) {
        if (!is_started_ || looks_at_) return;
        while (sought_.size() < options_.parallel && chosen_.size() + sought_.size() < options_.places) {
            if (!draws_.allow(now)) return look_again(now, options_.draw_interval);
            if (auto const anchor = next_anchor(now)) {
                dial_one(*anchor, purpose::place, now, out);
            } else if (auto const other = next_elsewhere(now)) {
                dial_one(*other, purpose::place, now, out);
            } else if (auto const any = next_anywhere(now)) {
                dial_one(*any, purpose::anywhere, now, out);
            } else {
                return look_again(now, options_.look_again);
            }
        }
    }
    void look_again(instant now, duration in) { looks_at_ = saturating_add(now, in); }
    [[nodiscard]] std::optional<peer::peer_id> next_anchor(instant now) {
        while (next_anchor_ < anchors_.size()) {
            auto const& who = anchors_[next_anchor_++];
            auto const* const e = book_.find(who);
            if (e != nullptr && is_free(who, *e, now)) return who;
        }
        return std::nullopt;
    }
    [[nodiscard]] std::optional<peer::peer_id> next_elsewhere(instant now) {
        auto taken = taken_groups();
        for (auto const& [who, what] : sought_) {
            for (auto const& a : addresses_of(who)) taken.insert(connection::group_of(a));
        }
        return book_.draw(random_, date(now), [&](auto const& who, book_entry const& e) {
            return is_free(who, e, now) &&
                   taken.count(connection::group_of(e.reached ? *e.reached : e.addresses.front())) == 0;
        });
    }
    // As in one data centre.
    [[nodiscard]] std::optional<peer::peer_id> next_anywhere(instant now) {
        return book_.draw(random_, date(now), [&](auto const& who, auto const& e) { return is_free(who, e, now); });
    }
    template <class Sink>
    void test_one(instant now, Sink& out) {
        if (chosen_.empty() || sought_.size() >= options_.parallel) return;
        auto who = book_.next_test();
        for (auto left = book_.options().tests_max; who && up_.count(*who) != 0 && left != 0; --left) {
            book_.still_there(*who, date(now));
            who = book_.next_test();
        }
        if (who && !is_free(*who, *book_.find(*who), now)) who.reset();
        if (!who) {
            who = book_.draw(random_, date(now),
                             [&](auto const& p, book_entry const& e) { return !e.is_tried && is_free(p, e, now); });
        }
        if (who && draws_.allow(now)) dial_one(*who, purpose::test, now, out);
    }
    template <class Sink>
    void dial_one(peer::peer_id const& who, purpose what, instant now, Sink& out) {
        std::erase_if(resting_, [&](auto const& r) { return r.second <= now; });
        auto const& e = *book_.find(who);
        bool const is_known = e.failures < 3;
        std::vector<peer::multiaddr> addresses;
        for (auto const& a : addresses_of(who)) {
            if (rests(a, now)) continue;  // also what was taken just now: a machine is dialled at one port
            auto const rest = is_known && a == e.reached ? options_.known_rest : options_.rest;
            resting_[machine_of(a)] = saturating_add(now, rest);
            addresses.push_back(a);
        }
        book_.attempt(who, date(now));
        sought_.emplace(who, what);
        out.push(seek{who, std::move(addresses)});
    }
    // Neither connected nor being dialled, and somewhere that does not rest.
    [[nodiscard]] bool is_free(peer::peer_id const& who, book_entry const& e, instant now) const {
        if (who == self_ || up_.count(who) != 0 || sought_.count(who) != 0) return false;
        if (e.reached && !rests(*e.reached, now)) return true;
        return std::any_of(e.addresses.begin(), e.addresses.end(), [&](auto const& a) { return !rests(a, now); });
    }
    [[nodiscard]] bool rests(peer::multiaddr const& a, instant now) const {
        auto const found = resting_.find(machine_of(a));
        return found != resting_.end() && found->second > now;
    }
    [[nodiscard]] std::set<std::string> taken_groups() const {
        std::set<std::string> out;
        for (auto const& c : chosen_) out.insert(c.group);
        return out;
    }
    // Where it was found first, then what was told.
    [[nodiscard]] std::vector<peer::multiaddr> addresses_of(peer::peer_id const& who) const {
        std::vector<peer::multiaddr> out;
        auto const* const e = book_.find(who);
        if (e == nullptr) return out;
        if (e->reached) out.push_back(*e->reached);
        for (auto const& a : e->addresses) {
            if (a != e->reached) out.push_back(a);
        }
        return out;
    }

    [[nodiscard]] timestamp date(instant now) const {
        auto const since = std::max<duration>(now - calendar_at_, duration{});
        return saturating_add(calendar_, std::chrono::duration_cast<std::chrono::milliseconds>(since));
    }
    void note_change(instant now) {
        if (!saves_at_) saves_at_ = saturating_add(now, options_.save_delay);
    }

    peer::peer_id self_;
    outbound_options options_;
    address_book book_;
    std::vector<peer::peer_id> anchors_;  // of the last run
    std::size_t next_anchor_ = 0;
    splitmix64 random_;
    rate_limiter draws_;
    timestamp calendar_{};
    instant calendar_at_{};
    bool is_started_ = false;
    std::set<peer::peer_id> up_;               // the manager's bound
    std::map<peer::peer_id, purpose> sought_;  // at most `parallel`
    std::vector<choice> chosen_;               // at most `places`
    std::map<std::string, instant> resting_;   // machines, until when; bounded by the rate of draws
    deadline looks_at_, tests_at_, prunes_at_, saves_at_;
};

}  // namespace muster::connection
