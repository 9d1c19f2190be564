// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// The store in memory.
///
/// Records stand under their ids; an index orders them by height, as numbers, and another by parent. The chain is a map
/// from heights to ids. Blobs count the records that name them.

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include <muster/feed/store.hpp>

namespace muster::feed {

/// Models @ref store. Never fails. A value; not thread-safe.
class memory_store {
public:
    explicit memory_store(store_limits limits = {}) noexcept : limits_{limits} {}

    [[nodiscard]] result<void> put(record const& r) {
        if (is_full(r.number) || !records_.emplace(r.id, r).second) return ok();
        by_height_.emplace(r.number, r.id);
        by_parent_.emplace(r.parent, r.id);
        if (r.blob_id) name_blob(*r.blob_id);
        while (records_.size() > limits_.records_max) drop(by_height_.begin()->second);
        return ok();
    }
    [[nodiscard]] result<void> put_head(record const& r) {
        (void)put(r);
        return set_chain(r.id);
    }
    [[nodiscard]] result<void> erase(digest const& id) {
        if (records_.count(id) != 0) drop(id);
        return ok();
    }
    [[nodiscard]] bool is_named(digest const& blob) const { return named_.count(blob) != 0; }
    [[nodiscard]] result<void> put_blob(blob const& b) {
        if (b.content.size() > limits_.blob_bytes_max || blobs_.count(b.id) != 0) return ok();
        auto& kept = blobs_[b.id];
        kept.content = b.content;
        blob_bytes_ += b.content.size();
        if (named_.count(b.id) == 0) shelve(b.id, kept);
        while (unnamed_bytes_ > limits_.blob_bytes_max / 4) drop_blob(unnamed_.begin()->second);
        while (blob_bytes_ > limits_.blob_bytes_max) {
            bool const has_older = !unnamed_.empty() && unnamed_.begin()->second != b.id;
            drop_blob(has_older ? unnamed_.begin()->second : lowest_blob(b.id));
        }
        return ok();
    }
    [[nodiscard]] result<void> erase_blob(digest const& id) {
        drop_blob(id);
        return ok();
    }
    [[nodiscard]] bool contains(digest const& id) const { return records_.count(id) != 0; }
    [[nodiscard]] bool contains_blob(digest const& id) const { return blobs_.count(id) != 0; }
    [[nodiscard]] result<std::optional<record>> find(digest const& id) const {
        auto const found = records_.find(id);
        return found == records_.end() ? std::optional<record>{} : std::optional{found->second};
    }
    [[nodiscard]] result<std::optional<bytes>> find_blob(digest const& id) const {
        auto const found = blobs_.find(id);
        return found == blobs_.end() ? std::optional<bytes>{} : std::optional{found->second.content};
    }
    [[nodiscard]] result<std::vector<record>> at(height h) const {
        std::vector<record> out;
        for (auto i = by_height_.lower_bound({h, digest{}}); i != by_height_.end() && i->first == h; ++i) {
            out.push_back(records_.at(i->second));
        }
        return out;
    }
    [[nodiscard]] result<std::vector<record>> children(digest const& id) const {
        std::vector<record> out;
        for (auto i = by_parent_.lower_bound({id, digest{}}); i != by_parent_.end() && i->first == id; ++i) {
            out.push_back(records_.at(i->second));
        }
        return out;
    }
    [[nodiscard]] bool is_full(height h) const {
        std::size_t n = 0;
        for (auto i = by_height_.lower_bound({h, digest{}}); i != by_height_.end() && i->first == h; ++i) ++n;
        return n >= limits_.records_per_height;
    }
    [[nodiscard]] result<void> set_chain(digest const& id) {
        auto at = records_.find(id);
        if (at == records_.end()) return ok();
        chain_.erase(chain_.upper_bound(at->second.number), chain_.end());
        for (; at != records_.end(); at = records_.find(at->second.parent)) {
            auto& place = chain_[at->second.number];
            if (place == at->first) return ok();
            place = at->first;
        }
        // What is older than all ancestors belongs to another chain.
        auto bottom = records_.find(id);
        while (records_.count(bottom->second.parent) != 0) bottom = records_.find(bottom->second.parent);
        chain_.erase(chain_.begin(), chain_.lower_bound(bottom->second.number));
        return ok();
    }
    [[nodiscard]] std::optional<record> head() const {
        return chain_.empty() ? std::nullopt : std::optional{records_.at(chain_.rbegin()->second)};
    }
    [[nodiscard]] std::optional<digest> chain_at(height h) const {
        auto const found = chain_.find(h);
        return found == chain_.end() ? std::nullopt : std::optional{found->second};
    }
    [[nodiscard]] result<std::vector<record>> chain_from(height h, std::size_t count) const {
        std::vector<record> out;
        for (auto i = chain_.lower_bound(h); i != chain_.end() && out.size() < count; ++i) {
            if (!out.empty() && i->first != out.back().number + 1) break;
            out.push_back(records_.at(i->second));
        }
        return out;
    }
    [[nodiscard]] result<void> remove_above(height h) {
        while (!by_height_.empty() && by_height_.rbegin()->first > h) {
            auto const id = by_height_.rbegin()->second;
            drop(id);
        }
        return ok();
    }
    [[nodiscard]] store_sizes sizes() const noexcept { return {records_.size(), blobs_.size(), blob_bytes_}; }

private:
    struct kept_blob {
        bytes content = {};
        std::optional<std::uint64_t> shelf = {};  ///< Where it stands among those that nobody names.
    };

