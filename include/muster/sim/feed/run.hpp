// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// A group of feeds from one seed, and what has to hold of it.
///
/// One feed publishes a block every two seconds. Messages and answers are lost, links break and come back, feeds crash,
/// with or without what they have stored, and some hosts lie: about their heads, their records and their lists. At
/// every look nothing may be stored that was not published, and nothing may hold more than its bound. When all that
/// ends, each feed has to get to the one head, with all lists, and to follow what is published then.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <muster/feed/preconf/schedule.hpp>
#include <muster/sim/feed/mesh.hpp>
#include <muster/sim/two_phase_run.hpp>

namespace muster::sim::feed {

/// A group as a seed draws it.
struct group_options {
    host_id feeds = 5;
    host_id liars = 0;
    ratio loss = {};
    bool breaks_links = false;
    bool crashes = false;
    duration chaos = std::chrono::seconds{120};

    [[nodiscard]] static group_options from_seed(std::uint64_t seed) {
        auto draw = stream(seed, "options");
        group_options o;
        o.feeds = static_cast<host_id>(between(draw, 3, 7));
        o.liars = static_cast<host_id>(uniform(draw, 3));
        o.loss = {static_cast<std::uint32_t>(uniform(draw, 21)), 100};
        o.breaks_links = uniform(draw, 3) != 0;
        o.crashes = uniform(draw, 3) != 0;
        return o;
    }
    [[nodiscard]] std::string to_text() const {
        return text("feeds=", feeds, " liars=", liars, " loss=", loss.of, "/", loss.in,
                    " breaks_links=", breaks_links ? 1 : 0, " crashes=", crashes ? 1 : 0);
    }
};

/// One run; see @ref sim::room. Not thread-safe.
class group_run {
    struct policies : fd::defaults {
        using protocol = fd::preconf::protocol;
        using schedule = fd::preconf::schedule<fd::preconf::static_schedule>;
    };
    using mesh_type = mesh<policies>;

public:
    static constexpr std::size_t records_max = 48;      ///< So small that it is reached.
    static constexpr std::size_t blob_bytes_max = 832;  ///< Likewise.

    group_run(std::uint64_t seed, group_options o)
        : options_{o},
          where_{seed},
          net_{where_, {}, [this](host_id h) { return parts_of(h); }},
          work_{where_.stream("workload")},
          chaos_{where_.stream("chaos")} {
        for (host_id h = 0; h < options_.feeds; ++h) (void)net_.add();
        for (host_id l = 0; l < options_.liars; ++l) {
            (void)net_.add_liar([this](fd::question q, byte_view asked) { return lie(q, asked); });
        }
    }
    group_run(group_run const&) = delete;
    group_run& operator=(group_run const&) = delete;

    void listen(trace::listener to) { where_.log().listen(std::move(to)); }
    /// Runs it. To be called once.
    [[nodiscard]] outcome run() { return two_phase_run(*this); }

    // ---- what a room brings -----------------------------------------------------------------------------

    [[nodiscard]] world& where() noexcept { return where_; }
    [[nodiscard]] std::optional<std::string> failure() const { return failure_; }
    void check() {
        if (where_.events() % 64 != 0) return;
        for (host_id h = 0; h < options_.feeds; ++h) {
            if (net_.is_feed(h)) judge(h);
        }
    }
    void begin() {
        net_.set_loss(options_.loss);
        for (host_id h = 0; h < options_.feeds; ++h) boot(h, 0);
        connect_all();
        publish();
        disturb();
    }
    [[nodiscard]] duration chaos_lasts() const noexcept { return options_.chaos; }
    void heal() {
        is_healed_ = true;
        net_.set_loss({});
        for (host_id h = 0; h < options_.feeds; ++h) {
            if (!net_.is_on(h)) boot(h, anchor());
        }
        connect_all();
        for (host_id h = 0; h < options_.feeds; ++h) overtake(h);
    }
    void require_progress() {
        if (!pass_until(*this, patience, [&] { return all_follow(); })) {
            return report(text("not all feeds got to the head: ", standing()));
        }
        for (int i = 0; i < 3; ++i) {
            publish_one();
            pass(*this, std::chrono::seconds{2});
        }
        if (!pass_until(*this, patience, [&] { return all_follow(); })) {
            return report(text("not all feeds follow what is published afterwards: ", standing()));
        }
        judge_memory();
    }
    [[nodiscard]] std::string options_text() const { return options_.to_text(); }
    [[nodiscard]] std::string summary() const {
        return text(published_.size(), " blocks, ", crashes_, " crashes, ", cuts_, " cuts, head ", best_);
    }

    /// In which a healed group has to come together: the longest wait of a stall, and some.
    static constexpr duration patience = std::chrono::minutes{20};

private:
    struct block {
        bytes content;
        fd::record link;
        fd::blob list;
    };

