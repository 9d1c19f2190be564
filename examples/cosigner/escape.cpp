// SPDX-License-Identifier: MIT

#include "escape.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>

namespace cosigner {

namespace {

/// One character, and how many bytes spell it.
struct character {
    std::uint32_t code;
    std::size_t size;
};

/// The character that @p raw begins with; none when those bytes are not UTF-8 (RFC 3629: no overlong forms, no
/// surrogates, nothing above U+10FFFF).
std::optional<character> decode(std::string_view raw) {
    auto const byte_at = [&](std::size_t i) { return static_cast<std::uint8_t>(raw[i]); };
    auto const first = byte_at(0);
    if (first < 0x80) return character{first, 1};
    std::size_t const size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || raw.size() < size) return std::nullopt;
    auto code = static_cast<std::uint32_t>(first & (0x7f >> size));
    for (std::size_t i = 1; i < size; ++i) {
        if ((byte_at(i) & 0xc0) != 0x80) return std::nullopt;
        code = code << 6 | (byte_at(i) & 0x3fu);
    }
    constexpr std::array<std::uint32_t, 5> smallest{0, 0, 0x80, 0x800, 0x10000};
    bool const is_valid = code >= smallest[size] && code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff);
    return is_valid ? std::optional{character{code, size}} : std::nullopt;
}

struct range {
    std::uint32_t first, last;
};

/// Unicode 15's categories Cc, Cf, Zl, Zp, Co, and Zs without the space, with the default ignorable characters; sorted.
/// Noncharacters at the ends of planes are looked for separately.
constexpr range hidden[] = {
    {0x00, 0x1f},       {0x7f, 0xa0},        {0xad, 0xad},       {0x34f, 0x34f},     {0x600, 0x605},
    {0x61c, 0x61c},     {0x6dd, 0x6dd},      {0x70f, 0x70f},     {0x890, 0x891},     {0x8e2, 0x8e2},
    {0x115f, 0x1160},   {0x1680, 0x1680},    {0x17b4, 0x17b5},   {0x180b, 0x180f},   {0x2000, 0x200f},
    {0x2028, 0x202f},   {0x205f, 0x206f},    {0x2800, 0x2800},   {0x3000, 0x3000},   {0x3164, 0x3164},
    {0xe000, 0xf8ff},   {0xfdd0, 0xfdef},    {0xfe00, 0xfe0f},   {0xfeff, 0xfeff},   {0xffa0, 0xffa0},
    {0xfff0, 0xfffb},   {0x110bd, 0x110bd},  {0x110cd, 0x110cd}, {0x13430, 0x1343f}, {0x1bca0, 0x1bca3},
    {0x1d173, 0x1d17a}, {0xe0000, 0x10ffff},
};

bool is_hidden(std::uint32_t code) {
    auto const* const at = std::lower_bound(std::begin(hidden), std::end(hidden), code,
                                            [](range const& r, std::uint32_t c) { return r.last < c; });
    return (at != std::end(hidden) && at->first <= code) || (code & 0xfffe) == 0xfffe;
}

std::string code_escape(char letter, std::uint32_t code, int digits) {
    std::string out{'\\', letter};
    for (int shift = 4 * (digits - 1); shift >= 0; shift -= 4) out += "0123456789abcdef"[code >> shift & 15u];
    return out;
}

std::string shown(std::string_view raw, std::size_t size_max, bool is_quoted) {
    std::string out;
    while (!raw.empty()) {
        auto const next = decode(raw);
        auto const size = next ? next->size : 1;
        std::string piece{raw.substr(0, size)};
        if (!next) {
            piece = code_escape('x', static_cast<std::uint8_t>(raw[0]), 2);
        } else if (is_hidden(next->code)) {
            piece = next->code < 0x80      ? code_escape('x', next->code, 2)
                    : next->code < 0x10000 ? code_escape('u', next->code, 4)
                                           : code_escape('U', next->code, 8);
        } else if (is_quoted && (next->code == '"' || next->code == '\\')) {
            piece = {'\\', raw[0]};
        }
        if (out.size() + piece.size() > size_max) return out + "\xe2\x80\xa6";  // U+2026, an ellipsis
        out += piece;
        raw.remove_prefix(size);
    }
    return out;
}

}  // namespace

std::string escape(std::string_view raw, std::size_t size_max) { return shown(raw, size_max, false); }

std::string in_quotes(std::string_view raw, std::size_t size_max) { return '"' + shown(raw, size_max, true) + '"'; }

std::string as_argument(std::string_view raw) {
    auto const is_plain = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               std::string_view{"/._-+,:@%"}.find(c) != std::string_view::npos;
    };
    if (!raw.empty() && std::all_of(raw.begin(), raw.end(), is_plain)) return std::string{raw};
    std::string out = "'";
    for (char const c : raw) c == '\'' ? out += "'\\''" : out += c;
    return out + "'";
}

std::string joined(lines const& all) {
    std::string out;
    for (auto const& line : all) {
        if (!out.empty()) out += '\n';
        out += escape(line);
    }
    return out;
}

bool is_utf8(std::string_view raw) {
    while (!raw.empty()) {
        auto const next = decode(raw);
        if (!next) return false;
        raw.remove_prefix(next->size);
    }
    return true;
}

}  // namespace cosigner
