// SPDX-License-Identifier: MIT

// The part of a running co-signer that finds signers, and lets itself be found.

#include <algorithm>

#include <muster/connection/book_file.hpp>
#include <muster/connection/reach.hpp>
#include <muster/core/posix_files.hpp>
#include <muster/crypto/system_random.hpp>

#include "failure.hpp"
#include "node.hpp"
#include "peer_command.hpp"

namespace cosigner {

using muster::error;
using muster::ok;
using muster::text;
using muster::to_hex;
namespace discovery = muster::discovery;

namespace {

constexpr std::size_t signer_watchers_max = 32;  // ours

std::string joined_types(discovery::signer_advertisement const& a) {
    std::string out;
    for (auto const t : a.types) out += text(out.empty() ? "" : ",", to_string(t));
    return out.empty() ? "-" : out;
}

std::string amounts_of(discovery::signer_advertisement const& a) {
    if (a.amount_to == ~std::uint64_t{0}) return a.amount_from == 0 ? "any" : text(a.amount_from, "-");
    return text(a.amount_from, "-", a.amount_to);
}

/// A row of the table.
std::string row_of(discovery::signer_listing const& l, bool is_connected) {
    auto const name = l.what.nickname.empty() ? std::string{"-"} : escape(l.what.nickname, 24);
    return text(to_hex(l.what.signer), "  ", is_connected ? "connected" : "known    ", "  ",
                padded(joined_types(l.what), 12), "  ", padded(amounts_of(l.what), 12), "  ",
                padded(std::to_string(l.what.fee), 6), "  ", name);
}

std::int64_t milliseconds(muster::duration d) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(d).count();
}

std::string_view event_of(discovery::directory_event const& e) {
    return std::visit([](auto const& v) { return std::string_view{v.fields.name}; }, e);
}

}  // namespace

void node::load_directory() {
    auto const found = directory_.load(clock_.wall_now());
    if (!found) {  // it is a cache: without it nothing is known from before, and nothing is kept
        auto const said = text("the file of discovered signers cannot be read: ", found.error().message());
        print(log_level::error,
              {{"event", "damaged"}, {"what", "discovered"}, {"put_aside", nullptr}, {"text", escape(said)}}, {said});
        return;
    }
    auto const& notes = found.value().notes;
    auto const& damage = notes.damage ? notes.damage : notes.damaged_end;
    if (damage) {
        auto const said = text("the file of discovered signers is damaged: ", damage->message(),
                               notes.aside.empty() ? "" : text("; it was put aside as ", notes.aside));
        print(log_level::error,
              {{"event", "damaged"},
               {"what", "discovered"},
               {"put_aside", notes.aside.empty() ? value() : value(notes.aside)},
               {"text", escape(said)}},
              {said});
    }
    directory_.underlying().on_save(
        [this](auto const& saved) { tell_saving(saved ? std::string{} : saved.error().message()); });
    auto const said = text("signers known from before: ", found.value().listed);
    print(log_level::info, {{"event", "signers_loaded"}, {"count", found.value().listed}, {"text", said}}, {said});
}

// Once for each reason, and when it works again: it is tried again after a second, then ever later, up to a minute.
void node::tell_saving(std::string const& why) {
    if (std::exchange(not_saved_, why) == why) return;
    auto const said = why.empty() ? std::string{"discovered signers are saved again"}
                                  : text("discovered signers are not saved: ", why, "; it is tried again");
    print(why.empty() ? log_level::info : log_level::error,
          {{"event", why.empty() ? "saved" : "not_saved"}, {"what", "discovered"}, {"text", escape(said)}}, {said});
}

// ---- online and offline ---------------------------------------------------------------------------------

// The settings, and what `run` was asked to do besides.
discovery::settings node::wanted_online() {
    auto out = home_.config().discovery;
    out.advertise_as_signer = out.advertise_as_signer || options_.advertise;
    auto& all = out.bootstrap_peers;
    all.insert(all.end(), options_.bootstrap.begin(), options_.bootstrap.end());
    if (std::erase_if(all, [&](auto const& a) { return a.peer() == network_.local(); }) != 0) {
        auto const said = "a bootstrap address is this co-signer's own; it is left out";
        print(log_level::info, {{"event", "bootstrap_ignored"}, {"text", said}}, {said});
    }
    if (out.advertise_as_signer && !out.enable_gossip) {
        auto const said = "this signer is not advertised: enable-gossip is off";
        print(log_level::info, {{"event", "not_advertised"}, {"text", said}}, {said});
    }
    return out;
}

