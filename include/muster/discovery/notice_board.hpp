// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// The newest version of each notice that is known here.
///
/// Idea: notices come from anybody, often, late and again. Each is read, compared with what is known, and only then
/// verified, so that what is repeated costs a look. Only a newer one replaces; two of one sequence with other content
/// are kept as evidence, and the first one stays. Entries are in a @ref discovery_cache, which bounds them, lets them
/// expire and, by its policies, keeps them on disk; what is loaded is verified again, since a file is no signature.
///
/// A withdrawal counts where its notice is listed; else nobody here needs it. Whoever has brought a notice first stays
/// charged for it, or whoever repeats what others say could make room among it. Look-ups change nothing; only
/// `notice_board::want` counts as use.

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <muster/cache/admission/demand.hpp>
#include <muster/core/effect_sink.hpp>
#include <muster/core/enumeration.hpp>
#include <muster/core/fields.hpp>
#include <muster/core/result.hpp>
#include <muster/discovery/discovery_cache.hpp>
#include <muster/discovery/notice.hpp>

namespace muster::discovery {

/// A notice as it is known here. Its equality is that of the notice: what is ours may differ.
template <notice Notice>
struct notice_listing {
    /// The kind of notice.
    using notice_type = Notice;
    Notice what;                 ///< Verified.
    bytes sealed;                ///< The same, as it is passed on.
    peer::peer_id delivered_by;  ///< Who has brought it; its own machine perhaps.
    std::uint64_t sequence = 0;  ///< As in @ref what; for the cache.
    timestamp expires_at{};      ///< The same.
    friend bool operator==(notice_listing const& a, notice_listing const& b) { return a.sealed == b.sealed; }
};

/// What a board keeps: the members of `notice_listing`, and perhaps marks of ours, which `keep_marks(before)` takes
/// over from the version before.
template <class L>
concept listing = notice<typename L::notice_type> && std::equality_comparable<L> && requires(L const& l) {
    { l.what } -> std::convertible_to<typename L::notice_type>;
    { l.sealed } -> std::convertible_to<bytes>;
    { l.delivered_by } -> std::convertible_to<peer::peer_id>;
    { l.sequence } -> std::convertible_to<std::uint64_t>;
    { l.expires_at } -> std::convertible_to<timestamp>;
};

/// What becomes of notices.
MUSTER_ENUMERATION(change, 0,
                   posted,     ///< It was not known.
                   renewed,    ///< There is a newer version.
                   withdrawn,  ///< By its machine's own word.
                   expired,    ///< It was not renewed.
                   evicted     ///< It made room: it is posted again when it is said again.
);
/// Something has become of a notice.
template <class Listing>
struct board_event {
    change what{};
    Listing listing;  ///< As it is now, or as it was known.
};

/// What became of a notice that somebody has brought.
MUSTER_ENUMERATION(
    filing, 0,
    discovered,   ///< The first of its key.
    updated,      ///< It counts, in place of an older one.
    withdrawn,    ///< What it was about is listed no more.
    repeated,     ///< The one that counts already. It was not verified again.
    older,        ///< It does not count, or withdraws what is not listed.
    contradicts,  ///< Signed with the sequence of another one. Nothing has changed, but for the evidence.
    no_room       ///< It was verified, and not admitted.
);

/// Two notices of one key and one sequence, both signed.
struct contradiction {
    peer::peer_id machine;  ///< Who has signed the second.
    bytes first;            ///< Sealed; what counts.
    bytes second;           ///< Sealed.
    MUSTER_FIELDS(contradiction, machine, first, second);
};

/// The key under which @p L is filed: what its notice's `key` returns.
template <class L>
using key_of_listing = std::remove_cvref_t<decltype(std::declval<typename L::notice_type const&>().key())>;

/// No other order than that of keys.
template <class Listing>
struct no_index {
    /// Does nothing.
    void file(key_of_listing<Listing> const&, typename Listing::notice_type const&) {}
    /// Does nothing.
    void unfile(key_of_listing<Listing> const&) {}
};

namespace detail {

/// What a board knows beside its entries.
template <class Listing, class Index>
struct board_books {
    std::set<key_of_listing<Listing>> keys;  ///< Of entries, those included that have expired and are still there.
    Index index;
    std::vector<board_event<Listing>> gone;  ///< Since somebody looked.
};

/// Hears what leaves the cache.
template <class Listing, class Index>
struct board_listener {
    board_books<Listing, Index>* books = nullptr;
    void operator()(cache::removal why, key_of_listing<Listing> const& key, entry<Listing>& e) const {
        // What was rejected was never in it; what is replaced is filed anew.
        if (why == cache::removal::rejected || why == cache::removal::replaced) return;
        books->keys.erase(key);
        books->index.unfile(key);
        if (why == cache::removal::expired) books->gone.push_back({change::expired, std::move(e.advertisement)});
        if (why == cache::removal::evicted) books->gone.push_back({change::evicted, std::move(e.advertisement)});
    }
};

template <class Policies, class Listener>
struct listening : Policies {
    using listener = Listener;
};

/// Who has brought an entry.
struct deliverer {
    template <class Key, class Entry>
    [[nodiscard]] std::string operator()(Key const&, Entry const& e) const {
        auto const id = e.advertisement.delivered_by.view();
        return {id.begin(), id.end()};
    }
};

}  // namespace detail

/// The policies of a board. Keys cost nothing, connections do: so who has brought an entry is charged for it, and may
/// hold so many of those that nobody here has asked for, see board_options::per_deliverer_max; and what was asked for
/// makes room for nobody else. Derive, and name a `persistence`.
struct board_defaults : cache_defaults {
    /// See above.
    using admission = cache::demand_and_quota<detail::deliverer>;
};

/// Bounds of a board.
template <class Notice>
struct board_options {
    std::size_t entries_max = 100;                   ///< As lotus-sdk has it.
    peer::record_rules rules = {};                   ///< What is let pass.
    std::size_t per_deliverer_max = 50;              ///< That one peer has brought, and nobody asked for. Ours: half.
    std::function<bool(Notice const&)> is_own = {};  ///< What is ignored, since it is said of us.
    std::size_t contradictions_max = 16;             ///< Kept as evidence; then the oldest goes. Ours.
};

/// What loading a board found.
struct loaded_notices {
    std::size_t listed = 0;   ///< Notices that are known now.
    std::size_t dropped = 0;  ///< Notices that did not hold.
    cache::load_notes notes;  ///< What was wrong with the file, if anything.
};

/// Notices by key. Not thread-safe; neither copyable nor movable.
///
/// @tparam Policies  of the cache: see board_defaults.
/// @tparam Index     is told of what comes (`file`, also for what is filed already) and goes (`unfile`).
template <listing Listing, class Policies = board_defaults, class Index = no_index<Listing>>
class notice_board {
public:
    /// What it is made of @{
    using listing_type = Listing;
    using notice_type = typename Listing::notice_type;
    using key_type = key_of_listing<Listing>;
    using event = board_event<Listing>;
    using cache_type =
        discovery_cache<Listing, detail::listening<Policies, detail::board_listener<Listing, Index>>, key_type>;
    /// @}

