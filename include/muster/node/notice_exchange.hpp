// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Makes known what this machine has to say, and hears what others have: binds a board of notices to a network and its
/// gossip.
///
/// Idea: notices are published on one topic. Nothing is passed on before the board has verified it, and who passes on
/// what is forged is charged. Who has just connected is asked for the notices that it knows, in pages, and answers the
/// same; so a newcomer knows at once what was said before it came.

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <muster/connection/events.hpp>
#include <muster/core/effect_queue.hpp>
#include <muster/core/overloaded.hpp>
#include <muster/core/rate_limiter.hpp>
#include <muster/core/timers.hpp>
#include <muster/discovery/agenda.hpp>
#include <muster/discovery/notice_board.hpp>
#include <muster/discovery/notice_pages.hpp>
#include <muster/gossip/event.hpp>
#include <muster/transport/requests.hpp>

namespace muster::node {

/// Bounds of a @ref notice_exchange.
struct notice_exchange_options {
    discovery::agenda_options agenda = {};
    duration lifetime = std::chrono::minutes{30};  ///< Of an own notice. As lotus-sdk has it for signers.
    std::size_t notices_per_second = 1;            ///< On each account of a peer at a steady rate: new ones, not
                                                   ///< versions of what is listed. Each costs 110 us. Ours.
    std::size_t notices_burst = 1000;              ///< At once. Ours.
    duration renewal_interval = std::chrono::seconds{10};  ///< Between versions of a listed notice. Ours.
    std::size_t renewals_burst = 5;                        ///< At once. Ours.
    std::size_t pages_max = 16;                            ///< Of a peer's answer, in one go. Ours.
    std::size_t question_cost = 20;                        ///< Notices that a peer's question counts for. Ours.
    std::size_t counted_peers_max = 4096;                  ///< Whose notices are counted; others are not heard. Ours.
    std::size_t own_max = 16;                              ///< Notices of our own at a time. Ours.
    std::int32_t forgery_points = 20;  ///< What a forged answer costs in peer::reputation, which cuts at 50. As pubsub.
};

/// What a peer's notices and questions are counted on.
enum class peer_account : std::uint8_t {
    said,     ///< What it says of itself: nobody else can use that up.
    relayed,  ///< What others say, and it passes on.
    asked,    ///< What it asks, and answers.
};

/// Under which names notices are exchanged.
struct notice_names {
    std::string_view topic;     ///< Where they are published.
    std::string_view protocol;  ///< By which peers are asked.
};

/// A board of notices at work.
///
/// Everything it is given is borrowed and outlives it. Not thread-safe: it belongs to the thread or strand of the
/// network. Handlers may call any member, but not destroy it. Neither copyable nor movable.
///
/// @tparam Network  a managed_network that models transport::requests.
/// @tparam Pubsub   a node::pubsub over it, whose messages are signed.
/// @tparam Board    a discovery::notice_board, or a discovery::signer_directory.
template <class Network, class Pubsub, class Board, timers Timers, clock Clock>
requires transport::requests<Network>
class notice_exchange {
public:
    using notice = typename Board::notice_type;
    using listing = typename Board::listing_type;
    using event = typename Board::event;
    using key_type = discovery::key_of_listing<listing>;
    static constexpr std::size_t page_size_max = 60u << 10;  ///< Bytes of one answer. Ours.
    /// Takes what becomes of notices.
    using handler = std::function<void(event const&)>;
    /// Brings an own notice up to date before it is said again, but for its number and times.
    using refresher = std::function<void(notice&)>;
    /// Dials so many machines that are known by notices, and not connected.
    using dialler = std::function<void(std::size_t)>;

    /// What it is made of.
    struct parts {
        Network& network;
        Pubsub* gossip;  ///< Null: nothing is published, and notices are known only from peers that are asked.
        Board& board;
        Timers& timers;
        Clock const& time;
        peer::node_key const& host;  ///< Of the network.
        notice_names names;
        handler takes = {};
        refresher refreshes = {};
        dialler dials = {};
    };

