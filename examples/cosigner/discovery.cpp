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
    return text(to_hex(l.what.signer), "  ", is_connected ? "connected" : "known    ", "  ", joined_types(l.what), "  ",
                amounts_of(l.what), "  fee ", l.what.fee, "  ", name);
}

std::string_view event_of(discovery::directory_event const& e) {
    return std::visit([](auto const& v) { return std::string_view{v.fields.name}; }, e);
}

}  // namespace

result<void> node::load_directory() {
    auto const found = directory_.load(clock_.wall_now());
    if (!found) return found.error();
    auto const& notes = found.value().notes;
    auto const& damage = notes.damage ? notes.damage : notes.damaged_end;
    if (damage) {
        auto const said = text("the file of discovered signers is damaged: ", damage->message(),
                               notes.aside.empty() ? "" : text("; it was put aside as ", notes.aside));
        print(log_level::error, {{"event", "damaged"}, {"what", "discovered"}, {"text", escape(said)}}, {said});
    }
    auto const said = text(found.value().listed, " signers are known from before");
    print(log_level::info, {{"event", "signers_loaded"}, {"count", found.value().listed}, {"text", said}}, {said});
    return ok();
}

// ---- online and offline ---------------------------------------------------------------------------------

void node::go_online() {
    if (finder_) return finder_->rescan();
    auto const& wanted = home_.config().discovery;
    auto& net = core_.network();
    if (wanted.enable_gossip) {
        gossip_.emplace(net, gossip_line_, clock_, muster::gossip::options{}, muster::system_seed(),
                        gossip_policies::signing{muster::gossip::node_key_signer{host_}});
        gossip_->on_news([this](muster::gossip::effect const& e) {
            if (finder_) finder_->note(e);
        });
    }
    finder_.emplace(finder::parts{net, gossip_ ? &*gossip_ : nullptr, directory_, finder_line_, clock_, host_, self_,
                                  signer().as_member().value().binding, [this] { return network_.addresses(); }});
    open_address_book();
    finder_->on_addresses(
        [this](auto const& who, auto const& where, auto const& by) { learn_addresses(who, where, by); });
    (void)finder_->subscribe({}, [this](discovery::directory_event const& e) { on_directory(e); });
    if (auto const begun = finder_->start(); !begun) out_.fail(begun.error());
    for (auto const& who : net.connections().connected_peers()) {
        if (gossip_) gossip_->adopt(who, net.connections().remote_of(who));
        finder_->note(muster::connection::connected{who, {}, {}});
    }
    auto bootstrap = wanted.bootstrap_peers;
    bootstrap.insert(bootstrap.end(), options_.bootstrap.begin(), options_.bootstrap.end());
    for (auto const& address : bootstrap) {
        auto const who = *address.peer();
        if (who == net.local() || peers_.find(who) != nullptr) continue;
        net.learn(who, {&address, 1});
        (void)net.keep(who);
        bootstrap_.push_back(who);
    }
    if (!options_.advertise && !wanted.advertise_as_signer) return;
    finder_->advertise({.nickname = wanted.presence.nickname.value_or(std::string{})
                                        .substr(0, discovery::signer_advertisement::nickname_size_max)});
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
        print(log_level::error, {{"event", "damaged"}, {"what", "addresses"}, {"text", escape(said)}}, {said});
        kept = muster::connection::new_book(source);
        if (!kept) return void(out_.fail(kept.error()));
    }
    muster::connection::outbound_options o;
    // In a network of one's own, where others are is as private as where we are.
    auto const& listen = home_.config().listen;
    bool const is_anywhere = listen.host() == "0.0.0.0" || listen.host() == "::";
    o.takes_private = !is_anywhere && !muster::connection::is_global(listen);
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
    auto const source = muster::connection::group_of(core_.network().connections().remote_of(told_by));
    (void)outbound_->learn(who, addresses, source.empty() ? "?" : source);
}

void node::go_offline() {
    finder_.reset();  // which withdraws what it has said
    outbound_.reset();
    gossip_.reset();
    for (auto const& who : std::exchange(bootstrap_, {})) core_.network().release(who);
}

void node::switch_discovery(client_ptr const& client, bool is_on) {
    is_on ? go_online() : go_offline();
    client->finish({{"event", is_on ? "online" : "offline"}, {"text", is_on ? "online" : "offline"}}, success);
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
              {"amount_to", a.amount_to},
              {"fee", a.fee},
              {"capabilities", a.capabilities},
              {"addresses", value::array()},
              {"expires", muster::to_unix_millis(a.expires)},
              {"connected", network_.is_connected(a.machine)},
              {"subscribed", l.is_subscribed},
              {"reputation", core_.network().connections().score(a.machine, clock_.now())}};
    for (auto const t : a.types) out["types"].push_back(std::string{to_string(t)});
    for (auto const& x : a.addresses) out["addresses"].push_back(x.to_text());
    return out;
}

void node::on_directory(discovery::directory_event const& e) {
    auto const& l = std::visit(
        [](auto const& v) -> auto const& { return v.listing; }, e);
    auto const verb = std::string{event_of(e).substr(std::string_view{"signer_"}.size())};
    auto const name = l.what.nickname.empty() ? std::string{} : text(", calls itself ", in_quotes(l.what.nickname));
    auto const said = text("signer ", to_hex(l.what.signer), " ", verb, name);
    value line{{"event", std::string{event_of(e)}}, {"listing", view_of(l)}, {"text", escape(said)}};
    bool const is_routine = std::holds_alternative<discovery::signer_updated>(e);
    print(is_routine ? log_level::debug : log_level::info, line, {said});
    std::erase_if(signer_watchers_, [](auto const& w) { return w.first->is_gone(); });
    for (auto const& [client, wanted] : signer_watchers_) {
        if (wanted.admits(l)) client->say(line);
    }
}

void node::list_signers(client_ptr const& client, signers_request const& what) {
    auto list = value::array();
    lines said;
    for (auto const& l : directory_.list(what.what, clock_.wall_now())) {
        list.push_back(view_of(l));
        said.push_back(row_of(l, network_.is_connected(l.what.machine)));
    }
    if (said.empty()) {
        said.push_back(finder_ ? "no such signers yet"
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
    client->finish({{"event", "signers_stats"},
                    {"count", s.size},
                    {"oldest", at(s.oldest)},
                    {"newest", at(s.newest)},
                    {"contradictions", directory_.contradictions().size()},
                    {"saved", !directory_.is_dirty()},
                    {"online", finder_.has_value()},
                    {"advertising", finder_ && finder_->is_advertising()},
                    {"text", text(s.size, " signers are known; ", directory_.contradictions().size(),
                                  " have said two different things")}},
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

void node::change_setting(client_ptr const& client, setting_request const& what) {
    auto const on_disk = home::open(home_.dir());
    if (!on_disk) return client->refuse(on_disk.error());
    auto changed = on_disk.value().config();
    auto said = change_settings(changed, what);
    if (!said) return client->refuse(said.error());
    if (auto const saved = home_.save(changed); !saved) return client->refuse(saved.error());
    client->finish(std::move(said).value(), success);
}

}  // namespace cosigner
