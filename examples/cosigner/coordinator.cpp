// SPDX-License-Identifier: MIT

#include "composition.hpp"

template class muster::signing::coordinator<muster::net::libp2p_transport, muster::signing::static_registry,
                                            muster::net::asio_timers, muster::net::system_clock,
                                            cosigner::drill_backend, cosigner::coordinator_options>;
