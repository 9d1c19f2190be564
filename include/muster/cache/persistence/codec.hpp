// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// How keys and values become bytes.

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

#include <muster/cache/hasher.hpp>
#include <muster/core/bytes.hpp>
#include <muster/core/time.hpp>
#include <muster/wire/reader.hpp>
#include <muster/wire/writer.hpp>

namespace muster::cache {

/// Writes the entries of a persistent cache, and reads them back.
///
/// Semantics: reading gives what was written; bytes that it cannot have written are marked by `reader.fail`. `id` is
/// another one whenever the bytes change their meaning: a file of another id is not read. `read_value` is told the
/// wall time, so that times that lie in the future can be brought back to it.
template <class C>
concept codec = requires(C const& c, wire::writer& w, wire::reader& r, typename C::key_type const& k,
                         typename C::value_type const& v, timestamp now) {
    { C::id } -> std::convertible_to<std::uint32_t>;
    c.write_key(w, k);
    c.write_value(w, v);
    { c.read_key(r) } -> std::same_as<typename C::key_type>;
    { c.read_value(r, now) } -> std::same_as<typename C::value_type>;
};

/// What `plain_codec` takes: integers, `std::string`, `inline_text`, `bytes`, `fixed_bytes`. No view and no
/// pointer, which would have nobody who owns what they show when they are read back.
template <class T>
concept plain = std::integral<T> || std::same_as<T, std::string> || std::same_as<T, bytes> ||
    detail::compared_by_bytes<T> ||(is_text<T>&& requires(std::string_view text) {
        { T::fits(text) } -> std::same_as<bool>;
        T{text};
    });

/// A codec for keys and values that are @ref plain.
template <class Key, class Value, std::uint32_t Id = 0>
struct plain_codec {
    static_assert(plain<Key> && plain<Value>,
                  "plain_codec takes integers, std::string, inline_text, bytes and fixed_bytes, and no views or "
                  "pointers: keep strings, or write a codec");

    using key_type = Key;
    using value_type = Value;
    static constexpr std::uint32_t id = Id;

    void write_key(wire::writer& w, Key const& k) const { write(w, k); }
    void write_value(wire::writer& w, Value const& v) const { write(w, v); }
    [[nodiscard]] Key read_key(wire::reader& r) const { return read<Key>(r); }
    [[nodiscard]] Value read_value(wire::reader& r, timestamp) const { return read<Value>(r); }

private:
    template <class T>
    static void write(wire::writer& w, T const& v) {
        if constexpr (std::integral<T>) {
            w.u64(static_cast<std::uint64_t>(v));
        } else if constexpr (std::same_as<T, bytes>) {
            w.sized(v);
        } else if constexpr (std::convertible_to<T const&, std::string_view>) {
            w.sized(std::string_view{v});
        } else {
            w.raw(v.view());
        }
    }
    template <class T>
    [[nodiscard]] static T read(wire::reader& r) {
        if constexpr (std::integral<T>) {
            auto const word = r.u64();
            auto const v = static_cast<T>(word);
            if (static_cast<std::uint64_t>(v) != word) r.fail(wire::errc::bad_value, "an integer out of its range");
            return v;
        } else if constexpr (std::same_as<T, std::string>) {
            return r.sized_text(r.remaining());
        } else if constexpr (std::same_as<T, bytes>) {
            return to_bytes(r.sized(r.remaining()));
        } else if constexpr (std::convertible_to<T const&, std::string_view>) {
            auto const text = r.sized_text(r.remaining());
            if (!T::fits(text)) r.fail(wire::errc::too_large, "a text of bounded length is longer");
            return T{text};
        } else {
            return r.fixed<T>();
        }
    }
};

}  // namespace muster::cache
