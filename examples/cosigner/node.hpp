// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// A running co-signer: the coordinator over libp2p, with a person or a rule to approve, and a control socket.

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/streambuf.hpp>

#include <muster/musig2/native.hpp>
#include <muster/net/asio_timers.hpp>
#include <muster/net/libp2p_transport.hpp>
#include <muster/signing/coordinator.hpp>
#include <muster/signing/file_journal.hpp>

#include "control.hpp"
#include "home.hpp"

namespace cosigner {

namespace signing = muster::signing;

/// What `run` was asked to be.
struct run_options {
    std::string approve = "ask";              ///< ask, all, none, or digest:HEX.
    bool json = false;                        ///< Events as JSON lines instead of text.
    bool hold_broadcast = false;              ///< Wait for `cosigner broadcast` when elected.
    bool false_share = false;                 ///< A drill: send a false partial signature and be found out.
    std::chrono::seconds round_timeout{300};  ///< People take their time.
    std::chrono::seconds broadcast_timeout{30};
};

/// BIP-327 as it is, or, in a drill, with a false share at the end.
struct drill_backend : muster::musig2::installed_backend {
    using installed_backend = muster::musig2::installed_backend;
    bool false_share = false;

    [[nodiscard]] result<muster::musig2::psig> sign(secnonce&& nonce, muster::musig2::key_pair const& key,
                                                    session_values_type const& values) const {
        MUSTER_TRY(auto share, installed_backend::sign(std::move(nonce), key, values));
        if (false_share) share.octets[31] ^= 1;
        return share;
    }
};

/// A journal in the file system.
struct coordinator_options : signing::default_options {
    using journal = signing::file_journal<>;
};
/// What this application puts together of the library.
using coordinator =
    signing::coordinator<muster::net::libp2p_transport, signing::static_registry, muster::net::asio_timers,
                         muster::net::system_clock, drill_backend, coordinator_options>;

/// One co-signer process.
class node {
public:
    node(boost::asio::io_context& io, home place, muster::peer::key_set keys, run_options options);
    ~node();

    /// Listens, opens the control socket and begins to dial. Prints where it can be reached.
    [[nodiscard]] result<void> start();

private:
    using client_ptr = std::shared_ptr<control_client>;

    /// How one configured peer is dialled.
    struct dialling {
        std::string name;
        muster::peer::multiaddr address;
        std::chrono::seconds delay{1};
        std::chrono::steady_clock::time_point next{};
    };

    // What the coordinator says.
    void on_event(signing::event const& e);
    void on_identified(signing::peer_identified const& e);
    void on_approval_requested(signing::approval_requested const& e);
    void on_should_broadcast(signing::session_id const& id);
    void report(signing::event const& e);
    [[nodiscard]] std::string describe(signing::event const& e) const;
    [[nodiscard]] std::string name_of(muster::peer::peer_id const& who) const;
    [[nodiscard]] std::string name_of(signing::session_id const& id, signing::slot s) const;
    [[nodiscard]] value annotated(signing::event const& e) const;

    // What the user asks.
    void on_request(client_ptr const& client, value const& request);
    void propose(client_ptr const& client, value const& request);
    void list_sessions(client_ptr const& client) const;
    void status(client_ptr const& client) const;
    void command(client_ptr const& client, value const& request);
    [[nodiscard]] result<signing::signing_request> parse_request(value const& request) const;
    [[nodiscard]] result<signing::public_key> signer_named(std::string const& who) const;
    [[nodiscard]] result<signing::session_id> session_named(std::string const& prefix) const;
    [[nodiscard]] result<void> broadcast(signing::session_id const& id);

    // The terminal.
    void prompt();
    void read_terminal();
    void on_answer(std::string const& line);

    void dial_peers();
    void print(value const& as_json, std::string const& as_text) const;

    boost::asio::io_context& io_;
    home home_;
    run_options options_;
    muster::peer::node_key host_;
    muster::net::libp2p_transport network_;
    muster::net::asio_timers timers_;
    muster::net::system_clock clock_;
    signing::static_registry registry_;
    std::unique_ptr<coordinator> signer_;
    control_server control_;
    std::vector<dialling> peers_;
    boost::asio::steady_timer dial_timer_;
    std::multimap<signing::session_id, client_ptr> watchers_;
    std::deque<signing::session_id> questions_;
    boost::asio::posix::stream_descriptor terminal_;
    boost::asio::streambuf typed_{4096};
    boost::asio::signal_set signals_;
};

}  // namespace cosigner

// Compiled once, in coordinator.cpp, instead of in each file that includes this one.
extern template class muster::signing::coordinator<muster::net::libp2p_transport, muster::signing::static_registry,
                                                   muster::net::asio_timers, muster::net::system_clock,
                                                   cosigner::drill_backend, cosigner::coordinator_options>;
