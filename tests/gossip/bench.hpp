// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// A router on a bench: peers are numbers, what it says to them is decoded, and time moves when it is told to.

#include <algorithm>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <muster/core/overloaded.hpp>
#include <muster/gossip/router.hpp>

#include <support/catch.hpp>

namespace muster::test {

using namespace std::chrono_literals;
namespace gs = muster::gossip;

/// The id of peer number @p n, which contains no key of a kind that anybody knows.
[[nodiscard]] inline peer::peer_id peer_number(std::uint32_t n) {
    bytes const id{0x00,
                   0x04,
                   static_cast<byte>(n >> 24),
                   static_cast<byte>(n >> 16),
                   static_cast<byte>(n >> 8),
                   static_cast<byte>(n)};
    return peer::peer_id::from_multihash(id).value();
}

/// Signs with nothing but a checksum: for tests in which nobody forges, or forges on purpose.
class checksum_signer {
public:
    explicit checksum_signer(peer::peer_id id) : id_{id} {}
    [[nodiscard]] peer::peer_id const& id() const noexcept { return id_; }
    [[nodiscard]] byte_view key() const noexcept { return {}; }
    [[nodiscard]] result<bytes> sign(byte_view content) const { return sum(id_, content); }
    [[nodiscard]] bool verify(peer::peer_id const& author, std::optional<byte_view> key, byte_view content,
                              byte_view signature) const {
        return !key && equal(sum(author, content), signature);
    }

private:
    [[nodiscard]] static bytes sum(peer::peer_id const& author, byte_view content) {
        std::uint64_t h = 0xcbf29ce484222325u;
        for (byte_view const part : {author.view(), content}) {
            for (byte const b : part) h = (h ^ b) * 0x100000001b3u;
        }
        bytes out;
        for (unsigned i = 0; i < 8; ++i) out.push_back(static_cast<byte>(h >> (8 * i)));
        return out;
    }
    peer::peer_id id_;
};

/// Messages are signed, ids are author and number.
struct signed_policies {
    using signing = gs::strict_sign<checksum_signer>;
    using message_ids = gs::id_of_author;
};

/// Parameters with few surprises: no flood publishing.
[[nodiscard]] inline gs::options quiet() {
    gs::options o;
    o.flood_publish = false;
    o.seen_max = 4096;
    return o;
}

/// What was said in one frame, owned.
struct said {
    gs::traffic traffic = gs::traffic::control;
    std::vector<std::pair<std::string, bool>> subscriptions = {};
    std::vector<std::string> data = {};  // of messages
    std::vector<std::string> grafts = {};
    std::vector<gs::rpc::prune_entry> prunes = {};
    std::vector<std::pair<std::string, std::vector<std::string>>> ihave = {};
    std::vector<std::string> iwant = {};
    std::vector<std::string> idontwant = {};
};
[[nodiscard]] inline std::string string_of(byte_view v) { return {v.begin(), v.end()}; }
[[nodiscard]] inline said read(gs::send const& s) {
    gs::rpc::rpc_view v;
    REQUIRE(gs::rpc::decode_rpc(*s.frame, {}, v));
    said out;
    out.traffic = s.traffic;
    for (auto const& each : v.subscriptions) out.subscriptions.emplace_back(each.topic, each.subscribe);
    for (auto const& raw : v.messages) out.data.push_back(string_of(gs::rpc::decode_message(raw).value().data));
    for (auto const& each : v.grafts) out.grafts.emplace_back(each);
    for (auto const& p : v.prunes) {
        gs::rpc::prune_entry e{std::string{p.topic}, p.backoff.value_or(0), {}};
        for (std::size_t i = p.px.first; i < p.px.first + p.px.count; ++i) {
            e.px.push_back({peer::peer_id::from_multihash(v.px[i].peer).value(), to_bytes(v.px[i].record)});
        }
        out.prunes.push_back(e);
    }
    for (auto const& each : v.ihave) {
        std::vector<std::string> ids;
        for (std::size_t i = 0; i < each.ids.count; ++i) ids.push_back(string_of(v.ihave_ids[each.ids.first + i]));
        out.ihave.emplace_back(each.topic, ids);
    }
    for (auto const& id : v.iwant_ids) out.iwant.push_back(string_of(id));
    for (auto const& id : v.idontwant_ids) out.idontwant.push_back(string_of(id));
    return out;
}

/// The bench. Peer 0 is the router itself.
template <class Policies = gs::defaults>
struct bench {
    using router = gs::router<Policies>;

    explicit bench(gs::options o = quiet(), typename Policies::signing s = make_signing(), std::uint64_t seed = 1)
        : own{peer_number(0), std::move(o), seed, 100, std::move(s)} {}

    [[nodiscard]] static typename Policies::signing make_signing() {
        if constexpr (std::is_default_constructible_v<typename Policies::signing>) {
            return {};
        } else {
            return typename Policies::signing{checksum_signer{peer_number(0)}};
        }
    }

