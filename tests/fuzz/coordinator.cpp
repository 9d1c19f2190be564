// SPDX-License-Identifier: MIT

/// @file
/// Bytes become what a coordinator can meet: frames of co-signers who may sign anything, frames of strangers,
/// commands, time, crashes and disks that fail. It must keep within its bounds, never use a nonce twice, and never draw
/// one unasked.

#include <cstdlib>
#include <memory>

#include <muster/signing/file_journal.hpp>
#include <muster/sim/signing/co_signer.hpp>
#include <muster/transport/memory_transport.hpp>

#include <support/keys.hpp>

namespace {

using namespace muster;
using namespace muster::signing;

/// Three signers, of whom number 0 is under test, and a stranger, number 3.
struct people {
    std::vector<peer::key_set> keys;
    std::vector<member> members;
    static_registry registry;

    people() {
        for (std::uint64_t i = 0; i < 4; ++i) {
            test::predictable source{i + 1};
            keys.push_back(peer::derive_keys(crypto::secret<32>::generate(source).value()).value());
            members.push_back({keys[i].signer.public_key(), keys[i].node.id(),
                               peer::bind(keys[i].signer, keys[i].node.id()).value()});
            if (i < 3) (void)registry.add({members[i], {}});
        }
    }
    [[nodiscard]] peer::key_set own() const {
        test::predictable source{1};
        return peer::derive_keys(crypto::secret<32>::generate(source).value()).value();
    }
};

template <class Topology>
class rig {
    struct options : default_options {
        using topology = Topology;
        using entropy = sim::signing::replayed_entropy;
        using journal = file_journal<sim::disk_files>;
    };
    using backend = sim::signing::witnessed<musig2::portable>;
    using machine =
        coordinator<transport::memory_transport, static_registry, manual_timers, manual_clock, backend, options>;

public:
    rig() : nonces_{[](std::string const&) { std::abort(); }} {
        bounds_.open_sessions_max = 4;
        bounds_.open_sessions_reserved = 1;
        bounds_.closed_sessions_max = 3;
        bounds_.tombstones_max = 5;
        bounds_.peers_max = 3;
        bounds_.early_octets_per_peer_max = 600;
        for (std::size_t i = 1; i < 4; ++i) {
            others_.push_back(std::make_unique<transport::memory_transport>(wires_, all().members[i].peer));
        }
        boot();
    }

    void run(byte_view input) {
        wire::reader in{input};
        while (in.ok() && in.remaining() != 0) {
            act(in);
            wires_.run();
            check();
        }
    }

private:
    [[nodiscard]] static people const& all() {
        static people const p;
        return p;
    }
    void boot() {
        signer_.reset();
        network_.reset();
        network_ = std::make_unique<transport::memory_transport>(wires_, all().members[0].peer);
        boot_epoch const epoch{{static_cast<byte>(++lives_)}};
        signer_ = std::make_unique<machine>(
            typename machine::parts{*network_, all().registry, alarm_, clock_, all().own(), epoch, bounds_,
                                    backend{nonces_, 0}, sim::signing::replayed_entropy{lives_},
                                    file_journal<sim::disk_files>{{.path = "j", .files = sim::disk_files{disk_}}}},
            [this](event const& e) {
                if (auto const* const v = std::get_if<session_created>(&e)) note(v->session, *v->what);
            });
        (void)signer_->restore();
        for (auto const& o : others_) (void)network_->connect(o->local(), {});
        wires_.run();
    }
    void note(session_id const& id, proposal const& what) {
        if (ids_.size() == 8) ids_.erase(ids_.begin());
        ids_.push_back(id);
        plan_ = what;
    }
    [[nodiscard]] session_id some_id(wire::reader& in) {
        auto const n = in.u8();
        return n < ids_.size() ? ids_[n] : session_id{{n}};
    }

