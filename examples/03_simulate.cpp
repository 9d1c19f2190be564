// SPDX-License-Identifier: MIT

// A policy of your own under a thousand seeds: a backend that aggregates the keys of a group only once. Is it still
// right when groups change, machines crash and signers lie? Derive from the simulation's policies, put yours in, and
// run.

#include <cstdio>
#include <cstdlib>
#include <map>

#include <muster/sim/explore.hpp>
#include <muster/sim/signing/run.hpp>

using namespace muster;

struct caching : musig2::portable {
    std::shared_ptr<std::map<std::vector<crypto::public_key>, keyagg_context>> groups =
        std::make_shared<decltype(groups)::element_type>();

    result<keyagg_context> key_agg(std::span<crypto::public_key const> keys) const {
        std::vector<crypto::public_key> const group{keys.begin(), keys.end()};
        if (auto const known = groups->find(group); known != groups->end()) return known->second;
        MUSTER_TRY(auto made, portable::key_agg(keys));
        if (groups->size() == 100) groups->clear();
        return groups->emplace(group, made).first->second;
    }
};
struct mine : sim::signing::co_signer_policies {
    using backend = caching;
};

int main(int count, char** arguments) {
    auto const seeds = count > 1 ? std::strtoull(arguments[1], nullptr, 10) : 1000;
    auto const run = [](std::uint64_t seed) {
        return sim::signing::group_run<mine>{seed, sim::signing::group_options::from_seed(seed)}.run();
    };
    auto const verdict =
        sim::explore(1, seeds, run, [](std::string_view line) { std::printf("%s\n", std::string{line}.c_str()); });
    std::printf("%s\n", verdict.to_text().c_str());
    return verdict.all_passed() ? 0 : 1;
}
