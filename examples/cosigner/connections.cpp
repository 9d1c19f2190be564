// SPDX-License-Identifier: MIT

// The part of a running co-signer that shows connections, and makes and ends them.

#include <algorithm>

#include "failure.hpp"
#include "node.hpp"
#include "peer_command.hpp"

namespace cosigner {

using muster::error;
using muster::text;
using muster::to_hex;
namespace connection = muster::connection;

namespace {

constexpr std::size_t feed_watchers_max = 32;  // ours

std::int64_t milliseconds_of(muster::duration d) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(d).count();
}

/// `12 s`, `3 min`, `2 h`: how long ago.
std::string age_text(std::int64_t milliseconds) {
    auto const seconds = milliseconds / 1000;
    if (seconds < 120) return text(seconds, " s");
    if (seconds < 7200) return text(seconds / 60, " min");
    return text(seconds / 3600, " h");
}

/// One row for people, of what `view_of` gives.
std::string row_of(value const& v) {
    auto const cell = [&](char const* name) {
        return v[name].is_null() ? std::string{"-"} : v[name].get<std::string>();
    };
    auto const latency =
        v["latency_ms"].is_null() ? std::string{"-"} : text(v["latency_ms"].get<std::int64_t>(), " ms");
    auto const seen = v["last_seen_ms"].is_null() ? std::string{"never"}
                                                  : text(age_text(v["last_seen_ms"].get<std::int64_t>()), " ago");
    auto line = text(padded(v["name"].is_null() ? "(unknown)" : cell("name"), 12), "  ", padded(cell("status"), 12),
                     "  ", padded(cell("kind"), 6), "  ", padded(latency, 7), "  ", padded(seen, 10), "  ",
                     v["address"].is_null() ? cell("peer") : cell("address"));
    if (!v["reason"].is_null()) line += text("  ", v["reason"].get<std::string>());
    return line;
}

}  // namespace

value node::view_of(peer_id const& who) const {
    auto const s = core_.network().connections().status_of(who);
    auto const* const p = peers_.find(who);
    bool const is_up = s.status == connection::status::connected;
    value out{{"peer", who.to_text()},
              {"name", p != nullptr ? value(p->name) : value()},
              {"address", p != nullptr ? value(p->address.to_text()) : value()},
              {"status", std::string{to_string(s.status)}},
              {"kind", is_up ? value(std::string{to_string(s.kind)}) : value()},
              {"latency_ms", value()},
              {"last_seen_ms", value()},
              {"silent", s.is_suspected},
              {"reason", !is_up && s.why ? value(escape(s.why->message())) : value()}};
    if (is_up && s.round_trip > muster::duration{}) out["latency_ms"] = milliseconds_of(s.round_trip);
    if (s.last_seen) out["last_seen_ms"] = milliseconds_of(clock_.now() - *s.last_seen);
    return out;
}

void node::list_peers(client_ptr const& client) const {
    auto list = value::array();
    lines said;
    auto const add = [&](peer_id const& who) {
        list.push_back(view_of(who));
        said.push_back(row_of(list.back()));
    };
    for (auto const& p : peers_.all()) add(p.id);
    for (auto const& who : core_.network().connections().known_peers()) {
        if (peers_.find(who) == nullptr) add(who);
    }
    if (said.empty()) {
        said.push_back("no peers; `cosigner peer add DIR NAME=ADDRESS` adds one");
    } else {
        said.insert(said.begin(), "NAME          STATUS        KIND    LATENCY  LAST SEEN   ADDRESS");
    }
    client->finish({{"event", "peers"}, {"peers", std::move(list)}, {"text", joined(said)}}, success);
}

// A machine that nobody has told of yet may be that of a signer that was discovered.
void node::learn_from_directory(peer_id const& who) {
    for (auto const& l : directory_.list({}, clock_.wall_now())) {
        if (l.what.machine == who) core_.network().learn_more(who, l.what.addresses);
    }
}

