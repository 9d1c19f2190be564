// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// The signers that are known here, one entry for each key.
///
/// Idea: advertisements come from anybody, often, late and again. Each is read, compared with what is known, and only
/// then verified, so that what is repeated costs a look. Only a newer one replaces; two of one sequence with other
/// content are kept as evidence, and the first one stays. What is ours (whether it is followed, how it answers) is kept
/// when a signer advertises anew. Entries are in a @ref discovery_cache, which bounds them, lets them expire and, by
/// its policies, keeps them on disk; what is loaded is verified again, since a file is no signature.
///
/// A withdrawal counts where its signer is listed; else nobody here needs it. Whoever has brought a signer first stays
/// charged for it, or whoever repeats what others say could make room among it.
///
/// Look-ups by key change nothing; only @ref want counts as use. Queries by transaction type go through an index.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <muster/cache/admission/demand.hpp>
#include <muster/core/effect_sink.hpp>
#include <muster/core/enumeration.hpp>
#include <muster/core/fields.hpp>
#include <muster/core/result.hpp>
#include <muster/discovery/criteria.hpp>
#include <muster/discovery/discovery_cache.hpp>
#include <muster/discovery/errc.hpp>
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

/// What became of an advertisement.
MUSTER_ENUMERATION(
    filing, 0,
    discovered,   ///< The first of its signer.
    updated,      ///< It counts, in place of an older one.
    withdrawn,    ///< The signer is listed no more.
    repeated,     ///< The one that counts already. It was not verified again.
    older,        ///< It does not count, or withdraws what is not listed.
    contradicts,  ///< Signed with the sequence of another one. Nothing has changed, but for the evidence.
    no_room       ///< It was verified, and not admitted.
);

/// Two advertisements that a signer has signed with one sequence.
struct contradiction {
    crypto::public_key signer;
    bytes first;   ///< Sealed; what counts.
    bytes second;  ///< Sealed.
    MUSTER_FIELDS(contradiction, signer, first, second);
};

/// Whether @p why is for what no honest peer passes on. Else clocks differ, somebody was faster, or it is of a later
/// version than this, which is no reason to part with who speaks it.
[[nodiscard]] inline bool is_forgery(error const& why) {
    return why == errc::invalid_binding || why == peer::errc::not_signed || why == peer::errc::wrong_peer ||
           why == peer::errc::not_canonical;
}

namespace detail {

/// Signers by what they sign for.
class signer_index {
public:
    void file(std::string const& key, signer_advertisement const& a) {
        unfile(key);
        for (auto const t : a.types) by_type_[t].emplace(a.amount_from, key);
        filed_[key] = {a.types, a.amount_from};
    }
    void unfile(std::string const& key) {
        auto const found = filed_.find(key);
        if (found == filed_.end()) return;
        for (auto const t : found->second.types) by_type_[t].erase({found->second.amount_from, key});
        filed_.erase(found);
    }
    /// Calls @p f with the key of each that has @p t and whose amounts begin at @p amount or before.
    template <class F>
    void for_each(transaction_type t, std::uint64_t amount, F f) const {
        auto const found = by_type_.find(t);
        if (found == by_type_.end()) return;
        for (auto const& [from, key] : found->second) {
            if (from > amount) return;
            f(key);
        }
    }
    /// Calls @p f with each key behind @p after, ascending, while it returns true.
    template <class F>
    void for_each_after(std::string const& after, F f) const {
        for (auto at = filed_.upper_bound(after); at != filed_.end() && f(at->first);) ++at;
    }
    std::vector<directory_event> gone;  ///< Expired or evicted since somebody looked.

private:
    struct place {
        std::vector<transaction_type> types;
        std::uint64_t amount_from = 0;
    };
    std::map<transaction_type, std::set<std::pair<std::uint64_t, std::string>>> by_type_;
    std::map<std::string, place, std::less<>> filed_;
};

/// Hears what leaves the cache.
struct index_listener {
    signer_index* index = nullptr;
    void operator()(cache::removal why, std::string const& key, entry<signer_listing>& e) const {
        if (why == cache::removal::rejected) return;  // it was never in it
        index->unfile(key);
        if (why == cache::removal::expired) index->gone.push_back(signer_expired{std::move(e.advertisement)});
        if (why == cache::removal::evicted) index->gone.push_back(signer_evicted{std::move(e.advertisement)});
    }
};

template <class Policies>
struct indexed : Policies {
    using listener = index_listener;
};

/// Who has brought an entry.
struct deliverer {
    [[nodiscard]] std::string operator()(std::string const&, entry<signer_listing> const& e) const {
        auto const id = e.advertisement.delivered_by.view();
        return {id.begin(), id.end()};
    }
};

}  // namespace detail

