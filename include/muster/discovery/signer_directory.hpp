// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// The signers that are known here, one entry for each key.
///
/// Idea: a @ref notice_board of advertisements by key, with an index by transaction type and amount. What is ours
/// (whether it is followed, what is thought of it, how it answers) is kept when a signer advertises anew.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <muster/core/effect_sink.hpp>
#include <muster/core/fields.hpp>
#include <muster/core/result.hpp>
#include <muster/discovery/amount_index.hpp>
#include <muster/discovery/criteria.hpp>
#include <muster/discovery/notice_board.hpp>
#include <muster/discovery/signer_listing.hpp>

namespace muster::discovery {

/// A signer that was not known.
struct signer_discovered {
    signer_listing listing;
    MUSTER_FIELDS(signer_discovered, listing);
};
/// A signer has advertised anew.
struct signer_updated {
    signer_listing listing;
    MUSTER_FIELDS(signer_updated, listing);
};
/// A signer is not to be found any more, by its own word.
struct signer_withdrawn {
    signer_listing listing;  ///< What was known.
    MUSTER_FIELDS(signer_withdrawn, listing);
};
/// A signer has not renewed its advertisement.
struct signer_expired {
    signer_listing listing;  ///< What was known.
    MUSTER_FIELDS(signer_expired, listing);
};
/// A signer has made room for another one: it is discovered again when it advertises again.
struct signer_evicted {
    signer_listing listing;  ///< What was known.
    MUSTER_FIELDS(signer_evicted, listing);
};
/// What happens to signers.
using directory_event =
    std::variant<signer_discovered, signer_updated, signer_withdrawn, signer_expired, signer_evicted>;

namespace detail {

/// Signers by what they sign for.
class signer_index {
public:
    void file(crypto::public_key const& key, signer_advertisement const& a) {
        auto const found = filed_.find(key);
        place const at{a.types, a.amount_from, a.amount_to};
        if (found != filed_.end() && found->second == at) return;
        unfile(key);
        all_.insert(a.amount_from, a.amount_to, key);
        for (auto const t : a.types) by_type_[t].insert(a.amount_from, a.amount_to, key);
        filed_.emplace(key, at);
    }
    void unfile(crypto::public_key const& key) {
        auto const found = filed_.find(key);
        if (found == filed_.end()) return;
        auto const& at = found->second;
        all_.erase(at.amount_from, key);
        for (auto const t : at.types) by_type_[t].erase(at.amount_from, key);
        filed_.erase(found);
    }
    /// Calls @p f with the key of each that signs for what @p c says in type and amount. @return how many places of
    /// the index were looked at.
    template <class F>
    std::size_t for_each(criteria const& c, F f) const {
        auto const* among = &all_;
        if (c.type) {
            auto const found = by_type_.find(*c.type);
            if (found == by_type_.end()) return 0;
            among = &found->second;
        }
        return c.amount ? among->for_each_with(*c.amount, f) : among->for_each(f);
    }

private:
    struct place {
        std::vector<transaction_type> types;
        std::uint64_t amount_from = 0;
        std::uint64_t amount_to = 0;
        bool operator==(place const&) const = default;
    };
    amount_index<crypto::public_key> all_;
    std::map<transaction_type, amount_index<crypto::public_key>> by_type_;
    std::map<crypto::public_key, place> filed_;
};

}  // namespace detail

/// The policies of a directory. Derive, and name a `persistence`:
///
///     struct kept : discovery::directory_defaults {
///         using persistence =
///             cache::debounced<cache::snapshot_file<discovery::signer_entry_codec>, my_timers, my_clock>;
///     };
///     discovery::signer_directory<kept> signers{{.own = key}, {.path = "signers"}, timers, clock};
///     auto const found = signers.load(clock.wall_now());
using directory_defaults = board_defaults;

/// What loading a directory found.
using loaded_signers = loaded_notices;

/// Bounds of a directory; see board_options.
struct directory_options {
    std::size_t signers_max = 100;
    peer::record_rules rules = {};
    std::size_t per_deliverer_max = 50;
    std::optional<crypto::public_key> own = {};  ///< What is said of this signer is ignored.
    std::size_t contradictions_max = 16;
};

/// Signers by key. Not thread-safe; neither copyable nor movable.
///
/// @tparam Policies  of the cache: see directory_defaults.
template <class Policies = directory_defaults>
class signer_directory {
public:
    /// What it is made of @{
    using board_type = notice_board<signer_listing, Policies, detail::signer_index>;
    using listing_type = signer_listing;
    using notice_type = signer_advertisement;
    using event = directory_event;
    /// @}

    /// @param rest  of a persistent cache: where it is kept, timers, clock.
    template <class... Rest>
    explicit signer_directory(directory_options const& o, Rest&&... rest)
        : board_{options_of(o), std::forward<Rest>(rest)...} {}
    signer_directory(signer_directory const&) = delete;
    signer_directory& operator=(signer_directory const&) = delete;

    /// Files @p sealed, which @p from has brought. See notice_board::take.
    template <effect_sink<directory_event> Sink>
    [[nodiscard]] result<filing> take(byte_view sealed, peer::peer_id const& from, source how, timestamp now,
                                      Sink& out) {
        effect_list<board_event<signer_listing>> changes;
        auto const filed = board_.take(sealed, from, how, now, changes);
        tell(changes, out);
        return filed;
    }