void node::go_online() {
    if (online_) return online_->rescan();
    muster::node::online_handlers tell;
    tell.signer = [this](auto const& e) { on_directory(e); };
    tell.request = [this](auto const& e) { on_request_event(e); };
    tell.answered = [this](auto const& e) { on_request_answered(e); };
    tell.presence = [this](auto const& e) { on_presence(e); };
    tell.addresses = [this](auto const& who, auto const& where, auto const& by) { learn_addresses(who, where, by); };
    online_.emplace(online::parts{
        core_.network(), directory_, requests_, presences_, rings_, clock_, host_, self_,
        signer().as_member().value().binding, wanted_online(), [this] { return advertised_addresses(); },
        [this](peer_id const& who) { return peers_.find(who) != nullptr; }, std::move(tell), is_private()});
    open_address_book();
    if (auto const begun = online_->start(); !begun) {
        out_.fail(begun.error());
        go_offline();
    }
}

// Whoever listens everywhere is found at what anybody can reach; the addresses of its own network are nobody's
// business.
std::vector<muster::peer::multiaddr> node::advertised_addresses() const {
    auto all = network_.addresses();
    if (is_private()) return all;
    std::erase_if(all, [](auto const& a) { return !muster::connection::is_global(a); });
    return all;
}

// In a network of one's own, where others are is as private as where we are.
bool node::is_private() const {
    auto const& listen = home_.config().listen;
    bool const is_anywhere = listen.host() == "0.0.0.0" || listen.host() == "::";
    if (is_anywhere || muster::connection::is_global(listen)) return false;
    auto const is_public = [](auto const& a) {
        return muster::connection::is_global(a) || !muster::connection::starts_with_ip(a);
    };
    auto const& known = home_.config().discovery.bootstrap_peers;
    auto const& given = options_.bootstrap;
    return std::none_of(known.begin(), known.end(), is_public) && std::none_of(given.begin(), given.end(), is_public);
}

// Connections of our own choosing, so that the network does not hang on one address.
void node::open_address_book() {
    muster::posix_files files;
    muster::crypto::system_random source;
    auto kept = muster::connection::load_book(files, home_.addresses(), clock_.wall_now(), source);
    if (!kept) {
        auto const aside = muster::keep_aside(files, home_.addresses());
        auto const said = text("the address book cannot be read: ", kept.error().message(),
                               aside ? text("; it was put aside as ", aside.value()) : std::string{});
        print(log_level::error,
              {{"event", "damaged"},
               {"what", "addresses"},
               {"put_aside", aside ? value(aside.value()) : value()},
               {"text", escape(said)}},
              {said});
        kept = muster::connection::new_book(source);
        if (!kept) return void(out_.fail(kept.error()));
    }
    muster::connection::outbound_options o;
    o.takes_private = is_private();
    outbound_.emplace(
        core_.network(), outbound_line_, clock_, std::move(kept).value(),
        [path = home_.addresses()](muster::connection::kept_book const& what) {
            muster::posix_files disk;
            return muster::connection::save_book(disk, path, what);
        },
        o);
    outbound_->start();
}

void node::learn_addresses(peer_id const& who, std::vector<muster::peer::multiaddr> const& addresses,
                           peer_id const& told_by) {
    if (!outbound_ || who == network_.local()) return;
    // What others pass on has one source, however many neighbours an attacker has it passed on by.
    auto const remote = core_.network().connections().remote_of(told_by);
    bool const is_own_word = told_by == who && !remote.empty();
    (void)outbound_->learn(who, addresses, is_own_word ? muster::connection::group_of(remote) : "gossip");
}

void node::go_offline() {
    online_.reset();  // which withdraws what it has said
    outbound_.reset();
}

void node::leave_strangers_soon() {
    leaving_.expires_after(parting_time);
    leaving_.async_wait([this](boost::system::error_code const& ec) {
        if (!ec && !online_) leave_strangers();
    });
}

// Who is neither configured nor admitted is here for discovery alone.
void node::leave_strangers() {
    auto& net = core_.network();
    std::set<peer_id> admitted;
    for (auto const& [key, record] : registry_.told()) admitted.insert(record.who.peer);
    for (auto const& who : net.connections().connected_peers()) {
        if (peers_.find(who) == nullptr && admitted.count(who) == 0) net.disconnect_and_release(who);
    }
}