/// The policies of a directory. Keys cost nothing, connections do: so who has brought an entry is charged for it, and
/// may hold so many of those that nobody here has asked for, see directory_options::per_deliverer_max; and whoever was
/// asked for (@ref signer_directory::want) makes room for no stranger. Derive, and name a `persistence`:
///
///     struct kept : discovery::directory_defaults {
///         using persistence = cache::debounced<
///             cache::snapshot_file<discovery::entry_codec<discovery::signer_listing,
///             discovery::signer_listing_codec>>, my_timers, my_clock>;
///     };
///     discovery::signer_directory<kept> signers{{.own = key}, {.path = "signers"}, timers, clock};
///     auto const found = signers.load(clock.wall_now());
struct directory_defaults : cache_defaults {
    using admission = cache::demand_and_quota<detail::deliverer>;
};

/// What loading a directory found.
struct loaded_signers {
    std::size_t listed = 0;   ///< Signers that are known now.
    std::size_t dropped = 0;  ///< Advertisements that did not hold.
    cache::load_notes notes;  ///< What was wrong with the file, if anything.
};

/// Bounds of a directory.
struct directory_options {
    std::size_t signers_max = 100;               ///< As lotus-sdk has it.
    peer::record_rules rules = {};               ///< What is let pass.
    std::size_t per_deliverer_max = 50;          ///< That one peer has brought, and nobody has asked for. Ours: half.
    std::optional<crypto::public_key> own = {};  ///< What is said of this signer is ignored.
    std::size_t contradictions_max = 16;         ///< Kept as evidence; then the oldest goes. Ours.
};

/// Signers by key. Not thread-safe; neither copyable nor movable.
///
/// @tparam Policies  of the cache: see directory_defaults.
template <class Policies = directory_defaults>
class signer_directory {
public:
    using cache_type = discovery_cache<signer_listing, detail::indexed<Policies>>;

    /// @param rest  of a persistent cache: where it is kept, timers, clock.
    template <class... Rest>
    explicit signer_directory(directory_options o, Rest&&... rest)
        : options_{std::move(o)}, cache_{cache_options(), std::forward<Rest>(rest)...} {}
    signer_directory(signer_directory const&) = delete;
    signer_directory& operator=(signer_directory const&) = delete;

    /// Files @p sealed, which @p from has brought. About 110 us for a new signer, 65 us for one whose binding is known,
    /// 10 us for what is repeated or older.
    /// @return what became of it; or `own`, or what signer_advertisement::open returns, and nothing has changed: see
    /// @ref is_forgery for who is to blame.
    template <effect_sink<directory_event> Sink>
    [[nodiscard]] result<filing> take(byte_view sealed, peer::peer_id const& from, source how, timestamp now,
                                      Sink& out) {
        MUSTER_TRY(auto const claim, signer_advertisement::read(sealed, now, options_.rules));
        if (claim.signer == options_.own) return error{errc::own, "an advertisement of this signer"};
        auto const key = signer_listing::key_of(claim.signer);
        auto const* const held = cache_.peek(key, now);
        if (held == nullptr && claim.is_withdrawal()) return filing::older;
        if (held != nullptr) {
            if (claim.sequence < held->advertisement.sequence) return filing::older;
            if (equal(sealed, held->advertisement.sealed)) return filing::repeated;
        }
        auto const* const known = held != nullptr ? &held->advertisement.what : nullptr;
        MUSTER_TRY(auto const opened, signer_advertisement::open(sealed, now, options_.rules, known));
        if (held != nullptr && claim.sequence == held->advertisement.sequence) {
            keep_evidence(held->advertisement, sealed);
            return filing::contradicts;
        }
        return file(key, *opened, sealed, from, how, now, out);
    }

