// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What a node does while it is online: gossip, signers, requests for signatures, presences, and the addresses that it
/// begins with.
///
/// Idea: being online is a value that exists or does not. Its settings say what of it is done; @ref online::start
/// begins in the order dial, subscribe, advertise, and the destructor takes back what was said. Peers that a person has
/// configured are no business of it: they stay connected, online or not.

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <muster/core/alarm.hpp>
#include <muster/core/system_seed.hpp>
#include <muster/discovery/presence_advertisement.hpp>
#include <muster/discovery/settings.hpp>
#include <muster/gossip/node_key_signer.hpp>
#include <muster/node/own_addresses.hpp>
#include <muster/node/pubsub.hpp>
#include <muster/node/signer_discovery.hpp>
#include <muster/node/signing_requests.hpp>

namespace muster::node {

/// Messages on topics are signed by the machine that says them.
struct signed_gossip : gossip::defaults {
    using signing = gossip::strict_sign<gossip::node_key_signer>;
    using message_ids = gossip::id_of_author;
};

/// Presences that are known here.
using presence_board = discovery::notice_board<discovery::notice_listing<discovery::presence_advertisement>>;

/// Who is told what happens while a node is online. Each may be empty.
struct online_handlers {
    std::function<void(discovery::directory_event const&)> signer = {};
    std::function<void(request_event const&)> request = {};
    std::function<void(request_answered const&)> answered = {};
    std::function<void(presence_board::event const&)> presence = {};
    /// Addresses that a signer advertises, and who has told of them.
    std::function<void(peer::peer_id const&, std::vector<peer::multiaddr> const&, peer::peer_id const&)> addresses = {};
};

/// A node that is online, while this exists. Lifetimes and threads as of @ref notice_exchange.
///
/// @tparam Network    a managed_network that models transport::requests.
/// @tparam Directory  a discovery::signer_directory.
/// @tparam Timers     of the alarm whose lines this takes.
template <class Network, class Directory, timers Timers, clock Clock, class GossipPolicies = signed_gossip>
class online {
public:
    using alarm_type = muster::alarm<Timers>;
    using line = typename alarm_type::line;
    using pubsub_type = pubsub<Network, line, Clock, GossipPolicies>;
    using finder_type = signer_discovery<Network, pubsub_type, Directory, line, Clock>;
    using asker_type = signing_requests<Network, pubsub_type, line, Clock>;
    using presence_exchange = notice_exchange<Network, pubsub_type, presence_board, line, Clock>;
    static constexpr notice_names presence_names{"/muster/presence/1", "/muster/presence/1.0.0"};

    /// What it is made of.
    struct parts {
        Network& network;
        Directory& directory;
        request_board& requests;
        presence_board& presences;
        alarm_type& alarm;
        Clock const& time;
        peer::node_key const& host;  ///< Of the network.
        crypto::public_key signer;   ///< The own one.
        peer::binding binding;       ///< Its word that the host speaks for it.
        discovery::settings settings;
        own_addresses addresses = {};  ///< Where others reach the host.
        /// Whether a person has configured that peer, which is dialled anyway.
        std::function<bool(peer::peer_id const&)> is_configured = {};
        online_handlers handlers = {};
        bool takes_private = false;  ///< As signer_discovery_options::takes_private.
        std::uint64_t seed = system_seed();
    };

    explicit online(parts p)
        : p_{std::move(p)},
          finder_{{p_.network, open_gossip(), p_.directory, finder_line_, p_.time, p_.host, p_.signer, p_.binding,
                   p_.addresses, finder_options(), p_.seed + 1}},
          asker_{{p_.network, gossip(), p_.requests, asker_line_, p_.time, p_.host, p_.signer, p_.binding, p_.addresses,
                  p_.handlers.request, p_.handlers.answered, asker_options(), p_.seed + 2}},
          presence_{{p_.network, gossip(), p_.presences, presence_line_, p_.time, p_.host, presence_names,
                     p_.handlers.presence, [this](discovery::presence_advertisement& a) { refresh(a); }},
                    presence_options(),
                    p_.seed + 3} {
        for (auto const& address : p_.settings.bootstrap_peers) {
            if (auto const who = address.peer(); who && *who != p_.network.local()) bootstrap_[*who].push_back(address);
        }
    }
    online(online const&) = delete;
    online& operator=(online const&) = delete;
    /// Takes back what was said, and lets go whom only the bootstrap addresses have told of.
    ~online() {
        presence_.close();
        asker_.close();
        finder_.close();
        for (auto const& [who, addresses] : bootstrap_) {
            p_.network.unprotect(who, bootstrap_tag);
            if (!is_configured(who)) p_.network.release(who);
        }
    }

