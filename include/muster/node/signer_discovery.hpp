// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Signers find each other: binds a directory of signers to a network and its gossip.
///
/// Idea: what signers say of themselves is published on one topic. Nothing is passed on before the directory has
/// verified it, and who passes on what is forged is charged. Who has just connected is asked for the signers that it
/// knows, in pages, and answers the same; so a newcomer knows at once what was said before it came.
///
/// `/muster/signers/1.0.0`: the question is the key behind which to begin (33 bytes), or nothing; the answer is whether
/// there is more (1 byte), a count, and sealed advertisements behind their sizes, in the order of their keys.

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <muster/connection/events.hpp>
#include <muster/core/effect_queue.hpp>
#include <muster/core/overloaded.hpp>
#include <muster/core/rate_limiter.hpp>
#include <muster/core/system_seed.hpp>
#include <muster/core/timers.hpp>
#include <muster/discovery/agenda.hpp>
#include <muster/discovery/signer_directory.hpp>
#include <muster/gossip/event.hpp>
#include <muster/transport/requests.hpp>
#include <muster/wire/reader.hpp>
#include <muster/wire/writer.hpp>

namespace muster::node {

/// Bounds of a @ref signer_discovery.
struct signer_discovery_options {
    discovery::agenda_options agenda = {};
    duration lifetime = std::chrono::minutes{30};  ///< Of an own advertisement. Document 000.
    std::size_t advertisements_per_second = 20;    ///< From one peer at a steady rate; each costs 110 us. Ours.
    std::size_t advertisements_burst = 400;        ///< At once. Ours.
    std::size_t pages_max = 16;                    ///< Of a peer's answer, in one go. Ours.
    std::size_t page_size_max = 60u << 10;         ///< Bytes. Ours.
    std::size_t subscribers_max = 64;              ///< Ours.
};

/// What a signer offers, for its advertisement; the rest is the node's to say.
struct signer_offer {
    std::vector<std::string> capabilities = {};
    std::vector<discovery::transaction_type> types = {};
    std::uint64_t amount_from = 0;
    std::uint64_t amount_to = ~std::uint64_t{0};
    std::uint64_t fee = 0;
    std::string nickname = {};
};

/// A directory of signers at work.
///
/// Everything it is given is borrowed and outlives it. Not thread-safe: it belongs to the thread or strand of the
/// network. Handlers may call any member, but not destroy it. Neither copyable nor movable.
///
/// @tparam Network    a managed_network that models transport::requests.
/// @tparam Pubsub     a node::pubsub over it, whose messages are signed.
/// @tparam Directory  a discovery::signer_directory.
template <class Network, class Pubsub, class Directory, timers Timers, clock Clock>
requires transport::requests<Network>
class signer_discovery {
public:
    static constexpr std::string_view topic = "/muster/discovery/1";
    static constexpr std::string_view protocol = "/muster/signers/1.0.0";
    using subscription = std::uint64_t;
    using handler = std::function<void(discovery::directory_event const&)>;
    /// Where others reach us, each time that we say so.
    using own_addresses = std::function<std::vector<peer::multiaddr>()>;
    /// What was found out of peers that can be dialled: for an address book.
    using address_handler = std::function<void(peer::peer_id const& who, std::vector<peer::multiaddr> const& addresses,
                                               peer::peer_id const& told_by)>;

    /// What it is made of.
    struct parts {
        Network& network;
        Pubsub* gossip;  ///< Null: nothing is published, and signers are known only from peers that are asked.
        Directory& directory;
        Timers& timers;
        Clock const& time;
        peer::node_key const& host;    ///< Of the network.
        crypto::public_key signer;     ///< The own one.
        peer::binding binding;         ///< Its word that the host speaks for it.
        own_addresses addresses = {};  ///< None: an advertisement without addresses.
        signer_discovery_options options = {};
        std::uint64_t seed = system_seed();
    };

    explicit signer_discovery(parts p) : p_{std::move(p)}, agenda_{p_.options.agenda, p_.seed} {
        p_.timers.attach(wake_function::of<&signer_discovery::wake>(*this));
    }
    signer_discovery(signer_discovery const&) = delete;
    signer_discovery& operator=(signer_discovery const&) = delete;
    ~signer_discovery() { close(); }

