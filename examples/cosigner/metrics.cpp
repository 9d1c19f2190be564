// SPDX-License-Identifier: MIT

#include "metrics.hpp"

#include <algorithm>
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
      later_{p_.executor} {}

void metrics_page::start() {
    constexpr std::chrono::seconds longest{60};  // ours
    auto const at = server_.listen(p_.where);
    if (at) {
        auto const page = text("http://", at.value(), "/metrics");
        return p_.tell(log_level::info, {{"event", "metrics_listening"}, {"address", page}},
                       {text("metrics at ", page)});
    }
    auto const& why = at.error().message();
    p_.tell(log_level::error, {{"event", "metrics_failed"}, {"address", p_.where}, {"retry_seconds", wait_.count()}},
            {text("no metrics: ", why, "; tried again in ", wait_.count(), " s")});
    later_.expires_after(wait_);
    later_.async_wait([this](boost::system::error_code const& cancelled) {
        if (!cancelled && !is_closed_) start();
    });
    wait_ = std::min(2 * wait_, longest);
}

void metrics_page::close() {
    is_closed_ = true;
    later_.cancel();
    server_.close();
}

}  // namespace cosigner
