// SPDX-License-Identifier: MIT

#include "settings.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <limits>
#include <vector>

#include <muster/core/hex.hpp>
#include <muster/json/discovery.hpp>

#include "escape.hpp"
#include "parse.hpp"
#include "schema.hpp"

namespace cosigner {

using muster::error;
using muster::ok;
using muster::text;
using muster::peer::multiaddr;

namespace {

result<multiaddr> parse_address(std::string_view what, std::string_view written) {
    auto address = multiaddr::from_text(written);
    if (!address) return error{errc::bad_input, text(what, ": ", in_quotes(written), ": ", address.error().message())};
    return address;
}

result<settings> parse(std::string_view content) {
    static constexpr std::array members{member{"listen", shape::text, true}, member{"peers", shape::object},
                                        member{"wallets", shape::object}, member{"initiators", shape::object},
                                        member{"discovery", shape::object}};
    MUSTER_TRY(auto const parsed, parse_json("settings", content));
    MUSTER_TRY(check_members("settings", parsed, members));
    settings out;
    MUSTER_TRY(out.listen, parse_listen(parsed["listen"].get<std::string>()));
    auto const peers = parsed.value("peers", value::object());
    for (auto const& [name, address] : peers.items()) {
        if (!address.is_string())
            return error{errc::bad_input, text("peers: the address of ", in_quotes(name), " is not a text")};
        MUSTER_TRY(auto peer, parse_peer(text(name, "=", address.get<std::string>())));
        MUSTER_TRY(add_peer(out, std::move(peer)));
    }
    auto const wallets = parsed.value("wallets", value::object());
    for (auto const& [name, what] : wallets.items()) {
        MUSTER_TRY(auto const checked, parse_name(name));
        MUSTER_TRY(auto wallet, parse_wallet(checked, what));
        MUSTER_TRY(add_wallet(out, checked, std::move(wallet)));
    }
    auto const initiators = parsed.value("initiators", value::object());
    for (auto const& [name, key] : initiators.items()) {
        MUSTER_TRY(auto const checked, parse_name(name));
        if (!key.is_string())
            return error{errc::bad_input, text("initiators: the key of ", in_quotes(name), " is not a text")};
        MUSTER_TRY(auto const parsed_key, parse_hex<muster::crypto::public_key>(checked, key.get<std::string>()));
        MUSTER_TRY(add_initiator(out, checked, parsed_key));
    }
    out.discovery_file = parsed.value("discovery", value::object());
    if (auto const merged = muster::json::merge(out.discovery, out.discovery_file); !merged) {
        return error{errc::bad_input, text("discovery: ", merged.error().message())};
    }
    return out;
}

}  // namespace

std::string to_file(settings const& s) {
    value out{{"listen", s.listen.to_text()}, {"peers", value::object()}};
    for (auto const& [name, address] : s.peers) out["peers"][name] = address.to_text();
    for (auto const& [name, wallet] : s.wallets) out["wallets"][name] = json_of(wallet);
    for (auto const& [name, key] : s.initiators) out["initiators"][name] = muster::to_hex(key);
    if (!(s.discovery == muster::discovery::settings{}) || !s.discovery_file.empty()) {
        out["discovery"] = muster::json::to_file(s.discovery, s.discovery_file);
    }
    return out.dump(2) + "\n";
}

result<settings> parse_settings(std::string_view path, std::string_view content) {
    auto parsed = parse(content);
    if (parsed) return parsed;
    return error{errc::bad_settings, text(path, ": ", parsed.error().message())};
}

result<std::pair<std::string, multiaddr>> parse_peer(std::string_view written) {
    auto const split = written.find('=');
    if (split == std::string_view::npos)
        return error{errc::bad_input, text(in_quotes(written), " is not NAME=ADDRESS")};
    MUSTER_TRY(auto name, parse_name(written.substr(0, split)));
    MUSTER_TRY(auto address, parse_address(text("address of ", name), written.substr(split + 1)));
    if (!address.peer()) {
        return error{errc::bad_input, text("the address of ", name,
                                           " must end with /p2p/PEER-ID; `cosigner init` and `cosigner run` print it")};
    }
    if (!address.host() || !address.tcp_port() || *address.tcp_port() == 0 || address.is_relayed()) {
        return error{errc::bad_input,
                     text("the address of ", name, " cannot be dialled: it must be one like /ip4/10.0.0.2/tcp/4001")};
    }
    return std::pair{std::move(name), std::move(address)};
}

result<multiaddr> parse_listen(std::string_view written) {
    MUSTER_TRY(auto address, parse_address("listen", written));
    auto const path = address.components();
    using protocol = muster::peer::address_protocol;
    bool const is_ip = path[0].protocol == protocol::ip4 || path[0].protocol == protocol::ip6;
    if (is_ip && address.tcp_port() && path.size() == 2) return address;
    return error{errc::bad_input, text("listen: ", in_quotes(written),
                                       " is not an IP address with a TCP port, like /ip4/0.0.0.0/tcp/4001")};
}

result<void> add_peer(settings& s, std::pair<std::string, multiaddr> peer) {
    for (auto const& [name, address] : s.peers) {
        if (name != peer.first && address.peer() == peer.second.peer()) {
            return error{errc::bad_input,
                         text(peer.first, " and ", name, " are the same peer, ", address.peer()->to_text())};
        }
    }
    auto const same = s.peers.find(peer.first);
    if (same != s.peers.end() && same->second.peer() != peer.second.peer()) {
        return error{errc::bad_input, text(peer.first, " is another machine here, ", same->second.peer()->to_text(),
                                           "; remove it first, or give the new one another name")};
    }
    if (s.initiators.count(peer.first) != 0) {
        return error{errc::bad_input, text(peer.first,
                                           " is the name of an initiator; remove it first, or give the peer "
                                           "another name: what is signed shows names")};
    }
    if (s.peers.size() == peers_max && s.peers.count(peer.first) == 0) {
        return error{errc::bad_input, text("there are ", peers_max, " peers already, which is the most")};
    }
    s.peers.insert_or_assign(std::move(peer.first), std::move(peer.second));
    return ok();
}

result<void> remove_peer(settings& s, std::string_view name) {
    std::vector<std::string_view> names;
    for (auto const& [known, address] : s.peers) names.push_back(known);
    if (s.peers.erase(std::string{name}) != 0) return ok();
    return error{errc::bad_input, text("no peer is called ", in_quotes(name), did_you_mean(name, names))};
}

result<void> add_wallet(settings& s, std::string const& name, shared_wallet what) {
    // A wallet that changes under its name would be signed for by mistake.
    if (s.wallets.count(name) != 0) {
        return error{errc::bad_input,
                     text("there is a wallet ", name, " already; remove it first, or give the new one another name")};
    }
    if (s.wallets.size() == wallets_max) {
        return error{errc::bad_input, text("there are ", wallets_max, " wallets already, which is the most")};
    }
    s.wallets.emplace(name, std::move(what));
    return ok();
}

result<void> remove_wallet(settings& s, std::string_view name) {
    MUSTER_TRY(find_wallet(s, name));
    s.wallets.erase(std::string{name});
    return ok();
}

result<shared_wallet> find_wallet(settings const& s, std::string_view name) {
    auto const found = s.wallets.find(std::string{name});
    if (found != s.wallets.end()) return found->second;
    std::vector<std::string_view> names;
    for (auto const& [known, wallet] : s.wallets) names.push_back(known);
    return error{errc::bad_input, text("shared wallet not found: ", in_quotes(name), did_you_mean(name, names))};
}

// ---- who may ask, and discovery -------------------------------------------------------------------------

result<void> add_initiator(settings& s, std::string const& name, muster::crypto::public_key const& key) {
    for (auto const& [known, other] : s.initiators) {
        if (known == name || other == key) {
            return error{errc::bad_input, text(known, " is an initiator already, ", muster::to_hex(other),
                                               "; remove it first, or give the new one another name")};
        }
    }
    if (s.peers.count(name) != 0) {
        return error{errc::bad_input,
                     text(name,
                          " is the name of a peer, who may ask already; give the initiator another name: what is "
                          "signed shows names")};
    }
    if (!muster::crypto::is_valid(key)) {
        return error{errc::bad_input, text(muster::to_hex(key), " is not the key of any signer")};
    }
    if (s.initiators.size() == initiators_max) {
        return error{errc::bad_input, text("there are ", initiators_max, " initiators already, which is the most")};
    }
    s.initiators.emplace(name, key);
    return ok();
}

result<void> remove_initiator(settings& s, std::string_view name) {
    std::vector<std::string_view> names;
    for (auto const& [known, key] : s.initiators) names.push_back(known);
    if (s.initiators.erase(std::string{name}) != 0) return ok();
    return error{errc::bad_input, text("no initiator is called ", in_quotes(name), did_you_mean(name, names))};
}

result<multiaddr> parse_bootstrap(std::string_view written) {
    auto const at = written.find('=');  // a line that `init` has printed
    auto const address = at != std::string_view::npos && at < written.find('/') ? written.substr(at + 1) : written;
    MUSTER_TRY(auto const peer, parse_peer(text("bootstrap=", address)));
    return peer.second;
}

namespace {

constexpr std::string_view flags[]{"auto-connect", "enable-dht", "enable-gossip", "advertise-as-signer"};
constexpr std::string_view texts[]{"nickname", "avatar", "wallet-address"};
constexpr std::string_view numbers[]{"amount-from", "amount-to", "fee"};
constexpr std::string_view lists[]{"types", "capabilities"};

std::string underscored(std::string_view name) {
    std::string out{name};
    for (auto& c : out) c = c == '-' ? '_' : c;
    return out;
}

/// What @p written means as the value of the setting @p name, in JSON.
result<value> parse_setting(std::string_view name, std::string_view written) {
    if (std::find(std::begin(flags), std::end(flags), name) != std::end(flags)) {
        if (written != "on" && written != "off") {
            return error{errc::bad_input, text(name, ": ", in_quotes(written), " is neither on nor off")};
        }
        return value{{underscored(name), written == "on"}};
    }
    if (std::find(std::begin(texts), std::end(texts), name) != std::end(texts)) {
        if (!is_utf8(written)) return error{errc::bad_input, text(name, ": ", in_quotes(written), " is not UTF-8")};
        auto const content = written == "none" ? value() : value(std::string{written});
        return value{{"presence", {{underscored(name), content}}}};
    }
    if (std::find(std::begin(numbers), std::end(numbers), name) != std::end(numbers)) {
        if (written == "none") return value{{"offer", {{underscored(name), nullptr}}}};
        MUSTER_TRY(auto const number, parse_number(name, written, 0, std::numeric_limits<std::int64_t>::max()));
        return value{{"offer", {{underscored(name), number}}}};
    }
    if (std::find(std::begin(lists), std::end(lists), name) != std::end(lists)) {
        auto content = value::array();
        if (written != "none") {
            MUSTER_TRY(auto const list, parse_list(name, written));
            for (auto const& one : list) {
                if (name == "types") {
                    MUSTER_TRY(parse_transaction_type(one));
                }
                content.push_back(one);
            }
        }
        return value{{"offer", {{underscored(name), std::move(content)}}}};
    }
    if (name == "bootstrap") {
        auto addresses = value::array();
        if (written != "none") {
            MUSTER_TRY(auto const list, parse_list("bootstrap", written));
            for (auto const& one : list) {
                MUSTER_TRY(auto const address, parse_bootstrap(one));
                addresses.push_back(address.to_text());
            }
        }
        return value{{"bootstrap_peers", std::move(addresses)}};
    }
    std::vector<std::string_view> names{"bootstrap"};
    names.insert(names.end(), std::begin(flags), std::end(flags));
    names.insert(names.end(), std::begin(texts), std::end(texts));
    names.insert(names.end(), std::begin(numbers), std::end(numbers));
    names.insert(names.end(), std::begin(lists), std::end(lists));
    return error{errc::bad_input, text("there is no setting ", in_quotes(name), did_you_mean(name, names),
                                       "; `cosigner settings` lists them")};
}

}  // namespace

result<void> set_discovery(settings& s, std::string_view name, std::string_view written) {
    MUSTER_TRY(auto const change, parse_setting(name, written));
    auto const merged = muster::json::merge(s.discovery, change);
    return merged ? merged : result<void>{error{errc::bad_input, merged.error().message()}};
}

std::vector<std::pair<std::string, std::string>> discovery_settings(settings const& s) {
    auto const& d = s.discovery;
    auto const flag = [](bool is_on) { return std::string{is_on ? "on" : "off"}; };
    std::string bootstrap;
    auto const list = [](auto const& all, auto word) {
        std::string out;
        for (auto const& one : all) out += text(out.empty() ? "" : ",", word(one));
        return out.empty() ? std::string{"none"} : out;
    };
    auto const& o = d.offer;
    auto const most = std::numeric_limits<std::uint64_t>::max();
    for (auto const& a : d.bootstrap_peers) bootstrap += text(bootstrap.empty() ? "" : ",", a.to_text());
    return {{"auto-connect", flag(d.auto_connect)},
            {"bootstrap", bootstrap.empty() ? "none" : bootstrap},
            {"enable-dht", flag(d.enable_dht)},
            {"enable-gossip", flag(d.enable_gossip)},
            {"advertise-as-signer", flag(d.advertise_as_signer)},
            {"nickname", d.presence.nickname.value_or("none")},
            {"avatar", d.presence.avatar.value_or("none")},
            {"wallet-address", d.presence.wallet_address.value_or("none")},
            {"types", list(o.types, [](auto t) { return to_string(t); })},
            {"capabilities", list(o.capabilities, [](auto const& c) { return c; })},
            {"amount-from", std::to_string(o.amount_from)},
            {"amount-to", o.amount_to == most ? std::string{"none"} : std::to_string(o.amount_to)},
            {"fee", std::to_string(o.fee)}};
}

}  // namespace cosigner