    notice_exchange(parts p, notice_exchange_options const& o, std::uint64_t seed)
        : p_{std::move(p)}, options_{o}, agenda_{o.agenda, seed} {
        p_.timers.attach(wake_function::of<&notice_exchange::wake>(*this));
        p_.board.ignore(p_.host.id());
    }
    notice_exchange(notice_exchange const&) = delete;
    notice_exchange& operator=(notice_exchange const&) = delete;
    ~notice_exchange() { close(); }

    /// Begins: subscribes, serves, and looks around.
    /// @return what pubsub::subscribe refuses, or `closed`.
    [[nodiscard]] result<void> start() {
        if (is_closed_) return error{transport::errc::closed, "this exchange was closed"};
        if (p_.gossip != nullptr) {
            MUSTER_TRY(p_.gossip->subscribe(p_.names.topic, {},
                                            [this](gossip::message const& m, gossip::ticket) { return judge(m); }));
        }
        transport::request_options o;
        o.request_size_max = 128;
        p_.network.serve(p_.names.protocol, o, [this](transport::asked const& q) { on_question(q); });
        act([&](auto now, auto& out) { agenda_.start(now, out); });
        return ok();
    }
    /// Says @p n now and from time to time, in place of what was said under its key, until @ref take_back, @ref close
    /// or @p until. Its machine, number and times are filled in. The number is the wall time in milliseconds: one that
    /// is set back over a restart is not heard before the last version has expired.
    /// @return what @ref discovery::seal_notice refuses, `full`, or `closed`; then the last one stands.
    [[nodiscard]] result<void> say(notice n, std::optional<timestamp> until = {}) {
        if (is_closed_) return error{transport::errc::closed, "this exchange was closed"};
        auto const first = fresh(n, until);
        MUSTER_TRY(first.seal(p_.host));
        auto const key = first.key();
        drop_ended();
        if (own_.count(key) == 0 && own_.size() >= options_.own_max) {
            return error{peer::errc::full, text("all ", options_.own_max, " notices of our own are taken")};
        }
        own_.insert_or_assign(key, own_notice{std::move(n), until, {}, {}});
        due_.insert(key);
        act([&](auto now, auto& out) { agenda_.begin_advertising(now, out); });
        return ok();
    }
    /// Says that what is under @p key does not hold any more; harmless when nothing is.
    void take_back(key_type key) {  // a copy: it may be that of what is erased

        auto const at = own_.find(key);
        if (at == own_.end() || is_closed_) return;
        auto bye = numbered(at->second.what.bare(), {});
        bye.expires = bye.issued;
        own_.erase(at);
        due_.erase(key);
        if (auto const made = bye.seal(p_.host); made && p_.gossip != nullptr) {
            (void)p_.gossip->publish(p_.names.topic, made.value());
        }
        if (!own_.empty()) return;
        agenda_.end_advertising();
        rearm();
    }
    /// Says again what is said, with what is new about it: another address, for example.
    void say_again() {
        if (!own_.empty()) act([&](auto now, auto& out) { agenda_.begin_advertising(now, out); });
    }
    /// Whether @p who may bring @p count more notices, or as much work, on its account @p on; counts them.
    [[nodiscard]] bool allows(peer::peer_id const& who, peer_account on, std::size_t count = 1) {
        auto const now = p_.time.now();
        if (allowed_.size() >= options_.counted_peers_max && allowed_.count(who) == 0) {
            forget_idle(now);
            if (allowed_.size() >= options_.counted_peers_max) return false;
        }
        auto const fresh = rate_limiter::per_second(options_.notices_per_second, options_.notices_burst);
        auto& accounts = allowed_.try_emplace(who, peer_accounts{fresh, fresh, fresh}).first->second;
        return accounts[static_cast<std::size_t>(on)].allow(now, count);
    }
    /// Charges @p who for what no honest peer sends.
    void charge(peer::peer_id const& who) {
        if constexpr (requires { p_.network.penalise(who, std::int32_t{1}); }) {
            p_.network.penalise(who, options_.forgery_points);
        }
    }
    /// Whether something of our own is said.
    [[nodiscard]] bool is_saying() const noexcept { return !own_.empty(); }
    /// Why the last own notice could not be published, when it could not; it is tried again.
    [[nodiscard]] std::optional<error> const& last_failure() const noexcept { return failure_; }
    /// Looks around at once: dials known machines, and asks peers.
    void rescan() {
        act([&](auto now, auto& out) { agenda_.rescan(now, out); });
    }
    /// What happens to connections: to be told all that the network's manager tells.
    void take_news(connection::effect const& e) {
        std::visit(
            overloaded{[&](connection::connected const& v) { tell(discovery::agenda::peer_connected{v.peer}); },
                       [&](connection::disconnected const& v) { tell(discovery::agenda::peer_disconnected{v.peer}); },
                       [](auto const&) {}},
            e);
    }
    /// What the router tells: to be told all that pubsub::on_news does.
    void take_news(gossip::effect const& e) {
        auto const* const g = std::get_if<gossip::grafted>(&e);
        auto const* const p = std::get_if<gossip::pruned>(&e);
        if (g != nullptr && g->topic == p_.names.topic && mesh_.insert(g->peer).second && mesh_.size() == 1) {
            tell(discovery::agenda::audience_gained{});
        }
        if (p != nullptr && p->topic == p_.names.topic) mesh_.erase(p->peer);
    }
    /// Takes back what was said, and leaves the network and the timers: no handler is called any more. Repeating it
    /// changes nothing.
    void close() {
        if (is_closed_) return;
        while (!own_.empty()) take_back(own_.begin()->first);
        is_closed_ = true;
        alive_.reset();
        waiting_.clear();
        agenda_.stop();
        p_.timers.disarm();
        p_.timers.attach({});
        p_.network.unserve(p_.names.protocol);
        if (p_.gossip != nullptr) (void)p_.gossip->unsubscribe(p_.names.topic);
    }
    [[nodiscard]] bool is_closed() const noexcept { return is_closed_; }
    /// A deadline may have passed. Timers call it; early, late or twice is harmless.
    void wake() {
        act([&](auto now, auto& out) { agenda_.wake(now, out); });
    }

private:
    using peer_accounts = std::array<rate_limiter, 3>;  ///< By @ref peer_account.
    struct own_notice {
        notice what;
        std::optional<timestamp> until;
        bytes sealed;            ///< As it was published last; empty before.
        timestamp said_until{};  ///< When that version expires.
    };

