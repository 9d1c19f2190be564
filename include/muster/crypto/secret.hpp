// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Memory for secrets: move-only, wiped, locked, left out of core dumps, zero in a forked child.
///
/// Idea: secrets live in pages of their own, so that the kernel can be told four things about them:
/// do not swap (`mlock`), do not dump (`MADV_DONTDUMP`), do not hand to a child (`MADV_WIPEONFORK`), and
/// they are nothing else's neighbours. Each page is cut into 28 slots; slot 0 holds a mark that is
/// not zero, so a page that a fork has wiped is recognised by its missing mark. Bookkeeping stays
/// outside the pages, where a fork does not erase it.
/// @see madvise(2), mlock(2). A snapshot of a whole virtual machine copies these pages too; nothing in user
/// space can prevent that.

#include <sys/mman.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <utility>
#include <vector>

#include <openssl/crypto.h>

#include <muster/core/random.hpp>
#include <muster/core/result.hpp>
#include <muster/crypto/errc.hpp>

namespace muster::crypto {

/// Overwrites @p memory in a way the compiler keeps.
inline void wipe(byte_span memory) noexcept { OPENSSL_cleanse(memory.data(), memory.size()); }

/// Wipes stack bytes when the scope ends, on every path out of it.
class wipe_on_exit {
public:
    explicit wipe_on_exit(byte_span memory) noexcept : memory_{memory} {}
    wipe_on_exit(wipe_on_exit const&) = delete;
    wipe_on_exit& operator=(wipe_on_exit const&) = delete;
    ~wipe_on_exit() { wipe(memory_); }

private:
    byte_span memory_;
};

/// Wipes what the functions called in a scope have left on the stack, on every path out of the scope; own variables are
/// not touched. libsecp256k1 0.2.0 leaves scalars behind in its frames, from which neither its caller nor it can wipe
/// them otherwise. Make it the first variable of a function that hands secrets to a library. About 0.3 us.
class wipe_stack_on_exit {
public:
    wipe_stack_on_exit() = default;
    wipe_stack_on_exit(wipe_stack_on_exit const&) = delete;
    wipe_stack_on_exit& operator=(wipe_stack_on_exit const&) = delete;
    ~wipe_stack_on_exit() { wipe_below(); }

private:
    /// Deeper than libsecp256k1's and OpenSSL's functions go: they take up to 5 KiB here. Ours.
    static constexpr std::size_t depth = 16u << 10;

    [[gnu::noinline]] static void wipe_below() noexcept {
        byte frames[depth];  // not initialised: wiping is all that happens to it
        OPENSSL_cleanse(frames, sizeof frames);
    }
};

namespace detail {

/// All pages that hold secrets. Thread-safe; pages are kept for reuse and never returned.
class secret_arena {
public:
    static constexpr std::size_t page_size = 4096;
    static constexpr std::size_t slot_size = 144;  ///< Fits libsecp256k1's largest secret, a secret nonce of 132.
    static constexpr std::size_t slots = page_size / slot_size;

    [[nodiscard]] static secret_arena& instance() {
        static secret_arena arena;
        return arena;
    }

    /// A slot of zeros.
    [[nodiscard]] result<byte*> take() {
        std::lock_guard const lock{mutex_};
        for (auto& page : pages_) {
            if (page.used != all_used && *page.memory != 0) return take_from(page);
        }
        MUSTER_TRY(auto memory, map_page());
        *memory = 1;
        pages_.push_back({memory, 1});
        return take_from(pages_.back());
    }

    void give_back(byte* slot) noexcept {
        wipe({slot, slot_size});
        std::lock_guard const lock{mutex_};
        auto* const start = page_of(slot);
        for (auto& page : pages_) {
            if (page.memory == start) {
                page.used &= ~(std::uint32_t{1} << (static_cast<std::size_t>(slot - start) / slot_size));
            }
        }
    }

    /// Whether the page of @p slot is still the process's that took it, and was not wiped by a fork.
    [[nodiscard]] static bool is_owned(byte const* slot) noexcept { return *page_of(slot) != 0; }

private:
    struct locked_page {
        byte* memory;
        std::uint32_t used;  ///< One bit per slot; bit 0 is the mark.
    };
    static_assert(slots < 32, "one bit of `used` per slot");
    static constexpr std::uint32_t all_used = (std::uint32_t{1} << slots) - 1;

