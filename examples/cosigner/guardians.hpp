// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Guardians of a co-signer's key, and of whom it is a guardian. What a person decides about, they see here: who asks,
/// and which digits to compare.

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <muster/crypto/hedged_random.hpp>
#include <muster/node/guardians.hpp>

#include "composition.hpp"
#include "home.hpp"
#include "output.hpp"
#include "request.hpp"

namespace cosigner {

/// Keys, and how they came to be those of now.
struct guardian_keys {
    muster::peer::key_set own;
    muster::identity::user_id user;
    muster::identity::lineage line;
    std::vector<muster::crypto::x25519_key> older;  ///< Agreement keys of the epochs before.
};
/// All that follows from @p key. Takes a millisecond for each epoch.
/// @return `bad_directory` when keys were exchanged more often than anybody would follow.
[[nodiscard]] result<guardian_keys> guardian_keys_of(master_key const& key);

/// A running co-signer's guardians. Not thread-safe.
class guardian_circle {
public:
    using machine = muster::node::guardians<network, timer_line, clock, muster::crypto::hedged_random<>>;
    /// What has happened, for people: a line of JSON and its text.
    using teller = std::function<void(log_level, value const&, lines const&)>;

    /// What it is made of; references are borrowed.
    struct parts {
        home const& place;
        network& net;
        timer_line& line;
        clock const& time;
        guardian_keys& keys;                                                           ///< Whose older ones are taken.
        std::function<std::string(muster::peer::peer_id const&)> name_of;              ///< As people call that peer.
        std::function<std::optional<muster::peer::peer_id>(std::string const&)> find;  ///< The peer of that name.
        std::function<bool(muster::peer::peer_id const&)> is_known;
        std::function<void(muster::node::introduced const&)> on_introduced;
        teller tell;
        bool is_short = false;  ///< A drill: shares are given out after five seconds.
    };
    explicit guardian_circle(parts p);

    /// Reads what is kept, and begins. Hands shares out anew when our keys were exchanged.
    [[nodiscard]] result<void> start();
    void note(muster::connection::effect const& e) { it_.note(e); }
    /// Introduces us to a peer that has become known.
    void greet(muster::peer::peer_id const& who) { it_.greet(who); }
    /// Carries out a request of the control socket. @return what to answer.
    [[nodiscard]] result<value> carry_out(guardian_request const& what);

private:
    void on_news(muster::node::guardian_news const& news);
    void keep_recovered(muster::node::recovered const& r);
    [[nodiscard]] result<muster::bytes> wrapped_key() const;
    [[nodiscard]] result<value> offer(guardian_request const& what);
    [[nodiscard]] result<value> decide(guardian_request const& what);
    [[nodiscard]] result<value> object(std::string const& digits);
    [[nodiscard]] result<value> recover(std::string const& user);
    [[nodiscard]] value status() const;
    [[nodiscard]] value own_status(lines& said) const;
    [[nodiscard]] value wards_status(lines& said) const;
    [[nodiscard]] result<muster::identity::user_id> owner_named(std::string const& who) const;
    [[nodiscard]] std::string name_of(muster::identity::user_id const& who) const;
    [[nodiscard]] std::string command(std::string const& words) const;

    parts p_;
    machine it_;
};

}  // namespace cosigner
