// SPDX-License-Identifier: MIT

// The part of a running co-signer that asks for signatures, answers who asks, and shows who is online.

#include <algorithm>

#include "failure.hpp"
#include "node.hpp"

namespace cosigner {

using muster::error;
using muster::text;
using muster::to_hex;
namespace discovery = muster::discovery;

namespace {

/// The id by which people name a request.
std::string id_of(discovery::request_advertisement const& r) { return discovery::request_id_of(r.signer, r.digest); }

/// As it is shown: whoever grinds for another one of the same beginning needs 2^64 attempts.
std::string short_id(std::string const& id) { return id.substr(0, 16); }

std::string short_digest(muster::crypto::digest32 const& d) { return to_hex(d).substr(0, 16) + "..."; }

}  // namespace

// ---- what is told ---------------------------------------------------------------------------------------

std::string node::name_of_signer(muster::crypto::public_key const& key) const {
    if (key == self_) return "me";
    if (auto const name = initiator_named(key); !name.empty()) return name;
    if (auto const record = registry_.find(key)) {
        if (auto const* const p = peers_.find(record->who.peer)) return p->name;
    }
    return "signer " + to_hex(key).substr(0, 16) + "...";
}

value node::view_of(discovery::request_advertisement const& r) const {
    value out{{"request", id_of(r)},
              {"signer", to_hex(r.signer)},
              {"peer", r.machine.to_text()},
              {"digest", to_hex(r.digest)},
              {"wanted", value::array()},
              {"wants_us", r.wants(self_)},
              {"type", std::string{to_string(r.type)}},
              {"amount", r.amount},
              {"purpose", r.purpose},
              {"expires", muster::to_unix_millis(r.expires)}};
    for (auto const& k : r.wanted) out["wanted"].push_back(to_hex(k));
    return out;
}

value node::view_of(discovery::presence_advertisement const& a) const {
    auto const s = core_.network().connections().status_of(a.machine);
    bool const is_up = s.status == muster::connection::status::connected;
    value out{{"peer", a.machine.to_text()},
              {"nickname", a.nickname},
              {"avatar", a.avatar},
              {"wallet_address", a.wallet_address},
              {"addresses", value::array()},
              {"relay_addresses", value::array()},
              {"webrtc_address", a.webrtc_address ? value(a.webrtc_address->to_text()) : value()},
              {"created", muster::to_unix_millis(a.issued)},
              {"expires", muster::to_unix_millis(a.expires)},
              {"status", std::string{to_string(s.status)}},
              {"kind", is_up ? value(std::string{to_string(s.kind)}) : value()},
              {"last_attempt_ms", value()}};
    if (s.last_attempt) {
        out["last_attempt_ms"] =
            std::chrono::duration_cast<std::chrono::milliseconds>(clock_.now() - *s.last_attempt).count();
    }
    for (auto const& x : a.addresses) out["addresses"].push_back(x.to_text());
    for (auto const& x : a.relay_addresses) out["relay_addresses"].push_back(x.to_text());
    return out;
}

void node::on_request_event(muster::node::request_event const& e) {
    using enum discovery::change;
    auto const& r = e.listing.what;
    bool const is_routine = e.what == renewed || e.what == evicted;
    auto const purpose = r.purpose.empty() ? std::string{} : text(", for ", in_quotes(r.purpose));
    auto const ours = e.what == posted && r.wants(self_) && !r.wanted.empty() ? ", wants this signer" : "";
    auto const said =
        text("request ", short_id(id_of(r)), " of ", name_of_signer(r.signer), " ", to_string(e.what), purpose, ours);
    auto const name = text("request_", to_string(e.what));
    print(is_routine ? log_level::debug : log_level::info,
          {{"event", name}, {"request", view_of(r)}, {"text", escape(said)}}, {said});
}

void node::on_request_answered(muster::node::request_answered const& e) {
    auto const id = discovery::request_id_of(self_, e.digest);
    auto const said = text(name_of_signer(e.signer), " would sign ", short_digest(e.digest), ", as request ",
                           short_id(id), " asks; `cosigner propose` asks it to");
    print(log_level::info,
          {{"event", "request_answered"},
           {"request", id},
           {"signer", to_hex(e.signer)},
           {"peer", e.machine.to_text()},
           {"text", escape(said)}},
          {said});
}

void node::on_presence(presence_board::event const& e) {
    using enum discovery::change;
    auto const& a = e.listing.what;
    bool const is_routine = e.what == renewed || e.what == evicted;
    auto const name = a.nickname.empty() ? std::string{} : text(", calls itself ", in_quotes(a.nickname));
    auto const verb = e.what == posted ? std::string_view{"online"} : to_string(e.what);
    auto const said = text("peer ", a.machine.to_text(), " ", verb, name);
    print(is_routine ? log_level::debug : log_level::info,
          {{"event", text("presence_", to_string(e.what))}, {"presence", view_of(a)}, {"text", escape(said)}}, {said});
}

// ---- what is asked --------------------------------------------------------------------------------------

void node::change_requests(client_ptr const& client, notice_request const& what) {
    if (!online_) {
        return client->refuse(error{errc::bad_input, "this co-signer is offline; `cosigner online` changes that"});
    }
    if (what.command == "request_ask") return ask_for_signatures(client, what);
    what.command == "request_answer" ? answer_request(client, what) : end_request(client, what);
}

void node::ask_for_signatures(client_ptr const& client, notice_request const& what) {
    if (online_->gossip() == nullptr) {
        return client->refuse(error{errc::bad_input, "enable-gossip is off, so nobody would hear of it"});
    }
    auto r = what.what;
    for (auto const& who : what.with) {
        auto const key = signer_named(who);
        if (!key) return client->refuse(key.error());
        (void)directory_.want(key.value(), clock_.wall_now());  // no stranger takes its place
        r.wanted.push_back(key.value());
    }
    r.signer = self_;
    auto const id = id_of(r);
    auto const digest = r.digest;
    if (auto const asked = online_->requests().ask(std::move(r), what.valid_for); !asked)
        return client->refuse(asked.error());
    client->finish({{"event", "request_asked"},
                    {"request", id},
                    {"text", text("request ", short_id(id), ": asks for signatures of ", short_digest(digest), " for ",
                                  what.valid_for.count(), " s; `cosigner request list` shows who would sign")}},
                   success);
}

void node::answer_request(client_ptr const& client, notice_request const& what) {
    std::vector<muster::node::request_listing> found;
    requests_.for_each_after(nullptr, clock_.wall_now(), [&](auto const& l) {
        if (id_of(l.what).starts_with(what.request)) found.push_back(l);
        return found.size() < 2;
    });
    if (found.size() != 1) {
        return client->refuse(error{
            errc::bad_input, found.empty() ? text("no request begins with ", in_quotes(what.request))
                                           : text("more than one request begins with ", in_quotes(what.request))});
    }
    auto const& r = found.front().what;
    auto const begun = online_->requests().answer(r.key(), [this, client, r](muster::result<void> const& outcome) {
        if (!outcome) {
            return client->refuse(error{
                errc::cannot_connect, text(name_of_signer(r.signer), " was not reached: ", outcome.error().message())});
        }
        auto const said = text("told ", name_of_signer(r.signer), " that this signer would sign ",
                               short_digest(r.digest), "; a proposal is to be approved all the same");
        client->finish({{"event", "request_accepted"}, {"request", id_of(r)}, {"text", escape(said)}}, success);
    });
    if (!begun) client->refuse(begun.error());
}

void node::end_request(client_ptr const& client, notice_request const& what) {
    std::vector<muster::crypto::digest32> found;
    online_->requests().for_each_own([&](auto const& r, auto const&) {
        if (id_of(r).starts_with(what.request)) found.push_back(r.digest);
    });
    if (found.size() != 1) {
        return client->refuse(error{errc::bad_input, text(found.empty() ? "no request" : "more than one request",
                                                          " of ours begins with ", in_quotes(what.request))});
    }
    online_->requests().end(found.front());
    auto const id = discovery::request_id_of(self_, found.front());
    client->finish({{"event", "request_ended"}, {"request", id}, {"text", text("request ", short_id(id), ": ended")}},
                   success);
}

void node::list_requests(client_ptr const& client) {
    auto own = value::array(), others = value::array();
    lines said;
    auto const row = [&](discovery::request_advertisement const& r, std::string const& note) {
        said.push_back(text(short_id(id_of(r)), "  ", padded(escape(name_of_signer(r.signer), 28), 28), "  ",
                            short_digest(r.digest), "  ", note, r.purpose.empty() ? "" : "  ", escape(r.purpose, 40)));
    };
    if (online_) {
        online_->requests().for_each_own([&](auto const& r, auto const& answers) {
            own.push_back(view_of(r));
            own.back()["answers"] = value::array();
            for (auto const& [key, machine] : answers) {
                own.back()["answers"].push_back({{"signer", to_hex(key)}, {"peer", machine.to_text()}});
            }
            row(r, text("would sign: ", answers.size(), r.wanted.empty() ? "" : text(" of ", r.wanted.size())));
        });
    }
    requests_.for_each_after(nullptr, clock_.wall_now(), [&](auto const& l) {
        others.push_back(view_of(l.what));
        row(l.what, l.what.wants(self_) ? "wants us" : "wants others");
        return true;
    });
    if (said.empty()) said.push_back("no requests");
    client->finish(
        {{"event", "requests"}, {"own", std::move(own)}, {"others", std::move(others)}, {"text", joined(said)}},
        success);
}

void node::list_presences(client_ptr const& client) {
    auto list = value::array();
    lines said;
    presences_.for_each_after(nullptr, clock_.wall_now(), [&](auto const& l) {
        list.push_back(view_of(l.what));
        auto const& v = list.back();
        said.push_back(text(l.what.machine.to_text(), "  ", padded(v["status"].template get<std::string>(), 12), "  ",
                            l.what.nickname.empty() ? "-" : escape(l.what.nickname, 24), "  ",
                            escape(l.what.wallet_address, 64)));
        return true;
    });
    if (said.empty()) said.push_back("nobody shows itself");
    client->finish({{"event", "presences"}, {"presences", std::move(list)}, {"text", joined(said)}}, success);
}

}  // namespace cosigner
