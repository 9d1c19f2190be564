// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// The composition that applications use: a network, a manager of its connections, and a coordinator over both.
///
/// Idea: rooms do not know each other; the node does. The coordinator's wish for a peer is one of the manager's, the
/// participants of a session are connected before it is proposed and are never cut while it is open, and everything
/// waits on one alarm.

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <muster/connection/activity_feed.hpp>
#include <muster/core/alarm.hpp>
#include <muster/node/managed_network.hpp>
#include <muster/node/outbound.hpp>
#include <muster/signing/coordinator.hpp>

namespace muster::node {

/// What was wrong.
MUSTER_ENUMERATION(errc, 1,
                   cannot_reach,  ///< Participants of a session that was to be proposed.
                   not_running    ///< The node was stopped, or not started yet.
);
[[nodiscard]] constexpr std::string_view category_of(errc) noexcept { return "node"; }

/// The policies of a node; derive, and name the network, the timers and the clock. Options of the coordinator are among
/// them, see signing::default_options.
struct defaults : signing::default_options {
    using registry = signing::static_registry;  ///< Finds signers.
    using backend = musig2::portable;           ///< Computes BIP-327.
};

/// How far a node is.
MUSTER_ENUMERATION(state, 0, starting, running, stopped);

/// A peer as a status page shows it.
struct peer_view {
    peer::peer_id peer;
    connection::peer_status status;
    MUSTER_FIELDS(peer_view, peer, status);
};
/// A node as a status page shows it.
struct snapshot {
    peer::peer_id self;
    std::vector<peer::multiaddr> addresses;  ///< Where others reach it; empty where addresses mean nothing.
    node::state state = node::state::starting;
    bool has_settings = false;  ///< The application has said that its settings are loaded.
    std::vector<peer_view> peers;
    std::vector<connection::activity> errors;  ///< The last ones, the oldest first.
    MUSTER_FIELDS(snapshot, self, addresses, state, has_settings, peers, errors);
};

/// A co-signer on a network.
///
/// @tparam Policies  see @ref defaults.
///
/// Network, registry, timers and clock are borrowed and outlive it. Not thread-safe: it belongs to the thread or strand
/// of the network. Neither copyable nor movable.
template <class Policies>
class node {
public:
    using alarm_type = alarm<typename Policies::timers>;
    using network_type =
        managed_network<typename Policies::network, typename alarm_type::line, typename Policies::clock>;
    using coordinator_type = signing::coordinator<network_type, typename Policies::registry, typename alarm_type::line,
                                                  typename Policies::clock, typename Policies::backend, Policies>;
    using outbound_type = outbound_connections<network_type, typename alarm_type::line, typename Policies::clock>;
    /// Takes what came of a proposal.
    using proposal_handler = std::function<void(result<signing::session_id> const&)>;

    /// What a node is made of. The keys are its own from then on.
    struct parts {
        typename Policies::network& network;
        typename Policies::registry const& registry;
        typename Policies::timers& timers;
        typename Policies::clock const& time;
        peer::key_set keys;
        signing::boot_epoch epoch;  ///< Fresh random bytes, see signing::coordinator::make_epoch.
        signing::limits bounds = {};
        connection::options connections = {};
        typename Policies::backend backend = {};
        typename Policies::entropy entropy = {};
        typename Policies::journal journal = {};
        std::uint64_t seed = system_seed();  ///< For waits between attempts, and draws from the book.
        /// Peers to choose connections from, see connection::load_book. None: nobody is dialled but on somebody's wish.
        std::optional<connection::kept_book> book = {};
        connection::outbound_options outbound = {};
        std::function<result<void>(connection::kept_book const&)> keep_book = {};  ///< Called when it has changed.
    };

    /// @param handler  told what happens to sessions.
    node(parts p, typename coordinator_type::event_handler handler)
        : bare_{p.network},
          registry_{p.registry},
          time_{p.time},
          alarm_{p.timers},
          handler_{std::move(handler)},
          network_{p.network, network_line_, p.time, p.connections, p.seed},
          signer_{{network_, p.registry, signer_line_, p.time, std::move(p.keys), p.epoch, p.bounds,
                   std::move(p.backend), std::move(p.entropy), std::move(p.journal)},
                  [this](signing::event const& e) { on_signing(e); }} {
        if (p.book) {
            outbound_.emplace(network_, outbound_line_, time_, *std::move(p.book), std::move(p.keep_book), p.outbound,
                              p.seed + 1);
        }
        network_.on_news([this](connection::effect const& e) { on_connection(e); });
    }
    node(node const&) = delete;
    node& operator=(node const&) = delete;
    ~node() { stop(); }

    /// Takes up what the journal has kept; from now on sessions can be proposed. To be called once, before the network
    /// listens, so that whoever connects finds the sessions that go on.
    /// @return what was found, or what signing::coordinator::restore refuses.
    [[nodiscard]] result<typename coordinator_type::restored> start() {
        MUSTER_TRY(auto const found, signer_.restore());
        state_ = state::running;
        if (outbound_) outbound_->start();
        return found;
    }
    /// Ends sessions and requests; no handler is called any more. The network is left open, for its owner to close.
    void stop() {
        if (std::exchange(state_, state::stopped) == state::stopped) return;
        signer_.close();
        if (outbound_) outbound_->stop();
        network_.close();
        alarm_.stop();
    }

    // ---- signing ----------------------------------------------------------------------------------------

