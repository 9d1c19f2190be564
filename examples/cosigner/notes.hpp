// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Notes that the signers of a shared wallet keep together: labels of transactions, contacts. Each wallet has a
/// notebook, in the directory `notes`; who signs for the wallet may write in it, and nobody else.

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <muster/core/alarm.hpp>
#include <muster/node/notebook.hpp>
#include <muster/sync/link_watch.hpp>

#include "composition.hpp"
#include "home.hpp"
#include "output.hpp"
#include "request.hpp"

namespace cosigner {

/// The protocol that notebooks speak.
inline constexpr std::string_view sync_protocol = "/muster/sync/2.0.0";

/// All notebooks of a running co-signer. Not thread-safe.
class notebooks {
public:
    using notebook = muster::node::notebook<muster::sync::file_entries<>>;
    /// What has happened, for people: a line of JSON and its text.
    using teller = std::function<void(value const&, std::string const&)>;
    /// The peer of a signer, when it is known.
    using peer_finder = std::function<std::optional<muster::peer::peer_id>(signing::public_key const&)>;

    /// @param key  borrowed, as the rest: our node key.
    notebooks(muster::peer::node_key const& key, muster::crypto::public_key const& self, network& net, timer_line& line,
              peer_finder find, teller tell);
    ~notebooks();

    /// Opens the notebooks of the wallets in @p s that are not open and closes the others; takes note of peers that
    /// have become known, or are none any more.
    void refresh(home const& place, settings const& s);
    /// Carries out a request of the control socket. @return what to answer.
    [[nodiscard]] result<value> carry_out(note_request const& what);
    /// `pending` of each wallet, and `link`, for `status`.
    void add_status(value& to, lines& said) const;

private:
    struct open_book {
        std::string wallet;
        std::vector<signing::public_key> signers;  ///< In the group's order.
        std::map<muster::peer::peer_id, std::size_t> places;
        std::unique_ptr<notebook> book;
    };
    using effects = muster::effect_list<notebook::effect>;

    void open(home const& place, std::string const& wallet, std::string const& key,
              std::vector<signing::public_key> signers);
    void learn(open_book& b);
    void on_event(muster::transport::event const& e);
    void wake();
    void perform(muster::identity::network_id const& id, open_book& b, effects& all);
    void count_peers();
    [[nodiscard]] result<open_book*> book_of(std::string const& wallet);
    [[nodiscard]] value described(open_book const& b, std::string const& key) const;
    [[nodiscard]] static std::optional<std::pair<value, std::string>> described(open_book const& b,
                                                                                notebook::effect const& e);
    [[nodiscard]] std::string name_of(open_book const& b, muster::sync::update const& w) const;

    muster::peer::node_key const& key_;
    muster::crypto::public_key self_;
    network& network_;
    timer_line& line_;
    peer_finder find_;
    teller tell_;
    clock clock_;
    std::map<muster::identity::network_id, open_book> books_;
    muster::sync::link_watch watch_;
};

}  // namespace cosigner
