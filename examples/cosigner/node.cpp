// SPDX-License-Identifier: MIT

#include "node.hpp"

#include <algorithm>
#include <csignal>

#include "failure.hpp"

namespace cosigner {

using muster::error;
using muster::ok;
using muster::text;
using muster::to_hex;

namespace {

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

/// People start their machines in any order, and wait for each other in front of them.
muster::connection::options connections_for() {
    muster::connection::options o;
    o.keep_max = std::chrono::seconds{30};
    return o;
}

auto file_options(home const& h) {
    directory_policies::persistence::store::options o;
    o.path = h.discovered();
    return o;
}

/// Whether a signal would end the program; `nohup` has it ignored.
bool is_heeded(int number) {
    struct sigaction now {};
    return ::sigaction(number, nullptr, &now) == 0 && now.sa_handler != SIG_IGN;
}

}  // namespace

node::node(boost::asio::io_context& io, home place, muster::peer::node_key host, muster::peer::key_set keys,
           guardian_keys guarded, run_options options, printer& out)
    : io_{io},
      home_{std::move(place)},
      options_{std::move(options)},
      out_{out},
      host_{std::move(host)},
      self_{keys.signer.public_key()},
      telemetry_{options_.metrics ? measured_.observer() : muster::metrics::registry::handle{}},
      network_{io.get_executor(), host_, {}, telemetry_.observer()},
      timers_{io.get_executor()},
      directory_{{.own = self_}, file_options(home_), directory_line_, clock_},
      core_{{network_,
             registry_,
             core_line_,
             clock_,
             std::move(keys),
             coordinator::make_epoch().value(),
             limits_for(options_),
             connections_for(),
             drill_backend{{}, options_.false_share},
             {},
             watched_journal{{.path = home_.journal()}, journal_found_}},
            [this](signing::event const& e) { on_event(e); }},
      peers_{core_.network()},
      guarded_{std::move(guarded)},
      control_{io, [this](client_ptr const& c, request const& what) { on_request(c, what); }},
      terminal_{io},
      signals_{io},
      parting_{io},
      leaving_{io},
      listening_{listening_line_, clock_, [this](muster::duration wait) { return listen(wait); }} {
    core_.on_news([this](muster::connection::effect const& e) { on_connection(e); });
    peers_.set(home_.config());
    for (int const s : {SIGINT, SIGTERM, SIGHUP}) {
        if (is_heeded(s)) signals_.add(s);
    }
    await_signal();
    out_.on_closed([this] { boost::asio::post(io_, [this] { stop(); }); });
}

node::~node() {
    out_.on_closed({});
    online_.reset();  // it tells clients how their answers have ended, which takes all of this
}

void node::await_signal() {
    signals_.async_wait([this](boost::system::error_code const& ec, int) {
        if (ec) return;
        stop();
        await_signal();  // whoever does not want to wait asks again
    });
}

// Others are told that this signer leaves, which takes a moment to go out. The second call does not wait for it.
void node::stop() {
    if (std::exchange(is_stopping_, true)) return end();
    listening_.stop();
    out_.end_prompt();
    bool const has_told = online_ && online_->is_saying() && !network_.connected_peers().empty();
    go_offline();
    if (metrics_) metrics_->close();
    notes_.reset();
    guardians_.reset();
    core_.stop();
    if (!has_told) return end();
    parting_.expires_after(parting_time);
    parting_.async_wait([this](boost::system::error_code const& ec) {
        if (!ec) end();
    });
}

void node::end() {
    network_.close();
    io_.stop();
}

void node::tell_settings_damage() {
    if (!home_.damage()) return;
    auto const& d = *home_.damage();
    auto const said =
        text("the settings are damaged: ", d.why, "; they were put aside as ", d.put_aside,
             ". Until they are mended there are no peers, initiators and wallets, and the port is any free one");
    print(log_level::error,
          {{"event", "damaged"}, {"what", "settings"}, {"put_aside", d.put_aside}, {"text", escape(said)}}, {said});
}

result<void> node::start() {
    tell_settings_damage();
    auto const learned = home_.recall();
    if (learned.damage) {
        print(log_level::error, {{"event", "damaged"}, {"what", "signers"}, {"text", escape(*learned.damage)}},
              {*learned.damage});
    }
    for (auto const& who : learned.known) {  // whoever was removed meanwhile may not propose any more
        if (auto const* const p = peers_.find(who.peer)) {
            (void)registry_.told().add({who, {p->address}});
        } else if (!initiator_named(who.signer).empty()) {
            (void)registry_.told().add({who, {}});
        }
    }
    load_directory();
    MUSTER_TRY(auto const found, core_.start());
    tell_journal(found);
    notes_.emplace(
        host_, self_, core_.network(), notes_line_,
        [this](signing::public_key const& key) -> std::optional<muster::peer::peer_id> {
            auto const known = registry_.told().find(key);
            return known ? std::optional{known->who.peer} : std::nullopt;
        },
        [this](value const& as_json, std::string const& said) {
            auto line = as_json;
            line["text"] = said;
            print(log_level::info, line, {said});
        });
    notes_->refresh(home_, home_.config());
    start_guardians();
    MUSTER_TRY(control_.listen(home_.control_socket().string()));
    start_metrics();
    listening_.start();
    is_attended_ = options_.approve.what == approval_rule::kind::ask && !out_.json() && terminal::is_there() &&
                   terminal_.start([this](std::string const& line) { on_typed(line); });
    peers_.start();
    if (options_.auto_connect || home_.config().discovery.auto_connect) go_online();
    return ok();
}

// Another program may have the port for a while: what is dialled from here works meanwhile.
bool node::listen(muster::duration wait) {
    auto const& where = home_.config().listen;
    auto const address = network_.listen(where);
    if (address) {
        print(
            log_level::info,
            {{"event", "listening"}, {"address", address.value().to_text()}, {"signer", to_hex(signer().signer_key())}},
            {text("listening on ", address.value().to_text()), text("signer key   ", to_hex(signer().signer_key()))});
        if (online_) take_up_settings();  // there is an address to be found at now
        return true;
    }
    auto const seconds = std::chrono::duration_cast<std::chrono::seconds>(wait).count();
    auto const said =
        text("cannot listen on ", where.to_text(), ": ", address.error().message(), "; tried again in ", seconds, " s");
    print(
        log_level::error,
        {{"event", "listen_failed"}, {"address", where.to_text()}, {"retry_seconds", seconds}, {"text", escape(said)}},
        {said});
    return false;
}

void node::tell_journal(coordinator::restored const& found) {
    std::vector<signing::session_id> kept = signer().sessions();
    std::sort(kept.begin(), kept.end(), [&](auto const& a, auto const& b) {
        return signer().find(a)->plan().expires_at < signer().find(b)->plan().expires_at;
    });
    for (auto const& id : kept) note_arrival(id);
    auto const& damage = *journal_found_;
    if (damage.put_aside || damage.unreadable != 0) {
        auto const what = text("the journal is damaged: ", damage.unreadable, " bytes of it cannot be read");
        auto const where = damage.put_aside ? text("the file was put aside as ", *damage.put_aside,
                                                   "; sessions that only those bytes told of are lost")
                                            : std::string{
                                                  "they were the end of a record that was being written when "
                                                  "the program or the machine stopped, and were cut off"};
        print(log_level::error,
              {{"event", "damaged"},
               {"what", "journal"},
               {"put_aside", damage.put_aside ? value(*damage.put_aside) : value()},
               {"unreadable_bytes", damage.unreadable},
               {"text", escape(text(what, "; ", where))}},
              {what, where});
    }
    if (found.resumed + found.restarted + found.unreadable == 0) return;
    auto const said = text("of the sessions before the restart ", found.resumed, " are kept, ", found.restarted,
                           " are over, since their nonces are gone, and ", found.unreadable, " could not be read");
    print(found.unreadable == 0 ? log_level::info : log_level::error,
          {{"event", "restored"},
           {"resumed", found.resumed},
           {"restarted", found.restarted},
           {"unreadable", found.unreadable},
           {"text", said}},
          {said});
}

// ---- metrics --------------------------------------------------------------------------------------------

void node::start_metrics() {
    if (!options_.metrics) return;
    metrics_.emplace(metrics_page::parts{io_.get_executor(), metrics_line_, clock_, measured_, *options_.metrics,
                                         [this] { show_metrics(); }, teller()});
    metrics_->start();
}

void node::show_metrics() {
    network_.publish_gauges();
    telemetry_.shows(signer());
    telemetry_.shows(core_.network().connections().stats());
    telemetry_.shows(directory_.stats(clock_.wall_now()), !directory_.is_dirty());
    auto* const gossip = online_ ? online_->gossip() : nullptr;
    telemetry_.shows(gossip == nullptr ? online::pubsub_type::router_type::statistics{} : gossip->router().stats());
}

// ---- the network ----------------------------------------------------------------------------------------

void node::on_connection(muster::connection::effect const& e) {
    namespace connection = muster::connection;
    telemetry_.told(e);
    tell_feed();
    if (outbound_) outbound_->note(e);
    if (online_) online_->take_news(e);
    if (guardians_) guardians_->note(e);
    auto const tell = [&](char const* event, peer_id const& who, std::string const& why) {
        auto const said = text(name_of(who), ": ", event, why.empty() ? "" : ": ", why);
        // That a peer is here is told when it has shown its key; that it has left only by this.
        bool const has_left = event == std::string_view{"disconnected"} && peers_.find(who) != nullptr;
        print(has_left ? log_level::info : log_level::debug,
              {{"event", event}, {"peer", who.to_text()}, {"text", escape(said)}}, {said});
    };
    std::visit(muster::overloaded{
                   [&](connection::connected const& v) { tell("connected", v.peer, ""); },
                   [&](connection::disconnected const& v) { tell("disconnected", v.peer, v.why.message()); },
                   [&](connection::suspected const& v) { tell(v.is_silent ? "silent" : "heard", v.peer, ""); },
                   [&](connection::connect_failed const& v) { tell_unreachable(v.peer, v.why.message()); },
                   [](auto const&) {},
               },
               e);
}

muster::peer::multiaddr const* node::bootstrap_address(peer_id const& who) const {
    if (!online_) return nullptr;
    auto const found = online_->bootstrap().find(who);
    return found == online_->bootstrap().end() ? nullptr : &found->second.front();
}

void node::tell_unreachable(peer_id const& who, std::string const& why) {
    auto const* const p = peers_.find(who);
    auto const* const address = p != nullptr ? &p->address : bootstrap_address(who);
    if (address == nullptr) return;  // whoever asked for it is told
    auto const name = p != nullptr ? p->name : "a bootstrap peer";
    auto const said = text(name, " cannot be reached: ", why);
    print(log_level::info,
          {{"event", "dial_failed"},
           {"peer", who.to_text()},
           {"name", name},
           {"address", address->to_text()},
           {"why", why},
           {"text", escape(said)}},
          {said});
}

// Strangers may speak for whom they like; nobody here will ask them, unless they become peers.
void node::on_identified(signing::peer_identified const& e) {
    constexpr std::size_t strangers_max = 256;  // ours: as many as the transport has connections
    if (auto const* const p = peers_.find(e.peer)) return admit(e, {p->address});
    if (!initiator_named(e.signer).empty()) return admit(e, {});
    std::erase_if(strangers_,
                  [&](auto const& s) { return strangers_.size() >= strangers_max && !network_.is_connected(s.first); });
    if (strangers_.size() < strangers_max) strangers_.insert_or_assign(e.peer, e);
}

void node::admit(signing::peer_identified const& e, std::vector<muster::peer::multiaddr> addresses) {
    signing::member const who{e.signer, e.peer, e.binding};
    auto const known = registry_.told().find(e.signer);
    bool const is_news = !known || known->who.peer != e.peer;
    (void)registry_.told().add({who, std::move(addresses)});
    core_.network().protect(e.peer, "admitted");  // strangers do not take its place
    if (!is_news) return;
    std::vector<signing::member> all;
    for (auto const& [key, record] : registry_.told()) all.push_back(record.who);
    if (auto const kept = home_.learn(all); !kept) out_.fail(kept.error());
    if (notes_) notes_->refresh(home_, home_.config());
}

// ---- guardians ------------------------------------------------------------------------------------------

void node::start_guardians() {
    guardians_.emplace(guardian_circle::parts{
        home_, core_.network(), guardians_line_, clock_, guarded_, [this](peer_id const& who) { return name_of(who); },
        [this](std::string const& name) -> std::optional<peer_id> {
            auto const* const p = peers_.find(std::string_view{name});
            return p == nullptr ? std::nullopt : std::optional{p->id};
        },
        [this](peer_id const& who) { return peers_.find(who) != nullptr; },
        [this](muster::node::introduced const& e) { on_introduced(e); }, teller(), options_.short_delay});
    if (auto const started = guardians_->start(); !started) out_.fail(started.error());
}

// A configured peer that has exchanged its keys is known by its records, and goes on under its name. Its signer key
// has to be the one that was shown before: who has an old node key alone cannot hand the name on.
void node::on_introduced(muster::node::introduced const& e) {
    if (peers_.find(e.peer) != nullptr) return;
    auto changed = home_.config();
    for (auto& [name, address] : changed.peers) {
        auto const old = *address.peer();
        auto const key = old.secp256k1_key();
        auto const shown = registry_.told().find(e.signer);
        if (!key || !e.line.passes(*key) || !shown || shown->who.peer != old) continue;
        auto const written = address.to_text();
        auto const next = muster::peer::multiaddr::from_text(
            text(written.substr(0, written.rfind("/p2p/")), "/p2p/", e.peer.to_text()));
        if (!next) return;
        address = next.value();
        if (auto const saved = home_.save(changed); !saved) {
            out_.fail(saved.error());
            return;
        }
        auto const said = text(name, " has exchanged its keys and is peer ", e.peer.to_text(), " now");
        print(log_level::info,
              {{"event", "peer_followed"},
               {"name", name},
               {"old_peer", old.to_text()},
               {"peer", e.peer.to_text()},
               {"text", escape(said)}},
              {said});
        peers_.set(changed);
        refresh_admitted();
        if (guardians_) guardians_->greet(e.peer);
        return;
    }
}

// ---- events ---------------------------------------------------------------------------------------------

void node::on_event(signing::event const& e) {
    telemetry_.told(e, clock_.now());
    if (auto const* const v = std::get_if<signing::peer_identified>(&e)) on_identified(*v);
    if (auto const* const v = std::get_if<signing::session_created>(&e)) note_arrival(v->session);
    if (auto const* const v = std::get_if<signing::nonces_received>(&e)) note_response(*v);
    report(e);
    withdraw_questions();
    if (auto const* const v = std::get_if<signing::approval_requested>(&e)) on_approval_requested(*v);
    if (auto const* const v = std::get_if<signing::should_broadcast>(&e)) on_should_broadcast(v->session);
}

// How long signers take to approve what we propose.
void node::note_response(signing::nonces_received const& e) {
    auto const since = proposed_.find(e.session);
    auto const* const s = signer().find(e.session);
    if (since == proposed_.end() || s == nullptr || e.from >= s->plan().roster.size()) return;
    auto const& who = s->plan().roster[e.from].signer;
    if (who != self_) (void)directory_.note_response(who, clock_.now() - since->second, clock_.wall_now());
}

void node::note_arrival(signing::session_id const& id) {
    constexpr std::size_t arrivals_max = 16'384;  // ours: about 1 MB
    arrivals_.emplace(id, next_arrival_++);
    if (arrivals_.size() < arrivals_max) return;
    auto const recent = next_arrival_ - arrivals_max / 2;
    std::erase_if(arrivals_, [&](auto const& a) { return a.second < recent && signer().find(a.first) == nullptr; });
}

void node::report(signing::event const& e) {
    auto const said = describe(e);
    auto const line = annotated(e, said);
    // A person who is asked reads it with the question, which may have to wait for another one.
    bool const is_question = is_attended_ && std::holds_alternative<signing::approval_requested>(e);
    if (!is_question) print(said.level, line, said.text);
    tell_watchers(e, line);
}

void node::tell_watchers(signing::event const& e, value const& line) {
    auto const id = session_of(e);
    if (!id) return;
    std::optional<int> code;  // of whoever waits for the end
    if (std::holds_alternative<signing::completed>(e)) code = success;
    if (std::holds_alternative<signing::aborted>(e)) code = not_signed;
    if (std::holds_alternative<signing::stalled>(e)) code = may_be_signed;
    auto const [first, last] = watchers_.equal_range(*id);
    for (auto w = first; w != last; ++w) {
        if (code) {
            w->second->finish(line, *code);
        } else {
            w->second->say(line);
        }
    }
    if (code) watchers_.erase(*id);
}

void node::on_approval_requested(signing::approval_requested const& e) {
    using kind = approval_rule::kind;
    auto const& rule = options_.approve;
    if (rule.what == kind::ask) return ask_person(e.session);
    auto const& messages = e.what->messages;
    bool const matches = rule.what == kind::digest && std::all_of(messages.begin(), messages.end(), [&](auto const& m) {
                             auto const* const d = std::get_if<signing::digest32>(&m);
                             return d != nullptr && *d == rule.digest;
                         });
    auto const done = rule.what == kind::all || matches
                          ? signer().approve(e.session)
                          : signer().decline(e.session, text("refused by the rule --approve ", rule.to_text()));
    if (!done) out_.fail(done.error());
}

// ---- broadcasting ---------------------------------------------------------------------------------------

void node::on_should_broadcast(signing::session_id const& id) {
    if (options_.hold_broadcast) return;
    if (auto const done = broadcast(id); !done) out_.fail(done.error());
}

// This application's network of record is a directory. A wallet would send a transaction here.
result<void> node::broadcast(signing::session_id const& id) {
    auto const* const s = signer().find(id);
    if (s == nullptr || s->at() != signing::phase::finished) {
        return error{errc::bad_input, text("session ", to_hex(id).substr(0, 8), " has no signature to broadcast")};
    }
    value record{{"session", to_hex(id)},
                 {"aggregate_key", to_hex(muster::crypto::to_xonly(s->aggregate_key()))},
                 {"proposal", muster::json::to_json(s->plan())},
                 {"signatures", value::array()}};
    for (auto const& sig : s->signatures()) record["signatures"].push_back(to_hex(sig));
    MUSTER_TRY(auto const path, home_.publish(to_hex(id), record));
    print(log_level::info, {{"event", "published"}, {"session", to_hex(id)}, {"path", path.string()}},
          {text("published ", path.string())});
    return signer().notify_broadcast_complete(id);
}

// For parts that say an event's members, and what a person reads apart.
std::function<void(log_level, value const&, lines const&)> node::teller() {
    return [this](log_level level, value const& as_json, lines const& said) {
        auto line = as_json;
        line["text"] = joined(said);
        print(level, line, said);
    };
}

void node::print(log_level level, value const& as_json, lines const& as_text) {
    if (level <= options_.level) out_.tell(as_json, as_text);
}

}  // namespace cosigner
