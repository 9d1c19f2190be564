// SPDX-License-Identifier: MIT

// What merging costs, an outbox beside bare inserts of SQLite, and how many bytes it takes to tell two sets apart.

#include <filesystem>
#include <memory>
#include <optional>

#include <stdlib.h>

#include <benchmark/benchmark.h>

#include <muster/sqlite/entry_store.hpp>
#include <muster/sync/outbox.hpp>
#include <muster/sync/replica.hpp>

#include <support/areas.hpp>

namespace muster::bench {

namespace {

/// A directory that is there for one case.
struct scratch {
    scratch() {
        auto name = (std::filesystem::temp_directory_path() / "muster-bench-XXXXXX").string();
        if (::mkdtemp(name.data()) != nullptr) path = name;
    }
    scratch(scratch const&) = delete;
    scratch& operator=(scratch const&) = delete;
    ~scratch() { std::filesystem::remove_all(path); }
    std::filesystem::path path;
};

std::vector<sync::update> updates(std::size_t n) {
    splitmix64 random{1};
    sync::replica<> copies[3];
    std::uint64_t sequences[3] = {};
    hybrid_clock clock;
    std::vector<sync::update> out;
    for (std::size_t i = 0; i < n; ++i) {
        auto const who = static_cast<std::size_t>(uniform(random, 3));
        auto w = copies[who].prepare("key " + std::to_string(uniform(random, 1 + n / 8)), bytes(40, 1));
        w.at = {{static_cast<std::uint16_t>(who), 7}, ++sequences[who]};
        w.time = clock.next(from_unix_millis(1'800'000'000'000 + static_cast<std::int64_t>(i)));
        for (auto& c : copies) {
            if (&c == &copies[who] || uniform(random, 2) == 0) c.apply(w);
        }
        out.push_back(std::move(w));
    }
    return out;
}

/// Takes all, and names entries as a notebook does, so that summaries have their whole size.
struct take_all {
    sync::judgement operator()(sync::entry const&) const { return sync::judgement::take; }
    sync::entry_name name_of(sync::entry const& e) const {
        return sync::entry_name::from(crypto::sha256(e.content).view().first(sync::entry_name::size_in_bytes));
    }
    sync::judgement vouch(sync::entry const&) const { return sync::judgement::take; }
    result<std::optional<bytes>> contrast(sync::entry const&, sync::entry const&) const {
        return std::optional<bytes>{};
    }
    result<sync::dot> convict(byte_view) const { return error{sync::errc::malformed, "nothing is proved here"}; }
};
static_assert(sync::evidence_judge<take_all>);
using box = sync::outbox<take_all>;

/// Makes what a machine wants durable so, in @p store.
template <class Store>
void add_all(Store& store, box& machine, std::size_t n, std::size_t at_once, benchmark::State& state) {
    effect_list<box::effect> sink;
    std::vector<sync::entry> waiting;
    for (std::size_t i = 0; i < n; ++i) {
        (void)machine.add(bytes(400, 1), instant{}, sink);
        for (auto& e : sink.take()) {
            if (auto* const p = std::get_if<sync::persist>(&e)) waiting.push_back(std::move(p->entries[0]));
        }
        if (waiting.size() < at_once) continue;
        if (!store.add(waiting)) state.SkipWithError("not kept");
        waiting.clear();
    }
}

void add_outbox(std::size_t n, std::size_t at_once) {
    auto const name = text("sync/outbox_of_", at_once);
    add_case(name, n, "muster", [n, at_once](benchmark::State& state) {
        for (auto _ : state) {
            state.PauseTiming();
            scratch dir;
            sqlite::entries store{(dir.path / "entries").string()};
            (void)store.load([](sync::entry const&) {});
            box machine{{0, 1}, take_all{}, {}};
            state.ResumeTiming();
            add_all(store, machine, n, at_once, state);
        }
        report_ns(state, n);
    })->UseRealTime();
    add_case(name, n, "bare SQLite", [n, at_once](benchmark::State& state) {
        for (auto _ : state) {
            state.PauseTiming();
            scratch dir;
            auto db = sqlite::database::open((dir.path / "entries").string()).value();
            (void)db.run("PRAGMA journal_mode = WAL");
            (void)db.run("PRAGMA synchronous = FULL");
            (void)db.run("CREATE TABLE entry (sequence INTEGER PRIMARY KEY, content BLOB NOT NULL)");
            bytes const content(400, 1);
            state.ResumeTiming();
            for (std::size_t i = 0; i < n;) {
                (void)db.run("BEGIN IMMEDIATE");
                for (std::size_t k = 0; k < at_once; ++k, ++i) {
                    (void)db.run("INSERT INTO entry VALUES (?, ?)", static_cast<std::int64_t>(i), byte_view{content});
                }
                (void)db.run("COMMIT");
            }
        }
        report_ns(state, n);
    })->UseRealTime();
}

/// Bytes that two replicas exchange of which one lacks @p d of @p n entries, without the entries' contents.
void add_difference(std::size_t n, std::size_t d) {
    add_case(text("sync/difference_of_", d), n, "muster", [n, d](benchmark::State& state) {
        constexpr std::size_t chains = 10, size = 32;
        std::size_t sent = 0;
        for (auto _ : state) {
            sent = 0;
            sync::entry_log full{n}, lacking{n};
            for (std::uint16_t c = 0; c < chains; ++c) {
                for (std::uint64_t i = 1; i <= n / chains; ++i) {
                    sync::entry e{{{static_cast<std::uint16_t>(c + 10), 7}, i}, bytes(size, 1)};
                    if (i <= n / chains - d / chains) (void)lacking.add(e);
                    (void)full.add(std::move(e));
                }
            }
            crypto::public_key names[2];
            for (byte i = 0; i < 2; ++i) {
                names[i].octets[0] = 2;
                names[i].octets[32] = i;
            }
            peer::peer_id const ids[] = {peer::peer_id::of(names[0]), peer::peer_id::of(names[1])};
            box machines[] = {{{0, 1}, take_all{}, {}, std::move(full)}, {{1, 1}, take_all{}, {}, std::move(lacking)}};
            std::vector<std::pair<int, bytes>> wires;
            auto const step = [&](int who, box::event const& e) {
                effect_list<box::effect> sink;
                machines[who].handle(e, instant{}, sink);
                for (auto& x : sink.take()) {
                    if (auto* const s = std::get_if<sync::send>(&x)) {
                        sent += s->message.size();
                        wires.emplace_back(1 - who, std::move(s->message));
                    }
                }
            };
            for (int who : {0, 1}) step(who, sync::peer_reached{ids[1 - who]});
            while (!wires.empty()) {
                auto [to, message] = std::move(wires.front());
                wires.erase(wires.begin());
                step(to, sync::heard{ids[1 - to], std::move(message)});
            }
            if (machines[1].log().size() != n) state.SkipWithError("not level");
        }
        state.counters["bytes"] = static_cast<double>(sent - d * size);
    });
}

}  // namespace

void register_sync() {
    constexpr std::size_t n = 10'000;
    add_case("sync/merge", n, "muster", [all = updates(n)](benchmark::State& state) {
        for (auto _ : state) {
            sync::replica<> copy;
            for (auto const& w : all) benchmark::DoNotOptimize(copy.apply(w));
        }
        report_ns(state, n);
    });
    add_outbox(200, 1);
    add_outbox(2000, 100);
    for (std::size_t const d : {10u, 100u, 1000u}) add_difference(100'000, d);
}

}  // namespace muster::bench
