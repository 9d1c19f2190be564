// SPDX-License-Identifier: MIT

#include "notes.hpp"

#include <algorithm>
#include <filesystem>
#include <set>

#include <muster/crypto/hedged_random.hpp>

#include "files.hpp"
#include "peer_command.hpp"

namespace cosigner {

namespace fs = std::filesystem;
namespace sync = muster::sync;
namespace transport = muster::transport;
using muster::error;
using muster::text;
using muster::to_hex;

namespace {

/// The notebook of the wallet whose aggregate key is @p key: that is what its signers have in common, and not its name.
muster::identity::network_id network_of(std::string const& key) {
    static muster::crypto::hash_tag const tag{"muster/notes/v1"};
    return muster::identity::network_id::from(muster::crypto::tagged_hash(tag, muster::as_bytes(key)).view());
}
std::string text_of(std::optional<muster::bytes> const& content) {
    return content ? std::string{content->begin(), content->end()} : std::string{};
}
/// A life that nobody had.
result<std::uint64_t> draw_life() {
    muster::crypto::hedged_random<> random;
    std::array<muster::byte, 8> drawn{};
    MUSTER_TRY(random.fill_secret(drawn));
    std::uint64_t life = 0;
    for (auto const b : drawn) life = life << 8 | b;
    return life;
}

/// The records that lead from the first key of @p who to the one they have now. A rotation that was interrupted has
/// left one that does not count, or the same one twice.
result<std::vector<muster::identity::successor>> successors_of(muster::identity::key_file_owner const& who,
                                                               fs::path const& path) {
    std::vector<muster::identity::successor> out;
    std::error_code ec;
    if (who.epoch == 0 || !fs::exists(path, ec)) return out;
    MUSTER_TRY(auto const content, read_file(path));
    std::map<muster::peer::key_epoch, muster::identity::successor> all;
    for (std::size_t at = 0; at < content.size();) {
        auto const end = std::find(content.begin() + static_cast<std::ptrdiff_t>(at), content.end(), '\n');
        std::string const digits(content.begin() + static_cast<std::ptrdiff_t>(at), end);
        at = static_cast<std::size_t>(end - content.begin()) + 1;
        auto const record = muster::from_hex(digits);
        auto read = record ? muster::identity::successor::decode(record.value())
                           : result<muster::identity::successor>{record.error()};
        if (!read) return error{errc::bad_directory, text(path.string(), ": ", read.error().message())};
        all.insert_or_assign(read.value().epoch, std::move(read).value());
    }
    for (auto& [epoch, s] : all) {
        if (epoch <= who.epoch) out.push_back(std::move(s));
    }
    return out;
}

}  // namespace

notebooks::notebooks(muster::peer::node_key const& key, muster::crypto::public_key const& self, network& net,
                     timer_line& line, peer_finder find, teller tell)
    : key_{key}, self_{self}, network_{net}, line_{line}, find_{std::move(find)}, tell_{std::move(tell)} {
    line_.attach(muster::wake_function::of<&notebooks::wake>(*this));
    network_.attach(sync_protocol, [this](transport::event const& e) { on_event(e); });
}
notebooks::~notebooks() {
    line_.attach({});
    network_.detach(sync_protocol);
}

void notebooks::refresh(home const& place, settings const& s) {
    auto const wallets = json_of_wallets(s, self_)["wallets"];
    std::set<muster::identity::network_id> wanted;
    for (auto const& w : wallets) {
        auto const key = w["aggregate_key"].get<std::string>();
        wanted.insert(network_of(key));
        auto const found = books_.find(network_of(key));
        if (found != books_.end()) {
            found->second.wallet = w["name"].get<std::string>();
            continue;
        }
        auto const& with = s.wallets.at(w["name"].get<std::string>()).with;
        open(place, w["name"].get<std::string>(), key, with);
    }
    std::erase_if(books_, [&](auto const& b) { return !wanted.contains(b.first); });
    for (auto& [id, b] : books_) learn(b);
    count_peers();
}

void notebooks::open(home const& place, std::string const& wallet, std::string const& key,
                     std::vector<signing::public_key> signers) {
    auto const id = network_of(key);
    auto const opened = [&]() -> result<void> {
        std::error_code ec;
        auto const dir = place.dir() / "notes";
        fs::create_directories(dir, ec);
        if (ec) return error{errc::io_failed, text("cannot make ", dir.string(), ": ", ec.message())};
        open_book b;
        b.wallet = wallet;
        b.signers = std::move(signers);
        b.signers.push_back(self_);
        std::sort(b.signers.begin(), b.signers.end());
        notebook::options o;
        o.network = id;
        MUSTER_TRY(o.fresh_life, draw_life());
        o.members.resize(b.signers.size());
        auto const self = std::find(b.signers.begin(), b.signers.end(), self_) - b.signers.begin();
        o.self = static_cast<std::uint16_t>(self);
        MUSTER_TRY(auto const owner, place.keys().owner());
        MUSTER_TRY(auto successors, successors_of(owner, place.dir() / "successors"));
        for (std::size_t i = 0; i < b.signers.size(); ++i) {
            auto const peer = i == o.self ? std::nullopt : find_(b.signers[i]);
            auto const known = peer ? peer->secp256k1_key() : std::nullopt;
            if (known) o.members[i] = {muster::identity::user_of(*known), known};
            o.members[i].signer = b.signers[i];
        }
        o.members[o.self] = {owner.user, key_.public_key(), self_, std::move(successors)};
        auto const file = (dir / to_hex(id).substr(0, 32)).string();
        b.book = std::make_unique<notebook>(std::move(o), key_, sync::file_entries<>{file});
        MUSTER_TRY(b.book->load(clock_.wall_now()));
        books_.emplace(id, std::move(b));
        return muster::ok();
    }();
    if (opened) return;
    auto const said = text("the notes of ", wallet, " cannot be opened: ", opened.error().message());
    tell_({{"event", "notes_failed"}, {"wallet", wallet}}, said);
}

// Members become known when they connect, at the latest. Who is no peer any more, or another one, gets nothing from
// here on.
void notebooks::learn(open_book& b) {
    auto const id = std::find_if(books_.begin(), books_.end(), [&](auto const& e) { return &e.second == &b; })->first;
    for (std::size_t i = 0; i < b.signers.size(); ++i) {
        auto const peer = b.signers[i] == self_ ? std::nullopt : find_(b.signers[i]);
        auto const known = peer ? peer->secp256k1_key() : std::nullopt;
        std::vector<muster::peer::peer_id> gone;
        for (auto const& [who, at] : b.places) {
            if (at == i && who != peer) gone.push_back(who);
        }
        for (auto const& who : gone) {
            b.places.erase(who);
            effects out;
            b.book->handle(sync::peer_lost{who}, clock_.now(), clock_.wall_now(), out);
            perform(id, b, out);
        }
        if (!known || !b.places.emplace(*peer, i).second) continue;
        b.book->learn(i, muster::identity::user_of(*known), *known);
        if (!network_.is_connected(*peer)) continue;
        effects out;
        b.book->handle(sync::peer_reached{*peer}, clock_.now(), clock_.wall_now(), out);
        perform(id, b, out);
    }
}

void notebooks::on_event(transport::event const& e) {
    auto const pass = [&](muster::peer::peer_id const& who, auto const& what, auto const& is_meant) {
        for (auto& [id, b] : books_) {
            if (!b.places.contains(who) || !is_meant(id)) continue;
            effects out;
            b.book->handle(what, clock_.now(), clock_.wall_now(), out);
            perform(id, b, out);
        }
    };
    auto const all = [](muster::identity::network_id const&) { return true; };
    if (auto const* const c = std::get_if<transport::connected>(&e)) pass(c->peer, sync::peer_reached{c->peer}, all);
    if (auto const* const d = std::get_if<transport::disconnected>(&e)) pass(d->peer, sync::peer_lost{d->peer}, all);
    if (auto const* const r = std::get_if<transport::received>(&e); r != nullptr && r->frame.size() > 32) {
        auto const content = muster::byte_view{r->frame};
        pass(r->peer, sync::heard{r->peer, muster::to_bytes(content.subspan(32))},
             [&](muster::identity::network_id const& id) { return muster::equal(id.view(), content.first(32)); });
    }
    count_peers();
}

void notebooks::wake() {
    for (auto& [id, b] : books_) {
        effects out;
        b.book->wake(clock_.now(), clock_.wall_now(), out);
        perform(id, b, out);
    }
    count_peers();
}

void notebooks::perform(muster::identity::network_id const& id, open_book& b, effects& all) {
    for (auto& e : all.take()) {
        if (auto* const s = std::get_if<sync::send>(&e)) {
            auto frame = muster::to_bytes(id.view());
            muster::append(frame, s->message);
            (void)network_.send(s->peer, sync_protocol, std::move(frame));  // what does not go is sent again
        } else if (auto const* const c = std::get_if<muster::node::note_changed>(&e)) {
            auto line = described(b, c->key);
            line["event"] = "note_changed";
            auto const said =
                text(b.wallet, ": ", c->is_conflict ? "two have written " : "", escape(c->key),
                     c->is_conflict ? " at the same time; see `cosigner notes conflicts`" : " has changed");
            tell_(line, said);
        } else if (auto const* const f = std::get_if<muster::node::member_forked>(&e)) {
            tell_({{"event", "member_forked"},
                   {"wallet", b.wallet},
                   {"user", to_hex(f->who)},
                   {"proof", to_hex(f->proof)}},
                  text(b.wallet, ": ", muster::identity::shown(f->who),
                       " has signed two stories; it is not heard any more"));
        } else if (auto const told = described(b, e)) {
            tell_(told->first, told->second);
        } else if (auto const* const x = std::get_if<muster::node::store_failed>(&e)) {
            tell_({{"event", "notes_failed"}, {"wallet", b.wallet}},
                  text("the notes of ", b.wallet, " cannot be kept: ", x->why.message(),
                       "; restart when that is mended"));
        }
    }
    muster::deadline next;
    for (auto const& [other, o] : books_) next = muster::earlier(next, o.book->next_deadline());
    line_.set(muster::earlier(next, watch_.next_deadline()));
}

std::optional<std::pair<value, std::string>> notebooks::described(open_book const& b, notebook::effect const& e) {
    namespace node = muster::node;
    auto const line = [&](char const* name) { return value{{"event", name}, {"wallet", b.wallet}}; };
    if (auto const* const r = std::get_if<node::copy_restored>(&e)) {
        auto out = line("notes_restored");
        out["rewritten"] = r->rewritten;
        return std::pair{out, text(b.wallet,
                                   ": the notes here are an older copy than the others have of yours, from a "
                                   "backup; they are brought up to date, and ",
                                   r->rewritten, " that you wrote meanwhile are written again")};
    }
    if (auto const* const c = std::get_if<node::clock_ahead>(&e)) {
        auto out = line("clock_ahead");
        out["user"] = to_hex(c->who);
        out["seconds"] = c->by.count() / 1000;
        return std::pair{out, text(b.wallet, ": the clock of ", muster::identity::shown(c->who), " is ",
                                   c->by.count() / 1000, " s ahead; what they write shows when its time has come")};
    }
    if (auto const* const c = std::get_if<node::clock_set_back>(&e)) {
        auto out = line("clock_set_back");
        out["rewritten"] = c->rewritten;
        return std::pair{out, text(b.wallet, ": the clock here was ahead when you wrote; ", c->rewritten,
                                   " notes are written again with the time that it is")};
    }
    if (auto const* const f = std::get_if<node::notes_full>(&e)) {
        auto out = line("notes_full");
        out["peer"] = f->peer.to_text();
        return std::pair{out, text(b.wallet, ": ", f->peer.to_text(),
                                   " keeps no more of your notes: you have written as much as one signer may")};
    }
    return std::nullopt;
}

// Online is when two others are there, or all of them where there are fewer.
void notebooks::count_peers() {
    std::map<muster::peer::peer_id, bool> all;
    for (auto const& [id, b] : books_) {
        for (auto const& [who, place] : b.places) all[who] = network_.is_connected(who);
    }
    auto const there =
        static_cast<std::size_t>(std::count_if(all.begin(), all.end(), [](auto const& p) { return p.second; }));
    muster::effect_list<sync::link_watch::effect> out;
    bool const is_all = !all.empty() && there == all.size();
    watch_.handle(sync::peers_counted{is_all ? std::max<std::size_t>(there, 2) : there}, clock_.now(), out);
    for (auto const& e : out) {
        auto const state = std::string{to_string(std::get<sync::link_changed>(e).to)};
        tell_({{"event", "link"}, {"state", state}}, text("notes: ", state));
    }
    muster::deadline next = watch_.next_deadline();
    for (auto const& [id, b] : books_) next = muster::earlier(next, b.book->next_deadline());
    line_.set(next);
}

result<notebooks::open_book*> notebooks::book_of(std::string const& wallet) {
    for (auto& [id, b] : books_) {
        if (b.wallet == wallet) return &b;
    }
    std::vector<std::string_view> names;
    for (auto const& [id, b] : books_) names.push_back(b.wallet);
    return error{errc::bad_input, text("no wallet is called ", in_quotes(wallet), did_you_mean(wallet, names))};
}

std::string notebooks::name_of(open_book const& b, sync::update const& w) const {
    auto const& key = b.signers[w.at.by.member];
    return key == self_ ? "me" : to_hex(key);
}

value notebooks::described(open_book const& b, std::string const& key) const {
    auto const& copy = b.book->copy();
    auto const content = copy.value_of(key);
    auto const siblings = copy.siblings(key);
    auto versions = value::array();
    for (auto const& w : siblings) {
        versions.push_back(value{{"by", name_of(b, w)},
                                 {"at", muster::to_unix_millis(w.time.wall())},
                                 {"content", w.value ? value(text_of(w.value)) : value()}});
    }
    return {{"wallet", b.wallet},
            {"key", key},
            {"content", content ? value(text_of(content)) : value()},
            {"versions", std::move(versions)}};
}

result<value> notebooks::carry_out(note_request const& what) {
    MUSTER_TRY(auto* const b, book_of(what.wallet));
    auto const& copy = b->book->copy();
    if (what.command == "notes_list" || what.command == "notes_conflicts") {
        bool const is_all = what.command == "notes_list";
        auto list = value::array();
        lines said;
        for (auto const& key : is_all ? copy.keys() : copy.undecided()) {
            auto one = described(*b, key);
            if (is_all) {
                said.push_back(text(escape(key), "  ", escape(text_of(copy.value_of(key)))));
            } else {
                said.push_back(escape(key));
                std::size_t number = 0;
                for (auto const& v : one["versions"]) {
                    auto const content =
                        v["content"].is_null() ? std::string{"(removed)"} : escape(v["content"].get<std::string>());
                    ++number;
                    said.push_back(text("  ", number, "  ", content, "  by ", v["by"].get<std::string>(),
                                        number == 1 ? "  shown now" : ""));
                }
            }
            list.push_back(std::move(one));
        }
        if (said.empty()) said.push_back(is_all ? "no notes" : "no conflicts");
        return value{
            {"event", is_all ? "notes" : "note_conflicts"}, {"notes", std::move(list)}, {"text", joined(said)}};
    }
    std::optional<muster::bytes> content;
    if (what.command == "note_set") content = muster::to_bytes(muster::as_bytes(what.content));
    if (what.command == "note_resolve") {
        auto const siblings = copy.siblings(what.key);
        if (siblings.size() < 2)
            return error{errc::bad_input, text("of ", in_quotes(what.key), " there is no conflict")};
        if (what.choice == 0 || what.choice > siblings.size()) {
            return error{errc::bad_input,
                         text("choose one of 1 to ", siblings.size(), ", as `cosigner notes conflicts` lists them")};
        }
        content = siblings[what.choice - 1].value;
    }
    if (what.command == "note_remove" && !copy.value_of(what.key)) {
        return error{errc::bad_input, text("there is no note ", in_quotes(what.key))};
    }
    effects out;
    auto const put = b->book->put(what.key, std::move(content), clock_.now(), clock_.wall_now(), out);
    auto const id = std::find_if(books_.begin(), books_.end(), [&](auto const& e) { return &e.second == b; })->first;
    perform(id, *b, out);
    if (!put) return error{errc::bad_input, put.error().message()};
    b->book->copy().acknowledge(what.key);
    auto said = described(*b, what.key);
    said["event"] = "note";
    said["text"] = text("kept: ", escape(what.key));
    return said;
}

void notebooks::add_status(value& to, lines& said) const {
    auto pending = value::array();
    for (auto const& [id, b] : books_) {
        for (auto const& [who, place] : b.places) {
            auto const n = b.book->pending_for(who);
            pending.push_back(value{{"wallet", b.wallet}, {"signer", to_hex(b.signers[place])}, {"entries", n}});
            if (n != 0) said.push_back(text(b.wallet, ": ", n, " notes wait for ", to_hex(b.signers[place])));
        }
    }
    auto const state = std::string{to_string(watch_.stats())};
    to["pending"] = std::move(pending);
    to["link"] = state;
    if (!books_.empty()) said.push_back(text("notes: ", state));
}

}  // namespace cosigner
