// SPDX-License-Identifier: MIT

// What a directory of signers costs, beside an array that is searched, and beside the bare verifications.

#include <algorithm>
#include <map>
#include <memory>
#include <string_view>
#include <vector>

#include <benchmark/benchmark.h>

#include <muster/cache/persistence/snapshot_file.hpp>
#include <muster/discovery/signer_directory.hpp>
#include <muster/sim/disk.hpp>

#include <discovery/parts.hpp>
#include <support/areas.hpp>

namespace muster::bench {

namespace {

constexpr timestamp now = from_unix_millis(1'800'000'000'000);

/// @p n signers that have advertised. Made once for each size.
struct crowd {
    std::vector<crypto::public_key> keys;
    std::vector<bytes> sealed;
    std::vector<bytes> renewed;  // what each says next

    static crowd const& of(std::size_t n) {
        static std::map<std::size_t, crowd> made;
        auto& c = made[n];
        if (!c.keys.empty()) return c;
        predictable source{splitmix64{n}};
        for (std::size_t i = 0; i < n; ++i) {
            auto const k = peer::derive_keys(crypto::secret<32>::generate(source).value()).value();
            discovery::signer_advertisement a{k.signer.public_key(), k.node.id(),
                                              peer::bind(k.signer, k.node.id()).value(), 1};
            a.addresses = {
                peer::multiaddr::from_text(text("/ip4/192.0.", i / 250 % 250, ".", i % 250, "/tcp/4001")).value()};
            a.types = {i % 16 == 0 ? discovery::transaction_type::escrow : discovery::transaction_type::spend};
            a.amount_from = i;
            a.amount_to = i + 31;
            a.issued = now;
            a.expires = now + std::chrono::minutes{30};
            c.keys.push_back(a.signer);
            c.sealed.push_back(a.seal(k.node).value());
            ++a.sequence;
            c.renewed.push_back(a.seal(k.node).value());
        }
        return c;
    }
};

using directory = discovery::signer_directory<>;

discovery::directory_options bounds(std::size_t n) { return {.signers_max = n, .per_deliverer_max = n}; }

std::unique_ptr<directory> filled(std::size_t n) {
    auto const& c = crowd::of(n);
    auto out = std::make_unique<directory>(bounds(n));
    effect_list<discovery::directory_event> told;
    auto const from = discovery::signer_advertisement::read(c.sealed[0], now).value().machine;
    for (auto const& s : c.sealed) (void)out->take(s, from, discovery::source::gossip, now, told);
    return out;
}

/// An array: what is looked for is compared with each.
struct array_of_signers {
    explicit array_of_signers(std::size_t n) {
        for (auto const& s : crowd::of(n).sealed) all.push_back(discovery::signer_advertisement::read(s, now).value());
    }
    discovery::signer_advertisement* find(crypto::public_key const& key) {
        auto const at = std::find_if(all.begin(), all.end(), [&](auto const& a) { return a.signer == key; });
        return at == all.end() ? nullptr : &*at;
    }
    std::vector<discovery::signer_advertisement> all;
};

template <class Make, class Call>
void add_calls(std::string_view name, std::size_t n, std::string_view subject, Make make, Call call) {
    using made = decltype(make(n));
    auto const s = std::make_shared<made>();
    add_case(name, n, subject, [s, n, make, call](benchmark::State& state) {
        if (!*s) *s = make(n);
        splitmix64 draw{1};
        constexpr std::size_t calls = 100;
        for (auto _ : state) {
            for (std::size_t i = 0; i < calls; ++i) call(**s, crowd::of(n).keys[uniform(draw, n)]);
        }
        report_ns(state, calls);
    });
}

// The signatures of what a machine says, and nothing else: one if its binding is known, else two.
void verify_alone(bytes const& sealed, bool is_known) {
    auto const a = discovery::signer_advertisement::read(sealed, now).value();
    bool good = is_known || peer::verify_binding(a.signer, a.machine, a.binding);
    good = good && peer::envelope::open(sealed, {"muster/signer/v1", as_bytes("/muster/signer/1")});
    benchmark::DoNotOptimize(good);
}
void add_bare(std::string_view name, std::size_t n, std::vector<bytes> crowd::*said, bool is_known) {
    add_case(name, n, "verifications", [=](benchmark::State& state) {
        for (auto _ : state) {
            for (auto const& s : crowd::of(n).*said) verify_alone(s, is_known);
        }
        report_ns(state, n);
    });
}

void add_verifications(std::size_t n) {
    add_case("discovery/new_signer", n, "muster", [n](benchmark::State& state) {
        auto const& c = crowd::of(n);
        auto const from = discovery::signer_advertisement::read(c.sealed[0], now).value().machine;
        for (auto _ : state) {
            state.PauseTiming();
            directory d{bounds(n)};
            effect_list<discovery::directory_event> told;
            state.ResumeTiming();
            for (auto const& s : c.sealed) (void)d.take(s, from, discovery::source::gossip, now, told);
        }
        report_ns(state, n);
    });
    add_bare("discovery/new_signer", n, &crowd::sealed, false);
    add_case("discovery/renewal", n, "muster", [n](benchmark::State& state) {
        auto const& c = crowd::of(n);
        auto const from = discovery::signer_advertisement::read(c.sealed[0], now).value().machine;
        for (auto _ : state) {
            state.PauseTiming();
            auto d = filled(n);
            effect_list<discovery::directory_event> told;
            state.ResumeTiming();
            for (auto const& s : c.renewed) (void)d->take(s, from, discovery::source::gossip, now, told);
            state.PauseTiming();
            d.reset();
            state.ResumeTiming();
        }
        report_ns(state, n);
    });
    add_bare("discovery/renewal", n, &crowd::renewed, true);
}

using file = cache::snapshot_file<discovery::signer_entry_codec, sim::disk_files>;
struct kept : discovery::directory_defaults {
    using persistence = cache::debounced<file, manual_timers, manual_clock>;
};

void add_restart(std::size_t n) {
    add_case("discovery/restart", n, "muster", [n](benchmark::State& state) {
        sim::disk storage;
        manual_timers timers;
        manual_clock clock{instant{}, now};
        using kept_directory = discovery::signer_directory<kept>;
        auto const open = [&] {
            return std::make_unique<kept_directory>(
                bounds(n), file::options{.path = "signers", .files = sim::disk_files{storage}}, timers, clock);
        };
        {
            auto const d = open();
            (void)d->load(now);
            effect_list<discovery::directory_event> told;
            auto const& c = crowd::of(n);
            auto const from = discovery::signer_advertisement::read(c.sealed[0], now).value().machine;
            for (auto const& s : c.sealed) (void)d->take(s, from, discovery::source::gossip, now, told);
            (void)d->underlying().flush();
        }
        for (auto _ : state) {
            state.PauseTiming();
            auto d = open();
            state.ResumeTiming();
            benchmark::DoNotOptimize(d->load(now).value().listed);
            state.PauseTiming();
            (void)d->underlying().flush();
            d.reset();
            state.ResumeTiming();
        }
        report_ns(state, n);
    });
    add_bare("discovery/restart", n, &crowd::sealed, false);
}

}  // namespace

void register_discovery() {
    for (std::size_t const n : {100u, 10'000u, 100'000u}) {
        auto const array = [](std::size_t size) { return std::make_unique<array_of_signers>(size); };
        add_calls("discovery/look_up", n, "muster", filled,
                  [](directory const& d, auto const& key) { benchmark::DoNotOptimize(d.find(key, now)); });
        add_calls("discovery/look_up", n, "array", array,
                  [](array_of_signers& a, auto const& key) { benchmark::DoNotOptimize(a.find(key)); });
        add_calls("discovery/query", n, "muster", filled, [n](directory const& d, auto const&) {
            // Two of those whose amounts begin at their number: what is looked at beside them shows.
            discovery::criteria const c{.type = discovery::transaction_type::escrow, .amount = n / 32 * 16};
            benchmark::DoNotOptimize(d.for_each(c, now, [](auto const&) {}));
        });
        add_calls("discovery/update", n, "muster", filled,
                  [](directory& d, auto const& key) { benchmark::DoNotOptimize(d.set_reputation(key, 1, now)); });
        add_calls("discovery/update", n, "array", array, [](array_of_signers& a, auto const& key) {
            auto* const found = a.find(key);
            auto const copy = *found;
            *found = copy;
        });
    }
    add_verifications(1'000);
    add_restart(10'000);
}

std::vector<row> conclude_discovery(settings const&, std::vector<row> const&) { return directory_floods(); }

}  // namespace muster::bench
