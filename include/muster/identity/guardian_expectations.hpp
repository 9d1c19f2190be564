// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What a guardian's person has said before it came: whose shares are kept, and the digits of a recovery.
///
/// Idea: nothing that a request or an offer needs can be taken by asking, since anybody can ask. So a person may speak
/// first, and what they named is taken when it comes. It is kept over a restart, or the person's word would be lost
/// without anybody noticing.
///
/// Layout: count (1); of each the time until which it is expected (8, milliseconds of Unix time), the owner or nothing,
/// the digits or nothing, each behind its length.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <muster/core/result.hpp>
#include <muster/core/time.hpp>
#include <muster/identity/errc.hpp>
#include <muster/identity/user_id.hpp>
#include <muster/wire/reader.hpp>
#include <muster/wire/writer.hpp>

namespace muster::identity {

/// Bounded: the oldest makes room. Not thread-safe.
class guardian_expectations {
public:
    /// One: an owner, or digits.
    struct expectation {
        timestamp until{};
        std::optional<user_id> owner;
        std::string digits;
    };
    static constexpr std::size_t digits_max = 64;  ///< Characters. Ours.

    /// @param size_max  at most 255.
    explicit guardian_expectations(std::size_t size_max) noexcept : size_max_{size_max} {}

    void add(expectation e) {
        std::erase_if(all_, [&](expectation const& o) { return o.owner == e.owner && o.digits == e.digits; });
        if (all_.size() >= size_max_) all_.erase(all_.begin());
        all_.push_back(std::move(e));
    }
    /// Whether shares of @p owner are expected; once.
    [[nodiscard]] bool take(user_id const& owner) {
        return std::erase_if(all_, [&](expectation const& e) { return e.owner == owner; }) != 0;
    }
    /// Whether a request of these digits is expected; once.
    [[nodiscard]] bool take(std::string const& digits) {
        return std::erase_if(all_, [&](expectation const& e) { return !e.owner && e.digits == digits; }) != 0;
    }
    /// Nothing is expected for longer than until @p latest: a clock that was ahead had it otherwise.
    void bring_near(timestamp latest) {
        for (auto& e : all_) e.until = std::min(e.until, latest);
    }
    /// Forgets what was to come before @p now.
    void expire(timestamp now) {
        std::erase_if(all_, [&](expectation const& e) { return e.until <= now; });
    }

    [[nodiscard]] bytes encoded() const {
        wire::writer out;
        out.u8(static_cast<std::uint8_t>(all_.size()));
        for (auto const& e : all_) {
            out.i64(to_unix_millis(e.until)).sized(e.owner ? e.owner->view() : byte_view{}).sized(as_bytes(e.digits));
        }
        return out.take();
    }
    /// Takes what @ref encoded gave, of which nothing is expected for longer than until @p latest.
    /// @return `malformed`, and nothing has changed.
    [[nodiscard]] result<void> decode(byte_view kept, timestamp latest) {
        wire::reader in{kept};
        guardian_expectations read{size_max_};
        for (auto n = in.u8(); n > 0 && in.ok(); --n) {
            expectation e{std::min(from_unix_millis(in.i64()), latest), {}, {}};
            if (auto const owner = in.sized(user_id::size()); owner.size() == user_id::size()) {
                e.owner = user_id::from(owner);
            }
            e.digits = in.sized_text(digits_max);
            read.add(std::move(e));
        }
        if (auto const done = in.finish(); !done) {
            return error{errc::malformed, text("what is expected: ", done.error().message())};
        }
        all_ = std::move(read.all_);
        return ok();
    }

private:
    std::size_t size_max_;
    std::vector<expectation> all_;
};

}  // namespace muster::identity