    /// What is known of @p signer; null when nothing is. Changes nothing. Valid until the next call. O(1).
    [[nodiscard]] signer_listing const* find(crypto::public_key const& signer, timestamp now) const {
        auto const* const e = cache_.peek(signer_listing::key_of(signer), now);
        return e == nullptr ? nullptr : &e->advertisement;
    }
    /// The same for somebody here who asks for it: it counts as a use, also when it is not known yet.
    [[nodiscard]] signer_listing const* want(crypto::public_key const& signer, timestamp now) {
        auto const* const e = cache_.get(signer_listing::key_of(signer), now);
        return e == nullptr ? nullptr : &e->advertisement;
    }
    /// Calls @p f with each listing that @p c matches, in no order. @return how many were looked at: with a type, those
    /// that sign for it and whose amounts begin at or below the one wanted; else all. O(that many).
    template <class F>
    std::size_t for_each(criteria const& c, timestamp now, F f) const {
        std::size_t visited = 0;
        auto const look = [&](signer_listing const& l) {
            ++visited;
            if (c.matches(l)) f(l);
        };
        if (!c.type) {
            for_each_after({}, now, [&](signer_listing const& l) {
                look(l);
                return true;
            });
            return visited;
        }
        index_.for_each(*c.type, c.amount.value_or(~std::uint64_t{0}), [&](std::string const& key) {
            if (auto const* const e = cache_.peek(key, now)) look(e->advertisement);
        });
        return visited;
    }
    /// Calls @p f with each listing behind the key @p after (empty: with all), in the order of keys, while it returns
    /// true. O(those).
    template <class F>
    void for_each_after(std::string const& after, timestamp now, F f) const {
        index_.for_each_after(after, [&](std::string const& key) {
            auto const* const e = cache_.peek(key, now);
            return e == nullptr || f(e->advertisement);
        });
    }
    /// Copies of those that @p c matches, in the order of their keys.
    [[nodiscard]] std::vector<signer_listing> list(criteria const& c, timestamp now) const {
        std::vector<signer_listing> out;
        for_each(c, now, [&](signer_listing const& l) { out.push_back(l); });
        std::sort(out.begin(), out.end(), [](auto const& a, auto const& b) { return a.what.signer < b.what.signer; });
        return out;
    }
    /// Signers that are listed; what has expired leaves. O(1) for each of those.
    [[nodiscard]] std::size_t size(timestamp now) { return cache_.size(now); }
    /// How many there are, and since when. O(n).
    [[nodiscard]] cache_stats stats(timestamp now) const { return cache_.stats(now); }

    /// Follows @p signer, or not any more; kept when it advertises anew. False when it is not known.
    bool set_subscribed(crypto::public_key const& signer, bool is_subscribed, timestamp now) {
        return change(signer, now, [&](signer_listing& l) { l.is_subscribed = is_subscribed; });
    }
    /// What is thought of the machine of @p signer.
    bool set_reputation(crypto::public_key const& signer, std::int32_t points, timestamp now) {
        return change(signer, now, [&](signer_listing& l) { l.reputation = points; });
    }
    /// @p signer has answered after @p d: a quarter of it counts.
    bool note_response(crypto::public_key const& signer, duration d, timestamp now) {
        return change(signer, now, [&](signer_listing& l) {
            l.response_time = l.response_time == duration{} ? d : l.response_time + (d - l.response_time) / 4;
        });
    }
    /// Removes what has expired, and tells of it.
    template <effect_sink<directory_event> Sink>
    void expire(timestamp now, Sink& out) {
        (void)cache_.size(now);
        tell_gone(out);
    }
    /// Forgets everything, also on disk.
    void clear() {
        cache_.clear();
        index_.gone.clear();
        contradictions_.clear();
    }
    /// What is let pass.
    [[nodiscard]] peer::record_rules const& rules() const noexcept { return options_.rules; }

