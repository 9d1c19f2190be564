// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Short records of a group, such as labels and contacts: each member writes on their own copy, and all copies are the
/// same when all have heard of all.
///
/// It binds what others do: an update of `sync` is the payload of an action of `identity`, signed and in its author's
/// chain; the two together are an entry that the outbox brings to everybody; what is delivered goes into the replica.
/// An entry that has seen what has not arrived yet waits for it, so that nobody can replace what was never written.
/// Whoever finds that others have more of their chain than they goes on in another life.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <muster/core/effect_sink.hpp>
#include <muster/core/fields.hpp>
#include <muster/core/result.hpp>
#include <muster/identity/action_verifier.hpp>
#include <muster/sync/entry_store.hpp>
#include <muster/sync/outbox.hpp>
#include <muster/sync/replica.hpp>

namespace muster::node {

/// A member of the group. Their place in the list is what the others know them by.
struct notebook_member {
    identity::user_id user;                 ///< Zeros while nothing is known of them.
    std::optional<crypto::public_key> key;  ///< Their node key; what they wrote waits until it is known.
};

/// What a notebook tells.
struct note_changed {
    std::string key;
    bool is_conflict = false;  ///< Somebody else wrote at the same time.
    MUSTER_FIELDS(note_changed, key, is_conflict);
};
/// A member has signed two stories; the proof is for everybody.
struct member_forked {
    identity::user_id who;
    bytes proof;
    MUSTER_FIELDS(member_forked, who, proof);
};
/// What could not be made durable: nothing goes on until it is opened anew.
struct store_failed {
    error why;
    MUSTER_FIELDS(store_failed, why);
};

/// Not thread-safe. @p Store keeps its entries.
template <sync::entry_store Store>
class notebook {
public:
    using effect =
        std::variant<sync::send, note_changed, member_forked, sync::dead_lettered, sync::penalise, store_failed>;
    using event = std::variant<sync::peer_reached, sync::peer_lost, sync::heard>;
    struct options {
        identity::network_id network;
        std::vector<notebook_member> members;  ///< In the group's order.
        std::uint16_t self = 0;                ///< Our place in it.
        std::uint64_t fresh_life = 0;  ///< Random; taken when the store knows no life of ours, or it was outlived.
    };

    /// @param key  borrowed: our node key.
    notebook(options o, peer::node_key const& key, Store store)
        : options_{std::move(o)},
          key_{&key},
          store_{std::move(store)},
          verifier_{directory{this}, verifier_options(options_.network)},
          life_{options_.fresh_life} {}
    notebook(notebook const&) = delete;
    notebook& operator=(notebook const&) = delete;

    /// Reads what was kept. Once, before all else. @return the store's errors.
    [[nodiscard]] result<void> load(timestamp wall) {
        sync::entry_log log;
        hybrid_time latest{};
        MUSTER_TRY(store_.load([&](sync::entry e) {
            auto const read = parse(e);
            if (!read || !log.add(e)) return;  // of an older version, or damaged: the others have it still
            remember(read.value(), wall);
            if (e.at.by.member == options_.self && read.value().first.time >= latest) {
                latest = read.value().first.time;
                life_ = e.at.by.life;
            }
        }));
        begin(std::move(log));
        return ok();
    }

