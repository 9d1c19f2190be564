// SPDX-License-Identifier: MIT

#include "keyring.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
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
bool keyring::has_leftover() const { return is_wrapped() && (is_there(plain()) || is_there(draft_of(plain()))); }

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
    return muster::identity::owner_of(key);
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
    std::string line;
    line.reserve(96);  // so that it does not leave itself behind where it grows
    {
        auto digits = muster::to_hex(key.seed.view());
        line.append(digits);
        muster::crypto::wipe({reinterpret_cast<muster::byte*>(digits.data()), digits.size()});
    }
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
    MUSTER_TRY(check_leftover());
    for (auto const& path : {plain(), draft_of(plain())}) {
        if (!is_there(path)) continue;
        {
            descriptor const seed{::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW)};
            if (seed.get() < 0) return failed("cannot overwrite", path);  // a link: what it names would stay
            static constexpr std::string_view zeros =
                "0000000000000000000000000000000000000000000000000000000000000000";
            if (::write(seed.get(), zeros.data(), zeros.size()) > 0) (void)::fsync(seed.get());
        }
        if (::unlink(path.c_str()) != 0) return failed("cannot remove", path);
    }
    return flush_directory(dir_);
}

// Somebody may have put a key file beside the seed of another co-signer, which there may be no copy of.
result<void> keyring::check_leftover() const {
    if (!is_there(plain())) return ok();
    auto const left = read_plain();
    if (!left || left.value().seed.view().empty()) return ok();
    bool const is_wiped = std::all_of(left.value().seed.view().begin(), left.value().seed.view().end(),
                                      [](muster::byte x) { return x == 0; });  // which was interrupted
    if (is_wiped) return ok();
    MUSTER_TRY(auto const keys, left.value().keys());
    MUSTER_TRY(auto const own, owner());
    if (keys.signer.public_key() == own.signer) return ok();
    return error{errc::bad_directory, text(plain().string(), " is the seed of another co-signer than ",
                                           wrapped().string(), "; move one of them away")};
}

result<muster::bytes> keyring::wrap(master_key const& key, passphrase const& phrase) {
    muster::crypto::hedged_random<> random;
    return key_file::wrap(key, phrase, random);
}

}  // namespace cosigner