    // ---- what others say --------------------------------------------------------------------------------

    [[nodiscard]] std::optional<gossip::verdict> judge(gossip::message const& m) {
        if (!is_renewal(m.data) && !allows(m.relayed_by, account_of(m))) return gossip::verdict::unjudged;
        auto const filed = take(m.data, m.relayed_by, discovery::source::gossip);
        if (!filed) return discovery::is_forgery(filed.error()) ? gossip::verdict::reject : gossip::verdict::ignore;
        using enum discovery::filing;
        bool const is_news = filed.value() == discovered || filed.value() == updated || filed.value() == withdrawn;
        return is_news ? gossip::verdict::accept : gossip::verdict::ignore;
    }
    // Who says it of itself is who is connected, or it is a forgery, which costs that one.
    [[nodiscard]] peer_account account_of(gossip::message const& m) const {
        auto const claim = notice::read(m.data, p_.time.wall_now(), p_.board.rules());
        return claim && claim.value().machine == m.relayed_by ? peer_account::said : peer_account::relayed;
    }
    // What a listed machine says anew is not on the account of who passes it on: else whoever floods an honest relay
    // with new keys would silence those behind it. It has an account of its own, which replays do not touch; and a
    // newer one costs whoever forges it.
    [[nodiscard]] bool is_renewal(byte_view sealed) {
        auto const now = p_.time.wall_now();
        auto const claim = notice::read(sealed, now, p_.board.rules());
        if (!claim) return false;
        auto const key = claim.value().key();
        auto const* const listed = p_.board.find(key, now);
        if (listed == nullptr || claim.value().sequence <= listed->sequence) return false;
        if (renewals_.size() >= options_.counted_peers_max) forget_idle(p_.time.now());
        if (renewals_.size() >= options_.counted_peers_max) return false;
        auto const fresh_account = rate_limiter{options_.renewal_interval, options_.renewals_burst};
        return renewals_.try_emplace(key, fresh_account).first->second.allow(p_.time.now());
    }
    void forget_idle(instant now) {
        auto const is_idle = [now](rate_limiter const& a) { return a.is_idle(now); };
        std::erase_if(allowed_, [&](auto const& p) { return std::all_of(p.second.begin(), p.second.end(), is_idle); });
        std::erase_if(renewals_, [now](auto const& a) { return a.second.is_idle(now); });
    }
    [[nodiscard]] result<discovery::filing> take(byte_view sealed, peer::peer_id const& from, discovery::source how) {
        effect_list<event> events;
        auto const filed = p_.board.take(sealed, from, how, p_.time.wall_now(), events);
        tell_handler(events);
        return filed;
    }
    void tell_handler(effect_list<event>& events) {
        for (auto const& e : events.take()) {
            if (is_closed_) return;  // by one that was told of the last one
            if (p_.takes) p_.takes(e);
        }
    }

