// SPDX-License-Identifier: MIT

#include "request.hpp"

#include <algorithm>
#include <array>
#include <iterator>

#include <muster/identity/shamir.hpp>

namespace cosigner {

using muster::error;
using muster::text;

namespace {

std::string word(value const& what, char const* name) { return what.value(name, std::string{}); }

result<signing::payload> parse_message(value const& m) {
    static constexpr std::array digest_members{member{"digest", shape::text, true}};
    static constexpr std::array tagged_members{member{"tag", shape::text, true}, member{"content", shape::text, true}};
    if (m.contains("tag")) {
        MUSTER_TRY(check_members("message", m, tagged_members));
        auto content = muster::from_hex(word(m, "content"));
        if (!content) return error{errc::bad_input, text("message: content: ", content.error().message())};
        return signing::payload{signing::tagged_payload{word(m, "tag"), std::move(content).value()}};
    }
    MUSTER_TRY(check_members("message", m, digest_members));
    MUSTER_TRY(auto const digest, parse_hex<signing::digest32>("digest", word(m, "digest")));
    return signing::payload{digest};
}

// Either who signs is named here, with what changes the group's key, or the wallet says all of it.
result<void> check_group(value const& what) {
    if (!what.contains("wallet")) {
        return what.contains("with")
                   ? muster::ok()
                   : result<void>{error{errc::bad_input, "propose: name the signers, or their wallet"}};
    }
    for (auto const* const other : {"with", "keep_order", "path", "taproot"}) {
        if (what.contains(other)) {
            return error{errc::bad_input,
                         text("propose: a wallet has its own \"", other, "\"; give the one or the other")};
        }
    }
    return muster::ok();
}

result<request> parse_propose(value const& what) {
    static constexpr std::array members{
        member{"command", shape::text, true},   member{"messages", shape::objects, true},
        member{"with", shape::texts},           member{"wallet", shape::text},
        member{"purpose", shape::text},         member{"election", shape::text},
        member{"keep_order", shape::flag},      member{"path", shape::numbers},
        member{"taproot", shape::text_or_null}, member{"valid_seconds", shape::number}};
    MUSTER_TRY(check_members("propose", what, members));
    propose_request out;
    for (auto const& m : what["messages"]) {
        MUSTER_TRY(auto parsed, parse_message(m));
        out.what.messages.push_back(std::move(parsed));
    }
    if (what.contains("with")) out.with = what["with"].get<std::vector<std::string>>();
    MUSTER_TRY(out.what.tweaks, parse_tweaks(what));
    out.what.keep_order = what.value("keep_order", false);
    MUSTER_TRY(check_group(what));
    out.wallet = word(what, "wallet");
    out.what.purpose = word(what, "purpose");
    if (what.contains("election")) {
        MUSTER_TRY(out.what.election, parse_election(word(what, "election")));
        using method = signing::election_method;
        bool const by_position = out.what.election == method::first_signer || out.what.election == method::last_signer;
        if (by_position && !out.what.keep_order && out.wallet.empty()) {
            return error{errc::bad_input,
                         text("election ", word(what, "election"), " goes by an order that you choose: --keep-order")};
        }
    }
    auto const seconds = what.value("valid_seconds", std::uint64_t{600});
    MUSTER_TRY(auto const valid, parse_number("valid_seconds", std::to_string(seconds), 1, valid_seconds_max));
    out.what.valid_for = std::chrono::seconds{valid};
    return request{std::move(out)};
}

result<request> parse_about_session(std::string const& command, value const& what) {
    static constexpr std::array members{member{"command", shape::text, true}, member{"session", shape::text, true},
                                        member{"why", shape::text}};
    bool const has_reason = command == "decline" || command == "abort";
    MUSTER_TRY(check_members(command, what, std::span{members}.first(has_reason ? 3 : 2)));
    auto const written = word(what, "session");
    MUSTER_TRY(auto session, command == "approve" ? parse_approved_session(written) : parse_session(written));
    return request{session_request{command, std::move(session), word(what, "why")}};
}

result<request> parse_about_peer(std::string const& command, value const& what) {
    static constexpr std::array members{member{"command", shape::text, true}, member{"peer", shape::text, true}};
    MUSTER_TRY(check_members(command, what, members));
    return request{peer_request{command, word(what, "peer")}};
}

result<request> parse_about_connection(std::string const& command, value const& what) {
    static constexpr std::array members{member{"command", shape::text, true}, member{"peer", shape::text, true}};
    MUSTER_TRY(check_members(command, what, members));
    return request{connection_request{command, word(what, "peer")}};
}

result<request> parse_watch(value const& what) {
    static constexpr std::array members{member{"command", shape::text, true}, member{"session", shape::text}};
    MUSTER_TRY(check_members("watch", what, members));
    watch_request out;
    if (what.contains("session")) {
        MUSTER_TRY(out.session, parse_session(word(what, "session")));
    }
    return request{std::move(out)};
}

result<request> parse_about_wallet(std::string const& command, value const& what) {
    static constexpr std::array members{member{"command", shape::text, true}, member{"name", shape::text, true},
                                        member{"with", shape::texts},         member{"keep_order", shape::flag},
                                        member{"path", shape::numbers},       member{"taproot", shape::text_or_null}};
    bool const is_new = command == "wallet_add";
    MUSTER_TRY(check_members(command, what, std::span{members}.first(is_new ? members.size() : 2)));
    wallet_request out{command, {}, {}, {}};
    MUSTER_TRY(out.name, parse_name(word(what, "name")));
    if (!is_new) return request{std::move(out)};
    if (!what.contains("with")) return error{errc::bad_input, "wallet_add: the member \"with\" is missing"};
    out.with = what["with"].get<std::vector<std::string>>();
    out.what.keep_order = what.value("keep_order", false);
    MUSTER_TRY(out.what.tweaks, parse_tweaks(what));
    return request{std::move(out)};
}

result<request> parse_signers(std::string const& command, value const& what) {
    namespace discovery = muster::discovery;
    static constexpr std::array members{member{"command", shape::text, true}, member{"type", shape::text},
                                        member{"amount", shape::number}, member{"fee_max", shape::number},
                                        member{"capabilities", shape::texts}};
    MUSTER_TRY(check_members(command, what, members));
    signers_request out{command, {}};
    if (what.contains("type")) {
        MUSTER_TRY(out.what.type, parse_transaction_type(word(what, "type")));
    }
    if (what.contains("amount")) out.what.amount = what["amount"].get<std::uint64_t>();
    if (what.contains("fee_max")) out.what.fee_max = what["fee_max"].get<std::uint64_t>();
    if (what.contains("capabilities")) out.what.capabilities = what["capabilities"].get<std::vector<std::string>>();
    return request{std::move(out)};
}

result<request> parse_about_initiator(std::string const& command, value const& what) {
    static constexpr std::array members{member{"command", shape::text, true}, member{"name", shape::text, true},
                                        member{"key", shape::text}};
    bool const is_new = command == "initiator_add";
    MUSTER_TRY(check_members(command, what, std::span{members}.first(is_new ? 3 : 2)));
    initiator_request out{command, {}};
    MUSTER_TRY(out.name, parse_name(word(what, "name")));
    if (is_new) {
        MUSTER_TRY(out.key, parse_hex<muster::crypto::public_key>("key", word(what, "key")));
    }
    return request{std::move(out)};
}

result<request> parse_follow(std::string const& command, value const& what) {
    static constexpr std::array members{member{"command", shape::text, true}, member{"signer", shape::text, true}};
    MUSTER_TRY(check_members(command, what, members));
    MUSTER_TRY(auto const key, parse_hex<muster::crypto::public_key>("signer", word(what, "signer")));
    return request{follow_request{command == "signers_follow", key}};
}

result<request> parse_setting(value const& what) {
    static constexpr std::array members{member{"command", shape::text, true}, member{"name", shape::text, true},
                                        member{"content", shape::text, true}};
    MUSTER_TRY(check_members("settings_set", what, members));
    return request{setting_request{word(what, "name"), word(what, "content")}};
}

result<request> parse_about_request(std::string const& command, value const& what) {
    namespace discovery = muster::discovery;
    static constexpr std::array about{member{"command", shape::text, true}, member{"request", shape::text, true}};
    static constexpr std::array asked{member{"command", shape::text, true},  member{"digest", shape::text, true},
                                      member{"with", shape::texts},          member{"type", shape::text},
                                      member{"amount", shape::number},       member{"purpose", shape::text},
                                      member{"valid_seconds", shape::number}};
    notice_request out{command};
    if (command != "request_ask") {
        MUSTER_TRY(check_members(command, what, about));
        MUSTER_TRY(out.request, parse_request_id(word(what, "request")));
        return request{std::move(out)};
    }
    MUSTER_TRY(check_members(command, what, asked));
    MUSTER_TRY(out.what.digest, parse_hex<muster::crypto::digest32>("digest", word(what, "digest")));
    if (what.contains("with")) out.with = what["with"].get<std::vector<std::string>>();
    if (what.contains("type")) {
        MUSTER_TRY(out.what.type, parse_transaction_type(word(what, "type")));
    }
    out.what.amount = what.value("amount", std::uint64_t{0});
    out.what.purpose = word(what, "purpose");
    auto const seconds = what.value("valid_seconds", std::uint64_t{600});
    MUSTER_TRY(auto const valid, parse_number("valid_seconds", std::to_string(seconds), 1, request_seconds_max));
    out.valid_for = std::chrono::seconds{valid};
    return request{std::move(out)};
}

result<request> parse_note(std::string const& command, value const& what) {
    static constexpr std::array members{member{"command", shape::text, true}, member{"wallet", shape::text, true},
                                        member{"key", shape::text, true}, member{"content", shape::text, true}};
    static constexpr std::array choice_members{member{"command", shape::text, true},
                                               member{"wallet", shape::text, true}, member{"key", shape::text, true},
                                               member{"choice", shape::number, true}};
    std::size_t const n = command == "note_set" ? 4 : command == "note_remove" ? 3 : 2;
    bool const is_choice = command == "note_resolve";
    MUSTER_TRY(check_members(command, what, is_choice ? std::span{choice_members} : std::span{members}.first(n)));
    note_request out{command, word(what, "wallet"), word(what, "key"), word(what, "content")};
    if (is_choice) out.choice = what["choice"].get<std::size_t>();
    return request{std::move(out)};
}

result<request> parse_about_guardians(std::string const& command, value const& what) {
    static constexpr std::array offer_members{member{"command", shape::text, true}, member{"with", shape::texts, true},
                                              member{"threshold", shape::number}};
    static constexpr std::array members{member{"command", shape::text, true}, member{"about", shape::text, true}};
    guardian_request out{command};
    if (command == "guardians_offer") {
        MUSTER_TRY(check_members(command, what, offer_members));
        out.with = what["with"].get<std::vector<std::string>>();
        auto const most = static_cast<std::int64_t>(muster::identity::sharing::shares_max);
        if (std::ssize(out.with) < 2 || std::ssize(out.with) > most) {
            return error{errc::bad_input, text("guardians: ", out.with.size(), " of them; name 2 to ", most, " peers")};
        }
        if (what.contains("threshold")) {
            auto const written = std::to_string(what["threshold"].get<std::uint64_t>());
            MUSTER_TRY(auto const number, parse_number("threshold", written, 2, most));
            out.threshold = static_cast<std::size_t>(number);
        }
        return request{std::move(out)};
    }
    bool const is_status = command == "guardians_status";
    MUSTER_TRY(check_members(command, what, std::span{members}.first(is_status ? 1 : 2)));
    out.about = word(what, "about");
    if (command == "guardians_veto" && !is_recovery_digits(out.about)) {
        return error{errc::bad_input, text(in_quotes(out.about), " are no digits of a recovery")};
    }
    return request{std::move(out)};
}

result<request> parse_list_request(std::string const& command, value const& what) {
    static constexpr std::array members{member{"command", shape::text, true}};
    MUSTER_TRY(check_members(command, what, members));
    return request{list_request{command}};
}

bool is_one_of(std::string_view what, std::span<std::string_view const> list) {
    return std::find(list.begin(), list.end(), what) != list.end();
}

}  // namespace

result<request> parse_request(value const& what) {
    static constexpr std::array<std::string_view, 12> lists{"sessions",   "status",   "peer_list",     "wallets",
                                                            "initiators", "settings", "signers_stats", "signers_clear",
                                                            "online",     "offline",  "requests",      "presences"};
    static constexpr std::array<std::string_view, 2> about_following{"signers_follow", "signers_unfollow"};
    static constexpr std::array<std::string_view, 3> about_request{"request_ask", "request_answer", "request_end"};
    static constexpr std::array<std::string_view, 2> about_signers{"signers", "signers_subscribe"};
    static constexpr std::array<std::string_view, 2> about_initiator{"initiator_add", "initiator_remove"};
    static constexpr std::array<std::string_view, 2> about_connection{"connect", "disconnect"};
    static constexpr std::array<std::string_view, 2> about_wallet{"wallet_add", "wallet_remove"};
    static constexpr std::array<std::string_view, 6> about_session{"show",  "approve",   "decline",
                                                                   "abort", "broadcast", "failover"};
    static constexpr std::array<std::string_view, 5> about_notes{"notes_list", "notes_conflicts", "note_set",
                                                                 "note_remove", "note_resolve"};
    static constexpr std::array<std::string_view, 6> about_guardians{"guardians_offer",   "guardians_status",
                                                                     "guardians_approve", "guardians_decline",
                                                                     "guardians_veto",    "guardians_recover"};
    static constexpr std::array<std::string_view, 2> about_peer{"peer_add", "peer_remove"};
    if (!what.is_object() || !what.contains("command") || !what["command"].is_string()) {
        return error{errc::bad_input, "a request is an object with a text \"command\""};
    }
    auto const command = word(what, "command");
    if (command == "propose") return parse_propose(what);
    if (is_one_of(command, lists)) return parse_list_request(command, what);
    if (is_one_of(command, about_session)) return parse_about_session(command, what);
    if (is_one_of(command, about_peer)) return parse_about_peer(command, what);
    if (is_one_of(command, about_connection)) return parse_about_connection(command, what);
    if (is_one_of(command, about_wallet)) return parse_about_wallet(command, what);
    if (is_one_of(command, about_signers)) return parse_signers(command, what);
    if (is_one_of(command, about_initiator)) return parse_about_initiator(command, what);
    if (is_one_of(command, about_following)) return parse_follow(command, what);
    if (is_one_of(command, about_request)) return parse_about_request(command, what);
    if (is_one_of(command, about_notes)) return parse_note(command, what);
    if (is_one_of(command, about_guardians)) return parse_about_guardians(command, what);
    if (command == "settings_set") return parse_setting(what);
    if (command == "watch") return parse_watch(what);
    std::vector<std::string_view> known{"propose", "settings_set", "watch"};
    auto const add = [&](auto const& names) { known.insert(known.end(), names.begin(), names.end()); };
    add(lists);
    add(about_session);
    add(about_peer);
    add(about_connection);
    add(about_wallet);
    add(about_signers);
    add(about_initiator);
    add(about_request);
    add(about_following);
    add(about_notes);
    add(about_guardians);
    return error{errc::bad_input, text(in_quotes(command), " is not a command", did_you_mean(command, known))};
}

bool is_recovery_digits(std::string_view written) {
    if (written.size() != 24) return false;
    for (std::size_t i = 0; i < written.size(); ++i) {
        bool const is_good = i % 5 == 4 ? written[i] == '-' : written[i] >= '0' && written[i] <= '9';
        if (!is_good) return false;
    }
    return true;
}

result<signing::election_method> parse_election(std::string_view name) {
    using method = signing::election_method;
    for (auto const m : {method::lexicographic, method::hash_based, method::first_signer, method::last_signer}) {
        if (name == muster::json::to_text(m)) return m;
    }
    return error{errc::bad_input,
                 text(in_quotes(name),
                      " is not an election method; choose lexicographic, hash-based, first-signer or last-signer")};
}

}  // namespace cosigner
