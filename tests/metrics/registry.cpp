// SPDX-License-Identifier: MIT

#include <muster/metrics/registry.hpp>

#include <cstdlib>
#include <fstream>
#include <limits>
#include <set>
#include <sstream>

#include <feed/bench.hpp>

namespace metrics_tests {

using namespace muster;
using namespace muster::test;
using metrics::registry;

namespace {

/// A reader of the text format, after its description and not after our writer: name{label="value",...} number.
struct sample {
    std::string name;
    std::map<std::string, std::string> labels;
    double value = 0;
};
struct exposition {
    std::map<std::string, std::string> types, helps;
    std::vector<sample> samples;
};
bool is_name(std::string_view s) {
    if (s.empty() || (s[0] >= '0' && s[0] <= '9')) return false;
    return std::all_of(s.begin(), s.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == ':';
    });
}
exposition parse(std::string const& text) {
    exposition out;
    REQUIRE_FALSE(text.empty());
    REQUIRE(text.back() == '\n');
    std::istringstream in{text};
    for (std::string line; std::getline(in, line);) {
        if (line.rfind("# ", 0) == 0) {
            std::istringstream words{line.substr(2)};
            std::string kind, name, rest;
            words >> kind >> name;
            std::getline(words >> std::ws, rest);
            REQUIRE(is_name(name));
            auto& to = kind == "TYPE" ? out.types : out.helps;
            REQUIRE((kind == "TYPE" || kind == "HELP"));
            REQUIRE(to.emplace(name, rest).second);  // once each
            continue;
        }
        sample s;
        std::size_t at = line.find_first_of("{ ");
        REQUIRE(at != std::string::npos);
        s.name = line.substr(0, at);
        REQUIRE(is_name(s.name));
        if (line[at] == '{') {
            for (++at; line.at(at) != '}';) {
                auto const eq = line.find("=\"", at);
                auto const label = line.substr(at, eq - at);
                REQUIRE(is_name(label));
                std::string value;
                for (at = eq + 2; line.at(at) != '"'; ++at) {
                    if (line[at] != '\\') {
                        value.push_back(line[at]);
                        continue;
                    }
                    auto const escaped = line.at(++at);
                    REQUIRE((escaped == 'n' || escaped == '"' || escaped == '\\'));
                    value.push_back(escaped == 'n' ? '\n' : escaped);
                }
                REQUIRE(s.labels.emplace(label, value).second);
                if (line.at(++at) == ',') ++at;
            }
            ++at;
        }
        REQUIRE(line.at(at) == ' ');
        char* end = nullptr;
        s.value = std::strtod(line.c_str() + at + 1, &end);
        REQUIRE(*end == '\0');
        out.samples.push_back(s);
    }
    return out;
}
/// The names in the first column of the guide's table.
std::set<std::string> documented() {
    std::ifstream in{std::string{MUSTER_TEST_VECTORS} + "/../../docs/metrics.md"};
    std::set<std::string> out;
    for (std::string line; std::getline(in, line);) {
        if (line.rfind("| `", 0) == 0) out.insert(line.substr(3, line.find('`', 3) - 3));
    }
    return out;
}

struct policies : kit_policies<preconf_kit> {
    using observer = registry::handle;
};

}  // namespace

TEST_CASE("metrics: the guide names what is registered, no more and no less") {
    registry const r;
    std::set<std::string> registered;
    auto const shown = parse(r.to_text());
    for (auto const& [name, type] : shown.types) registered.insert(name);
    CHECK(registered == documented());
    CHECK(registered.size() == metrics::families.size() + 1);  // names are unique
    for (auto const& [name, type] : shown.types) {
        CHECK((type == "counter" || type == "gauge" || type == "histogram"));
        CHECK_FALSE(shown.helps.at(name).empty());
    }
}

TEST_CASE("metrics: counters, gauges and histograms are shown as Prometheus reads them") {
    registry r;
    auto const o = r.observer();
    o.count("libp2p_frames_sent_total", 3);
    o.count("libp2p_frames_sent_total", 4);
    o.gauge("libp2p_peers", 5);
    o.gauge("libp2p_peers", 2.5);
    count_with(o, "p2p_cache_hits_total", {{"kind", "re\"co\\rd\n"}}, 9);
    for (double const v : {0.0005, 0.02, 7.0, 500.0}) o.measure("p2p_reqresp_latency_seconds", v);
    auto const shown = parse(r.to_text());
    auto const value = [&](std::string const& name, std::map<std::string, std::string> const& labels = {}) {
        for (auto const& s : shown.samples) {
            if (s.name == name && s.labels == labels) return s.value;
        }
        FAIL("no sample " << name);
        return 0.0;
    };
    CHECK(value("libp2p_frames_sent_total") == 7);
    CHECK(value("libp2p_peers") == 2.5);
    CHECK(value("p2p_cache_hits_total", {{"kind", "re\"co\\rd\n"}}) == 9);
    CHECK(value("libp2p_questions_total") == 0);
    std::string const latency = "p2p_reqresp_latency_seconds";
    CHECK(value(latency + "_bucket", {{"le", "0.001"}}) == 1);
    CHECK(value(latency + "_bucket", {{"le", "0.03"}}) == 2);
    CHECK(value(latency + "_bucket", {{"le", "120"}}) == 3);
    CHECK(value(latency + "_bucket", {{"le", "+Inf"}}) == 4);
    CHECK(value(latency + "_count") == 4);
    CHECK(value(latency + "_sum") == 507.0205);
    CHECK(metrics::bucket_bounds.back() >= 120);
}