    /// Writes @p value to @p key, or removes it. What it shows there now is replaced.
    /// @return `too_large` for a key or a value, `full`, or what the store says: then nothing was written.
    template <class Sink>
    [[nodiscard]] result<void> put(std::string key, std::optional<bytes> value, instant now, timestamp wall,
                                   Sink& sink) {
        if (key.empty() || key.size() > sync::update::key_size_max ||
            (value && value->size() > sync::update::value_size_max)) {
            return error{sync::errc::too_large,
                         text("a key of 1 to ", sync::update::key_size_max, " bytes and a value of at most ",
                              sync::update::value_size_max, " bytes can be kept")};
        }
        if (failed_) return *failed_;
        if (is_outlived_) live_anew();
        auto w = copy_.prepare(std::move(key), std::move(value));
        auto const payload = w.encoded_content();
        auto next = *author_;
        MUSTER_TRY(auto const a, next.act(identity::action_type{1}, payload, for_ever, wall, *key_));
        w.at = {{options_.self, life_}, a.sequence};
        w.time = a.time;
        auto content = a.encoded();
        append(content, payload);
        effect_list<typename box::effect> out;
        MUSTER_TRY(box_->add(std::move(content), now, out));
        perform(out, wall, sink);
        if (failed_) return *failed_;
        author_ = std::move(next);
        verifier_.chains().extend(a, a.id());
        copy_.apply(w);
        had_.add(w.at);
        return ok();
    }
    /// A peer can be talked to, cannot any more, or says something.
    template <class Sink>
    void handle(event const& e, instant now, timestamp wall, Sink& sink) {
        now_ = now;
        wall_ = wall;
        if (failed_) return;
        if (auto const* const h = std::get_if<sync::heard>(&e)) from_ = h->peer;
        effect_list<typename box::effect> out;
        box_->handle(e, now, out);
        perform(out, wall, sink);
    }
    template <class Sink>
    void wake(instant now, timestamp wall, Sink& sink) {
        if (failed_) return;
        now_ = now;
        wall_ = wall;
        effect_list<typename box::effect> out;
        box_->wake(now, out);
        perform(out, wall, sink);
    }
    [[nodiscard]] deadline next_deadline() const noexcept { return failed_ ? deadline{} : box_->next_deadline(); }

    /// It is known now who the member at @p place is. Expects a place of the list.
    void learn(std::size_t place, identity::user_id const& who, crypto::public_key const& key) {
        options_.members[place] = {who, key};
    }

    [[nodiscard]] sync::replica<>& copy() noexcept { return copy_; }
    [[nodiscard]] sync::replica<> const& copy() const noexcept { return copy_; }
    [[nodiscard]] std::vector<notebook_member> const& members() const noexcept { return options_.members; }
    [[nodiscard]] std::uint64_t pending_for(peer::peer_id const& who) const noexcept { return box_->pending_for(who); }
    [[nodiscard]] auto stats() const { return box_->stats(); }

private:
    [[nodiscard]] sync::judgement judge_entry(sync::entry const& e) {
        bool const is_known = e.at.by.member >= options_.members.size() || options_.members[e.at.by.member].key;
        if (!is_known) return sync::judgement::later;
        auto const read = parse(e);
        if (!read) return sync::judgement::refuse;
        auto const& [a, w] = read.value();
        if (!had_.covers(w.seen)) return sync::judgement::later;  // causes first
        auto const payload = byte_view{e.content}.subspan(identity::action::size);
        auto found = verifier_.verify(byte_view{e.content}.first(identity::action::size), payload, from_, now_, wall_,
                                      identity::freshness::stored);
        if (!found) return judgement_of(found.error());
        if (auto const* const c = std::get_if<identity::contradiction>(&found.value())) {
            forks_.emplace_back(a.author, c->proof.encoded());
            return sync::judgement::refuse;
        }
        return sync::judgement::take;
    }

    struct judge {
        notebook* of;
        sync::judgement operator()(sync::entry const& e) const { return of->judge_entry(e); }
    };
    using box = sync::outbox<judge>;
    using parsed = std::pair<identity::action, sync::update>;
    static constexpr std::chrono::milliseconds for_ever = std::chrono::milliseconds::max() / 2;

