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
///
/// How it is put together: load the directory, create this, hand it what the network and the gossip tell, start.
///
///     network.on_news([&](connection::effect const& e) { found.note(e); });  // else no peer is asked
///     gossip.on_news([&](gossip::effect const& e) { found.note(e); });  // else who was heard by nobody is not heard
///     (void)found.start();
///     (void)found.advertise({.nickname = "carol"});  // now and then, until `withdraw` or `close`

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
#include <muster/connection/reach.hpp>
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
#include <muster/wire/varint.hpp>
#include <muster/wire/writer.hpp>

namespace muster::node {

/// Bounds of a @ref signer_discovery.
struct signer_discovery_options {
    discovery::agenda_options agenda = {};
    duration lifetime = std::chrono::minutes{30};          ///< Of an own advertisement. As lotus-sdk has it.
    std::size_t advertisements_per_second = 20;            ///< From one peer at a steady rate; each costs 110 us. Ours.
    std::size_t advertisements_burst = 1000;               ///< At once, by gossip and in answers together. Ours.
    duration renewal_interval = std::chrono::seconds{10};  ///< Between advertisements of a listed signer. Ours.
    std::size_t renewals_burst = 5;                        ///< At once. Ours.
    duration dial_rest =
        std::chrono::minutes{10};          ///< Of an address that strangers have told of, and was dialled. Ours.
    std::size_t rests_max = 1024;          ///< Remembered; while it is full nobody is dialled. Ours.
    std::size_t pages_max = 16;            ///< Of a peer's answer, in one go. Ours.
    std::size_t question_cost = 20;        ///< Advertisements that a peer's question counts for. Ours.
    std::size_t counted_peers_max = 4096;  ///< Whose advertisements are counted; others are not heard. Ours.
    std::size_t subscribers_max = 64;      ///< Ours.
    std::int32_t forgery_points = 20;  ///< What a forged answer costs in peer::reputation, which cuts at 50. As pubsub.
    /// Addresses within private networks are dialled though strangers have told of them: for a group within one.
    bool takes_private = false;
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
    static constexpr std::string_view topic = "/muster/discovery/1";       ///< Where advertisements are published.
    static constexpr std::string_view protocol = "/muster/signers/1.0.0";  ///< By which peers are asked.
    static constexpr std::size_t page_size_max = 60u << 10;                ///< Bytes of one answer. Ours.
    using subscription = std::uint64_t;                                    ///< Names a subscriber. Never reused.
    /// Takes what happens to signers.
    using handler = std::function<void(discovery::directory_event const&)>;
    /// Where others reach us, each time that we say so.
    using own_addresses = std::function<std::vector<peer::multiaddr>()>;
    /// Takes the addresses that signers advertise, and who has brought them: for an address book.
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
    /// @return what pubsub::subscribe refuses, or `closed`.
    [[nodiscard]] result<void> start() {
        if (is_closed_) return error{transport::errc::closed, "this directory was closed"};
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
    /// Says what this signer offers, now and from time to time, until @ref withdraw. Its number is the wall time in
    /// milliseconds: one that is set back over a restart is not heard before the last advertisement has expired.
    /// @return what signer_advertisement::seal refuses in such an offer, or `closed`; then the last one stands.
    [[nodiscard]] result<void> advertise(signer_offer what) {
        if (is_closed_) return error{transport::errc::closed, "this directory was closed"};
        std::sort(what.capabilities.begin(), what.capabilities.end());
        std::sort(what.types.begin(), what.types.end());
        MUSTER_TRY(offering(what).seal(p_.host));
        offer_ = std::move(what);
        act([&](auto now, auto& out) { agenda_.begin_advertising(now, out); });
        return ok();
    }
    /// Why the last advertisement could not be published, when it could not; it is tried again.
    [[nodiscard]] std::optional<error> const& last_failure() const noexcept { return failure_; }
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
        std::visit(
            overloaded{[&](connection::connected const& v) { tell(discovery::agenda::peer_connected{v.peer}); },
                       [&](connection::disconnected const& v) { tell(discovery::agenda::peer_disconnected{v.peer}); },
                       [](auto const&) {}},
            e);
    }
    /// What the router tells: to be told all that pubsub::on_news does.
    void note(gossip::effect const& e) {
        auto const* const g = std::get_if<gossip::grafted>(&e);
        auto const* const p = std::get_if<gossip::pruned>(&e);
        if (g != nullptr && g->topic == topic && mesh_.insert(g->peer).second && mesh_.size() == 1) {
            tell(discovery::agenda::audience_gained{});
        }
        if (p != nullptr && p->topic == topic) mesh_.erase(p->peer);
    }