void node::switch_discovery(client_ptr const& client, bool is_on) {
    bool const was_on = online_.has_value();
    std::string said = is_on ? "online" : "offline";
    if (is_on) {
        go_online();
        if (was_on) said = "online already; looked around";
    } else {
        go_offline();
        leave_strangers_soon();
        if (!was_on) said = "offline already";
    }
    client->finish({{"event", is_on ? "online" : "offline"}, {"text", said}}, success);
}

// ---- signers --------------------------------------------------------------------------------------------

value node::view_of(discovery::signer_listing const& l) const {
    auto const& a = l.what;
    value out{{"signer", to_hex(a.signer)},
              {"id", discovery::advertisement_id(a.signer)},
              {"peer", a.machine.to_text()},
              {"nickname", a.nickname},
              {"types", value::array()},
              {"amount_from", a.amount_from},
              {"amount_to", a.amount_to == ~std::uint64_t{0} ? value() : value(a.amount_to)},
              {"fee", a.fee},
              {"capabilities", a.capabilities},
              {"addresses", value::array()},
              {"expires", muster::to_unix_millis(a.expires)},
              {"connected", network_.is_connected(a.machine)},
              {"reputation", l.reputation},
              {"followed", l.is_subscribed},
              {"response_ms", l.response_time == muster::duration{} ? value() : value(milliseconds(l.response_time))}};
    for (auto const t : a.types) out["types"].push_back(std::string{to_string(t)});
    for (auto const& x : a.addresses) out["addresses"].push_back(x.to_text());
    return out;
}

void node::on_directory(discovery::directory_event const& e) {
    telemetry_.told(e);
    auto const& l = std::visit(
        [](auto const& v) -> auto const& { return v.listing; }, e);
    auto const verb = std::string{event_of(e).substr(std::string_view{"signer_"}.size())};
    auto const name = l.what.nickname.empty() ? std::string{} : text(", calls itself ", in_quotes(l.what.nickname));
    auto const said = text("signer ", to_hex(l.what.signer), " ", verb, name);
    value line{{"event", std::string{event_of(e)}}, {"listing", view_of(l)}, {"text", escape(said)}};
    bool const is_routine = !l.is_subscribed && (std::holds_alternative<discovery::signer_updated>(e) ||
                                                 std::holds_alternative<discovery::signer_evicted>(e));
    print(is_routine ? log_level::debug : log_level::info, line, {said});
    std::erase_if(signer_watchers_, [](auto const& w) { return w.first->is_gone(); });
    for (auto const& [client, wanted] : signer_watchers_) {
        if (wanted.matches(l)) client->say(line);
    }
}

// What is thought of machines is kept by the manager of connections; the directory has a copy, for its queries.
void node::note_reputations() {
    auto const now = clock_.wall_now();
    for (auto const& l : directory_.list({}, now)) {
        auto const points = core_.network().connections().score(l.what.machine, clock_.now());
        if (points != l.reputation) (void)directory_.set_reputation(l.what.signer, points, now);
    }
}

void node::list_signers(client_ptr const& client, signers_request const& what) {
    auto list = value::array();
    lines said;
    note_reputations();
    for (auto const& l : directory_.list(what.what, clock_.wall_now())) {
        list.push_back(view_of(l));
        said.push_back(row_of(l, network_.is_connected(l.what.machine)));
    }
    if (!said.empty()) {
        said.insert(said.begin(),
                    text(padded("SIGNER KEY", 66), "  STATUS     TYPES         AMOUNTS       FEE     CALLS ITSELF"));
    } else {
        said.push_back(online_ ? "no such signers yet"
                               : "no such signers; `cosigner online` begins to look, as does `run --auto-connect`");
    }
    value answer{{"event", "signers"}, {"signers", std::move(list)}, {"text", joined(said)}};
    if (what.command == "signers") return client->finish(std::move(answer), success);
    std::erase_if(signer_watchers_, [](auto const& w) { return w.first->is_gone(); });
    if (signer_watchers_.size() >= signer_watchers_max) {
        return client->refuse(
            error{errc::bad_input, text(signer_watchers_max, " are watching already, which is the most")});
    }
    client->say(answer);
    signer_watchers_.emplace_back(client, what.what);
}