    // ---- what we say ------------------------------------------------------------------------------------

    [[nodiscard]] notice fresh(notice n, std::optional<timestamp> until) {
        if (p_.refreshes) p_.refreshes(n);
        return numbered(std::move(n), until);
    }
    // Numbers follow the clock also where it is set back: with those from before nobody would hear us until then.
    [[nodiscard]] notice numbered(notice n, std::optional<timestamp> until) {
        auto const now = p_.time.wall_now();
        auto const latest = to_unix_millis(saturating_add(now, p_.board.rules().skew_max));
        auto const floor = static_cast<std::uint64_t>(to_unix_millis(now));
        n.machine = p_.host.id();
        sequence_ = sequence_ + 1 > static_cast<std::uint64_t>(latest) ? floor : std::max(sequence_ + 1, floor);
        n.sequence = sequence_;
        n.issued = now;
        n.expires = now + std::chrono::duration_cast<std::chrono::milliseconds>(options_.lifetime);
        if (until) n.expires = std::min(n.expires, *until);
        return n;
    }
    // Everything; but what is new alone, with what would expire before its turn, which has moved back by that.
    void on(discovery::agenda::advertise const&) {
        failure_.reset();
        drop_ended();
        auto const due = std::exchange(due_, {});
        for (auto& [key, o] : own_) {
            if (due.empty() || due.count(key) != 0 || is_ending(o)) publish(key, o);
        }
        if (failure_) fold(discovery::agenda::publish_failed{});
    }
    [[nodiscard]] bool is_ending(own_notice const& o) const {
        auto const spare = (options_.lifetime - options_.agenda.renew_interval) / 2;
        auto const turn = std::chrono::duration_cast<std::chrono::milliseconds>(options_.agenda.renew_interval + spare);
        return o.said_until != o.until && o.said_until < saturating_add(p_.time.wall_now(), turn);
    }
    void drop_ended() {
        std::erase_if(own_,
                      [now = p_.time.wall_now()](auto const& o) { return o.second.until && *o.second.until <= now; });
    }
    void publish(key_type const& key, own_notice& o) {
        auto const next = fresh(o.what, o.until);
        auto const made = next.seal(p_.host);
        auto const said = !made                  ? result<gossip::message_id>{made.error()}
                          : p_.gossip == nullptr ? result<gossip::message_id>{gossip::message_id{}}
                                                 : p_.gossip->publish(p_.names.topic, made.value());
        if (made) {
            o.sealed = made.value();
            o.said_until = next.expires;
        }
        if (said) return;
        failure_ = said.error();
        due_.insert(key);
    }
    void on(discovery::agenda::ask_peer const& e) { ask(e.peer, {}, options_.pages_max); }
    void on(discovery::agenda::dial_known const& e) {
        if (p_.dials) p_.dials(e.count);
    }
    void on(discovery::agenda::remove_expired const&) {
        effect_list<event> events;
        p_.board.expire(p_.time.wall_now(), events);
        tell_handler(events);
        forget_idle(p_.time.now());
    }

    // ---- asking and answering ---------------------------------------------------------------------------

