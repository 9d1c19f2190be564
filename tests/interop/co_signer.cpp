// SPDX-License-Identifier: MIT

// One signer behind a pipe, for co-signing with other implementations of BIP-327. Reads a command a line, answers with
// a line: `ok` and bytes in hex, or `refused` and why. The secret nonce never leaves the process.
//
//     key SECRET                       its public key
//     sort KEY...                      the keys in BIP-327's order
//     group MESSAGE TWEAKS KEY...      the aggregate key; MESSAGE: in hex; TWEAKS: plain:HEX and xonly:HEX with
//                                      commas between; - for none of either
//     nonce                            its public nonce
//     nonces NONCE...                  everyone's: the sum, and its share
//     shares SHARE...                  everyone's, each verified: the signature, verified
//     last SUM                         DeterministicSign over the others' sum: public nonce and share

#include <algorithm>
#include <iostream>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include <muster/core/hex.hpp>
#include <muster/musig2/portable.hpp>
#include <muster/musig2/rounds.hpp>
#include <muster/musig2/tweak.hpp>

namespace {

using namespace muster;
using namespace muster::musig2;
using words = std::vector<std::string>;

class co_signer {
public:
    result<std::string> obey(words const& line) {
        static std::map<std::string, result<std::string> (co_signer::*)(words const&)> const commands{
            {"key", &co_signer::take_key},  {"sort", &co_signer::sort},   {"group", &co_signer::join},
            {"nonce", &co_signer::draw},    {"nonces", &co_signer::sign}, {"shares", &co_signer::finish},
            {"last", &co_signer::sign_last}};
        auto const command = commands.find(line.empty() ? "" : line[0]);
        if (command == commands.end()) return error{errc::unknown_position, "no such command"};
        return (this->*command->second)({line.begin() + 1, line.end()});
    }

private:
    template <class Fixed>
    static result<std::vector<Fixed>> parse_all(words const& from, std::size_t first = 0) {
        std::vector<Fixed> out;
        for (std::size_t i = first; i < from.size(); ++i) {
            MUSTER_TRY(auto const value, from_hex_as<Fixed>(from[i]));
            out.push_back(value);
        }
        return out;
    }

    result<std::string> take_key(words const& w) {
        MUSTER_TRY(auto const secret, from_hex(w.at(0)));
        MUSTER_TRY(auto const kept, crypto::secret<32>::copy_of(secret));
        MUSTER_TRY(auto pair, key_pair::from_secret(kept));
        key_ = std::move(pair);
        return to_hex(key_->public_key());
    }

    result<std::string> sort(words const& w) {
        MUSTER_TRY(auto keys, parse_all<public_key>(w));
        std::string out;
        for (auto const& key : key_sort(std::move(keys))) out += (out.empty() ? "" : " ") + to_hex(key);
        return out;
    }

    result<std::string> join(words const& w) {
        MUSTER_TRY(text_, from_hex(w.at(0) == "-" ? "" : w.at(0)));
        std::vector<tweak> tweaks;
        std::istringstream list{w.at(1) == "-" ? "" : w.at(1)};
        for (std::string item; std::getline(list, item, ',');) {
            MUSTER_TRY(auto const value, from_hex_as<tweak_value>(item.substr(item.find(':') + 1)));
            tweaks.push_back(unsafe::raw_tweak{value, item.starts_with("xonly")});
        }
        MUSTER_TRY(auto const keys, parse_all<public_key>(w, 2));
        MUSTER_TRY(auto context, key_agg(portable{}, keys, tweaks));
        group_ = std::move(context);
        auto const own = std::find(keys.begin(), keys.end(), key_->public_key());
        position_ = static_cast<std::uint32_t>(own - keys.begin());
        first_.reset();
        second_.reset();
        return to_hex(group_->aggregate());
    }

    result<std::string> draw(words const&) {
        MUSTER_TRY(auto round, round1<portable>::open(source_, *key_, *group_, message::verbatim(text_), position_));
        auto const nonce = round.nonces()[0];
        first_ = std::move(round);
        return to_hex(nonce);
    }

    result<std::string> sign(words const& w) {
        MUSTER_TRY(nonces_, parse_all<pubnonce>(w));
        for (std::uint32_t i = 0; i < nonces_.size(); ++i) {
            MUSTER_TRY(first_->receive(i, std::span{&nonces_[i], 1}));
        }
        MUSTER_TRY(auto const sums, first_->aggregate_nonces());
        MUSTER_TRY(auto round, std::move(*first_).sign());
        auto const share = round.shares()[0];
        second_ = std::move(round);
        return to_hex(sums[0]) + " " + to_hex(share);
    }

    result<std::string> finish(words const& w) {
        MUSTER_TRY(auto const shares, parse_all<psig>(w));
        MUSTER_TRY(auto const values, portable{}.session_values(*group_, second_->signed_under()[0], text_));
        for (std::uint32_t i = 0; i < shares.size(); ++i) {
            MUSTER_TRY(bool const holds, partial_sig_verify(portable{}, values, {i, nonces_[i], shares[i]}));
            if (!holds) return error{errc::invalid_psig, text("the share of signer ", i, " does not verify"), i};
            MUSTER_TRY(second_->receive(i, std::span{&shares[i], 1}));
        }
        MUSTER_TRY(auto const signatures, second_->aggregate());
        return to_hex(signatures[0]);
    }

    result<std::string> sign_last(words const& w) {
        MUSTER_TRY(auto const sum, from_hex_as<aggnonce>(w.at(0)));
        MUSTER_TRY(auto const made, portable{}.deterministic_sign(*group_, *key_, {sum, text_, {}}));
        return to_hex(made.first) + " " + to_hex(made.second);
    }

    crypto::system_random source_;
    std::optional<key_pair> key_;
    std::optional<portable::keyagg_context> group_;
    bytes text_;
    std::uint32_t position_ = 0;
    std::vector<pubnonce> nonces_;
    std::optional<round1<portable>> first_;
    std::optional<round2<portable>> second_;
};

}  // namespace

int main() {
    co_signer signer;
    for (std::string line; std::getline(std::cin, line);) {
        std::istringstream in{line};
        words w;
        for (std::string word; in >> word;) w.push_back(word);
        auto const answer = signer.obey(w);
        std::cout << (answer ? "ok " + answer.value() : "refused " + answer.error().to_text()) << std::endl;
    }
}