void node::tell_stats(client_ptr const& client) const {
    auto const s = directory_.stats(clock_.wall_now());
    auto const at = [](std::optional<muster::timestamp> const& t) {
        return t ? value(muster::to_unix_millis(*t)) : value();
    };
    client->finish(
        {{"event", "signers_stats"},
         {"count", s.size},
         {"oldest", at(s.oldest)},
         {"newest", at(s.newest)},
         {"contradictions", directory_.contradictions().size()},
         {"saved", !directory_.is_dirty()},
         {"online", online_.has_value()},
         {"advertising", online_ && online_->signers().is_advertising()},
         {"text", text("signers known: ", s.size, "; contradictions: ", directory_.contradictions().size(), "; ",
                       online_ ? "online" : "offline",
                       online_ && online_->signers().is_advertising() ? ", advertising" : ", not advertising")}},
        success);
}

// What is ours: it is kept on disk, and when the signer advertises anew.
void node::follow_signer(client_ptr const& client, follow_request const& what) {
    auto const now = clock_.wall_now();
    (void)directory_.want(what.signer, now);  // no stranger takes its place
    if (!directory_.set_subscribed(what.signer, what.is_on, now)) {
        return client->refuse(error{errc::bad_input, text("no signer ", to_hex(what.signer), " is listed")});
    }
    client->finish({{"event", what.is_on ? "signer_followed" : "signer_unfollowed"},
                    {"signer", to_hex(what.signer)},
                    {"text", what.is_on ? "followed: whatever it says is told" : "not followed any more"}},
                   success);
}

void node::clear_signers(client_ptr const& client) {
    directory_.clear();
    client->finish({{"event", "signers_cleared"}, {"text", "forgotten"}}, success);
}

// ---- who may ask, and settings --------------------------------------------------------------------------

std::string node::initiator_named(muster::crypto::public_key const& key) const {
    for (auto const& [name, known] : home_.config().initiators) {
        if (known == key) return name;
    }
    return {};
}

// Those that are peers or initiators now, under the addresses that they have now.
void node::refresh_admitted() {
    signing::static_registry kept;
    for (auto const& [key, record] : registry_.told()) {
        auto const* const p = peers_.find(record.who.peer);
        if (p != nullptr || !initiator_named(key).empty()) {
            (void)kept.add(
                {record.who, p == nullptr ? std::vector<muster::peer::multiaddr>{} : std::vector{p->address}});
        } else {  // it may be one again, and has said hello already
            core_.network().unprotect(record.who.peer, "admitted");
            strangers_.insert_or_assign(record.who.peer,
                                        signing::peer_identified{record.who.peer, key, record.who.binding});
        }
    }
    registry_.told() = std::move(kept);
    std::vector<signing::peer_identified> met;
    for (auto const& [who, hello] : strangers_) {
        if (peers_.find(who) != nullptr || !initiator_named(hello.signer).empty()) met.push_back(hello);
    }
    for (auto const& hello : met) {
        strangers_.erase(hello.peer);
        on_identified(hello);
    }
    if (notes_) notes_->refresh(home_, home_.config());  // who is no peer any more gets none
}

void node::change_initiators(client_ptr const& client, initiator_request const& what) {
    auto const on_disk = home::open(home_.dir());  // somebody may have edited it since
    if (!on_disk) return client->refuse(on_disk.error());
    auto changed = on_disk.value().config();
    auto said = change_settings(changed, what, self_);
    if (!said) return client->refuse(said.error());
    if (auto const saved = home_.save(changed); !saved) return client->refuse(saved.error());
    refresh_admitted();
    client->finish(std::move(said).value(), success);
}

// At once, without ending what is under way where that can be.
void node::take_up_settings() {
    if (!online_) return;
    auto const wanted = wanted_online();
    if (online_->can_become(wanted)) {
        if (auto const changed = online_->change(wanted); !changed) out_.fail(changed.error());
        return;
    }
    go_offline();
    go_online();
}

void node::change_setting(client_ptr const& client, setting_request const& what) {
    auto const on_disk = home::open(home_.dir());
    if (!on_disk) return client->refuse(on_disk.error());
    auto changed = on_disk.value().config();
    auto said = change_settings(changed, what);
    if (!said) return client->refuse(said.error());
    if (auto const saved = home_.save(changed); !saved) return client->refuse(saved.error());
    take_up_settings();
    client->finish(std::move(said).value(), success);
}

}  // namespace cosigner
