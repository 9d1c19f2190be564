// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What has to be undone when a function is left by an exception, also in builds that have none.

#include <utility>

#include <muster/core/version.hpp>

namespace muster::cache::detail {

/// Calls @p F when it is destroyed, unless somebody has said before that it @ref is_done. @p F must not throw.
template <class F>
class unless_done {
public:
    explicit unless_done(F undo) noexcept : undo_{std::move(undo)} {}
    unless_done(unless_done const&) = delete;
    unless_done& operator=(unless_done const&) = delete;
    ~unless_done() {
        if (!done_) undo_();
    }
    /// From here on there is nothing to undo.
    void is_done() noexcept { done_ = true; }

private:
    F undo_;
    bool done_ = false;
};

}  // namespace muster::cache::detail