    /// @param rest  of a persistent cache: where it is kept, timers, clock.
    template <class... Rest>
    explicit notice_board(board_options<notice_type> o, Rest&&... rest)
        : options_{std::move(o)}, cache_{cache_options(), std::forward<Rest>(rest)...} {}
    notice_board(notice_board const&) = delete;
    notice_board& operator=(notice_board const&) = delete;

    /// Files @p sealed, which @p from has brought. About 110 us for a new notice that speaks for a signer, 65 us for
    /// one whose binding is known, 10 us for what is repeated or older.
    /// @return what became of it; or `own`, or what @ref verify_notice returns, and nothing has changed: see
    /// @ref is_forgery for who is to blame.
    template <effect_sink<event> Sink>
    [[nodiscard]] result<filing> take(byte_view sealed, peer::peer_id const& from, source how, timestamp now,
                                      Sink& out) {
        MUSTER_TRY(auto const claim, notice_type::read(sealed, now, options_.rules));
        if (claim.machine == own_machine_ || (options_.is_own && options_.is_own(claim)))
            return error{errc::own, "a notice of our own"};
        auto const key = claim.key();
        auto const* const held = find(key, now);
        if (held == nullptr && is_withdrawal(claim)) return filing::older;
        if (held != nullptr) {
            if (claim.sequence < held->sequence) return filing::older;
            if (equal(sealed, held->sealed)) return filing::repeated;
        }
        auto const* const known = held != nullptr ? &held->what : nullptr;
        MUSTER_TRY(auto opened, notice_type::open(sealed, now, options_.rules, known));
        if (held != nullptr && claim.sequence == held->sequence) {
            keep_evidence(*held, opened.who(), sealed);
            return filing::contradicts;
        }
        return file(key, *opened, sealed, from, how, now, out);
    }

