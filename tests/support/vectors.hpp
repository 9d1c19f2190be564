// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Reads the figures in tests/vectors; the layout is described at the top of bip327.txt.

#include <fstream>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include <muster/core/hex.hpp>

namespace muster::test {

/// One case: its kind and its fields.
struct vector_case {
    std::string kind;
    int line = 0;
    std::map<std::string, std::string> fields;

    [[nodiscard]] bool has(std::string const& field) const { return fields.count(field) != 0; }
    [[nodiscard]] std::string const& word(std::string const& field) const { return fields.at(field); }
    [[nodiscard]] std::vector<std::string> words(std::string const& field) const {
        std::vector<std::string> out;
        if (!has(field)) return out;
        std::istringstream in{fields.at(field)};
        for (std::string word; in >> word;) out.push_back(word);
        return out;
    }
    [[nodiscard]] bytes octets(std::string const& field) const { return decode(word(field)); }
    template <class Fixed>
    [[nodiscard]] Fixed one(std::string const& field) const {
        return from_hex_as<Fixed>(word(field)).value();
    }
    template <class Fixed>
    [[nodiscard]] std::vector<Fixed> all(std::string const& field) const {
        std::vector<Fixed> out;
        for (auto const& w : words(field)) out.push_back(from_hex_as<Fixed>(w).value());
        return out;
    }

    [[nodiscard]] static bytes decode(std::string const& word) {
        return word == "-" ? bytes{} : from_hex(word).value();
    }
};

/// All cases of one kind in tests/vectors/@p file; throws when there is none.
[[nodiscard]] inline std::vector<vector_case> load_vectors(std::string const& file, std::string const& kind) {
    std::ifstream in{std::string{MUSTER_TEST_VECTORS} + "/" + file};
    std::vector<vector_case> out;
    vector_case current;
    auto const flush = [&] {
        if (current.kind == kind) out.push_back(current);
        current = {};
    };
    int number = 0;
    for (std::string line; std::getline(in, line);) {
        ++number;
        if (line.empty() || line[0] == '#') continue;
        std::istringstream words{line};
        std::string name, value;
        words >> name;
        std::getline(words >> std::ws, value);
        if (name == "case") {
            flush();
            current.kind = value;
            current.line = number;
        } else {
            current.fields[name] = value;
        }
    }
    flush();
    if (out.empty()) throw std::runtime_error{"no case " + kind + " in " + file};
    return out;
}

}  // namespace muster::test
