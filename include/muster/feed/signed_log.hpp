// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// A log of one author or of several, each entry signed and chained to the one before: the least protocol of a feed.
///
/// An entry is its height, the hash of the entry before, a text, the author's x-only key, and a BIP-340 signature of
/// the tagged hash of all that. Its id is the tagged hash of the whole but the signature. There are no blobs.
///
/// Layout, in the canonical encoding of wire/: u64 height, 32 bytes, sized text, 32 bytes, 64 bytes.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <muster/crypto/secp256k1.hpp>
#include <muster/feed/errc.hpp>
#include <muster/feed/protocol.hpp>
#include <muster/wire/reader.hpp>
#include <muster/wire/writer.hpp>

namespace muster::feed {

/// An entry.
struct log_entry {
    height number = 0;
    digest previous = {};
    std::string text = {};
    crypto::xonly_key key = {};
    crypto::signature signature = {};
    MUSTER_FIELDS(log_entry, number, previous, text, key, signature);
};

/// Models @ref linked_protocol. A value.
class signed_log {
public:
    using record_type = log_entry;
    static constexpr std::size_t text_size_max = 1024;  ///< Ours, as all here.
    static constexpr std::size_t record_size_max = 8 + 32 + 2 + text_size_max + 32 + 64;
    static constexpr std::size_t blob_size_max = 0;
    static constexpr std::uint32_t page_max = 64;

    /// @param name  of the log: printable, it becomes part of topics and protocols, and of what is signed.
    explicit signed_log(std::string name) : name_{std::move(name)} {}

    /// The entry after @p parent, or a first one. @return what key_pair::sign_bip340 returns.
    [[nodiscard]] result<log_entry> make(record const* parent, std::string content, crypto::key_pair const& key) const {
        log_entry e{parent == nullptr ? 1 : parent->number + 1,
                    parent == nullptr ? digest{} : parent->id,
                    std::move(content),
                    crypto::to_xonly(key.public_key()),
                    {}};
        MUSTER_TRY(e.signature, key.sign_bip340(id_of(e).view()));
        return e;
    }
    [[nodiscard]] bytes encode(log_entry const& e) const {
        wire::writer w{body_of(e)};
        return w.raw(e.signature.view()).take();
    }

    [[nodiscard]] result<log_entry> decode_record(byte_view in) const {
        wire::reader r{in};
        log_entry e;
        e.number = r.u64();
        e.previous = r.fixed<digest>();
        e.text = r.sized_text(text_size_max);
        e.key = r.fixed<crypto::xonly_key>();
        e.signature = r.fixed<crypto::signature>();
        if (auto const done = r.finish(); !done) return error{errc::decode, done.error().message()};
        return e;
    }
    [[nodiscard]] result<record> link_of(log_entry const& e) const {
        return record{id_of(e), e.number, e.previous, std::nullopt, {}, {}};
    }
    [[nodiscard]] verdict check(log_entry const& e, record& link) const {
        if (!crypto::verify_bip340(e.key, link.id.view(), e.signature)) return verdict::rejected("bad_signature");
        link.author = author::from(e.key.view());
        return verdict::accepted();
    }
    [[nodiscard]] verdict check_child(log_entry const& child, log_entry const& parent) const {
        bool const follows = child.number != 0 && child.number - 1 == parent.number;
        return follows ? verdict::accepted() : verdict::rejected("block_number");
    }
    [[nodiscard]] bool is_first(record const& link) const noexcept { return link.parent.is_zero(); }

    [[nodiscard]] result<blob> decode_blob(byte_view) const { return error{errc::decode, "a log has no blobs"}; }
    [[nodiscard]] verdict check_blob(blob const&) const noexcept { return verdict::rejected("no_blobs"); }
    [[nodiscard]] bytes encode_blob(blob const&) const { return {}; }
    [[nodiscard]] bytes not_found(digest const&) const { return {}; }
    [[nodiscard]] bool is_not_found(blob const& b) const noexcept { return b.content.empty(); }

    [[nodiscard]] std::string topic(kind k) const {
        return text("/muster/log/", name_, k == kind::record ? "/entries" : "/blobs");
    }
    [[nodiscard]] std::string protocol_name(question q) const {
        return text("/muster/log/", name_, "/", to_string(q), "/1.0.0");
    }
    [[nodiscard]] frame_caps caps(question q) const noexcept {
        return {64, q == question::page ? 16 + page_max * (record_size_max + 4) : 64};
    }
    [[nodiscard]] digest message_hash(kind k, byte_view in) const {
        static crypto::hash_tag const tag{"muster/log/message"};
        byte const which = static_cast<byte>(k);
        return crypto::tagged_hash(tag, byte_view{&which, 1}, in);
    }

    [[nodiscard]] bytes encode_head_ask() const { return {}; }
    [[nodiscard]] bytes encode_page_ask(page_ask const& a) const {
        return wire::writer{}.u64(a.from).u32(a.count).take();
    }
    [[nodiscard]] bytes encode_blob_ask(digest const& id) const { return to_bytes(id.view()); }
    [[nodiscard]] result<void> decode_head_ask(byte_view in) const {
        return in.empty() ? result<void>{ok()} : error{errc::decode, "a question for the head has no content"};
    }
    [[nodiscard]] result<page_ask> decode_page_ask(byte_view in) const {
        wire::reader r{in};
        page_ask a;
        a.from = r.u64();
        a.count = r.u32();
        if (auto const done = r.finish(); !done) return error{errc::decode, done.error().message()};
        return a;
    }
    [[nodiscard]] result<digest> decode_blob_ask(byte_view) const { return error{errc::decode, "a log has no blobs"}; }
    [[nodiscard]] bytes encode_head(log_entry const* e) const {
        return wire::writer{}.u64(e == nullptr ? 0 : e->number).take();
    }
    [[nodiscard]] result<std::optional<height>> decode_head(byte_view in) const {
        wire::reader r{in};
        auto const h = r.u64();
        if (auto const done = r.finish(); !done) return error{errc::decode, done.error().message()};
        return std::optional{h};
    }
    [[nodiscard]] bytes encode_page(std::vector<bytes> const& page) const {
        wire::writer w;
        w.size(page.size());
        for (auto const& each : page) w.sized(each);
        return w.take();
    }
    [[nodiscard]] result<std::vector<byte_view>> decode_page(byte_view in) const {
        wire::reader r{in};
        std::vector<byte_view> out;
        for (auto n = r.count(page_max, 2); n > 0 && r.ok(); --n) out.push_back(r.sized(record_size_max));
        if (auto const done = r.finish(); !done) return error{errc::decode, done.error().message()};
        return out;
    }

private:
    [[nodiscard]] static bytes body_of(log_entry const& e) {
        return wire::writer{}.u64(e.number).raw(e.previous.view()).sized(e.text).raw(e.key.view()).take();
    }
    [[nodiscard]] digest id_of(log_entry const& e) const {
        static crypto::hash_tag const tag{"muster/log/entry"};
        return crypto::tagged_hash(tag, wire::writer{}.sized(name_).take(), body_of(e));
    }

    std::string name_;
};
static_assert(linked_protocol<signed_log>);

}  // namespace muster::feed
