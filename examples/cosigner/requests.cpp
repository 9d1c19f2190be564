// SPDX-License-Identifier: MIT

// The part of a running co-signer that answers its control socket.

#include "failure.hpp"
#include "node.hpp"

namespace cosigner {

using muster::error;
using muster::text;
using muster::to_hex;

namespace {

/// `request[name]` as text, or empty.
std::string word(value const& request, char const* name) {
    auto const found = request.find(name);
    return found != request.end() && found->is_string() ? found->get<std::string>() : std::string{};
}

void refuse(std::shared_ptr<control_client> const& client, error const& why, int code = setup) {
    client->finish({{"event", "refused"}, {"error", why.to_text()}, {"text", why.message()}}, code);
}

result<signing::payload> parse_message(value const& m) {
    if (m.is_object() && m.contains("digest")) {
        MUSTER_TRY(auto const d, muster::from_hex_as<signing::digest32>(word(m, "digest")));
        return signing::payload{d};
    }
    if (m.is_object() && m.contains("tag")) {
        MUSTER_TRY(auto content, muster::from_hex(word(m, "content")));
        return signing::payload{signing::tagged_payload{word(m, "tag"), std::move(content)}};
    }
    return error{errc::bad_input, "a message is {\"digest\": HEX} or {\"tag\": TEXT, \"content\": HEX}"};
}

result<signing::election_method> parse_election(std::string const& name) {
    for (auto const m : {signing::election_method::lexicographic, signing::election_method::hash_based,
                         signing::election_method::first_signer, signing::election_method::last_signer}) {
        if (name == muster::json::to_text(m)) return m;
    }
    return error{errc::bad_input, text("'", name,
                                       "' is not an election method; choose lexicographic, hash-based, "
                                       "first-signer or last-signer")};
}

result<std::vector<muster::musig2::tweak>> parse_tweaks(value const& request) {
    std::vector<muster::musig2::tweak> out;
    if (auto const path = request.find("path"); path != request.end() && path->is_array()) {
        muster::musig2::bip32_path steps;
        for (auto const& step : *path) {
            if (!step.is_number_unsigned() || step.get<std::uint64_t>() > 0x7fff'ffff) {
                return error{errc::bad_input, "a derivation step is a number below 2^31, not hardened"};
            }
            steps.steps.push_back(step.get<std::uint32_t>());
        }
        out.push_back(std::move(steps));
    }
    if (request.contains("taproot")) {
        muster::musig2::taproot tap;
        if (auto const root = word(request, "taproot"); !root.empty()) {
            MUSTER_TRY(tap.merkle_root, muster::from_hex_as<signing::digest32>(root));
        }
        out.push_back(tap);
    }
    return out;
}

}  // namespace

void node::on_request(client_ptr const& client, value const& request) {
    auto const what = word(request, "command");
    if (what == "propose") return propose(client, request);
    if (what == "sessions") return list_sessions(client);
    if (what == "status") return status(client);
    command(client, request);
}

void node::propose(client_ptr const& client, value const& request) {
    auto parsed = parse_request(request);
    if (!parsed) return refuse(client, parsed.error());
    auto const id = signer_->propose(std::move(parsed).value());
    if (!id) return refuse(client, id.error());
    client->say({{"event", "proposed"},
                 {"session", to_hex(id.value())},
                 {"text", text("session ", to_hex(id.value()).substr(0, 8), ": proposed; waiting for the others")}});
    watchers_.emplace(id.value(), client);
}

result<signing::signing_request> node::parse_request(value const& request) const {
    signing::signing_request out;
    auto const messages = request.find("messages");
    if (messages == request.end() || !messages->is_array()) {
        return error{errc::bad_input, "\"messages\" must be a list"};
    }
    for (auto const& m : *messages) {
        MUSTER_TRY(auto parsed, parse_message(m));
        out.messages.push_back(std::move(parsed));
    }
    out.signers.push_back(signer_->signer_key());
    auto const with = request.find("with");
    if (with == request.end() || !with->is_array())
        return error{errc::bad_input, "\"with\" must be a list of co-signers"};
    for (auto const& who : *with) {
        MUSTER_TRY(auto const key, signer_named(who.is_string() ? who.get<std::string>() : std::string{}));
        out.signers.push_back(key);
    }
    MUSTER_TRY(out.tweaks, parse_tweaks(request));
    if (auto const name = word(request, "election"); !name.empty()) {
        MUSTER_TRY(out.election, parse_election(name));
    }
    out.keep_order = request.value("keep_order", false);
    out.purpose = word(request, "purpose");
    out.valid_for = std::chrono::seconds{request.value("valid_seconds", std::int64_t{600})};
    return out;
}

result<signing::public_key> node::signer_named(std::string const& who) const {
    if (auto const key = muster::from_hex_as<signing::public_key>(who)) return key.value();
    for (auto const& p : peers_) {
        if (p.name != who) continue;
        for (auto const& [key, record] : registry_) {
            if (record.who.peer == *p.address.peer()) return key;
        }
        return error{errc::bad_input, text(who,
                                           " has never been connected, so its signer key is not known yet; start it, "
                                           "or name it by its key")};
    }
    return error{errc::bad_input, text("'", who, "' is neither a configured peer nor a signer key of 66 digits")};
}

result<signing::session_id> node::session_named(std::string const& prefix) const {
    std::optional<signing::session_id> found;
    for (auto const& id : signer_->sessions()) {
        if (prefix.empty() || !to_hex(id).starts_with(prefix)) continue;
        if (found) return error{errc::bad_input, text("several sessions begin with ", prefix, "; give more digits")};
        found = id;
    }
    if (!found) return error{errc::bad_input, text("no session begins with '", prefix, "'; see `cosigner sessions`")};
    return *found;
}

void node::command(client_ptr const& client, value const& request) {
    auto const what = word(request, "command");
    auto const id = session_named(word(request, "session"));
    if (!id) return refuse(client, id.error());
    auto const why = word(request, "why");
    result<void> done = error{errc::bad_input, text("'", what, "' is not a command")};
    if (what == "approve") done = signer_->approve(id.value());
    if (what == "decline") done = signer_->decline(id.value(), why.empty() ? "refused by its operator" : why);
    if (what == "abort") done = signer_->abort(id.value(), why.empty() ? "given up by its operator" : why);
    if (what == "broadcast") done = broadcast(id.value());
    if (what == "failover") done = signer_->trigger_coordinator_failover(id.value());
    if (!done) return refuse(client, done.error());
    std::erase(questions_, id.value());
    client->finish({{"event", "done"}, {"text", text(what, " done")}}, success);
}

void node::list_sessions(client_ptr const& client) const {
    auto list = value::array();
    std::string lines;
    for (auto const& id : signer_->sessions()) {
        auto const& s = *signer_->find(id);
        value entry{{"session", to_hex(id)},
                    {"state", std::string{signing::to_string(s.at())}},
                    {"proposal", muster::json::to_json(s.plan())},
                    {"signers", value::array()}};
        lines += text(to_hex(id).substr(0, 8), "  ", signing::to_string(s.at()), "  \"", s.plan().purpose, "\" ");
        for (signing::slot i = 0; i < s.plan().roster.size(); ++i) {
            auto const name = name_of(s.plan().roster[i].peer);
            entry["signers"].push_back(
                value{{"name", name}, {"approved", s.has_nonces(i)}, {"share", s.has_shares(i)}});
            lines += text(" ", name, s.has_shares(i) ? ":share" : s.has_nonces(i) ? ":approved" : ":waiting");
        }
        lines += "\n";
        list.push_back(std::move(entry));
    }
    client->finish(
        {{"sessions", std::move(list)}, {"text", lines.empty() ? "no sessions" : lines.substr(0, lines.size() - 1)}},
        success);
}

void node::status(client_ptr const& client) const {
    auto list = value::array();
    std::string lines = text("me ", network_.local().to_text(), ", signer key ", to_hex(signer_->signer_key()));
    for (auto const& p : peers_) {
        bool const up = network_.is_connected(*p.address.peer());
        list.push_back(value{{"name", p.name}, {"address", p.address.to_text()}, {"connected", up}});
        lines += text("\n", p.name, up ? "  connected  " : "  not connected  ", p.address.to_text());
    }
    client->finish({{"peer", network_.local().to_text()},
                    {"signer", to_hex(signer_->signer_key())},
                    {"peers", std::move(list)},
                    {"text", lines}},
                   success);
}

}  // namespace cosigner
