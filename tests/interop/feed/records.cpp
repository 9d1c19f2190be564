// SPDX-License-Identifier: MIT

// Encodings, hashes and signatures of the preconfirmation protocol beside another implementation's, for ./dev interop
// feed. Each line of JSON has the fields of something, and what follows from them: its encoding, and of a record its
// hash, the digest that is signed, the signature and the signer.
//
//     muster_feed_records make SEED COUNT   prints random ones
//     muster_feed_records check             reads what the other one has made; says of the first difference

#include <cstdint>
#include <iostream>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include <muster/core/hex.hpp>
#include <muster/feed/preconf/hashing.hpp>

namespace {

using namespace muster;
using namespace muster::feed::preconf;
using nlohmann::json;

// ---- values as text: numbers most significant byte first, which is not how they are encoded -------------------------

json text_of(uint256 const& n) {
    bytes all;
    n.append_to(all);
    return to_hex(bytes(all.rbegin(), all.rend()));
}
template <class T>
T value_of(json const& j) {
    if constexpr (std::is_same_v<T, uint256>) {
        auto const all = from_hex(j.get<std::string>()).value();
        return uint256::from_little_endian(bytes(all.rbegin(), all.rend()));
    } else if constexpr (std::is_same_v<T, bytes>) {
        return from_hex(j.get<std::string>()).value();
    } else {
        return from_hex_as<T>(j.get<std::string>()).value();
    }
}

crypto::key_pair key_of(json const& j) {
    return crypto::key_pair::from_secret(crypto::secret<32>::copy_of(value_of<bytes>(j.at("secret"))).value()).value();
}

// ---- each kind: what its fields say, and what follows ---------------------------------------------------------------

json described(signed_commitment const& s, json const& of) {
    auto const& p = s.commitment.preconf;
    auto const domain = value_of<signing_domain>(of.at("domain"));
    auto const key = key_of(of);
    return {{"kind", "record"},
            {"secret", of.at("secret")},
            {"domain", of.at("domain")},
            {"eop", p.eop},
            {"block", text_of(p.block_number)},
            {"time", text_of(p.timestamp)},
            {"gas", text_of(p.gas_limit)},
            {"coinbase", to_hex(p.coinbase)},
            {"anchor", text_of(p.anchor_block_number)},
            {"list", to_hex(p.raw_tx_list_hash)},
            {"parent", to_hex(p.parent_hash)},
            {"end", text_of(p.submission_window_end)},
            {"prover", to_hex(p.prover_auth)},
            {"proposal", text_of(p.proposal_id)},
            {"slasher", to_hex(s.commitment.slasher)},
            {"hash", to_hex(hash_of(p))},
            {"digest", to_hex(signing_hash(s.commitment, domain))},
            {"signature", to_hex(sign(s.commitment, key, domain).value().signature)},
            {"signer", to_hex(signer_of(s, domain).value())},
            {"encoding", to_hex(encode(s))}};
}
signed_commitment record_of(json const& j) {
    signed_commitment s;
    auto& p = s.commitment.preconf;
    p.eop = j.at("eop").get<bool>();
    p.block_number = value_of<uint256>(j.at("block"));
    p.timestamp = value_of<uint256>(j.at("time"));
    p.gas_limit = value_of<uint256>(j.at("gas"));
    p.coinbase = value_of<address>(j.at("coinbase"));
    p.anchor_block_number = value_of<uint256>(j.at("anchor"));
    p.raw_tx_list_hash = value_of<digest32>(j.at("list"));
    p.parent_hash = value_of<digest32>(j.at("parent"));
    p.submission_window_end = value_of<uint256>(j.at("end"));
    p.prover_auth = value_of<address>(j.at("prover"));
    p.proposal_id = value_of<uint256>(j.at("proposal"));
    s.commitment.slasher = value_of<address>(j.at("slasher"));
    s.signature = value_of<crypto::recoverable_signature>(j.at("signature"));
    return s;
}
json described(raw_tx_list const& l) {
    return {{"kind", "list"},
            {"hash", to_hex(l.hash)},
            {"content", to_hex(l.content)},
            {"keccak", to_hex(hash_of_list(l.content))},
            {"encoding", to_hex(encode(l))}};
}
json described(head const& h) {
    return {{"kind", "head"},
            {"block", text_of(h.block_number)},
            {"end", text_of(h.submission_window_end)},
            {"encoding", to_hex(encode(h))}};
}
json described(page_request const& r) {
    return {
        {"kind", "page_request"}, {"start", text_of(r.start)}, {"count", r.count_max}, {"encoding", to_hex(encode(r))}};
}
json described(std::vector<bytes> const& page) {
    json all = json::array();
    for (auto const& r : page) all.push_back(to_hex(r));
    return {{"kind", "page"}, {"records", all}, {"encoding", to_hex(encode_page(page))}};
}

// What the fields give, and what the encoding gives when it is read: both are to be the line.
std::vector<json> both(json const& j) {
    auto const kind = j.at("kind").get<std::string>();
    auto const in = value_of<bytes>(j.at("encoding"));
    if (kind == "record") return {described(record_of(j), j), described(decode_signed_commitment(in).value(), j)};
    if (kind == "list") {
        return {described(raw_tx_list{value_of<digest32>(j.at("hash")), value_of<bytes>(j.at("content"))}),
                described(decode_raw_tx_list(in).value())};
    }
    if (kind == "head") {
        return {described(head{value_of<uint256>(j.at("block")), value_of<uint256>(j.at("end"))}),
                described(decode_head(in).value())};
    }
    if (kind == "page_request") {
        return {described(page_request{value_of<uint256>(j.at("start")), j.at("count").get<std::uint32_t>()}),
                described(decode_page_request(in).value())};
    }
    if (kind != "page") throw std::runtime_error{"no such kind: " + kind};
    std::vector<bytes> made, read;
    for (auto const& r : j.at("records")) made.push_back(value_of<bytes>(r));
    auto const page = decode_page(in);
    for (auto const r : page.value()) read.push_back(to_bytes(r));
    return {described(made), described(read)};
}
bool is_taken(std::string const& kind, byte_view in) {
    if (kind == "record") return decode_signed_commitment(in).has_value();
    if (kind == "list") return decode_raw_tx_list(in).has_value();
    if (kind == "head") return decode_head(in).has_value();
    if (kind == "page_request") return decode_page_request(in).has_value();
    auto const page = decode_page(in);
    if (!page) return false;
    for (auto const r : page.value()) {
        if (!decode_signed_commitment(r)) return false;  // by whoever takes the record
    }
    return true;
}

// ---- random ones ----------------------------------------------------------------------------------------------------

class source {
public:
    explicit source(std::uint64_t seed) : random_{seed} {}
    std::uint64_t below(std::uint64_t n) { return random_() % n; }
    bytes some(std::size_t size) {
        bytes out(size);
        for (auto& b : out) b = static_cast<byte>(random_());
        return out;
    }
    // Zero, the greatest, and numbers of each length.
    uint256 number() {
        if (below(16) == 0) return uint256::max();
        auto raw = some(32);
        for (std::size_t i = below(33); i < 32; ++i) raw[i] = 0;
        return uint256::from_little_endian(raw);
    }
    template <class T>
    T fixed() {
        return below(8) == 0 ? T{} : T::from(some(T::size()));
    }
    signed_commitment record() {
        signed_commitment s;
        s.commitment.preconf = {below(2) == 0,    number(),         number(),          number(),
                                fixed<address>(), number(),         fixed<digest32>(), fixed<digest32>(),
                                number(),         fixed<address>(), number()};
        s.commitment.slasher = fixed<address>();
        return s;
    }

private:
    std::mt19937_64 random_;
};

void make(std::uint64_t seed, std::size_t count) {
    source from{seed};
    std::vector<bytes> records;
    for (std::size_t i = 0; i < count; ++i) {
        json const by = {{"secret", to_hex(from.some(32))}, {"domain", to_hex(from.some(32))}};
        auto const key = key_of(by);
        auto const s = sign(from.record().commitment, key, value_of<signing_domain>(by.at("domain"))).value();
        records.push_back(encode(s));
        std::cout << described(s, by) << '\n';
        std::cout << described(head{from.number(), from.number()}) << '\n';
        std::cout << described(page_request{from.number(), static_cast<std::uint32_t>(from.below(1u << 31))}) << '\n';
        auto const content = from.some(i == 0 ? tx_list_size_max : from.below(i % 2 == 0 ? 3 : 600));
        std::cout << described(
                         raw_tx_list{from.below(2) == 0 ? hash_of_list(content) : from.fixed<digest32>(), content})
                  << '\n';
        if (i % 100 != 99) continue;
        auto const from_there = records.size() - std::min<std::size_t>(records.size(), from.below(page_max + 1));
        std::cout << described(std::vector(records.begin() + static_cast<std::ptrdiff_t>(from_there), records.end()))
                  << '\n';
    }
}
int check() {
    std::size_t same = 0, taken = 0, refused = 0;
    for (std::string line; std::getline(std::cin, line);) {
        auto const j = json::parse(line);
        if (j.contains("taken")) {  // altered by the other one, who says whether it is an encoding still
            bool const ours = is_taken(j.at("kind").get<std::string>(), value_of<bytes>(j.at("encoding")));
            if (ours != j.at("taken").get<bool>()) {
                std::cout << "we " << (ours ? "take " : "refuse ") << line << '\n';
                return 1;
            }
            ++(ours ? taken : refused);
            continue;
        }
        for (auto const& made : both(j)) {
            if (made == j) continue;
            std::cout << "ours   " << made << "\ntheirs " << j << '\n';
            return 1;
        }
        ++same;
    }
    std::cout << "same " << same << " taken " << taken << " refused " << refused << '\n';
    return 0;
}

}  // namespace

int main(int count, char** arguments) {
    std::string const verb = count > 1 ? arguments[1] : "";
    if (verb == "check") return check();
    if (verb != "make" || count != 4) {
        std::cerr << "usage: muster_feed_records make SEED COUNT | check\n";
        return 2;
    }
    make(std::stoull(arguments[2]), std::stoull(arguments[3]));
}
