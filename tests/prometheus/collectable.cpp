// SPDX-License-Identifier: MIT

#include <muster/prometheus/collectable.hpp>

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <thread>

#include <prometheus/exposer.h>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

#include <support/catch.hpp>

namespace collectable_tests {

using namespace muster;
using muster::prometheus::collectable;
using tcp = boost::asio::ip::tcp;

namespace {

void script(metrics::registry& r) {
    auto const o = r.observer();
    o.count("libp2p_frames_sent_total", 7);
    o.gauge("libp2p_peers", 2.5);
    count_with(o, "p2p_cache_hits_total", {{"kind", "record"}}, 9);
    for (double const v : {0.0005, 0.02, 7.0, 500.0}) o.measure("p2p_reqresp_latency_seconds", v);
    o.count("no_such_thing", 1);
}
std::string fetch(int port) {
    boost::asio::io_context io;
    tcp::socket s{io};
    s.connect({boost::asio::ip::address_v4::loopback(), static_cast<std::uint16_t>(port)});
    boost::asio::write(s, boost::asio::buffer(std::string{"GET /metrics HTTP/1.0\r\n\r\n"}));
    std::string out;
    boost::system::error_code end;
    boost::asio::read(s, boost::asio::dynamic_buffer(out), end);
    return out;
}

}  // namespace

TEST_CASE("prometheus: the library is shown what was published last, with types, labels and buckets") {
    metrics::registry r;
    collectable shown;
    CHECK(shown.Collect().empty());
    script(r);
    shown.publish(r);
    auto const all = shown.Collect();
    CHECK(all.size() == metrics::families.size() + 1);
    auto const at = [&](std::string const& name) -> ::prometheus::MetricFamily const& {
        auto const found = std::find_if(all.begin(), all.end(), [&](auto const& f) { return f.name == name; });
        REQUIRE(found != all.end());
        return *found;
    };
    CHECK(at("libp2p_frames_sent_total").type == ::prometheus::MetricType::Counter);
    CHECK(at("libp2p_frames_sent_total").metric.at(0).counter.value == 7);
    CHECK(at("libp2p_peers").type == ::prometheus::MetricType::Gauge);
    CHECK(at("libp2p_peers").metric.at(0).gauge.value == 2.5);
    CHECK(at("p2p_cache_hits_total").metric.at(0).label ==
          std::vector<::prometheus::ClientMetric::Label>{{"kind", "record"}});
    auto const& latency = at("p2p_reqresp_latency_seconds");
    CHECK(latency.type == ::prometheus::MetricType::Histogram);
    auto const& h = latency.metric.at(0).histogram;
    CHECK(h.sample_count == 4);
    CHECK(h.sample_sum == 507.0205);
    REQUIRE(h.bucket.size() == metrics::bucket_bounds.size());
    CHECK(h.bucket.front().cumulative_count == 1);
    CHECK(h.bucket.back().cumulative_count == 3);
    CHECK(at("metrics_dropped_total").metric.at(0).counter.value == 1);
    // What is written afterwards is shown when it is published.
    r.observer().gauge("libp2p_peers", 3);
    CHECK(shown.Collect()[0].name == all[0].name);
    CHECK(at("libp2p_peers").metric.at(0).gauge.value == 2.5);
}

TEST_CASE("prometheus: the exposer of the library serves it on a loopback address, from threads of its own") {
    metrics::registry r;
    auto const shown = std::make_shared<collectable>();
    ::prometheus::Exposer exposer{"127.0.0.1:0"};
    exposer.RegisterCollectable(shown);
    script(r);
    shown->publish(r);
    auto const port = exposer.GetListeningPorts().at(0);
    std::string got;
    std::thread reader{[&] {
        for (int i = 0; i < 20; ++i) got = fetch(port);
    }};
    for (int i = 0; i < 200; ++i) shown->publish(r);  // while they read
    reader.join();
    CHECK(got.find("HTTP/1.1 200 OK") != std::string::npos);
    CHECK(got.find("# TYPE libp2p_frames_sent_total counter\nlibp2p_frames_sent_total 7\n") != std::string::npos);
    CHECK(got.find("p2p_cache_hits_total{kind=\"record\"} 9\n") != std::string::npos);
    CHECK(got.find("p2p_reqresp_latency_seconds_bucket{le=\"+Inf\"} 4\n") != std::string::npos);
}

}  // namespace collectable_tests
