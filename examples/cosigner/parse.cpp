// SPDX-License-Identifier: MIT

#include "parse.hpp"

#include <algorithm>

#include <muster/signing/proposal.hpp>

namespace cosigner {

using muster::error;
using muster::text;

namespace {

error wrong(std::string_view what, std::string_view written, std::string_view why) {
    return error{errc::bad_input, text(what, ": ", in_quotes(written), " ", why)};
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

/// A number of decimal digits alone, as it would be written back.
std::optional<std::int64_t> plain_number(std::string_view written) {
    constexpr std::size_t digits_max = 18;  // below 2^63, whatever they are
    bool const is_plain = !written.empty() && written.size() <= digits_max &&
                          std::all_of(written.begin(), written.end(), is_digit) &&
                          (written[0] != '0' || written.size() == 1);
    if (!is_plain) return std::nullopt;
    std::int64_t number = 0;
    for (char const c : written) number = number * 10 + (c - '0');
    return number;
}

/// How many letters have to be changed, put in or left out to come from @p a to @p b (Levenshtein).
std::size_t distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
    for (std::size_t i = 0; i < a.size(); ++i) {
        auto diagonal = row[0]++;
        for (std::size_t j = 0; j < b.size(); ++j) {
            auto const changed = diagonal + (a[i] == b[j] ? 0u : 1u);
            diagonal = row[j + 1];
            row[j + 1] = std::min({changed, row[j] + 1, diagonal + 1});
        }
    }
    return row.back();
}

}  // namespace

result<std::int64_t> parse_number(std::string_view what, std::string_view written, std::int64_t min, std::int64_t max) {
    auto const number = plain_number(written);
    if (!number || *number < min || *number > max) {
        return wrong(what, written, text("is not a whole number from ", min, " to ", max, " in decimal digits"));
    }
    return *number;
}

result<muster::musig2::bip32_path> parse_path(std::string_view written) {
    constexpr std::int64_t step_max = 0x7fff'ffff;  // BIP-32: larger ones are hardened, which a group's key cannot be
    auto rest = written;
    if (rest.starts_with("m/")) rest.remove_prefix(2);
    muster::musig2::bip32_path path;
    for (bool more = true; more;) {
        auto const end = rest.find('/');
        auto const step = plain_number(rest.substr(0, end));
        if (!step || *step > step_max || path.steps.size() == muster::signing::tweaks_max) {
            return wrong("derivation path", written,
                         text("is not one like m/0/7: 1 to ", muster::signing::tweaks_max,
                              " decimal numbers below 2^31 without leading zeros, none hardened"));
        }
        path.steps.push_back(static_cast<std::uint32_t>(*step));
        more = end != std::string_view::npos;
        if (more) rest.remove_prefix(end + 1);
    }
    return path;
}

std::string to_text(muster::musig2::bip32_path const& path) {
    std::string out = "m";
    for (auto const step : path.steps) out += text("/", step);
    return out;
}

result<std::string> parse_name(std::string_view written) {
    constexpr std::size_t size_max = 64;
    auto const is_allowed = [](char c) { return is_letter(c) || is_digit(c) || c == '.' || c == '_' || c == '-'; };
    bool const is_name = !written.empty() && written.size() <= size_max &&
                         std::all_of(written.begin(), written.end(), is_allowed) &&
                         std::any_of(written.begin(), written.end(), is_letter) && written[0] != '-' &&
                         written != "me" && !muster::from_hex_as<muster::crypto::public_key>(written);
    if (is_name) return std::string{written};
    return wrong("name", written, "is not 1 to 64 letters, digits, '.', '_' and '-' with a letter among them");
}

result<std::vector<std::string>> parse_list(std::string_view what, std::string_view written) {
    std::vector<std::string> out;
    for (auto rest = written;;) {
        auto const end = rest.find(',');
        if (rest.substr(0, end).empty()) return wrong(what, written, "has an empty name in it");
        out.emplace_back(rest.substr(0, end));
        if (end == std::string_view::npos) return out;
        rest.remove_prefix(end + 1);
    }
}

namespace {

/// The first digits of an id of @p digits_max, in lower case; nothing where it cannot be.
std::optional<std::string> first_digits(std::string_view written, std::size_t digits_max) {
    std::string out;
    for (char const c : written) out += c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c;
    bool const is_hex =
        std::all_of(out.begin(), out.end(), [](char c) { return is_digit(c) || (c >= 'a' && c <= 'f'); });
    if (!is_hex || out.empty() || out.size() > digits_max) return std::nullopt;
    return out;
}

}  // namespace

result<std::string> parse_session(std::string_view written) {
    if (auto id = first_digits(written, 64)) return *std::move(id);
    return wrong("session", written, "is not the first digits of a session id; `cosigner sessions` lists them");
}

result<std::string> parse_request_id(std::string_view written) {
    if (auto id = first_digits(written, 32)) return *std::move(id);
    return wrong("request", written, "is not the first digits of a request's id; `cosigner request list` lists them");
}

result<std::string> parse_approved_session(std::string_view written) {
    constexpr std::size_t digits_min = 8;  // ours: as many as every line about a session begins with
    MUSTER_TRY(auto id, parse_session(written));
    if (id.size() >= digits_min) return id;
    return wrong("session", written,
                 text("has ", id.size(), " digits; what is approved is named by at least ", digits_min,
                      " of those that were shown"));
}

std::string approval_rule::to_text() const {
    switch (what) {
        case kind::ask: return "ask";
        case kind::all: return "all";
        case kind::none: return "none";
        case kind::digest: return "digest:" + muster::to_hex(digest);
    }
    return "unknown";
}

result<approval_rule> parse_rule(std::string_view written) {
    using kind = approval_rule::kind;
    if (written == "ask") return approval_rule{kind::ask};
    if (written == "all") return approval_rule{kind::all};
    if (written == "none") return approval_rule{kind::none};
    if (!written.starts_with("digest:")) return wrong("--approve", written, "must be ask, all, none or digest:HEX");
    MUSTER_TRY(auto const digest, parse_hex<muster::crypto::digest32>("--approve digest", written.substr(7)));
    return approval_rule{kind::digest, digest};
}

std::string did_you_mean(std::string_view written, std::vector<std::string_view> const& known) {
    std::string_view best;
    auto nearest = std::max<std::size_t>(written.size() / 3, 1) + 1;  // more than a third wrong is another word
    for (auto const word : known) {
        auto const d = distance(written.substr(0, 64), word);
        if (d >= nearest) continue;
        nearest = d;
        best = word;
    }
    return best.empty() ? std::string{} : text("; did you mean ", in_quotes(best), "?");
}

result<muster::discovery::transaction_type> parse_transaction_type(std::string_view written) {
    using muster::discovery::transaction_type;
    std::vector<std::string_view> names;
    for (auto t = transaction_type::spend; t <= transaction_type::channel;
         t = static_cast<transaction_type>(static_cast<std::uint8_t>(t) + 1)) {
        if (to_string(t) == written) return t;
        names.push_back(to_string(t));
    }
    return error{errc::bad_input, text(in_quotes(written),
                                       " is no type of transaction; choose spend, swap, coinjoin, "
                                       "custody, escrow or channel",
                                       did_you_mean(written, names))};
}

}  // namespace cosigner
