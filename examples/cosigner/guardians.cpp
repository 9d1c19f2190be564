// SPDX-License-Identifier: MIT

#include "guardians.hpp"

#include <algorithm>

#include "escape.hpp"
#include "files.hpp"
#include "screen.hpp"

namespace cosigner {

namespace identity = muster::identity;
namespace desk = muster::identity::desk;
namespace watch = muster::identity::watch;
using muster::error;
using muster::overloaded;
using muster::text;
using muster::to_hex;

namespace {

muster::node::guardians_options options_for(bool is_short) {
    muster::node::guardians_options o;
    if (!is_short) return o;
    o.delay = std::chrono::seconds{5};
    o.poll_each = std::chrono::seconds{1};
    return o;
}
value done(char const* event, std::string const& said) { return {{"event", event}, {"text", escape(said)}}; }

}  // namespace

result<guardian_keys> guardian_keys_of(master_key const& key) {
    if (key.epoch > identity::lineage::records_max) {
        return error{errc::bad_directory, text("keys of epoch ", key.epoch, "; nobody follows more than ",
                                               identity::lineage::records_max, " successors")};
    }
    MUSTER_TRY(auto const user, key.user());
    muster::net::system_clock const time;
    std::vector<identity::successor> records;
    std::vector<muster::crypto::x25519_key> older;
    MUSTER_TRY(auto own, muster::peer::derive_keys(key.seed));
    for (muster::peer::key_epoch e = 1; e <= key.epoch; ++e) {
        MUSTER_TRY(auto next, muster::peer::derive_keys(key.seed, e));
        MUSTER_TRY(auto const record, identity::successor::make(user, e, own, next, time.wall_now()));
        records.push_back(record);
        older.push_back(std::move(own.agreement));
        own = std::move(next);
    }
    return guardian_keys{std::move(own), user, identity::lineage{std::move(records)}, std::move(older)};
}

guardian_circle::guardian_circle(parts p)
    : p_{std::move(p)},
      it_{{p_.net,
           p_.line,
           p_.time,
           p_.keys.own,
           p_.keys.user,
           p_.keys.line,
           std::move(p_.keys.older),
           {},
           p_.place.guardians(),
           [this](muster::node::guardian_news const& news) { on_news(news); },
           p_.is_known,
           options_for(p_.is_short)}} {}

result<void> guardian_circle::start() {
    MUSTER_TRY(auto const found, it_.start());
    if (p_.is_short) {
        p_.tell(log_level::error, {{"event", "drill"}},
                {"a drill: this guardian gives shares out five seconds after they were approved, not three days"});
    }
    if (found.put_aside || found.unreadable != 0) {
        auto const where = found.put_aside ? text("; the file was put aside as ", *found.put_aside) : std::string{};
        p_.tell(log_level::error, {{"event", "damaged"}, {"what", "guardians"}},
                {text("what is kept of guardians is damaged: ", found.unreadable, " bytes cannot be read", where)});
    }
    if (!it_.is_outdated()) return muster::ok();
    MUSTER_TRY(auto const file, wrapped_key());
    return it_.offer_again(file);
}

// ---- what is told ---------------------------------------------------------------------------------------

void guardian_circle::on_news(muster::node::guardian_news const& news) {
    auto const told = [&](log_level level, value const& line, lines const& said) { p_.tell(level, line, said); };
    std::visit(
        overloaded{
            [&](muster::node::introduced const& e) { p_.on_introduced(e); },
            [&](muster::node::recovered const& e) { keep_recovered(e); },
            [&](muster::node::guardians_not_kept const& e) {
                told(log_level::error, {{"event", "guardians_failed"}},
                     {text("what guardians have to keep cannot be kept: ", e.why.message())});
            },
            [&](desk::ask_to_keep const& e) {
                auto const name = p_.name_of(e.from);
                told(
                    log_level::info,
                    {{"event", "share_offered"}, {"user", to_hex(e.owner)}, {"peer", e.from.to_text()}, {"name", name}},
                    {text(name, " asks this co-signer to be a guardian: to keep a share of their key,"),
                     "and to give it out when you have recognised them and three days have passed.",
                     text("  user     ", to_hex(e.owner)), text("  approve  ", command("approve " + to_hex(e.owner))),
                     text("  refuse   ", command("decline " + to_hex(e.owner)))});
            },
            [&](desk::ask_person const& e) {
                auto const name = name_of(e.request.owner);
                auto const digits = e.request.spoken();
                told(log_level::info,
                     {{"event", "recovery_asked"},
                      {"user", to_hex(e.request.owner)},
                      {"name", name},
                      {"digits", digits}},
                     {text("somebody says that they are ", name, " and have lost their key."),
                      "Call them, at a number that you know, and have them read their digits to you:",
                      text("  digits   ", digits), text("  user     ", to_hex(e.request.owner)),
                      text("  the same, and it is their voice:  ", command("approve " + digits)),
                      text("  anything else:                    ", command("decline " + digits)),
                      "Approved, your share is given out in three days, unless their key objects."});
            },
            [&](desk::request_approved const& e) {
                told(log_level::info, {{"event", "recovery_approved"}, {"request", to_hex(e.request)}},
                     {"the recovery whose digits you have approved is here; its delay has begun"});
            },
            [&](desk::request_closed const& e) {
                told(log_level::info, {{"event", "recovery_closed"}, {"request", to_hex(e.request)}},
                     {text("a recovery is over: it was vetoed, declined, replaced, or too old, ",
                           to_hex(e.request).substr(0, 16))});
            },
            [&](desk::penalise const& e) {
                told(log_level::debug, {{"event", "guardian_misbehaved"}, {"peer", e.peer.to_text()}},
                     {text(p_.name_of(e.peer), ": ", escape(e.why.message(), value_size_max))});
            },
            [&](watch::recovery_begun const& e) {
                auto const digits = e.request.spoken();
                told(log_level::error, {{"event", "recovery_warned"}, {"digits", digits}},
                     {"SOMEBODY ASKS YOUR GUARDIANS FOR YOUR KEY. If it is not you:",
                      text("  ", command("veto " + digits))});
            },
            [&](watch::standing_changed const&) {
                auto const s = it_.watch().stats();
                told(log_level::info,
                     {{"event", "guardians_changed"},
                      {"guardians", s.guardians},
                      {"acknowledged", s.acknowledged},
                      {"alive", s.alive}},
                     {text(s.acknowledged, " of ", s.guardians, " guardians have their share")});
            },
            [&](watch::reissue_needed const& e) {
                auto names = value::array();
                for (auto const i : e.alive) names.push_back(name_of(it_.watch().current()->manifest.guardians[i].who));
                told(
                    log_level::error, {{"event", "guardians_needed"}, {"alive", names}},
                    {text("only ", e.alive.size(),
                          " of your guardians answer; hand shares out anew, to those and others: ", command("offer"))});
            }},
        news);
}

void guardian_circle::keep_recovered(muster::node::recovered const& r) {
    if (!it_.recovery()) return;
    auto const user = it_.recovery()->request().owner;
    auto const& file = r.what.key_file;
    // An earlier file may be the right one: each has a name of its own, which is the same after a restart.
    auto const name = text("recovered-", to_hex(muster::crypto::sha256(file).view().first(4)), ".key");
    auto const path = p_.place.dir() / name;
    if (auto const kept = replace_private(path, {reinterpret_cast<char const*>(file.data()), file.size()}); !kept) {
        return p_.tell(
            log_level::error, {{"event", "guardians_failed"}},
            {text("the recovered key cannot be kept: ", kept.error().message(), "; run it again and it comes again")});
    }
    auto blamed = value::array();
    lines said{text("the key of ", identity::shown(user), " is back, under its passphrase, in ", path.string()),
               text("`cosigner import DIR ", as_argument(path.string()), "` makes a directory of it."),
               "If its passphrase is not yours, it is not your key: wait, and another file may come within a day.",
               "Then hand shares out anew: those that were given out are worth nothing any more."};
    for (auto const& who : r.what.blamed) {
        blamed.push_back(to_hex(who));
        said.push_back(text("the share of ", to_hex(who), " was wrong"));
    }
    p_.tell(log_level::info,
            {{"event", "recovered"}, {"user", to_hex(user)}, {"file", path.string()}, {"wrong_shares", blamed}}, said);
}

// ---- what is asked --------------------------------------------------------------------------------------

result<value> guardian_circle::carry_out(guardian_request const& what) {
    if (what.command == "guardians_offer") return offer(what);
    if (what.command == "guardians_veto") return object(what.about);
    if (what.command == "guardians_recover") return recover(what.about);
    if (what.command == "guardians_status") return status();
    return decide(what);
}

result<muster::bytes> guardian_circle::wrapped_key() const {
    auto const keys = p_.place.keys();
    if (keys.is_wrapped()) return keys.file();
    return error{errc::bad_input,
                 text("guardians get the key under its passphrase, and the seed in ", p_.place.dir().string(),
                      " has none; stop this co-signer and put it under one with `cosigner passwd ",
                      as_argument(p_.place.dir().string()), "`")};
}

result<value> guardian_circle::offer(guardian_request const& what) {
    MUSTER_TRY(auto const file, wrapped_key());
    std::vector<muster::peer::peer_id> whom;
    for (auto const& name : what.with) {
        auto const who = p_.find(name);
        if (!who) return error{errc::bad_input, text("no peer is called ", in_quotes(name))};
        if (std::find(whom.begin(), whom.end(), *who) != whom.end()) {
            return error{errc::bad_input, text(in_quotes(name), " is named twice")};
        }
        whom.push_back(*who);
    }
    auto const threshold = what.threshold == 0 ? std::min<std::size_t>(3, whom.size()) : what.threshold;
    if (auto const made = it_.offer(file, whom, static_cast<std::uint8_t>(threshold)); !made) {
        return error{errc::bad_input, made.error().message()};
    }
    auto const& m = it_.watch().current()->manifest;
    return value{{"event", "guardians_offered"},
                 {"epoch", m.epoch},
                 {"threshold", m.threshold},
                 {"guardians", whom.size()},
                 {"text", text("offered to ", whom.size(), " guardians, of whom any ", unsigned{m.threshold},
                               " and your passphrase bring the key back; each of them has to approve. Keep your user "
                               "id where you find it without this machine: ",
                               to_hex(p_.keys.user))}};
}

result<identity::user_id> guardian_circle::owner_named(std::string const& who) const {
    if (auto const id = muster::from_hex_as<identity::user_id>(who)) return id.value();
    auto const peer = p_.find(who);
    for (auto const& o : it_.desk().offers()) {
        if (peer && o.from == *peer) return o.what.manifest.owner;
    }
    for (auto const& [owner, w] : it_.desk().wards()) {
        if (peer && muster::peer::peer_id::of(w.key) == *peer) return owner;
    }
    return error{errc::bad_input, text(in_quotes(who),
                                       " is neither the digits of a recovery, nor a user id of 64 digits, nor a peer "
                                       "who has offered a share; see `cosigner guardians status`")};
}

// A person's word: about somebody's share, or about a recovery.
result<value> guardian_circle::decide(guardian_request const& what) {
    bool const is_approval = what.command == "guardians_approve";
    if (!is_recovery_digits(what.about)) {
        MUSTER_TRY(auto const owner, owner_named(what.about));
        if (is_approval) {
            MUSTER_TRY(it_.keep(owner));
            bool const is_kept = it_.desk().wards().find(owner) != nullptr;
            return done("share_approved", is_kept ? text("a share of user ", to_hex(owner), " is kept here now")
                                                  : text("a share of user ", to_hex(owner),
                                                         " will be kept when it is offered, within a day"));
        }
        MUSTER_TRY(it_.drop(owner));
        return done("share_declined", text("nothing of user ", to_hex(owner), " is kept here"));
    }
    if (is_approval) {
        auto const which = it_.approve(what.about);
        if (!which) return error{errc::bad_input, which.error().message()};
        auto out =
            done("recovery_decided",
                 which.value() ? "approved; the share is given out when the delay is over, unless the owner's key "
                                 "objects"
                               : "nobody asks with these digits yet; who does within a day is approved");
        out["approved"] = true;
        out["is_here"] = which.value().has_value();
        return out;
    }
    for (auto const& [owner, w] : it_.desk().wards()) {
        std::optional<identity::request_id> which;
        if (w.approved && w.approved->what.spoken() == what.about) which = w.approved->what.id();
        for (auto const& r : w.waiting) {
            if (r.what.spoken() == what.about) which = r.what.id();
        }
        if (!which) continue;
        MUSTER_TRY(it_.decline(*which));
        auto out = done("recovery_decided", "declined");
        out["approved"] = false;
        return out;
    }
    return error{errc::bad_input, text("nobody asks with the digits ", what.about)};
}

result<value> guardian_circle::object(std::string const& digits) {
    for (auto const& r : it_.warnings()) {
        if (r.spoken() != digits) continue;
        MUSTER_TRY(it_.object(r.id()));
        return done("vetoed", "your guardians are told that it is not you, those who are away when they are back");
    }
    return error{errc::bad_input, text("no guardian has warned of the digits ", digits)};
}

result<value> guardian_circle::recover(std::string const& user) {
    auto const owner = muster::from_hex_as<identity::user_id>(user);
    if (!owner) {
        return error{errc::bad_input,
                     text(in_quotes(user),
                          " is not a user id of 64 digits; a guardian's `cosigner guardians status` shows it, "
                          "and `cosigner init --json` had printed it")};
    }
    if (owner.value() == p_.keys.user) return error{errc::bad_input, "this directory has that key already"};
    MUSTER_TRY(auto const r, it_.recover(owner.value()));
    auto const digits = r.spoken();
    return value{
        {"event", "recovery_begun"},
        {"user", user},
        {"digits", digits},
        {"text", joined({text("your digits  ", digits),
                         "Call each guardian and read them out. Three days after enough have approved, the key "
                         "comes back; leave `cosigner run` running, with the guardians as peers."})}};
}

// ---- how it stands --------------------------------------------------------------------------------------

value guardian_circle::status() const {
    lines said{text("user  ", to_hex(p_.keys.user))};
    value out{{"event", "guardians"}, {"user", to_hex(p_.keys.user)}};
    out["backup"] = own_status(said);
    out["warnings"] = value::array();
    for (auto const& r : it_.warnings()) {
        out["warnings"].push_back(value{{"digits", r.spoken()}, {"request", to_hex(r.id())}});
        said.push_back(text("SOMEBODY ASKS FOR YOUR KEY: ", command("veto " + r.spoken())));
    }
    out["wards"] = wards_status(said);
    out["offers"] = value::array();
    for (auto const& o : it_.desk().offers()) {
        auto const& m = o.what.manifest;
        out["offers"].push_back(value{{"user", to_hex(m.owner)},
                                      {"name", p_.name_of(o.from)},
                                      {"threshold", m.threshold},
                                      {"guardians", m.guardians.size()}});
        said.push_back(text(p_.name_of(o.from), " asks you to keep a share: ", command("approve " + to_hex(m.owner))));
    }
    out["recovery"] = value();
    if (auto const& r = it_.recovery()) {
        auto const found = r->finish();
        auto const why = found ? std::string{"complete"} : found.error().message();
        out["recovery"] =
            value{{"user", to_hex(r->request().owner)}, {"digits", r->request().spoken()}, {"state", why}};
        said.push_back(text("recovering ", to_hex(r->request().owner), ", digits ", r->request().spoken(), ": ", why));
    }
    out["text"] = joined(said);
    return out;
}

value guardian_circle::own_status(lines& said) const {
    if (!it_.has_backup()) {
        said.push_back(text("no guardians; ", command("offer NAME,NAME,...")));
        return {};
    }
    auto const& m = it_.watch().current()->manifest;
    value out{{"epoch", m.epoch}, {"threshold", m.threshold}, {"guardians", value::array()}};
    said.push_back(text("any ", unsigned{m.threshold}, " of these ", m.guardians.size(), " and the passphrase"));
    for (std::uint8_t i = 0; i < m.guardians.size(); ++i) {
        bool const has_it = it_.watch().has_acknowledged(i), is_alive = it_.watch().is_alive(i);
        auto const name = name_of(m.guardians[i].who);
        out["guardians"].push_back(
            value{{"user", to_hex(m.guardians[i].who)}, {"name", name}, {"acknowledged", has_it}, {"alive", is_alive}});
        said.push_back(
            text("  ", name, has_it ? "  has the share" : "  has not approved yet", is_alive ? "" : ", silent"));
    }
    return out;
}

value guardian_circle::wards_status(lines& said) const {
    auto out = value::array();
    for (auto const& [owner, w] : it_.desk().wards()) {
        auto const name = p_.name_of(muster::peer::peer_id::of(w.key));
        value one{
            {"user", to_hex(owner)}, {"name", name}, {"epoch", w.newest.manifest.epoch}, {"waiting", value::array()}};
        said.push_back(text("guardian of ", name, ", user ", to_hex(owner)));
        for (auto const& r : w.waiting) {
            one["waiting"].push_back(value{
                {"digits", r.what.spoken()}, {"peer", r.from.to_text()}, {"opened", muster::to_unix_millis(r.opened)}});
            said.push_back(
                text("  somebody asks with the digits ", r.what.spoken(), ": ", command("approve " + r.what.spoken())));
        }
        one["approved"] = value();
        if (w.approved) {
            auto const left = std::chrono::duration_cast<std::chrono::milliseconds>(it_.desk().left(*w.approved));
            one["approved"] = value{{"digits", w.approved->what.spoken()}, {"left_ms", left.count()}};
            said.push_back(text("  approved, digits ", w.approved->what.spoken(), ", given out in ", time_left(left)));
        }
        out.push_back(std::move(one));
    }
    return out;
}

std::string guardian_circle::name_of(identity::user_id const& who) const {
    if (auto const* const p = it_.find(who)) return p_.name_of(p->peer);
    if (auto const* const w = it_.desk().wards().find(who)) return p_.name_of(muster::peer::peer_id::of(w->key));
    return text("user ", identity::shown(who));
}

std::string guardian_circle::command(std::string const& words) const {
    auto const at = words.find(' ');
    auto const dir = as_argument(p_.place.dir().string());
    return text("cosigner guardians ", words.substr(0, at), " ", dir, at == std::string::npos ? "" : words.substr(at));
}

}  // namespace cosigner
