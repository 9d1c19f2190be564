// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// One block of memory, allocated once, on a cache line.
///
/// Large blocks ask for huge pages: random access to tens of megabytes on pages of 4 KiB misses the translation buffer
/// nearly every time, which costs a million entries up to a quarter of their speed on some machines.

#include <cstddef>
#include <cstdint>
#include <new>
#include <type_traits>

#include <muster/core/version.hpp>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace muster::cache::detail {

/// Bytes of a cache line on the machines we know.
inline constexpr std::size_t line_size = 64;

/// Bytes of a huge page; blocks from two of them on ask for such pages.
inline constexpr std::size_t huge_page_size = std::size_t{2} << 20;

[[nodiscard]] constexpr std::align_val_t block_alignment(std::size_t least) noexcept {
    return std::align_val_t{least < line_size ? line_size : least};
}
/// Asks for huge pages for what of the block can have them. Wishes; small pages do as well.
inline void wish_for_huge_pages([[maybe_unused]] void* block, [[maybe_unused]] std::size_t octets) noexcept {
#if defined(MADV_HUGEPAGE)
    constexpr std::size_t page_size_max = std::size_t{64} << 10;  // of any Linux
    auto const skipped = page_size_max - reinterpret_cast<std::uintptr_t>(block) % page_size_max;
    auto* const begin = static_cast<char*>(block) + skipped;
    auto const size = (octets - skipped) / page_size_max * page_size_max;
    ::madvise(begin, size, MADV_DONTNEED);  // memory that was in use before would keep the pages it has
    ::madvise(begin, size, MADV_HUGEPAGE);
#endif
}
/// Not inlined: g++ 12 imagines sizes that there cannot be, and warns of them.
[[nodiscard, gnu::noinline]] inline void* allocate_block(std::size_t octets, std::size_t least_alignment) {
    if (octets == 0) return nullptr;
    auto* const block = ::operator new(octets, block_alignment(least_alignment));
    if (octets >= 2 * huge_page_size) wish_for_huge_pages(block, octets);
    return block;
}
inline void free_block(void* block, std::size_t least_alignment) noexcept {
    ::operator delete(block, block_alignment(least_alignment));
}

/// A fixed number of trivial values, all zero at first.
template <class T>
class array {
public:
    static_assert(std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T>);

    explicit array(std::size_t size)
        : data_{static_cast<T*>(allocate_block(size * sizeof(T), alignof(T)))}, size_{size} {
        for (std::size_t i = 0; i < size; ++i) ::new (static_cast<void*>(data_ + i)) T{};
    }
    array(array const&) = delete;
    array& operator=(array const&) = delete;
    ~array() { free_block(data_, alignof(T)); }

    [[nodiscard]] T& operator[](std::size_t i) noexcept { return data_[i]; }
    [[nodiscard]] T const& operator[](std::size_t i) const noexcept { return data_[i]; }
    [[nodiscard]] T* data() noexcept { return data_; }
    [[nodiscard]] T const* data() const noexcept { return data_; }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }

private:
    T* data_;
    std::size_t size_;
};

/// Room for a number of values that their user constructs and destroys. The memory is not touched before.
template <class T>
class raw_array {
public:
    explicit raw_array(std::size_t size) : data_{static_cast<T*>(allocate_block(size * sizeof(T), alignof(T)))} {}
    raw_array(raw_array const&) = delete;
    raw_array& operator=(raw_array const&) = delete;
    ~raw_array() { free_block(data_, alignof(T)); }

    [[nodiscard]] T* at(std::size_t i) noexcept { return data_ + i; }
    [[nodiscard]] T const* at(std::size_t i) const noexcept { return data_ + i; }
    [[nodiscard]] T& operator[](std::size_t i) noexcept { return *std::launder(data_ + i); }
    [[nodiscard]] T const& operator[](std::size_t i) const noexcept { return *std::launder(data_ + i); }

private:
    T* data_;
};

/// Asks for the line at @p p; it will be read soon. Inlined by force: g++ 12 takes a function that only does this for
/// one without effect, and leaves its calls out.
[[gnu::always_inline]] inline void prefetch([[maybe_unused]] void const* p) noexcept {
#if defined(__GNUC__)
    __builtin_prefetch(p);
#endif
}

}  // namespace muster::cache::detail
