// SPDX-License-Identifier: MIT

// What is done with a directory's seed, apart from using it.

#include <muster/identity/lineage.hpp>
#include <muster/net/clock.hpp>

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
    std::optional<passphrase> phrase;  ///< What it is under.
};
result<unlocked> unlock_alone(arguments const& a) {
    MUSTER_TRY(auto place, home::open(a.dir));
    MUSTER_TRY(place.lock());
    std::optional<passphrase> phrase;
    MUSTER_TRY(auto key, place.keys().unlock([&]() -> result<passphrase> {
        MUSTER_TRY(auto given, ask_passphrase(a.passphrase_file, place.dir().string()));
        MUSTER_TRY(phrase, given.clone());
        return given;
    }));
    return unlocked{std::move(place), std::move(key), std::move(phrase)};
}

/// Keeps @p key as the one before it was kept.
result<void> keep_again(keyring const& keys, master_key const& key, std::optional<passphrase> const& phrase) {
    if (!phrase) return keys.keep(key);
    MUSTER_TRY(auto const file, keyring::wrap(key, *phrase));
    return keys.keep(file);
}

/// The record that leads to the next epoch, written down before the new keys count: a crash in between is made good by
/// doing it again, which makes the same keys.
result<muster::identity::successor> exchange_keys(unlocked const& had) {
    if (had.key.epoch >= muster::identity::lineage::records_max) {
        return error{errc::bad_input, text("the keys were exchanged ", had.key.epoch, " times; nobody follows more")};
    }
    MUSTER_TRY(auto seed, had.key.seed.clone());
    master_key const next{std::move(seed), had.key.epoch + 1};
    MUSTER_TRY(auto const from, had.key.keys());
    MUSTER_TRY(auto const to, next.keys());
    MUSTER_TRY(auto const user, had.key.user());
    muster::net::system_clock const clock;
    MUSTER_TRY(auto const record, muster::identity::successor::make(user, next.epoch, from, to, clock.wall_now()));
    auto const path = had.place.dir() / "successors";
    std::string all;
    if (std::error_code ec; std::filesystem::exists(path, ec)) {
        MUSTER_TRY(auto const before, read_file(path));
        all.assign(before.begin(), before.end());
    }
    MUSTER_TRY(replace_private(path, all + muster::to_hex(record.encoded()) + "\n"));
    MUSTER_TRY(keep_again(had.place.keys(), next, had.phrase));
    return record;
}

}  // namespace

int change_passphrase(arguments const& a, printer& out) {
    auto const had = unlock_alone(a);
    if (!had) return out.fail(had.error());
    auto const& place = had.value().place;
    auto const& key = had.value().key;
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

int rotate_keys(arguments const& a, printer& out) {
    auto const had = unlock_alone(a);
    if (!had) return out.fail(had.error());
    auto const made = exchange_keys(had.value());
    if (!made) return out.fail(made.error());
    auto const dir = had.value().place.dir().string();
    auto const id = muster::peer::peer_id::of(made.value().new_node).to_text();
    auto const record = muster::to_hex(made.value().encoded());
    out.tell(
        {{"event", "rotated"}, {"directory", dir}, {"epoch", made.value().epoch}, {"peer", id}, {"record", record}},
        {text("peer id  ", id),
         "The signer key stays, and with it what its wallets hold. Copies of the key that were made before",
         "open as the old peer: export it anew. Peers who have seen this one follow when they connect; the others "
         "`peer "
         "remove` the old one and `peer add` this one. The record of it:",
         record});
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
        MUSTER_TRY(create_private(*a.key_file, {reinterpret_cast<char const*>(file.data()), file.size()}));
        return flush_directory(std::filesystem::absolute(*a.key_file).parent_path());  // else a name may be lost
    }();
    if (!written) return out.fail(written.error());
    out.tell({{"event", "exported"}, {"directory", dir}, {"file", *a.key_file}},
             {text("the key of ", dir, " is in ", *a.key_file, ", under ",
                   is_rewrapped ? "the new passphrase" : "the passphrase of the directory"),
              "`cosigner import DIR FILE` makes a directory of it."});
    return success;
}

}  // namespace cosigner
