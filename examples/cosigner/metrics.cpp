// SPDX-License-Identifier: MIT

#include "metrics.hpp"

#include <chrono>
#include <utility>

namespace cosigner {

using muster::text;

metrics_page::metrics_page(parts p)
    : p_{std::move(p)},
      server_{p_.executor, "/metrics",
              [this] {
                  p_.look();
                  return p_.all.to_text();
              }},
      serving_{p_.timers, p_.time, [this](muster::duration wait) { return serve(wait); }} {}

bool metrics_page::serve(muster::duration wait) {
    auto const at = server_.listen(p_.where);
    if (at) {
        auto const page = text("http://", at.value(), "/metrics");
        p_.tell(log_level::info, {{"event", "metrics_listening"}, {"address", page}}, {text("metrics at ", page)});
        return true;
    }
    auto const seconds = std::chrono::duration_cast<std::chrono::seconds>(wait).count();
    p_.tell(log_level::error, {{"event", "metrics_failed"}, {"address", p_.where}, {"retry_seconds", seconds}},
            {text("no metrics: ", at.error().message(), "; tried again in ", seconds, " s")});
    return false;
}

void metrics_page::close() {
    serving_.stop();
    server_.close();
}

}  // namespace cosigner
