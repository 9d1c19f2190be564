// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// The chains of actions that are known, and what proves that an author has told two stories.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <utility>

#include <muster/core/bounded.hpp>
#include <muster/core/result.hpp>
#include <muster/identity/action.hpp>

namespace muster::identity {

/// Two actions that an author has signed in one place of a chain. Anybody can check it who has the two.
class fault_proof {
public:
    static constexpr std::size_t size = 2 * action::size;  ///< Bytes of every proof.

    /// The proof that @p a and @p b are. About 90 us.
    /// That both keys are the author's is for whoever knows the author to say: they may have signed under another key
    /// before.
    /// @return `malformed` when they do not contradict each other, `not_signed` when their keys did not sign both.
    [[nodiscard]] static result<fault_proof> of(action const& a, action const& b) {
        bool const is_one_place =
            a.network == b.network && a.author == b.author && a.life == b.life && a.sequence == b.sequence;
        if (!is_one_place || a.id() == b.id()) {
            return error{errc::malformed, "two actions that do not contradict each other prove nothing"};
        }
        if (!a.is_signed() || !b.is_signed()) {
            return error{errc::not_signed,
                         text(shown(a.author), " did not sign both actions of sequence ", a.sequence)};
        }
        return a.id() < b.id() ? fault_proof{a, b} : fault_proof{b, a};
    }
    /// Reads and checks one. @return also what @ref action::decode returns; `malformed` in the other order.
    [[nodiscard]] static result<fault_proof> decode(byte_view all) {
        if (all.size() != size) {
            return error{errc::malformed, text("a fault proof of ", all.size(), " bytes; it has to have ", size)};
        }
        MUSTER_TRY(auto const first, action::decode(all.first(action::size)));
        MUSTER_TRY(auto const second, action::decode(all.last(action::size)));
        if (second.id() < first.id()) return error{errc::malformed, "a fault proof has the smaller action first"};
        return of(first, second);
    }
    [[nodiscard]] bytes encoded() const {
        auto out = first_.encoded();
        append(out, second_.encoded());
        return out;
    }

    [[nodiscard]] user_id const& author() const noexcept { return first_.author; }
    [[nodiscard]] action const& first() const noexcept { return first_; }
    [[nodiscard]] action const& second() const noexcept { return second_; }

    bool operator==(fault_proof const&) const = default;

private:
    fault_proof(action first, action second) : first_{std::move(first)}, second_{std::move(second)} {}

    action first_;
    action second_;
};

/// One life of one author.
struct chain_name {
    user_id author;
    std::uint64_t life = 0;
    auto operator<=>(chain_name const&) const = default;
};

/// The end of a chain: where the next action goes on.
struct chain_end {
    std::uint64_t sequence = 0;
    action_id last;
    hybrid_time time;
    bool operator==(chain_end const&) const = default;
};

/// What is known of many chains: the end of each and its last actions. Not thread-safe.
class action_chains {
public:
    struct options {
        std::size_t chains_max = 4096;         ///< What would be one more is refused. Ours.
        std::size_t lives_of_author_max = 16;  ///< Chains of one author. Ours: so often nobody restores a backup.
        std::size_t kept_max = 16;             ///< Last actions of a chain that are kept to find contradictions. Ours.
    };
    /// What an action is to the chains that are known.
    enum class place : std::uint8_t {
        next,       ///< The chain goes on with it.
        known,      ///< It is there.
        contrary,   ///< Another one is there.
        early,      ///< Some before it are missing, or it begins a chain that cannot be kept.
        late,       ///< It is older than what is kept.
        unrelated,  ///< It has the next number and does not name the last action, or is not later than that.
        refused     ///< Its author was found out to tell two stories from there on, or before.
    };

    action_chains() : action_chains{options{}} {}
    explicit action_chains(options const& o) : options_{o}, chains_{o.chains_max} {}

