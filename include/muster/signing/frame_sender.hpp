// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Signs and sends our frames to co-signers, and remembers the sessions whose frames a congested peer refused.

#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include <muster/signing/frame.hpp>
#include <muster/signing/registry.hpp>
#include <muster/transport/frames.hpp>

namespace muster::signing {

/// The protocol id of session frames.
inline constexpr std::string_view cosign_protocol = "/muster/cosign/1.0.0";

/// Sends frames as the node of one boot epoch. Transport, registry and key are borrowed. Not thread-safe.
template <transport::frames Transport, signer_registry Registry>
class frame_sender {
public:
    frame_sender(Transport& network, Registry const& registry, peer::node_key const& key, boot_epoch const& epoch)
        : network_{&network}, registry_{&registry}, key_{&key}, epoch_{epoch} {}

    /// Signs a frame. Every frame has its own sequence. Errors: `secret_gone`.
    [[nodiscard]] result<bytes> sign(session_id const& id, slot self, body const& what) {
        return encode_frame({id, epoch_, self, ++sequence_, kind_of(what)}, what, *key_);
    }

    /// Sends @p frame. Without a connection one is begun instead; when it is up, the session repeats what is still of
    /// use. A session whose frame a congested peer refused is remembered for @ref take_refused.
    void hand_over(session_id const& id, member const& to, bytes frame) {
        if (!network_->is_connected(to.peer)) {
            auto const known = registry_->find(to.signer);
            (void)network_->connect(to.peer, known ? std::span<peer::multiaddr const>{known->addresses}
                                                   : std::span<peer::multiaddr const>{});
            return;
        }
        auto const sent = network_->send(to.peer, cosign_protocol, std::move(frame));
        if (!sent && sent.error() == transport::errc::congested) remember_refused(to.peer, id);
    }

    /// Signs and sends to a peer that is connected; lost if it is not.
    void post(peer_id const& to, session_id const& id, slot self, body const& what) {
        auto frame = sign(id, self, what);
        if (frame) (void)network_->send(to, cosign_protocol, std::move(frame).value());
    }

    /// The sessions of which @p who refused frames; they are not remembered any longer.
    [[nodiscard]] std::set<session_id> take_refused(peer_id const& who) {
        auto const node = refused_.extract(who);
        return node.empty() ? std::set<session_id>{} : std::move(node.mapped());
    }
    /// Remembers that @p who still has to get frames of @p id.
    void remember_refused(peer_id const& who, session_id const& id) {
        auto& ids = refused_[who];
        ids.insert(id);
        if (ids.size() > refused_max) ids.erase(ids.begin());
    }
    /// Sessions that are remembered for peers who refused frames. O(such peers).
    [[nodiscard]] std::size_t refused_count() const {
        std::size_t sum = 0;
        for (auto const& [who, ids] : refused_) sum += ids.size();
        return sum;
    }
    /// Whether @p who has refused a frame since @ref take_refused.
    [[nodiscard]] bool is_refusing(peer_id const& who) const { return refused_.count(who) != 0; }

    /// Sessions remembered per peer; one that is forgotten is repeated when its retry is due. Ours.
    static constexpr std::size_t refused_max = 512;

private:
    Transport* network_;
    Registry const* registry_;
    peer::node_key const* key_;
    boot_epoch epoch_;
    std::map<peer_id, std::set<session_id>> refused_;
    std::uint64_t sequence_ = 0;
};

}  // namespace muster::signing
