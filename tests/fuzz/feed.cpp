// SPDX-License-Identifier: MIT

// What peers send to a feed: each decoder of the preconfirmation protocol and of the log, whose values encode to what
// was read; and clients of both, to which the bytes are gossip, questions and answers.

#include <muster/feed/client.hpp>
#include <muster/feed/preconf/protocol.hpp>
#include <muster/feed/signed_log.hpp>

#include "fuzz.hpp"

namespace {

using namespace muster;
namespace preconf = muster::feed::preconf;

struct preconf_policies : feed::defaults {
    using protocol = preconf::protocol;
};
struct log_policies : feed::defaults {
    using protocol = feed::signed_log;
};

void decode_all(byte_view in) {
    if (auto const r = preconf::decode_signed_commitment(in)) fuzz::require(equal(preconf::encode(r.value()), in));
    if (auto const r = preconf::decode_raw_tx_list(in)) fuzz::require(equal(preconf::encode(r.value()), in));
    if (auto const r = preconf::decode_head(in)) fuzz::require(equal(preconf::encode(r.value()), in));
    if (auto const r = preconf::decode_page_request(in)) fuzz::require(equal(preconf::encode(r.value()), in));
    if (auto const r = preconf::decode_list_request(in)) fuzz::require(equal(r.value().view(), in));
    if (auto const r = preconf::decode_page(in)) {
        std::vector<bytes> all;
        for (auto const& each : r.value()) all.push_back(to_bytes(each));
        fuzz::require(equal(preconf::encode_page(all), in));
    }
    (void)preconf::decode_head_request(in);
    (void)preconf::decode_raw_tx_list_with_anchor(in);
    feed::signed_log const log{"fuzz"};
    if (auto const r = log.decode_record(in)) fuzz::require(equal(log.encode(r.value()), in));
    if (auto const r = log.decode_page(in)) {
        std::vector<bytes> all;
        for (auto const& each : r.value()) all.push_back(to_bytes(each));
        fuzz::require(equal(log.encode_page(all), in));
    }
    (void)log.decode_page_ask(in);
    (void)log.decode_head(in);
}

template <class Policies>
void tell(typename Policies::protocol p, byte_view in) {
    feed::options o;
    o.with_message_ids(64, std::chrono::seconds{120}).with_cache(16, 4096);
    feed::client<Policies> c{{.protocol = std::move(p), .options = o, .seed = 1}};
    peer::peer_id const peer = peer::peer_id::from_multihash(bytes{0x00, 0x04, 1, 2, 3, 4}).value();
    effect_list<feed::effect> out;
    instant now{std::chrono::hours{1}};
    (void)c.start(now, out);
    (void)c.sync_ready(0, now, out);
    c.handle(feed::peer_connected{peer}, now, out);
    feed::ticket next = 0;
    fuzz::input script{in.data(), in.size()};
    while (!script.empty()) {
        auto const what = script.number();
        auto part = to_bytes(script.octets());
        if (what & 0x80) append(part, script.octets());  // records are longer than one number says
        auto const sent = out.take();
        now += std::chrono::milliseconds{100 * what};
        switch (what % 5) {
            case 0: c.handle(feed::gossip_received{++next, peer, feed::kind::record, part}, now, out); break;
            case 1: c.handle(feed::gossip_received{++next, peer, feed::kind::blob, part}, now, out); break;
            case 2:
                c.handle(feed::question_received{++next, peer, static_cast<feed::question>(what / 5 % 3), part}, now,
                         out);
                break;
            case 3:
                for (auto const& e : sent) {
                    if (auto const* const r = std::get_if<feed::request>(&e)) {
                        c.handle(feed::answer_received{r->number, part}, now, out);
                    }
                }
                break;
            default: c.wake(now, out);
        }
        auto const s = c.stats();
        fuzz::require(s.pending_bytes <= c.settings().pending_bytes_max &&
                      s.stored.records <= c.settings().records_max);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    byte_view const in{data, size};
    decode_all(in);
    tell<preconf_policies>(preconf::protocol{}, in);
    tell<log_policies>(feed::signed_log{"fuzz"}, in);
    return 0;
}
