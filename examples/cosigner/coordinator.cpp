// SPDX-License-Identifier: MIT

#include "composition.hpp"

template class muster::libp2p::network<muster::net::sockets, muster::crypto::system_random,
                                       muster::metrics::registry::handle>;
template class muster::signing::coordinator<cosigner::network, cosigner::policies::registry,
                                            cosigner::co_signer::alarm_type::line, cosigner::policies::clock,
                                            cosigner::policies::backend, cosigner::policies>;
template class muster::node::node<cosigner::policies>;
template class muster::node::pubsub<cosigner::network, cosigner::timer_line, cosigner::clock,
                                    muster::node::signed_gossip>;
template class muster::node::online<cosigner::network, cosigner::directory, muster::net::asio_timers, cosigner::clock>;
