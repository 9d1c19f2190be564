// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What this application puts together of the library: libp2p, a journal in the file system, real time, and the
/// installed arithmetic, each with what the application wants to be told besides.

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <muster/cache/persistence/snapshot_file.hpp>
#include <muster/core/alarm.hpp>
#include <muster/discovery/signer_directory.hpp>
#include <muster/metrics/registry.hpp>
#include <muster/musig2/native.hpp>
#include <muster/net/asio_timers.hpp>
#include <muster/net/libp2p_transport.hpp>
#include <muster/node/attempts.hpp>
#include <muster/node/node.hpp>
#include <muster/node/online.hpp>
#include <muster/node/open_registry.hpp>
#include <muster/signing/file_journal.hpp>

namespace cosigner {

using muster::result;
namespace signing = muster::signing;

/// BIP-327 as it is, or, in a drill, with a false share at the end.
struct drill_backend : muster::musig2::installed_backend {
    using installed_backend = muster::musig2::installed_backend;
    bool false_share = false;

    [[nodiscard]] result<muster::musig2::psig> sign(secnonce&& nonce, muster::musig2::key_pair const& key,
                                                    session_values_type const& values) const {
        MUSTER_TRY(auto share, installed_backend::sign(std::move(nonce), key, values));
        if (false_share) share.octets[31] ^= 1;
        return share;
    }
};

/// What is wrong with a journal that was loaded.
struct journal_damage {
    std::optional<std::string> put_aside;  ///< Where the damaged file is.
    std::uint64_t unreadable = 0;          ///< Bytes of it that could not be read.
};

/// A journal in the file system that tells what it found, also after the coordinator has taken it.
class watched_journal : public signing::file_journal<> {
public:
    watched_journal(options o, std::shared_ptr<journal_damage> found)
        : file_journal{std::move(o)}, found_{std::move(found)} {}

    [[nodiscard]] result<void> load(std::function<void(signing::session_id const&, muster::byte_view)> const& f) {
        auto const loaded = file_journal::load(f);
        *found_ = {put_aside(), unreadable_octets()};
        return loaded;
    }

private:
    std::shared_ptr<journal_damage> found_;
};

/// One timer for everything that waits.
using alarm = muster::alarm<muster::net::asio_timers>;
using timer_line = alarm::line;
using clock = muster::net::system_clock;

/// Signers that were discovered, in a file.
struct directory_policies : muster::discovery::directory_defaults {
    using persistence = muster::cache::debounced<muster::cache::snapshot_file<muster::discovery::signer_entry_codec>,
                                                 timer_line, clock>;
};
using directory = muster::discovery::signer_directory<directory_policies>;

/// The network, which tells what passes it where somebody wants metrics.
using real_network = muster::net::basic_libp2p_transport<muster::metrics::registry::handle>;

/// What this application puts together of the library.
struct policies : muster::node::defaults {
    using network = real_network;
    using registry = muster::node::open_registry<directory, muster::net::system_clock>;
    using timers = timer_line;
    using clock = muster::net::system_clock;
    using backend = drill_backend;
    using journal = watched_journal;
};
using co_signer = muster::node::node<policies>;
using coordinator = co_signer::coordinator_type;
using network = co_signer::network_type;

using outbound = muster::node::outbound_connections<network, timer_line, clock>;
using online = muster::node::online<network, directory, muster::net::asio_timers, clock>;
using muster::node::presence_board;

}  // namespace cosigner

// Compiled once, in coordinator.cpp, instead of in each file that includes this one.
extern template class muster::libp2p::network<muster::net::sockets, muster::crypto::system_random,
                                              muster::metrics::registry::handle>;
extern template class muster::signing::coordinator<cosigner::network, cosigner::policies::registry,
                                                   cosigner::co_signer::alarm_type::line, cosigner::policies::clock,
                                                   cosigner::policies::backend, cosigner::policies>;
extern template class muster::node::node<cosigner::policies>;
extern template class muster::node::pubsub<cosigner::network, cosigner::timer_line, cosigner::clock,
                                           muster::node::signed_gossip>;
extern template class muster::node::online<cosigner::network, cosigner::directory, muster::net::asio_timers,
                                           cosigner::clock>;