TEST_CASE("metrics: what is unknown, of another type, or of too many series, is dropped and counted") {
    registry r;
    auto const o = r.observer();
    o.count("no_such_thing", 1);
    o.gauge("libp2p_frames_sent_total", 1);
    count_with(o, "libp2p_frames_sent_total", {{"peer", "x"}}, 1);
    CHECK(r.dropped() == 3);
    CHECK(r.total("libp2p_frames_sent_total") == 0);
    for (int i = 0; i < 400; ++i) {
        auto const reason = std::to_string(i);
        count_with(o, "p2p_validation_failures_total", {{"reason", reason}}, 1);
    }
    CHECK(r.total("p2p_validation_failures_total") == registry::series_max);
    CHECK(r.dropped() == 3 + 400 - registry::series_max);
    o.measure("p2p_reqresp_latency_seconds", std::numeric_limits<double>::quiet_NaN());
    CHECK(r.total("p2p_reqresp_latency_seconds") == 0);
    registry::handle{}.count("libp2p_frames_sent_total", 1);  // tells nobody
}

TEST_CASE("metrics: after a scripted run of a feed each of its metrics is there, and none was dropped") {
    registry r;  // T26
    fd::client<policies> c{{.protocol = preconf_kit::make_protocol(),
                            .options = {},
                            .self = feed_peer(0),
                            .observer = r.observer(),
                            .seed = 7}};
    effect_list<fd::effect> out;
    instant now{1h};
    auto const all = chain<preconf_kit>(3);
    auto const& p = c.protocol();
    REQUIRE(c.start(now, out));
    REQUIRE(c.sync_ready(0, now, out));
    c.handle(fd::peer_connected{feed_peer(1)}, now, out);
    // A head is told, pages and lists are answered, the last list is not to be had.
    for (int i = 0; i < 40; ++i) {
        for (auto const& e : out.take()) {
            auto const* const q = std::get_if<fd::request>(&e);
            if (q == nullptr) continue;
            bytes answer;
            if (q->what == fd::question::head) {
                auto const head = p.decode_record(all[1].content()).value();
                answer = p.encode_head(&head);
            } else if (q->what == fd::question::page) {
                answer = p.encode_page({all[0].content(), all[1].content()});
            } else if (q->data == to_bytes(all[0].blob->id.view())) {
                answer = p.encode_blob(*all[0].blob);
            } else {
                answer = p.not_found(all[1].blob->id);
            }
            c.handle(fd::answer_received{q->number, answer}, now + 20ms, out);
        }
        now += 10s;
        c.wake(now, out);
    }
    CHECK(c.sync_status() == fd::head_sync_status{fd::sync_state::live, 2, 2, 1});
    c.handle(fd::gossip_received{1, feed_peer(1), fd::kind::record, all[1].content()}, now, out);
    c.handle(fd::gossip_received{2, feed_peer(1), fd::kind::record, bytes{1}}, now, out);
    c.handle(fd::question_received{3, feed_peer(1), fd::question::head, p.encode_head_ask()}, now, out);
    REQUIRE(c.publish_record(all[2].content(), now, out));
    auto const shown = r.to_text();
    for (auto const& f : metrics::families) {
        if (f.name.substr(0, 4) != "p2p_") continue;
        INFO(f.name);
        CHECK(r.total(f.name) != 0);
    }
    CHECK(r.dropped() == 0);
    CHECK(shown.find("p2p_gossip_received_total{topic=\"record\",outcome=\"reject\"} 1\n") != std::string::npos);
    CHECK(shown.find("p2p_validation_failures_total{reason=\"malformed\"} 1\n") != std::string::npos);
    CHECK(shown.find("p2p_reqresp_outcomes_total{protocol=\"blob\",outcome=\"not_found\"}") != std::string::npos);
}

}  // namespace metrics_tests
