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
#include <set>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>

#include "composition.hpp"
#include "control.hpp"
#include "guardians.hpp"
#include "home.hpp"
#include "metrics.hpp"
#include "notes.hpp"
#include "output.hpp"
#include "peers.hpp"
#include "prompt.hpp"
#include "screen.hpp"
#include "terminal.hpp"

namespace cosigner {

namespace signing = muster::signing;

/// What `run` was asked to be.
struct run_options {
    approval_rule approve;
    log_level level = log_level::info;
    bool hold_broadcast = false;              ///< Wait for `cosigner broadcast` when elected.
    bool short_delay = false;                 ///< A drill: as a guardian, give shares out after seconds.
    bool false_share = false;                 ///< A drill: send a false partial signature and be found out.
    std::chrono::seconds round_timeout{300};  ///< People take their time.
    std::chrono::seconds broadcast_timeout{30};
    std::optional<std::string> metrics;                   ///< The loopback address at which they are shown.
    std::vector<muster::peer::multiaddr> bootstrap = {};  ///< Besides those of the settings.
    bool auto_connect = false;                            ///< Whatever the settings say.
    bool advertise = false;                               ///< The same.
};

/// How long a connection is left open for what was said last. Ours.
inline constexpr std::chrono::milliseconds parting_time{200};

/// What an event says to a person.
struct description {
    log_level level;
    lines text;
};

/// One co-signer process.
class node {
public:
    /// @param out  borrowed.
    /// @param host  the host key once more: the coordinator owns @p keys, and the transport borrows one.
    node(boost::asio::io_context& io, home place, muster::peer::node_key host, muster::peer::key_set keys,
         guardian_keys guarded, run_options options, printer& out);
    ~node();

    /// Listens, opens the control socket and begins to dial. Tells where it can be reached.
    [[nodiscard]] result<void> start();

private:
    [[nodiscard]] coordinator& signer() noexcept { return core_.signer(); }
    [[nodiscard]] coordinator const& signer() const noexcept { return core_.signer(); }

    using client_ptr = std::shared_ptr<control_client>;

    // What the coordinator says: node.cpp.
    void on_event(signing::event const& e);
    void on_identified(signing::peer_identified const& e);
    void on_approval_requested(signing::approval_requested const& e);
    void on_should_broadcast(signing::session_id const& id);
    void on_connection(muster::connection::effect const& e);
    [[nodiscard]] muster::peer::multiaddr const* bootstrap_address(muster::peer::peer_id const& who) const;
    void tell_unreachable(muster::peer::peer_id const& who, std::string const& why);
    void report(signing::event const& e);
    void tell_watchers(signing::event const& e, value const& line);
    void tell_settings_damage();
    void tell_journal(coordinator::restored const& found);
    void note_response(signing::nonces_received const& e);
    void note_arrival(signing::session_id const& id);
    void start_guardians();
    void start_metrics();
    void show_metrics();
    void on_introduced(muster::node::introduced const& e);
    void admit(signing::peer_identified const& e, std::vector<muster::peer::multiaddr> addresses);

    // What it means to people: describe.cpp.
    [[nodiscard]] description describe(signing::event const& e) const;
    template <class End>
    [[nodiscard]] std::string reason_of(End const& e) const;
    [[nodiscard]] value annotated(signing::event const& e, description const& d) const;
    [[nodiscard]] std::string name_of(muster::peer::peer_id const& who) const;
    [[nodiscard]] std::string name_of(signing::member const& who) const;
    [[nodiscard]] std::string name_of(signing::session_id const& id, signing::slot s) const;
    [[nodiscard]] std::vector<std::string> waiting_for(signing::session_id const& id) const;
    [[nodiscard]] std::string waiting_text(signing::session_id const& id) const;
    [[nodiscard]] session_view view_of(coordinator::session_type const& s, signing::session_id const& id) const;
    [[nodiscard]] lines summary(signing::session_id const& id) const;
    [[nodiscard]] value json_of(coordinator::session_type const& s, signing::session_id const& id) const;

    // What the user asks: answers.cpp.
    void on_request(client_ptr const& client, request const& what);
    void propose(client_ptr const& client, propose_request what);
    void list_sessions(client_ptr const& client) const;
    void show(client_ptr const& client, signing::session_id const& id) const;
    void status(client_ptr const& client) const;
    void change_peers(client_ptr const& client, peer_request const& what);
    void change_wallets(client_ptr const& client, wallet_request const& what);
    void command(client_ptr const& client, session_request const& what);
    [[nodiscard]] result<void> carry_out(session_request const& what, signing::session_id const& id);
    [[nodiscard]] result<signing::public_key> signer_named(std::string const& who) const;
    [[nodiscard]] result<signing::session_id> session_named(std::string const& prefix) const;
    [[nodiscard]] std::vector<signing::session_id> sessions_in_order() const;
    [[nodiscard]] result<void> broadcast(signing::session_id const& id);

    // Connections, as the user asks for them and watches them: connections.cpp.
    void list_peers(client_ptr const& client) const;
    void connect(client_ptr const& client, connection_request const& what);
    void disconnect(client_ptr const& client, connection_request const& what);
    void watch(client_ptr const& client, watch_request const& what);
    void tell_feed();
    [[nodiscard]] static value feed_line(muster::connection::activity const& a);
    [[nodiscard]] result<muster::peer::peer_id> peer_named(std::string const& written);
    void learn_from_directory(muster::peer::peer_id const& who);
    [[nodiscard]] value view_of(muster::peer::peer_id const& who) const;