    /// Begins. @return why nothing can be subscribed to.
    [[nodiscard]] result<void> start() {
        keep_bootstrap();
        finder_.on_addresses(p_.handlers.addresses);
        if (p_.handlers.signer) {
            MUSTER_TRY(finder_.subscribe({}, p_.handlers.signer));
        }
        MUSTER_TRY(finder_.start());
        MUSTER_TRY(asker_.start());
        MUSTER_TRY(presence_.start());
        for (auto const& who : p_.network.connections().connected_peers()) {
            if (gossip_) gossip_->adopt(who, p_.network.connections().remote_of(who));
            take_news(muster::connection::connected{who, {}, {}});
        }
        return advertise();
    }
    /// Dials the bootstrap peers whenever they are not connected, but for configured ones: to be repeated when it
    /// changes who is configured.
    void keep_bootstrap() {
        for (auto const& [who, addresses] : bootstrap_) {
            if (is_configured(who)) continue;
            p_.network.learn(who, addresses);
            p_.network.protect(who, bootstrap_tag);
            (void)p_.network.keep(who);
        }
    }
    /// Says anew what the settings want said: the signer's offer, and who this is. To be repeated when the addresses
    /// change. Without gossip nothing is said. @return what notice_exchange::say refuses.
    [[nodiscard]] result<void> advertise() {
        if (!gossip_) return ok();
        asker_.ask_again();
        auto const& shown = p_.settings.presence;
        if (shown.nickname || shown.avatar || shown.wallet_address) {  // what is not set is not published
            discovery::presence_advertisement a;
            a.nickname = shown.nickname.value_or(std::string{});
            a.avatar = shown.avatar.value_or(std::string{});
            a.wallet_address = shown.wallet_address.value_or(std::string{});
            MUSTER_TRY(presence_.say(std::move(a)));
        } else {
            presence_.take_back(discovery::presence_advertisement{p_.host.id()}.key());
        }
        if (!p_.settings.advertise_as_signer) {
            finder_.withdraw();
            return ok();
        }
        auto const& o = p_.settings.offer;
        return finder_.advertise(
            {o.capabilities, o.types, o.amount_from, o.amount_to, o.fee, shown.nickname.value_or(std::string{})});
    }
    /// Takes up what else is wanted; whether there is gossip and where it begins stays as it is. @return as @ref
    /// advertise.
    [[nodiscard]] result<void> change(discovery::settings const& s) {
        p_.settings.advertise_as_signer = s.advertise_as_signer;
        p_.settings.offer = s.offer;
        p_.settings.presence = s.presence;
        return advertise();
    }
    /// Whether this is what @ref change can make of it.
    [[nodiscard]] bool can_become(discovery::settings const& s) const {
        return s.enable_gossip == p_.settings.enable_gossip && s.bootstrap_peers == p_.settings.bootstrap_peers;
    }
    /// Whether others have been told something that has to be taken back.
    [[nodiscard]] bool is_saying() const noexcept {
        return finder_.is_advertising() || asker_.is_asking() || presence_.is_saying();
    }
    /// Looks around at once.
    void rescan() {
        finder_.rescan();
        asker_.rescan();
        presence_.rescan();
    }
    /// What happens to connections: to be told all that the network's manager tells.
    void take_news(muster::connection::effect const& e) {
        finder_.take_news(e);
        asker_.take_news(e);
        presence_.take_news(e);
    }

    [[nodiscard]] finder_type& signers() noexcept { return finder_; }
    [[nodiscard]] finder_type const& signers() const noexcept { return finder_; }
    [[nodiscard]] asker_type& requests() noexcept { return asker_; }
    /// The peers that it begins with, and where they are.
    [[nodiscard]] std::map<peer::peer_id, std::vector<peer::multiaddr>> const& bootstrap() const noexcept {
        return bootstrap_;
    }
    /// Null where the settings have it off.
    [[nodiscard]] pubsub_type* gossip() noexcept { return gossip_ ? &*gossip_ : nullptr; }

private:
    static constexpr std::string_view bootstrap_tag = "bootstrap";

    [[nodiscard]] pubsub_type* open_gossip() {
        if (!p_.settings.enable_gossip) return nullptr;
        gossip_.emplace(p_.network, gossip_line_, p_.time, gossip::options{}, p_.seed,
                        typename GossipPolicies::signing{gossip::node_key_signer{p_.host}});
        gossip_->on_news([this](muster::gossip::effect const& e) {
            finder_.take_news(e);
            asker_.take_news(e);
            presence_.take_news(e);
        });
        // What a router is told of peers is the word of strangers.
        gossip_->on_wanted([this](peer::peer_id const& who, std::vector<peer::multiaddr> const& addresses) {
            (void)finder_.dial(who, addresses);
        });
        return &*gossip_;
    }
    [[nodiscard]] signer_discovery_options finder_options() const {
        signer_discovery_options o;
        o.takes_private = p_.takes_private;
        return o;
    }
    [[nodiscard]] signing_requests_options asker_options() const {
        signing_requests_options o;
        o.takes_private = p_.takes_private;
        return o;
    }
    [[nodiscard]] static notice_exchange_options presence_options() {
        notice_exchange_options o;
        o.lifetime = std::chrono::hours{1};  // as lotus-sdk has it
        o.agenda.renew_interval = std::chrono::minutes{40};
        return o;
    }
    void refresh(discovery::presence_advertisement& a) const {
        a.addresses = addresses_to_say(p_.addresses, discovery::presence_advertisement::addresses_max,
                                       [](auto const& x) { return x.kind() == peer::address_kind::direct; });
    }
    [[nodiscard]] bool is_configured(peer::peer_id const& who) const {
        return p_.is_configured && p_.is_configured(who);
    }

    parts p_;
    line gossip_line_{p_.alarm}, finder_line_{p_.alarm}, asker_line_{p_.alarm}, presence_line_{p_.alarm};
    std::optional<pubsub_type> gossip_;
    finder_type finder_;
    asker_type asker_;
    presence_exchange presence_;
    std::map<peer::peer_id, std::vector<peer::multiaddr>> bootstrap_;
};

}  // namespace muster::node