    /// Begins: subscribes, serves, and dials some of the signers that are known from before.
    /// @return what pubsub::subscribe refuses.
    [[nodiscard]] result<void> start() {
        if (p_.gossip != nullptr) {
            MUSTER_TRY(
                p_.gossip->subscribe(topic, {}, [this](gossip::message const& m, gossip::ticket) { return judge(m); }));
        }
        transport::request_options o;
        o.request_size_max = 64;
        p_.network.serve(protocol, o, [this](transport::asked const& q) { on_question(q); });
        act([&](auto now, auto& out) { agenda_.start(now, out); });
        return ok();
    }
    /// Says what this signer offers, now and from time to time, until @ref withdraw.
    void advertise(signer_offer what) {
        offer_ = std::move(what);
        act([&](auto now, auto& out) { agenda_.begin_advertising(now, out); });
    }
    /// Says that this signer is not to be found any more.
    void withdraw() {
        act([&](auto, auto& out) { agenda_.end_advertising(out); });
    }
    /// Whether this signer advertises.
    [[nodiscard]] bool is_advertising() const noexcept { return offer_.has_value(); }
    /// Looks around at once: dials known signers, and asks peers.
    void rescan() {
        act([&](auto now, auto& out) { agenda_.rescan(now, out); });
    }
    /// What happens to connections: to be told all that the network's manager tells.
    void note(connection::effect const& e) {
        std::visit(overloaded{[&](connection::connected const& v) { tell(discovery::agenda::peer_came{v.peer}); },
                              [&](connection::disconnected const& v) {
                                  allowed_.erase(v.peer);
                                  tell(discovery::agenda::peer_left{v.peer});
                              },
                              [](auto const&) {}},
                   e);
    }
    /// What the router tells: to be told all that pubsub::on_news does.
    void note(gossip::effect const& e) {
        auto const* const g = std::get_if<gossip::grafted>(&e);
        auto const* const p = std::get_if<gossip::pruned>(&e);
        if (g != nullptr && g->topic == topic && mesh_.insert(g->peer).second && mesh_.size() == 1) {
            tell(discovery::agenda::audience_came{});
        }
        if (p != nullptr && p->topic == topic) mesh_.erase(p->peer);
    }

    /// Tells @p takes of each event of a signer that @p c admits, once. @return its name, or `full` when there are too
    /// many subscribers.
    [[nodiscard]] result<subscription> subscribe(discovery::criteria c, handler takes) {
        if (subscribers_.size() >= p_.options.subscribers_max) {
            return error{peer::errc::full, text("all ", p_.options.subscribers_max, " subscribers are taken")};
        }
        auto const id = ++last_subscription_;
        subscribers_.emplace(id, std::pair{std::move(c), std::move(takes)});
        return id;
    }
    /// Ends it; harmless when repeated.
    void unsubscribe(subscription s) { subscribers_.erase(s); }
    /// Sets who hears of addresses; an empty handler removes it.
    void on_addresses(address_handler h) { hears_addresses_ = std::move(h); }

    /// Withdraws, and leaves the network and the timers: no handler is called any more. Repeating it changes nothing.
    void close() {
        if (is_closed_) return;
        withdraw();
        is_closed_ = true;
        alive_.reset();
        agenda_.stop();
        p_.timers.disarm();
        p_.timers.attach({});
        p_.network.unserve(protocol);
        if (p_.gossip != nullptr) (void)p_.gossip->unsubscribe(topic);
        subscribers_.clear();
    }
    /// A deadline may have passed. Timers call it; early, late or twice is harmless.
    void wake() {
        act([&](auto now, auto& out) { agenda_.wake(now, out); });
    }

private:
    // ---- advertisements ---------------------------------------------------------------------------------