    /// Ignores from now on what @p own has said: this machine.
    void ignore(peer::peer_id const& own) { own_machine_ = own; }
    /// What is known under @p key; null when nothing is. Changes nothing. Valid until the next call. O(1).
    [[nodiscard]] Listing const* find(key_type const& key, timestamp now) const {
        auto const* const e = cache_.peek(key, now);
        return e == nullptr ? nullptr : &e->advertisement;
    }
    /// The same for somebody here who asks for it: it counts as a use, also when it is not known yet.
    [[nodiscard]] Listing const* want(key_type const& key, timestamp now) {
        auto const* const e = cache_.get(key, now);
        return e == nullptr ? nullptr : &e->advertisement;
    }
    /// Calls @p f with each listing, in the order of keys, behind @p after unless it is null, while it returns true.
    /// O(those).
    template <class F>
    void for_each_after(key_type const* after, timestamp now, F f) const {
        auto at = after == nullptr ? books_.keys.begin() : books_.keys.upper_bound(*after);
        for (; at != books_.keys.end(); ++at) {
            if (auto const* const l = find(*at, now); l != nullptr && !f(*l)) return;
        }
    }
    /// Notices that are listed; what has expired leaves. O(1) for each of those.
    [[nodiscard]] std::size_t size(timestamp now) { return cache_.size(now); }
    /// How many there are, and since when. O(n).
    [[nodiscard]] cache_stats stats(timestamp now) const { return cache_.stats(now); }
    /// Calls @p f with the listing under @p key, to change marks of ours. False when there is none. O(1).
    template <class F>
    bool modify(key_type const& key, timestamp now, F f) {
        return cache_.modify(key, now, [&](auto& e) { f(e.advertisement); });
    }
    /// Removes what has expired, and tells of it.
    template <effect_sink<event> Sink>
    void expire(timestamp now, Sink& out) {
        (void)cache_.size(now);
        tell_gone(out);
    }
    /// Forgets everything, also on disk.
    void clear() {
        cache_.clear();
        books_.gone.clear();
        contradictions_.clear();
    }
    /// What is let pass.
    [[nodiscard]] peer::record_rules const& rules() const noexcept { return options_.rules; }
    /// What finds listings by what they say.
    [[nodiscard]] Index const& index() const noexcept { return books_.index; }