    /// Connects to all signers of @p request, and proposes it when all are there; @p handler is told once what came of
    /// it, also before this returns. When somebody cannot be reached there is no session, and the error names everyone
    /// concerned with the reason; a signer whose machine is not known is one of them.
    void propose(signing::signing_request request, proposal_handler handler) {
        if (state_ != state::running) return handler(error{errc::not_running, "the node is not running; start it"});
        std::vector<peer::peer_id> whom;
        std::string unknown;
        for (auto const& key : request.signers) {
            if (key == signer_.signer_key()) continue;
            auto const found = registry_.find(key);
            if (!found) {
                unknown += text(unknown.empty() ? "" : "; ", to_hex(key), ": its machine is not known");
                continue;
            }
            network_.learn_more(found->who.peer, found->addresses);
            whom.push_back(found->who.peer);
        }
        if (!unknown.empty()) return handler(error{errc::cannot_reach, text("cannot reach participants: ", unknown)});
        ensure_participants_connected(
            whom, [this, what = std::move(request), to = std::move(handler)](result<void> const& all) mutable {
                if (!all) return to(all.error());
                to(signer_.propose(std::move(what)));
            });
    }
    /// Connects to all of @p whom, those excepted that are connected, and the own id; @p handler is told once, also
    /// before this returns: `cannot_reach` names each that could not be reached, and why.
    void ensure_participants_connected(std::span<peer::peer_id const> whom, std::function<void(result<void>)> handler) {
        auto const begun = network_.connect_to_many(
            whom, [to = handler](std::vector<connection::outcome> const& all) { to(verdict_on(all)); });
        if (!begun) handler(begun.error());
    }

    // ---- parts and state --------------------------------------------------------------------------------

    [[nodiscard]] network_type& network() noexcept { return network_; }
    [[nodiscard]] network_type const& network() const noexcept { return network_; }
    /// Connections of our own choosing; null without a book.
    [[nodiscard]] outbound_type* outbound() noexcept { return outbound_ ? &*outbound_ : nullptr; }
    [[nodiscard]] coordinator_type& signer() noexcept { return signer_; }
    [[nodiscard]] coordinator_type const& signer() const noexcept { return signer_; }
    /// The last things that happened to connections.
    [[nodiscard]] connection::activity_feed const& activity() const noexcept { return feed_; }
    /// Sets who is told what happens to connections, after the feed has it.
    void on_news(typename network_type::news_handler handler) { news_ = std::move(handler); }
    /// For the snapshot: the application has loaded its settings.
    void note_settings(bool are_loaded = true) noexcept { has_settings_ = are_loaded; }
    /// The node as it is now. O(peers).
    [[nodiscard]] muster::node::snapshot snapshot() const {
        muster::node::snapshot out;
        out.self = network_.local();
        if constexpr (requires { bare_.addresses(); }) out.addresses = bare_.addresses();
        out.state = state_;
        out.has_settings = has_settings_;
        auto const& all = network_.connections();
        for (auto const& who : all.known_peers()) out.peers.push_back({who, all.status_of(who)});
        for (auto const& a : feed_.items()) {
            if (a.what == connection::activity_kind::error) out.errors.push_back(a);
        }
        return out;
    }

private:
    [[nodiscard]] static result<void> verdict_on(std::vector<connection::outcome> const& all) {
        std::string missing;
        for (auto const& o : all) {
            if (!o.why) continue;
            missing += text(missing.empty() ? "" : "; ", o.peer.to_text(), ": ", o.why->message());
        }
        if (missing.empty()) return ok();
        return error{errc::cannot_reach, text("cannot reach participants: ", missing)};
    }

    void on_connection(connection::effect const& e) {
        feed_.note(e, time_.wall_now());
        if (outbound_) outbound_->note(e);
        if (auto const handler = news_) handler(e);
    }
    // Connections to participants of an open session are not ended to make room.
    void on_signing(signing::event const& e) {
        std::visit(
            [this](auto const& v) {
                if constexpr (requires { v.session; }) guard(v.session);
            },
            e);
        handler_(e);
    }
    void guard(signing::session_id const& id) {
        auto const* const s = signer_.find(id);
        bool const is_open = s != nullptr && s->is_open();
        auto const found = guarded_.find(id);
        if (is_open == (found != guarded_.end())) return;
        auto const reason = to_hex(id);
        if (!is_open) {
            for (auto const& who : found->second) network_.unprotect(who, reason);
            guarded_.erase(found);
            return;
        }
        auto& peers = guarded_[id];
        for (auto const& m : s->plan().roster) {
            if (m.peer == network_.local()) continue;
            network_.protect(m.peer, reason);
            peers.push_back(m.peer);
        }
    }

    typename Policies::network& bare_;
    typename Policies::registry const& registry_;
    typename Policies::clock const& time_;
    alarm_type alarm_;
    typename alarm_type::line network_line_{alarm_};
    typename alarm_type::line signer_line_{alarm_};
    typename alarm_type::line outbound_line_{alarm_};
    typename coordinator_type::event_handler handler_;
    typename network_type::news_handler news_;
    connection::activity_feed feed_;
    network_type network_;
    std::optional<outbound_type> outbound_;
    coordinator_type signer_;
    std::map<signing::session_id, std::vector<peer::peer_id>> guarded_;  ///< Open sessions; the coordinator's bound.
    state state_ = state::starting;
    bool has_settings_ = false;
};

}  // namespace muster::node