    /// Reads what was kept, by policies with persistence; to be called once, before anything else. Each advertisement
    /// is verified again; what does not hold is dropped.
    /// @return what was found, or why nothing is known about the file.
    [[nodiscard]] result<loaded_signers> load(timestamp now) requires requires(cache_type& c) { c.underlying().load(); }
    {
        MUSTER_TRY(auto report, cache_.underlying().load());
        loaded_signers out{0, 0, std::move(report.notes)};
        for (auto& [key, e] : cache_.entries(now)) {
            auto opened = signer_advertisement::open(e.advertisement.sealed, now, options_.rules);
            bool const holds = opened && signer_listing::key_of((*opened.value()).signer) == key &&
                               (*opened.value()).sequence == e.advertisement.sequence &&
                               (*opened.value()).expires == e.advertisement.expires_at;
            if (!holds) {
                (void)cache_.erase(key, now);
                ++out.dropped;
                continue;
            }
            e.advertisement.what = *opened.value();
            (void)cache_.set(key, std::move(e), now);
            index_.file(key, *opened.value());
            ++out.listed;
        }
        return out;
    }
    /// Whether something is known that is not on disk yet, by policies with persistence.
    [[nodiscard]] bool is_dirty() const requires requires(cache_type const& c) { c.underlying().is_dirty(); }
    { return cache_.underlying().is_dirty(); }
    /// The cache underneath: for `flush`, counters, reports of failures.
    [[nodiscard]] auto& underlying() noexcept { return cache_.underlying(); }
    /// What signers have said twice, differently.
    [[nodiscard]] std::vector<contradiction> const& contradictions() const noexcept { return contradictions_; }

private:
    [[nodiscard]] auto cache_options() {
        typename cache_type::entries_type::options o{};
        o.entries_max = options_.signers_max;
        o.on_removal = detail::index_listener{&index_};
        if constexpr (requires { o.admit.per_source_max; }) o.admit.per_source_max = options_.per_deliverer_max;
        return o;
    }
    template <class Sink>
    [[nodiscard]] filing file(std::string const& key, signer_advertisement const& a, byte_view sealed,
                              peer::peer_id const& from, source how, timestamp now, Sink& out) {
        signer_listing l{a, to_bytes(sealed), from};
        l.sequence = a.sequence;
        l.expires_at = a.is_withdrawal() ? std::min(a.expires, now) : a.expires;  // its clock may be ahead of ours
        std::optional<signer_listing> before;
        if (auto const* const held = cache_.peek(key, now)) {
            before = held->advertisement;
            l.delivered_by = before->delivered_by;
            l.is_subscribed = before->is_subscribed;
            l.reputation = before->reputation;
            l.response_time = before->response_time;
        }
        auto const outcome = cache_.set(key, l, how, now);
        tell_gone(out);
        switch (outcome) {
            case cache::put_outcome::inserted:
                index_.file(key, a);
                out.push(signer_discovered{std::move(l)});
                return filing::discovered;
            case cache::put_outcome::replaced:
                index_.file(key, a);
                out.push(signer_updated{std::move(l)});
                return filing::updated;
            case cache::put_outcome::withdrawn:
                if (before) out.push(signer_withdrawn{*std::move(before)});
                return filing::withdrawn;
            case cache::put_outcome::outdated: return filing::older;
            default: return filing::no_room;
        }
    }
    template <class F>
    bool change(crypto::public_key const& signer, timestamp now, F f) {
        return cache_.modify(signer_listing::key_of(signer), now, [&](auto& e) { f(e.advertisement); });
    }
    template <class Sink>
    void tell_gone(Sink& out) {
        for (auto& e : std::exchange(index_.gone, {})) out.push(std::move(e));
    }
    void keep_evidence(signer_listing const& held, byte_view sealed) {
        contradiction c{held.what.signer, held.sealed, to_bytes(sealed)};
        if (std::find(contradictions_.begin(), contradictions_.end(), c) != contradictions_.end()) return;
        if (contradictions_.size() >= std::max<std::size_t>(options_.contradictions_max, 1)) {
            contradictions_.erase(contradictions_.begin());
        }
        contradictions_.push_back(std::move(c));
    }

    directory_options options_;
    detail::signer_index index_;
    cache_type cache_;
    std::vector<contradiction> contradictions_;
};

}  // namespace muster::discovery