    /// Tells @p takes of each event of a signer that @p c matches, once. @return its name, or `full` when there are too
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
        if (!is_renewal(m.data) && !may_bring(m.relayed_by)) return gossip::verdict::ignore;
        auto const filed = take(m.data, m.relayed_by, discovery::source::gossip);
        if (!filed) return discovery::is_forgery(filed.error()) ? gossip::verdict::reject : gossip::verdict::ignore;
        using enum discovery::filing;
        bool const is_news = filed.value() == discovered || filed.value() == updated || filed.value() == withdrawn;
        return is_news ? gossip::verdict::accept : gossip::verdict::ignore;
    }
    // What a listed signer says anew is not on the account of who passes it on: else whoever floods an honest relay
    // with new keys would silence those behind it. It has an account of its own, which replays do not touch; and a
    // newer one costs whoever forges it.
    [[nodiscard]] bool is_renewal(byte_view sealed) {
        auto const claim = discovery::signer_advertisement::read(sealed, p_.time.wall_now(), p_.directory.rules());
        auto const* const listed = claim ? p_.directory.find(claim.value().signer, p_.time.wall_now()) : nullptr;
        if (listed == nullptr || claim.value().sequence <= listed->sequence) return false;
        if (renewals_.size() >= p_.options.counted_peers_max) forget_idle(p_.time.now());
        if (renewals_.size() >= p_.options.counted_peers_max) return false;
        auto const fresh = rate_limiter{p_.options.renewal_interval, p_.options.renewals_burst};
        return renewals_.try_emplace(claim.value().signer, fresh).first->second.allow(p_.time.now());
    }
    [[nodiscard]] bool may_bring(peer::peer_id const& who, std::size_t count = 1) {
        auto const now = p_.time.now();
        if (allowed_.size() >= p_.options.counted_peers_max && allowed_.count(who) == 0) {
            forget_idle(now);
            if (allowed_.size() >= p_.options.counted_peers_max) return false;
        }
        auto const fresh =
            rate_limiter::per_second(p_.options.advertisements_per_second, p_.options.advertisements_burst);
        return allowed_.try_emplace(who, fresh).first->second.allow(now, count);
    }
    void forget_idle(instant now) {
        std::erase_if(allowed_, [now](auto const& a) { return a.second.is_idle(now); });
        std::erase_if(renewals_, [now](auto const& a) { return a.second.is_idle(now); });
    }
    [[nodiscard]] result<discovery::filing> take(byte_view sealed, peer::peer_id const& from, discovery::source how) {
        effect_list<discovery::directory_event> events;
        auto const filed = p_.directory.take(sealed, from, how, p_.time.wall_now(), events);
        tell_subscribers(events);
        return filed;
    }
    void tell_subscribers(effect_list<discovery::directory_event>& events) {
        for (auto const& e : events.take()) {
            auto const& l = std::visit(
                [](auto const& v) -> auto const& { return v.listing; }, e);
            bool const is_there = std::holds_alternative<discovery::signer_discovered>(e) ||
                                  std::holds_alternative<discovery::signer_updated>(e);
            if (is_closed_) return;  // by one that was told of the last one
            if (auto const hears = hears_addresses_; is_there && hears) {
                hears(l.what.machine, l.what.addresses, l.delivered_by);
            }
            std::vector<subscription> to;
            for (auto const& [id, s] : subscribers_) {
                if (s.first.matches(l)) to.push_back(id);
            }
            for (auto const id : to) {
                auto const found = subscribers_.find(id);  // one before it may have ended this one
                if (found == subscribers_.end()) continue;
                auto const takes = found->second.second;
                takes(e);
            }
        }
    }
    void publish(discovery::signer_advertisement const& a) {
        failure_.reset();
        auto const made = a.seal(p_.host);
        if (!made) {
            failure_ = made.error();
        } else {
            own_ = a.is_withdrawal() ? bytes{} : made.value();
            auto const said = p_.gossip != nullptr ? p_.gossip->publish(topic, made.value()) : gossip::message_id{};
            if (!said) failure_ = said.error();
        }
        if (failure_) fold(discovery::agenda::publish_failed{});
    }
    [[nodiscard]] discovery::signer_advertisement fresh() {
        discovery::signer_advertisement a{p_.signer, p_.host.id(), p_.binding};
        auto const now = p_.time.wall_now();
        a.sequence = sequence_ = std::max(sequence_ + 1, static_cast<std::uint64_t>(to_unix_millis(now)));
        a.issued = now;
        a.expires = now + std::chrono::duration_cast<std::chrono::milliseconds>(p_.options.lifetime);
        return a;
    }