    void name_blob(digest const& id) {
        ++named_[id];
        if (auto const found = blobs_.find(id); found != blobs_.end()) unshelve(found->second);
    }
    void shelve(digest const& id, kept_blob& b) {
        b.shelf = ++shelved_;
        unnamed_.emplace(*b.shelf, id);
        unnamed_bytes_ += b.content.size();
    }
    void unshelve(kept_blob& b) {
        if (!b.shelf) return;
        unnamed_.erase(*b.shelf);
        unnamed_bytes_ -= b.content.size();
        b.shelf.reset();
    }
    void drop_blob(digest const id) {
        auto const found = blobs_.find(id);
        if (found == blobs_.end()) return;
        unshelve(found->second);
        blob_bytes_ -= found->second.content.size();
        blobs_.erase(found);
    }
    /// The blob of the lowest record that has one; @p otherwise when none has.
    [[nodiscard]] digest lowest_blob(digest const& otherwise) const {
        for (auto const& [h, id] : by_height_) {
            auto const& named = records_.at(id).blob_id;
            if (named && blobs_.count(*named) != 0) return *named;
        }
        return otherwise;
    }
    void drop(digest const id) {
        auto const found = records_.find(id);
        auto const& r = found->second;
        if (auto const c = chain_.find(r.number); c != chain_.end() && c->second == id) chain_.erase(c);
        by_height_.erase({r.number, id});
        by_parent_.erase({r.parent, id});
        if (r.blob_id) {
            if (auto const n = named_.find(*r.blob_id); --n->second == 0) {
                drop_blob(*r.blob_id);
                named_.erase(n);
            }
        }
        records_.erase(found);
    }

    store_limits limits_;
    std::map<digest, record> records_;
    std::set<std::pair<height, digest>> by_height_;
    std::set<std::pair<digest, digest>> by_parent_;
    std::map<height, digest> chain_;
    std::map<digest, kept_blob> blobs_;
    std::map<digest, std::size_t> named_;      ///< Blobs that stored records name, and by how many.
    std::map<std::uint64_t, digest> unnamed_;  ///< Blobs that are here and nobody names, the oldest first.
    std::uint64_t shelved_ = 0;
    std::size_t blob_bytes_ = 0;
    std::size_t unnamed_bytes_ = 0;
};
static_assert(store<memory_store>);

}  // namespace muster::feed
