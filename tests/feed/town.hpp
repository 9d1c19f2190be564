// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Feeds in virtual time, for tests: who is live, and how long that takes.

#include <muster/sim/feed/mesh.hpp>

#include <feed/bench.hpp>

namespace muster::test {

/// Hosts in virtual time. Host 0 is the late joiner.
template <class Kit>
struct town {
    using mesh = sim::feed::mesh<kit_policies<Kit>>;
    explicit town(std::size_t n, fd::options o = {}, sim::feed::link_options l = {})
        : options{std::move(o)}, net{where, l, [this](sim::host_id h) {
                                         return typename mesh::parts{
                                             .protocol = Kit::make_protocol(), .options = options, .seed = h + 1};
                                     }} {
        for (std::size_t i = 0; i < n; ++i) net.add();
    }
    /// Boots @p h, ready and started, with @p all in its store.
    void boot(sim::host_id h, std::vector<made> const& all = {}) {
        net.boot(h);
        auto const give = [&](auto& c, instant now, auto& out) -> result<void> {
            for (auto const& m : all) {
                if (m.blob) {
                    MUSTER_TRY(c.publish_pair(*m.blob, m.content(), now, out));
                } else {
                    MUSTER_TRY(c.publish_record(m.content(), now, out));
                }
            }
            MUSTER_TRY(c.start(now, out));
            return c.sync_ready(0, now, out);
        };
        REQUIRE(net.act(h, give));
    }
    void pass(duration span) { where.run_until(where.now() + span); }
    [[nodiscard]] bool is_live(sim::host_id h) {
        auto const s = net.at(h).sync_status();
        return s.state == fd::sync_state::live && s.missing == 0;
    }
    bool until_live(sim::host_id h, duration most) {
        return where.run_until(where.now() + most, [&] { return is_live(h); });
    }

    sim::world where{1};
    fd::options options;
    mesh net;
};

/// Room for whatever a test has.
[[nodiscard]] inline fd::options roomy() {
    fd::options o;
    o.with_cache(20'000, 64u << 20);
    return o;
}

}  // namespace muster::test