    void ask(peer::peer_id const& who, bytes const& after, std::size_t pages) {
        if (pages == 0 || is_closed_) return;
        transport::request_options o;
        o.answer_size_max = page_size_max + 4096;
        (void)p_.network.request(who, p_.names.protocol, after, o,
                                 [this, who, after, pages, alive = std::weak_ptr{alive_}](transport::request_id,
                                                                                          result<bytes> const& answer) {
                                     if (!alive.expired() && answer) on_answer(who, after, answer.value(), pages);
                                 });
    }
    // Who answers with what is no answer, or forged, or behind its own order, is charged; the rest is not looked at.
    void on_answer(peer::peer_id const& who, bytes const& after, byte_view answer, std::size_t pages) {
        auto const page = discovery::read_page(answer, notice::size_max);
        if (!page) return charge(who);
        auto last = after;
        for (auto const& sealed : page.value().sealed) {
            if (!allows(who, peer_account::asked)) return;
            auto const claim = notice::read(sealed, p_.time.wall_now(), p_.board.rules());
            if (claim) {
                auto const key = discovery::bytes_of(claim.value().key());
                if (key <= last) return charge(who);
                last = key;
            }
            bool const is_own = claim && claim.value().machine == who;
            auto const filed = take(sealed, who, is_own ? discovery::source::direct : discovery::source::gossip);
            if (is_closed_) return;
            if (!filed && discovery::is_forgery(filed.error())) return charge(who);
        }
        if (last == after) return;
        if (page.value().has_more && !last.empty()) ask(who, last, pages - 1);
    }
    void on_question(transport::asked const& q) {
        auto const after = discovery::key_in<key_type>(q.request);
        if (!allows(q.peer, peer_account::asked, options_.question_cost) || (!q.request.empty() && !after)) {
            return p_.network.refuse(q.id);
        }
        drop_ended();
        discovery::page_writer out{page_size_max};
        auto const* const from = q.request.empty() ? nullptr : &*after;
        auto own = from == nullptr ? own_.begin() : own_.upper_bound(*from);
        p_.board.for_each_after(from, p_.time.wall_now(), [&](listing const& l) {
            for (; own != own_.end() && own->first < l.what.key(); ++own) {
                if (!out.add(own->second.sealed)) return false;
            }
            bool const is_own = own != own_.end() && own->first == l.what.key();  // from before, by a file
            return is_own || out.add(l.sealed);
        });
        for (; own != own_.end() && out.add(own->second.sealed); ++own) {
        }
        if (!p_.network.answer(q.id, out.take())) p_.network.refuse(q.id);
    }
    // ---- the machine ------------------------------------------------------------------------------------

    void tell(discovery::agenda::event const& e) {
        act([&](auto now, auto& out) { agenda_.handle(e, now, out); });
    }
    template <class F>
    void act(F f) {
        if (is_closed_) return;
        effect_list<discovery::agenda::effect> out;
        f(p_.time.now(), out);
        waiting_.perform(
            out, [this](auto const& e) { std::visit([this](auto const& v) { this->on(v); }, e); }, [this] { rearm(); });
    }
    void fold(discovery::agenda::event const& e) {
        effect_list<discovery::agenda::effect> out;
        agenda_.handle(e, p_.time.now(), out);
        waiting_.add(out);
    }
    void rearm() {
        if (is_closed_) return;
        auto const next = waiting_.empty() ? agenda_.next_deadline() : deadline{p_.time.now()};
        next ? p_.timers.arm(*next) : p_.timers.disarm();
    }

    parts p_;
    notice_exchange_options options_;
    discovery::agenda agenda_;
    effect_queue<discovery::agenda::effect> waiting_;
    std::map<key_type, own_notice> own_;
    std::set<key_type> due_;  ///< Of @ref own_, not published yet.
    std::optional<error> failure_;
    std::uint64_t sequence_ = 0;
    std::map<key_type, rate_limiter> renewals_;       ///< Of listed notices that were renewed lately.
    std::map<peer::peer_id, peer_accounts> allowed_;  ///< Of peers that have brought something lately.
    std::set<peer::peer_id> mesh_;                    ///< Of the topic, as far as was told.
    std::shared_ptr<char> alive_ = std::make_shared<char>();
    bool is_closed_ = false;
};

}  // namespace muster::node