    void act(wire::reader& in) {
        switch (in.u8() % 16) {
            case 0: return propose(in);
            case 1: return as_asked([&] { (void)signer_->approve(some_id(in)); });
            case 2: (void)signer_->decline(some_id(in), "no"); return;
            case 3: (void)signer_->abort(some_id(in), "stop"); return;
            case 4: (void)signer_->trigger_coordinator_failover(some_id(in)); return;
            case 5: (void)signer_->notify_broadcast_complete(some_id(in)); return;
            case 6: (void)signer_->cleanup_expired_sessions(); return;
            case 7:
                clock_.advance(std::chrono::seconds{in.u8()});
                alarm_.fire_due(clock_.now());
                return;
            case 8: return crash(in);
            case 9: disk_.fails_at = disk_.calls + in.u8() % 16; return;
            case 10: network_->disconnect(all().members[1 + in.u8() % 3u].peer); return;
            default: return frame(in);
        }
    }
    template <class F>
    void as_asked(F f) {
        nonces_.allow(0, true);
        f();
        nonces_.allow(0, false);
    }
    void propose(wire::reader& in) {
        signing_request r;
        auto const who = in.u8();
        for (std::size_t i = 0; i < 3; ++i) {
            if (i == 0 || (who >> i & 1) != 0) r.signers.push_back(all().members[i].signer);
        }
        r.messages = {digest32{{in.u8()}}};
        as_asked([&] { (void)signer_->propose(std::move(r)); });
    }
    void crash(wire::reader& in) {
        constexpr std::array lucks{sim::disk::luck::none, sim::disk::luck::half, sim::disk::luck::all};
        signer_.reset();
        network_.reset();
        disk_.crash(lucks[in.u8() % 3]);
        if (auto const what = in.u8(); what == 0)
            backup_ = disk_.copy();
        else if (what == 1)
            disk_.put_back(backup_);
        boot();
    }
    // A frame of somebody: signed by its sender, by another one, or by nobody; of a body of any bytes, or a proposal.
    void frame(wire::reader& in) {
        auto const from = 1 + in.u8() % 3u;
        auto const signs = 1 + in.u8() % 3u;
        frame_header h{some_id(in), boot_epoch{{in.u8()}}, in.u8() % 4u, in.u8(), static_cast<kind>(in.u8() % 12 + 1)};
        bytes body = to_bytes(in.sized(400));
        if (h.what == kind::propose && plan_) {
            auto p = *plan_;
            p.salt[0] = in.u8();
            p.initiator = in.u8() % 4u;
            auto const encoded = encode(p);
            h.session = id_of(encoded);
            wire::writer w;
            body = to_bytes(w.sized(encoded.terms).sized(encoded.roster).view());
        }
        if (h.what == kind::hello && body.empty()) body = hello(all().members[in.u8() % 4u], in.u8() % 4u);
        wire::writer w;
        w.u8(protocol_version).raw(h.session.view()).raw(h.epoch.view()).u32(h.sender).u64(h.sequence);
        w.u8(static_cast<std::uint8_t>(h.what)).raw(body);
        auto const signature = all().keys[signs].node.sign(signing::detail::frame_digest(w.view())).value();
        auto& sender = *others_[from - 1];
        if (!sender.is_connected(all().members[0].peer)) (void)sender.connect(all().members[0].peer, {});
        (void)sender.send(all().members[0].peer, cosign_protocol, to_bytes(w.raw(signature.view()).view()));
    }

    // Of @p who, if its sender is honest, with the first so many sessions as resumed.
    [[nodiscard]] bytes hello(member const& who, std::size_t resumed) const {
        wire::writer w;
        resumed = std::min(resumed, ids_.size());
        w.raw(who.signer.view()).raw(who.binding.view()).size(resumed);
        for (std::size_t i = 0; i < resumed; ++i) w.raw(ids_[i].view());
        return to_bytes(w.view());
    }

    void check() {
        auto const use = signer_->in_use();
        bool const within = use.open_sessions <= 4 && use.closed_sessions <= 3 && use.tombstones <= 5 &&
                            use.graves <= 5 && use.peers <= 3 && use.early_octets <= 3 * 600;
        if (!within || crypto::secp256k1::illegal_calls() != 0) std::abort();
    }

    limits bounds_;
    sim::signing::nonce_book nonces_;
    sim::disk disk_;
    sim::disk::image backup_;
    manual_clock clock_;
    manual_timers alarm_;
    transport::memory_network wires_;
    std::vector<std::unique_ptr<transport::memory_transport>> others_;
    std::unique_ptr<transport::memory_transport> network_;
    std::unique_ptr<machine> signer_;
    std::vector<session_id> ids_;
    std::optional<proposal> plan_;
    std::uint64_t lives_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    if (size == 0 || size > 4000) return 0;
    if (data[0] % 2 == 0) {
        rig<mesh>{}.run({data + 1, size - 1});
    } else {
        rig<aggregator>{}.run({data + 1, size - 1});
    }
    return 0;
}