    [[nodiscard]] mesh_type::parts parts_of(host_id h) {
        mesh_type::parts p{.protocol = fd::preconf::protocol{}, .schedule = {signers(), std::chrono::seconds{1}}};
        p.options.with_cache(records_max, blob_bytes_max).with_records_per_page(16).with_queues(64, 64);
        p.seed = stream_seed(where_.seed(), "feed", where_.incarnation(h) << 32 | h);
        return p;
    }
    /// How far the layer is that executes.
    [[nodiscard]] fd::height anchor() {
        auto const behind = between(work_, 1, 12);  // so that there is something above
        return best_ > behind ? best_ - behind : 0;
    }
    void boot(host_id h, fd::height at) {
        where_.say("feed ", h, " boots at ", at);
        net_.boot(h);
        (void)net_.act(h, [&](auto& c, instant now, auto& out) -> result<void> {
            MUSTER_TRY(c.start(now, out));
            return c.sync_ready(at, now, out);
        });
    }
    // What nobody has any more comes from the layer that executes.
    void overtake(host_id h) {
        if (net_.head(h) + records_max > best_) return;
        where_.say("feed ", h, " is overtaken");
        (void)net_.act(h, [&](auto& c, instant now, auto& out) { return c.sync_ready(anchor(), now, out); });
    }
    void connect_all() {
        for (host_id a = 0; a < net_.size(); ++a) {
            for (host_id b = a + 1; b < net_.size(); ++b) net_.connect(a, b);
        }
    }

    // ---- work -------------------------------------------------------------------------------------------

    [[nodiscard]] static crypto::key_pair const& key() {
        static auto const pair = [] {
            bytes const secret(32, 0x2a);
            return crypto::key_pair::from_secret(crypto::secret<32>::copy_of(secret).value()).value();
        }();
        return pair;
    }
    /// Who may sign: the publisher alone.
    [[nodiscard]] static fd::preconf::static_schedule const& signers() {
        static auto const all = [] {
            fd::preconf::static_schedule s{1000, 12};
            s.rotate(1000, fd::preconf::address_of(key()));
            s.settle(~std::uint64_t{0});
            return s;
        }();
        return all;
    }
    /// The block after what feed 0 has: the same for all seeds, so that it is signed once.
    [[nodiscard]] static block const& block_at(fd::height h) {
        static thread_local std::map<fd::height, block> made;  // seeds are run by several
        if (auto const found = made.find(h); found != made.end()) return found->second;
        fd::preconf::preconfirmation p;
        p.block_number = h;
        p.timestamp = 1000 + 2 * h;
        p.anchor_block_number = h;
        p.submission_window_end = 1000 + (2 * h + 11) / 12 * 12;
        block b;
        for (unsigned i = 0; i < 16; ++i) b.list.content.push_back(static_cast<byte>(h >> (8 * (i % 8))));
        b.list.id = p.raw_tx_list_hash = fd::preconf::hash_of_list(b.list.content);
        if (h > 1) p.parent_hash = block_at(h - 1).link.id;
        auto const s = fd::preconf::sign({p, {}}, key()).value();
        b.content = fd::preconf::encode(s);
        b.link = fd::preconf::protocol{}.link_of(s).value();
        return made.emplace(h, std::move(b)).first->second;
    }
    void publish_one() {
        if (!net_.is_on(0)) return;
        auto const& b = block_at(net_.head(0) + 1);
        auto const done =
            net_.act(0, [&](auto& c, instant now, auto& out) { return c.publish_pair(b.list, b.content, now, out); });
        if (!done) return report(text("the publisher cannot publish: ", done.error().to_text()));
        published_.insert(b.link.id);
        best_ = std::max(best_, b.link.number);
    }
    void publish() {
        if (is_healed_) return;
        publish_one();
        if (options_.liars != 0) say_lies();
        where_.after(std::chrono::seconds{2}, [this] { publish(); });
    }

    // ---- what goes wrong --------------------------------------------------------------------------------

