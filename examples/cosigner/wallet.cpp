// SPDX-License-Identifier: MIT

#include "wallet.hpp"

#include <algorithm>
#include <array>

#include <muster/core/overloaded.hpp>

#include "parse.hpp"

namespace cosigner {

using muster::error;
using muster::text;
using muster::to_hex;

result<std::vector<muster::musig2::tweak>> parse_tweaks(value const& what) {
    std::vector<muster::musig2::tweak> out;
    if (what.contains("path")) {
        std::string written = "m";
        for (auto const& step : what["path"]) written += text("/", step.get<std::uint64_t>());
        MUSTER_TRY(auto path, parse_path(written));
        out.push_back(std::move(path));
    }
    if (what.contains("taproot")) {
        muster::musig2::taproot tap;
        if (!what["taproot"].is_null()) {
            MUSTER_TRY(tap.merkle_root,
                       parse_hex<muster::crypto::digest32>("taproot", what["taproot"].get<std::string>()));
        }
        out.push_back(tap);
    }
    return out;
}

void add_tweaks(value& what, std::vector<muster::musig2::tweak> const& tweaks) {
    for (auto const& t : tweaks) {
        std::visit(muster::overloaded{
                       [&](muster::musig2::bip32_path const& path) { what["path"] = path.steps; },
                       [&](muster::musig2::taproot const& tap) {
                           what["taproot"] = tap.merkle_root ? value(to_hex(*tap.merkle_root)) : value();
                       },
                       [](auto const&) {},  // none that this application makes
                   },
                   t);
    }
}

result<shared_wallet> parse_wallet(std::string_view name, value const& what) {
    static constexpr std::array members{member{"with", shape::texts, true}, member{"keep_order", shape::flag},
                                        member{"path", shape::numbers}, member{"taproot", shape::text_or_null}};
    MUSTER_TRY(check_members(text("wallet ", name), what, members));
    shared_wallet out;
    for (auto const& written : what["with"]) {
        MUSTER_TRY(auto const key, parse_hex<signing::public_key>(text("wallet ", name), written.get<std::string>()));
        if (std::find(out.with.begin(), out.with.end(), key) != out.with.end()) {
            return error{errc::bad_input, text("wallet ", name, ": ", to_hex(key), " is named twice")};
        }
        out.with.push_back(key);
    }
    if (out.with.empty()) return error{errc::bad_input, text("wallet ", name, ": it has no other signers")};
    out.keep_order = what.value("keep_order", false);
    MUSTER_TRY(out.tweaks, parse_tweaks(what));
    return out;
}

value json_of(shared_wallet const& w) {
    value out{{"with", value::array()}};
    for (auto const& key : w.with) out["with"].push_back(to_hex(key));
    if (w.keep_order) out["keep_order"] = true;
    add_tweaks(out, w.tweaks);
    return out;
}

}  // namespace cosigner