    /// Ignores from now on what @p own has said: this machine.
    void ignore(peer::peer_id const& own) { board_.ignore(own); }
    /// What is known of @p signer; null when nothing is. Changes nothing. Valid until the next call. O(1).
    [[nodiscard]] signer_listing const* find(crypto::public_key const& signer, timestamp now) const {
        return board_.find(signer, now);
    }
    /// The same for somebody here who asks for it: it counts as a use, also when it is not known yet.
    [[nodiscard]] signer_listing const* want(crypto::public_key const& signer, timestamp now) {
        return board_.want(signer, now);
    }
    /// Calls @p f with each listing that @p c matches, in no order. @return how many were looked at: those that sign
    /// for its type and amount. O(that many × log n).
    template <class F>
    std::size_t for_each(criteria const& c, timestamp now, F f) const {
        std::size_t visited = 0;
        (void)board_.index().for_each(c, [&](crypto::public_key const& key) {
            auto const* const l = board_.find(key, now);
            if (l == nullptr) return;
            ++visited;
            if (c.matches(*l)) f(*l);
        });
        return visited;
    }
    /// As notice_board::for_each_after.
    template <class F>
    void for_each_after(crypto::public_key const* after, timestamp now, F f) const {
        board_.for_each_after(after, now, f);
    }
    /// Copies of those that @p c matches, in the order of their keys.
    [[nodiscard]] std::vector<signer_listing> list(criteria const& c, timestamp now) const {
        std::vector<signer_listing> out;
        for_each(c, now, [&](signer_listing const& l) { out.push_back(l); });
        std::sort(out.begin(), out.end(), [](auto const& a, auto const& b) { return a.what.signer < b.what.signer; });
        return out;
    }
    /// Signers that are listed; what has expired leaves. O(1) for each of those.
    [[nodiscard]] std::size_t size(timestamp now) { return board_.size(now); }
    /// How many there are, and since when. O(n).
    [[nodiscard]] cache_stats stats(timestamp now) const { return board_.stats(now); }

    /// Follows @p signer, or not any more; kept when it advertises anew. False when it is not known.
    bool set_subscribed(crypto::public_key const& signer, bool is_subscribed, timestamp now) {
        return board_.modify(signer, now, [&](signer_listing& l) { l.is_subscribed = is_subscribed; });
    }
    /// What is thought of the machine of @p signer.
    bool set_reputation(crypto::public_key const& signer, std::int32_t points, timestamp now) {
        return board_.modify(signer, now, [&](signer_listing& l) { l.reputation = points; });
    }
    /// @p signer has answered after @p d: a quarter of it counts.
    bool note_response(crypto::public_key const& signer, duration d, timestamp now) {
        return board_.modify(signer, now, [&](signer_listing& l) {
            l.response_time = l.response_time == duration{} ? d : l.response_time + (d - l.response_time) / 4;
        });
    }
    /// Removes what has expired, and tells of it.
    template <effect_sink<directory_event> Sink>
    void expire(timestamp now, Sink& out) {
        effect_list<board_event<signer_listing>> changes;
        board_.expire(now, changes);
        tell(changes, out);
    }
    /// Forgets everything, also on disk.
    void clear() { board_.clear(); }
    /// What is let pass.
    [[nodiscard]] peer::record_rules const& rules() const noexcept { return board_.rules(); }

    /// Reads what was kept, by policies with persistence; see notice_board::load.
    [[nodiscard]] result<loaded_signers> load(timestamp now) requires requires(board_type& b) { b.load(now); }
    { return board_.load(now); }
    /// Whether something is known that is not on disk yet, by policies with persistence.
    [[nodiscard]] bool is_dirty() const requires requires(board_type const& b) { b.is_dirty(); }
    { return board_.is_dirty(); }
    /// The cache underneath: for `flush`, counters, reports of failures.
    [[nodiscard]] auto& underlying() noexcept { return board_.underlying(); }
    /// What machines of signers have said twice, differently.
    [[nodiscard]] std::vector<contradiction> const& contradictions() const noexcept { return board_.contradictions(); }

private:
    [[nodiscard]] static board_options<signer_advertisement> options_of(directory_options const& o) {
        board_options<signer_advertisement> out{o.signers_max, o.rules, o.per_deliverer_max, {}, o.contradictions_max};
        if (o.own) out.is_own = [own = *o.own](signer_advertisement const& a) { return a.signer == own; };
        return out;
    }
    template <class Sink>
    static void tell(effect_list<board_event<signer_listing>>& changes, Sink& out) {
        for (auto& e : changes.take()) {
            switch (e.what) {
                case change::posted: out.push(signer_discovered{std::move(e.listing)}); break;
                case change::renewed: out.push(signer_updated{std::move(e.listing)}); break;
                case change::withdrawn: out.push(signer_withdrawn{std::move(e.listing)}); break;
                case change::expired: out.push(signer_expired{std::move(e.listing)}); break;
                case change::evicted: out.push(signer_evicted{std::move(e.listing)}); break;
            }
        }
    }

    board_type board_;
};

}  // namespace muster::discovery