// A name, an id, a signer key, or an address that ends with one, which is learned then.
result<peer_id> node::peer_named(std::string const& written) {
    if (auto const* const p = peers_.find(std::string_view{written})) return p->id;
    if (auto const id = peer_id::from_text(written)) {
        learn_from_directory(id.value());
        return id.value();
    }
    if (auto const key = muster::from_hex_as<muster::crypto::public_key>(written)) {
        auto const found = registry_.find(key.value());
        if (!found) return error{errc::bad_input, text("no machine is known for signer ", written)};
        core_.network().learn_more(found->who.peer, found->addresses);
        return found->who.peer;
    }
    std::vector<std::string_view> names;
    for (auto const& p : peers_.all()) names.push_back(p.name);
    if (!written.starts_with("/")) {
        return error{
            errc::bad_input,
            text(in_quotes(written), " is neither a configured peer, nor a peer id, nor a signer key, nor an address",
                 did_you_mean(written, names))};
    }
    MUSTER_TRY(auto const peer, parse_peer(text("peer=", written)));
    auto const id = *peer.second.peer();
    if (peers_.find(id) == nullptr) core_.network().learn(id, {&peer.second, 1});
    return id;
}

void node::connect(client_ptr const& client, connection_request const& what) {
    auto const who = peer_named(what.peer);
    if (!who) return client->refuse(who.error());
    if (who.value() == network_.local()) {
        return client->refuse(error{errc::bad_input, text(in_quotes(what.peer), " is this co-signer itself")});
    }
    if (peers_.find(who.value()) != nullptr) (void)core_.network().keep(who.value());  // again, after `disconnect`
    auto const begun = core_.network().connect_to_peer(who.value(), [this, client](auto const& outcomes) {
        auto const& o = outcomes.front();
        auto const name = name_of(o.peer);
        if (o.why)
            return client->refuse(
                error{errc::cannot_connect, text("cannot connect to ", name, ": ", o.why->message())});
        client->finish({{"event", "connection"},
                        {"peer", o.peer.to_text()},
                        {"status", "connected"},
                        {"kind", std::string{to_string(o.kind)}},
                        {"text", text("connected to ", escape(name), ", ", to_string(o.kind))}},
                       success);
    });
    if (!begun) client->refuse(begun.error());
}

void node::disconnect(client_ptr const& client, connection_request const& what) {
    auto const who = peer_named(what.peer);
    if (!who) return client->refuse(who.error());
    bool const was_connected = network_.is_connected(who.value());
    core_.network().disconnect_and_release(who.value());
    auto const said =
        text(was_connected ? "disconnected from " : "not connected to ", name_of(who.value()),
             peers_.find(who.value()) != nullptr ? "; it is not dialled again before `connect`, or a restart" : "");
    client->finish({{"event", "connection"},
                    {"peer", who.value().to_text()},
                    {"status", "disconnected"},
                    {"kind", nullptr},
                    {"text", escape(said)}},
                   success);
}

void node::watch(client_ptr const& client, watch_request const& what) {
    if (what.session.empty()) {
        std::erase_if(feed_watchers_, [](auto const& c) { return c->is_gone(); });
        if (feed_watchers_.size() >= feed_watchers_max) {
            return client->refuse(
                error{errc::bad_input, text(feed_watchers_max, " are watching already, which is the most")});
        }
        for (auto const& a : core_.activity().items()) client->say(feed_line(a));
        return feed_watchers_.push_back(client);
    }
    auto const id = session_named(what.session);
    if (!id) return client->refuse(id.error());
    auto const& s = *signer().find(id.value());
    if (!s.is_open()) return show(client, id.value());
    std::erase_if(watchers_, [](auto const& w) { return w.second->is_gone(); });
    auto line = json_of(s, id.value());
    line["event"] = "session";
    line["text"] = joined(all_of(view_of(s, id.value()), clock_.wall_now()));
    client->say(line);
    watchers_.emplace(id.value(), client);
}

value node::feed_line(connection::activity const& a) {
    return {{"event", "activity"},
            {"kind", std::string{to_string(a.what)}},
            {"peer", a.peer.to_text()},
            {"when", muster::to_unix_millis(a.when)},
            {"text", a.text}};
}

void node::tell_feed() {
    if (feed_watchers_.empty() || core_.activity().items().empty()) return;
    auto const line = feed_line(core_.activity().items().back());
    std::erase_if(feed_watchers_, [](auto const& c) { return c->is_gone(); });
    for (auto const& c : feed_watchers_) c->say(line);
}

}  // namespace cosigner
