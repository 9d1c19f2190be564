// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// A disk in memory whose calls can be made to fail, and that loses at a crash what was not made durable.
///
/// What a program wrote and did not sync is, after a crash, there, gone, or torn; what it renamed without making the
/// directory durable has one name or the other. Locks are no files, and a crash gives them back.

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <muster/core/files.hpp>

namespace muster::sim {

/// What is on the disk, and what only seems to be.
struct disk {
    struct content {
        bytes now;
        bytes durable;
        std::uint64_t number;  ///< Which file it is.
    };
    std::map<std::string, std::shared_ptr<content>> names;          // as programs see them
    std::map<std::string, std::shared_ptr<content>> durable_names;  // as they are after a crash
    std::map<std::string, std::weak_ptr<void const>> locks;  // by the path that is locked; held as long as it lives
    std::size_t calls = 0;
    std::optional<std::size_t> fails_at;  // the call of that number, and with `for_good` all later ones
    bool for_good = false;
    std::size_t write_max = 1000;  // bytes that one call writes or reads at most

    /// How much of what was not made durable is there after a crash nevertheless.
    enum class luck { none, half, all };
    /// The power goes and comes back.
    void crash(luck l) {
        fails_at.reset();
        if (l == luck::none) names = durable_names;
        for (auto& [name, c] : names) c->now = c->durable = survivors(*c, l);
        durable_names = names;
        locks.clear();
    }
    /// What is durable, as a backup has it.
    using image = std::map<std::string, bytes>;
    [[nodiscard]] image copy() const {
        image out;
        for (auto const& [name, c] : durable_names) out[name] = c->durable;
        return out;
    }
    /// Restores a backup. Expects that no file is open.
    void put_back(image const& from) {
        names.clear();
        durable_names.clear();
        for (auto const& [name, octets] : from) set(name, octets);
    }
    [[nodiscard]] bytes& at(std::string const& name) { return names.at(name)->now; }
    void set(std::string const& name, bytes octets) {
        auto made = make();
        made->now = made->durable = std::move(octets);
        names[name] = durable_names[name] = std::move(made);
    }
    /// A file that has no name yet.
    [[nodiscard]] std::shared_ptr<content> make() { return std::make_shared<content>(content{{}, {}, ++files_made}); }

    std::uint64_t files_made = 0;

private:
    [[nodiscard]] static bytes survivors(content const& c, luck l) {
        if (l != luck::half || c.now == c.durable) return l == luck::all ? c.now : c.durable;
        bool const grew =
            c.now.size() > c.durable.size() && std::equal(c.durable.begin(), c.durable.end(), c.now.begin());
        auto const kept = grew ? (c.durable.size() + c.now.size()) / 2 : c.now.size() / 2;
        return {c.now.begin(), c.now.begin() + static_cast<std::ptrdiff_t>(kept)};
    }
};

/// Models file_system on a disk that is borrowed.
class disk_files {
public:
    struct file {
        std::shared_ptr<disk::content> content;
    };
    struct lock_type {
        std::shared_ptr<void const> token;
        std::string path;
    };
    explicit disk_files(disk& d) : disk_{&d} {}

    result<std::optional<file>> open(std::string const& path, open_mode mode) {
        if (fails()) return refusal("open");
        auto const found = disk_->names.find(path);
        bool const is_there = found != disk_->names.end();
        if (is_there == (mode == open_mode::create)) return std::optional<file>{};
        if (is_there) return std::optional{file{found->second}};
        return std::optional{file{disk_->names[path] = disk_->make()}};
    }
    result<std::size_t> read(file& f, std::uint64_t offset, byte_span in) {
        if (fails()) return refusal("read");
        auto const size = f.content->now.size();
        auto const at = static_cast<std::size_t>(std::min<std::uint64_t>(offset, size));
        auto const count = std::min({in.size(), size - at, disk_->write_max});
        std::copy_n(f.content->now.begin() + static_cast<std::ptrdiff_t>(at), count, in.begin());
        return count;
    }
    result<std::size_t> write(file& f, byte_view out) {
        auto const count = std::min(out.size(), disk_->write_max);
        if (fails()) {
            append(f.content->now, out.first(count / 2));  // a failure may come late
            return refusal("write");
        }
        append(f.content->now, out.first(count));
        return count;
    }
    result<file_status> status(file& f) {
        if (fails()) return refusal("stat");
        return file_status{{0, f.content->number}, f.content->now.size()};
    }
    result<void> truncate(file& f, std::uint64_t size) {
        if (fails()) return refusal("truncate");
        f.content->now.resize(static_cast<std::size_t>(size));
        return ok();
    }
    result<void> sync(file& f) {
        if (fails()) return refusal("sync");
        f.content->durable = f.content->now;
        return ok();
    }
    result<void> rename(std::string const& from, std::string const& to) {
        if (fails()) return refusal("rename");
        disk_->names[to] = disk_->names.at(from);
        disk_->names.erase(from);
        return ok();
    }
    result<void> remove(std::string const& path) {
        if (fails()) return refusal("remove");
        disk_->names.erase(path);
        return ok();
    }
    result<bool> exists(std::string const& path) {
        if (fails()) return refusal("stat");
        return disk_->names.count(path) != 0;
    }
    result<void> sync_directory(std::string const&) {
        if (fails()) return refusal("sync");
        disk_->durable_names = disk_->names;
        return ok();
    }
    result<draft_file<file>> create_draft(std::string const& path) {
        if (fails()) return refusal("create");
        auto made = disk_->make();
        auto name = text(path, ".draft-", made->number);
        disk_->names[name] = made;
        return draft_file<file>{std::move(name), {std::move(made)}};
    }
    result<std::vector<std::string>> drafts(std::string const& path) {
        if (fails()) return refusal("list");
        std::vector<std::string> found;
        for (auto const& [name, c] : disk_->names) {
            if (name.starts_with(path + ".draft-")) found.push_back(name);
        }
        return found;
    }
    result<lock_type> lock(std::string const& path) {
        if (fails()) return refusal("lock");
        auto& lock = disk_->locks[path];
        if (!lock.expired()) return error{file_errc::in_use, text(path, " is in use already")};
        lock_type taken{std::make_shared<int>(), path};
        lock = taken.token;
        return taken;
    }
    bool holds(lock_type const& l) const {
        auto const found = disk_->locks.find(l.path);
        return found != disk_->locks.end() && found->second.lock() == l.token;
    }

private:
    [[nodiscard]] bool fails() {
        auto const n = disk_->calls++;
        return disk_->fails_at && (n == *disk_->fails_at || (disk_->for_good && n > *disk_->fails_at));
    }
    [[nodiscard]] static error refusal(std::string_view what) {
        return {file_errc::io_failed, text("cannot ", what, ": as ordered")};
    }

    disk* disk_;
};
static_assert(file_system<disk_files>);

}  // namespace muster::sim