    // Finding signers, and being found: discovery.cpp.
    void load_directory();
    void tell_saving(std::string const& why);
    void go_online();
    void go_offline();
    void open_address_book();
    [[nodiscard]] muster::discovery::settings wanted_online();
    [[nodiscard]] std::vector<muster::peer::multiaddr> advertised_addresses() const;
    void learn_addresses(muster::peer::peer_id const& who, std::vector<muster::peer::multiaddr> const& addresses,
                         muster::peer::peer_id const& told_by);
    void on_directory(muster::discovery::directory_event const& e);
    void list_signers(client_ptr const& client, signers_request const& what);
    void tell_stats(client_ptr const& client) const;
    void clear_signers(client_ptr const& client);
    void follow_signer(client_ptr const& client, follow_request const& what);
    void change_initiators(client_ptr const& client, initiator_request const& what);
    void change_setting(client_ptr const& client, setting_request const& what);
    void take_up_settings();
    void switch_discovery(client_ptr const& client, bool is_on);
    [[nodiscard]] value view_of(muster::discovery::signer_listing const& l) const;
    [[nodiscard]] std::string initiator_named(muster::crypto::public_key const& key) const;
    void refresh_admitted();
    void note_reputations();
    void leave_strangers_soon();
    void leave_strangers();
    [[nodiscard]] bool is_private() const;

    // Asking for signatures, answering, and who is online: notices.cpp.
    void on_request_event(muster::node::request_event const& e);
    void on_request_answered(muster::node::request_answered const& e);
    void on_presence(presence_board::event const& e);
    void change_requests(client_ptr const& client, notice_request const& what);
    void ask_for_signatures(client_ptr const& client, notice_request const& what);
    void answer_request(client_ptr const& client, notice_request const& what);
    void end_request(client_ptr const& client, notice_request const& what);
    void list_requests(client_ptr const& client);
    void list_presences(client_ptr const& client);
    [[nodiscard]] value view_of(muster::discovery::request_advertisement const& r) const;
    [[nodiscard]] value view_of(muster::discovery::presence_advertisement const& a) const;
    [[nodiscard]] std::string name_of_signer(muster::crypto::public_key const& key) const;

    // The person at the terminal: questions.cpp.
    void ask_person(signing::session_id const& id);
    void withdraw_questions();
    void on_typed(std::string const& line);
    void carry_out(prompt_step const& step);

    void print(log_level level, value const& as_json, lines const& as_text);
    [[nodiscard]] std::function<void(log_level, value const&, lines const&)> teller();
    bool listen(muster::duration wait);
    void await_signal();
    void stop();
    void end();

    boost::asio::io_context& io_;
    home home_;
    run_options options_;
    printer& out_;
    muster::peer::node_key host_;
    muster::crypto::public_key self_;
    muster::metrics::registry measured_;
    telemetry telemetry_;  ///< Tells nobody where no metrics are wanted.
    real_network network_;
    muster::net::asio_timers timers_;
    muster::net::system_clock clock_;
    alarm rings_{timers_};
    timer_line core_line_{rings_}, outbound_line_{rings_}, directory_line_{rings_}, notes_line_{rings_},
        guardians_line_{rings_}, listening_line_{rings_}, metrics_line_{rings_};
    directory directory_;
    std::string not_saved_;  ///< Why discovered signers are not on disk; empty when they are.
    policies::registry registry_{directory_, clock_};
    std::shared_ptr<journal_damage> journal_found_ = std::make_shared<journal_damage>();
    std::map<muster::peer::peer_id, signing::peer_identified> strangers_;  ///< Until they are peers; bounded.
    co_signer core_;
    muster::node::request_board requests_{{}};
    presence_board presences_{{}};
    std::optional<online> online_;      ///< While it is.
    std::optional<outbound> outbound_;  ///< While online.
    peer_book peers_;
    guardian_keys guarded_;
    std::optional<notebooks> notes_;            ///< From the start on.
    std::optional<guardian_circle> guardians_;  ///< The same.
    std::optional<metrics_page> metrics_;       ///< Where it is wanted.
    control_server control_;
    std::multimap<signing::session_id, client_ptr> watchers_;
    std::vector<client_ptr> feed_watchers_;  ///< Of everything that happens.
    std::vector<std::pair<client_ptr, muster::discovery::criteria>> signer_watchers_;
    std::map<signing::session_id, std::uint64_t>
        arrivals_;  ///< Sessions in the order in which they were heard of, many of them forgotten by now; bounded.
    std::uint64_t next_arrival_ = 0;
    std::map<signing::session_id, muster::instant> proposed_;  ///< Own sessions, and since when; bounded.
    terminal terminal_;
    bool is_attended_ = false;  ///< A person is asked at the terminal.
    approval_prompt prompt_;
    boost::asio::signal_set signals_;
    boost::asio::steady_timer parting_, leaving_;  ///< Run while what was said last goes out.
    muster::node::attempts<timer_line, muster::net::system_clock> listening_;  ///< Again while the port is taken.
    bool is_stopping_ = false;
};

}  // namespace cosigner
