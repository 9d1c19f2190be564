// SPDX-License-Identifier: MIT

/// @file
/// An outbox that hears anything from two peers: it stays within its bounds, makes an entry durable before it is
/// delivered, delivers each once and in its chain's order; and messages, updates and entries have one spelling.

#include <map>

#include <muster/sync/entry_store.hpp>
#include <muster/sync/outbox.hpp>
#include <muster/sync/replica.hpp>

#include <support/node_keys.hpp>

#include "fuzz.hpp"

using namespace muster;
using namespace muster::sync;

namespace {

judgement take_some(entry const& e) {
    if (!e.content.empty() && e.content[0] == 1) return judgement::refuse;
    return !e.content.empty() && e.content[0] == 2 ? judgement::later : judgement::take;
}
using box = outbox<judgement (*)(entry const&)>;

void decode_all(byte_view content) {
    if (auto const m = decode(content)) {
        auto const again = std::visit([](auto const& each) { return encode(each); }, m.value());
        fuzz::require(equal(again, content));
    }
    if (auto const e = entry_of(content)) fuzz::require(equal(record_of(e.value()), content));
    if (auto const u = update::decode_content(content, {{1, 7}, 5}, {})) {
        fuzz::require(equal(u.value().encoded_content(), content));
        replica<> copy;
        fuzz::require(copy.apply(u.value()) == applied::shown);
        fuzz::require(copy.apply(u.value()) == applied::old_news);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    if (size > 8'192) return 0;
    decode_all({data, size});
    static peer::peer_id const peers[] = {test::node_keys(1).node.id(), test::node_keys(2).node.id()};
    box::options o;
    o.early_max = 8;
    o.window = 16;
    box machine{{0, 1}, take_some, o, entry_log{64}};
    std::map<actor, std::uint64_t> durable, delivered;
    fuzz::input in{data, size};
    instant now{std::chrono::hours{1}};
    for (int steps = 0; steps < 64 && !in.empty(); ++steps) {
        effect_list<box::effect> out;
        auto const& who = peers[in.below(2)];
        switch (in.below(5)) {
            case 0: machine.handle(peer_reached{who}, now, out); break;
            case 1: machine.handle(peer_lost{who}, now, out); break;
            case 2: (void)machine.add(to_bytes(in.octets()), now, out); break;
            case 3:
                now += std::chrono::seconds{in.number()};
                machine.wake(now, out);
                break;
            default: machine.handle(heard{who, to_bytes(in.octets())}, now, out);
        }
        for (auto const& e : out) {
            if (auto const* const p = std::get_if<persist>(&e)) {
                for (auto const& one : p->entries) fuzz::require(one.at.sequence == ++durable[one.at.by]);
            }
            if (auto const* const d = std::get_if<deliver>(&e)) {
                fuzz::require(d->what.at.sequence == ++delivered[d->what.at.by]);
                fuzz::require(d->what.at.sequence <= durable[d->what.at.by]);
            }
        }
        fuzz::require(machine.stats().early <= 8 && machine.stats().entries <= 64);
    }
    return 0;
}