    [[nodiscard]] discovery::signer_advertisement offering(signer_offer const& what) {
        auto a = fresh();
        if (p_.addresses) a.addresses = p_.addresses();
        std::sort(a.addresses.begin(), a.addresses.end());
        a.addresses.erase(std::unique(a.addresses.begin(), a.addresses.end()), a.addresses.end());
        a.addresses.resize(std::min(a.addresses.size(), discovery::signer_advertisement::addresses_max));
        a.capabilities = what.capabilities;
        a.types = what.types;
        a.amount_from = what.amount_from;
        a.amount_to = what.amount_to;
        a.fee = what.fee;
        a.nickname = what.nickname;
        return a;
    }

    // ---- what the agenda wants --------------------------------------------------------------------------

    void on(discovery::agenda::advertise const&) {
        if (offer_) publish(offering(*offer_));
    }
    void on(discovery::agenda::withdraw const&) {
        offer_.reset();
        auto a = fresh();
        a.expires = a.issued;
        publish(std::move(a));
    }
    void on(discovery::agenda::ask_peer const& e) { ask(e.peer, {}, p_.options.pages_max); }
    void on(discovery::agenda::dial_known const& e) {
        std::erase_if(rests_, [now = p_.time.now()](auto const& r) { return r.second <= now; });
        std::vector<std::pair<peer::peer_id, std::vector<peer::multiaddr>>> far;
        p_.directory.for_each({}, p_.time.wall_now(), [&](discovery::signer_listing const& l) {
            if (!p_.network.is_connected(l.what.machine)) far.emplace_back(l.what.machine, l.what.addresses);
        });
        std::size_t dialled = 0;
        for (std::size_t i = 0; i < far.size() && dialled < e.count; ++i) {
            std::swap(far[i], far[i + uniform(draw_, far.size() - i)]);
            if (dial(far[i].first, std::move(far[i].second))) ++dialled;
        }
    }
    // Each machine is dialled once in a while, whoever is said to be there. Where a person has said that a peer is
    // counts before what is heard.
    [[nodiscard]] bool dial(peer::peer_id const& who, std::vector<peer::multiaddr> addresses) {
        auto where = dialable(std::move(addresses));
        std::erase_if(where, [&](auto const& a) { return rests_.count(connection::machine_of(a)) != 0; });
        if (where.empty() || rests_.size() + where.size() > p_.options.rests_max) return false;
        for (auto const& a : where) {
            rests_[connection::machine_of(a)] = saturating_add(p_.time.now(), p_.options.dial_rest);
        }
        p_.network.hear_of(who, where);
        return static_cast<bool>(p_.network.connect_to_many({&who, 1}, {}, 1));
    }
    // Who dials a name, or an address of his own network, because a stranger has written it dials whatever he wants.
    [[nodiscard]] std::vector<peer::multiaddr> dialable(std::vector<peer::multiaddr> addresses) const {
        std::erase_if(addresses, [&](auto const& a) {
            return p_.options.takes_private ? !connection::starts_with_ip(a) : !connection::is_global(a);
        });
        return addresses;
    }
    void on(discovery::agenda::remove_expired const&) {
        effect_list<discovery::directory_event> events;
        p_.directory.expire(p_.time.wall_now(), events);
        tell_subscribers(events);
        forget_idle(p_.time.now());
    }

    // ---- asking and answering ---------------------------------------------------------------------------

