// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// A disk in memory whose calls can be made to fail, and that loses at a crash what was not made durable.
///
/// What a program wrote and did not sync is, after a crash, there, gone, or torn; what it renamed without making the
/// directory durable has one name or the other.

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <muster/core/files.hpp>

namespace muster::sim {

/// What is on the disk, and what only seems to be.
struct disk {
    struct content {
        bytes now;
        bytes durable;
    };
    std::map<std::string, std::shared_ptr<content>> names;          // as programs see them
    std::map<std::string, std::shared_ptr<content>> durable_names;  // as they are after a crash
    std::size_t calls = 0;
    std::optional<std::size_t> fails_at;  // the call of that number, and with `for_good` all later ones
    bool for_good = false;
    std::size_t write_max = 1000;  // octets that one call writes or reads at most

    /// How much of what was not made durable is there after a crash nevertheless.
    enum class luck { none, half, all };
    /// The power goes and comes back.
    void crash(luck l) {
        fails_at.reset();
        if (l == luck::none) names = durable_names;
        for (auto& [name, c] : names) c->now = c->durable = survivors(*c, l);
        durable_names = names;
    }
    /// What is durable, as a backup has it.
    using image = std::map<std::string, bytes>;
    [[nodiscard]] image copy() const {
        image out;
        for (auto const& [name, c] : durable_names) out[name] = c->durable;
        return out;
    }
    /// Somebody puts a backup back. Expects that no file is open.
    void put_back(image const& from) {
        names.clear();
        durable_names.clear();
        for (auto const& [name, octets] : from) set(name, octets);
    }
    [[nodiscard]] bytes& at(std::string const& name) { return names.at(name)->now; }
    void set(std::string const& name, bytes octets) {
        names[name] = durable_names[name] = std::make_shared<content>(content{octets, octets});
    }

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
        std::size_t at = 0;
    };
    explicit disk_files(disk& d) : disk_{&d} {}

    result<std::optional<file>> open(std::string const& path, open_mode mode) {
        if (fails()) return refusal("open");
        auto const found = disk_->names.find(path);
        if (mode == open_mode::create) {
            if (found == disk_->names.end()) disk_->names[path] = std::make_shared<disk::content>();
            disk_->names[path]->now.clear();
            return std::optional{file{disk_->names[path]}};
        }
        if (found == disk_->names.end()) return std::optional<file>{};
        return std::optional{file{found->second}};
    }
    result<std::size_t> read(file& f, byte_span in) {
        if (fails()) return refusal("read");
        auto const size = f.content->now.size();
        auto const left = size - std::min<std::size_t>(f.at, size);  // somebody may have cut it short meanwhile
        auto const count = std::min({in.size(), left, disk_->write_max});
        std::copy_n(f.content->now.begin() + static_cast<std::ptrdiff_t>(f.at), count, in.begin());
        f.at += count;
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
    result<std::uint64_t> size(file& f) {
        if (fails()) return refusal("stat");
        return std::uint64_t{f.content->now.size()};
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
    result<bool> exists(std::string const& path) {
        if (fails()) return refusal("stat");
        return disk_->names.count(path) != 0;
    }
    result<void> sync_directory(std::string const&) {
        if (fails()) return refusal("sync");
        disk_->durable_names = disk_->names;
        return ok();
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
