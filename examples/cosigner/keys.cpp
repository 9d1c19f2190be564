// SPDX-License-Identifier: MIT

// What is done with a directory's seed, apart from using it.

#include "commands.hpp"
#include "files.hpp"
#include "home.hpp"
#include "passphrases.hpp"

namespace cosigner {

using muster::error;
using muster::text;

namespace {

/// A directory that nobody runs in while this holds it, and its seed.
struct unlocked {
    home place;
    master_key key;
};
result<unlocked> unlock_alone(arguments const& a) {
    MUSTER_TRY(auto place, home::open(a.dir));
    MUSTER_TRY(place.lock());
    MUSTER_TRY(auto key, place.keys().unlock([&] { return ask_passphrase(a.passphrase_file, place.dir().string()); }));
    return unlocked{std::move(place), std::move(key)};
}

}  // namespace

int change_passphrase(arguments const& a, printer& out) {
    auto const had = unlock_alone(a);
    if (!had) return out.fail(had.error());
    auto const& [place, key] = had.value();
    auto const dir = place.dir().string();
    bool const was_wrapped = place.keys().is_wrapped();
    auto const done = [&]() -> result<void> {
        MUSTER_TRY(auto const phrase, choose_passphrase(a.new_passphrase_file, dir));
        MUSTER_TRY(auto const file, keyring::wrap(key, phrase));
        return place.keys().keep(file);
    }();
    if (!done) return out.fail(done.error());
    out.tell({{"event", "passphrase_changed"}, {"directory", dir}, {"was_plain", !was_wrapped}},
             {was_wrapped ? text("the key in ", dir, " is under the new passphrase; copies of ", dir,
                                 "/key that were made before still open with the old one")
                          : text("the seed in ", dir, " is under a passphrase now; copies of ", dir,
                                 "/seed that were made before are not")});
    return success;
}

int export_key(arguments const& a, printer& out) {
    auto const opened = home::open(a.dir);
    if (!opened) return out.fail(opened.error());
    auto const keys = opened.value().keys();
    auto const dir = opened.value().dir().string();
    bool const is_rewrapped = !keys.is_wrapped() || a.new_passphrase_file;
    auto const written = [&]() -> result<void> {
        // Opened also where the same bytes are written: what cannot be opened is no copy to rely on.
        MUSTER_TRY(auto const key, keys.unlock([&] { return ask_passphrase(a.passphrase_file, dir); }));
        muster::bytes file;
        if (is_rewrapped) {
            MUSTER_TRY(auto const phrase, choose_passphrase(a.new_passphrase_file, in_quotes(*a.key_file)));
            MUSTER_TRY(file, keyring::wrap(key, phrase));
        } else {
            MUSTER_TRY(file, keys.file());
        }
        return create_private(*a.key_file, {reinterpret_cast<char const*>(file.data()), file.size()});
    }();
    if (!written) return out.fail(written.error());
    out.tell({{"event", "exported"}, {"directory", dir}, {"file", *a.key_file}},
             {text("the key of ", dir, " is in ", *a.key_file, ", under ",
                   is_rewrapped ? "the new passphrase" : "the passphrase of the directory"),
              "`cosigner import DIR FILE` makes a directory of it."});
    return success;
}

}  // namespace cosigner