    void ask(peer::peer_id const& who, bytes const& after, std::size_t pages) {
        if (pages == 0 || is_closed_) return;
        transport::request_options o;
        o.answer_size_max = page_size_max + 4096;
        (void)p_.network.request(who, protocol, after, o,
                                 [this, who, after, pages, alive = std::weak_ptr{alive_}](transport::request_id,
                                                                                          result<bytes> const& answer) {
                                     if (!alive.expired() && answer) on_answer(who, after, answer.value(), pages);
                                 });
    }
    // Who answers with what is no answer, or forged, or behind its own order, is charged; the rest is not looked at.
    void on_answer(peer::peer_id const& who, bytes const& after, byte_view answer, std::size_t pages) {
        wire::reader in{answer};
        bool const has_more = in.u8() != 0;
        std::vector<byte_view> all;
        for (auto n = in.count(answer.size(), 2); n > 0 && in.ok(); --n) {
            all.push_back(in.sized(discovery::signer_advertisement::size_max));
        }
        if (!in.finish()) return charge(who);
        auto last = after;
        for (auto const& sealed : all) {
            if (!may_bring(who)) return;
            auto const claim = discovery::signer_advertisement::read(sealed, p_.time.wall_now(), p_.directory.rules());
            if (claim) {
                auto const key = to_bytes(claim.value().signer.view());
                if (key <= last) return charge(who);
                last = key;
            }
            bool const is_own = claim && claim.value().machine == who;
            auto const filed = take(sealed, who, is_own ? discovery::source::direct : discovery::source::gossip);
            if (is_closed_) return;
            if (!filed && discovery::is_forgery(filed.error())) return charge(who);
        }
        if (last == after) return;
        if (has_more && !last.empty()) ask(who, last, pages - 1);
    }
    void charge(peer::peer_id const& who) {
        if constexpr (requires { p_.network.penalise(who, std::int32_t{1}); }) {
            p_.network.penalise(who, p_.options.forgery_points);
        }
    }
    void on_question(transport::asked const& q) {
        bool const is_key = q.request.size() == crypto::public_key::size();
        if (!may_bring(q.peer, p_.options.question_cost) || (!q.request.empty() && !is_key)) {
            return p_.network.refuse(q.id);
        }
        std::string const after{q.request.begin(), q.request.end()};
        auto const own_key = discovery::signer_listing::key_of(p_.signer);
        bool owes_own = !own_.empty() && own_key > after;
        page out;
        p_.directory.for_each_after(after, p_.time.wall_now(), [&](discovery::signer_listing const& l) {
            if (owes_own && own_key < discovery::signer_listing::key_of(l.what.signer)) {
                if (!out.add(own_)) return false;
                owes_own = false;
            }
            return out.add(l.sealed);
        });
        if (owes_own && !out.is_full) (void)out.add(own_);
        wire::writer w;
        w.u8(out.is_full ? 1 : 0).size(out.count).raw(out.list.take());
        if (!p_.network.answer(q.id, w.take())) p_.network.refuse(q.id);
    }
    /// Advertisements of one answer.
    struct page {
        wire::writer list;
        std::size_t count = 0;
        std::size_t size = 0;
        bool is_full = false;  ///< There was one that did not fit.

        bool add(byte_view sealed) {
            is_full = size + sealed.size() + wire::varint_size_max > page_size_max;
            if (is_full) return false;
            list.sized(sealed);
            size += sealed.size() + wire::varint_size_max;
            ++count;
            return true;
        }
    };

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
    std::optional<error> failure_;
    bytes own_;  ///< As it was published last; empty when there is none.
    std::uint64_t sequence_ = 0;
    std::map<crypto::public_key, rate_limiter> renewals_;  ///< Of listed signers that have said something lately.
    std::map<std::string, instant> rests_;                 ///< Machines, and until when they are not dialled.
    std::map<peer::peer_id, rate_limiter> allowed_;        ///< Of peers that have brought something lately.
    std::map<subscription, std::pair<discovery::criteria, handler>> subscribers_;
    subscription last_subscription_ = 0;
    address_handler hears_addresses_;
    std::set<peer::peer_id> mesh_;  ///< Of the topic, as far as was told.
    std::shared_ptr<char> alive_ = std::make_shared<char>();
    bool is_closed_ = false;
};

}  // namespace muster::node
