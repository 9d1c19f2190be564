// SPDX-License-Identifier: MIT

// Late joiners in virtual time. A peer answers 8 questions of a kind in 10 s, as the specification has it: 0.8 lists a
// second. With k peers, while a block is published every two seconds, a backlog shrinks by at most 0.8 k - 0.5 blocks a
// second where the new ones have to be asked for as well.

#include <chrono>
#include <cstdint>

#include <muster/sim/feed/mesh.hpp>

#include <feed/parts.hpp>

namespace muster::bench {

namespace {

using namespace std::chrono_literals;
using mesh = sim::feed::mesh<feed_policies>;

/// Seconds until who joins late has all of @p backlog blocks and what was published meanwhile.
double catches_up_in(std::size_t peers, std::size_t backlog, bool is_published, std::vector<block> const& all) {
    sim::world where{1};
    mesh net{where, {}, [](sim::host_id h) {
                 feed::options o;
                 o.with_cache(4096, 64u << 20);
                 return mesh::parts{.protocol = feed::preconf::protocol{}, .options = o, .self = {}, .seed = h + 1};
             }};
    for (std::size_t i = 0; i <= peers; ++i) (void)net.add();
    std::size_t published = 0;
    auto const publish = [&](sim::host_id h, std::size_t from, std::size_t to) {
        (void)net.act(h, [&](auto& c, instant now, auto& out) -> result<void> {
            for (auto i = from; i < to; ++i) {
                MUSTER_TRY(c.publish_pair(all[i].list, all[i].content, now, out));
            }
            return ok();
        });
    };
    auto const begin = [&](sim::host_id h) {
        (void)net.act(h, [&](auto& c, instant now, auto& out) -> result<void> {
            MUSTER_TRY(c.start(now, out));
            return c.sync_ready(0, now, out);
        });
    };
    for (sim::host_id h = 1; h <= peers; ++h) {
        net.boot(h);
        publish(h, 0, backlog);
        begin(h);
    }
    for (sim::host_id h = 2; h <= peers; ++h) net.connect(1, h);
    where.run_until(where.now() + 30s);
    published = backlog;
    std::function<void()> next = [&] {
        if (published < all.size()) publish(1, published, published + 1);
        ++published;
        where.after(2s, next);
    };
    if (is_published) next();
    net.boot(0);
    begin(0);
    auto const began = where.now();
    for (sim::host_id h = 1; h <= peers; ++h) net.connect(0, h);
    where.run_until(began + 2h, [&] {
        auto const s = net.at(0).sync_status();
        return s.state == feed::sync_state::live && s.missing == 0 && net.head(0) >= backlog;
    });
    return std::chrono::duration<double>(where.now() - began).count();
}

}  // namespace

std::vector<row> late_joiners() {
    auto const all = blocks(3000);
    std::vector<row> rows;
    for (std::size_t const k : {1u, 2u, 4u, 8u}) {
        // So long that what begins at once, a window's worth of questions, is little beside it.
        auto const backlog = 400 * k / 2;
        auto const took = catches_up_in(k, backlog, true, all);
        auto const rate = static_cast<double>(backlog) / took;
        auto const limit = 0.8 * static_cast<double>(k) - 0.5;
        rows.push_back(figure("feed/catch_up", k, "muster", "blocks_per_s", rate));
        rows.push_back(figure("feed/catch_up", k, "limit", "blocks_per_s", limit));
        rows.push_back(figure("feed/catch_up", k, "muster", "ratio_to_limit", rate / limit));
        rows.push_back(figure("feed/catch_up", k, "goal", "ratio_to_limit", 0.9));
    }
    auto const one = catches_up_in(1, 192, false, all), four = catches_up_in(4, 192, false, all);
    rows.push_back(figure("feed/backlog_of_192", 1, "muster", "virtual_s", one));
    rows.push_back(figure("feed/backlog_of_192", 4, "muster", "virtual_s", four));
    rows.push_back(figure("feed/backlog_of_192", 4, "muster", "times_sooner", one / four));
    rows.push_back(figure("feed/backlog_of_192", 4, "goal", "times_sooner", 4));
    return rows;
}

}  // namespace muster::bench
