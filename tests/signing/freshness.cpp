// SPDX-License-Identifier: MIT

// A source of randomness that repeats itself, as one does in a virtual machine that is resumed twice from one image.

#include <muster/signing/coordinator.hpp>

#include <set>

#include <support/machines.hpp>

namespace freshness_tests {

using namespace muster;
using namespace muster::signing;

namespace {

/// One life after the other of a machine whose random source begins anew each time, while a co-signer repeats the same
/// proposal: what public nonces it shows for that session.
struct resumed_machine {
    manual_clock clock;
    transport::memory_network wires;
    static_registry registry;
    std::vector<member> members;
    sim::disk disk;
    std::set<bytes> nonces;
    std::optional<bytes> proposal_frame;
    session_id id;

    resumed_machine() {
        for (std::size_t i = 0; i < 2; ++i) {
            auto const keys = test::node_keys(i);
            members.push_back(
                {keys.signer.public_key(), keys.node.id(), peer::bind(keys.signer, keys.node.id()).value()});
            (void)registry.add({members.back(), {}});
        }
        proposal plan;
        plan.roster = members;
        plan.messages = {digest32{{1}}};
        plan.expires_at = clock.wall_now() + std::chrono::hours{20};
        auto const encoded = encode(plan);
        id = id_of(encoded);
        frame_header const header{id, {{9}}, 0, 1, kind::propose};
        proposal_frame = encode_frame(header, propose_body{encoded}, test::node_keys(0).node).value();
    }

    template <class Options>
    void live(typename Options::journal journal) {
        using machine = coordinator<transport::memory_transport, static_registry, manual_timers, manual_clock,
                                    musig2::portable, Options>;
        transport::memory_transport network{wires, members[1].peer}, other{wires, members[0].peer};
        manual_timers timers;
        std::optional<machine> signer;
        signer.emplace(typename machine::parts{network,
                                               registry,
                                               timers,
                                               clock,
                                               test::node_keys(1),
                                               {{7}},
                                               {},
                                               {},
                                               test::predictable{42},
                                               std::move(journal)},
                       [&](event const& e) {
                           if (auto* asked = std::get_if<approval_requested>(&e))
                               CHECK(signer->approve(asked->session));
                       });
        REQUIRE(signer->restore());
        other.attach(cosign_protocol, [&](transport::event const& e) {
            auto const* const got = std::get_if<transport::received>(&e);
            if (got == nullptr) return;
            auto const f = parse_frame(got->frame, limits{});
            if (f && f.value().header.what == kind::nonces) nonces.insert(to_bytes(f.value().body));
        });
        REQUIRE(other.connect(members[1].peer, {}));
        REQUIRE(other.send(members[1].peer, cosign_protocol, *proposal_frame));
        wires.run();
        signer->close();
        network.close();
        other.close();
        wires.run();
    }
};

using plain = test::predictable_options<mesh>;
using with_journal = test::journalled<mesh>;

}  // namespace

TEST_CASE("a source that repeats itself does not repeat a nonce while time goes on", "[misuse-51]") {
    resumed_machine m;
    for (std::size_t life = 1; life <= 3; ++life) {
        m.live<plain>({});
        CHECK(m.nonces.size() == life);
        m.clock.advance(std::chrono::nanoseconds{1});
    }
    // The monotonic clock begins anew with each boot; the wall clock does not.
    auto const wall = m.clock.wall_now();
    m.clock = manual_clock{instant{std::chrono::hours{1}}, wall + std::chrono::milliseconds{1}};
    m.live<plain>({});
    CHECK(m.nonces.size() == 4);
}

TEST_CASE("a journal keeps nonces apart even where both clocks stand still", "[misuse-51]") {
    resumed_machine m;
    for (std::size_t life = 1; life <= 3; ++life) {
        m.live<with_journal>(file_journal<sim::disk_files>{{.path = "j", .files = sim::disk_files{m.disk}}});
        m.disk.crash(sim::disk::luck::none);
        // The session itself is over after a restart; a machine that lost it, and nothing else, is asked again.
        file_journal<sim::disk_files> kept{{.path = "j", .files = sim::disk_files{m.disk}}};
        REQUIRE(kept.load([](session_id const&, byte_view) {}));
        REQUIRE(kept.erase(m.id));
        CHECK(m.nonces.size() == life);
    }
}

TEST_CASE("the number of a nonce is on disk before the nonce exists, or there is none") {
    resumed_machine m;
    sim::disk disk;
    file_journal<sim::disk_files> journal{{.path = "j", .files = sim::disk_files{disk}}};
    REQUIRE(journal.load([](session_id const&, byte_view) {}));
    nonce_counter counter;
    CHECK(counter.advance(journal).value() == 1);
    CHECK(counter.advance(journal).value() == 2);
    disk.fails_at = disk.calls;
    CHECK(counter.advance(journal).error() == file_errc::io_failed);
    CHECK(counter.advance(journal).value() == 3);
    disk.crash(sim::disk::luck::none);
    file_journal<sim::disk_files> again{{.path = "j", .files = sim::disk_files{disk}}};
    nonce_counter restored;
    REQUIRE(again.load([&](session_id const& id, byte_view octets) {
        if (id == nonce_counter::entry()) CHECK(restored.restore(octets));
    }));
    CHECK(restored.advance(again).value() == 4);
    CHECK(restored.restore(bytes{1, 2, 3}).error() == wire::errc::truncated);
}

}  // namespace freshness_tests
