// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// How a peer is told of the notices that are known, in pages.
///
/// The question is the key behind which to begin, or nothing. The answer is a page: whether there is more (1 byte), a
/// count, and sealed notices behind their sizes, in the order of their keys.

#include <cstddef>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include <muster/core/bytes.hpp>
#include <muster/core/result.hpp>
#include <muster/wire/reader.hpp>
#include <muster/wire/varint.hpp>
#include <muster/wire/writer.hpp>

namespace muster::discovery {

/// The bytes of a key, as questions have it.
template <class Key>
[[nodiscard]] bytes bytes_of(Key const& key) {
    if constexpr (std::is_same_v<Key, std::string>) {
        return to_bytes(as_bytes(key));
    } else {
        return to_bytes(key.view());
    }
}
/// The key with these bytes; none where it cannot have them.
template <class Key>
[[nodiscard]] std::optional<Key> key_in(byte_view raw) {
    if constexpr (std::is_same_v<Key, std::string>) {
        return std::string{raw.begin(), raw.end()};
    } else {
        return raw.size() == Key::size() ? std::optional{Key::from(raw)} : std::nullopt;
    }
}

/// A page as it came. Borrows the bytes that it was read from.
struct notice_page {
    bool has_more = false;          ///< Whoever asks behind the last key is told more.
    std::vector<byte_view> sealed;  ///< As they are passed on, in the order of their keys.
};
/// Reads a page of notices of at most @p size_max bytes each. @return it, or what is wrong with it. O(bytes).
[[nodiscard]] inline result<notice_page> read_page(byte_view page, std::size_t size_max) {
    notice_page out;
    wire::reader in{page};
    out.has_more = in.u8() != 0;
    for (auto n = in.count(page.size(), 2); n > 0 && in.ok(); --n) out.sealed.push_back(in.sized(size_max));
    MUSTER_TRY(in.finish());
    return out;
}

/// A page in the making.
class page_writer {
public:
    /// @param size_max  bytes of all its notices.
    explicit page_writer(std::size_t size_max) : size_max_{size_max} {}
    /// Adds a notice; what is empty is left out. False from the first one on that does not fit.
    bool add(byte_view sealed) {
        if (sealed.empty() || is_full_) return !is_full_;
        is_full_ = size_ + sealed.size() + wire::varint_size_max > size_max_;
        if (is_full_) return false;
        list_.sized(sealed);
        size_ += sealed.size() + wire::varint_size_max;
        ++count_;
        return true;
    }
    /// The page, which says that there is more when something did not fit.
    [[nodiscard]] bytes take() {
        wire::writer out;
        out.u8(is_full_ ? 1 : 0).size(count_).raw(list_.take());
        return out.take();
    }

private:
    std::size_t size_max_;
    wire::writer list_;
    std::size_t count_ = 0;
    std::size_t size_ = 0;
    bool is_full_ = false;
};

}  // namespace muster::discovery
