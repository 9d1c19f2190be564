// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Keyed hashes of keys. Who knows the hash can choose keys that collide, so the key of the hash is secret.
///
/// `multiply_hash` folds 64 by 64 bit products of the input, mixed with a 256-bit key (the construction of wyhash and
/// of NH in UMAC): 1 to 2 ns for 32 bytes. `sip_hash` is SipHash-2-4 (Aumasson and Bernstein, 2012), a pseudorandom
/// function by design, ten times dearer.
///
/// What they take is a list, since a wrong guess is a key that is never found: text hashes as its characters, so a
/// look-up by `std::string_view` needs no `std::string`; integers and enumerations as their values; what
/// @ref bytes_are_value says as its bytes; pairs and tuples member by member. Everything else does not compile. A
/// pointer's bytes are an address, a view's are one and a length, and a fraction has two zeros, so none of them is
/// taken. A hash for a type of your own is a line:
///
///     struct key_hash {
///         cache::multiply_hash hash;
///         std::uint64_t operator()(key const& k) const { return hash(std::tie(k.name, k.number)); }
///     };

#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include <muster/core/system_seed.hpp>

namespace muster::cache {

/// The secret of a hash. Not a cryptographic secret: it protects the speed of one table in one process.
struct hash_key {
    std::uint64_t words[4];

