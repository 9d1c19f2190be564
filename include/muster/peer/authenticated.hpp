// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What somebody has signed, and who.

#include <utility>

#include <muster/peer/peer_id.hpp>

namespace muster::peer {

/// A @p T that @ref who has signed, every byte of it. Only T's own functions make one, and they do so where they have
/// verified the signature; so that a function which takes one need not ask. A value.
template <class T>
class authenticated {
public:
    /// Who has signed it.
    [[nodiscard]] peer_id const& who() const noexcept { return who_; }

    [[nodiscard]] T const& operator*() const noexcept { return what_; }
    [[nodiscard]] T const* operator->() const noexcept { return &what_; }

    bool operator==(authenticated const&) const = default;

private:
    friend T;
    authenticated(peer_id const& who, T what) : who_{who}, what_{std::move(what)} {}

    peer_id who_;
    T what_;
};

}  // namespace muster::peer
