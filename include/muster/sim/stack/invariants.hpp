// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What a network promises, watched from outside: what was told to an application is held against what was done.
///
/// A peer is connected or not, and told so in turn. A frame arrives as it was sent, from who sent it, at most once, and
/// after those that its sender had sent before it on the same connection. A request is answered or refused exactly
/// once, with the answer to that request. A signature that is told verifies.

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>

#include <muster/core/bytes.hpp>
#include <muster/crypto/secp256k1.hpp>
#include <muster/sim/world.hpp>
#include <muster/wire/reader.hpp>
#include <muster/wire/writer.hpp>

namespace muster::sim::stack {

/// Something sent: by whom, in which life, to whom, and which one. Its bytes can be told from these.
struct letter {
    host_id from = 0;
    std::uint64_t life = 0;
    host_id to = 0;
    std::uint64_t connection = 0;  ///< The how-manieth between the two that the sender knew of.
    std::uint64_t number = 0;
    std::uint32_t padding = 0;  ///< Bytes after the fields.
    auto operator<=>(letter const&) const = default;

    [[nodiscard]] static bool is_same(byte_view a, byte_view b) {
        return std::equal(a.begin(), a.end(), b.begin(), b.end());
    }

    [[nodiscard]] bytes encode() const {
        wire::writer w;
        w.u32(from).u64(life).u32(to).u64(connection).u64(number).u32(padding);
        auto out = w.take();
        auto fill = splitmix64{mixed(mixed(from, life), number)};
        for (std::uint32_t i = 0; i < padding; ++i) out.push_back(static_cast<byte>(fill()));
        return out;
    }
    /// The letter that @p content is, if it is one to the last byte.
    [[nodiscard]] static std::optional<letter> decode(byte_view content) {
        wire::reader r{content};
        letter out;
        out.from = r.u32();
        out.life = r.u64();
        out.to = r.u32();
        out.connection = r.u64();
        out.number = r.u64();
        out.padding = r.u32();
        if (out.padding > content.size()) return std::nullopt;
        return is_same(out.encode(), content) ? std::optional{out} : std::nullopt;
    }
};

/// The rules, and the first one that was broken. Not thread-safe.
class invariants {
public:
    explicit invariants(world const& w) : world_{&w} {}

    [[nodiscard]] std::optional<std::string> const& breach() const noexcept { return breach_; }
    template <class... Parts>
    void report(Parts const&... parts) {
        if (!breach_) breach_ = text("at ", world_->now().time_since_epoch().count() / 1'000'000, " ms: ", parts...);
    }

    // ---- connections --------------------------------------------------------------------------------------

    /// A new life of @p who knows nobody.
    void boots(host_id who) {
        std::erase_if(connected_, [&](auto const& pair) { return pair.first == who; });
        std::erase_if(open_requests_, [&](auto const& r) { return r.from == who; });
    }
    void connected(host_id who, host_id to) {
        if (!connected_.insert({who, to}).second)
            report("host ", who, " is told twice that host ", to, " is connected");
    }
    void disconnected(host_id who, host_id from) {
        if (connected_.erase({who, from}) == 0)
            report("host ", who, " is told that host ", from, " left, which was not there");
    }

    // ---- frames -------------------------------------------------------------------------------------------

    void sends(letter const& l) { sent_.insert(l); }
    void receives(host_id who, host_id from, byte_view content) {
        auto const l = letter::decode(content);
        if (!l || sent_.count(*l) == 0) return report("host ", who, " receives a frame that nobody sent");
        if (l->from != from || l->to != who) return report("host ", who, " receives a frame that was not for it");
        if (!received_.insert(*l).second) return report("host ", who, " receives frame ", l->number, " twice");
        auto const on = std::tuple{who, from, l->life, l->connection};
        auto& last = last_of_connection_[on];
        if (last > l->number) report("host ", who, " receives frame ", l->number, " of host ", from, " after ", last);
        last = l->number;
        if (connected_.count({who, from}) == 0) report("host ", who, " hears host ", from, ", which is not connected");
    }
    [[nodiscard]] bool has_arrived(letter const& l) const { return received_.count(l) != 0; }

    // ---- requests -----------------------------------------------------------------------------------------

    void asks(letter const& l) {
        open_requests_.insert(l);
        known_requests_.insert(l);
    }
    void is_asked(host_id who, host_id from, byte_view content) {
        auto const l = letter::decode(content);
        if (!l || l->from != from || l->to != who || known_requests_.count(*l) == 0)
            return report("host ", who, " is asked what nobody asked it");
        if (!asked_.insert(*l).second) report("host ", who, " is asked twice what was asked once");
    }
    /// The end of a request: @p answer, which is none when it failed.
    void is_answered(letter const& l, std::optional<byte_view> answer) {
        auto const found = open_requests_.find(l);
        if (found == open_requests_.end()) return report("host ", l.from, " is answered twice");
        open_requests_.erase(found);
        if (!answer) return;
        if (asked_.count(l) == 0) report("host ", l.from, " has an answer to what was never asked");
        if (!letter::is_same(answer_to(l).encode(), *answer)) report("host ", l.from, " has another one's answer");
        answered_.insert(l);
    }
    [[nodiscard]] bool has_answer(letter const& l) const { return answered_.count(l) != 0; }
    /// What an honest node answers.
    [[nodiscard]] static letter answer_to(letter const& l) {
        return {l.to, l.life, l.from, l.connection, l.number, l.padding / 2};
    }

    // ---- signatures ---------------------------------------------------------------------------------------

    void signs(host_id who, crypto::public_key const& group, byte_view message, crypto::signature const& s) {
        if (!crypto::verify_bip340(crypto::to_xonly(group), message, s))
            report("host ", who, " is told a signature that does not verify");
        ++signed_;
    }

    [[nodiscard]] std::size_t frames() const noexcept { return received_.size(); }
    [[nodiscard]] std::size_t answers() const noexcept { return answered_.size(); }
    [[nodiscard]] std::size_t signatures() const noexcept { return signed_; }

private:
    world const* world_;
    std::optional<std::string> breach_;
    std::set<std::pair<host_id, host_id>> connected_;
    std::map<std::tuple<host_id, host_id, std::uint64_t, std::uint64_t>, std::uint64_t> last_of_connection_;
    std::set<letter> sent_, received_, asked_, answered_;
    std::set<letter> open_requests_, known_requests_;
    std::size_t signed_ = 0;
};

}  // namespace muster::sim::stack