    [[nodiscard]] std::optional<gossip::verdict> judge(gossip::message const& m) {
        if (!may_bring(m.relayed_by)) return gossip::verdict::ignore;
        auto const filed = take(m.data, m.relayed_by, discovery::source::gossip);
        if (!filed) return discovery::is_forgery(filed.error()) ? gossip::verdict::reject : gossip::verdict::ignore;
        using enum discovery::filing;
        bool const is_news = filed.value() == discovered || filed.value() == updated || filed.value() == withdrawn;
        return is_news || filed.value() == no_room ? gossip::verdict::accept : gossip::verdict::ignore;
    }
    [[nodiscard]] bool may_bring(peer::peer_id const& who) {
        auto const fresh =
            rate_limiter::per_second(p_.options.advertisements_per_second, p_.options.advertisements_burst);
        return allowed_.try_emplace(who, fresh).first->second.allow(p_.time.now());
    }
    [[nodiscard]] result<discovery::filing> take(byte_view sealed, peer::peer_id const& from, discovery::source how) {
        effect_list<discovery::directory_event> events;
        auto const filed = p_.directory.take(sealed, from, how, p_.time.wall_now(), events);
        tell(events);
        return filed;
    }
    void tell(effect_list<discovery::directory_event>& events) {
        for (auto const& e : events.take()) {
            auto const& l = std::visit(
                [](auto const& v) -> auto const& { return v.listing; }, e);
            bool const is_there = !std::holds_alternative<discovery::signer_withdrawn>(e) &&
                                  !std::holds_alternative<discovery::signer_expired>(e);
            if (is_there && hears_addresses_) hears_addresses_(l.what.machine, l.what.addresses, l.delivered_by);
            std::vector<subscription> to;
            for (auto const& [id, s] : subscribers_) {
                if (s.first.admits(l)) to.push_back(id);
            }
            for (auto const id : to) {
                auto const found = subscribers_.find(id);  // one before it may have ended this one
                if (found == subscribers_.end()) continue;
                auto const takes = found->second.second;
                takes(e);
            }
        }
    }
    void publish(discovery::signer_advertisement a) {
        auto made = a.seal(p_.host);
        bool const is_made = static_cast<bool>(made);
        if (is_made) own_ = a.is_withdrawal() ? bytes{} : made.value();
        if (!is_made || (p_.gossip != nullptr && !p_.gossip->publish(topic, made.value()))) {
            return fold(discovery::agenda::publish_failed{});
        }
    }
    [[nodiscard]] discovery::signer_advertisement fresh() {
        discovery::signer_advertisement a{p_.signer, p_.host.id(), p_.binding};
        auto const now = p_.time.wall_now();
        a.sequence = sequence_ = std::max(sequence_ + 1, static_cast<std::uint64_t>(to_unix_millis(now)));
        a.issued = now;
        a.expires = now + std::chrono::duration_cast<std::chrono::milliseconds>(p_.options.lifetime);
        return a;
    }

    // ---- what the agenda wants --------------------------------------------------------------------------

    void on(discovery::agenda::advertise const&) {
        if (!offer_) return;
        auto a = fresh();
        if (p_.addresses) a.addresses = p_.addresses();
        std::sort(a.addresses.begin(), a.addresses.end());
        a.addresses.erase(std::unique(a.addresses.begin(), a.addresses.end()), a.addresses.end());
        a.addresses.resize(std::min(a.addresses.size(), discovery::signer_advertisement::addresses_max));
        a.capabilities = offer_->capabilities;
        a.types = offer_->types;
        a.amount_from = offer_->amount_from;
        a.amount_to = offer_->amount_to;
        a.fee = offer_->fee;
        a.nickname = offer_->nickname;
        publish(std::move(a));
    }
    void on(discovery::agenda::withdraw const&) {
        offer_.reset();
        auto a = fresh();
        a.expires = a.issued;
        publish(std::move(a));
    }
    void on(discovery::agenda::ask_peer const& e) { ask(e.peer, {}, p_.options.pages_max); }
    void on(discovery::agenda::dial_known const& e) {
        std::vector<discovery::signer_listing> far;
        p_.directory.for_each({}, p_.time.wall_now(), [&](discovery::signer_listing const& l) {
            if (!l.what.addresses.empty() && !p_.network.is_connected(l.what.machine)) far.push_back(l);
        });
        for (std::size_t i = 0; i < std::min(e.count, far.size()); ++i) {
            std::swap(far[i], far[i + uniform(draw_, far.size() - i)]);
            (void)p_.network.connect(far[i].what.machine, far[i].what.addresses);
        }
    }
    void on(discovery::agenda::remove_expired const&) {
        effect_list<discovery::directory_event> events;
        p_.directory.expire(p_.time.wall_now(), events);
        tell(events);
        std::erase_if(allowed_, [now = p_.time.now()](auto const& a) { return a.second.is_idle(now); });
    }

