// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Shows a metrics::registry to prometheus-cpp, beside whatever else a program measures with that library.
///
/// The library's exposer asks from threads of its own, and a registry belongs to one thread. So that thread publishes
/// a copy, when it likes, and the exposer is shown the last one.
///
///     auto const shown = std::make_shared<muster::prometheus::collectable>();
///     ::prometheus::Exposer exposer{"127.0.0.1:9100"};
///     exposer.RegisterCollectable(shown);
///     shown->publish(all);  // each few seconds, where `all` is written
///
/// @see prometheus-cpp, `Collectable` and `Exposer`.

#include <cstddef>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <prometheus/client_metric.h>
#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <muster/metrics/registry.hpp>

namespace muster::prometheus {

/// What a registry held when it was published last. Thread-safe.
class collectable : public ::prometheus::Collectable {
public:
    /// Shows what @p r holds now, in place of what was shown before. To be called where @p r is written. O(series).
    void publish(metrics::registry const& r) {
        std::vector<::prometheus::MetricFamily> all;
        r.each_family([&](metrics::family const& f, auto const& series) {
            ::prometheus::MetricFamily out;
            out.name = f.name;
            out.help = f.help;
            out.type = type_of(f.type);
            for (auto const& [by, s] : series) out.metric.push_back(metric_of(f, by, s));
            all.push_back(std::move(out));
        });
        std::lock_guard const lock{mutex_};
        shown_ = std::move(all);
    }
    /// The last copy; nothing before the first.
    [[nodiscard]] std::vector<::prometheus::MetricFamily> Collect() const override {
        std::lock_guard const lock{mutex_};
        return shown_;
    }

private:
    [[nodiscard]] static ::prometheus::MetricType type_of(metrics::type t) noexcept {
        switch (t) {
            case metrics::type::counter: return ::prometheus::MetricType::Counter;
            case metrics::type::gauge: return ::prometheus::MetricType::Gauge;
            case metrics::type::histogram: return ::prometheus::MetricType::Histogram;
        }
        return ::prometheus::MetricType::Untyped;
    }
    [[nodiscard]] static ::prometheus::ClientMetric metric_of(metrics::family const& f,
                                                              metrics::registry::label_values const& by,
                                                              metrics::registry::values const& s) {
        ::prometheus::ClientMetric out;
        for (std::size_t i = 0; i < by.size() && !f.labels[i].empty(); ++i) {
            out.label.push_back({std::string{f.labels[i]}, by[i]});
        }
        switch (f.type) {
            case metrics::type::counter: out.counter.value = s.value; break;
            case metrics::type::gauge: out.gauge.value = s.value; break;
            case metrics::type::histogram:
                out.histogram.sample_count = s.measured;
                out.histogram.sample_sum = s.value;
                for (std::size_t i = 0; i < s.buckets.size(); ++i) {
                    out.histogram.bucket.push_back({s.buckets[i], metrics::bucket_bounds[i]});
                }
                break;
        }
        return out;
    }

    mutable std::mutex mutex_;
    std::vector<::prometheus::MetricFamily> shown_;
};

}  // namespace muster::prometheus
