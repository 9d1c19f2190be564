// SPDX-License-Identifier: MIT

#include "peer_command.hpp"

#include <algorithm>
#include <vector>

#include <muster/musig2/native.hpp>

namespace cosigner {

using muster::error;
using muster::text;
using muster::to_hex;

value json_of_peers(settings const& s) {
    auto list = value::array();
    lines said;
    for (auto const& [name, address] : s.peers) {
        list.push_back(value{{"name", name}, {"address", address.to_text()}});
        said.push_back(text(name, "=", address.to_text()));
    }
    if (said.empty()) said.push_back("no peers; `cosigner peer add DIR NAME=ADDRESS` adds one");
    return {{"event", "peers"}, {"peers", std::move(list)}, {"text", joined(said)}};
}

result<value> change_settings(settings& s, peer_request const& what, muster::peer::peer_id const& self) {
    if (what.command == "peer_remove") {
        MUSTER_TRY(remove_peer(s, what.peer));
        return value{{"event", "peer_removed"}, {"name", what.peer}, {"text", text("removed ", what.peer)}};
    }
    MUSTER_TRY(auto peer, parse_peer(what.peer));
    if (peer.second.peer() == self) {
        return error{errc::bad_input, text(self.to_text(), " is this co-signer itself; hand its line to the others")};
    }
    value said{{"event", "peer_added"},
               {"name", peer.first},
               {"address", peer.second.to_text()},
               {"text", text("added ", peer.first, " at ", peer.second.to_text())}};
    MUSTER_TRY(add_peer(s, std::move(peer)));
    return said;
}

namespace {

// The group's key, for the own key @p self: what its signatures verify under.
result<std::string> group_key_of(shared_wallet const& w, signing::public_key const& self) {
    std::vector<signing::public_key> keys{self};
    keys.insert(keys.end(), w.with.begin(), w.with.end());
    if (!w.keep_order) keys = muster::musig2::key_sort(std::move(keys));
    MUSTER_TRY(auto const group, muster::musig2::key_agg(muster::musig2::installed_backend{}, keys, w.tweaks));
    return to_hex(muster::crypto::to_xonly(group.aggregate()));
}

result<value> described(std::string const& name, shared_wallet const& w, signing::public_key const& self) {
    MUSTER_TRY(auto const key, group_key_of(w, self));
    auto out = json_of(w);
    out["name"] = name;
    out["aggregate_key"] = key;
    return out;
}

std::string line_of(value const& wallet) {
    auto line = text(wallet["name"].get<std::string>(), "  key ", wallet["aggregate_key"].get<std::string>(), "  with");
    for (auto const& key : wallet["with"]) line += text(" ", key.get<std::string>());
    return line;
}

}  // namespace

value json_of_wallets(settings const& s, signing::public_key const& self) {
    auto list = value::array();
    lines said;
    for (auto const& [name, wallet] : s.wallets) {
        auto one = described(name, wallet, self);
        if (!one) continue;  // none that `wallet add` took
        said.push_back(line_of(one.value()));
        list.push_back(std::move(one).value());
    }
    if (said.empty()) said.push_back("no shared wallets; `cosigner wallet add DIR NAME --with KEY,KEY` adds one");
    return {{"event", "wallets"}, {"wallets", std::move(list)}, {"text", joined(said)}};
}

result<value> change_settings(settings& s, wallet_request const& what, signing::public_key const& self,
                              signer_finder const& find) {
    if (what.command == "wallet_remove") {
        MUSTER_TRY(remove_wallet(s, what.name));
        return value{{"event", "wallet_removed"}, {"name", what.name}, {"text", text("removed ", what.name)}};
    }
    shared_wallet made = what.what;
    for (auto const& who : what.with) {
        MUSTER_TRY(auto const key, find(who));
        if (key == self) return error{errc::bad_input, text(in_quotes(who), " is yourself, who signs anyway")};
        if (std::find(made.with.begin(), made.with.end(), key) != made.with.end()) {
            return error{errc::bad_input, text(in_quotes(who), " is named twice")};
        }
        made.with.push_back(key);
    }
    MUSTER_TRY(auto said, described(what.name, made, self));
    MUSTER_TRY(add_wallet(s, what.name, std::move(made)));
    said["event"] = "wallet_added";
    said["text"] = text("added ", line_of(said));
    return said;
}

value json_of_initiators(settings const& s) {
    auto list = value::array();
    lines said;
    for (auto const& [name, key] : s.initiators) {
        list.push_back(value{{"name", name}, {"key", to_hex(key)}});
        said.push_back(text(name, "=", to_hex(key)));
    }
    if (said.empty()) said.push_back("no initiators but your peers; `cosigner initiators add DIR NAME KEY` adds one");
    return {{"event", "initiators"}, {"initiators", std::move(list)}, {"text", joined(said)}};
}

result<value> change_settings(settings& s, initiator_request const& what, muster::crypto::public_key const& self) {
    if (what.command == "initiator_remove") {
        MUSTER_TRY(remove_initiator(s, what.name));
        return value{{"event", "initiator_removed"}, {"name", what.name}, {"text", text("removed ", what.name)}};
    }
    if (what.key == self) return error{errc::bad_input, text(to_hex(self), " is this co-signer's own key")};
    MUSTER_TRY(add_initiator(s, what.name, what.key));
    return value{{"event", "initiator_added"},
                 {"name", what.name},
                 {"key", to_hex(what.key)},
                 {"text", text(what.name, " may ask this co-signer to sign")}};
}

value json_of_settings(settings const& s) {
    auto all = value::object();
    auto missing = value::array();
    lines said;
    for (auto const& [name, content] : discovery_settings(s)) {
        all[name] = content;
        bool const is_idle = name == "enable-dht" && content == "on";
        if (is_idle) missing.push_back(name);
        said.push_back(text(name, " ", escape(content), is_idle ? "  (there is no DHT yet)" : ""));
    }
    return {{"event", "settings"},
            {"settings", std::move(all)},
            {"not_available", std::move(missing)},
            {"text", joined(said)}};
}

result<value> change_settings(settings& s, setting_request const& what) {
    MUSTER_TRY(set_discovery(s, what.name, what.content));
    auto out = json_of_settings(s);
    bool const is_idle = out["not_available"] == value::array({what.name});
    out["text"] = text(what.name, " is ", escape(what.content), " now", is_idle ? "; there is no DHT yet" : "");
    return out;
}

}  // namespace cosigner
