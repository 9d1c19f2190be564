// SPDX-License-Identifier: MIT

#include "commands.hpp"

#include <unistd.h>

#include <filesystem>
#include <limits>

#include <muster/crypto/secp256k1.hpp>

#include "control.hpp"
#include "files.hpp"
#include "home.hpp"
#include "parse.hpp"
#include "peer_command.hpp"

namespace cosigner {

using muster::error;
using muster::text;
using muster::to_hex;

namespace {

/// Prints what a running co-signer answers; false when nobody reads it.
bool tell_answer(printer& out, value const& line) {
    auto const said = line.contains("text") && line["text"].is_string() ? line["text"].get<std::string>() : "";
    if (line.contains("error") && !out.json()) {
        out.fail(error{errc::bad_input, said}, usage);  // the code comes with the line
        return true;
    }
    lines split;
    for (std::size_t at = 0; !said.empty() && at != std::string::npos;) {
        auto const end = said.find('\n', at);
        split.push_back(said.substr(at, end - at));
        at = end == std::string::npos ? end : end + 1;
    }
    out.tell(line, split);
    return !out.is_closed();
}

/// Why nobody answers in a directory: nobody can run where there is nothing.
int report_silence(arguments const& a, error const& why, printer& out) {
    if (why != errc::not_running) return out.fail(why);
    auto const place = home::open(a.dir);
    return out.fail(place ? why : place.error());
}

/// Asks the co-signer that runs in the directory, and prints what it says.
int ask_running(arguments const& a, value const& asked, printer& out) {
    auto const code = ask(a.dir, asked, {.on_line = [&](value const& line) { return tell_answer(out, line); }});
    return code ? code.value() : report_silence(a, code.error(), out);
}

/// The digest that `propose` and `verify` are about: of the file, or as given.
result<muster::crypto::digest32> digest_of(arguments const& a, printer const& out) {
    if (a.file && a.digest) return error{errc::bad_input, "a file and --digest: give one of them, not both"};
    if (a.digest) return parse_hex<muster::crypto::digest32>("--digest", *a.digest);
    if (!a.file) return error{errc::bad_input, "give a file, - for standard input, or --digest"};
    bool const is_watched = ::isatty(STDERR_FILENO) == 1 && !out.json();
    constexpr std::uint64_t step = 64u << 20;  // ours: a tenth of a second or so
    bool has_told = false;
    auto digest = hash_file(*a.file, [&, next = step](std::uint64_t done, std::uint64_t size) mutable {
        if (!is_watched || done < next) return;
        next = done + step;
        has_told = true;
        auto const of = size == 0 ? std::string{} : text(" of ", size >> 20, " MiB, ", done * 100 / size, " %");
        put_part(STDERR_FILENO, text("hashing: ", done >> 20, size == 0 ? " MiB" : "", of), true);
    });
    if (has_told) put_part(STDERR_FILENO, "", true);
    return digest;
}

/// What the people who approve are shown the file as.
std::string purpose_of(arguments const& a) {
    if (a.purpose) return *a.purpose;
    if (!a.file) return {};
    if (*a.file == "-") return "standard input";
    // Whoever prints it escapes it. What is no UTF-8 cannot be sent.
    auto const name = std::filesystem::path{*a.file}.filename().string();
    return is_utf8(name) && name.size() <= value_size_max ? name : escape(name, value_size_max - 3);
}

/// Adds `with`, `keep_order`, `path` and `taproot` to @p asked, where they were given.
result<void> add_group(value& asked, arguments const& a) {
    for (auto const& list : a.with) {
        MUSTER_TRY(auto const names, parse_list("--with", list));
        for (auto const& name : names) asked["with"].push_back(name);
    }
    if (a.keep_order) asked["keep_order"] = true;
    if (a.path) {
        MUSTER_TRY(auto const path, parse_path(*a.path));
        asked["path"] = path.steps;
    }
    if (a.key_path && a.taproot) {
        return error{errc::bad_input, "--key-path and --taproot: a Taproot output has a script tree or none, not both"};
    }
    if (a.key_path) asked["taproot"] = nullptr;
    if (a.taproot) {
        MUSTER_TRY(auto const root, parse_hex<muster::crypto::digest32>("--taproot", *a.taproot));
        asked["taproot"] = to_hex(root);
    }
    return muster::ok();
}

/// Adds `purpose` to @p asked, where there is one.
result<void> add_purpose(value& asked, arguments const& a) {
    auto const purpose = purpose_of(a);
    if (!is_utf8(purpose)) return error{errc::bad_input, text("--purpose: ", in_quotes(purpose), " is not UTF-8")};
    if (!purpose.empty()) asked["purpose"] = purpose;
    return muster::ok();
}

result<value> proposal_of(arguments const& a, printer const& out) {
    value asked{{"command", "propose"}};
    MUSTER_TRY(add_group(asked, a));
    if (a.wallet) asked["wallet"] = *a.wallet;
    if (a.wallet.has_value() == asked.contains("with")) {
        return error{errc::bad_input, "--with and --wallet: name the signers, or their wallet, one of the two"};
    }
    MUSTER_TRY(add_purpose(asked, a));
    if (a.election) {
        MUSTER_TRY(parse_election(*a.election));
        asked["election"] = *a.election;
    }
    if (a.valid) {
        MUSTER_TRY(asked["valid_seconds"], parse_number("--valid", *a.valid, 1, valid_seconds_max));
    }
    MUSTER_TRY(auto const digest, digest_of(a, out));
    asked["messages"] = value::array({value{{"digest", to_hex(digest)}}});
    return asked;
}

/// What is left behind when somebody stops watching a proposal.
int stop_watching(std::string const& session, std::string const& where, printer& out) {
    auto const dir = as_argument(where);
    auto const id = session.substr(0, 8);
    if (session.empty()) {
        out.tell({{"event", "interrupted"}, {"session", nullptr}},
                 {"interrupted before an answer came; `cosigner sessions` tells whether a session was opened"});
        return interrupted;
    }
    out.tell({{"event", "interrupted"}, {"session", session}},
             {"", text("session ", id, " stays open and goes on without you watching:"),
              text("  cosigner show ", dir, " ", id, "    how it stands"),
              text("  cosigner abort ", dir, " ", id, "   ends it for everyone")});
    return interrupted;
}

}  // namespace

int propose(arguments const& a, printer& out) {
    auto const asked = proposal_of(a, out);
    if (!asked) return out.fail(asked.error());
    std::string session;
    listener const told{[&](value const& line) {
                            if (line.value("event", "") == "proposed") session = line.value("session", "");
                            return tell_answer(out, line);
                        },
                        [&] { return stop_watching(session, a.dir, out); }};
    auto const code = ask(a.dir, asked.value(), told);
    return code ? code.value() : report_silence(a, code.error(), out);
}

int verify(arguments const& a, printer& out) {
    auto const key = parse_hex<muster::crypto::xonly_key>("--key", a.key.value_or(""));
    if (!key) return out.fail(key.error());
    auto const sig = parse_hex<muster::crypto::signature>("--signature", a.signature.value_or(""));
    if (!sig) return out.fail(sig.error());
    auto const digest = digest_of(a, out);
    if (!digest) return out.fail(digest.error());
    bool const valid = muster::crypto::verify_bip340(key.value(), digest.value().view(), sig.value());
    out.tell({{"event", "verified"}, {"valid", valid}, {"digest", to_hex(digest.value())}},
             {text(valid ? "valid" : "NOT VALID", "  ", to_hex(digest.value()))});
    return valid ? success : not_signed;
}

int ask_about(arguments const& a, std::string const& command, printer& out) {
    value asked{{"command", command}};
    if (a.session) {
        auto const session = command == "approve" ? parse_approved_session(*a.session) : parse_session(*a.session);
        if (!session) return out.fail(session.error());
        asked["session"] = session.value();
    }
    if (a.why) asked["why"] = *a.why;
    if (a.why && !is_utf8(*a.why))
        return out.fail(error{errc::bad_input, text("--why: ", in_quotes(*a.why), " is not UTF-8")});
    return ask_running(a, asked, out);
}

namespace {

/// Asks the co-signer that runs in the directory; where none runs, changes its settings by @p edit, which gives what is
/// to be told.
template <class Edit>
int ask_or_edit(arguments const& a, value const& asked, printer& out, Edit edit) {
    auto const code = ask(a.dir, asked, {.on_line = [&](value const& line) { return tell_answer(out, line); }});
    if (code) return code.value();
    if (code.error() != errc::not_running) return out.fail(code.error());
    // Nobody runs there, and the lock keeps it so.
    auto place = home::open(a.dir);
    if (!place) return out.fail(place.error());
    if (auto const locked = place.value().lock(); !locked) return out.fail(locked.error());
    auto const self = place.value().keys().owner();
    if (!self) return out.fail(self.error());
    auto changed = place.value().config();
    auto const said = edit(place.value(), self.value(), changed);
    if (!said) return out.fail(said.error());
    if (to_file(changed) != to_file(place.value().config())) {
        if (auto const saved = place.value().save(changed); !saved) return out.fail(saved.error());
    }
    tell_answer(out, said.value());
    return success;
}

/// The signer of that name or key, as far as the files know it.
result<signing::public_key> signer_in(home const& place, std::string const& who) {
    if (auto const key = muster::from_hex_as<signing::public_key>(who)) return key.value();
    auto const peer = place.config().peers.find(who);
    if (peer != place.config().peers.end()) {
        for (auto const& m : place.recall().known) {
            if (m.peer == peer->second.peer()) return m.signer;
        }
    }
    return error{errc::bad_input, text(in_quotes(who),
                                       " is neither a signer key of 66 digits nor a peer that has shown "
                                       "its key; name it by its key, or start `cosigner run` first")};
}

}  // namespace

int manage_peers(arguments const& a, std::string const& command, printer& out) {
    value asked{{"command", command}};
    if (a.peer) asked["peer"] = *a.peer;
    auto const parsed = parse_request(asked);
    if (!parsed) return out.fail(parsed.error());
    return ask_or_edit(a, asked, out,
                       [&](home const&, muster::identity::key_file_owner const& self, settings& s) -> result<value> {
                           auto const* const what = std::get_if<peer_request>(&parsed.value());
                           if (what == nullptr) return json_of_peers(s);
                           return change_settings(s, *what, muster::peer::peer_id::of(self.node));
                       });
}

int manage_wallets(arguments const& a, std::string const& command, printer& out) {
    value asked{{"command", command}};
    if (a.wallet) asked["name"] = *a.wallet;
    if (auto const added = add_group(asked, a); !added) return out.fail(added.error());
    auto const parsed = parse_request(asked);
    if (!parsed) return out.fail(parsed.error());
    return ask_or_edit(
        a, asked, out,
        [&](home const& place, muster::identity::key_file_owner const& self, settings& s) -> result<value> {
            auto const* const what = std::get_if<wallet_request>(&parsed.value());
            if (what == nullptr) return json_of_wallets(s, self.signer);
            return change_settings(s, *what, self.signer,
                                   [&](std::string const& who) { return signer_in(place, who); });
        });
}

int ask_about_connections(arguments const& a, std::string const& command, printer& out) {
    value asked{{"command", command}};
    if (a.peer) asked["peer"] = *a.peer;
    if (a.session) asked["session"] = *a.session;
    auto const parsed = parse_request(asked);
    if (!parsed) return out.fail(parsed.error());
    return ask_running(a, asked, out);
}

int ask_about_signers(arguments const& a, std::string const& command, printer& out) {
    if (a.dir.empty()) return out.fail(error{errc::bad_input, "name the co-signer's directory"});
    if (a.stats && (a.subscribe || a.type || a.amount || a.fee_max || !a.capabilities.empty())) {
        return out.fail(error{errc::bad_input, "--stats is about all signers, as they are now; leave out the rest"});
    }
    value asked{{"command", a.stats ? "signers_stats" : a.subscribe ? "signers_subscribe" : command}};
    if (a.type) asked["type"] = *a.type;
    for (auto const& [name, given] : {std::pair{"amount", &a.amount}, std::pair{"fee_max", &a.fee_max}}) {
        if (!*given) continue;
        auto const number = parse_number(name, **given, 0, std::numeric_limits<std::int64_t>::max());
        if (!number) return out.fail(number.error());
        asked[name] = number.value();
    }
    if (a.key) asked["signer"] = *a.key;
    for (auto const& c : a.capabilities) asked["capabilities"].push_back(c);
    auto const parsed = parse_request(asked);
    if (!parsed) return out.fail(parsed.error());
    return ask_running(a, asked, out);
}

int ask_about_notices(arguments const& a, std::string const& command, printer& out) {
    auto const asked = [&]() -> result<value> {
        value v{{"command", command}};
        if (a.request) v["request"] = *a.request;
        if (command != "request_ask") return v;
        MUSTER_TRY(add_group(v, a));
        if (a.purpose) {  // a file's name is not everybody's business
            MUSTER_TRY(add_purpose(v, a));
        }
        if (a.type) v["type"] = *a.type;
        if (a.amount) {
            MUSTER_TRY(v["amount"], parse_number("--amount", *a.amount, 0, std::numeric_limits<std::int64_t>::max()));
        }
        if (a.valid) {
            MUSTER_TRY(v["valid_seconds"], parse_number("--valid", *a.valid, 1, request_seconds_max));
        }
        MUSTER_TRY(auto const digest, digest_of(a, out));
        v["digest"] = to_hex(digest);
        return v;
    }();
    if (!asked) return out.fail(asked.error());
    auto const parsed = parse_request(asked.value());
    if (!parsed) return out.fail(parsed.error());
    return ask_running(a, asked.value(), out);
}

int ask_about_notes(arguments const& a, std::string const& command, printer& out) {
    value asked{{"command", command}};
    for (auto const& [name, given] :
         {std::pair{"wallet", &a.wallet}, std::pair{"key", &a.note}, std::pair{"content", &a.note_text}}) {
        if (!*given) continue;
        if (!is_utf8(**given)) return out.fail(error{errc::bad_input, text(in_quotes(**given), " is not UTF-8")});
        asked[name] = **given;
    }
    if (a.choice) {
        auto const number = parse_number("CHOICE", *a.choice, 1, std::numeric_limits<std::int32_t>::max());
        if (!number) return out.fail(number.error());
        asked["choice"] = number.value();
    }
    auto const parsed = parse_request(asked);
    if (!parsed) return out.fail(parsed.error());
    return ask_running(a, asked, out);
}

int ask_about_guardians(arguments const& a, std::string const& command, printer& out) {
    auto const asked = [&]() -> result<value> {
        value v{{"command", command}};
        MUSTER_TRY(add_group(v, a));
        if (a.threshold) {
            MUSTER_TRY(v["threshold"], parse_number("--threshold", *a.threshold, 2, 16));
        }
        if (a.about) v["about"] = *a.about;
        return v;
    }();
    if (!asked) return out.fail(asked.error());
    auto const parsed = parse_request(asked.value());
    if (!parsed) return out.fail(parsed.error());
    return ask_running(a, asked.value(), out);
}

int manage_initiators(arguments const& a, std::string const& command, printer& out) {
    value asked{{"command", command}};
    if (a.initiator) asked["name"] = *a.initiator;
    if (a.initiator_key) asked["key"] = *a.initiator_key;
    auto const parsed = parse_request(asked);
    if (!parsed) return out.fail(parsed.error());
    return ask_or_edit(a, asked, out,
                       [&](home const&, muster::identity::key_file_owner const& self, settings& s) -> result<value> {
                           auto const* const what = std::get_if<initiator_request>(&parsed.value());
                           if (what == nullptr) return json_of_initiators(s);
                           return change_settings(s, *what, self.signer);
                       });
}

int manage_settings(arguments const& a, std::string const& command, printer& out) {
    if (a.dir.empty()) return out.fail(error{errc::bad_input, "name the co-signer's directory"});
    value asked{{"command", command}};
    if (a.setting) asked["name"] = *a.setting;
    if (a.content) {
        if (!is_utf8(*a.content)) return out.fail(error{errc::bad_input, text(in_quotes(*a.content), " is not UTF-8")});
        asked["content"] = *a.content;
    }
    auto const parsed = parse_request(asked);
    if (!parsed) return out.fail(parsed.error());
    return ask_or_edit(a, asked, out,
                       [&](home const&, muster::identity::key_file_owner const&, settings& s) -> result<value> {
                           auto const* const what = std::get_if<setting_request>(&parsed.value());
                           if (what == nullptr) return json_of_settings(s);
                           return change_settings(s, *what);
                       });
}

}  // namespace cosigner
