// SPDX-License-Identifier: MIT

// The part of a running co-signer that answers its control socket.

#include <algorithm>

#include "failure.hpp"
#include "node.hpp"
#include "peer_command.hpp"

namespace cosigner {

using muster::error;
using muster::overloaded;
using muster::text;
using muster::to_hex;

void node::on_request(client_ptr const& client, request const& what) {
    if (is_stopping_) return client->refuse(error{errc::not_running, "this cosigner is about to end"});
    std::visit(
        overloaded{
            [&](propose_request const& r) { propose(client, r); },
            [&](session_request const& r) { command(client, r); },
            [&](peer_request const& r) { change_peers(client, r); },
            [&](connection_request const& r) { r.command == "connect" ? connect(client, r) : disconnect(client, r); },
            [&](watch_request const& r) { watch(client, r); },
            [&](wallet_request const& r) { change_wallets(client, r); },
            [&](signers_request const& r) { list_signers(client, r); },
            [&](initiator_request const& r) { change_initiators(client, r); },
            [&](setting_request const& r) { change_setting(client, r); },
            [&](follow_request const& r) { follow_signer(client, r); },
            [&](notice_request const& r) { change_requests(client, r); },
            [&](note_request const& r) {
                auto said = notes_->carry_out(r);
                if (!said) return client->refuse(said.error());
                client->finish(std::move(said).value(), success);
            },
            [&](guardian_request const& r) {
                auto said = guardians_->carry_out(r);
                if (!said) return client->refuse(said.error());
                client->finish(std::move(said).value(), success);
            },
            [&](list_request const& r) {
                if (r.command == "sessions") return list_sessions(client);
                if (r.command == "status") return status(client);
                if (r.command == "peer_list") return list_peers(client);
                if (r.command == "initiators") return client->finish(json_of_initiators(home_.config()), success);
                if (r.command == "settings") return client->finish(json_of_settings(home_.config()), success);
                if (r.command == "requests") return list_requests(client);
                if (r.command == "presences") return list_presences(client);
                if (r.command == "signers_stats") return tell_stats(client);
                if (r.command == "signers_clear") return clear_signers(client);
                if (r.command == "online" || r.command == "offline") {
                    return switch_discovery(client, r.command == "online");
                }
                client->finish(json_of_wallets(home_.config(), signer().signer_key()), success);
            },
        },
        what);
}

// ---- proposing ------------------------------------------------------------------------------------------

void node::propose(client_ptr const& client, propose_request what) {
    what.what.signers.push_back(signer().signer_key());
    if (!what.wallet.empty()) {
        auto wallet = find_wallet(home_.config(), what.wallet);
        if (!wallet) return client->refuse(wallet.error());
        auto const& keys = wallet.value().with;
        what.what.signers.insert(what.what.signers.end(), keys.begin(), keys.end());
        what.what.keep_order = wallet.value().keep_order;
        what.what.tweaks = std::move(wallet.value().tweaks);
    }
    for (auto const& who : what.with) {
        auto const key = signer_named(who);
        if (!key) return client->refuse(key.error());
        if (key.value() == signer().signer_key()) {
            return client->refuse(error{errc::bad_input, text(in_quotes(who), " is yourself, who signs anyway")});
        }
        auto const& so_far = what.what.signers;
        if (std::find(so_far.begin(), so_far.end(), key.value()) != so_far.end()) {
            return client->refuse(error{errc::bad_input, text(in_quotes(who), " is named twice")});
        }
        what.what.signers.push_back(key.value());
    }
    for (auto const& key : what.what.signers)
        (void)directory_.want(key, clock_.wall_now());  // no stranger takes its place
    core_.propose(std::move(what.what), [this, client](result<signing::session_id> const& id) {
        if (!id) return client->refuse(id.error());
        std::erase_if(proposed_, [this](auto const& p) { return signer().find(p.first) == nullptr; });
        proposed_.emplace(id.value(), clock_.now());
        auto const said = text("session ", to_hex(id.value()).substr(0, 8), ": proposed", waiting_text(id.value()));
        client->say({{"event", "proposed"},
                     {"session", to_hex(id.value())},
                     {"waiting_for", waiting_for(id.value())},
                     {"text", escape(said)}});
        std::erase_if(watchers_, [](auto const& w) { return w.second->is_gone(); });
        watchers_.emplace(id.value(), client);
    });
}

result<signing::public_key> node::signer_named(std::string const& who) const {
    if (auto const key = muster::from_hex_as<signing::public_key>(who)) return key.value();
    auto const* const p = peers_.find(std::string_view{who});
    auto const& initiators = home_.config().initiators;
    if (auto const known = initiators.find(who); known != initiators.end() && p == nullptr) return known->second;
    std::vector<std::string_view> names;
    for (auto const& known : peers_.all()) names.push_back(known.name);
    for (auto const& [name, key] : initiators) names.push_back(name);
    if (p == nullptr) {
        return error{
            errc::bad_input,
            text(in_quotes(who), " is neither a configured peer, nor an initiator, nor a signer key of 66 digits",
                 did_you_mean(who, names))};
    }
    for (auto const& [key, record] : registry_.told()) {
        if (record.who.peer == p->id) return key;
    }
    return error{errc::bad_input, text(who,
                                       " has never been connected, so its signer key is not known yet; start it, "
                                       "or name it by its key")};
}

// ---- about a session ------------------------------------------------------------------------------------

result<signing::session_id> node::session_named(std::string const& prefix) const {
    // Also those that are forgotten: whoever proposes can look for ids that begin alike, and one that was shown must
    // not be taken for one that came later.
    std::optional<signing::session_id> found;
    for (auto const& [id, arrival] : arrivals_) {
        if (!to_hex(id).starts_with(prefix)) continue;
        if (found) return error{errc::bad_input, text("several sessions began with ", prefix, "; give more digits")};
        found = id;
    }
    if (!found || signer().find(*found) == nullptr)
        return error{errc::bad_input, text("no session begins with '", prefix, "'; see `cosigner sessions`")};
    return *found;
}

void node::command(client_ptr const& client, session_request const& what) {
    auto const id = session_named(what.session);
    if (!id) return client->refuse(id.error());
    if (what.command == "show") return show(client, id.value());
    auto const done = carry_out(what, id.value());
    withdraw_questions();
    if (!done) return client->refuse(done.error());
    client->finish({{"event", "done"},
                    {"command", what.command},
                    {"session", to_hex(id.value())},
                    {"text", text(what.command, " done")}},
                   success);
}

result<void> node::carry_out(session_request const& what, signing::session_id const& id) {
    auto const& why = what.why;
    if (what.command == "approve") return signer().approve(id);
    if (what.command == "decline") return signer().decline(id, why.empty() ? "refused by its operator" : why);
    if (what.command == "abort") return signer().abort(id, why.empty() ? "given up by its operator" : why);
    if (what.command == "broadcast") return broadcast(id);
    return signer().trigger_coordinator_failover(id);
}

std::vector<signing::session_id> node::sessions_in_order() const {
    auto out = signer().sessions();
    auto const arrival = [this](signing::session_id const& id) {
        auto const found = arrivals_.find(id);
        return found == arrivals_.end() ? next_arrival_ : found->second;
    };
    std::sort(out.begin(), out.end(), [&](auto const& a, auto const& b) { return arrival(a) < arrival(b); });
    return out;
}

void node::list_sessions(client_ptr const& client) const {
    auto list = value::array();
    lines said;
    for (auto const& id : sessions_in_order()) {
        auto const& s = *signer().find(id);
        list.push_back(json_of(s, id));
        auto line =
            text(to_hex(id).substr(0, 8), "  ", signing::to_string(s.at()), "  ", in_quotes(s.plan().purpose), " ");
        for (signing::slot i = 0; i < s.plan().roster.size(); ++i) {
            bool const is_signed = s.at() == signing::phase::finished;  // by everyone, also where a restart forgot how
            auto const given = is_signed || s.has_shares(i) ? ":share" : s.has_nonces(i) ? ":approved" : ":waiting";
            line += text(" ", name_of(id, i), given);
        }
        said.push_back(line);
        if (s.at() == signing::phase::awaiting_approval) {
            said.push_back(text("          cosigner approve ", as_argument(home_.dir().string()), " ", to_hex(id)));
        }
        if (s.signatures().empty()) continue;
        said.push_back(text("          key       ", to_hex(muster::crypto::to_xonly(s.aggregate_key()))));
        for (auto const& sig : s.signatures()) said.push_back(text("          signature ", to_hex(sig)));
    }
    if (said.empty()) said.push_back("no sessions");
    client->finish({{"event", "sessions"}, {"sessions", std::move(list)}, {"text", joined(said)}}, success);
}

void node::show(client_ptr const& client, signing::session_id const& id) const {
    auto const& s = *signer().find(id);
    auto said = all_of(view_of(s, id), clock_.wall_now());
    said.push_back(text("  state      ", signing::to_string(s.at()), waiting_text(id)));
    if (auto const* const why = s.why_unsigned()) {
        said.push_back(text("  reason     ", signing::to_string(why->reason), why->text.empty() ? "" : "; ",
                            escape(why->text, value_size_max)));
    }
    for (auto const& sig : s.signatures()) said.push_back(text("  signature  ", to_hex(sig)));
    auto line = json_of(s, id);
    line["event"] = "session";
    line["text"] = joined(said);
    client->finish(std::move(line), success);
}

// ---- about peers ----------------------------------------------------------------------------------------

void node::status(client_ptr const& client) const {
    auto list = value::array();
    lines said{text("me ", network_.local().to_text(), ", signer key ", to_hex(signer().signer_key()))};
    for (auto const& p : peers_.all()) {
        bool const up = peers_.is_connected(p);
        auto const trouble = peers_.trouble_with(p);
        list.push_back(value{{"name", p.name},
                             {"address", p.address.to_text()},
                             {"connected", up},
                             {"trouble", trouble.empty() ? value() : value(trouble)}});
        auto const why = trouble.empty() ? std::string{} : text("  ", trouble);
        said.push_back(text(p.name, up ? "  connected  " : "  not connected  ", p.address.to_text(), why));
    }
    auto strangers = value::array();
    for (auto const& who : network_.connected_peers()) {
        if (peers_.find(who) != nullptr) continue;
        strangers.push_back(who.to_text());
        said.push_back(text("unknown  connected  ", who.to_text()));
    }
    value out{{"event", "status"},
              {"peer", network_.local().to_text()},
              {"signer", to_hex(signer().signer_key())},
              {"peers", std::move(list)},
              {"strangers", std::move(strangers)}};
    notes_->add_status(out, said);
    out["text"] = joined(said);
    client->finish(std::move(out), success);
}

void node::change_peers(client_ptr const& client, peer_request const& what) {
    auto const on_disk = home::open(home_.dir());  // somebody may have edited it since
    if (!on_disk) return client->refuse(on_disk.error());
    auto changed = on_disk.value().config();
    auto said = change_settings(changed, what, network_.local());
    if (!said) return client->refuse(said.error());
    if (auto const saved = home_.save(changed); !saved) return client->refuse(saved.error());
    peers_.set(changed);
    refresh_admitted();
    for (auto const& p : peers_.all()) guardians_->greet(p.id);
    if (online_) online_->keep_bootstrap();
    client->finish(std::move(said).value(), success);
}

// ---- about shared wallets -------------------------------------------------------------------------------

void node::change_wallets(client_ptr const& client, wallet_request const& what) {
    auto const on_disk = home::open(home_.dir());  // somebody may have edited it since
    if (!on_disk) return client->refuse(on_disk.error());
    auto changed = on_disk.value().config();
    auto said = change_settings(changed, what, signer().signer_key(),
                                [this](std::string const& who) { return signer_named(who); });
    if (!said) return client->refuse(said.error());
    if (auto const saved = home_.save(changed); !saved) return client->refuse(saved.error());
    notes_->refresh(home_, changed);
    client->finish(std::move(said).value(), success);
}

}  // namespace cosigner
