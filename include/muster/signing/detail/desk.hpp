// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What a coordinator holds and borrows, and what is asked of that wherever its work is done.
///
/// Idea: commands, frames, restarts and effects are each a subject of its own, in a file of its own, over the same
/// sessions, rosters, peers and journal. Those are here, with no logic but the short answers that all of them need.

#include <algorithm>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include <muster/core/effect_sink.hpp>
#include <muster/core/time.hpp>
#include <muster/musig2/tweak.hpp>
#include <muster/peer/identity.hpp>
#include <muster/signing/frame_sender.hpp>
#include <muster/signing/graveyard.hpp>
#include <muster/signing/journal.hpp>
#include <muster/signing/limits.hpp>
#include <muster/signing/nonce_counter.hpp>
#include <muster/signing/peer_admission.hpp>
#include <muster/signing/registry.hpp>
#include <muster/signing/roster_book.hpp>
#include <muster/signing/session.hpp>
#include <muster/signing/session_store.hpp>

namespace muster::signing::detail {

/// The state of one coordinator. See @ref coordinator for the parameters and who owns what. Neither copyable nor
/// movable; one thread at a time.
template <transport::frames Transport, signer_registry Registry, clock Clock, musig2::backend Backend, class Options>
struct desk {
    using topology_policy = typename Options::topology;
    using entropy_policy = typename Options::entropy;
    using journal_policy = typename Options::journal;
    using session_type = session<Backend, topology_policy>;
    using effects = effect_list<session_effect>;
    static constexpr bool has_journal = !std::same_as<journal_policy, no_journal>;

    desk(Transport& n, Registry const& r, Clock const& t, peer::key_set k, boot_epoch const& e, limits const& l,
         Backend b, entropy_policy source, journal_policy j)
        : network{n},
          registry{r},
          time{t},
          keys{std::move(k)},
          epoch{e},
          bounds{l},
          backend{std::move(b)},
          entropy{std::move(source)},
          journal{std::move(j)},
          binding{peer::bind(keys.signer, keys.node.id())},
          admission{bounds},
          sender{network, registry, keys.node, epoch},
          sessions{bounds.closed_sessions_max, bounds.tombstones_max},
          graves{bounds.tombstones_max},
          rosters{bounds.rosters_max} {}
    desk(desk const&) = delete;
    desk& operator=(desk const&) = delete;

    [[nodiscard]] peer_id const& local_peer() const noexcept { return keys.node.id(); }
    [[nodiscard]] public_key const& signer_key() const noexcept { return keys.signer.public_key(); }

    /// Where @p who stands in the roster of @p plan. O(signers).
    [[nodiscard]] static std::optional<slot> slot_of(proposal const& plan, peer_id const& who) {
        for (slot s = 0; s < plan.roster.size(); ++s) {
            if (plan.roster[s].peer == who) return s;
        }
        return std::nullopt;
    }

    /// Whether @p machine is where @p signer is to be found, as the application says.
    [[nodiscard]] bool is_registered(public_key const& signer, peer_id const& machine) const {
        if constexpr (requires { registry.may_propose(signer, machine); }) {
            return registry.may_propose(signer, machine);
        } else {
            auto const known = registry.find(signer);
            return known && known->who.peer == machine;
        }
    }

    /// Tells the application what the admission of @p who says.
    struct admission_sink {
        effect_list<event>& to;
        peer_id const& who;
        void push(peer_admission::warned w) { to.push(frames_dropped{who, std::move(w.why)}); }
    };
    /// @copydoc admission_sink
    [[nodiscard]] admission_sink to_application(peer_id const& who) { return {events, who}; }

    /// Tells the application of @p who's misbehaviour, and disconnects it after too many strikes.
    void penalise(peer_id const& who, error why) {
        events.push(peer_misbehaved{who, std::move(why)});
        if (admission.strike(who, time.now(), to_application(who))) network.disconnect(who);
    }

    /// `wrong_state` before the journal was taken up.
    [[nodiscard]] result<void> require_journal() const {
        if (is_restored) return ok();
        return error{errc::wrong_state, "the journal was not taken up yet; call restore() first"};
    }
    /// `too_many_sessions` when @p open_max are open.
    [[nodiscard]] result<void> require_free_slot(std::size_t open_max) const {
        if (sessions.open().size() < open_max) return ok();
        return error{errc::too_many_sessions, text("all ", open_max, " sessions are open; finish or abort one first")};
    }
    /// Whether the frames that a session takes are small enough for us: the proposal of that size, and what follows.
    [[nodiscard]] result<void> check_frames(std::size_t proposal_size, std::size_t messages) const {
        auto const size = std::max(proposal_size, largest_frame(messages));
        if (size <= bounds.frame_size_max) return ok();
        return error{errc::frame_too_large,
                     text("it takes frames of ", size, " bytes; at most ", bounds.frame_size_max, " here")};
    }

    /// What a session of that plan is about, on our clock. Errors: what key aggregation refuses.
    [[nodiscard]] result<session_terms<Backend>> make_terms(session_id const& id, roster_id const& roster,
                                                            proposal plan, slot self, timestamp created) {
        std::vector<public_key> signers;
        for (auto const& m : plan.roster) signers.push_back(m.signer);
        MUSTER_TRY(auto group, musig2::key_agg(backend, signers, plan.tweaks));
        // Clamped before the conversion to nanoseconds, which a hostile expiry would overflow.
        using std::chrono::milliseconds;
        auto const lifetime = std::chrono::duration_cast<milliseconds>(bounds.session_lifetime_max);
        auto const wall = time.wall_now();
        auto const left = std::clamp(saturating_difference(plan.expires_at, wall), milliseconds{0}, lifetime);
        auto const spent = std::clamp(saturating_difference(wall, created), milliseconds{0}, lifetime);
        return session_terms<Backend>{id,
                                      roster,
                                      std::make_shared<proposal const>(std::move(plan)),
                                      std::move(group),
                                      self,
                                      epoch,
                                      saturating_add(time.now(), left),
                                      saturating_add(time.now(), lifetime - spent),
                                      created,
                                      backend};
    }
    /// A session of that plan that waits for an approval. The same errors.
    [[nodiscard]] result<session_type> make_session(session_id const& id, roster_id const& roster, proposal plan,
                                                    slot self) {
        MUSTER_TRY(auto terms, make_terms(id, roster, std::move(plan), self, time.wall_now()));
        return session_type{std::move(terms), bounds, time.now()};
    }

    Transport& network;
    Registry const& registry;
    Clock const& time;
    peer::key_set keys;
    boot_epoch epoch;
    limits bounds;
    [[no_unique_address]] Backend backend;
    [[no_unique_address]] entropy_policy entropy;
    [[no_unique_address]] journal_policy journal;
    result<peer::binding> binding;
    peer_admission admission;
    frame_sender<Transport, Registry> sender;
    session_store<session_type> sessions;
    graveyard graves;
    roster_book rosters;
    effect_list<event> events;  ///< Not told to the application yet.
    nonce_counter nonces_drawn;
    bool is_restored = !has_journal;
};

}  // namespace muster::signing::detail