    /// Reads what was kept, by policies with persistence; to be called once, before anything else. Each notice is
    /// verified again; what does not hold is dropped.
    /// @return what was found, or why nothing is known about the file.
    [[nodiscard]] result<loaded_notices> load(timestamp now) requires requires(cache_type& c) { c.underlying().load(); }
    {
        MUSTER_TRY(auto report, cache_.underlying().load());
        loaded_notices out{0, 0, std::move(report.notes)};
        for (auto& [key, e] : cache_.entries(now)) {
            auto opened = notice_type::open(e.advertisement.sealed, now, options_.rules, nullptr);
            if (!opened || !is_as_kept(key, e.advertisement, *opened.value())) {
                (void)cache_.erase(key, now);
                ++out.dropped;
                continue;
            }
            e.advertisement.what = *opened.value();
            (void)cache_.set(key, std::move(e), now);
            note(key, *opened.value());
            ++out.listed;
        }
        out.dropped += cache_.keep_withdrawals(
            [&](key_type const& key, Listing const& kept, timestamp until) {
                auto const opened = notice_type::open(kept.sealed, now, options_.rules, nullptr);
                return opened && is_withdrawal(*opened.value()) && opened.value()->key() == key &&
                       opened.value()->sequence == kept.sequence && until <= end_of(*opened.value(), now);
            },
            now);
        return out;
    }
    /// Whether something is known that is not on disk yet, by policies with persistence.
    [[nodiscard]] bool is_dirty() const requires requires(cache_type const& c) { c.underlying().is_dirty(); }
    { return cache_.underlying().is_dirty(); }
    /// The cache underneath: for `flush`, counters, reports of failures.
    [[nodiscard]] auto& underlying() noexcept { return cache_.underlying(); }
    /// What machines have said twice, differently.
    [[nodiscard]] std::vector<contradiction> const& contradictions() const noexcept { return contradictions_; }

private:
    [[nodiscard]] auto cache_options() {
        typename cache_type::entries_type::options o{};
        o.entries_max = options_.entries_max;
        o.on_removal = detail::board_listener<Listing, Index>{&books_};
        if constexpr (requires { o.admit.per_source_max; }) o.admit.per_source_max = options_.per_deliverer_max;
        return o;
    }
    [[nodiscard]] static bool is_as_kept(key_type const& key, Listing const& kept, notice_type const& found) {
        return found.key() == key && found.sequence == kept.sequence && found.expires == kept.expires_at;
    }
    // When nothing that @p withdrawal withdraws could still be taken.
    [[nodiscard]] timestamp end_of(notice_type const& withdrawal, timestamp now) const {
        return saturating_add(std::min(withdrawal.issued, saturating_add(now, options_.rules.skew_max)),
                              options_.rules.lifetime_max);
    }
    void note(key_type const& key, notice_type const& what) {
        books_.keys.insert(key);
        books_.index.file(key, what);
    }
    template <class Sink>
    [[nodiscard]] filing file(key_type const& key, notice_type const& n, byte_view sealed, peer::peer_id const& from,
                              source how, timestamp now, Sink& out) {
        Listing l{n, to_bytes(sealed), from};
        l.sequence = n.sequence;
        l.expires_at = is_withdrawal(n) ? std::min(n.expires, now) : n.expires;  // its clock may be ahead of ours
        std::vector<Listing> before;
        if (auto const* const held = find(key, now)) {
            if (is_withdrawal(n)) before.push_back(*held);
            l.delivered_by = held->delivered_by;
            if constexpr (requires { l.keep_marks(*held); }) l.keep_marks(*held);
        }
        auto const outcome = cache_.set(key, l, how, now, end_of(n, now));
        tell_gone(out);
        switch (outcome) {
            case cache::put_outcome::inserted:
                note(key, n);
                out.push(event{change::posted, std::move(l)});
                return filing::discovered;
            case cache::put_outcome::replaced:
                books_.index.file(key, n);
                out.push(event{change::renewed, std::move(l)});
                return filing::updated;
            case cache::put_outcome::withdrawn:
                for (auto& was : before) out.push(event{change::withdrawn, std::move(was)});
                return filing::withdrawn;
            case cache::put_outcome::outdated: return filing::older;
            default: return filing::no_room;
        }
    }
    template <class Sink>
    void tell_gone(Sink& out) {
        for (auto& e : std::exchange(books_.gone, {})) out.push(std::move(e));
    }
    void keep_evidence(Listing const& held, peer::peer_id const& machine, byte_view sealed) {
        contradiction c{machine, held.sealed, to_bytes(sealed)};
        if (std::find(contradictions_.begin(), contradictions_.end(), c) != contradictions_.end()) return;
        if (contradictions_.size() >= std::max<std::size_t>(options_.contradictions_max, 1)) {
            contradictions_.erase(contradictions_.begin());
        }
        contradictions_.push_back(std::move(c));
    }

    board_options<notice_type> options_;
    detail::board_books<Listing, Index> books_;
    cache_type cache_;
    std::vector<contradiction> contradictions_;
    peer::peer_id own_machine_;
};

}  // namespace muster::discovery