    /// A key that the operating system draws. When it has none to give, the key is merely different in each process.
    [[nodiscard]] static hash_key random() noexcept {
        return {{system_seed(), system_seed(), system_seed(), system_seed()}};
    }
};

/// Hashes keys to 64 bits, all of which are uniform to whoever does not know the secret.
///
/// Semantics: equal keys have equal hashes, also across the types that a cache is asked with. Regular, O(size).
template <class H, class Key>
concept hasher = requires(H const& h, Key const& key) {
    { h(key) } -> std::same_as<std::uint64_t>;
};

namespace detail {
/// Whether @p T itself, and not only a base of it, says that it is compared by its bytes.
template <class T>
concept compared_by_bytes = std::same_as<typename T::compared_by_bytes, T>;
}  // namespace detail

/// Whether equal values of @p T have equal bytes and all of the value is in them: integers, enumerations, arrays of
/// such, `fixed_bytes`. A type of your own without padding, pointers, views and fractions may opt in:
///
///     template <>
///     inline constexpr bool muster::cache::bytes_are_value<my_id> = true;
template <class T>
inline constexpr bool bytes_are_value = std::integral<T> || std::is_enum_v<T> || detail::compared_by_bytes<T>;
template <class T, std::size_t N>
inline constexpr bool bytes_are_value<T[N]> = bytes_are_value<T>;
template <class T, std::size_t N>
inline constexpr bool bytes_are_value<std::array<T, N>> = N != 0 && bytes_are_value<T>;

/// Whether @p T stands for the characters that it converts to, as a `std::string_view`, and is equal to what has the
/// same: standard strings and views of `char`, literals, @ref inline_text. A type of your own may opt in.
template <class T>
inline constexpr bool is_text = false;
template <>
inline constexpr bool is_text<std::string_view> = true;
template <>
inline constexpr bool is_text<char const*> = true;  // looked up by; a key is no pointer
template <>
inline constexpr bool is_text<char*> = true;
template <std::size_t N>
inline constexpr bool is_text<char[N]> = true;
// std::basic_string<char>, whatever its allocator, without its header.
template <template <class, class, class> class String, class Allocator>
inline constexpr bool is_text<String<char, std::char_traits<char>, Allocator>> =
    std::convertible_to<String<char, std::char_traits<char>, Allocator> const&, std::string_view>;

namespace detail {

template <class T>
inline constexpr bool has_members = false;
template <class... T>
inline constexpr bool has_members<std::tuple<T...>> = sizeof...(T) != 0;
template <class A, class B>
inline constexpr bool has_members<std::pair<A, B>> = true;

/// Whether a stored key of type @p T would be compared by an address, and hashed by what is there.
template <class T>
inline constexpr bool holds_address = std::is_pointer_v<T>;
template <class... T>
inline constexpr bool holds_address<std::tuple<T...>> = (holds_address<std::remove_cvref_t<T>> || ...);
template <class A, class B>
inline constexpr bool holds_address<std::pair<A, B>> = holds_address<A> || holds_address<B>;

/// The hash of a pair or tuple by @p hash.
template <class Hash, class K>
[[nodiscard]] std::uint64_t hash_members(Hash const& hash, K const& key) noexcept {
    return std::apply(
        [&](auto const&... members) { return hash(std::array<std::uint64_t, sizeof...(members)>{hash(members)...}); },
        key);
}

/// The bytes that stand for a key.
template <class K>
[[nodiscard]] std::string_view octets_of(K const& key) noexcept {
    if constexpr (is_text<K>) {
        return key;
    } else {
        static_assert(bytes_are_value<K>,
                      "keys of this type have no default hash, since their bytes need not be their value (pointers, "
                      "views, padding, fractions): give the cache a `hash`, or say cache::bytes_are_value<K> = true");
        static_assert(!bytes_are_value<K> || std::has_unique_object_representations_v<K>,
                      "bytes_are_value was said of a type with padding or fractions, whose bytes are not its value: "
                      "give the cache a `hash`");
        return {reinterpret_cast<char const*>(&key), sizeof key};
    }
}

[[nodiscard]] inline std::uint64_t load64(char const* at) noexcept {
    std::uint64_t word;
    std::memcpy(&word, at, 8);
    return word;
}
[[nodiscard]] inline std::uint64_t load32(char const* at) noexcept {
    std::uint32_t word;
    std::memcpy(&word, at, 4);
    return word;
}
/// 0 to 8 bytes.
[[nodiscard]] inline std::uint64_t load_rest(char const* at, std::size_t size) noexcept {
    std::uint64_t word = 0;
    std::memcpy(&word, at, size);
    return word;
}
/// All of 0 to 16 bytes, in two words; of one size, different bytes give different words.
struct two_words {
    std::uint64_t first;
    std::uint64_t second;
};
[[nodiscard]] inline two_words load_short(char const* at, std::size_t size) noexcept {
    if (size >= 8) return {load64(at), load64(at + size - 8)};
    if (size >= 4) return {load32(at), load32(at + size - 4)};
    if (size == 0) return {0, 0};
    auto const octet = [&](std::size_t i) { return static_cast<std::uint64_t>(static_cast<unsigned char>(at[i])); };
    return {octet(0) << 16 | octet(size / 2) << 8 | octet(size - 1), 0};
}
/// A permutation that leaves no pattern: the finaliser of SplitMix64.
[[nodiscard]] constexpr std::uint64_t scramble(std::uint64_t z) noexcept {
    z += 0x9e37'79b9'7f4a'7c15u;
    z = (z ^ (z >> 30)) * 0xbf58'476d'1ce4'e5b9u;
    z = (z ^ (z >> 27)) * 0x94d0'49bb'1331'11ebu;
    return z ^ (z >> 31);
}
/// Both halves of a product, folded.
[[nodiscard]] inline std::uint64_t fold(std::uint64_t a, std::uint64_t b) noexcept {
    __extension__ using wide = unsigned __int128;
    auto const product = static_cast<wide>(a) * b;
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

}  // namespace detail

/// The default: keyed multiply and fold.
class multiply_hash {
public:
    multiply_hash() noexcept : multiply_hash{hash_key::random()} {}
    /// Any key will do: it is stretched to words that multiply well.
    explicit multiply_hash(hash_key const& key) noexcept : k_{key} {
        std::uint64_t chain = 0;
        for (auto& word : k_.words) word = (chain = detail::scramble(word + chain)) | 1;
    }