    // ---- what happens ----
    void tell(gs::event const& e) { own.handle(e, now, effects); }
    void up(std::uint32_t n, gs::direction d = gs::direction::outbound, gs::version v = gs::version::v1_2,
            std::string group = {}) {
        tell(gs::peer_up{peer_number(n), v, d, std::move(group)});
    }
    void down(std::uint32_t n) { tell(gs::peer_down{peer_number(n)}); }
    void hear(std::uint32_t n, byte_view frame) { tell(gs::received{peer_number(n), frame}); }
    void hear(std::uint32_t n, gs::rpc::rpc_content const& c) { hear(n, gs::rpc::encode_rpc(c)); }
    void subscribes(std::uint32_t n, std::string const& topic, bool to = true) {
        gs::rpc::rpc_content c;
        c.subscriptions.emplace_back(topic, to);
        hear(n, c);
    }
    void grafts(std::uint32_t n, std::string const& topic) {
        gs::rpc::rpc_content c;
        c.grafts.push_back(topic);
        hear(n, c);
    }
    void prunes(std::uint32_t n, std::string const& topic, std::uint64_t seconds = 0,
                std::vector<gs::rpc::px_entry> px = {}) {
        gs::rpc::rpc_content c;
        c.prunes.push_back({topic, seconds, std::move(px)});
        hear(n, c);
    }
    void announces(std::uint32_t n, std::string const& topic, std::vector<gs::message_id> ids) {
        gs::rpc::rpc_content c;
        c.ihave.push_back({topic, std::move(ids)});
        hear(n, c);
    }
    void wants(std::uint32_t n, std::vector<gs::message_id> ids) {
        gs::rpc::rpc_content c;
        c.iwant = std::move(ids);
        hear(n, c);
    }
    void declines(std::uint32_t n, std::vector<gs::message_id> ids) {
        gs::rpc::rpc_content c;
        c.idontwant = std::move(ids);
        hear(n, c);
    }
    /// Peer @p n sends an unsigned message.
    void sends(std::uint32_t n, std::string_view topic, std::string_view data) {
        hear(n, gs::rpc::encode_publish(unsigned_message(topic, data)));
    }
    [[nodiscard]] static bytes unsigned_message(std::string_view topic, std::string_view data) {
        return gs::rpc::encode_message({{}, as_bytes(data), {}, topic});
    }
    [[nodiscard]] static gs::message_id id(std::string_view topic, std::string_view data) {
        return gs::id_of_content{}(gs::rpc::decode_message(unsigned_message(topic, data)).value());
    }
    /// Peers @p first to @p last come and subscribe.
    void crowd(std::uint32_t first, std::uint32_t last, std::string const& topic,
               gs::direction d = gs::direction::outbound) {
        for (auto n = first; n <= last; ++n) {
            up(n, d);
            subscribes(n, topic);
        }
    }
    void join(std::string_view topic, gs::topic_options const& o = {}) {
        REQUIRE(own.subscribe(topic, o, now, effects));
    }
    void leave(std::string_view topic) { REQUIRE(own.unsubscribe(topic, now, effects)); }
    gs::message_id publish(std::string_view topic, std::string_view data) {
        auto const id = own.publish(topic, as_bytes(data), now, effects);
        REQUIRE(id);
        return id.value();
    }
    void pass(duration by) {
        auto const end = now + by;
        while (own.next_deadline() && *own.next_deadline() <= end) {
            now = std::max(now, *own.next_deadline());
            own.wake(now, effects);
        }
        now = end;
    }
    void heartbeat() { pass(1s); }
    /// Up to the next heartbeat, and it.
    void beat() { pass(*own.next_deadline() - now); }

    // ---- what came of it ----
    [[nodiscard]] std::vector<gs::effect> take() { return effects.take(); }
    /// What was said to peer @p n since the last look at anything.
    [[nodiscard]] said to(std::uint32_t n, std::vector<gs::effect> const& all) const {
        said sum;
        for (auto const& e : all) {
            auto const* const s = std::get_if<gs::send>(&e);
            if (s == nullptr || s->peer != peer_number(n)) continue;
            auto const one = read(*s);
            auto const add = [](auto& a, auto const& b) { a.insert(a.end(), b.begin(), b.end()); };
            sum.traffic = one.traffic;
            add(sum.subscriptions, one.subscriptions);
            add(sum.data, one.data);
            add(sum.grafts, one.grafts);
            add(sum.prunes, one.prunes);
            add(sum.ihave, one.ihave);
            add(sum.iwant, one.iwant);
            add(sum.idontwant, one.idontwant);
        }
        return sum;
    }
    template <class E>
    [[nodiscard]] static std::vector<E> all_of(std::vector<gs::effect> const& all) {
        std::vector<E> out;
        for (auto const& e : all) {
            if (auto const* const v = std::get_if<E>(&e)) out.push_back(*v);
        }
        return out;
    }
    [[nodiscard]] static std::vector<std::string> delivered(std::vector<gs::effect> const& all) {
        std::vector<std::string> out;
        for (auto const& d : all_of<gs::deliver>(all)) out.push_back(string_of(d.message->data));
        return out;
    }
    /// Who was sent a message of that data.
    [[nodiscard]] std::vector<std::uint32_t> receivers(std::string_view data, std::vector<gs::effect> const& all,
                                                       std::uint32_t most = 40) const {
        std::vector<std::uint32_t> out;
        for (std::uint32_t n = 1; n <= most; ++n) {
            auto const got = to(n, all).data;
            for (auto const& d : got) {
                if (d == data) out.push_back(n);
            }
        }
        return out;
    }
    [[nodiscard]] bool in_mesh(std::uint32_t n, std::string_view topic) const {
        auto const mesh = own.mesh_of(topic);
        return std::find(mesh.begin(), mesh.end(), peer_number(n)) != mesh.end();
    }
    [[nodiscard]] double score(std::uint32_t n) const { return own.score_of(peer_number(n)); }

    router own;
    instant now{1h};
    effect_list<gs::effect> effects;
};

}  // namespace muster::test
