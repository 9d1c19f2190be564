// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What this application puts together of the library: libp2p, a journal in the file system, real time, and the
/// installed arithmetic, each with what the application wants to be told besides.

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <muster/musig2/native.hpp>
#include <muster/net/asio_timers.hpp>
#include <muster/net/libp2p_transport.hpp>
#include <muster/node/node.hpp>
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

/// What this application puts together of the library.
struct policies : muster::node::defaults {
    using network = muster::net::libp2p_transport;
    using timers = muster::net::asio_timers;
    using clock = muster::net::system_clock;
    using backend = drill_backend;
    using journal = watched_journal;
};
using co_signer = muster::node::node<policies>;
using coordinator = co_signer::coordinator_type;
using network = co_signer::network_type;

}  // namespace cosigner

// Compiled once, in coordinator.cpp, instead of in each file that includes this one.
extern template class muster::signing::coordinator<cosigner::network, cosigner::policies::registry,
                                                   cosigner::co_signer::alarm_type::line, cosigner::policies::clock,
                                                   cosigner::policies::backend, cosigner::policies>;
extern template class muster::node::node<cosigner::policies>;
