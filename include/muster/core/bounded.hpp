// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Containers that cannot outgrow a stated bound.
///
/// Everything a peer can make us remember sits in a container with a bound and an overflow rule. The rule
/// here is the strictest one: what does not fit is refused and the container is unchanged; the caller
/// turns the refusal into an effect that costs the sender.

#include <cstddef>
#include <deque>
#include <map>
#include <utility>

#include <muster/core/version.hpp>

namespace muster {

/// A first-in first-out queue of at most `size_max` elements. Not thread-safe.
template <class T>
class bounded_queue {
public:
    /// @param size_max  most elements held at once; 0 refuses everything.
    explicit bounded_queue(std::size_t size_max) noexcept : size_max_{size_max} {}

    /// Appends @p value, or returns false and changes nothing when full. O(1).
    [[nodiscard]] bool try_push(T value) {
        if (items_.size() >= size_max_) return false;
        items_.push_back(std::move(value));
        return true;
    }

    [[nodiscard]] bool empty() const noexcept { return items_.empty(); }
    [[nodiscard]] std::size_t size() const noexcept { return items_.size(); }
    [[nodiscard]] std::size_t size_max() const noexcept { return size_max_; }
    [[nodiscard]] T& front() noexcept { return items_.front(); }

    /// Removes and returns the oldest element. Expects `!empty()`.
    [[nodiscard]] T pop() {
        T value = std::move(items_.front());
        items_.pop_front();
        return value;
    }

private:
    std::size_t size_max_;
    std::deque<T> items_;
};

/// An ordered map of at most `size_max` keys; iteration order is the order of the keys. Not thread-safe.
template <class Key, class Value>
class bounded_map {
public:
    /// @param size_max  most keys held at once.
    explicit bounded_map(std::size_t size_max) noexcept : size_max_{size_max} {}

    /// The value at @p key, made from @p args when absent; nullptr when that would exceed the bound. O(log n).
    template <class... Args>
    [[nodiscard]] Value* try_emplace(Key const& key, Args&&... args) {
        if (auto const found = items_.find(key); found != items_.end()) return &found->second;
        if (items_.size() >= size_max_) return nullptr;
        return &items_.try_emplace(key, std::forward<Args>(args)...).first->second;
    }

    /// The value at @p key, or nullptr. O(log n).
    [[nodiscard]] Value* find(Key const& key) {
        auto const found = items_.find(key);
        return found == items_.end() ? nullptr : &found->second;
    }
    /// @copydoc find
    [[nodiscard]] Value const* find(Key const& key) const {
        auto const found = items_.find(key);
        return found == items_.end() ? nullptr : &found->second;
    }

    /// Removes @p key; false when it was not there. O(log n).
    bool erase(Key const& key) { return items_.erase(key) != 0; }

    [[nodiscard]] bool empty() const noexcept { return items_.empty(); }
    [[nodiscard]] std::size_t size() const noexcept { return items_.size(); }
    [[nodiscard]] std::size_t size_max() const noexcept { return size_max_; }
    [[nodiscard]] auto begin() noexcept { return items_.begin(); }
    [[nodiscard]] auto end() noexcept { return items_.end(); }
    [[nodiscard]] auto begin() const noexcept { return items_.begin(); }
    [[nodiscard]] auto end() const noexcept { return items_.end(); }

private:
    std::size_t size_max_;
    std::map<Key, Value> items_;
};

}  // namespace muster
