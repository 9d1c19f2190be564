// SPDX-License-Identifier: MIT

/// @file
/// An outbox that hears anything from two peers: it stays within its bounds, makes an entry durable before it is
/// delivered, delivers each once and in its chain's order, up to where two stories part; and messages, updates, entries
/// and marks have one spelling.

#include <algorithm>
#include <map>
#include <optional>

#include <muster/sync/entry_store.hpp>
#include <muster/sync/outbox.hpp>
#include <muster/sync/replica.hpp>

#include <support/node_keys.hpp>

#include "fuzz.hpp"

using namespace muster;
using namespace muster::sync;

namespace {

/// An entry that begins with 1 is forged, and one that begins with 2 may be good some time. A proof is the place of two
/// entries, and what they hold.
struct take_some {
    judgement operator()(entry const& e) const {
        if (!e.content.empty() && e.content[0] == 1) return judgement::refuse;
        return !e.content.empty() && e.content[0] == 2 ? judgement::later : judgement::take;
    }
    entry_name name_of(entry const& e) const {
        return entry_name::from(crypto::sha256(e.content).view().first(entry_name::size_in_bytes));
    }
    judgement vouch(entry const& e) const { return (*this)(e); }
    result<std::optional<bytes>> contrast(entry const& a, entry const& b) const {
        if ((*this)(b) == judgement::refuse) return error{errc::malformed, "forged"};
        if (a.content == b.content) return std::optional<bytes>{};
        wire::writer out;
        sync::detail::write_dot(out, a.at.by, a.at.sequence);
        return std::optional{out.sized(a.content).sized(b.content).take()};
    }
    result<dot> convict(byte_view proof) const {
        wire::reader in{proof};
        dot at;
        at.by = sync::detail::read_actor(in);
        at.sequence = sync::detail::read_varint(in);
        bool const differ = !equal(in.sized(proof.size()), in.sized(proof.size()));
        if (!in.finish() || !differ || at.sequence == 0) return error{errc::malformed, "no proof"};
        return at;
    }
};
static_assert(evidence_judge<take_some>);
using box = outbox<take_some>;

void decode_all(byte_view content) {
    if (auto const m = decode(content)) {
        auto const again = std::visit([](auto const& each) { return encode(each); }, m.value());
        fuzz::require(equal(again, content));
    }
    if (auto const e = entry_of(content)) {
        fuzz::require(equal(record_of(e.value()), content));
        if (auto const m = mark::of(e.value())) fuzz::require(m.value().as_entry() == e.value());
    }
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
    box machine{{0, 1}, take_some{}, o, entry_log{entry_log::options{64, 40, 4000}}};
    std::map<actor, std::uint64_t> durable, delivered;
    auto const cut = [&](dot const& at) {
        for (auto* const all : {&durable, &delivered}) {
            auto& last = (*all)[at.by];
            last = std::min(last, at.sequence - 1);
        }
    };
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
                for (auto const& one : p->entries) {
                    if (one.at.sequence == 0) {
                        cut(mark::of(one).value().at);
                    } else {
                        fuzz::require(one.at.sequence == ++durable[one.at.by]);
                    }
                }
            }
            if (auto const* const d = std::get_if<deliver>(&e)) {
                fuzz::require(d->what.at.sequence == ++delivered[d->what.at.by]);
                fuzz::require(d->what.at.sequence <= durable[d->what.at.by]);
            }
        }
        fuzz::require(machine.stats().early <= 8 && machine.stats().entries <= 64);
        for (auto const& [by, fault] : machine.faults()) {
            fuzz::require(machine.log().last_of(by) < fault.at.sequence && fault.at.by == by);
        }
    }
    return 0;
}