    /// O(log chains). @param id  of @p a, which its caller knows.
    [[nodiscard]] place place_of(action const& a, action_id const& id) const {
        auto const* const c = chains_.find({a.author, a.life});
        if (c == nullptr) {
            if (a.sequence != 1) return place::early;
            return chains_.size() < chains_.size_max() && lives_of(a.author) < options_.lives_of_author_max
                       ? place::next
                       : place::early;
        }
        if (a.sequence >= c->refused_from) return place::refused;
        if (a.sequence > c->end.sequence + 1) return place::early;
        if (a.sequence == c->end.sequence + 1) {
            return a.previous == c->end.last && a.time > c->end.time ? place::next : place::unrelated;
        }
        if (id == c->end.last) return place::known;
        auto const* const there = kept_at(*c, a.sequence);
        if (there == nullptr) return place::late;
        return there->id() == id ? place::known : place::contrary;
    }
    /// The action that is known in the place of @p a.
    [[nodiscard]] action const* in_place_of(action const& a) const {
        auto const* const c = chains_.find({a.author, a.life});
        return c == nullptr ? nullptr : kept_at(*c, a.sequence);
    }
    /// Goes on with @p a. Expects that its place is `next`.
    void extend(action const& a, action_id const& id) {
        auto* const c = chains_.try_emplace({a.author, a.life});
        if (c == nullptr) return;
        c->end = {a.sequence, id, a.time};
        c->kept.push_back(a);
        if (c->kept.size() > options_.kept_max) c->kept.pop_front();
    }
    /// Goes on behind @p end, as it was written down.
    /// @return `full`.
    [[nodiscard]] result<void> resume(chain_name const& name, chain_end const& end) {
        auto* const c = chains_.try_emplace(name);
        if (c == nullptr) return error{errc::full, text("more than ", chains_.size_max(), " chains of actions")};
        c->end = end;
        return ok();
    }
    /// Takes nothing of this chain any more from @p first on; what is before it stays what everybody may have.
    void refuse(chain_name const& name, std::uint64_t first) {
        if (auto* const c = chains_.try_emplace(name)) c->refused_from = std::min(c->refused_from, first);
    }
    /// Begins this chain anew: its actions are to be gone through again. What was refused of it stays so.
    void rewind(chain_name const& name) {
        if (auto* const c = chains_.find(name)) *c = {{}, {}, c->refused_from};
    }
    /// Where the chain goes on.
    [[nodiscard]] std::optional<chain_end> end_of(chain_name const& name) const {
        auto const* const c = chains_.find(name);
        return c == nullptr ? std::nullopt : std::optional{c->end};
    }
    [[nodiscard]] std::size_t size() const noexcept { return chains_.size(); }

private:
    struct chain {
        chain_end end;
        std::deque<action> kept;  ///< The last ones, in order, without gaps.
        std::uint64_t refused_from = UINT64_MAX;
    };

    [[nodiscard]] static action const* kept_at(chain const& c, std::uint64_t sequence) noexcept {
        if (c.kept.empty() || sequence < c.kept.front().sequence || sequence > c.kept.back().sequence) return nullptr;
        return &c.kept[static_cast<std::size_t>(sequence - c.kept.front().sequence)];
    }
    [[nodiscard]] std::size_t lives_of(user_id const& author) const {
        std::size_t n = 0;
        for (auto const& [name, c] : chains_) n += name.author == author ? 1u : 0u;
        return n;
    }

    options options_;
    bounded_map<chain_name, chain> chains_;
};

/// Makes the actions of one life. Not thread-safe.
class action_author {
public:
    /// @param end  where the chain goes on, as it was written down; the default begins one.
    action_author(network_id const& network, user_id const& author, std::uint64_t life, chain_end const& end = {})
        : network_{network}, name_{author, life}, end_{end}, clock_{end.time} {}

    /// The next action, signed. It is to be written down before it is sent: made again after a crash, it would
    /// contradict one that somebody has. About 30 us.
    /// @return `too_large` for a payload above the bound, or the key's error; the chain is as before then.
    [[nodiscard]] result<action> act(action_type type, byte_view payload, std::chrono::milliseconds valid_for,
                                     timestamp wall, peer::node_key const& key) {
        if (payload.size() > action::payload_size_max) {
            return error{errc::too_large,
                         text("a payload of ", payload.size(), " bytes; at most ", action::payload_size_max)};
        }
        auto clock = clock_;
        action a;
        a.network = network_;
        a.type = type;
        a.author = name_.author;
        a.key = key.public_key();
        a.life = name_.life;
        a.sequence = end_.sequence + 1;
        a.previous = end_.last;
        a.time = clock.next(wall);
        a.expires = saturating_add(wall, valid_for);
        a.describe(payload);
        MUSTER_TRY(a.sign(key));
        clock_ = clock;
        end_ = {a.sequence, a.id(), a.time};
        return a;
    }
    /// Takes note of a time that others have, so that what comes next is later.
    void observe(hybrid_time seen, timestamp wall) noexcept { clock_.observe(seen, wall); }

    [[nodiscard]] chain_name const& name() const noexcept { return name_; }
    [[nodiscard]] chain_end const& end() const noexcept { return end_; }

private:
    network_id network_;
    chain_name name_;
    chain_end end_;
    hybrid_clock clock_;
};

}  // namespace muster::identity
