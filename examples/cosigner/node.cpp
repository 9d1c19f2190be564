// SPDX-License-Identifier: MIT

#include "node.hpp"

#include <unistd.h>

#include <iostream>

#include <boost/asio/read_until.hpp>

#include "failure.hpp"

namespace cosigner {

using muster::error;
using muster::ok;
using muster::overloaded;
using muster::text;
using muster::to_hex;

namespace {

/// Enough of a session id for a person to tell sessions apart.
std::string brief(signing::session_id const& id) { return to_hex(id).substr(0, 8); }

/// The session an event is about, if any.
std::optional<signing::session_id> session_of(signing::event const& e) {
    return std::visit(
        [](auto const& v) -> std::optional<signing::session_id> {
            if constexpr (requires { v.session; }) return v.session;
            return std::nullopt;
        },
        e);
}

signing::limits limits_for(run_options const& o) {
    signing::limits l;
    l.round_timeout = o.round_timeout;
    l.retry_interval = std::max<muster::duration>(o.round_timeout / 6, std::chrono::seconds{1});
    l.broadcast_timeout = o.broadcast_timeout;
    return l;
}

/// A second copy of the host key: the coordinator owns the set, the transport borrows this one.
muster::peer::node_key host_key_in(home const& h) { return std::move(h.keys().value().node); }

}  // namespace

node::node(boost::asio::io_context& io, home place, muster::peer::key_set keys, run_options options)
    : io_{io},
      home_{std::move(place)},
      options_{std::move(options)},
      host_{host_key_in(home_)},
      network_{io.get_executor(), host_},
      timers_{io.get_executor()},
      control_{io, [this](client_ptr const& c, value const& r) { on_request(c, r); }},
      dial_timer_{io},
      terminal_{io},
      signals_{io, SIGINT, SIGTERM} {
    for (auto const& who : home_.learned_signers()) (void)registry_.add({who, {}});
    for (auto const& [name, peer] : home_.config().peers) peers_.push_back({name, peer.address});
    drill_backend backend;
    backend.false_share = options_.false_share;
    signer_ = std::make_unique<coordinator>(coordinator::parts{network_,
                                                               registry_,
                                                               timers_,
                                                               clock_,
                                                               std::move(keys),
                                                               coordinator::make_epoch().value(),
                                                               limits_for(options_),
                                                               backend,
                                                               {},
                                                               signing::file_journal<>{{.path = home_.journal()}}},
                                            [this](signing::event const& e) { on_event(e); });
}

node::~node() = default;

result<void> node::start() {
    MUSTER_TRY(auto const found, signer_->restore());
    if (found.resumed + found.restarted + found.unreadable != 0) {
        print({{"event", "restored"},
               {"resumed", found.resumed},
               {"restarted", found.restarted},
               {"unreadable", found.unreadable}},
              text("of the sessions before the restart ", found.resumed, " go on, ", found.restarted, " are over, and ",
                   found.unreadable, " could not be read"));
    }
    MUSTER_TRY(auto const address, network_.listen(home_.config().listen));
    MUSTER_TRY(control_.listen(home_.control_socket().string()));
    print({{"event", "listening"}, {"address", address.to_text()}, {"signer", to_hex(signer_->signer_key())}},
          text("listening on ", address.to_text(), "\nsigner key   ", to_hex(signer_->signer_key())));
    signals_.async_wait([this](boost::system::error_code const&, int) {
        signer_->close();
        network_.close();
        io_.stop();
    });
    if (options_.approve == "ask" && ::isatty(STDIN_FILENO) == 1) {
        terminal_.assign(::dup(STDIN_FILENO));
        read_terminal();
    }
    dial_peers();
    return ok();
}

// ---- the network ----------------------------------------------------------------------------------------

// Peers that are not connected are dialled again and again, at growing distances.
void node::dial_peers() {
    auto const now = std::chrono::steady_clock::now();
    for (auto& p : peers_) {
        auto const id = *p.address.peer();
        if (network_.is_connected(id)) {
            p.delay = std::chrono::seconds{1};
        } else if (now >= p.next) {
            (void)network_.connect(id, std::span{&p.address, 1});
            p.next = now + p.delay;
            p.delay = std::min(p.delay * 2, std::chrono::seconds{30});
        }
    }
    dial_timer_.expires_after(std::chrono::milliseconds{500});
    dial_timer_.async_wait([this](boost::system::error_code const& ec) {
        if (!ec) dial_peers();
    });
}

void node::on_identified(signing::peer_identified const& e) {
    auto const configured =
        std::find_if(peers_.begin(), peers_.end(), [&](auto const& p) { return p.address.peer() == e.peer; });
    if (configured == peers_.end()) return;  // strangers may speak for whom they like; nobody here will ask them
    signing::member const who{e.signer, e.peer, e.binding};
    auto const known = registry_.find(e.signer);
    bool const is_news = !known || known->who.peer != e.peer;
    (void)registry_.add({who, {configured->address}});
    if (!is_news) return;
    std::vector<signing::member> all;
    for (auto const& [key, record] : registry_) all.push_back(record.who);
    if (auto const kept = home_.learn(all); !kept) std::cerr << kept.error().to_text() << "\n";
}

// ---- events ---------------------------------------------------------------------------------------------

void node::on_event(signing::event const& e) {
    if (auto const* const v = std::get_if<signing::peer_identified>(&e)) on_identified(*v);
    report(e);
    if (auto const* const v = std::get_if<signing::approval_requested>(&e)) on_approval_requested(*v);
    if (auto const* const v = std::get_if<signing::should_broadcast>(&e)) on_should_broadcast(v->session);
}

void node::report(signing::event const& e) {
    auto const line = annotated(e);
    print(line, line["text"].get<std::string>());
    auto const id = session_of(e);
    if (!id) return;
    auto const [first, last] = watchers_.equal_range(*id);
    bool const is_end = std::holds_alternative<signing::completed>(e) || std::holds_alternative<signing::aborted>(e);
    for (auto w = first; w != last; ++w) {
        if (is_end) {
            w->second->finish(line, std::holds_alternative<signing::completed>(e) ? success : not_signed);
        } else {
            w->second->say(line);
        }
    }
    if (is_end) watchers_.erase(*id);
}

value node::annotated(signing::event const& e) const {
    auto line = muster::json::to_json(e);
    if (auto const* const done = std::get_if<signing::completed>(&e)) {
        if (auto const* const s = signer_->find(done->session)) {
            line["messages"] = value::array();
            for (auto const& m : s->plan().messages) line["messages"].push_back(muster::json::to_json(m));
        }
    }
    if (auto const* const end = std::get_if<signing::aborted>(&e); end != nullptr && end->culprit) {
        line["culprit_name"] = name_of(end->session, *end->culprit);
    }
    line["text"] = describe(e);
    return line;
}

std::string node::name_of(muster::peer::peer_id const& who) const {
    if (who == network_.local()) return "me";
    for (auto const& p : peers_) {
        if (p.address.peer() == who) return p.name;
    }
    return who.to_text();
}

std::string node::name_of(signing::session_id const& id, signing::slot s) const {
    auto const* const found = signer_->find(id);
    if (found == nullptr || s >= found->plan().roster.size()) return text("signer ", s);
    return name_of(found->plan().roster[s].peer);
}

std::string node::describe(signing::event const& e) const {
    auto const in = [](signing::session_id const& id, std::string const& what) {
        return text("session ", brief(id), ": ", what);
    };
    return std::visit(
        overloaded{
            [&](signing::session_created const& v) {
                return in(v.session, text(v.what->roster.size(), " signers, for \"", v.what->purpose, "\""));
            },
            [&](signing::approval_requested const& v) {
                return in(v.session, text(name_of(v.session, v.what->initiator), " asks for your signature: ",
                                          muster::json::to_line(muster::json::to_json(*v.what)["messages"])));
            },
            [&](signing::nonces_received const& v) {
                return in(v.session, name_of(v.session, v.from) + " approved; its nonce is here");
            },
            [&](signing::nonces_complete const& v) { return in(v.session, "everyone approved; our share is out"); },
            [&](signing::shares_received const& v) {
                return in(v.session, name_of(v.session, v.from) + "'s share is here");
            },
            [&](signing::completed const& v) {
                std::string out = in(
                    v.session, text("signed under aggregate key ", to_hex(muster::crypto::to_xonly(v.aggregate_key))));
                for (auto const& s : v.signatures) out += text("\n  signature ", to_hex(s));
                return out;
            },
            [&](signing::aborted const& v) {
                std::string out = in(v.session, text("ended without a signature: ", signing::to_string(v.reason)));
                if (v.culprit) out += text(", by ", name_of(v.session, *v.culprit));
                if (v.reported_by) out += text(" (says ", name_of(v.session, *v.reported_by), ")");
                for (auto const s : v.missing) out += text("; nothing came from ", name_of(v.session, s));
                if (!v.text.empty()) out += text("; ", v.text);
                return out;
            },
            [&](signing::should_broadcast const& v) { return in(v.session, "elected to broadcast"); },
            [&](signing::broadcast_confirmed const& v) {
                return in(v.session, text("broadcast by ", name_of(v.session, v.by)));
            },
            [&](signing::coordinator_failed const& v) {
                return in(v.session, text(name_of(v.session, v.old_coordinator), " did not broadcast in time; ",
                                          name_of(v.session, v.new_coordinator), " takes over"));
            },
            [&](signing::failover_exhausted const& v) {
                return in(v.session, v.by_agreement ? "nobody broadcast; please look into it"
                                                    : "nobody broadcast, and too few signers answer to agree on the "
                                                      "next one; please look into it");
            },
            [&](signing::equivocation_proven const& v) {
                return in(v.session,
                          text(name_of(v.session, v.by), " signed two different contributions; proof kept in the log"));
            },
            [&](signing::peer_identified const& v) {
                return text(name_of(v.peer), " is here, signer key ", to_hex(v.signer));
            },
            [&](signing::peer_misbehaved const& v) { return text(name_of(v.peer), " misbehaves: ", v.why.to_text()); },
            [&](signing::journal_failed const& v) {
                return in(v.session, text("the journal cannot be written: ", v.why.to_text()));
            },
        },
        e);
}

// ---- approval -------------------------------------------------------------------------------------------

void node::on_approval_requested(signing::approval_requested const& e) {
    auto const& rule = options_.approve;
    if (rule == "ask") {
        questions_.push_back(e.session);
        if (questions_.size() == 1) prompt();
        return;
    }
    auto const& messages = e.what->messages;
    bool const matches =
        rule.starts_with("digest:") && std::all_of(messages.begin(), messages.end(), [&](auto const& m) {
            auto const* const d = std::get_if<signing::digest32>(&m);
            return d != nullptr && to_hex(*d) == rule.substr(7);
        });
    if (rule == "all" || matches) {
        (void)signer_->approve(e.session);
    } else {
        (void)signer_->decline(e.session, text("refused by the rule --approve ", rule));
    }
}

void node::prompt() {
    if (questions_.empty()) return;
    if (terminal_.is_open()) {
        std::cout << "approve session " << brief(questions_.front()) << "? [y/N] " << std::flush;
    } else {
        std::cout << "waiting for `cosigner approve` or `cosigner decline` of " << brief(questions_.front())
                  << std::endl;
    }
}

void node::read_terminal() {
    boost::asio::async_read_until(terminal_, typed_, '\n', [this](boost::system::error_code const& ec, std::size_t) {
        if (ec) return;
        std::istream in{&typed_};
        std::string line;
        std::getline(in, line);
        on_answer(line);
        read_terminal();
    });
}

void node::on_answer(std::string const& line) {
    if (questions_.empty()) return;
    auto const id = questions_.front();
    questions_.pop_front();
    auto const done =
        line == "y" || line == "yes" ? signer_->approve(id) : signer_->decline(id, "refused at the terminal");
    if (!done) std::cout << done.error().message() << std::endl;
    prompt();
}

// ---- broadcasting ---------------------------------------------------------------------------------------

void node::on_should_broadcast(signing::session_id const& id) {
    if (options_.hold_broadcast) return;
    if (auto const done = broadcast(id); !done) std::cerr << done.error().to_text() << std::endl;
}

// This application's network of record is a directory. A wallet would send a transaction here.
result<void> node::broadcast(signing::session_id const& id) {
    auto const* const s = signer_->find(id);
    if (s == nullptr || s->at() != signing::phase::finished) {
        return error{errc::bad_input, text("session ", brief(id), " has no signature to broadcast")};
    }
    value record{{"session", to_hex(id)},
                 {"aggregate_key", to_hex(muster::crypto::to_xonly(s->aggregate_key()))},
                 {"proposal", muster::json::to_json(s->plan())},
                 {"signatures", value::array()}};
    for (auto const& sig : s->signatures()) record["signatures"].push_back(to_hex(sig));
    MUSTER_TRY(auto const path, home_.publish(to_hex(id), record));
    print({{"event", "published"}, {"session", to_hex(id)}, {"path", path.string()}},
          text("published ", path.string()));
    return signer_->notify_broadcast_complete(id);
}

void node::print(value const& as_json, std::string const& as_text) const {
    if (options_.json) {
        std::cout << muster::json::to_line(as_json) << std::endl;
    } else {
        std::cout << as_text << std::endl;
    }
}

}  // namespace cosigner