    /// Knows members of this group alone.
    struct directory {
        notebook const* of;
        [[nodiscard]] std::optional<crypto::public_key> key_of(identity::user_id const& who) const {
            for (auto const& m : of->options_.members) {
                if (m.user == who) return m.key;
            }
            return std::nullopt;
        }
    };
    [[nodiscard]] static typename identity::action_verifier<directory>::options verifier_options(
        identity::network_id const& n) {
        typename identity::action_verifier<directory>::options o;
        o.network = n;
        o.burst = 2000;  // a copy that begins empty gets all at once
        o.rate = 200;
        return o;
    }
    /// Only what says that its sender is at fault costs the sender.
    [[nodiscard]] static sync::judgement judgement_of(error const& why) {
        using identity::errc;
        bool const is_fault = why == errc::not_signed || why == errc::wrong_payload || why == errc::malformed ||
                              why == errc::wrong_network || why == errc::unsupported_version;
        return is_fault ? sync::judgement::refuse : sync::judgement::later;
    }
    /// What an entry holds: an action, and the update that is its payload, at the place that the entry says.
    [[nodiscard]] result<parsed> parse(sync::entry const& e) const {
        if (e.content.size() < identity::action::size)
            return error{sync::errc::malformed, "an entry without an action"};
        MUSTER_TRY(auto const a, identity::action::decode(byte_view{e.content}.first(identity::action::size)));
        bool const is_its_place = e.at.by.member < options_.members.size() &&
                                  options_.members[e.at.by.member].user == a.author && e.at.by.life == a.life &&
                                  e.at.sequence == a.sequence && a.network == options_.network;
        if (!is_its_place) return error{sync::errc::malformed, "an entry in another's place"};
        MUSTER_TRY(auto const w,
                   sync::update::decode_content(byte_view{e.content}.subspan(identity::action::size), e.at, a.time));
        return parsed{a, w};
    }
    void remember(parsed const& p, timestamp wall) {
        verifier_.chains().extend(p.first, p.first.id());
        copy_.apply(p.second);
        had_.add(p.second.at);
        seen_.observe(p.first.time, wall);
    }
    void begin(sync::entry_log log) {
        auto const& self = options_.members[options_.self];
        identity::chain_name const name{self.user, life_};
        author_.emplace(options_.network, self.user, life_,
                        verifier_.chains().end_of(name).value_or(identity::chain_end{}));
        author_->observe(seen_.last(), seen_.last().wall());
        box_.emplace(sync::actor{options_.self, life_}, judge{this}, typename box::options{}, std::move(log));
    }
    void live_anew() {
        is_outlived_ = false;
        life_ = options_.fresh_life;
        author_.emplace(options_.network, options_.members[options_.self].user, life_);
        author_->observe(seen_.last(), seen_.last().wall());
        box_->live_as({options_.self, life_});
    }
    template <class Sink>
    void perform(effect_list<typename box::effect>& out, timestamp wall, Sink& sink) {
        for (auto& e : out.take()) {
            if (auto* const p = std::get_if<sync::persist>(&e)) {
                auto const kept = store_.add(p->entries);
                if (kept) continue;
                failed_ = kept.error();
                sink.push(store_failed{kept.error()});
                return;  // nothing that follows may be done
            }
            if (auto* const d = std::get_if<sync::deliver>(&e)) deliver(d->what, wall, sink);
            if (auto* const s = std::get_if<sync::send>(&e)) sink.push(std::move(*s));
            if (auto* const l = std::get_if<sync::dead_lettered>(&e)) sink.push(*l);
            if (auto* const x = std::get_if<sync::penalise>(&e)) sink.push(*x);
            // Nobody can have seen more of a life that has just begun: who says so would have us sign two stories.
            if (std::holds_alternative<sync::outlived>(e)) is_outlived_ = life_ != options_.fresh_life;
        }
        for (auto& [who, proof] : forks_) sink.push(member_forked{who, std::move(proof)});
        forks_.clear();
    }
    template <class Sink>
    void deliver(sync::entry const& e, timestamp wall, Sink& sink) {
        auto const read = parse(e);
        if (!read) return;
        auto const& [a, w] = read.value();
        had_.add(w.at);
        seen_.observe(a.time, wall);
        author_->observe(a.time, wall);
        auto const became = copy_.apply(w);
        if (became == sync::applied::old_news || became == sync::applied::refused) return;
        sink.push(note_changed{w.key, copy_.siblings(w.key).size() > 1});
    }

    options options_;
    peer::node_key const* key_;
    Store store_;
    identity::action_verifier<directory> verifier_;
    sync::replica<> copy_;
    sync::version_vector had_;
    hybrid_clock seen_;
    std::uint64_t life_;
    std::optional<identity::action_author> author_;
    std::optional<box> box_;
    std::optional<error> failed_;
    std::vector<std::pair<identity::user_id, bytes>> forks_;
    bool is_outlived_ = false;
    // Of the call that is being handled:
    peer::peer_id from_;
    instant now_{};
    timestamp wall_{};
};

}  // namespace muster::node
