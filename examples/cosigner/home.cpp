// SPDX-License-Identifier: MIT

#include "home.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include <muster/crypto/system_random.hpp>

namespace cosigner {

namespace fs = std::filesystem;
using muster::error;
using muster::ok;
using muster::text;
using value = muster::json::value;

namespace {

/// A file descriptor that closes itself.
class descriptor {
public:
    explicit descriptor(int fd) noexcept : fd_{fd} {}
    descriptor(descriptor&& other) noexcept : fd_{std::exchange(other.fd_, -1)} {}
    descriptor& operator=(descriptor&&) = delete;
    ~descriptor() {
        if (fd_ >= 0) ::close(fd_);
    }
    [[nodiscard]] int get() const noexcept { return fd_; }
    /// Lets go of it, open.
    int release() noexcept { return std::exchange(fd_, -1); }

private:
    int fd_;
};

error failed(std::string const& what, fs::path const& path) {
    return error{errc::io_failed, text(what, " ", path.string(), ": ", std::strerror(errno))};
}

result<void> write_all(descriptor const& file, fs::path const& path, std::string_view content) {
    while (!content.empty()) {
        auto const written = ::write(file.get(), content.data(), content.size());
        if (written < 0) return failed("cannot write", path);
        content.remove_prefix(static_cast<std::size_t>(written));
    }
    if (::fsync(file.get()) != 0) return failed("cannot flush", path);
    return ok();
}

/// Writes a file of mode 0600 that must not exist yet.
result<void> create_private(fs::path const& path, std::string_view content) {
    descriptor const file{::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600)};
    if (file.get() < 0) return failed("cannot create", path);
    return write_all(file, path, content);
}

/// Replaces a file of mode 0600 in one step: the old one survives until the new one is on disk.
result<void> replace_private(fs::path const& path, std::string_view content) {
    auto const draft = fs::path{path.string() + ".new"};
    ::unlink(draft.c_str());
    MUSTER_TRY(create_private(draft, content));
    if (::rename(draft.c_str(), path.c_str()) != 0) return failed("cannot replace", path);
    descriptor const folder{::open(path.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (folder.get() < 0 || ::fsync(folder.get()) != 0) return failed("cannot flush", path.parent_path());
    return ok();
}

std::string to_file(settings const& s) {
    value out{{"listen", s.listen.to_text()}, {"peers", value::object()}};
    for (auto const& [name, peer] : s.peers) out["peers"][name] = peer.address.to_text();
    return out.dump(2) + "\n";
}

result<settings> parse_settings(fs::path const& path, std::string_view content) {
    auto const parsed = value::parse(content, nullptr, false);
    auto const wrong = [&](std::string const& why) {
        return error{errc::bad_settings, text(path.string(), ": ", why)};
    };
    if (!parsed.is_object() || !parsed.contains("listen") || !parsed["listen"].is_string()) {
        return wrong("expected an object with \"listen\" and \"peers\"");
    }
    settings out;
    MUSTER_TRY(out.listen, muster::peer::multiaddr::from_text(parsed["listen"].get<std::string>()));
    if (!parsed.contains("peers")) return out;
    if (!parsed["peers"].is_object()) return wrong("\"peers\" is not an object of names and addresses");
    for (auto const& [name, address] : parsed["peers"].items()) {
        if (!address.is_string()) return wrong(text("the address of peer ", name, " is not a text"));
        MUSTER_TRY(auto peer, parse_peer(name + "=" + address.get<std::string>()));
        out.peers.insert(std::move(peer));
    }
    return out;
}

}  // namespace

result<muster::bytes> read_file(fs::path const& path) {
    descriptor const file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
    if (file.get() < 0) return failed("cannot open", path);
    muster::bytes out;
    std::array<muster::byte, 64u << 10> part{};
    for (;;) {
        auto const size = ::read(file.get(), part.data(), part.size());
        if (size < 0) return failed("cannot read", path);
        if (size == 0) return out;
        muster::append(out, muster::byte_view{part}.first(static_cast<std::size_t>(size)));
    }
}

result<std::pair<std::string, known_peer>> parse_peer(std::string const& written) {
    auto const split = written.find('=');
    if (split == std::string::npos || split == 0) {
        return error{errc::bad_input, text("'", written, "' is not NAME=ADDRESS")};
    }
    MUSTER_TRY(auto address, muster::peer::multiaddr::from_text(written.substr(split + 1)));
    if (!address.peer()) {
        return error{errc::bad_input, text("the address of ", written.substr(0, split),
                                           " must end with /p2p/PEER-ID; "
                                           "`cosigner init` and `cosigner run` print it")};
    }
    return std::pair{written.substr(0, split), known_peer{std::move(address)}};
}

result<home> home::create(fs::path dir, settings const& s) {
    home made;
    made.dir_ = std::move(dir);
    made.settings_ = s;
    std::error_code ec;
    fs::create_directories(made.dir_, ec);
    if (ec) return error{errc::bad_directory, text("cannot make ", made.dir_.string(), ": ", ec.message())};
    ::chmod(made.dir_.c_str(), 0700);
    if (fs::exists(made.dir_ / "seed")) {
        return error{errc::bad_directory, text(made.dir_.string(),
                                               " already holds a seed; it is never overwritten. "
                                               "Choose another directory")};
    }
    muster::crypto::system_random random;
    MUSTER_TRY(auto seed, muster::crypto::secret<32>::generate(random));
    auto digits = muster::to_hex(seed.view()) + "\n";
    auto const written = create_private(made.dir_ / "seed", digits);
    muster::crypto::wipe({reinterpret_cast<muster::byte*>(digits.data()), digits.size()});
    MUSTER_TRY(written);
    MUSTER_TRY(replace_private(made.dir_ / "settings.json", to_file(s)));
    return made;
}

result<home> home::open(fs::path dir) {
    home found;
    found.dir_ = std::move(dir);
    struct stat seed {};
    if (::stat((found.dir_ / "seed").c_str(), &seed) != 0) {
        return error{errc::bad_directory, text("no co-signer lives in ", found.dir_.string(),
                                               "; make one with "
                                               "`cosigner init ",
                                               found.dir_.string(), "`")};
    }
    if ((seed.st_mode & 077) != 0) {
        return error{errc::bad_directory, text((found.dir_ / "seed").string(),
                                               " can be read by others; "
                                               "`chmod 600` it, and consider the key exposed")};
    }
    auto const path = found.dir_ / "settings.json";
    MUSTER_TRY(auto const raw, read_file(path));
    MUSTER_TRY(found.settings_, parse_settings(path, std::string{raw.begin(), raw.end()}));
    return found;
}

result<muster::peer::key_set> home::keys() const {
    MUSTER_TRY(auto raw, read_file(dir_ / "seed"));
    muster::crypto::wipe_on_exit const wipe_raw{raw};
    std::string_view digits{reinterpret_cast<char const*>(raw.data()), raw.size()};
    if (digits.ends_with('\n')) digits.remove_suffix(1);
    auto decoded = muster::from_hex(digits);
    if (!decoded || decoded.value().size() != 32) {
        return error{errc::bad_directory, text((dir_ / "seed").string(), " does not hold 64 hexadecimal digits")};
    }
    muster::crypto::wipe_on_exit const wipe_decoded{decoded.value()};
    MUSTER_TRY(auto const seed, muster::crypto::secret<32>::copy_of(decoded.value()));
    return muster::peer::derive_keys(seed);
}

result<void> home::lock() {
    auto const path = dir_ / "lock";
    descriptor file{::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)};
    if (file.get() < 0) return failed("cannot open", path);
    if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
        return error{errc::bad_directory, text("another cosigner runs in ", dir_.string(), " already")};
    }
    (void)file.release();  // held until the process ends, however it ends
    return ok();
}

