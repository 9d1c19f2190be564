// SPDX-License-Identifier: MIT

#include "home.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>

#include <muster/core/posix_files.hpp>
#include <muster/crypto/hedged_random.hpp>

#include "escape.hpp"
#include "files.hpp"
#include "schema.hpp"

namespace cosigner {

namespace fs = std::filesystem;
using muster::error;
using muster::ok;
using muster::text;

namespace {

/// Whether a co-signer can be made at @p dir: there is nothing, or an empty directory.
result<void> require_free(fs::path const& dir) {
    if (control_socket_in(dir).string().size() >= sizeof(sockaddr_un::sun_path)) {
        return error{errc::bad_directory, text("the path ", dir.string(),
                                               " is too long for the control socket in it; use a shorter directory")};
    }
    std::error_code ec;
    auto const what = fs::status(dir, ec);
    if (what.type() == fs::file_type::not_found) return ok();
    if (fs::exists(dir / "seed", ec) || fs::exists(dir / "key", ec)) {
        return error{errc::bad_directory, text(dir.string(),
                                               " already holds a seed; it is never overwritten. "
                                               "Choose another directory")};
    }
    bool const is_directory = what.type() == fs::file_type::directory;
    if (is_directory && fs::is_empty(dir, ec) && !ec) return ok();
    if (ec) return error{errc::bad_directory, text("cannot look into ", dir.string(), ": ", ec.message())};
    return error{errc::bad_directory, text(dir.string(), is_directory ? " is there and not empty" : " is no directory",
                                           "; it is left as it is. Choose another directory")};
}

result<void> write_home(fs::path const& dir, settings const& s, home::seed_writer const& write_seed) {
    MUSTER_TRY(write_seed(keyring{dir}));
    MUSTER_TRY(create_private(dir / "settings.json", to_file(s)));
    return flush_directory(dir);
}

/// One entry of signers.json.
std::optional<muster::signing::member> parse_signer(value const& entry) {
    static constexpr std::array members{member{"signer", shape::text, true}, member{"peer", shape::text, true},
                                        member{"binding", shape::text, true}};
    if (!check_members("signers.json", entry, members)) return std::nullopt;
    auto const field = [&](char const* name) { return entry[name].get<std::string>(); };
    auto const signer = muster::from_hex_as<muster::crypto::public_key>(field("signer"));
    auto const id = muster::peer::peer_id::from_text(field("peer"));
    auto const binding = muster::from_hex_as<muster::peer::binding>(field("binding"));
    if (!signer || !id || !binding) return std::nullopt;
    return muster::signing::member{signer.value(), id.value(), binding.value()};
}

}  // namespace

fs::path plain_directory(fs::path const& dir) {
    std::error_code ec;
    auto out = fs::absolute(dir, ec).lexically_normal();
    if (ec) return dir;
    return out.has_filename() ? out : out.parent_path();
}

// Everything is made under another name beside it, which then becomes the directory in one step.
result<home> home::create(fs::path dir, settings const& s, seed_writer const& write_seed) {
    home made;
    made.dir_ = plain_directory(dir);
    made.settings_ = s;
    MUSTER_TRY(require_free(made.dir_));
    auto const parent = made.dir_.parent_path();
    std::error_code ec;
    fs::create_directories(parent, ec);
    if (ec) return error{errc::bad_directory, text("cannot make ", parent.string(), ": ", ec.message())};
    auto draft = (parent / text(".", made.dir_.filename().string(), ".XXXXXX")).string();
    if (::mkdtemp(draft.data()) == nullptr) return failed("cannot make a directory in", parent);  // of mode 0700
    auto done = write_home(draft, s, write_seed);
    if (done && ::rename(draft.c_str(), made.dir_.c_str()) != 0) done = failed("cannot make", made.dir_);
    if (!done) {
        fs::remove_all(draft, ec);
        return done.error();
    }
    MUSTER_TRY(flush_directory(parent));
    return made;
}

result<home> home::create(fs::path dir, settings const& s) {
    return create(std::move(dir), s, [](keyring const& keys) -> result<void> {
        MUSTER_TRY(auto const key, fresh_seed());
        return keys.keep(key);
    });
}

result<master_key> fresh_seed() {
    muster::crypto::hedged_random<> random;
    MUSTER_TRY(auto seed, muster::crypto::secret<32>::generate(random));
    return master_key{std::move(seed)};
}

result<home> home::open(fs::path dir) {
    home found;
    found.dir_ = plain_directory(dir);
    MUSTER_TRY(found.keys().check());
    auto const path = found.dir_ / "settings.json";
    MUSTER_TRY(auto const raw, read_file(path));
    MUSTER_TRY(found.settings_, parse_settings(path.string(), std::string{raw.begin(), raw.end()}));
    return found;
}

result<home> home::open_to_run(fs::path dir) {
    home found;
    found.dir_ = plain_directory(dir);
    MUSTER_TRY(found.keys().check());
    MUSTER_TRY(found.lock());
    auto const path = found.dir_ / "settings.json";
    MUSTER_TRY(auto const raw, read_file(path));
    std::string const content{raw.begin(), raw.end()};
    if (auto const parsed = parse_json(path.string(), content); !parsed) {
        muster::posix_files files;
        MUSTER_TRY(auto const aside, muster::copy_aside(files, path.string()));  // there is always one in its place
        found.damage_ = settings_damage{aside, parsed.error().message()};
        settings fresh;
        MUSTER_TRY(fresh.listen, parse_listen("/ip4/127.0.0.1/tcp/0"));
        MUSTER_TRY(found.save(fresh));
        return found;
    }
    MUSTER_TRY(found.settings_, parse_settings(path.string(), content));
    return found;
}

result<void> home::lock() {
    auto const path = dir_ / "lock";
    descriptor file{::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)};
    if (file.get() < 0) return failed("cannot open", path);
    if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK) return failed("cannot lock", path);
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

learned_signers home::recall() const {
    learned_signers out;
    auto const path = dir_ / "signers.json";
    if (std::error_code ec; !fs::exists(path, ec) && !ec) return out;
    auto const raw = read_file(path);
    if (!raw) {
        out.damage = raw.error().message();
        return out;
    }
    auto const parsed = parse_json("signers", std::string{raw.value().begin(), raw.value().end()});
    std::size_t unreadable = 0;
    if (parsed && parsed.value().is_array()) {
        for (auto const& entry : parsed.value()) {
            auto signer = parse_signer(entry);
            if (signer) out.known.push_back(*std::move(signer));
            if (!signer) ++unreadable;
        }
        if (unreadable == 0) return out;
    }
    muster::posix_files files;
    auto const aside = muster::keep_aside(files, path.string());
    out.damage = text(path.string(), " is damaged: ",
                      unreadable != 0 ? text(unreadable, " signer keys in it cannot be read")
                      : parsed        ? std::string{"it is not a list"}
                                      : parsed.error().message(),
                      aside ? text("; it was put aside as ", aside.value()) : text("; ", aside.error().message()),
                      ". Signer keys that are missing are learned when their peers connect");
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
    if (ec) return error{errc::io_failed, text("cannot make ", (dir_ / "published").string(), ": ", ec.message())};
    auto const path = dir_ / "published" / (session + ".json");
    MUSTER_TRY(replace_private(path, what.dump(2, ' ', true, value::error_handler_t::replace) + "\n"));
    return path;
}

}  // namespace cosigner