    /// Returns 64 bits. The type is deduced so that whoever asks for it is told which keys are not taken.
    template <class K>
    [[nodiscard]] auto operator()(K const& key) const noexcept {
        if constexpr (std::integral<K> || std::is_enum_v<K>) {
            return of_word(static_cast<std::uint64_t>(key));
        } else if constexpr (detail::has_members<K>) {
            return detail::hash_members(*this, key);
        } else if constexpr (!is_text<K> && sizeof(K) <= 8) {
            return of_word(detail::load_rest(detail::octets_of(key).data(), sizeof(K)));
        } else if constexpr (!is_text<K> && sizeof(K) == 32) {
            auto const* const p = detail::octets_of(key).data();
            auto const a = detail::fold(detail::load64(p) ^ k_.words[0], detail::load64(p + 8) ^ k_.words[1]);
            auto const b = detail::fold(detail::load64(p + 16) ^ k_.words[2], detail::load64(p + 24) ^ k_.words[3]);
            return finish(a ^ std::rotl(b, 32), 32);
        } else {
            return of(detail::octets_of(key));
        }
    }

private:
    [[nodiscard]] std::uint64_t of_word(std::uint64_t word) const noexcept {
        return finish(detail::fold(word ^ k_.words[0], k_.words[1]), sizeof word);
    }
    // Loads overlap rather than stop at the end: a copy of a length that is not known costs more than the hash.
    [[nodiscard]] std::uint64_t of(std::string_view in) const noexcept {
        auto const* p = in.data();
        auto const size = in.size();
        auto state = k_.words[2];
        if (size <= 16) {
            auto const [a, b] = detail::load_short(p, size);
            return finish(detail::fold(a ^ k_.words[0] ^ state, b ^ k_.words[1]), size);
        }
        auto const* const last = p + size - 16;
        for (; p < last; p += 16) {
            state = detail::fold(detail::load64(p) ^ k_.words[0] ^ state, detail::load64(p + 8) ^ k_.words[1]);
        }
        return finish(detail::fold(detail::load64(last) ^ k_.words[0] ^ state, detail::load64(last + 8) ^ k_.words[1]),
                      size);
    }
    [[nodiscard]] std::uint64_t finish(std::uint64_t state, std::size_t size) const noexcept {
        return detail::fold(state ^ k_.words[3], k_.words[2] + size);
    }

    hash_key k_;
};

/// SipHash-2-4.
class sip_hash {
public:
    sip_hash() noexcept : sip_hash{hash_key::random()} {}
    explicit sip_hash(hash_key const& key) noexcept : k0_{key.words[0]}, k1_{key.words[1]} {}

    /// As with @ref multiply_hash.
    template <class K>
    [[nodiscard]] auto operator()(K const& key) const noexcept {
        if constexpr (std::integral<K> || std::is_enum_v<K>) {
            return of(detail::octets_of(static_cast<std::uint64_t>(key)));
        } else if constexpr (detail::has_members<K>) {
            return detail::hash_members(*this, key);
        } else {
            return of(detail::octets_of(key));
        }
    }

private:
    [[nodiscard]] std::uint64_t of(std::string_view in) const noexcept {
        std::uint64_t v[4] = {k0_ ^ 0x736f'6d65'7073'6575u, k1_ ^ 0x646f'7261'6e64'6f6du, k0_ ^ 0x6c79'6765'6e65'7261u,
                              k1_ ^ 0x7465'6462'7974'6573u};
        auto const* p = in.data();
        auto left = in.size();
        for (; left >= 8; p += 8, left -= 8) take(v, detail::load64(p));
        take(v, detail::load_rest(p, left) | static_cast<std::uint64_t>(in.size()) << 56);
        v[2] ^= 0xff;
        for (int i = 0; i < 4; ++i) round(v);
        return v[0] ^ v[1] ^ v[2] ^ v[3];
    }
    static void take(std::uint64_t (&v)[4], std::uint64_t word) noexcept {
        v[3] ^= word;
        round(v);
        round(v);
        v[0] ^= word;
    }
    static void round(std::uint64_t (&v)[4]) noexcept {
        v[0] += v[1];
        v[1] = std::rotl(v[1], 13) ^ v[0];
        v[0] = std::rotl(v[0], 32);
        v[2] += v[3];
        v[3] = std::rotl(v[3], 16) ^ v[2];
        v[0] += v[3];
        v[3] = std::rotl(v[3], 21) ^ v[0];
        v[2] += v[1];
        v[1] = std::rotl(v[1], 17) ^ v[2];
        v[2] = std::rotl(v[2], 32);
    }

    std::uint64_t k0_;
    std::uint64_t k1_;
};

}  // namespace muster::cache
