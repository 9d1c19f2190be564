// SPDX-License-Identifier: MIT

// What a record costs that comes by gossip, beside the arithmetic that it takes alone.

#include <stdexcept>

#include <benchmark/benchmark.h>

#include <muster/crypto/hash.hpp>
#include <muster/crypto/recoverable.hpp>

#include <feed/parts.hpp>
#include <support/areas.hpp>

namespace muster::bench {

namespace {

namespace preconf = feed::preconf;

peer::peer_id somebody() { return peer::peer_id::from_multihash(bytes{0x00, 0x04, 0, 0, 0, 1}).value(); }

void add_validation(std::vector<block> const& all) {
    add_case("feed/validate", all.size(), "muster", [all](benchmark::State& state) {
        for (auto _ : state) {
            state.PauseTiming();
            feed::options o;
            o.with_cache(2 * all.size(), 16u << 20);
            auto it = std::make_unique<feed::client<feed_policies>>(feed::client<feed_policies>::parts{
                .protocol = preconf::protocol{}, .options = o, .self = {}, .seed = 1});
            effect_list<feed::effect> out;
            feed::ticket t = 0;
            state.ResumeTiming();
            for (auto const& b : all) {
                it->handle(feed::gossip_received{++t, somebody(), feed::kind::record, b.content}, instant{}, out);
                (void)out.take();
            }
            state.PauseTiming();
            if (it->stored().sizes().records != all.size()) state.SkipWithError("not all were accepted");
            it.reset();
            state.ResumeTiming();
        }
        report_ns(state, all.size());
    });
    add_case("feed/validate", all.size(), "recover and two hashes", [all](benchmark::State& state) {
        std::vector<preconf::signed_commitment> decoded;
        for (auto const& b : all) decoded.push_back(preconf::decode_signed_commitment(b.content).value());
        for (auto _ : state) {
            for (auto const& each : decoded) {
                benchmark::DoNotOptimize(preconf::hash_of(each.commitment.preconf));
                benchmark::DoNotOptimize(crypto::recover(each.signature, preconf::signing_hash(each.commitment)));
            }
        }
        report_ns(state, all.size());
    });
    add_case("feed/duplicate", all.size(), "muster", [all](benchmark::State& state) {
        feed::client<feed_policies> it{{.protocol = preconf::protocol{}, .options = {}, .self = {}, .seed = 1}};
        effect_list<feed::effect> out;
        feed::ticket t = 0;
        for (auto const& b : all) {
            it.handle(feed::gossip_received{++t, somebody(), feed::kind::record, b.content}, instant{}, out);
        }
        (void)out.take();
        for (auto _ : state) {
            for (auto const& b : all) {
                it.handle(feed::gossip_received{++t, somebody(), feed::kind::record, b.content}, instant{}, out);
                (void)out.take();
            }
        }
        report_ns(state, all.size());
    });
}

}  // namespace

std::vector<block> blocks(std::size_t n) {
    bytes const secret(32, 0x2a);
    auto const key = crypto::key_pair::from_secret(crypto::secret<32>::copy_of(secret).value()).value();
    std::vector<block> out;
    for (std::uint64_t h = 1; h <= n; ++h) {
        preconf::preconfirmation p;
        p.block_number = h;
        p.timestamp = 1000 + 2 * h;
        p.anchor_block_number = h;
        p.submission_window_end = 1000 + (2 * h + 11) / 12 * 12;
        block b;
        for (unsigned i = 0; i < 64; ++i) b.list.content.push_back(static_cast<byte>(h >> (8 * (i % 8))));
        b.list.id = p.raw_tx_list_hash = preconf::hash_of_list(b.list.content);
        if (!out.empty()) p.parent_hash = out.back().link.id;
        auto const s = preconf::sign({p, {}}, key).value();
        b.content = preconf::encode(s);
        b.link = preconf::protocol{}.link_of(s).value();
        out.push_back(std::move(b));
    }
    return out;
}

void register_feed() { add_validation(blocks(512)); }

std::vector<row> conclude_feed(settings const&, std::vector<row> const&) { return late_joiners(); }

}  // namespace muster::bench
