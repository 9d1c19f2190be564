// SPDX-License-Identifier: MIT

// Every machine follows the contract of core/machine.hpp. Whoever adds one adds a line.

#include <muster/cache/persistence/save_schedule.hpp>
#include <muster/connection/manager.hpp>
#include <muster/connection/outbound_pool.hpp>
#include <muster/core/machine.hpp>
#include <muster/crypto/hedged_random.hpp>
#include <muster/discovery/agenda.hpp>
#include <muster/feed/client.hpp>
#include <muster/feed/signed_log.hpp>
#include <muster/gossip/router.hpp>
#include <muster/identity/guardian_desk.hpp>
#include <muster/identity/guardian_watch.hpp>
#include <muster/libp2p/host.hpp>
#include <muster/musig2/portable.hpp>
#include <muster/signing/peer_admission.hpp>
#include <muster/signing/session.hpp>
#include <muster/signing/topology.hpp>
#include <muster/sync/link_watch.hpp>
#include <muster/sync/outbox.hpp>

using namespace muster;

struct log_feed : feed::defaults {
    using protocol = feed::signed_log;
};

static_assert(machine<cache::save_schedule>);
static_assert(machine<connection::outbound_pool>);
static_assert(machine<connection::manager>);
static_assert(machine<discovery::agenda>);
static_assert(machine<feed::client<log_feed>>);
static_assert(machine<gossip::router<>>);
static_assert(machine<identity::guardian_desk<crypto::hedged_random<>>>);
static_assert(machine<identity::guardian_watch<splitmix64>>);
static_assert(machine<libp2p::host<>>);
static_assert(machine<signing::peer_admission>);
static_assert(machine<signing::session<musig2::portable, signing::mesh>>);
static_assert(machine<signing::session<musig2::portable, signing::aggregator>>);

static_assert(machine<sync::link_watch>);
static_assert(machine<sync::outbox<sync::judgement (*)(sync::entry const&)>>);

static_assert(byte_machine<libp2p::multistream::dialer>);
static_assert(byte_machine<libp2p::multistream::listener>);
static_assert(byte_machine<libp2p::noise::handshake>);
static_assert(byte_machine<libp2p::yamux::session>);
static_assert(byte_machine<libp2p::stream_set>);
static_assert(byte_machine<libp2p::connection>);