result<void> home::save(settings const& s) {
    MUSTER_TRY(replace_private(dir_ / "settings.json", to_file(s)));
    settings_ = s;
    return ok();
}

std::vector<muster::signing::member> home::learned_signers() const {
    std::vector<muster::signing::member> out;
    auto const raw = read_file(dir_ / "signers.json");
    if (!raw) return out;
    auto const parsed = value::parse(raw.value().begin(), raw.value().end(), nullptr, false);
    if (!parsed.is_array()) return out;
    for (auto const& entry : parsed) {
        if (!entry.is_object()) continue;
        auto const field = [&](char const* name) { return entry.value(name, std::string{}); };
        auto const signer = muster::from_hex_as<muster::crypto::public_key>(field("signer"));
        auto const id = muster::peer::peer_id::from_text(field("peer"));
        auto const binding = muster::from_hex_as<muster::peer::binding>(field("binding"));
        if (signer && id && binding) out.push_back({signer.value(), id.value(), binding.value()});
    }
    return out;
}

result<void> home::learn(std::vector<muster::signing::member> const& signers) const {
    auto out = value::array();
    for (auto const& m : signers) {
        out.push_back(value{
            {"signer", muster::to_hex(m.signer)}, {"peer", m.peer.to_text()}, {"binding", muster::to_hex(m.binding)}});
    }
    return replace_private(dir_ / "signers.json", out.dump(2) + "\n");
}

result<fs::path> home::publish(std::string const& session, value const& what) const {
    std::error_code ec;
    fs::create_directories(dir_ / "published", ec);
    auto const path = dir_ / "published" / (session + ".json");
    MUSTER_TRY(replace_private(path, what.dump(2) + "\n"));
    return path;
}

}  // namespace cosigner
