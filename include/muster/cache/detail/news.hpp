// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What a listener is to be told later, when nothing is locked any more.

#include <exception>
#include <utility>

#include <muster/cache/detail/unless_done.hpp>
#include <muster/cache/policies.hpp>

namespace muster::cache::detail {

/// Removals in the order in which they happened. One allocation each. Not thread-safe.
template <class Key, class Value>
class news {
public:
    news() = default;
    news(news const&) = delete;
    news& operator=(news const&) = delete;
    ~news() {
        while (first_ != nullptr) delete take();
    }

    /// Copies @p key and takes @p value. When memory or the copy fails, it has taken nothing.
    void add(removal why, Key const& key, Value& value) {
        auto* const added = new item{why, key, std::move(value), nullptr};
        (first_ == nullptr ? first_ : last_->next) = added;
        last_ = added;
    }
    void swap(news& other) noexcept {
        std::swap(first_, other.first_);
        std::swap(last_, other.last_);
    }
    /// Tells all of it, also when @p told throws; the first exception is thrown on at the end.
    template <class Listener>
    void tell(Listener& told) {
#if defined(__cpp_exceptions)
        std::exception_ptr failure;
        while (first_ != nullptr) {
            try {
                tell_next(told);
            } catch (...) {
                if (!failure) failure = std::current_exception();
            }
        }
        if (failure) std::rethrow_exception(failure);
#else
        while (first_ != nullptr) tell_next(told);
#endif
    }
    /// The same where an exception is on its way already: those of @p told are dropped.
    template <class Listener>
    void tell_quietly(Listener& told) noexcept {
#if defined(__cpp_exceptions)
        try {
            tell(told);
        } catch (...) {
        }
#else
        tell(told);
#endif
    }

private:
    struct item {
        removal why;
        Key key;
        Value value;
        item* next;
    };

    [[nodiscard]] item* take() noexcept { return std::exchange(first_, first_->next); }
    template <class Listener>
    void tell_next(Listener& told) {
        auto* const next = take();
        unless_done const free{[next]() noexcept { delete next; }};
        told(next->why, std::as_const(next->key), next->value);
    }

    item* first_ = nullptr;
    item* last_ = nullptr;  // of a list that is not empty
};

/// The listener that notes what another one is to be told.
template <class Key, class Value>
struct note_taker {
    news<Key, Value>* untold = nullptr;
    void operator()(removal why, Key const& key, Value& value) const { untold->add(why, key, value); }
};

}  // namespace muster::cache::detail
