// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Signers find each other: a @ref notice_exchange of what signers say of themselves, who is told of it, and whom of
/// them to dial.
///
/// How it is put together: load the directory, create this, hand it what the network and the gossip tell, start.
///
///     network.on_news([&](connection::effect const& e) { found.take_news(e); });  // else no peer is asked
///     gossip.on_news([&](gossip::effect const& e) { found.take_news(e); });  // else who was heard by nobody is not
///     heard (void)found.start(); (void)found.advertise({.nickname = "carol"});  // now and then, until `withdraw` or
///     `close`

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <muster/connection/reach.hpp>
#include <muster/core/random.hpp>
#include <muster/core/system_seed.hpp>
#include <muster/discovery/signer_directory.hpp>
#include <muster/node/notice_exchange.hpp>
#include <muster/node/own_addresses.hpp>

namespace muster::node {

/// Bounds of a @ref signer_discovery.
struct signer_discovery_options : notice_exchange_options {
    duration dial_rest =
        std::chrono::minutes{10};      ///< Of an address that strangers have told of, and was dialled. Ours.
    std::size_t rests_max = 1024;      ///< Remembered; while it is full nobody is dialled. Ours.
    std::size_t subscribers_max = 64;  ///< Ours.
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

/// A directory of signers at work. Lifetimes and threads as of @ref notice_exchange.
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
    using exchange_type = notice_exchange<Network, Pubsub, Directory, Timers, Clock>;
    static constexpr std::size_t page_size_max = exchange_type::page_size_max;
    using subscription = std::uint64_t;  ///< Names a subscriber. Never reused.
    /// Takes what happens to signers.
    using handler = std::function<void(discovery::directory_event const&)>;
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

    explicit signer_discovery(parts p)
        : p_{std::move(p)}, draw_{p_.seed + 1}, exchange_{parts_of_exchange(), p_.options, p_.seed} {}
    signer_discovery(signer_discovery const&) = delete;
    signer_discovery& operator=(signer_discovery const&) = delete;

    /// Begins: subscribes, serves, and dials some of the signers that are known from before.
    /// @return what pubsub::subscribe refuses, or `closed`.
    [[nodiscard]] result<void> start() { return exchange_.start(); }
    /// Says what this signer offers, now and from time to time, until @ref withdraw. See notice_exchange::say.
    /// @return what discovery::seal_notice refuses in such an offer, or `closed`; then the last one stands.
    [[nodiscard]] result<void> advertise(signer_offer what) {
        discovery::signer_advertisement a{p_.signer, p_.host.id(), p_.binding};
        std::sort(what.capabilities.begin(), what.capabilities.end());
        std::sort(what.types.begin(), what.types.end());
        a.capabilities = std::move(what.capabilities);
        a.types = std::move(what.types);
        a.amount_from = what.amount_from;
        a.amount_to = what.amount_to;
        a.fee = what.fee;
        a.nickname = std::move(what.nickname);
        return exchange_.say(std::move(a));
    }
    /// Why the last advertisement could not be published, when it could not; it is tried again.
    [[nodiscard]] std::optional<error> const& last_failure() const noexcept { return exchange_.last_failure(); }
    /// Says that this signer is not to be found any more.
    void withdraw() { exchange_.take_back(p_.signer); }
    /// Whether this signer advertises.
    [[nodiscard]] bool is_advertising() const noexcept { return exchange_.is_saying(); }
    /// Looks around at once: dials known signers, and asks peers.
    void rescan() { exchange_.rescan(); }
    /// What happens to connections: to be told all that the network's manager tells.
    void take_news(connection::effect const& e) { exchange_.take_news(e); }
    /// What the router tells: to be told all that pubsub::on_news does.
    void take_news(gossip::effect const& e) { exchange_.take_news(e); }

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
    /// Dials @p who once, at what strangers have told: only addresses that may be dialled on their word, each machine
    /// once in a while, whoever is said to be there. Where a person has said that a peer is counts before what is
    /// heard. @return whether anything is dialled.
    bool dial(peer::peer_id const& who, std::vector<peer::multiaddr> addresses) {
        auto where = connection::dialable(std::move(addresses), p_.options.takes_private);
        std::erase_if(where, [&](auto const& a) { return rests_.count(connection::machine_of(a)) != 0; });
        if (where.empty() || rests_.size() + where.size() > p_.options.rests_max) return false;
        for (auto const& a : where) {
            rests_[connection::machine_of(a)] = saturating_add(p_.time.now(), p_.options.dial_rest);
        }
        p_.network.hear_of(who, where);
        return static_cast<bool>(p_.network.connect_to_many({&who, 1}, {}, 1));
    }
    /// Withdraws, and leaves the network and the timers: no handler is called any more. Repeating it changes nothing.
    void close() {
        exchange_.close();
        subscribers_.clear();
    }
    /// A deadline may have passed. Timers call it; early, late or twice is harmless.
    void wake() { exchange_.wake(); }

private:
    [[nodiscard]] typename exchange_type::parts parts_of_exchange() {
        return {p_.network,
                p_.gossip,
                p_.directory,
                p_.timers,
                p_.time,
                p_.host,
                {topic, protocol},
                [this](discovery::directory_event const& e) { on_event(e); },
                [this](discovery::signer_advertisement& a) {
                    a.addresses = addresses_to_say(p_.addresses, discovery::signer_advertisement::addresses_max);
                },
                [this](std::size_t count) { dial_known(count); }};
    }
    void on_event(discovery::directory_event const& e) {
        auto const& l = std::visit(
            [](auto const& v) -> auto const& { return v.listing; }, e);
        bool const is_there = std::holds_alternative<discovery::signer_discovered>(e) ||
                              std::holds_alternative<discovery::signer_updated>(e);
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
    // ---- whom to dial -----------------------------------------------------------------------------------

    void dial_known(std::size_t count) {
        std::erase_if(rests_, [now = p_.time.now()](auto const& r) { return r.second <= now; });
        std::vector<std::pair<peer::peer_id, std::vector<peer::multiaddr>>> far;
        p_.directory.for_each({}, p_.time.wall_now(), [&](discovery::signer_listing const& l) {
            if (!p_.network.is_connected(l.what.machine)) far.emplace_back(l.what.machine, l.what.addresses);
        });
        std::size_t dialled = 0;
        for (std::size_t i = 0; i < far.size() && dialled < count; ++i) {
            std::swap(far[i], far[i + uniform(draw_, far.size() - i)]);
            if (dial(far[i].first, std::move(far[i].second))) ++dialled;
        }
    }

    parts p_;
    splitmix64 draw_;
    std::map<std::string, instant> rests_;  ///< Machines, and until when they are not dialled.
    std::map<subscription, std::pair<discovery::criteria, handler>> subscribers_;
    subscription last_subscription_ = 0;
    address_handler hears_addresses_;
    exchange_type exchange_;  ///< Last: what it calls is there as long as it is.
};

}  // namespace muster::node
