// SPDX-License-Identifier: MIT

#include "keyring.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include <muster/crypto/hedged_random.hpp>

#include "files.hpp"

namespace cosigner {

namespace fs = std::filesystem;
using muster::error;
using muster::ok;
using muster::text;

namespace {

bool is_there(fs::path const& path) {
    struct stat found {};
    return ::lstat(path.c_str(), &found) == 0;
}
result<void> check_private(fs::path const& path) {
    struct stat found {};
    if (::stat(path.c_str(), &found) != 0) return failed("cannot look at", path);
    if ((found.st_mode & 077) == 0) return ok();
    return error{errc::bad_directory, text(path.string(),
                                           " can be read by others; "
                                           "`chmod 600` it, and consider the key exposed")};
}
std::string_view as_text(muster::byte_view content) {
    return {reinterpret_cast<char const*>(content.data()), content.size()};
}

}  // namespace

bool keyring::is_wrapped() const { return is_there(wrapped()); }
bool keyring::has_leftover() const { return is_wrapped() && is_there(plain()); }

result<void> keyring::check() const {
    for (auto const& path : {wrapped(), plain()}) {
        if (is_there(path)) return check_private(path);
    }
    return error{errc::bad_directory,
                 text("no co-signer lives in ", dir_.string(), "; make one with `cosigner init ", dir_.string(), "`")};
}

result<muster::identity::key_file_owner> keyring::owner() const {
    if (is_wrapped()) {
        MUSTER_TRY(auto const content, file());
        MUSTER_TRY(auto const read, key_file::read(content));
        return read.owner();
    }
    MUSTER_TRY(auto const key, read_plain());
    MUSTER_TRY(auto const keys, key.keys());
    MUSTER_TRY(auto const user, key.user());
    return muster::identity::key_file_owner{key.epoch, user, keys.node.public_key(), keys.signer.public_key()};
}

result<muster::bytes> keyring::file() const { return read_file(wrapped()); }

result<master_key> keyring::unlock(passphrase_source const& ask) const {
    if (!is_wrapped()) return read_plain();
    MUSTER_TRY(auto const content, file());
    MUSTER_TRY(auto const read, key_file::read(content));
    MUSTER_TRY(auto const phrase, ask());
    return read.open(phrase);
}

// The digits, and behind an epoch other than 0 a blank and its number.
result<master_key> keyring::read_plain() const {
    MUSTER_TRY(auto raw, read_file(plain()));
    muster::crypto::wipe_on_exit const wipe_raw{raw};
    auto line = as_text(raw);
    if (line.ends_with('\n')) line.remove_suffix(1);
    auto const malformed = [&] {
        return error{errc::bad_directory, text(plain().string(), " does not hold 64 hexadecimal digits")};
    };
    std::uint64_t epoch = 0;
    if (line.size() > 64) {
        auto number = line.substr(64);
        if (number.size() < 2 || number.size() > 10 || number[0] != ' ' || number[1] == '0') return malformed();
        for (char const c : number.substr(1)) {
            if (c < '0' || c > '9') return malformed();
            epoch = epoch * 10 + static_cast<std::uint64_t>(c - '0');
        }
        line = line.substr(0, 64);
    }
    auto decoded = muster::from_hex(line);
    if (!decoded || decoded.value().size() != 32) return malformed();
    muster::crypto::wipe_on_exit const wipe_decoded{decoded.value()};
    MUSTER_TRY(auto seed, muster::crypto::secret<32>::copy_of(decoded.value()));
    return master_key{std::move(seed), static_cast<muster::peer::key_epoch>(epoch)};
}

result<void> keyring::keep(master_key const& key) const {
    auto line = muster::to_hex(key.seed.view());
    line.reserve(line.size() + 16);  // so that it does not leave itself behind where it grows
    if (key.epoch != 0) line.append(" ").append(std::to_string(key.epoch));
    line.push_back('\n');
    auto const written = replace_private(plain(), line);
    muster::crypto::wipe({reinterpret_cast<muster::byte*>(line.data()), line.size()});
    return written;
}

result<void> keyring::keep(muster::bytes const& content) const {
    MUSTER_TRY(replace_private(wrapped(), as_text(content)));
    return remove_plain();
}

// Overwritten first: what the file system does with that is its own affair, but where it does what it is told the seed
// is gone.
result<void> keyring::remove_plain() const {
    if (!is_there(plain())) return ok();
    {
        descriptor const seed{::open(plain().c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW)};
        static constexpr std::string_view zeros = "0000000000000000000000000000000000000000000000000000000000000000";
        if (seed.get() >= 0 && ::write(seed.get(), zeros.data(), zeros.size()) > 0) (void)::fsync(seed.get());
    }
    if (::unlink(plain().c_str()) != 0) return failed("cannot remove", plain());
    return flush_directory(dir_);
}

result<muster::bytes> keyring::wrap(master_key const& key, passphrase const& phrase) {
    muster::crypto::hedged_random<> random;
    return key_file::wrap(key, phrase, random);
}

}  // namespace cosigner
