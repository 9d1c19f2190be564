// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What a save leaves out: an entry that cannot be saved keeps no other from being saved.

#include <cstddef>
#include <exception>
#include <functional>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include <muster/cache/persistence/codec.hpp>
#include <muster/cache/persistence/errc.hpp>
#include <muster/core/result.hpp>

namespace muster::cache {

/// What became of a save that succeeded.
struct save_report {
    std::size_t left_out =
        0;  ///< Entries of the cache that are not in its store: too large, or their codec has thrown.
    std::optional<error> why;  ///< Of the one that was left out last; nothing when none is.
};

namespace detail {

/// What @p f returns, and `threw` in place of an exception.
template <class F>
[[nodiscard]] auto caught(F f) -> decltype(f()) {
#if defined(__cpp_exceptions)
    try {
        return f();
    } catch (std::exception const& e) {
        return error{errc::threw, text("saving has thrown: ", std::string_view{e.what()})};
    } catch (...) {
        return error{errc::threw, "saving has thrown what is no std::exception"};
    }
#else
    return f();
#endif
}

/// The entries that a store does not have. Memory: some words each, and not their keys. Not thread-safe.
template <codec Codec>
class left_out {
public:
    void add(Codec const& c, typename Codec::key_type const& key, error why) {
        auto const hash = caught([&]() -> result<std::size_t> { return hash_of(c, key); });
        if (hash) {
            keys_.insert(hash.value());
        } else {
            ++nameless_;
        }
        has_thrown_ = has_thrown_ || why == errc::threw;
        why_ = std::move(why);
    }
    /// It was saved, or has left the cache.
    void remove(Codec const& c, typename Codec::key_type const& key) {
        if (!keys_.empty()) keys_.erase(hash_of(c, key));
    }
    void clear() { *this = {}; }
    /// Whether a codec has thrown: it may not the next time.
    [[nodiscard]] bool has_thrown() const noexcept { return has_thrown_; }
    [[nodiscard]] save_report report() const {
        auto const count = keys_.size() + nameless_;
        return {count, count == 0 ? std::nullopt : why_};
    }

private:
    // Two keys of the same hash are counted as one.
    [[nodiscard]] static std::size_t hash_of(Codec const& c, typename Codec::key_type const& key) {
        wire::writer w;
        c.write_key(w, key);
        return std::hash<std::string_view>{}({reinterpret_cast<char const*>(w.view().data()), w.view().size()});
    }

    std::set<std::size_t> keys_;
    std::size_t nameless_ = 0;  // whose keys cannot be written either
    bool has_thrown_ = false;
    std::optional<error> why_;
};

}  // namespace detail
}  // namespace muster::cache
