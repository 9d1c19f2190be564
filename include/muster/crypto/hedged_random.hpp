// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Secret randomness that differs even where its source repeats itself.
///
/// A virtual machine that is resumed twice from one image, a container that was forked from a warm one, or a broken
/// generator can give the same bytes twice. Then nonces repeat, and with them the key is lost. So the source's bytes
/// are hashed together with what is likely to differ: the process id, the boot id, both clocks in nanoseconds and a
/// counter of this process. As long as the source is good its bytes alone decide, since they enter the hash; where it
/// is not, none of the rest is secret, and all it does is to make repetitions unlikely.
///
/// Source: the hedging of nonces in Bellare and Tackmann, "Nonce-Based Cryptography: Retaining Security when Randomness
/// Fails", EUROCRYPT 2016; and BIP-327's advice to give NonceGen all optional arguments.

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <utility>

#include <muster/crypto/hash.hpp>
#include <muster/crypto/secret.hpp>
#include <muster/crypto/system_random.hpp>

namespace muster::crypto {

/// A model of secret_source over another one. As thread-safe as that is; safe after fork.
template <secret_source Source = system_random>
class hedged_random {
public:
    hedged_random() = default;
    explicit hedged_random(Source source) noexcept : source_{std::move(source)} {}

    /// Fills @p out; every 32 bytes of it take 32 bytes of the source. Errors: the source's; `no_entropy` when it
    /// gives zeros alone, which hashing would conceal.
    [[nodiscard]] result<void> fill_secret(byte_span out) {
        static hash_tag const tag{"muster/hedged-random/v1"};
        while (!out.empty()) {
            std::array<byte, 32> fresh{};
            wipe_on_exit const wipe_fresh{fresh};
            MUSTER_TRY(source_.fill_secret(fresh));
            byte any = 0;
            for (byte const b : fresh) any = static_cast<byte>(any | b);
            if (any == 0) return error{errc::no_entropy, "the random source returned 32 zeros; it is broken"};
            auto block = tagged_hash(tag, byte_view{fresh}, circumstances());
            wipe_on_exit const wipe_block{block.octets};
            auto const size = out.size() < block.octets.size() ? out.size() : block.octets.size();
            for (std::size_t i = 0; i < size; ++i) out[i] = block.octets[i];
            out = out.subspan(size);
        }
        return ok();
    }

private:
    static constexpr std::size_t boot_id_size = 36;

    /// The text by which Linux names this boot; zeros where it does not tell.
    [[nodiscard]] static std::array<byte, boot_id_size> const& boot_id() {
        static auto const id = [] {
            std::array<byte, boot_id_size> text{};
            auto const file = ::open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
            if (file < 0) return text;
            if (::read(file, text.data(), text.size()) != static_cast<ssize_t>(text.size())) text = {};
            ::close(file);
            return text;
        }();
        return id;
    }

    [[nodiscard]] static std::array<byte, boot_id_size + 5 * 8> circumstances() {
        static std::atomic<std::uint64_t> calls{0};
        timespec wall{}, monotonic{};
        ::clock_gettime(CLOCK_REALTIME, &wall);
        ::clock_gettime(CLOCK_MONOTONIC, &monotonic);
        auto const nanoseconds = [](timespec const& t) {
            return static_cast<std::uint64_t>(t.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(t.tv_nsec);
        };
        std::array<byte, boot_id_size + 5 * 8> all{};
        auto at = all.begin();
        for (byte const b : boot_id()) *at++ = b;
        for (std::uint64_t word : {static_cast<std::uint64_t>(::getpid()), static_cast<std::uint64_t>(::getppid()),
                                   nanoseconds(wall), nanoseconds(monotonic), calls.fetch_add(1)}) {
            for (int i = 0; i < 8; ++i, word >>= 8) *at++ = static_cast<byte>(word);
        }
        return all;
    }

    [[no_unique_address]] Source source_;
};
static_assert(secret_source<hedged_random<>>);

}  // namespace muster::crypto
