// SPDX-License-Identifier: MIT

#include "commands.hpp"
#include "node.hpp"
#include "parse.hpp"
#include "passphrases.hpp"

namespace cosigner {

using muster::error;
using muster::text;

namespace {

constexpr std::int64_t timeout_max = 86'400;  // a day, after which a session ends anyway

result<log_level> parse_level(std::string const& written) {
    if (written == "error") return log_level::error;
    if (written == "info") return log_level::info;
    if (written == "debug") return log_level::debug;
    return error{errc::bad_input, text("--log-level: ", in_quotes(written), " is not error, info or debug")};
}

result<run_options> options_of(arguments const& a) {
    run_options out;
    MUSTER_TRY(out.approve, parse_rule(a.approve.value_or("ask")));
    MUSTER_TRY(out.level, parse_level(a.level.value_or("info")));
    MUSTER_TRY(auto const round, parse_number("--round-timeout", a.round_timeout.value_or("300"), 1, timeout_max));
    MUSTER_TRY(auto const turn,
               parse_number("--broadcast-timeout", a.broadcast_timeout.value_or("30"), 1, timeout_max));
    out.round_timeout = std::chrono::seconds{round};
    out.broadcast_timeout = std::chrono::seconds{turn};
    for (auto const& list : a.bootstrap) {
        MUSTER_TRY(auto const addresses, parse_list("--bootstrap", list));
        for (auto const& one : addresses) {
            MUSTER_TRY(auto address, parse_bootstrap(one));
            out.bootstrap.push_back(std::move(address));
        }
    }
    out.auto_connect = a.auto_connect;
    out.advertise = a.advertise;
    if (a.metrics) {
        if (auto const usable = muster::http::text_server::check(*a.metrics); !usable) {
            return error{errc::bad_input, text("--metrics: ", usable.error().message())};
        }
    }
    out.metrics = a.metrics;
    out.hold_broadcast = a.hold_broadcast;
    out.false_share = a.drill == "false-share";
    out.short_delay = a.drill == "short-delay";
    if (a.drill && !out.false_share && !out.short_delay) {
        return error{errc::bad_input,
                     text("--drill: ", in_quotes(*a.drill), " is neither false-share nor short-delay")};
    }
    return out;
}

/// The keys of a node: the host key for its transport, all of them, and those of its guardians.
struct node_keys {
    muster::peer::node_key host;
    muster::peer::key_set own;
    guardian_keys guarded;
};

/// Opens the seed, once; only what is derived from it is kept.
result<node_keys> unlock(home const& place, arguments const& a, printer& out) {
    auto const keys = place.keys();
    auto const dir = place.dir().string();
    MUSTER_TRY(auto const key, keys.unlock([&] { return ask_passphrase(a.passphrase_file, dir); }));
    if (!keys.is_wrapped()) {
        out.remark(text("the seed in ", dir, " is not under a passphrase; `cosigner passwd ", dir, "` puts it there"));
    }
    if (keys.has_leftover()) {
        MUSTER_TRY(keys.remove_plain());
    }
    MUSTER_TRY(auto host, key.keys());
    MUSTER_TRY(auto all, key.keys());
    MUSTER_TRY(auto guarded, guardian_keys_of(key));
    return node_keys{std::move(host.node), std::move(all), std::move(guarded)};
}

}  // namespace

int run(arguments const& a, printer& out) {
    auto const options = options_of(a);
    if (!options) return out.fail(options.error());
    auto place = home::open_to_run(a.dir);
    if (!place) return out.fail(place.error());
    bool const goes_online = options.value().auto_connect || place.value().config().discovery.auto_connect;
    if (!goes_online && (options.value().advertise || !options.value().bootstrap.empty())) {
        return out.fail(
            error{errc::bad_input, "--advertise and --bootstrap are for who goes online: add --auto-connect"});
    }
    auto keys = unlock(place.value(), a, out);
    if (!keys) return out.fail(keys.error());
    auto& [host, own, guarded] = keys.value();
    boost::asio::io_context io{1};
    node n{io, std::move(place).value(), std::move(host), std::move(own), std::move(guarded), options.value(), out};
    if (auto const started = n.start(); !started) return out.fail(started.error(), setup);
    io.run();
    return success;
}

}  // namespace cosigner