    void disturb() {
        if (is_healed_) return;
        auto const a = static_cast<host_id>(uniform(chaos_, options_.feeds));
        auto const b = static_cast<host_id>(uniform(chaos_, net_.size()));
        auto const what = uniform(chaos_, 4);
        auto const away = between(chaos_, duration{std::chrono::seconds{1}}, duration{std::chrono::seconds{40}});
        if (options_.breaks_links && what < 2 && a != b) {
            ++cuts_;
            net_.disconnect(a, b);
            where_.after(away, [this, a, b] { net_.connect(a, b); });
        }
        if (options_.crashes && what == 2 && net_.is_on(a)) {
            ++crashes_;
            bool const keeps = a == 0 || uniform(chaos_, 2) == 0;  // who publishes does not forget what it said
            where_.say("feed ", a, keeps ? " crashes" : " loses all");
            net_.crash(a, keeps);
            where_.after(away, [this, a] {
                if (!net_.is_on(a)) boot(a, a == 0 ? 0 : anchor());
            });
        }
        where_.after(std::chrono::seconds{3}, [this] { disturb(); });
    }
    [[nodiscard]] std::optional<bytes> lie(fd::question q, byte_view asked) {
        auto const how = uniform(chaos_, 4);
        if (how == 0) return std::nullopt;
        fd::preconf::protocol const p;
        switch (q) {
            case fd::question::head: return fd::preconf::encode(fd::preconf::head{how == 1 ? 0 : best_ + 500 * how, 0});
            case fd::question::page: {
                if (how == 1) return p.encode_page({});
                auto bad = block_at(1 + uniform(chaos_, best_ + 1)).content;
                bad[317 + uniform(chaos_, 60)] ^= 1;
                return how == 2 ? p.encode_page({bad}) : bytes(7, 1);
            }
            case fd::question::blob: break;
        }
        auto const id = p.decode_blob_ask(asked);
        return id && how == 1 ? p.not_found(id.value()) : p.encode_blob({id ? id.value() : fd::digest{}, {1, 2, 3}});
    }
    // Garbage, forged records, and records whose parents do not exist.
    void say_lies() {
        auto const liar = static_cast<host_id>(options_.feeds + uniform(chaos_, options_.liars));
        auto forged = block_at(1 + uniform(chaos_, best_ + 1)).content;
        forged[65 + uniform(chaos_, 32)] ^= 1;  // another gas limit, and so another signer
        net_.say(liar, fd::kind::record, forged);
        net_.say(liar, fd::kind::blob, bytes(50, static_cast<byte>(uniform(chaos_, 256))));
    }

    // ---- what has to hold -------------------------------------------------------------------------------

    void report(std::string what) {
        if (!failure_) failure_ = std::move(what);
    }
    void judge(host_id h) {
        auto const s = net_.at(h).stats();
        auto const& o = net_.at(h).settings();
        if (s.stored.records > records_max) report(text("feed ", h, " holds ", s.stored.records, " records"));
        if (s.stored.blob_bytes > blob_bytes_max)
            report(text("feed ", h, " holds ", s.stored.blob_bytes, " bytes of lists"));
        if (s.pending_bytes > o.pending_bytes_max || s.events > o.event_queue)
            report(text("feed ", h, " holds too much"));
        if (net_.at(h).sync_state() == fd::catch_up_state::stalled && !net_.at(h).next_deadline()) {
            report(text("feed ", h, " is stalled without an end"));
        }
    }
    // The chain is linked, and there is nothing in it that was not published.
    void judge_chain(host_id h) {
        auto const chain = net_.at(h).stored().chain_from(0, records_max).value();
        for (std::size_t i = 0; i < chain.size(); ++i) {
            if (i != 0 && chain[i].parent != chain[i - 1].id) report(text("the chain of feed ", h, " is broken"));
            if (published_.count(chain[i].id) == 0) report(text("feed ", h, " has what was never published"));
        }
    }
    [[nodiscard]] bool all_follow() {
        auto const head = net_.at(0).stored().head();
        for (host_id h = 0; h < options_.feeds; ++h) {
            auto const s = net_.at(h).sync_status();
            auto const mine = net_.at(h).stored().head();
            bool const is_same = mine.has_value() == head.has_value() && (!mine || mine->id == head->id);
            if (!is_same || s.state != fd::sync_state::live || s.missing != 0) return false;
            judge_chain(h);
        }
        return true;
    }
    [[nodiscard]] std::string standing() {
        std::string out;
        for (host_id h = 0; h < options_.feeds; ++h) {
            auto const s = net_.at(h).sync_status();
            out.append(
                text(" ", h, ":", to_string(net_.at(h).sync_state()), "/", net_.head(h), "/missing ", s.missing));
        }
        return out;
    }
    // What is full is used: a bound that keeps much less than it allows would be another bound.
    void judge_memory() {
        auto const s = net_.at(0).stats().stored;
        if (best_ > records_max && s.records * 5 < records_max * 4)
            report(text("of ", records_max, " only ", s.records));
        if (best_ > records_max && s.blob_bytes * 5 < blob_bytes_max * 4) {
            report(text("of ", blob_bytes_max, " bytes only ", s.blob_bytes));
        }
    }

    group_options options_;
    world where_;
    mesh_type net_;
    splitmix64 work_;
    splitmix64 chaos_;
    std::set<fd::digest> published_;
    std::optional<std::string> failure_;
    fd::height best_ = 0;
    std::size_t crashes_ = 0;
    std::size_t cuts_ = 0;
    bool is_healed_ = false;
};
static_assert(room<group_run>);

}  // namespace muster::sim::feed