    template <class Byte>
    [[nodiscard]] static Byte* page_of(Byte* slot) noexcept {
        return slot - reinterpret_cast<std::uintptr_t>(slot) % page_size;
    }

    [[nodiscard]] static byte* take_from(locked_page& p) noexcept {
        std::size_t i = 1;
        while ((p.used >> i & 1) != 0) ++i;
        p.used |= std::uint32_t{1} << i;
        return p.memory + i * slot_size;
    }

    [[nodiscard]] static result<byte*> map_page() {
        void* const at = ::mmap(nullptr, page_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (at == MAP_FAILED) {
            return error{errc::no_locked_memory, "mmap refused a page for secrets: out of memory"};
        }
        if (::mlock(at, page_size) != 0 || ::madvise(at, page_size, MADV_DONTDUMP) != 0 ||
            ::madvise(at, page_size, MADV_WIPEONFORK) != 0) {
            ::munmap(at, page_size);
            return error{errc::no_locked_memory,
                         "the kernel refused to lock a page for secrets; raise RLIMIT_MEMLOCK "
                         "(ulimit -l), and note that Linux 4.14 or newer is needed"};
        }
        return static_cast<byte*>(at);
    }

    std::mutex mutex_;
    std::vector<locked_page> pages_;
};

}  // namespace detail

/// @p N bytes that nobody else should see. Move-only; a moved-from secret is empty.
///
/// There is no comparison, no printing and no serialisation. Distinct objects may be used from distinct
/// threads; one object from one thread at a time, but when threads race to move it away, exactly one gets it.
template <std::size_t N>
class secret {
    static_assert(N <= detail::secret_arena::slot_size);

public:
    /// An empty secret, as a moved-from one is.
    secret() noexcept = default;

    /// A secret of zeros, or `no_locked_memory`.
    [[nodiscard]] static result<secret> make() {
        MUSTER_TRY(auto* const slot, arena::instance().take());
        return secret{slot};
    }
    /// Fresh bytes of @p source, or its error.
    [[nodiscard]] static result<secret> generate(secret_source auto& source) {
        MUSTER_TRY(auto made, make());
        MUSTER_TRY(source.fill_secret(made.span()));
        return made;
    }
    /// A copy of @p plain, which the caller wipes. Expects `plain.size() == N`.
    [[nodiscard]] static result<secret> copy_of(byte_view plain) {
        MUSTER_TRY(auto made, make());
        auto out = made.span();
        for (std::size_t i = 0; i < N && i < plain.size(); ++i) out[i] = plain[i];
        return made;
    }

    secret(secret&& other) noexcept : slot_{other.slot_.exchange(nullptr)} {}
    secret& operator=(secret&& other) noexcept {
        auto* const taken = other.slot_.exchange(nullptr);
        reset();
        slot_ = taken;
        return *this;
    }
    secret(secret const&) = delete;
    secret& operator=(secret const&) = delete;
    ~secret() { reset(); }

    /// Wipes and empties.
    void reset() noexcept {
        if (auto* const slot = slot_.exchange(nullptr)) arena::instance().give_back(slot);
    }

    /// A second secret with the same bytes, said aloud.
    [[nodiscard]] result<secret> clone() const {
        MUSTER_TRY(require());
        return copy_of(view());
    }

    /// Whether there is something to use: false when empty, and in a child that was forked afterwards.
    [[nodiscard]] bool intact() const noexcept {
        auto const* const slot = slot_.load();
        return slot != nullptr && arena::is_owned(slot);
    }

    /// `secret_gone` unless @ref intact.
    [[nodiscard]] result<void> require() const {
        if (intact()) return ok();
        return error{errc::secret_gone, slot_.load() == nullptr ? "the secret was moved away or used up"
                                                                : "the secret belongs to the parent of this process; "
                                                                  "make keys and sessions after fork, not before"};
    }

    /// The bytes. Expects a secret that is not empty.
    [[nodiscard]] byte_view view() const noexcept { return {slot_.load(), N}; }
    /// @copydoc view
    [[nodiscard]] byte_span span() noexcept { return {slot_.load(), N}; }

private:
    using arena = detail::secret_arena;

    explicit secret(byte* slot) noexcept : slot_{slot} {}

    std::atomic<byte*> slot_{nullptr};
};

}  // namespace muster::crypto