    // ---- asking and answering ---------------------------------------------------------------------------

    void ask(peer::peer_id const& who, bytes after, std::size_t pages) {
        if (pages == 0 || is_closed_) return;
        transport::request_options o;
        o.answer_size_max = p_.options.page_size_max + 4096;
        (void)p_.network.request(
            who, protocol, std::move(after), o,
            [this, who, pages, alive = std::weak_ptr{alive_}](transport::request_id, result<bytes> const& answer) {
                if (!alive.expired() && answer) on_answer(who, answer.value(), pages);
            });
    }
    // Who answers what is not asked, or forged, is charged; the rest of its answer is not looked at.
    void on_answer(peer::peer_id const& who, byte_view answer, std::size_t pages) {
        wire::reader in{answer};
        bool const has_more = in.u8() != 0;
        std::vector<byte_view> all;
        for (auto n = in.count(answer.size(), 2); n > 0 && in.ok(); --n) {
            all.push_back(in.sized(discovery::signer_advertisement::size_max));
        }
        if (!in.finish()) return charge(who);
        bytes last;
        for (auto const& sealed : all) {
            auto const filed = take(sealed, who, discovery::source::direct);
            if (is_closed_) return;
            if (!filed && discovery::is_forgery(filed.error())) return charge(who);
            auto const claim = discovery::signer_advertisement::read(sealed, p_.time.wall_now());
            if (claim) last = to_bytes(claim.value().signer.view());
        }
        if (has_more && !last.empty()) ask(who, std::move(last), pages - 1);
    }
    void charge(peer::peer_id const& who) {
        if constexpr (requires { p_.network.penalise(who, std::int32_t{1}); }) p_.network.penalise(who, 20);
    }
    void on_question(transport::asked const& q) {
        bool const is_key = q.request.size() == crypto::public_key::size();
        if (!may_bring(q.peer) || (!q.request.empty() && !is_key)) return p_.network.refuse(q.id);
        std::map<std::string, bytes> all;
        p_.directory.for_each({}, p_.time.wall_now(), [&](discovery::signer_listing const& l) {
            all.emplace(discovery::signer_listing::key_of(l.what.signer), l.sealed);
        });
        if (!own_.empty()) all.emplace(discovery::signer_listing::key_of(p_.signer), own_);
        auto at = all.upper_bound(std::string{q.request.begin(), q.request.end()});
        wire::writer list;
        std::size_t count = 0, size = 0;
        for (; at != all.end() && size + at->second.size() + 8 <= p_.options.page_size_max; ++at) {
            list.sized(at->second);
            size += at->second.size() + 8;
            ++count;
        }
        wire::writer out;
        out.u8(at != all.end() ? 1 : 0).size(count).raw(list.take());
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
    discovery::agenda agenda_;
    splitmix64 draw_{p_.seed + 1};
    effect_queue<discovery::agenda::effect> waiting_;
    std::optional<signer_offer> offer_;
    bytes own_;  ///< As it was published last; empty when there is none.
    std::uint64_t sequence_ = 0;
    std::map<peer::peer_id, rate_limiter> allowed_;  ///< Of peers that have brought something lately.
    std::map<subscription, std::pair<discovery::criteria, handler>> subscribers_;
    subscription last_subscription_ = 0;
    address_handler hears_addresses_;
    std::set<peer::peer_id> mesh_;  ///< Of the topic, as far as was told.
    std::shared_ptr<char> alive_ = std::make_shared<char>();
    bool is_closed_ = false;
};

}  // namespace muster::node
